"""Whole trials as samples whose face is what is made of the frames of their coded expressions."""

from __future__ import annotations

import itertools
import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from _edf import write_edf
from conftest import Command
from mien import batches, features, simulate
from mien.core import Clip, Event, Features, InputError, Label, Recording, Span, Stream, Trial
from mien.datasets._seed_layout import CHANNELS
from mien.run import cuts, study
from mien.run.extract import FeatureSpec, extract
from mien.run.predict import predict_recording
from mien.run.prepare import extract_features
from mien.run.store import Store
from mien.run.study_file import load_study
from mien.run.trials import OfTrials, expressions, mean_of

LABEL = {"emotion": Label(value="happy", scale=("happy", "sad"), rater="stimulus")}
SIZE = 32
FLOW: dict[str, Any] = {"method": "dis", "size": 8}


@dataclass(frozen=True)
class Camera:
    """Two frames of every event, shifted by what its id says; counts its clips in a text file."""

    path: Path
    lost: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()

    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def files_of(self, event: Event) -> tuple[Path, ...]:
        return (self.path,)

    def read(self, start: float, duration: float) -> np.ndarray:
        raise AssertionError("a camera that stores clips has no running signal")

    def shows(self, event: Event) -> bool:
        return event.id not in self.lost

    def clip(self, event: Event) -> Clip:
        with open(f"{self.path}.reads", "a") as log:
            log.write(f"{event.id}\n")
        if event.id in self.broken:
            raise InputError("cannot be decoded", file=self.path)
        return clip_of(event, usable=event.id not in self.unusable)


def clip_of(event: Event, *, usable: bool = True) -> Clip:
    """A texture and the same one moved on: by one pixel in the first event, by two in the second."""
    texture = np.random.default_rng(5).integers(0, 255, (SIZE + 8, SIZE + 8), dtype=np.uint8)
    shift = int(str(event.id)[-1])
    frames = np.stack([texture[4:-4, 4:-4], texture[4:-4, 4 - shift : SIZE + 4 - shift]])
    return Clip(
        frames=frames,
        times=np.array([event.span.start, event.span.stop]),
        onset=event.span.start,
        apex=event.span.stop,
        valid=np.array([True, usable]),
    )


def event(trial: str, number: int, *, kind: str = "micro") -> Event:
    span = Span(start=10.0 * int(trial[-1]) + number, duration=0.25)
    return Event(kind=kind, span=span, id=f"{trial}e{number}", trial=trial, labels=LABEL)


def recording(folder: Path, **faults: tuple[str, ...]) -> Recording:
    """Four trials of 10 s: two expressions, one, none, and one macro-expression."""
    path = folder / "camera.bin"
    path.write_bytes(b"frames")
    trials = tuple(
        Trial(
            id=f"t{i}", recording="r", subject="p1", session="1", stimulus=f"c{i}",
            span=Span(start=10.0 * i, duration=10.0), labels=LABEL,
        )
        for i in range(4)
    )  # fmt: skip
    events = (event("t0", 2), event("t0", 1), event("t1", 1), event("t3", 1, kind="macro"))
    camera = Stream(
        name="face", modality="face", unit="1", rate=100.0, channels=("face",),
        span=Span(start=0.0, duration=40.0), source=Camera(path, **faults),
    )  # fmt: skip
    return Recording(
        id="r", dataset="fake", subject="p1", session="1", streams={"face": camera}, events=events,
        trials=trials,
    )  # fmt: skip


def plan(**samples: Any) -> Any:
    return load_study(
        {
            "system": "mmme",
            "data": {"name": "mmme", "root": "nowhere"},
            "samples": {"of": "trial", **samples},
            "features": {"me": {"name": "flow", "options": FLOW}},
            "model": {"name": "mmme"},
            "protocol": {"names": ["loso"]},
        }
    )


