"""What a folder of MEs-EEG holds, and which names stand for its people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.core.pseudonyms import PUBLIC_KEY, Veil, pseudonyms, user_key
from mien.datasets._inspection import Fault
from mien.datasets._me_events import Merged, merge
from mien.datasets._me_people import hidden, read_truth, words_in
from mien.datasets._me_table import Table, find_table, read_table
from mien.datasets._mes_eeg_eeg import EegFiles, find_eeg
from mien.datasets._mes_eeg_face import FaceFiles, choose_stage, find_faces
from mien.datasets._mes_eeg_layout import (
    CODING_FILE,
    EEG_FOLDERS,
    FACE_FOLDERS,
)

Session = tuple[str, str]


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
        return hidden(fault, self.veil)

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
    truth = read_truth(root, dataset="mes_eeg")
    table, broken = None, None
    try:
        table = None if path is None else read_table(path)
    except InputError as error:
        broken = error
    names = {name for name, _ in eeg.sessions} | faces.names | set(() if table is None else table.names)
    key = PUBLIC_KEY if truth is not None else user_key()
    unread = [path.name for path in eeg.strange] + [name for odd in faces.strange.values() for name in odd]
    known = pseudonyms({*names, *words_in(unread)}, key=key)
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
