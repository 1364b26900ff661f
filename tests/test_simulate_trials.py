"""The best anyone could do on the trials of made-up data: face, brain and body of whole clips.

The seeds here (8841 to 8848) are used nowhere else; no constant of the model was chosen on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from mien.datasets import _mes_eeg_layout as layout
from mien.simulate import _mes_oracle, _mes_plan, _mes_trials, _mmme_oracle, _mmme_plan
from mien.simulate._mmme_plan import Study

OWN = np.array([layout.THREE_CLASSES.index(layout.THREE[e]) for e in layout.EMOTIONS])


def draw(seed: int, *, subjects: int = 3, clips: int = 14, effect: float = 1.0, **changes: Any) -> Study:
    options = {"events_per_clip": 1.2, "seconds": 12.0, **changes}
    return _mmme_plan.draw(seed, subjects=subjects, clips=clips, effect=effect, **options)


def signals(study: Study) -> list[_mes_trials.Signal]:
    return [(plan, _mes_trials.watch(plan)) for plan in (study.brain, study.body)]


def by_hand(study: Study, trial: _mes_trials.Watched, kind: str) -> np.ndarray:
    """Log-likelihoods of the seven emotions, with SciPy's Gaussians and probabilities one by one."""
    brain = study.brain
    total = np.zeros(7)
    shown = [e for e in brain.events if (e.subject, e.clip) == (trial.subject, trial.clip)]
    for k in range(7):
        cells = [(s, c) for c in np.flatnonzero(brain.emotions == k) for s in range(len(brain.subjects))]
        same = [sum((e.subject, e.clip) == cell for e in brain.events) == len(shown) for cell in cells]
        total[k] = np.log(max(np.mean(same), 1e-300))
        for e in shown:
            likelihood = 0.0
            for prototype in range(7):
                p = _mes_plan.au_probabilities()[prototype]
                each = [q if a in e.aus else 1 - q for a, q in zip(_mes_plan.AUS, p, strict=True)]
                honest = brain.effect * _mes_plan.HONESTY
                weight = (k == prototype) * honest + (1 - honest) / 7
                likelihood += weight * np.prod(each) / (1 - np.prod(1 - p))
            total[k] += np.log(likelihood)
        felt = brain.intensity(trial.subject, trial.clip)
        t = np.arange(len(felt))
        covariance = 0.95 ** np.abs(t[:, None] - t) + 0.45**2 + (1.2**2 if kind == "inductive" else 0.0)
        for plan in (study.brain, study.body):
            z = plan.levels(trial.subject, trial.clip)[3:-3]
            z = z if kind == "inductive" else z - plan.offset[trial.subject]
            mean = plan.effect * plan.gain * felt[:, None] * plan.pattern[k]
            total[k] += stats.multivariate_normal(cov=covariance).logpdf((z - mean).T).sum()
    return total


@pytest.mark.parametrize("kind", ["inductive", "subject_known"])
def test_the_oracle_agrees_with_likelihoods_worked_out_one_by_one(kind: str):
    study = draw(8841, subjects=2, effect=0.8)
    trials = _mes_trials.watched(study.brain)
    found = _mes_trials.log_likelihood(study.brain, signals(study), face=True, kind=kind)
    expected = np.array([by_hand(study, t, kind) for t in trials])
    possible = expected > -500  # an emotion that never has so many expressions: 1e-300 in both
    assert (found > -500)[possible].all()
    difference = np.where(possible, found - expected, np.nan)
    difference -= np.nanmax(np.where(possible, difference, -np.inf), axis=1, keepdims=True)
    np.testing.assert_allclose(difference[possible], 0, atol=1e-6)  # up to a constant of each trial


def test_each_score_is_of_the_decision_that_is_best_at_it():
    """Seven clips of five negative emotions, one positive, one surprising: four of a common class."""
    shares = np.full(7, 1 / 7)
    found = np.log(np.array([[0.2, 0.2, 0.2, 0.4, 0.2, 0.2, 0.2]]))
    assert layout.EMOTIONS[3] == "happy"
    as_common = _mes_oracle.decide(found, shares=shares, classes=3, as_common=True)
    equally = _mes_oracle.decide(found, shares=shares, classes=3, as_common=False)
    assert layout.THREE_CLASSES[as_common[0]] == "negative"  # five times 0.2 against 0.4
    assert layout.THREE_CLASSES[equally[0]] == "positive"  # 0.2 on average against 0.4
    seven = _mes_oracle.decide(found, shares=shares, classes=7, as_common=True)
    assert seven.tolist() == [3]


