"""When each frame of a camera was exposed, from its counter and the stamps of its files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import Event, InputError, Span
from mien.timeline._counter import pieces
from mien.timeline._rates import Array, Piece

_EARLY = 0.05
"""Share of the stamps that may lie before the exposure they belong to: a stamp is late, by a delay that
varies, and the frames that were saved at once show best when they were exposed."""
_CLOSE = 0.25
"""Seconds; frames that are missing between two stored ones no farther apart were dropped, not left out."""
_WORST = 0.1
"""Seconds by which stamps may scatter: half a micro-expression."""


@dataclass(frozen=True, kw_only=True)
class FrameStretch:
    """Frames that came at one rate: from ``start`` to ``stop`` in seconds, ``rate`` per second."""

    start: float
    stop: float
    rate: float
    n_frames: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameTimes:
    """When the frames of a camera were exposed. Arrays are (frames,), in the order in which they were given.

    Attributes
    ----------
    times
        float64 seconds on the camera's clock, which is that of its stamps.
    index
        int64, the counter without its wraps. Between two stretches it may be off by whole wraps.
    rate
        Frames per second, of the stretch with most frames.
    dropped
        ``(index, n)``: the counter at which frames are missing, and how many, where the stored frames on both
        sides are close in time. Frames between stored pieces of a recording are not in it.
    repeated
        Positions of frames whose counter another frame has, too.
    late
        float64 seconds by which each stamp lies after the exposure.
    residual
        Median distance of ``late`` from its median, in seconds.
    stretches
        Parts of the recording with a rate of their own, in order of time; one where the rate never changed.
    """

    times: Array
    index: NDArray[np.int64]
    rate: float
    dropped: tuple[tuple[int, int], ...]
    repeated: NDArray[np.intp]
    late: Array
    residual: float
    stretches: tuple[FrameStretch, ...]

    @property
    def n_dropped(self) -> int:
        """Number of dropped frames."""
        return sum(n for _, n in self.dropped)


def frame_times(
    stamps: ArrayLike, codes: ArrayLike, *, wrap: int | None = 1000, nominal: float = 150.0
) -> FrameTimes:
    """Times of frames from a counter, which takes one step with every exposure, and stamps, which are late.

    A stamp says when a file was saved: later than the exposure, by tens of milliseconds that vary. The
    counter is exact, but wraps. So the wraps are found by the stamps, and the times are those of a line
    through stamps over counter: slope by robust regression, height such
    that 5 % of the stamps lie before it. Any rate up to twice the nominal is found. A change of the rate, or
    a step of the clock that the stamps are from, starts a stretch with a line of its own; so does a gap
    without frames so long that nobody can tell how often the counter wrapped in it.

    Parameters
    ----------
    stamps
        (frames,) seconds, in any order.
    codes
        (frames,) whole numbers: the counter.
    wrap
        The counter runs from 1 (or 0) to this and starts again; None: it never does.
    nominal
        Frames per second that the camera was set to.

    Raises
    ------
    InputError
        There is no frame, the arrays do not fit, or stamps and counter have nothing to do with one another
        (their scatter exceeds 0.1 s).
    """
    seconds, counter = _checked(stamps, codes, wrap, nominal)
    found = pieces(seconds, counter, wrap=wrap, nominal=nominal)
    times, index = np.empty(len(seconds)), np.empty(len(seconds), dtype=np.int64)
    for piece in found:
        line = piece.slope * (piece.index - piece.index[0])
        times[piece.at] = line + np.quantile(seconds[piece.at] - line, _EARLY)
        index[piece.at] = piece.index
    late = seconds - times
    residual = float(np.median(np.abs(late - np.median(late))))
    if residual > _WORST:
        raise InputError(
            f"stamps of frames scatter by {residual:.3f} s (median) around what the counter says",
            expected=f"at most {_WORST:g} s",
            remedy="check that all frames are of one camera and one session, and the wrap of its counter",
        )
    dropped, repeated = _holes(times, index)
    longest = max(found, key=lambda piece: len(piece.at))
    return FrameTimes(
        times=times,
        index=index,
        rate=1 / longest.slope,
        dropped=dropped,
        repeated=repeated,
        late=late,
        residual=residual,
        stretches=tuple(_stretch(piece, times) for piece in found),
    )


def _checked(
    stamps: ArrayLike, codes: ArrayLike, wrap: int | None, nominal: float
) -> tuple[Array, NDArray[np.int64]]:
    seconds, counter = np.asarray(stamps, dtype=np.float64), np.asarray(codes)
    if seconds.shape != counter.shape or seconds.ndim != 1 or not len(seconds):
        raise InputError(
            f"{seconds.shape} stamps and {counter.shape} codes of frames",
            expected="two equal numbers, at least one",
        )
    whole = counter.astype(np.int64)
    if not np.isfinite(seconds).all() or not np.array_equal(whole, counter):
        raise InputError("stamps or codes of frames are no numbers", expected="seconds and whole numbers")
    if not nominal > 0 or (wrap is not None and (wrap < 4 or whole.min() < 0 or whole.max() > wrap)):
        raise InputError(
            f"codes of frames from {whole.min()} to {whole.max()}, {nominal:g} frames per second",
            expected="some frames per second" if wrap is None else f"codes from 0 or 1 to {wrap}",
            remedy="name the wrap of the camera's counter",
        )
    return seconds, whole


def _holes(times: Array, index: NDArray[np.int64]) -> tuple[tuple[tuple[int, int], ...], NDArray[np.intp]]:
    """Dropped frames, and positions of frames that are there twice."""
    order = np.argsort(times, kind="stable")
    step, apart = np.diff(index[order]), np.diff(times[order])
    lost = np.flatnonzero((step > 1) & (apart <= _CLOSE))
    dropped = tuple((int(index[order[i]]) + 1, int(step[i]) - 1) for i in lost)
    return dropped, np.sort(order[1:][step == 0])


def _stretch(piece: Piece, times: Array) -> FrameStretch:
    own = times[piece.at]
    return FrameStretch(
        start=float(own.min()), stop=float(own.max()), rate=1 / piece.slope, n_frames=len(own)
    )


def marker_changes(
    times: ArrayLike,
    markers: ArrayLike,
    *,
    clock: str = "camera",
    kind: str = "marker",
    uncertainty: float = 0.05,
) -> tuple[Event, ...]:
    """The triggers that a camera saw: where the marker of its frames changes.

    Parameters
    ----------
    times
        (frames,) seconds on the camera's clock, in any order.
    markers
        (frames,) the marker that was on at each frame; 0 for none.
    clock, kind
        Of the events.
    uncertainty
        Changes between two frames farther apart than twice this are left out: nobody knows when they were.

    Returns
    -------
    tuple of Event
        One at each change to a marker other than 0, midway between the two frames, with that marker as its
        value and ``notes["uncertainty"]``, half of the time between the frames in seconds. The marker of the
        first frame is no change.
    """
    seconds, on = np.asarray(times, dtype=np.float64), np.asarray(markers)
    if seconds.shape != on.shape or seconds.ndim != 1:
        raise InputError(
            f"{seconds.shape} times and {on.shape} markers of frames",
            expected="as many of one as of the other",
        )
    order = np.argsort(seconds, kind="stable")
    seconds, on = seconds[order], on[order]
    half = np.diff(seconds) / 2
    changes = np.flatnonzero((on[1:] != on[:-1]) & (on[1:] != 0) & (half <= uncertainty))
    return tuple(
        Event(
            kind=kind,
            span=Span(start=float(seconds[i] + half[i]), duration=0.0),
            value=int(on[i + 1]),
            clock=clock,
            notes={"uncertainty": float(half[i])},
        )
        for i in changes
    )
