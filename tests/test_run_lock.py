"""One run at a time in a run folder; what a killed one leaves stops nobody."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Command, refused, tiny_study
from mien.core import InputError
from mien.run.lock import LockWarning, only_run
from mien.run.study_file import load_study
from mien.run.toml_text import to_toml

BUSY = "another run is at work in this folder"

HOLD = """
import sys, time
from pathlib import Path
from mien.core import InputError
from mien.run.lock import only_run
while time.time() < float(sys.argv[2]):
    time.sleep(0.001)
try:
    with only_run(Path(sys.argv[1])):
        print("in", flush=True)
        time.sleep(float(sys.argv[3]))
except InputError:
    print("out", flush=True)
"""


def holder(folder: Path, *, start: float = 0.0, seconds: float) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", HOLD, str(folder), str(start), str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_run_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with only_run(folder):
        with pytest.raises(InputError, match=BUSY), only_run(folder):
            pytest.fail("two runs at once")
        (folder / "kept").touch()
    assert [p.name for p in folder.iterdir()] == ["kept"]
    with only_run(folder):
        pass
    assert [p.name for p in folder.iterdir()] == ["kept"]


def test_a_folder_with_nothing_in_it_is_removed_also_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), only_run(tmp_path / "run"):
        raise KeyboardInterrupt
    assert not (tmp_path / "run").exists()


def test_of_several_processes_at_once_one_gets_in(tmp_path: Path) -> None:
    start = time.time() + 2
    several = [holder(tmp_path / "run", start=start, seconds=3) for _ in range(4)]
    assert sorted(p.communicate()[0].strip() for p in several) == ["in", "out", "out", "out"]
    assert not (tmp_path / "run").exists()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = holder(folder, seconds=60)
    assert first_line(process) == "in"
    with pytest.raises(InputError, match=BUSY), only_run(folder):
        pytest.fail("two runs at once")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (folder / ".lock").exists()
    with only_run(folder):
        assert [p.name for p in folder.iterdir()] == [".lock"]
    assert not folder.exists()


def test_a_file_system_without_locks_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unlocked(sqlite3.Connection):
        def execute(self, *_: object) -> sqlite3.Cursor:
            fault = sqlite3.OperationalError("disk I/O error")
            fault.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise fault

    monkeypatch.setattr(sqlite3, "connect", lambda path, **_: Unlocked(path))
    with (
        pytest.warns(LockWarning, match=r"run.\.lock cannot be locked \(disk I/O error\)"),
        only_run(tmp_path / "run"),
    ):
        (tmp_path / "run" / "kept").touch()
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["kept"]


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_mien_run_on_a_folder_in_use_and_after_a_kill(
    command: Command, tiny_data: Path, tmp_path: Path
) -> None:
    """The second is told so in one line, touches nothing, and goes on where the first was killed."""
    file, run = tmp_path / "study.toml", tmp_path / "run"
    model = {"name": "majority", "modalities": [["eye"]], "config": {}}
    plan = tiny_study(tiny_data, model=model, features={"eye": "shipped"}, train={})
    file.write_text(to_toml(load_study(plan)), encoding="utf-8")
    process = holder(run, seconds=60)
    assert first_line(process) == "in"
    refused(command("run", file, "--out", run), str(run), BUSY, "choose another --out")
    assert [p.name for p in run.iterdir()] == [".lock"]
    assert not (tmp_path / "mien-store").exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert command("run", file, "--out", run, "--workers", "1").code == 0
    assert (run / "report.html").exists()
    assert not (run / ".lock").exists()
