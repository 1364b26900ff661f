"""Protocols side by side: every number is one of the run's, and a claim stands only where it was proved."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _fake_run import write_fake_run, write_json
from mien.report import read_run, results, rows
from mien.report.panels import Story
from mien.report.published import PUBLISHED, Published
from mien.report.rows import paired_difference
from mien.report.section_protocols import protocols
from mien.report.section_runs import compared
from mien.report.words import percent, signed

FOUR = ("loso", "loso_stimulus", "trial_622", "random_window")
QUADRANTS = ("HVHA", "HVLA", "LVLA", "LVHA")
PROVEN = {
    "loso": ["subject", "session", "trial"],
    "loso_stimulus": ["subject", "stimulus", "session", "trial"],
    "trial_622": ["stimulus", "trial"],
    "random_window": [],
}


def deap_run(folder: Path, *, label: str = "quadrant", audit: bool = True, **options: Any) -> Path:
    """A made-up run of Milmer on DEAP in four protocols, with what an audit would prove."""
    run = write_fake_run(
        folder,
        **{
            "protocols": FOUR, "normalise": ("train",), "models": ("maet",), "system": "maet",
            "shuffled": False, "modalities": ("eeg+face", "eeg"), "classes": QUADRANTS,
            "n_subjects": 5, "n_clips": 16, "windows": 3, "figures": False,
        } | options,
    )  # fmt: skip
    record = json.loads((run / "record.json").read_text("utf-8"))
    record["dataset"]["name"] = "deap"
    record["system"] = "milmer"
    write_json(run / "record.json", record)
    found = json.loads((run / "audit.json").read_text("utf-8"))
    found["proven"] = {p: PROVEN[p] if audit else [] for p in found["proven"]}
    for finding in found["findings"]:
        finding["where"] = finding["where"].split(",")[0]  # as the audit writes it
    write_json(run / "audit.json", found)
    study = run / "study.toml"
    study.write_text(f'label = "{label}"\n' + study.read_text("utf-8"), "utf-8")
    return run


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """Intervals from 50 draws: what is tested is where numbers stand, not how sure they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "N_DRAWS", 50)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deap_run(tmp_path_factory.mktemp("protocols") / "four", effect=0.6)


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return section(run)


def section(*runs: Path) -> str:
    first, *others = (Story.of(read_run(run)) for run in runs)
    return protocols(first, others)


