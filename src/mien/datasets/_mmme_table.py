"""The coding table of MMME, which is that of MEs-EEG without the column ``Macro/Micro``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from mien.core.errors import InputError
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._me_rows import Row
from mien.datasets._me_table import UNKNOWN_KIND, Table, read_table


def read_tables(
    path: Path | None, *, kinds_from: Path | None, strict: bool
) -> tuple[Table | None, tuple[Fault, ...], tuple[str, ...]]:
    """The coding table, its kinds from a second one where that is given, faults and notes besides.

    Parameters
    ----------
    path
        The table; None where there is none.
    kinds_from
        ``coding_file_combined.xlsx`` of MEs-EEG, whose rows say which are micro and which macro.
    strict
        False: a table that cannot be used is a fault and no error.

    Raises
    ------
    InputError
        A table cannot be used.
    """
    if path is None:
        return None, (), ("not there: coding table",)
    try:
        table = read_table(path, needs_kind=False)
        if kinds_from is None:
            return table, (), _without_kind(table)
        return (*with_kinds(table, read_table(kinds_from)), ())
    except InputError as error:
        if strict:
            raise
        return None, (fault_of(error),), ()


def _without_kind(table: Table) -> tuple[str, ...]:
    n = sum(row.kind == UNKNOWN_KIND for row in table.rows)
    if not n:
        return ()
    return (
        f"the coding table does not say which of its {n} rows are micro and which macro; all are of the kind "
        f"{UNKNOWN_KIND!r}. The table of MEs-EEG does (kinds_from); durations do not decide it",
    )


def with_kinds(table: Table, other: Table) -> tuple[Table, tuple[Fault, ...]]:
    """A table whose rows have the kind of the same rows of another one.

    Rows are the same if video, times and action units are; a row that the other table lacks keeps its kind,
    and is a fault if it has none.
    """
    known: dict[object, list[str]] = defaultdict(list)
    for row in other.rows:
        known[_same(row)].append(row.kind)
    rows: list[Row] = []
    for row in table.rows:
        kinds = known.get(_same(row))
        rows.append(replace(row, kind=kinds.pop(0)) if kinds else row)
    missing = [row for row in rows if row.kind == UNKNOWN_KIND]
    faults = tuple(
        Fault(
            file=str(table.path),
            item=f"row {row.number}, marker {row.marker}",
            reason=f"no such row in {other.path.name}, so that it is neither micro nor macro",
            subject=row.name,
            severity="kept",
        )
        for row in missing
    )
    return replace(table, rows=tuple(rows)), faults


def _same(row: Row) -> object:
    return row.video, round(row.onset, 4), row.apex and round(row.apex, 4), row.offset, row.units
