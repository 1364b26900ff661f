"""Bad channels made anew from the others, over the sphere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.signal.cleaning._work import Outcome, Work, mix
from mien.signal.cleaning.montage import montage

_FEWEST = 4


@dataclass(frozen=True)
class Interpolate:
    """Replace the channels found bad by spherical splines of the others.

    Each takes one off the rank. Perrin, Pernier, Bertrand and Echallier (1989),
    doi:10.1016/0013-4694(89)90180-6, as MNE does it.
    """

    def run(self, work: Work) -> Outcome:
        """Mend the channels that earlier steps marked."""
        bad = [name for name in work.channels if name in set(work.bad) - set(work.interpolated)]
        if bad:
            mix(work.data, interpolation_matrix(work.channels, bad), work.rate)
        done = replace(
            work, interpolated=tuple(dict.fromkeys((*work.interpolated, *bad))), rank=work.rank - len(bad)
        )
        return Outcome(work=done, found={"channels": bad}, percent=100 * len(bad) / len(work.channels))


def interpolation_matrix(channels: Sequence[str], bad: Sequence[str]) -> NDArray[np.float64]:
    """``(channels, channels)`` that makes the rows of bad channels from the others and keeps these."""
    import mne

    if len(channels) - len(bad) < _FEWEST:
        raise InputError(
            f"{len(bad)} of {len(channels)} channels are bad",
            expected=f"at least {_FEWEST} good ones to interpolate from",
            remedy="leave this recording out",
        )
    info = mne.create_info(list(channels), 1000.0, "eeg")
    # interpolation is linear: what it makes of the identity is its matrix
    raw = mne.io.RawArray(np.eye(len(channels)), info, verbose="error")
    raw.set_montage(montage(channels), verbose="error")
    raw.info["bads"] = list(bad)
    raw.interpolate_bads(reset_bads=True, mode="accurate", origin=(0.0, 0.0, 0.0), verbose="error")
    return np.asarray(raw.get_data())
