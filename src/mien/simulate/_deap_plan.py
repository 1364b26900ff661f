"""The generative model of the made-up DEAP: who feels what before which video, and what hidden sources do.

Every video is made for one quadrant of valence and arousal; people report the quadrant it was made for in
about two trials of three (:data:`AGREEMENT`), else another one, mostly a neighbour. The class of a trial is
what the person reports. Source ``k`` in window ``t`` (3 s) of video ``v`` shown to person ``s`` has the
level::

    z[s, v, t, k] = offset[s, k] + fingerprint[v, k] + state[s, v, k]
                    + effect * gain[k] * intensity[s, v, t] * pattern[class(s, v), k]
                    + noise[s, v, t, k]

* ``offset`` (sd :data:`OFFSET_SD`) is what makes people differ; in the face it is how it looks at rest.
* ``fingerprint`` (sd :data:`FINGERPRINT_SD`, and :data:`ASIDE_SD` in the directions of a modality's sources
  that no emotion takes) is what a video does to everybody whatever they feel: mostly something else than an
  emotion does.
* ``state`` (sd :data:`STATE_SD`) is how the person is in this one trial, constant through it: what a split by
  window can recognise a trial by, though it tells nothing of the emotion.
* ``pattern`` is what an emotion does: four corners of a regular simplex in each modality; turned at random by
  the seed in EEG and body, fixed in the face (:data:`FACE_PATTERN`).
* ``noise`` (sd 1) is an autoregression of first order from window to window.

In the three seconds before the video there are offset, state and noise alone.

The first :data:`N_EEG` sources show in the EEG, the next four are the signed ones of the face, the last
:data:`N_BODY` show in the peripheral channels. Gains are chosen by bisection on the data set's own trials:
EEG alone and face alone are equally good, together the ``subject_known`` oracle names :data:`TARGET` of the
trials, and with the body :data:`TARGET_ALL`. The difficulty is the same for every seed and size. An oracle
knows the patterns; who must learn them from the 24 trials that ``trial_622`` leaves of one person gets half
the way from chance to there from the sources themselves, not much more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.labels import POLICIES
from mien.datasets._deap_layout import N_FILMED, N_TWENTE, NO_FAMILIARITY, SCALE
from mien.simulate import _oracle
from mien.simulate._latent import _rotation, simplex

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WINDOW_SECONDS = 3
QUADRANTS = POLICIES["quadrant"].classes
"""Classes in order: HVHA, HVLA, LVLA, LVHA."""
HIGH = {"valence": np.array([1, 1, 0, 0]), "arousal": np.array([1, 0, 0, 1])}
"""Whether each class is high."""

N_EEG, N_FACE, N_BODY = 6, 4, 6
MODALITIES = {
    "eeg": slice(0, N_EEG),
    "face": slice(N_EEG, N_EEG + N_FACE),
    "body": slice(N_EEG + N_FACE, N_EEG + N_FACE + N_BODY),
}
N_SOURCES = N_EEG + N_FACE + N_BODY

OFFSET_SD, FINGERPRINT_SD, STATE_SD, NOISE_SD = 1.2, 0.8, 0.5, 1.0
ASIDE_SD = 1.6
"""Of a fingerprint in the directions of a modality's sources that no emotion takes."""
NOISE_AR = 0.7
"""Correlation of the noise of neighbouring windows."""
AGREEMENT = 0.675
"""Share of each person's trials in which they report the quadrant that the video was made for."""
_OTHERS = (0.4, 0.2, 0.4)
"""Which quadrant they report otherwise: one step around, two, three; one and three differ in one word."""
TARGET, TARGET_ALL = 0.84, 0.89
"""Accuracy by trial of the ``subject_known`` oracle at ``effect=1``: EEG and face; EEG, face and body."""
EXACTLY_FIVE = 0.03
"""Share of the ratings that are exactly 5, where a policy has to say what that is."""
_LACKING = (3, 5, 11, 14)
"""Participants whose last videos of the face are missing."""

_V, _A = 2.0 * HIGH["valence"] - 1, 2.0 * HIGH["arousal"] - 1
FACE_PATTERN = np.stack([_V, _V * _A, _A / np.sqrt(2), _A / np.sqrt(2)], axis=1) / np.sqrt(3)
"""(classes, sources): mouth corners follow valence, eyes and lips arousal, brows go up where both agree."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Everything drawn for one data set.

    Arrays are indexed [person, video, window, source], as far as they go; ``order`` is [person, presentation]
    and holds positions of videos; ``quadrant`` and ``classes`` hold numbers of :data:`QUADRANTS`; ``ratings``
    is (persons, videos, 4) and ``familiarity`` (persons, videos) with NaN where it was not asked; ``noise``
    has one window more than the video, the first, before it. ``shown`` (persons, videos, windows) is when in
    each window the face shows something, in seconds from the start of the video. ``filmed`` (persons, videos)
    is whether there is a video of the face.
    """

    seed: int
    effect: float
    seconds: int
    participants: tuple[int, ...]
    quadrant: Ints
    classes: Ints
    ratings: Floats
    familiarity: Floats
    order: Ints
    offset: Floats
    fingerprint: Floats
    state: Floats
    pattern: Floats
    intensity: Floats
    noise: Floats
    gain: Floats
    shown: Floats
    filmed: NDArray[np.bool_]

    @property
    def n_windows(self) -> int:
        """Windows of a video."""
        return self.seconds // WINDOW_SECONDS

    @property
    def z(self) -> Floats:
        """Levels of all sources during the videos."""
        constant = self.offset[:, None] + self.fingerprint[None] + self.state
        felt = self.effect * self.gain * self.pattern[self.classes]
        return constant[:, :, None] + self.intensity[..., None] * felt[:, :, None] + self.noise[:, :, 1:]

    @property
    def before(self) -> Floats:
        """(persons, videos, sources): levels in the three seconds before each video."""
        return self.offset[:, None] + self.state + self.noise[:, :, 0]


