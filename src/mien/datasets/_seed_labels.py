"""The stimulus workbook of SEED-VII against the built-in table of the 80 clips' emotions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._seed_layout import CLIP_EMOTIONS, EMOTIONS, WORKBOOK
from mien.io.workbook import read_sheet

BUILT_IN: Mapping[int, str] = {clip: EMOTIONS[number] for clip, number in enumerate(CLIP_EMOTIONS, start=1)}
"""Clip number to emotion, as two public readers of the data set agree on it."""

WORDS: Mapping[str, str] = {
    **{word: word for word in EMOTIONS},
    **{"disgusted": "disgust", "disgusting": "disgust", "fearful": "fear", "sadness": "sad"},
    **{"neutrality": "neutral", "happiness": "happy", "angry": "anger", "surprised": "surprise"},
}
"""Words that may stand in the workbook (in any case) to the class they mean."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Emotion of each clip, and what the workbook had to say.

    ``emotions`` lacks the clips whose word in the workbook could not be understood. ``disagreement`` is set
    where the workbook contradicts the built-in table.
    """

    emotions: Mapping[int, str]
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    disagreement: InputError | None = None


def read_labels(root: Path, clips: Iterable[int]) -> Labels:
    """Emotions of ``clips``, checked against the workbook in ``root`` if there is one."""
    clips = tuple(clips)
    built_in = {clip: BUILT_IN[clip] for clip in clips}
    path = root / WORKBOOK
    if not path.exists():
        return Labels(
            emotions=built_in, notes=(f"{WORKBOOK} is not there: emotions come from the built-in table",)
        )
    try:
        cells = _cells(path, read_sheet(path))
    except InputError as error:
        return Labels(
            emotions=built_in,
            faults=(fault_of(error),),
            notes=(f"{WORKBOOK} cannot be used: emotions come from the built-in table, unchecked",),
        )
    return _compare(path, cells, built_in)


def _cells(path: Path, rows: list[tuple[Any, ...]]) -> dict[int, tuple[str, str]]:
    """Clip to (cell, word): pairs of rows, numbers above words, from the second column on."""
    cells: dict[int, tuple[str, str]] = {}
    for r in range(0, len(rows) - 1, 2):
        for c in range(1, len(rows[r])):
            number, word = rows[r][c], rows[r + 1][c]
            if number is None and word is None:
                continue
            if isinstance(number, bool) or not isinstance(number, int | float) or number not in BUILT_IN:
                raise InputError(
                    f"cell {_cell_name(r, c)} holds {number!r}",
                    file=path,
                    expected="a clip number from 1 to 80",
                )
            cells[int(number)] = (_cell_name(r + 1, c), "" if word is None else str(word).strip())
    if not cells:
        raise InputError(
            "holds no clips",
            file=path,
            expected="rows of clip numbers above rows of emotion words, from column B",
        )
    return cells


def _cell_name(row: int, column: int) -> str:
    from openpyxl.utils import get_column_letter

    return f"{get_column_letter(column + 1)}{row + 1}"


def _compare(path: Path, cells: Mapping[int, tuple[str, str]], built_in: Mapping[int, str]) -> Labels:
    emotions: dict[int, str] = {}
    faults: list[Fault] = []
    wrong: list[str] = []
    known = ", ".join(EMOTIONS)
    for clip, expected in built_in.items():
        cell, word = cells.get(clip, ("", ""))
        if not word:
            where = f"cell {cell} is empty" if cell else "the clip is not in the table"
            faults.append(
                Fault(file=str(path), item=f"clip {clip}", reason=f"{where}; expected one of: {known}")
            )
        elif word.lower() not in WORDS:
            faults.append(
                Fault(
                    file=str(path),
                    item=f"clip {clip}",
                    reason=f"unknown emotion {word!r} in cell {cell}; expected one of: {known}",
                )
            )
        else:
            emotions[clip] = WORDS[word.lower()]
            if emotions[clip] != expected:
                wrong.append(f"clip {clip} ({cell}: {word!r}, table: {expected!r})")
    error = InputError(
        f"contradicts the known emotions of {', '.join(wrong)}",
        file=path,
        expected="the order of the published data set",
        remedy="download the workbook again, or remove it to use the built-in table",
    )
    note = (
        f"{WORKBOOK} agrees with the built-in table on {len(emotions) - len(wrong)} of {len(built_in)} clips"
    )
    return Labels(
        emotions=emotions, faults=tuple(faults), notes=(note,), disagreement=error if wrong else None
    )