def said(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<svg\b.*?</svg>", " ", text, flags=re.S)))


def drawn(text: str) -> list[str]:
    return [re.sub(r"<[^>]+>", "", t).strip() for t in re.findall(r"<text\b.*?</text>", text, flags=re.S)]


def rows_of(text: str) -> list[list[str]]:
    """The cells of every row of every table, as words."""
    found = re.findall(r"<tr(?: class=first)?>(.*?)</tr>", text, flags=re.S)
    return [[said(c).strip() for c in re.findall(r"<td[^>]*>(.*?)</td>", row, flags=re.S)] for row in found]


def test_one_protocol_has_nothing_beside_it(tmp_path: Path) -> None:
    assert section(deap_run(tmp_path / "one", protocols=("loso",))) == ""


def test_every_protocol_and_set_of_signals_has_its_score_interval_chance_and_oracle(
    run: Path, page: str
) -> None:
    table = rows_of(page)
    plain = [r for r in results(run) if "extra" not in r]
    for level in ("trial", "window"):
        for protocol in FOUR:
            found = [r for r in plain if (r["protocol"], r["level"]) == (protocol, level)]
            first = next(r for r in found if len(r["modalities"]) == 2)
            (cells,) = [c for c in table if c and c[0].startswith(f"{protocol} {first['n']} {level}s")]
            assert f"commonest {percent(first['chance']['majority'])}" in cells[3]
            assert f"permuted {percent(first['controls']['permuted']['low'])}" in cells[3]
            for r, cell in zip(sorted(found, key=lambda r: -len(r["modalities"])), cells[4:], strict=True):
                score = r["metrics"]["accuracy"]
                assert cell.startswith(
                    f"{percent(score['value'])} {percent(score['low'])} – {percent(score['high'])}"
                )
                if r["oracle"]:
                    assert cell.endswith(f"oracle {percent(r['oracle']['value'])}")


def test_many_sets_of_signals_are_rows_and_protocols_columns(tmp_path: Path) -> None:
    """Seven sets beside each other are wider than the page."""
    sets = ("body+eeg+me", "body+eeg", "body+me", "eeg+me", "body", "eeg", "me")
    run = deap_run(tmp_path / "seven", modalities=sets, protocols=FOUR[:2])
    page = section(run)
    (head,) = re.findall(r"<tr><th scope=\"col\">maet with</th>.*?</tr>", page)
    assert said(head).split() == ["maet", "with", "loso_stimulus", "loso"]
    table = rows_of(page)
    (held_out, *_) = [c for c in table if c and c[0] == "Held out (proved)"]
    assert held_out[1:] == ["cross-subject cross-stimulus", "cross-subject"]
    plain = [r for r in results(run) if "extra" not in r]
    seen = 0
    for number, level in enumerate(("trial", "window")):
        tested, chance = ([c for c in table if c and c[0] == name][number] for name in ("Tested", "Chance"))
        for column, protocol in enumerate(("loso_stimulus", "loso"), start=1):
            found = [r for r in plain if (r["protocol"], r["level"]) == (protocol, level)]
            first = next(r for r in found if len(r["modalities"]) == 3)
            assert tested[column] == f"{first['n']} {level}s"
            assert f"permuted {percent(first['controls']['permuted']['low'])}" in chance[column]
            for r in found:
                name = " + ".join({"eeg": "EEG", "me": "ME", "body": "body"}[m] for m in r["modalities"])
                cell = [c for c in table if c and c[0] == name and len(c) == 3][number][column]
                score = r["metrics"]["accuracy"]
                assert cell.startswith(f"{percent(score['value'])} {percent(score['low'])}")
                seen += 1
    assert seen == 2 * 2 * len(sets)


def test_what_is_held_out_is_what_was_proved(page: str, tmp_path: Path) -> None:
    by_protocol = {c[0].split()[0]: c[1:3] for c in rows_of(page) if c and "trials" in c[0]}
    assert by_protocol["loso_stimulus"] == ["cross-subject cross-stimulus", "clean"]
    assert by_protocol["loso"] == ["cross-subject", "clean"]
    assert by_protocol["trial_622"] == ["cross-stimulus", "clean"]
    assert by_protocol["random_window"] == ["nothing", "leaks"]
    unproved = section(deap_run(tmp_path / "unproved", audit=False))
    assert "cross-" not in unproved
    assert "What seeing more of the test is worth" not in unproved  # nothing sound to measure against


def test_the_strictest_stands_first(page: str) -> None:
    names = [c[0].split()[0] for c in rows_of(page) if c and "trials" in c[0]]
    assert names == ["loso_stimulus", "loso", "trial_622", "random_window"]


def test_inflation_is_the_paired_difference_and_says_what_training_saw(run: Path, page: str) -> None:
    story = Story.of(read_run(run))
    body = rows_of(page)
    for protocol, seen in (
        ("loso", "the tested clips"),
        ("trial_622", "the tested people"),
        (
            "random_window",
            "the tested people, the tested clips and other windows of the very trials that are tested",
        ),
    ):
        (cells,) = [c for c in body if c and c[0] == f"{protocol} − loso_stimulus"]
        assert cells[1] == seen
        for level, cell in zip(("trial", "window"), cells[4:], strict=True):
            pair = [story.find(p, "train", "eeg+face", level=level) for p in (protocol, "loso_stimulus")]
            gap = paired_difference(*(story.predictions(r, level=level) for r in pair if r))
            assert gap is not None
            assert cell.startswith(f"{signed(gap['value'])} {signed(gap['low'])} to {signed(gap['high'])}")
            assert cell.endswith(f"{gap['n']} {level}s")
    assert "Inflation: with EEG + face the same model gets" in said(page)
    assert "trial_622 : no leak, but another question" in said(page)


def test_a_difference_that_could_be_chance_is_called_so(tmp_path: Path) -> None:
    text = said(section(deap_run(tmp_path / "run", leak=0.0, effect=0.3)))
    assert "With these data that could be chance." in text
    assert "did not get better" not in text


def test_the_number_of_training_windows_is_told(run: Path, page: str) -> None:
    fits = json.loads((run / "record.json").read_text("utf-8"))["fits"]
    median = np.median([f["n_train"] for f in fits if f["protocol"] == "loso"])
    (cells,) = [c for c in rows_of(page) if c and c[0] == "loso − loso_stimulus"]
    assert cells[2].replace("\N{NO-BREAK SPACE}", " ") == f"{round(float(median))} windows"


def test_where_the_published_number_of_the_system_stands(page: str) -> None:
    words = drawn(page)
    assert "96.72 % published (Milmer: segments, split not published)" in words
    assert "LibEER: within subject, new trials" in words
    assert "published by others:" in words
    assert "accuracy by window (%)" in words  # that of the published number
    text = said(page)
    assert "Where the published 96.72 % stands" in text
    assert "Of the protocols here only random_window , by window, can be of its kind." in text
    assert "36–45 % (LibEER: within subject, new trials) and 16–31 % (LibEER: new people)" in text
    assert "The data of this run are made up" in text


def test_published_numbers_of_other_classes_or_labels_are_not_drawn(tmp_path: Path) -> None:
    two = {"classes": ("low", "high")}
    valence = section(deap_run(tmp_path / "valence", label="valence", **two))
    assert "96.72" not in valence
    assert drawn(valence).count("LibEMER: new people") == 1
    assert (
        drawn(section(deap_run(tmp_path / "liking", label="liking", **two))).count("LibEMER: new people") == 0
    )


def test_four_and_two_classes_stand_in_one_report(run: Path, tmp_path: Path) -> None:
    two = deap_run(tmp_path / "two", label="valence", classes=("low", "high"))
    felt = deap_run(tmp_path / "felt", label="arousal", classes=("low", "high"))
    again = deap_run(tmp_path / "again", seed=1)
    text = section(run, two, felt, again)
    headings = re.findall(r"<h3>(.*?)</h3>", text)
    assert [h for h in headings if "classes" in h] == [
        "4 classes, quadrant: HVHA, HVLA, LVLA, LVHA (run four)",
        "2 classes, valence: low, high (run two)",
        "2 classes, arousal: low, high (run felt)",
    ]  # the third run has the classes of the first and stands under "Runs compared"
    assert text.count("<svg ") == 3
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_runs_of_two_labels_with_the_same_classes_are_not_compared(tmp_path: Path) -> None:
    small = {"classes": ("low", "high"), "protocols": ("loso",), "modalities": ("eeg",)}
    runs = [deap_run(tmp_path / label, label=label, **small) for label in ("valence", "arousal")]
    first, second = (Story.of(read_run(run)) for run in runs)
    text = said(compared(first, [second]))
    assert "arousal : another label than here, so no score" in text
    assert "Differences are paired" not in text


def test_scalings_have_rows_of_their_own(tmp_path: Path) -> None:
    text = section(deap_run(tmp_path / "run", normalise=("train", "subject"), modalities=("eeg+face",)))
    names = [c[0] for c in rows_of(text) if c and c[0].startswith("loso ") and "trials" in c[0]]
    assert [n.rpartition(" ")[2] for n in names] == ["train", "subject"]


@pytest.mark.parametrize(
    ("text", "span"),
    [("96.72", (0.9672, 0.9672)), ("36–45", (0.36, 0.45)), ("42.62 ± 2.18", (0.4262, 0.4262))],
)
def test_numbers_in_published_texts(text: str, span: tuple[float, float]) -> None:
    one = Published(source="a", method="b", protocol="c", level="window", values={"eeg": text})
    assert one.spans["eeg"] == pytest.approx(span)


def test_every_published_row_of_the_figure_can_be_drawn() -> None:
    drawable = [p for found in PUBLISHED.values() for p in found if p.row]
    assert drawable
    for p in drawable:
        assert p.n_classes > 1
        assert p.score == "accuracy"
        assert all(0 <= low <= high <= 1 for low, high in p.spans.values())
        assert bool(p.system) == bool(p.beside)
