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
from scipy.io import loadmat

from conftest import Command, refused
from mien import models, train
from mien.core import InputError
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
    assert json.loads(done.out).keys() == {"trials", "notes"}


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
