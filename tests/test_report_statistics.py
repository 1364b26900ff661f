"""The page of what is coded in a data set."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from _mes_eeg_files import write_copy as write_mes_eeg
from _mmme_files import Person, bravo, write_copy
from conftest import Command
from mien import datasets
from mien.core import InputError
from mien.report.published_counts import PUBLISHED_COUNTS
from mien.report.statistics import COLUMNS, write_statistics


def event(number: int, **changes: Any) -> dict[str, Any]:
    who = (f"p1_101_e{number}", "p1_101", "p1", "101")
    what = ("micro", "sad", "negative", "AU4", 1.0, 1.2, 1.4, 1, False, False)
    made = dict(zip(COLUMNS, (*who, *what), strict=True))
    return made | changes


def cells(page: str, section: str) -> list[list[str]]:
    """Rows of the tables of a section, as text."""
    body = re.search(rf'<section id="{section}">(.*?)</section>', page, re.DOTALL)
    assert body is not None
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body[1], re.DOTALL)
    texts = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in texts]


def test_durations_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    events = [
        event(1),  # 400 ms, 200 to the apex
        event(2, offset=1.6),  # 600 ms
        event(3, offset=None, apex=1.5),  # not known, 500 to the apex
        event(4, kind="macro", offset=3.0),  # 2 s
    ]
    page = write_statistics(tmp_path, events, dataset="mes_eeg").read_text("utf-8")
    rows = {row[0]: row[1:] for row in cells(page, "durations") if row}
    # mean 500, sd of (400, 600) 141.4, one of two at most 0.5 s
    assert rows["micro, onset to offset"] == ["2", "500.0", "141.4", "500", "400", "600", "50.0"]
    # 200, 200, 500: mean 300, sd 173.2
    assert rows["micro, onset to apex"] == ["3", "300.0", "173.2", "200", "200", "500", "100.0"]
    assert rows["macro, onset to offset"] == ["1", "2000.0", "–", "2000", "2000", "2000", "0.0"]


def test_emotions_units_and_subjects_are_counted(tmp_path: Path) -> None:
    events = [
        event(1, aus="AU4, AU10"),
        event(2, emotion="happy", emotion3="positive", aus="AU12", stimulus="103"),
        event(3, subject="p2", kind="macro", aus="AU4"),
    ]
    page = write_statistics(tmp_path, events, dataset="mes_eeg").read_text("utf-8")
    rows = {row[0]: row[1:] for row in cells(page, "units") if row}
    assert list(rows) == ["Action unit", "AU4", "AU10", "AU12"]
    assert rows["AU4"] == ["1", "50.0", "1", "100.0"]
    rows = {row[0]: row[1:] for row in cells(page, "subjects") if row}
    assert rows["p1"] == ["2", "0", "2", "2", "1", "1"]
    assert rows["p2"] == ["0", "1", "1", "1", "0", "1"]
    rows = {row[0]: row[1:] for row in cells(page, "emotions") if row}
    assert rows["negative"] == ["1", "50.0", "1", "100.0"]
    assert rows["positive"] == ["1", "50.0", "0", "0.0"]
    assert rows["all"][:3] == ["2", "1", "3"]
    assert "<script" not in page


def test_what_was_published_stands_beside_it_and_only_of_real_data(tmp_path: Path) -> None:
    counts = PUBLISHED_COUNTS["mmme"].counts
    assert {kind: sum(n.values()) for kind, n in counts.items()} == {"micro": 634, "macro": 2841}
    negative = sum(n for word, n in counts["micro"].items() if word not in ("happy", "surprise"))
    assert round(100 * negative / 634, 1) == 68.9
    page = write_statistics(tmp_path, [event(1)], dataset="mmme").read_text("utf-8")
    assert ["sad", "1", "55", "0", "290"] in cells(page, "emotions")
    page = write_statistics(tmp_path, [event(1)], dataset="mmme", simulated=True).read_text("utf-8")
    assert ", published" not in page
    assert "Made-up data" in page


def test_the_events_are_kept_as_a_table(tmp_path: Path) -> None:
    write_statistics(tmp_path, [event(1), event(2, offset=None, kind="expression")], dataset="mmme")
    rows = list(csv.DictReader((tmp_path / "events.csv").open(encoding="utf-8")))
    assert list(rows[0]) == list(COLUMNS)
    assert (rows[1]["kind"], rows[1]["offset"], rows[0]["apex"]) == ("expression", "", "1.2")


def test_nothing_to_count(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no coded event"):
        write_statistics(tmp_path, [], dataset="mmme")
    broken = event(1)
    del broken["aus"]
    with pytest.raises(InputError, match="events lack aus"):
        write_statistics(tmp_path, [broken], dataset="mmme")


def test_inspect_writes_it_for_mmme_with_the_clocks(tmp_path: Path, command: Command) -> None:
    root = write_copy(tmp_path / "copy", [Person(lost=(("biopac", 106, 0),)), bravo()])
    done = command("inspect", "mmme", root, "--out", tmp_path / "out")
    assert done.code == 1  # the lost trigger is listed
    page = (tmp_path / "out" / "statistics.html").read_text("utf-8")
    assert len(datasets.inspect("mmme", root).events) == 4
    assert "4 events" in page
    assert any("biopac" in row for row in cells(page, "clocks"))
    assert re.search(r"biopac\s+-1\.5", done.out)
    assert "alpha" not in page + done.out + done.err


def test_inspect_writes_it_for_mes_eeg(tmp_path: Path, command: Command) -> None:
    root = write_mes_eeg(tmp_path / "copy")
    done = command("inspect", "mes_eeg", root, "--out", tmp_path / "out")
    assert done.code == 0
    page = (tmp_path / "out" / "statistics.html").read_text("utf-8")
    assert "4 events (3 micro-expressions, 1 macro-expressions)" in page
    assert 'id="clocks"' not in page


def test_inspect_of_a_data_set_without_events(tmp_path: Path, command: Command) -> None:
    root = datasets.example("seed_vii", tmp_path / "copy")
    done = command("inspect", "seed_vii", root, "--out", tmp_path / "out")
    assert done.code == 2
    assert "there is no coded event" in done.err
