"""The made-up DEAP on disk.

The seeds here (941 to 944) are used nowhere else; no constant of the model was chosen on them.
"""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.signal

from mien import datasets, simulate
from mien.core import InputError
from mien.datasets import _deap_layout as layout
from mien.io.pickled import read_pickle
from mien.simulate import _deap_plan as plan_
from mien.simulate._deap_signal import BAND_EDGES, draw_head, n_times, trial

TRIALS, SECONDS = 8, 6
N_TIMES = 128 * (3 + SECONDS)
SMALL = {"subjects": 3, "trials": TRIALS, "seconds": SECONDS, "video_subjects": 1}


def digests(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, eight short videos, everything but BDF."""
    out = tmp_path_factory.mktemp("made_up") / "data"
    kinds = ("preprocessed", "ratings", "video", "matlab", "tables")
    return simulate.simulate("deap", out, seed=941, **SMALL, kinds=kinds)


@pytest.fixture(scope="module")
def truth(small: Path) -> dict:
    return json.loads((small / "truth.json").read_bytes())


def stored(root: Path, name: str) -> dict[str, np.ndarray]:
    with (root / "data_preprocessed_python" / f"{name}.dat").open("rb") as file:
        return pickle.load(file, encoding="latin1")  # noqa: S301 (our own file)


def test_the_tree_is_that_of_the_real_data_set(small: Path):
    expected = {"truth.json"}
    for name in ("s01", "s02", "s23"):
        expected |= {f"data_preprocessed_python/{name}.dat", f"data_preprocessed_matlab/{name}.mat"}
    expected |= {f"face_video/s01/s01_trial{k:02d}.avi" for k in range(1, TRIALS + 1)}
    for folder, ending in (("csv", "csv"), ("xls", "xlsx"), ("ods", "ods")):
        expected |= {f"metadata_{folder}/{t}.{ending}" for t in ("participant_ratings", "video_list")}
    assert set(digests(small)) == expected


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(small: Path, tmp_path: Path):
    # without the videos, whose bytes the tests of the videos compare
    kinds = ("preprocessed", "ratings", "matlab", "tables")
    again = simulate.simulate("deap", tmp_path / "again", seed=941, **SMALL, kinds=kinds, workers=2)
    first, second = digests(small), digests(again)
    del second["truth.json"]  # says which kinds were asked for
    assert second == {k: v for k, v in first.items() if k in second}
    other = simulate.simulate("deap", tmp_path / "other", seed=942, **SMALL, kinds=kinds)
    assert not set(digests(other).values()) & set(first.values())


def test_the_pickle_is_one_of_python_2(small: Path):
    content = (small / "data_preprocessed_python" / "s01.dat").read_bytes()
    found = list(pickletools.genops(content))
    assert found[0][:2] == (found[0][0], 2)
    assert {arg for op, arg, _ in found if op.name == "GLOBAL"} == {
        "numpy.core.multiarray _reconstruct",
        "numpy ndarray",
        "numpy dtype",
    }
    assert {op.name for op, _, _ in found} & {"BINUNICODE", "SHORT_BINUNICODE"} == set()
    whole = stored(small, "s01")
    safe = read_pickle(small / "data_preprocessed_python" / "s01.dat")
    assert set(whole) == set(safe) == {"data", "labels"}
    for key in whole:
        assert np.array_equal(whole[key], safe[key])
    assert whole["data"].shape == (TRIALS, 40, N_TIMES)
    assert whole["labels"].shape == (TRIALS, 4)
    assert whole["data"].dtype == whole["labels"].dtype == np.float64


def test_both_preprocessed_forms_hold_the_same(small: Path):
    for name in ("s01", "s23"):
        mat = scipy.io.loadmat(small / "data_preprocessed_matlab" / f"{name}.mat")
        for key, values in stored(small, name).items():
            assert np.array_equal(mat[key], values)


def test_labels_are_in_the_order_of_videos_and_the_table_in_that_of_presentation(small: Path, truth: dict):
    table = rows_of(small / "metadata_csv" / "participant_ratings.csv")
    assert tuple(table[0]) == layout.RATINGS_COLUMNS
    assert len(table) == 3 * TRIALS
    for name in ("s01", "s02", "s23"):
        mine = [r for r in table if int(r["Participant_id"]) == int(name[1:])]
        assert [int(r["Trial"]) for r in mine] == list(range(1, TRIALS + 1))
        videos = [int(r["Experiment_id"]) for r in mine]
        assert videos == truth["order"][name]
        labels = stored(small, name)["labels"]
        rated = [[float(r[c]) for c in ("Valence", "Arousal", "Dominance", "Liking")] for r in mine]
        assert np.array_equal(labels[np.array(videos) - 1], rated)
        starts = np.array([int(r["Start_time"]) for r in mine]) / 1e6
        assert (np.diff(starts) > SECONDS).all()
        assert starts.tolist() == truth["video_starts"][name]
        assert {r["Familiarity"] == "" for r in mine} == {name in ("s02", "s23")}
    assert any(videos != sorted(videos) for videos in truth["order"].values())


def test_the_list_of_videos_has_the_averages_of_strangers_and_videos_nobody_saw(small: Path, truth: dict):
    table = rows_of(small / "metadata_csv" / "video_list.csv")
    of = {int(r["Experiment_id"]): r for r in table if r["Experiment_id"]}
    assert sorted(of) == list(range(1, TRIALS + 1))
    assert any(r["Experiment_id"] == "" for r in table)
    for video, row in of.items():
        word = truth["quadrant"][f"video{video:02d}"]
        assert (float(row["AVG_Valence"]) > 5) == word.startswith("HV")
        assert (float(row["AVG_Arousal"]) > 5) == word.endswith("HA")


def test_eeg_is_average_referenced_and_between_4_and_45_hz(small: Path):
    eeg = stored(small, "s01")["data"][:, :32]
    assert [np.linalg.matrix_rank(x) for x in eeg] == [31] * TRIALS
    # sums of 32 numbers of magnitude 10
    np.testing.assert_allclose(eeg.sum(axis=1), 0, atol=1e-9)
    power = (np.abs(np.fft.rfft(eeg)) ** 2).sum(axis=(0, 1))
    frequency = np.fft.rfftfreq(N_TIMES, 1 / 128)
    inside = (frequency >= 4) & (frequency <= 45)
    assert power[~inside].sum() < 1e-12 * power.sum()
    # µV: neither V nor nV
    assert 3 < eeg.std() < 50


def test_peripheral_channels_are_in_the_range_of_their_kind(small: Path):
    at = {name: 32 + k for k, name in enumerate(layout.PERIPHERAL)}
    data = stored(small, "s02")["data"]
    assert (data[:, at["GSR"]] > 1e4).all()
    assert (data[:, at["GSR"]] < 1e7).all()
    assert ((data[:, at["Temp"]] > 25) & (data[:, at["Temp"]] < 40)).all()
    frequency = np.fft.rfftfreq(N_TIMES, 1 / 128)
    plet = (np.abs(np.fft.rfft(data[:, at["Plet"]])) ** 2).mean(axis=0)
    assert 0.7 < frequency[1:][plet[1:].argmax()] < 2.0  # 42 to 120 beats a minute
    for name in ("zEMG", "tEMG"):
        muscle = (np.abs(np.fft.rfft(data[:, at[name]])) ** 2).mean(axis=0)
        assert muscle[(frequency > 20) & (frequency < 60)].sum() > 0.99 * muscle.sum()


def explained(features: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Share of the variance of each source that a ridge tells of windows it was not fitted on."""
    train = np.arange(len(z)) % 2 == 0
    mean, spread = features[train].mean(axis=0), features[train].std(axis=0)
    x = (features - mean) / spread
    a = x[train]
    weights = np.linalg.solve(a.T @ a + 3 * np.eye(x.shape[1]), a.T @ (z[train] - z[train].mean(axis=0)))
    rest = z[~train] - z[train].mean(axis=0) - x[~train] @ weights
    return 1 - rest.var(axis=0) / z[~train].var(axis=0)


@pytest.fixture(scope="module")
def windows() -> tuple[np.ndarray, np.ndarray]:
    """800 windows of sources and of what they give: (windows, 16) and (windows, 40, 384)."""
    rng = np.random.default_rng(943)
    head, z = draw_head(943), 1.3 * rng.standard_normal((40, 21, plan_.N_SOURCES))
    x = np.stack([trial(levels, head=head, rng=rng) for levels in z])
    assert x.shape[-1] == n_times(20)
    return z.reshape(-1, plan_.N_SOURCES), x.reshape(40, 40, 21, 384).swapaxes(1, 2).reshape(-1, 40, 384)


def test_log_power_of_a_window_tells_the_sources_of_the_eeg(windows: tuple[np.ndarray, np.ndarray]):
    z, x = windows
    frequency, power = scipy.signal.periodogram(x[:, :32], 128)
    parts = [power[..., (frequency >= a) & (frequency < b)].mean(axis=-1) for a, b in BAND_EDGES]
    told = explained(np.log(np.concatenate(parts, axis=1)), z[:, plan_.MODALITIES["eeg"]])
    # 128 powers of 24 to 100 degrees of freedom each: what is left is noise of the estimate
    assert (told > 0.8).all(), told


def test_simple_statistics_of_a_window_tell_the_sources_of_the_body(windows: tuple[np.ndarray, np.ndarray]):
    z, x = windows
    body = x[:, 32:]
    change = np.abs(np.diff(body)).mean(axis=-1)
    features = np.concatenate([np.log(body.std(axis=-1)), np.log(change), body[:, 4:5].mean(axis=-1)], axis=1)
    told = explained(features, z[:, plan_.MODALITIES["body"]])
    # breath is slower than a window, and the unrest of the skin has few waves in one
    assert (told > 0.4).all(), told
    assert told.mean() > 0.65, told


def test_the_reader_finds_everything(small: Path, truth: dict):
    found = datasets.inspect("deap", small)
    assert found.faults == ()
    recordings = datasets.load("deap", small)
    assert [r.id for r in recordings] == ["s01", "s02", "s23"] == truth["subjects"]
    trials = {t.id: t for r in recordings for t in r.trials}
    assert set(trials) == set(truth["reported"])
    for name, word in truth["reported"].items():
        rated = {d: trials[name].labels[d].value for d in ("valence", "arousal")}
        assert ("H" if rated["valence"] >= 5 else "L", "H" if rated["arousal"] >= 5 else "L") == (
            word[0],
            word[2],
        )
    assert trials["s01_v01"].labels["valence_stimulus"].value == pytest.approx(
        truth["stimulus_ratings"][0][0]
    )
    assert ["face" in r.streams for r in recordings] == [True, False, False]


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_the_tables_can_be_read_in_every_form(small: Path, kind: str):
    import pandas as pd

    folder = {"xlsx": "metadata_xls", "ods": "metadata_ods"}[kind]
    for name in ("participant_ratings", "video_list"):
        found = pd.read_excel(small / folder / f"{name}.{kind}", engine={"ods": "odf"}.get(kind))
        expected = pd.read_csv(small / "metadata_csv" / f"{name}.csv")
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_the_truth_has_oracles_in_the_form_the_report_reads(truth: dict):
    assert truth["layout"] == {"trials": TRIALS, "seconds": SECONDS, "baseline": 3}
    assert truth["oracle"] == truth["oracles"]["quadrant"]
    subsets = {"eeg", "face", "body", "eeg+face", "eeg+body", "face+body", "eeg+face+body"}
    for table in truth["oracles"].values():
        assert set(table) == {"inductive", "subject_known", "stimulus_known"}
        for kind in table.values():
            assert set(kind) == subsets
            for modalities, levels in kind.items():
                n = TRIALS if modalities == "face" else 3 * TRIALS
                assert levels["trial"]["n"] == n
                assert levels["window"]["n"] == n * SECONDS // 3
                assert all(0 <= score["accuracy"] <= 1 for score in levels.values())
    assert len(truth["filmed"]) == len(truth["shown"]) == TRIALS
    for stretches in truth["shown"].values():
        # 0.9 s to the sixth decimal
        np.testing.assert_allclose(np.diff(stretches, axis=1), 0.9, atol=2e-6)


def test_a_trial_without_a_face_is_judged_by_the_rest(tmp_path: Path):
    options = {"subjects": 2, "trials": 8, "seconds": 6, "kinds": ("ratings",)}
    without = simulate.simulate("deap", tmp_path / "a", seed=944, **options, video_subjects=0)
    known = json.loads((without / "truth.json").read_bytes())["oracle"]["subject_known"]
    assert set(known) == {"eeg", "body", "eeg+body"}
    half = simulate.simulate("deap", tmp_path / "b", seed=944, **options, video_subjects=1)
    mixed = json.loads((half / "truth.json").read_bytes())["oracle"]["subject_known"]
    assert mixed["eeg+face"]["trial"]["n"] == 16
    assert mixed["face"]["trial"]["n"] == 8
    assert mixed["eeg"] == known["eeg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 10}, "--trials 10; expected a multiple of 4 from 8 to 40"),
        ({"trials": 44}, "--trials 44"),
        ({"seconds": 10}, "--seconds 10; expected a multiple of 3"),
        ({"seconds": 3}, "--seconds 3"),
        ({"subjects": 33}, "--subjects 33"),
        ({"subjects": 3, "video_subjects": 4}, "--video-subjects 4; expected 0 to 3"),
        ({"kinds": ("bdf",)}, "--kinds bdf"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(tmp_path: Path, options, message: str):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        simulate.simulate("deap", tmp_path / "out", seed=1, **options)
    assert not list(tmp_path.iterdir())


def test_a_part_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from mien.simulate import deap

    def broken(*_: object) -> str:
        raise RuntimeError("disk full")

    monkeypatch.setattr(deap, "_write_stored", broken)
    with pytest.raises(RuntimeError, match="disk full"):
        simulate.simulate("deap", tmp_path / "out", seed=1, subjects=1, trials=8, seconds=6, video_subjects=0)
    assert not list(tmp_path.iterdir())
