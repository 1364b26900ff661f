"""What all feature files share: their description, checks, and putting windows together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Scope, Signal, n_windows, to_samples

Array = NDArray[Any]


class FeatureWarning(UserWarning):
    """Features were made outside the conditions that their recipe states."""


@dataclass(frozen=True, kw_only=True)
class Info:
    """Description of a feature family.

    Attributes
    ----------
    version
        Changes whenever the numbers change.
    modality
        Kind of stream it reads; ``"any"`` where it reads more than one.
    scope
        What it looks at beyond one window: nothing, or the recording.
    reaches, released_reaches
        ``"window"`` where a value depends on its own window only, ``"trial"`` where it may depend on others
        of the trial; the second is that of the recipe ``released`` where it differs.
    unit, released_unit
        Unit of the values in either recipe, as text; empty for a recipe that the feature does not have.
    reads
        What it is made of: a ``"signal"``, the ``"clip"`` of an event, the ``"film"`` of a trial, or the
        features of that name.
    """

    version: str
    modality: str
    scope: Scope
    reaches: Literal["window", "trial"]
    unit: str
    released_unit: str
    reads: str = "signal"
    released_reaches: Literal["window", "trial"] | None = None

    def reach(self, recipe: str) -> Literal["window", "trial"]:
        """How far a value reaches in a recipe."""
        own = self.released_reaches if recipe == "released" else None
        return own or self.reaches


def missing(features: Features) -> dict[str, int]:
    """Channels (or what the last axis lists) without a number, and in how many windows.

    A dead, flat or lost channel has NaN, never a made-up number; this lists them.
    """
    names = list(features.axes)
    if len(names) == 1:
        return {}
    along = names.index("channel") if "channel" in names else len(names) - 1
    others = tuple(i for i in range(1, len(names)) if i != along)
    counts = (~np.isfinite(features.values)).any(axis=others).sum(axis=0)
    return {label: int(n) for label, n in zip(features.axes[names[along]], counts, strict=True) if n}


def outside(bands: Mapping[str, tuple[float, float]], band: tuple[float, float]) -> list[str]:
    """A sentence for each of some bands of which less than half lies in what earlier filtering has left.

    ``bands`` are name to ``(low, high)`` in Hz, ``band`` is ``(low, high)`` of what was left.
    """
    found = []
    for name, (low, high) in bands.items():
        share = max(0.0, min(high, band[1]) - max(low, band[0])) / (high - low)
        if share < 0.5:
            left = f"{share:.0%}" if share else "nothing"
            found.append(
                f"phantom {name}: earlier filtering has left {band[0]:g}-{band[1]:g} Hz of the signal, "
                f"{left} of {low:g}-{high:g} Hz. Such power is what leaks over the edge of the filter; "
                "leave the band out or start from raw data"
            )
    return found


def volts(signal: Signal) -> Array:
    """The data of a signal that must be in volts, as they are."""
    if signal.unit != "V":
        raise InputError(
            f"the signal's unit is {signal.unit!r}",
            expected="'V'",
            remedy="choose a stream in volts or set the unit where the file is read",
        )
    return signal.data


def microvolts(signal: Signal) -> Array:
    """The data of a signal in volts as float64 microvolts."""
    return np.asarray(volts(signal), dtype=np.float64) * 1e6


def assemble(
    values: Array,
    signal: Signal,
    *,
    axes: Mapping[str, tuple[str, ...]],
    window_seconds: float,
    stride_seconds: float,
    extractor: str,
    version: str,
) -> Features:
    """Features with times and validity of windows that start every ``stride_seconds`` of a signal.

    A window is valid if the signal is valid all through it and at least half of its values are numbers.
    """
    length = to_samples(window_seconds, signal.rate)
    stride = to_samples(stride_seconds, signal.rate)
    n = len(values)
    return Features(
        values=values,
        axes={"window": (), **axes},
        starts=np.asarray(signal.start + np.arange(n) * (stride / signal.rate), dtype=np.float64),
        durations=np.full(n, length / signal.rate),
        extractor=extractor,
        version=version,
        valid=usable(values) & signal_valid(signal, length=length, stride=stride),
    )


def usable(values: Array) -> NDArray[np.bool_]:
    """Whether at least half of a window's values are numbers: (windows,)."""
    numbers = np.isfinite(values).sum(axis=tuple(range(1, values.ndim)))
    return np.asarray(numbers * 2 >= math.prod(values.shape[1:]), dtype=bool)


def signal_valid(signal: Signal, *, length: int, stride: int) -> NDArray[np.bool_]:
    """Whether a signal is valid all through each of its windows: (windows,)."""
    n = n_windows(signal.n_times, length=length, stride=stride)
    if signal.valid is None or n == 0:
        return np.ones(n, dtype=bool)
    windows = np.lib.stride_tricks.sliding_window_view(signal.valid, length)[::stride]
    return np.asarray(windows.all(axis=1), dtype=bool)
