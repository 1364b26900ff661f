"""The best anyone could do on a made-up data set: the Bayes classifier of its generative model.

It knows the class patterns, the course of the intensity and the distribution of the noise, and looks at the
hidden sources themselves, before they are turned into EEG and gaze. Of subject offsets and clip fingerprints
it knows the distributions only, except where the kind says otherwise:

* ``inductive``: neither the subject nor the clip was met before (the match for ``normalise="train"``);
* ``subject_known``: the subject's offset is given (the match for ``normalise="subject"``);
* ``stimulus_known``: the offset is given, and so is the list of all clips with class and fingerprint, though
  not which of them is on: what a learner can know at best that has met every test clip in other people. This
  explains the scores of plain leave-one-subject-out, above chance even where emotion does nothing; it is
  never a bar.

Given the class, a trial is Gaussian: mean ``intensity * pattern`` and, for every source alike, the covariance
between its windows ``noise_sd² * ar^|t-u|`` plus the variance of each constant that is not given. Sources are
independent, so the log-likelihood ratio needs one inverse per trial length and one product per trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

KINDS = ("inductive", "subject_known", "stimulus_known")


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """The data [subject, clip, window, source] and what generated them.

    ``labels`` are (clips,), or (subjects, clips) where each subject has classes of its own. ``class_share``
    (clips, classes) is how likely each class is for a clip; by default a clip has the one class of
    ``labels``, and it is needed where these differ by subject. ``state_sd`` is of a constant that belongs to
    one trial of one subject; nobody knows it.
    """

    z: NDArray[np.floating]
    intensity: NDArray[np.floating]
    n_windows: NDArray[np.int64]
    labels: NDArray[np.int64]
    pattern: NDArray[np.floating]
    offset: NDArray[np.floating]
    fingerprint: NDArray[np.floating]
    offset_sd: float
    fingerprint_sd: float
    noise_sd: float
    noise_ar: float
    state_sd: float = 0.0
    class_share: NDArray[np.floating] | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """Accuracy (0-1), its standard error over subjects and clips, and the number of cases."""

    accuracy: float
    se: float
    n: int


def score(model: Model, *, kind: str, sources: NDArray[np.int64], level: Literal["window", "trial"]) -> Score:
    """Accuracy of the Bayes classifier on the data set's own windows or trials.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    sources
        Which sources it may look at.
    level
        ``"window"``: one window at a time; ``"trial"``: all windows of a trial together.
    """
    return pooled(hits(model, kind=kind, sources=sources, level=level), sizes(model, level))


def sizes(model: Model, level: Literal["window", "trial"]) -> NDArray[np.float64]:
    """(subjects, clips): how many cases each trial counts for."""
    each = 1.0 if level == "trial" else model.n_windows.astype(np.float64)
    return np.array(np.broadcast_to(each, model.z.shape[:2]))


def pooled(right: NDArray[np.floating], size: NDArray[np.floating]) -> Score:
    """Score from how many cases there are and how many are right, both (subjects, clips)."""
    total = size.sum()
    accuracy = right.sum() / total
    return Score(accuracy=float(accuracy), se=_standard_error(right - accuracy * size, size), n=int(total))


def hits(
    model: Model,
    *,
    kind: str,
    sources: NDArray[np.int64],
    level: Literal["window", "trial"],
    merged: Sequence[int] | None = None,
    labels: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """(subjects, clips): how many windows of each trial are named rightly, or whether the trial is.

    Parameters are those of :func:`score`, and:

    merged
        For each class, the number of the wider class that is asked for.
    labels
        What is right instead of the model's labels, in the numbers of ``merged`` if that is given.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    x = model.z[..., sources]
    if kind != "inductive":
        x = x - model.offset[:, None, None, sources]
    constant = (
        model.state_sd**2
        + {
            "inductive": model.offset_sd**2 + model.fingerprint_sd**2,
            "subject_known": model.fingerprint_sd**2,
            "stimulus_known": 0.0,
        }[kind]
    )
    groups = np.arange(len(model.pattern)) if merged is None else np.asarray(merged)
    right = groups[model.labels] if labels is None else np.asarray(labels)
    right = np.broadcast_to(right, model.z.shape[:2])
    out = np.zeros(model.z.shape[:2])
    for length in np.unique(model.n_windows):
        clips = np.flatnonzero(model.n_windows == length)
        data, felt = x[:, clips, :length], model.intensity[:, clips, :length]
        lag = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
        covariance = model.noise_sd**2 * model.noise_ar**lag + constant
        if level == "window":
            covariance = np.diag(np.diag(covariance))
        if kind == "stimulus_known":
            log_likelihood = _over_known_clips(model, sources, data, felt, np.linalg.inv(covariance), level)
        else:
            log_likelihood = _by_class(
                model.pattern[:, sources], data, felt, np.linalg.inv(covariance), level
            )
        if merged is not None:
            log_likelihood = np.stack(
                [logsumexp(log_likelihood[..., groups == g], axis=-1) for g in range(groups.max() + 1)],
                axis=-1,
            )
        truth = right[:, clips].reshape((len(right), len(clips)) + (1,) * (log_likelihood.ndim - 3))
        found = log_likelihood.argmax(axis=-1) == truth
        out[:, clips] = found if level == "trial" else found.sum(axis=-1)
    return out


