"""The coding table of a made-up MEs-EEG, with what is odd about the real one.

Three batches of rows, one after the other. In the first and the third a frame stamp ends in the camera's
frame counter (1 to 1000, again and again) and ``dif`` counts frames; in the second there is no counter, and
``dif`` is the difference of the milliseconds' fields alone. In some rows the offset was not coded and repeats
the apex. Some expressions are coded twice, by two people who may disagree on times, action units and type.
The video of one subject in six lost frames now and then: the seconds, which count frames, fall behind the
stamps, which are the time of day."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.datasets._mes_eeg_layout import CLIP_INDEX, EMOTIONS, FILE_WORDS, FRAME_COUNTER, row_key
from mien.simulate import _mes_plan as plan_
from mien.simulate._mes_plan import Expression, Plan

BATCHES = (0.49, 0.28, 0.23)
"""Shares of the rows."""
NO_OFFSET = {True: 0.26, False: 0.55}
"""Share of rows whose offset repeats the apex; micro and macro."""
TWICE = 0.15
"""Share of expressions coded twice."""
OTHER_TYPE, OTHER_AUS = 0.16, 0.42
"""Share of second codings that disagree."""
LOSSY, LOST = 1 / 6, 0.2
"""Share of subjects whose camera loses frames, and share of their expressions in which it does."""
_RATES = (*range(138, 151), 98, 105, 110)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row; ``event`` is the position of its expression in ``plan.events``, ``fps`` that of the cut
    video."""

    event: int
    coder: int
    batch: int
    subject: str
    date: str
    marker: int
    filename: str
    word: str
    onset: float
    apex: float
    offset: float
    stamps: tuple[str, str, str]
    aus: tuple[int, ...]
    micro: bool
    coded_on: str
    dif: int
    fps: int

    @property
    def key(self) -> str:
        """Name of its folder of frames."""
        return row_key(self.word, self.subject, self.date, self.marker, self.onset, self.apex, self.offset)

    @property
    def type(self) -> str:
        """``Micro`` or ``Macro``."""
        return "Micro" if self.micro else "Macro"

    def cells(self) -> list[object]:
        """The 14 cells, in the order of the table's columns."""
        return [
            *(self.subject, self.filename, self.marker, self.onset, self.apex, self.offset, *self.stamps),
            *(", ".join(f"AU{a}" for a in self.aus), self.word, self.type, self.coded_on, self.dif),
        ]


