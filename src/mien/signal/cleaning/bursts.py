"""Short bursts of muscle, too rare for ICA to learn, taken off where and when they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.signal.cleaning._chain import Chain
from mien.signal.cleaning._work import Array, Outcome, Work
from mien.signal.cleaning.filters import HighPass

_DETECT = (56.0, 90.0)
"""Band in Hz where muscle is found: brain is weakest there beside muscle, and hum is not in it."""
_FLOOR = 2e-7
"""Volts: noise of a good amplifier in that band; nothing weaker makes a burst."""
_RIDGE = 0.02
_BATCH = 64
_QUIET = 0.5
"""Share of the windows, those with the least fast power, that show what is usual."""


@dataclass(frozen=True)
class BurstRepair:
    """Take short bursts of muscle off the band ``above`` Hz; below it nothing changes.

    In every window of ``seconds`` (they overlap by half and fade into one another), the spatial covariance at
    56-90 Hz is compared with that of the quieter half of all windows. Directions in which it is more than
    ``cutoff`` times as strong (in amplitude), ``most`` at most, are a burst. Their patterns are taken off by
    spatial filters that pass as little of the usual signal above ``above`` Hz as can be (linearly constrained
    minimum variance), so that what the brain does meanwhile stays.

    The idea is that of artefact subspace reconstruction (Mullen et al. 2015, doi:10.1109/TBME.2015.2481482),
    held to the band of muscle. Nothing is done where the data end below 70 Hz.
    """

    above: float = 20.0
    cutoff: float = 8.0
    seconds: float = 0.5
    most: int = 3

    def __post_init__(self) -> None:
        for name in ("above", "cutoff", "seconds", "most"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")

    def run(self, work: Work) -> Outcome:
        """Find bursts and take them off."""
        size = 2 * max(int(self.seconds * work.rate / 2), 4)
        if min(work.high or np.inf, work.rate / 2) < 70 or work.n_times < 4 * size:
            return Outcome(
                work=work, found={"bursts": 0, "seconds": 0.0}, percent=0.0,
                notes=("bursts of muscle were not looked for: the data end below 70 Hz or are too short",),
            )  # fmt: skip
        high = self._high_part(work)
        starts = np.arange(0, work.n_times - size + 1, size // 2)
        usual, usual_high = _usual(high, starts, size, work.rate)
        whitener, colour = _roots(usual, _FLOOR**2)
        inverse = np.linalg.inv(_regular(usual_high, _FLOOR**2))
        fade = np.hanning(size + 1)[:-1]
        hit = np.zeros(len(starts), dtype=bool)
        for batch in np.array_split(np.arange(len(starts)), max(len(starts) // _BATCH, 1)):
            windows = _windows(high, starts[batch], size)
            covariance = whitener @ _fast_covariance(windows, work.rate) @ whitener.T
            values, vectors = np.linalg.eigh(covariance)
            for i in np.flatnonzero(values[:, -1] > self.cutoff**2):
                k = min(int((values[i] > self.cutoff**2).sum()), self.most)
                patterns = colour @ vectors[i, :, -k:]
                filters = np.linalg.solve(patterns.T @ inverse @ patterns, patterns.T @ inverse)
                start = starts[batch[i]]
                work.data[:, start : start + size] -= (patterns @ (filters @ windows[i])) * fade
                hit[batch[i]] = True
        seconds = _covered(starts[hit], size, work.n_times) / work.rate
        edges = np.diff(np.concatenate([[False], hit, [False]]).astype(int))
        return Outcome(
            work=replace(work),
            found={"bursts": int((edges == 1).sum()), "seconds": round(float(seconds), 3)},
            percent=100 * seconds * work.rate / work.n_times,
            arrays={"burst_starts": starts[hit] / work.rate},
        )

    def _high_part(self, work: Work) -> Array:
        chain = Chain.of([HighPass(self.above)], rate=work.rate, n_in=work.n_times)
        high = work.new_array((len(work.channels), work.n_times))
        for part, block in chain.run(lambda start, stop: work.data[:, start:stop], block=int(60 * work.rate)):
            high[:, part] = block
        return high


def _windows(high: Array, starts: Array, size: int) -> Array:
    """(windows, channels, size), float64."""
    at = starts[:, None] + np.arange(size)
    return np.moveaxis(high[:, at].astype(np.float64), 0, 1)


def _fast_covariance(windows: Array, rate: float) -> NDArray[np.float64]:
    """(windows, channels, channels) in V²: of what lies in the band of detection, by Fourier bins."""
    size = windows.shape[-1]
    taper = np.hanning(size + 1)[:-1]
    frequency = np.fft.rfftfreq(size, 1 / rate)
    inside = (frequency >= _DETECT[0]) & (frequency <= min(_DETECT[1], 0.45 * rate))
    spectrum = np.fft.rfft(windows * taper, axis=-1)[..., inside]
    scale = 2 / (size * (taper**2).sum())
    return np.asarray((spectrum @ np.conj(np.swapaxes(spectrum, -1, -2))).real * scale)


def _usual(high: Array, starts: Array, size: int, rate: float) -> tuple[Array, Array]:
    """Covariances of quiet windows: at the band of detection, and of all that is high-passed."""
    chosen = starts[:: max(len(starts) // 1200, 1)]
    fast, whole, power = [], [], []
    for batch in np.array_split(chosen, max(len(chosen) // _BATCH, 1)):
        windows = _windows(high, batch, size)
        covariance = _fast_covariance(windows, rate)
        fast.append(covariance)
        whole.append(windows @ np.swapaxes(windows, 1, 2) / size)
        power.append(np.trace(covariance, axis1=1, axis2=2))
    level = np.concatenate(power)
    quiet = level <= np.quantile(level, _QUIET)
    return np.concatenate(fast)[quiet].mean(axis=0), np.concatenate(whole)[quiet].mean(axis=0)


def _regular(covariance: Array, floor: float) -> NDArray[np.float64]:
    n = len(covariance)
    return np.asarray(covariance + (_RIDGE * np.trace(covariance) / n + floor) * np.eye(n))


def _roots(covariance: Array, floor: float) -> tuple[Array, Array]:
    """Inverse square root and square root of a covariance kept away from singular."""
    values, vectors = np.linalg.eigh(_regular(covariance, floor))
    return (vectors / np.sqrt(values)) @ vectors.T, (vectors * np.sqrt(values)) @ vectors.T


def _covered(starts: Array, size: int, n_times: int) -> int:
    marks = np.zeros(n_times + 1, dtype=np.int64)
    np.add.at(marks, starts, 1)
    np.add.at(marks, np.minimum(starts + size, n_times), -1)
    return int((np.cumsum(marks[:-1]) > 0).sum())
