"""Reports of studies of events: results by event, the table of tasks, the face, and what they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from _fake_event_run import MAPS, SEVEN, THREE, write_fake_event_run
from _fake_run import write_fake_run, write_json
from mien import metrics
from mien.core import InputError
from mien.report import read_run, results, write_report, write_report_json
from mien.report.panels import Story
from mien.report.published import TABLES
from mien.report.section_events import events
from mien.report.section_runs import compared
from mien.report.section_saliency import course, saliency
from mien.report.section_scores import meaning, summary
from mien.report.section_tasks import tasks
from test_report_html import outline, said

LEAN = {"protocols": ("loso",), "models": ("mes_eeg_fusion",), "saliency": False, "shuffled": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_event_run(tmp_path_factory.mktemp("runs") / "three", seeds=(0, 1))


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return write_report(run).read_text("utf-8")


@pytest.fixture(scope="module")
def rows(run: Path) -> list[dict]:
    return results(run)


def story(run: Path) -> Story:
    return Story.of(read_run(run))


def of(rows: list[dict], **wanted: object) -> dict:
    found = [r for r in rows if all(r[k] == v for k, v in wanted.items())]
    assert len(found) == 1
    return found[0]


def table4(text: str) -> dict[str, list[list[str]]]:
    """Rows of the table of tasks by their first cell: cells without markup."""
    rows: dict[str, list[list[str]]] = {}
    for line in re.findall(r"<tr[^>]*>(<td>.*?)</tr>", text):
        cells = [re.sub(r"<[^>]+>", "", c) for c in re.findall(r"<td[^>]*>(.*?)</td>", line)]
        rows.setdefault(cells[0], []).append(cells[1:])
    return rows


# -- results ---------------------------------------------------------------------------------------------


def test_results_are_by_event_alone_and_their_controls_are_of_uar(run: Path, rows: list[dict]) -> None:
    assert {r["level"] for r in rows} == {"event"}
    assert len(rows) == 2 * 2 * 3  # protocols, models, signals
    for row in rows:
        assert set(row["metrics"]) == {"accuracy", "uar", "uf1", "kappa", "weighted_f1"}
        assert {"seeds_sd", "subjects_sd"} <= set(row["metrics"]["uar"])
        assert all(control["metric"] == "uar" for control in row["controls"].values())
        assert row["oracle"]["metric"] == "uar"
        assert row["oracle"]["value"] == row_oracle(run, row)
    assert json.loads(json.dumps(rows)) == rows


def row_oracle(run: Path, row: dict) -> float:
    known = json.loads((run / "record.json").read_text())["oracle"]["inductive"]
    return known["+".join(row["modalities"])]["event"]["uar"]


def test_scores_are_pooled_over_folds_and_their_spread_is_over_subjects(run: Path, rows: list[dict]) -> None:
    table = pd.read_parquet(run / "predictions.parquet")
    keep = (table["model"] == "mes_eeg_fusion") & (table["modalities"] == "me") & (table["control"] == "none")
    table = table[keep & (table["protocol"] == "loso")]
    pooled, spread = [], []
    for _, part in table.groupby("seed"):
        answer = part[["p_0", "p_1", "p_2"]].to_numpy(float).argmax(axis=1)
        label = part["label"].to_numpy()
        pooled.append([metrics.uar(label, answer, 3), metrics.uf1(label, answer, 3)])
        subject = part["subject"].to_numpy()
        spread.append(
            [metrics.accuracy(label[subject == s], answer[subject == s]) for s in np.unique(subject)]
        )
    found = of(rows, model="mes_eeg_fusion", modalities=["me"], protocol="loso")["metrics"]
    # float64 sums in another order
    assert [found["uar"]["value"], found["uf1"]["value"]] == pytest.approx(np.mean(pooled, axis=0), abs=1e-12)
    assert found["accuracy"]["subjects_sd"] == pytest.approx(
        np.std(np.mean(spread, axis=0), ddof=1), abs=1e-12
    )


def test_events_of_one_trial_are_not_averaged(run: Path, rows: list[dict]) -> None:
    table = pd.read_parquet(run / "predictions.parquet")
    assert rows[0]["n"] == table["event"].nunique() > table["trial"].nunique()


def test_a_class_without_an_event_leaves_no_uar_and_says_so(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", without=("surprise",), **LEAN)
    for row in results(run):
        assert row["metrics"]["uar"]["value"] is row["metrics"]["uf1"]["value"] is None
        assert row["controls"]["permuted"]["metric"] == "accuracy"
    text = write_report(run).read_text("utf-8")
    outline(text)
    assert "no event of surprise was tested, so UF1 and UAR do not exist" in said(text)
    assert all(cells[2:] == ["–", "–"] for cells in table4(text)["always the commonest class"])


def test_labels_may_differ_inside_a_trial(tmp_path: Path) -> None:
    """A lab's own events carry labels of their own; chance then deals them out event by event."""
    run = write_fake_event_run(tmp_path / "r", **LEAN)
    table = pd.read_parquet(run / "predictions.parquet")
    table["label"] = table["event"].map({e: i % 3 for i, e in enumerate(sorted(set(table["event"])))})
    table.to_parquet(run / "predictions.parquet", index=False)
    for row in results(run):
        assert row["controls"]["permuted"]["low"] < 1 / 3 < row["controls"]["permuted"]["high"]


