"""Whole studies of MMME: three devices' files to one report, with any of face, brain and body."""

from __future__ import annotations

import itertools
import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import Command
from mien import simulate
from mien.core import InputError
from mien.run import study
from mien.run.demo import demo
from mien.run.study_file import load_study
from mien.run.variants import run_variants, variants_of
from mien.timeline import AlignmentWarning
from test_docs import ROOT, blocks, run_command

TABLE = ROOT / "docs" / "studies" / "mmme.toml"
BODY_TABLE = ROOT / "docs" / "studies" / "mmme_body.toml"
SUBJECTS, CLIPS = 4, 7
STREAMS = ("me", "eeg", "body")
SETS = [list(s) for n in (3, 2, 1) for s in itertools.combinations(STREAMS, n)]
DEVICES = ("eeg", "biopac", "camera")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people, seven clips of 12 s, one of each emotion; read only."""
    return simulate.simulate(
        "mmme", tmp_path_factory.mktemp("data") / "mmme", seed=61, subjects=SUBJECTS, clips=CLIPS,
        seconds=12.0, rate=250, columns=14, events_per_clip=1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features, shared by the studies of this file."""
    return tmp_path_factory.mktemp("store")


def plan(root: Path, **changes: Any) -> dict[str, Any]:
    """A study of a few seconds; a mapping changes single keys of its table."""
    out: dict[str, Any] = {
        "system": "mmme",
        "label": "emotion3",
        "data": {"name": "mmme", "root": str(root)},
        "samples": {"of": "event"},
        "features": {
            "me": {"name": "flow", "options": {"method": "dis", "size": 16}},
            "eeg": {"name": "power_sequence", "stream": "raw_eeg"},
            "body": {
                "name": "body_sequence",
                "cut": "apex-6+6",
                "options": {"window_seconds": 8.0, "stride_seconds": 8.0},
            },
        },
        "model": {"name": "mmme", "modalities": SETS},
        "train": {"epochs": 1, "batch_size": 64},
        "protocol": {"names": ["loso"]},
        "controls": {"shuffled": False},
    }
    for key, value in changes.items():
        out[key] = out.get(key, {}) | value if isinstance(value, Mapping) else value
    return out


def made(asked: Mapping[str, Any], out: Path, store: Path) -> Path:
    """The run folder; what readers and features warn of is no matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return study(asked, out, store=store, workers=1)


def rows_of(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "report.json").read_bytes())["results"]
    return found


def sets_of(run: Path) -> set[str]:
    return {"+".join(sorted(r["modalities"])) for r in rows_of(run)}


@pytest.fixture(scope="module")
def run(data: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, every set of streams, with the association; read only."""
    asked = plan(data, association={"measures": ["heart_rate", "eda_phasic", "alpha"], "n_permutations": 100})
    return made(asked, tmp_path_factory.mktemp("runs") / "mmme3", store)


def test_every_set_of_streams_is_a_row_with_an_oracle(run: Path) -> None:
    assert sets_of(run) == {"+".join(sorted(s)) for s in SETS}
    for row in rows_of(run):
        assert row["chance"]["uniform"] == pytest.approx(1 / 3)
        assert row["n_subjects"] == SUBJECTS
        assert row["level"] == "event"
        assert "subject" in row["held_out"]
        assert "stimulus" not in row["held_out"]
        assert 1 / 3 < row["oracle"]["value"] <= 1
    samples = pd.read_parquet(run / "samples.parquet")
    assert samples[[f"present_{s}" for s in STREAMS]].mean().min() > 0.8  # an answer at the very end may lack


def test_the_clocks_of_all_devices_are_told(run: Path, data: Path) -> None:
    """Offset and drift as they were simulated, in the files and on the page."""
    truth = json.loads((data / "truth.json").read_bytes())["clocks"]
    clocks = json.loads((run / "clocks.json").read_bytes())
    markers = json.loads((run / "markers.json").read_bytes())
    assert set(clocks) == set(truth) == set(markers)
    for recording, by_name in clocks.items():
        assert set(by_name) == set(DEVICES)
        for name in ("biopac", "camera"):
            told, true = by_name[name], truth[recording][name]
            # in the middle of the recording; a camera's stamps are made tens of ms after its pictures, and
            # nothing tells by how much
            middle = 60.0 - (true["offset"] if name == "camera" else 0.0)
            wrong = told["offset"] - true["offset"] + (told["drift"] - true["drift"]) * middle
            assert abs(wrong) < (0.05 if name == "camera" else 0.005)
            assert told["residual"] < 0.005
            assert told["n_markers"] > CLIPS
        assert {d["clock"] for d in markers[recording]["devices"]} == set(DEVICES)
    page = (run / "report.html").read_text(encoding="utf-8")
    section = page[page.index('id="clocks"') :]
    section = section[: section.index("</section>")]
    for words in ("biopac", "camera", "ppm", "ms"):
        assert words in section


