"""What the body of a made-up MMME does in true time: heartbeats, pulses, breath, sweat, warmth and muscles.

The sources of :mod:`mien.simulate._mmme_plan` set, from second to second, the rate of the heart (which also
follows the breath), rate and depth of the breath, how strong skin conductance responses are and how often
they come, how narrow the vessels are (a smaller pulse that arrives earlier), how fast the fingers cool, and
how tense two muscles are. An expression is answered besides, in the same way whatever its class: by a skin
conductance response 1 to 3 s after its apex, whose height follows the sweat and whose latency the vessels,
by a heart that slows and then speeds up, and by a burst in both muscles; at effect 0 it is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mien.simulate._mmme_plan import BODY, Study

Floats = NDArray[np.float64]
GRID_RATE = 50
"""Points a second of everything that is slow."""
MARGIN = 20
"""Seconds before the EEG starts and after it ends for which there is a body."""
HEART = (70.0, 0.065, 45.0, 130.0)
"""Beats a minute: usual, change of its logarithm per unit of the source, least, most."""
SINUS, MAYER = 2.5, 1.5
"""Beats a minute by which the heart follows the breath, and a wave of 0.1 Hz."""
ORIENTING = 4.0
"""Beats a minute by which the heart slows in the two seconds after an apex; at six it is faster, by half."""
BREATH = (14.0, 0.10, 6.0, 30.0)
DEPTH = 0.25
ARRIVAL = (0.24, -0.008)
"""Seconds from a beat to its pulse in the finger, and change per unit of the vessels."""
PULSE = -0.25
SWEAT = (4.5, 0.22, 1.0, 15.0)
"""Level of skin conductance in µS."""
SPONTANEOUS = (5.0, 0.25, 0.16, 0.45)
"""Skin conductance responses: a minute, its change, height in µS, its change."""
EXPRESSED = (0.35, 0.45)
"""Height in µS of the response to an expression, and its change per unit of the sweat."""
LATENCY = (1.7, -0.15, 1.0, 3.0)
"""Seconds from the apex to the rise of its response: usual, change per unit of the vessels, least, most."""
RISE, DECAY = 0.75, 3.5
"""Time constants of a response in seconds."""
SKIN = {"skt_a": (32.4, -0.22, 10.0), "skt_b": (31.8, -0.16, 16.0)}
"""°C, change per unit of the cold, and seconds in which it comes about."""
MUSCLE = (0.006, 0.35, 1.5)
"""mV at rest, change of its logarithm per unit, and how much an expression adds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Body:
    """One subject's body. ``grid`` are the true times of the slow courses: ``rsp`` (V), ``eda`` (µS),
    ``skt_a`` and ``skt_b`` (°C), ``emg_a`` and ``emg_b`` (envelopes in mV). ``beats`` and ``pulses`` are
    true times of R peaks and of the feet of the pulses, ``pulse_sizes`` the pulses' heights in V.
    ``responses`` are rows of true time of the rise, height in µS, and the number of the expression behind
    it (-1: none)."""

    grid: Floats
    rsp: Floats
    eda: Floats
    skt_a: Floats
    skt_b: Floats
    emg_a: Floats
    emg_b: Floats
    beats: Floats
    pulses: Floats
    pulse_sizes: Floats
    responses: Floats


def draw_body(study: Study, subject: int) -> Body:
    """What one subject's body does."""
    rng = np.random.default_rng([study.brain.seed, 74, subject])
    grid = np.arange(-MARGIN * GRID_RATE, (study.seconds + MARGIN) * GRID_RATE) / GRID_RATE
    levels = study.body_levels(subject)
    middle = np.arange(len(levels)) + 0.5
    z = {name: np.interp(grid, middle, levels[:, k]) for k, name in enumerate(BODY)}

    breath = 2 * np.pi * np.cumsum(_around(BREATH, z["breath_rate"])) / 60 / GRID_RATE
    deep = np.exp(DEPTH * z["breath_depth"])
    wave = 2 * np.pi * (0.1 * grid + np.cumsum(rng.standard_normal(len(grid))) * 0.01) + rng.uniform(0, 6)
    heart = _around(HEART, z["heart"]) + SINUS * np.sin(breath + 0.6) + MAYER * np.sin(wave)
    heart += ORIENTING * _oriented(study, subject, grid)
    beats = _crossings(grid, np.cumsum(heart) / 60 / GRID_RATE)
    at_beats = np.interp(beats, grid, z["vessels"])

    responses = _responses(study, subject, grid, z, rng)
    phasic = _driven(grid, responses[:, 0], responses[:, 1])
    tonic = _around(SWEAT, _lagged(z["sweat"], 20.0))
    warm = {
        name: usual + by * _lagged(z["cold"], slow) + 0.1 * rng.standard_normal()
        for name, (usual, by, slow) in SKIN.items()
    }
    burst = _bursts(study, subject, grid)
    rest, change, more = MUSCLE
    tense = {
        name: rest * np.exp(change * z[source]) * (1 + more * burst)
        for name, source in (("emg_a", "muscle_a"), ("emg_b", "muscle_b"))
    }
    return Body(
        grid=grid,
        rsp=0.8 * deep * np.sin(breath + 0.35 * np.sin(breath)),
        eda=tonic + phasic,
        beats=beats,
        pulses=beats + ARRIVAL[0] + ARRIVAL[1] * at_beats,
        pulse_sizes=0.9 * np.exp(PULSE * at_beats),
        responses=responses,
        **warm,
        **tense,
    )


