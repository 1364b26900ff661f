"""The store: keys, whole entries, fingerprints, the index, and what a crash leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from mien.core import Features, InputError
from mien.run.store import KeyParts, Store, canonical_json


def made(seed=0, n=3):
    values = np.random.default_rng(seed).normal(size=(n, 2, 2))
    return Features(
        values=values,
        axes={"window": (), "band": ("low", "high"), "channel": ("A", "B")},
        starts=np.arange(n) * 4.0,
        durations=np.full(n, 4.0),
        extractor="de",
        version="1",
        valid=np.arange(n) != 1,
    )


def parts(**more):
    return KeyParts(
        **{"sources": ("aa", "bb"), "extractor": "de", "version": "1", "parameters": {"x": 1}, **more}
    )


def old(path, text="content"):
    """A file that was changed a minute ago, so that its fingerprint may be remembered."""
    path.write_text(text)
    before = time.time_ns() - 60 * 10**9
    os.utime(path, ns=(before, before))
    return path


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_result_comes_back_as_it_was_put_in_float32_and_mapped(store):
    one = made()
    found = store.get_or_make(parts(), lambda: one)
    assert isinstance(found.values, np.memmap)
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, one.values.astype(np.float32))
    for name in ("starts", "durations", "valid"):
        np.testing.assert_array_equal(getattr(found, name), getattr(one, name))
    assert list(found.axes.items()) == list(one.axes.items())
    assert (found.extractor, found.version) == ("de", "1")
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 0


def test_a_result_is_made_once(store):
    calls = []
    for _ in range(3):
        store.get_or_make(parts(), lambda: calls.append(1) or made())
    assert len(calls) == 1
    assert parts() in store
    assert parts(version="2") not in store


def test_no_windows_can_be_stored(store):
    assert store.get_or_make(parts(), lambda: made(n=0)).values.shape == (0, 2, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"sources": ("aa",)},
        {"sources": ("aa", "cc")},
        {"extractor": "psd"},
        {"version": "2"},
        {"parameters": {"x": 2}},
        {"parameters": {"x": 1, "y": None}},
        {"upstream": ("k",)},
        {"state": "s"},
    ],
)
def test_every_part_changes_the_key(change):
    assert parts(**change).key != parts().key


def test_equal_parts_have_equal_keys():
    assert parts(sources=("bb", "aa")).key == parts().key
    assert parts(parameters={"b": (4, 2), "a": 4.0}).key == parts(parameters={"a": 4, "b": [4.0, 2]}).key
    assert parts(parameters={"a": np.float64(0.5)}).key == parts(parameters={"a": 0.5}).key
    assert parts(parameters={"a": True}).key != parts(parameters={"a": 1}).key


def test_the_key_stays_the_same_between_versions_of_python_and_runs():
    # a change of this number makes every user's store useless: raise it on purpose or not at all
    assert parts().text == (
        '{"extractor":"de","parameters":{"x":1},"sources":["aa","bb"],"state":"","upstream":[],"version":"1"}'
    )
    assert parts().key == "bfe5d089dec86a7eeaa5e38bd68ce0bf"


def test_only_plain_data_can_be_a_parameter():
    with pytest.raises(TypeError, match="plain data, got object"):
        canonical_json({"x": object()})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": float("nan")})


def test_same_input_same_bytes(tmp_path):
    for name in ("a", "b"):
        store = Store(tmp_path / name)
        for version in ("1", "2"):
            store.get_or_make(parts(version=version), made)
        store.index()
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_failed_result_leaves_nothing(store):
    def fails():
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        store.get_or_make(parts(), fails)
    assert not store.folder.exists()


def test_opening_a_store_writes_nothing(tmp_path):
    store = Store(tmp_path / "store")
    assert parts() not in store
    assert store.keys() == []
    assert store.index().empty
    assert not (tmp_path / "store").exists()


def test_a_damaged_entry_is_made_again(store):
    store.get_or_make(parts(), made)
    values = next(store.folder.glob("entries/*/*/values.npy"))
    values.write_bytes(values.read_bytes()[:-8])
    assert parts() not in store
    assert store.keys() == []
    assert store.damaged() == {parts().key: ["values.npy"]}
    (values.parent / "valid.npy").unlink()
    assert store.damaged() == {parts().key: ["valid.npy", "values.npy"]}
    assert parts() not in store
    found = store.get_or_make(parts(), made)
    np.testing.assert_array_equal(found.values, made().values.astype(np.float32))
    assert store.damaged() == {}


def test_changed_bytes_are_found(store):
    store.get_or_make(parts(), made)
    values = next(store.folder.glob("entries/*/*/values.npy"))
    content = bytearray(values.read_bytes())
    content[-1] ^= 1
    values.write_bytes(content)
    assert store.damaged() == {parts().key: ["values.npy"]}


def test_nothing_is_unpickled(store):
    store.get_or_make(parts(), made)
    folder = next(store.folder.glob("entries/*/*"))
    size = (folder / "starts.npy").stat().st_size
    np.save(folder / "starts.npy", np.array([print], dtype=object), allow_pickle=True)
    content = (folder / "starts.npy").read_bytes()[:size].ljust(size)
    (folder / "starts.npy").write_bytes(content)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.get(parts())


def test_leftovers_of_a_dead_process_are_cleared_and_those_of_a_living_one_are_not(tmp_path):
    store = Store(tmp_path)
    with store._temporary() as mine:
        name = mine.name.split("~")
        dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
        left = mine.parent / f"{name[0]}~{int(dead.stdout)}~x"
        left.mkdir()
        (left / "values.npy").write_bytes(b"half")
        other_host = mine.parent / "elsewhere~1~x"
        other_host.mkdir()
        Store(tmp_path)
        assert not left.exists()
        assert mine.exists()
        assert other_host.exists()
    assert not mine.exists()


def test_two_processes_with_the_same_result_agree(tmp_path):
    first, second = Store(tmp_path), Store(tmp_path)

    def slow():
        second.put(parts(), made())
        return made()

    found = first.get_or_make(parts(), slow)
    np.testing.assert_array_equal(found.values, made().values.astype(np.float32))
    assert len(first.keys()) == 1
    assert not list(tmp_path.glob("tmp/*"))


def test_index_lists_entries_and_is_rebuilt_from_the_folders(store):
    for recipe in ("released", "corrected"):
        store.get_or_make(
            parts(parameters={"recipe": recipe, "trial": "t1", "recording": "r", "stream": "eeg"}), made
        )
    table = store.index()
    assert sorted(table["recipe"]) == ["corrected", "released"]
    assert set(table["trial"]) == {"t1"}
    assert set(table["n_windows"]) == {3}
    assert list(table["key"]) == store.keys()
    pd.testing.assert_frame_equal(pd.read_parquet(store.folder / "index.parquet"), table)
    (store.folder / "index.parquet").unlink()
    pd.testing.assert_frame_equal(Store(store.folder).index(), table)


def test_fingerprint_is_of_all_bytes(store, tmp_path):
    a, b = old(tmp_path / "a", "x" * 10_000_000 + "1"), old(tmp_path / "b", "x" * 10_000_000 + "2")
    same = old(tmp_path / "c", "x" * 10_000_000 + "1")
    assert store.fingerprint(a) == store.fingerprint(same)
    assert store.fingerprint(a) != store.fingerprint(b)
    assert len(store.fingerprint(a)) == 32


def test_fingerprint_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    from mien.run import store as module

    hashed = []
    real = module.hash_file
    monkeypatch.setattr(module, "hash_file", lambda p: hashed.append(str(p)) or real(p))
    path = old(tmp_path / "a.mat", "one")
    first = Store(tmp_path / "s").fingerprint(path)
    assert Store(tmp_path / "s").fingerprint(path) == first
    assert len(hashed) == 1
    old(path, "two")  # same length
    os.utime(path, ns=(1, 1))
    assert Store(tmp_path / "s").fingerprint(path) != first
    assert len(hashed) == 2


def test_a_file_just_written_is_not_remembered(store, tmp_path):
    path = tmp_path / "fresh"
    path.write_text("one")
    now = path.stat().st_mtime_ns
    first = store.fingerprint(path)
    path.write_text("two")
    os.utime(path, ns=(now, now))  # as if both fell on one tick of the file system's clock
    assert store.fingerprint(path) != first


def test_lost_fingerprints_are_only_slow(store, tmp_path):
    path = old(tmp_path / "a")
    first = store.fingerprint(path)
    (store.folder / "fingerprints.parquet").write_bytes(b"not parquet")
    assert Store(store.folder).fingerprint(path) == first


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"store cannot be written \(Not a directory\).*choose a folder"):
        Store(tmp_path / "file" / "store").put(parts(), made())


def test_bad_paths_are_one_clear_line(store, tmp_path):
    with pytest.raises(InputError, match="nowhere: cannot be read \\(No such file"):
        store.fingerprint(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file: is a file; expected a folder for the store"):
        Store(tmp_path / "file")
    with pytest.raises(KeyError):
        store.get(parts())
