"""A trained model on a new recording: same numbers whatever lies beside it, and no pickle is opened."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import loadmat, savemat

import mien.report
from conftest import Command, refused, tiny_study
from mien import models, train
from mien.core import InputError
from mien.run import study
from mien.run.predict import predict_recording


@pytest.fixture(scope="module")
def windows(tiny_run: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("predicted") / "windows.csv"
    predict_recording(tiny_data, run=tiny_run, out=out)
    return pd.read_csv(out)


def classes_of(run: Path) -> list[str]:
    return json.loads((run / "record.json").read_bytes())["classes"]


def test_one_row_a_window_with_a_probability_for_every_class(tiny_run: Path, windows: pd.DataFrame) -> None:
    samples = pd.read_parquet(tiny_run / "samples.parquet")
    keys = ["trial", "start"]
    assert windows[keys].equals(samples[keys])
    assert set(windows["modalities"]) == {"eeg+eye"}
    assert np.allclose(windows[classes_of(tiny_run)].sum(axis=1), 1, atol=1e-5)  # float32


def test_trials_are_the_mean_of_their_windows(tiny_run: Path, tiny_data: Path, windows: pd.DataFrame) -> None:
    found = predict_recording(tiny_data, run=tiny_run)["trials"]
    classes = classes_of(tiny_run)
    means = windows.groupby("trial", sort=False)[classes].mean()
    assert [row["trial"] for row in found] == list(means.index)
    for row, mean in zip(found, means.to_numpy(), strict=True):
        assert row["class"] == classes[mean.argmax()]
        given = [row["probabilities"][c] for c in classes]
        assert np.allclose(given, mean, atol=1e-6)  # given to six digits
        assert row["n_windows"] == (windows["trial"] == row["trial"]).sum()


def test_probabilities_are_those_of_the_saved_weights(
    tiny_run: Path, tiny_data: Path, windows: pd.DataFrame
) -> None:
    """Computed here once more, from the shipped features and the numbers in the checkpoint."""
    state, meta = train.load_weights(tiny_run / "checkpoints" / "maet")
    inputs = {}
    for stream, folder, key in (("eeg", "EEG_features", "de_LDS_11"), ("eye", "EYE_features", "11")):
        raw = loadmat(tiny_data / folder / "2.mat")[key]
        mean, sd = (state[f"scaler/{stream}/*/{what}"].numpy() for what in ("mean", "sd"))
        inputs[stream] = torch.tensor(
            ((raw.reshape(len(raw), -1) - mean) / sd).clip(-8, 8), dtype=torch.float32
        )
    network = models.create("maet", **meta["config"])
    network.load_state_dict({k.split("/", 1)[1]: v for k, v in state.items() if k.startswith("network/")})
    with torch.no_grad():
        logits = network.eval()(inputs).logits
    expected = (logits / meta["temperature"]["eeg+eye"]).softmax(dim=1).numpy()
    found = windows[windows["trial"].str.startswith("sub-2_") & windows["trial"].str.endswith("_clip-11")]
    assert np.allclose(found[meta["classes"]], expected, atol=1e-5)  # float32, scaled here in float64


def test_neighbours_and_labels_do_not_matter(
    tiny_run: Path, tiny_data: Path, tmp_path: Path, windows: pd.DataFrame
) -> None:
    """One subject alone, without ratings and truth: the same probabilities, scaled as in training."""
    root = tmp_path / "one"
    for folder in ("EEG_features", "EYE_features"):
        (root / folder).mkdir(parents=True)
        shutil.copy(tiny_data / folder / "2.mat", root / folder)
    out = tmp_path / "one.csv"
    with pytest.warns(UserWarning, match="mien inspect"):  # clips of the real table are missing
        predict_recording(root, run=tiny_run, out=out)
    alone = pd.read_csv(out)
    classes = classes_of(tiny_run)
    beside = (
        windows[windows["subject"] == 2]
        .set_index(["trial", "start"])
        .loc[list(zip(alone["trial"], alone["start"], strict=True))]
    )
    # float32 in batches of other sizes
    assert np.allclose(alone[classes], beside[classes], atol=1e-5)


def test_a_missing_stream_is_a_note_and_not_an_error(tiny_run: Path, tiny_data: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_data, tmp_path / "eye")
    shutil.rmtree(root / "EEG_features")
    found = predict_recording(root, run=tiny_run)
    assert {row["modalities"] for row in found["trials"]} == {"eye"}
    assert "no eeg in this recording: predicted without it" in found["notes"]
    (root / "EYE_features").rename(root / "nothing")
    with pytest.raises(InputError, match="eeg or eye"):
        predict_recording(root, run=tiny_run)


def test_the_notes_say_what_the_scores_do_not(tiny_run: Path, tiny_data: Path) -> None:
    notes = " ".join(predict_recording(tiny_data, run=tiny_run)["notes"])
    assert "cross-validated scores do not describe it exactly" in notes
    assert "made-up data only" in notes


def test_the_command_prints_a_table_and_json(
    command: Command, tiny_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "w.csv"
    done = command("predict", tiny_data, "--run", tiny_run, "--out", out)
    assert done.code == 0
    assert out.is_file()
    assert len([line for line in done.out.splitlines() if line.startswith("sub-")]) == 3 * 28
    assert "trials of 3 subjects; cross-validated scores do not describe it exactly" in done.err
    done = command("predict", tiny_data, "--run", tiny_run, "--json")
    assert done.err == ""
    found = json.loads(done.out)
    assert found.keys() == {"trials", "notes", "faults"}
    assert found["faults"] == []


# -- clips that cannot be read -----------------------------------------------------------------------------


def test_an_unreadable_clip_is_named_and_left_out(
    command: Command, tiny_run: Path, own_copy: Path, tmp_path: Path
) -> None:
    """Damage that shows only when the clip is read: bytes in the middle of its compressed block."""
    path = own_copy / "EYE_features" / "2.mat"
    content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    last = list(content)[-1]
    savemat(path, content, do_compression=True)
    damaged = bytearray(path.read_bytes())
    damaged[-80:-40] = bytes(40)
    path.write_bytes(bytes(damaged))
    (own_copy / "EEG_features" / "3.mat").write_text("<html>login</html>")
    out = tmp_path / "w.csv"
    done = command("predict", own_copy, "--run", tiny_run, "--out", out)
    assert done.code == 1
    assert f"left out: eye of a trial sub-2_ses-{session_of(last)}_clip-{last}: " in done.err
    assert "left out: file EEG_features/3.mat: " in done.err
    found = pd.read_csv(out)
    assert found["trial"].nunique() == 3 * 28
    used = found.groupby("trial")["modalities"].unique().map(list)
    assert [t for t, m in used.items() if m == ["eeg"]] == [f"sub-2_ses-{session_of(last)}_clip-{last}"]
    assert {t[:5] for t, m in used.items() if m == ["eye"]} == {"sub-3"}
    done = command("predict", own_copy, "--run", tiny_run, "--json")
    assert done.code == 1
    faults = json.loads(done.out)["faults"]
    assert [f["what"] for f in faults] == ["file", "eye of a trial"]
    assert faults[0].keys() == {"what", "id", "subject", "reason", "count"}


def session_of(clip: str) -> int:
    return (int(clip) - 1) // 20 + 1


def test_only_unreadable_clips_are_an_error(command: Command, tiny_run: Path, own_copy: Path) -> None:
    shutil.rmtree(own_copy / "EEG_features")
    for path in (own_copy / "EYE_features").glob("*.mat"):
        content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        savemat(path, {k: np.full_like(v, np.nan) for k, v in content.items()})
    done = command("predict", own_copy, "--run", tiny_run)
    assert done.code == 2
    assert "no window of any clip can be used" in done.err


# -- estimators --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def estimator_run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = {"name": "logistic_regression", "modalities": [["eeg", "eye"], ["eye"]], "config": {"C": 0.01}}
    plan = tiny_study(tiny_data, model=model, train={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mien.report, "write_report", lambda *_: None)  # takes the longest, is not looked at
        return study(plan, tmp_path_factory.mktemp("estimator") / "run", workers=1)


def test_an_estimator_leaves_a_model_for_new_recordings(
    command: Command, estimator_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    """The probabilities once more from the shipped features and the numbers in the checkpoint."""
    out = tmp_path / "w.csv"
    assert command("predict", tiny_data, "--run", estimator_run, "--out", out).code == 0
    state, meta = train.load_weights(estimator_run / "checkpoints" / "logistic_regression")
    assert {k.rpartition("/")[0] for k in state if k.startswith("estimator/")} == {
        "estimator/eeg+eye",
        "estimator/eye",
    }
    assert meta["config"]["C"] == 0.01
    assert meta["n_trials"] == 3 * 28
    columns = []
    for stream, folder, key in (("eeg", "EEG_features", "de_LDS_11"), ("eye", "EYE_features", "11")):
        raw = loadmat(tiny_data / folder / "2.mat")[key]
        mean, sd = (state[f"scaler/{stream}/*/{what}"].numpy() for what in ("mean", "sd"))
        columns.append(((raw.reshape(len(raw), -1) - mean) / sd).clip(-8, 8))
    weights, intercept = (state[f"estimator/eeg+eye/{k}"].numpy() for k in ("weights", "intercept"))
    scores = np.concatenate(columns, axis=1) @ weights + intercept
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    windows = pd.read_csv(out)
    own = windows[windows["trial"].str.startswith("sub-2_") & windows["trial"].str.endswith("_clip-11")]
    assert set(windows["modalities"]) == {"eeg+eye"}
    assert np.allclose(own[meta["classes"]], expected, atol=1e-5)  # float32 products of 343 values


def test_the_estimator_of_the_streams_that_are_there_is_asked(
    estimator_run: Path, own_copy: Path, tmp_path: Path
) -> None:
    (own_copy / "EEG_features").rename(tmp_path / "eeg")
    found = predict_recording(own_copy, run=estimator_run)
    assert {row["modalities"] for row in found["trials"]} == {"eye"}
    state, meta = train.load_weights(estimator_run / "checkpoints" / "logistic_regression")
    raw = loadmat(own_copy / "EYE_features" / "1.mat")["11"]
    mean, sd = (state[f"scaler/eye/*/{what}"].numpy() for what in ("mean", "sd"))
    scores = ((raw - mean) / sd).clip(-8, 8) @ state["estimator/eye/weights"].numpy()
    scores = scores + state["estimator/eye/intercept"].numpy()
    expected = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).mean(axis=0)
    (first,) = (r for r in found["trials"] if r["trial"] == "sub-1_ses-1_clip-11")
    assert np.allclose([first["probabilities"][c] for c in meta["classes"]], expected, atol=1e-5)
    # EEG alone: none was fitted for it, so that the one for both takes the eyes' mean
    (own_copy / "EYE_features").rename(tmp_path / "eye")
    (tmp_path / "eeg").rename(own_copy / "EEG_features")
    found = predict_recording(own_copy, run=estimator_run)
    assert {row["modalities"] for row in found["trials"]} == {"eeg"}


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("estimator/eye/weights"),
        lambda state: state.update({"estimator/eye/weights": np.zeros((4, 7), np.float32)}),
        lambda state: [state.pop(k) for k in list(state) if k.startswith("estimator/eeg")],
    ],
)
def test_an_estimators_weights_that_do_not_fit_are_refused(
    command: Command, estimator_run: Path, tiny_data: Path, tmp_path: Path, change: Any
) -> None:
    run = shutil.copytree(estimator_run, tmp_path / "run")
    folder = run / "checkpoints" / "logistic_regression"
    state, meta = train.load_weights(folder)
    change(state)
    train.save_weights(folder, state, meta)
    refused(command("predict", tiny_data, "--run", run), "weights.safetensors", "does not fit")


# -- checkpoints that are none -----------------------------------------------------------------------------


class Boom:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.path, "code has run"))


def test_a_pickle_is_refused_and_not_opened(
    command: Command, own_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    bomb = pickle.dumps(Boom(tmp_path / "boom"))
    (tmp_path / "model.pt").write_bytes(bomb)
    refused(
        command("predict", tiny_data, "--run", tmp_path / "model.pt"), "model.pt", "pickle", "safetensors"
    )
    weights = own_run / "checkpoints" / "maet" / "weights.safetensors"
    weights.write_bytes(bomb)
    refused(command("predict", tiny_data, "--run", own_run), "weights.safetensors", "pickle")
    weights.rename(weights.with_name("pytorch_model.bin"))
    refused(command("predict", tiny_data, "--run", own_run), "pytorch_model.bin", "pickle")
    assert not (tmp_path / "boom").exists()


def test_damaged_weights_are_refused(
    command: Command, own_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    weights = own_run / "checkpoints" / "maet" / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out.csv"
    refused(
        command("predict", tiny_data, "--run", own_run, "--out", out),
        str(weights),
        "damaged",
        "Copy it again",
    )
    weights.unlink()
    refused(command("predict", tiny_data, "--run", own_run, "--out", out), str(weights), "no such file")
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda meta: meta.pop("classes"), "classes"),
        (lambda meta: meta["config"].update(embed_dim=16), "does not fit"),
        (lambda meta: meta.update(model="meat"), "did you mean 'maet'"),
    ],
)
def test_a_model_json_that_does_not_fit_is_refused(
    command: Command,
    own_run: Path,
    tiny_data: Path,
    change: Any,
    says: str,
) -> None:
    path = own_run / "checkpoints" / "maet" / "model.json"
    meta = json.loads(path.read_bytes())
    change(meta)
    path.write_text(json.dumps(meta), encoding="utf-8")
    refused(command("predict", tiny_data, "--run", own_run), says)


def test_no_run_and_no_recording(command: Command, tiny_run: Path, tiny_data: Path, tmp_path: Path) -> None:
    refused(command("predict", tiny_data, "--run", tmp_path), str(tmp_path), "no trained model", "mien run")
    refused(command("predict", tmp_path / "nowhere", "--run", tiny_run), str(tmp_path / "nowhere"))


def test_the_checkpoint_is_safetensors_and_plain_json(tiny_run: Path) -> None:
    state, meta = train.load_weights(tiny_run / "checkpoints" / "maet")
    assert {name.split("/")[0] for name in state} == {"network", "scaler"}
    samples = pd.read_parquet(tiny_run / "samples.parquet")
    assert meta["n_trials"] == samples.loc[samples["selected"], "trial"].nunique()
    assert meta["classes"] == classes_of(tiny_run)
