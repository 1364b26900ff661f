"""MEs-EEG: faces and EEG of people who hid what they felt while they watched 48 clips."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import InputError, UnknownNameError
from mien.core.pseudonyms import PUBLIC_KEY, Veil, pseudonyms, user_key
from mien.core.registry import registered
from mien.core.types import Event, Label, Recording, Span, Stream, Trial
from mien.datasets._card import Card
from mien.datasets._inspection import DatasetWarning, Fault, Inspection, fault_of
from mien.datasets._mes_eeg_eeg import Eeg, EegFiles, EegTrial, eeg_streams, find_eeg, open_eeg
from mien.datasets._mes_eeg_events import Merged, merge, overlapping_pairs
from mien.datasets._mes_eeg_face import (
    BEST,
    FRAMES,
    Face,
    FaceFiles,
    FaceSource,
    Frames,
    choose_stage,
    find_faces,
    rate_factor,
)
from mien.datasets._mes_eeg_layout import (
    ALIASES,
    CHANNELS,
    CODING_FILE,
    COLUMNS,
    EEG_FOLDERS,
    EEG_RATE,
    EMOTIONS,
    EMOTIONS_8,
    FACE_FOLDERS,
    FACE_RATE,
    FIVE,
    FIVE_CLASSES,
    MARKER_EMOTION,
    REST_MARKER,
    STAMP_TOLERANCE,
    THREE,
    THREE_CLASSES,
    TRUTH,
    TYPES,
    row_key,
)
from mien.datasets._mes_eeg_table import Table, dif_explained, find_table, read_table
from mien.io.video import open_video

__all__ = ["MesEeg", "example"]

KINDS = tuple(TYPES.values())
_Session = tuple[str, str]
_PSEUDONYM = re.compile(r"p[0-9a-f]{6,}")
_WORDS = frozenset(
    {*EMOTIONS_8, *ALIASES, *(k.lower() for k in TYPES), *KINDS}
    | {"video", "onset", "apex", "align", "by", "nose", "avi", "png", "set", "fdt", "eeg"}
)
"""Words in the names of files that are no person's name."""


