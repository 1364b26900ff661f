"""Where a run's numbers come from: controls, audit, what was left out, what others published, settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from mien.core import InputError
from mien.report import drawing, words
from mien.report.blocks import Markup, definitions, paragraph, row, table, tag
from mien.report.panels import Story
from mien.report.published import PAPERS, PUBLISHED
from mien.report.words import percent

MAX_LISTED = 400
"""Rows of the full list of what was dropped; more are counted."""


def controls(story: Story) -> str:
    """What the controls and the oracle are, and the oracle's scores."""
    text = [
        f"Chance interval: the true labels are permuted over clips (all subjects' {story.level}s of a clip "
        "move together) and the same answers are scored again, many times; the interval is made wider by √2, "
        "because folds that train on each other's clips are right or wrong together. A score inside it shows "
        "nothing.",
        "Shuffled control: the labels are permuted over clips before anything else, and the model is trained "
        "on them and tested against them. Where test clips were held out it should lie near chance. Where "
        "they were shown in training it may not: permuted labels have nothing to do with emotion, so what it "
        "scores above chance comes from knowing the clip.",
    ]
    known = story.run.record.get("oracle") or {}
    if not known:
        return "".join(paragraph(t) for t in text)
    text.append(
        "Oracle: the Bayes classifier of the made-up data, the best that anything could do on these "
        f"very {story.level}s, with its standard error."
        + (
            " stimulus_known also knows every clip's fingerprint: it explains how far plain "
            "leave-one-subject-out can get, and is never a bar to reach."
            if "stimulus_known" in known
            else ""
        )
    )
    level = "event" if story.run.by_event else "trial"
    columns = _ORACLE_COLUMNS[level, story.metric if level == "trial" else "uar"]
    kinds = [k for k in _ORACLE_KINDS if k in known] + sorted(set(known) - set(_ORACLE_KINDS))
    body = [
        row(
            kind, drawing.modality_label(m),
            *(_oracle_pair(known[kind][m].get(level), score) for level, score in columns), numeric=(2, 3),
        )
        for kind in kinds
        for m in sorted(known[kind] or {}, key=lambda m: (-len(m.split("+")), m))
    ]  # fmt: skip
    return "".join(paragraph(t) for t in text) + table(
        ["Oracle", "Signals", *columns.values()], body, numeric=(2, 3)
    )


_ORACLE_KINDS = ("inductive", "subject_known", "stimulus_known")
_ORACLE_COLUMNS = {
    ("trial", "accuracy"): {("trial", "accuracy"): "By trial (%)", ("window", "accuracy"): "By window (%)"},
    ("trial", "uar"): {("trial", "uar"): "UAR by trial (%)", ("trial", "accuracy"): "Accuracy by trial (%)"},
    ("event", "uar"): {("event", "uar"): "UAR by event (%)", ("event", "accuracy"): "Accuracy by event (%)"},
}
"""What is classified and its main score to the columns of the table of oracles: level and score."""


def _oracle_pair(found: Mapping[str, Any] | None, score: str) -> str:
    if not found or found.get(score) is None:
        return "–"
    se = found.get("se") if score == "accuracy" else found.get(f"{score}_se", found.get("se"))
    return f"{percent(found[score])} ± {percent(se)}"


def audit(story: Story) -> str:
    """What the audit proved and found."""
    found = story.run.audit
    text = paragraph(
        "Worked out again from the ids of every fold; what the study declares is not believed. A leak "
        "means that the number is not what it says; a caution means that it is, but that a reader "
        "should know."
    )
    proofs = [
        row(
            p,
            words.held_out(found["proven"].get(p, ())),
            ", ".join(words.claims(found["proven"].get(p, ()))) or "–",
        )
        for p in story.protocols
    ]
    body = [
        row(
            tag(str(f.get("severity", "leak")), "bad" if f.get("severity", "leak") == "leak" else "warn"),
            f["kind"], f["where"], f["evidence"],
        )
        for f in found["findings"]
    ]  # fmt: skip
    listed = table(["Severity", "Kind", "Where", "Evidence"], body) if body else paragraph("No finding.")
    return text + table(["Protocol", "Proved", "May be called"], proofs) + f"<h3>Findings</h3>{listed}"


def dropped(story: Story) -> str:
    """What was left out, by reason and one by one."""
    rows = story.run.dropped.to_dict("records")
    if not rows:
        return paragraph("Nothing was left out.")
    groups: dict[tuple[str, str], list[Mapping[Any, Any]]] = {}
    for entry in rows:
        groups.setdefault((entry["what"], entry["reason"]), []).append(entry)
    body = [
        row(
            what, reason, f"{sum(_number(e['count']) for e in entries):,}",
            len({e["subject"] for e in entries if e["subject"]}), numeric=(2, 3),
        )
        for (what, reason), entries in sorted(groups.items())
    ]  # fmt: skip
    listed = [
        row(e["what"], e["id"], e["subject"], e["reason"], e["count"], numeric=(4,))
        for e in rows[:MAX_LISTED]
    ]
    more = f", the first {MAX_LISTED} of {len(rows):,}" if len(rows) > MAX_LISTED else ""
    return (
        table(["What", "Reason", "How many", "Subjects"], body, numeric=(2, 3))
        + f"<details><summary>One by one{more}</summary>"
        + table(["What", "Which", "Subject", "Reason", "Count"], listed, numeric=(4,))
        + "</details>"
    )


def _number(text: Any) -> int:
    try:
        return int(float(text))
    except ValueError:
        raise InputError(f"count {text!r}", file="dropped.csv", expected="a whole number") from None


