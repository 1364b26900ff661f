"""Events at the times of the frames that show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mien.core import Event, Recording, Span

TIMED_BY = "timed_by"
"""Note of an event whose times are those of its frames: the camera's clock."""
Moments = Callable[[Event], tuple[float, float, float | None]]
"""Gives when the frames of an event's onset, apex and offset (None where it was not coded) were exposed."""


def timed_by_frames(recording: Recording) -> Recording:
    """The recording with every event that a camera shows at the times of its frames.

    A camera's source that offers ``moments(event)`` tells when the frames of onset, apex and offset were
    exposed, which is nearer to the truth than seconds that somebody counted in a video.
    ``notes["timed_by"]`` of the event names the camera's clock; an event that has it is left as it is.
    Streams must be on the recording clock.
    """
    cameras = [
        (stream.clock, stream.shows, moments)
        for stream in recording.streams.values()
        if (moments := getattr(stream.source, "moments", None)) is not None
    ]
    events = tuple(_timed(event, cameras) for event in recording.events)
    changed = any(a is not b for a, b in zip(events, recording.events, strict=True))
    return replace(recording, events=events) if changed else recording


def _timed(event: Event, cameras: Sequence[tuple[str, Callable[[Event], bool], Moments]]) -> Event:
    if event.id is None or TIMED_BY in event.notes:
        return event
    for clock, shows, moments in cameras:
        if shows(event):
            onset, apex, offset = moments(event)
            # without a frame of the offset it stays as long after the apex as it was coded
            after = 0.0 if event.apex is None else event.span.stop - event.apex
            end = apex + after if offset is None else offset
            span = Span(start=onset, duration=end - onset)
            return replace(
                event, span=span, apex=min(apex, span.stop), notes={**event.notes, TIMED_BY: clock}
            )
    return event
