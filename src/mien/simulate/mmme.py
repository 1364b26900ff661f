"""A made-up MMME in the layout of the real one, with the truth beside it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, registered
from mien.datasets._mes_eeg_layout import CHANNELS as FILE_CHANNELS
from mien.datasets._mes_eeg_layout import COLUMNS as ALL_COLUMNS
from mien.datasets._mmme_layout import (
    BIOPAC_CLOCK,
    BIOPAC_FILE,
    BIOPAC_LABELS,
    CAMERA_CLOCK,
    CODING_FILE,
    CODING_FILE_WITH_KIND,
    EEG_CLOCK,
    EEG_FILE,
    FRAMES_FOLDER,
    KIND_COLUMN,
    TRIGGER_CHANNEL,
    session_name,
)
from mien.simulate import _mmme_biopac, _mmme_clocks, _mmme_plan
from mien.simulate._biopac import write_biopac
from mien.simulate._curry import write_curry
from mien.simulate._eeg import HeadModel, draw_head
from mien.simulate._files import write_workbook
from mien.simulate._mes_eeg_signal import RATES, recording
from mien.simulate._mes_plan import N_SOURCES, Expression, Plan
from mien.simulate._mes_table import Row, rows
from mien.simulate._mmme_body import draw_body
from mien.simulate._mmme_camera import PICTURE, FrameWriter, wanted
from mien.simulate._mmme_clocks import HOLD_SECONDS, Devices, Shutter, expose_all
from mien.simulate._mmme_plan import Study
from mien.simulate._mmme_truth import truth_of
from mien.simulate._write import Progress, check_options, write_folder

KINDS = ("eeg", "biopac", "frames", "table")
"""What can be written, and is by default."""
_MORE_COLUMNS = {len(ALL_COLUMNS) - 1: False, len(ALL_COLUMNS): True}


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
    drift: float = 200.0,
    faults: int = 1,
    kinds: Sequence[str] = KINDS,
    size: tuple[int, int] = PICTURE,
    whole: bool = False,
    columns: int = 13,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a made-up MMME.

    Parameters
    ----------
    out
        Folder to make; must not exist or be empty. It appears whole or not at all.
    seed
        Same seed, same bytes, whatever ``workers`` is.
    subjects
        How many people, 1-110.
    clips
        1-48: the first of a balanced order, one clip of each of the seven emotions after the other. 42 are
        all emotional clips; the last six are calm, and nothing is coded in them.
    events_per_clip
        Expressions per emotional clip on average, 0.05-2. Their shares are those of the paper's
        micro-expressions: 69 % negative, 14 % positive, 17 % surprise; a quarter is macro.
    seconds
        Mean length of a clip, 12-600; six seconds of rest lie between two. 48 clips of 85 s are the 73
        minutes of a real recording.
    rate
        Samples of EEG and BIOPAC per second: 250, 500, or 1000 as in the real files. A minute at 1000 takes
        25 MB.
    effect
        Strength of emotion: 0 is none, 1 the calibrated default.
    drift
        Largest drift of a clock, in millionths, 0-1000.
    faults
        How many triggers of each recording get lost in BIOPAC or camera, and how many come twice in EEG or
        BIOPAC; at most as many as there are clips. Frames are dropped whatever this is.
    kinds
        Any of :data:`KINDS`.
    size
        Width and height of the frames, even numbers. In 256 × 256 the face fills the picture, in any other it
        is in a room.
    whole
        Write every frame of an expression, not just the rise to its apex and three about a late offset.
    columns
        13: the coding table does not say which expressions are micro, as the public one of MMME; 14: it does,
        as that of MEs-EEG.
    workers
        Processes that write subjects side by side.

    Returns
    -------
    Path
        The folder, laid out as the real data set, with ``truth.json`` in it: the clocks, every expression,
        heartbeats and skin conductance responses, planted faults, the parameters of the model
        (:mod:`mien.simulate._mmme_plan`) and the oracles.
    """
    out, kinds = Path(out), tuple(kinds)
    _check(clips=clips, events_per_clip=events_per_clip, rate=rate, drift=drift, faults=faults)
    _check_picture(size, columns)
    check_options(
        out,
        subjects=subjects,
        max_subjects=110,
        seconds=seconds,
        seconds_range=(12.0, 600.0),
        effect=effect,
        kinds=kinds,
        known=KINDS,
        workers=workers,
    )
    drawn = {
        "subjects": subjects,
        "clips": clips,
        "events_per_clip": events_per_clip,
        "seconds": seconds,
        "effect": effect,
    }
    study = _mmme_plan.draw(seed, **drawn)  # type: ignore[arg-type]
    head = draw_head(seed, n_sources=N_SOURCES)
    devices = [
        _mmme_clocks.draw_devices(study, s, drift=1e-6 * drift, faults=faults) for s in range(subjects)
    ]

    @lru_cache(maxsize=1)  # a long recording has hundreds of thousands of exposures
    def shutter(subject: int) -> Shutter:
        return expose_all(study, subject, devices[subject])

    table = rows(study.brain, shots=partial(_shots, shutter))
    told = drawn | {
        "rate": rate, "drift": drift, "faults": faults, "kinds": list(kinds), "size": list(size),
        "whole": whole, "columns": columns,
    }  # fmt: skip
    return write_folder(
        out,
        _write_subject,
        [
            (
                study,
                head,
                s,
                devices[s],
                _rows_of(study.brain, table, s),
                kinds,
                int(rate),
                tuple(size),
                whole,
            )
            for s in range(subjects)
        ],
        truth=partial(
            truth_of, study, devices=devices, shutter=shutter, table=table, options=told, head=head
        ),
        finish=partial(_write_table, table, columns) if "table" in kinds else None,
        workers=workers,
        progress=progress,
    )


