"""Baselines on the maps of an expression: what each computes, and that it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mien import models, train
from mien.core import Batch, InputError
from mien.models.flow_histogram_svm import describe

NETWORKS = ["ststnet", "mer"]
SIDE = 24


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def faces(n, seed, side=SIDE):
    """Three classes: the left half moves right, the right half moves down, nothing moves; with noise."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, n)
    maps = rng.normal(size=(n, 4, side, side)).astype(np.float32)
    maps[label == 0, 0, :, : side // 2] += 1
    maps[label == 1, 1, :, side // 2 :] += 1
    maps[:, 2] = np.abs(maps[:, 2])
    return Batch(
        ids=tuple(map(str, range(n))),
        inputs={"me": maps.reshape(n, -1)},
        present={"me": np.ones(n, bool)},
        label=label,
        domain=np.full(n, -1),
        weight=np.ones(n, np.float32),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_learns_what_moves_where(name):
    network = models.create(name, shapes={"me": (4, SIDE, SIDE)})
    options = {"epochs": 15, "batch_size": 32, "lr": 1e-2, "device": "cpu"}
    train.fit(network, faces(120, 1), faces(40, 2), train.TrainConfig(**options))
    test = faces(150, 3)
    # chance 1/3; one standard error 0.03
    assert (train.predict(network, test).argmax(1) == test.label).mean() > 0.7


def test_the_histograms_learn_what_moves_where():
    model = models.create("flow_histogram_svm", cells=4).fit(faces(120, 1))
    test = faces(150, 3)
    assert (model.predict_proba(test).argmax(1) == test.label).mean() > 0.7


def test_numbers_of_parameters_follow_from_the_descriptions():
    def count(name, **options):
        return sum(p.numel() for p in models.create(name, **options).parameters())

    # three convolutions 3 → 3, 5, 8 with bias, batch norm of 16, 16 × 5 × 5 values to 3 classes
    assert count("ststnet", n_classes=3) == (27 * 16 + 16) + 32 + (400 * 3 + 3)
    # the notebook's maps of 256 × 256: 24,576 values to 7 classes; one convolution for all, or three
    maps = {"shapes": {"me": (3, 256, 256)}, "n_classes": 7}
    rest = 3 * 16 + 24576 * 7 + 7
    assert count("mer", recipe="released", **maps) == 80 + rest
    assert count("mer", **maps) == 3 * 80 + rest


def test_released_mer_has_one_convolution_for_all_streams():
    network = models.create("mer", recipe="released", shapes={"me": (3, 32, 32)}).eval()
    x = torch.randn(2, 1, 32, 32).expand(2, 3, 32, 32)
    with torch.no_grad():
        first, second, third = network({"me": x}).representation.chunk(3, 1)
    assert torch.equal(first, second)
    assert torch.equal(first, third)
    own = models.create("mer", shapes={"me": (3, 32, 32)}).eval()
    first, second, _ = own({"me": x}).representation.chunk(3, 1)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_after_the_third_are_not_looked_at(name):
    network = models.create(name, shapes={"me": (4, SIDE, SIDE)}).eval()
    x = torch.randn(3, 4, SIDE, SIDE)
    odd = x.clone()
    odd[:, 3] = 100
    assert torch.equal(network({"me": x}).logits, network({"me": odd}).logits)
    with pytest.raises(InputError, match="at least three maps"):
        models.create(name, shapes={"me": (2, SIDE, SIDE)})
    with pytest.raises(InputError, match="of 8 × 8 or more"):
        models.create(name, shapes={"me": (3, 4, 4)})
    with pytest.raises(InputError, match=r"asked for streams \['eeg'\]; expected any of \['me'\]"):
        models.create(name, sizes={"eeg": 310})


def uniform(u, v, strain=1.0, side=16):
    maps = np.zeros((1, 3, side, side), np.float32)
    maps[0, 0], maps[0, 1], maps[0, 2] = u, v, strain
    return maps


def test_a_histogram_counts_length_by_direction():
    for turn in range(8):
        angle = turn * np.pi / 4
        found = describe(uniform(2 * np.cos(angle), 2 * np.sin(angle)), cells=4, bins=8).reshape(16, 10)
        expected = np.zeros(8)
        expected[turn] = 2
        # all cells alike: length 2 in one direction, as much strain as the mean; then the mean flow
        np.testing.assert_allclose(found[:, :8], np.tile(expected, (16, 1)), atol=1e-5)
        np.testing.assert_allclose(found[:, 8:], [[2 * np.cos(angle), 2 * np.sin(angle)]] * 16, atol=1e-5)


def test_a_direction_between_two_bins_is_shared():
    angle = np.pi / 8
    found = describe(uniform(np.cos(angle), np.sin(angle)), cells=2, bins=8).reshape(4, 10)
    np.testing.assert_allclose(found[:, :2], 0.5, atol=1e-5)
    assert np.abs(found[:, 2:8]).max() < 1e-5


def test_cells_with_more_strain_count_more_and_the_flow_of_other_directions_is_left_out():
    maps = uniform(1.0, 0.0, strain=0.0, side=8)
    maps[0, 2, :4, :4] = 3.0
    maps[0, 0, :4, 4:] = -0.1  # half the pixels of the cell to the left, a little
    maps[0, 0, :4, 6:] = 1.0
    found = describe(maps, cells=2, bins=8).reshape(2, 2, 10)
    np.testing.assert_allclose(found[0, 0, 0], 4.0, rtol=1e-6)  # a quarter of the face has all the strain
    assert np.abs(found[1, :, :8]).max() == 0
    np.testing.assert_allclose(found[0, 1, 8:], [1.0, 0.0], atol=1e-6)


def test_cells_that_do_not_divide_the_side_still_cover_it():
    found = describe(uniform(1.0, 1.0, side=19), cells=8, bins=4)
    assert found.shape == (1, 64 * 6)
    assert np.isfinite(found).all()
    with pytest.raises(InputError, match="at least 20 a side"):
        describe(uniform(1.0, 1.0, side=19), cells=20, bins=4)
    assert np.isfinite(describe(uniform(0.0, 0.0, strain=0.0), cells=4, bins=8)).all()


def test_the_histograms_survive_a_folder_and_know_their_maps(tmp_path):
    batch = faces(40, 1)
    model = models.create("flow_histogram_svm", cells=4).fit(batch)
    p = model.predict_proba(batch)
    assert p.shape == (40, 3)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)  # float32 rounding
    again = type(model).load(model.save(tmp_path))
    np.testing.assert_array_equal(again.predict_proba(batch), p)
    assert models.create("flow_histogram_svm", **model.config).config == model.config
    three = replace(batch, inputs={"me": batch.inputs["me"][:, : 3 * SIDE * SIDE]})
    with pytest.raises(InputError, match=f"a sample has {3 * SIDE * SIDE} values"):
        models.create("flow_histogram_svm").fit(three)
    shaped = models.create("flow_histogram_svm", cells=4, shapes={"me": (3, SIDE, SIDE)})
    np.testing.assert_allclose(shaped.fit(three).predict_proba(three), p, rtol=1e-5)
    with pytest.raises(InputError, match="no stream 'me'"):
        model.predict_proba(
            replace(batch, inputs={"eeg": batch.inputs["me"]}, present={"eeg": batch.present["me"]})
        )
