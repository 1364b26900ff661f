"""Events at the times of the frames that show them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mien.core import Clock, Event, Recording, Span, Stream
from mien.core.pseudonyms import Veil
from mien.timeline import AlignedFrames, align
from mien.timeline.cameras import timed_by_frames

CAMERA = Clock(offset=-100.0, drift=1e-4)
VEIL = Veil(names={"alpha": "p1"})


@dataclass(frozen=True)
class Frames:
    """Shows one event, at some moments of its own clock."""

    onset: float = 110.0
    apex: float = 110.5
    offset: float | None = None
    veil: Veil = VEIL

    def read(self, start: float, duration: float) -> np.ndarray:
        raise AssertionError("no samples")

    def shows(self, event: Event) -> bool:
        return event.id == "e1"

    def clip(self, event: Event) -> None:
        raise AssertionError("no frame is needed for its time")

    def moments(self, event: Event) -> tuple[float, float, float | None]:
        assert self.shows(event)
        return self.onset, self.apex, self.offset


def recorded(source: Frames) -> Recording:
    markers = [
        Event(kind="marker", span=Span(start=t, duration=0.0), value=i, clock=clock)
        for i, true in enumerate((1.0, 7.0, 20.0, 31.0, 55.0))
        for clock, t in (("eeg", true), ("camera", (true - CAMERA.offset) / (1 + CAMERA.drift)))
    ]
    expression = Event(kind="micro", span=Span(start=9.0, duration=1.0), apex=9.7, id="e1", notes={"n": 1.0})
    other = replace(expression, id="e2")
    stream = Stream(
        name="face", modality="face", unit="1", rate=150.0, channels=("r",), clock="camera",
        span=Span(start=100.0, duration=60.0), source=source,  # type: ignore[arg-type]
    )  # fmt: skip
    return Recording(
        id="r", dataset="d", subject="s", session="1", streams={"face": stream},
        events=(*markers, expression, other), clocks={"eeg": Clock()},
    )  # fmt: skip


@pytest.mark.parametrize("offset", [None, 110.75])
def test_an_event_is_where_its_frames_are_once_aligned(offset: float | None) -> None:
    aligned = align(recorded(Frames(offset=offset)))
    first, second = (e for e in aligned.events if e.id)
    onset, apex, end = (CAMERA.offset + (1 + CAMERA.drift) * t for t in (110.0, 110.5, offset or 110.5))
    if offset is None:
        end += 0.3  # as coded
    # the clock is fitted to markers without noise
    assert first.span.start == pytest.approx(onset, abs=1e-6)
    assert first.apex == pytest.approx(apex, abs=1e-6)
    assert first.span.stop == pytest.approx(end, abs=1e-6)
    assert first.notes == {"n": 1.0, "timed_by": "camera"}
    assert second.span == Span(start=9.0, duration=1.0)  # no frames of it
    assert "timed_by" not in second.notes
    assert align(aligned) is aligned
    assert timed_by_frames(aligned) is aligned


def test_the_veil_of_a_source_is_that_of_the_aligned_one() -> None:
    source = align(recorded(Frames())).streams["face"].source
    assert isinstance(source, AlignedFrames)
    assert source.veil is VEIL


def test_a_camera_without_moments_changes_no_event() -> None:
    class Plain:
        def read(self, start: float, duration: float) -> np.ndarray:
            raise AssertionError

        def clip(self, event: Event) -> None:
            raise AssertionError

    aligned = align(recorded(Plain()))  # type: ignore[arg-type]
    assert all("timed_by" not in e.notes for e in aligned.events)
