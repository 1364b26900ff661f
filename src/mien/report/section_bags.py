"""Which instances of its bags a network chose: pictures of a face, as a strip for each example."""

from __future__ import annotations

from mien.report import bag_figures, drawing
from mien.report.bag_examples import Bags
from mien.report.blocks import Markup, figure, paragraph, prose
from mien.report.panels import Story
from mien.report.words import percent


def bags(story: Story) -> str:
    """Strips of some bags and the spread of weight over all; nothing where the network had no bags."""
    found = story.run.bags
    if found is None:
        return ""
    made_up = bool(story.run.record["dataset"].get("simulated"))
    return (
        paragraph(_what(story, found))
        + _pictures(found, made_up=made_up)
        + _strips(story, found)
        + figure(
            bag_figures.shares(found),
            name="bag-shares",
            alt="Mean weight of the instances of a bag by their place in it and by rank, "
            "and how often each place was chosen.",
            caption=f"Over {found.n:,} tested bags, all seeds. By place: none should matter by itself, "
            "unless expressions come at a certain moment of a window. By rank: how much of an answer rests "
            "on the heaviest instance, the second, and so on.",
        )
    )


def _what(story: Story, found: Bags) -> str:
    n = len(found.by_position)
    text = (
        f"`{story.model}` weighs the {n} instances of each bag (`{found.stream}`). Over all bags that were "
        f"tested under `{found.protocol}` the heaviest instance has {percent(found.by_rank[0])} % of the "
        f"weight on average, where {percent(1 / n)} % would be an even share."
    )
    if found.recall is None or found.recall_by_luck is None:
        return text
    return text + (
        " In these made-up data it is known which instances show an expression: "
        f"{percent(found.recall)} % of them are among the chosen, where as many drawn at random would hold "
        f"{percent(found.recall_by_luck)} %."
    )


def _pictures(found: Bags, *, made_up: bool) -> str:
    """A line on whether there are pictures, and whose."""
    if found.pictures == "withheld":
        return paragraph(
            "There are weights below and no pictures: a face says who somebody is, so that pictures of "
            "people are written only if the study asks for it, with `faces = true` under `[report]`.",
            kind="note",
        )
    if found.pictures == "none":
        return paragraph("The instances are not pictures that could be shown.", kind="note")
    if made_up:
        return paragraph("The faces are drawn by a program and show nobody.", kind="note")
    text = prose(
        "This page shows faces of people who took part, because the study says `faces = true` under "
        "`[report]`. Keep it, and `figures/bags.npz` of the run folder, as you keep their recordings."
    )
    return Markup(f'<div class="banner" role="note">{text}</div>')


def _strips(story: Story, found: Bags) -> str:
    if not found.examples:
        return paragraph("No tested bag had a label, so there is no example.")
    known = found.examples[0].shown is not None
    nothing = found.chosen is None
    return figure(
        bag_figures.strips(found.examples, classes=story.run.classes),
        name="bags",
        alt="Instances of some tested bags in a row each, with the weight of each instance as a bar, the "
        "chosen ones in a frame, and the true class and the answer beside them.",
        caption="Instances in the order of time, under each its weight (one scale for all rows). "
        + ("Nothing is chosen by this network. " if nothing else "Framed and orange: chosen. ")
        + ("A dot: shows an expression. " if known else "")
        + f"Answer with {drawing.modality_label(found.modalities)}, first seed, "
        f"normalise = `{found.normalise}`. Which examples stand here was settled before anything was "
        f"predicted: of each class ({', '.join(story.run.classes)}) the first two tested bags by a hash of "
        "their ids, of two people where there are.",
    )
