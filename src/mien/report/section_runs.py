"""Runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mien.report import drawing, words
from mien.report.blocks import Markup, count, paragraph, row, table
from mien.report.panels import Story, spoken
from mien.report.rows import METRICS, paired_difference
from mien.report.section_scores import NAMES, score_cell

_ALL = "each with all its signals"


def compared(story: Story, others: Sequence[Story]) -> str:
    """Rows of the first run beside those of others that tell the same classes apart, by trial or event."""
    apart = [s for s in others if s.task != story.task]
    others = [s for s in others if s not in apart]
    if not others:
        return _apart(story, apart)
    stories = [story, *others]
    names = run_names(stories)
    sets = [(drawing.modality_label(m), [m] * len(stories)) for m in story.modalities]
    if len({s.modalities[0] for s in stories}) > 1:  # a run without a stream of the first has a row as well
        sets.insert(0, (_ALL, [s.modalities[0] for s in stories]))
    body = []
    for protocol in story.protocols:
        for normalise in story.normalise:
            for title, signals in sets:
                found = [
                    (n, s, s.find(protocol, normalise, m))
                    for n, s, m in zip(names, stories, signals, strict=True)
                ]
                there = [(n, s, r) for n, s, r in found if r]
                if len(there) < 2 or not found[0][2]:
                    continue
                heading = f"{protocol}, normalise = {normalise}, {title}"
                body.append(
                    f'<tr class="group"><th scope="rowgroup" colspan="8"><span '
                    f'class="facts">{escape(heading)}</span></th></tr>'
                )
                for i, (name, other, r) in enumerate(there):
                    gap: Any = "–" if i == 0 else _gap_cell(story, there[0][2], other, r)
                    held = ", ".join(words.claims(r["held_out"])) or "nothing proved"
                    own = f" ({drawing.modality_label(r['modalities'])})" if title == _ALL else ""
                    cells = [name, r["model"] + own, held, *(score_cell(r, m) for m in METRICS), gap]
                    body.append(row(*cells, numeric=range(3, 8)))
    if not body:
        return paragraph(
            "The runs share no protocol, normalisation and signals, so nothing can be set side by side."
        )
    return (
        paragraph(
            f"By {story.level}. Differences are paired: {spoken(story.metric)} minus that of the first run "
            f"on the {story.level}s both predicted with the same seed, in points, with the 95 % interval of "
            "one bootstrap for both."
        )
        + table(
            ["Run", "Model", "Held out (proved)", *(NAMES[m] for m in METRICS), "Difference"],
            body,
            numeric=range(3, 8),
        )
        + _apart(story, apart)
    )


def _apart(story: Story, apart: Sequence[Story]) -> str:
    """A line on the runs with other classes or another label, whose scores cannot be compared."""
    if not apart:
        return ""
    names = words.listed(words.names(s.run.path.resolve().name for s in apart))
    both = story.run.by_event and any(s.run.by_event for s in apart)
    where = " Its columns stand in the table of signals and tasks below." if both else ""
    several = len(story.protocols) > 1 and any(len(s.protocols) > 1 for s in apart)
    where += " Protocols of each stand side by side below." if several else ""
    same = all(s.run.classes == story.run.classes for s in apart)
    what = "another label" if same else "other classes"
    return paragraph(
        f"{names}: {what} than here, so no score of the one can be set against the other.{where}",
        kind="note",
    )


def _gap_cell(story: Story, base: Mapping[str, Any], other: Story, r: Mapping[str, Any]) -> Any:
    gap = paired_difference(other.predictions(r), story.predictions(base), story.metric)
    if gap is None:
        return f"no {story.level} in common"
    return Markup(
        f"{words.signed(gap['value'])}<span class=iv>{words.signed(gap['low'])} to "
        f"{words.signed(gap['high'])}</span><span class=sub>{count(gap['n'], story.level)}</span>"
    )


def run_names(stories: Sequence[Story]) -> list[str]:
    """Names of the folders, numbered where one comes twice."""
    names = [s.run.path.resolve().name for s in stories]
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]
