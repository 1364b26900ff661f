"""The generative model of the made-up SEED-VII, whole and in one file.

A few hidden sources drive everything. Source ``k`` in window ``t`` of clip ``c`` shown to subject ``s`` has
the log level::

    z[s, c, t, k] = offset[s, k] + fingerprint[c, k]
                    + effect * gain * intensity[s, c, t] * pattern[class(c), k]
                    + noise[s, c, t, k]

* ``offset`` (sd :data:`OFFSET_SD`) is what makes people differ; it has nothing to do with emotion.
* ``fingerprint`` (sd :data:`FINGERPRINT_SD`) is what a clip does to everybody whatever it makes them feel:
  its light, its sound, its pace. It is shared by all subjects: the trap of the field.
* ``pattern`` is what an emotion does: the seven corners of a regular simplex, one in the EEG sources and one
  in the eye sources, turned at random by the seed.
* ``noise`` (sd 1) is an autoregression of first order from window to window.

The first :data:`N_EEG` sources show in the EEG: the log power of band ``b`` at channel ``c`` is
``baseline[b, c] + mixing[b, c] @ z``. The next :data:`N_EYE` set pupil size, pupil unrest, fixation duration,
dispersion, saccade amplitude and saccade duration. The last sets the blink rate and carries offset and noise
only: blinks show in the EEG too, so they must not tell the EEG what the eye knows.

The gain is chosen so that the classifier of :mod:`mien.simulate._oracle` that knows everything but the
fingerprints and the noise names :data:`TARGET` of this data set's trials at ``effect=1``: the difficulty is
the same for every seed and size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.datasets._seed_layout import CLIP_EMOTIONS, EMOTIONS, WINDOW_SECONDS, fold_of
from mien.simulate import _oracle

N_EEG, N_EYE = 8, 6
OFFSET_SD, FINGERPRINT_SD, NOISE_SD = 1.2, 0.45, 1.0
NOISE_AR = 0.8
"""Correlation of the noise of neighbouring windows."""
TARGET = 0.80
"""Accuracy by trial of the ``subject_known`` oracle at ``effect=1``."""

SOURCES = {"eeg": slice(0, N_EEG), "eye": slice(N_EEG, N_EEG + N_EYE)}
"""Which sources each modality shows; ``eeg+eye`` is both."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Latent:
    """Everything drawn for one data set; arrays are indexed [subject, clip, window, source].

    ``n_windows`` differs by clip: windows from ``n_windows[c]`` on are padding in ``z`` and ``intensity``.
    """

    seed: int
    subjects: tuple[str, ...]
    clips: tuple[int, ...]
    labels: NDArray[np.int64]
    seconds: NDArray[np.int64]
    n_windows: NDArray[np.int64]
    offset: NDArray[np.float64]
    fingerprint: NDArray[np.float64]
    pattern: NDArray[np.float64]
    intensity: NDArray[np.float64]
    noise: NDArray[np.float64]
    effect: float
    gain: float

    @property
    def z(self) -> NDArray[np.float64]:
        """Log levels of all sources, the blink source last."""
        emotion = (
            self.effect * self.gain * self.intensity[..., None] * self.pattern[self.labels][None, :, None]
        )
        return self.offset[:, None, None] + self.fingerprint[None, :, None] + emotion + self.noise


def choose_clips(n_clips: int) -> tuple[int, ...]:
    """Which of the 80 clips are in: every class and every fold of the paper equally often.

    28 takes one clip of each class from each of the four folds, 56 takes two, 80 takes all (twelve of each
    emotion, eight neutral).
    """
    if n_clips == len(CLIP_EMOTIONS):
        return tuple(range(1, n_clips + 1))
    if n_clips not in (28, 56):
        raise ValueError(f"clips must be 28, 56 or 80, got {n_clips}")
    per_fold = n_clips // 28
    chosen: list[int] = []
    for label in range(len(EMOTIONS)):
        for fold in range(4):
            held = [k + 1 for k, e in enumerate(CLIP_EMOTIONS) if e == label and fold_of(k + 1) == fold]
            # start at another session for each class and fold, so that no session is left out
            chosen += [held[(label + fold + i) % len(held)] for i in range(per_fold)]
    return tuple(sorted(chosen))


