"""A trained model on one recording from another place: a timeline, a page, and clear warnings."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from _cnt import write_cnt
from _edf import write_edf
from _real import asset
from _seed_vii_raw_data import make as make_raw
from conftest import Command, refused, tiny_study
from mien import datasets
from mien.core import InputError, Span, write_whole
from mien.datasets._seed_layout import CHANNELS
from mien.run import cleaning, study
from mien.run.demo import demo
from mien.run.predict import predict_recording

SECONDS, RATE = 34, 250.0
FAR = "standard deviations from the training mean"
MADE_UP = "the model has seen made-up data only: its output says nothing about people"


def volts() -> np.ndarray:
    """Noise of 62 electrodes that falls with frequency, whose alpha comes and goes."""
    rng = np.random.default_rng(3)
    n = int(SECONDS * RATE)
    spectrum = np.fft.rfft(rng.normal(size=(62, n)))
    spectrum /= np.maximum(np.fft.rfftfreq(n, 1 / RATE), 1.0)
    alpha = np.sin(2 * np.pi * 10 * np.arange(n) / RATE) * (np.sin(np.arange(n) / n * 9) > 0)
    return 2e-5 * np.fft.irfft(spectrum, n) * 20 + 1e-5 * alpha


@pytest.fixture(scope="module")
def edf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty-eight of the 62 electrodes under other names, in another order, and one channel that is none."""
    rows = {
        f"EEG {name.title()}-REF": 1e6 * row
        for name, row in zip(CHANNELS, volts(), strict=True)
        if name not in ("PO5", "PO6", "CB1", "CB2")
    }
    names = sorted(rows, key=lambda label: label[::-1])
    return write_edf(
        tmp_path_factory.mktemp("edf") / "rest.edf",
        [*(rows[name] for name in names), np.zeros(int(SECONDS * RATE))],
        rates=[RATE] * 59,
        names=[*names, "Trigger"],
        units=[*["uV"] * 58, "1"],
        most=2000.0,
    )


