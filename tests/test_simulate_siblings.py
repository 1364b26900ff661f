"""The made-up SEED, SEED-IV and SEED-V on disk, and a study of one.

The seeds here (541 to 546) are used nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat

from mien import datasets, features, simulate
from mien.core import InputError
from mien.run import study
from mien.run.extract import FeatureSpec, settle
from mien.simulate import _latent

NAMES = ("seed", "seed_iv", "seed_v")
N_STIMULI = {"seed": 15, "seed_iv": 24, "seed_v": 45}
N_TRIALS = {"seed": 45, "seed_iv": 24, "seed_v": 45}
SMALL: dict[str, dict[str, Any]] = {
    # what is quick: no preprocessed EEG, and of SEED only what is read in windows of 4 s
    "seed": {"kinds": ("eeg_used_4s", "eye_tracking_feature")},
    "seed_iv": {"kinds": ("eeg_feature_smooth", "eye_feature_smooth")},
    "seed_v": {},
}
EEG = {"seed": "de_4s", "seed_iv": "de_lds", "seed_v": "de"}


def digests(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three people each."""
    folder = tmp_path_factory.mktemp("made_up")
    return {
        name: simulate.simulate(name, folder / name, seed=541, subjects=3, seconds=8.0, **SMALL[name])
        for name in NAMES
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One person, everything but raw."""
    folder = tmp_path_factory.mktemp("whole")
    return {
        name: simulate.simulate(name, folder / name, seed=542, subjects=1, seconds=8.0)
        for name in ("seed", "seed_iv")
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_reader_finds_everything_and_no_fault(made: dict[str, Path], name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the reader warns of what it leaves out
        recordings = datasets.load(name, made[name])
    truth = json.loads((made[name] / "truth.json").read_text(encoding="utf-8"))
    trials = [t for r in recordings for t in r.trials]
    assert truth["simulated"] is True
    assert truth["dataset"] == name
    assert {t.subject for t in trials} == set(truth["subjects"]) == {"1", "2", "3"}
    assert len(trials) == 3 * N_TRIALS[name]
    assert sorted({int(t.stimulus) for t in trials}) == truth["clips"]
    assert len(truth["clips"]) == N_STIMULI[name]
    emotions = dict(zip(map(str, truth["clips"]), truth["clip_emotions"], strict=True))
    assert all(t.labels["emotion"].value == emotions[t.stimulus] for t in trials)
    found = datasets.inspect(name, made[name])
    assert found.faults == ()
    assert all(here == expected for here, expected in found.counts.values() if expected is not None)


@pytest.mark.parametrize("name", ["seed", "seed_iv"])
def test_the_whole_copy_is_without_fault(whole: dict[str, Path], name: str) -> None:
    found = datasets.inspect(name, whole[name])
    assert found.faults == ()
    assert found.found[0]["eeg"] == N_TRIALS[name]
    truth = json.loads((whole[name] / "truth.json").read_text(encoding="utf-8"))
    seconds = dict(zip(map(str, truth["clips"]), truth["clip_seconds"], strict=True))
    for r in datasets.load(name, whole[name]):
        assert all(t.span.duration == seconds[t.stimulus] for t in r.trials)


def test_the_layout_of_seed(whole: dict[str, Path]) -> None:
    files = {p.relative_to(whole["seed"]).as_posix() for p in whole["seed"].rglob("*") if p.is_file()}
    days = ("20131027", "20131030", "20131107")  # of subject 1, from the published list
    assert files == {
        "truth.json",
        "Preprocessed_EEG/label.mat",
        *(f"{folder}/1_{day}.mat" for folder in ("Preprocessed_EEG", "ExtractedFeatures") for day in days),
        *(f"eeg_used_4s/1_{session}.npz" for session in (1, 2, 3)),
        *(f"eye_tracking_feature/1_{session}" for session in (1, 2, 3)),
    }
    variables = loadmat(whole["seed"] / "ExtractedFeatures" / "1_20131030.mat")
    shapes = {k.rstrip("0123456789"): v.shape for k, v in variables.items() if not k.startswith("__")}
    assert len(shapes) == 12
    assert {k: v[0] for k, v in shapes.items() if k.endswith("LDS")} == {
        "de_LDS": 62, "psd_LDS": 62, "dasm_LDS": 27, "rasm_LDS": 27, "asm_LDS": 54, "dcau_LDS": 23,
    }  # fmt: skip
    assert {v[2] for v in shapes.values()} == {5}


def test_the_layout_of_seed_iv(whole: dict[str, Path]) -> None:
    path = whole["seed_iv"] / "eye_feature_smooth" / "2" / "1_20160201.mat"
    eye = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    assert len(eye) == 8
    assert {v.shape[0] for v in eye.values()} == {31}
    eeg = loadmat(whole["seed_iv"] / "eeg_raw_data" / "2" / "1_20160201.mat")
    assert {k.partition("_eeg")[0] for k in eeg if not k.startswith("__")} == {"ax"}


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(
    made: dict[str, Path], tmp_path: Path
) -> None:
    more: dict[str, Any] = {"subjects": 3, "seconds": 8.0, "kinds": ("eye_movement_features",)}
    again = simulate.simulate("seed_v", tmp_path / "again", seed=541, workers=2, **more)
    found, first = digests(again), digests(made["seed_v"])
    eyes = {f"Eye_movement_features/{s}_123.npz" for s in (1, 2, 3)}
    assert set(found) == eyes | {"truth.json"}
    assert all(found[file] == first[file] for file in eyes)
    other = simulate.simulate("seed_v", tmp_path / "other", seed=543, **more)
    assert not set(digests(other).values()) & set(found.values())


def test_sessions_of_seed_share_the_lengths_of_clips_and_nothing_else(made: dict[str, Path]) -> None:
    recordings = datasets.load("seed", made["seed"], subjects=["1"])
    assert len({tuple(t.span.duration for t in r.trials) for r in recordings}) == 1
    eye = [r.streams["shipped_eye"].read(r.trials[0].span).data for r in recordings]
    assert not np.array_equal(eye[0], eye[1])


def test_chosen_clips_of_seed_iv_have_all_emotions_in_every_session(made: dict[str, Path]) -> None:
    for r in datasets.load("seed_iv", made["seed_iv"], subjects=["2"]):
        emotions = [t.labels["emotion"].value for t in r.trials]
        assert {e: emotions.count(e) for e in emotions} == dict.fromkeys(
            ("neutral", "sad", "fear", "happy"), 2
        )


@pytest.mark.parametrize("name", ["seed", "seed_iv"])
def test_shipped_features_are_those_of_the_eeg(whole: dict[str, Path], name: str) -> None:
    recording = datasets.load(name, whole[name], sessions=[2])[0]
    trial = recording.trials[3]
    seconds = {"seed": 1.0, "seed_iv": 4.0}[name]
    ours = features.compute(
        "de_lds", recording, trial=trial.id, window_seconds=seconds, stride_seconds=seconds
    )
    theirs = features.compute("shipped", recording, trial=trial.id)
    # the reader turns µV into V and the feature turns them back: a rounding far below 1e-9
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=1e-9)


def test_without_an_effect_the_oracle_is_at_chance(tmp_path: Path) -> None:
    plain = simulate.simulate(
        "seed_v",
        tmp_path / "0",
        seed=544,
        subjects=2,
        effect=0.0,
        seconds=8.0,
        kinds=("eye_movement_features",),
    )
    truth = json.loads((plain / "truth.json").read_text(encoding="utf-8"))
    known = truth["oracle"]["subject_known"]["eeg+eye"]["trial"]
    assert truth["effect"] == 0.0
    assert known["n"] == 90
    # five classes by chance: 0.2 with a standard error of 0.042 for 90 trials; four of them
    assert abs(known["accuracy"] - 0.2) < 0.17


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_is_as_good_as_that_of_seed_vii(made: dict[str, Path], name: str) -> None:
    truth = json.loads((made[name] / "truth.json").read_text(encoding="utf-8"))
    known = truth["oracle"]["subject_known"]["eeg+eye"]["trial"]["accuracy"]
    n = truth["oracle"]["subject_known"]["eeg+eye"]["trial"]["n"]
    assert known == pytest.approx(_latent.TARGET, abs=2 / n)  # the accuracy moves in steps of a trial


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("seed", {"clips": 28}, "--clips 28; expected 15"),
        ("seed_iv", {"clips": 15}, "--clips 15; expected 24, 48 or 72"),
        ("seed_v", {"clips": 28}, "--clips 28; expected 45"),
        ("seed", {"subjects": 16}, "--subjects 16; expected 1 to 15"),
        ("seed_v", {"subjects": 17}, "--subjects 17; expected 1 to 16"),
        ("seed_iv", {"seconds": 2.0}, "--seconds 2.0; expected 8 to 600"),
        ("seed_iv", {"effect": -1.0}, "--effect -1.0"),
        (
            "seed_v",
            {"kinds": ("eye",)},
            "--kinds eye; expected any of eeg_de_features, eye_mov",
        ),
        ("seed_v", {"workers": 0}, "--workers 0; expected 1 or more"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        simulate.simulate(name, tmp_path / "x", seed=1, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match="exists and is not empty"):
        simulate.simulate("seed_v", tmp_path, seed=1)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


# -- a study ---------------------------------------------------------------------------------------------


def plan(name: str, root: Path, protocol: str) -> dict[str, Any]:
    return {
        "system": "maet",
        "data": {"name": name, "root": str(root)},
        "features": {"eeg": "shipped", "eye": "shipped"},
        "model": {"name": "majority"},
        "baselines": ["logistic_regression"],
        "protocol": {"names": [protocol]},
        "controls": {"shuffled": False},
    }


def ran(name: str, root: Path, out: Path, protocol: str, **changes: Any) -> dict[str, Any]:
    run = study(plan(name, root, protocol) | changes, out, workers=1)
    report: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return report


@pytest.mark.parametrize("name", NAMES)
def test_a_study_takes_the_eeg_features_that_go_with_its_eyes(
    made: dict[str, Path], whole: dict[str, Path], name: str
) -> None:
    eeg, eye = (FeatureSpec(modality=m, name="shipped") for m in ("eeg", "eye"))
    recordings = datasets.load(name, made[name])
    assert [s.stream for s in settle([eeg, eye], recordings)] == [f"shipped_eeg_{EEG[name]}", "shipped_eye"]
    if name == "seed":  # of its many kinds, in windows of 1 s and 4 s
        recordings = datasets.load(name, whole[name])
        assert settle([eeg], recordings)[0].stream == "shipped_eeg_de_lds"
        one, _ = settle([eeg, eye], [*recordings, *datasets.load(name, made[name])])
        assert one.stream == "shipped_eeg_de_4s"
    asked = FeatureSpec(modality="eeg", name="shipped", options={"variant": "psd_lds"})
    assert settle([asked, eye], recordings)[0].stream == "shipped_eeg_psd_lds"


def test_a_study_from_files_to_report(made: dict[str, Path], tmp_path: Path) -> None:
    report = ran("seed_iv", made["seed_iv"], tmp_path / "run", "loso")
    assert report["audit"]["verdict"] == "clean"
    record = json.loads((tmp_path / "run" / "record.json").read_text(encoding="utf-8"))
    assert record["features"]["eeg"]["variant"] == "de_lds"
    rows = {(r["model"], r["level"]): r for r in report["results"]}
    assert rows["majority", "trial"]["n"] == 3 * 24
    assert rows["majority", "trial"]["n_stimuli"] == 24
    # equal classes: whoever names one is right in a quarter of the trials
    assert rows["majority", "trial"]["metrics"]["uar"]["value"] == pytest.approx(0.25)
    held_out = set(rows["logistic_regression", "window"]["held_out"])
    assert "subject" in held_out
    assert "stimulus" not in held_out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "protocol"),
    [("seed", "seed_9_6"), ("seed", "loso"), ("seed_v", "seedv_3fold"), ("seed_iv", "loso_stimulus")],
)
def test_a_study_of_each(made: dict[str, Path], tmp_path: Path, name: str, protocol: str) -> None:
    report = ran(name, made[name], tmp_path / "run", protocol)
    assert report["audit"]["verdict"] == "clean"
    tested = {"seed_9_6": 3 * 3 * 6}.get(protocol, 3 * N_TRIALS[name])
    assert {r["n"] for r in report["results"] if r["level"] == "trial"} == {tested}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_network_takes_the_features_of_each(made: dict[str, Path], tmp_path: Path, name: str) -> None:
    tiny = {"embed_dim": 8, "depth": 1, "num_heads": 1, "tokens": 2, "expert_blocks": 1}
    model = {"name": "maet", "modalities": [["eeg", "eye"], ["eye"]], "config": tiny}
    report = ran(name, made[name], tmp_path / "run", "loso", model=model, baselines=[], train={"epochs": 2})
    # the model knows which of the data set's EEG features it learnt from
    kept = json.loads((tmp_path / "run" / "checkpoints" / "maet" / "model.json").read_text(encoding="utf-8"))
    assert kept["features"]["eeg"]["options"] == {"variant": EEG[name]}
    assert {tuple(r["modalities"]) for r in report["results"]} == {("eeg", "eye"), ("eye",)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seed", "seed_v"])
def test_raw_recordings_hold_the_clips_where_the_table_says(tmp_path: Path, name: str) -> None:
    kinds = {"seed": ("preprocessed_eeg", "eeg_raw"), "seed_v": ("eeg_raw",)}[name]
    root = simulate.simulate(name, tmp_path / name, seed=545, subjects=1, seconds=8.0, kinds=kinds)
    found = datasets.inspect(name, root)
    assert found.faults == ()
    assert found.counts["raw trials"] == (45, 45)
    raw = datasets.load(name, root, raw=True)[1]
    assert raw.streams["raw_eog"].channels == ("HEO", "VEO")
    assert len(features.compute("de", raw, stream="raw_eeg").values)
    if name == "seed":
        cut = datasets.load(name, root, raw=False)[1]
        for a, b in zip(raw.trials, cut.trials, strict=True):
            at_1000 = raw.streams["raw_eeg"].read(a.span).data[:, ::5]
            at_200 = cut.streams["eeg"].read(b.span).data
            # the filter of the resampling keeps all but what is near 100 Hz
            r = np.corrcoef(at_1000[10], at_200[10])[0, 1]
            assert r > 0.95
