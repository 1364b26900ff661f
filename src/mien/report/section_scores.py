"""The numbers of a run, in tables, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from mien.report import drawing, words
from mien.report.blocks import Markup, count, paragraph, prose, row, table, tag
from mien.report.panels import Story, spoken
from mien.report.rows import EXTRA, METRICS
from mien.report.words import percent

NAMES = {"accuracy": "Accuracy", "uar": "UAR", "uf1": "Macro-F1", "kappa": "κ"}


def summary(story: Story) -> str:
    """The scores of the page's model, then of the others."""
    others = [m for m in story.models if m != story.model]
    unit = (
        "by event" if story.run.by_event else "by trial: the probabilities of a trial's windows are averaged"
    )
    parts = [
        paragraph(
            f"`{story.model}`, {unit}. Scores in percent (κ from -1 to 1), pooled over all folds, with the "
            "95 % interval of a bootstrap crossed over subjects and clips."
            + ("" if story.metric == "accuracy" else f" {_unequal(story)}")
        ),
        _score_table(story, [story.model], level=story.level),
    ]
    if any(r["level"] == "window" for r in story.plain):
        parts += [
            "<h3>By window</h3>",
            paragraph(
                "The same predictions, each window by itself: harder, and windows of a trial are not "
                "independent."
            ),
            _score_table(story, [story.model], level="window"),
        ]
    extras = [r for r in story.rows if "extra" in r and r["model"] == story.model]
    if extras:
        rule = (story.run.record.get("selection") or {}).get("rule", "")
        parts.append(
            "<details><summary>Only windows of high intensity (an extra, not a result)</summary>"
            + paragraph(
                f"Tested on selected windows only ({rule}). This {EXTRA}, which a new person would not give."
            )
            + _plain_rows(extras)
            + "</details>"
        )
    if others:
        level_tables = _score_table(story, others, level=story.level)
        which = "model" if len(others) == 1 else f"{len(others)} models"
        parts.append(
            f"<details><summary>The other {which}, by {story.level}</summary>{level_tables}</details>"
        )
    return "\n".join(parts)


def _unequal(story: Story) -> str:
    return (
        f"Classes are far from equally common, so chance interval, control and oracle are of "
        f"{spoken(story.metric)}, in which every class counts alike."
    )


def _score_table(story: Story, models: Sequence[str], *, level: str) -> str:
    several = len(models) > 1
    of = "" if story.metric == "accuracy" else f", {spoken(story.metric)}"
    head = ["Model"] if several else []
    head += [
        "Normalise",
        "Signals",
        *(NAMES[m] for m in METRICS),
        *(f"{name}{of}" for name in ("Chance interval", "Shuffled control", "Oracle")),
    ]
    start = 3 if several else 2
    numeric = range(start, start + len(METRICS) + 3)
    body = []
    for protocol in story.protocols:
        group = [
            found
            for model in models
            for n in story.normalise
            for m in story.modalities
            if (found := story.find(protocol, n, m, model=model, level=level))
        ]
        if not group:
            continue
        body.append(_group_row(story, protocol, group[0], columns=len(head)))
        previous = None
        for found in group:
            mark = (found["model"], found["normalise"])
            cells = [found["model"]] if several else []
            marks = "".join(f" {mark}" for mark in row_marks(story, found))
            signals = escape(drawing.modality_label(found["modalities"]))
            cells += [found["normalise"], Markup(signals + marks)]
            cells += [score_cell(found, m) for m in METRICS]
            cells += [_control_cell(found, "permuted"), _control_cell(found, "shuffled"), _oracle_cell(found)]
            body.append(row(*cells, numeric=numeric, first=previous not in (None, mark)))
            previous = mark
    return table(head, body, numeric=numeric)


def _group_row(story: Story, protocol: str, found: Mapping[str, Any], *, columns: int) -> str:
    proved = words.claims(found["held_out"])
    tags = [tag(f"{word} (proved)", "good") for word in proved] or [tag("nothing held out was proved", "bad")]
    if story.leaky(protocol):
        tags.append(tag("leaky by design", "bad"))
    counts = (
        f"{count(found['n_subjects'], 'subject')}, {count(found['n_stimuli'], 'clip')}, "
        f"{count(found['n'], found['level'])}; chance {percent(found['chance']['uniform'])}, most "
        f"frequent class {percent(found['chance']['majority'])}"
    )
    text = str(story.run.record["protocols"].get(protocol, {}).get("text", ""))
    if not story.declared(protocol) <= set(found["held_out"]):
        text = f"Declared, not proved: {text}"
    return (
        f'<tr class="group"><th scope="rowgroup" colspan="{columns}"><span '
        f'class="facts"><b>{escape(protocol)}</b> '
        f'{" ".join(tags)} {escape(text)}</span><span class="facts sub wrap">'
        f"{escape(counts)}"
        "</span></th></tr>"
    )


def row_marks(story: Story, found: Mapping[str, Any]) -> list[Markup]:
    """What a reader must know about a row before its numbers."""
    marks = []
    if found["recipe"] != "corrected":
        marks.append(tag(f"recipe: {found['recipe']}", "warn"))
    if story.coupled(found):
        marks.append(tag("answers depend on the batch", "bad"))
    return marks


def score_cell(found: Mapping[str, Any], metric: str) -> Markup:
    """A score with its interval; the row's main one also with its spread over seeds, and marked by chance."""
    score = found["metrics"][metric]
    show: Callable[[Any], str] = percent if metric != "kappa" else _two
    strong = "main-number" if metric == found["controls"]["permuted"]["metric"] else ""
    spread = score.get("seeds_sd")
    seeds = f'<span class="sub">± {show(spread)} over seeds</span>' if spread is not None and strong else ""
    chance = tag("within chance", "warn") if strong and words.inside_chance(found) else ""
    known = score["low"] is not None and score["high"] is not None
    ends = f'<span class="iv">{show(score["low"])} – {show(score["high"])}</span>' if known else ""
    return Markup(f'<span class="{strong}">{show(score["value"])}</span>{ends}{seeds}{chance}')


def _two(value: float | None) -> str:
    return "–" if value is None else f"{round(value, 2) + 0:.2f}".replace("-", "−")


def _control_cell(found: Mapping[str, Any], name: str) -> Any:
    control = found["controls"].get(name)
    if not control:
        return "–"
    ends = f"{percent(control['low'])} – {percent(control['high'])}"
    if name == "permuted":
        return ends
    return Markup(f'{percent(control["value"])}<span class="iv">{ends}</span>')


def _oracle_cell(found: Mapping[str, Any]) -> Any:
    oracle = found["oracle"]
    if not oracle:
        return "–"
    return Markup(f'{percent(oracle["value"])}<span class="sub">{escape(oracle["kind"])}</span>')


def _plain_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    body = [
        row(
            r["protocol"], r["normalise"], drawing.modality_label(r["modalities"]), f"{r['n']:,}",
            *(score_cell(r, m) for m in METRICS), numeric=range(3, 8),
        )
        for r in rows
    ]  # fmt: skip
    return table(
        ["Protocol", "Normalise", "Signals", "Windows", *(NAMES[m] for m in METRICS)],
        body,
        numeric=range(3, 8),
    )


def meaning(story: Story) -> str:
    """What the numbers say, in sentences."""
    parts = []
    for heading, texts in words.meaning(story):
        parts.append(f"<h3>{escape(heading)}</h3>")
        if len(texts) > 1:
            parts.append("<ul>" + "".join(f"<li>{prose(t)}</li>" for t in texts) + "</ul>")
        else:
            parts.append(paragraph(texts[0]))
    return "\n".join(parts)
