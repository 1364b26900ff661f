"""The clocks of devices in a run: what is stored, printed and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mien.core import Recording
from mien.report import section_clocks
from mien.run.clocks import marker_rows, markers_to_json
from mien.timeline import from_markers


def recording(name: str, *, seed: int = 0, lost: tuple[int, ...] = (), jitter: float = 0.002) -> Recording:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(10, 40, size=30))
    codes = [100 if k % 2 else 101 + k // 2 for k in range(30)]
    keep = [k for k in range(30) if k not in lost]
    body = (times - 2.0) / (1 + 1e-4) + rng.uniform(-jitter, jitter, size=30)
    markers = {"eeg": (times, codes), "<body>": (body[keep], [codes[k] for k in keep])}
    return from_markers(markers, reference="eeg", name=name)


def test_markers_are_stored_and_printed() -> None:
    made = [recording("one", lost=(4,)), recording("two", seed=1)]
    kept = json.loads(json.dumps(markers_to_json(made)))
    assert set(kept) == {"one", "two"}
    rows = marker_rows(kept)
    assert [(r["recording"], r["clock"], r["shared"], r["lost"]) for r in rows if r["clock"] != "eeg"] == [
        ("one", "<body>", 29, 1),
        ("two", "<body>", 30, 0),
    ]
    body = kept["one"]["devices"][1]
    assert len(body["residuals"]) == 29
    assert 1e3 * np.median(np.abs(body["residuals"])) == pytest.approx(body["residual_ms"], abs=1e-6)
    alone = Recording(id="x", dataset="d", subject="1", session="1", streams={})
    assert markers_to_json([alone]) == {}


def test_the_section(tmp_path: Path) -> None:
    assert section_clocks.clocks(tmp_path) == ""
    made = [recording("one", lost=(4,)), recording("two", seed=1)]
    kept = markers_to_json(made)
    kept["two"]["devices"][1]["lost"] = [[12.5, 103]]
    kept["two"]["devices"][1]["doubled"] = [[50.0, 100]]
    (tmp_path / "markers.json").write_text(json.dumps(kept), encoding="utf-8")
    page = section_clocks.clocks(tmp_path)
    assert page.count("<svg") == 2
    assert "&lt;body&gt;" in page
    assert "<body>" not in page
    assert "2 recordings of several devices" in page
    assert "lost: 103 at 12.5 s; doubled: 100 at 50.0 s" in page
    assert section_clocks.clocks(tmp_path) == page


def test_a_device_that_was_refused(tmp_path: Path) -> None:
    kept = markers_to_json([recording("one")])
    device = kept["one"]["devices"][1]
    device |= dict.fromkeys(("offset_s", "drift_ppm", "residual_ms", "worst_ms"))
    device |= {"times": [], "residuals": [], "refused": "clock 'body' shares 1 marker"}
    page = section_clocks.section(kept)
    assert "<svg" not in page
    assert "1 device could not be aligned" in page
    assert "shares 1 marker" in page


def test_nothing_lost() -> None:
    assert "No trigger was lost or doubled" in section_clocks.section(markers_to_json([recording("one")]))
    assert section_clocks.section({}) == ""
