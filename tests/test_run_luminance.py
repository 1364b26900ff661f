"""Light in the pupils, fitted fold by fold on training trials alone, all the way through a study."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import tiny_study
from mien import features
from mien.batches import luminance
from mien.core import InputError, Label, Recording, Span, Stream, Trial
from mien.datasets._seed_layout import EMOTIONS
from mien.protocols import hash_ids
from mien.run import pipeline, study
from mien.run.audit import audit_run
from mien.run.fold import load_context
from mien.run.fold_values import ALL, FoldValues, TrialsOf
from mien.run.predict import predict_recording
from mien.run.store import Store
from mien.run.study_file import load_study
from test_run_pipeline import contents

RATE, SECONDS, CLIPS = 25.0, 16.0, 8
N = int(RATE * SECONDS)
PEOPLE = ("1", "2", "3", "4", "5")
NAMES = ("gaze_x", "gaze_y", "pupil_left", "pupil_right", "eye_movement")
BOTH = {"names": ["loso", "loso_stimulus"], "options": {"loso_stimulus": {"n_stimulus_folds": 2}}}
pytestmark = pytest.mark.filterwarnings("ignore::mien.features.FeatureWarning")


@dataclass(frozen=True)
class NpySource:
    """One subject's gaze in a file."""

    path: Path

    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def read(self, start: float, duration: float) -> Any:
        first = round(start * RATE)
        return np.load(self.path)[:, first : first + round(duration * RATE)]


def write_gaze(folder: Path) -> Path:
    """Five people who see eight clips; a pupil is the clip's light by one's own share, and own waves."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True)
    t = np.arange(N) / RATE

    def waves(n: int) -> Any:
        return sum(np.sin(2 * np.pi * rng.uniform(0.06, 0.9) * t + rng.uniform(0, 6.28)) for _ in range(n))

    light = [waves(4) for _ in range(CLIPS)]
    for name in PEOPLE:
        parts = []
        for clip in range(CLIPS):
            pupils = [3e-3 + rng.uniform(1e-4, 3e-4) * light[clip] + 2e-5 * waves(4) for _ in range(2)]
            code = np.tile(np.repeat([1.0, 2.0], [18, 2]), N // 20)
            parts.append(np.stack([*rng.uniform(0, 1000, (2, N)), *pupils, code]))
        np.save(folder / f"{name}.npy", np.concatenate(parts, axis=1))
    return folder


def recordings(folder: Path) -> list[Recording]:
    found = []
    for path in sorted(folder.glob("*.npy")):
        name = path.stem
        trials = tuple(
            Trial(
                id=f"sub-{name}_clip-{clip}", recording=f"sub-{name}", subject=name, session="1",
                stimulus=str(clip), span=Span(start=clip * SECONDS, duration=SECONDS),
                labels={"emotion": Label(value=EMOTIONS[clip % 2], scale=EMOTIONS, rater="stimulus")},
            )
            for clip in range(CLIPS)
        )  # fmt: skip
        stream = Stream(
            name="raw_gaze", modality="eye", unit="mixed", rate=RATE, channels=NAMES,
            span=Span(start=0.0, duration=CLIPS * SECONDS), source=NpySource(path),
        )  # fmt: skip
        found.append(
            Recording(
                id=f"sub-{name}", dataset="seed_vii", subject=name, session="1",
                streams={"raw_gaze": stream}, trials=trials,
            )
        )  # fmt: skip
    return found


@pytest.fixture(scope="module", autouse=True)
def reader() -> Any:
    """Folders of this module's gaze are read as a data set."""
    with pytest.MonkeyPatch.context() as patch:
        for function in ("loading.read_dataset", "given.load_dataset"):
            patch.setattr(f"mien.run.{function}", lambda name, root, **_: (recordings(Path(root)), []))
        yield


@pytest.fixture(scope="module")
def gaze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gaze(tmp_path_factory.mktemp("gaze") / "data")


def plan_of(root: Path, *, lit: Any = True, **changes: Any) -> dict[str, Any]:
    eye: dict[str, Any] = {"name": "eye33", "luminance": lit}
    return tiny_study(
        root,
        features={"eye": eye},
        model={"name": "logistic_regression", "modalities": [["eye"]], "config": {}},
        train={},
        **changes,
    )


