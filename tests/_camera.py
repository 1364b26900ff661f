"""A session of clips as a camera saw it: exposures, stamps that are late, and a counter that wraps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIDNIGHT = 40_000.0
"""Seconds after midnight at which sessions begin."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """Triggers (times, codes) from 0, in seconds, and how long it lasts."""

    times: np.ndarray
    codes: np.ndarray
    stop: float


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Stored frames in the order of their stamps; ``exposed`` are the true times on the camera's clock."""

    exposed: np.ndarray
    index: np.ndarray
    stamps: np.ndarray
    codes: np.ndarray
    markers: np.ndarray


def session(rng: np.random.Generator, n_clips: int = 12) -> Session:
    """Clips of 33 to 59 s with rests of 8 to 14 s; 77, 88, then 101, 100, 102, 100, …"""
    lengths = rng.uniform([33, 8], [59, 14], size=(n_clips, 2)).ravel()
    times = np.concatenate([[2.0, 4.0, 10.0], 10.0 + np.cumsum(lengths)[:-1]])
    codes = np.full(2 * n_clips, 100)
    codes[::2] = 101 + np.arange(n_clips)
    return Session(times=times, codes=np.concatenate([[77, 88], codes]), stop=float(times[-1] + 10))


def shot(
    rng: np.random.Generator,
    given: Session,
    *,
    rates: tuple[float, ...] = (140.0,),
    jitter: float = 0.02,
    bursts: int = 25,
    drop: float = 0.01,
    offset: float = -MIDNIGHT,
    drift: float = 0.0,
    everything: bool = False,
    glitch: float = 0.0,
) -> Shot:
    """Frames of a session: bursts of 0.4 to 1.5 s, and two on each side of every change of the marker.

    True time = offset + (1 + drift) * camera time. The rate (of the camera's clock) changes in equal parts of
    the session. Stamps are late by at least 5 ms and an exponential jitter, to whole milliseconds.
    """
    cuts = np.linspace(-5.0, given.stop, len(rates) + 1)
    exposed = np.concatenate(
        [a + np.arange(int((b - a) * r)) / r for a, b, r in zip(cuts[:-1], cuts[1:], rates, strict=True)]
    )
    index = np.arange(len(exposed)) + int(rng.integers(1000))
    on = np.searchsorted(given.times, exposed, side="right") - 1
    markers = np.where(on < 0, 0, given.codes[np.maximum(on, 0)])
    keep = np.full(len(exposed), everything)
    for at in np.searchsorted(exposed, given.times):
        keep[at - 2 : at + 2] = True
    changes = keep.copy()
    for start in rng.uniform(0, given.stop - 3, size=bursts):
        first = int(np.searchsorted(exposed, start))
        keep[first : first + int(rng.uniform(0.4, 1.5) * rates[0])] = True
    keep &= changes | (rng.random(len(exposed)) > drop)
    on_camera = (exposed[keep] - offset) / (1 + drift)
    late = 0.005 + rng.exponential(jitter, size=keep.sum()) + glitch * (exposed[keep] > given.stop / 2)
    stamps = np.round(on_camera + late, 3)
    order = np.argsort(stamps, kind="stable")
    return Shot(
        exposed=on_camera[order],
        index=index[keep][order],
        stamps=stamps[order],
        codes=(index[keep][order] - 1) % 1000 + 1,
        markers=markers[keep][order],
    )