@registered
class MesEeg:
    """Reader of the coding table, the EEG, and the faces at whichever stage they are there.

    Whatever part of the tree is there is read: EEG alone gives trials without events, faces and coding table
    alone give events without EEG.

    =================  =========  ====  =======  ===================================================
    stream             modality   unit  rate     channels
    =================  =========  ====  =======  ===================================================
    ``raw_eeg``        eeg        V     1000 Hz  62 electrodes, by name
    ``raw_eeg_all``    eeg        V     1000 Hz  all 68 channels of the file, in its order
    ``raw_reference``  reference  V     1000 Hz  ``M1``, ``M2``
    ``raw_eog``        eog        V     1000 Hz  ``HEO``, ``VEO``
    ``raw_ecg``        ecg        V     1000 Hz  ``EKG``
    ``raw_emg``        emg        V     1000 Hz  ``EMG``
    ``face``           face       1     150 Hz   ``r``, ``g``, ``b``; ``stream.clip(event)`` gives the
                                                 frames of an event, ``stream.shows(event)`` whether there
                                                 are any
    =================  =========  ====  =======  ===================================================

    One recording per person and date (``p3f9a2c_20230718``), one trial per clip shown
    (``p3f9a2c_20230718_118``), one event per expression (``p3f9a2c_20230718_118_e01``). People are named by
    pseudonyms everywhere.

    *Time.* The recording clock is that of the EEG (0: its first sample). A trial lies between its marker and
    the next ``100``. A coded moment is the trial's start plus the seconds of the table; apex and offset are
    placed by the frames' stamps where these contradict the seconds by more than 50 ms. Trials that the EEG
    does not have follow after its end (after 0 where there is no EEG), one after another in the order of
    markers, each as long as what is coded in it.

    *Events.* Rows of one video whose intervals overlap with an IoU of at least 0.5 are one event. Its onset,
    apex, offset, type and action units are those of one row: the first of the table with a coded offset, or
    the first. An offset that equals the apex was not coded; the event then ends at its apex. ``event.notes``
    tells ``rows_merged`` and, as 0 or 1, ``offset_coded``, ``disagree_kind`` and ``disagree_aus``.

    *Labels*, all of rater ``stimulus``: ``emotion8`` of every trial; ``emotion`` (seven classes),
    ``emotion3`` and ``emotion5`` of events and of trials that are not calm. The papers' ``contempt`` is
    ``tension`` here.
    """

    card = Card(
        title="MEs-EEG",
        version="public coding table of 2024",
        licence="For academic research under the release agreement of its authors; not to be passed on or "
        "changed.",
        citation="A Transformer-Based Multimodal Framework for Hidden Emotion Recognition through "
        "Micro-Expression and EEG Fusion. Repository Mac0504/MEs-EEG.",
        doi="none known; the repository is https://github.com/Mac0504/MEs-EEG",
        obtain="Sign the release agreement of https://github.com/Mac0504/MEs-EEG and send it to the address "
        "there. The coding table and 13 example folders are public.",
        counts={
            "subjects": 21,
            "coded subjects": 16,
            "rows": 944,
            "rows macro": 645,
            "rows micro": 299,
            "rows of batch 1": 462,
            "rows of batch 2": 269,
            "rows of batch 3": 213,
            "rows without a coded offset": 433,
            "rows with dif as the annotators' program made it": 944,
            "videos": 272,
            "markers": 42,
            "pairs of rows of one event": 122,
            "rows in such pairs": 243,
            "events": 822,
            "EEG files": 21,
            "EEG trials": 1006,
        },
        known_faults=(
            "Sizes claimed by the authors (60 people, 453 clips, 2,940 EEG trials) agree neither with each "
            "other nor with the public table.",
            "The seventh class is called contempt in the papers and tense or nervous in every file.",
            "The emotion is the clip's, not an annotator's: Estimated Emotion repeats it in every row.",
            "433 rows repeat the apex as the offset: the offset was not coded.",
            "122 pairs of rows code one event twice; 20 pairs disagree about Macro or Micro, 51 about action "
            "units. A split by rows leaks.",
            "The column dif is in frames in two batches and in milliseconds in one, where it loses whole "
            "seconds; it is never used.",
            "In 24 rows stamps and seconds disagree by more than 50 ms at the apex: frames were dropped.",
            "The pictures of the stages after the videos were picked by dif: 638 of 944 rows have a wrong "
            "apex picture.",
            "Type (Macro or Micro) does not follow from the duration.",
            "The frame rate is 98 to 157 per second, not 150 throughout.",
            "M1 and M2 are among the 64 EEG channels; the authors' 62 keep them and lose O2 and CB2.",
            "One EEG recording ends within its trial 146; its trials 147 and 148 are missing.",
            "All people see the same clips, so a clip that was seen in training gives the label away.",
            "The authors' five classes are published nowhere; emotion5 is ours.",
        ),
    )

    def load(
        self,
        root: str | Path,
        *,
        subjects: Collection[str] | None = None,
        kinds: Collection[str] = KINDS,
        stage: str = BEST,
        frames: Frames = "key",
    ) -> list[Recording]:
        """Recordings of the chosen people; reads headers and the coding table only.

        Files, rows and trials that are at fault are left out, with one :class:`DatasetWarning`.

        Parameters
        ----------
        root
            Folder that holds the data set.
        subjects
            Pseudonyms; None means all.
        kinds
            Types of events to give: ``"micro"``, ``"macro"`` or both.
        stage
            Which pictures of faces: ``"avi"`` (the video of the event), ``"full"`` (whole frames),
            ``"cropped"`` (256 x 256), ``"aligned"``, ``"masked"``; ``"best"`` is the one with files of the
            most events, the first of this list among equals.
        frames
            Of a video: ``"key"`` gives the frames of onset, apex and, where it was coded, offset; ``"all"``
            all of them, or every second, third, … where all would take more than 256 MiB.

        Raises
        ------
        InputError
            The folder is no copy of the data set, the coding table cannot be used, a chosen subject does not
            exist, or nothing can be used.
        UnknownNameError
            There is no such kind or stage.
        """
        for kind in kinds:
            if kind not in KINDS:
                raise UnknownNameError("kind", kind, KINDS)
        if frames not in FRAMES:
            raise UnknownNameError("frames", frames, FRAMES)
        seen = _survey(Path(root), stage=stage)
        if seen.broken_table is not None:
            raise seen.broken_table
        wanted = None if subjects is None else _wanted(seen, subjects)
        chosen = [s for s in seen.sessions if wanted is None or seen.subject(s) in wanted]
        if not seen.eeg.sessions and not seen.faces.rows:
            raise InputError(
                "holds the coding table alone, neither EEG nor faces",
                file=root,
                expected=f"{EEG_FOLDERS[0]}, or a folder of faces such as {FACE_FOLDERS['cropped'][0]}",
                remedy=f"to count its rows: mien inspect mes_eeg {root}",
            )
        parts = [_session(seen, session, kinds=kinds, frames=frames) for session in chosen]
        faults = [fault for fault in seen.faults if wanted is None or fault.subject in {"", *wanted}]
        faults += [seen.hidden(fault) for part in parts for fault in part.faults]
        recordings = [part.recording for part in parts if part.recording is not None]
        if not recordings:
            why = f"{_n_faults(faults)}, the first: {faults[0]}" if faults else "no trials of these people"
            raise InputError(
                f"nothing can be used: {why}",
                file=root,
                expected="at least one trial",
                remedy=f"to see all faults: mien inspect mes_eeg {root}",
            )
        if faults:
            text = (
                f"{_n_faults(faults)} in {root}, the first: {faults[0]}; "
                f"mien inspect mes_eeg {root} shows them all"
            )
            warnings.warn(DatasetWarning(seen.veil.hide(text), faults=faults), stacklevel=3)
        return recordings

    def inspect(
        self, root: str | Path, *, progress: Callable[[int, int, str], None] | None = None
    ) -> Inspection:
        """Counts, faults and notes; reads all EEG and the key frames of all faces, one piece at a time.

        Parameters
        ----------
        root
            Folder that holds the data set.
        progress
            Called with the number of pieces read, how many there are, and what is being read.
        """
        root = Path(root)
        seen = _survey(root, stage=BEST)
        parts = [_session(seen, session, kinds=KINDS, frames="key") for session in seen.sessions]
        faults = [*seen.faults, *(fault for part in parts for fault in part.faults)]
        if seen.broken_table is not None:
            faults.append(fault_of(seen.broken_table))
        total = sum((part.eeg is not None) + len(part.faces) for part in parts)
        done = 0
        found = []
        for part in parts:
            if part.eeg is not None:
                if progress is not None:
                    progress(done, total, f"EEG of {part.id}")
                faults += _look_at_eeg(part)
                done += 1
            for event, face in part.faces:
                if progress is not None:
                    progress(done, total, f"face of {event.id}")
                faults += _look_at_face(part, event, face)
                done += 1
            found.append(part.summary())
        if progress is not None:
            progress(total, total, "")
        return Inspection(
            dataset="mes_eeg",
            root=str(root),
            found=tuple(found),
            counts=_counts(seen, parts),
            faults=tuple(dict.fromkeys(seen.hidden(fault) for fault in faults)),
            notes=tuple(seen.veil.hide(note) for note in _notes(seen, parts)),
        )

    def reveal(self, root: str | Path) -> dict[str, str]:
        """Pseudonym to name of every person in a copy: for the eyes of its keeper, never for a file."""
        names = _survey(Path(root), stage=BEST).strange.names
        return {short: name for name, short in sorted(names.items(), key=lambda item: item[1])}


