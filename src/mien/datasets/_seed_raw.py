"""The raw recordings of SEED-VII: Neuroscan EEG, Tobii gaze, and trigger files that join the two."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mien.core.errors import InputError
from mien.core.text import natural_key
from mien.core.types import Clock, Event, Label, Recording, Span, Stream, Trial
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._seed_layout import (
    CHANNELS,
    EEG_RAW_FOLDER,
    EYE_RAW_FOLDER,
    GAZE_RATE,
    RAW_EEG_RATE,
    RAW_ENDINGS,
    RAW_EXTRA_CHANNELS,
    RAW_FOLDERS,
    TRIGGER_FOLDER,
    UNUSABLE_TRIGGERS,
    session_of,
)
from mien.datasets._seed_survey import ranges
from mien.io.neuroscan import Cnt, open_cnt
from mien.io.sampled import ChannelSource
from mien.io.tobii import CHANNELS as GAZE_CHANNELS
from mien.io.tobii import Gaze, open_tsv, parse_clock_time, seconds_after
from mien.io.triggers import ClipTimes, read_trigger_csv

T = TypeVar("T")
EEG_CLOCK, EYE_CLOCK = "eeg", "eye"
START, END = 1, 2
"""Values of the markers of a clip's first and last moment."""
_DISAGREE = 0.1
"""Seconds by which a clip's length may differ between the EEG's triggers and the trigger file."""
_MUCH_LOST = 0.5
"""Share of a clip without gaze that is worth saying."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """What can be used of one subject's session.

    ``eeg_clips`` and ``eye_clips`` are the spans of the session's clips in order, each on its own device's
    clock; None where they are not known.
    """

    subject: str
    session: str
    clips: tuple[int, ...]
    cnt: Cnt | None = None
    gaze: Gaze | None = None
    times: tuple[ClipTimes, ...] | None = None
    eeg_clips: tuple[Span, ...] | None = None
    eye_clips: tuple[Span, ...] | None = None

    @property
    def main_clock(self) -> str | None:
        """The device whose clock is the recording's: the one that knows the clips, EEG first."""
        if self.eeg_clips is not None:
            return EEG_CLOCK
        return EYE_CLOCK if self.eye_clips is not None else None

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where the clips are on the recording clock."""
        return self.eeg_clips or self.eye_clips or ()


@dataclass(frozen=True, kw_only=True)
class RawSurvey:
    """What headers and trigger files say: usable sessions, and faults."""

    sessions: tuple[Session, ...] = ()
    n_files: Mapping[str, int]
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects with a usable session."""
        return tuple(dict.fromkeys(s.subject for s in self.sessions))


def survey_raw(
    root: Path,
    folders: Iterable[str],
    expected_clips: Collection[int],
    *,
    subjects: Collection[str] | None = None,
) -> RawSurvey:
    """Opens the raw files (of the chosen subjects) and finds the clips in them.

    Raises
    ------
    InputError
        A chosen subject is not there.
    """
    files, faults, notes = _raw_files(root, [f for f in RAW_FOLDERS if f in set(folders)])
    every = {key for by_key in files.values() for key in by_key}
    keys = sorted(every, key=lambda key: natural_key("_".join(key)))
    there = list(dict.fromkeys(subject for subject, _ in keys))
    missing = [name for name in subjects or () if name not in there]
    if missing:
        raise InputError(
            f"no files of subject {', '.join(missing)}",
            file=root,
            expected=f"some of the subjects there: {', '.join(there) or '(none)'}",
        )
    sessions: list[Session] = []
    for subject, session in keys:
        if subjects is not None and subject not in subjects:
            continue
        paths = {folder: by_key.get((subject, session)) for folder, by_key in files.items()}
        clips = tuple(clip for clip in sorted(expected_clips) if str(session_of(clip)) == session)
        found, wrong = _session(subject, session, clips, paths)
        faults.extend(wrong)
        if found.main_clock is not None:
            sessions.append(found)
    return RawSurvey(
        sessions=tuple(sessions),
        n_files={folder: len(by_key) for folder, by_key in files.items()},
        faults=tuple(faults),
        notes=tuple(notes),
    )