def participants(subjects: int, *, filmed: int) -> tuple[int, ...]:
    """Numbers of the participants: the last third is of Geneva (23 on), as far as not filmed."""
    geneva = min(subjects // 3, subjects - filmed)
    geneva = max(geneva, subjects - N_TWENTE)
    return (*range(1, subjects - geneva + 1), *range(N_TWENTE + 1, N_TWENTE + 1 + geneva))


def draw(seed: int, *, subjects: int, trials: int, seconds: int, filmed: int, effect: float) -> Plan:
    """Draw a data set's hidden causes from a seed.

    Everything but ``effect`` comes out the same for the same seed, whatever the effect and however many are
    filmed.

    Parameters
    ----------
    subjects
        1 to 32.
    trials
        A multiple of 4 up to 40.
    seconds
        Length of a video, a multiple of 3.
    filmed
        How many participants have videos of the face; at most 22.
    """
    if not 0 <= filmed <= min(subjects, N_FILMED) or trials % 4 or seconds % WINDOW_SECONDS:
        raise ValueError(f"cannot make {subjects} people, {trials} trials of {seconds} s, {filmed} filmed")
    rng = np.random.default_rng([seed, 200])
    quadrant = rng.permutation(np.arange(trials) % len(QUADRANTS))
    classes = np.stack([_reports(quadrant, rng) for _ in range(subjects)])
    numbers = participants(subjects, filmed=filmed)
    shape = (subjects, trials, seconds // WINDOW_SECONDS)
    pattern = np.zeros((len(QUADRANTS), N_SOURCES))
    for name, part in MODALITIES.items():
        size = part.stop - part.start
        corners = simplex(len(QUADRANTS)) @ _rotation(size, rng)[: len(QUADRANTS) - 1]
        pattern[:, part] = FACE_PATTERN if name == "face" else corners
    plan = Plan(
        seed=seed,
        effect=1.0,
        seconds=seconds,
        participants=numbers,
        quadrant=quadrant,
        classes=classes,
        ratings=_ratings(classes, rng),
        familiarity=_familiarity(classes.shape, rng),
        order=np.stack([rng.permutation(trials) for _ in range(subjects)]),
        offset=OFFSET_SD * rng.standard_normal((subjects, N_SOURCES)),
        fingerprint=_fingerprint(pattern, rng.standard_normal((trials, N_SOURCES))),
        state=STATE_SD * rng.standard_normal((subjects, trials, N_SOURCES)),
        pattern=pattern,
        intensity=_intensity(shape, rng),
        noise=_noise((*shape[:2], shape[2] + 1, N_SOURCES), rng),
        gain=np.ones(N_SOURCES),
        shown=WINDOW_SECONDS * np.arange(shape[2]) + 0.3 * rng.integers(0, 8, shape),
        filmed=np.zeros(shape[:2], dtype=bool),
    )
    plan.familiarity[[n in NO_FAMILIARITY for n in numbers]] = np.nan
    last = rng.integers(1, max(trials // 10, 1) + 1, subjects)
    for s in range(filmed):
        n = trials - last[s] * (numbers[s] in _LACKING)
        plan.filmed[s, plan.order[s, :n]] = True
    return dataclasses.replace(plan, effect=float(effect), gain=calibrate(plan))


def _fingerprint(pattern: Floats, drawn: Floats) -> Floats:
    """(videos, sources): what was drawn, with its deviations along and beside the patterns."""
    out = np.empty_like(drawn)
    for part in MODALITIES.values():
        basis = np.linalg.svd(pattern[:, part])[2][: len(QUADRANTS) - 1]
        along = drawn[:, part] @ basis.T @ basis
        out[:, part] = FINGERPRINT_SD * along + ASIDE_SD * (drawn[:, part] - along)
    return out


def _reports(quadrant: Ints, rng: np.random.Generator) -> Ints:
    """What one person reports of each video: balanced well enough that every class can be learnt."""
    n = len(quadrant)
    least = min((n + 8) // 8, n // 4)
    while True:
        steps = rng.choice([1, 2, 3], n, p=_OTHERS)
        steps[rng.permutation(n)[: round(AGREEMENT * n)]] = 0
        classes = (quadrant + steps) % len(QUADRANTS)
        if np.bincount(classes, minlength=len(QUADRANTS)).min() >= least:
            return np.asarray(classes, dtype=np.int64)


def _ratings(classes: Ints, rng: np.random.Generator) -> Floats:
    """(persons, videos, 4): valence and arousal by the class; dominance, liking follow valence a little."""
    low, high = SCALE
    columns: list[Floats] = []
    for sign in (2 * HIGH["valence"][classes] - 1, 2 * HIGH["arousal"][classes] - 1):
        far = 0.01 + (high - 5.0 - 0.01) * rng.beta(1.3, 1.9, classes.shape)
        rating: Floats = np.asarray(np.round(5 + sign * far, 2), dtype=np.float64)
        ups = np.flatnonzero(sign > 0)
        exactly = rng.permutation(ups)[: round(EXACTLY_FIVE * classes.size)]
        rating.flat[exactly] = 5.0
        columns.append(rating)
    for weight in (0.3, 0.7):
        near = 5.3 + weight * (columns[0] - 5) + 1.8 * rng.standard_normal(classes.shape)
        columns.append(np.asarray(np.round(np.clip(near, low, high), 2)))
    return np.stack(columns, axis=-1)


def _familiarity(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    return rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], shape, p=[0.45, 0.2, 0.12, 0.13, 0.1])


def _intensity(shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """How strongly the emotion is felt, 0 to 1: it builds up in the first third and then stays."""
    course = 1 - 0.5 * np.exp(-4 * np.arange(shape[2]) / max(shape[2] - 1, 1))
    level = 0.85 + 0.08 * rng.standard_normal(shape[:2])
    return np.asarray(np.clip(course * level[..., None], 0, 1), dtype=np.float64)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """First-order autoregression along axis 2, stationary."""
    out = rng.standard_normal(shape)
    for t in range(1, shape[2]):
        out[:, :, t] = NOISE_AR * out[:, :, t - 1] + np.sqrt(1 - NOISE_AR**2) * out[:, :, t]
    return NOISE_SD * out


def sources_of(modalities: str) -> Ints:
    """Sources that ``"eeg+face"`` and the like show."""
    return np.concatenate([np.arange(N_SOURCES)[MODALITIES[m]] for m in modalities.split("+")])


def model_of(plan: Plan) -> _oracle.Model:
    """What the oracle is given: the data and the constants of the model."""
    steps = (np.arange(len(QUADRANTS)) - plan.quadrant[:, None]) % len(QUADRANTS)
    return _oracle.Model(
        z=plan.z,
        intensity=plan.intensity,
        n_windows=np.full(len(plan.quadrant), plan.n_windows),
        labels=plan.classes,
        pattern=plan.effect * plan.gain * plan.pattern,
        offset=plan.offset,
        fingerprint=plan.fingerprint,
        offset_sd=OFFSET_SD,
        fingerprint_sd=FINGERPRINT_SD,
        noise_sd=NOISE_SD,
        noise_ar=NOISE_AR,
        state_sd=STATE_SD,
        class_share=np.array([AGREEMENT, *((1 - AGREEMENT) * p for p in _OTHERS)])[steps],
    )


def calibrate(plan: Plan) -> Floats:
    """Gains (sources,) that reach :data:`TARGET` and :data:`TARGET_ALL` at ``effect=1``; see the module."""

    def accuracy(modalities: str, **gains: float) -> float:
        gain = np.zeros(N_SOURCES)
        for name, value in gains.items():
            gain[MODALITIES[name]] = value
        model = model_of(dataclasses.replace(plan, effect=1.0, gain=gain))
        found = _oracle.score(model, kind="subject_known", sources=sources_of(modalities), level="trial")
        return found.accuracy

    def both(ratio: float) -> tuple[float, float]:
        def beyond(common: float) -> float:
            return accuracy("eeg+face", eeg=common * ratio, face=common / ratio) - TARGET

        common = _bisect(beyond)
        return common * ratio, common / ratio

    low, high = -0.7, 0.7  # of the logarithm of the ratio of the two gains
    eeg, face = both(1.0)
    for _ in range(10):
        better = accuracy("eeg", eeg=eeg) - accuracy("face", face=face)
        if better == 0:
            break
        middle = (low + high) / 2
        low, high = (middle, high) if better < 0 else (low, middle)
        eeg, face = both(float(np.exp((low + high) / 2)))
    body = _bisect(lambda g: accuracy("eeg+face+body", eeg=eeg, face=face, body=g) - TARGET_ALL)
    gain = np.zeros(N_SOURCES)
    for name, value in (("eeg", eeg), ("face", face), ("body", body)):
        gain[MODALITIES[name]] = value
    return gain


def _bisect(f: Callable[[float], float]) -> float:
    """Where an increasing function crosses zero between 0 and 6, from above."""
    low, high = 0.0, 6.0
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return high
