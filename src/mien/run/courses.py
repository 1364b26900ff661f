"""Courses of heart, skin and brain around the expressions of recordings, for :mod:`mien.run.association`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import features
from mien.core import MienError, Recording, Span, Stream
from mien.core.workers import process_pool
from mien.features._body_all import CHANNELS
from mien.features._body_tracks import measure_names
from mien.features.power_sequence import BANDS
from mien.run.association import Moment, Series
from mien.run.clip_control import Showing, matched

Floats = NDArray[np.float64]
BRAIN = ("eeg", "raw_eeg")
"""Streams that power is made of: the cleaned one where there is one."""
BODY = "body"
PER_SECOND = 2.0
"""Values a second that courses are worth."""
BODY_OPTIONS = ("channels", "eda_unit")
"""Options of the body's features that say what is recorded, and hold here as well."""
_LONGEST = 120.0
"""Seconds of courses that are made at a time, so that memory does not grow with a recording."""
_MARGIN = 1.0
"""Seconds of a course beyond the window on either side, so that its ends lie between two values."""
_CONTEXT = {"brain": 1.0, "body": 12.0}
"""Seconds of signal read on either side of what is wanted: half a window of power; the filters of skin
conductance."""
_JUDGED = 8.0
"""Seconds in which a channel of the body is believed or not."""
_POWER_SECONDS = 2.0
_DB = 10 / np.log(10)
_UNITS = {
    **dict.fromkeys(("heart_rate", "rsp_rate"), "1/min"),
    **dict.fromkeys(("heart_period", "pulse_arrival"), "ms"),
    **dict.fromkeys(("eda_tonic", "eda_phasic", "scr_drive"), "µS"),
    **dict.fromkeys(("skt_a_level", "skt_b_level"), "K"),
    **dict.fromkeys(("skt_a_slope", "skt_b_slope"), "K/min"),
    **dict.fromkeys(BANDS, "dB"),
}


def known_measures(channels: Mapping[str, str] = CHANNELS) -> tuple[str, ...]:
    """Names of what can be followed: bands of the EEG, and the measures of ``body_sequence``."""
    return (*BANDS, *measure_names(channels))


def unit_of(course: str) -> str:
    """Unit of a course; empty where it has none."""
    return _UNITS.get(course.split()[0], "")


def courses(
    recordings: Iterable[Recording],
    events: Sequence[Moment],
    *,
    measures: Sequence[str],
    window: tuple[float, float],
    shown: Sequence[Showing] = (),
    regions: Mapping[str, Sequence[str]] | None = None,
    body: Mapping[str, Any] | None = None,
    workers: int = 1,
) -> dict[str, dict[str, Series]]:
    """Courses of measures around events, for :func:`mien.run.association.association`.

    Only what lies around events, and around what they are compared with, is read, at most two minutes at a
    time.

    Parameters
    ----------
    recordings
        Aligned. One that lacks a stream lacks its measures.
    events
        Their moments, on the recording clock.
    measures
        Any of :func:`known_measures`. A band is the mean over channels of 10 log10 of its power, twice a
        second in windows of 2 s; a measure of the body is as in ``body_sequence``, once a second, without a
        baseline.
    window
        First and last second around an event.
    shown
        Clips shown to all, for a control by clip (:mod:`mien.run.clip_control`): courses are made around the
        same moments of the same clips, too, of everybody who saw them.
    regions
        Name to EEG channels: a band has a course for each of them (``"alpha left"``). None: one, of all.
    body
        ``channels`` and ``eda_unit`` of ``body_sequence``, where they are not its own.
    workers
        Processes.

    Returns
    -------
    dict
        Course to recording id to its times and values, NaN where nothing could be measured.
    """
    own: dict[str, list[float]] = {}
    for event in events:
        own.setdefault(event.recording, []).append(event.time)
    for name, (_, times, _) in matched(events, shown).items():
        own.setdefault(name, []).extend(times.tolist())
    bands = {m: BANDS[m] for m in measures if m in BANDS}
    tasks = [(r, _stretches(own[r.id], window)) for r in recordings if own.get(r.id)]
    make = partial(
        _of_recording,
        bands=bands,
        measures=[m for m in measures if m not in BANDS],
        regions=regions or {"": ()},
        body=body or {},
    )
    names = [n for m in measures for n in (_named(m, regions) if m in bands else [m])]
    found: dict[str, dict[str, Series]] = {name: {} for name in names}
    for recording, made in _all(make, tasks, workers):
        for name, series in made.items():
            found[name][recording] = series
    return found


def _named(band: str, regions: Mapping[str, Any] | None) -> list[str]:
    return [f"{band} {region}".strip() for region in regions or ("",)]


def _all(
    make: partial[dict[str, Series]], tasks: Sequence[tuple[Recording, list[Span]]], workers: int
) -> Iterator[tuple[str, dict[str, Series]]]:
    """Recording id to its courses, in the order of the tasks."""
    ids = [recording.id for recording, _ in tasks]
    if workers <= 1 or len(tasks) <= 1:
        yield from zip(ids, map(make, *zip(*tasks, strict=True)) if tasks else (), strict=True)
        return
    with process_pool(min(workers, len(tasks))) as pool:
        yield from zip(ids, pool.map(make, *zip(*tasks, strict=True)), strict=True)


