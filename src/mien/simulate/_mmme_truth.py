"""What ``truth.json`` of a made-up MMME says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mien.core.pseudonyms import PUBLIC_KEY, pseudonyms
from mien.datasets._mes_eeg_layout import CALM, EMOTIONS, THREE, THREE_CLASSES
from mien.datasets._mmme_layout import BIOPAC_CLOCK, CAMERA_CLOCK, EEG_CLOCK
from mien.simulate import _mes_faces as faces
from mien.simulate import _mes_motion as motion
from mien.simulate import _mes_plan as plan_
from mien.simulate import _mmme_oracle
from mien.simulate import _mmme_plan as mmme_
from mien.simulate._mes_eeg_signal import EDGES
from mien.simulate._mes_plan import Plan
from mien.simulate._mes_table import Row
from mien.simulate._mmme_body import Body, draw_body
from mien.simulate._mmme_clocks import Devices, Shutter, triggers
from mien.simulate._mmme_plan import Study, recording_ids


def truth_of(
    study: Study,
    *,
    devices: Sequence[Devices],
    shutter: Callable[[int], Shutter],
    table: Sequence[Row],
    options: Mapping[str, Any],
    head: Any,
) -> dict[str, Any]:
    """Everything as plain data; times of a recording are true, which is to say the EEG's."""
    plan = study.brain
    codings: dict[int, list[Row]] = {}
    for row in table:
        codings.setdefault(row.event, []).append(row)
    words = [*EMOTIONS, CALM]
    stand_ins = pseudonyms(plan.subjects, key=PUBLIC_KEY)
    ids = recording_ids(plan, stand_ins)
    seen = _mmme_oracle.see(study)
    three, seven = (_mmme_oracle.table(study, classes=n, seen=seen) for n in (3, len(EMOTIONS)))
    return {
        "simulated": True,
        "dataset": "mmme",
        "seed": plan.seed,
        "options": dict(options),
        "subjects": list(plan.subjects),
        "pseudonyms": stand_ins,
        "dates": list(plan.dates),
        "recordings": ids,
        "clips": list(plan.clips),
        "clip_emotions": [words[k] for k in plan.emotions],
        "clip_seconds": plan.seconds.tolist(),
        "clip_starts": plan.starts().tolist(),
        "seconds": study.seconds,
        "effect": plan.effect,
        "emotions": list(EMOTIONS),
        "classes": {e: THREE[e] for e in EMOTIONS},
        "model": _model(study),
        "eeg": {"edges_hz": list(EDGES), "mixing": head.mixing.tolist(), "baseline": head.baseline.tolist()},
        "face": {
            "noise_sd": motion.NOISE_SD,
            "flicker": motion.FLICKER,
            "people": [vars(faces.draw_person(plan.seed, s)) for s in range(len(ids))],
        },
        "triggers": [{"time": time, "marker": code} for time, code in triggers(study)],
        "clocks": {
            i: {name: {"offset": c.offset, "drift": c.drift} for name, c in d.clocks.items()}
            for i, d in zip(ids, devices, strict=True)
        },
        "clocks_text": "true time = offset + (1 + drift) * the device's time; true time 0 is the first "
        f"sample of the EEG. {EEG_CLOCK} and {BIOPAC_CLOCK}: seconds from the first sample of their files; "
        f"{CAMERA_CLOCK}: seconds since midnight of the computer that stamps the frames.",
        "faults": {i: [vars(f) for f in d.faults] for i, d in zip(ids, devices, strict=True)},
        "cameras": {i: _camera(devices[s], shutter(s)) for s, i in enumerate(ids)},
        "bodies": {i: _body(draw_body(study, s)) for s, i in enumerate(ids)},
        "events": [_event(study, i, codings[i], ids) for i in range(len(plan.events))],
        "counts": {c: sum(THREE[EMOTIONS[e.emotion]] == c for e in plan.events) for c in THREE_CLASSES},
        "n_rows": len(table),
        "oracle": three,
        "oracles": {
            "emotion3": _mmme_oracle.by_stream(three),
            "emotion": _mmme_oracle.by_stream(seven),
        },
        "oracle_of_seven": seven,
    }


def _model(study: Study) -> dict[str, Any]:
    return {
        "text": mmme_.__doc__,
        "honesty": plan_.HONESTY,
        "prototypes": {e: {f"AU{a}": p for a, p in aus.items()} for e, aus in plan_.PROTOTYPES.items()},
        "spontaneous": plan_.SPONTANEOUS,
        "offset_sd": plan_.OFFSET_SD,
        "fingerprint_sd": plan_.FINGERPRINT_SD,
        "noise_sd": plan_.NOISE_SD,
        "noise_ar": plan_.NOISE_AR,
        "body_sources": list(mmme_.BODY),
        "gain": study.brain.gain,
        "brain": _sources(study.brain),
        "body": _sources(study.body),
        "clip_drift": study.brain.clip_drift.tolist(),
        "clip_gaze": study.brain.clip_gaze.tolist(),
    }


def _sources(plan: Plan) -> dict[str, Any]:
    return {
        "gain": plan.gain,
        "offset": plan.offset.tolist(),
        "fingerprint": plan.fingerprint.tolist(),
        "pattern": plan.pattern.tolist(),
    }


def _camera(devices: Devices, shutter: Shutter) -> dict[str, Any]:
    """Exposure ``k`` (from 0) is at ``first + k / rate`` on the camera's clock, and its counter is ``(code
    - 1 + k) % 1000 + 1``; ``dropped`` are first exposure and length of runs that were not saved."""
    edges = np.diff(np.concatenate([[0], shutter.dropped.astype(np.int8), [0]]))
    first, stop = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return {
        "first": devices.first,
        "rate": devices.rate,
        "code": devices.code,
        "exposures": len(shutter.true),
        "dropped": np.column_stack([first, stop - first]).tolist(),
    }


def _body(body: Body) -> dict[str, Any]:
    """Beats and feet of pulses in true time; skin conductance responses as time of the rise, height in µS,
    and the place among the subject's expressions of the one behind it (-1: none)."""
    return {
        "beats": body.beats.round(4).tolist(),
        "pulses": body.pulses.round(4).tolist(),
        "responses": [[round(t, 3), round(a, 4), int(k)] for t, a, k in body.responses.tolist()],
    }


def _event(study: Study, i: int, coded: Sequence[Row], ids: Sequence[str]) -> dict[str, Any]:
    plan = study.brain
    e = plan.events[i]
    begin = float(plan.starts()[e.clip])
    return {
        "id": f"{ids[e.subject]}_{plan.clips[e.clip]}_e{e.number:02d}",
        "recording": ids[e.subject],
        "subject": plan.subjects[e.subject],
        "marker": plan.clips[e.clip],
        "number": e.number,
        "kind": "micro" if e.micro else "macro",
        "emotion": EMOTIONS[e.emotion],
        "class": THREE[EMOTIONS[e.emotion]],
        "shown": EMOTIONS[e.shown],
        "onset": e.onset,
        "apex": e.apex,
        "offset": e.offset,
        "time": round(begin + e.apex, 2),
        "action_units": {f"AU{a}": size for a, size in zip(e.aus, e.amplitudes, strict=True)},
        "sides": list(e.sides),
        "drift": list(e.drift),
        "gaze": list(e.gaze),
        "pose": list(e.pose),
        "blinks": plan.blinks(e.subject, e.clip).tolist(),
        "rows": [{"key": r.key, "coder": r.coder, "type": r.type, "aus": list(r.aus)} for r in coded],
    }
