"""Whole tiny studies: what is in the run folder, and what each number was made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

import mien.batches
import mien.report
import mien.train
from conftest import tiny_study
from mien import protocols
from mien.core import InputError, UnknownNameError
from mien.datasets import DatasetWarning
from mien.run import study
from mien.run.study_file import load_study

SAME_BYTES = (
    *("study.toml", "splits.json", "samples.parquet", "dropped.csv", "record.json", "predictions.parquet"),
    *("audit.json", "report.json"),
)


def read(run: Path, name: str) -> Any:
    return json.loads((run / name).read_bytes())


def contents(run: Path) -> dict[str, bytes]:
    """Every file that must not differ between two runs of a study (docs/run-folder.md)."""
    names = [run / name for name in SAME_BYTES]
    names += [
        p for part in ("figures", "checkpoints") for p in sorted((run / part).rglob("*")) if p.is_file()
    ]
    return {p.relative_to(run).as_posix(): p.read_bytes() for p in names}


@pytest.fixture(scope="module")
def predictions(tiny_run: Path) -> pd.DataFrame:
    return pd.read_parquet(tiny_run / "predictions.parquet")


@pytest.fixture(scope="module")
def samples(tiny_run: Path) -> pd.DataFrame:
    return pd.read_parquet(tiny_run / "samples.parquet")


def test_the_folder_holds_what_its_page_says_and_nothing_else(tiny_run: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "run-folder.md").read_text(encoding="utf-8")
    there = {p.relative_to(tiny_run).as_posix() for p in tiny_run.rglob("*") if p.is_file()}
    assert there == {
        *SAME_BYTES,
        "environment.json",
        "report.html",
        "figures/learning_curves.npz",
        "figures/informative_bands.npz",
        "checkpoints/maet/weights.safetensors",
        "checkpoints/maet/model.json",
    }
    for name in there:
        assert Path(name).name in page, f"{name} is not described"


def test_every_test_sample_is_predicted_once_by_every_system(
    tiny_run: Path, predictions: pd.DataFrame, samples: pd.DataFrame
) -> None:
    expected = {
        (normalise, model, modalities, control)
        for normalise in ("train", "subject")
        for model in ("maet", "logistic_regression")
        for modalities in ("eeg+eye", "eeg", "eye")
        for control in ("none", "shuffled")
        if control == "none" or normalise == "train"  # the control is run at the first way of scaling
    }
    groups = dict(iter(predictions.groupby(["normalise", "model", "modalities", "control"])))
    assert groups.keys() == expected
    test_of = {
        fold["fold"]: {*fold["test"]["samples"], *_of_trials(samples, fold["test"]["trials"])}
        for fold in read(tiny_run, "splits.json")["folds"]
    }
    for key, group in groups.items():
        assert sorted(group["sample"]) == sorted(samples["sample"]), key  # leave-one-out: each once
        assert {f: set(g["sample"]) for f, g in group.groupby("fold")} == test_of, key
    assert predictions.equals(predictions.sort_values([*predictions.columns[:10]], ignore_index=True))


def _of_trials(samples: pd.DataFrame, trials: list[str]) -> list[str]:
    return samples.loc[samples["trial"].isin(trials), "sample"].tolist()


def test_probabilities_are_probabilities(predictions: pd.DataFrame) -> None:
    p = predictions.filter(regex=r"^p_\d$")
    assert p.shape[1] == 7
    assert (p.dtypes == np.float32).all()
    assert (p >= 0).all(axis=None)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)  # float32, seven terms


def test_the_control_moves_whole_clips_and_keeps_class_counts(
    predictions: pd.DataFrame, samples: pd.DataFrame
) -> None:
    true = samples.groupby("stimulus")["label"].first()
    shuffled = predictions[predictions["control"] == "shuffled"]
    assert (shuffled.groupby("stimulus")["label"].nunique() == 1).all()
    moved = shuffled.groupby("stimulus")["label"].first()
    assert sorted(moved) == sorted(true)
    assert (moved != true).any()
    plain = predictions[predictions["control"] == "none"]
    assert (plain["label"] == plain["stimulus"].map(true)).all()


def test_fits_saw_their_selected_training_samples_and_nothing_else(
    tiny_run: Path, samples: pd.DataFrame
) -> None:
    folds = {f["fold"]: f for f in read(tiny_run, "splits.json")["folds"]}
    selected = set(samples.loc[samples["selected"], "sample"])
    assert 0 < len(selected) < len(samples)

    def ids(fold: str, part: str) -> list[str]:
        return [*folds[fold][part]["samples"], *_of_trials(samples, folds[fold][part]["trials"])]

    for fit in read(tiny_run, "record.json")["fits"]:
        train = [i for i in ids(fit["fold"], "train") if i in selected]
        val = protocols.hash_ids(ids(fit["fold"], "val"))
        network = fit["model"] == "maet"
        assert fit["saw"] == {
            "model": protocols.hash_ids(train),
            "class_weights": protocols.hash_ids(train),
            "scaler": "subject" if fit["normalise"] == "subject" else protocols.hash_ids(train),
            "epoch": val if network else "fixed",
            "temperature": val if network else "fixed",
        }
        assert fit["n_train"] == len(train)
        assert fit["coupling"] < 1e-5  # the same arithmetic in float32, in batches of other sizes


def test_selection_goes_by_each_subjects_own_range(samples: pd.DataFrame) -> None:
    for _, own in samples.groupby("subject"):
        low, high = own["intensity"].min(), own["intensity"].max()
        assert ((own["intensity"] - low) / (high - low) >= 0.5).equals(own["selected"])


def test_the_report_has_the_agreed_keys_and_the_filtered_row_says_what_it_is(tiny_run: Path) -> None:
    report = read(tiny_run, "report.json")
    assert report.keys() == {"results", "audit"}
    assert report["audit"]["verdict"] == "clean"
    for finding in report["audit"]["findings"]:
        assert finding.keys() >= {"kind", "where", "evidence"}
    for row in report["results"]:
        assert row.keys() - {"extra"} == {
            *("system", "model", "recipe", "normalise", "modalities", "protocol", "held_out", "level"),
            *("n", "n_subjects", "n_stimuli", "seeds", "metrics", "chance", "controls", "oracle"),
        }
        assert row["metrics"].keys() >= {"accuracy", "uar", "uf1", "kappa"}
        for metric in row["metrics"].values():
            assert metric["low"] <= metric["value"] <= metric["high"]
        assert row["chance"].keys() == {"uniform", "majority"}
        assert (row["n_subjects"], row["n_stimuli"]) == (3, 28)
    extra = [r for r in report["results"] if "extra" in r]
    assert {r["extra"] for r in extra} == {"uses the test subject's own annotation"}
    assert {r["level"] for r in report["results"] if "extra" not in r} == {"window", "trial"}
    assert all(r["oracle"] is not None for r in report["results"] if "extra" not in r)


def test_the_extra_row_scores_selected_windows_only(tiny_run: Path, predictions: pd.DataFrame) -> None:
    (row,) = (
        r
        for r in read(tiny_run, "report.json")["results"]
        if "extra" in r and (r["model"], r["normalise"], r["modalities"]) == ("maet", "train", ["eeg", "eye"])
        and r["level"] == "window"
    )  # fmt: skip
    own = predictions.query(
        "model == 'maet' and normalise == 'train' and modalities == 'eeg+eye'"
        " and control == 'none' and selected"
    )
    found = own.filter(regex=r"^p_").to_numpy().argmax(axis=1)
    assert row["n"] == len(own)
    assert row["metrics"]["accuracy"]["value"] == pytest.approx(np.mean(found == own["label"]), abs=1e-12)


def test_the_study_in_the_folder_is_the_study(tiny_run: Path, tiny_plan: dict[str, Any]) -> None:
    assert load_study(tiny_run / "study.toml") == load_study(tiny_plan)


def test_the_same_study_again_changes_no_byte(
    tiny_run: Path, tiny_plan: dict[str, Any], tmp_path: Path
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in run.rglob("*") if p.is_file()}
    assert study(tiny_plan, run, workers=1) == run
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in run.rglob("*") if p.is_file()}


def test_a_lost_report_is_made_again_from_the_folder_alone(
    tiny_run: Path, tiny_plan: dict[str, Any], tmp_path: Path
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (run / "report.json").unlink()
    study(tiny_plan, run, workers=1)
    assert contents(run) == contents(tiny_run)
    assert (run / "environment.json").read_bytes() == (tiny_run / "environment.json").read_bytes()


def test_folders_of_others_are_left_alone(tiny_run: Path, tiny_plan: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tiny: holds another study\. Choose another --out"):
        study(tiny_plan, tiny_run, overrides=["seeds=[5]"])
    assert load_study(tiny_run / "study.toml").seeds == (0,)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"exists and is no run folder\. Choose another --out"):
        study(tiny_plan, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("data.root=/nowhere/at/all", "/nowhere/at/all"),
        ('data.subjects=["9"]', "9"),
        ("features.eeg=de_lds", "no trial has usable eeg features.*mien inspect seed_vii"),
        ("label=arousal", "no trial has the ratings arousal of the label 'arousal'"),
        ("model.config.embed_dimm=8", "option of model 'maet' 'embed_dimm'; did you mean 'embed_dim'"),
        ("protocol.options.loso.foldz=3", "foldz"),
        ("selection.intensity_at_least=2", "no window has an intensity of 2.0 or more"),
    ],
)
def test_a_study_that_cannot_start_leaves_no_folder(
    tiny_data: Path, tmp_path: Path, change: str, says: str
) -> None:
    with pytest.raises(Exception, match=says) as error:
        study(tiny_study(tiny_data), tmp_path / "run", overrides=[change], workers=1)
    assert type(error.value).__module__ == "mien.core.errors"
    assert not (tmp_path / "run").exists()


def test_two_workers_and_one_give_the_same_bytes(tiny_data: Path, tmp_path: Path) -> None:
    plan = tiny_study(tiny_data, baselines=["majority"], train={"epochs": 1})
    runs = [study(plan, tmp_path / str(n) / "run", workers=n) for n in (1, 2)]
    one, two = (contents(run) for run in runs)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name] == two[name], name
    stores = [
        {p.relative_to(s): p.read_bytes() for p in s.rglob("values.npy")}
        for s in tmp_path.glob("*/mien-store")
    ]
    assert len(stores[0]) == 3 * 28 * 2
    assert stores[0] == stores[1]


def test_random_windows_leak_and_the_audit_says_so(tiny_data: Path, tmp_path: Path) -> None:
    plan = tiny_study(tiny_data, protocol={"names": ["random_window"]}, train={"epochs": 1})
    run = study(plan, tmp_path / "run", workers=1)
    audit = read(run, "audit.json")
    assert audit["verdict"] == "leaks"
    assert any("trial" in f["kind"] or "trial" in f["evidence"] for f in audit["findings"])
    assert read(run, "report.json")["audit"]["verdict"] == "leaks"


def test_one_stream_and_two_seeds(tiny_data: Path, tmp_path: Path) -> None:
    plan = tiny_study(
        tiny_data,
        features={"eye": "shipped"},
        model={"modalities": [["eye"]]},
        seeds=[3, 4],
        train={"epochs": 1},
    )
    run = study(plan, tmp_path / "run", workers=1)
    assert {tuple(r["modalities"]) for r in read(run, "report.json")["results"]} == {("eye",)}
    assert {tuple(r["seeds"]) for r in read(run, "report.json")["results"]} == {(3, 4)}
    assert not (run / "figures" / "informative_bands.npz").exists()
    found = pd.read_parquet(run / "predictions.parquet")
    first, second = (found[found["seed"] == s].filter(regex="^p_").to_numpy() for s in (3, 4))
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


def test_an_estimator_may_be_the_system_and_gets_its_options(tiny_data: Path, tmp_path: Path) -> None:
    model = {"name": "logistic_regression", "modalities": [["eeg", "eye"]], "config": {"C": 0.5}}
    run = study(tiny_study(tiny_data, system="logreg", model=model, train={}), tmp_path / "run", workers=1)
    assert read(run, "record.json")["models"]["logistic_regression"]["config"]["C"] == 0.5
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"logistic_regression"}
    assert {r["system"] for r in read(run, "report.json")["results"]} == {"logreg"}
    assert read(run, "audit.json")["verdict"] == "clean"


def test_a_folder_that_is_used_again_holds_nothing_of_the_old_study(tiny_data: Path, tmp_path: Path) -> None:
    plan = tiny_study(tiny_data, train={"epochs": 1})
    with pytest.raises(UnknownNameError, match="embed_dimm"):  # found when features and folds are there
        study(plan, tmp_path / "run", overrides=["model.config.embed_dimm=8"], workers=1)
    run = study(plan, tmp_path / "run", overrides=["data.options.sessions=[1, 3]"], workers=1)
    assert set(pd.read_parquet(run / "predictions.parquet")["session"]) == {"1", "3"}


# -- what is left out ---------------------------------------------------------------------------------------


@pytest.fixture
def own_copy(tiny_data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_data, tmp_path / "copy")


def change_mat(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    change(content)
    savemat(path, content)


def test_what_the_reader_left_out_is_in_dropped_csv(own_copy: Path, tmp_path: Path) -> None:
    """A file that is not MATLAB, a clip of the wrong shape, a dead electrode: the run goes on and says so."""
    (own_copy / "EYE_features" / "2.mat").write_text("<!DOCTYPE html><html>please log in</html>")

    def wrong_shape(content: dict[str, Any]) -> None:
        content["11"] = content["11"][:, :30]

    def dead_channel(content: dict[str, Any]) -> None:
        content["de_LDS_11"][:, :, 7] = np.nan

    change_mat(own_copy / "EYE_features" / "3.mat", wrong_shape)
    change_mat(own_copy / "EEG_features" / "1.mat", dead_channel)
    with pytest.warns(DatasetWarning, match="mien inspect seed_vii"):
        run = study(tiny_study(own_copy, train={"epochs": 1}), tmp_path / "run", workers=1)
    dropped = pd.read_csv(run / "dropped.csv", keep_default_na=False)
    by_id = dropped.set_index("id")
    file = by_id.loc["EYE_features/2.mat"]
    assert (file["what"], str(file["subject"])) == ("file", "2")
    assert "HTML" in file["reason"] or "web page" in file["reason"]
    (clip,) = (r for r in dropped.to_dict("records") if r["id"].startswith("EYE_features/3.mat"))
    assert clip["what"] == "part of a file"
    assert "11" in clip["id"]
    assert "33" in clip["reason"]
    (hole,) = (r for r in dropped.to_dict("records") if r["what"] == "eeg value")
    samples = pd.read_parquet(run / "samples.parquet")
    n_windows = (samples["trial"] == hole["id"]).sum()
    assert hole["count"] == 5 * n_windows  # five bands of one electrode
    assert hole["id"].endswith("_clip-11")
    assert not samples.loc[samples["subject"] == "2", "present_eye"].any()
    found = pd.read_parquet(run / "predictions.parquet")
    assert np.isfinite(found.filter(regex="^p_")).all(axis=None)
    assert set(found.loc[found["modalities"] == "eye", "subject"]) == {"1", "3"}
    assert "EYE_features/2.mat" in (run / "report.html").read_text(encoding="utf-8")


# -- nothing of the test subject reaches the model ----------------------------------------------------------


@pytest.mark.parametrize("normalise", ["train", "subject"])
def test_the_test_subjects_data_do_not_touch_the_model(
    tiny_data: Path, own_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalise: str
) -> None:
    """Subject 1's features are replaced: only the models that learn from subject 1 become others."""
    rng = np.random.default_rng(0)

    def other(content: dict[str, Any]) -> None:
        for name in content:
            content[name] = 100.0 + 50.0 * rng.standard_normal(content[name].shape)

    for folder in ("EEG_features", "EYE_features"):
        change_mat(own_copy / folder / "1.mat", other)
    fit, fit_scaler = mien.train.fit, mien.batches.fit_scaler
    fitted: list[dict[str, np.ndarray]] = []
    scalers: list[dict[str, np.ndarray]] = []

    def spy(*args: Any, **options: Any) -> Any:
        result = fit(*args, **options)
        fitted.append({name: value.numpy().copy() for name, value in result.state.items()})
        return result

    def spy_scaler(*args: Any, **options: Any) -> Any:
        scaler = fit_scaler(*args, **options)
        scalers.append(scaler.to_arrays())
        return scaler

    monkeypatch.setattr(
        mien.report, "write_report", lambda *_: None
    )  # takes the longest and is not looked at
    monkeypatch.setattr(mien.train, "fit", spy)
    monkeypatch.setattr(mien.batches, "fit_scaler", spy_scaler)
    for name, root in (("before", tiny_data), ("after", own_copy)):
        plan = tiny_study(root, protocol={"normalise": [normalise]})
        run = study(plan, tmp_path / name, workers=1)
    folds = read(run, "splits.json")["folds"]
    assert [f["fold"] for f in folds] == ["subject=1", "subject=2", "subject=3"]
    half = len(fitted) // 2
    assert half == len(folds) + 1  # each fold, then the fit on all trials
    for i, fold in enumerate(folds):
        learns = any(trial.startswith("sub-1_") for trial in fold["train"]["trials"])
        assert same(fitted[i], fitted[half + i]) or learns, fold["fold"]
        assert not (same(fitted[i], fitted[half + i]) and learns), fold["fold"]
        if normalise == "train":
            assert same(scalers[i], scalers[half + i]) != learns, fold["fold"]
    assert not same(fitted[half - 1], fitted[-1])


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    assert one.keys() == other.keys()
    return all(np.array_equal(one[k], other[k]) for k in one)
