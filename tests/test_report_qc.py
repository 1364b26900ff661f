"""The page of a cleaned recording, from its two files alone."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core import InputError
from mien.report.qc import write_qc

NAMES = ["FP1", "FP2", "F3", "FZ", "F4", "T7", "C3", "CZ", "C4", "T8", "PZ", "O1", "O2", "CB1"]
N_PARTS = 4


def record() -> dict[str, Any]:
    """What ``Cleaned.record`` holds after the default steps."""
    parts = [
        {
            "number": i,
            "label": label,
            "probability": 0.9,
            "removed": gone,
            "why": why,
            "variance_percent": 8.0,
        }
        for i, (label, gone, why) in enumerate(
            [("eye", True, "eye 0.99"), ("muscle", False, "muscle 0.95, but -30 dB at 55-85 Hz")]
            + [("brain", False, "")] * (N_PARTS - 3)
            + [("other", True, "follows the heart channel, r = 0.91")]
        )
    ]
    found: dict[str, dict[str, Any]] = {
        "high_pass": {"taps": 33001, "seconds": 33.001, "half_gain_hz": 0.05},
        "notch": {"taps": 6601, "seconds": 6.6, "frequencies_hz": [50.0, 100.0]},
        "resample": {"up": 1, "down": 5, "samples": 24000, "taps": 503},
        "bad_channels": {"channels": {"C3": ["dead"]}, "windows": 24, "share_of_windows": {"C3": 1.0}},
        "interpolate": {"channels": ["C3"]},
        "rereference": {"n_channels": 14},
        "eye_regression": {"channels": ["HEO", "VEO"], "blinks": 30, "blinks_per_minute": 15.0},
        "burst_repair": {"bursts": 3, "seconds": 2.5},
        "ica": {"components": parts, "n_components": N_PARTS, "removed": [0, N_PARTS - 1], "iterations": 50,
                "converged": True, "fit_seconds": 120.0},
        "low_pass": {"taps": 39, "seconds": 0.195, "half_gain_hz": 78.75},
    }  # fmt: skip
    parameters: dict[str, dict[str, Any]] = {
        "high_pass": {"cutoff": 0.1, "transition": None},
        "ica": {"remove": {"eye": 0.8}, "confirm": True, "seed": 0},
    }
    return {
        "version": "1", "scope": "recording", "channels": NAMES, "extras": ["HEO", "VEO"], "seconds": 120.0,
        "rate_before": 1000.0, "rate": 200.0, "samples": 24000, "band_hz": [0.1, 70.0],
        "reference": "average", "rank": 10, "bad": ["C3"], "interpolated": ["C3"],
        "versions": {"mne": "1.10.0"},
        "steps": [
            {"step": name, "parameters": parameters.get(name, {}), "found": facts, "percent": 7.25,
             "percent_of": "power", "rank": 12, "notes": ["<short> recording"] if name == "ica" else []}
            for name, facts in found.items()
        ],
    }  # fmt: skip


def without_ica() -> dict[str, Any]:
    """Filters alone: the page is made in less time."""
    what = record()
    what["steps"] = [e for e in what["steps"] if e["step"] in ("high_pass", "resample", "low_pass")]
    return what


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    out: dict[str, np.ndarray] = {}
    for stage, rate in (("raw", 1000), ("before_ica", 200), ("cleaned", 200)):
        frequency = np.arange(0, rate / 2 + 0.5, 0.5)
        out[f"frequency_{stage}"] = frequency
        out[f"density_{stage}"] = 1e-12 * rng.uniform(1, 3, (len(NAMES), 1)) / (1 + frequency)
    out["ica.maps"] = 1e-6 * rng.standard_normal((N_PARTS, len(NAMES)))
    out["ica.component_frequency"] = np.arange(0, 100.5, 0.5)
    out["ica.component_db"] = rng.standard_normal((N_PARTS, 201))
    return out


def saved(folder: Path, what: dict[str, Any] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cleaning.json").write_text(json.dumps(what or record()), "utf-8")
    np.savez(folder / "cleaning.npz", **arrays())  # type: ignore[arg-type]
    return folder


class Checker(HTMLParser):
    """Collects tags that are left open, what a page would fetch, and its text."""

    VOID = frozenset({"meta", "br", "img", "link", "hr", "path", "use", "image", "rect", "circle", "stop"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith(("#", "data:")):
                self.fetched.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(path: Path) -> Checker:
    checker = Checker()
    checker.feed(path.read_text("utf-8"))
    checker.close()
    return checker


def test_page_stands_alone_and_says_what_was_done(tmp_path: Path) -> None:
    path = write_qc(saved(tmp_path / "rec-1"))
    assert path == tmp_path / "rec-1" / "qc.html"
    page = read(path)
    assert page.open == []
    assert page.fetched == []
    assert len(set(page.ids)) == len(page.ids)
    assert "<script" not in path.read_text("utf-8")
    text = re.sub(r"\s+", " ", page.text)
    for words in (
        "Cleaning of rec-1",
        "14 channels, 2 min 0 s recorded at 1000 Hz; now 200 Hz, 0.1-70 Hz, reference: average, rank 10",
        "1 of 14 channels bad, 2 of 4 components taken off",
        "Components taken off: eye 1, heart 1; with them 7.2 % of the power",
        "<short> recording",
        "dead or flat",
        "muscle 0.95, but -30 dB at 55-85 Hz",
        "half gain at 0.05 Hz; kernel of 33 s",
        "taken off: 1, 4",
        "eye ≥ 0.8",
    ):
        assert words in text
    assert "Made-up data" not in text


def test_made_up_recordings_are_said_to_be(tmp_path: Path) -> None:
    text = read(write_qc(saved(tmp_path, without_ica()), title="a <b> c", simulated=True)).text
    assert "Made-up data" in text
    assert "Cleaning of a <b> c" in text


def test_same_files_same_bytes(tmp_path: Path) -> None:
    first = write_qc(saved(tmp_path / "x")).read_bytes()
    assert write_qc(tmp_path / "x").read_bytes() == first
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == ["cleaning.json", "cleaning.npz", "qc.html"]


def test_without_ica_and_with_nothing_bad(tmp_path: Path) -> None:
    what = without_ica()
    what |= {"bad": [], "interpolated": [], "band_hz": [None, None]}
    text = read(write_qc(saved(tmp_path, what))).text
    assert "0 of 14 channels bad." in text
    assert "No channel was found bad." in text
    assert "an open band" in text
    assert "All components" not in text


def test_too_many_bad_channels_show_red(tmp_path: Path) -> None:
    what = without_ica()
    what["bad"] = NAMES[:6]
    assert 'class="verdict leaks"' in write_qc(saved(tmp_path, what)).read_text("utf-8")


def test_channels_without_a_place_leave_the_maps_out(tmp_path: Path) -> None:
    what = copy.deepcopy(record())
    what["channels"] = [f"X{i}" for i in range(len(NAMES))]
    what |= {"bad": [], "interpolated": []}
    text = read(write_qc(saved(tmp_path, what))).text
    assert "Most probable label" in text


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: (d / "cleaning.json").unlink(), "cleaning.json: cannot be read"),
        (lambda d: (d / "cleaning.json").write_text("{"), "cleaning.json: is not JSON"),
        (lambda d: (d / "cleaning.json").write_text("[]"), "cleaning.json: lacks channels, steps"),
        (lambda d: (d / "cleaning.npz").unlink(), "cleaning.npz: cannot be read"),
        (lambda d: (d / "cleaning.npz").write_bytes(b""), "cleaning.npz: cannot be read"),
        (lambda d: (d / "cleaning.npz").write_bytes(b"PK\x03\x04 no"), "cleaning.npz: cannot be read"),
        (lambda d: np.savez(d / "cleaning.npz", x=np.ones(2)), "cleaning.npz: lacks frequency_raw"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, spoil: Any, words: str) -> None:
    spoil(saved(tmp_path / "rec"))
    with pytest.raises(InputError, match=re.escape(words)):
        write_qc(tmp_path / "rec")
