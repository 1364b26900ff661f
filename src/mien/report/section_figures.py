"""Sections of a run's page that are figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mien.report import drawing, panels
from mien.report.blocks import figure
from mien.report.panels import Story, spoken
from mien.report.words import capital

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison(story: Story) -> str:
    """Every condition of the page's model, the strict protocol beside the lax one, and every model."""
    score, level = spoken(story.metric), story.level
    oracle = " A red line is the matching oracle." if any(r["oracle"] for r in story.plain) else ""
    pair = story.pair()
    return figure(
        panels.comparison(story),
        name="comparison",
        alt=f"Bars of the {score} by {level} of {story.model}, for each subset of signals and protocol.",
        caption=f"{capital(score)} of `{story.model}` by {level}, with 95 % intervals. The dashed line is "
        "uniform chance, the grey band the interval of the same answers against labels permuted over "
        f"clips.{oracle}",
    ) + figure(
        panels.dumbbells(story),
        name="pair",
        alt=f"{capital(score)} under the strict and the lax protocol, joined by a line for each condition.",
        caption=f"`{pair[0]}` beside `{pair[1]}`. The length of a line is what it is worth to have seen "
        "the clips in training, and more of them." if pair else "",
    ) + figure(
        panels.models(story),
        name="models",
        alt=f"{capital(score)} by {level} of every model under each protocol.",
        caption=f"Every model of the run, normalise = `{story.normalise[0]}`, with 95 % intervals.",
    )  # fmt: skip


_FIGURES: dict[str, tuple[Callable[[Story], Figure | None], str, str]] = {
    "subjects": (
        panels.per_subject,
        "A dot for the {score} of each subject, with the pooled accuracy and its interval.",
        "{Score} of {model} by {level} for each subject, normalise = {normalise}; the diamond is the pooled "
        "score with its 95 % interval.{own}",
    ),
    "confusion": (
        panels.confusion,
        "Confusion matrix of {level}s for each protocol; rows are true classes.",
        "{Level}s, {model} with {signals}, normalise = {normalise}{seeds}. Shade: share of the row. Numbers: "
        "{level}s.",
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
        "{model}, normalise = {normalise}, by {finest}. On the dashed line a stated 60 % is right 60 % of "
        "the time; below it the model is overconfident. ECE: expected calibration error, ten bins. Dots grow "
        "with the number of {finest}s; bins with less than 1 % of them are left out.",
    ),
}
"""Sections that are one figure: what draws it, its text for those who do not see it, its caption."""


def drawn(story: Story, name: str) -> str:
    """A section that is one figure, or nothing."""
    draw, alt, caption = _FIGURES[name]
    score = spoken(story.metric)
    own = " A subject's own is taken over the classes that this subject has events of."
    words_of = {
        "model": f"`{story.model}`",
        "normalise": f"`{story.normalise[0]}`",
        "signals": drawing.modality_label(story.modalities[0]),
        "score": score,
        "Score": capital(score),
        "level": story.level,
        "Level": capital(story.level),
        "finest": panels.finest(story),
        "own": own if story.metric != "accuracy" else "",
        "seeds": ", mean over seeds" if len(story.run.record["seeds"]) > 1 else "",
    }
    return figure(draw(story), name=name, alt=alt.format(**words_of), caption=caption.format(**words_of))
