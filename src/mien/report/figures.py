"""The figures of the report: plain numbers in, matplotlib figures out (:mod:`mien.report.drawing`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.report import topography
from mien.report.drawing import (
    CHANCE,
    COLOURS,
    GREY,
    INK,
    ORACLE,
    PALE,
    RULE,
    colour_of,
    grid_lines,
    hatch_of,
    in_percent,
    legend_below,
    line_key,
    marker_of,
    name_groups,
    patch_key,
    styled,
    subplots,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def comparison(panels: Sequence[Mapping[str, Any]], *, chance: float, label: str) -> Figure:
    """Bars of a score with its interval, chance and oracle.

    Parameters
    ----------
    panels
        ``{title, groups: [{label, bars: [{label, value, low, high, chance_low, chance_high, oracle}]}]}``;
        the last three may be None. Groups of one label share a colour, bars of one label a filling.
    chance
        Uniform chance, drawn as a dashed line.
    label
        What the bars are.
    """
    labels = list(dict.fromkeys(g["label"] for p in panels for g in p["groups"]))
    columns = min(3, max(1, len(panels)))
    figure, axes = subplots(len(panels), height=2.75, columns=columns, width=width_of(columns, len(labels)))
    kinds = list(dict.fromkeys(b["label"] for p in panels for g in p["groups"] for b in g["bars"]))
    for axis, panel in zip(axes, panels, strict=True):
        ticks = []
        for position, group in enumerate(panel["groups"]):
            width = 0.8 / max(1, len(group["bars"]))
            for i, bar in enumerate(group["bars"]):
                x = position - 0.4 + width * (i + 0.5)
                colour = colour_of(labels, group["label"])
                _bar(axis, x, width * 0.86, bar, colour=colour, hatch=hatch_of(kinds.index(bar["label"])))
            ticks.append(group["label"])
        axis.axhline(chance, color=INK, lw=0.9, ls=(0, (4, 2)), zorder=4)
        name_groups(axis, ticks)
        axis.set_title(panel["title"])
        axis.set_ylim(0, 1)
        in_percent(axis, "y")
        grid_lines(axis)
    axes[0].set_ylabel(label)
    handles = [patch_key(GREY, name, hatch=hatch_of(i)) for i, name in enumerate(kinds)]
    handles += [line_key(INK, "chance", ls=(0, (4, 2))), patch_key(CHANCE, "95 % chance interval")]
    if any(b.get("oracle") is not None for p in panels for g in p["groups"] for b in g["bars"]):
        handles.append(line_key(ORACLE, "oracle (best possible)", lw=2.2))
    legend_below(figure, handles)
    return figure


@styled
def dumbbells(
    rows: Sequence[Mapping[str, Any]], *, left: str, right: str, chance: float, label: str
) -> Figure:
    """One line per condition from the stricter to the laxer protocol.

    ``rows``: ``{label, left: {value, low, high}, right: {…}}``; ``left`` and ``right`` name the protocols.
    """
    figure, (axis,) = subplots(1, height=0.95 + 0.34 * len(rows))
    y = np.arange(len(rows))[::-1]
    for height, row in zip(y, rows, strict=True):
        a, b = row["left"], row["right"]
        axis.plot(
            [a["value"], b["value"]], [height, height], color=RULE, lw=3, zorder=2, solid_capstyle="butt"
        )
        for value, shift, face, edge in ((a, 0.09, INK, INK), (b, -0.09, "white", INK)):
            axis.plot([value["low"], value["high"]], [height + shift] * 2, color=GREY, lw=1, zorder=3)
            axis.plot(value["value"], height, "o", ms=6.5, mfc=face, mec=edge, mew=1.3, zorder=4)
    axis.axvline(chance, color=INK, lw=0.9, ls=(0, (4, 2)), zorder=1)
    axis.set_yticks(y, [r["label"] for r in rows])
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(0, 1)
    in_percent(axis, "x")
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_xlabel(label)
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x", color=PALE, lw=0.8)
    handles = [
        line_key(INK, left, marker="o", ls="none", mfc=INK),
        line_key(INK, right, marker="o", ls="none", mfc="white"),
        line_key(GREY, "95 % interval", lw=1),
        line_key(INK, "chance", ls=(0, (4, 2))),
    ]
    legend_below(figure, handles)
    return figure


@styled
def per_subject(panels: Sequence[Mapping[str, Any]], *, chance: float, label: str) -> Figure:
    """A dot per subject, the pooled score and its interval.

    ``panels``: ``{title, groups: [{label, values: (subjects,), value, low, high}]}``.
    """
    labels = list(dict.fromkeys(g["label"] for p in panels for g in p["groups"]))
    columns = min(3, max(1, len(panels)))
    figure, axes = subplots(len(panels), height=2.7, columns=columns, width=width_of(columns, len(labels)))
    for axis, panel in zip(axes, panels, strict=True):
        for x, group in enumerate(panel["groups"]):
            values = np.sort(np.asarray(group["values"], float))
            axis.plot(
                x + _swarm(values), values, marker_of(labels, group["label"]), ms=4.6, mec="white", mew=0.5,
                color=colour_of(labels, group["label"]), alpha=0.85, zorder=3,
            )  # fmt: skip
            axis.plot([x + 0.34] * 2, [group["low"], group["high"]], color=INK, lw=1.4, zorder=4)
            axis.plot(x + 0.34, group["value"], "D", ms=5, color=INK, zorder=5)
        axis.axhline(chance, color=INK, lw=0.9, ls=(0, (4, 2)), zorder=1)
        name_groups(axis, [g["label"] for g in panel["groups"]])
        axis.set_xlim(-0.5, len(panel["groups"]) - 0.35)
        axis.set_ylim(0, 1.02)
        in_percent(axis, "y")
        axis.set_title(panel["title"])
        grid_lines(axis)
    axes[0].set_ylabel(label)
    handles = [
        line_key(GREY, "one subject", marker="o", ls="none", mec="white"),
        line_key(INK, "all subjects pooled, 95 % interval", marker="D", ms=5, lw=1.4),
        line_key(INK, "chance", ls=(0, (4, 2))),
    ]
    legend_below(figure, handles)
    return figure


@styled
def confusion(panels: Sequence[Mapping[str, Any]], *, classes: Sequence[str]) -> Figure:
    """Confusion matrices, shaded by row share; ``panels``: ``{title, counts: (true, predicted)}``."""
    side = 1.25 + 0.34 * len(classes)
    columns = min(2, max(1, len(panels)))
    figure, axes = subplots(len(panels), height=side, columns=columns, width=columns * (side + 1))
    image = None
    for axis, panel in zip(axes, panels, strict=True):
        counts = np.asarray(panel["counts"], float)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        image = axis.pcolormesh(
            np.arange(len(classes) + 1) - 0.5, np.arange(len(classes) + 1) - 0.5, share,
            cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1,
        )  # fmt: skip
        for (true, guess), count in np.ndenumerate(counts):
            colour = "white" if share[true, guess] > 0.55 else INK
            text = f"{count:g}" if count == int(count) else f"{count:.1f}"
            axis.text(guess, true, text, ha="center", va="center", color=colour, fontsize=7.6)
        axis.set_xticks(range(len(classes)), classes, rotation=40, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(classes)), classes)
        axis.tick_params(length=0)
        axis.set_aspect("equal")
        axis.invert_yaxis()
        for spine in axis.spines.values():
            spine.set_visible(False)
        axis.set_title(panel["title"])
        axis.set_xlabel("answer of the model")
    axes[0].set_ylabel("true class")
    assert image is not None
    bar = figure.colorbar(image, ax=list(axes), shrink=0.6, pad=0.02, ticks=[0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.set_label("share of the true class (%)")
    bar.ax.set_yticklabels(["0", "50", "100"])
    return figure


@styled
def learning_curves(panels: Sequence[Mapping[str, Any]], *, chance: float) -> Figure:
    """Loss and validation UAR over epochs, median and 10th to 90th percentile over folds.

    ``panels``: ``{title, train_loss, val_loss, val_uar}``, each a list of arrays, one per fit. A curve is
    drawn as far as half of the fits got (fits stop early at different epochs).
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = subplots(2 * len(panels), height=2.35, columns=2)
    for row, panel in enumerate(panels):
        loss, uar = axes[2 * row], axes[2 * row + 1]
        _band(loss, panel["train_loss"], colour=COLOURS[0], label="training", ls="-")
        _band(loss, panel["val_loss"], colour=COLOURS[1], label="validation", ls=(0, (5, 1.5)))
        _band(uar, panel["val_uar"], colour=COLOURS[1], label="validation", ls=(0, (5, 1.5)))
        uar.axhline(chance, color=INK, lw=0.9, ls=(0, (4, 2)), label="chance")
        loss.set_ylabel("loss (nats)")
        uar.set_ylabel("validation UAR (%)")
        uar.set_ylim(0, max(0.5, min(1.0, uar.get_ylim()[1] * 1.05)))
        in_percent(uar, "y")
        for axis in (loss, uar):
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            axis.set_title(panel["title"])
            axis.set_xlim(left=1)
            grid_lines(axis)
        loss.legend(loc="best")
        uar.legend(loc="lower right")
    return figure


