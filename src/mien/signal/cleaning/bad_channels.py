"""Channels that recorded something other than the head, found without looking at blinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.signal.cleaning._work import Array, Outcome, Work, spread_segments
from mien.signal.cleaning.montage import positions

WINDOW_SECONDS = 5.0
MOST_SECONDS = 1800.0
"""Length of a window, and how many seconds of windows are looked at, spread over the recording."""
_SLOW, _FAST = (1.0, 45.0), (55.0, 95.0)
"""Bands in Hz: what counts as EEG, and what is mostly the amplifier and muscle (hum lies between them)."""
_FLOOR = 0.1
"""Least spread of log amplitudes over channels (10 %): in a very even cap not everything is odd."""
_NEIGHBOURS = 6
_ROUNDS = 4


@dataclass(frozen=True)
class BadChannels:
    """Find bad channels; nothing is changed yet.

    Every window of 5 s is judged by itself, after the median over channels is taken off each sample, and a
    channel is bad if a measure fails in at least ``share`` of the windows:

    * ``dead``: spread below ``flat`` volts, or ``deviation`` robust z below the other channels;
    * ``noisy``: spread above them by ``deviation`` robust z;
    * ``fast``: share of 55-95 Hz above theirs by ``deviation`` robust z;
    * ``alone``: correlates by less than ``correlation`` with the mean of its six nearest good neighbours and
      with every other channel.

    Spreads are interquartile, so that blinks, which fill less than a quarter of a window, do not count, and
    channels are compared in logarithms. Judged in rounds: what one round finds bad is not among what the
    next compares with. The idea, with its thresholds of 5 and 0.4, is that of PREP (Bigdely-Shamlo et al.
    2015, doi:10.3389/fninf.2015.00016); the vote of windows replaces its "1 % of the time".
    """

    deviation: float = 5.0
    correlation: float = 0.4
    flat: float = 1e-7
    share: float = 0.3

    def __post_init__(self) -> None:
        for name in ("deviation", "flat", "share"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        if not 0 <= self.correlation < 1 or self.share > 1:
            raise ValueError("correlation must be in [0, 1), share in (0, 1]")

    def run(self, work: Work) -> Outcome:
        """Judge every channel."""
        windows = spread_segments(
            work.n_times, work.rate, seconds=WINDOW_SECONDS, most=MOST_SECONDS, valid=work.valid
        )
        near = _distances(positions(work.channels))
        bad = np.zeros(len(work.channels), dtype=bool)
        for _ in range(_ROUNDS):
            failed = self._failed(work, windows, near, bad)
            shares = {reason: votes.mean(axis=0) for reason, votes in failed.items()}
            before, bad = bad, np.any([share >= self.share for share in shares.values()], axis=0)
            if (bad == before).all() or bad.sum() > len(bad) // 2:
                break
        reasons = {
            work.channels[i]: [reason for reason, share in shares.items() if share[i] >= self.share]
            for i in np.flatnonzero(bad)
        }
        found = {
            "channels": reasons,
            "windows": len(windows),
            "share_of_windows": {
                work.channels[i]: round(float(max(s[i] for s in shares.values())), 3)
                for i in np.flatnonzero(bad)
            },
        }
        notes: tuple[str, ...] = ()
        if bad.mean() > 0.25:
            notes = (
                f"{bad.sum()} of {len(bad)} channels are bad: the recording should not be used as it is",
            )
        return Outcome(
            work=_with_bad(work, bad),
            found=found,
            percent=100 * float(bad.mean()),
            arrays={f"failed_{reason}": share for reason, share in shares.items()},
            notes=notes,
        )

    def _failed(
        self, work: Work, windows: list[slice], near: Array, bad: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.bool_]]:
        """Reason to votes (windows, channels)."""
        weights = _neighbour_weights(near, bad)
        spread, raw_spread, fast, alone = (np.empty((len(windows), len(bad))) for _ in range(4))
        for i, part in enumerate(windows):
            x = work.data[:, part].astype(np.float64)
            raw_spread[i] = _spread(x - x.mean(axis=1, keepdims=True))
            x -= np.median(x[~bad], axis=0)
            slow, high = _split(x, work.rate)
            spread[i] = _spread(slow)
            fast[i] = _spread(high) / np.maximum(spread[i], 1e-30)
            alone[i] = _belonging(slow, weights, bad)
        z_spread, z_fast = _z(spread, bad), _z(fast, bad)
        dead = (raw_spread < self.flat) | (z_spread < -self.deviation)
        has_fast = work.rate / 2 > _FAST[0] * 1.2 and (work.high is None or work.high > _FAST[0] * 1.2)
        return {
            "dead": dead,
            "noisy": z_spread > self.deviation,
            "fast": (z_fast > self.deviation) & ~dead & has_fast,
            "alone": (alone < self.correlation) & ~dead,
        }


def _with_bad(work: Work, bad: NDArray[np.bool_]) -> Work:
    from dataclasses import replace

    names = tuple(name for name, is_bad in zip(work.channels, bad, strict=True) if is_bad)
    return replace(work, bad=tuple(dict.fromkeys((*work.bad, *names))))


def _spread(x: Array) -> Array:
    """Standard deviation of the middle half, along the last axis."""
    low, high = np.percentile(x, (25, 75), axis=-1)
    return np.asarray((high - low) / 1.349)


def _split(x: Array, rate: float) -> tuple[Array, Array]:
    """The two bands of a window, by its Fourier bins; a tapered tenth at either end is dropped."""
    n = x.shape[1]
    edge = n // 10
    taper = np.ones(n)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(edge) / max(edge, 1))
    taper[:edge], taper[n - edge :] = ramp, ramp[::-1]
    spectrum = np.fft.rfft((x - x.mean(axis=1, keepdims=True)) * taper, axis=1)
    frequency = np.fft.rfftfreq(n, 1 / rate)
    parts = [
        np.fft.irfft(np.where((frequency >= low) & (frequency < high), spectrum, 0), n, axis=1)
        for low, high in (_SLOW, _FAST)
    ]
    return parts[0][:, edge : n - edge], parts[1][:, edge : n - edge]


def _z(values: Array, bad: NDArray[np.bool_]) -> Array:
    """Robust z of logarithms over the channels that are not bad, window by window."""
    logs = np.log(np.maximum(values, 1e-30))
    middle = np.median(logs[:, ~bad], axis=1, keepdims=True)
    scale = _spread(logs[:, ~bad])[:, None]
    return np.asarray((logs - middle) / np.maximum(scale, _FLOOR))


def _belonging(x: Array, weights: Array, bad: NDArray[np.bool_]) -> Array:
    """Largest correlation of each channel: with its neighbours' mean, or (absolute) with another channel."""
    unit = x - x.mean(axis=1, keepdims=True)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-30)
    mean = weights @ x
    mean -= mean.mean(axis=1, keepdims=True)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-30)
    between = np.abs(unit @ unit.T)
    np.fill_diagonal(between, 0)
    return np.maximum((unit * mean).sum(axis=1), between[:, ~bad].max(axis=1))


def _distances(places: Array) -> Array:
    return np.linalg.norm(places[:, None] - places[None], axis=-1)


def _neighbour_weights(distances: Array, bad: NDArray[np.bool_]) -> Array:
    """(channels, channels): equal weights of the six nearest channels that are not bad."""
    away = distances.copy()
    np.fill_diagonal(away, np.inf)
    away[:, bad] = np.inf
    n = min(_NEIGHBOURS, int((~bad).sum()) - 1)
    weights = np.zeros_like(away)
    np.put_along_axis(weights, np.argsort(away, axis=1)[:, :n], 1 / max(n, 1), axis=1)
    return weights
