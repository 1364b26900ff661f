"""The EEG of MEs-EEG: one ``.set`` with ``.fdt`` for each session, and the trials between its markers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.pseudonyms import Veil
from mien.core.types import Event, Span, Stream
from mien.datasets._inspection import Fault
from mien.datasets._mes_eeg_layout import (
    EEG_CHANNELS,
    EEG_FOLDERS,
    EEG_NAME,
    EXTRA_CHANNELS,
    HOUSEKEEPING_MARKERS,
    MARKER_EMOTION,
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
    missing = [name for name in EEG_CHANNELS if name not in recording.channels]
    if missing:
        shown = ", ".join(missing[:6]) + (f", … ({len(missing)} in all)" if len(missing) > 6 else "")
        raise InputError(f"lacks the channels {shown}", file=path, expected="the 62 EEG channels by name")
    trials, texts = _trials(recording)
    faults = [
        Fault(file=str(path), item=item, reason=reason, severity="kept" if kept else "left out")
        for item, reason, kept in texts
    ]
    return Eeg(recording=recording, trials=trials), faults


def _code(event: Event) -> int | None:
    text = str(event.value)
    return int(text) if text.isdecimal() else None


def _trials(recording: EeglabSet) -> tuple[tuple[EegTrial, ...], list[tuple[str, str, bool]]]:
    """Trials in order of time, and (item, reason, kept) for what is wrong.

    A trial goes from its marker to the next ``100``.
    """
    markers = [(e.span.start, _code(e)) for e in recording.events]
    markers = [m for m in markers if m[1] not in HOUSEKEEPING_MARKERS]
    end = recording.span.stop
    trials: list[EegTrial] = []
    wrong: list[tuple[str, str, bool]] = []
    for i, (start, code) in enumerate(markers):
        if code == REST_MARKER:
            continue
        item = f"marker {code}" if code is not None else f"event at {start:.3f} s"
        if code not in MARKER_EMOTION:
            wrong.append((item, f"at {start:.3f} s has no label; expected 101 to 148, 100, 77 or 88", False))
            continue
        if code in [t.marker for t in trials]:
            wrong.append((item, f"comes again at {start:.3f} s; the first is used", False))
            continue
        after = [m for m in markers[i + 1 :] if m[1] == REST_MARKER or m[1] in MARKER_EMOTION]
        ended = bool(after) and after[0][1] == REST_MARKER
        if after and not ended:
            wrong.append((item, f"no end ({REST_MARKER}) before marker {after[0][1]}", False))
            continue
        if not after and start >= end:
            wrong.append((item, f"is after the end of the recording ({end:.3f} s) and has no end", False))
            continue
        stop = after[0][0] if after else end
        recorded, whole = start < end, stop <= end + 0.5 / recording.rate
        if not ended:
            wrong.append(
                (item, f"no end ({REST_MARKER}) after it; the trial lasts to the end of the recording", True)
            )
        elif not whole:
            had = f"{max(end - start, 0):.1f} s of {stop - start:.1f} s are" if recorded else "nothing is"
            wrong.append((item, f"the recording ends at {end:.3f} s: {had} there", True))
        span = Span(start=start, duration=stop - start)
        trials.append(EegTrial(marker=code, span=span, recorded=recorded))
    return tuple(trials), wrong


@dataclass(frozen=True, kw_only=True, repr=False)
class EegSource:
    """Some channels of a session as the source of a stream; names of people stay out of its errors."""

    recording: EeglabSet
    channels: tuple[str, ...]
    veil: Veil

    def __repr__(self) -> str:
        return f"EegSource({len(self.channels)} channels, {self.recording.span.stop:.1f} s)"

    def covers(self, start: float, duration: float) -> bool:
        """Whether the whole span was recorded."""
        return self.recording.covers(start, duration)

    def files(self) -> tuple[Path, ...]:
        """The files it reads from."""
        return self.veil.readable(self.recording.files())

    def read(self, start: float, duration: float) -> NDArray[np.float64]:
        """Samples (channels, times) in volts."""
        with self.veil.over():
            return self.recording.read(start, duration, channels=self.channels)


def eeg_streams(recording: EeglabSet, veil: Veil) -> dict[str, Stream]:
    """The streams of a session: 62 electrodes, the other channels by kind, and all as in the file."""
    kinds = {
        "raw_eeg": ("eeg", EEG_CHANNELS),
        "raw_eeg_all": ("eeg", recording.channels),
        **{f"raw_{kind}": (kind, names) for kind, names in EXTRA_CHANNELS.items()},
    }
    return {
        name: Stream(
            name=name,
            modality=modality,
            unit="V",
            rate=recording.rate,
            channels=channels,
            span=recording.span,
            source=EegSource(recording=recording, channels=channels, veil=veil),
        )
        for name, (modality, channels) in kinds.items()
        if set(channels) <= set(recording.channels)
    }
