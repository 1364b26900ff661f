"""Milmer with Swin-T on bags of ten faces: what a step takes, in time and in memory.

Time: all faces of two bags in one batch, one at a time, or their tokens from the store (frozen backbone).
Memory: a training step of 14 bags, as published, with the backbone frozen, with its activations computed
again, and plain for one bag (it grows with the bags). Random weights: they cost what trained ones do. Each
case is a process of its own, whose peak includes Python, torch and the optimiser's state. Last, what the
scorers of instances hold: counted, not allocated.

Run: python benchmarks/milmer_step.py [THREADS]
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from _machine import describe, once

from mien import models

FACES, SIDE, CLASSES = 10, 96, 4
SPEED_BAGS, MEMORY_BAGS = 2, 14
SPEED: dict[str, dict[str, Any]] = {
    "all faces in one batch": {},
    "one face at a time": {"micro_batch": 1},
    "tokens from the store": {"tokens": True},
}
MEMORY: dict[str, tuple[int, dict[str, Any]]] = {
    "frozen backbone, micro batches of 10": (MEMORY_BAGS, {"frozen": True, "micro_batch": 10}),
    "frozen backbone, all in one batch": (MEMORY_BAGS, {"frozen": True}),
    "all computed again, micro batches of 10": (MEMORY_BAGS, {"checkpoint": True, "micro_batch": 10}),
    "plain, 1 bag": (1, {}),
    "plain, 2 bags": (2, {}),
}


def step_of(
    bags: int, *, tokens: bool = False, train: bool, **options: Any
) -> tuple[Callable[[], None], int]:
    """A forward pass, or forward, backward and AdamW, of the whole network; and its parameters."""
    face = (FACES, 49, 768) if tokens else (FACES, 3, SIDE, SIDE)
    network = models.create(
        "milmer",
        n_classes=CLASSES,
        shapes={"eeg": (32, 384), "face": face},
        backbone="swin_t",
        random_backbone=True,
        **options,
    ).train(train)
    learnt = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learnt)
    generator = torch.Generator().manual_seed(0)
    inputs = {
        "eeg": torch.randn((bags, 32, 384), generator=generator),
        "face": torch.rand((bags, *face), generator=generator) * (1 if tokens else 255),
    }
    label = torch.arange(bags) % CLASSES

    def forward() -> None:
        with torch.no_grad():
            network(inputs)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(network(inputs).logits, label).backward()
        optimiser.step()

    return step if train else forward, sum(p.numel() for p in learnt)


def speed(name: str) -> None:
    """Print the time of one case."""
    seconds = []
    for train in (False, True):
        run, _ = step_of(SPEED_BAGS, train=train, **SPEED[name])
        run()
        seconds.append(min(once(run) for _ in range(2)))
    print(f"  {name:<42} forward {seconds[0]:7.3f} s, training step {seconds[1]:7.3f} s")


def memory(name: str) -> None:
    """Print the peak memory and the time of one case."""
    bags, options = MEMORY[name]
    run, learnt = step_of(bags, train=True, **options)
    before = peak()
    seconds = once(run)
    print(
        f"  {name:<42} {bags:2d} x {FACES} faces: peak {peak():5.2f} GB ({before:.2f} before the step), "
        f"{seconds:6.1f} s, {learnt / 1e6:.1f} million parameters learn"
    )


def scorers() -> None:
    """Print the size of the published scorer, which never learns, and of ours."""
    shapes = {"eeg": (32, 384), "face_tokens": (FACES, 49, 768)}
    with torch.device("meta"):
        released = models.create("milmer", recipe="released", shapes=shapes)
    ours = models.create("milmer", shapes=shapes)
    for name, network, part in (("released", released, "topk_"), ("corrected", ours, ".scorer.")):
        n = sum(p.numel() for key, p in network.named_parameters() if part in f".{key}")
        print(f"  {name:<42} {n:13,d} weights, {n * 4 / 1e9:.4f} GB")


def peak() -> float:
    """Most memory that this process has held, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main() -> None:
    """Print all cases, or the one that a process was started for."""
    threads = sys.argv[1] if len(sys.argv) > 1 else "1"
    torch.set_num_threads(int(threads))
    if len(sys.argv) > 2:
        (speed if sys.argv[2] in SPEED else memory)(sys.argv[2])
        return
    print(describe("torch", "transformers"), f"{threads} thread(s)", flush=True)
    for title, cases in ((f"{SPEED_BAGS} bags", SPEED), ("one step", MEMORY)):
        print(title, flush=True)
        for name in cases:
            subprocess.run([sys.executable, __file__, threads, name], check=True)
    print("scorer of instances")
    scorers()


if __name__ == "__main__":
    main()
