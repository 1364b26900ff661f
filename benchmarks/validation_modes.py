"""What the four ways of validating under loso_stimulus choose: the table in docs/protocols.md.

Made-up windows of 8 subjects and 28 clips of seven classes: subject offset, clip fingerprint (as strong as
the class pattern, or twice as strong), class pattern and noise, 24 numbers each. A small network is trained
on each fold; epoch and temperature are chosen on the fold's validation samples. Scores of the pooled test
windows, mean over two seeds. NLL: negative log-likelihood in nats.

Run: python benchmarks/validation_modes.py
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import torch
from _machine import describe
from torch import nn

from mien import metrics, protocols, train
from mien.core import Batch, Sample
from mien.protocols.loso_stimulus import VALIDATION

N_SUBJECTS, N_CLIPS, N_CLASSES, N_WINDOWS, N_NUMBERS = 8, 28, 7, 4, 24
PATTERN, OFFSET, NOISE = 0.5, 1.0, 2.0
SEEDS = (0, 1)


class Small(nn.Module):
    """One hidden layer with dropout, called as the networks of mien are."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(N_NUMBERS, 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, N_CLASSES)
        )

    def forward(self, inputs: dict[str, torch.Tensor], *_: object, **__: object) -> SimpleNamespace:
        """Class scores of the stream ``eeg``."""
        return SimpleNamespace(logits=self.layers(inputs["eeg"]), domain_logits=None)


def make_data(*, fingerprint: float, seed: int) -> tuple[list[Sample], np.ndarray]:
    """Samples and their numbers (windows, numbers); ``fingerprint`` in units of the class pattern."""
    rng = np.random.default_rng([seed, 7])
    pattern = rng.normal(scale=PATTERN, size=(N_CLASSES, N_NUMBERS))
    offset = rng.normal(scale=OFFSET, size=(N_SUBJECTS, N_NUMBERS))
    clip = rng.normal(scale=PATTERN * fingerprint, size=(N_CLIPS, N_NUMBERS))
    samples, rows = [], []
    for s in range(N_SUBJECTS):
        for c in range(N_CLIPS):
            for w in range(N_WINDOWS):
                trial = f"s{s}c{c}"
                samples.append(
                    Sample(
                        id=f"{trial}w{w}", trial=trial, subject=str(s), session="1", stimulus=str(c),
                        label=c % N_CLASSES,
                    )
                )  # fmt: skip
                rows.append(offset[s] + clip[c] + pattern[c % N_CLASSES])
    return samples, np.array(rows) + rng.normal(scale=NOISE, size=(len(rows), N_NUMBERS))


def batch_of(samples: Sequence[Sample], values: np.ndarray, rows: np.ndarray, fitted: np.ndarray) -> Batch:
    """Some rows, scaled by the mean and spread of the rows ``fitted``."""
    scaled = (values[rows] - values[fitted].mean(0)) / values[fitted].std(0)
    return Batch(
        ids=tuple(samples[i].id for i in rows),
        inputs={"eeg": scaled.astype(np.float32)},
        present={"eeg": np.ones(len(rows), bool)},
        label=np.array([samples[i].label for i in rows], np.int64),
        domain=np.full(len(rows), -1, np.int64),
        weight=np.ones(len(rows), np.float32),
    )


def run(mode: str, *, fingerprint: float, seed: int) -> tuple[float, float, float]:
    """Test UAR and NLL of all folds together, and the mean chosen epoch."""
    samples, values = make_data(fingerprint=fingerprint, seed=seed)
    row_of = {s.id: i for i, s in enumerate(samples)}
    label, probability, epochs = [], [], []
    for number, split in enumerate(protocols.create("loso_stimulus", val=mode).splits(samples, seed)):
        rows = [np.array([row_of[i] for i in ids]) for ids in (split.train, split.val, split.test)]
        learn, choose, test = (batch_of(samples, values, r, rows[0]) for r in rows)
        torch.manual_seed(1000 * seed + number)
        network = Small()
        config = train.TrainConfig(
            epochs=30, batch_size=128, lr=5e-3, schedule="constant", label_smoothing=0.0, patience=5,
            seed=1000 * seed + number, device="cpu",
        )  # fmt: skip
        found = train.fit(network, learn, choose, config)
        label.append(test.label)
        probability.append(train.predict(network, test, temperature=found.temperature))
        epochs.append(found.best_epoch)
    y, p = np.concatenate(label), np.concatenate(probability).astype(np.float64)
    nll = -np.log(p[np.arange(len(y)), y]).mean()
    return metrics.uar(y, p.argmax(1), N_CLASSES), float(nll), float(np.mean(epochs))


def main() -> None:
    """Print the rows of the table."""
    print(describe("torch"))
    start = time.process_time()
    print("fingerprint  val          UAR    NLL  epochs")
    for fingerprint in (1.0, 2.0):
        for mode in VALIDATION:
            uar, nll, epochs = np.mean([run(mode, fingerprint=fingerprint, seed=s) for s in SEEDS], axis=0)
            print(f"{fingerprint:11.0f}  {mode:<10} {uar:5.2f}  {nll:5.2f}  {epochs:6.1f}", flush=True)
    print(f"uniform guessing: UAR {1 / N_CLASSES:.3f}, NLL {np.log(N_CLASSES):.2f}")
    print(f"{time.process_time() - start:.0f} s of one core")


if __name__ == "__main__":
    main()
