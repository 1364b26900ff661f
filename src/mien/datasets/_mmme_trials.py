"""Where the clips of a session lie on the recording clock, by the markers of all devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mien.core.types import Span
from mien.datasets._me_clips import MarkedClip


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A clip on the recording clock.

    ``start_by`` and ``stop_by`` name the devices whose markers say so; ``stop_by`` is None where nothing does
    and the clip lasts to the end of the recording.
    """

    marker: int
    span: Span
    start_by: str
    stop_by: str | None


def place(
    devices: Mapping[str, Sequence[MarkedClip]], *, stop: float
) -> tuple[tuple[Placed, ...], tuple[tuple[int, str], ...]]:
    """All clips that any device marks, in order of time, and (marker, reason) of those that have no place.

    The first device is the one whose clock is the recording's, and its own markers place a clip. A clip that
    it does not mark (it lost the trigger, or was not running) is placed by the next device that does: as long
    after, or before, the nearest clip that both mark as that device says. Clocks that drift apart by 200 ppm
    make an error of 0.2 ms for each second between. The same holds for a clip whose end it does not mark:
    its length is another device's.

    Parameters
    ----------
    devices
        Name of a device to its clips, that of the recording clock first.
    stop
        End of the recording on that clock: where its last clip ends if nothing says when.
    """
    main, *others = devices
    own = {clip.marker: clip for clip in devices[main]}
    starts = {marker: (clip.start, main) for marker, clip in own.items()}
    for name in others:
        theirs = {clip.marker: clip for clip in devices[name]}
        shared = [marker for marker in theirs if marker in own]
        for marker, clip in theirs.items():
            if marker not in starts and shared:
                near = min(shared, key=lambda m: abs(theirs[m].start - clip.start))
                starts[marker] = own[near].start + clip.start - theirs[near].start, name
    placed: list[Placed] = []
    lost: list[tuple[int, str]] = []
    every = {clip.marker for clips in devices.values() for clip in clips}
    for marker in sorted(every - set(starts)):
        lost.append((marker, "no clip is marked by both its device and the recording's"))
    for marker, (start, start_by) in starts.items():
        length, stop_by = _length(marker, devices.items())
        if length is None:
            last = own.get(marker)
            if last is None or last.followed_by is not None or start >= stop:
                lost.append((marker, "no device marks its end"))
                continue
            length = stop - start
        placed.append(
            Placed(
                marker=marker,
                span=Span(start=start, duration=length),
                start_by=start_by,
                stop_by=stop_by,
            )
        )
    return tuple(sorted(placed, key=lambda clip: clip.span.start)), tuple(lost)


def _length(
    marker: int, devices: Iterable[tuple[str, Sequence[MarkedClip]]]
) -> tuple[float | None, str | None]:
    """Length of a clip by the first device that marks both its ends."""
    for name, clips in devices:
        for clip in clips:
            if clip.marker == marker and clip.stop is not None:
                return clip.stop - clip.start, name
    return None, None