def _stretches(times: Sequence[float], window: tuple[float, float]) -> list[Span]:
    """What is wanted around some moments: in order, none overlapping, none long."""
    merged: list[list[float]] = []
    for time in sorted(times):
        start, stop = time + window[0] - _MARGIN, time + window[1] + _MARGIN
        if merged and start <= merged[-1][1]:
            merged[-1][1] = stop
        else:
            merged.append([start, stop])
    pieces = []
    for start, stop in merged:
        n = int(np.ceil((stop - start) / _LONGEST))
        edges = np.linspace(start, stop, n + 1)
        pieces += [Span(start=float(a), duration=float(b - a)) for a, b in pairwise(edges)]
    return pieces


def _of_recording(
    recording: Recording,
    wanted: Sequence[Span],
    *,
    bands: Mapping[str, tuple[float, float]],
    measures: Sequence[str],
    regions: Mapping[str, Sequence[str]],
    body: Mapping[str, Any],
) -> dict[str, Series]:
    """Every course of one recording that its streams allow."""
    from threadpoolctl import threadpool_limits

    out: dict[str, Series] = {}
    brain = next((recording.streams[s] for s in BRAIN if s in recording.streams), None)
    # a channel that is bad is NaN here, and the study's own features warn of it
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", features.FeatureWarning)
        if bands and brain is not None:
            parts = [_power(brain, span, bands, regions) for span in wanted]
            out |= _joined([f"{b} {r}".strip() for b in bands for r in regions], parts)
        if measures and BODY in recording.streams:
            parts = [_body(recording.streams[BODY], span, measures, body) for span in wanted]
            out |= _joined(measures, parts)
    return out


def _joined(names: Sequence[str], parts: Sequence[tuple[Floats, Floats] | None]) -> dict[str, Series]:
    """Name to times and values of all pieces, one after the other."""
    there = [part for part in parts if part is not None and len(part[0])]
    if not there:
        return {}
    times = np.concatenate([part[0] for part in there])
    values = np.concatenate([part[1] for part in there])
    return {name: (times, values[:, k]) for k, name in enumerate(names)}


def _power(
    stream: Stream,
    wanted: Span,
    bands: Mapping[str, tuple[float, float]],
    regions: Mapping[str, Sequence[str]],
) -> tuple[Floats, Floats] | None:
    """Times and (times, bands x regions) in dB; None where nothing is recorded."""
    span = _inside(stream, wanted, _CONTEXT["brain"], whole=0.5)
    if span is None or span.duration < _POWER_SECONDS:
        return None
    try:
        made = features.compute(
            "power_sequence", stream.read(span), bands=bands, window_seconds=_POWER_SECONDS,
            stride_seconds=1 / PER_SECOND,
        )  # fmt: skip
    except MienError:  # the study's own features name what cannot be read
        return None
    rows = [
        [i for i, c in enumerate(made.axes["channel"]) if c in own or not name]
        for name, own in regions.items()
    ]
    # (windows, bands, regions)
    values = _DB * np.stack([_mean(made.values[:, own]) for own in rows], axis=-1)
    values[~made.valid] = np.nan
    return _kept(made.starts + made.durations / 2, values.reshape(len(values), -1), wanted)


def _mean(values: NDArray[Any]) -> Floats:
    """Mean over the channels that are there, (windows, bands); NaN of none."""
    there = np.isfinite(values)
    n = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1, dtype=np.float64)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _body(
    stream: Stream, wanted: Span, measures: Sequence[str], options: Mapping[str, Any]
) -> tuple[Floats, Floats] | None:
    """Times and (times, measures), once a second; None where nothing is recorded."""
    span = _inside(stream, wanted, _CONTEXT["body"], whole=_JUDGED)
    if span is None:
        return None
    try:
        made = features.compute(
            "body_sequence", stream.read(span), window_seconds=_JUDGED, stride_seconds=_JUDGED,
            baseline_seconds=0.0, **options,
        )  # fmt: skip
    except MienError:  # as for power
        return None
    names = list(made.axes["measure"])
    values = np.array(made.values[:, :, [names.index(m) for m in measures]], dtype=np.float64)
    times = made.starts[:, None] + np.arange(values.shape[1]) + 0.5
    return _kept(times.ravel(), values.reshape(-1, len(measures)), wanted)


def _inside(stream: Stream, wanted: Span, context: float, *, whole: float) -> Span | None:
    """What is wanted with its context, as far as it is recorded, in multiples of ``whole`` seconds."""
    first, last = stream.span.start, stream.span.stop
    start = max(wanted.start - context, first)
    n = np.ceil((min(wanted.stop + context, last) - start) / whole - 1e-6)
    start = max(min(start, last - n * whole), first)
    n = min(n, np.floor((last - start) / whole + 1e-6))
    return Span(start=float(start), duration=float(n * whole)) if n > 0 else None


def _kept(times: Floats, values: Floats, wanted: Span) -> tuple[Floats, Floats]:
    here = (times >= wanted.start) & (times < wanted.stop)
    return times[here], values[here]
