"""The look at all data of a copy of SEED, SEED-IV or SEED-V."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mien.core.errors import InputError
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._seed_siblings import SESSIONS, Piece, Sitting, Survey
from mien.datasets._seed_siblings_load import seconds_of
from mien.datasets._seed_survey import ranges


def inspect_survey(seen: Survey, *, progress: Callable[[int, int, str], None] | None = None) -> Inspection:
    """Counts, faults and notes of a survey; reads every array once, one at a time."""
    faults = list(seen.faults)
    if seen.disagreement is not None:
        faults.append(fault_of(seen.disagreement))
    total = sum(len(pieces) for sitting in seen.sittings for pieces in sitting.clips.values())
    done = 0
    for sitting in seen.sittings:
        holes: dict[tuple[str, str], list[int]] = {}
        for piece in _by_file(seen, sitting):
            if progress is not None:
                progress(done, total, str(piece.file.path))
            done += 1
            try:
                whole = bool(np.isfinite(piece.read()).all())
            except InputError as error:
                faults.append(fault_of(error, item=f"clip {piece.clip}", subject=sitting.subject))
                continue
            if not whole:
                holes.setdefault((str(piece.file.path), piece.kind.stream), []).append(piece.clip)
        faults.extend(
            Fault(
                file=file,
                item=f"session {sitting.session} clip {ranges(clips)}",
                reason=f"NaN or infinite values in {stream}; expected numbers",
                subject=sitting.subject,
                severity="kept",
            )
            for (file, stream), clips in holes.items()
        )
    if progress is not None:
        progress(total, total, "")
    notes = list(seen.notes)
    if seen.simulated:
        notes.insert(0, "made-up data: counts are compared with the clips in truth.json, not with the card")
    absent = dict.fromkeys(kind.folder for kind in seen.kinds if kind.folder not in seen.n_files)
    if absent:
        notes.append(f"folders that are not there: {', '.join(absent)}")
    return Inspection(
        dataset=seen.dataset,
        root=str(seen.root),
        found=tuple(_found(seen)),
        counts=_counts(seen) if seen.n_files else {},
        faults=tuple(faults),
        notes=tuple(notes),
    )


def _by_file(seen: Survey, sitting: Sitting) -> Iterator[Piece]:
    for kind in seen.kinds:
        for pieces in sitting.clips.values():
            if kind.stream in pieces:
                yield pieces[kind.stream]


def _found(seen: Survey) -> Iterator[dict[str, Any]]:
    """One row a subject: sessions, trials and clips per stream that can be used, seconds."""
    there = [k.stream for k in seen.kinds if k.folder in seen.n_files]
    for subject in dict.fromkeys(sitting.subject for sitting in seen.sittings):
        own = [sitting for sitting in seen.sittings if sitting.subject == subject]
        clips = [pieces for sitting in own for pieces in sitting.clips.values()]
        yield {
            "subject": subject,
            "sessions": len(own),
            "trials": len(clips),
            **{stream: sum(stream in pieces for pieces in clips) for stream in there},
            "seconds": sum(seconds_of(pieces) for pieces in clips),
        }


def _counts(seen: Survey) -> dict[str, tuple[float, float | None]]:
    subjects = {sitting.subject for sitting in seen.sittings}
    n_subjects = len(subjects) if seen.simulated else len(seen.design.subjects)
    expected = [(s, c) for s in SESSIONS for c in seen.expected[s]]
    sessions = [s for s in SESSIONS if seen.expected[s]]
    there = [(sitting.session, clip) for sitting in seen.sittings for clip in sitting.clips]
    stimuli = {seen.design.stimulus(*where) for where in expected}
    emotions = Counter(seen.design.emotion(*where) for where in expected)
    have = Counter(seen.design.emotion(*where) for where in there)
    return {
        "subjects": (len(subjects), None if seen.simulated else n_subjects),
        **{f"files {folder}": counts for folder, counts in seen.n_files.items()},
        "recordings": (len(seen.sittings), n_subjects * len(sessions)),
        "clips": (len({seen.design.stimulus(*where) for where in there}), len(stimuli)),
        "trials": (len(there), n_subjects * len(expected)),
        **{f"trials {e}": (have[e], n_subjects * emotions[e]) for e in seen.design.emotions},
    }
