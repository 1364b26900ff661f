"""What a study of micro-expressions must be able to show on made-up data (`pytest -m slow`).

The seeds are used by no other test and no default was chosen on them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import mien.run
from mien import simulate
from mien.datasets._mes_eeg_layout import FACE_FOLDERS
from mien.vision.flow import endpoint_error, flow

SEEDS = (8601, 8602, 8603)
FLOW_SEED, FLOW_PAIRS = 8604, 32
CHANCE = 1 / 3
SETS = (("eeg", "me"), ("me",), ("eeg",))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def study(root: Path, out: Path, **changes: Any) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Run a study of three classes on every event; rows of the report by protocol, model and streams."""
    plan = {
        "system": "mes_eeg",
        "label": "emotion3",
        "data": {"name": "mes_eeg", "root": str(root)},
        "samples": {"of": "event"},
        "features": {"eeg": {"name": "power_sequence", "stream": "raw_eeg"}, "me": {"name": "flow"}},
        "model": {"name": "mes_eeg", "modalities": [list(s) for s in SETS]},
        "train": {"batch_size": 64, "epochs": 20, "loss": "focal"},
        "protocol": {"names": ["loso_stimulus"], "normalise": ["subject"]},
        "controls": {"shuffled": False},
        **changes,
    }
    mien.run.study(plan, out, workers=2)
    rows = json.loads((out / "report.json").read_bytes())["results"]
    return {(r["protocol"], r["model"], "+".join(r["modalities"])): r for r in rows if r["level"] == "event"}


def made_up(folder: Path, seed: int, **options: Any) -> Path:
    """Ten people, every clip that makes something felt; EEG at a quarter of the real rate."""
    return simulate.simulate(
        "mes_eeg", folder, seed=seed, subjects=10, clips=42, rate=250.0, seconds=20.0, workers=2,
        kinds=("coding", "eeg", "pairs"), **options,
    )  # fmt: skip


def uar(row: dict[str, Any]) -> float:
    return float(row["metrics"]["uar"]["value"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[tuple[str, str, str], dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("mes_eeg")
    return [study(made_up(folder / f"data{s}", s), folder / f"run{s}") for s in SEEDS]


def of(runs: list[Any], streams: str) -> np.ndarray:
    return np.array([uar(run["loso_stimulus", "mes_eeg", streams]) for run in runs])


def oracle(runs: list[Any], streams: str) -> np.ndarray:
    found = [run["loso_stimulus", "mes_eeg", streams]["oracle"] for run in runs]
    assert {o["kind"] for o in found} == {"subject_known"}
    return np.array([o["value"] for o in found])


def test_the_task_is_neither_easy_nor_impossible(runs: list[Any]) -> None:
    both = oracle(runs, "eeg+me")
    assert ((both >= 0.75) & (both <= 0.90)).all()
    for single in ("eeg", "me"):
        assert (oracle(runs, single) <= both - 0.05).all()


def test_face_and_eeg_together_beat_the_better_one(runs: list[Any]) -> None:
    assert of(runs, "eeg+me").mean() >= max(of(runs, "eeg").mean(), of(runs, "me").mean()) + 0.02


@pytest.mark.parametrize("streams", ["eeg", "me"])
def test_each_goes_half_the_way_from_chance_to_its_oracle(runs: list[Any], streams: str) -> None:
    ways = (of(runs, streams) - CHANCE) / (oracle(runs, streams) - CHANCE)
    assert ways.mean() >= 0.5


@pytest.mark.parametrize(("label", "classes"), [("emotion3", 3), ("emotion5", 5), ("emotion", 7)])
@pytest.mark.parametrize("protocol", ["me_loso_event", "loso_stimulus"])
def test_every_task_under_every_protocol(tmp_path: Path, label: str, classes: int, protocol: str) -> None:
    """Three, five and seven classes, nested validation, no event on both sides; a small copy is enough."""
    root = simulate.simulate(
        "mes_eeg", tmp_path / "data", seed=8611, subjects=5, clips=42, rate=250.0, seconds=12.0, workers=2
    )
    train = {"batch_size": 64, "epochs": 2}
    chosen = {"names": [protocol], "normalise": ["train"]}
    rows = study(root, tmp_path / "run", label=label, protocol=chosen, train=train)
    assert {streams for _, _, streams in rows} == {"eeg+me", "me", "eeg"}
    splits = json.loads((tmp_path / "run" / "splits.json").read_bytes())["folds"]
    for fold in splits:
        parts = [{*fold[p]["trials"], *fold[p]["samples"]} for p in ("train", "val", "test")]
        assert parts[1]
        assert not parts[2] & (parts[0] | parts[1])
    audit = json.loads((tmp_path / "run" / "audit.json").read_bytes())
    assert audit["verdict"] == "clean"
    assert {"subject", "trial", "event"} <= set(audit["proven"][protocol])
    record = json.loads((tmp_path / "run" / "record.json").read_bytes())
    assert len(record["classes"]) == classes
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Table 4" in page
    assert "89.71" in page or classes != 3  # the published value of three classes


def test_without_emotion_nothing_is_recognised(tmp_path: Path) -> None:
    """Effect 0: with stimuli held out the score is at chance for all three sets of streams."""
    inside = []
    for seed in SEEDS:
        root = made_up(tmp_path / f"data{seed}", seed, effect=0.0)
        for row in study(root, tmp_path / f"run{seed}").values():
            chance = row["controls"]["permuted"]
            inside.append(chance["low"] <= row["metrics"][chance["metric"]]["value"] <= chance["high"])
    # nine 95 % intervals, dependent in threes: two misses or fewer in 99 % of all such nines if independent
    assert sum(inside) >= 7


def test_tv_l1_finds_the_true_flow_in_spite_of_noise(tmp_path: Path) -> None:
    """Pictures as they are written, with the sensor's noise and the lamp's flicker, head included."""
    root = simulate.simulate("mes_eeg", tmp_path / "data", seed=FLOW_SEED, subjects=4, clips=14, workers=2,
                             kinds=("coding", "pairs"))  # fmt: skip
    rows = sorted(path.parent for path in (root / FACE_FOLDERS["cropped"][0]).rglob("onset.png"))
    chosen = np.linspace(0, len(rows) - 1, FLOW_PAIRS).astype(int)
    assert len({*chosen.tolist()}) == FLOW_PAIRS
    errors = []
    for row in (rows[i] for i in chosen):
        onset, apex = (cv2.imread(str(row / name))[..., ::-1] for name in ("onset.png", "apex.png"))
        true = simulate.true_flow(root, row.name)
        errors.append(endpoint_error(flow(onset, apex, method="tvl1"), true))
    # px; expressions move the face by 0.3 px at the least
    assert np.mean(errors) < 0.05
