"""The events of a study: what was coded, how often, and how long it lasted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.report import event_figures
from mien.report.blocks import count, figure, paragraph, row, table
from mien.report.panels import Story

if TYPE_CHECKING:
    import pandas as pd

KINDS = {"micro": "micro-expressions", "macro": "macro-expressions"}


def events(story: Story) -> str:
    """Counts and durations of the events that were classified; nothing where the run has none."""
    found = story.run.events
    if found is None or found.empty:
        return ""
    kinds = ordered(found["kind"], KINDS)
    words = ordered(found["label"], story.run.classes)
    return (
        paragraph(_sentence(found, kinds))
        + figure(
            event_figures.events(found, kinds=kinds, words=words),
            name="events",
            alt="Events by class, action unit, subject and duration, micro- and macro-expressions apart.",
            caption="Action units: the twelve commonest, an event counts once "
            "for each of its units. Duration: onset to offset, of the events whose offset was coded; the "
            "last bar holds all that are longer.",
        )
        + by_class(found, kinds=kinds, words=words)
        + merged(found)
    )


def ordered(values: pd.Series[Any], first: Sequence[str] | dict[str, str]) -> list[str]:
    """The words that occur, those of a known order first."""
    there = {str(v) for v in values.dropna()}
    return [w for w in first if w in there] + sorted(there - set(first))


def _sentence(found: pd.DataFrame, kinds: Sequence[str]) -> str:
    parts = [f"{int((found['kind'] == k).sum()):,} {KINDS.get(k, k)}" for k in kinds]
    unlabelled = int(found["label"].isna().sum())
    return (
        f"{count(len(found), 'event')} ({', '.join(parts)}) in {count(found['trial'].nunique(), 'trial')} of "
        f"{count(found['subject'].nunique(), 'subject')} and {count(found['stimulus'].nunique(), 'clip')}."
        + (
            f" {count(unlabelled, 'event')} without a label: neither trained on nor tested."
            if unlabelled
            else ""
        )
    )


def by_class(found: pd.DataFrame, *, kinds: Sequence[str], words: Sequence[str]) -> str:
    """A table of the events of each class by kind, with subjects, clips and durations."""
    head = ["Class", *(k.capitalize() for k in kinds), "All", "Share (%)", "Subjects", "Clips"]
    head += [f"Median duration, {k} (s)" for k in kinds]
    lines = [(word, found[found["label"] == word]) for word in words] + [("all", found)]
    body = []
    for word, part in lines:
        durations = [_median_duration(part[part["kind"] == k]) for k in kinds]
        cells: list[Any] = [*(f"{int((part['kind'] == k).sum()):,}" for k in kinds), f"{len(part):,}"]
        cells += [
            f"{100 * len(part) / len(found):.1f}",
            part["subject"].nunique(),
            part["stimulus"].nunique(),
        ]
        body.append(row(word, *cells, *durations, numeric=range(1, len(head)), first=word == "all"))
    return table(head, body, numeric=range(1, len(head)))


def _median_duration(part: pd.DataFrame) -> str | None:
    """Of the events whose offset was coded: elsewhere it repeats the apex."""
    duration = durations(part)
    return f"{np.median(duration):.2f}" if len(duration) else None


def durations(part: pd.DataFrame) -> np.ndarray:
    """Seconds from onset to offset of the events whose offset was coded."""
    return (part["offset"] - part["onset"])[event_figures.offset_coded(part)].to_numpy(float)


def merged(found: pd.DataFrame) -> str:
    """How many events were coded more than once, and how many without an offset."""
    several = found[found["rows_merged"] > 1]
    n_rows = int(found["rows_merged"].sum())
    apex_only = int((~event_figures.offset_coded(found)).sum())
    texts = []
    if len(several):
        texts.append(
            f"{n_rows:,} rows of the coding table are {len(found):,} events: {count(len(several), 'event')} "
            f"stood in it more than once, coded by several people. Of these, "
            f"{int(several['disagree_kind'].sum()):,} disagree on micro or macro and "
            f"{int(several['disagree_aus'].sum()):,} on the action units. Each is one sample here."
        )
    if apex_only:
        texts.append(
            f"{count(apex_only, 'event')} ({100 * apex_only / len(found):.0f} %) have an offset equal to the "
            "apex: it was not coded, and their duration is not known."
        )
    return "".join(paragraph(t) for t in texts)
