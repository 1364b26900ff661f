"""The audit: an honest run is clean, and each way of cheating is found under its own name."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mien import protocols
from mien.core import AuditReport, InputError, Sample

CLASSES = 3


def make_samples(
    *, n_subjects: int = 5, n_clips: int = 12, n_windows: int = 3, clip_gives_label: bool = True
) -> list[Sample]:
    rng = np.random.default_rng(0)
    samples = []
    for s in range(1, n_subjects + 1):
        for c in range(1, n_clips + 1):
            label = c % CLASSES if clip_gives_label else (c + int(rng.integers(CLASSES))) % CLASSES
            for w in range(n_windows):
                samples.append(
                    Sample(
                        id=f"s{s}/c{c}/{w}", trial=f"s{s}/c{c}", subject=str(s), session="1", stimulus=str(c),
                        label=label, start=100.0 * c + 4.0 * w, duration=4.0,
                    )
                )  # fmt: skip
    return samples


class Run:
    """A run folder's content as an honest program would write it, to be tampered with."""

    def __init__(self, *names: str, samples: list[Sample] | None = None, **options: Any) -> None:
        made = make_samples() if samples is None else samples
        self.samples = pd.DataFrame(
            {
                "sample": [s.id for s in made],
                "trial": [s.trial for s in made],
                "recording": ["rec" + s.subject for s in made],
                "subject": [s.subject for s in made],
                "session": [s.session for s in made],
                "stimulus": [s.stimulus for s in made],
                "event": [s.event for s in made],
                "start": [s.start for s in made],
                "duration": [s.duration for s in made],
                "label": [s.label for s in made],
                "selected": [not s.id.endswith("/0") for s in made],
                "present_eeg": True,
                "present_eye": [s.id != "s1/c1/0" for s in made],
            }
        )
        selected = set(self.samples.loc[self.samples["selected"], "sample"])
        splits = [(n, 0, f) for n in names for f in protocols.create(n, **options).splits(made)]
        self.splits = protocols.splits_to_json(splits, made)
        self.fits, rows = [], []
        for name, seed, fold in splits:
            train = protocols.hash_ids(i for i in fold.train if i in selected)
            val = protocols.hash_ids(fold.val) if fold.val else "fixed"
            about = {"protocol": name, "seed": seed, "fold": fold.fold, "model": "net", "normalise": "train"}
            about["control"] = "none"
            self.fits.append(
                {
                    **about,
                    "modalities": "eeg+eye",
                    "saw": {
                        **dict.fromkeys(("scaler", "class_weights", "model"), train),
                        **dict.fromkeys(("epoch", "temperature"), val),
                    },
                    "coupling": 1e-7,
                }
            )
            for modalities in ("eeg+eye", "eye"):
                rows += [
                    {**about, "modalities": modalities, "sample": i}
                    for i in fold.test
                    if modalities == "eeg+eye" or i != "s1/c1/0"
                ]
        keys = ["sample", "trial", "subject", "stimulus", "label"]
        self.predictions = pd.DataFrame(rows).merge(self.samples[keys], on="sample")
        self.record = {
            "models": {"net": {"kind": "network"}},
            "features": {"eeg": {"extractor": "psd", "reaches": "window"}},
            "protocols": {n: {"held_out": list(protocols.create(n).held_out)} for n in names},
            "fits": self.fits,
        }

    def fold(self, number: int = 0) -> dict[str, Any]:
        return self.splits["folds"][number]

    def row(self, sample: str) -> int:
        return int(np.flatnonzero(self.samples["sample"] == sample)[0])

    def audit(self, **options: Any) -> AuditReport:
        content = {"record": self.record, "splits": self.splits, "samples": self.samples}
        return protocols.audit(content, self.predictions, **options)

    def write(self, folder: Path) -> Path:
        folder.mkdir()
        (folder / "record.json").write_text(json.dumps(self.record))
        (folder / "splits.json").write_text(json.dumps(self.splits))
        self.samples.to_parquet(folder / "samples.parquet")
        self.predictions.to_parquet(folder / "predictions.parquet")
        return folder


def kinds(report: AuditReport, severity: str) -> set[tuple[str, str]]:
    return {(f.where, f.kind) for f in report.findings if f.severity == severity}


# -- honest runs -----------------------------------------------------------------------------------------


