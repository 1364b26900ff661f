"""Recordings brought onto one clock, and how well their devices' clocks agreed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mien.core import Recording, Stream
from mien.core.pseudonyms import shown
from mien.datasets import Fault
from mien.timeline import AlignmentWarning, align, compare_markers


def align_all(recordings: Iterable[Recording]) -> tuple[list[Recording], list[Fault]]:
    """Every recording with its streams on the recording clock, and what had to be left out.

    Streams of a device whose clock cannot be fitted are left out; the warnings that say so are passed on.
    """
    aligned: list[Recording] = []
    faults: list[Fault] = []
    for recording in recordings:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            aligned.append(align(recording, strict=False))
        for one in caught:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        texts = [str(one.message) for one in caught if isinstance(one.message, AlignmentWarning)]
        faults += _faults(recording, aligned[-1], texts)
    return aligned, faults


def _faults(before: Recording, after: Recording, texts: Sequence[str]) -> list[Fault]:
    lost: dict[str, list[Stream]] = {}
    for name, stream in before.streams.items():
        if name not in after.streams:
            lost.setdefault(stream.clock, []).append(stream)
    return [
        Fault(
            file=_file(before, streams[0]),
            item=", ".join(s.name for s in streams),
            reason=_reason(clock, texts),
            subject=before.subject,
        )
        for clock, streams in lost.items()
    ]


def _reason(clock: str, texts: Sequence[str]) -> str:
    text = next(text for text in texts if text.startswith(f"clock {clock!r} "))
    return text.removesuffix(" (left out)")


def _file(recording: Recording, stream: Stream) -> str:
    function = getattr(stream.source, "files", None)
    return recording.id if function is None else shown(function()[0], stream.source)


def clocks_to_json(recordings: Iterable[Recording]) -> dict[str, dict[str, Any]]:
    """Recording id to clock to ``offset`` (s), ``drift``, ``residual`` (s) and ``n_markers``; recordings that
    came on one clock are not in it."""
    return {r.id: {name: asdict(clock) for name, clock in r.clocks.items()} for r in recordings if r.clocks}


def clock_rows(clocks: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """:func:`clocks_to_json` as a table to print: milliseconds and parts per million."""
    return [
        {
            "recording": recording,
            "clock": name,
            "offset_s": clock["offset"],
            "drift_ppm": 1e6 * clock["drift"],
            "residual_ms": 1e3 * clock["residual"],
            "markers": clock["n_markers"],
        }
        for recording, by_name in clocks.items()
        for name, clock in by_name.items()
    ]


def markers_to_json(recordings: Iterable[Recording]) -> dict[str, dict[str, Any]]:
    """Recording id to how its devices' markers go together, with every residual
    (:meth:`mien.timeline.MarkerComparison.to_dict`); recordings with fewer than two clocks are not in it."""
    found = {}
    for recording in recordings:
        used = {e.clock for e in recording.events if e.kind == "marker"} | set(recording.clocks)
        if len(used) > 1:
            found[recording.id] = compare_markers(recording).to_dict()
    return found


def marker_rows(markers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """:func:`markers_to_json` as a table to print: a row for every device of every recording."""
    columns = (
        *("clock", "offset_s", "drift_ppm", "residual_ms", "worst_ms"),
        *("markers", "shared", "lost", "doubled", "extra", "dropped_frames"),
    )
    lists = {"lost", "doubled", "extra"}
    return [
        {"recording": recording, "clock": device["clock"]}
        | {c: len(device[c]) if c in lists else device[c] for c in columns}
        for recording, one in markers.items()
        for device in one["devices"]
    ]
