"""The section on bags: what it shows, what it withholds, and what bags.npz must be."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from _fake_run import write_fake_run
from mien.core import InputError
from mien.report import read_run, rows, write_report
from mien.report.bag_figures import _strip
from mien.report.panels import Story
from mien.report.section_bags import bags

N, K = 5, 2
CLASSES = ("low", "high")


def arrays(**changes: Any) -> dict[str, Any]:
    """A sound bags.npz: two examples, bags of five instances, pictures withheld."""
    attention = np.array([[0.5, 0.2, 0.1, 0.1, 0.1], [0.1, 0.1, 0.0, 0.2, 0.6]], np.float32)
    selected = attention >= 0.2
    out: dict[str, Any] = {
        "stream": np.array("face"), "modalities": np.array("eeg+face"), "protocol": np.array("loso"),
        "normalise": np.array("train"), "pictures": np.array("withheld"), "n": np.array(1234),
        "by_position": attention.mean(0), "by_rank": np.array([0.55, 0.2, 0.1, 0.1, 0.05]),
        "chosen": selected.mean(0),
        "sample": np.array(["p1/3@0", "p2/7@4"]), "subject": np.array(["p1", "p2"]),
        "label": np.array([0, 1]), "probability": np.array([[0.75, 0.25], [0.625, 0.375]], np.float32),
        "attention": attention, "selected": selected, "present": attention > 0,
    }  # fmt: skip
    out |= changes
    return {k: v for k, v in out.items() if v is not None}


def crops(side: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(1, 255, (K, N, 3, side, side), np.uint8)


def with_bags(folder: Path, *, simulated: bool = True, **changes: Any) -> Path:
    run = write_fake_run(
        folder, protocols=("loso",), normalise=("train",), models=("maet",), modalities=("eeg",),
        classes=CLASSES, n_subjects=3, n_clips=8, windows=2, shuffled=False, simulated=simulated,
    )  # fmt: skip
    np.savez(run / "figures" / "bags.npz", **arrays(**changes))
    return run


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals from 20 draws: none is looked at here."""
    monkeypatch.setattr(rows, "N_DRAWS", 20)


def section(run: Path) -> str:
    return bags(Story.of(read_run(run)))


