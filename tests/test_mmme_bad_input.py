"""MMME with bad input: what the user of the reader, the alignment, the features and the commands gets.

One test for each kind of bad input: nothing is made of nothing, what is wrong is told in one line with its
file, and what is not wrong is used.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

from _mmme_files import Person, write_copy
from conftest import Command, Done
from mien import datasets, features, simulate
from mien.core import InputError, Recording
from mien.datasets import DatasetWarning
from mien.run.clocks import align_all
from mien.timeline import AlignmentWarning, align

RATE, EDA, ECG, LINES = 250, 4, 5, slice(8, 16)
"""Samples per second, and columns of BIOPAC's table."""
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, seven clips of 12 s, nothing wrong with them; read only."""
    return simulate.simulate(
        "mmme", tmp_path_factory.mktemp("data") / "mmme", seed=83, subjects=3, clips=7, seconds=12.0,
        rate=RATE, columns=14, events_per_clip=1.2, faults=0, size=(64, 64),
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features, shared by the commands of this file: those of untouched files are made once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def root(data: Path, tmp_path: Path) -> Path:
    """A copy whose files may be replaced, not written into: they are those of ``data``."""
    return shutil.copytree(data, tmp_path / "copy", copy_function=os.link)


def people(root: Path) -> list[Path]:
    """Folders of the sessions in the order of their pseudonyms."""
    folders = {r.session: r.subject for r in loaded(root)[0]}
    return sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: folders[p.name[-8:]])


def loaded(root: Path) -> tuple[list[Recording], str]:
    """All recordings, and the faults in lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = datasets.load("mmme", root)
    told = [w.message for w in caught if isinstance(w.message, DatasetWarning)]
    return found, "\n".join(str(fault) for one in told for fault in one.faults)


def body_file(person: Path) -> Path:
    return next((person / "BIOPAC").iterdir())


def change_body(person: Path, change: Change) -> Path:
    """BIOPAC's table (samples, columns) of one person replaced."""
    path = body_file(person)
    content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    content["data"] = change(content["data"].copy())
    path.unlink()
    scipy.io.savemat(path, content)
    return path


def with_column(column: int, change: Change) -> Change:
    def changed(table: np.ndarray) -> np.ndarray:
        table[:, column] = change(table[:, column])
        return table

    return changed


def without_triggers(table: np.ndarray) -> np.ndarray:
    table[:, LINES] = 0
    return table


def saturated(column: np.ndarray) -> np.ndarray:
    """As an amplifier does whose range ends at what it measures for 40 % of the time."""
    return np.minimum(column, np.quantile(column, 0.6))


def off(column: np.ndarray) -> np.ndarray:
    """A lead that falls off halfway: it drifts and picks up noise."""
    half = len(column) // 2
    noise = np.random.default_rng(2).normal(0, 1e-2 * column.std(), len(column) - half)
    return np.append(column[:half], np.cumsum(noise))


def inspected(command: Command, root: Path, *lines: str) -> Done:
    """``mien inspect``: exit code 1, and a line with each of some words."""
    done = command("inspect", "mmme", root)
    assert done.code == 1, done
    for words in lines:
        assert any(words in line for line in done.out.splitlines()), (words, done.out)
    return done


def extracted(
    command: Command, root: Path, out: Path, store: Path, *wanted: str
) -> tuple[Done, pd.DataFrame]:
    """``mien features`` of whole trials, and its table of windows."""
    asked = [word for one in wanted for word in ("--feature", one)]
    done = command("features", "mmme", root, "--out", out, "--store", store, "--workers", "1", *asked)
    return done, pd.read_parquet(out / "windows.parquet")