def test_what_the_model_looks_at_is_shown_of_each_stream(run: Path) -> None:
    with np.load(run / "figures" / "course_body.npz") as arrays:
        assert arrays["values"].shape == (len(arrays["measures"]), 8)
        assert "heart_rate" in arrays["measures"]
        assert arrays["values"].min() >= 0 < arrays["values"].max()
    page = (run / "report.html").read_text(encoding="utf-8")
    for figure in ("course-body", "face-me", "bands"):
        assert f'id="{figure}' in page or f"{figure}-" in page, figure
    assert "Body: each measure, second by second" in page


def test_associations_of_few_people_are_listed_and_not_tested(run: Path) -> None:
    table = pd.read_csv(run / "association.csv")
    assert set(table["measure"]) == {"heart_rate", "eda_phasic", "alpha"}
    assert {"micro", "macro", "micro - macro", "negative", "positive - others"} <= set(table["contrast"])
    assert table["note"].str.startswith("not tested").all()
    assert set(table["control"]) == {"clip"}
    assert table[table["contrast"] == "micro"]["n_subjects"].tolist() == [SUBJECTS] * 3
    with np.load(run / "figures" / "association.npz") as arrays:
        assert arrays["units"].tolist() == ["1/min", "µS", "dB"]
        assert np.isfinite(arrays["mean"][:, 0]).all()
    assert "Not tested for want of subjects" in (run / "report.html").read_text(encoding="utf-8")


def foreign_triggers(path: Path) -> None:
    """A BIOPAC recording of another session: its digital lines say one code, at other times."""
    import scipy.io

    content = scipy.io.loadmat(path)
    names = [str(name) for name in content["labels"]]
    lines = [k for k, name in enumerate(names) if "Digital" in name]
    assert len(lines) == 8
    content["data"][:, lines] = 0.0
    content["data"][500::5000, lines[0]] = 5.0
    scipy.io.savemat(path, {k: v for k, v in content.items() if not k.startswith("__")})


def test_devices_that_lack_or_fit_nobody_else(data: Path, store: Path, tmp_path: Path) -> None:
    """One person without BIOPAC, one without frames, one whose BIOPAC is of another session."""
    root = shutil.copytree(data, tmp_path / "copy")
    first, second, third, _ = sorted(p for p in root.iterdir() if p.is_dir())
    shutil.rmtree(first / "BIOPAC")
    shutil.rmtree(second / "Frames")
    foreign_triggers(next((third / "BIOPAC").glob("*.mat")))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run = study(
            plan(root, model={"modalities": [SETS[0], ["eeg"]]}), tmp_path / "run", store=store, workers=1
        )
    assert any(issubclass(w.category, AlignmentWarning) for w in told)
    samples = pd.read_parquet(run / "samples.parquet")
    seen = samples.groupby("subject")[[f"present_{s}" for s in STREAMS]].any()
    assert seen["present_eeg"].all()
    assert seen["present_body"].sum() == SUBJECTS - 2
    assert seen["present_me"].sum() == SUBJECTS - 1
    assert not (~seen["present_body"] & ~seen["present_me"]).any()
    dropped = pd.read_csv(run / "dropped.csv")
    (reason,) = dropped[dropped["reason"].str.startswith("clock 'biopac'")]["reason"]
    assert "marker" in reason
    whole = [r for r in rows_of(run) if len(r["modalities"]) == 3]
    assert [r["n_subjects"] for r in whole] == [SUBJECTS]  # everybody is answered by what there is
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "could not be aligned" in page
    assert str(first.name)[:-8] not in page  # folders carry people's names


