"""The training loop."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from mien.core import Batch, InputError, write_whole
from mien.train import _losses as losses
from mien.train._config import FitResult, TrainConfig
from mien.train._data import Streams
from mien.train._predict import all_logits, cpu_threads, evaluating, temperature_of
from mien.train._weights import read_tensors

EVALUATION_BATCH = 4096
HASHED_AT_ONCE = 2**24
"""Bytes of an array that are read together for its hash."""


def domain_alpha(progress: float) -> float:
    """Strength of the reversed gradient at a share of the training: 0 at 0, 0.9999 at 1.

    ``2 / (1 + exp(-10 progress)) - 1``, Ganin and Lempitsky, ICML 2015.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


def learning_rate(config: TrainConfig, share: float) -> float:
    """Step size when a share in [0, 1) of the training is done."""
    if config.schedule == "constant":
        return config.lr
    rise = config.warmup if config.schedule == "one_cycle" else 0.0
    if share < rise:
        return config.lr * max(share / rise, 0.01)
    return config.lr * 0.5 * (1 + math.cos(math.pi * (share - rise) / max(1 - rise, 1e-9)))


def loss_weights(
    label: NDArray[np.int64], weight: NDArray[np.float32], *, balanced: bool
) -> NDArray[np.float32]:
    """Weight of each sample in the class loss: mean 1 over labelled samples, 0 without a label.

    ``balanced`` makes the weights of every class that occurs sum to the same.
    """
    w = np.where(label >= 0, np.asarray(weight, np.float64), 0.0)
    if balanced and w.any():
        known = label >= 0
        total = np.bincount(label[known], weights=w[known])
        w[known] /= np.where(total > 0, total, 1.0)[label[known]]
    if not w.sum() > 0:
        raise InputError("no training sample has a label and a weight", remedy="check labels and selection")
    return (w * ((label >= 0).sum() / w.sum())).astype(np.float32)


def drop_streams(
    present: NDArray[np.bool_], probability: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Presence (samples, streams) after modality dropout.

    With the given probability a sample keeps only k of its m streams, k uniform in 1 … m - 1, which ones
    uniform; samples with a single stream keep it.
    """
    n, n_streams = present.shape
    m = present.sum(1)
    hit = rng.random(n) < probability
    keep = 1 + np.floor(rng.random(n) * np.maximum(m - 1, 1)).astype(int)
    score = np.where(present, rng.random((n, n_streams)), 2.0)
    rank = score.argsort(1).argsort(1)
    return present & (~(hit & (m > 1))[:, None] | (rank < keep[:, None]))


def deal(present: NDArray[np.bool_], batch_size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Rows of an epoch's batches, in random order; the samples of a batch have the same streams.

    A network then runs once over a batch instead of once for each set of streams in it. The samples of a set
    are dealt into batches of nearly equal size, so that no small one is left over.
    """
    pattern = present @ (1 << np.arange(present.shape[1]))
    batches = []
    for value in np.unique(pattern):
        rows = rng.permutation(np.flatnonzero(pattern == value))
        batches += np.array_split(rows, math.ceil(len(rows) / batch_size))
    return [batches[i] for i in rng.permutation(len(batches))]


@dataclass(kw_only=True)
class _Progress:
    """Where a training stands after an epoch, apart from weights and optimiser."""

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -math.inf
    finished: bool = False
    history: dict[str, list[float]] = field(default_factory=dict)


def _seed(config: TrainConfig, *parts: int) -> int:
    return int(np.random.SeedSequence([config.seed, *parts]).generate_state(1, np.uint64)[0] >> 1)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device {name!r}", expected="'auto', 'cpu', 'cuda' or 'cuda:<number>'") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {name!r}, but torch sees no GPU", remedy='use device="auto"')
    return device


def decay_per_step(config: TrainConfig, n_samples: int) -> float:
    """AdamW's coefficient such that decay alone shrinks weights by ``exp(-weight_decay)`` in all."""
    n_steps = config.epochs * math.ceil(n_samples / config.batch_size)
    mean_rate = config.lr * (1.0 if config.schedule == "constant" else 0.5)
    return config.weight_decay / (n_steps * mean_rate) if mean_rate > 0 else 0.0