def made_of(one: Recording, store: Path, **samples: Any) -> tuple[Any, list[dict[str, Any]]]:
    return extract_features(plan(**samples), [cuts.by_trial(one)], store, workers=1, tell=lambda *_: None)


def flow_of(one: Event) -> np.ndarray:
    return np.asarray(features.compute("flow", clip_of(one), **FLOW).values[0])


def reads(folder: Path) -> list[str]:
    log = folder / "camera.bin.reads"
    return log.read_text().split() if log.exists() else []


# --- the mean over expressions ----------------------------------------------------------------------------


def some(values: list[list[float]], *, valid: list[bool], start: float, labels: str = "ab") -> Features:
    n = len(values)
    return Features(
        values=np.array(values),
        axes={"window": (), "place": tuple(labels)},
        starts=start + np.arange(n),
        durations=np.ones(n),
        extractor="fake",
        version="1",
        valid=np.array(valid),
    )


def test_the_mean_counts_every_expression_once_and_no_invalid_window():
    first = some([[1.0, 2.0], [3.0, 4.0]], valid=[True, True], start=5.0)  # its mean: 2, 3
    second = some([[10.0, 20.0], [np.nan, np.nan]], valid=[True, False], start=2.0)
    found = mean_of([first, second])
    np.testing.assert_allclose(found.values, [[6.0, 11.5]])
    assert found.valid.tolist() == [True]
    assert (found.starts.tolist(), found.durations.tolist()) == ([2.0], [5.0])  # the invalid window is not in
    assert dict(found.axes) == {"window": (), "place": ("a", "b")}


def test_expressions_with_other_axes_are_not_averaged():
    one = some([[1.0, 2.0]], valid=[True], start=0.0)
    with pytest.raises(ValueError, match="other axes"):
        mean_of([one, some([[1.0, 2.0]], valid=[True], start=0.0, labels="ac")])


def test_two_events_one_and_none(tmp_path: Path):
    one = recording(tmp_path)
    made, unusable = made_of(one, tmp_path / "store")
    assert unusable == []
    assert set(made) == {("me", "t0"), ("me", "t1"), ("me", "t3")}
    assert len(made) == 3
    assert ("me", "t2") not in made
    both = np.mean([flow_of(event("t0", 1)), flow_of(event("t0", 2))], axis=0)
    np.testing.assert_array_equal(made["me", "t0"].values[0], both)
    np.testing.assert_array_equal(made["me", "t1"].values[0], flow_of(event("t1", 1)))
    assert made["me", "t0"].starts.tolist() == [1.0]
    assert made["me", "t0"].durations.tolist() == [1.25]  # to the end of the second, at 2.25 s
    assert made.used["me", "t0"] == ("t0e1", "t0e2")  # by onset


def test_a_trial_without_an_expression_is_absent_and_not_zero(tmp_path: Path):
    one = cuts.by_trial(recording(tmp_path))
    made, _ = made_of(one, tmp_path / "store")
    brain = {("eeg", t.id): some([[1.0, 2.0]], valid=[True], start=t.span.start) for t in one.trials}
    both = {**brain, **{key: made[key] for key in made}}
    table, dropped = batches.pair_events(both, one.trials, streams=("me", "eeg"), classes=("happy", "sad"))
    assert table.present["me"].tolist() == [True, True, False, True]
    assert table.present["eeg"].all()
    assert np.isnan(table.inputs["me"][2]).all()
    assert dropped == []  # nothing was lost: there is no expression
    for sample, trial in zip(table.samples, one.trials, strict=True):
        assert (sample.id, sample.trial, sample.event) == (trial.id, trial.id, None)
        assert (sample.subject, sample.stimulus) == (trial.subject, trial.stimulus)
        # what the face is made of lies in the trial
        assert trial.span.start <= sample.start
        assert sample.start + sample.duration <= trial.span.stop


