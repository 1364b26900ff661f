"""Power spectral density of EEG bands."""

from __future__ import annotations

from mien.core import Features, Signal, registered
from mien.features import _eeg, _released_eeg
from mien.features._shared import Info
from mien.signal.spectrum import Method

INFO = Info(
    version="1",
    modality="eeg",
    scope="none",
    reaches="window",
    unit="uV2/Hz",
    released_unit="uV2, unscaled |FFT|2",
)
RELEASED = _released_eeg.psd
example = _eeg.example_signal


@registered
def psd(
    signal: Signal,
    *,
    bands: _eeg.Bands = _eeg.BANDS,
    window_seconds: float = 4.0,
    stride_seconds: float = 4.0,
    method: Method = "multitaper",
) -> Features:
    """Mean one-sided density of each band over the whole window, in µV²/Hz.

    Parameters
    ----------
    signal
        EEG in volts.
    bands
        Name to ``(low, high)`` in Hz; by default delta 1-4, theta 4-8, alpha 8-14, beta 14-31, gamma 31-50.
    window_seconds, stride_seconds
        Length of a window and distance between two.
    method
        ``"multitaper"`` or ``"welch"``, see :func:`mien.signal.band_power`.

    Returns
    -------
    Features
        Axes window, band, channel. A channel that is flat or not finite in a window is NaN there; a window is
        not valid if the signal is not valid in it or more than half of its values are NaN.
    """
    cut = {"window_seconds": window_seconds, "stride_seconds": stride_seconds}
    values = _eeg.band_psd(signal, bands=bands, method=method, **cut)
    return _eeg.features(values, signal, bands=bands, extractor="psd", version=INFO.version, **cut)
