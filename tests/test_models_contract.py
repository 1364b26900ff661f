"""What every registered model must do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mien import models, train
from mien.core import InputError, UnknownNameError

NAMES = models.names()
ESTIMATORS = ["linear_svm", "logistic_regression", "majority", "nearest_neighbour", "random_forest"]
FLOW_ESTIMATORS = ["flow_histogram_svm"]
RELEASED = ["maet", "mer", "mes_eeg", "mes_eeg_fusion", "mes_eeg_tcn", "milmer"]
NETWORKS = [*RELEASED, "mmme", "ststnet"]
RECIPES = [(n, "corrected") for n in NETWORKS] + [(n, "released") for n in RELEASED]
COUPLED = [("mes_eeg", "released"), ("mes_eeg_fusion", "released")]
"""Networks in which the samples of a batch influence one another, as published."""


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tensors(batch):
    inputs = {k: torch.from_numpy(v) for k, v in batch.inputs.items()}
    return inputs, {k: torch.from_numpy(v) for k, v in batch.present.items()}


def test_the_registry_lists_what_is_tested_here():
    assert sorted(NETWORKS + ESTIMATORS + FLOW_ESTIMATORS) == NAMES
    assert {n: models.kind(n) for n in NAMES} == dict.fromkeys(
        ESTIMATORS + FLOW_ESTIMATORS, "estimator"
    ) | dict.fromkeys(NETWORKS, "network")


def test_models_say_which_streams_they_take():
    found = {n: models.streams(n) for n in NAMES}
    assert found == dict.fromkeys(["maet", *ESTIMATORS], None) | {
        "flow_histogram_svm": ("me",),
        "mer": ("me",),
        "mes_eeg": ("eeg", "me"),
        "mes_eeg_fusion": ("eeg", "me"),
        "mes_eeg_tcn": ("eeg",),
        "milmer": ("eeg", "face", "face_tokens", "body"),
        "mmme": ("eeg", "me", "body"),
        "ststnet": ("me",),
    }
    assert all(models.takes(n, "shapes") for n in NETWORKS if n != "maet")
    assert not models.takes("maet", "shapes")


def test_listing_models_imports_neither_torch_nor_sklearn():
    code = (
        "import sys, mien.models, mien.train; mien.models.names(); mien.train.TrainConfig();"
        "print([m for m in ('torch', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_unknown_names_options_and_recipes_are_named():
    with pytest.raises(UnknownNameError, match="did you mean 'maet'"):
        models.create("meat")
    with pytest.raises(UnknownNameError, match="did you mean 'embed_dim'"):
        models.create("maet", embed_dims=3)
    with pytest.raises(UnknownNameError, match="did you mean 'released'"):
        models.create("maet", recipe="realised")
    with pytest.raises(
        InputError, match="'majority' has no released recipe; expected one of maet, mer, mes_eeg"
    ):
        models.create("majority", recipe="released")
    with pytest.raises(InputError, match="num_heads = 5; expected a divisor of embed_dim 32"):
        models.create("maet", num_heads=5)
    with pytest.raises(InputError, match="depth = 0; expected at least 1"):
        models.create("maet", depth=0)


@pytest.mark.parametrize(("name", "recipe"), RECIPES)
def test_a_network_answers_its_example_and_is_made_again_from_its_config(name, recipe):
    network = models.create(name, recipe=recipe)
    inputs, present = tensors(models.example(name))
    out = network.eval()(inputs, present)
    assert out.logits.shape == (12, network.config["n_classes"])
    assert torch.isfinite(out.logits).all()
    again = models.create(name, recipe=recipe, **json.loads(json.dumps(network.config)))
    assert again.config == network.config
    for (key, value), (other_key, other) in zip(
        network.state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert key == other_key
        assert torch.equal(value, other)


@pytest.mark.parametrize(("name", "recipe"), RECIPES)
def test_making_a_network_leaves_the_global_random_state_alone(name, recipe):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, other = (models.create(name, recipe=recipe, seed=s).state_dict() for s in (0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert any(not torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(("name", "recipe"), RECIPES)
def test_a_network_says_what_is_wrong_with_its_input(name, recipe):
    network = models.create(name, recipe=recipe).eval()
    inputs, present = tensors(models.example(name))
    with pytest.raises(InputError, match="no stream was given"):
        network({})
    first = next(iter(inputs))
    with pytest.raises(InputError, match=r"streams \['nobody'\] are not among"):
        network({"nobody": inputs[first]})
    with pytest.raises(InputError, match=rf"stream '{first}' has shape \(12, 17\).*values"):
        network({first: torch.zeros(12, 17)})
    if len(inputs) > 1:
        with pytest.raises(InputError, match="1 samples of the batch have none of the streams"):
            network({first: inputs[first]}, present)


@pytest.mark.parametrize(("name", "recipe"), RECIPES)
def test_every_subset_of_streams_gets_an_answer_and_absent_rows_are_not_looked_at(name, recipe):
    network = models.create(name, recipe=recipe).eval()
    inputs, present = tensors(models.example(name))
    for stream, x in inputs.items():
        assert torch.isfinite(network({stream: x}).logits).all()
    if len(inputs) < 2:
        return
    odd = {
        s: torch.where(present[s].reshape(-1, *[1] * (x.ndim - 1)), x, torch.full_like(x, 1e3))
        for s, x in inputs.items()
    }
    assert torch.equal(network(odd, present).logits, network(inputs, present).logits)


def apart(network, inputs, present):
    """Class scores of each sample on its own."""
    rows = [
        network(
            {s: x[i : i + 1] for s, x in inputs.items() if present[s][i]},
        ).logits
        for i in range(len(next(iter(inputs.values()))))
    ]
    return torch.cat(rows)


@pytest.mark.parametrize(("name", "recipe"), RECIPES)
def test_a_sample_alone_is_answered_as_in_its_batch_or_the_network_says_that_it_couples(name, recipe):
    network = models.create(name, recipe=recipe).eval()
    inputs, present = tensors(models.example(name))
    with torch.no_grad():
        for parameter in network.parameters():  # some layers start at zero
            parameter.add_(0.05 * torch.randn_like(parameter))
        together, alone = network(inputs, present).logits, apart(network, inputs, present)
    difference = float((together - alone).abs().max() / together.abs().max())
    coupled = bool(getattr(network, "couples_samples", False))
    assert coupled == ((name, recipe) in COUPLED)
    # rounding of float32 sums over other numbers of rows; coupling moves the scores themselves
    assert (difference > 1e-3) if coupled else (difference < 1e-5)
    assert (train.coupling(network, models.example(name)) > 1e-4) == coupled


@pytest.mark.parametrize(("name", "recipe"), RECIPES)
def test_every_parameter_and_every_input_gets_a_gradient(name, recipe):
    network = models.create(name, recipe=recipe).train()
    inputs, present = tensors(models.example(name))
    inputs = {s: x.requires_grad_() for s, x in inputs.items()}
    out = network(inputs, present)
    loss = out.logits.square().sum() + sum(x.sum() for x in (out.auxiliary_logits or {}).values())
    if len(inputs) > 1:  # some layers are for a stream alone
        loss = loss + sum(network({s: x}).logits.square().sum() for s, x in inputs.items())
    loss.backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    untrained = getattr(network, "untrained", ())  # published scorers that never learn
    assert not [n for n in without if not n.startswith(untrained)]
    assert all(torch.isfinite(x.grad).all() for x in inputs.values())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_released_recipe_is_for_some_models_only(name):
    with pytest.raises(InputError, match="no released recipe"):
        models.create(name, recipe="released")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_gives_probabilities_and_survives_a_folder(name, tmp_path):
    batch = models.example(name)
    model = models.create(name)
    with pytest.raises(InputError, match="has not been fitted"):
        model.predict_proba(batch)
    assert model.fit(batch) is model
    p = model.predict_proba(batch)
    assert p.shape == (40, 7)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)  # float32 rounding of seven numbers
    assert model.n_parameters >= 7
    model.save(tmp_path / "a")
    again = type(model).load(tmp_path / "a")
    assert again.config == model.config == models.create(name, **model.config).config
    np.testing.assert_array_equal(again.predict_proba(batch), p)
    models.create(name).fit(batch).save(tmp_path / "b")
    for file in ("weights.safetensors", "model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_gives_a_class_it_never_saw_no_chance_and_does_not_look_at_absent_rows(name):
    batch = models.example(name)
    label = np.where(batch.label == 2, -1, batch.label)
    model = models.create(name).fit(replace(batch, label=label))
    p = model.predict_proba(batch)
    assert (p[:, 2] == 0).all()
    # whatever stands in the rows of an absent stream, it counts as zeros
    eye = np.where(batch.present["eye"][:, None], batch.inputs["eye"], np.float32(99))
    odd = replace(batch, inputs={**batch.inputs, "eye": eye})
    np.testing.assert_array_equal(model.predict_proba(odd), p)
    # and the order of the mapping does not matter at prediction
    turned = replace(batch, inputs=dict(reversed(batch.inputs.items())))
    np.testing.assert_array_equal(model.predict_proba(turned), p)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_treats_a_weight_of_two_as_two_samples(name):
    if name == "random_forest":
        pytest.skip("a forest draws its samples, so that doubling one draws others")
    batch = models.example(name)
    rows = np.concatenate([np.arange(40), np.arange(10)])
    twice = replace(
        batch,
        ids=tuple(map(str, rows)),
        inputs={k: v[rows] for k, v in batch.inputs.items()},
        present={k: v[rows] for k, v in batch.present.items()},
        label=batch.label[rows],
        domain=batch.domain[rows],
        weight=batch.weight[rows],
    )
    weight = np.ones(40, np.float32)
    weight[:10] = 2
    # balanced weights have mean 1 per row, and the penalty counts against their sum: same C times rows
    unpenalised = name in ("majority", "nearest_neighbour")
    options = {} if unpenalised else {"class_weights": "none"}
    a = models.create(name, **options).fit(twice)
    b = replace(batch, weight=weight)
    if unpenalised:
        np.testing.assert_allclose(models.create(name).fit(b).predict_proba(b), a.predict_proba(b), rtol=1e-6)
        return
    c = models.create(name, **options).config["C"] * 50 / 40
    p = models.create(name, **options | {"C": c}).fit(b).predict_proba(b)
    # two runs of the solver stop within its tolerance of each other
    np.testing.assert_allclose(p, a.predict_proba(b), atol=1e-3)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_refuses_what_it_cannot_use(name, tmp_path):
    batch = models.example(name)
    model = models.create(name).fit(batch)
    with pytest.raises(InputError, match="a labelled sample with a weight"):
        models.create(name).fit(replace(batch, label=np.full(40, -1)))
    with pytest.raises(InputError, match="label 9; expected labels below 7"):
        models.create(name).fit(replace(batch, label=batch.label + 3))
    nan = {**batch.inputs, "eeg": np.full_like(batch.inputs["eeg"], np.nan)}
    with pytest.raises(InputError, match="NaN or infinite"):
        models.create(name).fit(replace(batch, inputs=nan))
    eeg_only = replace(batch, inputs={"eeg": batch.inputs["eeg"]}, present={"eeg": batch.present["eeg"]})
    with pytest.raises(InputError, match="no stream 'eye'"):
        model.predict_proba(eeg_only)
    with pytest.raises(InputError, match="cannot be read"):
        type(model).load(tmp_path / "nothing")
    model.save(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(InputError, match="damaged"):
        type(model).load(tmp_path)
