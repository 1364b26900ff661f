"""What a model of events leans on: places on the face, moments of the EEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.report import drawing, event_figures
from mien.report.blocks import figure, paragraph
from mien.report.panels import Story
from mien.report.run_folder import Saliency, _npz
from mien.report.words import capital

MAPS = {"u": "sideways", "v": "up and down", "h": "sideways", "strain": "strain", "apex": "apex frame"}
"""The maps that a face is turned into, in words."""


def saliency(story: Story) -> str:
    """A figure for every stream that is maps of a face, or measures second by second; nothing where there is
    none."""
    parts = [_face(name, found) for name, found in story.run.saliency.items()]
    parts += [_measures(file) for file in sorted((story.run.path / "figures").glob("course_*.npz"))]
    if not parts:
        return ""
    return paragraph(
        f"Mean |input × gradient| of the true class's logit of `{story.model}` over the test samples of all "
        "folds of the first protocol. It shows what the model used: not whether it was right to, and not "
        "where an emotion arises."
    ) + "".join(parts)


def course(story: Story) -> str:
    """The importance of the EEG over an event's windows; nothing where there is one window."""
    bands = story.run.bands
    if bands is None or "windows" not in bands:
        return ""
    return figure(
        event_figures.course(np.asarray(bands["windows"], np.float64)),
        name="course",
        alt="How much the answer depends on each window of the EEG, in the order of time.",
        caption="The same over time, summed over channels and bands.",
    )


def _measures(file: Path) -> str:
    found, stream = _npz(file), file.stem.removeprefix("course_")
    return figure(
        event_figures.measures(
            np.asarray(found["values"], np.float64), names=[str(m) for m in found["measures"]]
        ),
        name=f"course-{stream}",
        alt="A field for each measure and second, shaded by how much the answer depends on it.",
        caption=f"{capital(drawing.modality_label(stream))}: each measure, second by second.",
    )


def _face(stream: str, found: Saliency) -> str:
    ground = (
        "The face below is the mean of the aligned apex frames of many people, not a person."
        if found.face is not None
        else "There is no mean face to draw on: too few people, or no frame among the maps."
    )
    by_class = " Below: all maps together, for the events of each class, each on its own scale."
    return figure(
        event_figures.face(
            {MAPS.get(name, name): values for name, values in zip(found.maps, found.values, strict=True)},
            {word: values.sum(axis=0) for word, values in found.classes.items()},
            mean_face=found.face,
        ),
        name=f"face-{stream}",
        alt="Maps of the face for each input and class, shaded by how much the answer depends on a place.",
        caption=f"{drawing.modality_label(stream)}: each map that the model is given, on one scale. "
        "Sideways, up and down: motion from onset to apex; strain: how much the skin is stretched; apex "
        f"frame: what is seen.{by_class if found.classes else ''} Blurred by a 64th of the height. {ground}",
    )
