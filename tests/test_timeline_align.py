"""Recordings whose streams were stamped by several clocks."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import features
from mien.core import Clock, Event, InputError, Recording, Span, Stream, Trial, UnknownNameError, to_samples
from mien.timeline import AlignedSource, AlignmentWarning, align, windows

MARKERS = (3.0, 7.5, 11.0, 18.25, 22.0, 31.0)


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """A device whose one channel says its own time in seconds."""

    rate: float
    start: float = 0.0
    stop: float = 40.0
    version: str = "ramp"

    def read(self, start: float, duration: float) -> np.ndarray:
        assert self.covers(start, duration)
        first = to_samples(start - self.start, self.rate)
        return self.start + (first + np.arange(to_samples(duration, self.rate)))[None] / self.rate

    def covers(self, start: float, duration: float) -> bool:
        half = 0.5 / self.rate
        return self.start - half <= start and start + duration <= self.stop + half

    def files(self) -> tuple[Path, ...]:
        return (Path("ramp"),)


def stream(name: str, clock: str, *, rate: float = 100.0, start: float = 0.0, stop: float = 40.0) -> Stream:
    return Stream(
        name=name,
        modality=name,
        unit="1",
        rate=rate,
        channels=("time",),
        span=Span(start=start, duration=stop - start),
        source=Ramp(rate=rate, start=start, stop=stop),
        clock=clock,
    )


def marks(clock: str, times: Sequence[float], values: Sequence[int] | None = None) -> tuple[Event, ...]:
    return tuple(
        Event(kind="marker", span=Span(start=t, duration=0.0), value=v, clock=clock)
        for t, v in zip(times, values or range(len(times)), strict=True)
    )


def recording(
    *events: tuple[Event, ...], gaze: Stream | None = None, clocks: dict[str, Clock] | None = None
) -> Recording:
    streams = [stream("eeg", "eeg"), gaze or stream("gaze", "eye", rate=50.0)]
    span = Span(start=11.0, duration=7.25)
    trial = Trial(id="r_1", recording="r", subject="1", session="1", stimulus="1", span=span)
    return Recording(
        id="r",
        dataset="d",
        subject="1",
        session="1",
        streams={s.name: s for s in streams},
        events=tuple(e for group in events for e in group),
        trials=(trial,),
        clocks={"eeg": Clock()} if clocks is None else clocks,
    )


def device_times(times: Sequence[float], *, offset: float, drift: float = 0.0) -> list[float]:
    return [(t - offset) / (1 + drift) for t in times]


def test_an_offset_is_found_and_streams_read_by_recording_time() -> None:
    made = recording(marks("eeg", MARKERS), marks("eye", device_times(MARKERS, offset=-5.0)))
    aligned = align(made)
    clock = aligned.clocks["eye"]
    assert (clock.offset, clock.n_markers) == (pytest.approx(-5.0), 6)
    assert (clock.drift, clock.residual) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-9))
    gaze = aligned.streams["gaze"]
    assert (gaze.clock, gaze.span.start, gaze.span.stop) == ("eye", pytest.approx(-5), pytest.approx(35))
    signal = gaze.read(aligned.trials[0].span)
    assert signal.start == 11.0
    # the device says 16 s where the recording says 11 s; 7.25 s of 50 Hz are 362.5 samples
    np.testing.assert_allclose(signal.data[0], 16 + np.arange(363) / 50, atol=1e-9)
    assert aligned.streams["eeg"] is made.streams["eeg"]
    assert [e.span.start for e in aligned.events if e.clock == "eye"] == pytest.approx(MARKERS)


def test_an_event_names_its_clock() -> None:
    assert Event(kind="marker", span=Span(start=0, duration=0)).clock == "recording"
    with pytest.raises(ValueError, match=r"Event\.clock must be a non-empty string"):
        Event(kind="marker", span=Span(start=0, duration=0), clock="")


def test_aligning_twice_changes_nothing() -> None:
    aligned = align(recording(marks("eeg", MARKERS), marks("eye", device_times(MARKERS, offset=4.0))))
    assert align(aligned) is aligned


def test_streams_on_the_recording_clock_need_no_markers() -> None:
    made = recording(gaze=stream("gaze", "recording"))
    assert align(made) is made


@settings(max_examples=50, deadline=None)
@given(
    offset=st.floats(-3, 3),
    ppm=st.floats(-450, 450),
    start=st.floats(5, 20),
    duration=st.floats(0.05, 10),
)
def test_every_sample_is_the_nearest_of_the_device(
    offset: float, ppm: float, start: float, duration: float
) -> None:
    source = AlignedSource(
        source=Ramp(rate=50.0),
        clock=Clock(offset=offset, drift=ppm * 1e-6),
        rate=50.0,
        span=Span(start=0.0, duration=40.0),
    )
    data = source.read(start, duration)[0]
    n = to_samples(duration, 50.0)
    assert len(data) == n
    true = (start + np.arange(n) / 50 - offset) / (1 + ppm * 1e-6)
    # half a sample, and rounding
    assert np.abs(data - true).max() <= 0.01 + 1e-9
    assert (np.diff(data) >= 0).all()


def test_drift_repeats_or_leaves_out_single_samples() -> None:
    drift = 4e-4
    times = np.arange(0, 3000, 61.0) + np.arange(50) % 7
    made = recording(
        marks("eeg", times.tolist()),
        marks("eye", device_times(times.tolist(), offset=2.0, drift=drift)),
        gaze=stream("gaze", "eye", rate=50.0, stop=3100),
    )
    aligned = align(made)
    assert aligned.clocks["eye"].drift == pytest.approx(drift, abs=1e-9)
    data = aligned.streams["gaze"].read(Span(start=1000, duration=500)).data[0]
    np.testing.assert_allclose(data, (1000 + np.arange(25_000) / 50 - 2) / (1 + drift), atol=0.0101)
    steps = np.round(np.diff(data) * 50).astype(int)
    # the device ticks 0.04 % slower: 10 of 25,000 samples stand in for two
    assert np.bincount(steps).tolist() == [10, 24_989]


def test_what_the_source_offers_is_passed_on() -> None:
    aligned = align(recording(marks("eeg", MARKERS), marks("eye", device_times(MARKERS, offset=10.0))))
    gaze = aligned.streams["gaze"]
    assert gaze.source.files() == (Path("ramp"),)
    assert gaze.source.version.startswith("ramp clock 10")
    assert gaze.covers(Span(start=10, duration=40))
    assert not gaze.covers(Span(start=9.9, duration=1))
    assert not gaze.covers(Span(start=49.5, duration=1))
    again = pickle.loads(pickle.dumps(gaze))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(
        again.read(Span(start=20, duration=1)).data, gaze.read(Span(start=20, duration=1)).data
    )


def test_a_source_without_covers_and_files() -> None:
    class Plain:
        def read(self, start: float, duration: float) -> np.ndarray:
            return Ramp(rate=50.0).read(start, duration)

    source = AlignedSource(
        source=Plain(), clock=Clock(offset=1.0), rate=50.0, span=Span(start=0, duration=40)
    )
    assert source.files() == ()
    assert [source.covers(*span) for span in ((1, 40), (0.9, 1), (40.5, 1))] == [True, False, False]


def test_markers_that_one_device_lost() -> None:
    lost = [t for k, t in enumerate(device_times(MARKERS, offset=5.0)) if k != 2]
    aligned = align(recording(marks("eeg", MARKERS), marks("eye", lost, [0, 1, 3, 4, 5])))
    assert (aligned.clocks["eye"].n_markers, aligned.clocks["eye"].offset) == (5, pytest.approx(5.0))


def test_an_empty_recording_clock_takes_the_device_with_most_markers_or_the_one_named() -> None:
    eye = marks("eye", device_times(MARKERS, offset=5.0))
    made = recording(marks("eeg", MARKERS[:5]), eye, clocks={})
    assert {n: c.offset for n, c in align(made).clocks.items()} == {"eye": 0.0, "eeg": pytest.approx(-5.0)}
    named = align(made, reference="eeg")
    assert {n: c.offset for n, c in named.clocks.items()} == {"eeg": 0.0, "eye": pytest.approx(5.0)}
    with pytest.raises(UnknownNameError, match="unknown clock of recording r: 'camera'"):
        align(made, reference="camera")


# refusals, with numbers


def test_too_few_markers() -> None:
    with pytest.raises(InputError, match=r"clock 'eye' of recording r shares 1 marker with the recording"):
        align(recording(marks("eeg", MARKERS), marks("eye", [4.0])))
    with pytest.raises(
        InputError, match=r"shares 0 markers .*, which has 6; it has 0 itself; expected at least 2"
    ):
        align(recording(marks("eeg", MARKERS)))
    two = recording(marks("eeg", MARKERS), marks("eye", device_times(MARKERS[:2], offset=1.0)))
    assert align(two).clocks["eye"].n_markers == 2
    with pytest.raises(InputError, match="expected at least 3"):
        align(two, min_markers=3)


def test_few_markers_at_one_end_of_a_long_recording() -> None:
    """Two devices that may run 500 ppm apart are 0.1 s apart after 200 s."""
    times = [10.0, 50.0, 90.0, 240.0, 271.0]
    near, far = (
        recording(marks("eeg", times[:n]), marks("eye", device_times(times[:2], offset=1.0))) for n in (4, 5)
    )
    assert align(near).clocks["eye"].n_markers == 2  # 190 s beyond the last
    with pytest.raises(InputError, match=r"shares 2 markers, too few .* for 221 s beyond .* at least 4"):
        align(far)
    assert align(far, max_drift=1e-4).clocks["eye"].n_markers == 2


def test_markers_of_another_session() -> None:
    other = [2.0, 5.0, 15.0, 16.0, 30.0, 33.0]
    with pytest.raises(InputError, match="Check that both files are of the same session"):
        align(recording(marks("eeg", MARKERS), marks("eye", other)))


def test_what_cannot_be_aligned_may_be_left_out() -> None:
    made = recording(marks("eeg", MARKERS), marks("eye", [4.0]))
    with pytest.warns(AlignmentWarning, match=r"clock 'eye' of recording r shares 1 marker .* \(left out\)"):
        aligned = align(made, strict=False)
    assert (list(aligned.streams), list(aligned.clocks)) == (["eeg"], ["eeg"])
    assert {e.clock for e in aligned.events} == {"eeg"}


def test_features_refuse_a_stream_that_is_not_aligned() -> None:
    with pytest.raises(InputError, match=r"stream 'gaze' of r is on the clock 'eye', .* Align it first"):
        features.compute("psd", recording(), stream="gaze")


def test_residual_beyond_the_limit() -> None:
    jitter = [0.12, -0.12, 0.12, -0.12, 0.12, -0.12]
    times = [t + j for t, j in zip(device_times(MARKERS, offset=1.0), jitter, strict=True)]
    made = recording(marks("eeg", MARKERS), marks("eye", times))
    with pytest.raises(
        InputError, match=r"6 markers disagree by 0\.1\d\d s .*; expected at most 0.1 s and 500 ppm"
    ):
        align(made)
    assert align(made, max_residual=0.2).clocks["eye"].residual > 0.1


def test_drift_beyond_the_limit() -> None:
    times = np.arange(0, 3000, 61.0) + np.arange(50) % 7
    eye = marks("eye", device_times(times.tolist(), offset=0.0, drift=8e-4))
    made = recording(marks("eeg", times.tolist()), eye, gaze=stream("gaze", "eye", stop=3100))
    with pytest.raises(InputError, match=r"drift of 800 ppm|shares \d+ markers"):
        align(made)
    assert align(made, max_drift=1e-3).clocks["eye"].drift == pytest.approx(8e-4, abs=1e-9)


def test_ambiguous_markers_name_the_clock() -> None:
    even = list(np.arange(0, 30, 5.0))
    made = recording(marks("eeg", even, [1] * 6), marks("eye", even[:-1], [1] * 5))
    with pytest.raises(
        InputError, match="clock 'eye' of recording r: the markers of two devices agree as well"
    ):
        align(made)


# windows


def test_windows() -> None:
    trial = recording().trials[0]  # 11 s to 18.25 s
    made = windows(trial, length=2.0)
    assert [(w.id, w.trial, w.span.start, w.span.duration) for w in made] == [
        ("r_1@0.000", "r_1", 11.0, 2.0),
        ("r_1@2.000", "r_1", 13.0, 2.0),
        ("r_1@4.000", "r_1", 15.0, 2.0),
    ]
    assert [w.span.start for w in windows(trial, length=4.0, stride=1.0)] == [11.0, 12.0, 13.0, 14.0]
    assert windows(trial, length=7.3) == ()
    assert len(windows(trial, length=7.25)) == 1


@given(n=st.integers(1, 500), length=st.sampled_from([0.1, 0.3, 1 / 3, 4.0]))
def test_a_trial_of_whole_windows_loses_none(n: int, length: float) -> None:
    trial = replace(recording().trials[0], span=Span(start=0.7, duration=n * length))
    assert len(windows(trial, length=length)) == n


def test_windows_of_no_length() -> None:
    for options in ({"length": 0.0}, {"length": 1.0, "stride": 0.0}, {"length": -1.0}):
        with pytest.raises(InputError, match="expected both above 0"):
            windows(recording().trials[0], **options)