def test_the_same_bytes_twice(run: Path, page: str) -> None:
    stored = (run / "report.json").read_bytes()
    assert write_report(run).read_text("utf-8") == page
    assert (run / "report.json").read_bytes() == stored == write_report_json(run).read_bytes()


# -- the page --------------------------------------------------------------------------------------------


def test_the_page_is_whole_and_speaks_of_events(page: str) -> None:
    found = outline(page)
    assert all(url.startswith(("#", "data:image/png;base64,")) for url in found.fetched)
    assert len(found.ids) == len(set(found.ids))
    assert {"summary", "tasks", "saliency", "events", "confusion"} <= set(found.ids)
    text = said(page)
    assert "EEG + ME" in text
    assert "by event" in text
    assert "by trial" not in text
    assert "by window" not in text
    assert re.search(r"always naming the commonest class gets \d\d\.\d %", text)


def test_the_table_has_our_rows_the_majority_and_the_published_ones(run: Path, page: str) -> None:
    stored = json.loads((run / "report.json").read_text())["results"]
    rows = table4(page[page.index('id="tasks"') :])
    ours = of(stored, model="mes_eeg_fusion", modalities=["eeg", "me"], protocol="loso_stimulus")["metrics"]
    shown = [
        f"{100 * ours[m]['value']:.1f} ± {100 * ours[m]['subjects_sd']:.1f}"
        for m in ("accuracy", "weighted_f1", "uf1", "uar")
    ]
    assert rows["EEG + ME"][0] == shown
    assert rows["EEG + ME"][-1] == ["89.71 ± 3.67", "89.8", "87.9", "89.5"]
    assert rows["EEG"][-1] == ["83.05 ± 4.48", "83.1", "81.1", "82.0"]
    assert rows["ME"][-1] == ["77.63 ± 3.44", "77.6", "74.8", "74.7"]
    assert rows["of the 42 clips with an emotion"] == [["71.4", "59.5", "27.8", "33.3"]]
    assert rows["of the 299 public rows of micro-expressions"] == [["74.2", "63.3", "28.4", "33.3"]]
    labels = pd.read_parquet(run / "events.parquet")["label"]
    majority = rows["always the commonest class"][0]
    assert majority[0].startswith(f"{100 * labels.value_counts(normalize=True).max():.1f} ±")
    assert majority[3].startswith("33.3")
    text = said(page)
    assert "The published rows are not ours, and not comparable with these" in text
    assert "Table 1 is no anchor" in text


def test_published_numbers_never_stand_in_our_rows_of_the_json(run: Path, page: str) -> None:
    assert page
    stored = (run / "report.json").read_text()
    assert "89.71" not in stored
    assert "published" not in stored.lower()


def test_two_tasks_stand_side_by_side(run: Path, tmp_path: Path) -> None:
    seven = write_fake_event_run(tmp_path / "seven", classes=SEVEN, **LEAN)
    stories = [story(run), story(seven)]
    text = tasks(stories)
    outline(text)
    rows = table4(text)
    assert all(len(cells) == 8 for cells in (*rows["ME"], *rows["EEG + ME"]))
    assert rows["EEG + ME"][-1][4:] == ["40.22 ± 4.24", "40.5", "39.7", "40.1"]
    assert rows["EEG + ME"][0][4:] == ["–"] * 4  # the second run has no loso_stimulus
    assert "3 classes (three)" in text
    assert "7 classes (seven)" in text
    told = said(compared(stories[0], stories[1:]))
    assert "other classes than here, so no score of the one can be set against the other" in told


