"""Raw EEG cleaned through the store: what is read, recomputed and left out, and a stop midway."""

from __future__ import annotations

import json
import tomllib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core import Clock, Event, InputError, Recording, Signal, Span, Stream, Trial, write_whole
from mien.run import cleaning
from mien.run.clocks import align_all, clock_rows, clocks_to_json
from mien.run.store import Store
from mien.run.study_file import load_steps, load_study
from mien.run.toml_text import to_toml
from mien.signal.cleaning import DEFAULT, HighPass, Notch, Rereference, Resample, clean, steps_to_json
from mien.timeline import AlignmentWarning, align

CHANNELS = ("FZ", "C3", "CZ", "C4", "PZ", "O1", "OZ", "O2")
RATE, SECONDS = 500.0, 20.0
STEPS = (HighPass(1.0), Resample(100.0), Rereference("average"))


@dataclass(frozen=True)
class File:
    """Samples in one .npy file, all channels of a device."""

    path: Path
    rows: tuple[int, ...]

    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def read(self, start: float, duration: float) -> NDArray[Any]:
        first = round(start * RATE)
        return np.load(self.path, mmap_mode="r")[list(self.rows), first : first + round(duration * RATE)]


def write(path: Path, seed: int) -> NDArray[np.float64]:
    data = 1e-5 * np.random.default_rng(seed).standard_normal((10, round(SECONDS * RATE)))
    np.save(path, data)
    return data


def recording(path: Path, *, clock: str = "eeg", clocks: dict[str, Clock] | None = None) -> Recording:
    """EEG of eight channels and two eye channels in one file."""

    def stream(name: str, channels: Sequence[str], rows: Sequence[int]) -> Stream:
        return Stream(
            name=name, modality=name.removeprefix("raw_"), unit="V", rate=RATE, channels=tuple(channels),
            span=Span(start=0.0, duration=SECONDS), source=File(path, tuple(rows)), clock=clock,
        )  # fmt: skip

    name = path.stem
    return Recording(
        id=name,
        dataset="made_up",
        subject=name,
        session="1",
        streams={
            "raw_eeg": stream("raw_eeg", CHANNELS, range(8)),
            "raw_eog": stream("raw_eog", ("HEO", "VEO"), (8, 9)),
        },
        trials=(
            Trial(id=f"{name}/1", recording=name, subject=name, session="1", stimulus="1",
                  span=Span(start=2.0, duration=8.0)),
        ),
        clocks={clock: Clock()} if clocks is None else clocks,
    )  # fmt: skip


