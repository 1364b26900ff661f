"""Figures of the devices' clocks: how far they are off after alignment, and how they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.report.drawing import (
    COLOURS,
    GREY,
    MARKERS,
    RULE,
    grid_lines,
    legend_below,
    line_key,
    styled,
    subplots,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Devices = Sequence[Mapping[str, Any]]
"""Devices of all recordings, one after the other, as ``markers.json`` has them; those of the reference left
out."""
LIMIT_MS = 100.0
"""Half a micro-expression."""


@styled
def residuals(devices: Devices) -> Figure:
    """By how much each device says later than the reference, over time; triggers it lost are crosses."""
    names = list(dict.fromkeys(d["clock"] for d in devices))
    figure, (axis,) = subplots(1, height=2.7)
    for i, name in enumerate(names):
        colour, marker = _look(i)
        own = [d for d in devices if d["clock"] == name]
        times, off = (np.concatenate([np.asarray(d[k], float) for d in own]) for k in ("times", "residuals"))
        # many are drawn smaller
        size = float(np.clip(60 / np.sqrt(max(len(times), 1)), 1.2, 4.0))
        axis.plot(times / 60, 1e3 * off, marker, ms=size, color=colour, mew=0, alpha=0.7)
        lost = np.array([t for d in own for t, _ in d["lost"]])
        foot = np.full(len(lost), 0.02 + 0.03 * i)
        across = axis.get_xaxis_transform()
        axis.plot(lost / 60, foot, "x", ms=4, color=colour, mew=1.0, transform=across)
    axis.axhline(0, color=RULE, lw=0.8, zorder=0)
    low, high = axis.get_ylim()
    for limit in (-LIMIT_MS, LIMIT_MS):
        if low <= limit <= high:
            axis.axhline(limit, color=GREY, lw=0.8, ls=(0, (4, 2)))
    axis.set_ylim(low - 0.12 * (high - low), high)
    axis.set_xlabel("time on the recording clock (min)")
    axis.set_ylabel("says later by (ms)")
    grid_lines(axis)
    looks = [(name, *_look(i)) for i, name in enumerate(names)]
    legend_below(figure, [line_key(c, name, marker=m, ls="none", ms=4) for name, c, m in looks])
    return figure


@styled
def offsets(devices: Devices) -> Figure:
    """Offset and drift of every recording's devices."""
    names = list(dict.fromkeys(d["clock"] for d in devices))
    figure, (offset, drift) = subplots(2, height=0.8 + 0.35 * len(names), columns=2)
    for axis, key in ((offset, "offset_s"), (drift, "drift_ppm")):
        _by_device(axis, devices, names, key)
    low, high = offset.get_xlim()
    offset.set_xscale("symlog", linthresh=1.0)
    ticks = [-1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4]
    offset.set_xticks(
        [t for t in ticks if low <= t <= high], [f"{t:,.0f}" for t in ticks if low <= t <= high]
    )
    offset.minorticks_off()
    offset.set_xlabel("offset (s)")
    drift.set_xlabel("drift (ppm)")
    drift.set_yticks([])
    return figure


def _look(i: int) -> tuple[str, str]:
    return COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]


def _by_device(axis: Axes, devices: Devices, names: Sequence[str], key: str) -> None:
    """A dot for each recording, a row for each device."""
    for i, name in enumerate(names):
        colour, marker = _look(i)
        values = np.sort([d[key] for d in devices if d["clock"] == name])
        shift = 0.3 * (np.arange(len(values)) / max(len(values) - 1, 1) - 0.5)
        axis.plot(values, i + shift, marker, ms=3.5, color=colour, mew=0, alpha=0.8)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.axvline(0, color=RULE, lw=0.8, zorder=0)