@pytest.mark.parametrize(
    ("kinds", "there"), [(["micro"], {"t0", "t1"}), (["macro"], {"t3"}), (None, {"t0", "t1", "t3"})]
)
def test_expressions_of_the_kinds_chosen(tmp_path: Path, kinds: list[str] | None, there: set[str]):
    made, _ = made_of(recording(tmp_path), tmp_path / "store", **({} if kinds is None else {"kinds": kinds}))
    assert {trial for _, trial in made} == there


def test_a_kind_that_nobody_coded_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"no event is 'mikro' .did you mean 'micro'"):
        made_of(recording(tmp_path), tmp_path / "store", kinds=["mikro"])
    bare = replace(recording(tmp_path), events=())
    with pytest.raises(InputError, match=r"no coded event\. Leave out me"):
        made_of(bare, tmp_path / "store")


@pytest.mark.parametrize("fault", ["lost", "broken", "unusable"])
def test_an_expression_whose_clip_is_lost(tmp_path: Path, fault: str):
    """The mean is over the others; a trial that has no other has no face."""
    made, unusable = made_of(recording(tmp_path, **{fault: ("t0e2", "t1e1")}), tmp_path / "store")
    assert set(made) == {("me", "t0"), ("me", "t3")}
    np.testing.assert_array_equal(made["me", "t0"].values[0], flow_of(event("t0", 1)))
    assert made.used["me", "t0"] == ("t0e1",)
    told = {d["id"]: (d["what"], d["reason"]) for d in unusable}
    if fault == "lost":  # not recorded, as for any stream
        assert told == {}
    else:
        assert set(told) == {"t0e2", "t1e1"}
        assert {what for what, _ in told.values()} == {"me of an event"}
        word = "not valid" if fault == "unusable" else "cannot be decoded"
        assert all(word in reason for _, reason in told.values())


@pytest.mark.parametrize("cut", [None, "end:4"])
def test_events_are_computed_once_for_both_levels(tmp_path: Path, cut: str | None):
    """Studies of events and of trials share the store, whatever the study cuts from signals."""
    one = recording(tmp_path)
    spec = FeatureSpec(modality="me", name="flow", options=FLOW, cut=cut)
    by_event = extract([cuts.by_event(one, ["micro", "macro"])], [spec], Store(tmp_path / "store"))
    assert sorted(reads(tmp_path)) == ["t0e1", "t0e2", "t1e1", "t3e1"]
    made, _ = made_of(one, tmp_path / "store", kinds=["micro"])
    assert len(reads(tmp_path)) == 4  # no clip was read again
    both = np.mean([by_event["me", e].values[0] for e in ("t0e1", "t0e2")], axis=0, dtype=np.float64)
    np.testing.assert_array_equal(made["me", "t0"].values[0], both)


def test_streams_of_signals_are_left_as_they_are(tmp_path: Path):
    events = expressions([cuts.by_trial(recording(tmp_path))], None)
    brain = {("eeg", "t2"): some([[1.0, 2.0]], valid=[True], start=0.0)}
    made = OfTrials(brain, {("me", "t1e1"): some([[3.0, 4.0]], valid=[True], start=0.0)}, events)
    assert set(made) == {("eeg", "t2"), ("me", "t1")}
    assert made["eeg", "t2"] is brain["eeg", "t2"]
    assert ("eeg", "t1") not in made
    with pytest.raises(KeyError):
        made["me", "t2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": {"of": "window", "kinds": ["micro"]}}, 'kinds chooses among events; add of = "event"'),
        (
            {"features": {"eeg": "power_sequence"}},
            "samples.kinds.*no feature is made of them: power_sequence",
        ),
    ],
)
def test_kinds_of_what_has_no_expressions(changes: dict[str, Any], message: str):
    asked = {
        "system": "mmme",
        "data": {"name": "mmme", "root": "nowhere"},
        "samples": {"of": "trial", "kinds": ["micro"]},
        "features": {"me": "flow"},
        "model": {"name": "mmme"},
        "protocol": {"names": ["loso"]},
    }
    with pytest.raises(InputError, match=message):
        load_study(asked | changes)


