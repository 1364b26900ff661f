"""The readers of gaze exports and trigger files against known files and broken ones."""

from __future__ import annotations

import datetime
import pickle
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _gaze import COLUMNS, gaze_rows, write_gaze, write_triggers, write_tsv
from mien.core import InputError
from mien.io import tobii
from mien.io.tobii import CHANNELS, Gaze, open_tsv, parse_clock_time, seconds_after
from mien.io.triggers import read_trigger_csv

DAY = datetime.datetime(2022, 10, 15)


def expected(n: int) -> np.ndarray:
    """What :func:`gaze_rows` should read as, in SI units."""
    k = np.arange(n)
    pupils = (3e-3 + k * 1e-6, 4e-3 + k * 1e-6)
    return np.stack([k, 2 * k, *pupils, np.array([1, 2, 0])[k % 3], 0.1 + k / 1000])


def test_channels_and_codes() -> None:
    assert CHANNELS == (
        "gaze_x", "gaze_y", "pupil_left", "pupil_right", "eye_movement", "eye_movement_duration"
    )  # fmt: skip
    assert tobii.EYE_MOVEMENTS == {"Unclassified": 0, "Fixation": 1, "Saccade": 2, "EyesNotFound": 3}


@pytest.mark.parametrize("decimal", [",", "."])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_values_in_si_units(tmp_path: Path, decimal: str, newline: str, encoding: str) -> None:
    path = write_tsv(tmp_path / "a.tsv", gaze_rows(500), decimal=decimal, newline=newline, encoding=encoding)
    gaze = open_tsv(path)
    assert (gaze.rate, gaze.span.start, gaze.span.duration) == (250.0, 0.0, pytest.approx(2.0))
    assert gaze.started == datetime.time(14, 25, 34, 123_000)
    np.testing.assert_allclose(gaze.read(0, 2), expected(500), rtol=1e-12)


def test_names_with_units_another_order_and_other_columns(tmp_path: Path) -> None:
    rename = {
        "Recording timestamp": "Recording timestamp [μs]",
        "Gaze point X": "Gaze point X [DACS px]",
        "Pupil diameter left": "Pupil diameter left [mm]",
        "Gaze event duration": "Gaze event duration [ms]",
    }
    columns = ("Gaze point Y", "Sensor", *COLUMNS[::-1][:-1], "Recording timestamp")
    columns = tuple(dict.fromkeys(columns))
    path = write_tsv(tmp_path / "a.tsv", gaze_rows(50), columns=columns, rename=rename)
    np.testing.assert_allclose(open_tsv(path).read(0, 0.2), expected(50), rtol=1e-12)


def test_lost_gaze_is_nan(tmp_path: Path) -> None:
    rows = gaze_rows(50)
    for k in (3, 4):
        rows[k] |= dict.fromkeys(COLUMNS[3:7], None) | {"Eye movement type": "EyesNotFound"}
    rows[7]["Pupil diameter left"] = None
    rows[8]["Eye movement type"] = None
    data = open_tsv(write_tsv(tmp_path / "a.tsv", rows)).read(0, 0.2)
    assert np.argwhere(np.isnan(data)).tolist() == [
        [0, 3], [0, 4], [1, 3], [1, 4], [2, 3], [2, 4], [2, 7], [3, 3], [3, 4]
    ]  # fmt: skip
    assert data[4, [3, 4, 8]].tolist() == [3, 3, 0]


def test_rows_that_are_not_there_are_nan_and_jitter_is_evened_out(tmp_path: Path) -> None:
    rows = gaze_rows(50)
    jitter = np.random.default_rng(0).integers(-1500, 1500, size=50)
    jitter[0] = 0
    for row, late in zip(rows, jitter, strict=True):
        row["Recording timestamp"] += int(late)
    path = write_tsv(tmp_path / "a.tsv", [r for k, r in enumerate(rows) if k not in (9, 30)])
    data = open_tsv(path, rate=250).read(0, 0.2)
    wanted = expected(50)
    wanted[:, [9, 30]] = np.nan
    np.testing.assert_allclose(data, wanted, rtol=1e-12)


