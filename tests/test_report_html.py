"""report.html: what it says, what it never says, and that it needs nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from _fake_run import BANDS, CHANNELS, write_fake_run
from mien.core import InputError
from mien.report import compare_features, results, write_report, write_report_json
from mien.report.words import claims

SMALL = {"n_subjects": 4, "n_clips": 14, "windows": 2}
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Outline(HTMLParser):
    """Checks that tags close, and collects what a browser would fetch, and the ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset") and value:
                self.fetched.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(text: str) -> Outline:
    parser = Outline()
    parser.feed(text)
    assert parser.open == []
    return parser


def said(text: str) -> str:
    """The page's words without markup, styles and drawings."""
    text = re.sub(r"<(style|svg)\b.*?</\1>", " ", text, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = write_fake_run(tmp_path_factory.mktemp("runs") / "whole", seeds=(0, 1), **SMALL)
    return write_report(run).read_text("utf-8")


def test_the_page_is_whole_small_and_fetches_nothing(page: str) -> None:
    assert page.startswith("<!DOCTYPE html>")
    assert len(page.encode()) < 2_000_000
    found = outline(page)
    # within the page, or a picture that stands in the page itself
    assert all(url.startswith(("#", "data:image/png;base64,")) for url in found.fetched)
    assert not found.tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"@import|url\((?!#)", page)
    assert len(found.ids) == len(set(found.ids))
    assert {url[1:] for url in found.fetched if url.startswith("#")} <= set(found.ids)


def test_every_section_is_there(page: str) -> None:
    for key in (
        "summary", "meaning", "protocols", "modalities", "subjects", "confusion", "curves", "bands",
        "calibration", "controls", "audit", "dropped", "published", "setup", "repeat",
    ):  # fmt: skip
        assert f'<section id="{key}">' in page


def test_tables_have_headers_and_figures_a_text_for_those_who_cannot_see_them(page: str) -> None:
    assert page.count("<table>") == len(re.findall(r'<table>.*?<th scope="col"', page, flags=re.S))
    drawings = re.findall(r"<svg [^>]*>", page)
    assert len(drawings) == 9
    assert all('role="img"' in d and re.search(r'aria-label="[^"]{20,}"', d) for d in drawings)


