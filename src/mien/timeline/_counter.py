"""A wrapping counter and rough times of its steps: how often it wrapped, and where its rate changed.

Frames are cut into runs, inside which neighbours are so close that no wrap can hide between them. What rate
the runs have, the gaps between them tell together: at the right one, each is a number of counts that both
its ends allow. Then neighbouring runs are joined, those first over whose gap the count is surest; joined ones
know the rate far better. What is not on one line stays apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mien.timeline._rates import (
    FARTHEST,
    FEWEST_FRAMES,
    FEWEST_POINTS,
    LEAST_JITTER,
    SHORTEST,
    Array,
    Counts,
    Piece,
    blocks,
    line,
    settled,
    straight,
)

_BLOCK = 0.2
"""Seconds of frames whose middle stands for them while runs are joined."""
_SAFE = 0.25
"""Share of a wrap by which the count over a gap may be uncertain."""
_ALIKE = 0.02
"""Share by which the rates of two runs may differ, whatever is known of their errors."""
_STALL = 0.25
"""Seconds by which the frames of a short run may be late together, while saving stalls."""
_VOTERS = 10
"""Gaps on either side of a run that are asked for its rate."""
_AGREED = 0.5
"""Share of them that must agree."""
_LONGEST_GAP = 150.0
"""Seconds; a longer gap says nothing before the rate is known well."""
_STEP = 1e-3
"""Of one rate to the next that is tried, as a share of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run(Piece):
    """Frames with the medians of their blocks, ``counts`` and ``seconds``, and two standard errors of the
    slope as a share of it, infinite where it is not known."""

    counts: Array
    seconds: Array
    error: float


