"""DEAP's tables: which video was shown when, how it was rated, and what strangers thought of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.datasets._deap_layout import (
    FAMILIARITY_SCALE,
    N_SUBJECTS,
    RATED,
    RATINGS,
    RATINGS_COLUMNS,
    SCALE,
    TABLE_ENDINGS,
    TABLE_FOLDERS,
    VIDEO_LIST,
    subject_name,
)
from mien.datasets._inspection import Fault, fault_of
from mien.io.tables import Cell, Table, read_table

AVERAGED = ("valence", "arousal", "dominance")
"""Dimensions of which ``video_list`` has averages over strangers."""


@dataclass(frozen=True, kw_only=True)
class Rating:
    """One row of ``participant_ratings``.

    Attributes
    ----------
    participant
        From 1.
    trial
        Place in the order of presentation, from 1.
    video
        ``Experiment_id``, from 1.
    values
        Valence, arousal, dominance and liking, 1 to 9.
    familiarity
        1 to 5, None where it is missing.
    """

    participant: int
    trial: int
    video: int
    values: tuple[float, ...]
    familiarity: float | None


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """The table of ratings: participant to video to row."""

    path: Path
    of: Mapping[int, Mapping[int, Rating]]

    def video(self, participant: int, trial: int) -> int | None:
        """The video that was shown as a participant's n-th, None where no row says."""
        rows = self.of.get(participant, {}).values()
        return next((row.video for row in rows if row.trial == trial), None)


def find_tables(root: Path, stem: str) -> list[Path]:
    """Files of one table, in the order in which they are tried."""
    paths = [root / folder / f"{stem}{ending}" for folder in TABLE_FOLDERS for ending in TABLE_ENDINGS]
    return [path for path in paths if path.is_file()]


def find_ratings(root: Path, *, n_trials: int) -> tuple[Ratings | None, list[Fault]]:
    """The first table of ratings that can be used, and what is wrong with it and those before it."""
    faults: list[Fault] = []
    for path in find_tables(root, RATINGS):
        try:
            found, wrong = read_ratings(path, n_trials=n_trials)
        except InputError as error:
            faults.append(fault_of(error))
        else:
            return found, [*faults, *wrong]
    return None, faults


def read_ratings(path: str | Path, *, n_trials: int) -> tuple[Ratings, list[Fault]]:
    """The table of ratings, and its rows that are at fault.

    A row is left out where a number is missing or not on its scale, or where another one contradicts it. Of
    rows that say the same, one is kept.

    Raises
    ------
    InputError
        The file cannot be read, or no row can be used.
    """
    path = Path(path)
    table = read_table(path, needed=tuple(name for name in RATINGS_COLUMNS if name not in _OPTIONAL))
    faults: list[Fault] = []
    rows: list[tuple[int, Rating]] = []
    for number, cells in _named(table):
        try:
            rows.append((number, _rating(path, number, cells, n_trials)))
        except InputError as error:
            faults.append(fault_of(error, item=f"row {number}"))
            continue
        if cells["familiarity"] is not None and rows[-1][1].familiarity is None:
            faults.append(
                Fault(
                    file=str(path),
                    item=f"row {number}",
                    reason=f"familiarity is {cells['familiarity']!r}; expected 1 to 5, or nothing",
                    subject=subject_name(rows[-1][1].participant),
                )
            )
    kept, repeated = _without_repeats(path, rows)
    of: dict[int, dict[int, Rating]] = {}
    for row in kept:
        of.setdefault(row.participant, {})[row.video] = row
    if not of:
        first = (faults + repeated)[0]
        raise InputError(
            f"no row can be used; the first fault: {first.item}: {first.reason}",
            file=path,
            expected="ratings from 1 to 9 of each participant and video",
        )
    return Ratings(path=path, of=of), [*faults, *repeated]


_OPTIONAL = ("Start_time", "Familiarity")


def _named(table: Table) -> Iterator[tuple[int, dict[str, Cell]]]:
    places = {name.lower(): table.column(name) for name in RATINGS_COLUMNS}
    for number, row in zip(table.numbers, table.rows, strict=True):
        yield number, {name: None if at is None else row[at] for name, at in places.items()}