def _raw_files(
    root: Path, folders: Iterable[str]
) -> tuple[dict[str, dict[tuple[str, str], Path]], list[Fault], list[str]]:
    """Folder to (subject, session) to file; strange names, and two files of one session, are faults."""
    files: dict[str, dict[tuple[str, str], Path]] = {}
    faults: list[Fault] = []
    notes: list[str] = []
    for folder in folders:
        ending = RAW_ENDINGS[folder]
        found: dict[tuple[str, str], list[Path]] = {}
        others: list[str] = []
        for path in sorted((root / folder).iterdir(), key=lambda p: natural_key(p.name)):
            match = re.fullmatch(r"([1-9]\d*)_\d{8}_([1-4])" + re.escape(ending), path.name)
            if match:
                found.setdefault((match[1], match[2]), []).append(path)
            elif path.name.lower().endswith(ending):
                reason = f"its name is not of the form SUBJECT_yyyymmdd_SESSION{ending}"
                faults.append(
                    Fault(file=str(path), reason=f"{reason}. Rename it if you know whose data it holds")
                )
            elif not path.name.startswith("."):
                others.append(path.name)
        for (subject, session), paths in found.items():
            if len(paths) > 1:
                names = ", ".join(p.name for p in paths)
                reason = f"{names} are of the same session; expected one file. Remove or rename the wrong one"
                faults.append(
                    Fault(file=str(root / folder), item=f"session {session}", reason=reason, subject=subject)
                )
        files[folder] = {key: paths[0] for key, paths in found.items() if len(paths) == 1}
        if others:
            more = f", … ({len(others)} in all)" if len(others) > 10 else ""
            notes.append(
                f"{folder}: files that are not *{ending} were ignored: {', '.join(others[:10])}{more}"
            )
    return files, faults, notes


class _Faults:
    """Collects what is wrong with the files of one session."""

    def __init__(self, subject: str, session: str) -> None:
        self.subject, self.session = subject, session
        self.found: list[Fault] = []

    def add(self, path: Path, reason: str, *, kept: bool = False) -> None:
        """A fault of a file."""
        self.found.append(
            Fault(
                file=str(path),
                item=f"session {self.session}",
                reason=reason,
                subject=self.subject,
                severity="kept" if kept else "left out",
            )
        )

    def opened(self, path: Path | None, function: Callable[[Path], T]) -> T | None:
        """What a function makes of a file; None where it is not there or at fault."""
        try:
            return None if path is None else function(path)
        except InputError as error:
            self.found.append(fault_of(error, subject=self.subject))
            return None


def _session(
    subject: str, session: str, clips: tuple[int, ...], paths: Mapping[str, Path | None]
) -> tuple[Session, list[Fault]]:
    """One session's files, opened, and what is wrong with them."""
    faults = _Faults(subject, session)
    trigger_file = paths.get(TRIGGER_FOLDER)
    times = faults.opened(trigger_file, read_trigger_csv)
    if trigger_file is not None and times is not None and len(times) != len(clips):
        faults.add(trigger_file, f"holds {len(times)} clips; expected {len(clips)} (clips {ranges(clips)})")
        times = None
    gaze = faults.opened(paths.get(EYE_RAW_FOLDER), _open_gaze)
    eye_clips = None if gaze is None else _eye_clips(gaze, times, faults)
    cnt = faults.opened(paths.get(EEG_RAW_FOLDER), _open_eeg)
    eeg_clips = None if cnt is None else _eeg_clips(cnt, times, clips, eye_clips is not None, faults)
    joined = eeg_clips is not None or (eye_clips is not None and cnt is not None and len(_markers(cnt)) >= 2)
    return Session(
        subject=subject,
        session=session,
        clips=clips,
        cnt=cnt if joined else None,
        gaze=None if eye_clips is None else gaze,
        times=times,
        eeg_clips=eeg_clips,
        eye_clips=eye_clips,
    ), faults.found


def _open_gaze(path: Path) -> Gaze:
    return open_tsv(path, rate=GAZE_RATE)


def _open_eeg(path: Path) -> Cnt:
    """An EEG file that has the 62 channels; events only where they can be used."""
    cnt = open_cnt(path, events=path.stem not in UNUSABLE_TRIGGERS)
    missing = [name for name in CHANNELS if name not in cnt.channels]
    if missing:
        shown = ", ".join(missing[:6]) + (f", … ({len(missing)} in all)" if len(missing) > 6 else "")
        raise InputError(f"lacks the channels {shown}", file=path, expected="the 62 channels of the data set")
    return cnt


def _after(started: datetime.time, times: Iterable[ClipTimes]) -> tuple[Span, ...]:
    """Spans of clips in seconds after a time of day."""
    seconds = seconds_after(started, [at for clip in times for at in (clip.start, clip.end)])
    return tuple(
        Span(start=float(a), duration=float(b - a)) for a, b in zip(seconds[::2], seconds[1::2], strict=True)
    )


