"""The EEG itself in short segments, for a network that looks at samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Signal, n_windows, registered, to_samples
from mien.features import _released_segments
from mien.features._shared import Info, assemble, microvolts
from mien.signal import flat

Array = NDArray[Any]

INFO = Info(
    version="1",
    modality="eeg",
    scope="none",
    reaches="window",
    unit="uV",
    released_unit="uV",
    released_reaches="trial",
)
RELEASED = _released_segments.segments
example = _released_segments.example_signal


@registered
def segments(signal: Signal, *, window_seconds: float = 3.0, stride_seconds: float = 3.0) -> Features:
    """Samples of each channel, segment by segment, in µV.

    Parameters
    ----------
    signal
        EEG in volts.
    window_seconds, stride_seconds
        Length of a segment and distance between two.

    Returns
    -------
    Features
        Axes window, channel, time (the number of the sample in its segment). A channel that is flat or not
        finite in a segment is NaN all through it; a segment is not valid if the signal is not valid in it or
        more than half of its values are NaN.
    """
    cut = {"window_seconds": window_seconds, "stride_seconds": stride_seconds}
    values = _cut(microvolts(signal), signal.rate, **cut)
    lost = ~np.isfinite(values).all(axis=-1) | flat(signal.data, rate=signal.rate, **cut)
    values[lost] = np.nan
    return assemble(
        values,
        signal,
        axes={"channel": signal.channels, "time": tuple(map(str, range(values.shape[-1])))},
        extractor="segments",
        version=INFO.version,
        **cut,
    )


def _cut(data: Array, rate: float, *, window_seconds: float, stride_seconds: float) -> Array:
    """A copy (windows, channels, length) of (channels, times)."""
    length, stride = to_samples(window_seconds, rate), to_samples(stride_seconds, rate)
    if n_windows(data.shape[1], length=length, stride=stride) == 0:
        return np.empty((0, len(data), length))
    windows = np.lib.stride_tricks.sliding_window_view(data, length, axis=-1)[:, ::stride]
    return np.ascontiguousarray(windows.transpose(1, 0, 2))
