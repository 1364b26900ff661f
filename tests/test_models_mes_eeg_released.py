"""The published parts of MEs-EEG against outputs of their code (tests/reference/mes_eeg_*.npz)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mien import models
from mien.core import InputError, UnknownNameError
from mien.models._mes_eeg_fusion_released import sinusoids

REFERENCE = Path(__file__).parent / "reference"
RECIPES = ("released", "released_tokens")


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def reference(name):
    with np.load(REFERENCE / f"mes_eeg_{name}.npz") as file:
        whole = dict(file)
    return whole, {k.removeprefix("state/"): v for k, v in whole.items() if k.startswith("state/")}


def close(value, expected):
    # the reference's own tolerance: float32 sums in another order
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-5, atol=1e-5)


def fusion_inputs(whole, rows=slice(None)):
    return {s: torch.from_numpy(whole[f"in/{s}_tokens"][rows]) for s in ("eeg", "me")}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("flat", [False, True])
def test_fusion_agrees_with_the_published_code(recipe, flat):
    whole, state = reference("fusion")
    network = models.load_released("mes_eeg_fusion", state, num_heads=4, recipe=recipe)
    assert not network.training
    for rows, key in ((slice(None), recipe), (slice(1), f"{recipe}_first_sample_alone")):
        inputs = fusion_inputs(whole, rows)
        if flat and inputs["eeg"].shape[1] == network.shapes["eeg"][0]:
            inputs["eeg"] = inputs["eeg"].flatten(1)
        close(network(inputs).logits, whole[f"out/{key}"])


def test_released_fusion_couples_samples_and_says_so():
    whole, state = reference("fusion")
    released, tokens = (models.load_released("mes_eeg_fusion", state, num_heads=4, recipe=r) for r in RECIPES)
    assert released.couples_samples
    assert not tokens.couples_samples
    moved = np.abs(whole["out/released"][:1] - whole["out/released_first_sample_alone"]).max()
    assert moved > 1e-3
    first = {s: x[:1] for s, x in fusion_inputs(whole).items()}
    assert torch.allclose(tokens(first).logits, tokens(fusion_inputs(whole)).logits[:1], atol=1e-6)


def test_the_table_of_positions_that_the_published_state_holds_is_passed_over():
    whole, state = reference("fusion")
    table = sinusoids(5000, 16)[None].numpy()
    state |= {f"{s}_positional_encoding.pe": table for s in ("eeg", "me")}
    network = models.load_released("mes_eeg_fusion", state, num_heads=4)
    close(network(fusion_inputs(whole)).logits, whole["out/released"])


def test_positions_are_sines_and_cosines():
    table = sinusoids(50, 6).numpy()
    for place in (0, 7, 49):
        for pair in range(3):
            turn = place / 10000 ** (2 * pair / 6)
            np.testing.assert_allclose(table[place, 2 * pair], np.sin(turn), atol=1e-5)  # float32 angles
            np.testing.assert_allclose(table[place, 2 * pair + 1], np.cos(turn), atol=1e-5)
    assert sinusoids(3, 5).shape == (3, 5)


def test_fusion_runs_with_one_stream_and_with_gaps_though_the_published_one_does_not():
    whole, state = reference("fusion")
    network = models.load_released("mes_eeg_fusion", state, num_heads=4, recipe="released_tokens")
    inputs = fusion_inputs(whole)
    alone = network({"eeg": inputs["eeg"]}).logits
    present = {"me": torch.tensor([True, False, True, False, True])}
    mixed = network(inputs, present).logits
    both = network(inputs).logits
    assert torch.allclose(mixed[1::2], alone[1::2], atol=1e-6)
    assert torch.allclose(mixed[::2], both[::2], atol=1e-6)


def test_corrected_fusion_takes_no_published_weights():
    _, state = reference("fusion")
    with pytest.raises(InputError, match="true cross-attention, for which there are no published weights"):
        models.load_released("mes_eeg_fusion", state, num_heads=4, recipe="corrected")
    with pytest.raises(UnknownNameError, match="did you mean 'released_tokens'"):
        models.load_released("mes_eeg_fusion", state, num_heads=4, recipe="released_token")
    with pytest.raises(UnknownNameError, match="unknown recipe 'released_tokens'"):
        models.load_released("maet", {}, num_heads=4, recipe="released_tokens")


def test_all_faults_of_a_fusion_state_are_named_at_once():
    _, state = reference("fusion")
    state["extra"] = np.zeros(3, np.float32)
    state["fusion_layer.bias"] = np.zeros(3, np.float32)
    del state["me_embedding.bias"]
    with pytest.raises(
        InputError,
        match=r"1 missing: me_embedding.bias; 1 unexpected: extra; 1 of the wrong shape: fusion_layer.bias "
        r"\(3,\) instead of \(24,\)",
    ):
        models.load_released("mes_eeg_fusion", state, num_heads=4)
    with pytest.raises(InputError, match=r"5 missing: eeg_embedding.weight"):
        models.load_released("mes_eeg_fusion", {}, num_heads=4)
    _, state = reference("fusion")
    with pytest.raises(InputError, match="num_heads = 3; expected a divisor of the width 16"):
        models.load_released("mes_eeg_fusion", state, num_heads=3)


@pytest.mark.parametrize("as_tensors", [False, True])
def test_the_temporal_network_agrees_with_the_notebook(as_tensors):
    whole, state = reference("tcn")
    if as_tensors:
        state = {k: torch.from_numpy(v) for k, v in state.items()}
    network = models.load_released("mes_eeg_tcn", state, num_heads=1)
    assert not network.training
    x = torch.from_numpy(whole["in/psd"])
    for shaped in (x, x.flatten(1)):
        logits = network({"eeg": shaped}).logits
        close(logits, whole["out/logits"])
    close(F.cross_entropy(logits, torch.from_numpy(whole["in/label"])), whole["out/loss"])
    assert set(network.state_dict()) == set(state)


def test_the_temporal_network_has_weight_norm_and_growing_dilations():
    _, state = reference("tcn")
    network = models.load_released("mes_eeg_tcn", state, num_heads=1)
    blocks = network.gate_lstm_c_enc.network
    assert [b.conv1.dilation for b in blocks] == [1, 2, 4]
    assert blocks[0].net[0] is blocks[0].conv1
    # scores see 1 + 2 * (2 - 1) * (1 + 2 + 4) = 15 seconds, and no later one sees an earlier
    x = torch.randn(1, 40, 31, requires_grad=True)
    network({"eeg": x}).logits.sum().backward()
    seen = x.grad.abs().sum((0, 2)) > 0
    np.testing.assert_array_equal(seen.numpy(), np.arange(40) >= 25)
    state["gate_lstm_c_enc.network.0.conv1.weight_v"] *= 3  # only its direction counts
    state["gate_lstm_c_enc.network.0.net.0.weight_v"] *= 3
    again = models.load_released("mes_eeg_tcn", state, num_heads=1)
    close(again({"eeg": x.detach()}).logits, network({"eeg": x.detach()}).logits.detach().numpy())


def test_other_networks_take_no_published_weights():
    _, state = reference("tcn")
    with pytest.raises(InputError, match="other layers than the published network"):
        models.load_released("mes_eeg_tcn", state, num_heads=1, recipe="corrected")
    with pytest.raises(InputError, match=r"2 missing: gate_lstm_c_enc.network.0.conv1.weight_v"):
        models.load_released("mes_eeg_tcn", {}, num_heads=1)
    with pytest.raises(InputError, match=r"no weights of one. Load its parts"):
        models.load_released("mes_eeg", state, num_heads=1)
    with pytest.raises(InputError, match="no weights of 'mer' were published"):
        models.load_released("mer", state, num_heads=1)


def test_released_mes_eeg_couples_samples_of_a_batch():
    network = models.create("mes_eeg", recipe="released").eval()
    assert network.couples_samples
    batch = models.example("mes_eeg")
    inputs = {s: torch.from_numpy(x) for s, x in batch.inputs.items()}
    together = network(inputs).logits[:1]
    alone = network({s: x[:1] for s, x in inputs.items()}).logits
    # rounding moves scores by about 1e-7
    assert (together - alone).abs().max() > 1e-4
