"""Weights in a folder, never in a pickle."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from mien import models, train
from mien.core import InputError


@pytest.fixture
def folder(tmp_path):
    network = models.create("maet")
    return train.save_weights(tmp_path / "maet", network.state_dict(), {"model": "maet", "b": 1, "a": [1.5]})


def test_what_was_written_is_read_and_the_same_bytes_are_written_again(folder, tmp_path):
    state, meta = train.load_weights(folder)
    assert meta == {"model": "maet", "a": [1.5], "b": 1}
    network = models.create("maet", seed=4)
    network.load_state_dict(state)
    assert all(torch.equal(v, state[k]) for k, v in models.create("maet").state_dict().items())
    again = train.save_weights(
        tmp_path / "again", dict(reversed(state.items())), dict(reversed(meta.items()))
    )
    for name in ("weights.safetensors", "model.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "weights.safetensors"]


def test_arrays_and_views_can_be_written(tmp_path):
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    shared = torch.from_numpy(matrix.copy())
    train.save_weights(tmp_path, {"a": matrix.T, "b": shared, "c": shared[0]}, {})
    state, _ = train.load_weights(tmp_path)
    np.testing.assert_array_equal(state["a"], matrix.T)
    np.testing.assert_array_equal(state["c"], matrix[0])


@pytest.mark.parametrize("name", ["model.pt", "model.pkl", "weights.safetensors"])
@pytest.mark.parametrize("writer", ["torch", "pickle"])
@pytest.mark.parametrize("offer", ["file", "folder"])
def test_a_pickle_is_refused_without_being_opened(tmp_path, name, writer, offer):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "offered" / name
    path.parent.mkdir()
    if writer == "torch":
        torch.save({"a": Trap()}, path)
    else:
        path.write_bytes(pickle.dumps({"a": Trap()}))
    with pytest.raises(InputError, match=r"pickle files can run code.*safetensors.torch.save_file"):
        train.load_weights(path if offer == "file" else path.parent)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("length", [0x280, 0x4B50])
def test_weights_whose_first_bytes_look_like_a_pickle_are_read(tmp_path, length):
    """The file starts with the length of its header, which may happen to be 80 02 or "PK"."""
    name = "w" * (length - 56)
    train.save_weights(tmp_path, {name: torch.ones(2)}, {})
    start = (tmp_path / "weights.safetensors").read_bytes()[:8]
    assert int.from_bytes(start, "little") == length
    assert list(train.load_weights(tmp_path)[0]) == [name]


def test_missing_and_damaged_files_are_named(folder, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        train.load_weights(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"weights.safetensors: no such file"):
        train.load_weights(tmp_path / "empty")
    with pytest.raises(InputError, match="this is a file; expected a folder"):
        train.load_weights(folder / "model.json")
    meta = folder / "model.json"
    meta.write_text("{")
    with pytest.raises(InputError, match=r"model.json: not valid JSON"):
        train.load_weights(folder)
    meta.unlink()
    with pytest.raises(InputError, match=r"model.json: cannot be read"):
        train.load_weights(folder)
    meta.write_text(json.dumps({}))
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    for content in (whole[:-1], whole[:50], b""):
        weights.write_bytes(content)
        with pytest.raises(InputError, match=r"weights.safetensors: damaged"):
            train.load_weights(folder)


def test_values_that_are_no_json_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        train.save_weights(tmp_path / "x", {}, {"a": float("nan")})
    assert not (tmp_path / "x").exists()
