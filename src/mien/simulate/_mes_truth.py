"""What ``truth.json`` of a made-up MEs-EEG says, and the true flow made again from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Event, InputError, UnknownNameError
from mien.core.pseudonyms import PUBLIC_KEY, pseudonyms
from mien.datasets._mes_eeg_layout import CALM, EMOTIONS, THREE, THREE_CLASSES, TRUTH
from mien.simulate import _mes_faces as faces
from mien.simulate import _mes_motion as motion
from mien.simulate import _mes_oracle
from mien.simulate import _mes_plan as plan_
from mien.simulate._mes_eeg_signal import EDGES
from mien.simulate._mes_plan import Plan
from mien.simulate._mes_table import Row, dropped, rows


def truth_of(plan: Plan, *, options: Mapping[str, Any], head: Any) -> dict[str, Any]:
    """Everything as plain data."""
    table = rows(plan)
    codings: dict[int, list[Row]] = {}
    for row in table:
        codings.setdefault(row.event, []).append(row)
    words = [*EMOTIONS, CALM]
    by_three = _mes_oracle.table(plan, classes=len(THREE_CLASSES))
    stand_ins = pseudonyms(plan.subjects, key=PUBLIC_KEY)
    return {
        "simulated": True,
        "dataset": "mes_eeg",
        "seed": plan.seed,
        "options": dict(options),
        "subjects": list(plan.subjects),
        "pseudonyms": stand_ins,
        "dates": list(plan.dates),
        "clips": list(plan.clips),
        "clip_emotions": [words[k] for k in plan.emotions],
        "clip_seconds": plan.seconds.tolist(),
        "clip_starts": plan.starts().tolist(),
        "effect": plan.effect,
        "emotions": list(EMOTIONS),
        "classes": {e: THREE[e] for e in EMOTIONS},
        "model": {
            "text": plan_.__doc__,
            "gain": plan.gain,
            "honesty": plan_.HONESTY,
            "prototypes": {e: {f"AU{a}": p for a, p in aus.items()} for e, aus in plan_.PROTOTYPES.items()},
            "spontaneous": plan_.SPONTANEOUS,
            "offset_sd": plan_.OFFSET_SD,
            "fingerprint_sd": plan_.FINGERPRINT_SD,
            "noise_sd": plan_.NOISE_SD,
            "noise_ar": plan_.NOISE_AR,
            "offset": plan.offset.tolist(),
            "fingerprint": plan.fingerprint.tolist(),
            "pattern": plan.pattern.tolist(),
            "clip_drift": plan.clip_drift.tolist(),
            "clip_gaze": plan.clip_gaze.tolist(),
        },
        "eeg": {
            "edges_hz": list(EDGES),
            "mixing": head.mixing.tolist(),
            "baseline": head.baseline.tolist(),
            "whole_clips": plan.eeg_stop.tolist(),
        },
        "face": {
            "noise_sd": motion.NOISE_SD,
            "flicker": motion.FLICKER,
            "people": [vars(faces.draw_person(plan.seed, s)) for s in range(len(plan.subjects))],
        },
        "events": [_event(plan, i, codings[i], stand_ins) for i in range(len(plan.events))],
        "counts": {c: sum(THREE[EMOTIONS[e.emotion]] == c for e in plan.events) for c in THREE_CLASSES},
        "n_rows": len(table),
        "oracle": by_three,
        "oracles": {"emotion3": by_three, "emotion": _mes_oracle.table(plan, classes=len(EMOTIONS))},
    }


def _event(plan: Plan, i: int, coded: Sequence[Row], stand_ins: Mapping[str, str]) -> dict[str, Any]:
    e = plan.events[i]
    name, date, marker = plan.subjects[e.subject], plan.dates[e.subject], plan.clips[e.clip]
    return {
        "id": f"{stand_ins[name]}_{date}_{marker}_e{e.number:02d}",
        "subject": name,
        "marker": marker,
        "number": e.number,
        "kind": "micro" if e.micro else "macro",
        "emotion": EMOTIONS[e.emotion],
        "class": THREE[EMOTIONS[e.emotion]],
        "shown": EMOTIONS[e.shown],
        "onset": e.onset,
        "apex": e.apex,
        "offset": e.offset,
        "lost_seconds": dropped(plan, e),
        "action_units": {f"AU{a}": size for a, size in zip(e.aus, e.amplitudes, strict=True)},
        "sides": list(e.sides),
        "drift": list(e.drift),
        "gaze": list(e.gaze),
        "pose": list(e.pose),
        "blinks": plan.blinks(e.subject, e.clip).tolist(),
        "rows": [
            {"key": r.key, "coder": r.coder, "type": r.type, "aus": list(r.aus), "fps": r.fps} for r in coded
        ],
    }


_EVENT_ID = re.compile(r"p[0-9a-f]+_\d{8}_\d{3}_e\d{2}")


def true_flow(root: str | Path, event: Event | str) -> NDArray[np.float32]:
    """See :func:`mien.simulate.true_flow`."""
    truth = _read(Path(root))
    plan = _plan(json.dumps([truth["seed"], truth["options"]], sort_keys=True))
    # gain and first event change with any constant of the model; the last digits may change with the machine
    if not np.isclose(truth["model"]["gain"], plan.gain, rtol=1e-9) or len(truth["events"]) != len(
        plan.events
    ):
        raise InputError(
            "was made by another version of mien",
            file=root,
            expected="made-up data of this version, whose faces can be made again from the seed",
            remedy="simulate it again",
        )
    name = event.id or "" if isinstance(event, Event) else event
    i, row = _find(truth, plan, name)
    e = plan.events[i]
    person, blinks = faces.draw_person(plan.seed, e.subject), plan.blinks(e.subject, e.clip)
    first, second = (motion.state(person, e, t, blinks=blinks) for t in (row.onset, row.apex))
    return motion.flow(first, second)


def _find(truth: Mapping[str, Any], plan: Plan, name: str) -> tuple[int, Row]:
    """The event of an id, or of the name of a row's folder; of an id, the row that comes first in the
    table."""
    table = rows(plan)
    if _EVENT_ID.fullmatch(name):
        ids = [e["id"] for e in truth["events"]]
        if name in ids:
            i = ids.index(name)
            return i, next(row for row in table if row.event == i)
        raise UnknownNameError("event", name, ids)
    for row in table:
        if row.key == name:
            return row.event, row
    raise UnknownNameError("event", name, [e["id"] for e in truth["events"]])


def _read(path: Path) -> dict[str, Any]:
    file = path / TRUTH if path.is_dir() else path
    if not file.is_file():
        raise InputError(
            "is not there", file=file, expected=f"the {TRUTH} of a made-up data set", remedy="check the path"
        )
    truth = json.loads(file.read_text(encoding="utf-8"))
    if truth.get("dataset") != "mes_eeg":
        raise InputError(f"is about {truth.get('dataset')!r}", file=file, expected="a made-up mes_eeg")
    return dict(truth)


@lru_cache(maxsize=2)
def _plan(text: str) -> Plan:
    seed, options = json.loads(text)
    names = ("subjects", "clips", "events_per_clip", "seconds", "effect", "truncated")
    return plan_.draw(seed, **{name: options[name] for name in names})
