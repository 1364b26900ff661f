"""report.json: its schema, its numbers recomputed by hand, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fake_run import write_fake_run, write_json
from mien.core import HELD_OUT, InputError
from mien.report import read_run, results, write_report_json
from mien.report.rows import EXTRA, Scored, drawn_stimuli, paired_difference

KEYS = {
    "system", "model", "recipe", "normalise", "modalities", "protocol", "held_out", "level", "n",
    "n_subjects", "n_stimuli", "seeds", "metrics", "chance", "controls", "oracle",
}  # fmt: skip
SMALL = {"n_subjects": 4, "n_clips": 14, "windows": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_run(tmp_path_factory.mktemp("runs") / "two_seeds", seeds=(0, 1), **SMALL)


@pytest.fixture(scope="module")
def rows(run: Path) -> list[dict]:
    return results(run)


def one(rows: list[dict], **wanted: object) -> dict:
    found = [r for r in rows if "extra" not in r and all(r[k] == v for k, v in wanted.items())]
    assert len(found) == 1
    return found[0]


BOTH = {"model": "maet", "normalise": "train", "modalities": ["eeg", "eye"]}


def test_rows_have_the_keys_and_types_of_the_schema(rows: list[dict]) -> None:
    # protocols x normalise x models x modalities x levels, and one filtered row for each condition
    assert len(rows) == 2 * 2 * 2 * 3 * 2 + 2 * 2 * 2 * 3
    for row in rows:
        assert set(row) - {"extra"} == KEYS
        assert row["level"] in ("trial", "window")
        assert row["held_out"] == [w for w in HELD_OUT if w in row["held_out"]]
        assert all(isinstance(row[k], int) for k in ("n", "n_subjects", "n_stimuli"))
        assert row["seeds"] == [0, 1]
        assert set(row["metrics"]) == {"accuracy", "uar", "uf1", "kappa"}
        for score in row["metrics"].values():
            assert set(score) == {"value", "low", "high", "seeds_sd"}
            assert score["low"] <= score["value"] <= score["high"]
        assert set(row["chance"]) == {"uniform", "majority"}
        for control in row["controls"].values():
            assert set(control) == {"metric", "value", "low", "high"}
            assert control["low"] <= control["value"] <= control["high"]
    assert json.loads(json.dumps(rows)) == rows


def test_trial_scores_are_those_of_mean_probabilities_pooled_over_folds_then_averaged_over_seeds(
    run: Path, rows: list[dict]
) -> None:
    table = pd.read_parquet(run / "predictions.parquet")
    keep = (table["model"] == "maet") & (table["normalise"] == "train") & (table["modalities"] == "eeg+eye")
    table = table[keep & (table["protocol"] == "loso_stimulus") & (table["control"] == "none")]
    columns = [f"p_{c}" for c in range(7)]
    accuracy, uar, uf1 = [], [], []
    for _, part in table.groupby("seed"):
        trial = part.groupby("trial")[columns].mean()
        label = part.groupby("trial")["label"].first().loc[trial.index].to_numpy()
        answer = trial.to_numpy(np.float64).argmax(axis=1)
        hit = answer == label
        accuracy.append(hit.mean())
        uar.append(np.mean([hit[label == c].mean() for c in range(7)]))
        true_positive = np.array([(hit & (label == c)).sum() for c in range(7)])
        missed_and_false = np.array([(label == c).sum() + (answer == c).sum() for c in range(7)])
        uf1.append(np.mean(2 * true_positive / missed_and_false))
    found = one(rows, **BOTH, protocol="loso_stimulus", level="trial")["metrics"]
    # float64 sums of a few float32 numbers in another order: 1e-12 is far above their rounding
    assert found["accuracy"]["value"] == pytest.approx(np.mean(accuracy), abs=1e-12)
    assert found["uar"]["value"] == pytest.approx(np.mean(uar), abs=1e-12)
    assert found["uf1"]["value"] == pytest.approx(np.mean(uf1), abs=1e-12)
    assert found["accuracy"]["seeds_sd"] == pytest.approx(np.std(accuracy, ddof=1), abs=1e-12)


def test_macro_f1_is_pooled_and_not_the_mean_of_folds(tmp_path: Path) -> None:
    run = write_fake_run(
        tmp_path / "run", n_subjects=3, n_clips=7, windows=1, protocols=("loso",), normalise=("train",),
        models=("maet",), modalities=("eeg",), shuffled=False, figures=False, selection=False,
    )  # fmt: skip
    table = pd.read_parquet(run / "predictions.parquet")
    # subject 1 is right everywhere, subjects 2 and 3 always answer class 0
    answer = np.where(table["subject"] == "1", table["label"], 0)
    table[[f"p_{c}" for c in range(7)]] = np.eye(7, dtype=np.float32)[answer]
    table.to_parquet(run / "predictions.parquet", index=False)
    found = one(results(run), level="window")["metrics"]["uf1"]["value"]
    # class 0: TP 3, FN 0, FP 12 -> 6/18; each other class: TP 1, FN 2, FP 0 -> 2/4
    assert found == pytest.approx((6 / 18 + 6 * 2 / 4) / 7, abs=1e-12)
    mean_of_folds = (1.0 + 2 * (2 / (2 + 6)) / 7) / 3
    assert abs(found - mean_of_folds) > 0.05


def test_counts_chance_and_levels(rows: list[dict]) -> None:
    trial = one(rows, **BOTH, protocol="loso", level="trial")
    window = one(rows, **BOTH, protocol="loso", level="window")
    assert (trial["n"], trial["n_subjects"], trial["n_stimuli"]) == (4 * 14, 4, 14)
    assert window["n"] == 4 * 14 * 3
    assert trial["chance"] == {"uniform": 1 / 7, "majority": 1 / 7}


def test_oracle_matches_normalisation_modalities_and_level(rows: list[dict], run: Path) -> None:
    oracle = json.loads((run / "record.json").read_text())["oracle"]
    for normalise, kind in (("train", "inductive"), ("subject", "subject_known")):
        for level in ("trial", "window"):
            row = one(
                rows, model="maet", normalise=normalise, modalities=["eeg"], protocol="loso", level=level
            )
            wanted = oracle[kind]["eeg"][level]
            assert row["oracle"] == {"kind": kind, "value": wanted["accuracy"], "se": wanted["se"]}


def test_a_leaky_protocol_has_no_oracle_and_nothing_held_out(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "r", protocols=("random_window",), figures=False, **SMALL)
    rows = results(run)
    assert all(row["oracle"] is None and row["held_out"] == [] for row in rows)


def test_held_out_is_what_was_proved_not_what_was_declared(tmp_path: Path) -> None:
    audit = {
        "verdict": "leaks",
        "findings": [{"kind": "fit", "where": "loso", "evidence": "scaler saw the test", "severity": "leak"}],
        "proven": {"loso": [], "loso_stimulus": ["stimulus", "subject", "trial"]},
    }
    run = write_fake_run(tmp_path / "r", audit=audit, figures=False, **SMALL)
    for row in results(run):
        assert row["held_out"] == ([] if row["protocol"] == "loso" else ["subject", "stimulus", "trial"])


def test_controls_sit_at_chance_and_shuffled_only_where_it_was_trained(rows: list[dict]) -> None:
    both = one(rows, **BOTH, protocol="loso", level="trial")["controls"]
    assert set(both) == {"permuted", "shuffled"}
    # uniform chance is 1/7; the median of permuted scores moves in steps of 1/112 (56 trials, two seeds)
    assert both["permuted"]["value"] == pytest.approx(1 / 7, abs=0.04)
    single = one(rows, model="maet", normalise="train", modalities=["eeg"], protocol="loso", level="trial")
    assert set(single["controls"]) == {"permuted"}


def test_filtered_rows_score_selected_windows_only_and_say_what_they_use(rows: list[dict], run: Path) -> None:
    selected = int(pd.read_parquet(run / "samples.parquet")["selected"].sum())
    extras = [row for row in rows if "extra" in row]
    assert extras
    assert all(row["extra"] == EXTRA and row["level"] == "window" and row["n"] == selected for row in extras)


def test_no_filtered_rows_where_every_window_was_selected(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "r", selection=False, figures=False, **SMALL)
    assert not any("extra" in row for row in results(run))


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "r", protocols=("loso",), models=("maet",), figures=False, **SMALL)
    assert all(s["seeds_sd"] is None for row in results(run) for s in row["metrics"].values())


def test_without_effect_the_strict_protocol_is_inside_its_chance_interval_and_the_lax_one_is_not(
    tmp_path: Path,
) -> None:
    run = write_fake_run(tmp_path / "r", effect=0.0, leak=2.0, figures=False, shuffled=False, windows=3)
    rows = results(run)
    strict = one(rows, **BOTH, protocol="loso_stimulus", level="trial")
    lax = one(rows, **BOTH, protocol="loso", level="trial")
    assert strict["metrics"]["accuracy"]["value"] <= strict["controls"]["permuted"]["high"]
    assert lax["metrics"]["accuracy"]["value"] > lax["controls"]["permuted"]["high"]


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    first, second = (write_fake_run(tmp_path / name, figures=False, **SMALL) for name in ("a", "b"))
    assert write_report_json(first).read_bytes() == write_report_json(second).read_bytes()
    assert write_report_json(first).read_bytes() == (second / "report.json").read_bytes()
    assert not list(first.glob(".*"))  # no half-written file stays behind


def test_report_json_holds_results_and_audit(run: Path) -> None:
    content = json.loads(write_report_json(run).read_text())
    assert set(content) == {"results", "audit"}
    assert content["audit"]["verdict"] == "clean"
    assert all({"kind", "where", "evidence"} <= set(f) for f in content["audit"]["findings"])


def test_stimuli_nobody_shares_are_not_drawn() -> None:
    def scored(stimulus: list[str], subject: list[str]) -> Scored:
        n = len(stimulus)
        names = np.array([str(i) for i in range(n)], object)
        return Scored(
            ids=names, trial=names, seed=np.zeros(n, np.int64), subject=np.array(subject, object),
            stimulus=np.array(stimulus, object), label=np.zeros(n, np.int64),
            probability=np.full((n, 2), 0.5),
        )  # fmt: skip

    assert drawn_stimuli(scored(["1", "2", "3", "4"], ["a", "a", "b", "b"])) is None
    shared = drawn_stimuli(scored(["1", "2", "1", "2"], ["a", "a", "b", "b"]))
    assert shared is not None
    assert shared.tolist() == ["1", "2", "1", "2"]
    # one subject alone: his stimuli are all there is to draw
    assert drawn_stimuli(scored(["1", "2"], ["a", "a"])) is not None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=8, max_size=8))
def test_paired_difference_is_antisymmetric_and_zero_with_itself(cells: list[tuple[int, int, int]]) -> None:
    label, left, right = (np.array(column) for column in zip(*cells, strict=True))
    names = np.array([f"s{i // 4}/{i % 4}" for i in range(8)], object)

    def scored(answer: np.ndarray) -> Scored:
        return Scored(
            ids=names, trial=names, seed=np.zeros(8, np.int64),
            subject=np.repeat(["a", "b"], 4).astype(object),
            stimulus=np.tile(["1", "2", "3", "4"], 2).astype(object), label=label,
            probability=np.eye(3)[answer],
        )  # fmt: skip

    forward, back = (
        paired_difference(scored(left), scored(right)),
        paired_difference(scored(right), scored(left)),
    )
    assert forward is not None
    assert back is not None
    # sums of eight quarters and eighths in float64
    assert forward["value"] == pytest.approx((left == label).mean() - (right == label).mean(), abs=1e-12)
    assert forward["value"] == pytest.approx(-back["value"], abs=1e-12)
    assert forward["low"] == pytest.approx(-back["high"], abs=1e-12)
    same = paired_difference(scored(left), scored(left))
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 8}


# -- broken folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "record.json", "audit.json", "environment.json", "predictions.parquet",
        "dropped.csv", "study.toml",
    ],
)  # fmt: skip
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    run = write_fake_run(tmp_path / "r", figures=False, protocols=("loso",), **SMALL)
    (run / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: missing"):
        read_run(run)
    assert not (run / "report.json").exists()


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("record.json", "<html>", r"record\.json: not readable as JSON"),
        ("record.json", "[]", r"record\.json: holds a list"),
        ("audit.json", "{}", r"audit\.json: lacks verdict, findings, proven.*mien audit"),
        ("predictions.parquet", "PAR1 cut", r"predictions\.parquet: not readable as Parquet"),
        ("dropped.csv", "what,id\n", r"dropped\.csv: lacks the column\(s\) subject, reason, count"),
        ("figures/learning_curves.npz", "<html>", r"learning_curves\.npz: not readable"),
        ("figures/informative_bands.npz", "", r"informative_bands\.npz: not readable"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str, match: str) -> None:
    run = write_fake_run(tmp_path / "r", protocols=("loso",), **SMALL)
    (run / name).write_text(content)
    with pytest.raises(InputError, match=match):
        read_run(run)


def test_predictions_that_are_no_probabilities_are_refused(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "r", protocols=("loso",), figures=False, **SMALL)
    table = pd.read_parquet(run / "predictions.parquet")
    table["p_0"] += 1
    table.to_parquet(run / "predictions.parquet", index=False)
    with pytest.raises(InputError, match=r"predictions\.parquet: probabilities"):
        read_run(run)


def test_labels_outside_the_classes_are_refused(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "r", protocols=("loso",), figures=False, **SMALL)
    record = json.loads((run / "record.json").read_text())
    write_json(run / "record.json", record | {"classes": record["classes"][:3]})
    with pytest.raises(InputError, match=r"predictions\.parquet: labels from 0 to 6; expected 0 to 2"):
        read_run(run)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run folder"):
        results(tmp_path / "nothing")