def test_an_honest_run_is_clean() -> None:
    report = Run("loso_stimulus").audit()
    assert report.verdict == "clean"
    assert report.findings == ()
    assert set(report.proven["loso_stimulus"]) == {"subject", "stimulus", "session", "trial"}


@pytest.mark.parametrize(
    ("name", "proven"),
    [
        ("loso", {"subject", "session", "trial"}),
        ("cross_subject_622", {"subject", "session", "trial"}),
        ("seed7_4fold_clip", {"stimulus", "trial"}),
        ("seed7_lovo", {"stimulus", "trial"}),
        ("trial_622", {"stimulus", "trial"}),  # within a subject a clip is shown once
        ("loto", {"stimulus", "trial"}),
        ("mmme_10fold", {"stimulus", "trial"}),
    ],
)
def test_what_each_protocol_proves(name: str, proven: set[str]) -> None:
    report = Run(name).audit()
    assert report.verdict == "clean"
    assert set(report.proven[name]) == proven
    assert set(protocols.create(name).held_out) <= proven


def test_plain_loso_is_cautioned_about_known_clips() -> None:
    report = Run("loso").audit()
    assert report.verdict == "clean"
    assert kinds(report, "caution") == {("loso", "stimulus")}
    (finding,) = report.findings
    assert "100% of the tested samples belong to stimuli that were in training" in finding.evidence
    assert "right for 100% (most frequent class 33%)" in finding.evidence


def test_no_caution_where_the_clip_does_not_give_the_label_away() -> None:
    report = Run("loso", samples=make_samples(n_clips=30, clip_gives_label=False)).audit()
    assert report.findings == ()


def test_random_window_leaks_and_proves_nothing() -> None:
    report = Run("random_window", "loso_stimulus").audit()
    assert report.verdict == "leaks"
    assert kinds(report, "leak") == {("random_window", "trial"), ("random_window", "validation")}
    assert report.proven["random_window"] == ()
    assert "subject" in report.proven["loso_stimulus"]


def test_findings_are_counted_not_repeated() -> None:
    (finding, *_) = [f for f in Run("random_window").audit().findings if f.kind == "trial"]
    assert finding.evidence.startswith("training has the same trial (5 folds, ")
    assert "e.g. sample s" in finding.evidence


def test_a_folder_and_its_content_give_the_same(tmp_path: Path) -> None:
    run = Run("loso", "random_window")
    assert protocols.audit(run.write(tmp_path / "run"), None) == run.audit()


def test_without_predictions_the_splits_are_still_judged() -> None:
    run = Run("loso")
    content = {"record": {}, "splits": run.splits, "samples": run.samples}
    report = protocols.audit(content, None)
    assert report.verdict == "clean"
    assert "subject" in report.proven["loso"]


# -- tampering with folds --------------------------------------------------------------------------------


def move(part: dict[str, list[str]], other: dict[str, list[str]]) -> None:
    """Copy the first trial of one part into another."""
    other["trials"].append(part["trials"][0])


def test_a_test_trial_in_training() -> None:
    run = Run("loso_stimulus")
    move(run.fold()["test"], run.fold()["train"])
    report = run.audit()
    assert report.verdict == "leaks"
    assert {("loso_stimulus", k) for k in ("index", "trial", "subject", "stimulus")} <= kinds(report, "leak")
    assert report.proven["loso_stimulus"] == ()


def test_a_test_trial_in_validation() -> None:
    run = Run("loso_stimulus")
    move(run.fold()["test"], run.fold()["val"])
    report = run.audit()
    assert {("loso_stimulus", "index"), ("loso_stimulus", "validation")} <= kinds(report, "leak")
    assert (
        "tested samples stand in validation" in next(f for f in report.findings if f.kind == "index").evidence
    )


def test_validation_on_the_test_subject() -> None:
    run = Run("loso")
    fold = run.fold()
    fold["val"]["trials"] = fold["test"]["trials"][:6]
    fold["test"]["trials"] = fold["test"]["trials"][6:]
    report = run.audit()
    assert ("loso", "validation") in kinds(report, "leak")
    assert "subject" not in report.proven["loso"]


def test_a_validation_sample_in_training_is_only_a_caution() -> None:
    run = Run("loso_stimulus")
    move(run.fold()["val"], run.fold()["train"])
    report = run.audit()
    assert ("loso_stimulus", "index") in kinds(report, "caution")
    assert ("loso_stimulus", "index") not in kinds(report, "leak")


