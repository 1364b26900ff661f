"""The best anyone could do on a made-up MEs-EEG: the Bayes classifier of :mod:`mien.simulate._mes_plan`.

It is scored on the data set's own events, by the mean recall over classes (UAR), so it decides as if all
classes were equally likely; the emotions within a class keep their shares.

* ``eeg``: it looks at the hidden sources themselves, in the eight seconds around the apex that lie within the
  clip (level ``event``), or in the whole clip (level ``clip``), knows the course of the intensity, the
  patterns and the spread of everything else.
* ``me``: it sees which action units show; amplitudes, sides, drift and gaze tell nothing about the emotion of
  an unknown clip. That they can be seen follows from the files: the least amplitude, 0.3 px, is several times
  what the noise of the sensor does to the position of a patch of skin.
* ``eeg+me``: both; given the emotion they are independent. An event whose EEG is missing is judged by the
  face.

What is scored are events at both levels; :mod:`mien.simulate._mes_trials` scores whole trials.

Kinds: ``inductive`` (subject and clip are new), ``subject_known`` (the subject's offset is given: the match
for ``normalise = "subject"``), ``stimulus_known`` (offset given, and the list of all clips with emotion,
fingerprint, drift and gaze, though not which of them is on: explains plain leave-one-subject-out, never a
bar)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mien.datasets._mes_eeg_layout import EMOTIONS
from mien.simulate import _mes_plan as plan_
from mien.simulate._mes_plan import Expression, Plan

KINDS = ("inductive", "subject_known", "stimulus_known")
MODALITIES = ("eeg", "me", "eeg+me")
LEVELS = ("event", "clip")
_TIE = 9
"""Decimals of a log-likelihood: where all classes are equally likely, no rounding error decides."""
_NEVER = 1e-300
"""In place of a probability of 0, whose logarithm would not add up."""


class Case(Protocol):
    """What is judged: an expression, or a clip that somebody watched."""

    @property
    def subject(self) -> int: ...
    @property
    def clip(self) -> int: ...
    @property
    def emotion(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Score:
    """Mean recall over classes and share of events that are right (0-1), with standard errors over subjects
    and clips, and the number of events."""

    uar: float
    uar_se: float
    accuracy: float
    se: float
    n: int


def face_log_likelihood(plan: Plan) -> NDArray[np.float64]:
    """(events, emotions): how likely the action units of each event are, given its emotion."""
    p = plan_.au_probabilities()
    shows = np.array([[a in e.aus for a in plan_.AUS] for e in plan.events], dtype=float)
    shows = shows.reshape(len(plan.events), len(plan_.AUS))
    given = shows @ np.log(p).T + (1 - shows) @ np.log(1 - p).T - np.log1p(-np.prod(1 - p, axis=1))
    honest = min(1.0, plan.effect * plan_.HONESTY)
    n = len(EMOTIONS)
    mixing = honest * np.eye(n) + (1 - honest) / n  # (emotion, prototype)
    return np.asarray(logsumexp(given[:, None] + np.log(np.maximum(mixing, 1e-300))[None], axis=-1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What the EEG shows of some events or trials for equally many seconds: levels and intensity."""

    rows: NDArray[np.int64]
    z: NDArray[np.float64]
    intensity: NDArray[np.float64]


