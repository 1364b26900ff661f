"""The page of a prediction: the same numbers in, the same bytes out, and nothing unescaped."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mien.report.timeline import Timeline, _edges, _with_gaps, write_timeline

CLASSES = ("calm", "tense <b>", "glad")


def line(n: int = 6, *, stride: float = 4.0, duration: float = 4.0, title: str = "rest") -> Timeline:
    rng = np.random.default_rng(0)
    return Timeline(
        title=title,
        classes=CLASSES,
        start=stride * np.arange(n),
        duration=np.full(n, duration),
        probabilities=rng.dirichlet(np.ones(3), size=n),
        warnings=("made up <i>", "second."),
        notes=("a note",),
        facts=(("Rate", "160 Hz & more"),),
    )


def test_it_says_everything_once_and_escapes_it(tmp_path: Path) -> None:
    text = write_timeline(tmp_path / "a.html", line(title="<script>x")).read_text("utf-8")
    assert "<script" not in text
    assert "<b>" not in text
    assert text.count("<li>Made up &lt;i&gt;.</li>") == 1
    assert text.count("<li>Second.</li>") == 1
    assert text.index("Made up") < text.index("Over time") < text.index("A note.")
    assert "160 Hz &amp; more" in text
    assert "6 windows over 24 s" in text
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)


def test_the_table_is_the_mean_and_the_share_of_windows(tmp_path: Path) -> None:
    given = line()
    text = write_timeline(tmp_path / "a.html", given).read_text("utf-8")
    rows = re.findall(r"<tr><td>(.*?)</td><td class=num>(.*?) %</td><td class=num>(.*?) %</td></tr>", text)
    mean, best = given.probabilities.mean(axis=0), given.probabilities.argmax(axis=1)
    assert [float(r[1]) for r in rows] == sorted((round(100 * m, 1) for m in mean), reverse=True)
    assert rows[0][0] == CLASSES[int(mean.argmax())].replace("<b>", "&lt;b&gt;")
    assert float(rows[0][2]) == round(100 * float((best == mean.argmax()).mean()), 1)


def test_the_same_prediction_is_the_same_page(tmp_path: Path) -> None:
    first, second = (write_timeline(tmp_path / name, line()).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


@pytest.mark.parametrize(("stride", "duration"), [(4.0, 4.0), (2.0, 4.0), (6.0, 4.0)])
def test_windows_may_touch_overlap_or_leave_gaps(stride: float, duration: float, tmp_path: Path) -> None:
    given = line(stride=stride, duration=duration)
    edges, shown = _edges(given), _with_gaps(given)
    assert (np.diff(edges) > 0).all()
    assert shown.shape == (len(edges) - 1, 3)
    # in the middle of what each window shows before the next begins stands that window
    middle = given.start + min(stride, duration) / 2
    np.testing.assert_array_equal(
        shown[np.searchsorted(edges, middle, side="right") - 1], given.probabilities
    )
    assert np.isnan(shown[:, 0]).sum() == (5 if stride > duration else 0)
    assert write_timeline(tmp_path / "a.html", given).stat().st_size > 5000


def test_an_hour_is_no_larger_than_a_picture(tmp_path: Path) -> None:
    """900 windows: the map is one embedded picture, not thousands of rectangles."""
    text = write_timeline(tmp_path / "a.html", line(900)).read_text("utf-8")
    assert "data:image/png" in text
    assert len(text) < 600_000


def test_one_window_is_a_timeline_too(tmp_path: Path) -> None:
    assert "1 window over 4 s" in write_timeline(tmp_path / "a.html", line(1)).read_text("utf-8")
