"""Extraction through the store: what is recomputed, workers, faults, and a kill in the middle."""

from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
import textwrap
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mien import features
from mien.core import InputError, Recording, Span, Stream, Trial, UnknownNameError
from mien.run.extract import FeatureSpec, extract
from mien.run.store import Store

RATE = 200.0
SECONDS = 12.0


@dataclass(frozen=True)
class File:
    """Samples in one .npy file; counts its reads in a text file beside it."""

    path: Path
    slow: float = 0.0
    stop: float = np.inf

    def files(self):
        return (self.path,)

    def covers(self, start, duration):
        return start + duration <= self.stop

    def read(self, start, duration):
        with open(f"{self.path}.reads", "a") as log:
            log.write(f"{start}\n")
        time.sleep(self.slow)
        data = np.load(self.path, mmap_mode="r")
        first = round(start * RATE)
        part = np.array(data[:, first : first + round(duration * RATE)])
        if np.isinf(part).all():
            raise InputError("is broken", file=self.path)
        return part


def recording(folder, number, *, n_trials=3, slow=0.0, stop=np.inf, extra=()):
    path = folder / f"{number}.npy"
    if not path.exists():
        rng = np.random.default_rng(number)
        np.save(path, rng.normal(scale=1e-5, size=(2, round(n_trials * SECONDS * RATE))))
    span = Span(start=0.0, duration=n_trials * SECONDS)
    streams = [
        Stream(
            name=name,
            modality="eeg",
            unit="V",
            rate=RATE,
            channels=("A", "B"),
            span=span,
            source=File(path, slow, stop),
        )
        for name in ("eeg", *extra)
    ]
    trials = tuple(
        Trial(
            id=f"{number}/{i}",
            recording=str(number),
            subject=str(number),
            session="1",
            stimulus=str(i),
            span=Span(start=i * SECONDS, duration=SECONDS),
        )
        for i in range(n_trials)
    )
    return Recording(
        id=str(number),
        dataset="fake",
        subject=str(number),
        session="1",
        streams={s.name: s for s in streams},
        trials=trials,
    )


def spec(name="de", modality="eeg", **more):
    return FeatureSpec(modality=modality, name=name, **more)


def reads(folder):
    return sum(len(p.read_text().split()) for p in folder.glob("*.reads"))


def arrays(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.glob("entries/*/*/*"))}


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_results_are_those_of_compute_and_once_stored_nothing_is_read(data, tmp_path):
    recordings = [recording(data, n) for n in (1, 2)]
    store = Store(tmp_path / "store")
    found = extract(recordings, [spec()], store)
    assert list(found) == [("eeg", f"{n}/{i}") for n in (1, 2) for i in range(3)]
    assert reads(data) == 6
    for r in recordings:
        for trial in r.trials:
            expected = features.compute("de", r, trial=trial.id)
            got = found["eeg", trial.id]
            np.testing.assert_array_equal(got.values, expected.values.astype(np.float32))
            np.testing.assert_array_equal(got.starts, expected.starts)
    before = reads(data)
    extract(recordings, [spec()], Store(tmp_path / "store"))
    assert reads(data) == before
    assert len(store.index()) == 6


def test_a_trial_is_read_once_for_all_features(data, tmp_path):
    found = extract([recording(data, 1)], [spec(), spec("psd", "power")], Store(tmp_path / "store"))
    assert len(found) == 6
    assert reads(data) == 3


def test_a_change_recomputes_exactly_what_depends_on_it(data, tmp_path):
    store = Store(tmp_path / "store")
    recordings = [recording(data, n) for n in (1, 2)]
    eeg, slow = spec(), spec("de_lds", "slow", options={"causal": False})
    extract(recordings, [eeg, slow], store)

    def new_after(recordings, specs):
        before = set(store.keys())
        extract(recordings, specs, store)
        added = store.index().set_index("key").loc[sorted(set(store.keys()) - before)]
        return sorted(zip(added["extractor"], added["trial"], strict=True))

    assert new_after(recordings, [eeg, slow]) == []
    # what is written out at its default is the same as what is left out
    assert new_after(recordings, [spec(options={"window_seconds": 4}), slow]) == []
    everywhere = [f"{n}/{i}" for n in (1, 2) for i in range(3)]
    changed = spec("de_lds", "slow", options={"causal": True})
    assert new_after(recordings, [eeg, changed]) == [("de_lds", t) for t in everywhere]
    assert new_after(recordings, [spec(recipe="released"), slow]) == [("de", t) for t in everywhere]
    # one file of two changes: only its trials, for all that was made of them
    path = data / "2.npy"
    content = np.load(path)
    np.save(path, content * 2)
    assert new_after(recordings, [eeg, slow]) == [(e, f"2/{i}") for e in ("de", "de_lds") for i in range(3)]
    # the same bytes written again: nothing
    np.save(data / "1.npy", np.load(data / "1.npy"))
    assert new_after(recordings, [eeg, slow]) == []


def test_a_new_version_of_the_code_recomputes(data, tmp_path, monkeypatch):
    from dataclasses import replace

    from mien.features import de

    store = Store(tmp_path / "store")
    extract([recording(data, 1)], [spec()], store)
    monkeypatch.setattr(de, "INFO", replace(de.INFO, version="2"))
    found = extract([recording(data, 1)], [spec()], store)
    assert {f.version for f in found.values()} == {"2"}
    assert len(store.keys()) == 6


