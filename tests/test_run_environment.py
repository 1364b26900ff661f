"""The times of a run that was interrupted are those of all its parts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import tiny_study
from mien.run import environment, study
from mien.run.environment import Clock


def seconds(folder: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((folder / "environment.json").read_bytes())["seconds"]
    return found


class FakeTime:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


def test_parts_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime(monkeypatch)
    for part, took in enumerate((3.0, 4.5)):
        clock = Clock(tmp_path)
        with clock("features"):
            fake.now += took
        with clock("training"):
            fake.now += 1.0
        assert seconds(tmp_path) == {"features": (3.0, 7.5)[part], "training": part + 1.0}


def test_a_killed_part_counts_up_to_its_last_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime(monkeypatch)
    stage = Clock(tmp_path)("training")
    killed = Clock(tmp_path)
    stage = killed("training")
    stage.__enter__()
    for _ in range(3):
        fake.now += 10.0
        killed.tick()
    fake.now += 0.5  # since the last one was saved: too short to be saved again
    killed.tick()
    assert seconds(tmp_path) == {"training": 30.0}
    with Clock(tmp_path)("training"):
        fake.now += 2.0
    assert seconds(tmp_path) == {"training": 32.0}


@pytest.mark.parametrize("content", ["", "[]", '{"seconds": 3}', '{"seconds": {"training": "long"}}', "{}"])
def test_a_damaged_file_stops_no_run(tmp_path: Path, content: str) -> None:
    (tmp_path / "environment.json").write_text(content)
    with Clock(tmp_path)("training"):
        pass
    assert seconds(tmp_path).keys() == {"training"}


def test_a_run_that_goes_on_keeps_the_times_before(tiny_data: Path, tmp_path: Path) -> None:
    model = {"name": "majority", "modalities": [["eye"]], "config": {}}
    plan = tiny_study(tiny_data, model=model, features={"eye": "shipped"}, train={})

    def interrupt(stage: str, done: int, *_: Any) -> None:
        if stage == "training" and done == 1:
            raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        study(plan, run, workers=1, progress=interrupt)
    before = seconds(run)
    assert before.keys() == {"features", "training"}
    longer = {"seconds": {"features": before["features"], "training": 500.0}}
    (run / "environment.json").write_text(json.dumps(longer))
    study(plan, run, workers=1)
    after = seconds(run)
    assert after.keys() == {"features", "training", "refit"}
    assert 500 <= after["training"] < 600
    assert after["features"] >= before["features"]
    content = json.loads((run / "environment.json").read_bytes())
    assert content["versions"] == environment.versions()
    assert content["machine"].keys() == {"system", "processor", "cores", "gpu"}
