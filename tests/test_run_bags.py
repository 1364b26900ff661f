"""What is kept of bags: which examples, whose pictures, and the numbers in bags.npz, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mien import simulate
from mien.batches import Table
from mien.core import Batch, Features, Recording, Sample, Span, Split, Trial
from mien.run import bags, study
from mien.run.bags import bag_of, bag_of_fit, examples, keep, look, watched, write_bags
from mien.run.extract import FeatureSpec
from mien.run.fold import importance
from mien.run.store import Store

N = 4
"""Instances of a bag."""


def table_of(rows: list[tuple[str, str, int | None]], *, absent: tuple[int, ...] = ()) -> Table:
    """Rows of (trial, subject, label): two windows of 3 s a trial, bags of four instances of two values."""
    samples = tuple(
        Sample(
            id=f"{trial}@{3.0 * k:.3f}", trial=trial, subject=subject, session="1", stimulus=f"c{trial}",
            label=label, start=10.0 + 3.0 * k, duration=3.0,
        )
        for trial, subject, label in rows
        for k in range(2)
    )  # fmt: skip
    n = len(samples)
    present = np.ones(n, bool)
    present[list(absent)] = False
    return Table(
        samples=samples,
        inputs={"eeg": np.ones((n, 3), np.float32), "face": np.ones((n, 2 * N), np.float32)},
        present={"eeg": np.ones(n, bool), "face": present},
        axes={
            "eeg": {"feature": ("a", "b", "c")},
            "face": {"instance": tuple("0123"), "value": ("x", "y")},
        },
        intensity=np.full(n, np.nan),
    )


def folds_of(table: Table, tested: list[int]) -> list[Split]:
    """Each of some rows tested alone."""
    ids = [s.id for s in table.samples]
    return [
        Split(fold=str(i), train=("x",), val=(), test=(ids[i],), held_out={}, unit="window") for i in tested
    ]


MANY = table_of([(f"t{i}", f"p{i % 3}", i % 3) for i in range(30)])


def test_examples_are_two_of_each_class_and_of_two_people() -> None:
    rows = examples(MANY, folds_of(MANY, list(range(60))))
    labels = MANY.labels[rows]
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    # in this table the class follows from the subject: there is no second person to be had
    assert MANY.subjects[rows].tolist() == ["p0", "p0", "p1", "p1", "p2", "p2"]
    mixed = table_of([(f"t{i}", f"p{i // 10}", i % 3) for i in range(30)])
    rows = examples(mixed, folds_of(mixed, list(range(60))))
    people = mixed.subjects[rows].reshape(3, 2)
    assert (people[:, 0] != people[:, 1]).all()


def test_examples_follow_from_ids_alone() -> None:
    backwards = replace(
        MANY,
        samples=MANY.samples[::-1],
        inputs={s: v[::-1] for s, v in MANY.inputs.items()},
        present={s: v[::-1] for s, v in MANY.present.items()},
    )
    every = list(range(60))
    ids = [[t.samples[i].id for i in examples(t, folds_of(t, every))] for t in (MANY, backwards)]
    assert ids[0] == ids[1]
    assert ids[0] == [MANY.samples[i].id for i in examples(MANY, folds_of(MANY, every[::-1]))]


def test_examples_are_tested_have_a_bag_and_a_label() -> None:
    table = table_of([("a", "p", 0), ("b", "p", None), ("c", "p", 1), ("d", "p", 1)], absent=(0, 4))
    assert examples(table, folds_of(table, [0, 1, 2, 3, 4, 5])).tolist() == [1, 5]
    assert examples(table, folds_of(table, [0])).tolist() == []
    assert examples(table, []).tolist() == []


def test_many_classes_give_no_more_than_eight_examples() -> None:
    table = table_of([(f"t{i}", "p", i % 7) for i in range(14)])
    found = table.labels[examples(table, folds_of(table, list(range(28))))]
    assert sorted(set(found.tolist())) == list(range(7))  # one of each before a second of any
    assert len(found) == bags.MOST


def test_what_is_a_bag_and_with_which_streams_it_is_looked_at() -> None:
    assert bag_of(MANY) == "face"
    assert watched(MANY, [("eeg",), ("face",), ("eeg", "face")]) == ("eeg", "face")
    assert watched(MANY, [("eeg",)]) is None
    none = replace(MANY, axes={"eeg": MANY.axes["eeg"], "face": {"value": tuple("abcdefgh")}})
    assert bag_of(none) is None
    assert watched(none, [("eeg", "face")]) is None
    assert examples(none, folds_of(none, [0])).tolist() == []


class Chooser(nn.Module):
    """Weighs instances by their first value, and chooses the two largest."""

    def __init__(self, *, tells: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]]))
        self.tells = tells
        self.sizes: list[int] = []

    def forward(self, inputs: dict[str, Any], present: dict[str, Any]) -> Any:
        self.sizes.append(len(next(iter(inputs.values()))))
        assert not self.training
        logits = inputs["eeg"] @ self.weight.T if "eeg" in inputs else None
        if not self.tells:
            return SimpleNamespace(logits=logits, attention=None, selected=None)
        attention = inputs["face"].unflatten(1, (N, 2))[:, :, 0].softmax(1)
        return SimpleNamespace(logits=logits, attention=attention, selected=attention.topk(2, 1).indices)


def batch_of(n: int) -> Batch:
    rng = np.random.default_rng(0)
    return Batch(
        ids=tuple(f"s{i}" for i in range(n)),
        inputs={
            "eeg": rng.normal(size=(n, 3)).astype(np.float32),
            "face": rng.normal(size=(n, 2 * N)).astype(np.float32),
        },
        present={"eeg": np.arange(n) % 3 > 0, "face": np.ones(n, bool)},
        label=np.arange(n) % 2,
        domain=np.full(n, -1),
        weight=np.ones(n, np.float32),
    )


def test_attention_of_all_samples_is_gathered_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bags, "AT_ONCE", 33)  # 11 values a sample: three samples at a time
    batch, network = batch_of(7), Chooser().train()
    found = look(network, batch, streams=("eeg", "face"), bag="face")
    assert network.sizes == [3, 3, 1]
    assert network.training
    score = np.exp(batch.inputs["face"].reshape(7, N, 2)[:, :, 0])
    # float32 softmax against float64 from float32: rounding
    np.testing.assert_allclose(found["bag/attention"], score / score.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(found["bag/selected"], np.argsort(-score, axis=1)[:, :2])
    assert str(found["bag/modalities"]) == "eeg+face"


def test_samples_without_a_bag_are_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bags, "AT_ONCE", 22)
    batch, network = batch_of(7), Chooser()
    whole = look(network, batch, streams=("face",), bag="face")
    batch.present["face"][:5] = False  # more than a block of them
    found = look(network, batch, streams=("face",), bag="face")
    assert network.sizes == [2, 2, 2, 1, 2]
    np.testing.assert_allclose(found["bag/attention"][5:], whole["bag/attention"][5:], rtol=1e-6)  # rounding
    assert not found["bag/attention"][:5].any()
    assert (found["bag/selected"][:5] == -1).all()
    batch.present["face"][:] = False
    assert look(network, batch, streams=("face",), bag="face") == {}


def test_a_network_that_tells_nothing_leaves_nothing() -> None:
    assert look(Chooser(tells=False), batch_of(3), streams=("eeg", "face"), bag="face") == {}
    assert bag_of_fit({"rows/eeg": np.arange(3)}) == {}


def test_importance_is_of_the_streams_asked_for_and_the_same_in_any_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch, network = batch_of(7), Chooser().eval()
    whole = importance(network, batch, streams=["eeg"])
    assert set(whole) == {"eeg"}  # no gradient of the bag
    weight = network.weight.detach().numpy()[batch.label]
    by_hand = np.abs(batch.inputs["eeg"] * weight)[batch.present["eeg"]].mean(0)
    np.testing.assert_allclose(whole["eeg"], by_hand, rtol=1e-5)  # float32 products
    monkeypatch.setattr(bags, "AT_ONCE", 22)
    np.testing.assert_allclose(importance(network, batch, streams=["eeg"])["eeg"], by_hand, rtol=1e-5)
    nobody = replace(batch, label=np.full(7, -1))
    assert importance(network, nobody) == {}


# -- pictures --------------------------------------------------------------------------------------------


def recordings_of(table: Table) -> list[Recording]:
    trials = dict.fromkeys((s.trial, s.subject) for s in table.samples)
    return [
        Recording(
            id=trial, dataset="made", subject=subject, session="1", streams={},
            trials=(
                Trial(
                    id=trial, recording=trial, subject=subject, session="1", stimulus="c",
                    span=Span(start=10.0, duration=6.0),
                ),
            ),
        )
        for trial, subject in trials
    ]  # fmt: skip


def crops_of(trial: str, side: int = 120) -> Features:
    values = np.full((2, N, 3, side, side), int(trial[1:]), np.uint8)
    values[1] += 100
    places = tuple(map(str, range(side)))
    return Features(
        values=values,
        axes={"window": (), "instance": tuple("0123"), "rgb": tuple("rgb"), "row": places, "column": places},
        starts=np.array([10.0, 13.0]),
        durations=np.array([3.0, 3.0]),
        extractor="face_crops",
        version="1",
        valid=np.ones(2, bool),
    )


FACE = FeatureSpec(modality="face", name="face_tokens", options={"grid": 2, "face_crops": {"size": 120}})


def kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, spec: FeatureSpec = FACE, **options: Any
) -> tuple[dict[str, Any], list[FeatureSpec]]:
    """What ``keep`` writes of MANY, and what it had extracted."""
    asked: list[FeatureSpec] = []

    def extract(recordings: list[Recording], specs: list[FeatureSpec], *_: Any, **__: Any) -> Any:
        asked.extend(specs)
        return {("face", t.id): crops_of(t.id) for r in recordings for t in r.trials}

    monkeypatch.setattr(bags, "extract", extract)
    keep(
        folder, table=MANY, splits=folds_of(MANY, list(range(60))), specs=[spec],
        recordings=recordings_of(MANY), store=Store(folder / "store"),
        **({"truth": None, "faces": False} | options),
    )  # fmt: skip
    with np.load(folder / "bags.npz", allow_pickle=False) as found:
        return dict(found.items()), asked


def test_faces_of_people_are_not_kept_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, asked = kept(tmp_path, monkeypatch)
    assert str(found["pictures"]) == "withheld"
    assert "crops" not in found
    assert not asked  # they are not even read


@pytest.mark.parametrize("why", [{"faces": True}, {"truth": {"simulated": True}}])
def test_pictures_are_those_of_the_window_and_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: dict[str, Any]
) -> None:
    found, (asked,) = kept(tmp_path, monkeypatch, **why)
    assert (asked.name, asked.options["size"]) == ("face_crops", 120)
    assert str(found["pictures"]) == "kept"
    assert found["crops"].shape == (6, N, 3, bags.SIDE, bags.SIDE)
    for row, crops in zip(found["rows"], found["crops"], strict=True):
        sample = MANY.samples[row]
        assert set(np.unique(crops)) == {int(sample.trial[1:]) + (100 if sample.start == 13.0 else 0)}


def test_bags_that_are_made_of_no_pictures_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = FeatureSpec(modality="face", name="psd")
    found, asked = kept(tmp_path, monkeypatch, spec=spec, faces=True)
    assert str(found["pictures"]) == "none"
    assert not asked


def test_a_table_without_bags_leaves_no_file(tmp_path: Path) -> None:
    table = replace(MANY, axes={"eeg": MANY.axes["eeg"], "face": {"value": tuple("abcdefgh")}})
    keep(
        tmp_path, table=table, splits=[], specs=[FACE], recordings=[], store=Store(tmp_path / "store"),
        truth=None, faces=True,
    )  # fmt: skip
    write_bags(tmp_path / "figures", tmp_path, table, [], about={})
    assert not list(tmp_path.iterdir())


def test_which_instances_show_an_expression_is_known_of_made_up_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # instances of the first window stand for 0–0.75, 0.75–1.5 … s of the trial; their middles: 0.375, 1.125 …
    truth = {"shown": {"t0": [[1.0, 2.0], [5.6, 6.0]], "t1": [[9.0, 9.5]]}}
    found, _ = kept(tmp_path, monkeypatch, truth=truth)
    assert found["shown"][0].tolist() == [False, True, True, False]
    assert found["shown"][1].tolist() == [False, False, False, True]
    assert not found["shown"][2:].any()
    found, _ = kept(tmp_path / "two", monkeypatch, truth={"shown": 3})
    assert "shown" not in found


# -- bags.npz --------------------------------------------------------------------------------------------


def fit(rows: list[int], attention: Any, selected: Any) -> dict[str, Any]:
    return {
        "modalities": np.array("eeg+face"),
        "rows": np.array(rows),
        "probability": np.full((len(rows), 3), [0.5, 0.25, 0.25], np.float32),
        "attention": np.array(attention, np.float32),
        **({} if selected is None else {"selected": np.array(selected)}),
    }


def written(tmp_path: Path, fits: list[dict[str, Any]], **kept_arrays: Any) -> dict[str, Any]:
    np.savez(tmp_path / "bags.npz", pictures=np.array("withheld"), **kept_arrays)
    table = table_of([("a", "p", 0), ("b", "q", 1)], absent=(3,))
    table.inputs["face"][1, :2] = np.nan  # the first instance of row 1 is not there
    about = {"protocol": "loso", "normalise": "train"}
    write_bags(tmp_path / "out", tmp_path, table, fits, about=about)
    with np.load(tmp_path / "out" / "bags.npz", allow_pickle=False) as found:
        return dict(found.items())


def test_the_numbers_of_bags(tmp_path: Path) -> None:
    shown = np.zeros((4, N), bool)
    shown[0, :2] = shown[1, 3] = True
    first = fit([0, 1], [[0.4, 0.3, 0.2, 0.1], [0, 0.2, 0.3, 0.5]], [[0, 2], [3, -1]])
    # row 3 has no bag: it counts nowhere
    second = fit([2, 3], [[0.1, 0.2, 0.3, 0.4], [9, 9, 9, 9]], [[3, 2], [0, 1]])
    found = written(tmp_path, [first, second], rows=np.array([2, 1]), shown=shown)
    assert {k: str(found[k]) for k in ("stream", "modalities", "protocol", "normalise", "pictures")} == {
        "stream": "face", "modalities": "eeg+face", "protocol": "loso", "normalise": "train",
        "pictures": "withheld",
    }  # fmt: skip
    assert found["n"] == 3
    np.testing.assert_allclose(found["by_position"], [0.5 / 3, 0.7 / 3, 0.8 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(found["by_rank"], [1.3 / 3, 0.9 / 3, 0.6 / 3, 0.2 / 3], rtol=1e-6)
    np.testing.assert_allclose(found["chosen"], [1 / 3, 0, 2 / 3, 2 / 3])
    # row 0: one of two that show something, by luck 2 of 4; row 1: the one, by luck 1 of the 3 that are there
    assert found["recall"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["recall_by_luck"] == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert found["sample"].tolist() == ["b@0.000", "a@3.000"]
    assert found["subject"].tolist() == ["q", "p"]
    assert found["label"].tolist() == [1, 0]
    np.testing.assert_array_equal(found["selected"], [[False, False, True, True], [False] * 3 + [True]])
    np.testing.assert_array_equal(found["present"], [[True] * 4, [False, True, True, True]])
    np.testing.assert_array_equal(found["shown"], shown[[2, 1]])


def test_examples_are_those_of_the_first_seed(tmp_path: Path) -> None:
    fits = [fit([0], [[1, 0, 0, 0]], None), fit([0], [[0, 1, 0, 0]], None)]
    found = written(tmp_path, fits, rows=np.array([0]))
    assert found["n"] == 2
    np.testing.assert_array_equal(found["attention"], [[1, 0, 0, 0]])
    np.testing.assert_array_equal(found["by_position"], [0.5, 0.5, 0, 0])
    assert "chosen" not in found
    assert not found["selected"].any()


def test_bags_without_an_example_are_summed_up_all_the_same(tmp_path: Path) -> None:
    found = written(tmp_path, [fit([0], [[1, 0, 0, 0]], [[0]])], rows=np.empty(0, np.int64))
    assert "sample" not in found
    assert found["chosen"].tolist() == [1, 0, 0, 0]


@pytest.mark.slow
def test_a_study_keeps_faces_of_made_up_data_and_of_people_only_if_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "deap"
    simulate.simulate(
        "deap", root, seed=11, subjects=3, trials=12, seconds=6, video_subjects=3,
        kinds=("preprocessed", "ratings", "video"),
    )  # fmt: skip
    plan: dict[str, Any] = {
        "system": "milmer",
        "label": "valence",
        "data": {"name": "deap", "root": str(root)},
        "features": {
            "eeg": {
                "name": "de",
                "options": {"window_seconds": 3.0, "stride_seconds": 3.0, "bands": {"alpha": [8.0, 14.0]}},
            },
            "face": {"name": "face_tokens", "options": {"grid": 2, "face_crops": {"size": 48}}},
        },
        "model": {"name": "milmer", "modalities": [["eeg", "face"], ["face"]]},
        "train": {"epochs": 1},
        "protocol": {"names": ["loso", "random_window"]},
        "controls": {"shuffled": False},
    }

    def run(name: str, **changes: Any) -> dict[str, Any]:
        out = study(plan | changes, tmp_path / name, store=tmp_path / "store", workers=1)
        assert "Which instances were chosen" in (out / "report.html").read_text("utf-8")
        with np.load(out / "figures" / "bags.npz", allow_pickle=False) as found:
            return dict(found.items())

    made_up = run("made_up")
    assert str(made_up["pictures"]) == "kept"
    assert str(made_up["modalities"]) == "eeg+face"
    assert made_up["crops"].shape == (4, 10, 3, 48, 48)
    assert made_up["crops"].any(axis=(2, 3, 4))[made_up["present"]].all()
    assert made_up["by_position"].sum() == pytest.approx(1, abs=1e-5)  # float32 sums of ten
    assert made_up["shown"].sum(axis=1).tolist() == [3, 3, 3, 3]  # 0.9 s of 3 s
    # as if they were of people: the reader takes such short trials only where truth.json is
    for module in ("prepare", "collect"):
        monkeypatch.setattr(f"mien.run.{module}.read_truth", lambda _: None)
    assert str(run("people")["pictures"]) == "withheld"
    asked = run("asked", report={"faces": True})
    np.testing.assert_array_equal(asked["crops"], made_up["crops"])
    assert "shown" not in asked
