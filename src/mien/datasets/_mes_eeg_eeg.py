"""The EEG of MEs-EEG: one ``.set`` with ``.fdt`` for each session, and the trials between its markers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.core.types import Event, Span
from mien.datasets._inspection import Fault
from mien.datasets._me_clips import Found, clips_in, no_end
from mien.datasets._me_streams import check_eeg
from mien.datasets._mes_eeg_layout import (
    EEG_FOLDERS,
    EEG_NAME,
    REST_MARKER,
)
from mien.io.eeglab import EeglabSet, open_set

Key = tuple[str, str]
"""A session: name of the person, date."""


@dataclass(frozen=True, kw_only=True, repr=False)
class EegFiles:
    """Where the EEG lies: session to file, and names of files that are no session's."""

    sessions: Mapping[Key, Path]
    strange: tuple[Path, ...]
    there: bool


def find_eeg(root: Path) -> EegFiles:
    """Looks through the folders that may hold EEG; opens nothing."""
    folder = next((root / name for name in EEG_FOLDERS if (root / name).is_dir()), None)
    sessions: dict[Key, Path] = {}
    strange = []
    for path in sorted(folder.iterdir()) if folder is not None else ():
        match = EEG_NAME.fullmatch(path.name)
        if match:
            sessions[match["subject"], match["date"]] = path
        elif path.suffix.lower() == ".set":
            strange.append(path)
    return EegFiles(sessions=sessions, strange=tuple(strange), there=folder is not None)


@dataclass(frozen=True, kw_only=True)
class EegTrial:
    """One clip on the EEG's clock; ``recorded`` says whether its start lies within the recording."""

    marker: int
    span: Span
    recorded: bool


@dataclass(frozen=True, kw_only=True, repr=False)
class Eeg:
    """An opened session."""

    recording: EeglabSet
    trials: tuple[EegTrial, ...]


def open_eeg(path: Path) -> tuple[Eeg, list[Fault]]:
    """Opens a session and finds its trials.

    Raises
    ------
    InputError
        The file cannot be used, or lacks a channel.
    """
    recording = open_set(path)
    check_eeg(recording)
    trials, texts = _trials(recording)
    faults = [
        Fault(file=str(path), item=item, reason=reason, severity="kept" if kept else "left out")
        for item, reason, kept in texts
    ]
    return Eeg(recording=recording, trials=trials), faults


def _code(event: Event) -> int | None:
    text = str(event.value)
    return int(text) if text.isdecimal() else None


def _trials(recording: EeglabSet) -> tuple[tuple[EegTrial, ...], list[Found]]:
    """Trials in order of time, and what is wrong. A trial goes from its marker to the next ``100``."""
    clips, wrong = clips_in((e.span.start, _code(e)) for e in recording.events)
    end = recording.span.stop
    trials: list[EegTrial] = []
    for clip in clips:
        item = f"marker {clip.marker}"
        if clip.followed_by is not None:
            wrong.append((item, no_end(clip), False))
            continue
        if clip.stop is None and clip.start >= end:
            wrong.append((item, f"is after the end of the recording ({end:.3f} s) and has no end", False))
            continue
        stop = end if clip.stop is None else clip.stop
        recorded, whole = clip.start < end, stop <= end + 0.5 / recording.rate
        if clip.stop is None:
            wrong.append(
                (item, f"no end ({REST_MARKER}) after it; the trial lasts to the end of the recording", True)
            )
        elif not whole:
            had = f"{end - clip.start:.1f} s of {stop - clip.start:.1f} s are" if recorded else "nothing is"
            wrong.append((item, f"the recording ends at {end:.3f} s: {had} there", True))
        span = Span(start=clip.start, duration=stop - clip.start)
        trials.append(EegTrial(marker=clip.marker, span=span, recorded=recorded))
    return tuple(trials), wrong
