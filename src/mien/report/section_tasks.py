"""Signals by task, in the layout of the tables in papers on micro-expressions, beside what was published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from mien import metrics
from mien.report import drawing, words
from mien.report.blocks import Markup, count, paragraph, prose, row, table, tag
from mien.report.panels import Story
from mien.report.published import TABLES, PublishedTable
from mien.report.rows import Scored, subjects_sd
from mien.report.section_runs import run_names
from mien.report.section_scores import row_marks
from mien.report.words import percent

SCORES = {"accuracy": "Accuracy", "weighted_f1": "F1, weighted", "uf1": "UF1", "uar": "UAR"}
"""Columns of a task."""
_ORDER = ("me", "eeg")
"""Single signals first, in the order of the paper."""


def heading(stories: Sequence[Story]) -> str:
    """Heading of the section, after the table it follows."""
    published = _published(stories)
    return f"As {published.title}" if published else "Signals and tasks"


def tasks(stories: Sequence[Story]) -> str:
    """The table of all runs that classify events, one group of columns for each; nothing where none does."""
    stories = [s for s in stories if s.run.by_event]
    if not stories:
        return ""
    published = _published(stories)
    head = ["Signals", *(name for _ in stories for name in SCORES.values())]
    over = [("", 1), *((text, len(SCORES)) for text in _task_names(stories))]
    body = [line for protocol in _union(s.protocols for s in stories) for line in _ours(stories, protocol)]
    if published:
        body += _theirs(stories, published)
    return (
        paragraph(
            "In percent, by event. Every value is pooled over all folds and scored once, UF1 (macro-F1) and "
            "UAR as in the micro-expression challenge of 2019; with several seeds it is their mean. After ± "
            "stands the standard deviation over subjects of each subject's own score. Hardly anybody shows "
            "every class, so a subject's own UF1 and UAR are taken over the classes that this subject has "
            "events of. Intervals stand in the summary."
        )
        + _absent(stories)
        + (_warning(stories) if published else "")
        + table(head, body, over=over, numeric=range(1, len(head)))
        + ("<ul>" + "".join(f"<li>{prose(t)}</li>" for t in published.notes) + "</ul>" if published else "")
    )


def _published(stories: Sequence[Story]) -> PublishedTable | None:
    found = {str(s.run.record["dataset"].get("name")) for s in stories if s.run.by_event}
    return TABLES.get(next(iter(found))) if len(found) == 1 else None


def _task_names(stories: Sequence[Story]) -> list[str]:
    names = run_names(stories) if len(stories) > 1 else [""]
    return [
        f"{len(s.run.classes)} classes{f' ({name})' if name else ''}"
        for s, name in zip(stories, names, strict=True)
    ]


def _union(lists: Iterable[Iterable[str]]) -> list[str]:
    """Every name once, in the order of first appearance."""
    return list(dict.fromkeys(name for names in lists for name in names))


def _ours(stories: Sequence[Story], protocol: str) -> Iterator[str]:
    there = [s for s in stories if protocol in s.protocols]
    proofs = [_proof(s, protocol, named=len(stories) > 1) for s in there]
    yield _group(f"<b>{escape(protocol)}</b>", *proofs, columns=_width(stories))
    normalise = _union(s.normalise for s in there)
    for norm in normalise:
        for m in sorted(_signals(there), key=_place):
            found = [s.find(protocol, norm, m) for s in stories]
            if not any(found):
                continue
            label = drawing.modality_label(m) + (f", normalise = {norm}" if len(normalise) > 1 else "")
            cells = [text for r in found for text in _row_cells(r)]
            yield row(label, *cells, numeric=range(1, 1 + len(cells)))
    cells = [text for s in stories for text in _majority(s, protocol)]
    yield row("always the commonest class", *cells, numeric=range(1, 1 + len(cells)))


def _signals(stories: Iterable[Story]) -> list[str]:
    """Every set of signals once, whatever the order in which a study names its streams."""
    return list({frozenset(m.split("+")): m for s in stories for m in s.modalities}.values())


def _proof(story: Story, protocol: str, *, named: bool) -> str:
    """The model and events behind a run's numbers under a protocol, what was proved, and what to mind."""
    rows = [r for n in story.normalise for m in story.modalities if (r := story.find(protocol, n, m))]
    task = f"{len(story.run.classes)} classes: " if named else ""
    if not rows:
        return escape(f"{task}{story.model}, nothing")
    claims = words.claims(rows[0]["held_out"])
    tags = [tag(f"{w} (proved)", "good") for w in claims] or [tag("nothing held out was proved", "bad")]
    tags += dict.fromkeys(mark for r in rows for mark in row_marks(story, r))
    scaled = f", normalise = {story.normalise[0]}" if len(story.normalise) == 1 else ""
    return escape(f"{task}{story.model}, {count(rows[0]['n'], 'event')}{scaled} ") + " ".join(tags)


