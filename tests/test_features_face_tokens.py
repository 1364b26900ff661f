"""Tokens of crops: what comes out, absent faces, averaging onto a grid, and the fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mien import features
from mien.core import Features, InputError, UnknownNameError
from mien.features import face_tokens as module
from mien.vision import backbones


def crops(n_windows=2, n_instances=3, side=24, *, absent=(), seed=0):
    """Random crops; ``absent`` (window, instance) are zeros."""
    values = np.random.default_rng(seed).integers(1, 256, (n_windows, n_instances, 3, side, side), np.uint8)
    for at in absent:
        values[at] = 0
    return Features(
        values=values,
        axes={
            "window": (),
            "instance": tuple(map(str, range(n_instances))),
            "rgb": ("r", "g", "b"),
            "row": tuple(map(str, range(side))),
            "column": tuple(map(str, range(side))),
        },
        starts=np.arange(n_windows) * 3.0 + 100,
        durations=np.full(n_windows, 3.0),
        extractor="face_crops",
        version="1",
        valid=np.ones(n_windows, dtype=bool),
    )


def test_what_comes_out():
    given = crops()
    found = features.compute("face_tokens", given)
    assert found.values.shape == (2, 3, 49, 24)
    assert found.values.dtype == np.float32
    assert list(found.axes) == ["window", "instance", "token", "value"]
    assert found.axes["instance"] == ("0", "1", "2")
    np.testing.assert_array_equal(found.starts, given.starts)
    np.testing.assert_array_equal(found.durations, given.durations)
    assert (found.extractor, found.version) == ("face_tokens", module.INFO.version)
    assert found.valid.all()
    images = torch.from_numpy(given.values.reshape(6, 3, 24, 24)) / 255
    direct = backbones.create("gradients")(images).reshape(2, 3, 49, 24).numpy()
    np.testing.assert_allclose(found.values, direct, rtol=1e-4, atol=1e-4)  # float32, other batches


def test_absent_faces_are_nan_and_not_computed(monkeypatch):
    seen = []
    real = backbones.tokens_of

    def spy(network, images, **options):
        seen.append(len(images))
        return real(network, images, **options)

    monkeypatch.setattr(module.backbones, "tokens_of", spy)
    monkeypatch.setattr(module, "BATCH", 2)
    absent = [(0, 1), (1, 0), (1, 1), (1, 2)]
    found = features.compute("face_tokens", crops(3, absent=absent))
    assert seen == [2, 2, 1]  # 9 crops less 4, two at a time
    lost = np.isnan(found.values)
    np.testing.assert_array_equal(lost.all(axis=(2, 3)), lost.any(axis=(2, 3)))
    assert [tuple(map(int, at)) for at in np.argwhere(lost.all(axis=(2, 3)))] == absent
    np.testing.assert_array_equal(found.valid, [True, False, True])
    whole = features.compute("face_tokens", crops(3))
    np.testing.assert_allclose(found.values[~lost], whole.values[~lost], rtol=1e-4, atol=1e-4)


def test_any_number_of_threads_gives_the_same_bytes():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        found = features.compute("face_tokens", crops())
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        np.testing.assert_array_equal(features.compute("face_tokens", crops()).values, found.values)
    finally:
        torch.set_num_threads(before)


def test_windows_that_were_not_valid_stay_so():
    given = dataclasses.replace(crops(), valid=np.array([True, False]))
    np.testing.assert_array_equal(features.compute("face_tokens", given).valid, [True, False])


def test_no_windows():
    found = features.compute("face_tokens", crops(0))
    assert found.values.shape == (0, 3, 49, 24)


def test_grid():
    fine = features.compute("face_tokens", crops()).values
    one = features.compute("face_tokens", crops(), grid=1)
    assert one.axes["token"] == ("0",)
    np.testing.assert_allclose(one.values, fine.mean(axis=2, keepdims=True), rtol=1e-4, atol=1e-5)
    # three cells of seven: rows 0-2, 2-4, 4-6, as adaptive pooling shares them out
    three = features.compute("face_tokens", crops(), grid=3).values
    upper_right = fine.reshape(2, 3, 7, 7, 24)[:, :, 0:3, 4:7].mean(axis=(2, 3))
    np.testing.assert_allclose(three[:, :, 2], upper_right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("grid", [0, 8, True, 2.0])
def test_grids_that_cannot_be(grid):
    with pytest.raises(InputError, match=r"grid .*expected a whole number, 1 to 7, the grid of 'gradients'"):
        features.compute("face_tokens", crops(), grid=grid)


def test_half():
    found = features.compute("face_tokens", crops(), half=True)
    assert found.values.dtype == np.float16
    # half precision keeps 11 bits
    full = features.compute("face_tokens", crops()).values
    np.testing.assert_allclose(found.values, full, rtol=2**-11, atol=1e-6)


def test_options_of_the_crops_change_nothing_here():
    with_options = features.compute("face_tokens", crops(), face_crops={"size": 24})
    np.testing.assert_array_equal(with_options.values, features.compute("face_tokens", crops()).values)
    assert features.upstream_options("face_tokens", {"face_crops": {"size": 24}}) == {"size": 24}


def test_not_crops():
    given = crops()
    with pytest.raises(InputError, match=r"type float64; expected uint8 \(windows, instances, 3"):
        features.compute("face_tokens", dataclasses.replace(given, values=given.values.astype(float)))
    flat = Features(
        values=given.values[:, 0, 0, 0],
        axes={"window": (), "column": given.axes["column"]},
        starts=given.starts,
        durations=given.durations,
        extractor="face_crops",
        version="1",
        valid=given.valid,
    )
    with pytest.raises(InputError, match=r"shape \(2, 24\)"):
        features.compute("face_tokens", flat)


def test_unknown_backbone():
    with pytest.raises(UnknownNameError, match="unknown backbone 'gradient'; did you mean 'gradients'"):
        features.compute("face_tokens", crops(), backbone="gradient")
    with pytest.raises(UnknownNameError, match="unknown backbone"):
        module.fingerprint({"backbone": "gradient"})


def test_fingerprint_of_what_has_no_weights():
    assert module.fingerprint({}) == module.fingerprint({"backbone": "gradients"}) == ""


@pytest.fixture
def learnt(tmp_path):
    """A small network in a file."""
    network = backbones.create("small_cnn", random=True, seed=1)
    save_file(network.state_dict(), tmp_path / "one.safetensors")
    return tmp_path / "one.safetensors"


def test_weights_of_a_file_and_their_fingerprint(learnt):
    options = {"backbone": "small_cnn", "weights": str(learnt)}
    found = features.compute("face_tokens", crops(), **options)
    assert found.values.shape == (2, 3, 49, 64)
    first = module.fingerprint(options)
    assert first == f"small_cnn {hashlib.blake2b(learnt.read_bytes(), digest_size=16).hexdigest()}"
    # the same content elsewhere is the same; another content in the same place is not, and is read again
    copy = learnt.with_name("two.safetensors")
    copy.write_bytes(learnt.read_bytes())
    assert module.fingerprint({**options, "weights": str(copy)}) == first
    other = backbones.create("small_cnn", random=True, seed=2)
    save_file(other.state_dict(), learnt)
    os.utime(learnt, ns=(1, 1))
    assert module.fingerprint(options) != first
    assert not np.array_equal(features.compute("face_tokens", crops(), **options).values, found.values)


def test_a_random_network_is_no_feature():
    with pytest.raises(InputError, match="'small_cnn' without weights would give tokens of a random network"):
        features.compute("face_tokens", crops(), backbone="small_cnn")


def test_weights_that_are_not_there(tmp_path):
    options = {"backbone": "small_cnn", "weights": str(tmp_path / "gone")}
    with pytest.raises(InputError, match="gone: is not there"):
        module.fingerprint(options)
    with pytest.raises(InputError, match="gone: is not there"):
        features.compute("face_tokens", crops(), **options)
    with pytest.raises(InputError, match="weights 7; expected a path or a name"):
        features.compute("face_tokens", crops(), backbone="small_cnn", weights=7)
