"""From the rows and predictions of a run to the figures of its page."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mien import metrics
from mien.report import drawing, figures
from mien.report.rows import GROUP, Scored, coupling, results, scored, subject_scores
from mien.report.run_folder import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAX_PANELS = 6
COUPLED = 1e-4
"""Coupling beyond float32 rounding, as the audit takes it."""


def spoken(metric: str) -> str:
    """A score's name in a sentence."""
    return {"uar": "UAR", "uf1": "UF1", "weighted_f1": "weighted F1", "kappa": "κ"}.get(metric, metric)


@dataclass(frozen=True, kw_only=True, eq=False)
class Story:
    """A run and its rows, in the order in which the page tells them."""

    run: Run
    rows: list[dict[str, Any]]

    @classmethod
    def of(cls, run: Run) -> Story:
        """The story of a run."""
        return cls(run=run, rows=results(run))

    @cached_property
    def plain(self) -> list[dict[str, Any]]:
        """The rows without the extras."""
        return [row for row in self.rows if "extra" not in row]

    @cached_property
    def protocols(self) -> list[str]:
        """Strictest first: by how much is declared to be held out, leaky ones last."""

        def laxity(name: str) -> tuple[bool, int, str]:
            return (self.leaky(name), -len(self.declared(name)), name)

        return sorted({row["protocol"] for row in self.rows}, key=laxity)

    @cached_property
    def modalities(self) -> list[str]:
        """All together first, then the single ones."""
        found = {"+".join(row["modalities"]) for row in self.rows}
        return sorted(found, key=lambda m: (-len(m.split("+")), m))

    @cached_property
    def normalise(self) -> list[str]:
        """``train`` before ``subject``."""
        return sorted({row["normalise"] for row in self.rows}, key=lambda n: (n != "train", n))

    @cached_property
    def models(self) -> list[str]:
        """Networks before the others, each kind by name; the first one is what the page is about."""
        known = self.run.record["models"]
        found = {row["model"] for row in self.rows}
        system = self.run.record.get("system")
        return sorted(found, key=lambda m: (m != system, known.get(m, {}).get("kind") != "network", m))

    @property
    def model(self) -> str:
        """The model that the page is about."""
        return self.models[0]

    @cached_property
    def label(self) -> str:
        """Which label is learnt, by the run's study file."""
        try:
            return str(tomllib.loads(self.run.study).get("label", "emotion"))
        except tomllib.TOMLDecodeError:
            return ""

    @property
    def task(self) -> tuple[str, tuple[str, ...], str]:
        """What is told apart: the label, its classes, and whether by trial or event."""
        return self.label, self.run.classes, self.level

    @property
    def level(self) -> str:
        """What the page's results are by: trials, or events where those are what was classified."""
        return "event" if self.run.by_event else "trial"

    @cached_property
    def metric(self) -> str:
        """The score of the page's figures and sentences: that of the chance interval."""
        return str(self.rows[0]["controls"]["permuted"]["metric"])

    @property
    def axis(self) -> str:
        """Label of an axis of that score."""
        return f"{spoken(self.metric)} by {self.level} (%)"

    @property
    def chance(self) -> float:
        """One over the number of classes."""
        return 1 / len(self.run.classes)

    def coupled(self, row: Mapping[str, Any]) -> bool:
        """Whether an answer depends on the other samples of its batch: as was found, or as it is built."""
        about = self.run.record.get("models", {}).get(row["model"], {})
        return bool(about.get("couples_samples")) or (coupling(self.run, row) or 0.0) > COUPLED

    def leaky(self, protocol: str) -> bool:
        """Whether the protocol says so itself."""
        return bool(self.run.record["protocols"].get(protocol, {}).get("leaky"))

    def leaks(self, protocol: str) -> bool:
        """Whether the audit found a leak under the protocol."""
        return any(
            f["where"].split(",")[0] == protocol and f.get("severity", "leak") == "leak"
            for f in self.run.audit["findings"]
        )

    @cached_property
    def levels(self) -> list[str]:
        """What there are results by, the coarsest first."""
        found = {row["level"] for row in self.plain}
        return [level for level in ("event", "trial", "window") if level in found]

    def declared(self, protocol: str) -> frozenset[str]:
        """What the protocol declares to hold out: good for sorting, never for a claim."""
        return frozenset(self.run.record["protocols"].get(protocol, {}).get("held_out", ()))

    def find(
        self, protocol: str, normalise: str, modalities: str, *, model: str = "", level: str = ""
    ) -> dict[str, Any] | None:
        """The row of a condition, by default of the page's model, by trial or event."""
        for row in self.plain:
            if (
                row["protocol"] == protocol
                and row["normalise"] == normalise
                and set(row["modalities"]) == set(modalities.split("+"))
                and row["model"] == (model or self.model)
                and row["level"] == (level or self.level)
            ):
                return row
        return None

    def under(self, protocol: str, *, level: str = "") -> list[dict[str, Any]]:
        """The page's model's rows under a protocol with the first scaling, all signals together first."""
        found = (self.find(protocol, self.normalise[0], m, level=level) for m in self.modalities)
        return [row for row in found if row]

    def pair(self) -> tuple[str, str] | None:
        """The strict protocol (subjects and stimuli held out) and the lax one (subjects), if both ran."""
        strict = next((p for p in self.protocols if {"subject", "stimulus"} <= self.declared(p)), None)
        lax = next((p for p in self.protocols if "subject" in self.declared(p) and p != strict
                    and "stimulus" not in self.declared(p)), None)  # fmt: skip
        return (strict, lax) if strict and lax else None

    def predictions(self, row: Mapping[str, Any], *, level: str = "") -> Scored:
        """The predictions behind a row, by default by trial or event."""
        key = tuple(row[name] if name != "modalities" else "+".join(row[name]) for name in GROUP)
        return scored(self._frames[key], level=level or self.level, n_classes=len(self.run.classes))

    @cached_property
    def _frames(self) -> dict[tuple[str, ...], pd.DataFrame]:
        frame = self.run.predictions
        groups = frame[frame["control"] == "none"].groupby(list(GROUP), sort=True)
        return {tuple(map(str, key)): part for key, part in groups}


