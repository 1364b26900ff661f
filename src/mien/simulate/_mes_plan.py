"""The generative model of the made-up MEs-EEG: who saw what, and what face and brain did about it.

Brain. Eight hidden sources drive the EEG. In second ``t`` of clip ``c`` shown to subject ``s``, source ``k``
has the log level::

    z[s, c, t, k] = offset[s, k] + fingerprint[c, k]
                    + effect * gain * intensity[s, c, t] * pattern[emotion(c), k]
                    + noise[s, c, t, k]

* ``offset`` (sd :data:`OFFSET_SD`) makes people differ, ``fingerprint`` (sd :data:`FINGERPRINT_SD`) is what a
  clip does to everybody whatever it makes them feel, ``noise`` (sd 1) is an autoregression from second to
  second.
* ``pattern`` has a part for the three classes (negative, positive, surprise: the corners of a triangle) and a
  part, :data:`FINE` as long, for the five negative emotions among themselves.
* ``intensity`` is :data:`BASE_INTENSITY` all through an emotional clip and rises to about 1 for some seconds
  around the apex of an expression. Calm clips and rests have none.

Face. An event shows a *prototype*: with probability ``min(1, effect * honesty)`` that of the emotion of its
clip, else any of the seven with equal probability (people smile when disgusted). A prototype is a list of
action units with probabilities (:data:`PROTOTYPES`); each is drawn on its own, at least one must show.
Amplitudes are the same for all emotions: :data:`MICRO_PX`, :data:`MACRO_PX`. Head drift and gaze go, in part,
with the clip.

``effect`` changes nothing else: at 0, neither brain nor face knows the emotion. ``gain`` is set so that the
classifier that knows everything but the clip and the emotion (:mod:`mien.simulate._mes_oracle`) reaches a
recall of :data:`TARGET`, averaged over the three classes, with face and EEG together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mien.datasets._mes_eeg_layout import CALM, CLIP_MARKERS, EMOTIONS, MARKER_EMOTION, THREE, THREE_CLASSES
from mien.simulate._latent import _rotation, simplex

CLASS_OF = np.array([THREE_CLASSES.index(THREE[e]) for e in EMOTIONS])
"""Of the three classes, that of each emotion."""
EVENT_SHARES = np.array([45, 67, 46, 54, 47, 23, 17]) / 299
"""How many of the real table's micro-expressions show each emotion: 74 % negative, 18 % positive, 8 %
surprise."""

N_SOURCES = 8
OFFSET_SD, FINGERPRINT_SD, NOISE_SD = 1.2, 0.45, 1.0
NOISE_AR = 0.95
"""Correlation of the noise of one second with that of the next."""
FINE = 0.6
BASE_INTENSITY = 0.4
INTENSITY_SECONDS = 3.0
"""Width (sd) of the rise of intensity around an apex."""
APEX_SECONDS = 8
"""The stretch around the apex that the oracle of an event looks at."""
REST_SECONDS = 2
"""Between two clips, unless a data set says otherwise; an even number."""
LEAD_SECONDS = 4
"""Before the rest that comes before the first clip."""

HONESTY = 0.55
TARGET = 0.82
AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26)
SPONTANEOUS = 0.02
"""Probability of an action unit that does not belong to the prototype."""
PROTOTYPES: dict[str, dict[int, float]] = {
    "angry": {4: 0.95, 7: 0.8, 23: 0.3},
    "disgust": {10: 0.85, 9: 0.5, 4: 0.6},
    "fear": {1: 0.7, 2: 0.4, 4: 0.85, 20: 0.8},
    "happy": {12: 0.97, 6: 0.75},
    "sad": {1: 0.8, 4: 0.7, 15: 0.85},
    "surprise": {1: 0.9, 2: 0.95, 5: 0.6, 26: 0.4},
    "tension": {14: 0.85, 17: 0.5, 24: 0.5},
}
MICRO_SHARE = 0.75
MICRO_PX = (1.3, 0.4, 0.3, 3.0)
"""Amplitude at 256²: median, spread of the logarithm, least, largest; px."""
MACRO_PX = (4.0, 0.3, 3.0, 6.5)
MICRO_SECONDS = (0.378, 0.136, 0.16, 0.80)
"""Onset to offset: mean, sd, least, longest."""
MACRO_SECONDS = (0.95, 0.45, 0.40, 2.00)
DRIFT_PX, DRIFT_RAD, DRIFT_SCALE = 0.6, np.deg2rad(0.12), 0.0012
"""Spread (sd) of the head's movement from onset to apex; half of its variance goes with the clip."""
DRIFT_MOST = (2.0, np.deg2rad(0.5), 0.005)
GAZE_PX = 0.7
"""Spread (sd) of the movement of the irises from onset to apex; half of its variance goes with the clip."""
BLINKS_PER_MINUTE = 12.0
BLINK_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Expression:
    """One expression; times in seconds of its clip, sizes in px of a face of 256 px.

    ``amplitudes`` belong to ``aus``; ``sides`` are the shares of the left and the right of the picture;
    ``drift`` is what the head does from onset to apex: x, y, turn (rad), growth; ``gaze`` is x and y;
    ``pose`` is how the head is held at the onset, like ``drift``.
    """

    subject: int
    clip: int
    number: int
    emotion: int
    shown: int
    micro: bool
    onset: float
    apex: float
    offset: float
    aus: tuple[int, ...]
    amplitudes: tuple[float, ...]
    sides: tuple[float, float]
    drift: tuple[float, float, float, float]
    gaze: tuple[float, float]
    pose: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Everything drawn for one made-up copy.

    ``clips`` are markers in the order they are shown, ``emotions`` the emotion of each (-1: calm),
    ``seconds`` their lengths. ``events`` are sorted by subject, clip and onset. ``eeg_stop`` is the number of
    clips whose EEG is whole. ``rest`` is how many seconds lie between two clips, ``shares`` how common the
    emotions are among the events, and ``stream`` tells the random numbers of one set of sources from those of
    another: a plan with other offsets, fingerprints and patterns describes something else than the brain."""

    seed: int
    effect: float
    gain: float
    subjects: tuple[str, ...]
    dates: tuple[str, ...]
    clips: tuple[int, ...]
    emotions: NDArray[np.int64]
    seconds: NDArray[np.int64]
    events: tuple[Expression, ...]
    offset: NDArray[np.float64]
    fingerprint: NDArray[np.float64]
    pattern: NDArray[np.float64]
    clip_drift: NDArray[np.float64]
    clip_gaze: NDArray[np.float64]
    eeg_stop: NDArray[np.int64]
    rest: int = REST_SECONDS
    shares: NDArray[np.float64] = field(default_factory=EVENT_SHARES.copy)
    stream: int = 31

    def of(self, subject: int, clip: int | None = None) -> list[Expression]:
        """The expressions of a subject, or of one clip shown to a subject."""
        if clip is None:
            return [e for e in self.events if e.subject == subject]
        return self._of_clip.get((subject, clip), [])

    @cached_property
    def _of_clip(self) -> dict[tuple[int, int], list[Expression]]:
        found: dict[tuple[int, int], list[Expression]] = {}
        for e in self.events:
            found.setdefault((e.subject, e.clip), []).append(e)
        return found

    def starts(self) -> NDArray[np.int64]:
        """When each clip starts in the EEG, in seconds."""
        before = np.concatenate([[0], np.cumsum(self.seconds[:-1] + self.rest)])
        return LEAD_SECONDS + self.rest + before

    def intensity(self, subject: int, clip: int) -> NDArray[np.float64]:
        """How strongly the emotion is felt in each second of a clip, 0 to 1."""
        middle = np.arange(self.seconds[clip]) + 0.5
        if self.emotions[clip] < 0:
            return np.zeros(len(middle))
        rise = [np.exp(-0.5 * ((middle - e.apex) / INTENSITY_SECONDS) ** 2) for e in self.of(subject, clip)]
        height = np.max(rise, axis=0) if rise else np.zeros(len(middle))
        return BASE_INTENSITY + (1 - BASE_INTENSITY) * height

    def levels(self, subject: int, clip: int) -> NDArray[np.float64]:
        """``z``, (seconds, sources): half a rest, the clip, half a rest."""
        rng = np.random.default_rng([self.seed, self.stream, subject, self.clips[clip]])
        n, half = int(self.seconds[clip]) + self.rest, self.rest // 2
        noise = rng.standard_normal((n, N_SOURCES))
        noise[1:] *= np.sqrt(1 - NOISE_AR**2)
        noise = scipy.signal.lfilter([1.0], [1.0, -NOISE_AR], noise, axis=0)
        z = self.offset[subject] + NOISE_SD * noise
        z[half:-half] += self.fingerprint[clip] + self.emotion(subject, clip)
        return z

    def emotion(self, subject: int, clip: int) -> NDArray[np.float64]:
        """What the emotion adds to ``z`` in each second of a clip."""
        strength = self.effect * self.gain * self.intensity(subject, clip)
        return strength[:, None] * self.pattern[max(self.emotions[clip], 0)]

    def blinks(self, subject: int, clip: int) -> NDArray[np.float64]:
        """Starts of the blinks in a clip, in seconds."""
        rng = np.random.default_rng([self.seed, 32, subject, self.clips[clip]])
        length = float(self.seconds[clip])
        starts = np.sort(rng.uniform(0, length, rng.poisson(BLINKS_PER_MINUTE * length / 60)))
        return starts[np.concatenate([[True], np.diff(starts) > 0.8])[: len(starts)]]


def choose_clips(n: int) -> tuple[int, ...]:
    """Markers of the first ``n`` clips of a balanced order, sorted: the first clip of each of the seven
    emotions, then the second of each, …, and the six calm clips last. 42 are all emotional clips, 48 are
    all."""
    order = [CLIP_MARKERS[e][i] for i in range(6) for e in EMOTIONS]
    order += [m for m, e in MARKER_EMOTION.items() if e == CALM]
    if not 1 <= n <= len(order):
        raise ValueError(f"clips must be 1 to {len(order)}, got {n}")
    return tuple(sorted(order[:n]))


def emotion_of(marker: int) -> int:
    """Number of a clip's emotion, -1 for calm."""
    word = MARKER_EMOTION[marker]
    return -1 if word == CALM else EMOTIONS.index(word)


