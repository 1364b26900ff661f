"""A tiny made-up SEED-VII and a tiny finished run, made once in each test process."""

from __future__ import annotations

import copy
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mien import simulate
from mien.run import study

# a busy machine is no failure
settings.register_profile("mien", deadline=None)
settings.load_profile("mien")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; before anything imports torch

TINY_MODEL = {"embed_dim": 8, "depth": 1, "num_heads": 1, "tokens": 2, "expert_blocks": 1}


def tiny_study(root: str | Path, **changes: Any) -> dict[str, Any]:
    """A study of a few seconds; a mapping changes single keys of its table (not of features and train)."""
    plan: dict[str, Any] = {
        "system": "maet",
        "data": {"name": "seed_vii", "root": str(root)},
        "features": {"eeg": "shipped", "eye": "shipped"},
        "model": {"name": "maet", "modalities": [["eeg", "eye"], ["eye"]], "config": dict(TINY_MODEL)},
        "train": {"epochs": 2},
        "protocol": {"names": ["loso"], "normalise": ["train"]},
        "controls": {"shuffled": False},
    }
    for key, value in copy.deepcopy(changes).items():
        if isinstance(value, dict) and key not in ("features", "train"):
            plan[key] = plan.get(key, {}) | value
        else:
            plan[key] = value
    return plan


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three subjects, 28 clips of about 8 s, everything but the EEG itself; read only."""
    return simulate.simulate(
        "seed_vii",
        tmp_path_factory.mktemp("data") / "seed_vii",
        seed=11,
        subjects=3,
        clips=28,
        seconds=8.0,
        kinds=("eeg_features", "eye_features", "continuous_labels"),
    )


@pytest.fixture(scope="session")
def tiny_eeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects with EEG; read only."""
    return simulate.simulate(
        "seed_vii", tmp_path_factory.mktemp("data") / "seed_vii", seed=12, subjects=2, clips=28, seconds=8.0
    )


@pytest.fixture(scope="session")
def tiny_plan(tiny_data: Path) -> dict[str, Any]:
    """The study of ``tiny_run``."""
    return tiny_study(
        tiny_data,
        model={"modalities": [["eeg", "eye"], ["eeg"], ["eye"]]},
        selection={"intensity_at_least": 0.5},
        baselines=["logistic_regression"],
        protocol={"names": ["loso"], "normalise": ["train", "subject"]},
        controls={"shuffled": True},
    )


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_plan: dict[str, Any]) -> Path:
    """A finished run with everything that a run can have; read only."""
    return study(tiny_plan, tmp_path_factory.mktemp("runs") / "tiny", workers=1)


@pytest.fixture
def own_run(tiny_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_run, tmp_path / "run")


@pytest.fixture
def own_copy(tiny_data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_data, tmp_path / "copy")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Calls the entry point as the command ``mien`` does."""
    from mien.run.cli import main

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets its own

    def call(*words: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        got = capsys.readouterr()
        return Done(code, got.out, got.err)

    return call


def refused(done: Done, *says: str) -> None:
    """Exit code 2 and one line on stderr with all of ``says``."""
    assert done.code == 2, done
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line.strip()]
    assert len(lines) == 1, done.err
    assert lines[0].startswith("mien: ")
    for text in says:
        assert text in lines[0], lines[0]
