"""Figures of bags: the instances of some as a strip, and how weight is spread over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.report.bag_examples import BagExample, Bags
from mien.report.drawing import (
    COLOURS,
    GREY,
    INK,
    PALE,
    RULE,
    WIDTH,
    grid_lines,
    legend_below,
    line_key,
    patch_key,
    styled,
    subplots,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 64
"""Largest height and width of a picture on the page, in pixels."""
CHOSEN, WEIGHT, SHOWN = COLOURS[1], COLOURS[0], "#1f6f5c"
_TEXT, _GAP, _BAR = 2.7, 0.08, 0.46
"""In widths of an instance: the text at the left, what lies between two instances, the bars."""


@styled
def strips(examples: Sequence[BagExample], *, classes: Sequence[str]) -> Figure:
    """A row for each bag: its instances with their weights, those that were chosen in a frame.

    Weights of all rows are drawn on one scale, from 0 to the largest.
    """
    n = len(examples[0].attention)
    pictured = examples[0].pictures is not None
    height = (1.0 if pictured else 0.0) + _BAR + 0.42
    scale = WIDTH / (n + _TEXT)
    figure, (axis,) = subplots(1, height=scale * height * len(examples) + 0.35)
    top = max(float(e.attention.max()) for e in examples) or 1.0
    for row, example in enumerate(examples):
        base = -height * (row + 1) + 0.42
        _row(axis, example, base=base, top=top)
        _words(axis, example, at=base + (height - 0.42) / 2, classes=classes)
    axis.set_xlim(-_TEXT, n)
    axis.set_ylim(-height * len(examples) + 0.3, 0.3)
    axis.set_aspect("equal")
    axis.set_axis_off()
    handles = [
        patch_key(CHOSEN, "weight of a chosen instance"),
        patch_key(WEIGHT, "of another"),
    ]
    if any(e.shown is not None for e in examples):
        handles.append(line_key(SHOWN, "shows an expression (made-up data)", marker="o", ls="none", ms=5))
    legend_below(figure, handles)
    return figure


def _row(axis: Axes, example: BagExample, *, base: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    under = base + _BAR
    if example.pictures is not None:
        strip = _strip(example.pictures, example.present)
        axis.imshow(
            strip, extent=(0, len(example.attention), under, under + 1), interpolation="none", zorder=2
        )
    for i, weight in enumerate(example.attention):
        x, width = i + _GAP / 2, 1 - _GAP
        chosen = bool(example.selected[i])
        colour = CHOSEN if chosen else WEIGHT
        axis.add_patch(Rectangle((x, base), width, 0.8 * _BAR, fc=PALE, lw=0, zorder=1))
        axis.add_patch(Rectangle((x, base), width, 0.8 * _BAR * weight / top, fc=colour, lw=0, zorder=2))
        if example.pictures is not None:
            frame = (colour, 2.2) if chosen else (RULE, 0.6)
            axis.add_patch(
                Rectangle(
                    (x, under), width, 1, fill=False, ec=frame[0], lw=frame[1], zorder=4, joinstyle="miter"
                )
            )
        elif chosen:
            axis.add_patch(Rectangle((x, base), width, 0.8 * _BAR, fill=False, ec=colour, lw=1.4, zorder=4))
        if not example.present[i]:
            middle = under + 0.5 if example.pictures is not None else base + 0.4 * _BAR
            axis.text(i + 0.5, middle, "none", ha="center", va="center", color=GREY, fontsize=6.5, zorder=5)
        if example.shown is not None and example.shown[i]:
            above = under + 1.13 if example.pictures is not None else base + _BAR
            axis.plot(i + 0.5, above, "o", ms=3.6, color=SHOWN, zorder=5)


def _words(axis: Axes, example: BagExample, *, at: float, classes: Sequence[str]) -> None:
    answer = int(example.probability.argmax())
    right = answer == example.label
    sure = f"{100 * example.probability[answer]:.0f} %"
    word, colour = ("right", SHOWN) if right else ("wrong", "#a3122a")
    lines: list[tuple[float, str, dict[str, Any]]] = [
        (0.3, f"true: {classes[example.label]}", {"weight": "bold"}),
        (0.0, f"{word}: {classes[answer]}, {sure}", {"color": colour}),
        (-0.28, example.sample, {"color": GREY, "fontsize": 6.8}),
    ]
    for shift, text, options in lines:
        axis.text(-_TEXT, at + shift, text, ha="left", va="center", **options)


def _strip(pictures: NDArray[np.uint8], present: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pictures (instances, 3, height, width) in a row (height, width, 3), white between and where none is."""
    pictures = np.where(present[:, None, None, None], pictures, 255).astype(np.uint8)
    images = [_smaller(image.transpose(1, 2, 0)) for image in pictures]
    gap = max(1, round(images[0].shape[1] * _GAP / (1 - _GAP) / 2))
    padded = [np.pad(image, ((0, 0), (gap, gap), (0, 0)), constant_values=255) for image in images]
    return np.concatenate(padded, axis=1)


def _smaller(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same with at most :data:`SIDE` pixels on a side."""
    if max(image.shape[:2]) <= SIDE:
        return image
    from PIL import Image

    height, width = (max(1, round(n * SIDE / max(image.shape[:2]))) for n in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


@styled
def shares(bags: Bags) -> Figure:
    """Mean weight by place in the bag and by rank, and how often each place was chosen."""
    panels: list[tuple[str, str, NDArray[np.float64], str, float | None]] = [
        ("Weight by place", "place in the bag", bags.by_position, WEIGHT, None),
        ("Weight by rank", "largest to smallest", bags.by_rank, WEIGHT, None),
    ]
    n = len(bags.by_position)
    even = 1 / n
    if bags.chosen is not None:
        even_chosen = float(bags.chosen.sum()) / n
        panels.append(("How often chosen", "place in the bag", bags.chosen, CHOSEN, even_chosen))
    figure, axes = subplots(len(panels), height=2.2, columns=len(panels))
    for axis, (title, what, values, colour, line) in zip(axes, panels, strict=True):
        x = np.arange(1, n + 1)
        axis.bar(x, 100 * values, 0.8, color=colour, zorder=2)
        axis.axhline(100 * (even if line is None else line), color=INK, lw=0.9, ls=(0, (4, 2)), zorder=3)
        axis.set_title(title)
        axis.set_xlabel(what)
        axis.set_xticks(x if n <= 12 else x[:: -(-n // 10)])
        axis.tick_params(axis="x", length=0)
        axis.set_ylim(0, max(float(100 * values.max()) * 1.12, 1e-9))
        grid_lines(axis)
    axes[0].set_ylabel("mean share (%)")
    if bags.chosen is not None:
        axes[2].set_ylabel("share of bags (%)")
    handles: list[Any] = [line_key(INK, "all alike", ls=(0, (4, 2)), lw=0.9)]
    legend_below(figure, handles)
    return figure