def published(story: Story) -> str:
    """What others published on the data set."""
    data = story.run.record["dataset"]
    known = PUBLISHED.get(str(data.get("name")), ())
    papers = PAPERS.get(str(story.run.record.get("system")), ())
    if not known and not papers:
        return ""
    warning = (
        "Published by others, not ours, and not comparable with this run: the data of this run are made up."
        if data.get("simulated")
        else "Published by others, not ours. First compare protocol, level, classes and normalisation."
    )
    body = [
        row(
            Markup(f'{escape(p.method)}<span class="sub wrap">{escape(p.source)}</span>'),
            p.protocol,
            p.level,
            p.score,
            Markup("".join(
                f'<span class="pair">{escape(_signals(m))}: {escape(v)}</span>'
                for m, v in p.values.items()
            )),
            p.note or "–",
        )
        for p in known
    ]  # fmt: skip
    shown = (
        table(["Method and source", "Protocol", "Level", "Score", "Value (%)", "Note"], body) if body else ""
    )
    return (
        f"<p><strong>{escape(warning)}</strong></p>"
        + shown
        + "".join(paragraph(p, kind="note") for p in papers)
    )


def _signals(name: str) -> str:
    """Names of streams as people write them; anything else as it is."""
    return drawing.modality_label(name) if re.fullmatch(r"[a-z+_]+", name) else name


def cleaning(story: Story) -> str:
    """What was done to raw EEG; nothing where nothing was."""
    about = story.run.record.get("cleaning")
    if not about:
        return ""
    names = [str(step["step"]).replace("_", " ") for step in about["steps"]]
    body = [
        row(
            name,
            f"{r['seconds'] / 60:.1f}",
            Markup(f'{len(r["bad"])}<span class="sub wrap">{escape(", ".join(r["bad"]))}</span>'),
            f"{r['removed']} of {r['components']}",
            f"{r['burst_seconds']:.1f}",
            len(r["notes"]),
            numeric=range(1, 6),
        )
        for name, r in about["recordings"].items()
    ]
    head = ["Recording", "Minutes", "Bad channels", "Components removed", "Seconds of bursts", "Notes"]
    return paragraph(
        f"Every recording was cleaned as a whole, without labels, before its trials were cut: "
        f"{', '.join(names)}. The run folder has a page for each, `cleaning/RECORDING.html`; notes say "
        "where a step worked outside what it was made for."
    ) + table(head, body, numeric=range(1, 6))


def setup(story: Story) -> str:
    """Data set, features and models."""
    record = story.run.record
    card = definitions((k.replace("_", " "), _value(v)) for k, v in record["dataset"].items())
    features = [
        row(
            name, f.get("extractor"), f.get("version"), f.get("recipe"), f.get("scope"), f.get("reaches"),
            " × ".join(f"{len(v)} {k}{'s' if len(v) != 1 else ''}" for k, v in (f.get("axes") or {}).items()),
        )
        for name, f in sorted((record.get("features") or {}).items())
    ]  # fmt: skip
    models = [
        row(
            name, m.get("kind"), m.get("recipe"),
            f"{m['n_parameters']:,}" if isinstance(m.get("n_parameters"), int) else "–",
            Markup(f"<code>{escape(_value(m.get('config') or {}))}</code>"), numeric=(3,),
        )
        for name, m in ((name, record["models"].get(name, {})) for name in story.models)
    ]  # fmt: skip
    selection = record.get("selection")
    return (
        f"<h3>Data set</h3>{card}"
        + "<h3>Features</h3>"
        + table(
            [
                "Stream",
                "Extractor",
                "Version",
                "Recipe",
                "Looks at",
                "Reaches",
                "Shape of an event" if story.run.by_event else "Shape of a window",
            ],
            features,
        )
        + (paragraph(_labels(labels)) if (labels := story.run.record.get("labels")) else "")
        + (paragraph(f"Selection: {selection.get('rule', _value(selection))}.") if selection else "")
        + "<h3>Models</h3>"
        + table(["Model", "Kind", "Recipe", "Parameters", "Settings"], models, numeric=(3,))
    )


def _labels(labels: Mapping[str, Any]) -> str:
    """How ratings became classes, and how many trials that concerns."""
    return (
        f"Labels: {labels['policy']}. Of {labels['n_trials']} trials {labels['on_threshold']} have a rating "
        f"exactly on the threshold; {labels['left_out']} were left out by the policy or for want of a rating."
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} = {_value(v)}" for k, v in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    return "–" if value is None else str(value)


def repeat(story: Story) -> str:
    """Times, versions, the study file, and what to cite."""
    groups = []
    loose = []
    for name, value in story.run.environment.items():
        if isinstance(value, Mapping):
            heading = escape(str(name).replace("_", " ").capitalize())
            inner = definitions((k, _timed(name, v)) for k, v in value.items())
            groups.append(f"<div><h3>{heading}</h3>{inner}</div>")
        else:
            loose.append((name.replace("_", " "), _timed(name, value)))
    citation = story.run.record["dataset"].get("citation")
    cite = ["Cite the data set and this tool with its version (above)."]
    if citation:
        cite.insert(0, f"Data set: {citation}")
    return (
        (definitions(loose) if loose else "")
        + f'<div class="side">{"".join(groups)}</div>'
        + "<h3>Repeat this run</h3>"
        + "<p>Save as <code>study.toml</code>, then <code>mien run study.toml</code>. Every key is "
        "spelt out.</p>"
        + f"<pre>{escape(story.run.study.strip())}</pre>"
        + "<h3>Cite</h3>"
        + "".join(paragraph(c) for c in cite)
    )


def _timed(group: str, value: Any) -> str:
    if group in ("seconds", "times") and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,.1f} s"
    return _value(value)
