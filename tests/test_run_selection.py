"""Training windows chosen by intensity: what was felt in tested trials moves nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

import mien.report
from conftest import tiny_study
from mien.batches import Table
from mien.core import InputError, Sample
from mien.run import study
from mien.run.config import SelectionPart
from mien.run.selection import select, select_rows

HALF = SelectionPart(intensity_at_least=0.5, scale="subject")


def table(subjects: str, intensity: list[float]) -> Table:
    samples = tuple(
        Sample(id=f"t{i}@0", trial=f"t{i}", subject=s, session="1", stimulus=str(i), label=0)
        for i, s in enumerate(subjects)
    )
    n = len(samples)
    return Table(
        samples=samples,
        inputs={"eye": np.zeros((n, 1), np.float32)},
        present={"eye": np.ones(n, bool)},
        axes={"eye": {"feature": ("x",)}},
        intensity=np.array(intensity),
    )


def test_the_range_is_each_subjects_own_among_the_rows_given() -> None:
    made = table("aaaabbb", [0.0, 1.0, 2.0, 10.0, 5.0, 6.0, 7.0])
    assert select(made, HALF).tolist() == [False, False, False, True, False, True, True]
    rows = np.array([0, 1, 2, 4, 5])  # without the greatest of both
    assert select_rows(made, rows, HALF).tolist() == [1, 2, 5]
    raw = SelectionPart(intensity_at_least=2, scale="raw")
    assert select_rows(made, rows, raw).tolist() == [2, 4, 5]
    assert select_rows(made, rows, SelectionPart()).tolist() == rows.tolist()


def test_no_rating_is_not_chosen_and_one_rating_is_its_own_range() -> None:
    made = table("aaab", [np.nan, 3.0, 3.0, np.nan])
    assert not select_rows(made, np.arange(4), HALF).size  # equal ratings: none is above another
    assert select_rows(made, np.arange(4), SelectionPart(intensity_at_least=0)).tolist() == [1, 2]
    with pytest.raises(InputError, match=r"no window has an intensity of 0\.5 or more"):
        select(made, HALF)


def test_ratings_of_tested_trials_change_nothing_that_is_trained(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject's own trials are in both parts; the range of all its ratings would choose other windows."""
    monkeypatch.setattr(mien.report, "write_report", lambda *_: None)  # takes the longest, is not looked at
    plan = tiny_study(
        tiny_data,
        features={"eye": "shipped"},
        model={"name": "logistic_regression", "modalities": [["eye"]], "config": {}},
        train={},
        selection={"intensity_at_least": 0.5},
        protocol={"names": ["trial_622"]},
    )
    before = study(plan, tmp_path / "before", workers=1)
    folds = json.loads((before / "splits.json").read_bytes())["folds"]
    assert [f["fold"] for f in folds] == ["subject=1", "subject=2", "subject=3"]  # each with its own trials
    other = shutil.copytree(tiny_data, tmp_path / "data")
    for subject, fold in zip("123", folds, strict=True):
        path = other / "continuous_labels" / f"{subject}.mat"
        content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        for trial in fold["test"]["trials"]:
            clip = trial.rpartition("clip-")[2]
            content[clip] = np.resize([-1.0, 4.0], content[clip].shape)
        savemat(path, content)
    after = study(plan | {"data": {"name": "seed_vii", "root": str(other)}}, tmp_path / "after", workers=1)
    assert folds == json.loads((after / "splits.json").read_bytes())["folds"]
    fits = [json.loads((run / "record.json").read_bytes())["fits"] for run in (before, after)]
    assert fits[0] == fits[1]
    tables = [pd.read_parquet(run / "samples.parquet") for run in (before, after)]
    trained = tables[0]["trial"].isin([t for fold in folds for t in fold["train"]["trials"]])
    assert not tables[0].loc[trained, "selected"].equals(tables[1].loc[trained, "selected"])
    predicted = [pd.read_parquet(run / "predictions.parquet").filter(regex="^p_") for run in (before, after)]
    assert predicted[0].equals(predicted[1])
    for run in (before, after):
        audit = json.loads((run / "audit.json").read_bytes())
        assert not [f for f in audit["findings"] if f["kind"] == "fit"]
