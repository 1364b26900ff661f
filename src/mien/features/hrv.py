"""Heart rate and its variability, window by window, from an ECG or a pulse wave."""

from __future__ import annotations

import numpy as np

from mien.core import Features, InputError, Signal, registered
from mien.features import _body, _body_example
from mien.features._shared import Info
from mien.signal import cardiac

INFO = Info(
    version="1",
    modality="ecg",
    scope="recording",
    reaches="trial",
    unit="1/min (rate); ms (sdnn, rmssd); share (pnn50, quality); ln(ms2) (lf, hf, lf_hf)",
    released_unit="",
)
NAMES = (*cardiac.MEASURES, "quality")


def default_stream(**options: object) -> str:
    """The ECG of the body's recorder, or its pulse wave for ``kind="ppg"``."""
    return str(options.get("kind", "ecg"))


@registered
def hrv(
    signal: Signal, *, kind: str = "ecg", window_seconds: float = 120.0, stride_seconds: float = 120.0
) -> Features:
    """Heart rate and its variability.

    Parameters
    ----------
    signal
        A whole trial of one channel (or one called after ``kind``), in any unit.
    kind
        ``"ecg"`` or ``"ppg"``. Beats of a pulse wave vary a little more than those of the heart.
    window_seconds, stride_seconds
        Length of a window and distance between two. Beats are found once in the whole signal.

    Returns
    -------
    Features
        Axes window, feature: ``rate`` (beats a minute), ``sdnn`` and ``rmssd`` (ms), ``pnn50`` (share),
        ``lf`` and ``hf`` (natural logarithm of the power in ms²), ``lf_hf`` (their difference), ``quality``
        (share of the window that believed intervals cover), see :func:`mien.signal.cardiac.variability`. A
        window shorter than two minutes has no ``lf``, one shorter than a minute no ``hf``: NaN. Where the
        quality is below 0.7 everything is NaN and the window is not valid.
    """
    if kind not in ("ecg", "ppg"):
        raise InputError(f"option 'kind' of 'hrv' is {kind!r}", expected="'ecg' or 'ppg'")
    x = _body.row(signal, kind)
    starts = _body.windows(signal, window_seconds=window_seconds, stride_seconds=stride_seconds)
    beats = cardiac.find_beats(x, signal.rate, kind="ppg" if kind == "ppg" else "ecg")
    values, quality = cardiac.variability(beats, starts, window_seconds=window_seconds)
    good = (quality >= _body.GOOD) & np.isfinite(values[:, 0])
    values[~good] = np.nan
    return _body.of_one(
        values,
        quality,
        signal,
        why=beats.fault,
        names=NAMES,
        starts=starts,
        window_seconds=window_seconds,
        good=good,
        extractor="hrv",
        channel=kind,
        version=INFO.version,
    )


def example() -> Signal:
    """Four made-up minutes of ECG at 250 Hz."""
    return _body_example.made("ecg", seconds=242.0)
