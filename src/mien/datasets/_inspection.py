"""What a look at a data set on disk found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from mien.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with a file.

    Attributes
    ----------
    file
        The file, as a path.
    reason
        What was found and what was expected, in one line.
    item
        The part of the file that is at fault (``"clip 12"``); empty where it is the whole file.
    subject
        Whose data these are; empty where they belong to nobody.
    severity
        ``"left out"``: the part is not in what ``load`` gives. ``"kept"``: it is, as it was found.
    """

    file: str
    reason: str
    item: str = ""
    subject: str = ""
    severity: Literal["left out", "kept"] = "left out"

    def __str__(self) -> str:
        return f"{self.file}{': ' if self.item else ''}{self.item}: {self.reason} ({self.severity})"


class DatasetWarning(UserWarning):
    """Some of a data set's files or clips could not be used; ``faults`` says which and why."""

    def __init__(self, text: str, *, faults: Iterable[Fault] = ()) -> None:
        super().__init__(text)
        self.faults = tuple(faults)


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is in a copy of a data set, against what should be.

    Attributes
    ----------
    dataset, root
        Name of the data set and the folder that was looked at.
    found
        One mapping per subject: what there is.
    sessions
        One mapping per subject and session with raw recordings: what there is.
    counts
        Name to ``(found, expected)``; expected is None where nothing is known.
    faults
        Everything that is wrong. A copy may be incomplete without a fault: see ``counts``.
    notes
        What a reader should know besides.
    events
        One mapping per coded event of the data set, for its statistics; not part of :meth:`to_dict`.
    """

    dataset: str
    root: str
    found: tuple[Mapping[str, Any], ...] = ()
    sessions: tuple[Mapping[str, Any], ...] = ()
    counts: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "dataset": self.dataset,
            "root": self.root,
            "ok": self.ok,
            "found": [dict(f) for f in self.found],
            "sessions": [dict(s) for s in self.sessions],
            "counts": {name: {"found": a, "expected": b} for name, (a, b) in self.counts.items()},
            "faults": [asdict(f) for f in self.faults],
            "notes": list(self.notes),
        }


def fault_of(error: InputError, **where: Any) -> Fault:
    """An :class:`InputError` as a fault of its file."""
    file = str(error.file or "")
    return Fault(file=file, reason=str(error).removeprefix(f"{file}: "), **where)