def pieces(stamps: Array, codes: Counts, *, wrap: int | None, nominal: float) -> tuple[Piece, ...]:
    """Stretches of frames with one rate each, in order of time."""
    if wrap is None:
        runs, jitter = _runs(
            stamps, codes, np.empty(0, dtype=np.intp), np.argsort(stamps, kind="stable"), nominal
        )
    else:
        order = np.argsort(stamps, kind="stable")
        step = (np.diff(codes[order]) + wrap // 2) % wrap - wrap // 2
        counts = np.empty_like(codes)
        counts[order] = codes[order[0]] + np.concatenate([[0], np.cumsum(step)])
        breaks = np.flatnonzero(np.diff(stamps[order]) > wrap / (4 * nominal)) + 1
        runs, jitter = _runs(stamps, counts, breaks, order, nominal)
        runs = _joined(_voted(runs, jitter, wrap, nominal), jitter, wrap)
        runs = _joined(_adopted(runs, wrap), jitter, wrap)
    runs = _with_rates(runs, nominal)
    if wrap is not None:
        runs = _in_order(runs, wrap)
    found = [piece for run in runs for piece in straight(stamps, run)]
    return tuple(settled(stamps, found, wrap))


def _runs(
    stamps: Array, counts: Counts, breaks: NDArray[np.intp], order: NDArray[np.intp], nominal: float
) -> tuple[list[_Run], float]:
    """The runs between breaks, and by how much stamps scatter (s)."""
    size = max(1, round(_BLOCK * nominal))
    runs, scatter = [], []
    for at in np.split(order, breaks):
        x, y = blocks(counts[at], stamps[at], size)
        enough = len(at) >= FEWEST_FRAMES and y[-1] - y[0] >= SHORTEST
        slope = line(x, y)[0] if enough else 0.0
        if slope > 0:
            rest = stamps[at] - slope * (counts[at] - counts[at[0]])
            scatter.append(1.4826 * float(np.median(np.abs(rest - np.median(rest)))))
        runs.append(_Run(at=at, index=counts[at], counts=x, seconds=y, slope=slope, error=np.inf))
    jitter = max(float(np.median(scatter)) if scatter else 0.0, LEAST_JITTER)
    return [replace(run, error=_error(run.seconds, run.slope, jitter)) for run in runs], jitter


def _error(seconds: Array, slope: float, jitter: float) -> float:
    """Two standard errors of a slope as a share of it, each block being off by the jitter."""
    spread = float(np.sqrt(((seconds - seconds.mean()) ** 2).sum()))
    return 2 * jitter / spread if slope > 0 and spread > 0 else float(np.inf)


def _voted(runs: list[_Run], jitter: float, wrap: int, nominal: float) -> list[_Run]:
    """Rates that neighbouring gaps agree on: at the right one each of them is a number of counts that its two
    ends allow, which by chance a few in a hundred are.

    Unlike the rate inside a run of a second, this does not mind stamps that grow later while frames queue.
    """
    pairs = list(pairwise(runs))
    gap = np.array([b.seconds[0] - a.seconds[-1] for a, b in pairs])
    counts = np.array([b.counts[0] - a.counts[-1] for a, b in pairs])
    usable = gap <= _LONGEST_GAP
    if usable.sum() < _VOTERS:
        return runs
    rates = nominal * np.exp(np.arange(np.log(0.4), np.log(2.0), _STEP))
    off = (gap[:, None] * rates - counts[:, None] + wrap / 2) % wrap - wrap / 2
    allowed = 4 * jitter + _STEP * gap
    agree = np.maximum(1 - (off / rates / allowed[:, None]) ** 2, 0) * usable[:, None]
    first, last = (np.clip(np.arange(len(runs)) + k, 0, len(gap)) for k in (-_VOTERS, _VOTERS))
    votes = _sums(agree, first, last)
    voters = _sums(usable[:, None].astype(float), first, last)[:, 0]
    best = votes.argmax(axis=1)
    sure = votes[np.arange(len(runs)), best] >= np.maximum(_AGREED * voters, 4)
    return [
        replace(run, slope=float(1 / rates[k]), error=2 * _STEP) if yes else run
        for run, k, yes in zip(runs, best, sure, strict=True)
    ]


def _sums(values: Array, first: NDArray[np.intp], last: NDArray[np.intp]) -> Array:
    """Sums of the rows from ``first`` up to ``last``."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    out: Array = total[last] - total[first]
    return out


def _joined(runs: list[_Run], jitter: float, wrap: int) -> list[_Run]:
    """Neighbours joined, the surest first, until no gap can be crossed."""
    runs = list(runs)
    doubt = [_doubt(a, b) for a, b in pairwise(runs)]
    while doubt:
        i = int(np.argmin(doubt))
        if doubt[i] > _SAFE * wrap:
            break
        both = _join(runs[i], runs[i + 1], jitter, wrap)
        if both is None:  # until one of the two is joined on its other side and knows more
            doubt[i] = float(np.inf)
            continue
        runs[i : i + 2] = [both]
        del doubt[i]
        for j in (i - 1, i):
            if 0 <= j < len(doubt):
                doubt[j] = _doubt(runs[j], runs[j + 1])
    return runs


def _doubt(a: _Run, b: _Run) -> float:
    """By how many counts the better known rate may be wrong over the gap."""
    base = min(a, b, key=lambda run: run.error)
    if not np.isfinite(base.error):
        return float(np.inf)
    return float((b.seconds[0] - a.seconds[-1]) / base.slope * base.error)


def _join(a: _Run, b: _Run, jitter: float, wrap: int) -> _Run | None:
    """Two runs as one; None where they are not on one line."""
    base = min(a, b, key=lambda run: run.error)
    shift, off = _fitted(a, b, base.slope, wrap)
    allowed = _STALL + 4 * jitter + (b.seconds[0] - a.seconds[-1]) * base.error
    both_known = np.isfinite(a.error) and np.isfinite(b.error)
    differ = abs(a.slope - b.slope) / base.slope if both_known else 0.0
    if abs(off) > allowed or differ > max(2 * float(np.hypot(a.error, b.error)), _ALIKE):
        return None
    both = _merged(a, b, shift, base)
    error = _error(both.seconds, base.slope, jitter)
    if error >= base.error:
        return both
    return replace(both, slope=line(both.counts, both.seconds)[0], error=error)


def _fitted(a: _Run, b: _Run, slope: float, wrap: int) -> tuple[int, float]:
    """By how many counts to move the second run so that it continues the first, and by how many seconds it is
    off then."""
    before = np.median((a.seconds - slope * a.counts)[-FEWEST_POINTS:])
    after = np.median((b.seconds - slope * b.counts)[:FEWEST_POINTS])
    apart = float(after - before)
    shift = wrap * round(apart / slope / wrap)
    return shift, apart - shift * slope


def _merged(a: _Run, b: _Run, shift: int, like: _Run) -> _Run:
    return _Run(
        at=np.append(a.at, b.at),
        index=np.append(a.index, b.index + shift),
        counts=np.append(a.counts, b.counts + shift),
        seconds=np.append(a.seconds, b.seconds),
        slope=like.slope,
        error=like.error,
    )


def _adopted(runs: list[_Run], wrap: int) -> list[_Run]:
    """Pieces of a few frames go to the neighbour they fit better, where they fit at all: a single stamp may
    be later than the others ever are."""
    runs = list(runs)
    i = 0
    while i < len(runs):
        offers = sorted(_offers(runs, i, wrap)) if len(runs[i].at) < FEWEST_FRAMES else []
        if not offers:
            i += 1
            continue
        _, first, shift = offers[0]
        a, b = runs[first : first + 2]
        runs[first : first + 2] = [_merged(a, b, shift, b if first == i else a)]
        i = first
    return runs


def _offers(runs: list[_Run], i: int, wrap: int) -> Iterator[tuple[float, int, int]]:
    """For each larger neighbour of a piece that it fits: how far off, the first of the two, the shift."""
    for first, other in ((i - 1, i - 1), (i, i + 1)):
        if 0 <= other < len(runs) and len(runs[other].at) > len(runs[i].at) and runs[other].slope > 0:
            shift, off = _fitted(runs[first], runs[first + 1], runs[other].slope, wrap)
            if abs(off) <= FARTHEST:
                yield abs(off), first, shift


def _with_rates(runs: list[_Run], nominal: float) -> list[_Run]:
    """Pieces without a rate of their own get that of the nearest one that has one."""
    known = [run for run in runs if np.isfinite(run.error)]
    if not known:
        return [replace(run, slope=1 / nominal) for run in runs]
    return [
        run
        if np.isfinite(run.error)
        else replace(run, slope=min(known, key=lambda k: abs(k.seconds[0] - run.seconds[0])).slope)
        for run in runs
    ]


def _in_order(runs: list[_Run], wrap: int) -> list[_Run]:
    """The counters of later pieces moved by whole wraps to about where they would be, never backwards."""
    placed = [runs[0]]
    for run in runs[1:]:
        last = placed[-1]
        shift = _fitted(last, run, (last.slope + run.slope) / 2, wrap)[0]
        least = wrap * -(-int(last.index.max() + 1 - run.index.min()) // wrap)
        move = max(shift, least)
        placed.append(replace(run, index=run.index + move, counts=run.counts + move))
    return placed
