"""Reading MATLAB files: values, laziness, and one clear line for every kind of broken file."""

from __future__ import annotations

import contextlib
import pickle
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import savemat

from _seed_vii_files import write_mat_73
from mien.core import InputError
from mien.io.mat import MatFile

DTYPES = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]


@pytest.fixture
def variables() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {str(k): rng.normal(size=(3, 10 * k)) for k in (10, 2, 1)}


@pytest.fixture(params=["5", "5 compressed", "7.3"])
def file(request: pytest.FixtureRequest, tmp_path: Path, variables: dict[str, np.ndarray]) -> Path:
    path = tmp_path / "1.mat"
    if request.param == "7.3":
        write_mat_73(path, variables)
    else:
        savemat(path, variables, do_compression="compressed" in request.param)
    return path


def test_names_shapes_and_values_in_matlab_order(file: Path, variables: dict[str, np.ndarray]) -> None:
    mat = MatFile(file)
    assert mat.names() == ("1", "2", "10")
    assert "2" in mat
    assert "3" not in mat
    for name, values in variables.items():
        assert mat.shape(name) == values.shape
        assert mat.dtype(name) == np.float64
        np.testing.assert_array_equal(mat.read(name), values)


def test_travels_to_another_process(file: Path, variables: dict[str, np.ndarray]) -> None:
    mat = pickle.loads(pickle.dumps(MatFile(file)))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(mat.read("10"), variables["10"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.sampled_from(DTYPES).flatmap(
        lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=6))
    ),
    compressed=st.booleans(),
)
def test_agrees_with_what_scipy_wrote(tmp_path: Path, values: np.ndarray, compressed: bool) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"x": values, "after": np.ones((1, 1))}, do_compression=compressed)
    mat = MatFile(path)
    assert mat.shape("x") == values.shape
    assert mat.dtype("x") == values.dtype
    np.testing.assert_array_equal(mat.read("x"), values)
    assert mat.read("after") == 1.0


def test_big_endian_and_small_integers_stored_for_doubles(tmp_path: Path) -> None:
    """Built by hand after the format's description: a double array whose values are stored as int16."""
    numbers = np.array([[1, -2], [300, 4]], dtype=">i2")
    parts = [
        np.array([6, 8, 6, 0], ">u4").tobytes(),  # flags: class double
        np.array([5, 8, 2, 2], ">i4").tobytes(),  # dimensions
        np.array([1 << 16 | 1], ">u4").tobytes() + b"x\0\0\0",  # name, inside its tag
        np.array([3, 8], ">u4").tobytes() + numbers.tobytes(order="F"),
    ]
    body = b"".join(parts)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    path = tmp_path / "big.mat"
    path.write_bytes(head + np.array([14, len(body)], ">u4").tobytes() + body)
    read = MatFile(path).read("x")
    assert read.dtype == np.dtype("=f8")
    np.testing.assert_array_equal(read, numbers)


