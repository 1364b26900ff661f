"""What measures do around the apex of expressions: tables, arrays, power and false positives."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from mien.core import Event, InputError, Label, Recording, Span, Trial
from mien.metrics.permutation import holm
from mien.report import section_association
from mien.run.association import Association, Moment, Series, association, contrasts, moments
from mien.run.clip_control import Showing

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


def clip_world(seed: int, *, effect: float = 0.0, n_subjects: int = 10) -> tuple[World, list[Showing]]:
    """Twelve clips, four of each emotion, in another order for everybody, in the middle of which everybody's
    heart beats faster by 2 /min, or two sd of the rest; expressions come about a little before (sd 3 s), in
    two of three people. After them the heart rises as in :func:`world`, to ``effect``."""
    rng = np.random.default_rng(seed)
    times = np.arange(0.0, 12 * 45 + 20)
    series, events, shown = {}, [], []
    for s in range(n_subjects):
        noise = rng.normal(size=len(times)) * np.where(times > 0, 0.6, 1.0)
        course = scipy.signal.lfilter([1.0], [1.0, -0.8], noise)
        for place, clip in enumerate(rng.permutation(12).tolist()):
            start = 45.0 * place + 10
            shown.append(Showing(recording=f"r{s}", subject=f"s{s}", stimulus=f"c{clip}", start=start))
            course += 2 * np.exp(-0.5 * ((times - start - 18) / 3) ** 2)
            if rng.random() > 2 / 3:
                continue
            at = start + float(np.clip(14 + 3 * rng.normal(), 4, 28))
            course += effect * np.exp(-0.5 * ((times - at - 3) / 1.2) ** 2)
            kind = "micro" if rng.random() < 0.5 else "macro"
            events.append(
                Moment(
                    recording=f"r{s}", subject=f"s{s}", time=at, kind=kind, label=EMOTIONS[clip % 3],
                    stimulus=f"c{clip}", begin=start,
                )
            )  # fmt: skip
        series[f"r{s}"] = times, 70 + course
    return ({"heart rate": series}, events), shown


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


def least_p(made: World, shown: list[Showing] | None, *, seed: int) -> dict[str, float]:
    """Contrast to the least p of its clusters; none where it could not be tested."""
    found: dict[str, float] = {}
    for row in association(*made, shown=shown, rate=2.0, n_permutations=200, seed=seed).rows:
        if row["p"] is not None:
            found[row["contrast"]] = min(found.get(row["contrast"], 1.0), row["p"])
    return found


def share_found(p: list[dict[str, float]]) -> dict[str, float]:
    return {c: float(np.mean([one[c] <= 0.05 for one in p if c in one])) for c in p[0]}


def test_clips_that_move_everybody_are_no_expressions_when_compared_with_others() -> None:
    """200 sets without any effect, nine tests each, in which each emotion comes from four clips."""
    sets = [clip_world(seed) for seed in range(200)]
    nothing = share_found([least_p(*one, seed=seed) for seed, one in enumerate(sets)])
    assert {"micro", "macro", "micro - macro", *EMOTIONS, *(f"{e} - others" for e in EMOTIONS)} == set(
        nothing
    )
    # each contrast: 5 % within 3.9 standard errors of 1.5 %; together they say more
    assert max(nothing.values()) <= 0.11
    assert 0.02 <= np.mean(list(nothing.values())) <= 0.08
    alone = share_found([least_p(made, None, seed=seed) for seed, (made, _) in enumerate(sets[:40])])
    assert min(alone[c] for c in ("micro", "macro", *EMOTIONS)) > 0.3


def test_what_expressions_do_is_found_beside_what_clips_do() -> None:
    """A rise of 2 /min after four events of each kind of 10 people is found nine times in ten or more."""
    found = share_found([least_p(*clip_world(500 + k, effect=2.0), seed=k) for k in range(40)])
    assert found["micro"] >= 0.9
    assert found["macro"] >= 0.9
    # they do not differ: 5 % of 40, of which up to 7 in 99.9 % of all cases
    assert found["micro - macro"] <= 7 / 40
    ((series, events), shown) = clip_world(600, effect=2.0)
    made = association(series, events, shown=shown, n_permutations=100).arrays
    lags, mean = made["lags"], made["mean"][0, 0]
    # of 2 /min, what others do at that moment is taken off: they have expressions there as well
    assert 1.0 < mean.max() < 2.5
    assert lags[int(mean.argmax())] == pytest.approx(3, abs=1)


def test_who_has_too_few_others_is_left_out_and_counted() -> None:
    (series, events), shown = clip_world(700, n_subjects=8)
    alone = {f"s{k}" for k in range(3)}
    few = [s for s in shown if s.stimulus != "c0" or s.subject in alone]
    made = association(series, events, shown=few, n_permutations=100)
    lost = [e for e in events if e.stimulus == "c0" and e.subject in alone]
    # of those who are not listed to have seen it, three others are
    assert 0 < made.arrays["n_left_out"][0, :2].sum() == len(lost)
    assert made.arrays["n_left_out"][0, 2] == len(lost)  # the difference of the kinds is of both
    assert made.arrays["n_events"][0, :2].sum() == len(events) - len(lost)
    assert {(r["control"], r["n_left_out"]) for r in made.rows if r["contrast"] == "micro"} == {
        ("clip", sum(e.kind == "micro" for e in lost))
    }
    nobody = association(series, events, shown=[], n_permutations=100)
    assert {r["note"] for r in nobody.rows} == {"not tested: fewer than 6 subjects"}
    assert nobody.arrays["n_left_out"][0, :2].sum() == len(events)
    page = section_association.section(as_text(nobody), nobody.arrays)
    assert f"Up to {len(events)} expressions of a measure are left out" in page


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
        Event(kind="micro", span=span, apex=3.2, id="a", trial="t", labels={"emotion": sad}),
        Event(kind="macro", span=span, apex=None, id="b"),
        Event(kind="marker", span=span),
        Event(kind="macro", span=span, apex=3.3, id="c"),
    )
    clip = Trial(
        id="t", recording="r", subject="p1", session="1", stimulus="film", span=Span(start=1.5, duration=9)
    )
    made = Recording(
        id="r", dataset="d", subject="p1", session="1", streams={}, events=events, trials=(clip,)
    )
    assert moments([made]) == [
        Moment(recording="r", subject="p1", time=3.2, kind="micro", label="sad", stimulus="film", begin=1.5),
        Moment(recording="r", subject="p1", time=3.3, kind="macro", label=None),
    ]
    assert [m.kind for m in moments([made], kinds=["macro"])] == ["macro"]


def as_text(made: Association) -> list[dict[str, str]]:
    return [{k: "" if v is None else str(v) for k, v in row.items()} for row in made.rows]


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
    table = tmp_path / "association.csv"
    before = table.read_text(encoding="utf-8")
    table.write_text(before.replace(",none,", ",twin,"), encoding="utf-8")
    with pytest.raises(InputError, match=r"association\.csv: control is twin; expected clip or none"):
        section_association.association(tmp_path)
    table.write_text(before, encoding="utf-8")
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


def test_the_section_says_what_was_compared(tmp_path: Path) -> None:
    (series, events), shown = clip_world(800, effect=3.0)
    association(series, events, shown=shown, n_permutations=200).write(tmp_path)
    page = section_association.association(tmp_path)
    assert "Compared with other people (control: clip)" in page
    assert "the mean of other people at the same moments of the same clips taken off" not in page
    assert "before the event taken off, and the mean of other people at the same moments" in page
    assert "more than others" in page
    assert "are left out" not in page
    association(series, events, n_permutations=200).write(tmp_path)
    page = section_association.association(tmp_path)
    assert "Compared with nobody (control: none)" in page
    assert "more than others" not in page


def test_folders_of_earlier_versions_were_compared_with_nobody(tmp_path: Path) -> None:
    made = association(*world(9, effect=1.5), n_permutations=200)
    new = section_association.section(as_text(made), made.arrays)
    made.write(tmp_path)
    table, arrays = tmp_path / "association.csv", tmp_path / "figures" / "association.npz"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    columns = [c for c in rows[0] if c not in ("control", "n_left_out")]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    old = {k: v for k, v in made.arrays.items() if k not in ("control", "n_left_out", "n_people")}
    np.savez(arrays, **old)
    page = section_association.association(tmp_path)
    assert "Compared with nobody (control: none)" in page
    assert page.count("<svg") == new.count("<svg") == 1


@pytest.mark.parametrize(("n_subjects", "said"), [(8, True), (16, False)])
def test_too_few_people_for_so_many_tests_are_told(n_subjects: int, said: bool) -> None:
    """Signs of 8 people give p of 2 / 256 at least, which times nine tests is more than 5 %."""
    made = association(*world(5, effect=3.0, n_subjects=n_subjects, labels=True), n_permutations=500)
    text = section_association.section(as_text(made), made.arrays)
    assert ("none could be left" in text) == said
    assert ("no p can be smaller than 0.0078" in text) == said
