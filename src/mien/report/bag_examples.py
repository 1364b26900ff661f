"""``bags.npz`` of a run folder: which instances of its bags a network chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError

PICTURES = ("kept", "withheld", "none")


@dataclass(frozen=True, kw_only=True, eq=False)
class BagExample:
    """One bag that was tested.

    Attributes
    ----------
    sample, subject
        Ids.
    label
        The true class.
    probability
        (classes,).
    attention
        (instances,): the weight of each.
    selected, present, shown
        Boolean (instances,): which were chosen, which are there, which show an expression (made-up data; None
        where nobody knows).
    pictures
        uint8 (instances, 3, height, width), or None.
    """

    sample: str
    subject: str
    label: int
    probability: NDArray[np.float64]
    attention: NDArray[np.float64]
    selected: NDArray[np.bool_]
    present: NDArray[np.bool_]
    shown: NDArray[np.bool_] | None
    pictures: NDArray[np.uint8] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Bags:
    """What a network did with the bags of one stream, over all that were tested under one protocol.

    Attributes
    ----------
    stream, modalities, protocol, normalise
        The stream, the streams that the network was given, and the protocol and scaling.
    pictures
        ``"kept"``; ``"withheld"``, as they would show people; or ``"none"``, where bags are not of pictures.
    n
        Number of answers: bags, once for each seed.
    by_position, by_rank
        (instances,): mean weight by place in the bag, and of the largest, the second, and so on.
    chosen
        (instances,): share of the bags in which an instance was chosen; None where nothing is chosen.
    recall, recall_by_luck
        Of the instances that show an expression, the share that was chosen, and the share that as many
        instances drawn at random would have; None where it is not known which do.
    examples
        Some bags.
    """

    stream: str
    modalities: str
    protocol: str
    normalise: str
    pictures: str
    n: int
    by_position: NDArray[np.float64]
    by_rank: NDArray[np.float64]
    chosen: NDArray[np.float64] | None
    recall: float | None
    recall_by_luck: float | None
    examples: tuple[BagExample, ...]


def bags_of(arrays: Mapping[str, NDArray[Any]], *, file: Path, classes: Sequence[str]) -> Bags | None:
    """What the arrays of ``bags.npz`` say; None where there are none.

    Raises
    ------
    InputError
        An array is missing, or not what docs/run-folder.md says of it.
    """
    if not arrays:
        return None
    words = ("stream", "modalities", "protocol", "normalise", "pictures")
    lacking = {*words, "n", "by_position", "by_rank"} - set(arrays)
    several = {"sample", "subject", "label", "probability", "attention", "selected", "present"}
    lacking |= (several - set(arrays)) if several & set(arrays) else set()
    if lacking:
        raise InputError(f"lacks {', '.join(sorted(lacking))}", file=file, remedy=_RERUN)
    n = len(np.atleast_1d(arrays["by_position"]))
    k = len(arrays["sample"]) if "sample" in arrays else 0
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("by_position", "by_rank", "chosen"), (n,)),
        **dict.fromkeys(("attention", "selected", "present", "shown"), (k, n)),
        **dict.fromkeys(("subject", "label"), (k,)),
        "probability": (k, len(classes)),
    }
    for name, shape in shapes.items():
        if name in arrays and arrays[name].shape != shape:
            raise InputError(
                f"{name} of shape {arrays[name].shape}", file=file, expected=f"{shape}", remedy=_RERUN
            )
    for name in ("by_position", "by_rank", "attention", "probability"):
        if name in arrays and not np.isfinite(arrays[name]).all():
            raise InputError(f"{name}: some values are no numbers", file=file, remedy=_RERUN)
    if k and not ((arrays["label"] >= 0) & (arrays["label"] < len(classes))).all():
        raise InputError("labels of no class", file=file, expected=f"0 to {len(classes) - 1}", remedy=_RERUN)
    crops = arrays.get("crops")
    if crops is not None and (
        crops.dtype != np.uint8 or crops.ndim != 5 or crops.shape[:3] != (k, n, 3) or 0 in crops.shape
    ):
        raise InputError(
            f"crops of shape {crops.shape} and type {crops.dtype}",
            file=file,
            expected=f"uint8 ({k}, {n}, 3, height, width)",
            remedy=_RERUN,
        )
    if str(arrays["pictures"]) not in PICTURES:
        raise InputError(
            f"pictures are {str(arrays['pictures'])!r}", file=file, expected=" or ".join(map(repr, PICTURES))
        )
    return Bags(
        **{name: str(arrays[name]) for name in words},
        n=int(arrays["n"]),
        by_position=arrays["by_position"].astype(np.float64),
        by_rank=arrays["by_rank"].astype(np.float64),
        chosen=arrays["chosen"].astype(np.float64) if "chosen" in arrays else None,
        recall=float(arrays["recall"]) if "recall" in arrays else None,
        recall_by_luck=float(arrays["recall_by_luck"]) if "recall_by_luck" in arrays else None,
        examples=tuple(_example(arrays, i) for i in range(k)),
    )


_RERUN = "run the study again (mien run)"


def _example(arrays: Mapping[str, NDArray[Any]], i: int) -> BagExample:
    return BagExample(
        sample=str(arrays["sample"][i]),
        subject=str(arrays["subject"][i]),
        label=int(arrays["label"][i]),
        probability=arrays["probability"][i].astype(np.float64),
        attention=arrays["attention"][i].astype(np.float64),
        selected=arrays["selected"][i].astype(bool),
        present=arrays["present"][i].astype(bool),
        shown=arrays["shown"][i].astype(bool) if "shown" in arrays else None,
        pictures=arrays["crops"][i] if "crops" in arrays else None,
    )
