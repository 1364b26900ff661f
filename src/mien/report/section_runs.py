"""Runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mien.report import figures, words
from mien.report.blocks import Markup, count, paragraph, row, table
from mien.report.panels import Story, spoken
from mien.report.rows import METRICS, paired_difference
from mien.report.section_scores import NAMES, score_cell


def compared(story: Story, others: Sequence[Story]) -> str:
    """Rows of the first run beside those of others that tell the same classes apart, by trial or event."""
    apart = [s for s in others if (s.run.classes, s.level) != (story.run.classes, story.level)]
    others = [s for s in others if s not in apart]
    if not others:
        return _apart(story, apart)
    stories = [story, *others]
    names = run_names(stories)
    body = []
    for protocol in story.protocols:
        for normalise in story.normalise:
            for modalities in story.modalities:
                found = [
                    (n, s, s.find(protocol, normalise, modalities))
                    for n, s in zip(names, stories, strict=True)
                ]
                there = [(n, s, r) for n, s, r in found if r]
                if len(there) < 2 or not found[0][2]:
                    continue
                title = f"{protocol}, normalise = {normalise}, {figures.modality_label(modalities)}"
                body.append(
                    f'<tr class="group"><th scope="rowgroup" colspan="8"><span '
                    f'class="facts">{escape(title)}</span></th></tr>'
                )
                for i, (name, other, r) in enumerate(there):
                    gap: Any = "–" if i == 0 else _gap_cell(story, there[0][2], other, r)
                    held = ", ".join(words.claims(r["held_out"])) or "nothing proved"
                    cells = [name, r["model"], held, *(score_cell(r, m) for m in METRICS), gap]
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
    """A line on the runs with other classes, whose scores cannot be compared."""
    if not apart:
        return ""
    names = words.listed(words.names(s.run.path.resolve().name for s in apart))
    both = story.run.by_event and any(s.run.by_event for s in apart)
    where = " Its columns stand in the table of signals and tasks below." if both else ""
    return paragraph(
        f"{names}: other classes than here, so no score of the one can be set against the other.{where}",
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
