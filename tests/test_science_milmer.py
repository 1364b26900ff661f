"""What a study of Milmer must be able to show on made-up data (`pytest -m slow`).

The seeds are used by no other test and no default was chosen on them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien.run
from mien import simulate
from mien.run.demo import milmer_study

SEEDS = (8701, 8702, 8703)
EFFECTLESS = (8711, 8712, 8713)
"""Of the data without emotion. A first design, 8 people who were all filmed, was run on the seeds above and
failed: LOSO reached 1.37 times chance, as 7 people are few to learn 16 videos from."""
CHANCE = 1 / 4
BOTH = "eeg+face"
SCRAMBLED = (8721, 8722, 8723)
"""Of the released scramble; with trials of 15 s it was looked at, in vain, on the seeds above."""
SPLITS = 5
"""Of each person's trials, for ``trial_622``: one split tests a fifth of them."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

Rows = dict[tuple[str, str, str], dict[str, Any]]


def study(root: Path, out: Path, protocols: Sequence[str], *, face: bool = True, **changes: Any) -> Rows:
    """Run the study of the demo with finer tokens and each person scaled by its own trials.

    Returns rows by protocol, streams and level.
    """
    plan = milmer_study(root, small=False)
    plan["features"]["face"] = {"name": "face_tokens", "options": {"grid": 7, "face_crops": {"size": 64}}}
    if not face:
        del plan["features"]["face"]
    options = {name: of for name, of in plan["protocol"]["options"].items() if name in protocols}
    plan["protocol"] = {"names": list(protocols), "normalise": ["subject"], "options": options}
    plan |= {"baselines": [], "controls": {"shuffled": False}, **changes}
    mien.run.study(plan, out, workers=2, store=root.parent / "store")
    rows = json.loads((out / "report.json").read_bytes())["results"]
    return {(r["protocol"], "+".join(r["modalities"]), r["level"]): r for r in rows if "extra" not in r}


def made_up(folder: Path, seed: int, **options: Any) -> Path:
    """Six people before the forty videos, 15 s of each, all filmed."""
    chosen: dict[str, Any] = {"subjects": 6, "trials": 40, "seconds": 15, "video_subjects": 6} | options
    return simulate.simulate("deap", folder, seed=seed, workers=2, **chosen)


def accuracy(row: dict[str, Any]) -> float:
    return float(row["metrics"]["accuracy"]["value"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Rows]:
    """One set of rows a seed: other people's videos once, each person's own trials in some splits."""
    found = []
    for seed in SEEDS:
        folder = tmp_path_factory.mktemp(f"milmer{seed}")
        root = made_up(folder / "data", seed)
        rows = study(root, folder / "within", ["trial_622"], seeds=list(range(SPLITS)))
        rows |= study(root, folder / "between", ["loso_stimulus"])
        found.append(rows)
    return found


def of(runs: list[Rows], protocol: str, streams: str) -> np.ndarray:
    return np.array([accuracy(rows[protocol, streams, "trial"]) for rows in runs])


@pytest.mark.parametrize("protocol", ["trial_622", "loso_stimulus"])
def test_both_go_half_the_way_from_chance_to_their_oracle(runs: list[Rows], protocol: str) -> None:
    oracles = [rows[protocol, BOTH, "trial"]["oracle"] for rows in runs]
    assert {o["kind"] for o in oracles} == {"subject_known"}
    best = np.array([o["value"] for o in oracles])
    # calibrated to 0.84 on all trials; a protocol tests some of them
    assert ((best >= 0.75) & (best <= 0.92)).all()
    assert ((of(runs, protocol, BOTH) - CHANCE) / (best - CHANCE)).mean() >= 0.5


@pytest.mark.parametrize("protocol", ["trial_622", "loso_stimulus"])
def test_eeg_and_face_together_beat_the_better_one(runs: list[Rows], protocol: str) -> None:
    single = max(of(runs, protocol, s).mean() for s in ("eeg", "face"))
    assert of(runs, protocol, BOTH).mean() >= single + 0.02


@pytest.fixture(scope="module")
def without_emotion(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Rows, dict[str, Any]]]:
    """Effect 0, EEG alone, 16 people before 16 videos: what a video does to everybody can be learnt."""
    found = []
    for seed in EFFECTLESS:
        folder = tmp_path_factory.mktemp(f"effectless{seed}")
        root = made_up(
            folder / "data", seed, effect=0.0, subjects=16, trials=16, video_subjects=0,
            kinds=("preprocessed", "ratings"),
        )  # fmt: skip
        rows = study(
            root, folder / "run", ["random_window", "loso", "trial_622", "loso_stimulus"],
            model={"name": "milmer", "modalities": [["eeg"]]}, face=False,
        )  # fmt: skip
        found.append((rows, json.loads((folder / "run" / "audit.json").read_bytes())))
    return found