def room(seconds: float) -> int:
    """How many expressions a clip has room for."""
    return int((seconds - 2) // 2.5)


def draw(
    seed: int,
    *,
    subjects: int,
    clips: int,
    events_per_clip: float,
    seconds: float,
    effect: float,
    truncated: int = 0,
    rest: int = REST_SECONDS,
    shares: NDArray[np.float64] = EVENT_SHARES,
    target: float = TARGET,
) -> Plan:
    """Draw a data set's hidden causes; everything but what ``effect`` changes is the same for any effect."""
    from mien.simulate import _mes_oracle

    rng = np.random.default_rng([seed, 30])
    markers = choose_clips(clips)
    emotions = np.array([emotion_of(m) for m in markers])
    length = np.rint(seconds * rng.uniform(0.85, 1.15, len(markers))).astype(np.int64)
    length = np.maximum(length, APEX_SECONDS)
    share = np.sqrt(0.5)
    clip_drift = (
        share * np.array([DRIFT_PX, DRIFT_PX, DRIFT_RAD, DRIFT_SCALE]) * rng.standard_normal((clips, 4))
    )
    clip_gaze = share * GAZE_PX * rng.standard_normal((clips, 2))
    stop = np.full(subjects, clips)
    stop[subjects - truncated :] = max(clips - 3, 0)
    plan = Plan(
        seed=seed,
        effect=1.0,
        gain=1.0,
        subjects=_names(subjects, rng),
        dates=_dates(subjects, rng),
        clips=markers,
        emotions=emotions,
        seconds=length,
        events=(),
        offset=OFFSET_SD * rng.standard_normal((subjects, N_SOURCES)),
        fingerprint=FINGERPRINT_SD * rng.standard_normal((clips, N_SOURCES)),
        pattern=_patterns(rng),
        clip_drift=clip_drift,
        clip_gaze=clip_gaze,
        eeg_stop=stop,
        rest=rest,
        shares=shares,
    )
    gain = _mes_oracle.calibrate(at_effect(plan, 1.0, events_per_clip=events_per_clip), target=target)
    return at_effect(dataclasses.replace(plan, gain=gain), effect, events_per_clip=events_per_clip)


def at_effect(plan: Plan, effect: float, *, events_per_clip: float) -> Plan:
    """The same people and clips at another effect: the draws are made again, from the same stream, so that
    only the prototypes differ."""
    events = _draw_events(plan, events_per_clip, effect=effect)
    return dataclasses.replace(plan, effect=float(effect), events=events)


def _patterns(rng: np.random.Generator) -> NDArray[np.float64]:
    coarse, fine = simplex(len(THREE_CLASSES)), simplex(5)
    pattern = np.zeros((len(EMOTIONS), N_SOURCES))
    pattern[:, :2] = coarse[CLASS_OF]
    pattern[CLASS_OF == 0, 2:6] = FINE * fine
    return pattern @ _rotation(N_SOURCES, rng)


_SYLLABLES = (  # noqa: SIM905  shorter so
    "ba bei bo dan dou fei gao heng huai jin ke kuan lan lei lou mai men miao nan ning ou pei pin qian qiu "
    "rao ren rui shao shui song tai teng tou wei xin xue yan you zan zhuo zui"
).split()


def _names(n: int, rng: np.random.Generator) -> tuple[str, ...]:
    names: list[str] = []
    while len(names) < n:
        name = "".join(rng.choice(_SYLLABLES, int(rng.integers(2, 4))).tolist())
        if name not in names:
            names.append(name)
    return tuple(names)


def _dates(n: int, rng: np.random.Generator) -> tuple[str, ...]:
    days = np.sort(rng.integers(0, 45, n))
    return tuple(str(np.datetime64("2023-07-10") + int(d)).replace("-", "") for d in days)


def event_counts(plan: Plan, events_per_clip: float) -> NDArray[np.int64]:
    """How many expressions of each emotion there are: the plan's shares as exactly as can be."""
    present = np.array([(plan.emotions == k).sum() for k in range(len(EMOTIONS))])
    cells = len(plan.subjects) * present
    weight = plan.shares * present
    if not weight.sum():
        return np.zeros(len(EMOTIONS), dtype=np.int64)
    exact = events_per_clip * cells.sum() * weight / weight.sum()
    counts = np.floor(exact).astype(np.int64)
    short = round(float(exact.sum())) - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    return np.where(present > 0, np.maximum(counts, 1), 0)


def _draw_events(plan: Plan, events_per_clip: float, *, effect: float) -> tuple[Expression, ...]:
    rng = np.random.default_rng([plan.seed, 33])
    n_subjects = len(plan.subjects)
    per_cell = np.zeros((n_subjects, len(plan.clips)), dtype=np.int64)
    honest: list[list[bool]] = []
    for emotion, count in enumerate(event_counts(plan, events_per_clip)):
        clips = np.flatnonzero(plan.emotions == emotion)
        cells = [(s, c) for c in clips for s in range(n_subjects)]
        # one round over all cells after the other, in a new order each time
        dealt = [
            cells[i] for _ in range(-(-int(count) // max(len(cells), 1))) for i in rng.permutation(len(cells))
        ]
        for s, c in dealt[: int(count)]:
            per_cell[s, c] += 1
        # as many tell the truth as there should be, so that small data sets do not depend on luck
        level = (rng.permutation(int(count)) + 0.5) / max(int(count), 1)
        honest.append((level < min(1.0, effect * HONESTY)).tolist())
    events = []
    for s in range(n_subjects):
        for c in range(len(plan.clips)):
            own = np.random.default_rng([plan.seed, 34, s, plan.clips[c]])
            for number, times in enumerate(_times(int(per_cell[s, c]), float(plan.seconds[c]), own), start=1):
                truthful = honest[plan.emotions[c]].pop()
                events.append(_draw_event(plan, s, c, number, times, truthful, own))
    return tuple(events)


def _times(n: int, seconds: float, rng: np.random.Generator) -> list[tuple[float, float, float, bool]]:
    """Onset, apex, offset and whether it is micro, of ``n`` expressions that do not meet."""
    out = []
    slot = (seconds - 2) / max(n, 1)
    for i in range(n):
        micro = bool(rng.random() < MICRO_SHARE)
        mean, sd, least, most = MICRO_SECONDS if micro else MACRO_SECONDS
        length = round(float(np.clip(rng.normal(mean, sd), least, min(most, slot - 0.4))), 2)
        onset = round(1 + i * slot + float(rng.uniform(0.1, slot - length - 0.1)), 2)
        rise = max(round(length * float(rng.uniform(0.45, 0.65)), 2), 0.07)
        out.append((onset, round(onset + rise, 2), round(onset + length, 2), micro))
    return out


def _draw_event(
    plan: Plan,
    subject: int,
    clip: int,
    number: int,
    times: tuple[float, float, float, bool],
    truthful: bool,
    rng: np.random.Generator,
) -> Expression:
    onset, apex, offset, micro = times
    emotion = int(plan.emotions[clip])
    other = int(rng.integers(len(EMOTIONS)))
    shown = emotion if truthful else other
    aus = draw_aus(shown, rng.random(len(AUS) + 1))
    median, spread, least, most = MICRO_PX if micro else MACRO_PX
    size = np.clip(median * np.exp(spread * rng.standard_normal()), least, most)
    each = np.clip(size * np.exp(0.15 * rng.standard_normal(len(AUS))), least, most)
    amplitudes = [float(each[AUS.index(a)].round(3)) for a in aus]
    sides = np.clip(np.exp(0.12 * rng.standard_normal(2)), 0.75, 1.3)
    share, most_drift = np.sqrt(0.5), np.array([DRIFT_MOST[0], *DRIFT_MOST])
    spread4 = np.array([DRIFT_PX, DRIFT_PX, DRIFT_RAD, DRIFT_SCALE])
    drift = np.clip(plan.clip_drift[clip] + share * spread4 * rng.standard_normal(4), -most_drift, most_drift)
    gaze = plan.clip_gaze[clip] + share * GAZE_PX * rng.standard_normal(2)
    pose = np.clip(rng.standard_normal(4), -2, 2) * [1.5, 1.5, np.deg2rad(1.2), 0.008]
    return Expression(
        subject=subject,
        clip=clip,
        number=number,
        emotion=emotion,
        shown=shown,
        micro=micro,
        onset=onset,
        apex=apex,
        offset=offset,
        aus=aus,
        amplitudes=tuple(amplitudes),
        sides=(float(sides[0]), float(sides[1])),
        drift=tuple(drift.tolist()),
        gaze=tuple(gaze.tolist()),
        pose=tuple(pose.tolist()),
    )


def au_probabilities() -> NDArray[np.float64]:
    """(prototypes, action units): how likely each shows, before it is asked that one must."""
    out = np.full((len(EMOTIONS), len(AUS)), SPONTANEOUS)
    for k, emotion in enumerate(EMOTIONS):
        for au, p in PROTOTYPES[emotion].items():
            out[k, AUS.index(au)] = p
    return out


def draw_aus(prototype: int, uniform: NDArray[np.float64]) -> tuple[int, ...]:
    """Action units of a prototype, given one uniform number each and one more.

    That at least one must show is met by drawing from the first one on that shows: unit ``j`` is the first
    with probability ``p_j`` times that none before it shows, over the probability that any does."""
    p = au_probabilities()[prototype]
    none_before = np.concatenate([[1.0], np.cumprod(1 - p)])
    first = np.cumsum(p * none_before[:-1]) / (1 - none_before[-1])
    j = min(int(np.searchsorted(first, uniform[-1])), len(AUS) - 1)
    shows = uniform[:-1] < p
    return (AUS[j], *(AUS[i] for i in range(j + 1, len(AUS)) if shows[i]))
