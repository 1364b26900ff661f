"""A study of whole trials: one sample a trial, its windows side by side."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mien import simulate
from mien.run import study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    simulate.simulate(
        "mes_eeg", root / "data", seed=5, subjects=3, clips=8, seconds=12.0, rate=250.0,
        events_per_clip=0.5, kinds=("coding", "eeg"), workers=1,
    )  # fmt: skip
    return root


def plan(root, **eeg):
    return {
        "system": "mes_eeg",
        "label": "emotion8",
        "seeds": [0],
        "data": {"name": "mes_eeg", "root": str(root / "data")},
        "samples": {"of": "trial"},
        "features": {"eeg": {"name": "power_sequence", "stream": "raw_eeg", **eeg}},
        "model": {"name": "mes_eeg_tcn"},
        "train": {"epochs": 1},
        "protocol": {"names": ["loso"], "normalise": ["subject"]},
    }


def test_one_sample_a_trial_of_its_last_seconds(made):
    out = study(plan(made, cut="end:5"), out=made / "run", workers=1)
    samples = pd.read_parquet(out / "samples.parquet")
    assert (samples["sample"] == samples["trial"]).all()
    assert (samples["event"] == "").all()
    assert samples["trial"].is_unique
    assert len(samples) == 3 * 8
    assert (samples["duration"] - 5.0).abs().max() < 1e-9  # sums of a few doubles
    record = json.loads((out / "report.json").read_text())
    assert {row["level"] for row in record["results"]} == {"trial"}
    assert {row["n"] for row in record["results"]} == {24}
    assert not (out / "events.parquet").exists()
    assert "by trial" in (out / "report.html").read_text()
