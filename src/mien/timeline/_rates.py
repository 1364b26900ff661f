"""Frames on straight lines of stamps over a counter: their rate, and the places where it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
SHORTEST = 0.3
"""Seconds of frames below which their rate is not looked at."""
LEAST_JITTER = 0.002
"""Seconds by which stamps scatter at the least: they have whole milliseconds."""
FEWEST_POINTS = 10
"""Points that a rate must hold for, and blocks on each side of a gap that say how well it is crossed."""
FEWEST_FRAMES = 20
"""Frames below which a piece is not left alone if it can be helped."""
FARTHEST = 0.5
"""Seconds by which pieces on one line may be off each other: a few frames can be late together, while saving
stalls."""
_BEND = 1.0
"""Seconds of frames that are one point where a change of the rate is looked for inside a piece."""
_MANY = 40
"""Such points that there are of few frames, too: of fewer frames each, then."""
_END = 100
"""Frames at the end of a piece that say how it goes on."""
_PASSES = 3
"""Over all pieces, to settle where they are cut."""
_ROUNDS = 12
"""Of a robust regression."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Frames on one line.

    Attributes
    ----------
    at
        Their positions among all frames, by stamp.
    index
        The counter of each without wraps.
    slope
        Seconds from one frame to the next.
    """

    at: NDArray[np.intp]
    index: Counts
    slope: float


def straight(stamps: Array, run: Piece) -> list[Piece]:
    """A piece, cut where its rate changes; its parts in order."""
    found: list[Piece] = []
    waiting = [_fitted(stamps, run, slice(None))]
    while waiting:
        piece = waiting.pop()
        cut = _bend(stamps[piece.at], piece.index, piece.slope)
        after = piece.index >= (piece.index.max() + 1 if cut is None else cut)
        if after.all() or not after.any():
            found.append(piece)
        else:
            parts = _fitted(stamps, piece, ~after), _fitted(stamps, piece, after)
            waiting += [_fitted(stamps, part, slice(None)) for part in recut(stamps, *parts, None)[::-1]]
    return found


def _fitted(stamps: Array, piece: Piece, which: slice | NDArray[np.bool_]) -> Piece:
    """Some frames of a piece with the slope of their own."""
    at, index = piece.at[which], piece.index[which]
    return Piece(at=at, index=index, slope=_final_slope(stamps[at], index, piece.slope))


def settled(stamps: Array, found: list[Piece], wrap: int | None) -> list[Piece]:
    """The same pieces, cut where it fits best, and those together that are on one line after all."""
    for _ in range(_PASSES):
        for i in range(len(found) - 1):
            found[i : i + 2] = [
                _fitted(stamps, part, slice(None)) for part in recut(stamps, found[i], found[i + 1], wrap)
            ]
        i = 0
        while i < len(found) - 1:
            both = _together(stamps, found[i], found[i + 1], wrap)
            if both is None:
                i += 1
            else:
                found[i : i + 2] = [both]
    return found


def _together(stamps: Array, a: Piece, b: Piece, wrap: int | None) -> Piece | None:
    """Two neighbours as one; None where they are not on one line."""
    like = a if len(a.at) >= len(b.at) else b
    shift = 0
    if wrap is not None:
        ends = [
            np.median(stamps[part] - like.slope * index)
            for part, index in ((a.at[-_END:], a.index[-_END:]), (b.at[:_END], b.index[:_END]))
        ]
        apart = float(ends[1] - ends[0])
        shift = wrap * round(apart / like.slope / wrap)
        if abs(apart - shift * like.slope) > FARTHEST:
            return None
    both = Piece(at=np.append(a.at, b.at), index=np.append(a.index, b.index + shift), slope=like.slope)
    both = _fitted(stamps, both, slice(None))
    return both if _bend(stamps[both.at], both.index, both.slope) is None else None


def _final_slope(stamps: Array, index: Counts, rough: float) -> float:
    if len(index) < FEWEST_FRAMES or stamps.max() - stamps.min() < SHORTEST:
        return rough
    count = (index - index[0]).astype(np.float64)
    return rough + line(count, stamps - rough * count)[0]


def _bend(stamps: Array, index: Counts, slope: float) -> int | None:
    """The count at which the rate changes: where two lines explain the stamps clearly better than one, and
    differ from it by half a frame or more. None: nowhere."""
    order = np.argsort(index, kind="stable")
    count = index[order] - index[order[0]]
    rest = stamps[order] - slope * count
    x, y = blocks(count, rest, max(8, min(round(_BEND / slope), len(count) // _MANY)))
    n = len(x)
    if n < 2 * FEWEST_POINTS:
        return None
    left, right = _errors(x, y), _errors(x[::-1], y[::-1])
    places = np.arange(FEWEST_POINTS, n - FEWEST_POINTS + 1)
    both = left[places - 1] + right[n - places - 1]
    k = int(places[np.argmin(both)])
    floor = n * LEAST_JITTER**2 / 100
    if n * np.log((left[-1] + floor) / (both.min() + floor)) < 6 * np.log(n) + 10:
        return None
    before, after, one = (line(x[part], y[part]) for part in (slice(k), slice(k, None), slice(None)))
    said = np.where(np.arange(n) < k, np.polyval(before, x), np.polyval(after, x))
    noise = 1.4826 * float(np.median(np.abs(y - said))) / np.sqrt(FEWEST_POINTS)
    if np.abs(said - np.polyval(one, x)).max() < max(slope / 2, 4 * noise):
        return None
    return int(index[order[np.searchsorted(count, x[k])]])


def recut(stamps: Array, a: Piece, b: Piece, wrap: int | None) -> tuple[Piece, Piece]:
    """Two neighbouring pieces with the cut between them where it fits best.

    That is where their lines meet, if the stamps have nothing against it (a rate that changed), or else from
    where on the stamps are nearer to the second line (a clock that was set).
    """
    if min(len(a.at), len(b.at)) < FEWEST_FRAMES:
        return a, b
    at, index = np.append(a.at, b.at), np.append(a.index, b.index)
    first, last = (float(np.median(stamps[p.at] - p.slope * p.index)) for p in (a, b))
    ours = np.arange(len(at)) < len(a.at)
    said = np.where(ours, first + a.slope * index, last + b.slope * index)
    order = np.argsort(said, kind="stable")
    at, index, ours, said = at[order], index[order], ours[order], said[order]
    miss_a, miss_b = stamps[at] - first - a.slope * index, stamps[at] - last - b.slope * index
    # by how many wraps the counters of the two pieces differ is not sure
    turn = np.zeros(len(at), dtype=np.int64)
    if wrap is not None:
        turn = wrap * np.rint(np.where(ours, miss_b / b.slope, miss_a / a.slope) / wrap).astype(np.int64)
    worse = np.abs(miss_a - ~ours * turn * a.slope) - np.abs(miss_b - ours * turn * b.slope)
    cost = np.cumsum(np.append(0.0, worse))
    cut = int(np.argmin(cost))
    for meet in _meetings((a.slope, first), (b.slope, last), float(said[ours].max()), wrap):
        here = int(np.searchsorted(said, meet))
        if 0 < here < len(at) and cost[here] <= cost.min() + 5 * float(np.median(np.abs(miss_a[ours]))):
            cut = here
            break
    before = np.arange(len(at)) < cut
    if before.all() or not before.any():
        return a, b
    index = index + np.where(before == ours, 0, turn)
    return replace(a, at=at[before], index=index[before]), replace(b, at=at[~before], index=index[~before])


def _meetings(a: tuple[float, float], b: tuple[float, float], near: float, wrap: int | None) -> list[float]:
    """Where two lines (slope, height) of stamps over a counter meet, the second counter being off by some
    number of wraps; those nearest to ``near`` first."""
    if a[0] == b[0]:
        return []
    turns = [0.0]
    if wrap is not None:
        likely = round(((near - b[1]) / b[0] - (near - a[1]) / a[0]) / wrap)
        turns = [wrap * float(likely + k) for k in (-1, 0, 1)]
    found = [a[1] + a[0] * (a[1] - b[1] - b[0] * turn) / (b[0] - a[0]) for turn in turns]
    return sorted(found, key=lambda meet: abs(meet - near))


def line(x: Array, y: Array) -> tuple[float, float]:
    """Slope and height of a line by Huber's regression: not moved much by stamps that are very late, and,
    unlike a median of slopes, not by how the points are clustered."""
    middle = float(x.mean())
    away = x - middle
    weight = np.ones(len(x))
    slope = height = 0.0
    for _ in range(_ROUNDS):
        total = weight.sum()
        mean_x, mean_y = (weight @ away) / total, (weight @ y) / total
        spread = weight @ (away - mean_x) ** 2
        slope = float((weight @ ((away - mean_x) * (y - mean_y))) / spread) if spread > 0 else 0.0
        height = float(mean_y - slope * mean_x)
        off = np.abs(y - height - slope * away)
        limit = max(1.5 * 1.4826 * float(np.median(off)), 1e-6)
        weight = limit / np.maximum(off, limit)
    return slope, height - slope * middle


def _errors(x: Array, y: Array) -> Array:
    """Squared error of the line through the first 1, 2, … points."""
    n = np.arange(1, len(x) + 1)
    x, y = x - x.mean(), y - y.mean()
    sx, sy = np.cumsum(x), np.cumsum(y)
    xx, xy = np.cumsum(x * x) - sx**2 / n, np.cumsum(x * y) - sx * sy / n
    yy = np.cumsum(y * y) - sy**2 / n
    return np.maximum(yy - np.where(xx > 0, xy**2 / np.where(xx > 0, xx, 1), 0), 0)


def blocks(counts: Counts, seconds: Array, size: int) -> tuple[Array, Array]:
    """Medians of ``size`` frames each; the last has what is left as well."""
    cut = max(len(counts) // size - 1, 0) * size

    def medians(values: Array) -> Array:
        return np.append(np.median(values[:cut].reshape(-1, size), axis=1), np.median(values[cut:]))

    return medians(counts.astype(np.float64)), medians(seconds)