@dataclass(frozen=True, kw_only=True, repr=False)
class _Survey:
    """What the folder holds.

    ``sessions`` are all that the table or the EEG knows; ``veil`` hides the names that are known, ``strange``
    also every other word in names of files that are not understood, as any of these may be a name.
    """

    root: Path
    simulated: bool
    veil: Veil
    strange: Veil
    table: Table | None
    broken_table: InputError | None
    events: Mapping[tuple[str, str, int], tuple[Merged, ...]]
    eeg: EegFiles
    faces: FaceFiles
    stage: str | None
    truth: Mapping[str, Any]

    @cached_property
    def sessions(self) -> tuple[_Session, ...]:
        """Sorted by pseudonym and date, so that the order tells nothing about the names."""
        every = {*self.eeg.sessions, *((name, date) for name, date, _ in self.events)}
        return tuple(sorted(every, key=lambda s: (self.veil.names[s[0]], s[1])))

    def subject(self, session: _Session) -> str:
        """Pseudonym of a session's person."""
        return self.veil.names[session[0]]

    def hidden(self, fault: Fault) -> Fault:
        """A fault without names."""
        return replace(
            fault,
            file=self.veil.hide(fault.file),
            item=self.veil.hide(fault.item),
            reason=self.veil.hide(fault.reason),
            subject=self.veil.hide(fault.subject),
        )

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the table and with names of files."""
        faults = [] if self.table is None else list(self.table.faults)
        if self.table is None and self.broken_table is None and self.faces.rows:
            reason = (
                f"faces are there, but no coding table says when and what they are; expected {CODING_FILE}"
            )
            faults.append(Fault(file=str(self.root), item="faces", reason=reason))
        for path in self.eeg.strange:
            shown = str(path.parent / self.strange.hide(path.name))
            reason = "its name is not of the form SUBJECT_yyyymmdd.set. Rename it if you know whose it is"
            faults.append(Fault(file=shown, reason=reason))
        return tuple(self.hidden(fault) for fault in faults)


def _survey(root: Path, *, stage: str) -> _Survey:
    """Looks through the folder and reads the coding table."""
    if not root.is_dir():
        raise InputError("no such folder", file=root, expected="the folder that holds MEs-EEG")
    path, eeg, faces = find_table(root), find_eeg(root), find_faces(root)
    if path is None and not eeg.there and not faces.rows:
        raise InputError(
            "is no copy of MEs-EEG",
            file=root,
            expected=f"{CODING_FILE}, {EEG_FOLDERS[0]} or faces such as {FACE_FOLDERS['cropped'][0]}",
        )
    truth = _truth(root)
    table, broken = None, None
    try:
        table = None if path is None else read_table(path)
    except InputError as error:
        broken = error
    names = {name for name, _ in eeg.sessions} | faces.names | set(() if table is None else table.names)
    key = PUBLIC_KEY if truth is not None else user_key()
    unread = [path.name for path in eeg.strange] + [name for odd in faces.strange.values() for name in odd]
    words = {w for name in unread for w in re.findall(r"[^\W\d_]+", name) if w.lower() not in _WORDS}
    known = pseudonyms({*names, *words}, key=key)
    events = merge(() if table is None else table.rows)
    keys = [[row.key for row in event.rows] for found in events.values() for event in found]
    return _Survey(
        root=root,
        simulated=truth is not None,
        veil=Veil(names={name: known[name] for name in names}),
        table=table,
        broken_table=broken,
        events=events,
        eeg=eeg,
        faces=faces,
        stage=choose_stage(stage, faces, keys),
        truth=truth or {},
        strange=Veil(names=known),
    )


def _truth(root: Path) -> dict[str, Any] | None:
    """What ``truth.json`` says, or None where there is none or it does not say that the data are made up."""
    path = root / TRUTH
    if not path.is_file():
        return None
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise InputError(
            "is not readable JSON", file=path, remedy="make the data again with: mien simulate mes_eeg"
        ) from None
    return truth if isinstance(truth, dict) and truth.get("simulated") is True else None


def _wanted(seen: _Survey, subjects: Collection[str]) -> set[str]:
    """The chosen pseudonyms; an error names those that are not there, never by a person's name."""
    there = sorted({seen.subject(s) for s in seen.sessions})
    wanted = {str(s) for s in ([subjects] if isinstance(subjects, str) else subjects)}
    missing = sorted(wanted - set(there))
    if missing:
        found = [name if _PSEUDONYM.fullmatch(name) else "(no pseudonym)" for name in missing]
        raise InputError(
            f"no subject {', '.join(found)}",
            file=seen.root,
            expected=f"some of {', '.join(there) or '(none)'}",
            remedy="mien inspect mes_eeg ROOT --reveal tells who is who",
        )
    return wanted


