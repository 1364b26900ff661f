"""Prediction, temperature, coupling."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import models, train
from mien.core import Batch, InputError, UnknownNameError
from mien.train import _data
from mien.train._predict import temperature_of


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def batch_of(n, *, seed=0, gaps=False):
    rng = np.random.default_rng(seed)
    present = {"eeg": np.ones(n, bool), "eye": np.ones(n, bool)}
    if gaps:
        present["eye"][::3] = False
    return Batch(
        ids=tuple(map(str, range(n))),
        inputs={k: rng.standard_normal((n, d)).astype(np.float32) for k, d in {"eeg": 9, "eye": 4}.items()},
        present=present,
        label=rng.integers(0, 3, n),
        domain=np.full(n, -1, np.int64),
        weight=np.ones(n, np.float32),
    )


@pytest.fixture
def network():
    return models.create("maet", sizes={"eeg": 9, "eye": 4}, n_classes=3, layer_scale=1.0)


def test_probabilities_are_the_softmax_of_scores_over_temperature(network):
    batch = batch_of(20, gaps=True)
    network.train()
    p = train.predict(network, batch, temperature=2.0)
    assert network.training, "the mode is put back"
    assert p.dtype == np.float32
    assert p.shape == (20, 3)
    inputs = {k: torch.from_numpy(v) for k, v in batch.inputs.items()}
    present = {k: torch.from_numpy(v) for k, v in batch.present.items()}
    with torch.no_grad():
        expected = (network.eval()(inputs, present).logits / 2).softmax(1).numpy()
    np.testing.assert_array_equal(p, expected)


def test_no_sample_is_left_out_whatever_the_batch_size(network):
    batch = batch_of(23, gaps=True)
    whole = train.predict(network, batch)
    for size in (1, 5, 22, 23):
        # float32 sums over another number of rows
        np.testing.assert_allclose(train.predict(network, batch, batch_size=size), whole, atol=1e-6)


def test_a_subset_of_streams_is_as_if_there_were_no_others(network):
    batch = batch_of(12)
    inputs = {"eye": batch.inputs["eye"]}
    only = Batch(**vars(batch) | {"inputs": inputs, "present": {"eye": batch.present["eye"]}})
    np.testing.assert_array_equal(
        train.predict(network, batch, streams=["eye"]), train.predict(network, only)
    )
    with pytest.raises(UnknownNameError, match="did you mean 'eye'"):
        train.predict(network, batch, streams=["eyes"])
    with pytest.raises(InputError, match="4 samples of the batch have none of the streams"):
        train.predict(network, batch_of(12, gaps=True), streams=["eye"])
    with pytest.raises(InputError, match="no stream to work on"):
        train.predict(network, batch, streams=[])
    with pytest.raises(InputError, match="temperature = 0"):
        train.predict(network, batch, temperature=0)


def test_arrays_too_large_for_memory_are_read_row_by_row_to_the_same_effect(network, tmp_path, monkeypatch):
    batch = batch_of(40, gaps=True)
    np.save(tmp_path / "eeg.npy", batch.inputs["eeg"])
    mapped = {**batch.inputs, "eeg": np.load(tmp_path / "eeg.npy", mmap_mode="r")}
    whole = train.predict(network, batch)
    monkeypatch.setattr(_data, "IN_MEMORY", 0)
    lazy = Batch(**vars(batch) | {"inputs": mapped})
    np.testing.assert_array_equal(train.predict(network, lazy), whole)
    config = train.TrainConfig(epochs=2, batch_size=16, device="cpu")
    lazily = train.fit(network, lazy, lazy, config).history
    monkeypatch.undo()
    again = models.create("maet", sizes={"eeg": 9, "eye": 4}, n_classes=3, layer_scale=1.0)
    assert train.fit(again, batch, batch, config).history == lazily


def nll(logits, label, temperature):
    z = logits / temperature
    z = z - z.max(1, keepdims=True)
    return float((np.log(np.exp(z).sum(1)) - z[np.arange(len(label)), label]).mean())


def test_temperature_of_scores_that_are_too_sure_is_their_excess():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((40_000, 4)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = (rng.random((len(p), 1)) > p.cumsum(1)).sum(1)
    # labels are drawn from softmax(logits): the best temperature of k * logits is k, within sampling error
    for factor in (0.5, 1.0, 3.0):
        assert temperature_of(factor * logits, label, np.ones(len(p))) == pytest.approx(factor, rel=0.03)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_temperature_never_makes_the_log_loss_worse(seed, scale):
    rng = np.random.default_rng(seed)
    logits, label = rng.standard_normal((30, 3)) * scale, rng.integers(0, 3, 30)
    temperature = temperature_of(logits, label, np.ones(30))
    assert 0.05 <= temperature <= 20.001
    # the minimum of a convex function of 1/temperature, up to bisection
    assert nll(logits, label, temperature) <= nll(logits, label, 1.0) + 1e-9
    for other in (0.9, 1.1):
        if 0.05 < temperature * other < 20:
            assert nll(logits, label, temperature) <= nll(logits, label, temperature * other) + 1e-9


def test_temperature_looks_at_labelled_samples_only():
    logits = np.array([[2.0, 0.0], [0.0, 2.0], [5.0, 0.0], [5.0, 0.0]])
    label, weight = np.array([0, 0, -1, 1]), np.array([3.0, 1.0, 1.0, 0.0])
    # three of four weights right at a margin of 2: 2 / T = log 3
    assert temperature_of(logits, label, weight) == pytest.approx(2 / np.log(3), rel=1e-9)
    assert temperature_of(logits, np.full(4, -1), weight) == 1.0


def test_fitted_temperature_improves_the_log_loss_of_predictions(network):
    train_batch, val = batch_of(60, seed=1), batch_of(60, seed=2)
    result = train.fit(
        network, train_batch, val, train.TrainConfig(epochs=3, batch_size=16, device="cpu", patience=0)
    )
    assert train.fit_temperature(network, val) == pytest.approx(result.temperature, rel=1e-6)
    eye = train.fit_temperature(network, val, streams=["eye"])

    def loss(**options):
        return -np.log(train.predict(network, val, **options)[np.arange(60), val.label]).mean()

    # float32 rounding
    assert loss(temperature=result.temperature) <= loss() + 1e-6
    assert loss(temperature=eye, streams=["eye"]) <= loss(streams=["eye"]) + 1e-6


def test_coupling_is_rounding_for_maet_and_shows_a_network_that_mixes_its_batch(network):
    batch = batch_of(30, gaps=True)
    # float32 rounding through three blocks
    assert train.coupling(network, batch) < 1e-5

    class Mixing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(9, 3)

        def forward(self, inputs, present=None, alpha=0.0):
            x = inputs["eeg"]
            return SimpleNamespace(logits=self.layer(x - x.mean(0)))

    assert train.coupling(Mixing(), batch, streams=["eeg"]) > 0.01
