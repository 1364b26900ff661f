"""One training step of MAET at batch 256, both streams: the published layout and ours, same arithmetic.

Run: python benchmarks/maet_step.py [THREADS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from _machine import describe

from mien import models

BATCH, REPEATS = 256, 60


def step_of(recipe: str) -> Callable[[], None]:
    """Forward, backward and AdamW of one recipe's network; no dropout in either, same optimiser."""
    options = {} if recipe == "released" else {"embed_dropout": 0.0}
    network = models.create("maet", recipe=recipe, **options).train()
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    generator = torch.Generator().manual_seed(0)
    inputs = {s: torch.randn((BATCH, d), generator=generator) for s, d in {"eeg": 310, "eye": 33}.items()}
    label = torch.arange(BATCH) % 7

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(network(inputs).logits, label).backward()
        optimiser.step()

    return step


def main() -> None:
    """Print the median time of both, taken in turn so that a busy machine hits both alike."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    torch.set_num_threads(threads)
    steps = {recipe: step_of(recipe) for recipe in ("released", "corrected")}
    times: dict[str, list[float]] = {recipe: [] for recipe in steps}
    for repeat in range(REPEATS + 5):
        for recipe, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat >= 5:
                times[recipe].append(time.perf_counter() - start)
    print(describe("torch"), f"{threads} thread(s)")
    median = {recipe: 1e3 * statistics.median(values) for recipe, values in times.items()}
    for recipe, value in median.items():
        print(f"{recipe:10s} {value:6.1f} ms a step of {BATCH}")
    print(f"{median['released'] / median['corrected']:.2f} times as fast")


if __name__ == "__main__":
    main()