def _n_faults(faults: Collection[Fault]) -> str:
    return f"{len(faults)} fault{'s' * (len(faults) != 1)}"


# --- one session ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, repr=False)
class _Part:
    """What can be used of a session; ``events`` has the rows of each event, ``faces`` its files."""

    id: str
    subject: str
    recording: Recording | None
    eeg: Eeg | None
    events: tuple[tuple[Event, Merged], ...]
    faces: tuple[tuple[Event, Face], ...]
    faults: tuple[Fault, ...]

    def summary(self) -> dict[str, Any]:
        """One line of the inspection's table."""
        kinds = [event.kind for event, _ in self.events]
        trials = () if self.eeg is None else self.eeg.trials
        return {
            "recording": self.id,
            "eeg_minutes": None if self.eeg is None else round(self.eeg.recording.span.duration / 60, 2),
            "eeg_trials": sum(t.recorded for t in trials),
            "rows": sum(len(merged.rows) for _, merged in self.events),
            "micro": kinds.count("micro"),
            "macro": kinds.count("macro"),
            "faces": len(self.faces),
        }


def _session(seen: _Survey, session: _Session, *, kinds: Collection[str], frames: Frames) -> _Part:
    """One person's recording of one date."""
    date, subject = session[1], seen.subject(session)
    identity = f"{subject}_{date}"
    eeg, faults = _opened(seen.eeg.sessions.get(session))
    coded = {marker: events for (n, d, marker), events in seen.events.items() if (n, d) == session}
    spans = _spans(eeg, coded)
    shown: list[tuple[Event, Merged]] = []
    faces: list[tuple[Event, Face]] = []
    for marker, span in spans.items():
        for number, merged in enumerate(coded.get(marker, ()), start=1):
            event = _event(f"{identity}_{marker}_e{number:02d}", f"{identity}_{marker}", span.start, merged)
            if event.kind in kinds:
                shown.append((event, merged))
                face, wrong = _face(seen, span.start, merged)
                faults += [*wrong, *_beyond(seen, span, event, merged)]
                faces += [] if face is None else [(event, face)]
    used = {t.marker for t in eeg.trials if t.recorded} if eeg is not None else set()
    used |= {merged.row.marker for _, merged in shown}
    trials = tuple(
        Trial(
            id=f"{identity}_{marker}",
            recording=identity,
            subject=subject,
            session=date,
            stimulus=str(marker),
            span=span,
            labels=_trial_labels(MARKER_EMOTION[marker]),
        )
        for marker, span in spans.items()
        if marker in used
    )
    streams = {} if eeg is None else eeg_streams(eeg.recording, seen.veil)
    if faces:
        source = FaceSource(
            faces={str(event.id): face for event, face in faces}, veil=seen.veil, frames=frames
        )
        streams["face"] = _face_stream(source, stop=max(t.span.stop for t in trials))
    recording = None
    if trials:
        recording = Recording(
            id=identity,
            dataset="mes_eeg",
            subject=subject,
            session=date,
            streams=streams,
            events=tuple(sorted((e for e, _ in shown), key=lambda e: (e.span.start, str(e.id)))),
            trials=trials,
        )
    return _Part(
        id=identity,
        subject=subject,
        recording=recording,
        eeg=eeg,
        events=tuple(shown),
        faces=tuple(faces),
        faults=tuple(replace(fault, subject=subject) for fault in faults),
    )