def comparison(story: Story) -> Figure:
    """Modalities side by side, a panel per protocol."""
    panels = []
    for protocol in story.protocols[:MAX_PANELS]:
        groups = []
        for modalities in story.modalities:
            bars = [_bar(row, n) for n in story.normalise if (row := story.find(protocol, n, modalities))]
            groups.append({"label": drawing.modality_label(modalities), "bars": bars})
        panels.append({"title": protocol, "groups": [g for g in groups if g["bars"]]})
    return figures.comparison([p for p in panels if p["groups"]], chance=story.chance, label=story.axis)


def dumbbells(story: Story) -> Figure | None:
    """The strict protocol beside the lax one."""
    pair = story.pair()
    if pair is None:
        return None
    rows = []
    for modalities in story.modalities:
        for normalise in story.normalise:
            ends = [story.find(protocol, normalise, modalities) for protocol in pair]
            if ends[0] and ends[1]:
                label = f"{drawing.modality_label(modalities)}, {normalise}"
                rows.append({"label": label, "left": _score(ends[0]), "right": _score(ends[1])})
    if not rows:
        return None
    return figures.dumbbells(rows, left=pair[0], right=pair[1], chance=story.chance, label=story.axis)


def per_subject(story: Story) -> Figure:
    """A dot per subject, a panel per protocol; the first normalisation."""
    panels = []
    for protocol in story.protocols[:MAX_PANELS]:
        groups = []
        for modalities in story.modalities:
            row = story.find(protocol, story.normalise[0], modalities)
            if row:
                label = drawing.modality_label(modalities)
                groups.append({"label": label, "values": by_subject(story, row), **_score(row)})
        panels.append({"title": protocol, "groups": groups})
    return figures.per_subject([p for p in panels if p["groups"]], chance=story.chance, label=story.axis)


