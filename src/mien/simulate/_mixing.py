"""Which of the 67 raw channels sees what: brain, eyes, muscles, heart, mains and drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.datasets._seed_layout import CHANNELS
from mien.simulate._cnt import Electrode
from mien.simulate._head import electrode_positions

MUSCLES = ("left temple", "right temple", "neck")
SOURCES = ("eye x", "eye y", "blink", *MUSCLES, "heart")
"""What is mixed in besides the brain, before mains, drift and offset."""
HARMONICS = {1: 1.0, 2: 0.08, 3: 0.3, 5: 0.12}
"""Multiples of 50 Hz and their size."""
DRIFT_HZ = np.geomspace(0.002, 0.06, 12)
WHITE_MICROVOLT = 0.5
"""Noise of the amplifier, the same at all frequencies up to 500 Hz."""
MUSCLE_MICROVOLT = 60.0

_HEO_PER_PX = 0.28
"""µV: 12 a degree, and 44 px a degree on a 24-inch screen at 65 cm."""
_VEO_PER_PX = 0.22
_BLINK = 160.0
_HEART = 1000.0
_HUM = 8.0
_DRIFT = 40.0
_OFFSET = 300.0
_NOISY = (120.0, 300.0)
_DEAD = 0.05
_UNEVEN = 0.2
"""Spread of the logarithm of each electrode's share of an artefact: heads are not as smooth as the formulas.
Without it an artefact would look like the smoothest patterns of the brain, and could not be taken out without
them."""

# where a 64-channel Quik-Cap has them: a reader that takes the first 62 gets M1 and M2 and loses O2 and CB2
_RAW = list(CHANNELS)
_RAW.insert(_RAW.index("T8") + 1, "M1")
_RAW.insert(_RAW.index("TP8") + 1, "M2")
RAW_CHANNELS: tuple[str, ...] = (*_RAW, "ECG", "HEO", "VEO")
"""M1 follows T8, M2 follows TP8, and ECG, HEO and VEO come last."""
BRAIN_ROWS = np.array([RAW_CHANNELS.index(name) for name in CHANNELS])

_AT = dict(zip(CHANNELS, electrode_positions(CHANNELS).tolist(), strict=True))
_AT |= {"M1": [-1.1, -0.3], "M2": [1.1, -0.3]}


def electrodes() -> list[Electrode]:
    """The amplifier's channels: steps of about 0.03 µV, each with a baseline and a gain of its own."""
    return [
        Electrode(
            name=name,
            sensitivity=6.103515625,  # 1 V / 2**25 a step
            calibration=0.98 + 0.0006 * i,
            baseline=(7 * i) % 23 - 11,
            position=tuple(_AT.get(name, (0.0, 0.0))),
        )
        for i, name in enumerate(RAW_CHANNELS)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixing:
    """Mixing matrices of one session.

    ``brain`` is (67, 62). ``artefact`` is (67, courses): one column for each of :data:`SOURCES`, a cosine
    and a sine of each of :data:`HARMONICS`, of each of :data:`DRIFT_HZ`, and a constant. ``white`` is the
    noise of each channel in µV.
    """

    brain: NDArray[np.float64]
    artefact: NDArray[np.float64]
    white: NDArray[np.float64]


def draw_mixing(rng: np.random.Generator, *, bad: dict[str, str]) -> Mixing:
    """Electrodes of one session: the same places, other contacts."""
    n = len(RAW_CHANNELS)
    brain = np.zeros((n, len(CHANNELS)))
    brain[BRAIN_ROWS, np.arange(len(CHANNELS))] = 1
    for name, parts in {
        "M1": {"TP7": 0.6},
        "M2": {"TP8": 0.6},
        "HEO": {"F8": 0.1, "F7": -0.1},
        "VEO": {"FPZ": 0.15},
    }.items():
        for neighbour, share in parts.items():
            brain[RAW_CHANNELS.index(name), CHANNELS.index(neighbour)] = share
    contact = rng.lognormal(0, 0.4, n)
    phase = rng.normal(0, 0.3, (n, 1)) + rng.uniform(0, 2 * np.pi, (1, len(HARMONICS)))
    hum = _HUM * contact[:, None] * np.array(list(HARMONICS.values()))
    drift = rng.standard_normal((n, len(DRIFT_HZ), 2)) / DRIFT_HZ[:, None]
    drift *= _DRIFT * rng.lognormal(0, 0.4, (n, 1, 1)) / np.sqrt((1 / DRIFT_HZ**2).sum())
    offset = _OFFSET * rng.standard_normal((n, 1))
    white = np.full(n, WHITE_MICROVOLT)
    white[RAW_CHANNELS.index("ECG")] = 5.0
    seen = _topographies()
    seen[[RAW_CHANNELS.index(c) for c in _AT]] *= rng.lognormal(0, _UNEVEN, (len(_AT), len(SOURCES)))
    for name, fault in bad.items():
        row = RAW_CHANNELS.index(name)
        if fault == "dead":
            brain[row], seen[row], hum[row], drift[row], white[row] = 0, 0, 0, 0, _DEAD
        else:
            brain[row] *= 0.3
            hum[row] *= 6
            white[row] = rng.uniform(*_NOISY)
    waves = [
        np.stack([hum * np.cos(phase), hum * np.sin(phase)], axis=-1).reshape(n, -1),
        drift.reshape(n, -1),
    ]
    return Mixing(brain=brain, artefact=np.hstack([seen, *waves, offset]), white=white)


def _topographies() -> NDArray[np.float64]:
    """(67, sources): µV for a pixel of gaze, a blink, a burst of muscle and a heart beat of size 1."""
    out = np.zeros((len(RAW_CHANNELS), len(SOURCES)))
    scalp = [name for name in RAW_CHANNELS if name in _AT]
    rows = [RAW_CHANNELS.index(name) for name in scalp]
    x, y = np.array([_AT[name] for name in scalp]).T
    front = y - _AT["FPZ"][1]
    out[rows, SOURCES.index("eye x")] = 0.6 * _HEO_PER_PX * x * np.exp(-np.abs(front + 0.3) / 0.5)
    out[rows, SOURCES.index("eye y")] = 0.4 * _VEO_PER_PX * np.exp(front / 0.6)
    out[rows, SOURCES.index("blink")] = _BLINK * np.exp(front / 0.45)
    places = {"left temple": (-0.95, 0.2), "right temple": (0.95, 0.2)}
    for name, (at_x, at_y) in places.items():
        near = np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * 0.45**2))
        out[rows, SOURCES.index(name)] = MUSCLE_MICROVOLT * near
    out[rows, SOURCES.index("neck")] = MUSCLE_MICROVOLT * np.exp(-((y + 1.1) ** 2) / 0.08)
    out[rows, SOURCES.index("heart")] = 0.004 * _HEART * (0.3 - x - 0.6 * y)
    extra: dict[str, Sequence[float]] = {
        "HEO": (_HEO_PER_PX, 0, 0.04 * _BLINK, 0.2 * MUSCLE_MICROVOLT, 0.2 * MUSCLE_MICROVOLT, 0, 1.0),
        "VEO": (0, _VEO_PER_PX, 1.5 * _BLINK, 0.1 * MUSCLE_MICROVOLT, 0.1 * MUSCLE_MICROVOLT, 0, 1.0),
        "ECG": (0, 0, 0, 0, 0, 0, _HEART),
    }
    for name, values in extra.items():
        out[RAW_CHANNELS.index(name)] = values
    return out