STUDY = """
system = "mmme"
label = "emotion3"
seeds = [0]
data = {{ name = "mmme", root = {root} }}
samples = {{ of = "event" }}
model = {{ name = "mmme", modalities = [["body"]] }}
train = {{ epochs = 1, batch_size = 64 }}
protocol = {{ names = ["loso"] }}
controls = {{ shuffled = false }}
[features.body]
name = "body_sequence"
cut = "apex-6+6"
options = {{ window_seconds = 8.0, stride_seconds = 8.0 }}
"""


def studied(command: Command, root: Path, folder: Path, store: Path) -> tuple[Done, Path]:
    """``mien run`` of the body, a few seconds, and its folder."""
    (folder / "study.toml").write_text(STUDY.format(root=json.dumps(str(root))))
    out = folder / "run"
    return command("run", folder / "study.toml", "--out", out, "--store", store, "--workers", "1"), out


def shown(path: Path, recordings: list[Recording]) -> str:
    """A file as messages name it, with the pseudonym in the place of the name."""
    session = path.parents[1].name
    (subject,) = (r.subject for r in recordings if r.session == session[-8:])
    return f"{subject}{session[-8:]}/{path.parent.name}/{path.name}"


def test_no_shared_triggers(root: Path, command: Command, tmp_path: Path, store: Path) -> None:
    first, *others = people(root)
    path = change_body(first, without_triggers)
    recordings, told = loaded(root)
    file = shown(path, recordings)
    assert f"{file}: markers: holds no marker; expected 101 to 148 and 100: it shares no clock (kept)" in told
    refusal = r"clock 'biopac' of recording .* shares 0 markers with the recording, which has 16; it has 0 "
    with pytest.raises(InputError, match=refusal + r"itself; expected at least 2.*same session"):
        align(recordings[0])
    inspected(command, root, "not aligned: clock 'biopac' of recording", f"{file} markers: holds no marker")
    done, windows = extracted(command, root, tmp_path / "out", store, "eda=eda")
    assert done.code == 1
    (line,) = (line for line in done.err.splitlines() if line.startswith("left out: "))
    assert file in line
    assert "shares 0 markers" in line
    assert set(windows["subject"]) == {r.subject for r in recordings[1:]}
    # where nobody's body can be used, a study of it cannot be run
    for person in others:
        change_body(person, without_triggers)
    done, out = studied(command, root, tmp_path, store)
    assert done.code == 2
    assert "no trial has usable body features" in done.err.splitlines()[-1]
    assert not (out / "report.json").exists()


@pytest.mark.parametrize(("late", "early"), [(True, False), (False, True)])
def test_device_started_late_or_stopped_early(
    root: Path, command: Command, tmp_path: Path, store: Path, late: bool, early: bool
) -> None:
    first = people(root)[0]
    before = {t.id: t for t in align(loaded(root)[0][0]).trials}
    lost = round(30 * RATE)  # the first clip, or the last, and more
    path = change_body(first, lambda table: table[lost:] if late else table[:-lost])
    recordings, told = loaded(root)
    aligned = align(recordings[0])
    assert f"{shown(path, recordings)}: clips " in told
    assert "here; another device has it (kept)" in told
    # trials stay where they were, and none is on a stretch that was not recorded
    body = aligned.streams["body"]
    covered = [t for t in aligned.trials if body.covers(t.span)]
    lacking = [t for t in aligned.trials if not body.covers(t.span)]
    assert len(covered) >= 4
    assert lacking
    for trial in aligned.trials:
        assert trial.span.start == pytest.approx(before[trial.id].span.start, abs=1 / RATE)
        assert (aligned.streams["raw_eeg"].covers(trial.span)) is not False
    if late:
        assert max(t.span.start for t in lacking) < min(t.span.start for t in covered)
    else:
        assert min(t.span.start for t in lacking) > max(t.span.start for t in covered)
    with pytest.raises(InputError, match=r"not within|does not cover|outside"):
        body.read(lacking[0].span)
    inspected(command, root, "no trigger of their start here; another device has it")
    _, windows = extracted(command, root, tmp_path / "out", store, "eda=eda")
    own = windows[windows["subject"] == aligned.subject]
    assert set(own["trial"]) == {t.id for t in covered}
    assert own["valid"].all()