def by_subject(story: Story, row: Mapping[str, Any]) -> list[float]:
    """The page's score of each subject alone, mean over seeds."""
    values = subject_scores(story.predictions(row))[story.metric]
    return [float(v) for v in values if np.isfinite(v)]


def confusion(story: Story) -> Figure:
    """Trials or events by true class and answer, mean over seeds; all modalities, first normalisation."""
    panels = []
    for protocol, row in _main_rows(story):
        found = story.predictions(row)
        counts = metrics.confusion(found.label, found.answer, found.n_classes) / len(found.seeds)
        panels.append({"title": protocol, "counts": counts})
    return figures.confusion(panels, classes=story.run.classes)


def finest(story: Story) -> str:
    """What single predictions are of: windows, where there are any."""
    return "window" if any(row["level"] == "window" for row in story.rows) else story.level


def reliability(story: Story) -> Figure:
    """Stated probability against what came true, by window where there are windows."""
    level = finest(story)
    panels = []
    for protocol, row in _main_rows(story):
        found = story.predictions(row, level=level)
        ece = metrics.ece(found.label, found.probability, n_bins=10)
        confidence = found.probability.max(axis=1)
        panels.append(
            {"title": protocol, "confidence": confidence, "correct": found.answer == found.label, "ece": ece}
        )
    return figures.reliability(panels, n_bins=10)


def learning_curves(story: Story) -> Figure | None:
    """Loss and validation UAR of the page's model, a row of panels per protocol; first normalisation."""
    panels = []
    for protocol in story.protocols[:MAX_PANELS]:
        fits = [
            arrays
            for (p, n, m, _, _), arrays in sorted(story.run.curves.items())
            if (p, n, m) == (protocol, story.normalise[0], story.model)
        ]
        wanted = ("train_loss", "val_loss", "val_uar")
        if fits and all(name in arrays for arrays in fits for name in wanted):
            panels.append({"title": protocol, **{name: [a[name] for a in fits] for name in wanted}})
    return figures.learning_curves(panels, chance=story.chance) if panels else None


def topographies(story: Story) -> Figure | None:
    """What the model leaned on, band by band."""
    bands = story.run.bands
    if bands is None:
        return None
    return figures.topographies(
        np.asarray(bands["values"], float), bands=[str(b) for b in bands["bands"]],
        channels=[str(c) for c in bands["channels"]], label="mean |input × gradient|",
    )  # fmt: skip


def models(story: Story) -> Figure | None:
    """Every model, a panel per protocol; first normalisation. None where there is one model."""
    if len(story.models) < 2:
        return None
    panels = []
    for protocol in story.protocols[:MAX_PANELS]:
        rows = []
        for model in story.models:
            marks = [
                {"label": drawing.modality_label(m), **_score(row)}
                for m in story.modalities
                if (row := story.find(protocol, story.normalise[0], m, model=model))
            ]
            if marks:
                rows.append({"label": model.replace("_", " "), "marks": marks})
        if rows:
            panels.append({"title": protocol, "rows": rows})
    return figures.models(panels, chance=story.chance, label=story.axis) if panels else None


def _main_rows(story: Story) -> Iterator[tuple[str, dict[str, Any]]]:
    for protocol in story.protocols[:MAX_PANELS]:
        for modalities in story.modalities:
            row = story.find(protocol, story.normalise[0], modalities)
            if row:
                yield protocol, row
                break


def _score(row: Mapping[str, Any]) -> dict[str, float]:
    score = row["metrics"][row["controls"]["permuted"]["metric"]]
    return {name: score[name] for name in ("value", "low", "high")}


def _bar(row: Mapping[str, Any], label: str) -> dict[str, Any]:
    permuted, oracle = row["controls"]["permuted"], row["oracle"]
    return {
        "label": f"normalise: {label}",
        **_score(row),
        "chance_low": permuted["low"],
        "chance_high": permuted["high"],
        "oracle": oracle["value"] if oracle else None,
    }