def _check(*, clips: int, events_per_clip: float, rate: float, drift: float, faults: int) -> None:
    if not 1 <= clips <= 48:
        raise InputError(f"--clips {clips}", expected="1 to 48; 42 are all emotional clips")
    if not 0.05 <= events_per_clip <= 2:
        raise InputError(f"--events_per_clip {events_per_clip}", expected="0.05 to 2")
    if rate not in RATES:
        raise InputError(f"--rate {rate:g}", expected="one of " + ", ".join(map(str, RATES)))
    if not 0 <= drift <= 1000:
        raise InputError(f"--drift {drift:g}", expected="0 to 1000 millionths")
    if not 0 <= faults <= clips:
        raise InputError(f"--faults {faults}", expected=f"0 to the number of clips, {clips}")


def _check_picture(size: tuple[int, int], columns: int) -> None:
    if len(size) != 2 or any(side % 2 or not 64 <= side <= 4096 for side in size) or size[0] < size[1]:
        raise InputError(
            f"--size {tuple(size)}",
            expected="width and height, even numbers from 64 to 4096, not higher than wide",
        )
    if columns not in _MORE_COLUMNS:
        raise InputError(f"--columns {columns}", expected="13, or 14 with that of micro and macro")


def _rows_of(plan: Plan, table: Sequence[Row], subject: int) -> list[Row]:
    return [row for row in table if plan.events[row.event].subject == subject]


def _shots(
    shutter: Callable[[int], Shutter], plan: Plan, event: Expression
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the files of the frames of onset, apex and offset say."""
    seen = shutter(event.subject)
    at = plan.starts()[event.clip] + np.array([event.onset, event.apex, event.offset])
    frames = seen.nearest(at)
    return seen.saved[frames], seen.codes[frames]


def _write_subject(
    study: Study,
    head: HeadModel,
    subject: int,
    devices: Devices,
    own: list[Row],
    kinds: tuple[str, ...],
    rate: int,
    size: tuple[int, int],
    whole: bool,
    folder: Path,
) -> str:
    """Everything that the devices recorded of one subject."""
    plan = study.brain
    place = folder / session_name(plan.subjects[subject], plan.dates[subject])
    body = draw_body(study, subject)
    hold = max(2, round(HOLD_SECONDS * rate))
    if "eeg" in kinds:
        n = _mmme_clocks.n_samples(EEG_CLOCK, study, devices, rate=rate)
        (place / EEG_FILE).parent.mkdir(parents=True)
        write_curry(
            place / EEG_FILE,
            recording(plan, head, subject, rate=rate, beats=body.beats),
            channels=FILE_CHANNELS,
            trigger=TRIGGER_CHANNEL,
            rate=rate,
            n_samples=n,
            markers=_mmme_clocks.samples(EEG_CLOCK, study, devices, rate=rate, n_samples=n),
            hold=hold,
            start=_begins(plan.dates[subject], devices),
        )
    if "biopac" in kinds:
        n = _mmme_clocks.n_samples(BIOPAC_CLOCK, study, devices, rate=rate)
        (place / BIOPAC_FILE).parent.mkdir(parents=True)
        write_biopac(
            place / BIOPAC_FILE,
            _mmme_biopac.blocks(
                body, devices.clocks[BIOPAC_CLOCK], rate=rate, n_samples=n, seed=(plan.seed, subject)
            ),
            labels=BIOPAC_LABELS,
            units=_mmme_biopac.UNITS,
            rate=rate,
            n_samples=n,
            markers=_mmme_clocks.samples(BIOPAC_CLOCK, study, devices, rate=rate, n_samples=n),
            hold=hold,
        )
    if "frames" in kinds:
        shutter = expose_all(study, subject, devices)
        exposures = wanted(plan, subject, shutter, own, whole=whole)
        FrameWriter(plan, subject, shutter, size=size).write(place / FRAMES_FOLDER, exposures, own)
    return f"subject {subject + 1}"


def _begins(date: str, devices: Devices) -> datetime.datetime:
    """Date and time of day of the EEG's first sample, by the clock that stamps the frames."""
    seconds = float(devices.clocks[CAMERA_CLOCK].device(np.array(0.0)))
    return datetime.datetime.strptime(date, "%Y%m%d") + datetime.timedelta(milliseconds=round(1000 * seconds))


def _write_table(table: list[Row], columns: int, folder: Path) -> None:
    with_kind = _MORE_COLUMNS[columns]
    keep = [k for k, name in enumerate(ALL_COLUMNS) if with_kind or name != KIND_COLUMN]
    cells: list[list[object]] = [list(ALL_COLUMNS), *(row.cells() for row in table)]
    write_workbook(
        folder / (CODING_FILE_WITH_KIND if with_kind else CODING_FILE),
        [[row[k] for k in keep] for row in cells],
        title="Sheet1",
    )


def example() -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return {"seed": 0, "subjects": 1, "clips": 7, "seconds": 12.0, "rate": 250}