def _opened(path: Path | None) -> tuple[Eeg | None, list[Fault]]:
    """A session's EEG, or None where there is none or it is at fault."""
    if path is None:
        return None, []
    try:
        return open_eeg(path)
    except InputError as error:
        return None, [fault_of(error)]


def _face_stream(source: FaceSource, *, stop: float) -> Stream:
    return Stream(
        name="face",
        modality="face",
        unit="1",
        rate=FACE_RATE,
        channels=("r", "g", "b"),
        span=Span(start=0.0, duration=stop),
        source=source,
    )


def _spans(eeg: Eeg | None, coded: Mapping[int, Sequence[Merged]]) -> dict[int, Span]:
    """Marker to the clip's time, in order: where the EEG has it, else after everything that is there."""
    known: dict[int, EegTrial] = {} if eeg is None else {t.marker: t for t in eeg.trials}
    spans = {marker: t.span for marker, t in known.items()}
    ends = [span.stop for span in spans.values()]
    start = max([0.0, *ends] if eeg is None else [eeg.recording.span.stop, *ends])
    for marker in sorted(set(coded) - set(spans)):
        length = max(
            t for merged in coded[marker] for row in merged.rows for t in row.on_the_clock() if t is not None
        )
        spans[marker] = Span(start=start, duration=length)
        start += length
    return spans


def _event(identity: str, trial: str, start: float, merged: Merged) -> Event:
    row = merged.row
    onset, apex, offset = row.on_the_clock()
    end = offset if offset is not None else apex
    assert end is not None  # a row codes its apex or its offset
    return Event(
        kind=row.kind,
        span=Span(start=start + onset, duration=max(end - onset, 0.0)),
        value=row.units,
        id=identity,
        trial=trial,
        # the same sum as the end of the span, so that rounding puts no apex beyond it
        apex=None if apex is None else start + onset + max(apex - onset, 0.0),
        labels=_labels(row.emotion),
        notes={
            "rows_merged": len(merged.rows),
            "offset_coded": int(row.offset is not None),
            "disagree_kind": int(len(merged.kinds) > 1),
            "disagree_aus": int(len(merged.units) > 1),
        },
    )


