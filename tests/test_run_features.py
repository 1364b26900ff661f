"""Features without a study: the files, and ours beside the shipped ones."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

from conftest import Command, refused
from mien.run.feature_files import write_features


@pytest.fixture(scope="module")
def written(tiny_eeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("features") / "out"
    wanted = ["eeg=de_lds", "eye=shipped"]
    made = write_features("seed_vii", tiny_eeg, out, wanted=wanted, recipe="released", compare=True)
    assert made["faults"] == []
    assert len(made["written"]) == 4  # two kinds of features, the windows, the comparison
    return out


def trials_of(out: Path, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted((out / kind).glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            found |= dict(arrays)
    return found


def test_every_trial_of_every_subject_is_there(written: Path, tiny_eeg: Path) -> None:
    assert sorted(p.name for p in (written / "eeg-de_lds").iterdir()) == ["1.npz", "2.npz"]
    eeg, eye = trials_of(written, "eeg-de_lds"), trials_of(written, "eye-shipped")
    assert len(eeg) == len(eye) == 2 * 28
    for trial, values in eeg.items():
        subject, clip = re.fullmatch(r"sub-(\d+)_ses-\d_clip-(\d+)", trial).groups()
        content = loadmat(tiny_eeg / "EEG_preprocessed" / f"{subject}.mat", variable_names=[clip])
        assert values.shape == (content[clip].shape[1] // 800, 5, 62)  # windows of 4 s at 200 Hz
        assert values.dtype == np.float32
        assert eye[trial].shape[1] == 33


def test_windows_parquet_has_a_row_for_every_row_of_the_arrays(written: Path) -> None:
    windows = pd.read_parquet(written / "windows.parquet")
    for stream, kind in (("eeg", "eeg-de_lds"), ("eye", "eye-shipped")):
        rows = windows[windows["stream"] == stream]
        assert rows.groupby("trial").size().to_dict() == {
            t: len(v) for t, v in trials_of(written, kind).items()
        }
        assert (rows["start"] == 4.0 * rows["window"]).all()
        assert rows["valid"].all()


def test_ours_agree_with_the_shipped_ones_of_made_up_data(written: Path, tiny_eeg: Path) -> None:
    """The made-up data ship what the released recipe gives, so only rounding may differ."""
    ours, shipped = [], []
    for trial, values in trials_of(written, "eeg-de_lds").items():
        subject, clip = re.fullmatch(r"sub-(\d+)_ses-\d_clip-(\d+)", trial).groups()
        content = loadmat(tiny_eeg / "EEG_features" / f"{subject}.mat", variable_names=[f"de_LDS_{clip}"])
        ours.append(values)
        shipped.append(content[f"de_LDS_{clip}"])
    a, b = np.concatenate(ours).ravel(), np.concatenate(shipped).ravel()
    assert np.corrcoef(a, b)[0, 1] > 0.999
    # the EEG is stored in float32 microvolts and the features in float32: about 1e-7 of values near 10
    assert np.median(np.abs(a - b)) < 2e-6


def test_the_comparison_page_needs_no_network_and_says_what_is_compared(written: Path) -> None:
    page = (written / "comparison.html").read_text(encoding="utf-8")
    assert "de_lds, released, beside the shipped features" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?https?://""", page)
    for band in ("delta", "theta", "alpha", "beta", "gamma"):
        assert band in page


def test_the_second_call_takes_everything_from_the_store(
    written: Path, tiny_eeg: Path, tmp_path: Path
) -> None:
    store = written / "store"
    before = {p: p.stat().st_mtime_ns for p in store.rglob("*.npy")}
    write_features(
        "seed_vii", tiny_eeg, tmp_path / "b", wanted=["eeg=de_lds"], recipe="released", store=store
    )
    assert before == {p: p.stat().st_mtime_ns for p in store.rglob("*.npy")}
    for name in ("1.npz", "2.npz"):
        one, two = (folder / "eeg-de_lds" / name for folder in (written, tmp_path / "b"))
        assert one.read_bytes() == two.read_bytes()
    write_features(
        "seed_vii", tiny_eeg, tmp_path / "c", wanted=["eeg=de_lds"], recipe="corrected", store=store
    )
    assert len(list(store.rglob("values.npy"))) == len(before) // 4 + 2 * 28  # another recipe, other results


def test_the_command(command: Command, tiny_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command(
        "features", "seed_vii", tiny_data, "--out", out, "--feature", "eye=shipped", "--workers", "1"
    )
    assert done.code == 0
    assert str(out / "eye-shipped") in done.out
    assert "84/84" in done.err
    assert len(list((out / "eye-shipped").glob("*.npz"))) == 3
    assert "left out" not in done.err


def test_what_is_left_out_is_named_and_the_exit_code_is_1(
    command: Command, tiny_data: Path, tmp_path: Path
) -> None:
    root, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(tiny_data, root)
    (root / "EYE_features" / "2.mat").write_bytes(b"not a mat file")
    done = command("features", "seed_vii", root, "--out", out, "--feature", "eye=shipped", "--workers", "1")
    assert done.code == 1
    assert "left out: " in done.err
    assert "2.mat" in done.err
    assert "left out" not in done.out
    assert sorted(p.name for p in (out / "eye-shipped").glob("*.npz")) == ["1.npz", "3.npz"]


def test_the_help_says_the_exit_code(command: Command) -> None:
    assert "the exit code is 1 then" in " ".join(command("features", "--help").out.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--feature", "eeg"], "expected stream=feature"),
        (["--feature", "eeg=de_ldss"], "did you mean 'de_lds'"),
        (["--feature", "eeg=de_lds"], "no trial has the streams"),
        (["--feature", "eye=shipped", "--compare"], "--compare needs EEG features"),
        (["--feature", "eye=shipped", "--recipe", "relesed"], "did you mean 'released'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    command: Command,
    tiny_data: Path,
    tmp_path: Path,
    words: list[str],
    says: str,
) -> None:
    refused(
        command("features", "seed_vii", tiny_data, "--out", tmp_path / "out", "--workers", "1", *words), says
    )
    assert not (tmp_path / "out").exists()