def _first(story: Story, protocol: str) -> list[dict[str, Any]]:
    rows = (story.find(protocol, n, m) for m in story.modalities for n in story.normalise)
    return [r for r in rows if r][:1]


def _place(modalities: str) -> tuple[int, int, str]:
    parts = modalities.split("+")
    return len(parts), _ORDER.index(parts[0]) if parts[0] in _ORDER else len(_ORDER), modalities


def _width(stories: Sequence[Story]) -> int:
    return 1 + len(SCORES) * len(stories)


def _group(*lines: str, columns: int) -> str:
    inner = "<br>".join(lines)
    return (
        f'<tr class="group"><th scope="rowgroup" colspan="{columns}"><span class="facts">{inner}</span>'
        "</th></tr>"
    )


def _row_cells(found: Mapping[str, Any] | None) -> list[Any]:
    if found is None:
        return ["–"] * len(SCORES)
    scores = [found["metrics"][name] for name in SCORES]
    return [_with_sd(score["value"], score["subjects_sd"]) for score in scores]


def _with_sd(value: float | None, sd: float | None) -> Any:
    if value is None or sd is None:
        return percent(value)
    return Markup(f'{percent(value)} <span class="sd">± {percent(sd)}</span>')


def _majority(story: Story, protocol: str) -> list[Any]:
    rows = _first(story, protocol)
    if not rows:
        return ["–"] * len(SCORES)
    tested = story.predictions(rows[0])
    tested = tested.only(tested.seed == tested.seeds[0])
    commonest = int(np.bincount(tested.label, minlength=tested.n_classes).argmax())
    answers = {name: getattr(tested, name) for name in tested.__dataclass_fields__}
    constant = Scored(**answers | {"probability": np.eye(tested.n_classes)[[commonest] * len(tested.label)]})
    found = metrics.scores_of(metrics.confusion(constant.label, constant.answer, constant.n_classes))
    sd = subjects_sd(constant)
    return [_with_sd(_finite(found[name]), sd[name]) for name in SCORES]


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _absent(stories: Sequence[Story]) -> str:
    """A line for every run in which a class has no event."""
    lines = []
    for story, name in zip(stories, _task_names(stories), strict=True):
        rows = [r for protocol in story.protocols for r in _first(story, protocol)]
        seen = {int(c) for r in rows for c in np.unique(story.predictions(r).label)}
        lacking = [word for c, word in enumerate(story.run.classes) if c not in seen]
        if lacking:
            lines.append(
                f"{name}: no event of {words.listed(lacking)} was tested, so UF1 and UAR do not exist; a "
                "class is never left out of them."
            )
    return "".join(paragraph(line, kind="note") for line in lines)


def _warning(stories: Sequence[Story]) -> str:
    made_up = any(s.run.record["dataset"].get("simulated") for s in stories)
    text = (
        "The published rows are not ours, and not comparable with these: the data of this run are made up."
        if made_up
        else "The published rows are not ours; compare protocol, events and classes first."
    )
    return f"<p><strong>{escape(text)}</strong></p>"


def _theirs(stories: Sequence[Story], published: PublishedTable) -> Iterator[str]:
    tasks_here = {len(s.run.classes) for s in stories}
    for group in published.groups:
        if not any(tasks_here & set(by_task) for by_task in group.rows.values()):
            continue
        yield _group(f"<b>Published</b> {prose(group.text)}", columns=_width(stories))
        for label, by_task in group.rows.items():
            cells = [
                by_task.get(len(s.run.classes), {}).get(name, "–") for s in stories for name in SCORES
            ]  # fmt: skip
            yield (
                f'<tr class="published"><td>{escape(label)}</td>'
                + "".join(f"<td class=num>{escape(cell)}</td>" for cell in cells)
                + "</tr>"
            )
