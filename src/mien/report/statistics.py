"""``statistics.html``: what is coded in a data set, and how its devices' clocks agree; from tables alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core import InputError
from mien.report import event_figures, section_clocks
from mien.report.blocks import Markup, count, figure, page, paragraph, prose, row, table
from mien.report.published_counts import PUBLISHED_COUNTS, PublishedCounts
from mien.report.rows import write_text
from mien.report.section_events import KINDS, by_class, durations, merged, ordered

if TYPE_CHECKING:
    import pandas as pd

FOOTER = "Made by mien from the coding table of the data set alone."
COLUMNS = (
    *("event", "trial", "subject", "stimulus", "kind", "emotion", "emotion3", "aus", "onset", "apex"),
    *("offset", "rows_merged", "disagree_kind", "disagree_aus"),
)
"""What a row of the table of events holds; ``apex`` and ``offset`` are None where they were not coded."""
_SHORT = 0.5
"""Seconds that are the usual limit of a micro-expression."""


def write_statistics(
    folder: str | Path,
    events: Sequence[Mapping[str, Any]],
    *,
    dataset: str,
    simulated: bool = False,
    markers: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the page of what is coded in a data set, and the events themselves as ``events.csv``.

    Parameters
    ----------
    folder
        Where to write; made if need be.
    events
        One mapping per event with :data:`COLUMNS`, as ``events`` of an inspection.
    dataset
        Registered name.
    simulated
        Say on the page that the data are made up.
    markers
        How the devices' markers go together, as :func:`mien.run.clocks.markers_to_json` gives it.

    Returns
    -------
    Path
        ``folder/statistics.html``: self-contained, no script, no network request.

    Raises
    ------
    InputError
        There is no event, or a column is missing.
    """
    import pandas as pd

    missing = [name for name in COLUMNS if any(name not in event for event in events)]
    if not events or missing:
        what = f"events lack {', '.join(missing)}" if events else "there is no coded event"
        raise InputError(what, expected="events of an inspection")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    found = pd.DataFrame([{name: event[name] for name in COLUMNS} for event in events])
    found = found.astype({"apex": "float64", "offset": "float64"})
    # as in the table of a run: an offset that was not coded is the apex again
    found["offset"] = found["offset"].fillna(found["apex"])
    found["label"] = found["emotion"]
    write_text(folder / "events.csv", _csv(events))
    published = PUBLISHED_COUNTS.get(dataset) if not simulated else None
    sections = [
        ("counts", "Events", _counts(found)),
        ("emotions", "Emotions", _emotions(found, published)),
        ("units", "Action units", _units(found)),
        ("durations", "Durations", _durations(found)),
        ("subjects", "Subjects", _subjects(found)),
        ("clocks", "Clocks", section_clocks.section(markers) if markers else ""),
    ]
    text = page(
        title=f"mien: {dataset}",
        header=_header(dataset, found, simulated=simulated),
        sections=sections,
        footer=FOOTER,
    )
    return write_text(folder / "statistics.html", text)