@pytest.mark.parametrize("kind", ["5", "5 compressed", "7.3"])
def test_one_variable_costs_its_own_memory(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    variables = {str(k): rng.integers(0, 9, size=(62, 10_000)).astype(float) for k in range(1, 7)}
    path = tmp_path / "1.mat"
    if kind == "7.3":
        write_mat_73(path, variables)
    else:
        savemat(path, variables, do_compression="compressed" in kind)
    one = variables["1"].nbytes
    MatFile(path).read("1")  # imports are not what is measured
    tracemalloc.start()
    mat = MatFile(path)
    directory = tracemalloc.get_traced_memory()[1]
    data = mat.read("5")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(data, variables["5"])
    assert directory < 0.1 * one
    # one variable plus buffers of at most 256 KiB; h5py allocates through NumPy, which is traced too
    assert peak < 1.2 * one


@pytest.mark.parametrize("kind", ["5", "5 compressed", "7.3"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_truncated_file(tmp_path: Path, kind: str, share: float) -> None:
    whole = tmp_path / "whole.mat"
    variables = {str(k): np.random.default_rng(k).normal(size=(5, 2000)) for k in (1, 2)}
    if kind == "7.3":
        write_mat_73(whole, variables)
    else:
        savemat(whole, variables, do_compression="compressed" in kind)
    cut = tmp_path / "cut.mat"
    cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    with pytest.raises(InputError, match=r"cut\.mat: is truncated.*Download the file again"):
        MatFile(cut)


def test_cut_inside_the_header(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file, Platform")
    with pytest.raises(InputError, match="truncated within its header"):
        MatFile(path)


def test_flipped_bits_inside_a_compressed_variable(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    savemat(path, {"1": np.random.default_rng(0).normal(size=(50, 200))}, do_compression=True)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(InputError, match="variable '1' is damaged"):
        MatFile(path).read("1")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), compressed=st.booleans())
def test_any_flipped_byte_gives_numbers_or_one_clear_line(
    tmp_path: Path, where: float, flip: int, compressed: bool
) -> None:
    path = tmp_path / "1.mat"
    values = np.arange(40.0).reshape(4, 10)
    savemat(path, {"1": values, "22": values}, do_compression=compressed)
    raw = bytearray(path.read_bytes())
    raw[int(where * len(raw))] ^= flip
    path.write_bytes(raw)
    with contextlib.suppress(InputError):  # any other error fails the test
        mat = MatFile(path)
        read = [mat.read(name) for name in mat.names()]
        assert all(np.isrealobj(array) for array in read)


def test_file_replaced_after_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    savemat(path, {"1": np.ones((3, 4))})
    mat = MatFile(path)
    savemat(path, {"1": np.ones((4, 5))})
    with pytest.raises(InputError, match="changed since it was opened"):
        mat.read("1")
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        mat.read("1")


MAT_4 = np.array([0, 1, 1, 0, 2], "<i4").tobytes() + b"x\0" + np.ones(1).tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "is a web page"),
        (b"\xef\xbb\xbf\n <HTML><head>", "is a web page"),
        (MAT_4, "version 4.*save it with -v7"),
        (b"PK\x03\x04" + bytes(200), "is a ZIP archive.*Unpack it"),
        (b"Rar!\x1a\x07\x00" + bytes(200), "is a RAR archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\x80\x04\x95 a pickle, say", "is not a MATLAB file"),
        (bytes(4096), "is not a MATLAB file"),
        (b"x", "is not a MATLAB file"),
    ],
)
def test_what_is_no_mat_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "1.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        MatFile(path)
    assert str(path) in str(caught.value)
    assert "expected a MATLAB file of version 5 or 7.3" in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        MatFile(tmp_path / "absent.mat")
    with pytest.raises(InputError, match="is a folder"):
        MatFile(tmp_path)


def test_missing_key_lists_what_is_there(file: Path) -> None:
    with pytest.raises(InputError, match="no variable '7'; expected one of: 1, 2, 10"):
        MatFile(file).read("7")


def test_what_is_no_real_array_in_version_5(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    cell = np.empty((1, 2), dtype=object)
    cell[:] = [[np.ones(3), "a"]]
    savemat(path, {"cell": cell, "struct": {"a": 1}, "text": "abc", "complex": np.array([[1j]])})
    mat = MatFile(path)
    for name, kind in {
        "cell": "cell",
        "struct": "struct",
        "text": "char",
        "complex": "complex double",
    }.items():
        assert mat.kind(name) == kind
        with pytest.raises(
            InputError, match=f"variable '{name}' is of class {kind}; expected a real numeric"
        ):
            mat.read(name)


def test_what_is_no_real_array_in_version_73(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_group("#refs#")["a"] = np.ones(3)
        file.create_dataset("cell", data=np.array([file["#refs#/a"].ref], dtype=h5py.ref_dtype))
        file.create_group("struct").attrs["MATLAB_class"] = np.bytes_("struct")
        file["text"] = np.array([[97]], "u2")
        file["text"].attrs["MATLAB_class"] = np.bytes_("char")
        file["complex"] = np.array([(1.0, 2.0)], dtype=[("real", "f8"), ("imag", "f8")])
    mat = MatFile(path)
    assert mat.names() == ("cell", "complex", "struct", "text")
    for name in mat.names():
        kind = {"text": "char"}.get(name, name)
        with pytest.raises(InputError, match=f"variable '{name}' is of class {kind}"):
            mat.read(name)


def test_empty_array_and_missing_class_in_version_73(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    with h5py.File(path, "w") as file:  # HDF5 without MATLAB's header and attributes is read the same way
        file["empty"] = np.array([62, 0], "u8")
        file["empty"].attrs["MATLAB_empty"] = np.uint8(1)
        file["plain"] = np.arange(6.0).reshape(3, 2)
    mat = MatFile(path)
    assert mat.read("empty").shape == mat.shape("empty") == (62, 0)
    np.testing.assert_array_equal(mat.read("plain"), np.arange(6.0).reshape(3, 2).T)
