"""Archives from strangers: arrays and pickled bytes come out as they went in, and damage is named."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mien.core import InputError
from mien.io.npz import NpzFile


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "1_123.npz"
    data = {0: np.arange(310.0)[None], 1: np.ones((2, 310))}
    np.savez(
        path, data=pickle.dumps(data, 3), label=np.bytes_(pickle.dumps({0: np.zeros(1)}, 3)), x=np.eye(2)
    )
    return path


def test_arrays_and_pickled_bytes_of_an_archive(archive: Path) -> None:
    npz = NpzFile(archive)
    assert npz.names() == ("data", "label", "x")
    assert "x" in npz
    assert "y" not in npz
    np.testing.assert_array_equal(npz.read("x"), np.eye(2))
    np.testing.assert_array_equal(npz.unpickle("data")[1], np.ones((2, 310)))
    again = pickle.loads(pickle.dumps(npz))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(again.unpickle("label")[0], [0.0])


def test_bytes_may_be_kept_as_small_integers(tmp_path: Path) -> None:
    raw = pickle.dumps([1, 2], 3)
    np.savez(tmp_path / "a.npz", a=np.frombuffer(raw, np.uint8), b=np.void(raw))
    assert NpzFile(tmp_path / "a.npz").unpickle("a") == [1, 2]
    assert NpzFile(tmp_path / "a.npz").unpickle("b") == [1, 2]


def test_no_such_array_and_no_pickle(archive: Path) -> None:
    with pytest.raises(InputError, match=r"no array 'y'; expected one of: data, label, x"):
        NpzFile(archive).read("y")
    with pytest.raises(InputError, match=r"array 'x' is float64 \(2, 2\); expected pickled bytes"):
        NpzFile(archive).unpickle("x")


def test_an_array_of_objects_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, data=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="array 'data' holds Python objects, which could run code"):
        NpzFile(path).read("data")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>log in</html>", "is a web page"),
        (b"\x93NUMPY\x01\x00", "is not a NumPy archive"),
        (b"PK\x03\x04 and no more", "is truncated or damaged"),
    ],
)
def test_no_archive(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "1_123.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"1_123\.npz: {says}"):
        NpzFile(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        NpzFile(tmp_path / "a.npz")


def test_a_cut_archive(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(InputError, match="is truncated or damaged"):
        NpzFile(archive)


def test_damage_inside_an_archive(archive: Path) -> None:
    raw = bytearray(archive.read_bytes())
    raw[300] ^= 0xFF
    archive.write_bytes(bytes(raw))
    with pytest.raises(InputError, match="array 'data' is damaged"):
        NpzFile(archive).read("data")
