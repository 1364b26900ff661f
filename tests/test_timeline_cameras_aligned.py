"""A camera whose frames are timed and put on the recording clock, and asked by its times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from _camera import MIDNIGHT, Session, session, shot
from mien.core import Clip, Clock, Event, Film, InputError, Recording, Span, Stream
from mien.timeline import (
    AlignedFrames,
    AlignmentWarning,
    align,
    array_stream,
    compare_markers,
    with_frame_times,
)

CLOCK = Clock(offset=-MIDNIGHT, drift=-1.5e-4)


@dataclass(frozen=True, kw_only=True, eq=False)
class Camera:
    """Frames of one event, ``first`` to ``last`` of all; times are the stamps until they are timed."""

    times: np.ndarray
    stamps: np.ndarray = field(default_factory=lambda: np.empty(0))
    codes: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    markers: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    first: int = 100
    last: int = 110

    def timed(self, times: np.ndarray) -> Camera:
        return Camera(times=times)

    def read(self, start: float, duration: float) -> np.ndarray:
        raise InputError("no signal")

    def shows(self, event: Event) -> bool:
        return event.id == "e"

    def files_of(self, event: Event) -> tuple[Path, ...]:
        return (Path("frame"),) if self.shows(event) else ()

    def clip(self, event: Event) -> Clip:
        own = np.unique(self.times[self.first : self.last])
        frames = np.zeros((len(own), 2, 2), dtype=np.uint8)
        return Clip(frames=frames, times=own, onset=float(own[0]), apex=float(own[-1]), offset=None)


@dataclass(frozen=True)
class Running:
    """A film of 10 frames per second from 0, and no clips."""

    def read(self, start: float, duration: float) -> np.ndarray:
        raise InputError("no signal")

    def film(self, start: float, duration: float) -> Film:
        times = np.arange(np.ceil(start * 10), np.ceil((start + duration) * 10)) / 10
        return Film(
            times=times, span=Span(start=start, duration=duration), rate=10.0, size=(2, 2), source=Black()
        )


class Black:
    def frames(self, positions: np.ndarray) -> Iterator[np.ndarray]:
        return iter(np.zeros((len(positions), 2, 2, 3), dtype=np.uint8))


def face(source: object, *, rate: float = 150.0) -> Stream:
    return Stream(
        name="face", modality="face", unit="1", rate=rate, channels=("r", "g", "b"),
        span=Span(start=0.0, duration=1e5), source=source, clock="camera",
    )  # fmt: skip


def recording(rng: np.random.Generator, *, spoilt: bool = False) -> tuple[Session, Recording, np.ndarray]:
    """EEG and camera; true times of the frames."""
    given = session(rng, 20)
    taken = shot(rng, given, offset=CLOCK.offset, drift=CLOCK.drift)
    codes = rng.integers(1, 1000, size=len(taken.codes)) if spoilt else taken.codes
    camera = Camera(times=taken.stamps, stamps=taken.stamps, codes=codes, markers=taken.markers)
    marks = tuple(
        Event(kind="marker", span=Span(start=t, duration=0.0), value=int(c), clock="eeg")
        for t, c in zip(given.times.tolist(), given.codes, strict=True)
    )
    event = Event(kind="micro", span=Span(start=20.0, duration=0.4), apex=20.2, id="e")
    eeg = array_stream("eeg", np.zeros(int(given.stop)), rate=1.0, clock="eeg")
    streams = {"eeg": eeg, "face": face(camera)}
    made = Recording(
        id="r", dataset="d", subject="1", session="1", streams=streams, events=(*marks, event),
        clocks={"eeg": Clock()},
    )  # fmt: skip
    return given, made, CLOCK.offset + (1 + CLOCK.drift) * taken.exposed


def test_frames_are_timed_and_put_on_the_recording_clock() -> None:
    given, made, true = recording(np.random.default_rng(0))
    aligned = align(made)
    stream = aligned.streams["face"]
    assert isinstance(stream.source, AlignedFrames)
    (event,) = [e for e in aligned.events if e.id == "e"]
    clip = stream.clip(event)
    # half a frame
    np.testing.assert_allclose(clip.times, np.unique(true[100:110]), atol=0.5 / 140)
    assert (clip.onset, clip.apex, clip.offset) == (clip.times[0], clip.times[-1], None)
    assert stream.shows(event)
    assert not stream.shows(replace(event, id="f"))
    assert stream.source.files_of(event) == (Path("frame"),)
    assert aligned.clocks["camera"].drift == pytest.approx(CLOCK.drift, abs=2e-5)
    seen = [e.span.start for e in aligned.events if e.clock == "camera"]
    np.testing.assert_allclose(seen, given.times, atol=1 / 140)
    assert align(aligned) is aligned


def test_what_was_found_of_the_frames_is_listed() -> None:
    _, made, _ = recording(np.random.default_rng(1))
    timed, found = with_frame_times(made)
    # by its own clock, which runs slow
    assert found["face"].rate == pytest.approx(140 * (1 + CLOCK.drift), rel=1e-5)
    assert with_frame_times(timed) == (timed, {})
    device = compare_markers(made).device("camera")
    assert device.frames is not None
    assert device.row()["dropped_frames"] == found["face"].n_dropped > 0
    assert device.to_dict()["frames"]["n_frames"] == len(found["face"].times)
    assert compare_markers(made).device("eeg").row()["dropped_frames"] is None


def test_frames_that_cannot_be_timed_are_refused_or_left_out() -> None:
    _, made, _ = recording(np.random.default_rng(2), spoilt=True)
    with pytest.raises(InputError, match="clock 'camera' of recording r: stamps of frames scatter by"):
        align(made)
    with pytest.warns(AlignmentWarning, match=r"clock 'camera' .* scatter .* \(left out\)"):
        aligned = align(made, strict=False)
    assert set(aligned.streams) == {"eeg"}
    assert compare_markers(made).reference == "eeg"


def test_a_running_film_is_asked_in_recording_time() -> None:
    source = AlignedFrames(
        source=Running(), clock=Clock(offset=5.0, drift=0.01), rate=10.0, span=Span(start=0, duration=100)
    )
    film = source.film(15.1, 1.01)
    assert film.span == Span(start=15.1, duration=1.01)
    np.testing.assert_allclose(film.times, 5 + 1.01 * np.arange(10.0, 11.0, 0.1), atol=1e-9)
    assert film.rate == pytest.approx(10 / 1.01)
    event = Event(kind="micro", span=Span(start=1.0, duration=0.0))
    with pytest.raises(ValueError, match="no clips of events"):
        source.clip(event)
    assert not source.shows(event)
    clips = AlignedFrames(
        source=Camera(times=np.arange(3.0)), clock=Clock(), rate=1.0, span=Span(start=0, duration=1)
    )
    with pytest.raises(ValueError, match="no running film"):
        clips.film(0.0, 1.0)


def test_the_apex_of_an_event_moves_with_it() -> None:
    times = [3.0, 7.5, 11.0, 18.25, 22.0]
    marks = [
        Event(kind="marker", span=Span(start=t + shift, duration=0.0), value=k, clock=clock)
        for clock, shift in (("eeg", 0.0), ("camera", 40.0))
        for k, t in enumerate(times)
    ]
    event = Event(kind="micro", span=Span(start=50.0, duration=0.5), apex=50.5, clock="camera", id="x")
    made = Recording(id="r", dataset="d", subject="1", session="1", streams={}, events=(*marks, event))
    aligned = align(made, reference="eeg")
    (moved,) = [e for e in aligned.events if e.id == "x"]
    assert (moved.span.start, moved.apex) == (pytest.approx(10.0), pytest.approx(10.5))
