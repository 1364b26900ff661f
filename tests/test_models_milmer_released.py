"""The published network of Milmer against outputs of its code (tests/reference/milmer_*.npz)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mien import models
from mien.core import InputError, UnknownNameError

REFERENCE = Path(__file__).parent / "reference"
CASES = [
    ("amil", "mlp"),
    ("attention_topk", "cross_attention"),
    ("attention_weighted_topk", "cross_attention"),
    ("none", "none"),
    ("softmax", "cross_attention"),
]
SCORED = ("softmax", "attention_topk", "attention_weighted_topk")
SHAPES = {"eeg": (32, 384), "face_tokens": (10, 49, 8)}


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def reference(selection, fusion):
    with np.load(REFERENCE / f"milmer_{selection}__{fusion}.npz") as file:
        whole = dict(file)
    return whole, {k.removeprefix("state/"): v for k, v in whole.items() if k.startswith("state/")}


def loaded(selection, fusion):
    whole, state = reference(selection, fusion)
    network = models.load_released("milmer", state, num_heads=2, selection=selection, fusion=fusion)
    inputs = {"eeg": whole["in/eeg"], "face_tokens": whole["in/image_tokens"]}
    return whole, network, {s: torch.from_numpy(x) for s, x in inputs.items()}


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(("selection", "fusion"), CASES)
def test_chosen_tokens_and_scores_agree_with_the_published_code(selection, fusion, flat):
    whole, network, inputs = loaded(selection, fusion)
    assert not network.training
    tokens, index, weights = network.select(inputs["face_tokens"])
    expected = whole["out/selected"]
    # the reference's own tolerance: float32 sums in another order
    np.testing.assert_allclose(tokens.detach().numpy(), expected.reshape(tokens.shape), rtol=1e-5, atol=1e-5)
    out = network({s: x.flatten(1) for s, x in inputs.items()} if flat else inputs)
    np.testing.assert_allclose(out.logits.detach().numpy(), whole["out/logits"], rtol=1e-5, atol=1e-5)
    assert torch.equal(out.selected, index)
    torch.testing.assert_close(out.attention.sum(1), torch.ones(3))
    if selection != "amil":
        assert torch.equal((weights > 0).sum(1), torch.full((3,), index.shape[1]))
        assert (weights.gather(1, index) > 0).all()


@pytest.mark.parametrize("selection", SCORED)
def test_no_gradient_reaches_the_published_scorer(selection):
    network = models.create("milmer", recipe="released", selection=selection, shapes=SHAPES, num_heads=2)
    out = network({"eeg": torch.randn(4, 32, 384), "face_tokens": torch.randn(4, 10, 49, 8)})
    out.logits.square().sum().backward()
    without = {n for n, p in network.named_parameters() if p.grad is None}
    assert without == {n for n, _ in network.named_parameters() if n.startswith(network.untrained)}
    assert ("topk_weight_proj.weight" in without) == selection.startswith("attention")


def test_only_amil_among_the_published_scorers_learns():
    network = models.create("milmer", recipe="released", selection="amil", shapes=SHAPES, num_heads=2)
    out = network({"eeg": torch.randn(4, 32, 384), "face_tokens": torch.randn(4, 10, 49, 8)})
    out.logits.square().sum().backward()
    assert network.amil_weight_proj.weight.grad.abs().max() > 0
    assert network.amil_value_proj.weight.grad.abs().max() > 0


@pytest.mark.parametrize("selection", ["none", "softmax", "amil"])
def test_the_large_projection_is_there_only_for_methods_that_use_it(selection):
    network = models.create(
        "milmer", recipe="released", selection=selection,
        shapes={"eeg": (32, 384), "face_tokens": (10, 49, 768)},
    )  # fmt: skip
    # encoder 11.0, cross-attention 2.4, the rest below 2 million; the projection alone is 1,416 million
    assert sum(p.numel() for p in network.parameters()) < 16e6
    assert not any("topk" in name for name in network.state_dict())


def test_the_published_projection_has_the_size_that_was_published():
    with torch.device("meta"):  # shapes without memory
        network = models.create(
            "milmer", recipe="released", selection="attention_topk",
            shapes={"eeg": (32, 384), "face_tokens": (10, 49, 768)},
        )  # fmt: skip
    assert network.topk_value_proj.weight.numel() + network.topk_value_proj.bias.numel() == 1_416_205_056


@pytest.mark.parametrize(("selection", "fusion"), CASES)
def test_layers_of_other_methods_in_a_state_are_passed_over(selection, fusion):
    whole, state = reference(selection, fusion)
    rest = {}
    for case in CASES:
        rest |= reference(*case)[1]
    options = {"selection": selection, "fusion": fusion}
    network = models.load_released("milmer", rest | state, num_heads=2, **options)
    x = {"eeg": torch.from_numpy(whole["in/eeg"]), "face_tokens": torch.from_numpy(whole["in/image_tokens"])}
    np.testing.assert_allclose(network(x).logits.detach().numpy(), whole["out/logits"], rtol=1e-5, atol=1e-5)


def test_a_state_that_does_not_fit_is_one_clear_error():
    _, state = reference("softmax", "cross_attention")
    options = {"num_heads": 2, "selection": "softmax", "fusion": "cross_attention"}
    state["somebody"] = state.pop("cls_token")
    with pytest.raises(InputError, match="1 missing: cls_token; 1 unexpected: somebody"):
        models.load_released("milmer", state, **options)
    del state["eeg_proj.weight"], state["query_tokens"]
    with pytest.raises(InputError, match=r"2 missing: eeg_proj\.weight, query_tokens"):
        models.load_released("milmer", state, **options)
    _, state = reference("softmax", "cross_attention")
    with pytest.raises(InputError, match=r"of the wrong shape: layernorm.bias \(3,\) instead of \(384,\)"):
        models.load_released("milmer", state | {"layernorm.bias": np.zeros(3)}, **options)
    with pytest.raises(InputError, match="4 missing: amil_value_proj"):
        models.load_released("milmer", state, **options | {"selection": "amil"})
    with pytest.raises(UnknownNameError, match="did you mean 'softmax'"):
        models.load_released("milmer", state, **options | {"selection": "softmx"})
    with pytest.raises(InputError, match="no published weights"):
        models.load_released("milmer", state, recipe="corrected", **options)


def test_impossible_sizes_are_named():
    create = {"recipe": "released", "shapes": SHAPES}
    with pytest.raises(InputError, match="num_heads = 3; expected a divisor of the width 8"):
        models.create("milmer", num_heads=3, **create)
    with pytest.raises(InputError, match="n_selected = 11; expected at most the 10 images"):
        models.create("milmer", num_heads=2, n_selected=11, **create)
    with pytest.raises(InputError, match="asked for streams"):
        models.create("milmer", recipe="released", shapes={"eeg": (32, 384)})
    with pytest.raises(UnknownNameError, match="fusion"):
        models.create("milmer", fusion="gated", **create)


def test_an_absent_stream_leaves_its_tokens_out():
    _, network, inputs = loaded("softmax", "cross_attention")
    present = {"face_tokens": torch.tensor([True, False, True])}
    out = network(inputs, present)
    alone = network({"eeg": inputs["eeg"][1:2]})
    # rounding of float32 sums over another number of rows
    torch.testing.assert_close(out.logits[1:2], alone.logits, rtol=1e-5, atol=1e-6)
    assert (out.selected[1] == -1).all()
    assert (out.attention[1] == 0).all()