def keep_work(patch: pytest.MonkeyPatch) -> None:
    """A finished run keeps the folder that its fits read."""
    real = shutil.rmtree
    patch.setattr(
        pipeline.shutil, "rmtree",
        lambda path, **options: None if Path(path).name == ".work" and (Path(path) / "ready").exists()
        else real(path, **options),
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(gaze: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed study, with its .work; read only."""
    plan = plan_of(gaze, protocol=BOTH)
    with pytest.MonkeyPatch.context() as patch:
        keep_work(patch)
        return study(plan, tmp_path_factory.mktemp("lit") / "run", workers=1)


def fold_of(run: Path, subject: str, protocol: str = "loso") -> Any:
    (split,) = (s for s in load_context(run).splits[protocol, 0] if s.held_out["subject"] == (subject,))
    return split


def without(run: Path) -> list[dict[str, str]]:
    """Rows of what was left out that are about light."""
    with (run / "dropped.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["what"].startswith("light")]


# -- what a fold learns from -------------------------------------------------------------------------------


def test_values_are_those_of_gaze_fitted_on_the_training_trials_by_hand(run: Path, gaze: Path) -> None:
    context, split = load_context(run), fold_of(run, "2")
    table = context.table
    swapped, _ = context.fold_values.of(table.rows(split.train), ("eye",))
    training = {table.samples[i].subject for i in table.rows(split.train)}
    assert "2" not in training
    clips = {(r.subject, t.stimulus): (t, r.streams["raw_gaze"]) for r in recordings(gaze) for t in r.trials}
    for clip in ("0", "5"):
        state = luminance.fit([clips[s, clip] for s in sorted(training)])
        for subject in PEOPLE:
            trial, source = clips[subject, clip]
            lit = luminance.apply(source.read(trial.span), stimulus=clip, state=state)
            assert lit.flags == {}
            expected = features.compute("eye33", lit.signal).values.astype(np.float32)
            rows = [i for i, s in enumerate(table.samples) if s.trial == trial.id]
            np.testing.assert_array_equal(swapped.inputs["eye"][rows], expected)
            plain = table.inputs["eye"][rows]
            assert not np.allclose(plain[:, :12], expected[:, :12], equal_nan=True)  # pupils
            np.testing.assert_array_equal(plain[:, 12:], expected[:, 12:])  # everything else


def test_nothing_of_a_tested_subject_reaches_training(run: Path, gaze: Path, tmp_path: Path) -> None:
    """Another pupil of subject 2: in the fold that tests 2, nothing of the others moves by a bit."""
    other = shutil.copytree(gaze, tmp_path / "other")
    data = np.load(other / "2.npy")
    data[2:4] = 3e-3 + 4e-4 * np.sin(np.arange(data.shape[1]) / 9)
    np.save(other / "2.npy", data)
    plan = plan_of(other, protocol=BOTH)
    with pytest.MonkeyPatch.context() as patch:
        keep_work(patch)
        again = study(plan, tmp_path / "run", workers=1)

    def values(folder: Path, tested: str, subject: str) -> Any:
        context, split = load_context(folder), fold_of(folder, tested)
        table, _ = context.fold_values.of(context.table.rows(split.train), ("eye",))
        return table.inputs["eye"][table.subjects == subject]

    for subject in ("1", "3", "4", "5"):
        np.testing.assert_array_equal(values(run, "2", subject), values(again, "2", subject))
    assert not np.array_equal(values(run, "2", "2"), values(again, "2", "2"), equal_nan=True)
    # where 2 is in training, its pupil moves the course and with it everybody
    assert any(not np.array_equal(values(run, t, "1"), values(again, t, "1"), equal_nan=True) for t in "345")
    index = run / ".work" / "luminance" / "index.json"
    training = TrialsOf(table=load_context(run).table).whole(
        load_context(run).table.rows(fold_of(run, "2").train)
    )
    keys = [
        json.loads((f / ".work" / "luminance" / index.name).read_bytes())["folds"][hash_ids(training)]["eye"]
        for f in (run, again)
    ]
    for clip in map(str, range(CLIPS)):
        states = [
            Store(f.parent / "mien-store").entry(k[clip]) / "courses.npz"
            for f, k in zip((run, again), keys, strict=True)
        ]
        assert states[0].read_bytes() == states[1].read_bytes()


def test_folds_that_share_training_trials_of_a_clip_share_the_work(run: Path) -> None:
    index = json.loads((run / ".work" / "luminance" / "index.json").read_bytes())
    context = load_context(run)
    trials = TrialsOf(table=context.table)
    sets = {
        (clip, frozenset(t for t in trials.whole(context.table.rows(s.train)) if t.endswith(f"clip-{clip}")))
        for splits in context.splits.values()
        for s in splits
        for clip in range(CLIPS)
    }
    everything = {(clip, frozenset(f"sub-{p}_clip-{clip}" for p in PEOPLE)) for clip in range(CLIPS)}
    keys = {key for of in index["folds"].values() for key in of["eye"].values()}
    assert len(keys) == len({s for s in sets | everything if s[1]})
    entries = list((run.parent / "mien-store").glob("entries/*/*/courses.npz"))
    assert len(entries) == len(keys)


def test_a_trial_that_a_fold_cuts_is_not_learnt_from(run: Path) -> None:
    context = load_context(run)
    trials = TrialsOf(table=context.table)
    samples = context.table.samples
    rows = np.array([i for i, s in enumerate(samples) if s.trial.endswith(("clip-1", "clip-2"))])
    whole = {f"sub-{p}_clip-{c}" for p in PEOPLE for c in (1, 2)}
    assert trials.whole(rows) == whole
    assert trials.whole(rows[1:]) == whole - {samples[rows[0]].trial}
    assert trials.any(rows[1:]) == sorted(whole)


# -- the record and the audit ------------------------------------------------------------------------------


def test_the_record_says_what_luminance_saw_and_the_audit_agrees(run: Path) -> None:
    record = json.loads((run / "record.json").read_bytes())
    assert record["features"]["eye"]["luminance"] is True
    assert all(len(fit["saw"]["luminance"]) == 32 for fit in record["fits"])
    audit = json.loads((run / "audit.json").read_bytes())
    assert audit["verdict"] == "clean"
    assert "subject" in audit["proven"]["loso"]
    assert "stimulus" in audit["proven"]["loso_stimulus"]


def doctored(run: Path, to: Path, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    copy = shutil.copytree(run, to, ignore=shutil.ignore_patterns(".work"))
    record = json.loads((copy / "record.json").read_bytes())
    for fit in record["fits"]:
        change(fit["saw"])
    (copy / "record.json").write_text(json.dumps(record), encoding="utf-8")
    return audit_run(copy)


def test_the_audit_calls_luminance_of_other_trials_a_leak(run: Path, tmp_path: Path) -> None:
    table = load_context(run).table
    everyone = hash_ids({s.trial for s in table.samples})
    found = doctored(run, tmp_path / "a", lambda saw: saw.update(luminance=everyone))
    assert found["verdict"] == "leaks"
    assert {(f["kind"], f["severity"], f["where"]) for f in found["findings"] if f["kind"] == "fit"} == {
        ("fit", "leak", "loso"), ("fit", "leak", "loso_stimulus"),
    }  # fmt: skip
    assert "luminance was fitted on other than the fold's training trials" in str(found["findings"])
    assert found["proven"] == {"loso": [], "loso_stimulus": []}
    found = doctored(run, tmp_path / "b", lambda saw: saw.pop("luminance"))
    assert found["verdict"] == "leaks"
    assert "what luminance was fitted on is not recorded" in str(found["findings"])


def test_a_run_that_fits_on_tested_trials_is_found_out(
    gaze: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code itself made to cheat: training trials and tested trials alike."""
    real = FoldValues.of

    def cheat(self: FoldValues, train: Any, streams: Any) -> Any:
        return real(self, np.arange(len(self._table)), streams)

    monkeypatch.setattr(FoldValues, "of", cheat)
    run = study(plan_of(gaze), tmp_path / "run", workers=1)
    audit = json.loads((run / "audit.json").read_bytes())
    assert audit["verdict"] == "leaks"
    assert audit["proven"] == {"loso": []}


def test_fitted_on_all_subjects_is_called_transductive(gaze: Path, tmp_path: Path) -> None:
    run = study(plan_of(gaze, lit=ALL), tmp_path / "run", workers=1)
    record = json.loads((run / "record.json").read_bytes())
    assert record["features"]["eye"]["luminance"] == ALL
    assert {fit["saw"]["luminance"] for fit in record["fits"]} == {ALL}
    audit = json.loads((run / "audit.json").read_bytes())
    said = [(f["severity"], f["where"]) for f in audit["findings"] if f["kind"] == "transductive"]
    assert said == [("caution", "loso")]
    assert not without(run)


# -- clips that go without ---------------------------------------------------------------------------------


def test_clips_without_a_course_are_flagged_and_counted(run: Path) -> None:
    rows = [r for r in without(run) if r["what"] == "light in the eye of a tested clip"]
    reason = "loso_stimulus: left in, no trial of this stimulus is wholly in training"
    assert {r["reason"] for r in rows} == {reason}  # in loso every clip has one
    samples = pd.read_parquet(run / "samples.parquet")
    assert sorted(r["id"] for r in rows) == sorted(set(samples["trial"]))
    assert {r["count"] for r in rows} == {"1"}
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "light in the eye of a tested clip" in page
    assert reason in page
    # their values are those of the gaze as recorded
    context = load_context(run)
    split = context.splits["loso_stimulus", 0][0]
    table, _ = context.fold_values.of(context.table.rows(split.train), ("eye",))
    tested = context.table.rows(split.test)
    np.testing.assert_array_equal(table.inputs["eye"][tested], context.table.inputs["eye"][tested])


def test_clips_that_too_few_saw_go_without_in_training_as_well(gaze: Path, tmp_path: Path) -> None:
    """Three people: two or fewer are left to learn from."""
    few = shutil.copytree(gaze, tmp_path / "few", ignore=shutil.ignore_patterns("4.npy", "5.npy"))
    run = study(plan_of(few), tmp_path / "run", workers=1)
    rows = without(run)
    assert {"light in the eye of a tested clip", "light in the eye of a training clip"} <= {
        r["what"] for r in rows
    }
    assert all("fewer than 3" in r["reason"] for r in rows)


# -- the same bytes ----------------------------------------------------------------------------------------


def test_a_second_run_and_a_stopped_one_give_the_same_bytes(run: Path, gaze: Path, tmp_path: Path) -> None:
    plan = plan_of(gaze, protocol=BOTH)
    kept = shutil.copytree(run.parent / "mien-store", tmp_path / "kept")
    before = sorted(p.name for p in kept.glob("entries/*/*"))
    stages = []
    second = study(
        plan, tmp_path / "second", store=kept, workers=1,
        progress=lambda stage, done, total, text: stages.append((stage, total)),
    )  # fmt: skip
    assert contents(second) == contents(run)
    assert sorted(p.name for p in kept.glob("entries/*/*")) == before
    assert ("eye luminance", 0) in stages  # nothing was made again

    def stop(stage: str, done: int, total: int, text: str) -> None:
        if stage == "eye luminance" and done == 3:
            raise KeyboardInterrupt

    stopped = tmp_path / "elsewhere" / "run"
    with pytest.raises(KeyboardInterrupt):
        study(plan, stopped, workers=1, progress=stop)
    assert list((stopped.parent / "mien-store").glob("entries/*/*/courses.npz"))
    study(plan, stopped, workers=1)
    assert contents(stopped) == contents(run)


@pytest.mark.slow
def test_several_workers_give_the_same_bytes(run: Path, gaze: Path, tmp_path: Path) -> None:
    plan = plan_of(gaze, protocol=BOTH)
    assert contents(study(plan, tmp_path / "run", workers=2)) == contents(run)


# -- the model that is left behind -------------------------------------------------------------------------


def test_a_kept_model_takes_off_the_light_it_knows(run: Path, gaze: Path, tmp_path: Path) -> None:
    meta = json.loads((run / "checkpoints" / "logistic_regression" / "model.json").read_bytes())
    assert meta["luminance"] == {"eye": {"centred": True, "rate": RATE}}
    known = predict_recording(gaze, run=run, out=tmp_path / "known.csv")
    assert any("light is taken off the pupils" in note for note in known["notes"])
    # more light of a known clip changes nothing but what is left of the mean
    brighter = shutil.copytree(gaze, tmp_path / "brighter")
    states = load_context(run).fold_values.of_all()[1]
    data = np.load(brighter / "1.npy")
    for clip in range(CLIPS):
        for row, pupil in ((2, "pupil_left"), (3, "pupil_right")):
            course = states[f"eye/{clip}/{pupil}"].astype(np.float64)
            data[row, clip * N : (clip + 1) * N] += 2e-3 * (course - course.mean())
    np.save(brighter / "1.npy", data)
    predict_recording(brighter, run=run, out=tmp_path / "brighter.csv")
    a, b = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("known", "brighter"))
    words = list(EMOTIONS[:2])
    words = [w for w in EMOTIONS if w in a]
    own = a["subject"].astype(str) == "1"
    # float32 features; regression on the course takes off what was added to rounding
    np.testing.assert_allclose(a.loc[own, words], b.loc[own, words], atol=1e-3)
    plain = study(plan_of(gaze, lit=False), tmp_path / "plain", workers=1)
    predict_recording(gaze, run=plain, out=tmp_path / "p.csv")
    predict_recording(brighter, run=plain, out=tmp_path / "q.csv")
    p, q = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("p", "q"))
    assert np.abs(p.loc[own, words] - q.loc[own, words]).to_numpy().max() > 0.05


# -- what is refused ---------------------------------------------------------------------------------------


def test_luminance_of_what_is_not_gaze_is_refused() -> None:
    for name in ("shipped", "de_lds"):
        plan = plan_of(Path("data"))
        plan["features"]["eye"]["name"] = name
        says = rf"features.eye.luminance: '{name}' is not made from gaze.*leave luminance out"
        with pytest.raises(InputError, match=f"(?i){says}"):
            load_study(plan)
    with pytest.raises(InputError, match="luminance: Input should be False, True or 'all_subjects'"):
        load_study(plan_of(Path("data"), lit="everybody"))
    assert load_study(plan_of(Path("data"))).features["eye"].luminance is True
    assert load_study(plan_of(Path("data"), lit=False)).features["eye"].luminance is False