def simplex(n: int) -> NDArray[np.float64]:
    """``n`` points in ``n - 1`` dimensions at distance 1 from their centre, all equally far apart."""
    corners = np.eye(n) - 1.0 / n
    _, _, axes = np.linalg.svd(corners)
    points = corners @ axes.T[:, : n - 1]
    return points / np.linalg.norm(points[0])


def _rotation(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diag(r))


def _intensity(shape: tuple[int, int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """How strongly the emotion is felt, 0 to 1: it builds up in the first third and then stays."""
    minutes = np.arange(shape[2]) / max(shape[2] - 1, 1)
    course = 1 - 0.5 * np.exp(-4 * minutes)
    level = 0.85 + 0.08 * rng.standard_normal(shape[:2])
    return np.clip(course * level[..., None], 0, 1)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """First-order autoregression along axis 2, stationary, sd :data:`NOISE_SD`."""
    out = rng.standard_normal(shape)
    for t in range(1, shape[2]):
        out[:, :, t] = NOISE_AR * out[:, :, t - 1] + np.sqrt(1 - NOISE_AR**2) * out[:, :, t]
    return NOISE_SD * out


def draw(seed: int, *, n_subjects: int, n_clips: int, seconds: float, effect: float) -> Latent:
    """Draw a data set's hidden causes from a seed.

    Everything but ``effect`` comes out the same for the same seed, whatever the effect. Clip lengths are
    whole seconds within 15 % of ``seconds``, at least two windows, and belong to the clip.
    """
    rng = np.random.default_rng([seed, 0])
    clips = choose_clips(n_clips)
    labels = np.array([CLIP_EMOTIONS[c - 1] for c in clips], dtype=np.int64)
    length = np.maximum(np.rint(seconds * rng.uniform(0.85, 1.15, len(clips))), 2 * WINDOW_SECONDS).astype(
        np.int64
    )
    n_windows = (length // WINDOW_SECONDS).astype(np.int64)
    n_classes, n_sources = len(EMOTIONS), N_EEG + N_EYE
    pattern = np.zeros((n_classes, n_sources + 1))
    for part in SOURCES.values():
        size = part.stop - part.start
        pattern[:, part] = simplex(n_classes) @ _rotation(size, rng)[: n_classes - 1]
    offset = OFFSET_SD * rng.standard_normal((n_subjects, n_sources + 1))
    fingerprint = FINGERPRINT_SD * rng.standard_normal((len(clips), n_sources + 1))
    fingerprint[:, -1] = 0.0
    shape = (n_subjects, len(clips), int(n_windows.max()))
    latent = Latent(
        seed=seed,
        subjects=tuple(str(s + 1) for s in range(n_subjects)),
        clips=clips,
        labels=labels,
        seconds=length,
        n_windows=n_windows,
        offset=offset,
        fingerprint=fingerprint,
        pattern=pattern,
        intensity=_intensity(shape, rng),
        noise=_noise((*shape, n_sources + 1), rng),
        effect=1.0,
        gain=1.0,
    )
    gain = calibrate(latent)
    return Latent(**{**vars(latent), "effect": float(effect), "gain": gain})


def calibrate(latent: Latent) -> float:
    """The gain at which the ``subject_known`` oracle names :data:`TARGET` of the trials at ``effect=1``."""
    low, high = 0.0, 20.0
    for _ in range(24):
        middle = (low + high) / 2
        trial = Latent(**{**vars(latent), "gain": middle})
        score = _oracle.score(
            model_of(trial), kind="subject_known", sources=np.arange(N_EEG + N_EYE), level="trial"
        )
        low, high = (middle, high) if score.accuracy < TARGET else (low, middle)
    return high


def model_of(latent: Latent) -> _oracle.Model:
    """What the oracle is given: the data and the constants of the model."""
    return _oracle.Model(
        z=latent.z,
        intensity=latent.intensity,
        n_windows=latent.n_windows,
        labels=latent.labels,
        pattern=latent.effect * latent.gain * latent.pattern,
        offset=latent.offset,
        fingerprint=latent.fingerprint,
        offset_sd=OFFSET_SD,
        fingerprint_sd=FINGERPRINT_SD,
        noise_sd=NOISE_SD,
        noise_ar=NOISE_AR,
    )
