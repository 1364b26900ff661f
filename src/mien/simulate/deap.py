"""A made-up DEAP in the layout of the real one, with the truth beside it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, registered
from mien.core.labels import POLICIES
from mien.datasets import _deap_layout as layout
from mien.simulate import _deap_plan as plan_
from mien.simulate import _oracle
from mien.simulate._deap_files import ratings_rows, stimulus_ratings, video_rows, write_csv, write_pickle
from mien.simulate._deap_plan import Plan
from mien.simulate._deap_signal import (
    BAND_EDGES,
    BASE_MICROVOLT2,
    BODY_SOURCES,
    Head,
    draw_head,
    n_times,
    stored_trial,
)
from mien.simulate._deap_times import session_of
from mien.simulate._files import write_mat
from mien.simulate._write import Progress, check_options, write_folder

KINDS = ("preprocessed", "ratings", "video")
"""What is written by default: Python pickles, the two tables as csv, and the videos of faces."""
MORE_KINDS = ("matlab", "original", "tables")
"""Written when asked for: MAT files, BDF recordings, the two tables as xlsx and ods."""
FACE_UNIT = 0.6
"""How far the face moves per unit of a source, in the units of the painted face."""


@registered
def simulate(
    out: str | Path,
    *,
    seed: int,
    subjects: int = 6,
    trials: int = 40,
    seconds: float = 60,
    video_subjects: int | None = None,
    effect: float = 1.0,
    kinds: Sequence[str] = KINDS,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a made-up DEAP.

    Parameters
    ----------
    out
        Folder to make; must not exist or be empty. It appears whole or not at all.
    seed
        Same seed, same bytes, whatever ``workers`` is.
    subjects
        How many people, 1-32. The last third has the numbers of Geneva, 23 on, unless they are filmed.
    trials
        Videos that everybody sees, 8 to 40, a multiple of 4.
    seconds
        Length of a video, 6 to 60, a multiple of 3.
    video_subjects
        How many of the first people have videos of the face; by default all but the last third.
    effect
        Strength of emotion: 0 is none, 1 the calibrated default.
    kinds
        Any of :data:`KINDS` and :data:`MORE_KINDS`. With the defaults a person takes 103 MB as a pickle, as
        much as MAT file, and 250 MB as BDF.
    workers
        Processes that write files side by side.

    Returns
    -------
    Path
        The folder, laid out as the real data set, with ``truth.json`` in it: every parameter of the model
        (:mod:`mien.simulate._deap_plan`), the order of presentation, which windows show something in the
        face and when, and the oracles.

    Raises
    ------
    InputError
        An option is outside its range, or the folder is not empty.
    """
    out = Path(out)
    check_options(
        out, subjects=subjects, max_subjects=layout.N_SUBJECTS, seconds=seconds, effect=effect, kinds=kinds,
        known=(*KINDS, *MORE_KINDS), workers=workers, seconds_range=(6.0, 60.0),
    )  # fmt: skip
    if trials not in range(8, layout.N_TRIALS + 1, 4):
        raise InputError(f"--trials {trials}", expected="a multiple of 4 from 8 to 40")
    if seconds % plan_.WINDOW_SECONDS:
        raise InputError(f"--seconds {seconds:g}", expected="a multiple of 3, the length of a window")
    most = min(subjects, layout.N_FILMED)
    filmed = subjects - max(subjects // 3, subjects - most) if video_subjects is None else video_subjects
    if not 0 <= filmed <= most:
        raise InputError(f"--video-subjects {filmed}", expected=f"0 to {most}")
    plan = plan_.draw(
        seed, subjects=subjects, trials=trials, seconds=int(seconds), filmed=filmed, effect=effect
    )
    head = draw_head(seed)
    return write_folder(
        out,
        _write,
        [(plan, head, *job) for job in _jobs(plan, kinds)],
        truth=partial(_truth, plan, head, kinds=kinds),
        finish=partial(_write_tables, plan, kinds),
        workers=workers,
        progress=progress,
    )


def _jobs(plan: Plan, kinds: Sequence[str]) -> list[tuple[str, int]]:
    """What can be written side by side: (kind, person)."""
    jobs = list(
        itertools.product([k for k in ("video", "original") if k in kinds], range(len(plan.participants)))
    )
    jobs = [(kind, s) for kind, s in jobs if kind != "video" or plan.filmed[s].any()]
    if {"preprocessed", "matlab"} & set(kinds):
        stored = "+".join(k for k in ("preprocessed", "matlab") if k in kinds)
        jobs += [(stored, s) for s in range(len(plan.participants))]
    return jobs


def _write(plan: Plan, head: Head, kind: str, person: int, folder: Path) -> str:
    name = layout.subject_name(plan.participants[person])
    if kind == "video":
        _write_videos(plan, person, folder)
    elif kind == "original":
        from mien.simulate._deap_raw import write_recording

        write_recording(_made(folder, "original") / f"{name}.bdf", plan, head, person)
    else:
        _write_stored(plan, head, person, kind.split("+"), folder)
    return f"{kind} of {name}"


def _made(folder: Path, kind: str) -> Path:
    path = folder / layout.FOLDERS[kind]
    path.mkdir(exist_ok=True)
    return path


def _write_stored(plan: Plan, head: Head, person: int, kinds: Sequence[str], folder: Path) -> None:
    """The preprocessed trials of one person, in the order of videos."""
    name = layout.subject_name(plan.participants[person])
    n = len(plan.quadrant)
    shape = (n, len(layout.EEG) + len(layout.PERIPHERAL), n_times(plan.n_windows))
    labels = plan.ratings[person]
    if "preprocessed" in kinds:
        pieces = (stored_trial(plan, head, person, v) for v in range(n))
        write_pickle(
            _made(folder, "preprocessed") / f"{name}.dat",
            [("labels", labels.shape, [labels]), ("data", shape, pieces)],
        )
    if "matlab" in kinds:
        data = np.empty(shape)
        for v in range(n):
            data[v] = stored_trial(plan, head, person, v)
        write_mat(_made(folder, "matlab") / f"{name}.mat", [("data", data), ("labels", labels)])


def _write_videos(plan: Plan, person: int, folder: Path) -> None:
    from mien.simulate._deap_video import write_trial

    participant = plan.participants[person]
    name = layout.subject_name(participant)
    (_made(folder, "video") / name).mkdir()
    for k, video in enumerate(plan.order[person].tolist()):
        if plan.filmed[person, video]:
            write_trial(
                folder / layout.FOLDERS["video"] / name / f"{name}_trial{k + 1:02d}.avi",
                seed=plan.seed,
                subject=participant,
                trial=k + 1,
                sources=FACE_UNIT * plan.z[person, video][:, plan_.MODALITIES["face"]],
                shown=shown(plan, person, video),
                seconds=plan.seconds,
                rest=FACE_UNIT * plan.offset[person, plan_.MODALITIES["face"]],
            )


def shown(plan: Plan, person: int, video: int) -> NDArray[np.float64]:
    """(windows, 2): starts and ends of what the face shows, in seconds from the start of the video."""
    start = plan.shown[person, video]
    return np.round(np.column_stack([start, start + 0.9]), 6)


def _write_tables(plan: Plan, kinds: Sequence[str], folder: Path) -> None:
    starts = [[round(1e6 * t) for t in session_of(plan, s).videos] for s in range(len(plan.participants))]
    tables = {layout.RATINGS: ratings_rows(plan, starts), layout.VIDEO_LIST: video_rows(plan)}
    for name, rows in tables.items():
        if "ratings" in kinds:
            (folder / "metadata_csv").mkdir(exist_ok=True)
            write_csv(folder / "metadata_csv" / f"{name}.csv", rows)
        if "tables" in kinds:
            from mien.simulate._deap_tables import write_ods
            from mien.simulate._files import write_workbook

            for ending in ("xls", "ods"):
                (folder / f"metadata_{ending}").mkdir(exist_ok=True)
            write_workbook(
                folder / "metadata_xls" / f"{name}.xlsx", [[None if x == "" else x for x in r] for r in rows]
            )
            write_ods(folder / "metadata_ods" / f"{name}.ods", rows)


MODALITIES = tuple("+".join(c) for n in (3, 2, 1) for c in itertools.combinations(plan_.MODALITIES, n))
"""Every subset of EEG, face and body."""


def _oracles(plan: Plan) -> dict[str, Any]:
    """Oracles by label policy: ``[policy][kind][modalities][level] -> {accuracy, se, n}``.

    A trial that was not filmed is judged by what else it has, and left out where it has nothing else.
    """
    model = plan_.model_of(plan)
    released = POLICIES["released"]
    by_rule = np.array(
        [
            [released.classes.index(str(released.word({"valence": v, "arousal": a}))) for v, a, _, _ in rows]
            for rows in plan.ratings
        ]
    )
    asked: dict[str, dict[str, Any]] = {
        "quadrant": {},
        "released": {"labels": by_rule},
        "valence": {"merged": plan_.HIGH["valence"].tolist()},
        "arousal": {"merged": plan_.HIGH["arousal"].tolist()},
    }

    def found(policy: str, kind: str, modalities: str, level: Any) -> dict[str, float]:
        size = _oracle.sizes(model, level)
        right = partial(_oracle.hits, model, kind=kind, level=level, **asked[policy])
        count = right(sources=plan_.sources_of(modalities))
        rest = [m for m in modalities.split("+") if m != "face"]
        if len(rest) < len(modalities.split("+")):
            other = right(sources=plan_.sources_of("+".join(rest))) if rest else np.zeros_like(count)
            count = np.where(plan.filmed, count, other)
            size = size if rest else size * plan.filmed
        return vars(_oracle.pooled(count, size))

    known = [m for m in MODALITIES if plan.filmed.any() or "face" not in m.split("+")]
    return {
        policy: {
            kind: {m: {level: found(policy, kind, m, level) for level in ("window", "trial")} for m in known}
            for kind in _oracle.KINDS
        }
        for policy in asked
    }


def _truth(plan: Plan, head: Head, *, kinds: Sequence[str]) -> dict[str, Any]:
    names = [layout.subject_name(p) for p in plan.participants]
    videos = range(len(plan.quadrant))
    oracles = _oracles(plan)
    people = [(s, p, v) for s, p in enumerate(plan.participants) for v in videos]
    return {
        "simulated": True,
        "dataset": "deap",
        "seed": plan.seed,
        "layout": {"trials": len(videos), "seconds": plan.seconds, "baseline": layout.BASELINE_SECONDS},
        "subjects": names,
        "kinds": list(kinds),
        "effect": plan.effect,
        "classes": list(plan_.QUADRANTS),
        "quadrant": {layout.stimulus_name(v + 1): plan_.QUADRANTS[plan.quadrant[v]] for v in videos},
        "reported": {layout.trial_name(p, v + 1): plan_.QUADRANTS[plan.classes[s, v]] for s, p, v in people},
        "stimulus_ratings": stimulus_ratings(plan).tolist(),
        "order": {name: (plan.order[s] + 1).tolist() for s, name in enumerate(names)},
        "filmed": [layout.trial_name(p, v + 1) for s, p, v in people if plan.filmed[s, v]],
        "shown": {
            layout.trial_name(p, v + 1): shown(plan, s, v).tolist() for s, p, v in people if plan.filmed[s, v]
        },
        "video_starts": {name: list(session_of(plan, s).videos) for s, name in enumerate(names)},
        "model": {
            "text": plan_.__doc__,
            "window_seconds": plan_.WINDOW_SECONDS,
            "sources": {name: part.stop - part.start for name, part in plan_.MODALITIES.items()},
            "gain": {name: float(plan.gain[part.start]) for name, part in plan_.MODALITIES.items()},
            "offset_sd": plan_.OFFSET_SD,
            "fingerprint_sd": plan_.FINGERPRINT_SD,
            "aside_sd": plan_.ASIDE_SD,
            "state_sd": plan_.STATE_SD,
            "noise_sd": plan_.NOISE_SD,
            "noise_ar": plan_.NOISE_AR,
            "agreement": plan_.AGREEMENT,
            "offset": plan.offset.tolist(),
            "fingerprint": plan.fingerprint.tolist(),
            "state": plan.state.round(6).tolist(),
            "pattern": plan.pattern.tolist(),
            "intensity": plan.intensity.round(6).tolist(),
        },
        "eeg": {
            "bands": [list(edges) for edges in BAND_EDGES],
            "channels": list(layout.EEG),
            "base_microvolt2": list(BASE_MICROVOLT2),
            "mixing": head.mixing.tolist(),
            "baseline": head.baseline.tolist(),
        },
        "face": {"unit": FACE_UNIT},
        "body": {"sources": list(BODY_SOURCES)},
        "oracle": oracles["quadrant"],
        "oracles": oracles,
    }


def example() -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return {"seed": 0, "subjects": 1, "trials": 8, "seconds": 6, "video_subjects": 1}