@pytest.fixture(scope="module")
def eeg_run(tiny_eeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose features are computed from EEG: everything that can be in the recording."""
    plan = tiny_study(
        tiny_eeg,
        features={"eeg": {"name": "de", "options": {"window_seconds": 2.0, "stride_seconds": 2.0}}},
    )
    plan["model"] = {"name": "logistic_regression"}
    plan["protocol"] = {"names": ["trial_622"], "normalise": ["train"]}
    return study(plan, tmp_path_factory.mktemp("runs") / "eeg", workers=1)


def classes_of(run: Path) -> list[str]:
    return json.loads((run / "record.json").read_bytes())["classes"]


def test_a_recording_gives_a_timeline_and_a_page(
    command: Command, tiny_run: Path, edf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on shipped features of EEG and eyes; the recording has EEG alone, at another rate."""
    monkeypatch.chdir(tmp_path)
    done = command("predict", edf, "--run", tiny_run)
    assert done.code == 0, done.err
    frame = pd.read_csv(tmp_path / "rest_timeline.csv")
    assert list(frame["start"]) == [0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0]
    assert set(frame["modalities"]) == {"eeg"}
    assert np.allclose(frame[classes_of(tiny_run)].sum(axis=1), 1, atol=1e-5)  # float32
    said = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert said[0] == f"warning: {MADE_UP}"
    assert "4 of 62 channels are not in the recording and were interpolated (PO5, PO6, CB1, CB2)" in said[1]
    assert "250 Hz became 200 Hz" in said[1]
    assert "'de_lds' in the recipe 'released'" in said[2]
    assert "note: no eye in this recording: predicted without it" in done.err
    page = (tmp_path / "rest_timeline.html").read_text("utf-8")
    for text in (MADE_UP[1:], "250 Hz became 200 Hz", "Trigger", "de_lds, recipe released", "<svg"):
        assert text in page
    assert all(word in page for word in classes_of(tiny_run))
    assert not re.search(r"(src|href)=\"https?:", page)
    assert "<script" not in page


def test_a_clip_as_a_file_gets_the_answers_it_gets_in_its_data_set(
    eeg_run: Path, tiny_eeg: Path, tmp_path: Path
) -> None:
    """The same samples by another way: names and rate are those of training, so nothing is mapped."""
    recording = datasets.load("seed_vii", tiny_eeg)[0]
    trial = recording.trials[3]
    seconds = int(trial.span.duration)
    data = recording.streams["eeg"].read(Span(start=trial.span.start, duration=seconds)).data * 1e6
    path = write_edf(
        tmp_path / "clip.bdf", data, rates=[200] * 62, names=list(CHANNELS), most=2 * np.abs(data).max()
    )
    predict_recording(tiny_eeg, run=eeg_run, out=tmp_path / "all.csv")
    found = predict_recording(path, run=eeg_run, out=tmp_path / "one.csv")
    classes = classes_of(eeg_run)
    every, one = (pd.read_csv(tmp_path / name) for name in ("all.csv", "one.csv"))
    every = every[every["trial"] == trial.id].iloc[: len(one)]
    assert len(one) == seconds // 2
    # 24 bits in the file, float32 on the way
    np.testing.assert_allclose(one[classes].to_numpy(), every[classes].to_numpy(), atol=1e-4)
    assert "all channels were found; 200 Hz was kept" in found["warnings"][1]
    assert not [w for w in found["warnings"] if FAR in w]


def test_what_is_far_from_the_training_data_is_said(eeg_run: Path, edf: Path, tmp_path: Path) -> None:
    """A recording written with a range four hundred times as wide is eight bits further up."""
    content = bytearray(edf.read_bytes())
    at = 256 + 59 * (16 + 80 + 8)  # where the physical range of each channel stands
    for i in range(2 * 59):
        value = "-800000" if i < 59 else "800000"
        content[at + 8 * i : at + 8 * (i + 1)] = f"{value:<8}".encode()
    path = tmp_path / "loud.edf"
    path.write_bytes(bytes(content))
    warnings = predict_recording(path, run=eeg_run)["warnings"]
    assert len([w for w in warnings if FAR in w]) == 1


def test_json_has_the_warnings_apart(command: Command, tiny_run: Path, edf: Path, tmp_path: Path) -> None:
    done = command("predict", edf, "--run", tiny_run, "--out", tmp_path / "a.csv", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found.keys() == {"trials", "notes", "faults", "warnings"}
    assert MADE_UP in found["warnings"]
    assert MADE_UP not in found["notes"]
    (row,) = found["trials"]
    assert (row["trial"], row["n_windows"], row["modalities"]) == ("rest", 8, "eeg")
    assert (tmp_path / "a.html").is_file()


def test_what_cannot_be_used_is_one_line(
    command: Command,
    tiny_run: Path,
    edf: Path,
    tiny_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    few = write_edf(tmp_path / "few.edf", np.zeros((2, 800)), rates=[200] * 2, names=["Cz", "Pz"])
    refused(command("predict", few, "--run", tiny_run), "few.edf", "lacks 60 of the 62 channels", "FP1")
    slow = write_edf(tmp_path / "slow.edf", np.zeros((62, 800)), rates=[100] * 62, names=list(CHANNELS))
    refused(command("predict", slow, "--run", tiny_run), "slow.edf", "has 100 Hz")
    refused(command("predict", tmp_path / "none.edf", "--run", tiny_run), "none.edf", "no such file")
    cut = tmp_path / "cut.edf"
    cut.write_bytes(edf.read_bytes()[:-5000])
    refused(command("predict", cut, "--run", tiny_run), "cut.edf", "is cut")
    table = tmp_path / "table.xlsx"
    table.write_bytes(b"PK")
    refused(command("predict", table, "--run", tiny_run), "table.xlsx", "neither a folder nor a recording")
    refused(command("predict", edf, "--run", tiny_run, "--out", "x.html"), "--out is x.html", "a CSV file")
    assert not list(tmp_path.glob("*timeline*"))
    with pytest.raises(InputError, match="a page is made of one recording"):
        predict_recording(tiny_data, run=tiny_run, page=tmp_path / "p.html")


def test_a_flat_recording_says_that_nothing_can_be_used(
    command: Command, tiny_run: Path, tmp_path: Path
) -> None:
    flat = write_edf(tmp_path / "flat.edf", np.zeros((62, 4000)), rates=[200] * 62, names=list(CHANNELS))
    refused(command("predict", flat, "--run", tiny_run, "--out", tmp_path / "x.csv"), "no window")


def test_a_model_without_eeg_refuses(own_run: Path, edf: Path) -> None:
    path = own_run / "checkpoints" / "maet" / "model.json"
    meta = json.loads(path.read_bytes())
    meta["axes"]["eeg"] = [["feature", ["a"] * 310]]
    path.write_text(json.dumps(meta))
    with pytest.raises(InputError, match=r"no features of single EEG channels; expected a model .* on EEG"):
        predict_recording(edf, run=own_run)


def test_shipped_features_that_nothing_reproduces_refuse(own_run: Path, edf: Path) -> None:
    path = own_run / "checkpoints" / "maet" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"dataset": "another"}))
    with pytest.raises(InputError, match="no recipe is known that makes the same from EEG"):
        predict_recording(edf, run=own_run)


