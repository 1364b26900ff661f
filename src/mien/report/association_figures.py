"""Figures of association: what body and brain do around the apex of expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.report.drawing import COLOURS, INK, RULE, grid_lines, legend_below, line_key, styled, subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))
SHOWN = 0.05
"""Clusters up to this p are marked."""


@styled
def courses(
    arrays: Mapping[str, NDArray[Any]], clusters: Sequence[Mapping[str, Any]], *, group: str
) -> Figure:
    """A panel for each measure: the mean around the apex of each condition, its interval, and the clusters.

    Parameters
    ----------
    arrays
        ``association.npz`` of a run.
    clusters
        Rows of its table, with numbers: ``measure``, ``contrast``, ``start``, ``stop``, ``p``,
        ``p_corrected``. Bars below a panel are those with p up to 5 %; filled where that holds after
        correction, too.
    group
        ``kind`` (with intervals) or ``label`` (without: too many lines).
    """
    names = [str(c) for c in arrays["contrasts"]]
    own = [c for c, g in enumerate(arrays["groups"]) if g == group]
    lines = [c for c in own if " - " not in names[c]]
    measures = [str(m) for m in arrays["measures"]]
    columns = min(2, len(measures))
    figure, axes = subplots(len(measures), height=2.5, columns=columns)
    lags = arrays["lags"]
    what = "more than others" if "clip" in arrays.get("control", ()) else "change"
    look = {names[c]: (COLOURS[i % 6], _DASHES[i // 6 % 3]) for i, c in enumerate(lines)}
    for m, (axis, measure) in enumerate(zip(axes, measures, strict=True)):
        for c in lines:
            colour, dash = look[names[c]]
            axis.plot(lags, arrays["mean"][m, c], color=colour, ls=dash, lw=1.5)
            if group == "kind":
                axis.fill_between(
                    lags, arrays["low"][m, c], arrays["high"][m, c], color=colour, alpha=0.16, lw=0
                )
        axis.axvline(0, color=RULE, lw=0.8, zorder=0)
        axis.axhline(0, color=RULE, lw=0.8, zorder=0)
        found = [r for r in clusters if r["measure"] == measure and r["contrast"] in {names[c] for c in own}]
        _bars(axis, [r for r in found if r["p"] <= SHOWN], [names[c] for c in own], look)
        unit = str(arrays["units"][m])
        axis.set_title(measure.replace("_", " "))
        axis.set_ylabel(f"{what} ({unit})" if unit else what)
        axis.set_xlabel("time from the apex (s)")
        axis.set_xlim(lags[0], lags[-1])
        grid_lines(axis)
    handles = [line_key(colour, name, ls=dash, lw=1.5) for name, (colour, dash) in look.items()]
    handles += [line_key(INK, names[c], lw=3) for c in own if c not in lines and group == "kind"]
    legend_below(figure, handles)
    return figure


def _bars(
    axis: Axes, found: Sequence[Mapping[str, Any]], names: Sequence[str], look: Mapping[str, Any]
) -> None:
    """A bar for each cluster below the curves, one row for each contrast that has any."""
    rows = [name for name in names if any(r["contrast"] == name for r in found)]
    if not rows:
        return
    low, high = axis.get_ylim()
    step = 0.05 * (high - low)
    for r in found:
        # a difference from the others has the colour of the one
        colour, _ = look.get(
            r["contrast"], look.get(str(r["contrast"]).removesuffix(" - others"), (INK, "-"))
        )
        height = low - step * (rows.index(r["contrast"]) + 0.5)
        axis.barh(
            height, r["stop"] - r["start"], left=r["start"], height=0.6 * step, ec=colour, lw=0.8,
            fc=colour if r["p_corrected"] <= SHOWN else "white",
        )  # fmt: skip
    axis.set_ylim(low - step * (len(rows) + 0.5), high)


def rows_with_clusters(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Rows of ``association.csv`` (text) that hold a cluster, their numbers as such."""
    numbers = ("start", "stop", "mass", "mean", "p", "p_corrected")
    return [
        {**r, **{k: float(r[k]) for k in numbers}, "n_subjects": int(r["n_subjects"])}
        for r in rows
        if r["cluster"]
    ]


def finite(arrays: Mapping[str, NDArray[Any]], group: str) -> bool:
    """Whether there is any course of a group to draw."""
    own = [c for c, g in enumerate(arrays["groups"]) if g == group]
    return bool(own) and bool(np.isfinite(arrays["mean"][:, own]).any())
