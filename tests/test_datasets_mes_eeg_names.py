"""No person's name in anything that is written or said, whatever is wrong with a copy of MEs-EEG."""

from __future__ import annotations

import os
import pickle
import re
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from _mes_eeg_files import Coded, default_rows, write_copy, write_eeg, write_faces
from conftest import Command, refused
from mien import datasets
from mien.core import InputError, Recording
from mien.core.pseudonyms import PUBLIC_KEY, existing_key, pseudonym
from mien.datasets import DatasetWarning
from mien.run.feature_files import write_features
from mien.run.store import Store

NAMES = ("zhangsan", "lisi", "wangwu", "zhaoliu")
PATTERN = re.compile("|".join(NAMES), re.IGNORECASE)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def faulty_copy(root: Path, *, simulated: bool = False) -> Path:
    """Four people; something is wrong with everything of each."""
    one, two, three, four = NAMES
    dates = ("20230718", "20230801", "20230802", "20230803")
    rows = [
        Coded(name=one),
        Coded(name=one, onset=2.02, apex=2.3, offset=2.3, kind="Macro", units="AU4"),
        Coded(name=one, marker=101, stamp_shift=0.2),
        Coded(name=two, date=dates[1], marker=104),
        Coded(name=two, date=dates[1], marker=102, cells={"OnsetTime": 9.0}),
        Coded(name=three, date=dates[2], cells={"Subject": one}),
        Coded(name=three, date=dates[2], marker=101, cells={"Filename": f"{three}.avi"}),
        Coded(name=three, date=dates[2], marker=107, cells={"Estimated Emotion": two}),
        Coded(name=four, date=dates[3], marker=108, onset=9.0, apex=9.2, offset=9.4),
        Coded(name=four, date=dates[3], marker=111),
    ]
    write_copy(root, rows, eeg=list(zip(NAMES, dates, strict=True)), simulated=simulated, size=64)
    faces = root / "3.pics_selected_segmented_cropped" / "Micro"
    next(faces.glob(f"*{two}*")).rename(faces / f"{two} renamed")
    next(faces.glob(f"*{three}*_107_*/apex.png")).write_bytes(b"\x89PNG broken" * 8)
    next(faces.glob(f"*{four}*_111_*/onset.png")).unlink()
    eeg = root / "eeg_py" / "eeg_for_mne"
    (eeg / f"{two}_{dates[1]}.fdt").unlink()
    (eeg / f"{three}_{dates[2]}.set").write_bytes(b"MATLAB 5.0".ljust(400))
    (eeg / f"{four}-eeg.set").write_bytes(b"")
    return root


def complaints(recording: Recording) -> list[str]:
    """What the lazy sources say when they are asked for everything after their files are gone."""
    files = {path for stream in recording.streams.values() for path in stream.source.files()}
    for path in files:
        path.unlink()
    asks: list[Callable[[], object]] = []
    for stream in recording.streams.values():
        asks += [stream.source.files, partial(stream.read, recording.trials[0].span)]
        for event in (e for e in recording.events if stream.shows(e)):
            asks += [partial(stream.clip, event), partial(stream.source.files_of, event)]
    texts = []
    for ask in asks:
        with pytest.raises(InputError) as error:
            ask()
        texts += [str(error.value), repr(error.value), str(error.value.file)]
    return texts


@pytest.mark.parametrize("simulated", [False, True])
def test_names_are_in_nothing_that_is_written_or_said(
    tmp_path: Path, config: Path, command: Command, simulated: bool
) -> None:
    root = faulty_copy(tmp_path / "copy", simulated=simulated)
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recordings = datasets.load("mes_eeg", root)
    texts += [f"{w.message} {w.message.faults}" for w in caught if isinstance(w.message, DatasetWarning)]
    assert len(texts) == 1
    texts += [repr(recordings), repr(pickle.loads(pickle.dumps(recordings)))]  # noqa: S301  our own bytes
    out = tmp_path / "out"
    for words in (
        ("inspect", "mes_eeg", root),
        ("inspect", "mes_eeg", root, "--json"),
        ("features", "mes_eeg", root, "--out", out, "--feature", "raw_eeg=psd", "--workers", "1"),
        ("inspect", "mes_eeg", root, "--reveal"),
    ):
        done = command(*words)
        texts.append(f"{done.out} {done.err}")
    for recording in recordings:
        texts += complaints(recording)
    with pytest.raises(InputError) as error:
        datasets.load("mes_eeg", root, subjects=NAMES)
    texts.append(str(error.value))
    everything = "\n".join(texts)
    assert len(everything) > 5000
    assert not PATTERN.search(everything), PATTERN.search(everything)
    pieces = [(p, p.read_bytes()) for p in out.rglob("*") if p.is_file()]
    assert len(pieces) >= 4
    for path, content in pieces:
        assert not PATTERN.search(str(path.relative_to(tmp_path)))
        for coding in ("utf-8", "utf-16-le", "utf-32-le"):
            assert not any(name.encode(coding) in content.lower() for name in NAMES), path
    key = existing_key()
    if simulated:
        assert not config.exists()
    else:
        assert key is not None
        assert not any(key in content or key.hex().encode() in content for _, content in pieces)


