"""kill -9 in the middle of a study, then the same command again: the bytes of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import tiny_study
from mien.run import study
from mien.run.study_file import load_study
from mien.run.toml_text import to_toml

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks at processes through /proc"
)

MIEN = [sys.executable, "-c", "from mien.run.cli import main; main()"]


def bytes_of(run: Path) -> dict[str, bytes]:
    """What must not differ after a kill, the feature arrays of the store beside the run among it."""
    names = [*("splits.json", "samples.parquet", "dropped.csv", "record.json", "predictions.parquet")]
    names += ["audit.json", "report.json"]
    files = [run / name for name in names]
    files += [
        p for part in ("checkpoints", "figures") for p in sorted((run / part).rglob("*")) if p.is_file()
    ]
    found = {p.relative_to(run).as_posix(): p.read_bytes() for p in files}
    store = run.parent / "mien-store"
    found |= {
        p.relative_to(store).as_posix(): p.read_bytes() for p in sorted(store.rglob("entries/*/*/*.npy"))
    }
    return found


def seconds(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / "environment.json").read_bytes())["seconds"]
    return found


def start(plan: dict[str, Any], run: Path, *, workers: int) -> subprocess.Popen[bytes]:
    run.parent.mkdir()
    file = run.parent / "study.toml"
    file.write_text(to_toml(load_study(plan)), encoding="utf-8")
    command = [*MIEN, "run", str(file), "--out", str(run), "--workers", str(workers)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 100
    while not reached():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < until, "the run did not get anywhere"
        time.sleep(0.002)


def alive(group: int) -> list[int]:
    """Processes of a process group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def wait_for_the_end(group: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while alive(group) and time.monotonic() < until:
        time.sleep(0.02)
    left = alive(group)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"{len(left)} processes went on after their parent was killed"


def whole(run: Path) -> int:
    """Fits that are finished."""
    return len(list((run / ".work" / "fits").glob("*/result.json"))) - len(
        list((run / ".work" / "fits").glob("*.partial/result.json"))
    )


@pytest.fixture(scope="module")
def trained(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A study of six fits, and its undisturbed run."""
    plan = tiny_study(tiny_data, train={"epochs": 15}, controls={"shuffled": True})
    return plan, study(plan, tmp_path_factory.mktemp("undisturbed") / "run", workers=1)


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_killed_while_training(trained: tuple[dict[str, Any], Path], tmp_path: Path, workers: int) -> None:
    """Only the parent is killed: its workers must end by themselves."""
    plan, undisturbed = trained
    run = tmp_path / "disturbed" / "run"
    process = start(plan, run, workers=workers)
    fits = run / ".work" / "fits"
    wait_until(lambda: whole(run) >= 1 and any(fits.glob("*.partial/training.safetensors")), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for_the_end(process.pid, 15)
    assert 1 <= whole(run) < 6
    kept = {p: p.stat().st_mtime_ns for p in fits.glob("*/result.npz") if ".partial" not in str(p)}
    assert not (run / "record.json").exists()
    before = seconds(run)
    assert before["features"] > 0
    seen = []

    def progress(stage: str, done: int, total: int, text: str) -> None:
        seen.append((stage, done, total))
        if stage == "refit on all trials" and not done:
            assert kept == {p: p.stat().st_mtime_ns for p in kept}  # what was finished is not made again

    assert study(plan, run, workers=1, progress=progress) == run
    assert next((done, total) for stage, done, total in seen if stage == "training") == (len(kept), 6)
    assert bytes_of(run) == bytes_of(undisturbed)
    assert not (run / ".work").exists()
    after = seconds(run)
    assert all(after[stage] >= before[stage] for stage in before), "a part of the time is lost"
    assert after["training"] > before.get("training", 0.0)


def test_killed_while_extracting_features(tiny_eeg: Path, tmp_path: Path) -> None:
    """The whole group is killed, workers in the middle of writing among them."""
    plan = tiny_study(
        tiny_eeg,
        features={"eeg": "de_lds", "eye": "shipped"},
        train={"epochs": 1},
        protocol={"names": ["trial_622"]},
    )
    undisturbed = study(plan, tmp_path / "undisturbed" / "run", workers=1)
    n_features = len(list((tmp_path / "undisturbed" / "mien-store").glob("entries/*/*")))
    assert n_features == 2 * 28 * 2
    run = tmp_path / "disturbed" / "run"
    process = start(plan, run, workers=2)
    entries = run.parent / "mien-store" / "entries"
    wait_until(lambda: len(list(entries.glob("*/*"))) >= 3, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_for_the_end(process.pid, 15)
    made = {p: p.stat().st_mtime_ns for p in entries.glob("*/*/values.npy")}
    assert 3 <= len(made) < n_features
    assert not (run / ".work" / "ready").exists()
    study(plan, run, workers=1)
    assert bytes_of(run) == bytes_of(undisturbed)
    assert made == {p: p.stat().st_mtime_ns for p in made}


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(8))
def test_killed_at_any_moment_and_again(tiny_eeg: Path, tmp_path: Path, moment: int) -> None:
    """Three kills, each a little later, wherever they fall."""
    plan = tiny_study(
        tiny_eeg,
        features={"eeg": "de_lds", "eye": "shipped"},
        train={"epochs": 12},
        protocol={"names": ["trial_622"]},
        controls={"shuffled": True},
    )
    undisturbed = study(plan, tmp_path / "undisturbed" / "run", workers=1)
    run = tmp_path / "disturbed" / "run"
    process = start(plan, run, workers=2)
    command = list(process.args)
    for _ in range(3):
        time.sleep(3.0 + 0.4 * moment)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_for_the_end(process.pid, 15)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    assert process.wait(timeout=120) == 0
    assert bytes_of(run) == bytes_of(undisturbed)