def _csv(events: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(events)
    return text.getvalue()


def _header(dataset: str, found: pd.DataFrame, *, simulated: bool) -> str:
    kinds = ordered(found["kind"], KINDS)
    parts = [f"{int((found['kind'] == kind).sum()):,} {KINDS.get(kind, kind)}" for kind in kinds]
    trials, subjects, clips = (found[name].nunique() for name in ("trial", "subject", "stimulus"))
    lead = (
        f"{count(len(found), 'event')} ({', '.join(parts)}), coded in {count(trials, 'trial')} of "
        f"{count(subjects, 'subject')} and {count(clips, 'clip')}."
    )
    banner = '<div class="banner" role="note">Made-up data: this page says nothing about people.</div>'
    return (
        f'<p class="kicker">mien statistics</p>\n<h1>{escape(dataset)}</h1>\n'
        f'<p class="lead">{prose(lead)}</p>\n{banner if simulated else ""}'
    )


def _counts(found: pd.DataFrame) -> str:
    kinds, words = ordered(found["kind"], KINDS), ordered(found["emotion"], ())
    drawn = figure(
        event_figures.events(found, kinds=kinds, words=words),
        name="events",
        alt="Events by emotion, action unit, subject and duration.",
        caption="Emotion: what the clip is meant to evoke. Action units: the twelve commonest, an event "
        "counts once for each of its units. Duration: onset to offset, of the events whose offset was coded; "
        "the last bar holds all that are longer.",
    )
    return drawn + merged(found)


def _emotions(found: pd.DataFrame, published: PublishedCounts | None) -> str:
    kinds, words = ordered(found["kind"], KINDS), ordered(found["emotion"], ())
    text = by_class(found, kinds=kinds, words=words) + _three(found, kinds)
    return text + (_as_published(found, published) if published is not None else "")


def _three(found: pd.DataFrame, kinds: Sequence[str]) -> str:
    """Share of each of the three classes among the events of each kind."""
    head = ["Three classes", *(text for kind in kinds for text in (kind.capitalize(), f"{kind}, %"))]
    body = []
    for word in ordered(found["emotion3"], ()):
        cells: list[Any] = []
        for kind in kinds:
            own = found[found["kind"] == kind]
            n = int((own["emotion3"] == word).sum())
            cells += [f"{n:,}", f"{100 * n / len(own):.1f}"]
        body.append(row(word, *cells, numeric=range(1, len(head))))
    return table(head, body, numeric=range(1, len(head)))


def _as_published(found: pd.DataFrame, published: PublishedCounts) -> str:
    """What the authors published, beside what this copy holds."""
    kinds = list(published.counts)
    head = ["Emotion", *(text for kind in kinds for text in (f"{kind}, here", f"{kind}, published"))]
    words = list(dict.fromkeys(word for kind in kinds for word in published.counts[kind]))
    body = []
    for word in [*words, "all"]:
        cells: list[Any] = []
        for kind in kinds:
            own = found[found["kind"] == kind]
            here = len(own) if word == "all" else int((own["emotion"] == word).sum())
            there = sum(published.counts[kind].values()) if word == "all" else published.counts[kind][word]
            cells += [f"{here:,}", f"{there:,}"]
        body.append(row(word, *cells, numeric=range(1, len(head)), first=word == "all"))
    notes = "".join(f"<li>{prose(note)}</li>" for note in published.notes)
    source = paragraph(f"Published: {published.source}.", kind="note")
    return table(head, body, numeric=range(1, len(head))) + source + f"<ul>{notes}</ul>"


def _units(found: pd.DataFrame) -> str:
    """Every action unit by kind, and how many units events have."""
    kinds = ordered(found["kind"], KINDS)
    units = found.assign(aus=found["aus"].fillna("").str.split(", ")).explode("aus")
    units = units[units["aus"] != ""]
    if units.empty:
        return paragraph("No action unit is coded.")
    names = sorted(
        units["aus"].unique(), key=lambda name: (int("".join(filter(str.isdigit, name)) or 0), name)
    )
    head = ["Action unit", *(text for kind in kinds for text in (kind.capitalize(), f"{kind}, %"))]
    body = []
    for name in names:
        cells: list[Any] = []
        for kind in kinds:
            n = int(((units["aus"] == name) & (units["kind"] == kind)).sum())
            cells += [f"{n:,}", f"{100 * n / max(int((found['kind'] == kind).sum()), 1):.1f}"]
        body.append(row(name, *cells, numeric=range(1, len(head))))
    per_event = units.groupby("event")["aus"].size()
    several = ", ".join(f"{n}: {count(k, 'event')}" for n, k in per_event.value_counts().sort_index().items())
    return table(head, body, numeric=range(1, len(head))) + paragraph(
        f"Percent of the events of the kind; an event counts once for each of its units. Units of an event: "
        f"{several}.",
        kind="note",
    )


def _durations(found: pd.DataFrame) -> str:
    """Mean, spread and range of how long events last, and how soon they peak."""
    head = [
        "",
        "Events",
        "Mean (ms)",
        "SD (ms)",
        "Median (ms)",
        "Shortest (ms)",
        "Longest (ms)",
        "≤ 0.5 s (%)",
    ]
    body = []
    for kind in ordered(found["kind"], KINDS):
        own = found[found["kind"] == kind]
        rising = (own["apex"] - own["onset"]).dropna().to_numpy(float)
        for what, values in (("onset to offset", durations(own)), ("onset to apex", rising)):
            body.append(row(f"{kind}, {what}", *_spread(values), numeric=range(1, len(head))))
    return table(head, body, numeric=range(1, len(head))) + paragraph(
        "Onset to offset: of the events whose offset was coded. Times are those of the coding table, by the "
        "stamps of frames where these contradict its seconds.",
        kind="note",
    )


def _spread(seconds: np.ndarray) -> list[Any]:
    if not len(seconds):
        return [0, *[None] * 6]
    ms = 1000 * seconds
    deviation = f"{ms.std(ddof=1):.1f}" if len(ms) > 1 else None
    rest = [f"{value:.0f}" for value in (np.median(ms), ms.min(), ms.max())]
    share = 100 * float((seconds <= _SHORT + event_figures.SAME).mean())
    return [f"{len(ms):,}", f"{ms.mean():.1f}", deviation, *rest, f"{share:.1f}"]


def _subjects(found: pd.DataFrame) -> str:
    """Every subject's events by kind and emotion, those with most events first."""
    kinds, words = ordered(found["kind"], KINDS), ordered(found["emotion"], ())
    head = ["Subject", *(kind.capitalize() for kind in kinds), "All", "Clips", *words]
    order = found["subject"].value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    body = []
    for subject in order:
        own = found[found["subject"] == subject]
        cells: list[Any] = [f"{int((own['kind'] == kind).sum()):,}" for kind in kinds]
        cells += [f"{len(own):,}", own["stimulus"].nunique()]
        cells += [int((own["emotion"] == word).sum()) for word in words]
        body.append(row(Markup(f"<code>{escape(str(subject))}</code>"), *cells, numeric=range(1, len(head))))
    return table(head, body, numeric=range(1, len(head)))