def each(runs: list[Any], protocol: str) -> Iterator[tuple[float, dict[str, Any]]]:
    for rows, _ in runs:
        row = rows[protocol, "eeg", "trial"]
        yield accuracy(row), row["controls"]["permuted"]


def test_without_emotion_windows_of_known_trials_are_recognised(without_emotion: list[Any]) -> None:
    found = list(each(without_emotion, "random_window"))
    assert all(score > chance["high"] for score, chance in found)
    assert np.mean([score for score, _ in found]) >= 1.7 * CHANCE
    assert {audit["verdict"] for _, audit in without_emotion} == {"leaks"}


def test_without_emotion_loso_lives_on_videos_that_others_saw(without_emotion: list[Any]) -> None:
    assert np.mean([score for score, _ in each(without_emotion, "loso")]) >= 1.5 * CHANCE
    for rows, _ in without_emotion:
        assert "stimulus" not in rows["loso", "eeg", "trial"]["held_out"]


def test_without_emotion_nothing_is_left_where_neither_trial_nor_video_is_known(
    without_emotion: list[Any],
) -> None:
    scores = [(p, *s) for p in ("trial_622", "loso_stimulus") for s in each(without_emotion, p)]
    # half of the 5 % outside a 95 % interval is above it: two of six in 1 % of all cases. Below it is no
    # fault: a video left out of balanced classes makes its own class rarer among the rest
    assert sum(score > chance["high"] for _, score, chance in scores) <= 1
    for protocol in ("trial_622", "loso_stimulus"):
        # by the width of the intervals, three means of 64 trials vary by 0.04
        assert np.mean([score for p, score, _ in scores if p == protocol]) <= CHANCE + 0.08


def test_the_released_scramble_does_not_lower_the_score_by_segment(tmp_path: Path) -> None:
    """Every scrambled segment holds the whole trial in a few channels: the same moments that others of it
    hold in other channels. A model that only looks for the sample most alike finds them: the fifth after or
    before, in which a moment has the same place. A trial must have ten segments; the real ones have twenty.

    Milmer itself does not: it looks at spectra, of which samples out of order have little left (seeds 8701 to
    8703, by segment: 0.36 with the scramble, 0.45 without).
    """
    scores: dict[str, list[float]] = {"released": [], "corrected": []}
    for seed in SCRAMBLED:
        root = made_up(
            tmp_path / f"{seed}" / "data", seed, effect=0.5, subjects=4, trials=16, seconds=30,
            video_subjects=0, kinds=("preprocessed", "ratings"),
        )  # fmt: skip
        for recipe, found in scores.items():
            # the ICA takes seconds a trial and changes nothing beyond rounding
            options = {"options": {"ica": False}} if recipe == "released" else {}
            rows = study(
                root, tmp_path / f"{seed}" / recipe, ["random_window"],
                features={"eeg": {"name": "segments", "recipe": recipe, **options}},
                model={"name": "nearest_neighbour", "modalities": [["eeg"]]},
            )  # fmt: skip
            found.append(accuracy(rows["random_window", "eeg", "window"]))
    assert np.mean(scores["corrected"]) < 0.9
    assert np.mean(scores["released"]) >= np.mean(scores["corrected"])
