"""What a folder of MMME holds, and which names stand for its people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mien.core.errors import InputError, UnknownNameError
from mien.core.pseudonyms import PUBLIC_KEY, Veil, pseudonyms, user_key
from mien.core.text import natural_key
from mien.datasets._inspection import Fault
from mien.datasets._me_events import Merged, merge
from mien.datasets._me_people import hidden, read_truth, words_in
from mien.datasets._me_table import Table
from mien.datasets._mmme_layout import (
    BIOPAC_CLOCK,
    CAMERA_CLOCK,
    CODING_FILE,
    EEG_CLOCK,
    EEG_FILE,
    GLOBS,
    SESSION,
)
from mien.datasets._mmme_table import read_tables

Session = tuple[str, str]
"""Name of the person, date."""
Layout = Mapping[str, tuple[str, ...]]
DEVICES = ("eeg", "biopac", "frames")
"""Keys of the layout that are one device's files each."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SessionFiles:
    """Where one session lies; ``frames`` says whether there is one frame at least."""

    folder: Path
    eeg: Path | None
    biopac: Path | None
    frames: bool
    spare: tuple[Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files of EEG and BIOPAC, read or not."""
        return tuple(path for path in (self.eeg, self.biopac, *self.spare) if path is not None)


@dataclass(frozen=True, kw_only=True, repr=False)
class Survey:
    """What the folder holds.

    ``files`` are the sessions that have a folder, ``events`` what is coded in each video; ``veil`` hides the
    names that are known, ``strange`` also every other word in names that are not understood.
    """

    root: Path
    layout: Layout
    truth: Mapping[str, Any] | None
    veil: Veil
    strange: Veil
    table: Table | None
    events: Mapping[tuple[str, str, int], tuple[Merged, ...]]
    files: Mapping[Session, SessionFiles]
    unread: tuple[Path, ...]
    extra: tuple[Fault, ...]
    notes: tuple[str, ...]

    @cached_property
    def sessions(self) -> tuple[Session, ...]:
        """Sessions with a folder, sorted by pseudonym and date, so that the order tells nothing of the
        names."""
        return tuple(sorted(self.files, key=lambda s: (self.veil.names[s[0]], s[1])))

    @cached_property
    def recorded(self) -> frozenset[str]:
        """Clocks of the devices that some session has files of."""
        there = {
            clock
            for files in self.files.values()
            for clock, one in (
                (EEG_CLOCK, files.eeg),
                (BIOPAC_CLOCK, files.biopac),
                (CAMERA_CLOCK, files.frames),
            )
            if one
        }
        return frozenset(there)

    def subject(self, session: Session) -> str:
        """Pseudonym of a session's person."""
        return self.veil.names[session[0]]

    def hidden(self, fault: Fault) -> Fault:
        """A fault without names."""
        return hidden(fault, self.veil)

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the table and with names of folders."""
        faults = [*self.extra, *(() if self.table is None else self.table.faults)]
        for path in self.unread:
            shown = str(path.parent / self.strange.hide(path.name))
            reason = "holds recordings, but its name is not of the form SUBJECTyyyymmdd"
            faults.append(Fault(file=shown, reason=reason))
        for files in self.files.values():
            faults += [
                Fault(file=str(path), reason="a second file of its kind in this session, which is not read")
                for path in files.spare
            ]
        coded = {(name, date) for name, date, _ in self.events}
        for name, date in sorted(coded - set(self.files)):
            faults.append(
                Fault(
                    file=str(self.root),
                    item=f"session of {date}",
                    reason="is in the coding table and has no folder",
                    subject=name,
                )
            )
        return tuple(self.hidden(fault) for fault in faults)


def layout_of(changes: Mapping[str, str | Sequence[str]] | None) -> Layout:
    """The patterns of paths, with what the user gave in the place of the default.

    Raises
    ------
    UnknownNameError
        There is no such pattern.
    """
    given = dict(changes or {})
    for key in given:
        if key not in GLOBS:
            raise UnknownNameError("pattern", key, GLOBS)
    return {**GLOBS, **{key: (one,) if isinstance(one, str) else tuple(one) for key, one in given.items()}}


def matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files below a folder that match the first pattern that matches any, in counting order."""
    found = [path for path in frames_in(folder, patterns) if path.is_file()]
    return sorted(found, key=lambda path: natural_key(path.name))


def frames_in(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """As :func:`matching`, in any order and without a look at each: there are hundreds of thousands."""
    for pattern in patterns:
        found = [path for path in folder.glob(pattern) if not path.name.startswith(".")]
        if found:
            return found
    return []


def survey(root: Path, *, layout: Layout, kinds_from: Path | None = None, needs_table: bool = True) -> Survey:
    """Looks through the folder and reads the coding table; opens no recording.

    Raises
    ------
    InputError
        It is no copy of the data set, or (``needs_table``) the coding table cannot be used.
    """
    if not root.is_dir():
        raise InputError("no such folder", file=root, expected="the folder that holds MMME")
    files, strange, unread = _sessions(root, layout)
    table_path = next(iter(matching(root, layout["table"])), None)
    if table_path is None and not files:
        raise InputError(
            "is no copy of MMME",
            file=root,
            expected=f"{CODING_FILE}, or folders SUBJECTyyyymmdd with {EEG_FILE}",
            remedy="if its folders have other names, give their patterns as layout={'session': …}",
        )
    truth = read_truth(root, dataset="mmme")
    table, extra, notes = read_tables(table_path, kinds_from=kinds_from, strict=needs_table)
    names = {name for name, _ in files} | set(() if table is None else table.names)
    # a recording may be called after somebody, whoever that is; letters such as "a" are no name
    named = words_in(path.stem for found in files.values() for path in found.paths)
    names |= {word for word in named if len(word) > 2}
    odd = {path.name for path in unread} | strange
    known = pseudonyms({*names, *words_in(odd)}, key=PUBLIC_KEY if truth is not None else user_key())
    return Survey(
        root=root,
        layout=layout,
        truth=truth,
        veil=Veil(names={name: known[name] for name in names}),
        strange=Veil(names=known),
        table=table,
        events=merge(() if table is None else table.rows),
        files=files,
        unread=tuple(unread),
        extra=extra,
        notes=notes,
    )


def _sessions(root: Path, layout: Layout) -> tuple[dict[Session, SessionFiles], set[str], list[Path]]:
    """Sessions to their files, names of other folders, and those of them that hold recordings."""
    folders = list(
        dict.fromkeys(
            path for pattern in layout["session"] for path in sorted(root.glob(pattern)) if path.is_dir()
        )
    )
    sessions: dict[Session, SessionFiles] = {}
    for folder in folders:
        match = SESSION.fullmatch(folder.name.lower())
        if match is not None:
            sessions.setdefault((match["subject"], match["date"]), _files(folder, layout))
    taken = [files.folder for files in sessions.values()]
    others = [
        path
        for path in folders
        if not any(path.is_relative_to(folder) or folder.is_relative_to(path) for folder in taken)
    ]
    unread = [path for path in others if any(_there(path, layout[device]) for device in DEVICES)]
    unread = [
        path for path in unread if not any(path != other and other.is_relative_to(path) for other in unread)
    ]
    return sessions, {path.name for path in others}, unread


def _there(folder: Path, patterns: Iterable[str]) -> bool:
    return any(path.is_file() for pattern in patterns for path in folder.glob(pattern))


def _files(folder: Path, layout: Layout) -> SessionFiles:
    eeg, biopac = (matching(folder, layout[device]) for device in ("eeg", "biopac"))
    return SessionFiles(
        folder=folder,
        eeg=eeg[0] if eeg else None,
        biopac=biopac[0] if biopac else None,
        frames=_there(folder, layout["frames"]),
        spare=(*eeg[1:], *biopac[1:]),
    )