@styled
def topographies(
    values: NDArray[np.floating],
    *,
    bands: Sequence[str],
    channels: Sequence[str],
    label: str,
    high: float | None = None,
) -> Figure | None:
    """One head per band on one colour scale.

    Parameters
    ----------
    values
        (bands, channels), not negative.
    label, high
        Name and upper end of the colour scale; the end is the largest value by default.

    Returns
    -------
    Figure or None
        None where fewer than eight channels have a known place on the head.
    """
    place = topography.positions(tuple(channels))
    known = [i for i, name in enumerate(channels) if name in place]
    if len(known) < 8:
        return None
    points = np.array([place[channels[i]] for i in known])
    heads = np.asarray(values, float)[:, known]
    top = "max" if high is None else f"{high:g}"
    high = float(heads.max()) or 1.0 if high is None else high
    figure, axes = subplots(len(bands), height=2.05, columns=len(bands))
    image = None
    for axis, band, head in zip(axes, bands, heads, strict=True):
        image = axis.imshow(
            topography.interpolate(points, head), extent=(-1, 1, -1, 1), origin="lower", cmap="viridis",
            vmin=0, vmax=high, interpolation="none",
        )  # fmt: skip
        image.set_clip_path(head_outline(axis))
        axis.plot(*points.T, "o", ms=1.3, color="white", mec=INK, mew=0.25, zorder=5)
        axis.set_title(band, loc="center")
    assert image is not None
    bar = figure.colorbar(image, ax=list(axes), shrink=0.62, pad=0.01, ticks=[0, high])
    bar.ax.set_yticklabels(["0", top])
    bar.outline.set_visible(False)
    bar.set_label(label)
    return figure


