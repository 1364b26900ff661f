"""The features that the authors of a data set provide, as they stand in its files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Recording, Signal, Span, Stream, Trial, registered
from mien.features._shared import Info, assemble

INFO = Info(
    version="1",
    modality="any",
    scope="recording",
    reaches="trial",
    unit="as provided",
    released_unit="as provided",
)


AUTO = "auto"
PREFERRED = ("de_lds", "de", "de_lds_4s", "de_4s")
"""Which variant ``"auto"`` is: the first of these that a data set has."""
_EEG = "shipped_eeg_"


def default_stream(*, modality: str = "eeg", variant: str = AUTO) -> str:
    """``shipped_eeg_<variant>`` for EEG, else ``shipped_<modality>``; of no data set in particular,
    ``"auto"`` is the first that is preferred."""
    if modality != "eeg":
        return f"shipped_{modality}"
    return _EEG + (PREFERRED[0] if variant == AUTO else variant)


def choose_options(
    options: Mapping[str, Any], streams: Mapping[str, float], *, window_seconds: float | None = None
) -> dict[str, Any]:
    """The options with ``"auto"`` as the variant that a data set offers.

    Parameters
    ----------
    streams
        Name of every stream there is, to its rate.
    window_seconds
        Length of the windows that others are paired with: a variant that has them goes before one that has
        not.

    Raises
    ------
    InputError
        There are several variants and none is preferred.
    """
    there = {name.removeprefix(_EEG): rate for name, rate in streams.items() if name.startswith(_EEG)}
    by_name = options.get("variant", AUTO) != AUTO
    if options.get("modality", "eeg") != "eeg" or by_name or not there:
        return dict(options)
    if window_seconds is not None:
        fits = {v: r for v, r in there.items() if math.isclose(r * window_seconds, 1, rel_tol=1e-6)}
        there = fits or there
    chosen = next((v for v in PREFERRED if v in there), None)
    if chosen is None and len(there) > 1:
        raise InputError(
            f"the data set has the shipped EEG features {', '.join(sorted(there))}, and none is the default",
            expected="one of them as the variant",
            remedy='name it: { name = "shipped", options = { variant = "..." } }',
        )
    return {**options, "variant": chosen or next(iter(there))}


@registered
def shipped(signal: Signal, *, modality: str = "eeg", variant: str = AUTO) -> Features:
    """One window per sample of a stream of features.

    Whoever made the features may have smoothed them over the trial, so they are taken to reach that far.

    Parameters
    ----------
    signal
        Stream of the unit ``"mixed"``, one sample per window.
    modality, variant
        Which stream: ``shipped_eeg_<variant>`` for ``"eeg"``, ``shipped_eye`` for ``"eye"``. The variant
        ``"auto"`` is the first of :data:`PREFERRED` that a recording has, or the only one; in a study or
        table with another modality, the first in windows as long as that one's.

    Returns
    -------
    Features
        Axes window, band, channel where the stream's channels are named ``band:channel``, band by band (310
        for SEED-VII); else window, feature. What is not finite is NaN; a window is not valid if more than
        half of its values are.
    """
    del modality, variant  # they chose the stream
    if signal.unit != "mixed":
        raise InputError(
            f"the signal's unit is {signal.unit!r}",
            expected="'mixed', a stream of features",
            remedy="read a data set that comes with features, or compute 'de_lds' from its EEG",
        )
    axes = _axes(signal.channels)
    rows = np.asarray(signal.data, dtype=np.float64).T
    values = np.where(np.isfinite(rows), rows, np.nan).reshape(len(rows), *map(len, axes.values()))
    return assemble(
        values,
        signal,
        axes=axes,
        window_seconds=1 / signal.rate,
        stride_seconds=1 / signal.rate,
        extractor="shipped",
        version=INFO.version,
    )


RELEASED = shipped


def _axes(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    pairs = [name.partition(":") for name in names]
    bands = tuple(dict.fromkeys(band for band, _, _ in pairs))
    channels = tuple(dict.fromkeys(channel for _, _, channel in pairs))
    if names == tuple(f"{band}:{channel}" for band in bands for channel in channels):
        return {"band": bands, "channel": channels}
    return {"feature": names}


class _Table:
    """Samples held in memory, for :func:`example`."""

    def __init__(self, data: NDArray[Any], rate: float) -> None:
        self.data, self.rate = data, rate

    def read(self, start: float, duration: float) -> NDArray[Any]:
        first = round(start * self.rate)
        return self.data[:, first : first + round(duration * self.rate)]


def example() -> Recording:
    """Two trials of three windows with two bands of two channels."""
    span = Span(start=0.0, duration=24.0)
    trials = tuple(
        Trial(
            id=f"1/{clip}",
            recording="1",
            subject="1",
            session="1",
            stimulus=str(clip),
            span=Span(start=12.0 * (clip - 1), duration=12.0),
        )
        for clip in (1, 2)
    )
    stream = Stream(
        name="shipped_eeg_de_lds",
        modality="eeg",
        unit="mixed",
        rate=0.25,
        channels=("delta:FP1", "delta:CZ", "theta:FP1", "theta:CZ"),
        span=span,
        source=_Table(np.random.default_rng(0).normal(size=(4, 6)), 0.25),
    )
    return Recording(
        id="1", dataset="example", subject="1", session="1", streams={stream.name: stream}, trials=trials
    )
