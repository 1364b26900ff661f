"""What the readers of MEs-EEG and MMME share about people: who was chosen, and whether anybody is real."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.core.pseudonyms import Veil
from mien.datasets._inspection import Fault
from mien.datasets._mes_eeg_layout import ALIASES, EMOTIONS_8, KINDS, TRUTH, TYPES

_PSEUDONYM = re.compile(r"p[0-9a-f]{6,}")
WORDS = frozenset(
    {*EMOTIONS_8, *ALIASES, *(k.lower() for k in TYPES), *KINDS}
    | {"video", "onset", "apex", "align", "by", "nose", "avi", "png", "set", "fdt", "eeg"}
    | {"acquisition", "biopac", "frames", "untitled", "cdt", "dpo", "mat", "acq", "tif", "tiff", "coding"}
    | {"file", "combined", "codes", "data", "xlsx", "biopac", "ecg", "raw", "recording", "session", "signal"}
    | {"signals", "physiology", "physio", "peripheral", "baseline", "rest", "test", "new", "old", "copy"}
    | {"subject", "frame", "camera", "face", "code", "marker", "channel", "column"}
)
"""Words in the names of files that are no person's name."""


def read_truth(root: Path, *, dataset: str) -> dict[str, Any] | None:
    """What ``truth.json`` says, or None where there is none or it does not say that the data are made up.

    Raises
    ------
    InputError
        It is no JSON.
    """
    path = root / TRUTH
    if not path.is_file():
        return None
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise InputError(
            "is not readable JSON", file=path, remedy=f"make the data again with: mien simulate {dataset}"
        ) from None
    return truth if isinstance(truth, dict) and truth.get("simulated") is True else None


def chosen_people(subjects: Collection[str], there: Iterable[str], *, root: Path, dataset: str) -> set[str]:
    """The chosen pseudonyms; an error names those that are not there, never by a person's name.

    Raises
    ------
    InputError
        One of them is not there.
    """
    known = sorted(set(there))
    wanted = {str(s) for s in ([subjects] if isinstance(subjects, str) else subjects)}
    missing = sorted(wanted - set(known))
    if missing:
        found = [name if _PSEUDONYM.fullmatch(name) else "(no pseudonym)" for name in missing]
        raise InputError(
            f"no subject {', '.join(found)}",
            file=root,
            expected=f"some of {', '.join(known) or '(none)'}",
            remedy=f"mien inspect {dataset} ROOT --reveal tells who is who",
        )
    return wanted


def words_in(names: Iterable[str]) -> set[str]:
    """Words in names of files that are not understood, each of which may be a person's name."""
    return {w for name in names for w in re.findall(r"[^\W\d_]+", name) if w.lower() not in WORDS}


def hidden(fault: Fault, veil: Veil) -> Fault:
    """A fault without names."""
    return replace(
        fault,
        file=veil.hide(fault.file),
        item=veil.hide(fault.item),
        reason=veil.hide(fault.reason),
        subject=veil.hide(fault.subject),
    )


def masked(name: str) -> str:
    """Name of a file with ``…`` in the place of words that may be a person's name."""
    return re.sub(r"[^\W\d_]+", lambda m: m[0] if m[0].lower() in WORDS else "…", name)