@pytest.fixture
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages take longer than the cleaning of such short recordings."""
    monkeypatch.setattr(cleaning, "_write_page", lambda folder, job: write_whole(folder / "qc.html", b"page"))


@pytest.fixture
def three(tmp_path: Path, no_pages: None) -> list[Recording]:
    for k in range(3):
        write(tmp_path / f"{k}.npy", k)
    return [recording(tmp_path / f"{k}.npy") for k in range(3)]


def arrays(store: Store) -> dict[str, bytes]:
    files = [p for p in store.folder.glob("entries/*/*/*") if p.is_file()]
    return {p.relative_to(store.folder).as_posix(): p.read_bytes() for p in files}


def test_the_stream_is_what_cleaning_in_memory_gives(tmp_path: Path, no_pages: None) -> None:
    data = write(tmp_path / "one.npy", 1)
    made = cleaning.clean_recordings([recording(tmp_path / "one.npy")], STEPS, Store(tmp_path / "store"))
    stream = made.recordings[0].streams["eeg"]
    assert (stream.modality, stream.unit, stream.rate, stream.channels) == ("eeg", "V", 100.0, CHANNELS)
    assert stream.span == Span(start=0.0, duration=SECONDS)
    expected = clean(
        Signal(data=data[:8], rate=RATE, channels=CHANNELS),
        STEPS,
        extras=Signal(data=data[8:], rate=RATE, channels=("HEO", "VEO")),
    )
    np.testing.assert_array_equal(stream.read().data, expected.signal.data)
    # a part of what was cleaned as a whole, never a part that was cleaned
    part = stream.read(Span(start=3.21, duration=2.0))
    np.testing.assert_array_equal(part.data, expected.signal.data[:, 321:521])
    assert made.records()["one"] == expected.record
    assert expected.record["extras"] == ["HEO", "VEO"]
    assert set(made.recordings[0].streams) == {"raw_eeg", "raw_eog", "eeg"}


def test_a_drifting_amplifier_is_cleaned_on_its_own_clock(tmp_path: Path, no_pages: None) -> None:
    """A bump at every marker of the amplifier is found at the marker's time on the recording clock."""
    offset, drift = 2.5, 2e-4
    at = np.array([2.0, 6.0, 11.0, 17.0])
    data = write(tmp_path / "one.npy", 2)
    times = np.arange(data.shape[1]) / RATE
    data[2] += 1e-3 * np.exp(-0.5 * ((times[:, None] - at) / 0.05) ** 2).sum(axis=1)
    np.save(tmp_path / "one.npy", data)
    other = offset + (1 + drift) * at
    events = [
        Event(kind="marker", span=Span(start=float(t), duration=0.0), value=k, clock=clock)
        for clock, when in (("eeg", at), ("eye", other))
        for k, t in enumerate(when)
    ]
    made = replace(recording(tmp_path / "one.npy", clocks={"eye": Clock()}), events=tuple(events))
    (aligned,), faults = align_all([made])
    assert faults == []
    done = cleaning.clean_recordings([aligned], STEPS, Store(tmp_path / "store"))
    stream = done.recordings[0].streams["eeg"]
    assert stream.span.start == pytest.approx(offset, abs=1e-6)
    for t in other:
        signal = stream.read(Span(start=t - 0.5, duration=1.0))
        found = t - 0.5 + signal.data[2].argmax() / stream.rate
        # half a sample of reading, half a sample of the grid of 100 Hz
        assert found == pytest.approx(t, abs=1.01 / stream.rate)
    # the cleaned array itself hangs on no clock
    plain = replace(recording(tmp_path / "one.npy"), id="one")
    again = cleaning.clean_recordings([plain], STEPS, Store(tmp_path / "store"))
    assert again.folders == done.folders


