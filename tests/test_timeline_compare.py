"""Devices on one clock, with what goes wrong planted: lost and doubled triggers, drift, dropped frames."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _camera import MIDNIGHT, Session, session, shot
from mien.core import Event, InputError, Recording, Span, Stream
from mien.timeline import (
    MarkerComparison,
    align,
    array_stream,
    compare_markers,
    frame_times,
    from_markers,
    marker_changes,
    to_recording,
)

LIMIT = 0.005
"""Seconds: what the issue asks for."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Its clock (true time = offset + (1 + drift) * device time), numbers of the triggers that it lost or has
    twice, the second one that many seconds later, and by how much its triggers scatter."""

    name: str
    offset: float = 0.0
    drift: float = 0.0
    lost: tuple[int, ...] = ()
    doubled: tuple[int, ...] = ()
    again: float = 0.05
    jitter: float = 5e-4

    def here(self, seconds: np.ndarray) -> np.ndarray:
        return (np.asarray(seconds) - self.offset) / (1 + self.drift)

    def markers(self, rng: np.random.Generator, given: Session) -> tuple[Event, ...]:
        times = given.times + rng.uniform(-self.jitter, self.jitter, size=len(given.times))
        has = [(t, c) for k, (t, c) in enumerate(zip(times, given.codes, strict=True)) if k not in self.lost]
        has += [(times[k] + self.again, given.codes[k]) for k in self.doubled]
        return tuple(
            Event(
                kind="marker",
                span=Span(start=float(self.here(t)), duration=0.0),
                value=int(c),
                clock=self.name,
            )
            for t, c in sorted(has)
        )

    def stream(self, given: Session, *, start: float = 0.0, stop: float | None = None) -> Stream:
        """One value a second, covering true times from start to stop."""
        begin, end = self.here(np.array([start, given.stop if stop is None else stop]))
        data = np.zeros(int(end - begin))
        return array_stream(self.name, data, rate=1.0, clock=self.name, start=float(begin))


def recording(events: tuple[Event, ...], streams: tuple[Stream, ...]) -> Recording:
    made = {s.name: s for s in streams}
    return Recording(id="r", dataset="d", subject="1", session="1", streams=made, events=events)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    offset=st.floats(-30, 30),
    ppm=st.tuples(st.floats(-200, 200), st.floats(-200, 200)),
    rate=st.floats(75, 157),
    lost=st.integers(3, 20),
    doubled=st.integers(3, 20),
    clips=st.sampled_from([24, 48]),
)
def test_every_stream_is_within_5_ms_of_the_truth_and_frames_within_half_a_frame(
    seed: int, offset: float, ppm: tuple[float, float], rate: float, lost: int, doubled: int, clips: int
) -> None:
    rng = np.random.default_rng(seed)
    # the worst of 200 sessions of 24 clips at 75 frames per second is 3.0 ms (docs/timeline.md)
    given_ = session(rng, clips)
    eeg = Device(name="eeg", lost=((lost + 7) % 20,), doubled=((doubled + 5) % 20,))
    biopac = Device(name="biopac", offset=offset, drift=ppm[0] * 1e-6, lost=(lost,), doubled=(doubled,))
    taken = shot(rng, given_, rates=(rate,), offset=-MIDNIGHT, drift=ppm[1] * 1e-6)
    times = frame_times(taken.stamps, taken.codes).times
    events = eeg.markers(rng, given_) + biopac.markers(rng, given_) + marker_changes(times, taken.markers)
    aligned = align(recording(events, (eeg.stream(given_), biopac.stream(given_))), reference="eeg")
    true = np.linspace(0, given_.stop, 50)
    off = to_recording(biopac.here(true), aligned.clocks["biopac"]) - true
    assert np.abs(off).max() < LIMIT
    exposed = -MIDNIGHT + (1 + ppm[1] * 1e-6) * taken.exposed
    off = to_recording(times, aligned.clocks["camera"]) - exposed
    assert np.abs(off).max() < 0.5 / rate
    assert np.abs(off).max() < LIMIT


def listed(found: MarkerComparison, clock: str) -> dict[str, list[int]]:
    device = found.device(clock)
    return {name: [t.value for t in getattr(device, name)] for name in ("lost", "doubled", "extra")}


def compared(*devices: Device, seed: int = 0) -> tuple[Session, MarkerComparison]:
    rng = np.random.default_rng(seed)
    given_ = session(rng)
    events = tuple(e for d in devices for e in d.markers(rng, given_))
    made = recording(events, tuple(d.stream(given_) for d in devices))
    return given_, compare_markers(made, reference="eeg")


def test_lost_and_doubled_triggers_are_listed_for_each_device() -> None:
    given_, found = compared(
        Device(name="eeg", lost=(8,), doubled=(11,)),
        Device(name="biopac", offset=3.0, drift=1e-4, lost=(4,), doubled=(9, 10)),
        Device(name="camera", offset=-MIDNIGHT, drift=-2e-4, lost=(5, 6)),
    )
    codes = given_.codes.tolist()
    assert listed(found, "eeg") == {"lost": [codes[8]], "doubled": [codes[11]], "extra": []}
    assert listed(found, "biopac") == {"lost": [codes[4]], "doubled": codes[9:11], "extra": []}
    assert listed(found, "camera") == {"lost": codes[5:7], "doubled": [], "extra": []}
    # together the devices know every trigger, each once
    assert [t.value for t in found.triggers] == codes
    np.testing.assert_allclose([t.time for t in found.triggers], given_.times, atol=0.002)
    assert found.triggers[8].clocks == ("biopac", "camera")
    (missing,) = found.device("eeg").lost
    assert missing.time == pytest.approx(given_.times[8], abs=0.002)
    (twice,) = found.device("eeg").doubled
    assert abs(twice.time - given_.times[11]) < 0.06


def test_residuals_offsets_and_drifts_are_in_the_table() -> None:
    given_, found = compared(
        Device(name="eeg"), Device(name="biopac", offset=3.0, drift=1e-4, lost=(4,), jitter=0.004)
    )
    eeg, biopac = found.rows()
    assert (eeg["clock"], eeg["offset_s"], eeg["drift_ppm"], eeg["shared"]) == ("eeg", 0.0, 0.0, 0)
    assert biopac["offset_s"] == pytest.approx(3.0, abs=0.004)
    # 4 ms over half the session of ten minutes
    assert biopac["drift_ppm"] == pytest.approx(100, abs=10)
    assert (biopac["markers"], biopac["shared"], biopac["lost"], biopac["refused"]) == (25, 25, 1, "")
    device = found.device("biopac")
    assert 0.001 < device.fit.residual < device.worst < 0.006
    assert biopac["residual_ms"] == pytest.approx(1e3 * np.median(np.abs(device.residuals)), abs=1e-6)
    assert device.values == tuple(c for k, c in enumerate(given_.codes.tolist()) if k != 4)
    kept = json.loads(json.dumps(found.to_dict()))
    assert kept["devices"][1]["residuals"] == device.residuals.tolist()
    assert kept["devices"][1]["lost"] == [[found.triggers[4].time, found.triggers[4].value]]


def test_an_aligned_recording_gives_the_same() -> None:
    rng = np.random.default_rng(1)
    given_ = session(rng)
    devices = (Device(name="eeg"), Device(name="biopac", offset=3.0, drift=1e-4, lost=(4,)))
    events = tuple(e for d in devices for e in d.markers(rng, given_))
    raw = recording(events, tuple(d.stream(given_) for d in devices))
    assert (
        compare_markers(align(raw, reference="eeg")).to_dict()
        == compare_markers(raw, reference="eeg").to_dict()
    )


def test_a_device_that_started_late_and_stopped_early_lost_nothing() -> None:
    rng = np.random.default_rng(2)
    given_ = session(rng)
    eeg, late = Device(name="eeg"), Device(name="biopac", offset=120.0)
    start, stop = 120.0, given_.stop - 100.0
    marks = [e for e in late.markers(rng, given_) if start < to_true(e, late) < stop]
    events = (*eeg.markers(rng, given_), *marks)
    made = recording(events, (eeg.stream(given_), late.stream(given_, start=start, stop=stop)))
    device = compare_markers(made, reference="eeg").device("biopac")
    assert (device.lost, device.doubled, device.extra) == ((), (), ())
    assert len(device.times) == len(marks) < len(given_.times)
    assert device.fit.offset == pytest.approx(120.0, abs=0.002)


def to_true(event: Event, device: Device) -> float:
    return device.offset + (1 + device.drift) * event.span.start


def test_a_device_that_is_refused_says_why_with_the_numbers() -> None:
    rng = np.random.default_rng(3)
    given_ = session(rng)
    eeg, camera = Device(name="eeg"), Device(name="camera", offset=-MIDNIGHT, jitter=0.25)
    events = eeg.markers(rng, given_) + camera.markers(rng, given_)
    made = recording(events, (eeg.stream(given_), camera.stream(given_)))
    device = compare_markers(made, reference="eeg").device("camera")
    assert device.fit is None
    assert (len(device.times), device.lost, device.extra) == (0, (), ())
    assert device.refused.startswith("clock 'camera' of recording r")
    assert "0.1 s" in device.refused or "0.25 s" in device.refused
    assert device.row()["offset_s"] is None
    assert np.isnan(device.worst)


def test_no_shared_trigger_is_refused() -> None:
    rng = np.random.default_rng(4)
    given_ = session(rng)
    eeg, other = Device(name="eeg"), Device(name="biopac")
    made = recording(eeg.markers(rng, given_), (eeg.stream(given_), other.stream(given_)))
    with pytest.raises(InputError, match="clock 'biopac' of recording r shares 0 markers with the recording"):
        align(made, reference="eeg")
    assert "shares 0 markers" in compare_markers(made, reference="eeg").device("biopac").refused


def test_a_recording_without_any_marker() -> None:
    one = array_stream("eeg", np.zeros(10), rate=1.0, clock="recording")
    with pytest.raises(InputError, match="neither markers nor a device's clock"):
        compare_markers(recording((), (one,)))


def test_markers_that_only_one_device_has_are_extra() -> None:
    rng = np.random.default_rng(5)
    given_ = session(rng)
    eeg, biopac = Device(name="eeg"), Device(name="biopac", offset=3.0)
    stray = replace(biopac.markers(rng, given_)[0], span=Span(start=55.5, duration=0.0), value=9)
    made = recording((*eeg.markers(rng, given_), *biopac.markers(rng, given_), stray), (eeg.stream(given_),))
    found = compare_markers(made, reference="eeg")
    assert listed(found, "biopac") == {"lost": [], "doubled": [], "extra": [9]}
    assert len(found.triggers) == len(given_.times)


def test_three_devices_of_a_lab_and_the_name_of_the_reference() -> None:
    times = np.array([1.0, 4.0, 9.5, 17.0, 21.0])
    markers = {
        "a": (times, list("vwxyz")),
        "b": (times + 2, list("vwxyz")),
        "c": (times[:4] - 1, list("vwxy")),
    }
    found = compare_markers(from_markers(markers, reference="b"))
    assert found.reference == "b"
    assert [d.clock for d in found.devices] == ["b", "a", "c"]
    assert [d.fit.offset for d in found.devices] == pytest.approx([0.0, 2.0, 3.0])
