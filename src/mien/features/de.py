"""Differential entropy of EEG bands."""

from __future__ import annotations

from mien.core import Features, Signal, registered
from mien.features import _eeg, _released_eeg
from mien.features._shared import Info

INFO = Info(
    version="1",
    modality="eeg",
    scope="none",
    reaches="window",
    unit="bit, of uV",
    released_unit="log2(100 uV2)",
)
RELEASED = _released_eeg.de
example = _eeg.example_signal


@registered
@_eeg.with_band_options
def de(signal: Signal, options: _eeg.BandOptions) -> Features:
    """Entropy in bits of a Gaussian with the variance in each band, ``log2(2 pi e s²) / 2`` with s in µV.

    Parameters and axes are those of ``psd``; the variance in a band is its mean density times its width.
    """
    return options.features(options.entropy(signal), signal, extractor="de", version=INFO.version)