def _weigh(
    data: NDArray[np.floating], course: NDArray[np.floating], inverse: NDArray[np.floating], level: str
) -> NDArray[np.floating]:
    """``course' inverse data`` over the windows of a trial, or window by window (``inverse`` is diagonal)."""
    weighted = (course @ inverse)[..., None] * data
    return weighted if level == "window" else weighted.sum(axis=2)


def _by_class(
    pattern: NDArray[np.floating],
    data: NDArray[np.floating],
    felt: NDArray[np.floating],
    inverse: NDArray[np.floating],
    level: str,
) -> NDArray[np.floating]:
    """Log-likelihood of each class, up to a constant: the mean is ``felt * pattern``."""
    energy = _weigh(felt[..., None], felt, inverse, level)
    return _weigh(data, felt, inverse, level) @ pattern.T - 0.5 * energy * (pattern**2).sum(axis=1)


def _over_known_clips(
    model: Model,
    sources: NDArray[np.int64],
    data: NDArray[np.floating],
    felt: NDArray[np.floating],
    inverse: NDArray[np.floating],
    level: str,
) -> NDArray[np.floating]:
    """Log-likelihood of each class, a mixture over clips with mean ``fingerprint + felt * pattern``."""
    ones = np.ones_like(felt)
    pattern, fingerprint = model.pattern[:, sources], model.fingerprint[:, sources]
    share = np.eye(len(pattern))[model.labels] if model.class_share is None else model.class_share
    of_clip = (
        _weigh(data, ones, inverse, level) @ fingerprint.T
        - 0.5 * _weigh(ones[..., None], ones, inverse, level) * (fingerprint**2).sum(axis=1)
    )  # fmt: skip
    of_class = _by_class(pattern, data, felt, inverse, level)
    both = _weigh(felt[..., None], ones, inverse, level)
    out = []
    for k in range(len(pattern)):
        clips = np.flatnonzero(share[:, k] > 0)
        by_clip = of_clip[..., clips] - both * (fingerprint[clips] @ pattern[k]) + np.log(share[clips, k])
        out.append(of_class[..., k] + logsumexp(by_clip, axis=-1))
    return np.stack(out, axis=-1)


def _standard_error(residual: NDArray[np.floating], size: NDArray[np.floating]) -> float:
    """Standard error of a pooled mean clustered by subject and by clip.

    Residual sums are [subject, clip]. Cameron, Gelbach and Miller (2011), J. Bus. Econ. Stat. 29: the
    variance clustered by one factor, plus that by the other, minus that by their crossing.
    """
    by_subject = (residual.sum(axis=1) ** 2).sum()
    by_clip = (residual.sum(axis=0) ** 2).sum()
    crossed = (residual**2).sum()
    return float(np.sqrt(max(by_subject + by_clip - crossed, crossed)) / size.sum())


def table(
    model: Model, sources: dict[str, NDArray[np.int64]]
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """All oracles as plain data: ``[kind][modalities][level] -> {accuracy, se, n}``."""
    return {
        kind: {
            name: {
                level: vars(score(model, kind=kind, sources=which, level=level))
                for level in ("window", "trial")
            }
            for name, which in sources.items()
        }
        for kind in KINDS
    }
