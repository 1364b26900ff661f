"""The clocks of a study's devices: how well their markers agree, and which are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.report import clock_figures
from mien.report.blocks import count, figure, paragraph, row, table
from mien.report.run_folder import _json

FILE = "markers.json"


def clocks(folder: str | Path) -> str:
    """Residuals, offsets, drifts, lost and doubled triggers; nothing where the run has no such file."""
    path = Path(folder) / FILE
    return section(_json(path, needs=())) if path.exists() else ""


def section(markers: Mapping[str, Mapping[str, Any]]) -> str:
    """The same of what :func:`mien.run.clocks.markers_to_json` gives."""
    devices = [d for one in markers.values() for d in one["devices"] if d["clock"] != one["reference"]]
    if not devices:
        return ""
    fitted = [d for d in devices if d["offset_s"] is not None]
    return (
        paragraph(_sentence(markers, devices))
        + _summary(devices)
        + (_figures(fitted) if fitted else "")
        + _faults(markers)
    )


def _figures(fitted: Sequence[Mapping[str, Any]]) -> str:
    return figure(
        clock_figures.residuals(fitted),
        name="clock-residuals",
        alt="Markers of each device against those of the reference over time.",
        caption="By how much a device says later than the reference, at every trigger that both have, after "
        "alignment; all recordings together. Crosses at the foot: triggers that it lost. Dashed, where it is "
        "in sight: half a micro-expression.",
    ) + figure(
        clock_figures.offsets(fitted),
        name="clock-offsets",
        alt="Offset and drift of each device, a dot for each recording.",
        caption="Offset and drift of the device in each recording: time of the reference = offset + "
        "(1 + drift) × time of the device. The scale of offsets is linear up to 1 s and logarithmic beyond.",
    )


def _sentence(markers: Mapping[str, Any], devices: Sequence[Mapping[str, Any]]) -> str:
    refused = sum(d["offset_s"] is None for d in devices)
    return (
        f"{count(len(markers), 'recording')} of several devices, brought onto one clock by the triggers that "
        "the devices share: an offset and a drift for each, by a line through medians."
        + (f" {count(refused, 'device')} could not be aligned." if refused else "")
    )


def _summary(devices: Sequence[Mapping[str, Any]]) -> str:
    head = ["Device", "Recordings", "Residual, median (ms)", "Largest (ms)", "Drift, from", "to (ppm)"]
    head += ["Shared", "Lost", "Doubled", "Extra"]
    body = []
    for name in dict.fromkeys(d["clock"] for d in devices):
        own = [d for d in devices if d["clock"] == name]
        fitted = [d for d in own if d["offset_s"] is not None]
        drift = [d["drift_ppm"] for d in fitted]
        off = np.concatenate([np.abs(d["residuals"]) for d in fitted]) if fitted else np.empty(0)
        numbers = [sum(len(d[k]) for d in own) for k in ("times", "lost", "doubled", "extra")]
        cells: list[str | None] = [None] * 4
        if len(off):
            cells[:2] = f"{1e3 * np.median(off):.2f}", f"{1e3 * off.max():.1f}"
        if drift:
            cells[2:] = f"{min(drift):.0f}", f"{max(drift):.0f}"
        body.append(row(name, len(own), *cells, *(f"{n:,}" for n in numbers), numeric=range(1, len(head))))
    return table(head, body, numeric=range(1, len(head)))


def _faults(markers: Mapping[str, Mapping[str, Any]]) -> str:
    body = []
    for recording, one in markers.items():
        for device in one["devices"]:
            texts = [
                f"{kind}: {', '.join(f'{value} at {time:.1f} s' for time, value in device[kind])}"
                for kind in ("lost", "doubled", "extra")
                if device[kind]
            ]
            texts += [device["refused"]] if device["refused"] else []
            if texts:
                body.append(row(recording, device["clock"], "; ".join(texts)))
    if not body:
        return paragraph("No trigger was lost or doubled.")
    return table(["Recording", "Device", "Triggers"], body)