def test_all_zero_channel(root: Path, command: Command, tmp_path: Path, store: Path) -> None:
    first = people(root)[0]
    path = change_body(first, with_column(EDA, np.zeros_like))
    eeg = next((first / "EEG").glob("*.cdt"))
    samples = np.frombuffer(eeg.read_bytes(), dtype="<f4").reshape(-1, 69).copy()
    samples[:, 7] = 0
    eeg.unlink()
    eeg.write_bytes(samples.tobytes())
    recordings, _ = loaded(root)
    inspected(
        command, root, f"{shown(path, recordings)} body: one value throughout in eda",
        f"{shown(eeg, recordings)} raw_eeg_all: one value throughout in F3",
    )  # fmt: skip
    done, windows = extracted(command, root, tmp_path / "out", store, "eda=eda", "raw_eeg=power_sequence")
    who = recordings[0].subject
    (line,) = (line for line in done.err.splitlines() if line.startswith("mien: eda features of "))
    assert f"features of {who}_" in line
    assert "and 4 more" in line
    assert "What was made of it there is NaN" in line
    valid = windows[windows["stream"] == "eda"].groupby("subject")["valid"].agg(["all", "any"])
    assert not valid.loc[who, "any"]
    assert valid.drop(who)["all"].all()
    with np.load(tmp_path / "out" / "raw_eeg-power_sequence" / f"{who}.npz") as made:
        dead = np.isnan(np.concatenate(list(made.values())))  # (windows, channels, bands)
    assert dead.all(axis=(0, 2)).nonzero()[0].tolist() == [7]
    assert not np.delete(dead, 7, axis=1).any()


def test_saturated_eda(root: Path, command: Command, tmp_path: Path, store: Path) -> None:
    path = change_body(people(root)[0], with_column(EDA, saturated))
    recordings, _ = loaded(root)
    who = recordings[0].subject
    found = "body: at its lowest or highest value for 40% of the time: eda (saturated?)"
    inspected(command, root, f"{shown(path, recordings)} {found}")
    done, windows = extracted(command, root, tmp_path / "out", store, "eda=eda")
    assert f"mien: eda features of {who}_" in done.err
    assert "saturated or stuck at one value, in all windows. What was made of it there is NaN" in done.err
    own = windows[windows["subject"] == who].set_index("trial")["valid"]
    with np.load(tmp_path / "out" / "eda-eda" / f"{who}.npz") as made:
        for trial, values in made.items():  # all of a window or nothing
            assert np.isnan(values[:, :4]).all() == (not own[trial]), trial
    assert 0 < own.sum() < len(own)
    assert windows[windows["subject"] != who]["valid"].all()


def test_ecg_lead_off(root: Path, command: Command, tmp_path: Path, store: Path) -> None:
    change_body(people(root)[0], with_column(ECG, off))
    (first, *_), _ = loaded(root)
    aligned = align(first)
    for half in (0, 1):
        trial = aligned.trials[-1 if half else 0]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = features.compute("hrv", aligned, trial=trial.id, window_seconds=10.0, stride_seconds=10.0)
        told = [str(w.message) for w in caught if issubclass(w.category, features.FeatureWarning)]
        assert made.valid.all() == (not half)
        assert np.isnan(made.values[:, 0]).all() == bool(half)
        assert any("lead off, or noise" in text for text in told) == bool(half)
    # a study says so, and takes the rate of those events from nothing: PPG stands in, or there is none
    done, out = studied(command, root, tmp_path, store)
    assert done.code == 0, done.err
    (line,) = (line for line in done.err.splitlines() if "'ecg': " in line)
    assert line.startswith(f"mien: body features of {first.subject}_")
    (row,) = json.loads((out / "report.json").read_bytes())["results"]
    assert row["n_subjects"] == 3
    assert np.isfinite(row["metrics"]["uar"]["value"])


