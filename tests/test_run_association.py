"""What measures do around the apex of expressions: tables, arrays, power and false positives."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from mien.core import Event, InputError, Label, Recording, Span
from mien.metrics.permutation import holm
from mien.report import section_association
from mien.run.association import Moment, Series, association, contrasts, moments

World = tuple[dict[str, dict[str, Series]], list[Moment]]
EMOTIONS = ("fear", "happy", "sad")


def world(
    seed: int, *, effect: float = 0.0, macro: float = 0.0, n_subjects: int = 16, labels: bool = False
) -> World:
    """Heart rate once a second, correlated from one to the next by 0.8, of sd 1 /min; a subject has 12
    events, half of them micro-expressions, after which it rises to ``effect`` at 3 s and falls again."""
    rng = np.random.default_rng(seed)
    times = np.arange(0.0, 700.0)
    noise = rng.normal(size=(n_subjects, len(times)))
    courses = np.empty_like(noise)
    courses[:, 0] = noise[:, 0]
    for k in range(1, len(times)):
        courses[:, k] = 0.8 * courses[:, k - 1] + 0.6 * noise[:, k]
    events = []
    for s in range(n_subjects):
        for k, at in enumerate(np.sort(rng.uniform(20, 680, size=12)).tolist()):
            kind = "micro" if k % 2 else "macro"
            size = effect if kind == "micro" else macro
            courses[s] += size * np.exp(-0.5 * ((times - at - 3) / 1.2) ** 2)
            label = EMOTIONS[k % 3] if labels else None
            events.append(Moment(recording=f"r{s}", subject=f"s{s}", time=at, kind=kind, label=label))
    return {"heart rate": {f"r{s}": (times, 70 + courses[s]) for s in range(n_subjects)}}, events


def p_of(made: World, contrast: str, *, seed: int = 0) -> float:
    series, events = made
    # only the events of this contrast: fewer tests to make
    own = [e for e in events if e.kind in contrast]
    rows = association(series, own, n_permutations=400, seed=seed).rows
    return min(row["p"] for row in rows if row["contrast"] == contrast)


def test_planted_effects_are_found_and_none_where_there_is_none() -> None:
    """The planted rise of 1 /min, one sd of the course, after 6 events of 16 subjects is found nine times in
    ten or more; of 200 tests at 5 % where nothing was planted, at most 8 % find something."""
    found = [p_of(world(seed, effect=1.0), "micro", seed=seed) for seed in range(40)]
    assert np.mean(np.array(found) <= 0.05) >= 0.9
    apart = [p_of(world(seed, effect=1.2), "micro - macro", seed=seed) for seed in range(40)]
    assert np.mean(np.array(apart) <= 0.05) >= 0.9
    nothing = [p_of(world(1000 + seed), "micro", seed=seed) for seed in range(200)]
    assert np.mean(np.array(nothing) <= 0.05) <= 0.08


def test_effects_that_both_kinds_have_are_no_difference() -> None:
    """Large ones, alike: the difference of the kinds is tested at its level."""
    rows = [p_of(world(seed, effect=2.0, macro=2.0), "micro - macro", seed=seed) for seed in range(60)]
    # 60 tests at 5 %: up to 9 found in 99.7 % of all cases
    assert np.sum(np.array(rows) <= 0.05) <= 9
    assert p_of(world(0, effect=2.0, macro=2.0), "macro") <= 0.05


def test_the_table_and_the_arrays() -> None:
    series, events = world(1, effect=1.5, labels=True)
    made = association(series, events, units={"heart rate": "1/min"}, n_permutations=500)
    names = ["micro", "macro", "micro - macro", *EMOTIONS, *(f"{e} - others" for e in EMOTIONS)]
    assert made.arrays["contrasts"].tolist() == names == list(dict.fromkeys(r["contrast"] for r in made.rows))
    (first, *_) = made.rows
    assert (first["measure"], first["unit"], first["n_subjects"], first["n_events"]) == (
        "heart rate", "1/min", 16, 96,
    )  # fmt: skip
    assert first["p"] == 1 / 500
    assert first["p_corrected"] == pytest.approx(9 / 500)
    assert 0 < first["start"] < 3 < first["stop"] < 8
    # over the cluster the rise is between half and all of what was planted
    assert 0.7 < first["mean"] < 1.6
    lags, mean = made.arrays["lags"], made.arrays["mean"][0, 0]
    assert lags[int(mean.argmax())] == pytest.approx(3, abs=0.75)
    assert mean.max() == pytest.approx(1.5, abs=0.5)
    assert (made.arrays["low"] < made.arrays["high"]).all()
    assert made.arrays["t"].shape == (1, 9, len(lags))
    tests = {r["contrast"]: r for r in made.rows if r["cluster"] in (None, 1)}
    np.testing.assert_allclose(
        made.arrays["p_corrected"][0], holm([tests[n]["p"] for n in names]), rtol=1e-12
    )


def test_a_subject_counts_once_however_many_events_it_has() -> None:
    series, events = world(2, effect=0.0)
    times, values = series["heart rate"]["r0"]
    loud = {"heart rate": {**series["heart rate"], "r0": (times, values + 50 * np.sin(np.asarray(times)))}}
    one = association(series, events, n_permutations=200)
    other = association(loud, events, n_permutations=200)
    assert one.arrays["n_events"].tolist() == other.arrays["n_events"].tolist()
    more = [e for e in events if e.subject == "s0"] * 20
    again = association(series, [*events, *more], n_permutations=200)
    np.testing.assert_allclose(again.arrays["mean"], one.arrays["mean"], atol=1e-9)
    assert again.arrays["n_subjects"].tolist() == one.arrays["n_subjects"].tolist()


def test_events_without_a_course_are_left_out() -> None:
    series, events = world(3)
    del series["heart rate"]["r0"]
    times, values = (np.array(x) for x in series["heart rate"]["r1"])
    values[:] = np.nan
    series["heart rate"]["r1"] = (times, values)
    made = association(series, events, n_permutations=100)
    assert made.arrays["n_subjects"][0].tolist() == [14, 14, 14]
    assert made.rows[0]["n_events"] == 14 * 6


def test_too_few_subjects_are_listed_and_not_tested() -> None:
    made = association(*world(4, n_subjects=5))
    assert {(r["p"], r["note"]) for r in made.rows} == {(None, "not tested: fewer than 6 subjects")}
    assert np.isnan(made.arrays["t"]).all()
    assert np.isfinite(made.arrays["mean"]).all()


def test_nothing_to_associate() -> None:
    series, events = world(5)
    for arguments in ((series, []), ({}, events)):
        with pytest.raises(InputError, match="expected at least one of each"):
            association(*arguments)
    away = [Moment(recording="x", subject="s", time=1.0, kind="micro")]
    with pytest.raises(
        InputError, match=r"no event has a course around it; .* Check the ids of the recordings"
    ):
        association(series, away)


def test_contrasts_are_those_that_the_events_allow() -> None:
    one = [Moment(recording="r", subject="s", time=0.0, kind="expression")]
    assert [c.name for c in contrasts(one)] == ["expression"]
    two = [Moment(recording="r", subject="s", time=0.0, kind=k, label="sad") for k in ("macro", "micro")]
    assert [c.name for c in contrasts(two)] == ["micro", "macro", "micro - macro", "sad"]


def test_moments_of_recordings() -> None:
    sad = Label(value="sad", scale=("sad", "happy"), rater="stimulus")
    span = Span(start=3.0, duration=0.4)
    events = (
        Event(kind="micro", span=span, apex=3.2, id="a", labels={"emotion": sad}),
        Event(kind="macro", span=span, apex=None, id="b"),
        Event(kind="marker", span=span),
        Event(kind="macro", span=span, apex=3.3, id="c"),
    )
    made = Recording(id="r", dataset="d", subject="p1", session="1", streams={}, events=events)
    assert moments([made]) == [
        Moment(recording="r", subject="p1", time=3.2, kind="micro", label="sad"),
        Moment(recording="r", subject="p1", time=3.3, kind="macro", label=None),
    ]
    assert [m.kind for m in moments([made], kinds=["macro"])] == ["macro"]


# -- in a run folder, and its section of the report ----------------------------------------------------------


def test_a_run_folder_and_the_section(tmp_path: Path) -> None:
    series, events = world(6, effect=1.5, labels=True)
    series["skin <conductance>"] = world(7)[0]["heart rate"]
    made = association(series, events, units={"heart rate": "1/min"}, n_permutations=300)
    table, arrays = made.write(tmp_path)
    assert (table, arrays) == (tmp_path / "association.csv", tmp_path / "figures" / "association.npz")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(made.rows)
    assert rows[0]["contrast"] == "micro"
    assert float(rows[0]["p"]) == pytest.approx(made.rows[0]["p"], rel=1e-5)  # six digits
    before = table.read_bytes(), arrays.read_bytes()
    association(series, events, units={"heart rate": "1/min"}, n_permutations=300).write(tmp_path)
    assert (table.read_bytes(), arrays.read_bytes()) == before
    page = section_association.association(tmp_path)
    assert page.count("<svg") == 2
    assert "18 tests of what measures do around the apex" in page
    assert "skin &lt;conductance&gt;" in page
    assert "<conductance>" not in page
    assert section_association.association(tmp_path) == page


def test_the_section_of_other_folders(tmp_path: Path) -> None:
    assert section_association.association(tmp_path) == ""
    association(*world(8, n_subjects=5)).write(tmp_path)
    page = section_association.association(tmp_path)
    assert "Not tested for want of subjects: heart rate, macro; heart rate, micro" in page
    assert "No cluster has p up to 5 %" in page
    (tmp_path / "figures" / "association.npz").unlink()
    with pytest.raises(InputError, match=r"association\.npz: lacks lags, .* Make the association again"):
        section_association.association(tmp_path)
    (tmp_path / "association.csv").write_text("measure\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"association\.csv: lacks the column"):
        section_association.association(tmp_path)


def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parent.parent / "docs" / "association.md"
    (block,) = re.findall(
        r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    exec(compile(block, "association.md", "exec"), {})
    said = capsys.readouterr().out
    assert said.startswith("micro: ")
    assert "micro - macro: " in said
    assert (tmp_path / "result" / "figures" / "association.npz").exists()


@pytest.mark.parametrize(("n_subjects", "said"), [(8, True), (16, False)])
def test_too_few_people_for_so_many_tests_are_told(n_subjects: int, said: bool) -> None:
    """Signs of 8 people give p of 2 / 256 at least, which times nine tests is more than 5 %."""
    made = association(*world(5, effect=3.0, n_subjects=n_subjects, labels=True), n_permutations=500)
    rows = [{k: "" if v is None else str(v) for k, v in row.items()} for row in made.rows]
    text = section_association.section(rows, made.arrays)
    assert ("none could be left" in text) == said
    assert ("no p can be smaller than 0.0078" in text) == said
