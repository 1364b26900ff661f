"""Differential entropy of EEG bands."""

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
    unit="bit, of uV",
    released_unit="log2(100 uV2)",
)
RELEASED = _released_eeg.de
example = _eeg.example_signal


@registered
def de(
    signal: Signal,
    *,
    bands: _eeg.Bands = _eeg.BANDS,
    window_seconds: float = 4.0,
    stride_seconds: float = 4.0,
    method: Method = "multitaper",
) -> Features:
    """Entropy in bits of a Gaussian with the variance in each band, ``log2(2 pi e s²) / 2`` with s in µV.

    Parameters and axes are those of ``psd``; the variance in a band is its mean density times its width.
    """
    cut = {"window_seconds": window_seconds, "stride_seconds": stride_seconds}
    power = _eeg.band_psd(signal, bands=bands, method=method, **cut)
    values = _eeg.entropy(power, bands)
    return _eeg.features(values, signal, bands=bands, extractor="de", version=INFO.version, **cut)