def _eye_clips(gaze: Gaze, times: tuple[ClipTimes, ...] | None, faults: _Faults) -> tuple[Span, ...] | None:
    """Spans of the clips on the eye tracker's clock, or None."""
    if times is None:
        faults.add(gaze.path, "no usable trigger file tells where its clips are; expected one in save_info")
        return None
    clips = _after(gaze.started, times)
    if clips[0].start < gaze.span.start - 1 / gaze.rate:
        late = gaze.span.start - clips[0].start
        faults.add(
            gaze.path,
            f"starts {late:.1f} s after the first trigger of the session ({times[0].start}); expected it to "
            "start before",
        )
        return None
    return clips


def _markers(cnt: Cnt) -> list[Event]:
    """Triggers of an EEG file in order of time."""
    return sorted((e for e in cnt.events if e.kind == "marker"), key=lambda e: e.span.start)


def _eeg_clips(
    cnt: Cnt, times: tuple[ClipTimes, ...] | None, clips: tuple[int, ...], rescued: bool, faults: _Faults
) -> tuple[Span, ...] | None:
    """Spans of the clips on the EEG's clock, or None; ``rescued`` says that the gaze knows the clips."""
    known = UNUSABLE_TRIGGERS.get(cnt.path.stem)
    if known is not None:
        return _clips_by_start(cnt, times, known, faults)
    markers = _markers(cnt)
    codes = [e.value for e in markers]
    if len(markers) != 2 * len(clips):
        wrong = (
            f"has {len(markers)} triggers; expected {2 * len(clips)}, the start and the end of each of clips "
            f"{ranges(clips)}"
        )
    elif set(codes) == {START, END} and codes != [START, END] * len(clips):
        first = next(i for i, code in enumerate(codes) if code != (START, END)[i % 2])
        wrong = (
            f"trigger {first + 1} of {len(codes)} is {codes[first]}; expected {START} (start) and {END} "
            "(end) in turn"
        )
    else:
        at = [e.span.start for e in markers]
        return tuple(Span(start=a, duration=b - a) for a, b in zip(at[::2], at[1::2], strict=True))
    kept = rescued and len(markers) >= 2
    instead = "the trigger file is used" if kept else "gaze with a trigger file could stand in for them"
    faults.add(cnt.path, f"{wrong} ({instead})", kept=kept)
    return None


def _clips_by_start(
    cnt: Cnt, times: tuple[ClipTimes, ...] | None, known: str, faults: _Faults
) -> tuple[Span, ...] | None:
    """Clips of a file without usable triggers, from the trigger file and the time at its first sample."""
    if times is None:
        faults.add(cnt.path, "its triggers cannot be used, and there is no usable trigger file in save_info")
        return None
    reason = (
        "its triggers cannot be used; clips are placed by the trigger file and the file's known start, "
        f"{known}, to within 1 s"
    )
    faults.add(cnt.path, reason, kept=True)
    return _after(parse_clock_time(known), times)


def raw_recording(found: Session, labels: Callable[[int], dict[str, Label]]) -> Recording:
    """One session as a recording; clips are on the main clock, the other device on its own until aligned."""
    name = f"sub-{found.subject}_ses-{found.session}"
    streams: dict[str, Stream] = {}
    if found.cnt is not None:
        for stream, modality, channels in _eeg_streams(found.cnt):
            streams[stream] = Stream(
                name=stream, modality=modality, unit="V", rate=found.cnt.rate, channels=channels,
                span=found.cnt.span, source=ChannelSource(recording=found.cnt, channels=channels),
                clock=EEG_CLOCK,
            )  # fmt: skip
    if found.gaze is not None:
        streams["raw_gaze"] = Stream(
            name="raw_gaze", modality="eye", unit="mixed", rate=found.gaze.rate, channels=GAZE_CHANNELS,
            span=found.gaze.span, source=found.gaze, clock=EYE_CLOCK,
        )  # fmt: skip
    assert found.main_clock is not None
    return Recording(
        id=name,
        dataset="seed_vii",
        subject=found.subject,
        session=found.session,
        streams=streams,
        events=_events(found),
        trials=tuple(
            Trial(
                id=f"{name}_clip-{clip}", recording=name, subject=found.subject, session=found.session,
                stimulus=str(clip), span=span, labels=labels(clip),
            )
            for clip, span in zip(found.clips, found.spans, strict=True)
        ),
        clocks={found.main_clock: Clock(n_markers=2 * len(found.clips))},
    )  # fmt: skip


def _eeg_streams(cnt: Cnt) -> list[tuple[str, str, tuple[str, ...]]]:
    """(stream, modality, channels) of an EEG file; a group of which a channel is missing is left out."""
    groups = [("raw_eeg", "eeg", CHANNELS)]
    groups += [(f"raw_{name}", name, channels) for name, channels in RAW_EXTRA_CHANNELS.items()]
    return [group for group in groups if set(group[2]) <= set(cnt.channels)]


