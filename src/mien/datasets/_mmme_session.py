"""What can be used of one person's session of one date."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.core.types import Clock, Event, Recording, Span, Stream, Trial
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._me_events import Merged, beyond, rows_text
from mien.datasets._me_labels import event_of, labels_of_trial
from mien.datasets._mes_eeg_face import Frames
from mien.datasets._mes_eeg_layout import MARKER_EMOTION
from mien.datasets._mmme_biopac import open_body
from mien.datasets._mmme_devices import Device, open_eeg
from mien.datasets._mmme_face import FaceSource, Shot, shot_of
from mien.datasets._mmme_frames import changes, clips_shown, frames_of
from mien.datasets._mmme_layout import (
    BIOPAC_CLOCK,
    CAMERA_CLOCK,
    EEG_CLOCK,
    FACE_RATE,
    SAID,
)
from mien.datasets._mmme_survey import Session, SessionFiles, Survey, frames_in
from mien.datasets._mmme_trials import Placed, place
from mien.io.frames import FrameFolder


@dataclass(frozen=True, kw_only=True, repr=False)
class Options:
    """How a session is read.

    ``units`` are words for the units of BIOPAC's streams where the file names none, ``rate`` its samples per
    second where the file does not tell.
    """

    kinds: Collection[str]
    which: Frames = "key"
    units: Mapping[str, str] | None = None
    rate: float | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Part:
    """What can be used of a session; ``events`` has the rows of each event, ``devices`` are those that are
    there, by the name of their clock."""

    id: str
    subject: str
    recording: Recording | None
    devices: Mapping[str, Device]
    events: tuple[tuple[Event, Merged], ...]
    n_frames: int
    faults: tuple[Fault, ...]

    def summary(self) -> dict[str, Any]:
        """One line of the inspection's table."""
        kinds = [event.kind for event, _ in self.events]
        face = None if self.recording is None else self.recording.streams.get("face")
        minutes = {c: self.devices[c].seconds / 60 if c in self.devices else None for c in _CLOCKS[:2]}
        return {
            "recording": self.id,
            **{f"{clock}_minutes": None if m is None else round(m, 2) for clock, m in minutes.items()},
            "frames": self.n_frames,
            **{
                f"clips_by_{clock}": len(self.devices[clock].clips) if clock in self.devices else None
                for clock in _CLOCKS
            },
            "trials": 0 if self.recording is None else len(self.recording.trials),
            "rows": sum(len(merged.rows) for _, merged in self.events),
            **{kind: kinds.count(kind) for kind in dict.fromkeys(("micro", "macro", *kinds))},
            "faces": 0 if face is None else sum(face.shows(event) for event, _ in self.events),
        }


_CLOCKS = (EEG_CLOCK, BIOPAC_CLOCK, CAMERA_CLOCK)
"""In the order in which they are taken for the recording's."""


def part_of(seen: Survey, session: Session, options: Options) -> Part:
    """One person's session of one date."""
    (_, date), subject, files = session, seen.subject(session), seen.files[session]
    identity = f"{subject}_{date}"
    devices, faults = _devices(seen, files, options)
    frames, wrong = _frames(seen, files, date)
    faults += wrong
    if frames is not None:
        devices[CAMERA_CLOCK] = _camera(frames, files.folder)
    order = [clock for clock in _CLOCKS if clock in devices]
    marking = {clock: devices[clock].clips for clock in order if devices[clock].clips}
    placed: tuple[Placed, ...] = ()
    if marking:
        placed, lost = place(marking, stop=devices[next(iter(marking))].stop)
        faults += [Fault(file=str(files.folder), item=f"marker {m}", reason=why) for m, why in lost]
        faults += _unmarked(devices, placed)
    coded = {marker: events for (n, d, marker), events in seen.events.items() if (n, d) == session}
    faults += _without_clip(seen, coded, placed, files)
    shown = [
        (clip, event, merged)
        for clip in placed
        for event, merged in _events(f"{identity}_{clip.marker}", clip, coded.get(clip.marker, ()))
        if event.kind in options.kinds
    ]
    faults += [fault for clip, event, merged in shown for fault in _beyond(seen, clip.span, event, merged)]
    streams = {name: stream for clock in order for name, stream in devices[clock].streams.items()}
    if frames is not None:
        shots, wrong = _shots(frames, devices[CAMERA_CLOCK], shown)
        faults += wrong
        if shots:
            source = FaceSource(
                shots=shots, veil=seen.veil, which=options.which,
                stamps=frames.stamps, codes=frames.codes, markers=frames.markers,
            )  # fmt: skip
            streams["face"] = _face_stream(source, frames)
    recording = None
    if placed:
        expressions = sorted((e for _, e, _ in shown), key=lambda e: (e.span.start, str(e.id)))
        recording = Recording(
            id=identity,
            dataset="mmme",
            subject=subject,
            session=date,
            streams=streams,
            events=(*(marker for clock in order for marker in devices[clock].markers), *expressions),
            trials=tuple(_trial(identity, subject, date, clip) for clip in placed),
            clocks={next(iter(marking)): Clock()},
        )
    return Part(
        id=identity,
        subject=subject,
        recording=recording,
        devices=devices,
        events=tuple((event, merged) for _, event, merged in shown),
        n_frames=0 if frames is None else len(frames),
        faults=tuple(replace(fault, subject=subject) for fault in faults),
    )


def _events(trial: str, clip: Placed, coded: Sequence[Merged]) -> list[tuple[Event, Merged]]:
    """What is coded in a clip, as events of its trial."""
    return [
        (event_of(merged, identity=f"{trial}_e{number:02d}", trial=trial, start=clip.span.start), merged)
        for number, merged in enumerate(coded, start=1)
    ]


