"""``report.html``: one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core import InputError
from mien.report import figures, panels, words
from mien.report.blocks import Markup, count, definitions, figure, page, paragraph, prose, row, table, tag
from mien.report.panels import Story
from mien.report.published import PAPERS, PUBLISHED
from mien.report.rows import EXTRA, METRICS, paired_difference, report_content, write_json, write_text
from mien.report.run_folder import read_run
from mien.report.words import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_LISTED = 400
"""Rows of the full list of what was dropped; more are counted."""
FOOTER = "Made by `mien report` from the run folder alone. Intervals are 95 %."
NAMES = {"accuracy": "Accuracy", "uar": "UAR", "uf1": "Macro-F1", "kappa": "κ"}


def write_report(folder: str | Path, *others: str | Path) -> Path:
    """Write ``report.html`` and ``report.json`` into a run folder.

    Parameters
    ----------
    folder
        The run the page is about; the page is written here.
    others
        Further run folders to compare it with.

    Returns
    -------
    Path
        ``folder/report.html``: self-contained, no script, no network request.

    Raises
    ------
    InputError
        A file of a run folder is missing or not what the format says.
    """
    story = Story.of(read_run(folder))
    rest = [Story.of(read_run(other)) for other in others]
    write_json(story.run.path / "report.json", report_content(story.run, story.rows))
    sections = [
        ("summary", "Summary", _summary(story)),
        ("meaning", "What these numbers mean", _meaning(story)),
        ("compared", "Runs compared", _compared(story, rest) if rest else ""),
        ("modalities", "Protocols and modalities", _comparison(story)),
        ("subjects", "Every subject", _figure(story, "subjects")),
        ("confusion", "What is taken for what", _figure(story, "confusion")),
        ("curves", "Learning curves", _figure(story, "curves")),
        ("bands", "Informative bands", _figure(story, "bands")),
        ("calibration", "Calibration", _figure(story, "calibration")),
        ("controls", "Controls and oracle", _controls(story)),
        ("audit", "Leakage audit", _audit(story)),
        ("dropped", "What was left out, and why", _dropped(story)),
        ("published", "Published numbers", _published(story)),
        ("cleaning", "Cleaning", _cleaning(story)),
        ("setup", "Data, features, models", _setup(story)),
        ("repeat", "Time, versions, how to repeat and cite", _repeat(story)),
    ]
    title = f"mien report: {story.run.path.resolve().name}"
    return write_text(
        story.run.path / "report.html",
        page(title=title, header=_header(story), sections=sections, footer=FOOTER),
    )


# -- sections --------------------------------------------------------------------------------------------


def _header(story: Story) -> str:
    run = story.run
    data = run.record["dataset"]
    title = f"{story.model} on {data.get('name', 'unnamed data')}"
    title += " (made-up data)" if data.get("simulated") else ""
    headline, sentence = words.verdict(story)
    kind = "leaks" if run.audit["verdict"] == "leaks" else "clean"
    banner = (
        '<div class="banner" role="note">Made-up data: these numbers say nothing about people.</div>'
        if data.get("simulated")
        else ""
    )
    return (
        f'<p class="kicker">mien report · {escape(run.path.resolve().name)}</p>\n'
        f"<h1>{escape(title)}</h1>\n"
        f'<p class="lead">{prose(words.study_sentence(story))}</p>\n{banner}\n'
        f'<div class="verdict {kind}" role="status"><strong>{escape(headline)}.</strong>'
        f"<p>{prose(sentence)}</p></div>"
    )


def _summary(story: Story) -> str:
    others = [m for m in story.models if m != story.model]
    parts = [
        paragraph(
            f"`{story.model}`, by trial: the probabilities of a trial's windows are averaged. Scores in "
            "percent (κ from -1 to 1), pooled over all folds, with the 95 % interval of a bootstrap "
            "crossed over subjects and clips."
        ),
        _score_table(story, [story.model], level="trial"),
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
        level_tables = _score_table(story, others, level="trial")
        parts.append(
            f"<details><summary>The other {count(len(others), 'model')}, by "
            f"trial</summary>{level_tables}</details>"
        )
    return "\n".join(parts)


def _score_table(story: Story, models: Sequence[str], *, level: str) -> str:
    several = len(models) > 1
    head = ["Model"] if several else []
    head += [
        "Normalise",
        "Signals",
        *(NAMES[m] for m in METRICS),
        "Chance interval",
        "Shuffled control",
        "Oracle",
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
            cells += [found["normalise"], figures.modality_label(found["modalities"])]
            cells += [_score_cell(found, m) for m in METRICS]
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


def _score_cell(found: Mapping[str, Any], metric: str) -> Markup:
    score = found["metrics"][metric]
    show: Callable[[Any], str] = percent if metric != "kappa" else _two
    strong = "main-number" if metric == "accuracy" else ""
    spread = score.get("seeds_sd")
    seeds = f'<span class="sub">± {show(spread)} over seeds</span>' if spread is not None and strong else ""
    chance = tag("within chance", "warn") if strong and words.inside_chance(found) else ""
    return Markup(
        f'<span class="{strong}">{show(score["value"])}</span>'
        f'<span class="iv">{show(score["low"])} – {show(score["high"])}</span>{seeds}{chance}'
    )


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
            r["protocol"], r["normalise"], figures.modality_label(r["modalities"]), f"{r['n']:,}",
            *(_score_cell(r, m) for m in METRICS), numeric=range(3, 8),
        )
        for r in rows
    ]  # fmt: skip
    return table(
        ["Protocol", "Normalise", "Signals", "Windows", *(NAMES[m] for m in METRICS)],
        body,
        numeric=range(3, 8),
    )


def _meaning(story: Story) -> str:
    parts = []
    for heading, texts in words.meaning(story):
        parts.append(f"<h3>{escape(heading)}</h3>")
        if len(texts) > 1:
            parts.append("<ul>" + "".join(f"<li>{prose(t)}</li>" for t in texts) + "</ul>")
        else:
            parts.append(paragraph(texts[0]))
    return "\n".join(parts)


def _comparison(story: Story) -> str:
    oracle = " A red line is the matching oracle." if any(r["oracle"] for r in story.plain) else ""
    pair = story.pair()
    return figure(
        panels.comparison(story),
        name="comparison",
        alt=f"Bars of the accuracy by trial of {story.model} for each subset of signals under each protocol.",
        caption=f"Accuracy of `{story.model}` by trial, with 95 % intervals. The dashed line is uniform "
        "chance, the grey band the interval of the same answers against labels permuted over "
        f"clips.{oracle}",
    ) + figure(
        panels.dumbbells(story),
        name="pair",
        alt="Accuracy under the strict and the lax protocol, joined by a line for each condition.",
        caption=f"`{pair[0]}` beside `{pair[1]}`. The length of a line is what it is worth to have seen "
        "the clips in training, and more of them." if pair else "",
    ) + figure(
        panels.models(story),
        name="models",
        alt="Accuracy by trial of every model under each protocol.",
        caption=f"Every model of the run, normalise = `{story.normalise[0]}`, with 95 % intervals.",
    )  # fmt: skip


_FIGURES: dict[str, tuple[Callable[[Story], Figure | None], str, str]] = {
    "subjects": (
        panels.per_subject,
        "A dot for the accuracy of each subject, with the pooled accuracy and its interval.",
        "Accuracy of {model} by trial for each subject, normalise = {normalise}; the diamond is the pooled "
        "score with its 95 % interval.",
    ),
    "confusion": (
        panels.confusion,
        "Confusion matrix of trials for each protocol; rows are true classes.",
        "Trials, {model} with {signals}, normalise = {normalise}{seeds}. Shade: share of the row. Numbers: "
        "trials.",
    ),
    "curves": (
        panels.learning_curves,
        "Training and validation loss and validation UAR over epochs for each protocol.",
        "{model}, normalise = {normalise}: median over folds and seeds, band from the 10th to the 90th "
        "percentile, as far as half of the fits went on. The epoch is chosen on validation samples; that "
        "these are never test samples is for the audit to say.",
    ),
    "bands": (
        panels.topographies,
        "One head for each frequency band, shaded by how much the answer depends on the channel.",
        "Mean |input × gradient| of the true class's logit of {model} over the test samples of all folds of "
        "the first protocol; seen from above, nose up, one scale for all bands. It shows what the model "
        "used, which is not the same as where in the brain an emotion arises.",
    ),
    "calibration": (
        panels.reliability,
        "Stated probability against the share of right answers for each protocol.",
        "{model}, normalise = {normalise}, by window. On the dashed line a stated 60 % is right 60 % of the "
        "time; below it the model is overconfident. ECE: expected calibration error, ten bins. Dots grow "
        "with the number of windows; bins with less than 1 % of them are left out.",
    ),
}
"""Sections that are one figure: what draws it, its text for those who do not see it, its caption."""


def _figure(story: Story, name: str) -> str:
    draw, alt, caption = _FIGURES[name]
    words_of = {
        "model": f"`{story.model}`",
        "normalise": f"`{story.normalise[0]}`",
        "signals": figures.modality_label(story.modalities[0]),
        "seeds": ", mean over seeds" if len(story.run.record["seeds"]) > 1 else "",
    }
    return figure(draw(story), name=name, alt=alt, caption=caption.format(**words_of))


def _controls(story: Story) -> str:
    text = [
        "Chance interval: the true labels are permuted over clips (all subjects' trials of a clip move "
        "together) and the same answers are scored again, many times; the interval is made wider by √2, "
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
        "very trials, with its standard error. stimulus_known also knows every clip's fingerprint: it "
        "explains how far plain leave-one-subject-out can get, and is never a bar to reach."
    )
    body = [
        row(
            kind, figures.modality_label(m),
            *(_oracle_pair(known[kind][m].get(level)) for level in ("trial", "window")), numeric=(2, 3),
        )
        for kind in ("inductive", "subject_known", "stimulus_known")
        for m in sorted(known.get(kind) or {}, key=lambda m: (-len(m.split("+")), m))
    ]  # fmt: skip
    return "".join(paragraph(t) for t in text) + table(
        ["Oracle", "Signals", "By trial (%)", "By window (%)"], body, numeric=(2, 3)
    )


def _oracle_pair(found: Mapping[str, Any] | None) -> str:
    return f"{percent(found['accuracy'])} ± {percent(found['se'])}" if found else "–"


def _audit(story: Story) -> str:
    audit = story.run.audit
    text = paragraph(
        "Worked out again from the ids of every fold; what the study declares is not believed. A leak "
        "means that the number is not what it says; a caution means that it is, but that a reader "
        "should know."
    )
    proofs = [
        row(
            p,
            words.held_out(audit["proven"].get(p, ())),
            ", ".join(words.claims(audit["proven"].get(p, ()))) or "–",
        )
        for p in story.protocols
    ]
    body = [
        row(
            tag(str(f.get("severity", "leak")), "bad" if f.get("severity", "leak") == "leak" else "warn"),
            f["kind"], f["where"], f["evidence"],
        )
        for f in audit["findings"]
    ]  # fmt: skip
    found = table(["Severity", "Kind", "Where", "Evidence"], body) if body else paragraph("No finding.")
    return text + table(["Protocol", "Proved", "May be called"], proofs) + f"<h3>Findings</h3>{found}"


def _dropped(story: Story) -> str:
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


def _published(story: Story) -> str:
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
            Markup("".join(
                f'<span class="pair">{escape(figures.modality_label(m))}: {escape(v)}</span>'
                for m, v in p.values.items()
            )),
            p.note or "–",
        )
        for p in known
    ]  # fmt: skip
    shown = table(["Method and source", "Protocol", "Level", "Accuracy (%)", "Note"], body) if body else ""
    return (
        f"<p><strong>{escape(warning)}</strong></p>"
        + shown
        + "".join(paragraph(p, kind="note") for p in papers)
    )


def _cleaning(story: Story) -> str:
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


def _setup(story: Story) -> str:
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
            ["Stream", "Extractor", "Version", "Recipe", "Looks at", "Reaches", "Shape of a window"], features
        )
        + (paragraph(f"Selection: {selection.get('rule', _value(selection))}.") if selection else "")
        + "<h3>Models</h3>"
        + table(["Model", "Kind", "Recipe", "Parameters", "Settings"], models, numeric=(3,))
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} = {_value(v)}" for k, v in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    return "–" if value is None else str(value)


def _repeat(story: Story) -> str:
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


def _compared(story: Story, others: Sequence[Story]) -> str:
    stories = [story, *others]
    names = _run_names(stories)
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
                    cells = [name, r["model"], held, *(_score_cell(r, m) for m in METRICS), gap]
                    body.append(row(*cells, numeric=range(3, 8)))
    if not body:
        return paragraph(
            "The runs share no protocol, normalisation and signals, so nothing can be set side by side."
        )
    return paragraph(
        "By trial. Differences are paired: accuracy minus that of the first run on the trials both "
        "predicted with the same seed, in points, with the 95 % interval of one bootstrap for both."
    ) + table(
        ["Run", "Model", "Held out (proved)", *(NAMES[m] for m in METRICS), "Difference"],
        body,
        numeric=range(3, 8),
    )


def _gap_cell(story: Story, base: Mapping[str, Any], other: Story, r: Mapping[str, Any]) -> Any:
    gap = paired_difference(other.predictions(r), story.predictions(base))
    if gap is None:
        return "no trial in common"
    return Markup(
        f"{words.signed(gap['value'])}<span class=iv>{words.signed(gap['low'])} to "
        f"{words.signed(gap['high'])}</span><span class=sub>{count(gap['n'], 'trial')}</span>"
    )


def _run_names(stories: Sequence[Story]) -> list[str]:
    names = [s.run.path.resolve().name for s in stories]
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]