def test_an_emotion_that_no_clip_has_is_never_named():
    shares = np.array([0.5, 0.5, 0, 0, 0, 0, 0])
    found = np.log(np.array([[0.1, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9]]))
    for as_common in (False, True):
        assert _mes_oracle.decide(found, shares=shares, classes=7, as_common=as_common).tolist() == [1]
        three = _mes_oracle.decide(found, shares=shares, classes=3, as_common=as_common)
        assert layout.THREE_CLASSES[three[0]] == "negative"


def test_without_an_effect_the_number_of_expressions_is_all_that_tells():
    study = draw(8842, subjects=6, effect=0.0)
    brain, own = study.brain, signals(study)
    trials = _mes_trials.watched(brain)
    for parts in (own, own[:1], own[1:]):
        blind = _mes_trials.score(brain, parts, face=False, kind="inductive", classes=3)
        assert blind.uar == pytest.approx(1 / 3)
        assert blind.accuracy == pytest.approx(10 / 14)  # of two clips of each emotion, ten are negative
    seeing = _mes_trials.score(brain, own, face=True, kind="inductive", classes=3)
    n = _mes_trials.counts(brain)
    label = np.array([OWN[t.emotion] for t in trials])
    # for each number of expressions, the class of which the largest share has so many
    best = {
        m: int(np.argmax([((n == m) & (label == c)).sum() / (label == c).sum() for c in range(3)]))
        for m in np.unique(n)
    }
    right = np.array([best[m] for m in n]) == label
    expected = np.mean([right[label == c].mean() for c in range(3)])
    assert expected > 0.4  # expressions of some emotions are more common
    assert seeing.uar == pytest.approx(expected)


def test_all_expressions_of_a_trial_count():
    study = draw(8843, subjects=6, clips=42, events_per_clip=2.0, seconds=15.0)
    by_trial, by_event = (
        _mes_trials.score(study.brain, [], face=True, kind="inductive", classes=7),
        _mmme_oracle.score(study, kind="inductive", modality="vision", classes=7),
    )
    assert by_trial.uar > by_event.uar + 0.1
    assert by_trial.n == (_mes_trials.counts(study.brain) > 0).sum()


def test_calm_clips_are_no_trials_of_the_oracle():
    plan = draw(8844, clips=48).brain
    trials = _mes_trials.watched(plan)
    assert len(trials) == 3 * 42
    assert min(t.emotion for t in trials) == 0


def test_a_set_of_modalities_is_scored_where_one_of_them_is():
    """Of MEs-EEG, whose EEG may end early."""
    plan = _mes_plan.draw(
        8845, subjects=4, clips=42, events_per_clip=0.8, seconds=15.0, effect=1.0, truncated=1
    )
    table = _mes_oracle.table(plan, classes=3)["inductive"]
    trials = _mes_trials.watched(plan)
    heard = np.array([t.clip < plan.eeg_stop[t.subject] for t in trials])
    shown = _mes_trials.counts(plan) > 0
    assert not heard.all()
    assert (~heard & ~shown).any()
    n = {m: found["trial"]["n"] for m, found in table.items()}
    assert n == {"eeg": heard.sum(), "me": shown.sum(), "eeg+me": (heard | shown).sum()}


@pytest.mark.parametrize("seed", [8846, 8847])
def test_knowing_more_helps(seed: int):
    study = draw(seed, subjects=8, clips=42)
    table = _mmme_oracle.table(study, classes=3)
    found = {kind: {m: s["trial"] for m, s in of.items()} for kind, of in table.items()}
    everything = "vision+eeg+body"
    for kind in ("inductive", "subject_known"):
        uar = {m: s["uar"] for m, s in found[kind].items()}
        assert all(0.45 < uar[m] < uar[everything] for m in ("vision", "eeg", "body"))
    # the clips themselves, and drift and gaze that go with them
    known, new = (found[kind][everything] for kind in ("stimulus_known", "inductive"))
    assert known["uar"] > new["uar"]
    for m, s in found["inductive"].items():
        # two thirds or more are negative; the best is not much worse than naming that
        assert s["accuracy"] > 0.65, m
        assert s["se"] > 0


def test_the_levels_of_events_are_as_they_were():
    """Trials stand beside events and clips, under the names of a network's streams, too."""
    table = _mmme_oracle.by_stream(_mmme_oracle.table(draw(8848, subjects=1, clips=7), classes=7))
    assert set(table["subject_known"]["me+eeg+body"]) == {"event", "clip", "trial"}
    assert table["subject_known"]["eeg"]["trial"]["n"] == 7