def _shots(
    frames: FrameFolder, camera: Device, shown: Iterable[tuple[Placed, Event, Merged]]
) -> tuple[dict[str, Shot], list[Fault]]:
    """Event to its frames, and the events that have none."""
    starts = {clip.marker: clip.start for clip in camera.clips}
    shots: dict[str, Shot] = {}
    faults: list[Fault] = []
    for clip, event, merged in shown:
        shot, why = shot_of(merged, frames, starts.get(clip.marker))
        if shot is None:
            faults.append(Fault(file=str(camera.path), item=rows_text(merged), reason=why))
        else:
            shots[str(event.id)] = shot
    return shots, faults


def _devices(seen: Survey, files: SessionFiles, options: Options) -> tuple[dict[str, Device], list[Fault]]:
    """EEG and BIOPAC, and what is wrong with them; a session is used without one that is absent."""
    devices: dict[str, Device] = {}
    faults: list[Fault] = []

    def body(path: Path) -> tuple[Device, list[Fault]]:
        return open_body(path, seen.veil, units=options.units or {}, rate=options.rate)

    openers: dict[str, tuple[Path | None, Callable[[Path], tuple[Device, list[Fault]]]]] = {
        EEG_CLOCK: (files.eeg, lambda path: open_eeg(path, seen.veil)),
        BIOPAC_CLOCK: (files.biopac, body),
    }
    for clock, (path, opener) in openers.items():
        if path is None:
            faults += _absent(seen, files, clock, seen.layout[clock])
            continue
        try:
            devices[clock], wrong = opener(path)
        except InputError as error:
            faults.append(fault_of(error))
        else:
            faults += wrong
    return devices, faults


def _absent(seen: Survey, files: SessionFiles, clock: str, patterns: Iterable[str]) -> list[Fault]:
    """A device that this session lacks and another one has."""
    if clock not in seen.recorded:
        return []
    reason = f"not there: the session is used without it; looked for {', '.join(patterns)}"
    return [Fault(file=str(files.folder), item=SAID[clock], reason=reason)]


def _frames(seen: Survey, files: SessionFiles, date: str) -> tuple[FrameFolder | None, list[Fault]]:
    if not files.frames:
        return None, _absent(seen, files, CAMERA_CLOCK, seen.layout["frames"])
    return frames_of(frames_in(files.folder, seen.layout["frames"]), date=date, folder=files.folder)


def _camera(frames: FrameFolder, folder: Path) -> Device:
    """Markers by the stamps of frames, which are late by tens of milliseconds; the alignment makes better
    ones by the counter."""
    return Device(
        clock=CAMERA_CLOCK,
        path=folder,
        streams={},
        markers=tuple(
            Event(kind="marker", span=Span(start=at, duration=0.0), value=marker, clock=CAMERA_CLOCK)
            for at, marker in changes(frames.stamps, frames.markers)
        ),
        clips=tuple(clips_shown(frames)),
        stop=float(frames.stamps[-1]),
    )


def _face_stream(source: FaceSource, frames: FrameFolder) -> Stream:
    first, last = float(frames.stamps[0]), float(frames.stamps[-1])
    return Stream(
        name="face",
        modality="face",
        unit="1",
        rate=FACE_RATE,
        channels=("r", "g", "b"),
        span=Span(start=first, duration=last - first),
        source=source,
        clock=CAMERA_CLOCK,
    )


def _trial(identity: str, subject: str, date: str, clip: Placed) -> Trial:
    return Trial(
        id=f"{identity}_{clip.marker}",
        recording=identity,
        subject=subject,
        session=date,
        stimulus=str(clip.marker),
        span=clip.span,
        labels=labels_of_trial(MARKER_EMOTION[clip.marker]),
    )


def _unmarked(devices: Mapping[str, Device], placed: Iterable[Placed]) -> list[Fault]:
    """Clips that a device does not mark while another does: it lost the trigger or was not running."""
    faults = []
    placed = tuple(placed)
    for clock, device in devices.items():
        if clock == CAMERA_CLOCK or not device.clips:
            continue
        own = {clip.marker: clip for clip in device.clips}
        starts = [c.marker for c in placed if c.marker not in own]
        ends = [c.marker for c in placed if c.marker in own and own[c.marker].stop is None and c.stop_by]
        for markers, what in ((starts, "start"), (ends, "end")):
            if markers:
                reason = f"no trigger of their {what} here; another device has it"
                item = f"clips {', '.join(map(str, markers))}"
                faults.append(Fault(file=str(device.path), item=item, reason=reason, severity="kept"))
    return faults


def _without_clip(
    seen: Survey, coded: Mapping[int, tuple[Merged, ...]], placed: Iterable[Placed], files: SessionFiles
) -> list[Fault]:
    """Expressions in clips that no device marks: nobody knows when they were."""
    there = {clip.marker for clip in placed}
    return [
        Fault(
            file=str(files.folder if seen.table is None else seen.table.path),
            item=rows_text(merged),
            reason="no device marks its clip, so that it has no time",
        )
        for marker, events in coded.items()
        if marker not in there
        for merged in events
    ]


def _beyond(seen: Survey, span: Span, event: Event, merged: Merged) -> list[Fault]:
    """An event that is coded after the end of its clip."""
    assert seen.table is not None
    end = f"the end of its clip ({span.duration:.3f} s)"
    return beyond(event, merged, end=span.stop, table=seen.table.path, what=end)
