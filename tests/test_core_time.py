"""Seconds and samples."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core import n_windows, natural_key, to_samples, to_seconds

RATES = st.sampled_from([0.25, 1.0, 25.0, 29.97, 128.0, 150.0, 200.0, 250.0, 500.0, 999.9, 1000.0])


@given(n=st.integers(-(10**8), 10**8), rate=RATES)
def test_samples_survive_the_way_to_seconds_and_back(n: int, rate: float):
    assert to_samples(to_seconds(n, rate), rate) == n


@given(start=st.floats(0, 1e5), lengths=st.lists(st.floats(0.001, 500.0), min_size=2, max_size=6), rate=RATES)
def test_neighbouring_spans_share_no_sample_and_leave_none_out(start, lengths, rate):
    edges = [start]
    for length in lengths:
        edges.append(edges[-1] + length)
    # a span is [to_samples(start), to_samples(stop)): neighbours share an edge, so it must only never go back
    counts = [to_samples(edge, rate) for edge in edges]
    assert all(first <= stop for first, stop in pairwise(counts))
    assert counts[-1] - counts[0] == pytest.approx((edges[-1] - edges[0]) * rate, abs=1)


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"),
    [
        (0.5, 1.0, 1),  # halves go up, 0.5 and 1.5 alike: round() would give 0 and 2
        (1.5, 1.0, 2),
        (-0.5, 1.0, 0),
        (-1.5, 1.0, -1),
        (0.29, 100.0, 29),  # 0.29 * 100 = 28.999999999999996
        (1.005, 100.0, 101),  # 100.49999999999999: the half that rounding of the product took away
        (4.0, 200.0, 800),
    ],
)
def test_known_samples(seconds: float, rate: float, expected: int):
    assert to_samples(seconds, rate) == expected


def test_a_rate_must_be_positive():
    with pytest.raises(ValueError, match="rate must be positive, got 0"):
        to_samples(1.0, 0)
    with pytest.raises(ValueError, match="rate must be positive, got -1"):
        to_seconds(1, -1)


@given(n=st.integers(0, 5000), length=st.integers(1, 300), stride=st.integers(1, 300))
def test_windows_are_as_many_as_fit(n: int, length: int, stride: int):
    assert n_windows(n, length=length, stride=stride) == len(range(0, n - length + 1, stride))


def test_windows_have_at_least_one_sample():
    with pytest.raises(ValueError, match="at least one sample, got 0 and 1"):
        n_windows(10, length=0, stride=1)


def test_names_are_sorted_the_way_people_count():
    assert sorted(["10", "2", "sub-10", "sub-9", "1"], key=natural_key) == ["1", "2", "10", "sub-9", "sub-10"]
