"""What a folder of MEs-EEG holds, and which names stand for its people."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.core.pseudonyms import PUBLIC_KEY, Veil, pseudonyms, user_key
from mien.datasets._inspection import Fault
from mien.datasets._mes_eeg_eeg import EegFiles, find_eeg
from mien.datasets._mes_eeg_events import Merged, merge
from mien.datasets._mes_eeg_face import FaceFiles, choose_stage, find_faces
from mien.datasets._mes_eeg_layout import (
    ALIASES,
    CODING_FILE,
    EEG_FOLDERS,
    EMOTIONS_8,
    FACE_FOLDERS,
    KINDS,
    TRUTH,
    TYPES,
)
from mien.datasets._mes_eeg_table import Table, find_table, read_table

Session = tuple[str, str]
_PSEUDONYM = re.compile(r"p[0-9a-f]{6,}")
_WORDS = frozenset(
    {*EMOTIONS_8, *ALIASES, *(k.lower() for k in TYPES), *KINDS}
    | {"video", "onset", "apex", "align", "by", "nose", "avi", "png", "set", "fdt", "eeg"}
)
"""Words in the names of files that are no person's name."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Survey:
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
    def sessions(self) -> tuple[Session, ...]:
        """Sorted by pseudonym and date, so that the order tells nothing about the names."""
        every = {*self.eeg.sessions, *((name, date) for name, date, _ in self.events)}
        return tuple(sorted(every, key=lambda s: (self.veil.names[s[0]], s[1])))

    def subject(self, session: Session) -> str:
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


def survey(root: Path, *, stage: str) -> Survey:
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
    return Survey(
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


def wanted_subjects(seen: Survey, subjects: Collection[str]) -> set[str]:
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
