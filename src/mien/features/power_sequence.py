"""Power of EEG bands second by second, as a sequence for a network that looks along time."""

from __future__ import annotations

import numpy as np

from mien.core import Features, Signal, registered
from mien.features import _eeg, _released_power
from mien.features._eeg import Bands
from mien.features._shared import Info, assemble

BANDS: Bands = _released_power.BANDS

INFO = Info(
    version="1",
    modality="eeg",
    scope="none",
    reaches="window",
    unit="ln(uV2/Hz)",
    released_unit="uV2/Hz, two-sided",
)
RELEASED = _released_power.power_sequence
example = _released_power.example_signal


def default_stream(**options: object) -> str:
    """The 62 channels of the cap; the released recipe needs ``raw_eeg_all``."""
    return "raw_eeg"


@registered
def power_sequence(
    signal: Signal, *, bands: Bands = BANDS, window_seconds: float = 2.0, stride_seconds: float = 1.0
) -> Features:
    """Natural logarithm of the mean density of each band in overlapping windows, in µV²/Hz.

    Parameters
    ----------
    signal
        EEG in volts; all its channels are used.
    bands
        Name to ``(low, high)`` in Hz; by default delta 1-4, theta 4-8, alpha 8-13, beta 13-30, gamma 30-47.
    window_seconds, stride_seconds
        Length of a Hann window and distance between two: those of Welch's method with half overlap, each
        window on its own. Eight seconds give seven windows.

    Returns
    -------
    Features
        Axes window, channel, band: flattened, the five bands of the first channel come first. A channel that
        is flat or not finite in a window is NaN there; a window is not valid if the signal is not valid in it
        or more than half of its values are NaN.
    """
    options = _eeg.BandOptions(
        bands=bands, window_seconds=window_seconds, stride_seconds=stride_seconds, method="hann"
    )
    with np.errstate(divide="ignore"):
        values = _eeg.numbers(np.log(options.psd(signal)))
    return assemble(
        values.transpose(0, 2, 1),
        signal,
        axes={"channel": signal.channels, "band": tuple(bands)},
        window_seconds=window_seconds,
        stride_seconds=stride_seconds,
        extractor="power_sequence",
        version=INFO.version,
    )
