"""A stream of separately stored clips: what a span gives, and what it refuses."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from mien.core import InputError, Source, to_samples
from mien.io.clips import Clip, ClipSource
from mien.io.mat import MatFile

RATE = 10.0


def halved(stored: np.ndarray) -> np.ndarray:
    return stored / 2


@pytest.fixture
def source(tmp_path: Path) -> ClipSource:
    """Two clips of two channels: 3.7 s from 0, 2 s from 3.7; a value is 2000 * clip + 2 * sample."""
    stored = {str(k): 2000.0 * k + 2.0 * np.arange(n) * np.ones((2, 1)) for k, n in ((1, 37), (2, 20))}
    savemat(tmp_path / "1.mat", stored)
    file = MatFile(tmp_path / "1.mat")
    clips = (
        Clip(name="1", start=0.0, duration=3.7, n_times=37, file=file, key="1"),
        Clip(name="2", start=3.7, duration=2.0, n_times=20, file=file, key="2"),
    )
    return ClipSource(clips=clips, rate=RATE, n_channels=2, arrange=halved)


@pytest.fixture
def windows(tmp_path: Path) -> ClipSource:
    """One clip of 10 s from 20 s on, with two stored windows of 4 s."""
    savemat(tmp_path / "w.mat", {"5": np.array([[1.0, 2.0]])})
    clip = Clip(name="5", start=20.0, duration=10.0, n_times=2, file=MatFile(tmp_path / "w.mat"), key="5")
    return ClipSource(clips=(clip,), rate=0.25, n_channels=1, arrange=np.asarray, windowed=True)


def test_reads_in_the_asked_unit_from_the_right_clip(source: ClipSource) -> None:
    assert isinstance(source, Source)
    np.testing.assert_array_equal(source.read(0.0, 3.7)[1], 1000 + np.arange(37))
    np.testing.assert_array_equal(source.read(3.7, 2.0)[0], 2000 + np.arange(20))
    np.testing.assert_array_equal(source.read(4.2, 0.3)[0], 2000 + np.array([5, 6, 7]))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 37), min_size=1, max_size=5))
def test_neighbouring_spans_share_and_lose_no_sample(source: ClipSource, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 37]
    parts = [source.read(a / RATE, (b - a) / RATE) for a, b in itertools.pairwise(edges)]
    assert [p.shape[1] for p in parts] == [
        to_samples((b - a) / RATE, RATE) for a, b in itertools.pairwise(edges)
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), source.read(0.0, 3.7))


@pytest.mark.parametrize(("start", "duration"), [(3.0, 1.0), (-1.0, 0.5), (5.0, 1.0), (0.0, 5.7)])
def test_a_span_outside_every_clip_names_the_clips(source: ClipSource, start: float, duration: float) -> None:
    assert not source.covers(start, duration)
    with pytest.raises(InputError, match=r"clip 1 \[0 s, 3\.7 s\), clip 2 \[3\.7 s, 5\.7 s\)"):
        source.read(start, duration)


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [
        (20.0, 10.0, [1, 2]),  # 2.5 windows asked for
        (20.0, 4.0, [1]),
        (24.0, 4.0, [2]),
        (21.0, 7.0, [2]),  # the first is not whole within [21, 28)
        (20.0, 3.9, []),
        (26.0, 4.0, []),
    ],
)
def test_windows_are_given_whole(
    windows: ClipSource, start: float, duration: float, expected: list[float]
) -> None:
    assert windows.read(start, duration).tolist() == [expected]
    assert windows.covers(start, duration) == bool(expected)


def test_shape_that_is_not_what_was_promised(source: ClipSource) -> None:
    wrong = ClipSource(clips=source.clips, rate=RATE, n_channels=3, arrange=halved)
    with pytest.raises(InputError, match=r"variable '1' gave shape \(2, 37\); expected \(3, 37\)"):
        wrong.read(0.0, 1.0)


def test_files_are_named_once(source: ClipSource, tmp_path: Path) -> None:
    assert source.files() == (tmp_path / "1.mat",)
