"""The page of a prediction: what a model says of a recording, window by window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.report.blocks import count, definitions, figure, page, paragraph, prose, row, table
from mien.report.drawing import INK, RULE, STYLE, grid_lines, in_percent, subplots
from mien.report.rows import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOOTER = "Made by mien from a recording and a run's model."
_MANY = 200
"""Windows above which the map is drawn as a picture: thousands of rectangles make a slow page."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """What a model says of one recording.

    Attributes
    ----------
    title
        What the recording is called.
    classes
        Names of the classes.
    start, duration
        Seconds of each window.
    probabilities
        (windows, classes).
    warnings
        What a reader must know before believing it.
    notes
        What else there is to know.
    facts
        What was done to the recording, and the model, as (name, text).
    """

    title: str
    classes: tuple[str, ...]
    start: NDArray[np.float64]
    duration: NDArray[np.float64]
    probabilities: NDArray[np.floating]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def write_timeline(path: str | Path, line: Timeline) -> Path:
    """Write the page; self-contained, no script, no network request."""
    text = page(
        title=f"mien prediction: {line.title}",
        header=_header(line),
        sections=[
            ("timeline", "Over time", _figure(line)),
            ("classes", "By class", _classes(line)),
            ("recording", "What was done to the recording", _done(line)),
        ],
        footer=FOOTER,
    )
    return write_text(Path(path), text)


def _header(line: Timeline) -> str:
    mean = line.probabilities.mean(axis=0)
    stop = float((line.start + line.duration).max())
    lead = (
        f"{count(len(line.start), 'window')} over {stop:.0f} s. Most probable on the whole: "
        f"{line.classes[int(mean.argmax())]}, {mean.max():.0%} (one of {len(line.classes)} by chance: "
        f"{1 / len(line.classes):.0%})."
    )
    items = _items(line.warnings)
    box = f'<div class="banner" role="note">Mind:{items}</div>' if items else ""
    return (
        f'<p class="kicker">mien prediction · {escape(line.title)}</p>\n'
        f"<h1>What the model says of {escape(line.title)}</h1>\n"
        f'<p class="lead">{prose(lead)}</p>\n{box}'
    )


def _items(texts: Iterable[str]) -> str:
    items = "".join(f"<li>{prose(_sentence(text))}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _done(line: Timeline) -> str:
    return (definitions(line.facts) if line.facts else "") + _items(line.notes)


def _figure(line: Timeline) -> str:
    return figure(
        probabilities_over_time(line),
        name="timeline",
        alt="Probability of each class in each window, and that of the most probable one.",
        caption="Above: probability of each class, darker is more; a dot marks the most probable. Below: its "
        "probability; the dashed line is that of a guess.",
    )


def probabilities_over_time(line: Timeline) -> Figure:
    """Rows of shaded windows, one for each class, and the largest probability below."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        drawing, (map_, top) = subplots(2, height=0.9 + 0.14 * len(line.classes))
        edges = _edges(line)
        rows = np.arange(len(line.classes) + 1) - 0.5
        values = np.ma.masked_invalid(_with_gaps(line))
        best = line.probabilities.argmax(axis=1)
        image = map_.pcolormesh(edges, rows, values.T, cmap="Blues", vmin=0, vmax=1)
        image.set_rasterized(len(best) > _MANY)
        middle = line.start + line.duration / 2
        size = float(np.clip(300 / len(best), 1.0, 4.0))
        map_.plot(middle, best, "o", ms=size, color="white", mec=INK, mew=0.6, ls="none")
        map_.set_yticks(range(len(line.classes)), line.classes)
        map_.invert_yaxis()
        map_.tick_params(length=0)
        for spine in map_.spines.values():
            spine.set_visible(False)
        bar = drawing.colorbar(image, ax=[map_, top], shrink=0.5, pad=0.02, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)
        bar.set_label("probability (%)")
        bar.ax.set_yticklabels(["0", "50", "100"])
        top.hlines(line.probabilities.max(axis=1), line.start, line.start + line.duration, color=INK, lw=1.6)
        top.axhline(1 / len(line.classes), color=RULE, lw=1.0, ls=(0, (4, 2)))
        top.set_ylim(0, 1)
        in_percent(top, "y")
        grid_lines(top)
        top.set_ylabel("largest (%)")
        top.set_xlabel("time (s)")
        for axis in (map_, top):
            axis.set_xlim(edges[0], edges[-1])
        return drawing


def _edges(line: Timeline) -> NDArray[np.float64]:
    """Where windows start and end, each moment once; windows may leave gaps between them or overlap."""
    stop = np.minimum(line.start + line.duration, np.append(line.start[1:], np.inf))
    return np.unique(np.concatenate([line.start, stop]))


def _with_gaps(line: Timeline) -> NDArray[np.float64]:
    """Probabilities of each stretch between two edges; NaN where there is no window."""
    edges = _edges(line)
    out = np.full((len(edges) - 1, len(line.classes)), np.nan)
    out[np.searchsorted(edges, line.start)] = line.probabilities
    return out


def _classes(line: Timeline) -> str:
    mean = line.probabilities.mean(axis=0)
    won = np.bincount(line.probabilities.argmax(axis=1), minlength=len(line.classes))
    body = [
        row(
            line.classes[i],
            f"{100 * mean[i]:.1f} %",
            f"{100 * won[i] / len(line.start):.1f} %",
            numeric=(1, 2),
        )
        for i in np.argsort(-mean, kind="stable")
    ]
    return table(
        ["Class", "Mean probability", "Windows where it is largest"], body, numeric=(1, 2)
    ) + paragraph(
        "A probability is the model's own; how far it can be trusted stands in the report of the run.",
        kind="note",
    )