def _labels(emotion: str) -> dict[str, Label]:
    return {
        "emotion": Label(value=emotion, scale=EMOTIONS, rater="stimulus"),
        "emotion3": Label(value=THREE[emotion], scale=THREE_CLASSES, rater="stimulus"),
        "emotion5": Label(value=FIVE[emotion], scale=FIVE_CLASSES, rater="stimulus"),
    }


def _trial_labels(emotion: str) -> dict[str, Label]:
    label = Label(value=emotion, scale=EMOTIONS_8, rater="stimulus")
    return {"emotion8": label, **(_labels(emotion) if emotion in EMOTIONS else {})}


def _face(seen: _Survey, start: float, merged: Merged) -> tuple[Face | None, list[Fault]]:
    """Files of an event: those of the first of its rows that has some, at the stage that is read."""
    if seen.stage is None:
        return None, []
    files = seen.faces.rows[seen.stage]
    for row in merged.rows:
        if row.key is not None and row.key in files:
            onset, apex, offset = row.on_the_clock()
            assert row.apex is not None  # it is in the key
            assert apex is not None
            return Face(
                paths=files[row.key],
                coded=(row.onset, row.apex, row.offset),
                times=(start + onset, start + apex, None if offset is None else start + offset),
            ), []
    half = [p for row in merged.rows for p in seen.faces.incomplete.get((seen.stage, str(row.key)), ())]
    if half:
        return None, [Fault(file=str(p), item=_rows_text(merged), reason="no such picture") for p in half]
    folder = next(f for f in FACE_FOLDERS[seen.stage] if (seen.root / f).is_dir())
    what = "video" if seen.stage == "avi" else "folder"
    reason = f"no {what} of the face: expected {merged.row.key} in it"
    return None, [Fault(file=str(seen.root / folder), item=_rows_text(merged), reason=reason)]


def _rows_text(merged: Merged) -> str:
    numbers = sorted(row.number for row in merged.rows)
    return f"row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}, marker {merged.row.marker}"


def _beyond(seen: _Survey, span: Span, event: Event, merged: Merged) -> list[Fault]:
    """An event that is coded after the end of its trial in the EEG."""
    late = event.span.stop - span.stop
    if late <= 0.5 / EEG_RATE:
        return []
    assert seen.table is not None
    reason = f"ends {late:.3f} s after the end of its trial in the EEG ({span.duration:.3f} s)"
    return [Fault(file=str(seen.table.path), item=_rows_text(merged), reason=reason, severity="kept")]


# --- inspection ----------------------------------------------------------------------------------------


def _look_at_eeg(part: _Part) -> list[Fault]:
    """Channels of a session that hold no numbers, or one value throughout."""
    assert part.eeg is not None
    recording = part.eeg.recording
    path = str(recording.path)
    try:
        low, high = recording.limits()
    except InputError as error:
        return [fault_of(error, subject=part.subject, severity="kept")]
    holes, flat = ~np.isfinite(low + high), low == high
    texts = [(holes, "NaN or infinite values in"), (flat & ~holes, "one value throughout in")]
    return [
        Fault(
            file=path,
            reason=f"{text} {', '.join(np.array(recording.channels)[where].tolist())}",
            subject=part.subject,
            severity="kept",
        )
        for where, text in texts
        if where.any()
    ]


def _look_at_face(part: _Part, event: Event, face: Face) -> list[Fault]:
    """A face whose files cannot be read."""
    assert part.recording is not None
    try:
        part.recording.streams["face"].clip(event)
    except InputError as error:
        return [fault_of(error, item=str(event.id), subject=part.subject, severity="kept")]
    return []