# --- whole studies ----------------------------------------------------------------------------------------

SUBJECTS, CLIPS = 3, 14
STREAMS = ("me", "eeg", "body")
SETS = [list(s) for n in (3, 2, 1) for s in itertools.combinations(STREAMS, n)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, fourteen clips of 12 s; read only."""
    return simulate.simulate(
        "mmme", tmp_path_factory.mktemp("data") / "mmme", seed=63, subjects=SUBJECTS, clips=CLIPS,
        seconds=12.0, rate=250, columns=14, events_per_clip=1.0,
    )  # fmt: skip


def whole_plan(root: Path, *, cut: str = "end:10") -> dict[str, Any]:
    body = {"window_seconds": 8.0, "stride_seconds": 8.0, "baseline_seconds": 2.0}
    return {
        "system": "mmme",
        "label": "emotion3",
        "data": {"name": "mmme", "root": str(root)},
        "samples": {"of": "trial"},
        "features": {
            "me": {"name": "flow", "options": {"method": "dis", "size": 16}},
            "eeg": {"name": "power_sequence", "stream": "raw_eeg", "cut": cut},
            "body": {"name": "body_sequence", "cut": cut, "options": body},
        },
        "model": {"name": "mmme", "modalities": SETS},
        "train": {"epochs": 1, "batch_size": 64},
        "protocol": {
            "names": ["loso", "loso_stimulus"],
            "options": {"loso_stimulus": {"n_stimulus_folds": 2}},
        },
        "controls": {"shuffled": False},
    }


def go(asked: Mapping[str, Any], out: Path, store: Path, **more: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # planted faults
        return study(asked, out, store=store, workers=1, **more)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def run(data: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only."""
    return go(whole_plan(data), tmp_path_factory.mktemp("runs") / "whole", store)


@pytest.mark.slow
def test_a_study_of_trials_with_all_three(run: Path, data: Path) -> None:
    truth = json.loads((data / "truth.json").read_bytes())
    samples = pd.read_parquet(run / "samples.parquet")
    assert len(samples) == SUBJECTS * CLIPS
    found = {e for events in samples["events"] for e in events}
    assert found == {e["id"] for e in truth["events"]}  # every expression was filmed, and used
    for row in samples.itertuples():
        assert all(e.startswith(f"{row.trial}_e") for e in row.events)
        assert row.present_me == (len(row.events) > 0)
    assert 0 < samples["present_me"].sum() < len(samples)
    assert samples["present_eeg"].all()
    audit = json.loads((run / "audit.json").read_bytes())
    assert audit["verdict"] == "clean"
    assert set(audit["proven"]["loso_stimulus"]) == {"subject", "stimulus", "session", "trial"}
    rows = json.loads((run / "report.json").read_bytes())["results"]
    assert {(r["protocol"], "+".join(sorted(r["modalities"]))) for r in rows} == {
        (p, "+".join(sorted(s))) for p in ("loso", "loso_stimulus") for s in SETS
    }
    for r in rows:
        alone = r["modalities"] == ["me"]
        assert r["level"] == "trial"
        assert r["n"] == (samples["present_me"].sum() if alone else len(samples))
        oracle = truth["oracles"]["emotion3"]["inductive"][
            "+".join(s for s in STREAMS if s in r["modalities"])
        ]
        assert oracle["trial"]["n"] == r["n"]  # the oracle is of the very trials that are scored
        # two thirds of the clips are negative: accuracy would be theirs
        assert r["controls"]["permuted"]["metric"] == "uar"
        assert (r["oracle"]["metric"], r["oracle"]["value"]) == ("uar", oracle["trial"]["uar"])
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "UAR by trial (%)" in page
    assert not (run / "events.parquet").exists()


@pytest.mark.slow
def test_a_study_of_trials_that_was_cut_off_goes_on_to_the_same_bytes(
    run: Path, data: Path, store: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"

    def stop(now: str, done: int, total: int, text: str) -> None:
        if now == "training" and done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(whole_plan(data), again, store, progress=stop)
    go(whole_plan(data), again, store)
    kept = [p.relative_to(run) for p in sorted(run.glob("checkpoints/**/*")) if p.is_file()]
    assert kept
    for name in (
        "samples.parquet",
        "splits.json",
        "dropped.csv",
        "predictions.parquet",
        "report.json",
        *kept,
    ):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name


@pytest.mark.slow
def test_a_model_of_trials_answers_for_a_folder(
    run: Path, data: Path, command: Command, tmp_path: Path
) -> None:
    """One person without frames; then a folder that nobody has coded."""
    asked = shutil.copytree(data, tmp_path / "asked")
    bare = sorted(p for p in asked.iterdir() if p.is_dir())[0]
    shutil.rmtree(bare / "Frames")
    done = command("predict", asked, "--run", run, "--out", tmp_path / "answers.csv")
    assert done.code in (0, 1), done.err  # 1: something was left out, such as the frames
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert len(answers) == SUBJECTS * CLIPS
    np.testing.assert_allclose(answers[["negative", "positive", "surprise"]].sum(axis=1), 1, atol=1e-5)
    samples = pd.read_parquet(run / "samples.parquet").set_index("trial")
    told = answers.set_index("trial")["modalities"]
    lacking = {
        subject
        for subject, own in answers.groupby("subject")
        if not own["modalities"].str.contains("me").any()
    }
    assert len(lacking) == 1
    for trial, modalities in told.items():
        seen = samples.loc[trial, "present_me"] and samples.loc[trial, "subject"] not in lacking
        assert modalities == ("me+eeg+body" if seen else "eeg+body")
    (asked / "coding_file_combined.xlsx").unlink()
    done = command("predict", asked, "--run", run, "--out", tmp_path / "uncoded.csv")
    assert "no me in this recording: predicted without it" in done.err
    assert set(pd.read_csv(tmp_path / "uncoded.csv")["modalities"]) == {"eeg+body"}


@pytest.mark.slow
def test_a_model_of_trials_answers_for_one_recording_by_its_end(run: Path, tmp_path: Path) -> None:
    """Half a minute of EEG, of which it was trained on the last ten seconds of a clip."""
    rng = np.random.default_rng(3)
    path = write_edf(
        tmp_path / "rest.edf", list(20 * rng.normal(size=(62, 34 * 250))), rates=[250.0] * 62,
        names=list(CHANNELS), units=["uV"] * 62, most=2000.0,
    )  # fmt: skip
    found = predict_recording(path, run=run, out=tmp_path / "answer.csv")
    assert [t["modalities"] for t in found["trials"]] == ["eeg"]
    (start,), (seconds,) = (pd.read_csv(tmp_path / "answer.csv")[c] for c in ("start", "duration"))
    assert (start, seconds) == (24.0, 10.0)
    assert "no me in this recording: predicted without it" in found["notes"]


@pytest.mark.slow
def test_a_model_of_other_lengths_says_so(data: Path, store: Path, tmp_path: Path, command: Command) -> None:
    """Whole clips are of other lengths in another copy."""
    asked = whole_plan(data)
    asked["features"] = {"eeg": {"name": "power_sequence", "stream": "raw_eeg", "cut": "end:8"}}
    asked["model"] = {"name": "mmme"}
    asked["protocol"] = {"names": ["loso"]}
    out = go(asked, tmp_path / "run", store)
    file = out / "checkpoints" / "mmme" / "model.json"
    said = json.loads(file.read_bytes())
    said["features"]["eeg"]["cut"] = "end:10"
    file.write_text(json.dumps(said))
    done = command("predict", data, "--run", out, "--out", tmp_path / "answers.csv")
    assert done.code == 2
    assert "windows of eeg a trial, and the model learnt from" in done.err
