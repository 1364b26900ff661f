"""Raw recordings through studies and the command line: from files to a report, stopped, and broken."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from _seed_vii_files import write_truth
from _seed_vii_raw_data import SESSION, STEPS, make
from _seed_vii_raw_files import write_session
from conftest import Command, refused
from mien import datasets, features, simulate
from mien.core import InputError, write_whole
from mien.features import FeatureWarning
from mien.run import cleaning, study
from mien.run.extract import FeatureSpec, extract
from mien.run.store import Store
from mien.run.study_file import load_study
from mien.run.toml_text import to_toml
from mien.signal.cleaning import DEFAULT
from mien.timeline import align
from test_run_resume import MIEN, bytes_of, wait_for_the_end, wait_until

FAST = [{"step": "resample", "rate": 200.0}, {"step": "rereference", "to": "average"}]
"""For tests of files and errors, not of signals."""


def plan_of(root: Path, **changes: Any) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "system": "maet",
        "data": {"name": "seed_vii", "root": str(root)},
        "clean": {"steps": STEPS},
        "features": {"eeg": "de_lds", "eye": "eye33"},
        "model": {"name": "logistic_regression", "modalities": [["eeg", "eye"]]},
        "protocol": {"names": ["loso"], "normalise": ["subject"]},
        "controls": {"shuffled": False},
    }
    return plan | changes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, five or six clips each, as recorded; read only."""
    return make(tmp_path_factory.mktemp("data") / "raw")


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed study; read only."""
    plan = plan_of(root, protocol={"names": ["loso", "random_window"], "normalise": ["subject"]})
    return study(plan, tmp_path_factory.mktemp("raw") / "run", workers=1)


# -- from files to a report --------------------------------------------------------------------------------


def test_a_study_on_raw_recordings(root: Path, run: Path) -> None:
    samples = pd.read_parquet(run / "samples.parquet")
    assert set(samples["recording"]) == {f"sub-{k}_ses-{SESSION}" for k in "123"}
    assert samples["present_eeg"].all()
    assert samples["present_eye"].all()
    record = json.loads((run / "record.json").read_bytes())
    assert record["features"]["eeg"]["extractor"] == "de_lds"
    about = record["cleaning"]
    assert [step["step"] for step in about["steps"]] == [
        "high_pass", "resample", "bad_channels", "interpolate", "rereference",
    ]  # fmt: skip
    assert about["reaching"] == ["bad_channels"]
    truth = json.loads((root / "truth.json").read_bytes())
    for name, recording in truth["raw"]["recordings"].items():
        subject = name.split("_")[0]
        found = about["recordings"][f"sub-{subject}_ses-{SESSION}"]
        assert found["seconds"] == recording["n_samples"] / 1000
    rows = json.loads((run / "report.json").read_bytes())["results"]
    assert {r["protocol"] for r in rows} == {"loso", "random_window"}


def test_the_clocks_stand_in_the_run_folder(root: Path, run: Path) -> None:
    clocks = json.loads((run / "clocks.json").read_bytes())
    truth = json.loads((root / "truth.json").read_bytes())["raw"]["recordings"]
    for name, recording in truth.items():
        found = clocks[f"sub-{name.split('_')[0]}_ses-{SESSION}"]
        assert set(found) == {"eeg", "eye"}
        assert found["eye"]["n_markers"] == 2 * len(recording["clips"])
        # triggers are logged to 0.5 ms and stamped to the millisecond
        assert found["eye"]["residual"] < 2e-3
        assert found["eye"]["offset"] == pytest.approx(recording["clocks"]["eye"]["offset"], abs=5e-3)


def test_gaze_is_read_at_the_time_of_its_trial(root: Path, run: Path) -> None:
    raw, *_ = datasets.load("seed_vii", root)
    stored = Store(run.parent / "mien-store")
    made = extract([align(raw)], [FeatureSpec(modality="eye", name="eye33")], stored)
    n_entries = len(stored.keys())
    trial = raw.trials[1].id
    expected = features.compute("eye33", align(raw), trial=trial).values
    np.testing.assert_array_equal(made["eye", trial].values, expected.astype(np.float32))
    # the study had made exactly these
    extract([align(raw)], [FeatureSpec(modality="eye", name="eye33")], stored)
    assert len(stored.keys()) == n_entries


def test_pages_and_what_the_report_says(run: Path) -> None:
    names = sorted(p.name for p in (run / "cleaning").iterdir())
    assert names == ["cleaning.json", *(f"sub-{k}_ses-{SESSION}.html" for k in "123")]
    page = (run / "cleaning" / names[1]).read_text(encoding="utf-8")
    assert f"sub-1_ses-{SESSION}" in page
    assert "made" in page.lower()
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "high pass, resample, bad channels, interpolate, rereference" in report
    for k in "123":
        assert f"sub-{k}_ses-{SESSION}" in report


def test_the_audit_names_steps_that_look_at_a_whole_recording(run: Path) -> None:
    findings = json.loads((run / "audit.json").read_bytes())["findings"]
    said = [f for f in findings if "cleaning of the EEG (bad_channels)" in f["evidence"]]
    # with loso a recording is all training or all test; random_window cuts through it
    assert [(f["where"], f["kind"], f["severity"]) for f in said] == [("random_window", "reach", "caution")]


def test_the_model_keeps_the_steps(run: Path) -> None:
    (meta,) = (run / "checkpoints").glob("*/model.json")
    assert json.loads(meta.read_bytes())["cleaning"] == [
        {k: v for k, v in step.items() if v is not None}
        for step in json.loads((run / "record.json").read_bytes())["cleaning"]["steps"]
    ]


def test_features_of_a_command_are_those_of_the_study(
    command: Command, root: Path, run: Path, tmp_path: Path
) -> None:
    steps = tmp_path / "steps.toml"
    text = to_toml(load_study(plan_of(root)))
    line = next(line for line in text.splitlines() if line.startswith("steps = "))
    steps.write_text(line + "\n", encoding="utf-8")
    out = tmp_path / "features"
    store = shutil.copytree(run.parent / "mien-store", tmp_path / "store")
    before = len(list(store.glob("entries/*/*")))
    words = ["--out", out, "--store", store, "--workers", "1", "--clean", "--steps", steps]
    done = command("features", "seed_vii", root, *words, "--feature", "eeg=de_lds", "--feature", "eye=eye33")
    assert done.code == 0, done
    assert before == len(list(store.glob("entries/*/*")))  # all of it was there
    with np.load(out / "eeg-de_lds" / "2.npz") as arrays:
        assert all(values.shape[1:] == (5, 62) for values in arrays.values())
    assert (out / "cleaning" / f"sub-2_ses-{SESSION}.html").exists()


def test_inspect_tells_the_clocks(command: Command, root: Path) -> None:
    done = command("inspect", "seed_vii", root, "--json")
    clocks = json.loads(done.out)["clocks"]
    assert set(clocks) == {f"sub-{k}_ses-{SESSION}" for k in "123"}
    assert clocks[f"sub-1_ses-{SESSION}"]["eye"]["residual"] < 2e-3


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One session of 18 s of each of four people, cleaned without making pages."""
    monkeypatch.setattr(cleaning, "_write_page", lambda folder, job: write_whole(folder / "qc.html", b"page"))
    root = tmp_path / "data"
    for k in "1234":
        write_session(root, subject=k)
    truth = {"simulated": True, "clips": [1, 2, 3], "oracle": {}, "effect": 1.0, "seed": 0}
    (root / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    return root


# -- agreement with the truth ------------------------------------------------------------------------------


def agreement(root: Path, recordings: list[Any]) -> dict[str, float]:
    """For each band, how de from the cleaned EEG goes with de from the brain alone: the correlation over all
    windows of all clips, median over channels. The brain is given the average reference, as the cleaned has
    it, and nothing else."""
    truth = json.loads((root / "truth.json").read_bytes())
    ours, theirs = [], []
    for recording in recordings:
        for trial in recording.trials:
            made = features.compute("de", recording, trial=trial.id)
            brain = simulate.true_brain(truth, subject=recording.subject, clip=int(trial.stimulus))
            real = features.compute("de", replace(brain, data=brain.data - brain.data.mean(axis=0)))
            n = min(made.n_windows, real.n_windows)
            ours.append(made.values[:n])
            theirs.append(real.values[:n])
    a, b = np.concatenate(ours), np.concatenate(theirs)
    r = [[np.corrcoef(a[:, i, c], b[:, i, c])[0, 1] for c in range(a.shape[2])] for i in range(a.shape[1])]
    return dict(zip(made.axes["band"], np.median(r, axis=1).tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_features_from_cleaned_raw_agree_with_those_from_the_truth(tmp_path: Path) -> None:
    """Six clips of a minute, default cleaning."""
    root = make(tmp_path / "raw", subjects=1, seconds=60.0)
    recordings = [align(r) for r in datasets.load("seed_vii", root)]
    made = cleaning.clean_recordings(recordings, DEFAULT, Store(tmp_path / "store"), simulated=True)
    found = agreement(root, list(made.recordings))
    assert set(found) == {"delta", "theta", "alpha", "beta", "gamma"}
    assert all(r >= 0.9 for r in found.values()), found


# -- stopped and gone on with ------------------------------------------------------------------------------


def test_a_study_stopped_while_cleaning_ends_with_the_same_bytes(four: Path, tmp_path: Path) -> None:
    model = {"name": "logistic_regression"}
    plan = plan_of(four, clean={"steps": FAST}, features={"eeg": "de_lds"}, model=model)
    undisturbed = study(plan, tmp_path / "undisturbed" / "run", workers=1)

    def stop(stage: str, done: int, total: int, text: str) -> None:
        if stage == "cleaning" and text.startswith("sub-2") and text.endswith("rereference"):
            raise KeyboardInterrupt

    again = tmp_path / "again" / "run"
    with pytest.raises(KeyboardInterrupt):
        study(plan, again, workers=1, progress=stop)
    kept = list((again.parent / "mien-store").glob("entries/*/*/cleaned.npy"))
    assert len(kept) == 1
    assert not (again / "cleaning").exists()
    study(plan, again, workers=1)
    assert bytes_of(again) == bytes_of(undisturbed)
    assert (again / "clocks.json").read_bytes() == (undisturbed / "clocks.json").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_while_cleaning(root: Path, run: Path, tmp_path: Path) -> None:
    """The whole group is killed with one recording done and two workers on the others."""
    plan = plan_of(root, protocol={"names": ["loso", "random_window"], "normalise": ["subject"]})
    again = tmp_path / "again" / "run"
    again.parent.mkdir()
    file = again.parent / "study.toml"
    file.write_text(to_toml(load_study(plan)), encoding="utf-8")
    process = subprocess.Popen(
        [*MIEN, "run", str(file), "--out", str(again), "--workers", "2"],
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    store = again.parent / "mien-store"

    def cleaned() -> list[Path]:
        return list(store.glob("entries/*/*/cleaned.npy"))

    wait_until(lambda: len(cleaned()) >= 1 and any(store.glob("tmp/*/.cleaned.npy*")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_for_the_end(process.pid, 15)
    kept = {p: p.stat().st_mtime_ns for p in cleaned()}
    assert 1 <= len(kept) < 3
    study(plan, again, workers=2)
    assert kept == {p: p.stat().st_mtime_ns for p in kept}
    assert bytes_of(again) == bytes_of(run)
    for name in ("clocks.json", "cleaning/cleaning.json"):
        assert (again / name).read_bytes() == (run / name).read_bytes()


# -- what is broken ----------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """One session of 18 s with three clips."""
    root = tmp_path / "data"
    write_session(root)
    write_truth(root, [1, 2, 3])
    return root


def cnt_of(root: Path) -> Path:
    (path,) = (root / "EEG_raw").iterdir()
    return path


def only_eeg(root: Path) -> Path:
    shutil.rmtree(root / "EYE_raw")
    shutil.rmtree(root / "save_info")
    return cnt_of(root)


def only_gaze(root: Path) -> Path:
    shutil.rmtree(root / "EEG_raw")
    (path,) = (root / "EYE_raw").iterdir()
    return path


def cut_in_the_middle(root: Path) -> str:
    path = only_eeg(root)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "it was cut, or the header is wrong"


def more_channels_than_bytes(root: Path) -> str:
    path = only_eeg(root)
    content = bytearray(path.read_bytes())
    content[370:372] = (900).to_bytes(2, "little")
    path.write_bytes(content)
    return "900 channels"


def events_before_the_start(root: Path) -> str:
    path = only_eeg(root)
    content = bytearray(path.read_bytes())
    table = int.from_bytes(content[886:890], "little")
    content[table + 9 + 4 : table + 9 + 8] = (100).to_bytes(
        4, "little"
    )  # the first event's place in the file
    path.write_bytes(content)
    return "before the first"


def commas_for_tabs(root: Path) -> str:
    path = only_gaze(root)
    path.write_bytes(path.read_bytes().replace(b",", b".").replace(b"\t", b","))
    return "comma"


def trigger_row_missing(root: Path) -> str:
    only_gaze(root)
    (path,) = (root / "save_info").iterdir()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2] + lines[3:]))
    return "row 3 is the end of a clip (code 2), where the start of clip 2 (code 1) should be"


DAMAGE = [
    cut_in_the_middle,
    more_channels_than_bytes,
    events_before_the_start,
    commas_for_tabs,
    trigger_row_missing,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_broken_files_are_one_clear_line(
    command: Command, tiny: Path, tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    says = damage(tiny)
    of_eye = damage in (commas_for_tabs, trigger_row_missing)
    plan = plan_of(tiny, features={"eye": "eye33"} if of_eye else {"eeg": "de_lds"},
                   model={"name": "majority"})  # fmt: skip
    if of_eye:
        del plan["clean"]
    file = tmp_path / "study.toml"
    file.write_text(to_toml(load_study(plan)), encoding="utf-8")
    feature = ["--feature", "eye=eye33"] if of_eye else ["--clean"]
    before = sorted(tmp_path.rglob("*"))
    refused(command("run", file, "--out", tmp_path / "out", "--workers", "1"), "nothing can be used", says)
    refused(command("clean", "seed_vii", tiny, "--out", tmp_path / "out"), "nothing can be used", says)
    refused(
        command("features", "seed_vii", tiny, "--out", tmp_path / "out", *feature),
        "nothing can be used",
        says,
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_one_broken_recording_of_two(command: Command, tiny: Path, tmp_path: Path) -> None:
    """What can be cleaned is cleaned; the exit code says that something was left out."""
    write_session(tiny, subject="2")
    broken = next((tiny / "EEG_raw").glob("2_*"))
    broken.write_bytes(broken.read_bytes()[:100_000])
    steps = tmp_path / "steps.toml"
    steps.write_text('steps = [{ step = "resample", rate = 200.0 }]\n', encoding="utf-8")
    out = tmp_path / "out"
    done = command("clean", "seed_vii", tiny, "--out", out, "--steps", steps, "--workers", "1")
    assert done.code == 1
    assert f"left out: {broken}: " in done.err
    assert "sub-1_ses-1" in done.out
    assert sorted(p.name for p in out.iterdir()) == [
        "cleaning.json", "store", "sub-1_ses-1.html", "sub-1_ses-1.npy",
    ]  # fmt: skip
    data = np.load(out / "sub-1_ses-1.npy", mmap_mode="r")
    assert (data.shape, data.dtype) == ((62, 3600), np.dtype("float32"))
    again = command("clean", "seed_vii", tiny, "--out", out, "--steps", steps, "--subjects", "1", "--json")
    assert again.code == 0
    assert list(json.loads(again.out)["recordings"]) == ["sub-1_ses-1"]
    refused(command("clean", "seed_vii", tiny, "--out", out, "--subjects", "7"), "no files of subject 7")


def test_gaze_whose_clock_does_not_fit_is_left_out_and_named(
    command: Command, tiny: Path, tmp_path: Path
) -> None:
    """The trigger file of another session: the clips are somewhere else in the gaze."""
    other = tmp_path / "other"
    write_session(other, clips=((1.0, 3.0), (3.5, 9.5), (14.0, 17.5)))
    for path in (other / "save_info").iterdir():
        shutil.copy(path, tiny / "save_info")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FeatureWarning)
        done = command(
            "features", "seed_vii", tiny, "--out", tmp_path / "out", "--workers", "1",
            "--feature", "eye=eye33", "--feature", "eeg=de_lds", "--clean", "--steps", _fast(tmp_path),
        )  # fmt: skip
    assert done.code == 1  # something was left out
    (said,) = [line for line in done.err.splitlines() if line.startswith("left out: ")]
    assert "EYE_raw" in said
    assert "raw_gaze: clock 'eye' of recording sub-1_ses-1" in said
    assert not (tmp_path / "out" / "eye-eye33").exists()
    plan = plan_of(tiny, clean={"steps": FAST}, model={"name": "majority"})
    warnings.simplefilter("ignore")  # pytest puts the filters back
    with pytest.raises(InputError, match="no trial has usable eye features"):
        study(plan, tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()


def _fast(folder: Path) -> Path:
    path = folder / "steps.toml"
    path.write_text(
        'steps = [{ step = "resample", rate = 200.0 }, { step = "rereference", to = "average" }]\n',
        encoding="utf-8",
    )
    return path


def test_raw_eeg_without_cleaning_says_what_to_do(command: Command, tiny: Path, tmp_path: Path) -> None:
    plan = plan_of(tiny, features={"eeg": "de_lds"}, model={"name": "majority"})
    del plan["clean"]
    file = tmp_path / "study.toml"
    file.write_text(to_toml(load_study(plan)), encoding="utf-8")
    says = "de_lds reads the stream 'eeg', and the recordings are raw: they have 'raw_eeg'"
    refused(
        command("run", file, "--out", tmp_path / "run"), says, 'Add [clean] with steps = "default"', "raw_eeg"
    )
    refused(command("features", "seed_vii", tiny, "--out", tmp_path / "out"), says, "Add --clean")
    plan["clean"] = {"steps": FAST}
    plan["features"] = {"eeg": {"name": "de_lds", "stream": "raw_eeg"}}
    file.write_text(to_toml(load_study(plan)), encoding="utf-8")
    refused(command("run", file, "--out", tmp_path / "run"), "no feature reads the cleaned EEG")
    assert not (tmp_path / "run").exists()
    refused(
        command("features", "seed_vii", tiny, "--out", tmp_path / "out", "--steps", _fast(tmp_path)),
        "--steps was given without --clean",
    )


def test_a_recording_that_cannot_be_cleaned_is_in_the_list_of_what_was_dropped(
    four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cleaning.clean_stream

    def clean_stream(stream: Any, *rest: Any, **options: Any) -> Any:
        if "/2_" in str(stream.source.files()[0]):
            raise InputError("the amplifier was asleep")
        return real(stream, *rest, **options)

    monkeypatch.setattr(cleaning, "clean_stream", clean_stream)
    plan = plan_of(four, clean={"steps": FAST}, features={"eeg": "de_lds"}, model={"name": "majority"})
    made = study(plan, tmp_path / "run", workers=1)
    with (made / "dropped.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["what"] == "part of a file"]
    (row,) = rows
    assert row["id"].startswith("EEG_raw/2_")
    assert row["subject"] == "2"
    assert row["reason"] == "cannot be cleaned: the amplifier was asleep"
    samples = pd.read_parquet(made / "samples.parquet")
    assert set(samples["subject"]) == {"1", "3", "4"}
