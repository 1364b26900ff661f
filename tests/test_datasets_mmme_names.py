"""No person's name in anything that is written or said, whatever is wrong with a copy of MMME."""

from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from _mmme_files import Coded, Person, bravo, write_copy, write_eeg
from conftest import Command
from mien import datasets
from mien.core import InputError
from mien.core.pseudonyms import PUBLIC_KEY, existing_key, pseudonym
from mien.datasets import DatasetWarning
from mien.run.clocks import align_all

NAMES = ("zhangsan", "lisi", "wangwu", "zhaoliu")
PATTERN = re.compile("|".join(NAMES), re.IGNORECASE)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def faulty_copy(root: Path, *, simulated: bool) -> Path:
    """Three people with a session and one without; something is wrong with everything of each."""
    one, two, three, four = NAMES
    rows = (*Person().rows, Coded(marker=106, units="AU1"), Coded(onset=5.9, apex=7.0, offset=8.0))
    people = [
        Person(name=one, rows=rows, lost=(("eeg", 100, 1), ("biopac", 101, 0)), doubled=(("eeg", 106, 0),)),
        bravo(name=two, devices=("biopac", "camera")),
        Person(name=three, date="20230802", devices=("eeg", "biopac")),
    ]
    write_copy(root, people, simulated=simulated)
    first, second, third = (next(root.glob(f"{name}2*")) for name in NAMES[:3])
    write_eeg(first / "EEG" / f"{four} again.cdt", people[0])
    (first / "Frames" / f"{four} 1.tif").write_bytes(b"")
    next((first / "Frames").glob("2023-*-103.tif")).write_bytes(b"")
    mat = second / "BIOPAC" / "Untitled1 (001).mat"
    mat.rename(mat.with_name(f"{two}.mat"))
    mat.with_name(f"{two}.mat").write_bytes(b"MATLAB 5.0".ljust(400))
    cdt = third / "EEG" / "Acquisition 01.cdt"
    cdt.write_bytes(cdt.read_bytes()[:-100])
    (root / f"{four} old" / "EEG").mkdir(parents=True)
    (root / f"{four} old" / "EEG" / "a.cdt").write_bytes(b"")
    return root


@pytest.mark.parametrize("simulated", [False, True])
def test_names_are_in_nothing_that_is_written_or_said(
    tmp_path: Path, config: Path, command: Command, simulated: bool
) -> None:
    root = faulty_copy(tmp_path / "copy", simulated=simulated)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recordings = datasets.load("mmme", root)
        aligned, faults = align_all(recordings)
    texts = [f"{w.message} {getattr(w.message, 'faults', '')}" for w in caught]
    assert any(isinstance(w.message, DatasetWarning) for w in caught)
    texts += [repr(faults), repr(recordings), repr(aligned)]
    texts.append(repr(pickle.loads(pickle.dumps(aligned))))  # noqa: S301  our own bytes
    for words in ((), ("--json",), ("--reveal",)):
        done = command("inspect", "mmme", root, *words)
        texts.append(f"{done.out} {done.err}")
    with pytest.raises(InputError) as error:
        datasets.load("mmme", root, subjects=NAMES)
    texts.append(str(error.value))
    files = {path for r in recordings for s in r.streams.values() for path in s.source.files()}  # type: ignore[attr-defined]
    for path in files:
        path.unlink()
    for recording in (*recordings, *aligned):
        for stream in recording.streams.values():
            shown = [event for event in recording.events if stream.shows(event)]
            asks = [stream.source.files, partial(stream.read, recording.trials[0].span)]  # type: ignore[attr-defined]
            for ask in [*asks, *(partial(stream.clip, event) for event in shown)]:
                with pytest.raises(InputError) as error:
                    ask()
                texts += [str(error.value), repr(error.value), str(error.value.file)]
    everything = "\n".join(texts)
    assert len(everything) > 5000
    assert not PATTERN.search(everything), PATTERN.search(everything)
    assert config.exists() != simulated
    if not simulated:
        key = existing_key()
        assert key is not None
        assert {r.subject for r in recordings} == {pseudonym(name, key=key) for name in NAMES[:3]}


def test_the_events_of_an_inspection_name_nobody(tmp_path: Path) -> None:
    root = faulty_copy(tmp_path / "copy", simulated=True)
    found = datasets.inspect("mmme", root)
    assert found.events
    assert not PATTERN.search(repr(found))


def test_pseudonyms_are_those_of_mes_eeg(tmp_path: Path) -> None:
    from _mes_eeg_files import write_copy as write_mes_eeg

    (other,) = datasets.load("mes_eeg", write_mes_eeg(tmp_path / "mes", [], eeg=[("alpha", "20230718")]))
    (own,) = datasets.load("mmme", write_copy(tmp_path / "mmme", [replace(Person(), name="alpha")]))
    assert own.subject == other.subject == pseudonym("alpha", key=PUBLIC_KEY)


def test_reveal(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Person(), bravo()])
    assert datasets.reveal("mmme", root) == {
        pseudonym(name, key=PUBLIC_KEY): name for name in ("alpha", "bravo")
    }