def _counts(seen: _Survey, parts: Sequence[_Part]) -> dict[str, tuple[float, float | None]]:
    """What there is, against the card, or against the ``truth.json`` of a made-up copy."""
    found: dict[str, float] = {"subjects": len({part.subject for part in parts})}
    if seen.table is not None:
        rows = seen.table.rows
        pairs = overlapping_pairs(rows)
        found |= {
            "coded subjects": len({r.name for r in rows}),
            "rows": seen.table.n_rows,
            "rows macro": sum(r.kind == "macro" for r in rows),
            "rows micro": sum(r.kind == "micro" for r in rows),
            **{f"rows of batch {i}": n for i, n in enumerate(seen.table.blocks, start=1)},
            "rows without a coded offset": sum(r.offset is None for r in rows),
            "rows with dif as the annotators' program made it": sum(map(dif_explained, rows)),
            "videos": len(seen.events),
            "markers": len({r.marker for r in rows}),
            "pairs of rows of one event": len(pairs),
            "rows in such pairs": len({row.number for pair in pairs for row in pair}),
            "events": sum(map(len, seen.events.values())),
        }
    if seen.eeg.there:
        found |= {
            "EEG files": len(seen.eeg.sessions),
            "EEG trials": sum(t.recorded for p in parts if p.eeg is not None for t in p.eeg.trials),
        }
    if seen.stage is not None:
        found |= {"events with a face": sum(len(part.faces) for part in parts)}
    expected = _made(seen.truth) if seen.simulated else MesEeg.card.counts
    return {what: (n, expected.get(what)) for what, n in found.items()}


def _made(truth: Mapping[str, Any]) -> dict[str, float]:
    """How much a made-up copy holds, as far as its ``truth.json`` says."""
    lists = {name: truth[name] for name in ("subjects", "events") if isinstance(truth.get(name), list)}
    rows = {"rows": truth["n_rows"]} if isinstance(truth.get("n_rows"), int) else {}
    return rows | {name: len(found) for name, found in lists.items()}


def _notes(seen: _Survey, parts: Sequence[_Part]) -> list[str]:
    notes = []
    if seen.simulated:
        notes.append("made-up data: counts are compared with truth.json, not with the card")
    absent = [
        text
        for text, there in (
            ("coding table", seen.table is not None or seen.broken_table is not None),
            ("EEG", seen.eeg.there),
            ("faces", bool(seen.faces.rows)),
        )
        if not there
    ]
    if absent:
        notes.append(f"not there: {', '.join(absent)}")
    if seen.stage is not None:
        others = [stage for stage in seen.faces.rows if stage != seen.stage]
        notes.append(f"faces are read from {seen.stage}; also there: {', '.join(others) or 'nothing'}")
    notes += _unmatched(seen)
    notes += _coded_twice(parts)
    moved = [row for found in seen.events.values() for e in found for row in e.rows]
    moved = [row for row in moved if row.disagreement > STAMP_TOLERANCE]
    if moved:
        listed = sorted((row.number, row.disagreement) for row in moved)
        notes.append(
            f"stamps and seconds disagree by more than {STAMP_TOLERANCE * 1000:.0f} ms in {len(moved)} rows; "
            "apex and offset are placed by the stamps: rows "
            + ", ".join(f"{number} ({seconds:.2f} s)" for number, seconds in listed)
        )
    if seen.stage == "avi":
        notes += _rates(parts)
    return notes


def _unmatched(seen: _Survey) -> list[str]:
    """Faces of no row, and names that are not understood."""
    notes = []
    keys = {row.key for found in seen.events.values() for event in found for row in event.rows}
    for stage, files in seen.faces.rows.items():
        spare = [key for key in files if key not in keys]
        if spare and seen.table is not None:
            notes.append(f"{stage}: {len(spare)} match no usable row: {_some(spare)}")
    for stage, names in seen.faces.strange.items():
        if names:
            shown = [seen.strange.hide(name) for name in names]
            notes.append(f"{stage}: {len(names)} names are not understood: {_some(shown)}")
    return notes


def _some(names: Sequence[str], *, at_most: int = 10) -> str:
    more = f", … ({len(names)} in all)" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def _coded_twice(parts: Iterable[_Part]) -> list[str]:
    """Events that several rows code, and where the rows disagree."""
    several = [(event, merged) for part in parts for event, merged in part.events if len(merged.rows) > 1]
    if not several:
        return []
    n_rows = sum(len(merged.rows) for _, merged in several)
    notes = [
        f"events coded more than once: {len(several)}, by {n_rows} rows; each has the onset, apex, offset, "
        "type and action units of its first row with a coded offset, or of its first row"
    ]
    for what, split in (("type", lambda m: m.kinds), ("action units", lambda m: m.units)):
        differing = [(event, merged) for event, merged in several if len(split(merged)) > 1]
        if differing:
            listed = "; ".join(
                f"{event.id} ({_rows_text(merged)}: {' / '.join(split(merged))})"
                for event, merged in differing
            )
            notes.append(f"their rows disagree about the {what} in {len(differing)}: {listed}")
    return notes


