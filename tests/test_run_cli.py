"""The command line: exit codes, one clear line for what is wrong, JSON where a program reads it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Command, refused, tiny_study
from mien.run.study_file import load_study
from mien.run.toml_text import to_toml

COMMANDS = ("demo", "simulate", "inspect", "features", "clean", "run", "report", "audit", "predict")


@pytest.fixture
def study_file(tiny_data: Path, tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(to_toml(load_study(tiny_study(tiny_data, train={"epochs": 1}))), encoding="utf-8")
    return path


def test_the_installed_command_works_and_needs_no_torch_for_help() -> None:
    code = "import sys; from mien.run.cli import main; sys.argv = ['mien', '--help']\ntry: main()\nfinally:"
    code += " assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command: Command, name: str) -> None:
    done = command(name, "--help")
    assert done.code == 0
    assert f"mien {name}" in done.out
    assert "--help" in done.out


@pytest.mark.parametrize(
    "words",
    [
        ["dance"],
        ["run"],
        ["simulate", "seed_vii", "--out", "x"],
        ["audit", "x", "--loud"],
        ["run", "x", "--workers", "0"],
    ],
)
def test_a_wrong_call_is_exit_code_2(command: Command, words: list[str]) -> None:
    done = command(*words)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "Error" in done.err or "error" in done.err


# -- simulate ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["seed_vi"], "did you mean 'seed_vii'"),
        (["seed_vii", "--clips", "30"], "--clips 30; expected 28, 56 or 80"),
        (["seed_vii", "--kinds", "eeg,eye"], "--kinds eeg; expected any of eeg_preprocessed"),
        (["seed_vii", "--seconds", "2"], "--seconds 2.0; expected 8 to 600"),
        (["seed_vii", "--subjects", "61"], "--subjects 61; expected 1 to 60"),
        (["seed_vii", "--effect=-1"], "--effect -1.0; expected a number of 0 or more"),
    ],
)
def test_simulate_refuses_impossible_sizes(
    command: Command, tmp_path: Path, words: list[str], says: str
) -> None:
    refused(command("simulate", *words, "--out", tmp_path / "new", "--seed", "1"), says)
    assert not list(tmp_path.iterdir())


def test_simulate_leaves_a_folder_with_files_alone(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    done = command("simulate", "seed_vii", "--out", tmp_path / "mine", "--seed", "1")
    refused(done, str(tmp_path / "mine"), "not empty", "Choose another folder")
    assert [p.name for p in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_simulate_writes_what_inspect_finds_whole(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "new"
    words = ["--seed", "3", "--subjects", "1", "--clips", "28", "--seconds", "8", "--workers", "1"]
    done = command("simulate", "seed_vii", "--out", out, *words, "--kinds", "eye_features, continuous_labels")
    assert done.code == 0
    assert str(out) in done.out
    assert "1/1" in done.err  # progress
    assert sorted(p.name for p in out.iterdir()) == ["EYE_features", "continuous_labels", "truth.json"]
    done = command("inspect", "seed_vii", out)
    assert done.code == 0
    assert "no faults" in done.out


def test_kinds_may_be_named_one_by_one(command: Command, tmp_path: Path) -> None:
    words = ["--seed", "3", "--subjects", "1", "--clips", "28", "--seconds", "8", "--workers", "1"]
    kinds = ("--kinds", "eye_features", "--kinds", "continuous_labels")
    assert command("simulate", "seed_vii", "--out", tmp_path / "new", *words, *kinds).code == 0
    found = sorted(p.name for p in (tmp_path / "new").iterdir())
    assert found == ["EYE_features", "continuous_labels", "truth.json"]


# -- inspect -----------------------------------------------------------------------------------------------


def test_inspect_prints_json_and_nothing_else(command: Command, tiny_data: Path) -> None:
    done = command("inspect", "seed_vii", tiny_data, "--json")
    found = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert found["ok"] is True
    assert found["counts"]["subjects"]["found"] == 3


def test_inspect_refuses_what_is_no_copy(command: Command, tmp_path: Path) -> None:
    refused(command("inspect", "seed_vii", tmp_path / "nowhere"), str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    refused(command("inspect", "seed_vii", tmp_path / "empty"), str(tmp_path / "empty"), "EEG_features")
    refused(command("inspect", "deep", tmp_path), "unknown data set 'deep'")


def test_inspect_names_every_broken_file_with_its_reason(command: Command, own_copy: Path) -> None:
    whole = (own_copy / "EYE_features" / "1.mat").read_bytes()
    (own_copy / "EYE_features" / "1.mat").write_bytes(whole[: len(whole) // 2])
    (own_copy / "EYE_features" / "2.mat").write_text("<html><body>404 Not Found</body></html>")
    (own_copy / "EEG_features" / "3.mat").write_bytes(b"")
    done = command("inspect", "seed_vii", own_copy, "--json")
    assert done.code == 1
    reasons = {
        Path(f["file"]).relative_to(own_copy).as_posix(): f["reason"] for f in json.loads(done.out)["faults"]
    }
    assert reasons.keys() == {"EYE_features/1.mat", "EYE_features/2.mat", "EEG_features/3.mat"}
    assert "HTML" in reasons["EYE_features/2.mat"]
    assert "empty" in reasons["EEG_features/3.mat"]
    text = command("inspect", "seed_vii", own_copy)
    assert text.code == 1
    for name in reasons:
        assert f"{own_copy}/{name}" in text.out


# -- run ---------------------------------------------------------------------------------------------------


def test_run_puts_progress_on_stderr_and_the_table_on_stdout(command: Command, study_file: Path) -> None:
    done = command("run", study_file, "train.epochs=2", "--workers", "1")
    run = study_file.with_suffix("")
    assert done.code == 0
    assert load_study(run / "study.toml").train == {"epochs": 2}
    for stage in ("features", "training", "refit on all trials", "report"):
        assert stage in done.err
        assert f"{stage} " not in done.out
    lines = done.out.splitlines()
    assert lines[0].split()[:2] == ["protocol", "scaled"]
    assert any(line.startswith("loso ") and "eeg + eye" in line for line in lines)
    assert "audit: clean" in lines
    assert lines[-1] == f"report: {run / 'report.html'}"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("sede=1", "unknown key 'sede' (did you mean 'seeds'?)"),
        ("model.name=maetx", "did you mean 'maet'"),
        ("data.root=nowhere", "nowhere"),
        ("train.epochs=none", "train.epochs"),
    ],
)
def test_a_study_that_cannot_run_is_one_line_and_leaves_nothing(
    command: Command, study_file: Path, override: str, says: str
) -> None:
    before = sorted(study_file.parent.rglob("*"))
    refused(command("run", study_file, override, "--workers", "1"), says)
    assert sorted(study_file.parent.rglob("*")) == before


def test_studies_that_are_no_files(command: Command, tmp_path: Path) -> None:
    refused(
        command("run", tmp_path / "none.toml"), f"{tmp_path}/none.toml: no such file", "expected a study file"
    )
    (tmp_path / "bad.toml").write_text("system = = 3")
    refused(command("run", tmp_path / "bad.toml"), "bad.toml: is not TOML")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.toml"]


def test_nothing_usable_says_what_was_wrong(command: Command, study_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "broken"
    for folder in ("EEG_features", "EYE_features"):
        (root / folder).mkdir(parents=True)
        (root / folder / "1.mat").write_text("<html>login</html>")
    done = command("run", study_file, f"data.root={root}", "--out", tmp_path / "out", "--workers", "1")
    refused(done, str(root), "HTML", "mien inspect seed_vii")
    assert not (tmp_path / "out").exists()


def test_a_broken_file_is_a_warning_and_the_run_goes_on(
    command: Command, study_file: Path, own_copy: Path, tmp_path: Path
) -> None:
    (own_copy / "EYE_features" / "2.mat").write_text("<html>login</html>")
    done = command("run", study_file, f"data.root={own_copy}", "--out", tmp_path / "out", "--workers", "1")
    assert done.code == 0, done.err
    (line,) = (x for x in done.err.splitlines() if x.startswith("mien: "))
    assert "EYE_features/2.mat" in line
    assert "mien inspect seed_vii" in line
    with open(tmp_path / "out" / "dropped.csv", newline="", encoding="utf-8") as file:
        (row,) = (r for r in csv.DictReader(file) if r["what"] == "file")
    assert (row["id"], row["subject"]) == ("EYE_features/2.mat", "2")


def test_wrong_options_of_the_data_set_are_named(command: Command, study_file: Path) -> None:
    refused(command("run", study_file, "data.options.session=[1]"), "session", "did you mean 'sessions'")


# -- report and audit --------------------------------------------------------------------------------------


def test_report_makes_the_page_again_with_the_same_numbers(
    command: Command, own_run: Path, tiny_run: Path
) -> None:
    for name in ("report.html", "report.json"):
        (own_run / name).unlink()
    done = command("report", own_run)
    assert done.code == 0
    assert str(own_run / "report.html") in done.out
    assert (own_run / "report.json").read_bytes() == (tiny_run / "report.json").read_bytes()
    done = command("report", own_run, "--json")
    assert json.loads(done.out) == json.loads((own_run / "report.json").read_bytes())


def test_report_compares_runs(command: Command, own_run: Path, tiny_run: Path) -> None:
    assert command("report", own_run, tiny_run).code == 0
    assert tiny_run.name in (own_run / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["report", "audit"])
def test_what_is_no_run_folder_is_refused(command: Command, tmp_path: Path, name: str) -> None:
    refused(command(name, tmp_path / "nowhere"), str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    refused(command(name, tmp_path / "empty"), str(tmp_path / "empty"), "mien run")
    assert not list((tmp_path / "empty").iterdir())


def test_audit_of_an_honest_run_is_clean(command: Command, own_run: Path) -> None:
    done = command("audit", own_run)
    assert done.code == 0
    assert done.out.startswith("verdict: clean")
    assert "loso: kept out of training: subject" in done.out
    done = command("audit", own_run, "--json")
    assert json.loads(done.out) == json.loads((own_run / "audit.json").read_bytes())
    assert done.err == ""


def tamper(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    splits = json.loads((run / "splits.json").read_bytes())
    change(splits["folds"][0])
    (run / "splits.json").write_text(json.dumps(splits), encoding="utf-8")


def test_audit_finds_a_test_trial_copied_into_training(command: Command, own_run: Path) -> None:
    def copy(fold: dict[str, Any]) -> None:
        fold["train"]["trials"].append(fold["test"]["trials"][0])

    tamper(own_run, copy)
    done = command("audit", own_run)
    assert done.code == 1
    assert done.out.startswith("verdict: leaks")
    assert any(line.startswith("leak: ") and "trial" in line for line in done.out.splitlines()), done.out
    found = json.loads((own_run / "audit.json").read_bytes())
    assert found["verdict"] == "leaks"


def test_audit_finds_a_fit_that_saw_other_samples(command: Command, own_run: Path) -> None:
    record = json.loads((own_run / "record.json").read_bytes())
    record["fits"][0]["saw"]["scaler"] = "0" * 32
    (own_run / "record.json").write_text(json.dumps(record), encoding="utf-8")
    done = command("audit", own_run)
    assert done.code == 1
    assert "scaler was fitted on other than the fold's training samples" in done.out


@pytest.mark.parametrize("name", ["splits.json", "samples.parquet", "record.json", "predictions.parquet"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_run_folder_is_refused_by_the_audit(
    command: Command, own_run: Path, name: str, damage: str
) -> None:
    path = own_run / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(command("audit", own_run), name)


# -- demo --------------------------------------------------------------------------------------------------


def test_demo_refuses_other_sizes_and_systems(command: Command, tmp_path: Path) -> None:
    refused(command("demo", "--size", "smal", "--out", tmp_path / "x"), "did you mean 'small'")
    refused(command("demo", "--only", "meat", "--out", tmp_path / "x"), "did you mean 'maet'")
    (tmp_path / "x" / "seed_vii-small").mkdir(parents=True)
    refused(
        command("demo", "--size", "small", "--out", tmp_path / "x"), "seed_vii-small", "Choose another --out"
    )


@pytest.mark.slow
def test_the_small_demo_ends_with_a_table_and_the_path_of_the_report(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from mien.run.cli import main; main()", "demo", "--size", "small"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith("report: ")
    assert (tmp_path / last.removeprefix("report: ")).is_file()