def test_windows_of_one_trial_on_both_sides() -> None:
    run = Run("trial_622")
    fold = run.fold()
    trial = fold["test"]["trials"].pop(0)
    fold["test"]["samples"] = [f"{trial}/0"]
    fold["train"]["samples"] = [f"{trial}/1", f"{trial}/2"]
    report = run.audit()
    assert ("trial_622", "trial") in kinds(report, "leak")
    assert "trial" not in report.proven["trial_622"]


@pytest.mark.parametrize("kind", ["subject", "stimulus", "session"])
def test_a_held_out_value_in_training(kind: str) -> None:
    # one training sample is given the subject (stimulus, session) of the test
    run = Run("loso_stimulus")
    run.record["protocols"]["loso_stimulus"]["held_out"].append("session")
    trained, tested = (run.row(run.fold()[p]["trials"][0] + "/0") for p in ("train", "test"))
    columns = ["subject", "session"] if kind == "session" else [kind]
    for column in columns:
        run.samples.loc[trained, column] = run.samples.loc[tested, column]
    report = run.audit()
    assert ("loso_stimulus", kind) in kinds(report, "leak")
    assert kind not in report.proven["loso_stimulus"]


def test_a_run_cannot_take_back_what_its_protocol_promises() -> None:
    run = Run("loso")
    run.record["protocols"] = {}
    for fold in run.splits["folds"]:
        fold["held_out"] = {}
    run.samples["subject"] = run.samples["subject"].replace("2", "1")
    assert ("loso", "subject") in kinds(run.audit(), "leak")


def test_the_same_event_on_both_sides() -> None:
    # two annotations of one expression, dealt to both sides
    run = Run("trial_622")
    trained, tested = (run.row(run.fold()[p]["trials"][0] + "/0") for p in ("train", "test"))
    run.samples.loc[[trained, tested], "event"] = "blink 7"
    assert ("trial_622", "event") in kinds(run.audit(), "leak")


def test_trials_made_of_the_same_event() -> None:
    # each trial's features are made of events of its own, until two have one in common
    run = Run("trial_622")
    run.samples["events"] = [[f"{trial}e1", f"{trial}e2"] for trial in run.samples["trial"]]
    assert run.audit().verdict == "clean"
    trained, tested = (run.row(run.fold()[p]["trials"][0] + "/0") for p in ("train", "test"))
    run.samples.at[trained, "events"] = [run.samples.at[tested, "events"][1]]
    report = run.audit()
    assert kinds(report, "leak") == {("trial_622", "event")}
    assert "event" not in report.proven["trial_622"]


def test_spans_that_overlap_in_time() -> None:
    run = Run("trial_622")
    trained, tested = (run.row(run.fold()[p]["trials"][0] + "/0") for p in ("train", "test"))
    run.samples.loc[trained, "start"] = run.samples.loc[tested, "start"] - 3.5  # seconds; they last 4
    report = run.audit()
    assert kinds(report, "leak") == {("trial_622", "time")}
    assert report.proven["trial_622"] == ()


def test_spans_that_only_touch_do_not_overlap() -> None:
    run = Run("trial_622")
    trained, tested = (run.row(run.fold()[p]["trials"][0] + "/2") for p in ("train", "test"))
    run.samples.loc[trained, "start"] = run.samples.loc[tested, "start"] + 4.0 - 1e-9  # rounding of times
    assert run.audit().verdict == "clean"


def test_a_long_span_overlaps_beyond_its_neighbours() -> None:
    # the long span covers everything, short ones that start within it do not overlap each other
    run = Run("trial_622")
    tested = run.row(run.fold()["test"]["trials"][0] + "/0")
    run.samples.loc[tested, ["start", "duration"]] = (0.0, 5000.0)
    (finding,) = [f for f in run.audit().findings if f.kind == "time"]
    assert "(1 fold, 1 sample, e.g." in finding.evidence


# -- tampering with features -----------------------------------------------------------------------------


def features_of(run: Run, n_columns: int = 4) -> dict[str, tuple[list[str], np.ndarray]]:
    values = np.random.default_rng(1).normal(size=(len(run.samples), n_columns))
    return {"eeg": (list(run.samples["sample"]), values)}