def _optimiser(network: nn.Module, config: TrainConfig, n_samples: int) -> torch.optim.AdamW:
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        raise InputError("the network has no parameter to train")
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": decay_per_step(config, n_samples)},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.lr, fused=True)


def _snapshot(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


class _Checkpoint:
    """A training's state in one safetensors file, valid for one set of arguments only."""

    def __init__(self, path: Path, key: str, every: float) -> None:
        self.path, self.key, self.every = path, key, every
        self.written = time.monotonic()

    def save(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, best: Mapping[str, Tensor], at: _Progress
    ) -> None:
        """Write the state if enough time has passed, or if training is over."""
        if not at.finished and time.monotonic() - self.written < self.every:
            return
        tensors = {f"network.{k}": v for k, v in _snapshot(network).items()}
        tensors |= {f"best.{k}": v.clone() for k, v in best.items()}
        for name, parameter in network.named_parameters():
            for k, v in optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{k}.{name}"] = v.detach().cpu().clone()
        # one key only: safetensors writes several in no fixed order
        meta = {"mien": json.dumps({"key": self.key, **vars(at)}, sort_keys=True)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, save_tensors(tensors, metadata=meta))
        self.written = time.monotonic()

    def restore(
        self, network: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[dict[str, Tensor], _Progress] | None:
        """Put back what was saved; None where nothing was, or with other arguments."""
        if not self.path.exists():
            return None
        tensors = read_tensors(self.path)
        with safe_open(self.path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("mien", "{}"))
        if meta.pop("key", None) != self.key:
            return None
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}}
        parameters = dict(network.named_parameters())
        for name, value in tensors.items():
            what, rest = name.split(".", 1)
            if what == "optimiser":
                key, owner = rest.split(".", 1)
                parameter = parameters[owner]
                optimiser.state[parameter][key] = value.to(parameter.device)
            else:
                parts[what][rest] = value
        network.load_state_dict(parts["network"])
        return {name: parts["best"][name] for name in network.state_dict()}, _Progress(**meta)