@pytest.mark.slow
def test_real_eeg_through_a_model_trained_by_the_demo(command: Command, tmp_path: Path) -> None:
    """What README shows last: the demo, then a real person with eyes closed."""
    recording = asset("eeg_eyes_closed/S001R02.edf")
    (run,) = demo(tmp_path / "demo", only="maet", size="small", workers=1)
    out = tmp_path / "eyes_closed.csv"
    done = command("predict", recording, "--run", run, "--out", out)
    assert done.code == 0, done.err
    assert f"warning: {MADE_UP}" in done.err
    assert "160 Hz became 200 Hz" in done.err
    frame = pd.read_csv(out)
    assert len(frame) == 15
    probability = frame[classes_of(run)].to_numpy()
    assert np.isfinite(probability).all()
    assert np.allclose(probability.sum(axis=1), 1, atol=1e-5)  # float32
    assert probability.std(axis=0).max() > 1e-4  # it is a timeline, not one answer for all
    page = out.with_suffix(".html").read_text("utf-8")
    assert MADE_UP[1:] in page
    assert "58 of the model&#x27;s 62 found by name" in page


# -- a run that cleaned raw recordings ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def raw_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people as recorded, with eye, heart and ear channels; read only."""
    return make_raw(tmp_path_factory.mktemp("raw") / "data")


@pytest.fixture(autouse=True, scope="module")
def no_pages_of_cleaning() -> Iterator[None]:
    """They have tests of their own, and cost more than the cleaning."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "_write_page", lambda folder, job: write_whole(folder / "qc.html", b"page"))
        yield


@pytest.fixture(scope="module")
def cleaned_run(raw_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = tiny_study(raw_root, features={"eeg": "de_lds"})
    plan["model"] = {"name": "logistic_regression"}
    plan["clean"] = {
        "steps": [
            {"step": "resample", "rate": 125.0},
            {"step": "rereference", "to": "mastoids"},
        ]
    }
    return study(plan, tmp_path_factory.mktemp("runs") / "cleaned", workers=1)


@pytest.mark.slow
def test_a_folder_of_raw_recordings_is_cleaned_as_in_the_run(
    cleaned_run: Path, raw_root: Path, tmp_path: Path
) -> None:
    """Predicted where it was trained: the features must be those that the scaler was fitted on."""
    out = tmp_path / "w.csv"
    found = predict_recording(raw_root, run=cleaned_run, out=out)
    samples = pd.read_parquet(cleaned_run / "samples.parquet")
    windows = pd.read_csv(out)
    assert windows[["trial", "start"]].equals(samples[["trial", "start"]])
    assert found["faults"] == []
    # a model that was fitted on these very windows knows most of them again
    classes = classes_of(cleaned_run)
    right = windows[classes].to_numpy().argmax(axis=1) == samples["label"]
    assert right.mean() > 0.6


def test_a_raw_file_is_cleaned_as_in_the_run(eeg_run: Path, tmp_path: Path) -> None:
    """The steps stand in the model's file; the ears, which the model does not know, serve as reference."""
    run = shutil.copytree(eeg_run, tmp_path / "run")
    path = run / "checkpoints" / "logistic_regression" / "model.json"
    steps = [{"step": "resample", "rate": 200.0}, {"step": "rereference", "to": "mastoids"}]
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"cleaning": steps}))
    rng = np.random.default_rng(0)
    stored = rng.integers(-2000, 2000, size=(9000, 65))
    names = [*CHANNELS, "M1", "M2", "HEO"]
    common = rng.integers(-20000, 20000, size=(9000, 1))  # what all electrodes share, ears among them
    pages = []
    for name, signal in (("a.cnt", stored), ("b.cnt", stored + common)):
        file = write_cnt(tmp_path / name, signal, names=names, rate=1000)
        out = tmp_path / f"{name}.csv"
        found = predict_recording(file, run=run, out=out, page=tmp_path / "w.html")
        assert "1000 Hz became 200 Hz" in found["warnings"][1]
        pages.append((tmp_path / "w.html").read_text("utf-8"))
    assert re.search(r"<dt>Cleaning</dt><dd>rereference</dd>", pages[0])
    assert re.search(r"<dt>Channels</dt><dd>62 of the model&#x27;s 62 found by name</dd>", pages[0])
    a, b = (pd.read_csv(tmp_path / f"{name}.csv")[classes_of(run)].to_numpy() for name in ("a.cnt", "b.cnt"))
    assert len(a) == 4
    np.testing.assert_allclose(a, b, atol=1e-3)  # the ears took off what all share; float32
