"""Training: it learns, repeats itself to the byte, and picks up where it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from mien import models, train
from mien.core import Batch, InputError, UnknownNameError
from mien.train._loop import deal, domain_alpha, drop_streams, learning_rate, loss_weights

SIZES = {"eeg": 12, "eye": 5}
SMALL = {"sizes": SIZES, "n_classes": 3, "embed_dim": 8, "num_heads": 2, "embed_dropout": 0.1}


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def toy(n, *, seed, shuffled=False, gaps=True, spread=1.0):
    """Samples of three classes that differ in their means; both streams say a part of it."""
    rng = np.random.default_rng(seed)
    centres = {k: np.random.default_rng(7).standard_normal((3, d)) * spread for k, d in SIZES.items()}
    label = rng.integers(0, 3, n)
    inputs = {
        k: (c[label] + rng.standard_normal((n, c.shape[1]))).astype(np.float32) for k, c in centres.items()
    }
    present = {k: np.ones(n, bool) for k in SIZES}
    if gaps:
        present["eye"][::7] = False
        inputs["eye"][::7] = 0
    return Batch(
        ids=tuple(f"{seed}-{i}" for i in range(n)),
        inputs=inputs,
        present=present,
        label=rng.permutation(label) if shuffled else label,
        domain=rng.integers(0, 4, n),
        weight=np.ones(n, np.float32),
    )


def part(batch, rows):
    return Batch(
        ids=tuple(np.array(batch.ids)[rows]),
        inputs={k: v[rows] for k, v in batch.inputs.items()},
        present={k: v[rows] for k, v in batch.present.items()},
        label=batch.label[rows],
        domain=batch.domain[rows],
        weight=batch.weight[rows],
    )


def network(**config):
    return models.create("maet", **SMALL | config)


def config(**options):
    return train.TrainConfig(**{"epochs": 4, "batch_size": 32, "lr": 5e-3, "device": "cpu"} | options)


def accuracy(net, batch, **options):
    return float((train.predict(net, batch, **options).argmax(1) == batch.label).mean())


def same_result(a, b):
    assert a.history == b.history
    assert (a.best_epoch, a.temperature, a.n_parameters) == (b.best_epoch, b.temperature, b.n_parameters)
    assert list(a.state) == list(b.state)
    assert all(torch.equal(a.state[k], b.state[k]) for k in a.state)


def test_it_learns_what_can_be_learnt_with_any_subset_of_streams():
    net = network()
    result = train.fit(net, toy(400, seed=1), toy(100, seed=2), config(epochs=10))
    test = toy(300, seed=3, gaps=False)
    # chance 1/3; logistic regression on one stream gets 0.94 and 0.64; one standard error is 0.03 at most
    assert accuracy(net, test) > 0.85
    assert accuracy(net, test, streams=["eeg"]) > 0.85
    assert accuracy(net, test, streams=["eye"]) > 0.5
    assert result.history["train_loss"][-1] < result.history["train_loss"][0]
    assert {len(v) for v in result.history.values()} == {10}
    assert result.n_parameters == sum(p.numel() for p in net.parameters())
    assert not net.training


def test_shuffled_labels_teach_nothing_about_others():
    net = network()
    train.fit(net, toy(400, seed=1, shuffled=True), toy(100, seed=2, shuffled=True), config(epochs=6))
    # 600 samples at chance 1/3: three standard errors are 0.058; labels by chance related to class add some
    assert accuracy(net, toy(600, seed=3)) < 0.5


@pytest.mark.parametrize("options", [{}, {"domain_weight": 0.5, "schedule": "cosine", "monitor": "val_uar"}])
def test_the_same_arguments_give_the_same_bytes(options):
    def run():
        torch.manual_seed(int(time.time_ns() % 1000))
        net = network(n_domains=4, dropout=0.2)
        return train.fit(net, toy(150, seed=1), toy(60, seed=2), config(**options)), net

    (a, net), (b, _) = run(), run()
    same_result(a, b)
    assert all(torch.equal(v, a.state[k]) for k, v in net.state_dict().items())
    other = train.fit(
        network(n_domains=4, dropout=0.2), toy(150, seed=1), toy(60, seed=2), config(seed=1, **options)
    )
    assert other.history != a.history


def test_global_random_state_and_threads_are_left_as_they_were():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002  the global state is what must not change
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    threads = torch.get_num_threads()
    net = network(dropout=0.3)
    train.fit(net, toy(8, seed=1), toy(8, seed=2), config(epochs=1, threads=threads + 1))
    assert torch.equal(torch.get_rng_state(), torch_before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert torch.get_num_threads() == threads


class Stop(Exception):
    """Stands for whatever ends a training from outside."""


@pytest.mark.parametrize("stop_at", [1, 3])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(tmp_path, stop_at):
    samples, val, settings = toy(150, seed=1), toy(60, seed=2), config(epochs=5, domain_weight=0.3)

    def make():
        return network(n_domains=4, dropout=0.2)

    undisturbed = train.fit(make(), samples, val, settings)

    def stop(done, _):
        if done == stop_at:
            raise Stop

    path = tmp_path / "deep" / "state.safetensors"
    with pytest.raises(Stop):
        train.fit(make(), samples, val, settings, checkpoint=path, checkpoint_seconds=0, progress=stop)
    seen = []
    options = {"checkpoint": path, "checkpoint_seconds": 0, "progress": lambda done, _: seen.append(done)}
    same_result(train.fit(make(), samples, val, settings, **options), undisturbed)
    assert seen == list(range(stop_at + 1, 6))
    same_result(train.fit(make(), samples, val, settings, **options), undisturbed)
    assert seen[-1] == 5, "a finished training is read back"
    assert len(seen) == 5 - stop_at
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_killed_process_leaves_a_checkpoint_that_leads_to_the_same_bytes(tmp_path):
    path = tmp_path / "state.safetensors"
    code = textwrap.dedent(f"""
        import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_train_fit import config, network, toy
        from mien import train
        train.fit(network(), toy(150, seed=1), toy(60, seed=2), config(epochs=100_000),
                  checkpoint={str(path)!r}, checkpoint_seconds=0)
    """)
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with safe_open(path, framework="pt") as file:
        state = json.loads(file.metadata()["mien"])
    assert not state["finished"]

    # nobody can wait for 100,000 epochs: both go on to the epoch after the kill and are compared there
    def stop(done, _):
        if done > state["epoch"]:
            raise Stop

    arguments = toy(150, seed=1), toy(60, seed=2), config(epochs=100_000)
    resumed, fresh = network(), network()
    for net, checkpoint in ((resumed, path), (fresh, None)):
        with pytest.raises(Stop):
            train.fit(net, *arguments, checkpoint=checkpoint, progress=stop)
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), fresh.parameters(), strict=True))


def test_a_checkpoint_of_other_arguments_is_not_used(tmp_path):
    path, samples, val = tmp_path / "state.safetensors", toy(100, seed=1), toy(60, seed=2)
    train.fit(network(), samples, val, config(epochs=2), checkpoint=path)
    others = {
        "config": (network(), samples, val, config(epochs=2, lr=1e-3)),
        "first weights": (network(seed=1), samples, val, config(epochs=2)),
        "labels": (network(), replace(samples, label=(samples.label + 1) % 3), val, config(epochs=2)),
        "validation": (network(), samples, toy(60, seed=4), config(epochs=2)),
        "none": (network(), samples, None, config(epochs=2)),
    }
    for name, arguments in others.items():
        seen = []
        train.fit(*arguments, checkpoint=path, progress=lambda done, _, seen=seen: seen.append(done))
        assert seen == [1, 2], name


def test_a_checkpoint_that_is_damaged_or_a_pickle_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    arguments = network(), toy(60, seed=1), None, config(epochs=1)
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(InputError, match=r"state.safetensors: damaged"):
        train.fit(*arguments, checkpoint=path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="pickle files can run code"):
        train.fit(*arguments, checkpoint=path)


def test_without_validation_the_last_epoch_is_chosen():
    net = network()
    result = train.fit(net, toy(100, seed=1), None, config(epochs=3, patience=1))
    assert (result.best_epoch, result.temperature) == (3, 1.0)
    assert set(result.history) == {"train_loss"}


def test_the_epoch_is_the_best_on_validation_and_patience_ends_training():
    # labels that contradict the training samples: the loss can only rise
    val = toy(100, seed=2)
    val = replace(val, label=(val.label + 1) % 3)
    net = network()
    result = train.fit(net, toy(200, seed=1), val, config(epochs=30, patience=2))
    losses = result.history["val_loss"]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == result.best_epoch + 2 < 30
    short = network()
    again = train.fit(short, toy(200, seed=1), val, config(epochs=30, patience=1))
    assert again.best_epoch <= result.best_epoch


def test_the_chosen_weights_are_those_that_were_scored():
    val = toy(100, seed=2)
    net = network()
    result = train.fit(net, toy(200, seed=1), val, config(monitor="val_uar", class_weights="none"))
    p = train.predict(net, val).astype(np.float64)
    loss = -np.log(p[np.arange(100), val.label]).mean()
    # float32 probabilities
    assert loss == pytest.approx(result.history["val_loss"][result.best_epoch - 1], rel=1e-5)
    shares = [(p.argmax(1) == c)[val.label == c].mean() for c in range(3)]
    assert np.mean(shares) == pytest.approx(max(result.history["val_uar"]), rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 33])
def test_no_number_of_samples_breaks_a_training(n):
    net = network()
    result = train.fit(net, toy(n, seed=1, gaps=False), None, config(epochs=2))
    assert np.isfinite(result.history["train_loss"]).all()


def test_samples_without_label_or_domain_count_for_the_other_loss_only():
    samples = toy(90, seed=1)
    label = samples.label.copy()
    label[:30] = -1
    kept = replace(samples, label=label, domain=np.full(90, -1))
    a = train.fit(
        network(), replace(kept, weight=np.ones(90, np.float32)), None, config(batch_size=90, epochs=1)
    )
    heavy = np.ones(90, np.float32)
    heavy[:30] = 9
    b = train.fit(network(), replace(kept, weight=heavy), None, config(batch_size=90, epochs=1))
    assert a.history == b.history
    with pytest.raises(InputError, match="no training sample has a domain"):
        train.fit(network(n_domains=4), kept, None, config(domain_weight=1.0))
    mixed = replace(kept, domain=np.where(np.arange(90) < 10, 1, -1))
    assert np.isfinite(
        train.fit(network(n_domains=4), mixed, None, config(domain_weight=1.0)).history["train_loss"]
    ).all()


def test_the_domain_loss_trains_its_head_and_reaches_the_rest_as_alpha_grows():
    def states(epochs, weight):
        net = network(n_domains=4)
        first = {k: v.clone() for k, v in net.state_dict().items()}
        settings = config(epochs=epochs, domain_weight=weight, clip=0.0, schedule="constant")
        return first, train.fit(net, toy(120, seed=1), None, settings).state

    first, without = states(1, 0.0)
    _, with_domain = states(1, 1.0)
    for key in first:
        # alpha is 0 in the first epoch: only the head learns from the domain loss
        if key.startswith("domain_head"):
            assert torch.equal(without[key], first[key]), key
            assert not torch.equal(with_domain[key], first[key]), key
        else:
            assert torch.equal(with_domain[key], without[key]), key
    _, without = states(2, 0.0)
    _, with_domain = states(2, 1.0)
    assert not torch.equal(with_domain["embed.eeg.views.weight"], without["embed.eeg.views.weight"])


def test_what_cannot_be_trained_on_is_refused():
    samples = toy(40, seed=1)
    with pytest.raises(InputError, match="no training sample has a label"):
        train.fit(network(), replace(samples, label=np.full(40, -1)), None, config())
    with pytest.raises(InputError, match="there are no training samples"):
        train.fit(network(), part(samples, []), None, config())
    with pytest.raises(InputError, match="no validation sample has a label"):
        train.fit(network(), samples, replace(samples, label=np.full(40, -1)), config())
    with pytest.raises(InputError, match="the network has no domain head"):
        train.fit(network(), samples, None, config(domain_weight=1.0))
    nan = replace(samples, inputs={**samples.inputs, "eeg": np.full((40, 12), np.nan, np.float32)})
    with pytest.raises(InputError, match="training loss is nan in epoch 1"):
        train.fit(network(), nan, None, config())
    frozen = network().requires_grad_(False)
    with pytest.raises(InputError, match="no parameter to train"):
        train.fit(frozen, samples, None, config())


def test_a_configuration_checks_itself():
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        train.TrainConfig(schedule="cosin")
    with pytest.raises(InputError, match=r"epochs = 0 is not in .*; lr = -1 is not in \[0, 1000\]"):
        train.TrainConfig(epochs=0, lr=-1)
    with pytest.raises(InputError, match="expected 'auto', 'cpu'"):
        train.fit(network(), toy(10, seed=1), None, config(device="abacus"))
    settings = config(epochs=3)
    assert train.TrainConfig(**settings.as_dict()) == settings


def test_alpha_is_the_published_curve():
    assert domain_alpha(0.0) == 0.0
    # 2 / (1 + e^-5) - 1
    assert domain_alpha(0.5) == pytest.approx(0.9866142981514303, rel=1e-12)
    assert domain_alpha(1.0) == pytest.approx(0.9999092042625951, rel=1e-12)


def test_schedules_start_peak_and_end_where_they_should():
    def rates(**options):
        c = config(lr=1.0, **options)
        return [learning_rate(c, step / 100) for step in range(100)]

    assert set(rates(schedule="constant")) == {1.0}
    cosine = rates(schedule="cosine")
    assert cosine[0] == 1.0
    assert cosine[50] == pytest.approx(0.5)
    assert 0 < cosine[-1] < 1e-3
    one_cycle = rates(schedule="one_cycle", warmup=0.2)
    assert one_cycle[0] == pytest.approx(0.01)  # never quite 0: the first step counts too
    assert one_cycle[10] == pytest.approx(0.5)
    assert max(one_cycle) == one_cycle[20] == 1.0
    assert one_cycle[60] == pytest.approx(0.5)


def test_class_weights_level_the_classes_and_have_mean_one():
    label = np.array([0, 0, 0, 1, 2, -1])
    weight = np.array([1, 1, 2, 1, 3, 5], np.float32)
    w = loss_weights(label, weight, balanced=True)
    assert w[5] == 0
    np.testing.assert_allclose(w[:5].mean(), 1, rtol=1e-6)
    np.testing.assert_allclose([w[label == c].sum() for c in range(3)], 5 / 3, rtol=1e-6)
    np.testing.assert_allclose(w[2] / w[0], 2, rtol=1e-6)
    plain = loss_weights(label, weight, balanced=False)
    np.testing.assert_allclose(plain[:5], weight[:5] / weight[:5].mean(), rtol=1e-6)


def test_modality_dropout_takes_a_proper_part_of_what_there_is():
    rng = np.random.default_rng(0)
    present = rng.random((30_000, 3)) < 0.8
    present = present[present.any(1)]
    kept = drop_streams(present, 0.4, rng)
    assert (kept <= present).all()
    assert kept.any(1).all()
    m, k = present.sum(1), kept.sum(1)
    assert (k[m == 1] == 1).all()
    # about 15,000 samples with all three: one standard error of these shares is 0.004
    assert np.mean(k[m == 3] < 3) == pytest.approx(0.4, abs=0.016)
    assert np.mean(k[m == 3] == 1) == pytest.approx(0.2, abs=0.016)
    single = kept[(m == 3) & (k == 1)].mean(0)
    np.testing.assert_allclose(single, 1 / 3, atol=0.035)
    assert (drop_streams(present, 0.0, rng) == present).all()
    every = drop_streams(present, 1.0, rng).sum(1)
    assert (every[m > 1] < m[m > 1]).all()


def test_batches_hold_one_set_of_streams_and_every_sample_once():
    rng = np.random.default_rng(0)
    present = rng.random((500, 2)) < 0.7
    present[~present.any(1)] = True
    batches = deal(present, 64, rng)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    for rows in batches:
        assert (present[rows] == present[rows[0]]).all()
        assert len(rows) <= 64
    both = sorted(len(rows) for rows in batches if present[rows[0]].all())
    assert both[-1] - both[0] <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_is_used_where_there_is_one_and_the_network_comes_back(tmp_path):
    seen = []

    def look(done, _):
        seen.append(next(net.parameters()).device.type)

    net = network(n_domains=4)
    settings = config(epochs=3, device="auto", domain_weight=0.5)
    result = train.fit(
        net, toy(200, seed=1), toy(50, seed=2), settings, progress=look, checkpoint=tmp_path / "a.safetensors"
    )
    assert seen == ["cuda"] * 3
    assert {v.device.type for v in [*result.state.values(), *net.parameters()]} == {"cpu"}
    assert np.isfinite(result.history["val_loss"]).all()


def test_decay_over_a_training_does_not_depend_on_its_length():
    from mien.train._loop import decay_per_step

    def shrinks_by(n_samples: int, **options) -> float:
        c = config(weight_decay=1.3, lr=0.01, **options)
        n_steps = c.epochs * -(-n_samples // c.batch_size)
        rates = [learning_rate(c, step / n_steps) for step in range(n_steps)]
        return float(np.prod([1 - rate * decay_per_step(c, n_samples) for rate in rates]))

    for options in ({}, {"epochs": 50}, {"schedule": "constant"}, {"schedule": "cosine"}):
        # (1 - a/n)^n is within a²/2n of exp(-a), here with at least 100 steps; the schedule's mean adds 1/n
        assert shrinks_by(3000, batch_size=30, **options) == pytest.approx(np.exp(-1.3), rel=0.02)