Shots = Callable[[Plan, Expression], tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Stamps of the frames of onset, apex and offset of an expression, in milliseconds of the day, and what the
camera's counter said."""


def rows(plan: Plan, *, shots: Shots | None = None) -> list[Row]:
    """All rows, batch after batch; ``shots`` where there is a camera whose frames exist."""
    out: list[Row] = []
    n = len(plan.events)
    batch = np.searchsorted(np.cumsum(BATCHES), (np.arange(n) + 0.5) / max(n, 1))
    for i, event in enumerate(plan.events):
        rng = np.random.default_rng([plan.seed, 36, event.subject, plan.clips[event.clip], event.number])
        first = min(int(batch[i]), len(BATCHES) - 1)
        # two codings of one expression both give the offset or neither does: their overlap makes them one
        seen = [
            event if rng.random() >= NO_OFFSET[event.micro] else dataclasses.replace(event, offset=event.apex)
        ]
        if rng.random() < TWICE:
            again = _recoded(event, rng)
            seen.append(again if seen[0] is event else dataclasses.replace(again, offset=again.apex))
        for coder, coded in enumerate(seen, start=1):
            in_batch = (first + coder - 1) % len(BATCHES)
            shot = (shots or _shots)(plan, coded)
            out.append(_row(plan, i, coded, shot, coder=coder, batch=in_batch, rng=rng))
    return sorted(out, key=lambda r: (r.batch, r.subject, r.marker, r.onset, r.coder))


def _recoded(event: Expression, rng: np.random.Generator) -> Expression:
    """The same expression as somebody else sees it: times up to a tenth of its length off."""
    rise, length = event.apex - event.onset, event.offset - event.onset
    by = rng.uniform(-0.1, 0.1, 3) * [rise, rise, length]
    onset, apex = round(event.onset + float(by[0]), 2), round(event.apex + float(by[1]), 2)
    if (onset, apex) == (event.onset, event.apex):  # the times name the folder: two codings need two
        onset = round(onset - 0.01, 2)
    aus = event.aus
    if rng.random() < OTHER_AUS:
        extra = int(rng.choice([a for a in plan_.AUS if a not in aus]))
        aus = aus[:-1] if len(aus) > 1 and rng.random() < 0.5 else (*aus, extra)
    return dataclasses.replace(
        event,
        onset=onset,
        apex=apex,
        offset=round(max(event.offset + float(by[2]), apex + 0.01), 2),
        aus=aus,
        micro=event.micro != bool(rng.random() < OTHER_TYPE),
    )


def _shots(plan: Plan, event: Expression) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What a camera of which no frame exists would have said."""
    fps = frame_rate(plan, event.subject, event.clip)
    times = np.array([event.onset, event.apex, event.offset])
    clock = np.rint(1000 * (_begin(plan, event) + times + [0, *[dropped(plan, event)] * 2])).astype(np.int64)
    of_clip = np.random.default_rng([plan.seed, 38, event.subject, plan.clips[event.clip]])
    first = int(of_clip.integers(0, FRAME_COUNTER))
    return clock, (first + np.rint(fps * times).astype(np.int64)) % FRAME_COUNTER + 1


def _row(
    plan: Plan,
    i: int,
    event: Expression,
    shot: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    coder: int,
    batch: int,
    rng: np.random.Generator,
) -> Row:
    marker = plan.clips[event.clip]
    word = FILE_WORDS[EMOTIONS[event.emotion]]
    name, date = plan.subjects[event.subject], plan.dates[event.subject]
    fps = frame_rate(plan, event.subject, event.clip)
    clock, code = shot
    stamps = [_stamp(int(t)) for t in clock]
    if batch == 1:
        dif = int(clock[1] % 1000 - clock[0] % 1000) % 1000 + 1
    else:
        stamps = [f"{stamp}-{k}" for stamp, k in zip(stamps, code, strict=True)]
        dif = int(code[1] - code[0]) % FRAME_COUNTER + 1
    when = np.datetime64("2024-05-09T09:00") + np.timedelta64(int(rng.integers(0, 89 * 24 * 60)), "m")
    day, hour = str(when).split("T")
    return Row(
        event=i,
        coder=coder,
        batch=batch,
        subject=name,
        date=date,
        marker=marker,
        filename=f"{word}_{CLIP_INDEX[marker]}_{marker}_{name}_{date}.avi",
        word=word,
        onset=event.onset,
        apex=event.apex,
        offset=event.offset,
        stamps=(stamps[0], stamps[1], stamps[2]),
        aus=tuple(sorted(event.aus)),
        micro=event.micro,
        coded_on="{}年{}月{}日-{}时{}分".format(*day.split("-"), *hour.split(":")),
        dif=dif,
        fps=fps,
    )


def _begin(plan: Plan, event: Expression) -> float:
    """Time of day at which the event's clip started, in seconds."""
    own = np.random.default_rng([plan.seed, 37, event.subject])
    return float(own.uniform(9, 17)) * 3600 + float(plan.starts()[event.clip])


def dropped(plan: Plan, event: Expression) -> float:
    """Seconds of frames that the camera lost between onset and apex."""
    lossy = np.random.default_rng([plan.seed, 41, event.subject]).random() < LOSSY
    own = np.random.default_rng([plan.seed, 42, event.subject, plan.clips[event.clip], event.number])
    lost, length = own.random() < LOST, float(own.uniform(0.06, 0.3))
    return length if lossy and lost else 0.0


def frame_rate(plan: Plan, subject: int, clip: int) -> int:
    """Frames per second of the camera in a clip: a camera of its own for each subject, a little more or
    less."""
    own = np.random.default_rng([plan.seed, 39, subject])
    base = int(own.choice(_RATES))
    of_clip = np.random.default_rng([plan.seed, 40, subject, plan.clips[clip]])
    return int(np.clip(base + of_clip.integers(-3, 4), 98, 157))


def _stamp(milliseconds: int) -> str:
    seconds, ms = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}-{seconds // 60 % 60:02d}-{seconds % 60:02d}-{ms:03d}"