def see(plan: Plan, level: str, *, cases: Sequence[Case] | None = None) -> list[Seen]:
    """Events whose EEG is there, grouped by the number of seconds; ``z`` without offset and emotion.

    ``cases`` are looked at in place of the plan's events; those without an apex at level ``clip``.
    """
    parts: dict[int, list[tuple[int, NDArray[np.float64], NDArray[np.float64]]]] = {}
    known: dict[tuple[int, int], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for i, e in enumerate(plan.events if cases is None else cases):
        if e.clip >= plan.eeg_stop[e.subject]:
            continue
        key = (e.subject, e.clip)
        if key not in known:
            half = plan.rest // 2
            rest = plan.levels(*key)[half:-half] - plan.emotion(*key) - plan.offset[e.subject]
            known[key] = rest, plan.intensity(*key)
        z, intensity = known[key]
        if isinstance(e, Expression) and level == "event":
            first = int(np.clip(round(e.apex - plan_.APEX_SECONDS / 2), 0, len(z) - plan_.APEX_SECONDS))
            z, intensity = (x[first : first + plan_.APEX_SECONDS] for x in (z, intensity))
        parts.setdefault(len(z), []).append((i, z, intensity))
    return [
        Seen(
            rows=np.array([r for r, _, _ in part]),
            z=np.stack([z for _, z, _ in part]),
            intensity=np.stack([f for _, _, f in part]),
        )
        for part in parts.values()
    ]


def signal_terms(
    plan: Plan,
    seen: list[Seen],
    *,
    kind: str = "subject_known",
    gain: float,
    cases: Sequence[Case] | None = None,
) -> NDArray[np.float64]:
    """Log-likelihood (events, emotions) of what a plan's sources showed, or (events, clips) for
    ``stimulus_known``; 0 where there is nothing. ``cases`` as for :func:`see`."""
    of: Sequence[Case] = plan.events if cases is None else cases
    known_clip = kind == "stimulus_known"
    constant = {
        "inductive": plan_.OFFSET_SD**2 + plan_.FINGERPRINT_SD**2,
        "subject_known": plan_.FINGERPRINT_SD**2,
        "stimulus_known": 0.0,
    }[kind]
    emotional = np.flatnonzero(plan.emotions >= 0)
    out = np.zeros((len(of), len(emotional) if known_clip else len(EMOTIONS)))
    truth = np.array([e.emotion for e in of])
    subject = np.array([e.subject for e in of])
    for part in seen:
        n = part.z.shape[1]
        lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        inverse = np.linalg.inv(plan_.NOISE_SD**2 * plan_.NOISE_AR**lag + constant)
        pattern = plan.effect * gain * plan.pattern
        x = part.z + part.intensity[..., None] * pattern[truth[part.rows]][:, None]
        if kind == "inductive":
            x = x + plan.offset[subject[part.rows]][:, None]
        felt = part.intensity @ inverse
        by_felt = np.einsum("nt,ntk->nk", felt, x)
        energy = (felt * part.intensity).sum(axis=1)[:, None]
        by_emotion = by_felt @ pattern.T - 0.5 * energy * (pattern**2).sum(axis=1)
        if not known_clip:
            out[part.rows] = by_emotion
            continue
        label, print_ = plan.emotions[emotional], plan.fingerprint[emotional]
        by_one = np.einsum("t,ntk->nk", inverse.sum(axis=0), x)
        out[part.rows] = (
            by_emotion[:, label]
            + by_one @ print_.T
            - 0.5 * inverse.sum() * (print_**2).sum(axis=1)
            - felt.sum(axis=1)[:, None] * (print_ * pattern[label]).sum(axis=1)
        )
    return out


def behaviour_terms(plan: Plan) -> NDArray[np.float64]:
    """(events, emotional clips): how likely drift and gaze of each event are, given the clip."""
    emotional = np.flatnonzero(plan.emotions >= 0)
    seen = np.array([[*e.drift, *e.gaze] for e in plan.events]).reshape(len(plan.events), 6)
    mean = np.hstack([plan.clip_drift, plan.clip_gaze])[emotional]
    sd = np.sqrt(0.5) * np.array(
        [plan_.DRIFT_PX] * 2 + [plan_.DRIFT_RAD, plan_.DRIFT_SCALE] + [plan_.GAZE_PX] * 2
    )
    return np.asarray(-0.5 * (((seen[:, None] - mean) / sd) ** 2).sum(axis=-1))


def log_likelihood(
    plan: Plan, *, kind: str, modality: str, level: str, seen: list[Seen] | None = None
) -> NDArray[np.float64]:
    """(events, emotions), up to a constant for each event; ``seen`` is what :func:`see` gives, if it is
    known."""
    eeg, face = "eeg" in modality, "me" in modality
    seen = [] if not eeg else see(plan, level) if seen is None else seen
    return combined(plan, [(plan, seen)], face=face, kind=kind)


def combined(
    plan: Plan, signals: Sequence[tuple[Plan, list[Seen]]], *, face: bool, kind: str
) -> NDArray[np.float64]:
    """(events, emotions), up to a constant: the face, where asked for, and every set of sources there is."""
    by_face = face_log_likelihood(plan) if face else np.zeros((len(plan.events), len(EMOTIONS)))
    if kind != "stimulus_known":
        return by_face + sum(signal_terms(own, seen, kind=kind, gain=own.gain) for own, seen in signals)
    by_clip = by_face[:, plan.emotions[plan.emotions >= 0]]
    for own, seen in signals:
        by_clip = by_clip + signal_terms(own, seen, kind=kind, gain=own.gain)
    return over_clips(plan, by_clip + behaviour_terms(plan) if face else by_clip)


def over_clips(plan: Plan, by_clip: NDArray[np.float64]) -> NDArray[np.float64]:
    """(cases, emotions) from (cases, emotional clips): the mean likelihood over the clips of an emotion."""
    emotions = plan.emotions[plan.emotions >= 0]
    return _average(by_clip, [np.flatnonzero(emotions == k) for k in range(len(EMOTIONS))])


def _average(values: NDArray[np.float64], groups: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Mean likelihood of each group of columns; of a group without columns, none."""
    columns = [
        logsumexp(values[:, g], axis=1) - np.log(len(g)) if len(g) else np.full(len(values), -np.inf)
        for g in groups
    ]
    return np.stack(columns, axis=1)


def decide(
    log_likelihoods: NDArray[np.float64],
    *,
    classes: int,
    shares: NDArray[np.float64] = plan_.EVENT_SHARES,
    as_common: bool = False,
) -> NDArray[np.int64]:
    """The class of each case, as if all classes that occur were equally likely, or as common as they are.

    ``shares`` are those of the emotions."""
    by_emotion = log_likelihoods + np.log(np.maximum(shares, _NEVER))
    class_of = np.arange(len(EMOTIONS)) if classes == len(EMOTIONS) else plan_.CLASS_OF
    found = np.stack([logsumexp(by_emotion[:, class_of == k], axis=1) for k in range(classes)], axis=1)
    if not as_common:
        prior = np.bincount(class_of, weights=shares, minlength=classes)
        found = found - np.log(np.where(prior > 0, prior, 1.0))
    return np.asarray(np.round(found, _TIE).argmax(axis=1))


def judge(
    plan: Plan,
    decided: NDArray[np.int64],
    *,
    classes: int,
    rows: NDArray[np.int64] | None = None,
    cases: Sequence[Case] | None = None,
) -> Score:
    """Mean recall of some decisions, over the classes that occur; ``cases`` as for :func:`see`."""
    of: Sequence[Case] = plan.events if cases is None else cases
    rows = np.arange(len(of)) if rows is None else rows
    events = [of[i] for i in rows]
    truth = np.array([e.emotion for e in events], dtype=np.int64)
    truth = truth if classes == len(EMOTIONS) else plan_.CLASS_OF[truth]
    right = (decided[rows] == truth).astype(float)
    occurs = [k for k in range(classes) if (truth == k).any()]
    if not occurs:
        nan = float("nan")
        return Score(uar=nan, uar_se=nan, accuracy=nan, se=nan, n=0)
    # what each event adds to a score, less its expectation
    recall = {k: right[truth == k].mean() for k in occurs}
    weight = np.array([1 / ((truth == k).sum() * len(occurs)) for k in truth])
    few = {k: _few([e for e, own in zip(events, truth == k, strict=True) if own]) for k in occurs}
    residual = (right - np.array([recall[k] for k in truth])) * np.array([few[k] for k in truth])
    return Score(
        uar=float(np.mean(list(recall.values()))),
        uar_se=_standard_error(weight * residual, events),
        accuracy=float(right.mean()),
        se=_standard_error((right - right.mean()) / len(right), events),
        n=len(rows),
    )


def _few(events: Sequence[Case]) -> float:
    """What the errors about the mean of few clips fall short by: the root of clips / (clips - 1)."""
    clips = len({e.clip for e in events})
    return float(np.sqrt(clips / max(clips - 1, 1)))


def _standard_error(residual: NDArray[np.float64], events: Sequence[Case]) -> float:
    """Clustered by subject and by clip, as for :mod:`mien.simulate._oracle`."""
    variance = 0.0
    for key, sign in (("subject", 1), ("clip", 1), ("both", -1)):
        group = [(e.subject, e.clip) if key == "both" else (getattr(e, key),) for e in events]
        _, index = np.unique(np.array(group), axis=0, return_inverse=True)
        variance += sign * float((np.bincount(index.ravel(), residual) ** 2).sum())
    return float(np.sqrt(max(variance, float((residual**2).sum()))))


def score(
    plan: Plan,
    *,
    kind: str,
    modality: str,
    level: str = "event",
    classes: int = 3,
    seen: list[Seen] | None = None,
) -> Score:
    """Mean recall of the Bayes classifier on the data set's own events."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    rows = None
    if modality == "eeg":
        rows = np.array(
            [i for i, e in enumerate(plan.events) if e.clip < plan.eeg_stop[e.subject]], dtype=np.int64
        )
    found = log_likelihood(plan, kind=kind, modality=modality, level=level, seen=seen)
    return judge(plan, decide(found, classes=classes, shares=plan.shares), classes=classes, rows=rows)


def calibrate(plan: Plan, *, target: float = plan_.TARGET) -> float:
    """The gain at which ``subject_known`` with both modalities reaches the target, at the plan's effect."""
    if not plan.events:
        return 1.0
    seen, face = see(dataclasses.replace(plan, gain=0.0), "event"), face_log_likelihood(plan)

    def reached(gain: float) -> float:
        both = face + signal_terms(plan, seen, gain=gain)
        return judge(plan, decide(both, classes=3, shares=plan.shares), classes=3).uar

    return gain_for(reached, target)


def gain_for(reached: Callable[[float], float], target: float) -> float:
    """The gain at which a score reaches a target."""
    low, high = 0.0, 12.0
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < target else (low, middle)
    return high


def table(plan: Plan, *, classes: int) -> dict[str, object]:
    """All oracles of a number of classes as plain data: ``[kind][modalities][level]`` to a :class:`Score`;
    level ``trial`` beside those of events."""
    from mien.simulate import _mes_trials

    seen = {level: see(plan, level) for level in LEVELS}

    def one(kind: str, modality: str, level: str) -> dict[str, float]:
        found = score(plan, kind=kind, modality=modality, level=level, classes=classes, seen=seen[level])
        return vars(found) if found.n else {}

    watched = _mes_trials.watch(plan)
    own = {"eeg": (plan, watched)}
    trial = {
        (k, m): _mes_trials.plain(
            plan,
            [own[s] for s in m.split("+") if s in own],
            face="me" in m,
            kind=k,
            classes=classes,
        )
        for k in KINDS
        for m in MODALITIES
    }
    return {
        k: {m: {level: one(k, m, level) for level in LEVELS} | {"trial": trial[k, m]} for m in MODALITIES}
        for k in KINDS
    }