def _events(found: Session) -> tuple[Event, ...]:
    """Markers of each device on its own clock, 1 a clip's start, 2 its end; the EEG file's other events."""
    events: list[Event] = []
    if found.cnt is not None:
        stored = [replace(event, clock=EEG_CLOCK) for event in found.cnt.events]
        if found.eeg_clips is None:
            events += stored
        else:
            events += [event for event in stored if event.kind != "marker"]
            events += _boundaries(found.eeg_clips, EEG_CLOCK)
    if found.eye_clips is not None:
        events += _boundaries(found.eye_clips, EYE_CLOCK)
    return tuple(sorted(events, key=lambda e: (e.clock, e.span.start)))


def _boundaries(spans: Iterable[Span], clock: str) -> list[Event]:
    return [
        Event(kind="marker", span=Span(start=at, duration=0.0), value=value, clock=clock)
        for span in spans
        for at, value in ((span.start, START), (span.stop, END))
    ]


def look_at(found: Session) -> tuple[dict[str, Any], list[Fault]]:
    """A row of what a session holds, and what reading all of it brings to light."""
    faults: list[Fault] = []

    def fault(path: Path, item: str, reason: str) -> None:
        faults.append(Fault(file=str(path), item=item, reason=reason, subject=found.subject, severity="kept"))

    lost: float | None = None
    if found.cnt is not None:
        try:
            _look_at_eeg(found, found.cnt, fault)
        except InputError as error:
            faults.append(fault_of(error, subject=found.subject))
    if found.gaze is not None:
        try:
            lost = _look_at_gaze(found, found.gaze, fault)
        except InputError as error:
            faults.append(fault_of(error, subject=found.subject))
    row = {
        "subject": found.subject,
        "session": found.session,
        "eeg_minutes": None if found.cnt is None else found.cnt.span.duration / 60,
        "eeg_markers": None
        if found.cnt is None
        else sum(event.kind == "marker" for event in found.cnt.events),
        "gaze_minutes": None if found.gaze is None else found.gaze.span.duration / 60,
        "trigger_rows": None if found.times is None else 2 * len(found.times),
        "clips": len(found.spans),
        "clip_minutes": sum(span.duration for span in found.spans) / 60,
        "lost_gaze_percent": lost,
    }
    return row, faults


def _look_at_eeg(found: Session, cnt: Cnt, fault: Callable[[Path, str, str], None]) -> None:
    low, high = cnt.limits()
    flat = [name for name, a, b in zip(cnt.channels, low, high, strict=True) if a == b]
    if flat:
        fault(cnt.path, f"channel {', '.join(flat)}", "holds one value all through; expected a signal")
    if cnt.rate != RAW_EEG_RATE:
        fault(cnt.path, "", f"has {cnt.rate:g} samples per second; expected {RAW_EEG_RATE:g}")
    absent = [n for names in RAW_EXTRA_CHANNELS.values() for n in names if n not in cnt.channels]
    if absent:
        fault(cnt.path, f"channel {', '.join(absent)}", "is not there, and so its stream is left out")
    if found.eeg_clips is None or found.times is None or cnt.path.stem in UNUSABLE_TRIGGERS:
        return
    for clip, span, times in zip(found.clips, found.eeg_clips, found.times, strict=True):
        other = (times.end - times.start).total_seconds()
        if abs(other - span.duration) > _DISAGREE:
            fault(
                cnt.path,
                f"clip {clip}",
                f"lasts {span.duration:.2f} s by its triggers, {other:.2f} s by the trigger file",
            )


def _look_at_gaze(found: Session, gaze: Gaze, fault: Callable[[Path, str, str], None]) -> float | None:
    """Percentage of the samples of the clips that have no gaze."""
    lost = n = 0
    for clip, span in zip(found.clips, found.eye_clips or (), strict=True):
        if not gaze.covers(span.start, span.duration):
            fault(
                gaze.path,
                f"clip {clip}",
                f"ends at {span.stop:.1f} s, the recording at {gaze.span.stop:.1f} s",
            )
            continue
        gone = np.isnan(gaze.read(span.start, span.duration)[0])
        if gone.mean() > _MUCH_LOST:
            fault(gaze.path, f"clip {clip}", f"has no gaze in {100 * gone.mean():.0f} % of its samples")
        lost, n = lost + int(gone.sum()), n + len(gone)
    return 100 * lost / n if n else None