def test_numbers_of_the_json_stand_on_the_page(page: str, tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", seeds=(0,), protocols=("loso",), **SMALL)
    text = write_report(run).read_text("utf-8")
    for row in results(run):
        if row["model"] == "maet":
            assert f"{100 * row['metrics']['accuracy']['value']:.1f}" in text
    assert (run / "report.json").read_bytes() == write_report_json(run).read_bytes()


def test_made_up_data_wear_a_banner_and_published_numbers_are_not_comparable(page: str) -> None:
    text = said(page)
    assert "Made-up data: these numbers say nothing about people." in text
    assert "Published by others, not ours, and not comparable with this run" in text
    assert "42.62 ± 2.18" in text
    assert "67.5" in text


def test_real_data_wear_no_banner(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "r", simulated=False, oracle=False, figures=False, **SMALL)
    text = said(write_report(run).read_text("utf-8"))
    assert "Made-up data" not in text
    assert "Published by others, not ours." in text


def test_a_clean_run_says_so_and_uses_the_proved_words(page: str) -> None:
    text = said(page)
    assert "The audit found no leak." in text
    assert "cross-subject" in text
    assert "cross-stimulus" in text
    assert "This run leaks" not in text


def test_a_leaky_run_says_leaks_and_never_a_word_it_did_not_prove(tmp_path: Path) -> None:
    audit = {
        "verdict": "leaks",
        "findings": [
            {"kind": "subject", "where": "loso", "evidence": "subject 3 is in both", "severity": "leak"}
        ],
        "proven": {"loso": []},
    }
    run = write_fake_run(tmp_path / "r", protocols=("loso",), audit=audit, **SMALL)
    text = write_report(run).read_text("utf-8")
    assert "This run leaks." in said(text)
    assert "subject 3 is in both" in said(text)
    assert "nothing proved" in said(text)
    assert "Declared, not proved: One subject is left out" in said(text)
    assert "cross-subject" not in text.lower()
    assert "cross-stimulus" not in text.lower()


def test_random_window_is_named_leaky_and_not_to_be_quoted(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "r", protocols=("loso_stimulus", "random_window"), figures=False, **SMALL)
    text = said(write_report(run).read_text("utf-8"))
    assert "random_window is leaky on purpose" in text
    assert "must not be quoted as a result" in text


def test_without_effect_the_page_says_that_clips_are_recognised(tmp_path: Path) -> None:
    run = write_fake_run(
        tmp_path / "r", effect=0.0, leak=2.0, figures=False, shuffled=False, models=("maet",), windows=2
    )
    text = said(write_report(run).read_text("utf-8"))
    assert "loso is above its chance interval and loso_stimulus is inside it" in text
    assert "nothing was shown to be recognised" in text


def test_subject_normalisation_is_called_transductive(page: str) -> None:
    assert "It is transductive: unlabelled test data are used" in said(page)


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    bad = '<script>alert("x")</script>'
    audit = {
        "verdict": "clean", "proven": {"loso": ["subject"]},
        "findings": [{"kind": bad, "where": bad, "evidence": bad, "severity": "caution"}],
    }  # fmt: skip
    run = write_fake_run(
        tmp_path / "<b>run", protocols=("loso",), audit=audit, subject_names=("1", "2", "3", f"4{bad}"),
        classes=("a", "b", "c", "d", "e", "f", "g<i>&"), n_clips=14, windows=2,
    )  # fmt: skip
    (run / "study.toml").write_text(f"system = '{bad}'\n")
    text = write_report(run).read_text("utf-8")
    assert "<script" not in text
    assert "<b>run" not in text
    assert "g<i>" not in text
    assert "&lt;script&gt;" in text
    outline(text)


def test_one_of_everything_and_none_of_the_rest(tmp_path: Path) -> None:
    run = write_fake_run(
        tmp_path / "r", protocols=("loso",), normalise=("train",), models=("logistic_regression",),
        modalities=("eeg",), oracle=False, figures=False, shuffled=False, selection=False, **SMALL,
    )  # fmt: skip
    (run / "dropped.csv").write_text("what,id,subject,reason,count\n")
    text = write_report(run).read_text("utf-8")
    outline(text)
    assert "Nothing was left out." in said(text)
    assert '<section id="curves">' not in text
    assert '<section id="bands">' not in text


def test_the_page_has_the_same_bytes_twice_and_leaves_matplotlib_as_it_was(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "r", protocols=("loso",), **SMALL)
    before = dict(matplotlib.rcParams)
    first = write_report(run).read_bytes()
    assert dict(matplotlib.rcParams) == before
    assert write_report(run).read_bytes() == first


def test_runs_are_compared_on_the_trials_both_predicted(tmp_path: Path) -> None:
    strong = write_fake_run(
        tmp_path / "strong", effect=4.0, protocols=("loso_stimulus",), figures=False, **SMALL
    )
    weak = write_fake_run(tmp_path / "weak", effect=0.0, protocols=("loso_stimulus",), figures=False, **SMALL)
    text = said(write_report(strong, weak).read_text("utf-8"))
    assert "Runs compared" in text
    assert re.search(r"weak ?maet", text)
    assert re.search(r"−\d+\.\d−\d+\.\d to −\d+\.\d56 trials", text)  # worse, surely, on 4 x 14 trials


def test_a_run_without_a_stream_of_the_first_is_compared_too(tmp_path: Path) -> None:
    options = {"protocols": ("loso",), "normalise": ("train",), "figures": False, **SMALL}
    both = write_fake_run(tmp_path / "both", **options)
    alone = write_fake_run(tmp_path / "alone", modalities=("eye",), **options)
    text = said(write_report(both, alone).read_text("utf-8"))
    assert re.search(r"each with all its signals ?both ?maet \(EEG \+ eye\).*?alone ?maet \(eye\)", text)
    assert re.search(r"normalise = train, eye ?both ?maet.*?alone ?maet", text)
    again = said(write_report(both, both).read_text("utf-8"))
    assert "each with all its signals" not in again


def test_claims_are_those_of_the_strictest_thing_proved() -> None:
    assert claims(["subject", "stimulus", "trial", "session"]) == ["cross-subject", "cross-stimulus"]
    assert claims(["session", "trial"]) == ["cross-session"]
    assert claims(["trial", "stimulus"]) == ["cross-stimulus"]
    assert claims([]) == []


def test_claims_agree_with_the_audit() -> None:
    protocols = pytest.importorskip("mien.protocols._audit")
    from itertools import combinations

    for n in range(6):
        for proven in combinations(("subject", "stimulus", "session", "trial", "event"), n):
            assert claims(proven) == protocols.words(proven)


def test_features_page(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shipped = rng.normal(size=(30, 5, 62))
    ours = shipped + 0.5
    ours[3, 0, 0] = np.nan
    path = compare_features({"<1>": (ours, shipped)}, tmp_path / "c.html", bands=BANDS, channels=CHANNELS)
    text = path.read_text("utf-8")
    outline(text)
    # a constant shift leaves r at 1 and makes every difference 0.5; one window of 30 holds a NaN
    assert re.findall(r"<td>&lt;1&gt;</td><td>delta</td>(.*?)</tr>", text) == [
        "".join(f"<td class=num>{v}</td>" for v in ("29", "1", "1", "1", "0.5"))
    ]
    assert text.count("<svg") == 2


def test_features_page_refuses_what_does_not_match(tmp_path: Path) -> None:
    a = np.zeros((4, 5, 62))
    with pytest.raises(InputError, match="subject 1: shapes"):
        compare_features({"1": (a, a[:3])}, tmp_path / "c.html")
    with pytest.raises(InputError, match="no features to compare"):
        compare_features({}, tmp_path / "c.html")
    with pytest.raises(InputError, match="0 whole windows"):
        compare_features({"1": (a, a * np.nan)}, tmp_path / "c.html")
    assert not (tmp_path / "c.html").exists()