@styled
def reliability(panels: Sequence[Mapping[str, Any]], *, n_bins: int = 10) -> Figure:
    """Stated confidence against the share that was right.

    ``panels``: ``{title, confidence: (samples,), correct: (samples,), ece}``; dot size grows with the number
    of samples in the bin. Bins with less than 1 % of the samples are not drawn: a share of a few is no share.
    """
    figure, axes = subplots(len(panels), height=2.75, columns=min(3, max(2, len(panels))))
    for axis, panel in zip(axes, panels, strict=False):
        confidence, correct = np.asarray(panel["confidence"], float), np.asarray(panel["correct"], float)
        bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
        count = np.bincount(bins, minlength=n_bins)
        seen = count >= max(0.01 * count.sum(), 1)
        x = np.bincount(bins, weights=confidence, minlength=n_bins)[seen] / count[seen]
        y = np.bincount(bins, weights=correct, minlength=n_bins)[seen] / count[seen]
        axis.plot([0, 1], [0, 1], color=GREY, lw=0.9, ls=(0, (4, 2)))
        axis.plot(x, y, color=COLOURS[0], lw=1.2, zorder=3)
        axis.scatter(
            x, y, s=8 + 90 * count[seen] / count.sum(), color=COLOURS[0], ec="white", lw=0.6, zorder=4
        )
        axis.text(0.04, 0.95, f"ECE {panel['ece']:.3f}", transform=axis.transAxes, va="top")
        axis.set_title(panel["title"])
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
        axis.set_aspect("equal")
        in_percent(axis, "x")
        in_percent(axis, "y")
        axis.set_xlabel("stated probability (%)")
        grid_lines(axis)
    axes[0].set_ylabel("answers that were right (%)")
    return figure