@pytest.mark.parametrize(("columns", "says"), [(16, "has 16 columns"), (18, "has 18 columns")])
def test_wrong_column_count(
    root: Path, command: Command, tmp_path: Path, store: Path, columns: int, says: str
) -> None:
    def table(old: np.ndarray) -> np.ndarray:
        return np.concatenate([old, old[:, :1]], axis=1)[:, :columns]

    path = change_body(people(root)[0], table)
    recordings, told = loaded(root)
    assert f"{shown(path, recordings)}: variable 'data' {says}" in told
    assert "; expected 17 columns. Export all channels, as they were recorded" in told
    assert not {"body", "eda", "ecg"} & set(recordings[0].streams)
    assert "body" in recordings[1].streams
    inspected(command, root, f"left out: {root / shown(path, recordings)}: variable 'data' {says}")
    done, windows = extracted(command, root, tmp_path / "out", store, "eda=eda", "raw_eeg=power_sequence")
    assert done.code == 1
    assert says in done.err
    seen = windows.groupby("stream")["subject"].unique()
    assert recordings[0].subject not in seen["eda"]
    assert recordings[0].subject in seen["raw_eeg"]


def test_tif_whose_name_does_not_parse(root: Path, command: Command) -> None:
    first, second, _ = people(root)
    tifs = sorted((first / "Frames").glob("*.tif"))
    stray = tifs[0].with_name(f"{first.name[:-8]}_snapshot.tif")
    os.link(tifs[0], stray)
    for path in (second / "Frames").glob("*.tif"):
        path.rename(path.with_name(path.name.replace("-", "_")))
    recordings, told = loaded(root)
    form = "expected Year-Month-Day-Hour-Minute-Second-Millisecond-Code-Marker.tif"
    assert f"no name of a frame; {form}" in told
    assert first.name[:-8] not in told  # a word in a name may be a person's
    assert "face" in recordings[0].streams
    assert "face" not in recordings[1].streams
    assert "do not parse" in told
    shows = [e for e in align(recordings[0]).events if e.id]
    assert all(recordings[0].streams["face"].shows(e) for e in shows)
    done = inspected(command, root, "no name of a frame", "do not parse")
    assert first.name[:-8] not in done.out
    assert second.name[:-8] not in done.out


@pytest.mark.parametrize("same_day", [True, False])
def test_frames_of_two_subjects_in_one_folder(root: Path, command: Command, same_day: bool) -> None:
    first, second, _ = people(root)
    day, other = (f"{d[:4]}-{d[4:6]}-{d[6:]}-" for d in (first.name[-8:], second.name[-8:]))
    for path in (second / "Frames").glob("*.tif"):
        assert path.name.startswith(other)
        name = day + path.name.removeprefix(other) if same_day else path.name
        os.link(path, first / "Frames" / name)
    recordings, told = loaded(root)
    folder = f"{recordings[0].subject}{first.name[-8:]}"
    if same_day:
        assert "frames of two recordings in one folder, and nobody can tell whose is whose" in told
        assert "face" not in recordings[0].streams
        inspected(command, root, "frames of two recordings in one folder")
    else:
        assert f"of another day than the session ({first.name[-8:]}): of another recording" in told
        aligned = align(recordings[0])
        assert aligned.clocks["camera"].residual < 0.005
        assert all(aligned.streams["face"].shows(e) for e in aligned.events if e.id)
        inspected(command, root, f"{folder} frames of {second.name[-8:]}")
    assert "body" in recordings[0].streams
    assert "face" in recordings[1].streams


WRONG: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda good: good[: len(good) // 2],
    "a web page": lambda _: b"<!DOCTYPE html><html><body>Sign in</body></html>" * 20,
    "zeros": lambda good: bytes(len(good)),
    "a picture": lambda _: b"\x89PNG\r\n\x1a\n" + bytes(400),
}


