"""The body second by second, as a sequence for a network that looks along time."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from mien.core import Features, InputError, Signal, registered, to_samples
from mien.features import _body, _body_all, _body_example
from mien.features._body_tracks import KNOWN, is_level, measure_names, tracks
from mien.features._shared import FeatureWarning, Info

INFO = Info(
    version="1",
    modality="peripheral",
    scope="recording",
    reaches="trial",
    unit="mixed, see the page",
    released_unit="",
)


def default_stream(**options: object) -> str:
    """All channels of the body's recorder."""
    return "body"


@registered
def body_sequence(
    signal: Signal,
    *,
    channels: Mapping[str, str] = _body_all.CHANNELS,
    window_seconds: float = 20.0,
    stride_seconds: float = 20.0,
    baseline_seconds: float = 4.0,
    context_seconds: float = 0.0,
    last_only: bool = False,
    eda_unit: str = "S",
) -> Features:
    """One value a second of heart, pulse, skin conductance, breath, temperature and muscles.

    Parameters
    ----------
    signal
        A whole trial, or the seconds around an event with those of the baseline before them, of all channels,
        each in its SI unit ("mixed"): 24 s by default, of which ``cut = "apex-12+12"`` makes 8 s before the
        apex to 12 s after it, and the 4 s before these as the baseline.
    channels, eda_unit
        As for ``body_windows``.
    window_seconds, stride_seconds
        Length of a sequence and distance between two, whole seconds. Everything is filtered once, as a whole.
    baseline_seconds
        Seconds before the first sequence, with which the level of each measure is compared: those that the
        signal begins with (after its context). 0: no baseline, and levels as they are.
    context_seconds
        Seconds at the beginning and at the end of the signal that are there for the filters only.
    last_only
        Only the last sequence that fits, which may reach into the baseline: for a signal that ends a fixed
        time after an event (``cut = "rest-3+10"``).

    Returns
    -------
    Features
        Axes window, second, measure, see ``docs/features/body_sequence.md``. What was measured in less than
        half of a second, or of the window, is NaN there, and a level that has no baseline is NaN all through;
        a window is not valid if the signal is not valid in it or more than half of its values are NaN. A
        signal that is too short for one gives none and a :class:`FeatureWarning`.
    """
    if window_seconds < 1 or window_seconds != int(window_seconds):
        raise InputError(
            f"option 'window_seconds' is {window_seconds:g}", expected="whole seconds, at least 1"
        )
    _body.not_negative(baseline_seconds=baseline_seconds, context_seconds=context_seconds)
    body = _body_all.analysed(signal, channels=channels, eda_unit=eda_unit)
    cut = {"window_seconds": window_seconds, "stride_seconds": stride_seconds}
    skip = context_seconds + (0.0 if last_only else baseline_seconds)
    begins = _body.windows(signal, **cut, skip=skip, leave=context_seconds, last_only=last_only)
    if not len(begins):
        needed = skip + window_seconds + context_seconds
        warnings.warn(
            f"{signal.n_times / signal.rate:g} s of signal are less than the {needed:g} s of baseline, one "
            "window and context: nothing is made of it. Read more "
            f'(cut = "apex:{needed:g}") or choose shorter ones',
            FeatureWarning,
            stacklevel=2,
        )
    n_seconds = int(window_seconds)
    starts = (begins[:, None] + np.arange(n_seconds)).ravel()
    names = measure_names(channels)
    stops = begins + window_seconds
    qualities = {name: _body_all.quality(body, name, kind, begins, stops) for name, kind in channels.items()}
    good = {name: np.repeat(quality >= KNOWN, n_seconds) for name, quality in qualities.items()}
    flat = tracks(body, channels, starts, starts + 1, good=good)
    if baseline_seconds > 0:
        usable = {name: np.ones(1, dtype=bool) for name in channels}
        before = tracks(
            body,
            channels,
            np.full(1, context_seconds),
            np.full(1, context_seconds + baseline_seconds),
            good=usable,
        )[0]
        flat = flat - np.where([is_level(name) for name in names], before, 0.0)
    values = flat.reshape(len(begins), n_seconds, len(names))
    values = np.where(np.isfinite(values), values, np.nan)
    _body_all.warn_of(body, channels, qualities)
    length = to_samples(window_seconds, signal.rate)
    numbers = np.isfinite(values).mean(axis=(1, 2)) if len(begins) else np.zeros(0)
    return Features(
        values=values,
        axes={"window": (), "second": tuple(map(str, range(n_seconds))), "measure": names},
        starts=np.asarray(signal.start + begins, dtype=np.float64),
        durations=np.full(len(begins), length / signal.rate),
        extractor="body_sequence",
        version=INFO.version,
        valid=(numbers >= 0.5) & _body.all_valid(signal, begins, length),
    )


def example() -> Signal:
    """A made-up minute of eight channels at 250 Hz."""
    return _body_example.made_body(seconds=66.0)
