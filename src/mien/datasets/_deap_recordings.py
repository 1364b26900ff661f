"""Recordings of DEAP's participants, from the preprocessed files or from the original ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mien.core.errors import InputError
from mien.core.types import Event, Recording, Stream, Trial
from mien.datasets._deap_copy import MATLAB, ORIGINAL, PYTHON, Copy
from mien.datasets._deap_face import TrialVideo, face_stream, find_faces
from mien.datasets._deap_layout import subject_name
from mien.datasets._deap_raw import Original, open_original, raw_streams
from mien.datasets._deap_stored import Stored, open_stored, streams
from mien.datasets._deap_trials import SESSION, baseline, check_labels, trial
from mien.datasets._inspection import Fault, fault_of


@dataclass(frozen=True, kw_only=True)
class Part:
    """One participant: the recording, where one can be made, what it is read from, and what is wrong."""

    recording: Recording | None
    faults: tuple[Fault, ...]
    videos: tuple[TrialVideo, ...] = ()
    stored: Stored | None = None
    original: Original | None = None


def stored_part(copy: Copy, participant: int, *, faces: bool) -> Part:
    """A participant from the Python file or, where that cannot be used, from the MATLAB file."""
    subject = subject_name(participant)
    files = [copy.files.get(kind, {}).get(participant) for kind in (PYTHON, MATLAB)]
    faults: list[Fault] = []
    for path in filter(None, files):
        try:
            stored, labels = open_stored(path, copy.layout)
        except InputError as error:
            faults.append(fault_of(error, subject=subject))
            continue
        usable, wrong = check_labels(copy, participant, path, labels)
        if not usable:
            return Part(recording=None, faults=(*faults, *wrong))
        starts = {video: copy.layout.start(video) for video in usable}
        trials = tuple(trial(copy, participant, video, labels[video - 1], at) for video, at in starts.items())
        return _part(
            Part(recording=None, faults=(*faults, *wrong), stored=stored),
            copy,
            participant,
            streams(stored),
            trials,
            tuple(baseline(t, copy.layout.baseline) for t in trials),
            starts if faces else {},
        )
    return Part(recording=None, faults=tuple(faults))


def raw_part(copy: Copy, participant: int, *, faces: bool) -> Part:
    """A participant from the original recording; trials are those that the table of ratings tells."""
    subject = subject_name(participant)
    path = copy.files[ORIGINAL][participant]
    rows = copy.rows(participant)
    try:
        if not rows:
            raise InputError("the table of ratings has no row of this participant", file=path)
        original, wrong = open_original(path, copy.layout)
    except InputError as error:
        return Part(recording=None, faults=(fault_of(error, subject=subject),))
    faults = [replace(fault, subject=subject) for fault in wrong]
    starts: dict[int, float] = {}
    places = {row.trial: video for video, row in rows.items()}
    for place, at in original.starts.items():
        if place in places:
            starts[places[place]] = at
        else:
            reason = "the table of ratings does not tell which video it was"
            faults.append(Fault(file=str(path), item=f"trial {place}", reason=reason, subject=subject))
    trials = tuple(
        trial(copy, participant, video, np.array(rows[video].values), at)
        for video, at in sorted(starts.items(), key=lambda item: item[1])
    )
    if not trials:
        return Part(recording=None, faults=tuple(faults))
    events = (*original.markers, *(baseline(t, copy.layout.baseline) for t in trials))
    return _part(
        Part(recording=None, faults=tuple(faults), original=original),
        copy,
        participant,
        raw_streams(original),
        trials,
        tuple(sorted(events, key=lambda e: e.span.start)),
        starts if faces else {},
    )


def _part(
    part: Part,
    copy: Copy,
    participant: int,
    found: dict[str, Stream],
    trials: tuple[Trial, ...],
    events: tuple[Event, ...],
    starts: Mapping[int, float],
) -> Part:
    """The part with its recording, and with the face where there are videos and ``starts`` to place them."""
    subject = subject_name(participant)
    videos: tuple[TrialVideo, ...] = ()
    faults: list[Fault] = []
    if starts and copy.ratings is not None and participant in copy.videos:
        given = copy.videos[participant]
        videos, faults = find_faces(participant, given, copy.ratings, starts, float(copy.layout.seconds))
    if videos:
        span = next(iter(found.values())).span
        found = {**found, "face": face_stream(videos, span)}
    recording = Recording(
        id=subject,
        dataset="deap",
        subject=subject,
        session=SESSION,
        streams=found,
        events=events,
        trials=trials,
    )
    return replace(part, recording=recording, faults=(*part.faults, *faults), videos=videos)
