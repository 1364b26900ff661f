"""Figures of studies of events: how many there are, and what a model looks at on the face and in the EEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.report.drawing import (
    COLOURS,
    INK,
    PALE,
    RULE,
    WIDTH,
    grid_lines,
    legend_below,
    patch_key,
    styled,
    subplots,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_UNITS = 12
"""Action units that are shown."""
LONGEST = 2.0
"""Seconds; the last bar of the durations holds all that are longer."""
SAME = 1e-6
"""Seconds; times that are closer are the same, but for the rounding of sums."""
BLUR = 1.0 / 64
"""Width (sd) of the blur of a map, as a share of its height."""


@styled
def events(found: pd.DataFrame, *, kinds: Sequence[str], words: Sequence[str]) -> Figure:
    """Counts of events by class, action unit and subject, and their durations; kinds are stacked.

    ``found`` is ``events.parquet`` of a run; ``kinds`` and ``words`` the order of kinds and classes.
    """
    figure, (by_class, by_unit, by_subject, by_time) = subplots(4, height=2.6, columns=2)
    units = found.assign(aus=found["aus"].fillna("").str.split(", ")).explode("aus")
    units = units[units["aus"] != ""]
    named = units["aus"].value_counts().sort_index(key=lambda names: names.map(_number), kind="stable")
    commonest = list(named.sort_values(ascending=False, kind="stable").index[:N_UNITS])
    subjects = list(
        found["subject"].value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    )
    _stacked(by_class, _counts(found, "label", words, kinds), words, title="class")
    _stacked(by_unit, _counts(units, "aus", commonest, kinds), commonest, title="action unit")
    bottom = np.zeros(len(subjects))
    for i, values in enumerate(_counts(found, "subject", subjects, kinds)):
        by_subject.bar(range(len(subjects)), values, bottom=bottom, color=COLOURS[i], width=0.8)
        bottom += values
    by_subject.set_xticks([])
    by_subject.set_xlabel(f"{len(subjects)} subjects, most events first")
    by_subject.set_ylabel("events")
    by_subject.set_title("subject")
    grid_lines(by_subject)
    coded = found[offset_coded(found)]
    seconds = [(coded["offset"] - coded["onset"])[coded["kind"] == kind].to_numpy(float) for kind in kinds]
    edges = np.linspace(0, LONGEST, 21)
    by_time.hist(
        [np.minimum(s, LONGEST - 1e-9) for s in seconds], bins=list(edges), stacked=True,
        color=COLOURS[: len(kinds)], rwidth=0.92,
    )  # fmt: skip
    by_time.set_xticks([0, 0.5, 1, 1.5, LONGEST], ["0", "0.5", "1", "1.5", f"≥ {LONGEST:g}"])
    by_time.set_xlabel("onset to offset (s)")
    by_time.set_title("duration")
    grid_lines(by_time)
    legend_below(figure, [patch_key(COLOURS[i], kind) for i, kind in enumerate(kinds)])
    return figure


def offset_coded(found: pd.DataFrame) -> pd.Series[bool]:
    """Whether somebody coded the end of an event: where nobody did, the apex stands in its place."""
    return found["apex"].isna() | (found["offset"] - found["apex"] > SAME)


def _number(unit: str) -> int:
    digits = "".join(filter(str.isdigit, unit))
    return int(digits) if digits else 0


def _counts(
    found: pd.DataFrame, column: str, values: Sequence[str], kinds: Sequence[str]
) -> NDArray[np.int64]:
    """Events (kinds, values)."""
    return np.array(
        [[int(((found[column] == v) & (found["kind"] == kind)).sum()) for v in values] for kind in kinds],
        dtype=np.int64,
    ).reshape(len(kinds), len(values))


def _stacked(axis: Axes, counts: NDArray[np.int64], names: Sequence[str], *, title: str) -> None:
    thick = 0.74 if len(names) > 4 else 0.5
    y, left = np.arange(len(names))[::-1], np.zeros(len(names))
    for i, values in enumerate(counts):
        axis.barh(y, values, left=left, color=COLOURS[i], height=thick)
        left += values
    for height, total in zip(y, left, strict=True):
        axis.text(
            total + 0.015 * (left.max() or 1), height, f"{total:g}", va="center", fontsize=7.5, color=INK
        )
    axis.set_yticks(y, list(names))
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(0, 1.1 * (left.max() or 1) if len(left) else 1)
    axis.set_xlabel("events")
    axis.set_title(title)
    axis.grid(axis="x", color=PALE, lw=0.8)


@styled
def face(
    maps: Mapping[str, NDArray[np.float64]],
    classes: Mapping[str, NDArray[np.float64]],
    *,
    mean_face: NDArray[np.float64] | None,
) -> Figure:
    """Where on the face a model looks.

    Parameters
    ----------
    maps
        Map name (``u``, ``strain``) to importance (rows, columns), drawn on one scale.
    classes
        Class to importance (rows, columns), each on its own scale; may be empty.
    mean_face
        Grey from 0 to 1 of the same rows and columns, drawn below; None for a blank.
    """
    top = max((float(m.max()) for m in map(_blurred, maps.values())), default=1.0) or 1.0
    shown = [(name, _blurred(m) / top) for name, m in maps.items()]
    own = [(name, b / (b.max() or 1.0)) for name, b in ((n, _blurred(m)) for n, m in classes.items())]
    columns = max(len(shown), min(4, len(own)), 1)
    empty = [None] * (-len(shown) % columns)
    panels: list[tuple[str, NDArray[np.float64]] | None] = [*shown, *empty, *own]
    figure, axes = subplots(len(panels), height=WIDTH / columns, columns=columns)
    image = None
    for axis, panel in zip(axes, panels, strict=True):
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
        if panel is not None:
            axis.set_frame_on(True)
            for spine in axis.spines.values():
                spine.set(visible=True, color=RULE, linewidth=0.6)
            image = _overlay(axis, panel[1], mean_face)
            axis.set_title(panel[0], loc="center")
    assert image is not None
    bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.015, ticks=[0, 0.5, 1], aspect=25)
    bar.outline.set_visible(False)
    bar.ax.set_yticklabels(["0", "50", "100"])
    bar.set_label("share of the largest (%)")
    return figure


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    blurred: NDArray[np.float64] = gaussian_filter(values, BLUR * values.shape[0])
    return blurred


def _overlay(axis: Axes, share: NDArray[np.float64], mean_face: NDArray[np.float64] | None) -> Any:
    """Importance from 0 to 1 over the face: clear where it is 0, opaque where it is 1."""
    extent = (0.0, 1.0, 1.0, 0.0)
    if mean_face is not None:
        # paler than it is, so that the colours on it stand out in print too
        axis.imshow(
            0.35 + 0.65 * mean_face, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="bilinear"
        )
    image = axis.imshow(
        share, cmap="inferno_r", vmin=0, vmax=1, extent=extent, alpha=np.clip(1.2 * share, 0, 0.85),
        interpolation="bilinear",
    )  # fmt: skip
    axis.set_aspect("equal")
    return image


@styled
def course(values: NDArray[np.float64]) -> Figure:
    """Importance of each window (windows,), in the order of time."""
    figure, (axis,) = subplots(1, height=1.9, width=4.6)
    x = np.arange(1, len(values) + 1)
    axis.bar(x, values / (values.max() or 1.0), color=COLOURS[0], width=0.8)
    axis.set_ylim(0, 1.02)
    axis.set_yticks([0, 0.5, 1], ["0", "50", "100"])
    axis.set_xlabel("window, in the order of time")
    axis.set_ylabel("share of the largest (%)")
    axis.set_xticks(x if len(x) <= 12 else x[:: -(-len(x) // 10)])
    grid_lines(axis)
    return figure


@styled
def measures(values: NDArray[np.float64], *, names: Sequence[str]) -> Figure:
    """Importance (measures, seconds) of each second of each measure, one scale for all."""
    figure, (axis,) = subplots(1, height=0.7 + 0.17 * len(names), width=5.6)
    image = axis.imshow(
        values / (values.max() or 1.0), aspect="auto", cmap="Blues", vmin=0, vmax=1,
        extent=(0, values.shape[1], len(names), 0),
    )  # fmt: skip
    axis.set_yticks(np.arange(len(names)) + 0.5, [name.replace("_", " ") for name in names])
    axis.tick_params(length=0)
    axis.set_xlabel("second of what the model is given")
    bar = figure.colorbar(image, ax=axis, pad=0.02, ticks=[0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.set_label("share of the largest (%)")
    bar.ax.set_yticklabels(["0", "50", "100"])
    return figure