def _add_array(digest: Any, array: NDArray[Any]) -> None:
    """Mix an array into a hash: all of it, or evenly spaced rows of a very large one."""
    digest.update(f"{array.dtype}{array.shape}".encode())
    if array.nbytes > 2**28:
        array = array[np.linspace(0, len(array) - 1, 256).astype(int)]
    rows = array if array.ndim else array.reshape(1)
    each = max(1, HASHED_AT_ONCE * len(rows) // max(rows.nbytes, 1))
    for first in range(0, len(rows), each):
        digest.update(np.ascontiguousarray(rows[first : first + each]).data)


def _key(network: nn.Module, train: Batch, val: Batch | None, config: TrainConfig) -> str:
    """Hash of all that decides how a training goes."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([config.as_dict(), type(network).__qualname__], sort_keys=True).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        _add_array(digest, value.detach().cpu().numpy())
    digest.update(str([p.requires_grad for p in network.parameters()]).encode())
    for batch in (train, val):
        if batch is None:
            digest.update(b"none")
            continue
        digest.update("\n".join(batch.ids).encode())
        for array in (batch.label, batch.domain, batch.weight):
            _add_array(digest, array)
        for name in batch.inputs:
            digest.update(name.encode())
            _add_array(digest, batch.inputs[name])
            _add_array(digest, batch.present[name])
    return digest.hexdigest()


class _Training:
    """The tensors and settings that stay the same through a training."""

    def __init__(self, network: nn.Module, train: Batch, config: TrainConfig, device: torch.device) -> None:
        self.network, self.config, self.device = network, config, device
        self.data = Streams(train, device=device)
        self.label = torch.from_numpy(train.label).to(device)
        self.domain = torch.from_numpy(train.domain).to(device)
        weight = loss_weights(train.label, train.weight, balanced=config.class_weights == "balanced")
        self.weight = torch.from_numpy(weight).to(device)
        self.trained = [p for p in network.parameters() if p.requires_grad]
        self.alternating = config.modality_dropout > 0 and len(self.data.names) > 1
        if config.domain_weight and not (train.domain >= 0).any():
            raise InputError("a domain loss was asked for, but no training sample has a domain")

    def batches(self, epoch: int) -> tuple[list[Tensor], Tensor | None]:
        """Row numbers of one epoch's batches, and the presence after modality dropout (None: as it is)."""
        rng = np.random.default_rng(_seed(self.config, epoch, 0))
        present = self.data.present.numpy()
        if self.alternating:
            present = drop_streams(present, self.config.modality_dropout, rng)
        dealt = [torch.from_numpy(rows) for rows in deal(present, self.config.batch_size, rng)]
        return dealt, torch.from_numpy(present) if self.alternating else None

    def class_loss(self, out: Any, label: Tensor, present: Mapping[str, Tensor] | None) -> Tensor:
        """Class loss of each sample, with that of what the network says from single streams."""
        config = self.config
        gamma = config.focal_gamma if config.loss == "focal" else 0.0
        smoothing = config.label_smoothing
        if config.loss == "released":
            features = out.stream_features
            each = losses.released(
                out.logits,
                label,
                features=features,
                present=present,
                centres=self.centres(out) if features else None,
                smoothing=smoothing,
            )
        elif gamma:
            each = losses.focal(out.logits, label, gamma=gamma, smoothing=smoothing)
        else:
            each = F.cross_entropy(out.logits, label, reduction="none", label_smoothing=smoothing)
        if config.auxiliary_weight and out.auxiliary_logits:
            each = each + config.auxiliary_weight * losses.auxiliary(
                out.auxiliary_logits, label, present=present, gamma=gamma, smoothing=smoothing
            )
        if config.alignment_weight and out.stream_features:
            each = each + config.alignment_weight * losses.alignment(
                out.stream_features, label, present=present, temperature=config.alignment_temperature
            )
        return each

    def centres(self, out: Any) -> Tensor:
        """Centres (classes, width) of the released loss: normal numbers, the same in every step."""
        width = next(iter(out.stream_features.values())).shape[1]
        generator = torch.Generator().manual_seed(_seed(self.config, 2))
        return torch.randn(out.logits.shape[1], width, generator=generator).to(out.logits)

    def loss(
        self, index: Tensor, inputs: dict[str, Tensor], present: dict[str, Tensor] | None, share: float
    ) -> Tensor:
        """Class loss plus domain loss of a batch, at a share of the training in [0, 1)."""
        config = self.config
        out = self.network(inputs, present, alpha=domain_alpha(share) if config.domain_weight else 0.0)
        each = self.class_loss(out, self.label[index].clamp_min(0), present)
        loss = (each * self.weight[index]).mean()
        if config.domain_weight:
            if out.domain_logits is None:
                raise InputError(
                    "a domain loss was asked for, but the network has no domain head",
                    remedy="create the network with n_domains",
                )
            # torch spreads s over all D classes; s = e/E is the published (D-1)/D * e/E over the other D-1
            smoothing = share if config.domain_smoothing == "released" else 0.0
            domain = self.domain[index]
            each = F.cross_entropy(
                out.domain_logits, domain, reduction="none", ignore_index=-1, label_smoothing=smoothing
            )
            loss = loss + config.domain_weight * each.sum() / (domain >= 0).sum().clamp_min(1)
        return loss

    def epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> float:
        """One pass over the training samples; mean loss."""
        config = self.config
        self.network.train()
        torch.manual_seed(_seed(config, epoch, 1))
        total = torch.zeros((), device=self.device)
        batches, kept = self.batches(epoch)
        for number, rows in enumerate(batches):
            inputs, present = self.data.rows(rows, kept)
            index = rows.to(self.device)
            rate = learning_rate(config, (epoch + number / len(batches)) / config.epochs)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = self.loss(index, inputs, present, epoch / config.epochs)
            optimiser.zero_grad(set_to_none=True)
            # a set of streams that few samples have makes a small batch: it weighs less
            (loss * (len(index) * len(batches) / self.data.n)).backward()
            if config.clip:
                nn.utils.clip_grad_norm_(self.trained, config.clip)
            optimiser.step()
            total += loss.detach() * len(index)
        return float(total) / self.data.n


class _Validation:
    """The validation samples and how a network does on them."""

    def __init__(self, network: nn.Module, val: Batch, config: TrainConfig, device: torch.device) -> None:
        if not len(val) or not (val.label >= 0).any():
            raise InputError("no validation sample has a label", remedy="pass val=None to train without")
        self.network, self.batch = network, val
        self.data = Streams(val, device=device)
        self.known = torch.from_numpy(np.flatnonzero(val.label >= 0)).to(device)
        self.label = torch.from_numpy(val.label).to(device)[self.known]
        weight = loss_weights(val.label, val.weight, balanced=config.class_weights == "balanced")
        self.weight = torch.from_numpy(weight).to(device)[self.known]

    def logits(self) -> Tensor:
        with evaluating(self.network):
            return all_logits(self.network, self.data, batch_size=EVALUATION_BATCH)

    def scores(self) -> tuple[float, float]:
        """Weighted log loss, and the mean over classes of the share of samples that are right."""
        logits = self.logits()[self.known]
        each = F.cross_entropy(logits, self.label, reduction="none")
        right = (logits.argmax(1) == self.label).float()
        n = torch.bincount(self.label).clamp_min(0)
        hits = torch.bincount(self.label, weights=right)
        loss, uar = torch.stack([(each * self.weight).mean(), (hits[n > 0] / n[n > 0]).mean()]).tolist()
        return loss, uar

    def temperature(self) -> float:
        return temperature_of(self.logits().cpu().numpy(), self.batch.label, self.batch.weight)


def fit(
    network: nn.Module,
    train: Batch,
    val: Batch | None,
    config: TrainConfig,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 2.0,
    progress: Callable[[int, int], None] | None = None,
) -> FitResult:
    """Train a network.

    The network is trained in place and is left, in evaluation mode and on the CPU, with the weights of the
    chosen epoch. On the CPU the same arguments give the same bytes; the global random state and the number
    of threads are left as they were.

    Parameters
    ----------
    network
        Any network of :mod:`mien.models`, with its first weights.
    train
        Training samples. A sample counts as ``batch.weight`` times its class weight; without a label it
        counts for the domain loss only.
    val
        Samples that choose the epoch and the temperature (never test samples), or None: all epochs are run,
        the last one is chosen, the temperature is 1.
    config
        All else.
    checkpoint
        File to which the state is written as training goes, at most every ``checkpoint_seconds`` and at the
        end. Called again with the same arguments, a killed training goes on from there and ends with the
        bytes it would have had; a finished one is read back. A checkpoint of other arguments is ignored and
        replaced.
    progress
        Called with (epochs done, epochs at most) after each.

    Returns
    -------
    FitResult
    """
    device = _device(config.device)
    if not len(train):
        raise InputError("there are no training samples")
    saved = None
    if checkpoint is not None:
        saved = _Checkpoint(Path(checkpoint), _key(network, train, val, config), checkpoint_seconds)
    forked = [device.index or 0] if device.type == "cuda" else []
    with cpu_threads(config.threads), torch.random.fork_rng(devices=forked):
        network.to(device)
        training = _Training(network, train, config, device)
        validation = None if val is None else _Validation(network, val, config, device)
        optimiser = _optimiser(network, config, len(train))
        restored = saved.restore(network, optimiser) if saved else None
        names = ["train_loss"] if validation is None else ["train_loss", "val_loss", "val_uar"]
        best, at = restored or ({}, _Progress(history={name: [] for name in names}))
        while not at.finished:
            values = [training.epoch(at.epoch, optimiser)]
            at.epoch += 1
            score = float(at.epoch)
            if validation is not None:
                values += validation.scores()
                by = {"val_loss": -values[1], "val_uar": values[2], "last": score}
                score = by[config.monitor]
            for name, value in zip(names, values, strict=True):
                at.history[name].append(value)
            if score > at.best_score:
                at.best_score, at.best_epoch, best = score, at.epoch, _snapshot(network)
            if not math.isfinite(values[0]):
                raise InputError(
                    f"the training loss is {values[0]} in epoch {at.epoch}",
                    remedy="look for NaN or huge values in the inputs, or lower lr",
                )
            tired = config.patience and at.epoch - at.best_epoch >= config.patience
            at.finished = at.epoch >= config.epochs or bool(tired)
            if saved:
                saved.save(network, optimiser, best, at)
            if progress:
                progress(at.epoch, config.epochs)
        network.load_state_dict(best)
        temperature = 1.0 if validation is None else validation.temperature()
        network.to("cpu").eval()
    return FitResult(
        state=best,
        history=at.history,
        best_epoch=at.best_epoch,
        temperature=temperature,
        n_parameters=sum(p.numel() for p in training.trained),
    )