def test_the_order_of_streams_does_not_matter(run: Path, tmp_path: Path) -> None:
    other = write_fake_event_run(tmp_path / "other", **LEAN, modalities=("me+eeg", "me", "eeg"))
    rows = table4(tasks([story(run), story(other)]))
    # under loso_stimulus the first run alone has it, under loso both
    both = [cells for name in ("EEG + ME", "ME + EEG") for cells in rows.get(name, ()) if len(cells) == 8]
    assert sum("–" not in cells for cells in both) == 2  # ours under loso, and the published one


def test_a_task_that_nobody_published_has_no_such_row(tmp_path: Path) -> None:
    words = ("negative", "surprise")
    run = write_fake_event_run(tmp_path / "r", classes=words, **LEAN)
    rows = table4(tasks([story(run)]))
    assert "of the 42 clips with an emotion" not in rows
    assert set(TABLES["mes_eeg"].groups[1].rows["EEG + ME"]) == {5}


def test_answers_that_depend_on_the_batch_are_marked_in_every_row(page: str, tmp_path: Path) -> None:
    assert "answers depend on the batch" not in page
    coupled = write_fake_event_run(tmp_path / "r", coupling=0.03, **LEAN)
    table = pd.read_parquet(coupled / "predictions.parquet").assign(recipe="released")
    table.to_parquet(coupled / "predictions.parquet", index=False)
    told = story(coupled)
    assert summary(told).count("answers depend on the batch") == 3  # one for each set of signals
    assert summary(told).count("recipe: released") == 3
    assert tasks([told]).count("answers depend on the batch") == 1
    assert "attention across the batch, as in the published code" in meaning(told)
    assert all(row["coupling"] == 0.03 for row in told.rows)


def test_windows_that_depend_on_the_batch_are_marked_too(tmp_path: Path) -> None:
    run = write_fake_run(
        tmp_path / "r",
        protocols=("loso",),
        normalise=("train",),
        figures=False,
        n_subjects=4,
        n_clips=14,
        windows=2,
    )
    record = json.loads((run / "record.json").read_text())
    for fit in record["fits"]:
        fit["coupling"] = 0.5 if fit["model"] == "maet" else 0.0
    write_json(run / "record.json", record)
    assert summary(story(run)).count("answers depend on the batch") == 2 * 3  # by trial and window, signals


def test_windows_have_no_table_of_tasks(tmp_path: Path) -> None:
    run = write_fake_run(
        tmp_path / "r", protocols=("loso",), figures=False, n_subjects=4, n_clips=14, windows=2
    )
    told = story(run)
    assert tasks([told]) == events(told) == saliency(told) == ""


# -- events ----------------------------------------------------------------------------------------------


def test_the_events_are_counted(run: Path, page: str) -> None:
    found = pd.read_parquet(run / "events.parquet")
    section = re.search(r'<section id="events">.*?</section>', page, flags=re.S)
    assert section is not None
    text = said(section[0])
    micro = found[found["kind"] == "micro"]
    assert f"{len(found)} events ({len(micro)} micro-expressions" in text
    assert f"{int(found['rows_merged'].sum())} rows of the coding table are {len(found)} events" in text
    assert f"{int(found['disagree_kind'].sum())} disagree on micro or macro" in text
    negative = found[found["label"] == 0]
    coded = negative[(negative["kind"] == "micro") & (negative["offset"] > negative["apex"])]
    duration = (coded["offset"] - coded["onset"]).median()
    row = re.search(r"<tr><td>negative</td>(.*?)</tr>", section[0])
    assert row is not None
    cells = re.findall(r"<td class=num>(.*?)</td>", row[1])
    assert cells[0] == str(int((negative["kind"] == "micro").sum()))
    assert cells[-2] == f"{duration:.2f}"
    for unit in ("AU4", "AU12"):
        assert unit in section[0]