@pytest.mark.parametrize(
    ("device", "wrong"),  # a .cdt of zeros has no header to be missed: it is one of dead channels
    [(d, w) for d in ("eeg", "biopac", "acq") for w in WRONG if (d, w) != ("eeg", "zeros")],
)
def test_a_file_that_is_none(tmp_path: Path, command: Command, device: str, wrong: str) -> None:
    """One line with the file's name; the other devices are used."""
    root = write_copy(tmp_path / "copy", [Person()])
    session = next(root.glob("alpha*"))
    path = next((session / "EEG").glob("*.cdt")) if device == "eeg" else body_file(session)
    content = WRONG[wrong](path.read_bytes())
    if device == "acq":
        path.unlink()
        path = path.with_name("Untitled1.acq")
    path.write_bytes(content)
    (recording,), told = loaded(root)
    assert len(told.splitlines()) == 1, told
    assert told.startswith(str(path).replace("alpha", recording.subject) + ": ")
    assert told.count("; expected ") + told.count("promises") >= 1, told
    absent = {"raw_eeg"} if device == "eeg" else {"body", "eda"}
    assert not absent & set(recording.streams)
    assert len(recording.trials) == 4
    done = inspected(command, root, f"left out: {str(path).replace('alpha', recording.subject)}: ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("wrong", WRONG)
def test_a_frame_that_is_none(tmp_path: Path, command: Command, wrong: str) -> None:
    """An error where the frame is asked for, and a line of the inspection."""
    root = write_copy(tmp_path / "copy", [Person()])
    (recording,), _ = loaded(root)
    event = next(e for e in recording.events if e.id)
    path = recording.streams["face"].source.files_of(event)[0]  # type: ignore[attr-defined]
    path.write_bytes(WRONG[wrong](path.read_bytes()))
    with pytest.raises(InputError, match=path.name):
        align(recording).streams["face"].clip(event)
    inspected(command, root, f"{path.name} {event.id}: ")


def test_files_of_one_kind_named_as_another(tmp_path: Path) -> None:
    root = write_copy(tmp_path / "copy", [Person()])
    session = next(root.glob("alpha*"))
    eeg, body = next((session / "EEG").glob("*.cdt")), body_file(session)
    content = eeg.read_bytes()
    eeg.write_bytes(body.read_bytes())
    body.write_bytes(content)
    (recording,), told = loaded(root)
    assert set(recording.streams) == {"face"}
    assert len(told.splitlines()) == 2
    body.rename(body.with_suffix(".acq"))
    eeg.write_bytes(content)
    (recording,), told = loaded(root)
    assert "raw_eeg" in recording.streams
    assert "a recording of AcqKnowledge" in told


def test_windows_longer_than_every_trial_are_told(
    data: Path, command: Command, tmp_path: Path, store: Path
) -> None:
    done, windows = extracted(command, data, tmp_path / "out", store, "ecg=hrv")  # windows of a minute
    assert done.code == 1
    assert "left out: ecg hrv: no trial is as long as one window" in done.err
    assert not len(windows)


def test_a_camera_that_never_saw_a_trigger(tmp_path: Path) -> None:
    """Frames without markers share no clock: the face is left out, and nothing else."""
    root = write_copy(tmp_path / "copy", [Person()])
    for path in next(root.glob("alpha*")).glob("Frames/*.tif"):
        stem = path.stem.rpartition("-")[0]
        path.rename(path.with_name(f"{stem}-0.tif"))
    (recording,), _ = loaded(root)
    with pytest.warns(AlignmentWarning, match=r"clock 'camera' of recording .* shares 0 markers"):
        (aligned,), faults = align_all([recording])
    assert "face" not in aligned.streams
    assert {"raw_eeg", "body"} <= set(aligned.streams)
    assert [fault.item for fault in faults] == ["face"]
