"""What the eyes add to the EEG, taken off by what the eye channels saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.signal.cleaning._chain import Chain
from mien.signal.cleaning._work import Array, Outcome, Work, blocks
from mien.signal.cleaning.filters import HighPass, LowPass

EYES = ("EOG", "HEO", "VEO")
"""What the names of eye channels among the extras contain."""
_BLINK_Z, _SHARE, _APART, _AROUND = 6.0, 0.35, 0.4, 0.15
"""A blink: an eye channel this many robust deviations, and this share of a large blink, above (or below)
itself some seconds before and after; seconds that are added on either side."""
_FEWEST_SECONDS = 2.0


@dataclass(frozen=True)
class EyeRegression:
    """Take off each EEG channel its share of the eye channels among the extras.

    Blinks and eye movements spread differently, so each gets shares of its own (Gratton, Coles and Donchin
    1983, doi:10.1016/0013-4694(83)90135-9). A blink is what an eye channel has above the straight line from
    just before it to just after it; the line, where the eyes look meanwhile, stays with the movements.
    Shares are least squares above ``fit_high_pass`` Hz, where drift does not count. Only what is below
    ``below`` Hz is taken off: faster parts of an eye channel are muscle and brain.

    An eye channel also sees some of the frontal brain, and that goes too. Without eye channels nothing is
    done, and the record says so.
    """

    below: float = 15.0
    fit_high_pass: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.fit_high_pass < self.below:
            raise ValueError("fit_high_pass and below must be positive, and the first the smaller")

    def run(self, work: Work) -> Outcome:
        """Find the shares, take them off."""
        rows = eye_rows(work)
        if not rows:
            note = "no eye channel among the extras: eye movements were left to ICA"
            return Outcome(work=work, found={"channels": []}, percent=0.0, notes=(note,))
        eyes = _filtered(work.extra[rows].astype(np.float64), work.rate, LowPass(self.below))
        upright = [k for k, i in enumerate(rows) if "VEO" in work.extra_channels[i].upper()]
        during, n_blinks = _blinks(eyes[upright] if upright else eyes, work.rate)
        table = np.concatenate(_parted(eyes, during)) if n_blinks else eyes
        shares = self._shares(work, table)
        before = after = 0.0
        for part in blocks(work.n_times, work.rate):
            x = work.data[:, part].astype(np.float64)
            y = x - shares @ table[:, part]
            before, after = before + float((x**2).sum()), after + float((y**2).sum())
            work.data[:, part] = y
        found: dict[str, Any] = {
            "channels": [work.extra_channels[i] for i in rows],
            "blinks": n_blinks,
            "blinks_per_minute": round(60 * n_blinks * work.rate / work.n_times, 2),
        }
        percent = 100 * (1 - after / before) if before else 0.0
        return Outcome(work=replace(work), found=found, percent=percent, arrays={"shares": shares})

    def _shares(self, work: Work, table: Array) -> NDArray[np.float64]:
        """(channels, regressors), by least squares of the high-passed on the high-passed."""
        once = _filtered(table, work.rate, HighPass(self.fit_high_pass))
        # filtering both sides of a product is filtering one of them twice: the EEG need not be copied
        twice = _filtered(once, work.rate, HighPass(self.fit_high_pass))
        if work.valid is not None:
            once, twice = once * work.valid, twice * work.valid
        products = np.zeros((len(work.channels), len(table)))
        for part in blocks(work.n_times, work.rate):
            products += work.data[:, part].astype(np.float64) @ twice[:, part].T
        return np.asarray(np.linalg.lstsq(once @ once.T, products.T, rcond=1e-10)[0].T)


def eye_rows(work: Work) -> list[int]:
    """Rows of the extras that are eye channels and not flat."""
    return [
        i
        for i, name in enumerate(work.extra_channels)
        if any(word in name.upper() for word in EYES) and np.ptp(work.extra[i]) > 0
    ]


def _filtered(data: Array, rate: float, step: HighPass | LowPass) -> NDArray[np.float64]:
    if isinstance(step, LowPass) and step.cutoff + step.width(rate) >= rate / 2:
        return np.asarray(data)
    chain = Chain.of([step], rate=rate, n_in=data.shape[1])
    parts = chain.run(lambda start, stop: data[:, start:stop], block=int(120 * rate))
    return np.concatenate([part for _, part in parts], axis=1)


def _blinks(eyes: Array, rate: float) -> tuple[NDArray[np.bool_], int]:
    """Where blinks are (times,), and how many; none if they last too short to learn from.

    A look aside changes an eye channel from then on and is no bump, however large.
    """
    from scipy.ndimage import maximum_filter1d

    bumps = _bumps(eyes, max(int(_APART * rate), 1))
    low, high, most = np.percentile(bumps, (25, 75, 99), axis=1, keepdims=True)
    off = (bumps > np.maximum(_BLINK_Z * (high - low) / 1.349, _SHARE * most)).any(axis=0)
    wide = maximum_filter1d(off, 2 * int(_AROUND * rate) + 1)
    if wide.sum() < _FEWEST_SECONDS * rate or wide.all():
        return np.zeros(len(wide), dtype=bool), 0
    return wide, int((np.diff(wide.astype(np.int8), prepend=0) > 0).sum())


def _bumps(eyes: Array, apart: int) -> NDArray[np.float64]:
    """How far each sample is beyond both the one ``apart`` before and the one after; blinks are positive."""
    padded = np.pad(eyes, ((0, 0), (apart, apart)), mode="edge")
    before, after = eyes - padded[:, : -2 * apart], eyes - padded[:, 2 * apart :]
    bumps = np.where(before * after > 0, np.sign(before) * np.minimum(np.abs(before), np.abs(after)), 0.0)
    return np.asarray(bumps * np.sign((bumps**3).sum(axis=1, keepdims=True)))


def _parted(eyes: Array, during: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Movements and blinks, which add up to the eye channels."""
    time = np.arange(len(during))
    movements = eyes.copy()
    for row in movements:
        row[during] = np.interp(time[during], time[~during], row[~during])
    return movements, eyes - movements