def test_rows_that_occur_twice() -> None:
    run = Run("loso_stimulus")
    features = features_of(run)
    assert run.audit(features=features).verdict == "clean"
    trained, tested = (run.row(run.fold()[p]["trials"][0] + "/0") for p in ("train", "test"))
    features["eeg"][1][tested] = features["eeg"][1][trained]
    report = run.audit(features=features)
    assert kinds(report, "leak") == {("loso_stimulus", "duplicate")}
    assert report.proven["loso_stimulus"] == ()


def test_digests_stand_for_rows() -> None:
    run = Run("loso_stimulus")
    digests = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, (len(run.samples), 1))
    features = {"eeg": (list(run.samples["sample"]), digests)}
    assert run.audit(features=features).verdict == "clean"
    trained, tested = (run.row(run.fold()[p]["trials"][0] + "/0") for p in ("train", "test"))
    digests[tested] = digests[trained]
    assert kinds(run.audit(features=features), "leak") == {("loso_stimulus", "duplicate")}


def test_rows_of_zeros_are_absent_samples_not_duplicates() -> None:
    run = Run("loso")
    features = features_of(run)
    features["eeg"][1][::7] = 0.0
    assert run.audit(features=features).verdict == "clean"


def test_features_that_reach_over_the_trial() -> None:
    run = Run("random_window", "loso")
    run.record["features"]["eeg"]["reaches"] = "trial"
    report = run.audit()
    assert ("random_window", "reach") in kinds(report, "leak")
    assert ("loso", "reach") not in kinds(report, "leak")


def test_undeclared_columns_that_are_constant_in_a_trial() -> None:
    run = Run("random_window")
    features = features_of(run)
    assert ("random_window", "reach") not in kinds(run.audit(features=features), "leak")
    features["eeg"][1][:, 2] = pd.factorize(run.samples["trial"])[0]
    features["eeg"][1][:, 3] = 1.0  # constant everywhere: tells nothing
    report = run.audit(features=features)
    (finding,) = [f for f in report.findings if f.kind == "reach"]
    assert "eeg has 1 column constant within every trial" in finding.evidence


def test_unlabelled_steps_over_a_recording_are_a_caution() -> None:
    run = Run("trial_622", "loso")
    run.record["features"]["eeg"]["reaches"] = "recording"
    report = run.audit()
    assert ("trial_622", "reach") in kinds(report, "caution")
    assert ("loso", "reach") not in kinds(report, "caution")
    assert report.verdict == "clean"


# -- tampering with fits ---------------------------------------------------------------------------------


def fold_ids(run: Run, part: str, number: int = 0) -> list[str]:
    trials = run.fold(number)[part]["trials"]
    return list(run.samples.loc[run.samples["trial"].isin(trials), "sample"])


@pytest.mark.parametrize("what", ["scaler", "class_weights", "model", "luminance"])
def test_fitted_on_other_than_the_training_samples(what: str) -> None:
    run = Run("loso_stimulus")
    run.fits[0]["saw"][what] = protocols.hash_ids(fold_ids(run, "train") + fold_ids(run, "test"))
    report = run.audit()
    assert kinds(report, "leak") == {("loso_stimulus", "fit")}
    of = "trials" if what == "luminance" else "samples"
    assert f"{what} was fitted on other than the fold's training {of}" in report.findings[0].evidence
    assert report.proven["loso_stimulus"] == ()


def test_training_windows_that_were_not_selected() -> None:
    run = Run("loso_stimulus")
    run.fits[0]["saw"]["model"] = protocols.hash_ids(fold_ids(run, "train"))
    assert kinds(run.audit(), "leak") == {("loso_stimulus", "fit")}


@pytest.mark.parametrize("what", ["epoch", "temperature"])
@pytest.mark.parametrize(
    ("part", "said"), [("test", "the test samples"), ("train", "other than the validation")]
)
def test_chosen_on_other_than_the_validation_samples(what: str, part: str, said: str) -> None:
    run = Run("loso_stimulus")
    run.fits[0]["saw"][what] = protocols.hash_ids(fold_ids(run, part))
    report = run.audit()
    assert kinds(report, "leak") == {("loso_stimulus", what)}
    assert f"{what} was chosen on {said}" in report.findings[0].evidence


