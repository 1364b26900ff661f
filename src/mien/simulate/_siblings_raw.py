"""Raw recordings of the made-up SEED and SEED-V: the clips at 1000 Hz with rests between them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mien.datasets._seed_layout import CHANNELS, EEG_RATE
from mien.simulate._cnt import Electrode, write_cnt
from mien.simulate._siblings import World

RATE = 1000
REST_SECONDS = 2
"""Before the first clip, between clips, and after the last."""
EXTRA_CHANNELS = ("M1", "M2", "VEO", "HEO")
_UP = round(RATE / EEG_RATE)
_NOISE_MICROVOLT = 5.0
_BLINK_MICROVOLT = 200.0


def times(world: World, session: int) -> tuple[list[int], list[int]]:
    """Seconds at which each clip of a session starts and ends; the same for everybody."""
    lengths = [int(world.latent.seconds[p]) for p, _ in world.of_session(session)]
    ends = np.cumsum(np.array(lengths) + REST_SECONDS)
    return (ends - lengths).tolist(), ends.tolist()


def write_session(path: Path, world: World, subject: int, session: int) -> None:
    """One subject's session, one clip in memory at a time."""
    write_cnt(
        path,
        _blocks(world, subject, session),
        electrodes=[Electrode(name=name, sensitivity=4.0) for name in (*CHANNELS, *EXTRA_CHANNELS)],
        rate=RATE,
        events=[],
        start=datetime.datetime(2018, 1, session, 9, 0, 0),
        subject="",
    )


def _blocks(world: World, subject: int, session: int) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng([world.latent.seed, 9, subject, session])
    n_channels = len(CHANNELS) + len(EXTRA_CHANNELS)
    for p, _ in world.of_session(session):
        yield _NOISE_MICROVOLT * rng.standard_normal((n_channels, REST_SECONDS * RATE))
        eeg = scipy.signal.resample_poly(world.eeg(subject, p), _UP, 1, axis=1)
        rest = _NOISE_MICROVOLT * rng.standard_normal((len(EXTRA_CHANNELS), eeg.shape[1]))
        rest[EXTRA_CHANNELS.index("VEO")] += _blinks(world.gaze(subject, p).blinks, eeg.shape[1])
        yield np.concatenate([eeg, rest])
    yield _NOISE_MICROVOLT * rng.standard_normal((n_channels, REST_SECONDS * RATE))


def _blinks(blinks: NDArray[np.float64], n_times: int) -> NDArray[np.float64]:
    """A half-sine for each blink (start and duration in seconds)."""
    course = np.zeros(n_times)
    for start, duration in blinks:
        first = round(start * RATE)
        n = min(max(round(duration * RATE), 2), n_times - first)
        if n > 0:
            course[first : first + n] += _BLINK_MICROVOLT * np.sin(np.pi * np.arange(n) / n)
    return course
