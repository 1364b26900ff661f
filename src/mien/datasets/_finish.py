"""What readers of several sessions share: which are wanted, and recordings or one reason for none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import InputError
from mien.core.types import Recording
from mien.datasets._inspection import DatasetWarning, Fault


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a data set speaks of what it lacks.

    Attributes
    ----------
    nothing
        Why there are no recordings, where there are no faults either.
    expected
        The least that there should be.
    see
        End of the warning; ``{command}`` stands for the command that shows all faults.
    """

    nothing: str = "no clips of these sessions"
    expected: str = "at least one readable clip"
    see: str = "to see all faults: {command}"


_CLIPS = Words()


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
    stacklevel: int,
    disagreement: InputError | None = None,
    wanted: Collection[str] | None = None,
    there: Collection[str] = (),
    hide: Callable[[str], str] = str,
    words: Words = _CLIPS,
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
    hide
        Takes people's names out of the warning; faults have none any more.
    words
        How the data set speaks of what it lacks.

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
    command = f"mien inspect {dataset} {root}"
    found = f"{len(faults)} fault{'s' * (len(faults) != 1)}"
    if not recordings:
        why = f"{found}, the first: {faults[0]}" if faults else words.nothing
        raise InputError(
            f"nothing can be used: {why}",
            file=root,
            expected=words.expected,
            remedy=f"to see all faults: {command}",
        )
    if faults:
        text = f"{found} in {root}, the first: {faults[0]}; {words.see.format(command=command)}"
        warnings.warn(DatasetWarning(hide(text), faults=faults), stacklevel=stacklevel)
    return recordings