def test_a_study_that_was_cut_off_goes_on_to_the_same_bytes(
    run: Path, data: Path, store: Path, tmp_path: Path
) -> None:
    asked = plan(data, association={"measures": ["heart_rate", "eda_phasic", "alpha"], "n_permutations": 100})
    again = tmp_path / "again"

    def stop(now: str, done: int, total: int, text: str) -> None:
        if now == "training" and done >= 1:
            raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(KeyboardInterrupt):
            study(asked, again, store=store, workers=1, progress=stop)
        assert not (again / "report.json").exists()
        study(asked, again, store=store, workers=1)
    names = [
        *("splits.json", "samples.parquet", "events.parquet", "dropped.csv", "clocks.json", "markers.json"),
        *("association.csv", "figures/association.npz", "predictions.parquet", "report.json"),
    ]
    kept = [p.relative_to(run) for p in sorted(run.glob("checkpoints/**/*")) if p.is_file()]
    assert kept
    for name in (*names, *kept):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(run: Path, data: Path, tmp_path: Path) -> None:
    asked = plan(data, association={"measures": ["heart_rate", "eda_phasic", "alpha"], "n_permutations": 100})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = study(asked, tmp_path / "again", store=tmp_path / "store", workers=2)
    for name in ("markers.json", "association.csv", "figures/association.npz", "predictions.parquet"):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize(("body", "label"), [("body_sequence", "emotion"), ("body_windows", "emotion3")])
def test_whole_trials_of_eeg_and_body(data: Path, store: Path, tmp_path: Path, body: str, label: str) -> None:
    """What is classified is the clip somebody watched, by its last ten seconds: seven classes or three."""
    parts = {
        "eeg": {"name": "power_sequence", "stream": "raw_eeg", "cut": "end:10"},
        "body": {
            "name": body,
            "cut": "end:10",
            "options": {"window_seconds": 8.0, "stride_seconds": 8.0}
            | ({"baseline_seconds": 2.0} if body == "body_sequence" else {}),
        },
    }
    asked = plan(data, label=label)
    asked |= {
        "samples": {"of": "trial"},
        "features": parts,
        "model": {"name": "mmme", "modalities": [["eeg", "body"], ["eeg"], ["body"]]},
    }
    run = made(asked, tmp_path / "run", store)
    assert sets_of(run) == {"body+eeg", "eeg", "body"}
    assert {r["level"] for r in rows_of(run)} == {"trial"}
    assert {round(1 / r["chance"]["uniform"]) for r in rows_of(run)} == {7 if label == "emotion" else 3}
    samples = pd.read_parquet(run / "samples.parquet")
    assert len(samples) == SUBJECTS * CLIPS
    assert samples["present_body"].all()


def test_a_trained_model_answers_for_a_folder(
    run: Path, data: Path, command: Command, tmp_path: Path
) -> None:
    """Two people, of whom one has no BIOPAC."""
    people = sorted(p.name for p in data.iterdir() if p.is_dir())
    asked = shutil.copytree(
        data, tmp_path / "asked", ignore=shutil.ignore_patterns(*people[2:], "truth.json")
    )
    shutil.rmtree(asked / people[0] / "BIOPAC")
    done = command("predict", asked, "--run", run, "--out", tmp_path / "answers.csv")
    assert done.code in (0, 1), done.err  # 1: something was left out, such as an answer at the very end
    answers = pd.read_csv(tmp_path / "answers.csv")
    np.testing.assert_allclose(answers[["negative", "positive", "surprise"]].sum(axis=1), 1, atol=1e-5)
    told = answers.groupby("subject")["modalities"].unique().map(set)
    assert len(told) == 2
    assert {"me+eeg"} in told.tolist()
    assert any("me+eeg+body" in sets for sets in told)


