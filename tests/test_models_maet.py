"""MAET, our version."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mien import models
from mien.core import InputError
from mien.models._network import reverse_gradient

SIZES = {"eeg": 20, "eye": 6, "ppg": 4}
SUBSETS = [s for r in (1, 2, 3) for s in itertools.combinations(SIZES, r)]


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(**config):
    """A network whose weights are large enough for every part of it to show in the output."""
    options = {
        "sizes": SIZES,
        "n_classes": 3,
        "embed_dim": 8,
        "num_heads": 2,
        "layer_scale": 1.0,
        "embed_dropout": 0.0,
    } | config
    network = models.create("maet", **options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
        for name, buffer in network.named_buffers():
            if "running" in name:
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return network.eval()


def draw(n, streams=tuple(SIZES), seed=0):
    generator = torch.Generator().manual_seed(seed)
    whole = {s: torch.randn((n, d), generator=generator) for s, d in SIZES.items()}
    return {s: whole[s] for s in streams}


def patterns(n):
    """Presence that shows every subset in turn."""
    return {s: torch.tensor([s in SUBSETS[i % len(SUBSETS)] for i in range(n)]) for s in SIZES}


def same(a, b):
    # float32 sums over another number of rows, through three blocks with weights of order 1
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_default_size_is_the_published_one():
    count = sum(p.numel() for p in models.create("maet").parameters())
    assert count == sum(p.numel() for p in models.create("maet", recipe="released").parameters()) == 139541


@pytest.mark.parametrize("streams", SUBSETS, ids="+".join)
def test_any_subset_is_answered_and_the_gate_shares_among_those_present(streams):
    out = make(n_domains=5)(draw(4, streams))
    assert out.logits.shape == (4, 3)
    assert out.domain_logits.shape == (4, 5)
    present = torch.tensor([s in streams for s in sorted(SIZES)])
    assert ((out.gate > 0) == present).all()
    # seven float32 roundings at most
    torch.testing.assert_close(out.gate.sum(1), torch.ones(4), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("extra", [{}, {"prompt_length": 2}, {"expert_blocks": 3}], ids=str)
def test_a_mixed_batch_equals_its_groups_run_apart(extra):
    network = make(n_domains=4, **extra)
    n = 4 * len(SUBSETS)
    inputs, present = draw(n), patterns(n)
    mixed = network(inputs, present)
    for number, streams in enumerate(SUBSETS):
        rows = torch.arange(number, n, len(SUBSETS))
        apart = network({s: inputs[s][rows] for s in streams})
        for what in ("logits", "domain_logits", "representation", "gate"):
            same(getattr(mixed, what)[rows], getattr(apart, what))


def test_what_stands_in_absent_rows_does_not_matter():
    network, inputs, present = make(), draw(14), patterns(14)
    odd = {s: torch.where(present[s][:, None], x, torch.nan) for s, x in inputs.items()}
    assert torch.equal(network(odd, present).logits, network(inputs, present).logits)


def test_a_sample_does_not_depend_on_its_batch_in_evaluation():
    network, inputs, present = make(), draw(14), patterns(14)
    together = network(inputs, present).logits
    for row in range(14):
        one = slice(row, row + 1)
        alone = network({s: x[one] for s, x in inputs.items()}, {s: p[one] for s, p in present.items()})
        same(alone.logits[0], together[row])
    order = torch.randperm(14, generator=torch.Generator().manual_seed(2))
    moved = network({s: x[order] for s, x in inputs.items()}, {s: p[order] for s, p in present.items()})
    same(moved.logits, together[order])


def test_the_order_in_which_streams_are_named_does_not_matter():
    inputs = draw(5)
    turned = dict(reversed(inputs.items()))
    network = make()
    assert torch.equal(network(inputs).logits, network(turned).logits)
    assert torch.equal(make(sizes=dict(reversed(SIZES.items())))(inputs).logits, network(inputs).logits)


def test_arrays_of_any_shape_are_flattened():
    network, inputs = make(), draw(5)
    shaped = {**inputs, "eeg": inputs["eeg"].view(5, 5, 4)}
    assert torch.equal(network(shaped).logits, network(inputs).logits)


def test_every_parameter_gets_a_gradient_in_the_case_that_uses_it():
    network = make(n_domains=4, prompt_length=2).train()
    n = 4 * len(SUBSETS)
    out = network(draw(n), patterns(n), alpha=1.0)
    target = torch.arange(n)
    (F.cross_entropy(out.logits, target % 3) + F.cross_entropy(out.domain_logits, target % 4)).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_a_single_stream_touches_only_its_own_parts():
    network = make().train()
    network(draw(6, ["eye"])).logits.square().sum().backward()
    touched = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert not [n for n in touched if "eeg" in n or "ppg" in n or "joint" in n or n == "gate"]
    assert {n for n, _ in network.named_parameters() if "eye" in n} <= touched


def test_a_network_for_one_stream_has_no_parts_for_several():
    network = make(sizes={"eye": 6}).train()
    network(draw(6, ["eye"])).logits.square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    assert not [name for name, _ in network.named_parameters() if "joint" in name or name == "gate"]


@pytest.mark.parametrize("n", [1, 2])
def test_tiny_batches_can_be_trained_on(n):
    network = make().train()
    present = {s: torch.tensor([True, s == "eeg"][:n]) for s in SIZES}
    before = {k: b.clone() for k, b in network.named_buffers()}
    network(draw(n), present).logits.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    # a stream with a single sample is normed by, and leaves alone, what was learnt before
    changed = {k for k, b in network.named_buffers() if not torch.equal(b, before[k])}
    assert changed == ({f"embed.eeg.norm.running_{k}" for k in ("mean", "var")} if n == 2 else set())


def test_the_gradient_comes_back_reversed_and_scaled():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse_gradient(x, alpha=0.25)
    assert torch.equal(y, x)
    (y * torch.tensor([4.0, 8.0])).sum().backward()
    assert x.grad.tolist() == [-1.0, -2.0]


@pytest.mark.parametrize("streams", [("eeg",), ("eeg", "eye", "ppg")], ids="+".join)
def test_adversarial_pressure_reaches_what_is_classified(streams):
    """The published head sees one token only; ours sees the class head's input (fault B15)."""

    def gradients(alpha):
        network = make(n_domains=4).train()
        out = network(draw(8, streams), alpha=alpha)
        out.representation.retain_grad()
        F.cross_entropy(out.domain_logits, torch.arange(8) % 4).backward()
        return network, out.representation.grad

    network, strong = gradients(1.0)
    weak_network, weak = gradients(0.5)
    assert strong.abs().min(1).values.max() > 0
    # the reversed gradient is linear in alpha; the domain head's own does not depend on it
    torch.testing.assert_close(strong, 2 * weak)
    torch.testing.assert_close(network.domain_head[0].weight.grad, weak_network.domain_head[0].weight.grad)
    for stream in streams:
        assert network.embed[stream].views.weight.grad.abs().sum() > 0
    assert gradients(0.0)[1].abs().max() == 0


