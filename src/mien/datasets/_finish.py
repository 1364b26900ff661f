"""What readers of several sessions share: which are wanted, and recordings or one reason for none."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from mien.core.errors import InputError
from mien.core.types import Recording
from mien.datasets._inspection import DatasetWarning, Fault


def chosen_sessions(sessions: Collection[str | int] | None, known: Sequence[int]) -> tuple[int, ...]:
    """The sessions asked for, in order; None means all."""
    names = [str(s) for s in (known if sessions is None else sessions)]
    unknown = [name for name in names if name not in map(str, known)]
    if unknown:
        raise InputError(f"no session {', '.join(unknown)}", expected=f"some of {', '.join(map(str, known))}")
    return tuple(s for s in known if str(s) in names)


def finish(
    recordings: list[Recording],
    *,
    dataset: str,
    root: Path,
    faults: tuple[Fault, ...],
    disagreement: InputError | None,
    stacklevel: int,
    wanted: Collection[str] | None = None,
    there: Collection[str] = (),
) -> list[Recording]:
    """The recordings, with one warning for all faults; an error where there is nothing or it is in doubt.

    Parameters
    ----------
    faults
        What was left out or is to be known.
    disagreement
        Raised, where files contradict what is known of the data set.
    wanted, there
        Subjects asked for, and those of which something can be used; where the survey has not looked already.
    stacklevel
        Of the warning, counted from here, so that it points to who asked for the data.

    Raises
    ------
    InputError
        The disagreement; a subject that was asked for has no files; nothing can be used.
    """
    if disagreement is not None:
        raise disagreement
    known = {*there, *(fault.subject for fault in faults)}
    missing = [name for name in wanted or () if name not in known]
    if missing:
        raise InputError(f"no files of subject {', '.join(missing)}", file=root)
    n = len(faults)
    remedy = f"to see all faults: mien inspect {dataset} {root}"
    if not recordings:
        why = f"{n} fault{'s' * (n != 1)}, the first: {faults[0]}" if n else "no clips of these sessions"
        raise InputError(
            f"nothing can be used: {why}", file=root, expected="at least one readable clip", remedy=remedy
        )
    if faults:
        text = f"{n} fault{'s' * (n != 1)} in {root}, the first: {faults[0]}; {remedy}"
        warnings.warn(DatasetWarning(text, faults=faults), stacklevel=stacklevel)
    return recordings