def test_nothing_is_done_twice_and_everything_that_changes_the_result_is_in_the_key(
    tmp_path: Path, three: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")

    def clean_all(recordings: Sequence[Recording] = three, steps: Any = STEPS, **options: Any) -> int:
        """How many recordings had to be cleaned."""
        seen: list[tuple[int, int]] = []
        cleaning.clean_recordings(
            recordings, steps, store, progress=lambda done, total, text: seen.append((done, total)), **options
        )
        assert seen[-1] == (len(recordings), len(recordings))
        return len(recordings) - seen[0][0]

    assert clean_all() == 3
    assert clean_all() == 0
    assert clean_all(steps=(*STEPS[:2], Rereference("average"))) == 0  # equal, not the same object
    assert clean_all(steps=STEPS[:2]) == 3
    assert clean_all(simulated=True) == 3  # the page says so
    write(tmp_path / "1.npy", 77)
    assert clean_all() == 1
    without = {k: v for k, v in three[0].streams.items() if k != "raw_eog"}
    assert clean_all([replace(three[0], streams=without)]) == 1
    monkeypatch.setattr(cleaning, "VERSION", "another")
    assert clean_all() == 3


def test_a_stop_midway_keeps_what_is_whole_and_nothing_else(tmp_path: Path, three: list[Recording]) -> None:
    whole = Store(tmp_path / "undisturbed")
    cleaning.clean_recordings(three, STEPS, whole)
    store = Store(tmp_path / "store")

    def stop(done: int, total: int, text: str) -> None:
        if text == "1: rereference":  # while the second recording is being cleaned
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cleaning.clean_recordings(three, STEPS, store, progress=stop)
    kept = {p: p.stat().st_mtime_ns for p in store.folder.glob("entries/*/*/cleaned.npy")}
    assert len(kept) == 1
    assert not list(store.folder.glob("tmp/*"))
    seen = []
    cleaning.clean_recordings(three, STEPS, store, progress=lambda done, total, _: seen.append((done, total)))
    assert seen[0] == (1, 3)
    assert kept == {p: p.stat().st_mtime_ns for p in kept}
    assert arrays(store) == arrays(whole)
    assert store.damaged() == {}


def test_a_recording_that_cannot_be_cleaned_is_left_out(tmp_path: Path, three: list[Recording]) -> None:
    data = np.load(tmp_path / "1.npy")
    data[3, 500:600] = np.nan
    np.save(tmp_path / "1.npy", data)
    made = cleaning.clean_recordings(three, STEPS, Store(tmp_path / "store"))
    assert ["eeg" in r.streams for r in made.recordings] == [True, False, True]
    (fault,) = made.faults
    assert (fault.file, fault.item, fault.subject) == (str(tmp_path / "1.npy"), "raw_eeg", "1")
    assert "channels C4 hold samples that are not numbers" in fault.reason
    with pytest.raises(InputError, match=r"1\.npy: no recording can be cleaned; 1: .*not numbers"):
        cleaning.clean_recordings([three[1]], STEPS, Store(tmp_path / "store"))


def test_what_cannot_be_cleaned_at_all(tmp_path: Path, three: list[Recording]) -> None:
    store = Store(tmp_path / "store")
    gaze = replace(three[0].streams["raw_eog"], name="raw_gaze")
    with pytest.raises(
        InputError, match="no raw EEG to clean; the streams are raw_gaze; expected a stream 'raw_eeg'"
    ):
        cleaning.clean_recordings([replace(three[0], streams={"raw_gaze": gaze})], STEPS, store)
    both = {**three[0].streams, "eeg": replace(three[0].streams["raw_eeg"], name="eeg")}
    with pytest.raises(InputError, match="recording 0 has raw and preprocessed EEG"):
        cleaning.clean_recordings([replace(three[0], streams=both)], STEPS, store)
    assert not store.folder.exists()


def test_pages_and_summary(tmp_path: Path, three: list[Recording]) -> None:
    made = cleaning.clean_recordings(three, STEPS, Store(tmp_path / "store"))
    cleaning.write_pages(made, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "0.html", "1.html", "2.html", "cleaning.json",
    ]  # fmt: skip
    assert set(json.loads((tmp_path / "out" / "cleaning.json").read_bytes())) == {"0", "1", "2"}
    found = cleaning.summary(made)
    assert found["steps"] == steps_to_json(STEPS)
    assert found["reaching"] == []  # filters and a reference look at a few seconds
    assert found["recordings"]["2"]["bad"] == []


# -- clocks ------------------------------------------------------------------------------------------------


def test_streams_of_a_clock_that_cannot_be_fitted_are_named_and_left_out(tmp_path: Path) -> None:
    write(tmp_path / "one.npy", 1)
    made = recording(tmp_path / "one.npy")
    stray = replace(made.streams["raw_eog"], clock="eye")
    made = replace(made, streams={**made.streams, "raw_eog": stray})
    with pytest.warns(AlignmentWarning, match="clock 'eye' of recording one shares 0 markers"):
        (aligned,), (fault,) = align_all([made])
    assert set(aligned.streams) == {"raw_eeg"}
    assert (fault.file, fault.item, fault.subject) == (str(tmp_path / "one.npy"), "raw_eog", "one")
    assert fault.reason.startswith("clock 'eye' of recording one shares 0 markers")
    assert fault.severity == "left out"


def test_clocks_as_a_table(tmp_path: Path) -> None:
    write(tmp_path / "one.npy", 1)
    clock = Clock(offset=2.0, drift=1e-5, residual=4e-4, n_markers=12)
    made = recording(tmp_path / "one.npy", clocks={"eye": clock})
    clocks = clocks_to_json([made, replace(made, id="two", clocks={})])
    assert clocks == {"one": {"eye": {"offset": 2.0, "drift": 1e-5, "residual": 4e-4, "n_markers": 12}}}
    (row,) = clock_rows(clocks)
    assert list(row.values())[:3] == ["one", "eye", 2.0]
    assert (row["drift_ppm"], row["residual_ms"], row["markers"]) == (
        pytest.approx(10),
        pytest.approx(0.4),
        12,
    )


# -- study files -------------------------------------------------------------------------------------------

STUDY = {
    "system": "x",
    "data": {"name": "seed_vii", "root": "/data"},
    "features": {"eeg": "de_lds"},
    "model": {"name": "majority"},
    "protocol": {"names": ["loso"]},
}


@pytest.mark.parametrize("part", [{}, {"steps": "default"}, {"steps": [*steps_to_json(DEFAULT)]}])
def test_the_default_steps_stand_in_the_study_in_full(part: dict[str, Any]) -> None:
    steps = [
        {k: v for k, v in s.items() if v is not None}
        for s in part.get("steps", ())
        if part["steps"] != "default"
    ]
    study = load_study({**STUDY, "clean": {"steps": steps} if steps else part})
    assert study.clean is not None
    assert study.clean.parsed == DEFAULT
    text = to_toml(study)
    assert '{step = "high_pass", cutoff = 0.1}' in text
    assert load_study(tomllib.loads(text)) == study


def test_steps_of_ones_own() -> None:
    study = load_study({**STUDY, "clean": {"steps": [{"step": "notch", "frequency": 60}, "ica"]}})
    assert study.clean is not None
    assert study.clean.parsed[0] == Notch(60)
    assert load_study(STUDY).clean is None
    assert "clean" not in to_toml(load_study(STUDY))


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"stps": "default"}, r"unknown key 'clean.stps' \(did you mean 'steps'\?\)"),
        ({"steps": "defalt"}, r"clean.steps: 'defalt'; expected \"default\" or a list"),
        ({"steps": []}, r"clean.steps: \[\]; expected"),
        ({"steps": ["icca"]}, "clean.steps: unknown cleaning step 'icca'; did you mean 'ica'"),
        (
            {"steps": [{"step": "notch", "freqency": 60}]},
            "parameter of the cleaning step 'notch' 'freqency'; did you mean 'frequency'",
        ),
        ({"steps": [{"step": "high_pass", "cutoff": -1.0}]}, "clean.steps: cleaning step 'high_pass'"),
        ({"steps": [{"name": "notch"}]}, "has no name; expected { step ="),
    ],
)
def test_steps_that_do_not_exist(part: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_study({**STUDY, "clean": part})


def test_steps_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "steps.toml"
    file.write_text('steps = [{ step = "notch", frequency = 60 }]\n', encoding="utf-8")
    assert load_steps(file) == (Notch(60),)
    file.write_text("step = []\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"steps\.toml: unknown key 'step' \(did you mean 'steps'\?\)"):
        load_steps(file)
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        load_steps(tmp_path / "none.toml")


def test_warnings_of_steps_stand_in_the_record_and_not_on_the_screen(tmp_path: Path, no_pages: None) -> None:
    from mien.signal.cleaning import ICA

    write(tmp_path / "one.npy", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = cleaning.clean_recordings(
            [recording(tmp_path / "one.npy")], (*STEPS, ICA(max_iterations=3)), Store(tmp_path / "store")
        )
    found = cleaning.summary(made)
    assert found["reaching"] == ["ica"]
    notes = found["recordings"]["one"]["notes"]
    assert any(note.startswith("ica: ") for note in notes)
    assert found["recordings"]["one"]["components"] == 7  # the average reference costs one of eight
    assert align(made.recordings[0]) is made.recordings[0]