def test_rows_without_gaze_give_way_and_other_sensors_are_passed_over(tmp_path: Path) -> None:
    columns = ("Sensor", *COLUMNS)
    rows = [row | {"Sensor": "Eye Tracker"} for row in gaze_rows(20)]
    empty = dict.fromkeys(COLUMNS[3:], None)
    event = rows[4] | empty | {"Recording timestamp": rows[4]["Recording timestamp"] + 300, "Sensor": None}
    mouse = rows[9] | {"Sensor": "Mouse", "Gaze point X": 9999}
    path = write_tsv(tmp_path / "a.tsv", [*rows[:5], event, *rows[5:10], mouse, *rows[10:]], columns=columns)
    np.testing.assert_allclose(open_tsv(path).read(0, 0.08), expected(20), rtol=1e-12)


def test_recording_that_does_not_start_at_zero(tmp_path: Path) -> None:
    gaze = open_tsv(write_tsv(tmp_path / "a.tsv", gaze_rows(100, first=1_500_000)))
    assert (gaze.span.start, gaze.span.stop) == (1.5, pytest.approx(1.9))
    np.testing.assert_allclose(gaze.read(1.6, 0.2), expected(100)[:, 25:75], rtol=1e-12)


@pytest.mark.parametrize(
    ("step", "rate"), [(4000, 250.0), (16_667, 60.0), (1000, 1000.0), (11_000, 1e3 / 11)]
)
def test_rate_from_the_times(tmp_path: Path, step: int, rate: float) -> None:
    assert open_tsv(write_tsv(tmp_path / "a.tsv", gaze_rows(9, step=step))).rate == pytest.approx(rate)
    assert open_tsv(tmp_path / "a.tsv", rate=120.0).rate == 120.0


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Gaze:
    """Ten minutes with a gap of two seconds without rows."""
    path = write_gaze(
        tmp_path_factory.mktemp("gaze") / "a.tsv",
        seconds=600,
        started=datetime.time(10, 0),
        lost=[(100, 101)],
    )
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[: 1 + 250 * 300], *lines[1 + 250 * 302 :]]))
    return open_tsv(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(0, 149_900), n=st.integers(0, 600))
def test_any_span_is_found(long_file: Gaze, first: int, n: int) -> None:
    n = min(n, 150_000 - first)
    x = long_file.read(first / 250, n / 250)[0]
    t = (first + np.arange(n)) / 250
    wanted = np.where(((t >= 100) & (t < 101)) | ((t >= 300) & (t < 302)), np.nan, t)
    np.testing.assert_allclose(x, wanted, atol=6e-4)  # x is written with three decimals


