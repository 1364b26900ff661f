"""What is classified, who is held out, and what goes into a model and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core._check import require, require_text

HELD_OUT = ("subject", "stimulus", "session", "trial", "event")
"""What a protocol can promise to keep out of training."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One thing to be classified. ``event`` is None where the sample is not tied to an event."""

    id: str
    trial: str
    subject: str
    session: str
    stimulus: str
    event: str | None = None
    label: int | None = None
    start: float | None = None
    duration: float | None = None

    def __post_init__(self) -> None:
        require_text(self, "id", "trial", "subject", "session", "stimulus")


@dataclass(frozen=True, kw_only=True)
class Split:
    """One fold: ids of the samples to train on, to choose by, and to test on.

    ``held_out`` maps what the fold keeps out of training and validation (any of :data:`HELD_OUT`) to the
    values it tests on; ``unit`` is what was dealt out whole (``"trial"``; ``"window"`` for leaky protocols).
    """

    fold: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    held_out: Mapping[str, tuple[str, ...]]
    unit: str

    def __post_init__(self) -> None:
        require_text(self, "fold", "unit")
        unknown = set(self.held_out) - set(HELD_OUT)
        require(not unknown, f"held_out has unknown keys {sorted(unknown)}; known: {HELD_OUT}")
        for name in ("train", "val", "test"):
            ids = getattr(self, name)
            require(len(set(ids)) == len(ids), f"fold {self.fold}: ids repeat in {name}")
        require(bool(self.train) and bool(self.test), f"fold {self.fold}: train and test must not be empty")


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Samples as arrays, ready for a model.

    Attributes
    ----------
    ids
        Sample ids, one per row.
    inputs
        Stream name to array (samples, …); rows of absent samples hold zeros.
    present
        Stream name to boolean (samples,): the presence mask.
    label
        Integers (samples,), -1 where unknown.
    domain
        Integers (samples,) numbering the training subjects, -1 for any other; for adversarial heads.
    weight
        float32 (samples,), the loss weight of each.
    """

    ids: tuple[str, ...]
    inputs: Mapping[str, NDArray[Any]]
    present: Mapping[str, NDArray[np.bool_]]
    label: NDArray[np.int64]
    domain: NDArray[np.int64]
    weight: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.ids)
        require(set(self.inputs) == set(self.present), "inputs and present must name the same streams")
        for name in ("label", "domain", "weight"):
            require(getattr(self, name).shape == (n,), f"{name} must have shape ({n},)")
        for name, array in self.inputs.items():
            require(array.shape[0] == n, f"{name}: {array.shape[0]} rows for {n} ids")
            require(
                self.present[name].shape == (n,) and self.present[name].dtype == np.bool_,
                f"present[{name!r}] must be boolean of shape ({n},)",
            )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Class probabilities (samples, classes) for the named samples."""

    ids: tuple[str, ...]
    probabilities: NDArray[np.floating]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        require(
            self.probabilities.shape == (len(self.ids), len(self.classes)),
            f"probabilities must have shape ({len(self.ids)}, {len(self.classes)}), "
            f"got {self.probabilities.shape}",
        )