def test_features_of_events_name_nobody(tmp_path: Path, config: Path) -> None:
    root = faulty_copy(tmp_path / "copy")
    with pytest.warns(DatasetWarning):
        made = write_features(
            "mes_eeg", root, tmp_path / "out",
            wanted=["me=flow"], events=True,
        )  # fmt: skip
    assert any("onset.png" in fault or "picture" in fault for fault in made["faults"])
    assert not PATTERN.search(str(made))
    for path in (tmp_path / "out").rglob("*"):
        assert not PATTERN.search(path.name)
        assert path.is_dir() or not any(name.encode() in path.read_bytes() for name in NAMES)


def test_a_recording_that_cannot_be_cleaned_names_nobody(
    tmp_path: Path, config: Path, command: Command
) -> None:
    root = tmp_path / "copy"
    write_eeg(root, NAMES[0], "20230718", markers=(103,))
    fdt = next(root.rglob("*.fdt"))
    fdt.write_bytes(bytes(fdt.stat().st_size))  # flat throughout
    done = command("clean", "mes_eeg", root, "--out", tmp_path / "out", "--workers", "1")
    assert done.code == 2
    assert re.search(r"p[0-9a-f]{6}_20230718\.set: .*cannot be cleaned: 62 of 62 channels are bad", done.err)
    assert not PATTERN.search(done.out + done.err)


def test_a_file_that_changes_while_it_is_hashed_names_nobody(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.run import extract as module

    root = tmp_path / "copy"
    write_eeg(root, NAMES[0], "20230718", markers=(103,))

    def gone(paths: list[str]) -> dict[str, tuple[int, int, str]]:
        raise FileNotFoundError(2, "No such file or directory", paths[0])

    monkeypatch.setattr(module, "hash_files", gone)
    with pytest.raises(
        InputError, match=r"p[0-9a-f]{6}_20230718\.\w+: cannot be read \(No such file"
    ) as error:
        write_features("mes_eeg", root, tmp_path / "out", wanted=["raw_eeg=psd"])
    assert not PATTERN.search(str(error.value))


def test_the_key_decides_who_is_who(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = write_copy(tmp_path / "real", simulated=False)
    made_up = write_copy(tmp_path / "made_up")
    found = {}
    for name in ("one", "other"):
        monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / name))
        found[name] = {r.subject for r in datasets.load("mes_eeg", real)}
        assert {r.subject for r in datasets.load("mes_eeg", real)} == found[name]
        subjects = {r.subject for r in datasets.load("mes_eeg", made_up)}
        assert subjects == {pseudonym(n, key=PUBLIC_KEY) for n in ("alpha", "bravo")}
    assert not found["one"] & found["other"]


def test_a_truth_that_does_not_say_so_makes_no_made_up_data(tmp_path: Path, config: Path) -> None:
    root = write_copy(tmp_path / "copy", simulated=False)
    (root / "truth.json").write_text("{}")
    (alpha,) = {r.subject for r in datasets.load("mes_eeg", root)} & {pseudonym("alpha", key=_key())}
    assert alpha != pseudonym("alpha", key=PUBLIC_KEY)


def _key() -> bytes:
    key = existing_key()
    assert key is not None
    return key


def test_a_stores_memory_of_files_holds_no_path(tmp_path: Path) -> None:
    file = tmp_path / "zhangsan_20230718.fdt"
    file.write_text("x")
    os.utime(file, (1, 1))
    store = Store(tmp_path / "store")
    first = store.fingerprint(file)
    content = (store.folder / "fingerprints.parquet").read_bytes()
    assert b"zhangsan" not in content
    assert str(tmp_path).encode() not in content
    assert Store(store.folder).remembered(file) == first


# --- who is who ----------------------------------------------------------------------------------------


def test_reveal_is_refused_where_it_would_stay(tmp_path: Path, command: Command) -> None:
    root = write_copy(tmp_path)
    for words in ((), ("--json",)):
        done = command("inspect", "mes_eeg", root, "--reveal", *words)
        refused(done, "prints people's names, and its output is not a terminal")


def test_reveal_tells_a_terminal(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_copy(tmp_path, default_rows())
    write_faces(root, [Coded(name="charlie", marker=101)], "cropped")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    done = command("inspect", "mes_eeg", root, "--reveal")
    assert done.code == 0
    shown = dict(line.split() for line in done.out.splitlines()[1:] if line)
    assert shown == {pseudonym(n, key=PUBLIC_KEY): n for n in ("alpha", "bravo", "charlie")}
    refused(command("inspect", "mes_eeg", root, "--reveal", "--json"), "without --json")


def test_data_sets_that_name_nobody_have_nothing_to_reveal(tmp_path: Path) -> None:
    root = datasets.example("seed_vii", tmp_path)
    with pytest.raises(InputError, match="seed_vii has no names of people to reveal"):
        datasets.reveal("seed_vii", root)
