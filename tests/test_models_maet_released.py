"""MAET as released, against outputs of the published code (tests/reference/maet_*.npz)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mien import models
from mien.core import InputError

REFERENCE = Path(__file__).parent / "reference"
CASES = {"eeg": ("eeg",), "eye": ("eye",), "both": ("eeg", "eye")}


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["default", "domain", "prompt"])
def reference(request):
    with np.load(REFERENCE / f"maet_{request.param}.npz") as file:
        return dict(file)


def state_of(reference):
    return {k.removeprefix("state/"): v for k, v in reference.items() if k.startswith("state/")}


def inputs_of(reference, streams=("eeg", "eye")):
    return {s: torch.from_numpy(reference[f"in/{s}"]) for s in streams}


def close(value, expected):
    # the reference's own tolerance: float32 sums in another order
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_scores_agree_with_the_published_code(reference, case):
    network = models.load_released("maet", state_of(reference), num_heads=4)
    assert not network.training
    out = network(inputs_of(reference, CASES[case]))
    close(out.logits, reference[f"out/{case}"])
    if f"domain/{case}" in reference:
        close(out.domain_logits, reference[f"domain/{case}"])
    else:
        assert out.domain_logits is None


@pytest.mark.parametrize("case", CASES)
def test_the_corrected_network_computes_the_same_scores_from_the_same_weights(reference, case):
    network = models.load_released("maet", state_of(reference), num_heads=4, recipe="corrected")
    assert type(network).__name__ == "MAET"
    assert not network.training
    close(network(inputs_of(reference, CASES[case])).logits, reference[f"out/{case}"])


def gradients(network, reference):
    network.train()
    out = network(inputs_of(reference), alpha=float(reference["in/alpha"]))
    loss = F.cross_entropy(out.logits, torch.from_numpy(reference["in/label"]))
    if out.domain_logits is not None:
        loss = loss + F.cross_entropy(out.domain_logits, torch.from_numpy(reference["in/domain"]))
    loss.backward()
    return loss, {k: p.grad for k, p in network.named_parameters() if p.grad is not None}


def test_loss_and_gradients_in_training_agree_with_the_published_code(reference):
    network = models.load_released("maet", state_of(reference), num_heads=4)
    loss, found = gradients(network, reference)
    close(loss, reference["train/loss"])
    expected = {k.removeprefix("grad/"): v for k, v in reference.items() if k.startswith("grad/")}
    assert set(found) == set(expected)
    for key, value in expected.items():
        # the reference's own tolerance
        limit = 1e-4 * np.abs(value).max() + 1e-8
        assert np.abs(found[key].numpy() - value).max() <= limit, key


def test_both_recipes_have_the_same_number_of_parameters(reference):
    count = {
        recipe: sum(
            p.numel()
            for p in models.load_released(
                "maet", state_of(reference), num_heads=4, recipe=recipe
            ).parameters()
        )
        for recipe in models.RECIPES
    }
    assert count["released"] == count["corrected"]


def test_torch_tensors_serve_as_well_as_arrays(reference):
    state = {k: torch.from_numpy(v) for k, v in state_of(reference).items()}
    out = models.load_released("maet", state, num_heads=4)(inputs_of(reference))
    close(out.logits, reference["out/both"])


def test_all_faults_of_a_state_dict_are_named_at_once():
    with np.load(REFERENCE / "maet_default.npz") as file:
        state = state_of(dict(file))
    state["extra.weight"] = np.zeros(3, np.float32)
    state["norm.bias"] = np.zeros(31, np.float32)
    del state["head_eye.bias"]
    with pytest.raises(
        InputError,
        match=r"1 missing: head_eye.bias; 1 unexpected: extra.weight; "
        r"1 of the wrong shape: norm.bias \(31,\) instead of \(32,\)",
    ):
        models.load_released("maet", state, num_heads=4)
    with pytest.raises(InputError, match=r"6 missing: eeg_transform.transform1.weight"):
        models.load_released("maet", {}, num_heads=4)
    del state["extra.weight"], state["norm.bias"]
    with pytest.raises(InputError, match="num_heads = 7; expected a divisor of the width 32"):
        models.load_released("maet", state, num_heads=7)


def test_presence_inside_a_batch_equals_running_the_groups_apart():
    network = models.create("maet", recipe="released").eval()
    batch = models.example("maet")
    inputs = {k: torch.from_numpy(v) for k, v in batch.inputs.items()}
    mixed = network(inputs, {k: torch.from_numpy(v) for k, v in batch.present.items()})
    eye_gone = torch.from_numpy(~batch.present["eye"])
    alone = network({"eeg": inputs["eeg"][eye_gone]})
    # float32 sums over another number of rows
    torch.testing.assert_close(mixed.logits[eye_gone], alone.logits, rtol=1e-5, atol=1e-6)
