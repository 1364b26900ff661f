"""What a protocol that shows training more of the test adds to a score."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from mien.report import drawing, words
from mien.report.blocks import Markup, count, paragraph, row, table
from mien.report.panels import Story, spoken
from mien.report.rows import paired_difference
from mien.report.words import capital, signed

SEEN = {
    "subject": "the tested people",
    "stimulus": "the tested clips",
    "trial": "other windows of the very trials that are tested",
}
"""What training sees where it is not held out."""


def inflation(story: Story) -> str:
    """Every laxer protocol minus the strictest, where both tested the same; nothing without a sound one."""
    strict = _strict(story)
    if strict is None:
        return ""
    normalise, levels = story.normalise[0], story.levels
    body: list[str] = []
    told = ""
    for protocol in story.protocols[1:]:
        for modalities in story.modalities:
            gaps = {level: _gap(story, strict, protocol, modalities, level) for level in levels}
            a, b = (story.find(p, normalise, modalities) for p in (strict, protocol))
            if a is None or b is None or not any(gaps.values()) or not _seen(a, b):
                continue
            if modalities == story.modalities[0]:
                told = _told(story, strict, protocol, gaps) or told
            first = modalities == story.modalities[0]
            cells = [
                f"{protocol} − {strict}" if first else "",
                words.listed(_seen(a, b)) if first else "",
                _trained_on(story, protocol).replace(" ", "\N{NO-BREAK SPACE}") if first else "",
                drawing.modality_label(modalities),
                *(_gap_cell(gaps[level], level) for level in levels),
            ]
            body.append(row(*cells, numeric=range(4, 4 + len(levels)), first=first))
    if not body:
        return ""
    head = ["Difference", "Training sees besides", "Trained on", "Signals"]
    head += [f"By {level} (points)" for level in levels]
    return (
        "<h3>What seeing more of the test is worth</h3>"
        + (paragraph(told) if told else "")
        + _within(story)
        + table(
            head,
            body,
            numeric=range(4, 4 + len(levels)),
            caption=f"{escape(capital(spoken(story.metric)))} of the laxer protocol minus that of "
            f"{escape(strict)} where both predicted the same {levels[-1]}, in points, with the 95 % interval "
            f"of one bootstrap for both. Trained on: median over folds; {escape(strict)} has "
            f"{escape(_trained_on(story, strict))}. A part of a difference can come from that number.",
        )
    )


def _strict(story: Story) -> str | None:
    """The protocol that the others are measured against: the strictest, if the audit bears it out."""
    first = story.protocols[0]
    found = story.under(first)
    sound = bool(found) and not story.leaks(first) and bool(found[0]["held_out"])
    return first if sound else None


def _seen(strict: Mapping[str, Any], lax: Mapping[str, Any]) -> list[str]:
    """What training sees under the laxer of two protocols and not under the stricter."""
    return [text for word, text in SEEN.items() if word in _kept(strict) - _kept(lax)]


def _kept(found: Mapping[str, Any]) -> set[str]:
    """What was held out; where that is a person or a clip, so are its trials."""
    proved = set(found["held_out"])
    return proved | ({"trial"} if proved & {"subject", "session", "stimulus"} else set())


def _gap(story: Story, strict: str, lax: str, modalities: str, level: str) -> dict[str, Any] | None:
    rows = [story.find(p, story.normalise[0], modalities, level=level) for p in (lax, strict)]
    if rows[0] is None or rows[1] is None:
        return None
    a, b = (story.predictions(r, level=level) for r in rows if r)
    return paired_difference(a, b, story.metric)


def _gap_cell(gap: Mapping[str, Any] | None, level: str) -> Any:
    if gap is None:
        return None
    return Markup(
        f'<span class="main-number">{signed(gap["value"])}</span><span class="iv">{signed(gap["low"])} to '
        f'{signed(gap["high"])}</span><span class="sub">{count(gap["n"], level)}</span>'
    )


def _trained_on(story: Story, protocol: str) -> str:
    found = [
        f["n_train"]
        for f in story.run.record.get("fits", ())
        if (f.get("protocol"), f.get("model"), f.get("control")) == (protocol, story.model, "none")
    ]
    level = "event" if story.run.by_event else "window"
    return count(round(float(np.median(found))), level) if found else "–"


def _told(story: Story, strict: str, lax: str, gaps: Mapping[str, Mapping[str, Any] | None]) -> str:
    """A sentence on the protocol that leaks by design."""
    level = story.levels[-1]
    gap = gaps.get(level)
    if not story.leaky(lax) or gap is None:
        return ""
    base = story.find(strict, story.normalise[0], story.modalities[0], level=level)
    text = (
        f"Inflation: with {drawing.modality_label(story.modalities[0])} the same model gets "
        f"{signed(gap['value'])} points more by {level} under `{lax}` than under `{strict}` (95 % interval "
        f"{signed(gap['low'])} to {signed(gap['high'])}). "
    )
    if gap["low"] <= 0:
        return text + "With these data that could be chance."
    text += (
        "The model did not get better at reading emotion. Neighbouring windows of a trial are alike, and one "
        "of them was learnt with the label that the other is asked for; so are windows of one person, and of "
        "one clip. The rows below say how much comes from the person and from the clip alone."
    )
    if base is not None and words.inside_chance(base):
        text += (
            f" Under `{strict}` the score is inside its chance interval: whatever `{lax}` shows, nothing was "
            "shown to be recognised in a new person who watches something new."
        )
    return text


def _within(story: Story) -> str:
    """A line on protocols that test new trials of people who were trained on: no leak."""
    found = [
        p
        for p in story.protocols
        if not story.leaks(p)
        and any("trial" in r["held_out"] and "subject" not in r["held_out"] for r in story.under(p))
    ]
    if not found:
        return ""
    return paragraph(
        f"{words.listed(words.names(found))}: no leak, but another question, that of new trials of people "
        "whom the model was trained on. The number holds for a system that its user teaches first."
    )