def _around(law: tuple[float, float, float, float], z: Floats) -> Floats:
    usual, change, least, most = law
    return np.clip(usual * np.exp(change * z), least, most)


def _lagged(z: Floats, seconds: float) -> Floats:
    """A course that follows another with a time constant."""
    keep = np.exp(-1 / (seconds * GRID_RATE))
    out, _ = scipy.signal.lfilter([1 - keep], [1, -keep], z, zi=[keep * z[0]])
    return np.asarray(out)


def _crossings(grid: Floats, turns: Floats) -> Floats:
    """When a growing count reaches whole numbers."""
    whole = np.arange(np.ceil(turns[0]), np.floor(turns[-1]) + 1)
    return np.interp(whole, turns, grid)


def _responses(
    study: Study, subject: int, grid: Floats, z: dict[str, Floats], rng: np.random.Generator
) -> Floats:
    rate, more, height, change = SPONTANEOUS
    often = rate / 60 * np.exp(more * z["sweat"])
    at = _crossings(grid, np.cumsum(often) / GRID_RATE)
    at = at + rng.uniform(-0.5, 0.5, len(at)) * 60 / rate
    size = height * np.exp(change * np.interp(at, grid, z["sweat"]) + 0.4 * rng.standard_normal(len(at)))
    plan = study.brain
    events = plan.of(subject)
    apex = np.array([plan.starts()[e.clip] + e.apex for e in events])
    usual, by, least, most = LATENCY
    delay = np.clip(usual * np.exp(by * np.interp(apex, grid, z["vessels"])), least, most)
    answer = min(plan.effect, 1.0) * EXPRESSED[0] * np.exp(EXPRESSED[1] * np.interp(apex, grid, z["sweat"]))
    rows = np.concatenate(
        [
            np.column_stack([at, size, np.full(len(at), -1.0)]),
            np.column_stack([apex + delay, answer, np.arange(len(events))]),
        ]
    )
    rows = rows[rows[:, 1] > 0]
    return rows[np.argsort(rows[:, 0], kind="stable")]


def _driven(grid: Floats, at: Floats, size: Floats) -> Floats:
    """Skin conductance responses of given heights that begin at given times."""
    place = (at - grid[0]) * GRID_RATE
    inside = (place >= 0) & (place < len(grid) - 1)
    first = place[inside].astype(np.int64)
    part = place[inside] - first
    driver = np.zeros(len(grid))
    np.add.at(driver, first, (1 - part) * size[inside])
    np.add.at(driver, first + 1, part * size[inside])
    u = np.arange(0, 12 * DECAY, 1 / GRID_RATE)
    shape = np.exp(-u / DECAY) - np.exp(-u / RISE)
    return np.asarray(scipy.signal.fftconvolve(driver, shape / shape.max())[: len(grid)])


def _oriented(study: Study, subject: int, grid: Floats) -> Floats:
    """How the heart answers the expressions of a subject, times the effect: -1 two seconds after an apex."""
    plan, out = study.brain, np.zeros(len(grid))
    starts = plan.starts()
    for e in plan.of(subject):
        apex = starts[e.clip] + e.apex
        near = slice(*np.searchsorted(grid, [apex, apex + 16]))
        since = grid[near] - apex
        out[near] += 0.5 * np.exp(-0.5 * ((since - 6) / 1.5) ** 2) - since / 2 * np.exp(1 - since / 2)
    return min(plan.effect, 1.0) * out


def _bursts(study: Study, subject: int, grid: Floats) -> Floats:
    """How far an expression has gone at each point of the grid, times the effect."""
    plan, out = study.brain, np.zeros(len(grid))
    starts = plan.starts()
    for e in plan.of(subject):
        t = grid[(near := slice(*np.searchsorted(grid, starts[e.clip] + np.array([e.onset, e.offset]))))]
        since = t - starts[e.clip]
        gone = np.minimum((since - e.onset) / (e.apex - e.onset), (e.offset - since) / (e.offset - e.apex))
        out[near] = 0.5 - 0.5 * np.cos(np.pi * gone)
    return min(plan.effect, 1.0) * out
