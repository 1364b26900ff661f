"""The figures of the page about a cleaned recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.report import topography
from mien.report.drawing import (
    GREY,
    INK,
    PALE,
    RULE,
    STYLE,
    WIDTH,
    grid_lines,
    legend_below,
    line_key,
    subplots,
)
from mien.report.figures import head_outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAD, MENDED, BLUE = "#b0122b", "#d1761b", "#0b3c6f"
_COLUMNS = 8
Spectrum = tuple[NDArray[np.floating], NDArray[np.floating]]


def spectra(
    panels: Sequence[tuple[str, Spectrum]],
    *,
    bad: NDArray[np.bool_],
    lines: Sequence[float],
    high: float,
) -> Figure:
    """A line for every channel, one panel for each stage on the same axes.

    Parameters
    ----------
    panels
        Title, frequencies in Hz and densities (channels, frequencies) in V² / Hz.
    bad
        (channels,): drawn in red.
    lines
        Frequencies of hum, marked.
    high
        Right end of the axis in Hz.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, axes = subplots(len(panels), height=2.7, columns=len(panels))
        levels = []
        for axis, (title, (frequency, density)) in zip(axes, panels, strict=True):
            shown = (frequency >= 0.5) & (frequency <= high)
            db = 10 * np.log10(np.maximum(density[:, shown] * 1e12, 1e-12))
            for is_bad in (False, True):
                rows = db[bad == is_bad]
                colour, width = (BAD, 0.9) if is_bad else (GREY, 0.5)
                axis.plot(frequency[shown], rows.T, color=colour, lw=width, alpha=0.9 if is_bad else 0.45)
            axis.plot(frequency[shown], np.median(db[~bad], axis=0), color=BLUE, lw=1.8, zorder=4)
            levels.append(np.percentile(db[~bad], (0.2, 99.9)))
            for line in lines:
                if line <= high:
                    axis.axvline(line, color=RULE, lw=0.8, ls=(0, (2, 2)), zorder=0)
            axis.set_xscale("log")
            ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500) if t <= high]
            axis.set_xticks(ticks, [str(t) for t in ticks])
            axis.minorticks_off()
            axis.set_xlim(0.5, high)
            axis.set_xlabel("frequency (Hz)")
            axis.set_title(title)
            grid_lines(axis)
        top = max(level[1] for level in levels) + 6
        low = max(min(level[0] for level in levels) - 4, top - 90)
        for axis in axes:
            axis.set_ylim(low, top)
        axes[0].set_ylabel("power density (dB re 1 µV²/Hz)")
        handles = [line_key(GREY, "a channel"), line_key(BLUE, "median of good channels", lw=1.8)]
        handles += [line_key(BAD, "a bad channel")] if bad.any() else []
        legend_below(figure, [*handles, line_key(RULE, "hum", ls=(0, (2, 2)))] if lines else handles)
        return figure


def channels(names: Sequence[str], *, bad: Sequence[str], mended: Sequence[str]) -> Figure | None:
    """The cap from above, with bad channels marked; None where fewer than four places are known."""
    import matplotlib

    place = topography.positions(tuple(names))
    if len(place) < 4:
        return None
    with matplotlib.rc_context(STYLE):
        figure, (axis,) = subplots(1, height=4.2, width=4.4)
        head_outline(axis, colour=GREY)
        for name, (x, y) in place.items():
            lost = name in set(bad)
            fill = MENDED if name in set(mended) else BAD if lost else "white"
            axis.plot(x, y, "o", ms=15, color=fill, mec=fill if lost else RULE, mew=0.9, zorder=5)
            axis.text(
                x, y, name, ha="center", va="center_baseline", fontsize=5.6, zorder=6,
                color="white" if lost else INK, fontweight="bold" if lost else "normal",
            )  # fmt: skip
        handles = [line_key(RULE, "good", marker="o", ls="none", mfc="white", ms=7)]
        if mended:
            handles.append(line_key(MENDED, "bad, interpolated", marker="o", ls="none", ms=7))
        if set(bad) - set(mended):
            handles.append(line_key(BAD, "bad, left as it is", marker="o", ls="none", ms=7))
        legend_below(figure, handles)
        return figure


def components(
    items: Sequence[Mapping[str, Any]], maps: NDArray[np.floating], *, names: Sequence[str]
) -> Figure | None:
    """A head for each component, with its number, label and probability; removed ones are framed in red.

    ``items`` are components as the record lists them, ``maps`` (components, channels) of the same.
    """
    import matplotlib

    place = topography.positions(tuple(names))
    known = [i for i, name in enumerate(names) if name in place]
    if len(known) < 8 or not items:
        return None
    points = np.array([place[names[i]] for i in known])
    with matplotlib.rc_context(STYLE):
        columns = min(_COLUMNS, max(len(items), 4))
        figure, axes = subplots(len(items), height=1.28, columns=columns, width=WIDTH * columns / _COLUMNS)
        for axis, item, values in zip(axes, items, maps[:, known], strict=True):
            _head(axis, points, values, colour=BAD if item["removed"] else INK)
            axis.set_title(_words(item), loc="center", fontsize=6.4, pad=2, fontweight="normal",
                           color=BAD if item["removed"] else INK)  # fmt: skip
        return figure


def component_spectra(
    items: Sequence[Mapping[str, Any]],
    maps: NDArray[np.floating],
    *,
    names: Sequence[str],
    frequency: NDArray[np.floating],
    db: NDArray[np.floating],
    high: float,
) -> Figure | None:
    """Map and spectrum of each component side by side; arguments as for :func:`components`, ``db`` power."""
    import matplotlib

    place = topography.positions(tuple(names))
    known = [i for i, name in enumerate(names) if name in place]
    if len(known) < 8 or not items:
        return None
    points = np.array([place[names[i]] for i in known])
    columns = 2
    with matplotlib.rc_context(STYLE):
        figure, axes = subplots(2 * len(items), height=1.65, columns=2 * columns)
        shown = (frequency >= 1) & (frequency <= high)
        for item, values, row, head, axis in zip(
            items, maps[:, known], db, axes[::2], axes[1::2], strict=True
        ):
            _head(head, points, values, colour=INK)
            head.set_title(_words(item), loc="center", fontsize=7.4, pad=2)
            axis.plot(frequency[shown], row[shown] - row[shown].max(), color=BLUE, lw=1.2)
            axis.set_xlim(1, high)
            axis.set_ylabel("dB below peak", fontsize=7)
            axis.set_xlabel("Hz", fontsize=7, labelpad=1)
            axis.tick_params(labelsize=6.8)
            axis.set_box_aspect(0.8)
            grid_lines(axis)
        return figure


def _words(item: Mapping[str, Any]) -> str:
    return f"{item['number'] + 1} · {item['label']} {100 * item['probability']:.0f} %"


def _head(axis: Axes, points: NDArray[np.float64], values: NDArray[Any], *, colour: str) -> None:
    """One map, its largest value at the end of a scale that is symmetric about zero."""
    values = np.asarray(values, np.float64)
    values = values * np.sign(values[np.abs(values).argmax()])
    end = np.abs(values).max() or 1.0
    image = axis.imshow(
        topography.interpolate(points, values, size=64), extent=(-1, 1, -1, 1), origin="lower",
        cmap="RdBu_r", vmin=-end, vmax=end, interpolation="bilinear",
    )  # fmt: skip
    image.set_clip_path(head_outline(axis, colour=colour, lw=1.6 if colour != INK else 0.8))
    axis.plot(*points.T, "o", ms=0.6, color=PALE, mec=INK, mew=0.15, zorder=5)