def _rating(path: Path, number: int, cells: Mapping[str, Cell], n_trials: int) -> Rating:
    limits = {"participant_id": N_SUBJECTS, "trial": n_trials, "experiment_id": n_trials}
    ids = []
    for name, last in limits.items():
        cell = cells[name]
        if not isinstance(cell, float) or cell != int(cell) or not 1 <= cell <= last:
            raise InputError(f"{name} is {cell!r}", file=path, expected=f"a whole number from 1 to {last}")
        ids.append(int(cell))
    values = []
    for name in RATED:
        cell = cells[name]
        if not isinstance(cell, float) or not SCALE[0] <= cell <= SCALE[1]:
            raise InputError(
                f"{name} of participant {ids[0]}, trial {ids[1]} is {cell!r}",
                file=path,
                expected="a number from 1 to 9",
            )
        values.append(cell)
    familiarity = cells["familiarity"]
    known = isinstance(familiarity, float) and FAMILIARITY_SCALE[0] <= familiarity <= FAMILIARITY_SCALE[1]
    return Rating(
        participant=ids[0],
        trial=ids[1],
        video=ids[2],
        values=tuple(values),
        familiarity=float(familiarity) if known and isinstance(familiarity, float) else None,
    )


def _without_repeats(path: Path, rows: list[tuple[int, Rating]]) -> tuple[list[Rating], list[Fault]]:
    """Rows that no other row contradicts, and a fault for each participant whose rows repeat."""
    claims: dict[tuple[Any, ...], dict[Rating, list[int]]] = {}
    for number, row in rows:
        for key in ((row.participant, "trial", row.trial), (row.participant, "video", row.video)):
            claims.setdefault(key, {}).setdefault(row, []).append(number)
    faults: dict[tuple[str, str], Fault] = {}
    bad: set[Rating] = set()
    for (participant, what, n), by_row in claims.items():
        numbers = sorted(number for group in by_row.values() for number in group)
        if len(numbers) == 1:
            continue
        same = len(by_row) == 1
        if not same:
            bad |= set(by_row)
        shown = ", ".join(map(str, numbers))
        reason = f"all are of participant {participant}, {what} {n}" + (
            ", and say the same; one is used" if same else ", and contradict one another; expected one row"
        )
        fault = Fault(
            file=str(path),
            item=f"rows {shown}",
            reason=reason,
            subject=subject_name(participant),
            severity="kept" if same else "left out",
        )
        faults.setdefault((fault.item, fault.severity), fault)
    return [row for row in dict.fromkeys(row for _, row in rows) if row not in bad], list(faults.values())


def stimulus_ratings(root: Path, *, n_trials: int) -> tuple[dict[int, dict[str, float]], list[Fault]]:
    """Video to its average rating by strangers (1 to 9) in each dimension that ``video_list`` has.

    Empty where there is no such table; rows without an ``Experiment_id`` are videos that were not shown.
    """
    faults: list[Fault] = []
    for path in find_tables(root, VIDEO_LIST):
        try:
            table = read_table(path, needed=("Experiment_id",))
        except InputError as error:
            faults.append(fault_of(error))
            continue
        at = table.column("Experiment_id")
        columns = {name: table.column(f"AVG_{name}", f"{name}_AVG", f"mean_{name}") for name in AVERAGED}
        found: dict[int, dict[str, float]] = {}
        for number, row in zip(table.numbers, table.rows, strict=True):
            video = None if at is None else row[at]
            if not isinstance(video, float) or not 1 <= video <= n_trials:
                continue
            given = {name: row[place] for name, place in columns.items() if place is not None}
            good = {
                name: cell
                for name, cell in given.items()
                if isinstance(cell, float) and SCALE[0] <= cell <= SCALE[1]
            }
            wrong = {name: given[name] for name in given if name not in good and given[name] is not None}
            if wrong:
                shown = ", ".join(f"{name} {cell!r}" for name, cell in wrong.items())
                reason = f"averages of video {int(video)}: {shown}; expected 1 to 9"
                faults.append(Fault(file=str(path), item=f"row {number}", reason=reason))
            found[int(video)] = good
        return found, faults
    return {}, faults