def said(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", re.sub(r"<svg\b.*?</svg>", " ", text, flags=re.S)))


def drawn(text: str) -> list[str]:
    """What is written in the drawings."""
    return [re.sub(r"<[^>]+>", "", t).strip() for t in re.findall(r"<text\b.*?</text>", text, flags=re.S)]


def pictures(text: str) -> list[np.ndarray]:
    found = re.findall(r'<image[^>]*xlink:href="data:image/png;base64,([^"]+)"', text)
    return [imread(io.BytesIO(base64.b64decode(data)), format="png") for data in found]


def test_a_run_without_bags_has_no_section(tmp_path: Path) -> None:
    run = with_bags(tmp_path / "run")
    (run / "figures" / "bags.npz").unlink()
    assert read_run(run).bags is None
    assert section(run) == ""
    assert "which instances" not in write_report(run).read_text("utf-8").lower()


def test_people_are_not_shown_and_the_page_says_why(tmp_path: Path) -> None:
    text = section(with_bags(tmp_path / "run", simulated=False))
    assert not pictures(text)
    assert "with faces = true under [report]" in said(text)
    assert "heaviest instance has 55.0 % of the weight on average, where 20.0 %" in said(text)
    assert "Over 1,234 tested bags" in said(text)
    words = drawn(text)
    for each in ("true: low", "right: low, 75 %", "p1/3@0", "true: high", "wrong: low, 62 %", "p2/7@4"):
        assert each in words
    assert words.count("none") == 1  # the instance that is not there


def test_pictures_that_are_there_are_shown(tmp_path: Path) -> None:
    values = crops()
    run = with_bags(tmp_path / "run", pictures=np.array("kept"), crops=values)
    text = section(run)
    assert "drawn by a program and show nobody" in said(text)
    assert 'class="banner"' not in text
    first, second = pictures(text)
    assert first.shape[0] == 16
    # the first strip holds the first picture whole, in its own colours, between white gaps of a pixel
    np.testing.assert_array_equal(
        np.rint(255 * first[:, 1:17, :3]).astype(int), values[0, 0].transpose(1, 2, 0)
    )
    assert (first[:, [0, 17], :3] == 1).all()
    assert (second[:, 2 * 18 : 3 * 18, :3] == 1).all()  # absent: white


def test_people_who_are_shown_come_with_a_warning(tmp_path: Path) -> None:
    text = section(with_bags(tmp_path / "run", simulated=False, pictures=np.array("kept"), crops=crops()))
    assert len(pictures(text)) == K
    assert 'class="banner"' in text
    assert "This page shows faces of people who took part" in said(text)


def test_large_pictures_are_made_smaller_for_the_page() -> None:
    values = np.zeros((2, 3, 96, 48), np.uint8)
    values[:, :, :48] = 200
    strip = _strip(values, np.ones(2, bool))
    assert strip.shape == (64, 2 * (32 + 2), 3)
    assert strip[10, 16].tolist() == [200] * 3
    assert strip[50, 16].tolist() == [0] * 3


def test_what_shows_an_expression_is_marked_and_counted(tmp_path: Path) -> None:
    shown = np.zeros((K, N), bool)
    shown[:, 0] = True
    text = section(
        with_bags(
            tmp_path / "run", shown=shown, recall=np.array(0.81), recall_by_luck=np.array(0.3),
        )
    )  # fmt: skip
    assert "81.0 % of them are among the chosen, where as many drawn at random would hold 30.0 %" in said(
        text
    )
    assert "shows an expression (made-up data)" in drawn(text)
    plain = section(with_bags(tmp_path / "plain"))
    assert "show an expression" not in said(plain)
    assert "shows an expression (made-up data)" not in drawn(plain)


def test_a_network_that_chooses_nothing(tmp_path: Path) -> None:
    text = section(with_bags(tmp_path / "run", chosen=None, selected=np.zeros((K, N), bool)))
    assert "Nothing is chosen by this network." in said(text)
    assert "How often chosen" not in drawn(text)


def test_no_example(tmp_path: Path) -> None:
    names = ("sample", "subject", "label", "probability", "attention", "selected", "present")
    text = section(with_bags(tmp_path / "run", **dict.fromkeys(names)))
    assert "there is no example" in said(text)
    assert "Weight by rank" in drawn(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream": None, "n": None}, "lacks n, stream"),
        ({"present": None}, "lacks present"),
        ({"by_rank": np.ones(N + 1)}, r"by_rank of shape \(6,\).*expected \(5,\)"),
        ({"attention": np.ones((K, N + 1))}, r"attention of shape \(2, 6\)"),
        ({"probability": np.ones((K, 3))}, r"probability of shape \(2, 3\).*expected \(2, 2\)"),
        ({"attention": np.full((K, N), np.nan)}, "attention: some values are no numbers"),
        ({"label": np.array([0, 2])}, "labels of no class"),
        ({"crops": crops().astype(np.float32)}, "crops of shape .* type float32"),
        ({"crops": crops()[:, :4]}, r"crops of shape \(2, 4, 3, 16, 16\)"),
        ({"pictures": np.array("perhaps")}, "pictures are 'perhaps'"),
    ],
)
def test_what_is_no_bags_file(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    run = with_bags(tmp_path / "run", **changes)
    with pytest.raises(InputError, match=message) as caught:
        read_run(run)
    assert "bags.npz" in str(caught.value)


def test_a_damaged_file(tmp_path: Path) -> None:
    run = with_bags(tmp_path / "run")
    path = run / "figures" / "bags.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"not readable as \.npz"):
        read_run(run)


def test_the_page_holds_the_section_and_is_the_same_every_time(tmp_path: Path) -> None:
    run = with_bags(tmp_path / "run", pictures=np.array("kept"), crops=crops())
    page = write_report(run).read_bytes()
    assert section(run).encode() in page
    assert write_report(run).read_bytes() == page