@styled
def models(panels: Sequence[Mapping[str, Any]], *, chance: float, label: str) -> Figure:
    """Every model, one line each: ``panels``: ``{title, rows: [{label, marks: [{label, value, low, high}]}],
    oracle}``; marks of one label share colour and sign."""
    n_rows = max(len(p["rows"]) for p in panels)
    n_marks = max(len(r["marks"]) for p in panels for r in p["rows"])
    step = min(0.26, 0.8 / n_marks)
    figure, axes = subplots(
        len(panels), height=1.0 + n_rows * (0.14 + 0.13 * n_marks), columns=min(3, max(1, len(panels)))
    )
    labels = list(dict.fromkeys(m["label"] for p in panels for r in p["rows"] for m in r["marks"]))
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        y = np.arange(len(panel["rows"]))[::-1]
        for height, row in zip(y, panel["rows"], strict=True):
            for i, mark in enumerate(row["marks"]):
                at = height + step * ((len(row["marks"]) - 1) / 2 - i)
                colour = colour_of(labels, mark["label"])
                axis.plot([mark["low"], mark["high"]], [at, at], color=colour, lw=1.3, zorder=3)
                marker = marker_of(labels, mark["label"])
                axis.plot(mark["value"], at, marker, ms=5, color=colour, mec="white", mew=0.5, zorder=4)
        axis.axvline(chance, color=INK, lw=0.9, ls=(0, (4, 2)))
        axis.set_yticks(y, [r["label"] for r in panel["rows"]] if number % 3 == 0 else [""] * len(y))
        axis.tick_params(axis="y", length=0)
        axis.set_xlim(0, 1)
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1])
        in_percent(axis, "x")
        axis.set_ylim(-0.6, len(panel["rows"]) - 0.4)
        axis.set_xlabel(label)
        axis.set_title(panel["title"])
        axis.grid(axis="x", color=PALE, lw=0.8)
    handles = [
        line_key(colour_of(labels, name), name, marker=marker_of(labels, name), ms=5, mec="white")
        for name in labels
    ]
    legend_below(figure, [*handles, line_key(INK, "chance", ls=(0, (4, 2)))])
    return figure