def _rates(parts: Iterable[_Part]) -> list[str]:
    """Videos whose header and name give different rates."""
    wrong = []
    for part in parts:
        for event, face in part.faces:
            try:
                rate = open_video(face.paths[0]).rate
            except InputError:
                continue
            factor = rate_factor(face.paths[0], rate)
            if factor != 1:
                wrong.append(f"{event.id} ({rate:.1f}, not {rate / factor:.0f})")
    if not wrong:
        return []
    return [f"the headers of {len(wrong)} videos give another rate than their names, which are believed: "
            f"{_some(wrong)}"]  # fmt: skip


# --- a tiny copy ---------------------------------------------------------------------------------------


def example(folder: str | Path | None = None) -> Path:
    """Writes one made-up person with three clips of 9 s and returns the root of the copy.

    EEG of two clips with coded expressions and a calm one, the coding table (four rows, two of them of one
    event), and cropped pictures; noise, neither physiology nor faces.

    Parameters
    ----------
    folder
        Where to write; made if need be. None: a new temporary folder, which stays until it is deleted.
    """
    import cv2
    import openpyxl
    from scipy.io import savemat

    root = Path(tempfile.mkdtemp(prefix="mien-mes_eeg-") if folder is None else folder)
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    person, date = "alpha", "20230718"
    markers = [77, 88, *(m for clip in (103, 106, 109) for m in (clip, REST_MARKER))]
    at = [100, 200, *(s for i in range(3) for s in (1000 + 10_000 * i, 10_000 + 10_000 * i))]
    n_times = 31_000
    eeg = {
        **{"nbchan": len(CHANNELS), "pnts": n_times, "trials": 1, "srate": EEG_RATE, "xmin": 0.0},
        "chanlocs": np.array([(name,) for name in CHANNELS], dtype=[("labels", object)]),
        "event": np.array(
            [(str(m), s + 1.0) for m, s in zip(markers, at, strict=True)],
            dtype=[("type", object), ("latency", object)],
        ),
        "data": f"{person}_{date}.fdt",
    }
    (root / EEG_FOLDERS[0]).mkdir(parents=True, exist_ok=True)
    path = root / EEG_FOLDERS[0] / f"{person}_{date}.set"
    savemat(path, {"EEG": eeg}, appendmat=False)
    noise = rng.normal(scale=10.0, size=(n_times, len(CHANNELS))).astype("<f4")
    path.with_suffix(".fdt").write_bytes(noise.tobytes())
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(list(COLUMNS))
    pictures = root / FACE_FOLDERS["cropped"][0]
    for word, index, marker, onset, apex, offset, units, kind in (
        ("happy", 3, 103, 2.0, 2.2, 2.3, "AU6, AU12", "Micro"),
        ("happy", 3, 103, 2.02, 2.2, 2.2, "AU12", "Micro"),
        ("happy", 3, 103, 5.0, 5.6, 6.5, "AU12", "Macro"),
        ("sad", 3, 109, 4.0, 4.15, 4.3, "AU4", "Micro"),
    ):
        times = (onset, apex, offset)
        video = f"{word}_{index}_{marker}_{person}_{date}.avi"
        rest = (units, word, kind, "2024年06月06日-10时00分", round((apex - onset) * 1000) + 1)
        book.active.append([person, video, marker, *times, *(_stamp_text(t) for t in times), *rest])
        own = pictures / kind / row_key(word, person, date, marker, *times)
        own.mkdir(parents=True, exist_ok=True)
        for name in ("onset.png", "apex.png"):
            picture = rng.integers(0, 256, size=(32, 32, 3), dtype=np.uint8)
            (own / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    book.save(root / CODING_FILE)
    (root / TRUTH).write_text(json.dumps({"simulated": True, "n_rows": 4, "subjects": [person]}), "utf-8")
    return root


def _stamp_text(seconds: float) -> str:
    """Wall clock of a moment of a clip that began at ten o'clock."""
    thousandths = round(seconds * 1000)
    return f"10-00-{thousandths // 1000:02d}-{thousandths % 1000:03d}"
