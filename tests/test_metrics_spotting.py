"""Spotting scores: small cases by hand, and the two habits that flatter public code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import metrics
from mien.core import InputError


def counts(scores: dict[str, object]) -> tuple[object, ...]:
    return scores["tp"], scores["n_truth"], scores["n_found"]


def test_frames_are_inclusive() -> None:
    # [10, 19] and [15, 24] share 5 of 15 frames
    truth, found = {"v": [(10, 19)]}, {"v": [(15, 24)]}
    assert metrics.spotting_scores(truth, found, min_iou=5 / 15)["tp"] == 1
    assert metrics.spotting_scores(truth, found, min_iou=5 / 15 + 1e-9)["tp"] == 0
    assert counts(metrics.spotting_scores(truth, found)) == (0, 1, 1)


def test_exactly_half_is_enough() -> None:
    # 10 of 20 frames; with exclusive ends it would be 9 of 19
    assert metrics.spotting_scores({"v": [(1, 20)]}, {"v": [(1, 10)]})["f1"] == 1.0
    assert metrics.spotting_scores({"v": [(1, 21)]}, {"v": [(1, 10)]})["f1"] == 0.0


def test_ratios() -> None:
    truth = {"a": [(0, 9), (100, 109)], "b": [(0, 9)], "c": []}
    found = {"a": [(1, 9), (50, 59)], "b": []}
    scores = metrics.spotting_scores(truth, found)
    assert counts(scores) == (1, 3, 2)
    assert scores["precision"] == 1 / 2
    assert scores["recall"] == 1 / 3
    assert scores["f1"] == 2 / 5


def test_each_interval_matches_once() -> None:
    assert counts(metrics.spotting_scores({"v": [(0, 9)]}, {"v": [(0, 9), (1, 9)]})) == (1, 1, 2)
    assert counts(metrics.spotting_scores({"v": [(0, 9), (1, 9)]}, {"v": [(0, 9)]})) == (1, 2, 1)


def test_the_surest_chooses_first() -> None:
    # the wide one overlaps the annotated ones by 7/13 and 8/12, the late one by 4/15 and 9/10
    truth = {"v": [(0, 9), (5, 14)]}

    def tp(wide: float, late: float) -> int:
        found = {"v": [(3, 12, None, wide), (6, 14, None, late)]}
        return int(metrics.spotting_scores(truth, found)["tp"])

    assert tp(wide=0.9, late=0.1) == 1  # takes the second, and nothing is left for the late one
    assert tp(wide=0.1, late=0.9) == 2


def test_kinds_are_matched_apart_and_pooled_by_counts() -> None:
    truth = {"v": [(0, 9, "micro"), (50, 99, "macro"), (200, 249, "macro")]}
    found = {"v": [(0, 9, "macro"), (50, 99, "macro"), (200, 249, "macro")]}
    scores = metrics.spotting_scores(truth, found)
    assert counts(scores["kinds"]["macro"]) == (2, 2, 3)
    assert counts(scores["kinds"]["micro"]) == (0, 1, 0)
    assert scores["kinds"]["micro"]["precision"] is None
    assert counts(scores) == (2, 3, 3)
    assert scores["f1"] == 4 / 6  # not the mean of 4/5 and 0


def test_videos_without_a_true_event_count() -> None:
    # public code keeps only the videos that hold an event of the wanted kind
    truth = {"event": [(0, 9)], "none": []}
    found = {"event": [(0, 9)], "none": [(0, 9), (20, 29)]}
    assert counts(metrics.spotting_scores(truth, found)) == (1, 1, 3)
    assert metrics.spotting_scores({"event": [(0, 9)]}, found) == metrics.spotting_scores(truth, found)


def test_silent_videos_need_no_dummy_interval() -> None:
    truth = {"a": [(0, 9)], "b": [(0, 9)]}
    silent = metrics.spotting_scores(truth, {"a": [(0, 9)], "b": []})
    dummy = metrics.spotting_scores(truth, {"a": [(0, 9)], "b": [(0, 0)]})
    assert (silent["precision"], dummy["precision"]) == (1.0, 0.5)
    assert metrics.spotting_scores(truth, {"a": [(0, 9)]}) == silent


def test_nothing_at_all() -> None:
    nothing = metrics.spotting_scores({"v": []}, {})
    assert (nothing["precision"], nothing["recall"], nothing["f1"]) == (None, None, None)
    assert metrics.spotting_scores({"v": [(0, 9)]}, {})["f1"] == 0.0


intervals = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda t: (t[0], t[0] + t[1])), max_size=6
)


@settings(max_examples=100, deadline=None)
@given(truth=intervals, found=intervals, seed=st.integers(0, 5))
def test_properties(truth: list[tuple[int, int]], found: list[tuple[int, int]], seed: int) -> None:
    scores = metrics.spotting_scores({"v": truth}, {"v": found})
    assert 0 <= scores["tp"] <= min(len(truth), len(found))
    moved = {"v": [(a + 100, b + 100) for a, b in truth]}, {"v": [(a + 100, b + 100) for a, b in found]}
    assert metrics.spotting_scores(*moved) == scores
    mixed = [found[i] for i in np.random.default_rng(seed).permutation(len(found))]
    assert metrics.spotting_scores({"v": truth}, {"v": mixed}) == scores
    assert metrics.spotting_scores({"v": truth}, {"v": truth})["tp"] == len(truth)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ([(9, 0)], "truth of v: offset 0 before onset 9"),
        ([(9,)], r"interval of 1 values; expected \(onset, offset"),
        ([(0, 9, "micro"), (20, 29)], "some intervals have a kind and others have none"),
    ],
)
def test_intervals_that_cannot_be(truth: list[tuple[object, ...]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        metrics.spotting_scores({"v": truth}, {})