def test_pieces_make_the_whole(long_file: Gaze, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = long_file.read(0, 600)
    monkeypatch.setattr(tobii, "_PIECE", 300_000)
    np.testing.assert_array_equal(long_file.read(0, 600), whole)


def test_a_part_costs_that_part(long_file: Gaze) -> None:
    long_file.read(0, 1)  # imports are not what is measured
    size = long_file.path.stat().st_size
    tracemalloc.start()
    gaze = open_tsv(long_file.path)
    gaze.read(500, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 5e6
    assert peak < 1e6  # the 65 kB that are looked at when it is opened, as text and as fields


def test_spans_outside(long_file: Gaze) -> None:
    for start, duration in ((-0.1, 1.0), (599.5, 0.6)):
        assert not long_file.covers(start, duration)
        with pytest.raises(
            InputError, match=r"is not within the recording; expected a span within \[0 s, 600"
        ):
            long_file.read(start, duration)
    assert long_file.covers(0, 600)


def test_travel_and_files(long_file: Gaze) -> None:
    again: Gaze = pickle.loads(pickle.dumps(long_file))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(again.read(1, 1), long_file.read(1, 1))
    assert again.files() == (long_file.path,)


# broken files: one clear line each


def text_of(path: Path, rows: list[dict[str, object]] | None = None) -> str:
    return write_tsv(path, gaze_rows(30) if rows is None else rows).read_text()


def broken_commas(path: Path) -> str:
    write_tsv(path, gaze_rows(30), separator=",", decimal=".")
    return "is separated by commas, not by tabs; expected .* tab-separated"


def broken_semicolons(path: Path) -> str:
    write_tsv(path, gaze_rows(30), separator=";")
    return "is separated by semicolons, not by tabs"


def broken_columns(path: Path) -> str:
    write_tsv(path, gaze_rows(30), columns=[c for c in COLUMNS if "upil" not in c])
    return "lacks the columns 'Pupil diameter left', 'Pupil diameter right'; expected the columns Recording"


def broken_column(path: Path) -> str:
    write_tsv(path, gaze_rows(30), columns=[c for c in COLUMNS if c != "Eye movement type"])
    return "lacks the column 'Eye movement type'"


def broken_unit(path: Path) -> str:
    write_tsv(path, gaze_rows(30), rename={"Gaze point X": "Gaze point X [MCS norm]"})
    return r"column 'Gaze point X \[MCS norm\]'; expected Gaze point X in px or DACS px"


def broken_cut(path: Path) -> str:
    path.write_text(text_of(path)[:-40])
    return "is cut: its last row has 3 of 9 columns"


def broken_cut_in_the_first_row(path: Path) -> str:
    text = text_of(path)
    path.write_text(text[: text.index("\n") + 12])
    return "is cut: its first row is not whole"


def broken_no_rows(path: Path) -> str:
    write_tsv(path, [])
    return "holds no rows"


def broken_one_row(path: Path) -> str:
    write_tsv(path, gaze_rows(1))
    return "too few to tell its rate"


def broken_empty(path: Path) -> str:
    path.write_bytes(b"")
    return "is empty"


def broken_html(path: Path) -> str:
    path.write_text("<html>\tlog in\t</html>")
    return "is a web page"


def broken_absent(path: Path) -> str:
    return "no such file"


def broken_utf16(path: Path) -> str:
    write_tsv(path, gaze_rows(5), encoding="utf-16")
    return "is text in UTF-16; .* Save it as UTF-8"


def broken_binary(path: Path) -> str:
    path.write_bytes(bytes(range(128, 256)) * 10)
    return "does not start with a line of text"


def broken_other_text(path: Path) -> str:
    path.write_text("hello\n")
    return "starts with 'hello', not with names of columns"


def broken_start_time(path: Path) -> str:
    write_tsv(path, gaze_rows(5, start="2 o'clock"))
    return r"'Recording start time' is \"2 o'clock\"; expected HH:MM:SS"


def broken_time(path: Path) -> str:
    write_tsv(path, [{**row, "Recording timestamp": "soon"} for row in gaze_rows(5)])
    return "damaged: 'Recording timestamp' is 'soon'"


BROKEN = [function for name, function in sorted(globals().items()) if name.startswith("broken_")]


@pytest.mark.parametrize("damage", BROKEN, ids=[f.__name__.removeprefix("broken_") for f in BROKEN])
def test_broken_files(tmp_path: Path, damage: Callable[[Path], str]) -> None:
    path = tmp_path / "a.tsv"
    reason = damage(path)
    with pytest.raises(InputError, match=rf"a\.tsv: .*{reason}") as caught:
        open_tsv(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"Eye movement type": "Blink"},
            "in column 'Eye movement type': 'Blink'; expected one of Unclassified",
        ),
        ({"Gaze point X": "left"}, "in column 'Gaze point X'"),
        ({"Participant name": "P\t1"}, "Expected 9 columns, got 10"),
        ({"Recording timestamp": 0}, "times go back at 0.000 s"),
    ],
)
def test_damage_within_the_rows(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    rows = gaze_rows(1000)
    rows[500] |= change
    gaze = open_tsv(write_tsv(tmp_path / "a.tsv", rows))
    with pytest.raises(InputError, match=rf"a\.tsv: damaged: .*{reason}"):
        gaze.read(0, 4)


# wall clocks


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("14:25:34.123", 123_000), ("14:25:34.123456", 123_456), ("14:25:34,5", 500_000), ("14:25:34", 0)],
)
def test_clock_times(text: str, microseconds: int) -> None:
    assert parse_clock_time(text) == datetime.time(14, 25, 34, microseconds)


@pytest.mark.parametrize("text", ["25:00:00", "14:60:00", "14:25", "14:25:34.1234567", "", "noon"])
def test_clock_times_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="expected HH:MM:SS"):
        parse_clock_time(text)


