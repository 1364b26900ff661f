"""Differential entropy of EEG bands, smoothed over the trial."""

from __future__ import annotations

from mien.core import Features, Signal, registered, to_samples
from mien.features import _eeg, _released_eeg
from mien.features._shared import Info, signal_valid, usable

INFO = Info(
    version="1",
    modality="eeg",
    scope="recording",
    reaches="trial",
    unit="bit, of uV",
    released_unit="log2(100 uV2)",
)
RELEASED = _released_eeg.de_lds
example = _eeg.example_signal


@registered
@_eeg.with_band_options
def de_lds(signal: Signal, options: _eeg.BandOptions, *, causal: bool = False) -> Features:
    """``de`` through :func:`mien.signal.lds_smooth`, each band and channel by itself.

    With about 32 windows of memory the smoothed windows of a trial resemble one another: never put windows of
    one trial on both sides of a split.

    Parameters
    ----------
    causal
        Filter, starting at the first window, in place of smoother: no window depends on a later one.

    Notes
    -----
    The other parameters and the axes are those of ``psd``. Windows that are not valid take no part in the
    smoothing and are NaN afterwards, as are channels in windows where they are flat or lost.
    """
    values = options.entropy(signal)
    length, stride = (to_samples(seconds, signal.rate) for seconds in options.cut.values())
    use = usable(values) & signal_valid(signal, length=length, stride=stride)
    smooth = _eeg.smoothed(values, use, causal=causal)
    return options.features(smooth, signal, extractor="de_lds", version=INFO.version)
