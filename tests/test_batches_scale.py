"""Scaling is fitted on what it is given and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.batches import Scaler, Table, fit_scaler
from mien.batches.scale import LIMIT
from mien.core import Sample


def table(values: NDArray[np.floating], subjects: list[str] | None = None) -> Table:
    subjects = subjects or ["1"] * len(values)
    samples = tuple(
        Sample(id=f"s{i}", trial="t", subject=s, session="1", stimulus="c") for i, s in enumerate(subjects)
    )
    return Table(
        samples=samples,
        inputs={"eeg": values},
        present={"eeg": np.ones(len(values), bool)},
        axes={"eeg": {"feature": tuple(f"f{i}" for i in range(values.shape[1]))}},
        intensity=np.full(len(values), np.nan),
    )


def numbers(n: int = 60, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, -2.0]).astype(np.float32)


def test_training_rows_come_out_with_mean_0_and_sd_1():
    values = numbers()
    made = fit_scaler(table(values), np.arange(60), mode="train").apply("eeg", values, np.full(60, "1"))
    # float32 results of magnitude 1 summed over 60 rows
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(made.std(axis=0), 1, atol=1e-5)


@given(seed=st.integers(0, 1000), rows=st.sets(st.integers(0, 59), min_size=2, max_size=58))
def test_rows_that_are_not_given_change_nothing(seed: int, rows: set[int]):
    chosen = np.array(sorted(rows))
    values = numbers()
    before = fit_scaler(table(values), chosen, mode="train").to_arrays()
    other = np.random.default_rng(seed).standard_normal(values.shape).astype(np.float32) * 1e6
    other[chosen] = values[chosen]
    after = fit_scaler(table(other), chosen, mode="train").to_arrays()
    for name, array in before.items():
        assert array.tobytes() == after[name].tobytes()


def test_rows_that_are_given_change_something():
    values = numbers()
    moved = values.copy()
    moved[3] += 1
    chosen = np.arange(30)
    before, after = (fit_scaler(table(v), chosen, mode="train").to_arrays() for v in (values, moved))
    assert (before["eeg/*/mean"] != after["eeg/*/mean"]).all()


def test_each_subject_is_scaled_by_its_own_rows():
    people = ["1"] * 30 + ["2"] * 30
    values = numbers()
    shifted = values.copy()
    shifted[30:] = shifted[30:] * 3 + 50
    made = fit_scaler(table(shifted, people), np.arange(60), mode="subject")
    assert set(made.constants) == {("eeg", "1"), ("eeg", "2")}
    own = made.apply("eeg", shifted, np.array(people))
    plain = fit_scaler(table(values, people), np.arange(60), mode="subject")
    # subject 2's shift and spread are gone; float32 of magnitude 50 leaves about 50 * 6e-8 / sd 0.3
    np.testing.assert_allclose(own, plain.apply("eeg", values, np.array(people)), atol=1e-4)
    for half in (own[:30], own[30:]):
        np.testing.assert_allclose(half.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(half.std(axis=0), 1, atol=1e-4)
    first = fit_scaler(table(values, people), np.arange(60), mode="subject").to_arrays()
    assert first["eeg/1/mean"].tobytes() == made.to_arrays()["eeg/1/mean"].tobytes()


def test_sums_are_kept_in_double_precision():
    rng = np.random.default_rng(1)
    values = (1e4 + rng.standard_normal((200_000, 1))).astype(np.float32)
    made = fit_scaler(table(values), np.arange(len(values)), mode="train").to_arrays()
    exact = values.astype(np.float64)
    # what is left is the rounding of the result to float32: 1e4 * 6e-8 and 1 * 6e-8; single-precision sums of
    # 2e9 would be off by far more
    assert made["eeg/*/mean"][0] == pytest.approx(exact.mean(), abs=1e-3)
    assert made["eeg/*/sd"][0] == pytest.approx(exact.std(), abs=1e-6)


def test_a_feature_that_never_changes_is_centred_only():
    values = np.column_stack([np.full(10, 7.3), np.arange(10.0)]).astype(np.float32)
    made = fit_scaler(table(values), np.arange(10), mode="train")
    assert made.to_arrays()["eeg/*/sd"][0] == 1.0
    assert np.abs(made.apply("eeg", values, np.full(10, "1"))[:, 0]).max() < 1e-6  # 7.3 in float32


def test_missing_values_are_left_out_of_the_fit_and_become_the_mean():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [np.inf, np.nan]], np.float32)
    made = fit_scaler(table(values), np.arange(4), mode="train")
    mean, sd = made.constants["eeg", "*"]
    assert mean.tolist() == [2.0, 0.0]
    assert sd.tolist() == [1.0, 1.0]
    out = made.apply("eeg", values, np.full(4, "1"))
    np.testing.assert_array_equal(out, [[-1, 0], [1, 0], [0, 0], [LIMIT, 0]])


def test_outliers_are_held_at_the_limit_and_the_input_is_left_alone():
    values = numbers()
    made = fit_scaler(table(values), np.arange(60), mode="train")
    wild = values.copy()
    wild[0] = 1e9
    copy = wild.copy()
    out = made.apply("eeg", wild, np.full(60, "1"))
    assert out.dtype == np.float32
    assert out[0].tolist() == [LIMIT] * 3
    np.testing.assert_array_equal(wild, copy)


@pytest.mark.parametrize("mode", ["train", "subject"])
def test_constants_survive_as_arrays(mode):
    people = ["a/b"] * 30 + ["2"] * 30
    made = fit_scaler(table(numbers(), people), np.arange(60), mode=mode)
    again = Scaler.from_arrays(mode, made.to_arrays())
    assert set(again.constants) == set(made.constants)
    first, second = (s.apply("eeg", numbers(), np.array(people)) for s in (made, again))
    assert first.tobytes() == second.tobytes()