@pytest.mark.parametrize(
    ("association", "message"),
    [
        ({"measures": ["heart_rat"]}, "unknown measure 'heart_rat'.*heart_rate"),
        ({"baseline": [-8.0, -1.0]}, "does not lie in the window"),
        ({"measures": ["alpha", "alpha"]}, "names one thing twice"),
        ({"measure": ["alpha"]}, "unknown key 'association.measure'.*measures"),
    ],
)
def test_associations_that_cannot_be(tmp_path: Path, association: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_study(plan(tmp_path, association=association))


# -- the table, the tutorial, the demo ---------------------------------------------------------------------


def test_the_table_of_both_tasks_can_be_loaded() -> None:
    found = {
        name: load_study(TABLE, ["data.root=/data"], changes=changes)
        for name, changes in variants_of(TABLE).items()
    }
    assert {name: asked.label for name, asked in found.items()} == {
        "3 classes": "emotion3",
        "7 classes": "emotion",
    }
    for asked in found.values():
        assert {frozenset(s) for s in asked.subsets} == {frozenset(s) for s in SETS}
        assert set(asked.protocol.names) == {"loso", "loso_stimulus"}
        assert asked.controls.shuffled
        assert asked.association is not None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_table_by_one_command(tmp_path: Path) -> None:
    root = simulate.simulate(
        "mmme", tmp_path / "mmme", seed=62, subjects=6, clips=14, seconds=12.0, rate=250, columns=14
    )
    smaller = [
        f"data.root={root}", "seeds=[0]", "train.epochs=2", "features.me.options.method=dis",
        "features.me.options.size=16", "association.n_permutations=100",
        "protocol.options.loso_stimulus.n_stimulus_folds=2",
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = run_variants(TABLE, tmp_path / "table", overrides=smaller, workers=1)
    for run, chance in zip(runs.values(), (1 / 3, 1 / 7), strict=True):
        rows = [r for r in rows_of(run) if r["model"] == "mmme"]
        assert {(r["protocol"], "+".join(sorted(r["modalities"]))) for r in rows} == {
            (p, "+".join(sorted(s))) for p in ("loso", "loso_stimulus") for s in SETS
        }
        for row in rows:
            uar = row["metrics"]["uar"]
            assert uar["low"] <= uar["value"] <= uar["high"]
            assert row["chance"]["uniform"] == pytest.approx(chance)
            assert row["oracle"]["value"] > chance
            assert row["controls"]["permuted"]["metric"] == "uar"
        assert not pd.read_csv(run / "association.csv")["note"].str.startswith("not tested").all()
    page = (runs["3 classes"] / "report.html").read_text(encoding="utf-8")
    assert "7 classes" in page


def test_the_table_of_the_body_can_be_loaded() -> None:
    found = {
        name: load_study(BODY_TABLE, ["data.root=/data"], changes=changes)
        for name, changes in variants_of(BODY_TABLE).items()
    }
    assert {name: asked.features["body"].recipe for name, asked in found.items()} == {
        "as published": "released",
        "done right": "corrected",
    }
    for asked in found.values():
        assert set(asked.protocol.names) == {"mmme_10fold", "loso", "loso_stimulus"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_body_as_published_and_done_right(tmp_path: Path) -> None:
    root = simulate.simulate(
        "mmme", tmp_path / "mmme", seed=71, subjects=3, clips=14, seconds=40.0, rate=250, columns=14,
        kinds=("eeg", "biopac", "table"),
    )  # fmt: skip
    smaller = [f"data.root={root}", "protocol.options.loso_stimulus.n_stimulus_folds=2"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # planted faults, and the rate
        runs = run_variants(BODY_TABLE, tmp_path / "table", overrides=smaller, workers=1)
    for run, recipe in zip(runs.values(), ("released", "corrected"), strict=True):
        rows = rows_of(run)
        assert {(r["protocol"], r["model"]) for r in rows} == {
            (p, "linear_svm") for p in ("mmme_10fold", "loso", "loso_stimulus")
        }
        assert all(r["n"] == 3 * 14 and r["level"] == "trial" for r in rows)
        features = json.loads((run / "record.json").read_bytes())["features"]
        assert features["body"]["recipe"] == recipe
        assert json.loads((run / "audit.json").read_bytes())["verdict"] == "clean"
    assert "released" in (runs["as published"] / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # one process: starting more takes longer than the work
    page = ROOT / "docs" / "tutorial_mmme.md"
    (text,) = blocks(page, "toml")
    (tmp_path / text.split()[1]).write_text(text, encoding="utf-8")
    for block in blocks(page, "python"):
        (tmp_path / "block.py").write_text(block, encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == ["simulate", "inspect", "run", "audit", "predict"]
    names: dict[str, Any] = {}
    for line in lines:
        # `inspect` and `predict` say by 1 that something was found: planted faults
        allowed = (0, 1) if line.split()[1] in ("inspect", "predict") else (0,)
        assert run_command(line, monkeypatch) in allowed, line
        if line.split()[1] == "inspect":
            for block in blocks(page, "python"):
                exec(compile(block, page.name, "exec"), names)
    page_made = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    for anchor in ('id="clocks"', 'id="association"', 'id="events"'):
        assert anchor in page_made


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_of_mmme(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (run,) = demo(tmp_path, only="mmme", size="small", workers=1)
    assert {r["protocol"] for r in rows_of(run)} == {"loso", "loso_stimulus"}
    rows = [r for r in rows_of(run) if r["model"] == "mmme"]
    assert {"+".join(sorted(r["modalities"])) for r in rows} == {"+".join(sorted(s)) for s in SETS}
    assert json.loads((run / "audit.json").read_bytes())["verdict"] == "clean"
