"""Codes on a trigger line: from samples, piece by piece, to runs of one code and to markers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mien.core import Event, Span


def code_runs(pieces: Iterable[NDArray[np.integer]]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Where a line changes: first sample of each run, the code of each run, and the number of samples.

    Parameters
    ----------
    pieces
        Codes of consecutive samples; one piece is in memory at a time.
    """
    starts: list[NDArray[np.int64]] = []
    codes: list[NDArray[np.int64]] = []
    n, last = 0, -1
    for piece in pieces:
        at = np.flatnonzero(np.diff(piece.astype(np.int64), prepend=last))
        starts.append(at + n)
        codes.append(piece[at].astype(np.int64))
        n += len(piece)
        last = int(piece[-1]) if len(piece) else last
    empty = np.zeros(0, dtype=np.int64)
    return np.concatenate([empty, *starts]), np.concatenate([empty, *codes]), n


def markers_of_runs(
    starts: NDArray[np.int64], codes: NDArray[np.int64], *, n_samples: int, rate: float
) -> tuple[Event, ...]:
    """One event of kind ``"marker"`` at each change to a code that is not 0, its ``value`` the code.

    A code that is on at the first sample has no known onset and is left out. Lines that do not switch at the
    same moment show a wrong code for one sample: a run of one sample that touches another code is part of the
    change, whose time is that of its first sample.
    """
    lengths = np.diff(starts, append=n_samples)
    starts, codes = _settled(starts, codes, lengths)
    keep = (codes != 0) & (starts > 0)
    return tuple(
        Event(kind="marker", span=Span(start=at / rate, duration=0.0), value=code)
        for at, code in zip(starts[keep].tolist(), codes[keep].tolist(), strict=True)
    )


def _settled(
    starts: NDArray[np.int64], codes: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs without those that last one sample between two others of which at least one is a code."""
    if len(codes) < 3:
        return starts, codes
    short = np.zeros(len(codes), dtype=bool)
    between = (codes[:-2] != 0) | (codes[2:] != 0)
    short[1:-1] = (lengths[1:-1] == 1) & (codes[1:-1] != 0) & between
    # the run after a short one begins where the (first of the) short ones began
    begins = starts.copy()
    for i in np.flatnonzero(short):  # few: one or two for each marker at most
        begins[i + 1] = begins[i]
    begins, codes = begins[~short], codes[~short]
    changed = np.diff(codes, prepend=-1) != 0  # a glitch inside a code leaves one run
    return begins[changed], codes[changed]
