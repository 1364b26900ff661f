"""Whole studies of Milmer on a made-up DEAP: files to report, under every protocol and with any streams."""

from __future__ import annotations

import json
import re
import shutil
import typing
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import Command
from mien import datasets, features, simulate
from mien.core import InputError
from mien.datasets._deap_example import write_grey_video
from mien.models import _milmer_released
from mien.models.milmer import Milmer
from mien.run import study
from mien.run.config import FeaturePart
from mien.run.demo import demo
from mien.run.prepare import _warn_of_bands, spec_of
from mien.run.study_file import load_study
from mien.run.variants import folder_name, run_variants, variants_of
from test_docs import ROOT, blocks, run_command

ABLATIONS = ROOT / "docs" / "studies" / "ablations.toml"
SUBJECTS, TRIALS, SECONDS = 3, 16, 6
FILMED = ("s01", "s02")
WINDOWS = TRIALS * 2  # of 3 s each, of one person
SETS = [["eeg", "face_tokens", "body"], ["eeg", "face_tokens"], ["eeg"], ["face_tokens"], ["body"]]
TOKENS = {"grid": 2, "face_crops": {"size": 32, "faces": 4}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, sixteen videos of 6 s, the last person without a film; read only."""
    return simulate.simulate(
        "deap",
        tmp_path_factory.mktemp("data") / "deap",
        seed=51,
        subjects=SUBJECTS,
        trials=TRIALS,
        seconds=SECONDS,
        video_subjects=len(FILMED),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features, shared by the studies of this file."""
    return tmp_path_factory.mktemp("store")


def plan(root: Path, **changes: Any) -> dict[str, Any]:
    """A study of a few seconds; a mapping changes single keys of its table."""
    out: dict[str, Any] = {
        "system": "milmer",
        "label": "quadrant",
        "data": {"name": "deap", "root": str(root)},
        "features": {
            "eeg": "segments",
            "face_tokens": {"name": "face_tokens", "options": TOKENS},
            "body": "body_statistics",
        },
        "model": {"name": "milmer", "modalities": SETS},
        "train": {"epochs": 1, "batch_size": 32},
        "protocol": {"names": ["loso"]},
        "controls": {"shuffled": False},
    }
    for key, value in changes.items():
        out[key] = out.get(key, {}) | value if isinstance(value, Mapping) else value
    return out


def rows_of(run: Path, level: str = "trial") -> list[dict[str, Any]]:
    found = json.loads((run / "report.json").read_bytes())["results"]
    return [row for row in found if row["level"] == level]


@pytest.fixture(scope="module")
def run(data: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four protocols and all sets of streams; read only."""
    names = ["trial_622", "random_window", "loso", "loso_stimulus"]
    options = {"loso_stimulus": {"n_stimulus_folds": 3}, "random_window": {"n_folds": 2}}
    return study(
        plan(data, protocol={"names": names, "options": options}),
        tmp_path_factory.mktemp("runs") / "milmer",
        store=store,
        workers=1,
    )


def test_every_protocol_and_every_set_of_streams_is_a_row(run: Path) -> None:
    by_trial = rows_of(run)
    found = {(r["protocol"], "+".join(sorted(r["modalities"]))) for r in by_trial}
    protocols = ("trial_622", "random_window", "loso", "loso_stimulus")
    assert found == {(p, "+".join(sorted(s))) for p in protocols for s in SETS}
    assert len(by_trial) == len(found)
    for row in by_trial:
        assert row["chance"]["uniform"] == 0.25
        assert row["n_subjects"] == (len(FILMED) if row["modalities"] == ["face_tokens"] else SUBJECTS)
        assert 0 <= row["metrics"]["accuracy"]["value"] <= 1
        assert row["oracle"] is None or row["oracle"]["value"] > 0.25
    by_window = {(r["protocol"], tuple(r["modalities"])): r["n"] for r in rows_of(run, "window")}
    assert by_window["loso", ("eeg",)] == SUBJECTS * WINDOWS
    assert by_window["loso", ("face_tokens",)] == len(FILMED) * WINDOWS


def test_what_is_held_out_is_proved_and_the_leak_is_named(run: Path) -> None:
    held = {r["protocol"]: set(r["held_out"]) for r in rows_of(run)}
    assert held["random_window"] == set()
    assert "subject" in held["loso"]
    assert "stimulus" not in held["loso"]
    assert {"subject", "stimulus"} <= held["loso_stimulus"]
    assert "subject" not in held["trial_622"]  # no clip twice within a person
    assert {"trial", "stimulus"} <= held["trial_622"]
    audit = json.loads((run / "report.json").read_bytes())["audit"]
    assert audit["verdict"] == "leaks"
    assert any(f["kind"] == "trial" and "random_window" in json.dumps(f) for f in audit["findings"])


def test_people_without_a_film_are_answered_by_their_other_signals(run: Path) -> None:
    samples = pd.read_parquet(run / "samples.parquet")
    seen = samples.groupby("subject")["present_face_tokens"].any()
    assert seen.to_dict() == {s: s in FILMED for s in seen.index}
    assert samples["present_eeg"].all()
    assert samples["present_body"].all()
    answers = pd.read_parquet(run / "predictions.parquet")
    answers = answers[(answers["protocol"] == "loso") & (answers["modalities"] == "eeg+face_tokens+body")]
    assert set(answers["subject"]) == set(seen.index)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "EEG + face tokens + body" in page
    assert re.search(rf"Of {SUBJECTS * TRIALS} trials \d+ have a rating exactly on the threshold", page)


def test_power_that_the_stored_files_have_not_is_warned_of(data: Path) -> None:
    recordings = datasets.load("deap", data, subjects=[23])
    specs = [spec_of("eeg", FeaturePart(name="de"))]
    with pytest.warns(features.FeatureWarning, match="phantom delta"):
        _warn_of_bands(specs, recordings)
    bands = {"alpha": [8.0, 14.0], "beta": [14.0, 31.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _warn_of_bands([spec_of("eeg", FeaturePart(name="de", options={"bands": bands}))], recordings)


def test_a_trained_model_answers_for_a_folder(
    run: Path, data: Path, command: Command, tmp_path: Path
) -> None:
    """One person with films and one without."""
    asked = shutil.copytree(data, tmp_path / "asked", ignore=shutil.ignore_patterns("s02*"))
    done = command("predict", asked, "--run", run, "--out", tmp_path / "answers.csv")
    assert done.code == 0, done.err
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert len(answers) == 2 * WINDOWS
    words = ["HVHA", "HVLA", "LVLA", "LVHA"]
    np.testing.assert_allclose(answers[words].sum(axis=1), 1, atol=1e-5)  # written as float32
    told = answers.groupby("subject")["modalities"].unique().map(set)
    assert told["s01"] == {"eeg+face_tokens+body"}
    assert told.drop("s01").tolist() == [{"eeg+body"}]


def test_a_study_that_was_cut_off_goes_on_to_the_same_bytes(data: Path, store: Path, tmp_path: Path) -> None:
    asked = plan(
        data,
        data={"subjects": ["1"]},
        seeds=[0, 1],
        model={"modalities": [["eeg", "face_tokens"], ["eeg"]]},
        protocol={"names": ["trial_622"]},
    )
    whole = study(asked, tmp_path / "whole", store=store, workers=1)
    again = tmp_path / "again"
    for stage, at in (("features", 1), ("training", 1)):

        def stop(now: str, done: int, total: int, text: str, stage: str = stage, at: int = at) -> None:
            if now == stage and done >= at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            study(asked, again, store=tmp_path / "store", workers=1, progress=stop)
        assert not (again / "report.json").exists()
    study(asked, again, store=tmp_path / "store", workers=1)
    names = ("splits.json", "samples.parquet", "dropped.csv", "predictions.parquet", "report.json")
    kept = [p.relative_to(whole) for p in sorted(whole.glob("checkpoints/**/*")) if p.is_file()]
    assert kept
    for name in (*names, *kept):
        assert (again / name).read_bytes() == (whole / name).read_bytes(), name


def keep_first(video: Path, seconds: float) -> None:
    """Cut a video off in good order."""
    import cv2

    source = cv2.VideoCapture(str(video))
    rate, size = source.get(cv2.CAP_PROP_FPS), (int(source.get(3)), int(source.get(4)))
    frames = [source.read()[1] for _ in range(round(rate * seconds))]
    source.release()
    target = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), rate, size)
    for frame in frames:
        target.write(frame)
    target.release()


def test_two_classes_and_films_that_are_short_or_show_nobody(data: Path, tmp_path: Path) -> None:
    """The first film ends with its first window, the second shows a grey wall."""
    root = shutil.copytree(data, tmp_path / "copy", ignore=shutil.ignore_patterns("s02*", "s23*"))
    short, empty = sorted((root / "face_video" / "s01").glob("*.avi"))[:2]
    keep_first(short, 3.0)
    write_grey_video(empty, level=128, seconds=SECONDS)
    asked = plan(
        root,
        label="valence",
        model={"modalities": [["eeg", "face_tokens"], ["face_tokens"]]},
        protocol={"names": ["trial_622"]},
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = study(asked, tmp_path / "run", workers=1)
    (fault,) = [f for w in told if isinstance(w.message, datasets.DatasetWarning) for f in w.message.faults]
    assert fault.file == str(short)
    assert "the film ends early" in fault.reason
    assert any(issubclass(w.category, features.FeatureWarning) for w in told)
    assert {r["chance"]["uniform"] for r in rows_of(made)} == {0.5}
    ratings = pd.read_csv(root / "metadata_csv" / "participant_ratings.csv")
    shown = ratings[ratings["Participant_id"] == 1].set_index("Trial")["Experiment_id"]
    samples = pd.read_parquet(made / "samples.parquet")
    seen = samples.sort_values("start").groupby("trial")["present_face_tokens"].agg(list).to_dict()
    assert seen.pop(f"s01_v{shown[1]:02d}") == [True, False]
    assert seen.pop(f"s01_v{shown[2]:02d}") == [False, False]
    assert all(map(all, seen.values()))
    assert len(seen) == TRIALS - 2


def test_no_face_in_any_film_is_one_clear_line(data: Path, tmp_path: Path) -> None:
    root = shutil.copytree(data, tmp_path / "copy", ignore=shutil.ignore_patterns("s02*", "s23*", "*.avi"))
    for place in (1, 2):
        film = root / "face_video" / "s01" / f"s01_trial{place:02d}.avi"
        write_grey_video(film, level=128, seconds=SECONDS)
    asked = plan(root, model={"modalities": [["eeg", "face_tokens"]]}, protocol={"names": ["trial_622"]})
    with (
        pytest.warns(features.FeatureWarning, match="a face was found in 0 of the"),
        pytest.raises(InputError, match="no trial has usable face_tokens features") as told,
    ):
        study(asked, tmp_path / "run", workers=1)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run" / "splits.json").exists()


# -- variants ----------------------------------------------------------------------------------------------

TINY = [
    "seeds=[0]",
    "train.epochs=1",
    'protocol.names=["trial_622"]',
    "features.face_tokens.options.grid=2",
    "features.face_tokens.options.face_crops.size=32",
]


def only(folder: Path, wanted: list[str]) -> Path:
    """The shipped file with some of its variants."""
    head, _, tail = ABLATIONS.read_text(encoding="utf-8").partition("[variants]\n")
    lines = [line for line in tail.splitlines() if line.startswith(tuple(f'"{name}" =' for name in wanted))]
    assert len(lines) == len(wanted)
    path = folder / "ablations.toml"
    path.write_text(head + "[variants]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(file: Path, out: Path, *overrides: str, store: Path | None = None) -> None:
    """Run the variants of a file at a small size; every one is a row of the first one's report."""
    made = run_variants(file, out, overrides=[*TINY, *overrides], store=store, workers=1)
    assert list(made) == list(variants_of(file))
    first, *others = made
    page = (made[first] / "report.html").read_text(encoding="utf-8")
    section = page[page.index('id="compared"') :]
    section = section[: section.index("</section>")]
    whole = section[: section.find('<tr class="group"', section.index('<tr class="group"') + 1)]
    for name in (first, *others):
        assert f">{folder_name(name)}<" in whole, name
    for name, run in made.items():
        assert all(np.isfinite(r["metrics"]["accuracy"]["value"]) for r in rows_of(run)), name


def test_every_option_of_the_paper_is_a_variant_that_can_be_loaded() -> None:
    found = {
        name: load_study(ABLATIONS, ["data.root=/tmp"], changes=changes)
        for name, changes in variants_of(ABLATIONS).items()
    }
    tried: dict[tuple[str, str], set[Any]] = {}
    for asked in found.values():
        released = asked.model.recipe == "released"
        defaults = {
            "selection": "attention_weighted_topk" if released else "gated",
            "fusion": "cross_attention",
        }
        for option, default in defaults.items():
            tried.setdefault((asked.model.recipe, option), set()).add(asked.model.config.get(option, default))
    known = typing.get_type_hints(Milmer.__init__)
    for option in ("selection", "fusion"):
        assert tried["corrected", option] == set(typing.get_args(known[option]))
    assert tried["released", "selection"] == set(_milmer_released.SELECTIONS)
    assert tried["released", "fusion"] == set(_milmer_released.FUSIONS)
    sets = {frozenset(asked.streams) for asked in found.values()}
    streams = ("eeg", "face_tokens", "body")
    assert sets == {
        frozenset(s for s, on in zip(streams, f"{i:03b}", strict=True) if on == "1") for i in range(1, 8)
    }
    assert {asked.features["eeg"].recipe for asked in found.values()} == {"corrected", "released"}
    assert {asked.model.config.get("n_selected", 3) for asked in found.values()} >= {1, 3, 5}


def test_three_variants_are_three_rows(data: Path, store: Path, tmp_path: Path) -> None:
    file = only(tmp_path, ["as it is", "EEG alone", "released amil"])
    smaller = ['data.subjects=["1"]', "features.face_tokens.options.face_crops.faces=4"]
    table(file, tmp_path / "out", f"data.root={data}", *smaller, store=store)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_table(data: Path, tmp_path: Path) -> None:
    table(ABLATIONS, tmp_path / "out", f"data.root={data}")


# -- what the documents and the demo show ------------------------------------------------------------------


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # one process: starting more takes longer than the work
    page = ROOT / "docs" / "tutorial_deap.md"
    for text in blocks(page, "toml"):
        (tmp_path / text.split()[1]).write_text(text, encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == ["simulate", "inspect", "run", "audit", "run", "predict"]
    for line in lines:
        # `audit` says by 1 that it found something: random_window
        assert run_command(line, monkeypatch) == (1 if line.startswith("mien audit") else 0), line
    assert (tmp_path / "study" / "report.html").exists()
    assert len(list((tmp_path / "ablations").glob("*/report.json"))) == 3
    assert (tmp_path / "answers.csv").exists()


@pytest.mark.slow
def test_the_demo_of_milmer(tmp_path: Path) -> None:
    (made,) = demo(tmp_path, only="milmer", size="small", workers=1)
    rows = rows_of(made)
    assert {r["protocol"] for r in rows} == {"trial_622", "random_window", "loso", "loso_stimulus"}
    assert {"+".join(sorted(r["modalities"])) for r in rows if r["model"] == "milmer"} == {
        "eeg+face",
        "eeg",
        "face",
    }
    assert json.loads((made / "audit.json").read_bytes())["verdict"] == "leaks"  # random_window
    assert (made / "report.html").exists()
