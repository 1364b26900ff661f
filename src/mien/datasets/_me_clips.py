"""Where the clips of MEs-EEG and MMME start and end, by the markers of one device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mien.datasets._mes_eeg_layout import HOUSEKEEPING_MARKERS, MARKER_EMOTION, REST_MARKER

Found = tuple[str, str, bool]
"""Something wrong: the item, the reason, and whether the item is used all the same."""


@dataclass(frozen=True, kw_only=True)
class MarkedClip:
    """A clip between its marker and the next ``100``, in seconds on the device's clock.

    ``stop`` is None where no ``100`` came before the marker ``followed_by`` of another clip, or before the
    device's last marker (``followed_by`` is None then).
    """

    marker: int
    start: float
    stop: float | None
    followed_by: int | None = None


def clips_in(markers: Iterable[tuple[float, int | None]]) -> tuple[list[MarkedClip], list[Found]]:
    """The clips that (seconds, code) markers of a device delimit, in order of time, and what is wrong.

    A marker that comes twice in a row is taken for one, the first. Of a clip that is marked twice the first
    with an end counts.
    """
    every = [(t, code) for t, code in markers if code not in HOUSEKEEPING_MARKERS]
    clips: dict[int, MarkedClip] = {}
    wrong: list[Found] = []
    for i, (start, code) in enumerate(every):
        if code == REST_MARKER:
            continue
        item = f"marker {code}" if code is not None else f"event at {start:.3f} s"
        if code is None or code not in MARKER_EMOTION:
            wrong.append((item, f"at {start:.3f} s has no label; expected 101 to 148, 100, 77 or 88", False))
            continue
        earlier = clips.pop(code, None)
        if earlier is not None:
            if earlier.stop is not None:
                wrong.append((item, f"comes again at {start:.3f} s; the first is used", False))
                clips[code] = earlier
                continue
            wrong.append((item, no_end(earlier), False))
        after = next(
            (m for m in every[i + 1 :] if m[1] == REST_MARKER or (m[1] in MARKER_EMOTION and m[1] != code)),
            (None, None),
        )
        ended = after[1] == REST_MARKER
        clips[code] = MarkedClip(
            marker=code,
            start=start,
            stop=after[0] if ended else None,
            followed_by=None if ended else after[1],
        )
    return sorted(clips.values(), key=lambda clip: clip.start), wrong


def no_end(clip: MarkedClip) -> str:
    """Why a clip without an end that another clip follows is of no use."""
    return f"no end ({REST_MARKER}) before marker {clip.followed_by}"
