"""What a training is told, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mien.core import InputError, UnknownNameError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Options of :func:`mien.train.fit`, plain values only.

    Attributes
    ----------
    epochs, batch_size
        Most passes over the training samples, and most samples a step. The samples of a batch have the same
        streams; those of each set of streams are dealt into batches of nearly equal size.
    lr, weight_decay
        AdamW's step size, and how far decay alone shrinks the weights over the whole training: by
        ``exp(-weight_decay)``, whatever the number of steps and their size. Vectors (norms, biases, scales)
        are not decayed.
    schedule
        ``"cosine"`` falls from ``lr`` to 0; ``"one_cycle"`` rises linearly over the share ``warmup`` of the
        steps first; ``"constant"``.
    clip
        Largest norm of the gradient, 0 for no limit.
    class_weights
        ``"balanced"``: every class of the training labels counts the same in the loss; ``"none"``.
    label_smoothing
        Share of the class target that is spread evenly.
    loss
        Of the class scores: ``"cross_entropy"``; ``"focal"``, which counts a sample the less the surer the
        network is of it; ``"released"``, the sum of cross-entropy, contrastive and centre term of the code of
        MEs-EEG (with ``class_weights="none"`` and ``label_smoothing=0`` as published).
    focal_gamma
        Exponent of the focal loss; 0 is the cross-entropy.
    auxiliary_weight
        Weight of the losses of what a network says from one stream alone, where it tells.
    alignment_weight, alignment_temperature
        Weight of the supervised contrastive loss between the streams of a sample, where the network tells
        their features, 0 for none; and what its similarities are divided by.
    modality_dropout
        Probability that a training sample loses a random, never the whole, part of the streams it has.
    domain_weight
        Weight of the domain loss, 0 for none. The reversed gradient grows with the epoch e of E as
        ``2 / (1 + exp(-10 e / E)) - 1``.
    domain_smoothing
        ``"none"``, or ``"released"``: the true domain's target falls from 1 to 1/D over the epochs, as the
        published code has it, which takes back what the growing gradient adds.
    monitor
        What chooses the epoch: ``"val_loss"`` or ``"val_uar"`` on the validation samples; ``"last"`` takes
        the last one, for validation sets too small to tell epochs apart (the temperature still fits them).
    patience
        Epochs without improvement after which training stops, 0 to run all of them.
    seed
        Of batches, dropout and modality dropout. The first weights are the network's own matter.
    threads
        CPU threads; other numbers give other last digits.
    device
        ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
    """

    epochs: int = 12
    batch_size: int = 256
    lr: float = 2e-3
    weight_decay: float = 1.0
    schedule: Literal["cosine", "one_cycle", "constant"] = "one_cycle"
    warmup: float = 0.2
    clip: float = 1.0
    class_weights: Literal["balanced", "none"] = "balanced"
    label_smoothing: float = 0.1
    loss: Literal["cross_entropy", "focal", "released"] = "cross_entropy"
    focal_gamma: float = 2.0
    auxiliary_weight: float = 0.5
    alignment_weight: float = 0.0
    alignment_temperature: float = 0.1
    modality_dropout: float = 0.3
    domain_weight: float = 0.0
    domain_smoothing: Literal["none", "released"] = "none"
    monitor: Literal["val_loss", "val_uar", "last"] = "val_loss"
    patience: int = 0
    seed: int = 0
    threads: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        words = {
            "schedule": ("cosine", "one_cycle", "constant"),
            "class_weights": ("balanced", "none"),
            "loss": ("cross_entropy", "focal", "released"),
            "domain_smoothing": ("none", "released"),
            "monitor": ("val_loss", "val_uar", "last"),
        }
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        bounds: dict[str, tuple[float, float]] = {
            "epochs": (1, 1e9),
            "batch_size": (1, 1e9),
            "threads": (1, 1e4),
            "patience": (0, 1e9),
            "seed": (0, 2**63),
            "lr": (0, 1e3),
            "weight_decay": (0, 1e3),
            "clip": (0, 1e9),
            "domain_weight": (0, 1e3),
            "warmup": (0, 1),
            "label_smoothing": (0, 1),
            "focal_gamma": (0, 100),
            "auxiliary_weight": (0, 1e3),
            "alignment_weight": (0, 1e3),
            "alignment_temperature": (1e-3, 1e3),
            "modality_dropout": (0, 1),
        }
        wrong = [
            f"{name} = {getattr(self, name)!r} is not in [{low:g}, {high:g}]"
            for name, (low, high) in bounds.items()
            if not low <= getattr(self, name) <= high
        ]
        if wrong:
            raise InputError("; ".join(wrong))

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name; ``TrainConfig(**config.as_dict())`` is the same configuration."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitResult:
    """What came of a training.

    Attributes
    ----------
    state
        State dict of the chosen epoch, on the CPU.
    history
        ``train_loss`` and, with validation samples, ``val_loss`` and ``val_uar``: one value an epoch.
    best_epoch
        The chosen epoch, counted from 1.
    temperature
        What to divide logits by so that probabilities fit the validation samples; 1 without any.
    n_parameters
        Numbers in the network that were trained.
    """

    state: Mapping[str, torch.Tensor]
    history: Mapping[str, list[float]]
    best_epoch: int
    temperature: float
    n_parameters: int