def test_any_number_of_workers_gives_the_same_bytes(data, tmp_path):
    recordings = [recording(data, n) for n in (1, 2)]
    specs = [spec(), spec("de_lds", "slow")]
    calls = []
    one = extract(recordings, specs, Store(tmp_path / "one"))
    two = extract(
        recordings, specs, Store(tmp_path / "two"), workers=2, progress=lambda *call: calls.append(call)
    )
    assert list(one) == list(two)
    assert arrays(tmp_path / "one") == arrays(tmp_path / "two")
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)
    assert calls[0][:2] == (0, 12)
    assert calls[-1][:2] == (12, 12)


def test_missing_streams_and_times_are_left_out(data, tmp_path):
    recordings = [recording(data, 1, stop=25.0), recording(data, 2, extra=("second",))]
    specs = [spec(), spec("psd", "other", stream="second")]
    found = extract(recordings, specs, Store(tmp_path / "store"))
    assert [trial for m, trial in found if m == "eeg"] == ["1/0", "1/1", "2/0", "2/1", "2/2"]
    assert [trial for m, trial in found if m == "other"] == ["2/0", "2/1", "2/2"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_trial_is_reported_and_does_not_stop_the_rest(data, tmp_path, workers):
    recordings = [recording(data, n) for n in (1, 2)]
    content = np.load(data / "1.npy")
    content[:, 2400:4800] = np.inf
    np.save(data / "1.npy", content)
    faults = []
    found = extract(
        recordings,
        [spec()],
        Store(tmp_path / "store"),
        workers=workers,
        on_fault=lambda *fault: faults.append(fault),
    )
    assert [(m, t) for m, t, _ in faults] == [("eeg", "1/1")]
    assert ("eeg", "1/1") not in found
    assert len(found) == 5
    with pytest.raises(InputError, match=r"eeg features of trial 1/1: .*1\.npy: is broken"):
        extract(recordings, [spec()], Store(tmp_path / "store"), workers=workers)


def test_bad_requests_are_one_clear_line(data, tmp_path):
    store = Store(tmp_path / "store")
    r = recording(data, 1)
    with pytest.raises(UnknownNameError, match="unknown feature 'dee'"):
        extract([r], [spec("dee")], store)
    with pytest.raises(UnknownNameError, match="option of 'de' 'windw'"):
        extract([r], [spec(options={"windw": 1})], store)
    with pytest.raises(UnknownNameError, match="unknown stream 'egg'; did you mean 'eeg'"):
        extract([r], [spec(stream="egg")], store)
    with pytest.raises(InputError, match="trial id repeats: 1/0, 1/1, 1/2"):
        extract([r, r], [spec()], store)
    with pytest.raises(InputError, match="modality of the features repeats: eeg"):
        extract([r], [spec(), spec("psd")], store)
    assert not store.folder.exists()


class NoFiles:
    def read(self, start, duration):
        return np.zeros((2, round(duration * RATE)))


def test_a_source_without_files_cannot_be_stored(data, tmp_path):
    r = recording(data, 1)
    stream = Stream(
        name="eeg",
        modality="eeg",
        unit="V",
        rate=RATE,
        channels=("A", "B"),
        span=r.streams["eeg"].span,
        source=NoFiles(),
    )
    bare = Recording(id="1", dataset="f", subject="1", session="1", streams={"eeg": stream}, trials=r.trials)
    with pytest.raises(InputError, match="does not tell which files it is read from"):
        extract([bare], [spec()], Store(tmp_path / "store"))


def test_no_file_stays_open(data, tmp_path):
    """A whole data set has more trials than a process may have files open."""
    found = extract([recording(data, 1)], [spec()], Store(tmp_path / "store"))
    opened = []
    for made in found.values():
        opened.append(weakref.ref(made.values))
    del made
    assert [values() for values in opened] == [None] * 3
    assert ("eeg", "9/9") not in found
    with pytest.raises(KeyError):
        found["eeg", "9/9"]


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_run_extract import extract, recording, spec, Store

if __name__ == "__main__":
    data, store, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    recordings = [recording(data, n, n_trials=12, slow=0.02) for n in (1, 2)]
    extract(recordings, [spec(), spec("de_lds", "slow")], Store(store), workers=workers)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_in_the_middle_then_resume_gives_the_same_bytes(data, tmp_path, workers):
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent)))
    for n in (1, 2):
        recording(data, n, n_trials=12)
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    recordings = [recording(data, n, n_trials=12) for n in (1, 2)]
    specs = [spec(), spec("de_lds", "slow")]
    extract(recordings, specs, Store(undisturbed))

    process = subprocess.Popen(
        [sys.executable, str(script), str(data), str(disturbed), str(workers)], start_new_session=True
    )
    until = time.monotonic() + 60
    while len(list(disturbed.glob("entries/*/*"))) < 5 and time.monotonic() < until:
        time.sleep(0.005)
    os.killpg(process.pid, signals.SIGKILL)
    process.wait()
    survived = arrays(disturbed)
    assert 5 <= len(Store(disturbed).keys()) < 48
    before = reads(data)
    found = extract(recordings, specs, Store(disturbed))
    assert len(found) == 48
    assert reads(data) - before < 24  # what was finished is not made again
    assert arrays(disturbed) == arrays(undisturbed)
    assert survived.items() <= arrays(disturbed).items()
    index = [(folder / "index.parquet").read_bytes() for folder in (disturbed, undisturbed)]
    assert index[0] == index[1]
    until = time.monotonic() + 20  # the last workers may still be dying
    while Store(disturbed) and list((disturbed / "tmp").iterdir()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not list((disturbed / "tmp").iterdir())
