"""How made-up data get onto disk: all of it or nothing, the same for any number of processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mien.core import InputError
from mien.simulate._write import check_options, write_folder

ASKED: dict[str, Any] = {
    "subjects": 2, "max_subjects": 3, "seconds": 8.0, "effect": 1.0, "workers": 1,
    "kinds": ("eeg",), "known": ("eeg", "eye"),
}  # fmt: skip


def write_number(number: int, text: str, folder: Path) -> str:
    if number < 0:
        raise ValueError("no such part")
    (folder / f"{number}.txt").write_text(text * number, encoding="utf-8")
    return f"part {number}"


def write_common(folder: Path) -> None:
    (folder / "common.txt").write_text(str(len(list(folder.iterdir()))), encoding="utf-8")


def contents(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.iterdir())}


@pytest.mark.parametrize("workers", [1, 2])
def test_all_parts_then_what_is_common_then_the_truth(tmp_path: Path, workers: int) -> None:
    told: list[tuple[int, int, str]] = []
    made = write_folder(
        tmp_path / "out",
        write_number,
        [(k, "x") for k in range(3)],
        truth=lambda: {"simulated": True, "b": 1, "a": [2]},
        finish=write_common,
        workers=workers,
        progress=lambda *one: told.append(one),
    )
    assert made == tmp_path / "out"
    files = contents(made)
    assert json.loads(files.pop("truth.json")) == {"simulated": True, "b": 1, "a": [2]}
    assert files == {"0.txt": "", "1.txt": "x", "2.txt": "xx", "common.txt": "3"}
    assert [done for done, _, _ in told] == [1, 2, 3]
    assert {text for _, _, text in told} == {"part 0", "part 1", "part 2"}
    assert {n for _, n, _ in told} == {3}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_stays_of_what_failed(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ValueError, match="no such part"):
        write_folder(tmp_path / "out", write_number, [(1, "x"), (-1, "x")], truth=dict, workers=workers)
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_where_the_truth_cannot_be_told(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_folder(tmp_path / "out", write_number, [(1, "x")], truth=lambda: {"a": object()})
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_call_left_is_put_away(tmp_path: Path) -> None:
    left = tmp_path / "out.partial"
    left.mkdir()
    (left / "old.txt").touch()
    (tmp_path / "out").mkdir()  # an empty folder may be there
    made = write_folder(tmp_path / "out", write_number, [(1, "x")], truth=dict)
    assert sorted(contents(made)) == ["1.txt", "truth.json"]
    assert not left.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"subjects": 0}, "--subjects 0; expected 1 to 3"),
        ({"subjects": 4}, "--subjects 4; expected 1 to 3"),
        ({"seconds": 7.9}, "--seconds 7.9; expected 8 to 600 seconds"),
        ({"seconds": 7.9, "seconds_range": (1.5, 5.0)}, "--seconds 7.9; expected 1.5 to 5 seconds"),
        ({"effect": float("inf")}, "--effect inf; expected a number of 0 or more"),
        ({"workers": 0}, "--workers 0; expected 1 or more"),
        ({"kinds": ("eeg", "ecg"), "short": ("all",)}, "--kinds ecg; expected any of eeg, eye, all"),
    ],
)
def test_what_cannot_be_made(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    check_options(tmp_path / "new", **ASKED)
    with pytest.raises(InputError, match=says):
        check_options(tmp_path / "new", **ASKED | change)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    check_options(tmp_path, **ASKED)  # empty
    (tmp_path / "mine.txt").touch()
    for out in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match=r"exists and is not empty\. Choose another folder or remove"):
            check_options(out, **ASKED)
