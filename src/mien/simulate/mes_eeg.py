"""A made-up MEs-EEG in the layout of the real one, with the truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mien.core import InputError, registered
from mien.datasets._mes_eeg_layout import CHANNELS as FILE_CHANNELS
from mien.datasets._mes_eeg_layout import CODING_FILE, COLUMNS, EEG_FOLDERS, FULL_SIZE
from mien.simulate import _mes_plan
from mien.simulate._eeg import HeadModel, draw_head
from mien.simulate._files import write_workbook
from mien.simulate._mes_camera import KINDS as FACE_KINDS
from mien.simulate._mes_camera import Camera
from mien.simulate._mes_eeg_signal import RATES, markers, recording
from mien.simulate._mes_plan import Plan
from mien.simulate._mes_table import Row, rows
from mien.simulate._mes_truth import truth_of
from mien.simulate._set import write_set
from mien.simulate._write import Progress, check_options, write_folder

KINDS = ("coding", "eeg", "pairs")
"""What is written by default: the coding table, the EEG, and the cropped pictures of onset and apex."""
MORE_KINDS = ("frames", "avi")
"""Can be written besides: the full frames of onset and apex, and the cut videos from onset to offset."""


@registered
def simulate(
    out: str | Path,
    *,
    seed: int,
    subjects: int = 10,
    clips: int = 48,
    events_per_clip: float = 1.2,
    seconds: float = 45.0,
    rate: float = 1000,
    effect: float = 1.0,
    truncated: int = 0,
    kinds: Sequence[str] = KINDS,
    frame_size: tuple[int, int] = FULL_SIZE,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a made-up MEs-EEG.

    Parameters
    ----------
    out
        Folder to make; must not exist or be empty. It appears whole or not at all.
    seed
        Same seed, same bytes, whatever ``workers`` is.
    subjects
        How many people, 1-60.
    clips
        1-48: the first of a balanced order, one clip of each of the seven emotions after the other. 42 are
        all emotional clips; the last six are calm, and nothing is coded in them.
    events_per_clip
        Expressions per emotional clip on average, 0.05-2; the real table has 1.2. Their shares are those of
        the real table's micro-expressions, as exactly as can be: 74 % negative, 18 % positive, 8 % surprise.
    seconds
        Mean length of a clip, 12-600.
    rate
        Samples of EEG per second: 250, 500, or 1000 as in the real files. A minute at 1000 takes 16 MB.
    effect
        Strength of emotion: 0 is none, 1 the calibrated default.
    truncated
        How many recordings break off before their third clip from the end is over, as happens in the real
        files.
    kinds
        Any of :data:`KINDS` and :data:`MORE_KINDS`.
    frame_size
        Width and height of full frames and videos, even numbers.
    workers
        Processes that write subjects side by side.

    Returns
    -------
    Path
        The folder, laid out as the real data set, with ``truth.json`` in it: the parameters of the model
        (:mod:`mien.simulate._mes_plan`), every expression, and the oracles.
    """
    out, kinds = Path(out), tuple(kinds)
    _check(clips=clips, events_per_clip=events_per_clip, rate=rate, truncated=truncated, subjects=subjects)
    _check_size(frame_size)
    check_options(
        out,
        subjects=subjects,
        max_subjects=60,
        seconds=seconds,
        seconds_range=(12.0, 600.0),
        effect=effect,
        kinds=kinds,
        known=(*KINDS, *MORE_KINDS),
        workers=workers,
    )
    drawn = {
        "subjects": subjects,
        "clips": clips,
        "events_per_clip": events_per_clip,
        "seconds": seconds,
        "effect": effect,
        "truncated": truncated,
    }
    plan = _mes_plan.draw(seed, **drawn)  # type: ignore[arg-type]
    head = draw_head(seed, n_sources=_mes_plan.N_SOURCES)
    told = drawn | {"rate": rate, "kinds": list(kinds), "frame_size": list(frame_size)}
    return write_folder(
        out,
        _write_subject,
        [(plan, head, s, kinds, int(rate), tuple(frame_size)) for s in range(subjects)],
        truth=partial(truth_of, plan, options=told, head=head),
        finish=partial(_write_table, rows(plan)) if "coding" in kinds else None,
        workers=workers,
        progress=progress,
    )


def _check(*, clips: int, events_per_clip: float, rate: float, truncated: int, subjects: int) -> None:
    if not 1 <= clips <= 48:
        raise InputError(f"--clips {clips}", expected="1 to 48; 42 are all emotional clips")
    if not 0.05 <= events_per_clip <= 2:
        raise InputError(f"--events_per_clip {events_per_clip}", expected="0.05 to 2")
    if rate not in RATES:
        raise InputError(f"--rate {rate:g}", expected="one of " + ", ".join(map(str, RATES)))
    if not 0 <= truncated <= subjects:
        raise InputError(f"--truncated {truncated}", expected=f"0 to the number of subjects, {subjects}")


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or any(side % 2 or not 64 <= side <= 4096 for side in size) or size[0] < size[1]:
        raise InputError(
            f"--frame_size {tuple(size)}",
            expected="width and height, even numbers from 64 to 4096, not higher than wide",
        )


def _write_subject(
    plan: Plan,
    head: HeadModel,
    subject: int,
    kinds: tuple[str, ...],
    rate: int,
    frame_size: tuple[int, int],
    folder: Path,
) -> str:
    """EEG and pictures of one subject."""
    name = f"{plan.subjects[subject]}_{plan.dates[subject]}"
    if "eeg" in kinds:
        place = folder / EEG_FOLDERS[0]
        place.mkdir(parents=True, exist_ok=True)
        write_set(
            place / f"{name}.set",
            recording(plan, head, subject, rate=rate),
            rate=rate,
            channels=FILE_CHANNELS,
            markers=markers(plan, rate=rate),
        )
    pictures = tuple(kind for kind in kinds if kind in FACE_KINDS)
    if pictures:
        own = [row for row in rows(plan) if plan.events[row.event].subject == subject]
        camera = Camera(plan, subject, size=frame_size)
        for row in own:
            camera.write(folder, row, pictures)
    return f"subject {subject + 1}"


def _write_table(table: list[Row], folder: Path) -> None:
    write_workbook(folder / CODING_FILE, [list(COLUMNS), *(row.cells() for row in table)], title="Sheet1")


def example() -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return {"seed": 0, "subjects": 1, "clips": 7, "seconds": 12.0, "rate": 250}