def test_prompts_act_on_single_streams_only_and_tuning_them_leaves_the_rest():
    network = make(prompt_length=2)
    inputs = draw(8)
    before = {s: network(draw(8, s)).logits for s in SUBSETS}
    tuned = network.freeze_for_prompts()
    assert all(".prompts." in name or name.startswith("heads.") for name in tuned)
    assert len(tuned) == 3 * 3 + 2 * 3
    with torch.no_grad():
        for name, p in network.named_parameters():
            if ".prompts." in name:
                p.add_(1.0)
    for streams in SUBSETS:
        after = network({s: inputs[s] for s in streams}).logits
        assert torch.equal(after, before[streams]) == (len(streams) > 1)
    buffers = {k: b.clone() for k, b in network.named_buffers()}
    network.train()(inputs)
    assert all(torch.equal(b, buffers[k]) for k, b in network.named_buffers())
    with pytest.raises(InputError, match="has no prompts"):
        make().freeze_for_prompts()


def test_dropout_acts_in_training_only():
    network = make(dropout=0.5, embed_dropout=0.5)
    inputs = draw(6)
    assert torch.equal(network(inputs).logits, make()(inputs).logits)
    torch.manual_seed(0)
    first = network.train()(inputs).logits
    assert not torch.allclose(first, network(inputs).logits)


def test_example_has_samples_that_lack_a_stream():
    present = models.example("maet").present
    assert not present["eye"].all()
    assert not present["eeg"].all()
    assert np.logical_or(present["eeg"], present["eye"]).all()
