"""Prompt tuning inside a study: single streams learn, both together stay as they were."""

from __future__ import annotations

import numpy as np
import torch

from mien import models, train
from mien.core import Batch
from mien.run.fold import tune_prompts


def batch(n: int, streams: tuple[str, ...], seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    inputs = {
        s: (rng.standard_normal((n, 6)) + 2.0 * (label[:, None] - 0.5)).astype(np.float32) for s in streams
    }
    return Batch(
        ids=tuple(f"{seed}-{i}" for i in range(n)),
        inputs=inputs,
        present={s: np.ones(n, bool) for s in streams},
        label=label.astype(np.int64),
        domain=np.full(n, -1, np.int64),
        weight=np.ones(n, np.float32),
    )


def small(prompt_length: int) -> torch.nn.Module:
    return models.create(
        "maet", sizes={"a": 6, "b": 6}, n_classes=2, embed_dim=8, num_heads=2, prompt_length=prompt_length
    )


def test_prompts_change_single_streams_only() -> None:
    network = small(2)
    both, alone = batch(40, ("a", "b"), 0), batch(40, ("a",), 1)
    before_both, before_alone = train.predict(network, both), train.predict(network, alone)
    tune_prompts(network, {"a": (alone, None)}, train.TrainConfig(epochs=3, lr=0.02))
    assert np.array_equal(train.predict(network, both), before_both)
    after = train.predict(network, alone)
    picked = np.arange(40), alone.label
    assert np.log(after[picked]).mean() > np.log(before_alone[picked]).mean()


def test_a_network_without_prompts_is_left_alone() -> None:
    network = small(0)
    state = {k: v.clone() for k, v in network.state_dict().items()}
    tune_prompts(network, {"a": (batch(8, ("a",), 1), None)}, train.TrainConfig(epochs=1))
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