def test_an_epoch_fixed_beforehand_is_clean() -> None:
    run = Run("loso_stimulus")
    for fit in run.fits:
        fit["saw"]["epoch"] = fit["saw"]["temperature"] = "fixed"
    assert run.audit().findings == ()


def test_an_epoch_of_unknown_origin() -> None:
    run = Run("loso_stimulus")
    del run.fits[0]["saw"]["epoch"]
    assert kinds(run.audit(), "leak") == {("loso_stimulus", "epoch")}


def test_an_epoch_chosen_without_a_validation_part() -> None:
    run = Run("seed7_loso", n_val_subjects=0)
    assert run.audit().verdict == "clean"
    run.fits[0]["saw"]["epoch"] = protocols.hash_ids([])
    assert ("seed7_loso", "epoch") in kinds(run.audit(), "leak")


def test_scaling_each_subject_by_itself_is_a_caution() -> None:
    run = Run("loso_stimulus")
    for fit in run.fits:
        fit["saw"]["scaler"] = "subject"
    report = run.audit()
    assert report.verdict == "clean"
    assert kinds(report, "caution") == {("loso_stimulus", "transductive")}
    assert "subject" in report.proven["loso_stimulus"]
    run.fits[0]["saw"]["class_weights"] = "subject"  # these would need labels
    assert kinds(run.audit(), "leak") == {("loso_stimulus", "fit")}


@pytest.mark.parametrize("value", [2e-4, float("nan")])
def test_inference_that_couples_samples(value: float) -> None:
    run = Run("loso_stimulus")
    run.fits[3]["coupling"] = value
    assert kinds(run.audit(), "leak") == {("loso_stimulus", "coupling")}


def test_a_model_that_couples_samples_by_its_build_is_a_leak_however_little_it_shows() -> None:
    run = Run("loso_stimulus")
    run.record["models"]["net"]["couples_samples"] = True
    (found,) = [f for f in run.audit().findings if f.severity == "leak"]
    assert found.kind == "coupling"
    assert "by the way it is built" in found.evidence


def test_coupling_that_was_not_measured_is_a_caution() -> None:
    run = Run("loso_stimulus")
    del run.fits[3]["coupling"]
    report = run.audit()
    assert kinds(report, "caution") == {("loso_stimulus", "coupling")}
    run.record["models"]["net"]["kind"] = "estimator"  # predicts row by row
    assert run.audit().findings == ()


def test_the_probe_asks_alone_and_together() -> None:
    run = Run("loso_stimulus")
    rng = np.random.default_rng(2)
    table = dict(zip(run.samples["sample"], rng.dirichlet(np.ones(CLASSES), len(run.samples)), strict=True))

    def alone(ids: list[str]) -> np.ndarray:
        return np.stack([table[i] for i in ids])

    def centred(ids: list[str]) -> np.ndarray:  # what attention over the batch does
        return alone(ids) - alone(ids).mean(axis=0)

    assert run.audit(probe=alone).verdict == "clean"
    report = run.audit(probe=centred)
    assert kinds(report, "leak") == {("probe", "coupling")}
    assert report.proven["loso_stimulus"] == ()
    with pytest.raises(InputError, match="the probe gave shapes"):
        run.audit(probe=lambda ids: np.zeros((1, CLASSES)))


def test_a_fit_that_is_not_recorded() -> None:
    run = Run("loso_stimulus")
    del run.fits[2]
    report = run.audit()
    assert kinds(report, "leak") == {("loso_stimulus", "fit")}
    assert "predictions come from a fit that is not recorded" in report.findings[0].evidence


def test_a_fit_that_does_not_say_what_it_saw() -> None:
    run = Run("loso_stimulus")
    del run.fits[2]["saw"]["model"]
    assert "is not recorded" in run.audit().findings[0].evidence


def test_one_fit_serves_fewer_modalities_but_not_others() -> None:
    run = Run("loso_stimulus")  # fitted for both, predicts "eye" as well
    run.fits[0]["modalities"] = "eeg"
    assert "a fit that is not recorded" in run.audit().findings[0].evidence


def test_a_fit_of_no_fold() -> None:
    run = Run("loso_stimulus")
    run.fits.append({**run.fits[0], "fold": "subject=99"})
    (finding,) = run.audit().findings
    assert (finding.kind, finding.severity) == ("fit", "leak")
    assert "belongs to no fold" in finding.evidence