@styled
def feature_agreement(panels: Sequence[Mapping[str, Any]]) -> Figure:
    """Density of one feature set against another; ``panels``: ``{title, ours, shipped, r}``, flat arrays."""
    figure, axes = subplots(len(panels), height=2.1, columns=len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        x, y = np.asarray(panel["shipped"], float), np.asarray(panel["ours"], float)
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        pad = 0.03 * (high - low or 1.0)
        edges = np.linspace(low - pad, high + pad, 61)
        counts, _, _ = np.histogram2d(y, x, bins=(edges, edges))
        shade = np.ma.masked_equal(np.log1p(counts), 0)
        axis.imshow(
            shade, extent=(edges[0], edges[-1], edges[0], edges[-1]), origin="lower", cmap="Blues",
            interpolation="none", vmin=-0.5, zorder=2,
        )  # fmt: skip
        axis.plot([edges[0], edges[-1]] * 2, [edges[0], edges[-1]] * 2, color=ORACLE, lw=0.8, zorder=3)
        axis.text(0.05, 0.95, f"r = {panel['r']:.3f}", transform=axis.transAxes, va="top")
        axis.set_title(panel["title"])
        axis.set_xlabel("shipped")
    axes[0].set_ylabel("ours")
    return figure


def head_outline(axis: Axes, *, colour: str = INK, lw: float = 1.1) -> Any:
    """Draw a head from above, nose up, with its rim at radius 1; the rim comes back, to clip by."""
    from matplotlib.patches import Circle

    rim = Circle((0, 0), 1.0, fill=False, ec=colour, lw=lw, zorder=4)
    axis.add_patch(rim)
    axis.plot([-0.13, 0, 0.13], [0.992, 1.13, 0.992], color=colour, lw=lw, zorder=3)
    for ear in (-1, 1):
        axis.plot(ear * np.array([0.985, 1.05, 1.06, 0.985]), [0.17, 0.14, -0.14, -0.17], color=colour, lw=lw)
    axis.set_xlim(-1.16, 1.16)
    axis.set_ylim(-1.1, 1.2)
    axis.set_aspect("equal")
    axis.set_axis_off()
    return rim


def _bar(axis: Axes, x: float, width: float, bar: Mapping[str, Any], *, colour: str, hatch: str) -> None:
    if hatch:
        axis.bar(x, bar["value"], width, facecolor="white", edgecolor=colour, hatch=hatch, lw=1.2, zorder=2)
    else:
        axis.bar(x, bar["value"], width, facecolor=colour, edgecolor=colour, lw=1.2, zorder=2)
    if bar.get("chance_low") is not None:
        height = bar["chance_high"] - bar["chance_low"]
        axis.bar(x, height, width * 1.16, bottom=bar["chance_low"], color=CHANCE, alpha=0.7, zorder=3)
    axis.plot([x, x], [bar["low"], bar["high"]], color="white", lw=3.2, zorder=5)
    axis.plot([x, x], [bar["low"], bar["high"]], color=INK, lw=1.3, zorder=6)
    if bar.get("oracle") is not None:
        axis.plot([x - width * 0.6, x + width * 0.6], [bar["oracle"]] * 2, color=ORACLE, lw=2.2, zorder=7)


def _swarm(values: NDArray[np.float64], *, step: float = 0.055, near: float = 0.012) -> NDArray[np.float64]:
    """Shifts that part dots of (almost) the same height; ``values`` is sorted."""
    shift = np.zeros(len(values))
    start = 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] - values[i - 1] > near:
            n = i - start
            spread = step if n <= 10 else 0.5 / n
            shift[start:i] = spread * (np.arange(n) - (n - 1) / 2)
            start = i
    return shift


def _band(axis: Axes, curves: Sequence[NDArray[np.float64]], *, colour: str, label: str, ls: Any) -> None:
    curves = [np.asarray(c, float) for c in curves if len(c)]
    if not curves:
        return
    longest = max(map(len, curves))
    table = np.full((len(curves), longest), np.nan)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve
    reach = int((np.isfinite(table).mean(axis=0) >= 0.5).sum())
    table = table[:, : max(reach, 1)]
    epoch = np.arange(1, table.shape[1] + 1)
    low, middle, high = np.nanpercentile(table, (10, 50, 90), axis=0)
    axis.fill_between(epoch, low, high, color=colour, alpha=0.18, lw=0)
    axis.plot(epoch, middle, color=colour, lw=1.7, ls=ls, label=label)
