"""Power spectral density of EEG bands."""

from __future__ import annotations

from mien.core import Features, Signal, registered
from mien.features import _eeg, _released_eeg
from mien.features._shared import Info

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
@_eeg.with_band_options
def psd(signal: Signal, options: _eeg.BandOptions) -> Features:
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
    return options.features(options.psd(signal), signal, extractor="psd", version=INFO.version)