# -- tampering with predictions --------------------------------------------------------------------------


def foreign(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[0, "fold"] = "subject=2,clips=3"
    return table


def relabelled(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[0, "label"] = (table.loc[0, "label"] + 1) % CLASSES
    return table


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (foreign, "predicted samples stand in training or validation"),
        (lambda t: pd.concat([t, t.iloc[[0]]], ignore_index=True), "samples are predicted more than once"),
        (lambda t: t.drop(index=0), "tested samples have no prediction"),
        (relabelled, "the label of predictions differs"),
        (lambda t: t.assign(fold=t["fold"].replace("subject=1,clips=1", "x")), "belong to no fold"),
    ],
)
def test_predictions_that_do_not_fit_the_folds(
    tamper: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    run = Run("loso_stimulus")
    run.predictions = tamper(run.predictions)
    report = run.audit()
    assert ("loso_stimulus", "predictions") in kinds(report, "leak")
    assert said in " ".join(f.evidence for f in report.findings)
    assert report.proven["loso_stimulus"] == ()


def test_samples_without_the_modality_need_no_prediction() -> None:
    run = Run("loso_stimulus")
    run.samples.loc[run.row("s1/c1/0"), "present_eye"] = True  # now it exists, and was not predicted
    assert "tested samples have no prediction" in run.audit().findings[0].evidence


def test_folds_that_were_not_predicted_are_a_caution() -> None:
    run = Run("loso_stimulus")
    run.predictions = run.predictions[run.predictions["fold"] != "subject=1,clips=1"]
    report = run.audit()
    assert report.verdict == "clean"
    assert kinds(report, "caution") == {("loso_stimulus", "incomplete")}


# -- bad input, words, speed -----------------------------------------------------------------------------


def test_runs_that_cannot_be_audited(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run folder"):
        protocols.audit(tmp_path / "nothing", None)
    with pytest.raises(InputError, match=r"record\.json: missing or unreadable"):
        protocols.audit(tmp_path, None)
    folder = Run("loso").write(tmp_path / "run")
    (folder / "samples.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"samples\.parquet: not a readable Parquet table"):
        protocols.audit(folder, None)
    (folder / "splits.json").write_text("{")
    with pytest.raises(InputError, match=r"splits\.json: not JSON"):
        protocols.audit(folder, None)


def test_parts_of_different_runs() -> None:
    run = Run("loso")
    other = copy.deepcopy(run)
    other.samples = run.samples[run.samples["subject"] != "1"]
    with pytest.raises(
        InputError, match="fold subject=1 of loso names 's1/c1', which is not among the samples"
    ):
        other.audit()
    other = copy.deepcopy(run)
    other.predictions.loc[0, "sample"] = "s9/c9/9"
    with pytest.raises(InputError, match="predictions: sample 's9/c9/9' is not among the samples"):
        other.audit()
    with pytest.raises(InputError, match="the run has no samples, splits"):
        protocols.audit({"record": {}}, None)
    other = copy.deepcopy(run)
    del other.samples["stimulus"]
    with pytest.raises(InputError, match="samples: no column stimulus"):
        other.audit()


@pytest.mark.parametrize(
    ("proven", "printed"),
    [
        ((), []),
        (("subject", "session", "trial"), ["cross-subject"]),
        (("stimulus", "trial"), ["cross-stimulus"]),
        (("subject", "stimulus", "session", "trial", "event"), ["cross-subject", "cross-stimulus"]),
        (("session", "trial"), ["cross-session"]),
        (("trial", "event"), ["cross-trial"]),
        (("event",), ["cross-event"]),
    ],
)
def test_words_that_may_be_printed(proven: tuple[str, ...], printed: list[str]) -> None:
    assert protocols.words(proven) == printed


@pytest.mark.slow
def test_a_full_study_is_audited_in_seconds() -> None:
    samples = make_samples(n_subjects=20, n_clips=80, n_windows=44)  # 70,400 samples
    run = Run("loso_stimulus", samples=samples)  # 80 folds
    run.samples["duration"] = 6.0  # windows overlap their neighbours
    begin = time.perf_counter()
    report = run.audit()
    seconds = time.perf_counter() - begin
    assert report.verdict == "clean"
    assert seconds < 20  # about 2 s measured alone; the rest is for a machine that is busy or slow
