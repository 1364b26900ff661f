"""The protocols of a run side by side: what each holds out, what it gives, and what a lax one adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from mien.report import drawing, protocol_figures, words
from mien.report.blocks import Markup, count, figure, paragraph, row, table, tag
from mien.report.panels import Story, spoken
from mien.report.published import PUBLISHED, Published
from mien.report.section_inflation import inflation
from mien.report.section_scores import row_marks, score_cell
from mien.report.words import capital, percent


def protocols(story: Story, others: Sequence[Story] = ()) -> str:
    """Every protocol of a run, and of runs that tell other classes apart; nothing where there is one."""
    if len(story.protocols) < 2:
        return ""
    stories = [story]
    for other in others:
        if len(other.protocols) > 1 and other.task not in [s.task for s in stories]:
            stories.append(other)
    parts = [
        paragraph(
            "One model, one set of features, the same data: the protocols differ only in what training was "
            "allowed to see of what is tested. Strictest first. What is held out is what the audit proved."
        )
    ]
    for number, one in enumerate(stories):
        if len(stories) > 1:
            parts.append(f"<h3>{escape(_task(one))}</h3>")
        parts += [_figure(one, number), _published(one), _table(one), inflation(one)]
    return "\n".join(part for part in parts if part)


def _task(story: Story) -> str:
    name = story.run.path.resolve().name
    return f"{len(story.run.classes)} classes, {story.label}: {', '.join(story.run.classes)} (run {name})"


# -- the figure ------------------------------------------------------------------------------------------


def _near(story: Story) -> list[Published]:
    """Published accuracies on the data set with the same classes."""
    return [
        p
        for p in PUBLISHED.get(str(story.run.record["dataset"].get("name")), ())
        if p.row and p.n_classes == len(story.run.classes) and p.label in ("", story.label)
    ]


def _own(story: Story) -> list[Published]:
    system = str(story.run.record.get("system"))
    return [p for p in _near(story) if p.system and p.system in (system, story.model)]


def _figure(story: Story, number: int) -> str:
    near = _near(story) if story.metric == "accuracy" else []
    level = "window" if any(p.level == "window" for p in near) and "window" in story.levels else story.level
    rows = []
    for protocol in story.protocols:
        found = story.under(protocol, level=level)
        if not found:
            continue
        proved = ", ".join(words.claims(found[0]["held_out"])) or "nothing held out"
        leaky = story.leaks(protocol)
        rows.append({"label": protocol, "sub": proved, "leaky": leaky, "marks": [_mark(r) for r in found]})
    lines = [
        (high, f"{100 * high:g} % published ({p.row})")
        for p in _own(story)
        for _, high in p.spans.values()
        if near
    ]
    theirs = [{"label": p.row, "marks": [_their_mark(*item) for item in p.spans.items()]} for p in near]
    by = f"{spoken(story.metric)} by {level}"
    scaled = f", normalise = `{story.normalise[0]}`" if len(story.normalise) > 1 else ""
    return figure(
        protocol_figures.stand(rows, theirs, chance=story.chance, label=f"{by} (%)", lines=lines),
        name=f"stand-{number}",
        alt=f"The {by} under each protocol with its 95 % interval and chance, and published numbers below.",
        caption=f"{capital(by)} of `{story.model}`, {len(story.run.classes)} classes{scaled}, with 95 % "
        "intervals. Grey: the same answers against labels permuted over clips."
        + (_caution(story) if theirs else ""),
    )


def _caution(story: Story) -> str:
    made_up = (
        " The data of this run are made up: where its marks stand says what a protocol does, not how good a "
        "model is."
        if story.run.record["dataset"].get("simulated")
        else ""
    )
    return (
        " Published numbers are others', on the real data set with the same classes, each under the protocol "
        f"that its row names.{made_up}"
    )


def _mark(r: Mapping[str, Any]) -> dict[str, Any]:
    score, permuted, oracle = words.headline(r), r["controls"]["permuted"], r["oracle"]
    return {
        "label": drawing.modality_label(r["modalities"]),
        **{name: score[name] for name in ("value", "low", "high")},
        "chance_low": permuted["low"],
        "chance_high": permuted["high"],
        "oracle": oracle["value"] if oracle else None,
    }


def _their_mark(modalities: str, ends: tuple[float, float]) -> dict[str, Any]:
    return {"label": drawing.modality_label(modalities), "low": ends[0], "high": ends[1]}


# -- the table -------------------------------------------------------------------------------------------


def _table(story: Story) -> str:
    """Protocols as rows; as columns, where the sets of streams are many and would be wider than the page."""
    of = capital(spoken(story.metric))
    caption = (
        f"{escape(of)} in percent with its 95 % interval; below it the oracle of made-up data. Chance: "
        "guessing; always naming the commonest class; labels permuted over clips, of the first set of "
        "streams."
    )
    across = len(story.modalities) > _MOST_ACROSS and len(_asked(story)) < len(story.modalities)
    lines = _streams_down if across else _protocols_down
    head, over, numeric = _heads(story, across=across)
    body = []
    for level in story.levels:
        body.append(
            f'<tr class="group"><th scope="rowgroup" colspan="{len(head)}"><span class="facts"><b>'
            f"{escape(of)} by {level}</b></span></th></tr>"
        )
        body += lines(story, level)
    return table(head, body, numeric=numeric, caption=caption, over=over)


_MOST_ACROSS = 3
"""Sets of streams that are columns beside those of a protocol."""


def _asked(story: Story) -> list[tuple[str, str]]:
    """Protocols with the ways to normalise."""
    return [(protocol, n) for protocol in story.protocols for n in story.normalise]


def _heads(story: Story, *, across: bool) -> tuple[list[str], list[tuple[str, int]], Iterable[int]]:
    """Head, what stands over it, and the columns of numbers."""
    if across:
        several = len(story.normalise) > 1
        names = [f"{protocol}, normalise = {n}" if several else protocol for protocol, n in _asked(story)]
        return [f"{story.model} with", *names], [("", 1), ("Protocol", len(names))], ()
    head = [*_FACTS, *(drawing.modality_label(m) for m in story.modalities)]
    return head, [("", 4), (f"{story.model} with", len(story.modalities))], range(3, len(head))


_FACTS = ("Protocol", "Held out (proved)", "Audit", "Chance")


def _protocols_down(story: Story, level: str) -> Iterable[str]:
    for protocol, n in _asked(story):
        found = {m: r for m in story.modalities if (r := story.find(protocol, n, m, level=level))}
        if found:
            r = next(iter(found.values()))
            sub = [_tested(r), *([f"normalise = {n}"] if len(story.normalise) > 1 else [])]
            name = escape(protocol) + "".join(f'<span class="sub">{escape(s)}</span>' for s in sub)
            cells = [_cell(story, found.get(m)) for m in story.modalities]
            numeric = range(3, 4 + len(cells))
            yield row(Markup(name), *_facts(story, protocol, r), *cells, numeric=numeric)


def _streams_down(story: Story, level: str) -> Iterable[str]:
    asked = _asked(story)
    first = [_first(story, protocol, n, level) for protocol, n in asked]
    yield row("Tested", *(r and _tested(r) for r in first))
    facts = [_facts(story, p, r) if r else [None] * 3 for (p, _), r in zip(asked, first, strict=True)]
    for name, cells in zip(_FACTS[1:], zip(*facts, strict=True), strict=True):
        yield row(name, *cells)
    for m in story.modalities:
        found = [story.find(protocol, n, m, level=level) for protocol, n in asked]
        if any(found):
            yield row(drawing.modality_label(m), *(_cell(story, r) for r in found))


def _first(story: Story, protocol: str, n: str, level: str) -> Mapping[str, Any] | None:
    """The result of the first set of streams that has one."""
    found = (story.find(protocol, n, m, level=level) for m in story.modalities)
    return next((r for r in found if r), None)


def _tested(r: Mapping[str, Any]) -> str:
    return count(r["n"], r["level"])


def _facts(story: Story, protocol: str, r: Mapping[str, Any]) -> list[Any]:
    """What a protocol holds out, its audit, and chance."""
    proved = words.claims(r["held_out"])
    permuted = r["controls"]["permuted"]
    return [
        Markup(" ".join(tag(c, "good") for c in proved)) if proved else tag("nothing", "bad"),
        tag("leaks", "bad") if story.leaks(protocol) else tag("clean", "good"),
        Markup(
            f"{percent(r['chance']['uniform'])}"
            f'<span class="sub">commonest {percent(r["chance"]["majority"])}</span>'
            f'<span class="sub">permuted {percent(permuted["low"])} – {percent(permuted["high"])}</span>'
        ),
    ]


def _cell(story: Story, r: Mapping[str, Any] | None) -> Any:
    if r is None:
        return None
    oracle = r["oracle"]
    below = f'<span class="sub">oracle {percent(oracle["value"])}</span>' if oracle else ""
    marks = " ".join(row_marks(story, r))
    return Markup(score_cell(r, story.metric) + below + marks)


def _published(story: Story) -> str:
    """Where the numbers of the system's own paper stand."""
    if story.metric != "accuracy":
        return ""
    return "".join(paragraph(text) for p in _own(story) for text in _stands(story, p, _near(story)))


def _stands(story: Story, own: Published, near: Sequence[Published]) -> Iterable[str]:
    leaky = [p for p in story.protocols if story.leaky(p)]
    rows = [(p, r) for p in leaky for r in story.under(p, level="window")[:1]]
    here = words.listed(
        [f"`{p}` has {percent(words.headline(r)['value'])} % by window in this run" for p, r in rows]
    )
    honest = [
        f"{text} % ({p.row})" for p in near if p is not own and not p.system for text in p.values.values()
    ]
    for text in own.values.values():
        yield (
            f"Where the published {text} % stands ({own.source}): {own.method}, accuracy by {own.level}; "
            f"{own.protocol}. {own.beside}"
            + (f" {capital(here)}." if here else "")
            + (f" Under protocols that are known, others published {words.listed(honest)}." if honest else "")
        )
