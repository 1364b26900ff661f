"""The network of MMME: any subset of its streams, and what of it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien import models, train
from mien.core import Batch, InputError

SHAPES = {"eeg": (4, 6, 5), "me": (4, 16, 16), "body": (6, 3)}
SUBSETS = [
    ("eeg",), ("me",), ("body",), ("eeg", "me"), ("eeg", "body"), ("me", "body"), ("eeg", "me", "body"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(**options):
    return models.create("mmme", shapes=SHAPES, n_classes=3, seed=0, **options).eval()


def inputs(n=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        s: torch.randn(n, *shape, generator=generator, dtype=torch.float64) for s, shape in SHAPES.items()
    }


def stirred(net, seed=1):
    """With random weights everywhere, as the scores start at zero; float64, for tight comparisons."""
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        for p in net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return net.double()


@pytest.mark.parametrize("streams", SUBSETS)
def test_one_network_answers_for_every_subset_of_its_streams(streams):
    net, x = stirred(network()), inputs()
    some = net({s: x[s] for s in streams})
    absent = {s: torch.zeros(5, dtype=torch.bool) for s in SHAPES if s not in streams}
    masked = net(x, absent)
    # the same sums over rows sorted in another order
    torch.testing.assert_close(some.logits, masked.logits, rtol=1e-9, atol=1e-9)
    assert set(some.stream_features) == set(streams)
    assert {f.shape for f in some.stream_features.values()} == {(5, 16)}


def test_samples_with_different_streams_go_through_together():
    net, x = stirred(network()), inputs(n=7)
    masks = np.array([[s in subset for subset in SUBSETS] for s in SHAPES])
    present = {s: torch.from_numpy(m) for s, m in zip(SHAPES, masks, strict=True)}
    together = net(x, present).logits
    alone = [net({s: x[s][i : i + 1] for s in subset}).logits for i, subset in enumerate(SUBSETS)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-9)  # sums of other batches
    lost = {s: torch.where(m.view(-1, *[1] * len(SHAPES[s])), x[s], torch.nan) for s, m in present.items()}
    torch.testing.assert_close(net(lost, present).logits, together, rtol=0, atol=0)


def test_each_stream_changes_the_answer_and_every_parameter_learns():
    net, x = stirred(network()), inputs()
    answers = [net({s: x[s] for s in subset}).logits for subset in SUBSETS]
    for i, first in enumerate(answers):
        assert all((first - other).abs().max() > 1e-3 for other in answers[:i])
    out = net.train()(x)
    out.logits.square().sum().backward()
    still = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still
    assert sum(p.numel() for p in network().parameters()) < 100_000


def test_it_learns_what_only_two_streams_together_tell():
    """Signs of one value in the body and one in the EEG, whose product is the class: no sum of both tells."""
    rng = np.random.default_rng(0)
    n = 400
    a, b = rng.choice([-1.0, 1.0], (2, n))
    x = {s: 0.1 * rng.standard_normal((n, *SHAPES[s])).astype(np.float32) for s in ("eeg", "body")}
    x["eeg"][:, :, 0, 0] += a[:, None]
    x["body"][:, :, 0] += b[:, None]
    label = (a * b > 0).astype(np.int64)
    there = np.ones(n, bool)

    def batch(rows):
        return Batch(
            ids=tuple(f"s{i}" for i in rows),
            inputs={s: v[rows].reshape(len(rows), -1) for s, v in x.items()},
            present=dict.fromkeys(x, there[rows]),
            label=label[rows],
            domain=np.full(len(rows), -1),
            weight=np.ones(len(rows), np.float32),
        )

    train_rows, test_rows = np.arange(300), np.arange(300, 400)
    net = models.create(
        "mmme", shapes={s: SHAPES[s] for s in x}, n_classes=2, dropout=0.0, eeg_dropout=0.0, body_dropout=0.0
    )
    config = train.TrainConfig(epochs=40, batch_size=50, lr=1e-2, modality_dropout=0.0, monitor="last")
    train.fit(net, batch(train_rows), None, config)
    scores = net.eval()({s: torch.from_numpy(batch(test_rows).inputs[s]) for s in x}).logits
    assert (scores.argmax(1).numpy() == label[test_rows]).mean() > 0.95


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="mmme was asked for streams"):
        models.create("mmme", sizes={"gsr": 3})
    with pytest.raises(InputError, match="num_heads"):
        network(embed_dim=10, num_heads=4)
    with pytest.raises(InputError, match="none of the streams"):
        network().double()(inputs(), {s: torch.tensor([True] * 4 + [False]) for s in SHAPES})
    with pytest.raises(InputError, match="'body'"):
        network()({"body": torch.zeros(2, 7)})
