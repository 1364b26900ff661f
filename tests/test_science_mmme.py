"""What a study of faces, EEG and bodies must be able to show on made-up data (`pytest -m slow`).

The seeds are used by no other test and no default was chosen on them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien.run
from mien import simulate
from mien.run.demo import mmme_study

SEEDS = (8811, 8812, 8813)
CHANCE = 1 / 3
SETS = (
    "me+eeg+body", "me+body", "me+eeg", "eeg+body", "me", "eeg", "body",
)  # fmt: skip
Rows = dict[tuple[str, str], dict[str, Any]]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]


def study(root: Path, out: Path, **changes: Any) -> Rows:
    """Run the study of the demo with every set of streams; the network's rows by protocol and streams."""
    plan = {
        **mmme_study(root, small=False),
        "baselines": [],
        "train": {"batch_size": 64, "epochs": 20, "lr": 5e-3, "loss": "focal", "modality_dropout": 0.2},
        "protocol": {
            "names": ["loso_stimulus"],
            "normalise": ["subject"],
            "options": {"loso_stimulus": {"n_stimulus_folds": 3}},
        },
        "controls": {"shuffled": False},
        **changes,
    }
    mien.run.study(plan, out, workers=2)
    rows = json.loads((out / "report.json").read_bytes())["results"]
    return {(r["protocol"], "+".join(r["modalities"])): r for r in rows if r["model"] == "mmme"}


def uar(row: dict[str, Any]) -> float:
    return float(row["metrics"]["uar"]["value"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Rows]:
    """Three data sets of ten people who see every clip that makes something felt; EEG and BIOPAC at a quarter
    of the real rate."""
    folder = tmp_path_factory.mktemp("mmme")
    found = []
    for seed in SEEDS:
        root = simulate.simulate(
            "mmme", folder / f"data{seed}", seed=seed, subjects=10, clips=42, rate=250, seconds=14.0,
            columns=14, workers=2,
        )  # fmt: skip
        found.append(study(root, folder / f"run{seed}"))
    return found


def of(runs: list[Rows], streams: str) -> np.ndarray:
    return np.array([uar(run["loso_stimulus", streams]) for run in runs])


def oracle(runs: list[Rows], streams: str) -> np.ndarray:
    found = [run["loso_stimulus", streams]["oracle"] for run in runs]
    assert {o["kind"] for o in found} == {"subject_known"}
    return np.array([o["value"] for o in found])


def test_the_task_is_neither_easy_nor_impossible(runs: list[Rows]) -> None:
    assert ((oracle(runs, "me") >= 0.6) & (oracle(runs, "me") <= 0.8)).all()
    for more, less in (("me+body", "me"), ("me+eeg", "me"), ("me+eeg+body", "me+eeg")):
        assert (oracle(runs, more) >= oracle(runs, less) + 0.02).all()


@pytest.mark.parametrize("streams", ["me+body", "me+eeg+body"])
def test_vision_and_physiology_beat_vision(runs: list[Rows], streams: str) -> None:
    assert of(runs, streams).mean() >= of(runs, "me").mean() + 0.03


@pytest.mark.parametrize("streams", ["me+body", "me+eeg+body"])
def test_vision_and_physiology_go_half_the_way_from_chance_to_their_oracle(
    runs: list[Rows], streams: str
) -> None:
    ways = (of(runs, streams) - CHANCE) / (oracle(runs, streams) - CHANCE)
    assert ways.mean() >= 0.5


def test_one_network_answers_for_every_set_of_streams_and_what_is_lost_costs(runs: list[Rows]) -> None:
    """The runner trains one network a fold on all streams; sets of it are all that its test samples have."""
    mean = {streams: of(runs, streams).mean() for streams in SETS}
    for run in runs:
        assert {streams for _, streams in run} == set(SETS)
        assert all(run["loso_stimulus", s]["n"] > 0 for s in SETS)
    by_size = [np.mean([mean[s] for s in SETS if s.count("+") == n]) for n in range(3)]
    assert by_size[0] < by_size[1] < by_size[2]
    assert min(mean.values()) > CHANCE


def test_seven_classes(tmp_path: Path) -> None:
    """Both protocols, any set of streams, a clean audit; a small copy is enough to see that it runs."""
    root = simulate.simulate(
        "mmme",
        tmp_path / "data",
        seed=8851,
        subjects=4,
        clips=21,
        rate=250,
        seconds=14.0,
        columns=14,
        workers=2,
    )
    names = ["loso", "loso_stimulus"]
    rows = study(
        root,
        tmp_path / "run",
        label="emotion",
        protocol={
            "names": names, "normalise": ["subject"], "options": {"loso_stimulus": {"n_stimulus_folds": 3}},
        },
        train={"batch_size": 64, "epochs": 2},
    )  # fmt: skip
    assert set(rows) == {(name, streams) for name in names for streams in SETS}
    record = json.loads((tmp_path / "run" / "record.json").read_bytes())
    assert len(record["classes"]) == 7
    assert json.loads((tmp_path / "run" / "audit.json").read_bytes())["verdict"] == "clean"
