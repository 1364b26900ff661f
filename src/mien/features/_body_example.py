"""Made-up signals of the body for the examples of features and for tests: nothing in them is real."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import Signal

Floats = NDArray[np.float64]

UNITS = {"ecg": "V", "ppg": "V", "eda": "S", "rsp": "V", "skt": "K", "emg": "V"}
RATES = {"ecg": 250.0, "ppg": 250.0, "eda": 50.0, "rsp": 50.0, "skt": 50.0, "emg": 250.0}
CHANNELS = ("ppg", "rsp", "emg_a", "skt_a", "eda", "ecg", "emg_b", "skt_b")


def made(kind: str, *, seconds: float, seed: int = 0) -> Signal:
    """One channel."""
    rate = RATES[kind]
    row = channel(kind, seconds=seconds, rate=rate, seed=seed)
    return Signal(data=row[None], rate=rate, channels=(kind,), unit=UNITS[kind])


def made_body(*, seconds: float, rate: float = 250.0, seed: int = 0) -> Signal:
    """Eight channels with the names that the streams of a body's recorder have."""
    rows = [
        channel(name.split("_")[0], seconds=seconds, rate=rate, seed=seed + i)
        for i, name in enumerate(CHANNELS)
    ]
    rows[0] = channel("ppg", seconds=seconds, rate=rate, seed=seed)
    rows[5] = channel("ecg", seconds=seconds, rate=rate, seed=seed)
    return Signal(data=np.stack(rows), rate=rate, channels=CHANNELS, unit="mixed")


def beat_times(seconds: float, *, seed: int = 0) -> Floats:
    """Beats at about 70 a minute that come and go with the breath, with some slow drift."""
    rng = np.random.default_rng([seed, 1])
    at = np.arange(0.4, seconds, 0.86)
    return np.asarray(
        at
        + 0.03 * np.sin(2 * np.pi * 0.25 * at)
        + 0.05 * np.sin(2 * np.pi * 0.07 * at)
        + rng.normal(0, 0.005, len(at))
    )


def channel(kind: str, *, seconds: float, rate: float, seed: int = 0) -> Floats:
    """Samples (times,) of one kind in its SI unit."""
    rng = np.random.default_rng([seed, 2])
    time = np.arange(round(seconds * rate)) / rate
    if kind == "ecg":
        at = beat_times(seconds, seed=seed)
        waves = ((0.0, 0.012, 1e-3), (0.03, 0.012, -2e-4), (0.25, 0.04, 2.5e-4), (-0.16, 0.025, 1e-4))
        return bumps(time, at, waves) + rng.normal(0, 1e-5, len(time))
    if kind == "ppg":
        at = beat_times(seconds, seed=seed) + 0.3
        return bumps(time, at, ((0.0, 0.09, 1e-2), (0.25, 0.1, 4e-3))) + rng.normal(0, 5e-5, len(time))
    if kind == "eda":
        bursts = np.arange(2.0, seconds, 6.0) + rng.uniform(-1, 1, len(np.arange(2.0, seconds, 6.0)))
        x = 5e-6 + 2e-9 * time
        for at in bursts:
            t = np.maximum(time - at, 0)
            x += 0.5e-6 * rng.uniform(0.5, 1) * (np.exp(-t / 2) - np.exp(-t / 0.75))
        return x + rng.normal(0, 2e-10, len(time))
    if kind == "rsp":
        return 1e-2 * np.sin(2 * np.pi * 0.25 * time + 0.3 * np.sin(0.2 * time)) + rng.normal(
            0, 2e-4, len(time)
        )
    if kind == "skt":
        return 305.0 + 0.002 * time + rng.normal(0, 0.002, len(time))
    return rng.normal(0, 1e-5, len(time)) * (1 + 0.5 * np.sin(2 * np.pi * 0.1 * time))


def bumps(time: Floats, at: Floats, waves: tuple[tuple[float, float, float], ...]) -> Floats:
    """Gaussian bumps (delay, width, height) after each of some times."""
    x = np.zeros(len(time))
    for delay, width, height in waves:
        for moment in at + delay:
            a, b = np.searchsorted(time, [moment - 5 * width, moment + 5 * width])
            x[a:b] += height * np.exp(-0.5 * ((time[a:b] - moment) / width) ** 2)
    return x
