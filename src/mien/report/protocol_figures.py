"""Protocols one under the other on one axis, and what others published below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mien.report.drawing import (
    CHANCE,
    GREY,
    INK,
    ORACLE,
    PALE,
    RULE,
    WIDTH,
    colour_of,
    in_percent,
    line_key,
    marker_of,
    patch_key,
    styled,
    subplots,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEP = 0.2
"""Between two marks of a row; rows are 1 apart."""


@styled
def stand(
    rows: Sequence[Mapping[str, Any]],
    published: Sequence[Mapping[str, Any]],
    *,
    chance: float,
    label: str,
    lines: Sequence[tuple[float, str]] = (),
) -> Figure:
    """A row for each protocol, a mark with its interval for each set of signals.

    Parameters
    ----------
    rows
        ``{label, sub, leaky, marks: [{label, value, low, high, chance_low, chance_high, oracle}]}``; ``sub``
        is a second line; ends and oracle may be None.
    published
        ``{label, marks: [{label, low, high}]}``: rows below, marked as others' numbers.
    chance
        Uniform chance.
    label
        What the axis shows, a share.
    lines
        Numbers that are drawn through all rows, and what is written at them.
    """
    names = list(dict.fromkeys(m["label"] for row in (*rows, *published) for m in row["marks"]))
    heights = [max(0.75, 0.45 + _STEP * len(row["marks"])) for row in rows]
    heights += [max(0.5, 0.3 + _STEP * len(row["marks"])) for row in published]
    rest = 0.55 if published else 0.0
    total = sum(heights) + rest
    figure, (axis,) = subplots(1, height=0.62 * total + 1.05 + 0.2 * len(lines), width=WIDTH)
    ticks, y = [], 0.0
    for number, (row, height) in enumerate(zip((*rows, *published), heights, strict=True)):
        ours = number < len(rows)
        if number == len(rows):
            axis.axhline(y - 0.06, color=RULE, lw=0.9)
            axis.text(
                -0.008, y - 0.3, "published by others:", color=GREY, fontsize=8, ha="right", va="center"
            )
            y -= rest
        middle = y - height / 2
        if ours and row.get("leaky"):
            axis.axhspan(y - height, y, color="#fbeaec", lw=0, zorder=0)
        for i, mark in enumerate(row["marks"]):
            at = middle + _STEP * ((len(row["marks"]) - 1) / 2 - i)
            (_ours if ours else _theirs)(axis, mark, at=at, names=names)
        ticks.append((middle, row["label"] + (f"\n{row['sub']}" if row.get("sub") else "")))
        y -= height
    axis.axvline(chance, color=INK, lw=0.9, ls=(0, (4, 2)), zorder=1)
    for i, (value, text) in enumerate(lines):
        axis.axvline(value, color=ORACLE, lw=1.1, ls=(0, (1, 1.5)), zorder=1)
        axis.annotate(
            text, (value, 1), xycoords=("data", "axes fraction"), xytext=(0, 4 + 11 * i),
            textcoords="offset points", color=ORACLE, fontsize=8, weight="bold",
            ha="right" if value > 0.6 else "left" if value < 0.4 else "center", va="bottom",
        )  # fmt: skip
    axis.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(0, 1)
    axis.set_ylim(y, 0.02)
    in_percent(axis, "x")
    axis.set_xlabel(label)
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x", color=PALE, lw=0.8)
    _legend(figure, rows, published, names=names)
    return figure


def _ours(axis: Axes, mark: Mapping[str, Any], *, at: float, names: Sequence[str]) -> None:
    colour = colour_of(names, mark["label"])
    if mark.get("chance_low") is not None:
        axis.plot(
            [mark["chance_low"], mark["chance_high"]], [at, at],
            color=CHANCE, lw=6.5, alpha=0.6, zorder=2, solid_capstyle="butt",
        )  # fmt: skip
    if mark["low"] is not None:
        axis.plot([mark["low"], mark["high"]], [at, at], color=colour, lw=1.5, zorder=3)
    axis.plot(
        mark["value"], at, marker_of(names, mark["label"]), ms=6, color=colour, mec="white", mew=0.6, zorder=5
    )
    if mark.get("oracle") is not None:
        axis.plot([mark["oracle"]] * 2, [at - 0.085, at + 0.085], color=ORACLE, lw=2.2, zorder=4)


def _theirs(axis: Axes, mark: Mapping[str, Any], *, at: float, names: Sequence[str]) -> None:
    colour = colour_of(names, mark["label"])
    if mark["low"] != mark["high"]:
        axis.plot([mark["low"], mark["high"]], [at, at], color=colour, lw=1.5, zorder=3)
    for value in {mark["low"], mark["high"]}:
        marker = marker_of(names, mark["label"])
        axis.plot(value, at, marker, ms=5.5, mfc="white", mec=colour, mew=1.3, zorder=4)


def _legend(
    figure: Figure,
    rows: Sequence[Mapping[str, Any]],
    published: Sequence[Mapping[str, Any]],
    *,
    names: Sequence[str],
) -> None:
    marks = [mark for row in rows for mark in row["marks"]]
    handles = [
        line_key(colour_of(names, name), name, marker=marker_of(names, name), ms=6, mec="white")
        for name in names
    ]
    handles.append(line_key(INK, "chance", ls=(0, (4, 2)), lw=0.9))
    if any(mark.get("chance_low") is not None for mark in marks):
        handles.append(patch_key(CHANCE, "95 % chance interval"))
    if any(mark.get("oracle") is not None for mark in marks):
        handles.append(line_key(ORACLE, "oracle (best possible)", lw=0, marker="|", ms=8, mew=2.2))
    if any(row.get("leaky") for row in rows):
        handles.append(patch_key("#fbeaec", "leaks (audit)"))
    if published:
        handles.append(line_key(GREY, "published, or its range", marker="o", mfc="white", mec=GREY, ms=5.5))
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
