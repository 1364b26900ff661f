"""The look at all files of a copy of DEAP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from mien.core.errors import InputError
from mien.datasets._deap_copy import MATLAB, ORIGINAL, PYTHON, VIDEO, Copy
from mien.datasets._deap_face import look_at_video
from mien.datasets._deap_layout import FOLDERS, N_FILMED, NO_FAMILIARITY, RATINGS, VIDEO_LIST, subject_name
from mien.datasets._deap_recordings import Part, raw_part, stored_part
from mien.datasets._deap_stored import CHANNELS, content, open_stored
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._seed_survey import ranges

Progress = Callable[[int, int, str], None]


def inspect_copy(
    copy: Copy, *, extra: Iterable[Fault], counts: Mapping[str, float], progress: Progress | None
) -> Inspection:
    """Counts, faults and notes; one array, status channel or video at a time.

    Parameters
    ----------
    extra
        Faults that were found before.
    counts
        What a complete published copy holds.
    """
    people = sorted({n for kind in (PYTHON, MATLAB, ORIGINAL) for n in copy.files.get(kind, ())})
    n_videos = sum(map(len, copy.videos.values()))
    total, done = sum(map(len, copy.files.values())) + n_videos, 0
    faults = [*copy.faults, *extra]
    found: list[dict[str, Any]] = []
    for n in people:
        row: dict[str, Any] = {"subject": subject_name(n)}

        def tell(path: object) -> None:
            nonlocal done
            if progress is not None:
                progress(done, total, str(path))
            done += 1

        part = Part(recording=None, faults=())
        if n in copy.files.get(PYTHON, {}) or n in copy.files.get(MATLAB, {}):
            for kind in (PYTHON, MATLAB):
                if n in copy.files.get(kind, {}):
                    tell(copy.files[kind][n])
            part = stored_part(copy, n, faces=True)
            faults += [*part.faults, *_look_at_stored(part), *_look_at_second(copy, n, part)]
            row["trials"] = len(part.recording.trials) if part.recording else 0
        if n in copy.files.get(ORIGINAL, {}):
            tell(copy.files[ORIGINAL][n])
            row |= _look_at_original(copy, n, faults)
        row["face_videos"] = len(copy.videos.get(n, ()))
        for video in part.videos:
            tell(video.path)
            faults += look_at_video(video, subject_name(n))[1]
        found.append(row)
    if progress is not None:
        progress(total, total, "")
    return Inspection(
        dataset="deap",
        root=str(copy.root),
        found=tuple(found),
        counts=_counts(copy, found, counts),
        faults=tuple(dict.fromkeys(faults)),
        notes=tuple(_notes(copy)),
    )


def _look_at_stored(part: Part) -> list[Fault]:
    """Values that are no numbers, and channels that never change within a trial."""
    if part.stored is None:
        return []
    path = part.stored.path
    data = content(path)[0]
    holes: list[int] = []
    flat: dict[str, list[int]] = {}
    for video, trial in enumerate(data, start=1):
        if not np.isfinite(trial).all():
            holes.append(video)
        for k in np.flatnonzero(np.ptp(trial, axis=1) == 0):
            flat.setdefault(CHANNELS[k], []).append(video)
    reasons = {f"video {ranges(holes)}": "NaN or infinite values; expected numbers"} if holes else {}
    reasons |= {
        f"channel {name}, video {ranges(videos)}": "holds one value all through; expected a signal"
        for name, videos in flat.items()
    }
    subject = path.stem
    return [
        Fault(file=str(path), item=item, reason=reason, subject=subject, severity="kept")
        for item, reason in reasons.items()
    ]


def _look_at_second(copy: Copy, participant: int, part: Part) -> list[Fault]:
    """What is wrong with the MATLAB file where the Python file is read."""
    path = copy.files.get(MATLAB, {}).get(participant)
    if path is None or part.stored is None or part.stored.path == path:
        return []
    subject = subject_name(participant)
    try:
        _, labels = open_stored(path, copy.layout)
    except InputError as error:
        return [fault_of(error, subject=subject)]
    if np.abs(labels - content(part.stored.path)[1]).max() < 0.01:
        return []
    reason = f"labels differ from those of {part.stored.path.name}, which are used"
    return [Fault(file=str(path), reason=reason, subject=subject)]


def _look_at_original(copy: Copy, participant: int, faults: list[Fault]) -> dict[str, Any]:
    """A row about an original recording; adds what is wrong with it."""
    if copy.ratings is None:
        return {"original_trials": None}
    part = raw_part(copy, participant, faces=False)
    faults += part.faults
    if part.original is None or part.recording is None:
        return {"original_trials": 0}
    return {
        "original_trials": len(part.recording.trials),
        "original_minutes": part.original.edf.span.duration / 60,
        "original_rate": part.original.edf.rate,
    }


def _counts(
    copy: Copy, found: list[dict[str, Any]], whole: Mapping[str, float]
) -> dict[str, tuple[float, float | None]]:
    """What was found against a complete copy, for the parts that are there."""
    rows = 0 if copy.ratings is None else sum(map(len, copy.ratings.of.values()))
    numbers: dict[str, float] = {}
    if PYTHON in copy.folders or MATLAB in copy.folders:
        numbers |= {
            "subjects": sum("trials" in row for row in found),
            "trials": sum(row.get("trials", 0) for row in found),
        }
    if copy.ratings is not None:
        numbers["ratings"] = rows
    if VIDEO in copy.folders:
        numbers |= {
            "subjects with face video": len(copy.videos),
            "face videos": sum(map(len, copy.videos.values())),
        }
    if ORIGINAL in copy.folders:
        numbers["original recordings"] = len(copy.files[ORIGINAL])
    return {name: (n, None if copy.layout.simulated else whole.get(name)) for name, n in numbers.items()}


def _notes(copy: Copy) -> list[str]:
    """What a reader should know besides."""
    notes = []
    layout = copy.layout
    if layout.simulated:
        notes.append(
            f"made-up data: {layout.trials} trials of {layout.seconds} s by truth.json; counts are not "
            "compared with the card"
        )
    absent = [folder for kind, folder in FOLDERS.items() if kind not in copy.folders]
    if absent:
        notes.append(f"folders that are not there: {', '.join(absent)}")
    if copy.ratings is None:
        notes.append(
            f"no usable {RATINGS}: labels were not compared, familiarity is unknown, and neither face videos "
            "nor original recordings can be placed"
        )
    else:
        notes.append(f"ratings come from {copy.ratings.path.name}")
        some = [n for n, by in copy.ratings.of.items() if any(r.familiarity is None for r in by.values())]
        if some:
            known = [n for n in some if n in NO_FAMILIARITY]
            notes.append(
                f"no familiarity of {', '.join(map(subject_name, sorted(some)))}"
                + (" (as published)" if known == some else "")
            )
    if not copy.averages:
        notes.append(f"no {VIDEO_LIST} with averages: there are no ratings of the stimulus")
    if VIDEO in copy.folders and not layout.simulated:
        lacking = {n: 40 - len(by) for n, by in copy.videos.items() if n <= N_FILMED and len(by) < 40}
        if lacking:
            shown = ", ".join(f"{subject_name(n)} {k}" for n, k in lacking.items())
            notes.append(f"face videos that are not there: {shown} (published: some of s03, s05, s11, s14)")
    return notes
