"""Which triggers every device of a recording has, which it lost, and how far its clock is off."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Clock, Event, InputError, Recording, Span
from mien.timeline.align import RECORDING, AlignmentWarning, align, with_frame_times
from mien.timeline.clocks import _codes, _mutual
from mien.timeline.frames import FrameTimes

Array = NDArray[np.float64]
_EDGE = 1.0
"""Seconds inside the ends of a device's record within which a trigger that is not there counts as lost."""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A trigger on the recording clock: ``time`` in seconds, what it says, and which clocks have it."""

    time: float
    value: Any
    clocks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceMarkers:
    """The markers of one device beside those of the reference. All times are seconds on the recording clock.

    Attributes
    ----------
    clock
        Name of the device's clock.
    fit
        Offset, drift, median residual and number of shared markers; None where alignment was refused.
    refused
        Why, in a line with the numbers; empty where it was not.
    n_markers
        How many markers the device has itself.
    times, residuals
        (shared,) times of the markers it shares with the reference, and by how many seconds it says later.
    values
        What these markers say.
    lost
        Triggers that were given while the device recorded and that it does not have.
    doubled
        Markers that are there once more than they were given.
    extra
        Markers that no other device has and that are not doubled.
    frames
        Of a camera whose frames were timed here: when, how fast, which were dropped. None of any other
        device, and of a camera that came with its frames timed.
    """

    clock: str
    fit: Clock | None
    refused: str
    n_markers: int
    times: Array
    residuals: Array
    values: tuple[Any, ...]
    lost: tuple[Trigger, ...]
    doubled: tuple[Trigger, ...]
    extra: tuple[Trigger, ...]
    frames: FrameTimes | None = None

    @property
    def worst(self) -> float:
        """Largest distance of a shared marker in seconds; NaN where none is shared."""
        return float(np.abs(self.residuals).max()) if len(self.residuals) else float("nan")

    def row(self) -> dict[str, Any]:
        """The device as a row of a table: seconds, milliseconds, parts per million, numbers of markers."""
        fit = self.fit
        return {
            "clock": self.clock,
            "offset_s": None if fit is None else fit.offset,
            "drift_ppm": None if fit is None else 1e6 * fit.drift,
            "residual_ms": None if fit is None else 1e3 * fit.residual,
            "worst_ms": 1e3 * self.worst if len(self.residuals) else None,
            "markers": self.n_markers,
            "shared": len(self.times),
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "extra": len(self.extra),
            "dropped_frames": None if self.frames is None else self.frames.n_dropped,
            "refused": self.refused,
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for a JSON file."""
        listed = {
            name: [[t.time, t.value] for t in getattr(self, name)] for name in ("lost", "doubled", "extra")
        }
        frames = self.frames
        camera = None if frames is None else {
            "n_frames": len(frames.times), "rate": frames.rate, "residual": frames.residual,
            "dropped": [list(run) for run in frames.dropped],
            "stretches": [[s.start, s.stop, s.rate, s.n_frames] for s in frames.stretches],
        }  # fmt: skip
        return self.row() | {
            "frames": camera,
            "times": self.times.tolist(), "residuals": self.residuals.tolist(), "values": list(self.values)
        } | listed  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class MarkerComparison:
    """How the markers of a recording's devices go together.

    Attributes
    ----------
    recording
        Its id.
    reference
        The clock that is the recording's.
    triggers
        What was given, as all devices together tell: every trigger that the reference has, or two others.
    devices
        One for each clock, the reference first.
    """

    recording: str
    reference: str
    triggers: tuple[Trigger, ...]
    devices: tuple[DeviceMarkers, ...]

    def device(self, clock: str) -> DeviceMarkers:
        """The device of a clock."""
        return next(d for d in self.devices if d.clock == clock)

    def rows(self) -> list[dict[str, Any]]:
        """A table: one row for each device."""
        return [{"recording": self.recording, **device.row()} for device in self.devices]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for a JSON file."""
        return {"reference": self.reference, "devices": [d.to_dict() for d in self.devices]}


def compare_markers(
    recording: Recording,
    *,
    reference: str | None = None,
    kind: str = "marker",
    tolerance: float = 0.1,
    repeat: float = 1.0,
    **limits: Any,
) -> MarkerComparison:
    """Lost, doubled and extra markers of every device, and its residuals.

    Parameters
    ----------
    recording
        Aligned or not: clocks that are not known yet are fitted by :func:`mien.timeline.align`; those that
        are refused are in the result, with the reason.
    reference
        The clock that is the recording's; None: one whose offset and drift are 0, that with most markers.
    kind
        Of the markers.
    tolerance
        Seconds within which markers of two devices are the same trigger.
    repeat
        Seconds within which a marker that no other device has is a doubled one, if the device has another one
        that says the same.
    **limits
        Of :func:`~mien.timeline.align`: ``min_markers``, ``max_residual``, ``max_drift``.

    Returns
    -------
    MarkerComparison
        A marker of the reference that no other device has is a trigger that the others lost, unless it is
        doubled; where two other devices have one at the same time and the reference does not, it is the
        reference that lost it.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recording, cameras = with_frame_times(recording, kind=kind, strict=False)
        aligned = align(recording, reference=reference, kind=kind, strict=False, **limits)
    refused = [str(w.message).removesuffix(" (left out)") for w in caught if w.category is AlignmentWarning]
    clocks = _clocks(recording, kind)
    own = {c: _of(aligned, kind, c) for c in clocks}
    first = reference if reference is not None else _reference(aligned, own)
    clocks = [first, *(c for c in clocks if c != first)]
    groups = _groups([(c, own[c]) for c in clocks], tolerance)
    doubled = {c: _doubled(c, own[c], groups, repeat) for c in clocks}
    given = [g for g in groups if len(g) > 1 or (first in g and g[first] not in doubled[first])]
    return MarkerComparison(
        recording=recording.id,
        reference=first,
        triggers=_triggers(given, own),
        devices=tuple(
            DeviceMarkers(
                clock=c,
                fit=aligned.clocks.get(c, Clock() if c == RECORDING else None),
                refused=next((text for text in refused if text.startswith(f"clock {c!r} ")), ""),
                n_markers=len(_of(recording, kind, c)),
                lost=_triggers([g for g in given if c not in g], own, _covered(aligned, c, own[c])),
                doubled=_triggers([{c: i} for i in sorted(doubled[c])], own),
                extra=_triggers(
                    [g for g in groups if set(g) == {c} != {first} and g[c] not in doubled[c]], own
                ),
                frames=next((f for n, f in cameras.items() if recording.streams[n].clock == c), None),
                **_shared(first, c, groups, own),
            )
            for c in clocks
        ),
    )


Group = dict[str, int]
"""The markers that are one trigger: clock to the number of its marker."""


def _clocks(recording: Recording, kind: str) -> list[str]:
    """Clocks of the markers and of the streams; the recording's own only where it has markers."""
    streams = [s.clock for s in recording.streams.values() if s.clock != RECORDING]
    return list(dict.fromkeys([*(e.clock for e in recording.events if e.kind == kind), *streams]))


def _of(recording: Recording, kind: str, clock: str) -> list[Event]:
    found = [e for e in recording.events if (e.kind, e.clock) == (kind, clock)]
    return sorted(found, key=lambda e: e.span.start)


def _reference(aligned: Recording, own: Mapping[str, Sequence[Event]]) -> str:
    if not own:
        raise InputError(
            f"recording {aligned.id} has neither markers nor a device's clock",
            expected="markers of two devices",
        )
    still = [c for c in own if c == RECORDING or _is_own(aligned.clocks.get(c))]
    return max(still or own, key=lambda c: len(own[c]))


def _is_own(clock: Clock | None) -> bool:
    return clock is not None and clock.offset == clock.drift == 0


def _groups(devices: Sequence[tuple[str, Sequence[Event]]], tolerance: float) -> list[Group]:
    """All markers, those that are one trigger together; markers of one device are never together.

    Each device is paired with the triggers that the ones before it know.
    """
    groups: list[Group] = []
    times = np.empty(0)
    values: list[Any] = []
    for clock, events in devices:
        own, said = np.array([e.span.start for e in events]), [e.value for e in events]
        codes = _codes(len(times), len(own), values, said)
        rows, columns = _mutual(times, own, *codes, tolerance)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            groups[row][clock] = column
        alone = np.setdiff1d(np.arange(len(own)), columns)
        groups += [{clock: int(i)} for i in alone]
        times, values = np.append(times, own[alone]), [*values, *(said[i] for i in alone)]
    return groups


def _doubled(clock: str, events: Sequence[Event], groups: Sequence[Group], repeat: float) -> set[int]:
    """Markers that only this device has, shortly before or after another one of it that says the same."""
    alone = {g[clock] for g in groups if set(g) == {clock}}
    shared = [i for i in range(len(events)) if i not in alone]

    def near(i: int, others: Sequence[int]) -> bool:
        return any(
            events[i].value == events[j].value and abs(events[i].span.start - events[j].span.start) <= repeat
            for j in others
        )

    return {i for i in alone if near(i, shared) or near(i, [j for j in alone if j < i])}


def _triggers(
    groups: Sequence[Group], own: Mapping[str, Sequence[Event]], within: Span | None = None
) -> tuple[Trigger, ...]:
    """Triggers by time: when the first of a group's clocks has it."""
    found = []
    for group in groups:
        clock, i = next(iter(group.items()))
        event = own[clock][i]
        if within is None or within.start <= event.span.start < within.stop:
            found.append(Trigger(time=event.span.start, value=event.value, clocks=tuple(group)))
    return tuple(sorted(found, key=lambda t: t.time))


def _covered(aligned: Recording, clock: str, events: Sequence[Event]) -> Span:
    """When a device recorded: what its streams span, or its markers where it has no stream."""
    spans = [s.span for s in aligned.streams.values() if s.clock == clock] or [e.span for e in events]
    if not spans:
        return Span(start=0.0, duration=0.0)
    start, stop = min(s.start for s in spans) + _EDGE, max(s.stop for s in spans) - _EDGE
    return Span(start=start, duration=max(stop - start, 0.0))


def _shared(
    first: str, clock: str, groups: Sequence[Group], own: Mapping[str, Sequence[Event]]
) -> dict[str, Any]:
    """Times, residuals and values of the markers that a device shares with the reference."""
    both = [g for g in groups if first in g and clock in g and clock != first]
    times, residuals = np.empty(len(both)), np.empty(len(both))
    for k, group in enumerate(both):
        times[k] = own[first][group[first]].span.start
        residuals[k] = own[clock][group[clock]].span.start - times[k]
    values = tuple(own[first][g[first]].value for g in both)
    return {"times": times, "residuals": residuals, "values": values}