def test_an_apex_or_a_label_may_be_missing(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", **LEAN)
    table = pd.read_parquet(run / "events.parquet")
    table.loc[:9, "apex"] = np.nan
    table.loc[:4, "label"] = -1
    table.loc[:4, "aus"] = ""
    table.to_parquet(run / "events.parquet", index=False)
    assert "5 events without a label" in said(events(story(run)))


def test_a_data_set_whose_offsets_nobody_coded(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", **LEAN)
    table = pd.read_parquet(run / "events.parquet")
    table["offset"] = table["apex"]
    table.to_parquet(run / "events.parquet", index=False)
    text = events(story(run))
    outline(text)
    assert f"{len(table)} events (100 %) have an offset equal to the apex" in said(text)


def test_one_event_that_is_one_kind(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", **LEAN)
    pd.read_parquet(run / "events.parquet").iloc[:1].to_parquet(run / "events.parquet", index=False)
    assert "1 event (" in said(events(story(run)))


def test_a_table_of_events_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", **LEAN)
    pd.read_parquet(run / "events.parquet").drop(columns="aus").to_parquet(
        run / "events.parquet", index=False
    )
    with pytest.raises(InputError, match=r"events\.parquet: lacks the column\(s\) aus"):
        read_run(run)
    (run / "events.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"events\.parquet: not readable as Parquet"):
        read_run(run)


# -- saliency --------------------------------------------------------------------------------------------


def test_saliency_is_read_as_it_was_written(run: Path) -> None:
    found = read_run(run).saliency
    assert list(found) == ["me"]
    assert found["me"].maps == MAPS
    assert list(found["me"].classes) == list(THREE)
    # the made-up model looks at the vertical motion most and at the apex frame least
    assert np.argsort(found["me"].values.sum(axis=(1, 2))).tolist() == [3, 0, 2, 1]
    assert found["me"].face is not None
    assert found["me"].face.shape == (32, 32)


def test_the_page_shows_where_and_when(page: str) -> None:
    section = re.search(r'<section id="saliency">.*?</section>', page, flags=re.S)
    bands = re.search(r'<section id="bands">.*?</section>', page, flags=re.S)
    assert section is not None
    assert bands is not None
    for word in ("up and down", "strain", "apex frame", *THREE):
        assert f">{word}<" in section[0]
    assert "mean of the aligned apex frames of many people, not a person" in section[0]
    assert bands[0].count("<svg") == 2  # heads, and the course over windows
    assert "window, in the order of time" in bands[0]


def test_a_face_that_is_not_there_is_not_drawn(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", **(LEAN | {"saliency": True}), face=False)
    assert read_run(run).saliency["me"].face is None
    assert "There is no mean face to draw on" in said(saliency(story(run)))


def test_maps_of_another_kind_without_classes(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", **LEAN)
    rng = np.random.default_rng(0)
    values = rng.random((3, 8, 8))
    np.savez(run / "figures" / "saliency_me.npz", values=values, maps=["strain", "h", "v"], mean=0 * values)
    text = saliency(story(run))
    outline(text)
    assert text.count("<svg") == 1
    assert "all maps together" not in text
    assert "no mean face" in text


def test_an_importance_of_zero_everywhere_is_drawn(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", **(LEAN | {"saliency": True}))
    for name in ("saliency_me", "informative_bands"):
        path = run / "figures" / f"{name}.npz"
        arrays = dict(np.load(path))
        np.savez(path, **arrays | {k: 0 * arrays[k] for k in ("values", "windows") if k in arrays})
    outline(saliency(story(run)) + course(story(run)))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"values": np.zeros((2, 32, 32))},
            r"saliency_me\.npz: values: shape \(2, 32, 32\); expected .* 4 maps",
        ),
        ({"values": np.full((4, 32, 32), np.nan)}, r"saliency_me\.npz: values: .*no numbers or below 0"),
        ({"class/negative": -np.ones((4, 32, 32))}, r"saliency_me\.npz: class/negative: .*below 0"),
        ({"mean": np.zeros((4, 8, 8))}, r"saliency_me\.npz: mean: shape \(4, 8, 8\)"),
        ({"mean": None}, r"saliency_me\.npz: lacks mean"),
    ],
)
def test_broken_saliency_is_named(tmp_path: Path, change: dict[str, np.ndarray | None], match: str) -> None:
    run = write_fake_event_run(tmp_path / "r", **(LEAN | {"saliency": True}))
    path = run / "figures" / "saliency_me.npz"
    np.savez(path, **{k: v for k, v in (dict(np.load(path)) | change).items() if v is not None})
    with pytest.raises(InputError, match=match):
        read_run(run)


def test_a_file_that_is_no_saliency_is_named(tmp_path: Path) -> None:
    run = write_fake_event_run(tmp_path / "r", **(LEAN | {"saliency": True}))
    (run / "figures" / "saliency_me.npz").write_text("<html>")
    with pytest.raises(InputError, match=r"saliency_me\.npz: not readable as \.npz"):
        read_run(run)
    (run / "figures" / "saliency_me.npz").unlink()
    path = run / "figures" / "informative_bands.npz"
    np.savez(path, **dict(np.load(path)) | {"windows": np.zeros((2, 2))})
    with pytest.raises(InputError, match=r"informative_bands\.npz: windows of shape \(2, 2\)"):
        read_run(run)