def test_seconds_after_a_start_also_past_midnight() -> None:
    day = [DAY.replace(hour=14), DAY.replace(hour=14, minute=1)]
    assert seconds_after(datetime.time(13, 59, 59, 500_000), day).tolist() == [0.5, 60.5]
    after = [DAY + datetime.timedelta(seconds=s) for s in (5, 65)]
    assert seconds_after(datetime.time(23, 59, 50), after).tolist() == [15, 75]
    across = [DAY - datetime.timedelta(seconds=5), DAY + datetime.timedelta(seconds=5)]
    assert seconds_after(datetime.time(23, 59, 50), across).tolist() == [5, 15]
    # a trigger before the start: on the same day, and on the day before
    assert seconds_after(datetime.time(14, 0, 3), day).tolist() == [-3, 57]
    assert seconds_after(datetime.time(0, 0, 1), across).tolist() == [-6, 4]
    assert seconds_after(datetime.time(0, 0, 1), []).tolist() == []


# trigger files


def rows_of(*seconds: float) -> list[tuple[int, datetime.datetime]]:
    return [(1 + k % 2, DAY + datetime.timedelta(hours=14, seconds=s)) for k, s in enumerate(seconds)]


@pytest.mark.parametrize("digits", [3, 6])
def test_triggers(tmp_path: Path, digits: int) -> None:
    path = write_triggers(tmp_path / "a.csv", rows_of(3.25, 10.5, 13.125, 20), digits=digits)
    first, second = read_trigger_csv(path)
    assert (first.start, first.end) == (
        datetime.datetime(2022, 10, 15, 14, 0, 3, 250_000),
        datetime.datetime(2022, 10, 15, 14, 0, 10, 500_000),
    )
    assert (second.start.microsecond, second.end.second) == (125_000, 20)


def test_triggers_without_fractions_with_spaces_empty_lines_and_other_codes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1, 2022-10-15 14:00:03\r\n\r\n9, 2022-10-15 14:00:05\r\n2, 2022-10-15 14:00:09\r\n")
    assert [(c.start.second, c.end.second) for c in read_trigger_csv(path)] == [(3, 9)]


@pytest.mark.parametrize("missing", range(6))
def test_a_missing_row_is_named(tmp_path: Path, missing: int) -> None:
    rows = rows_of(0, 10, 13, 20, 23, 30)
    del rows[missing]
    path = write_triggers(tmp_path / "1_20221015_1_trigger_info.csv", rows)
    # row numbers count from 1; without row m + 1, what follows it is one of the wrong kind in its place
    expected = (
        rf"row {missing + 1} is the {('end', 'start')[missing % 2]} of a clip .* where the "
        rf"{('start', 'end')[missing % 2]} of clip {missing // 2 + 1}"
        if missing < 5
        else r"ends after row 5, the start of clip 3; expected one more row, the end"
    )
    with pytest.raises(InputError, match=rf"1_20221015_1_trigger_info\.csv: {expected}"):
        read_trigger_csv(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n\n", "holds no rows"),
        ("<html></html>", "is a web page"),
        ("code,time\n1,2022-10-15 14:00:03\n", "row 1 is 'code,time'; expected rows of code"),
        ("1;2022-10-15 14:00:03\n", "row 1 is '1;2022-10-15 14:00:03'"),
        ("1,2022-10-15 14:00:03\n7,2022-10-15 14:00:09\n", "ends after row 1, the start of clip 1"),
        ("7,2022-10-15 14:00:09\n", "holds no rows with code 1 or 2"),
        ("start,2022-10-15 14:00:09\n", "row 1 is 'start,"),
        ("1,2022-10-15 14:00:03\n2,2022-13-15 14:00:09\n", "row 2 is '2,2022-13"),
        ("1,2022-10-15 14:00:03\n2,2022-10-15 14:00:01\n", "row 2: 2022-10-15 14:00:01 is before row 1"),
        ("1,2022-10-15 14:00:03,x\n", "row 1 is '1,2022-10-15 14:00:03,x'"),
    ],
)
def test_broken_trigger_files(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"a\.csv: {reason}"):
        read_trigger_csv(path)
    path.write_bytes(b"1,\xff\xfe\n")
    with pytest.raises(InputError, match="is not text"):
        read_trigger_csv(path)
    path.unlink()
    with pytest.raises(InputError, match=re.escape("no such file")):
        read_trigger_csv(path)
