"""The reader of BIOPAC's exports to MATLAB against known files, against SciPy, and against broken files."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core import Event, InputError, Span, Stream, UnknownNameError
from mien.io import biopac as module
from mien.io._mat_columns import Table
from mien.io._units import _SI, to_si
from mien.io.biopac import markers_of, open_biopac
from mien.io.mat import MatFile
from mien.simulate._biopac import write_biopac

# as the picture of the data set's authors shows them
LABELS = (
    *("PPG, X, PPGED-R", "RSP, X, RSPEC-R", "EMG A, X, EMG2-R", "SKT A, X, SKT2-R"),
    *("EDA, X, PPGED-R", "ECG, X, RSPEC-R", "EMG B, X, EMG2-R", "SKT B, X, SKT2-R"),
    *(f"Digital (STP Input {k})" for k in range(8)),
    "ECG rate (.5 - 35 Hz)",
)
WORDS = ("Volts", "Volts", "mV", "deg C", "microsiemens", "mV", "mV", "Deg. F", *["Volts"] * 8, "BPM")
FORMS = ("v5", "v7", "v7.3")
MARKERS = [(100, 77), (300, 88), (400, 101), (900, 100), (902, 102)]


@pytest.fixture
def data() -> np.ndarray:
    """1200 samples of 17 columns, the digital lines all off."""
    made = np.random.default_rng(0).normal(size=(1200, 17))
    made[:, 8:16] = 0
    return made


def texts(*rows: str) -> np.ndarray:
    return np.array(rows)


def save(path: Path, form: str, **variables: Any) -> Path:
    """A MATLAB file: of version 5 plain or compressed by SciPy, of 7.3 by hand (HDF5, axes reversed)."""
    import h5py
    import scipy.io

    if form != "v7.3":
        scipy.io.savemat(path, variables, do_compression=form == "v7", oned_as="column")
        return path
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            array = np.asarray(value)
            if array.dtype.kind == "U":
                width = max(map(len, array.ravel()))
                codes = [[*map(ord, row.ljust(width))] for row in array.ravel()]
                item = file.create_dataset(name, data=np.array(codes, dtype=np.uint16).T)
                item.attrs["MATLAB_class"] = np.bytes_("char")
            elif array.dtype == object:
                cells = [
                    file.create_dataset(
                        f"#refs#/{name}{i}", data=np.array([[ord(c)] for c in text], np.uint16)
                    )
                    for i, text in enumerate(array.ravel())
                ]
                item = file.create_dataset(name, (1, len(cells)), dtype=h5py.ref_dtype)
                item[0, :] = [cell.ref for cell in cells]
                item.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                item = file.create_dataset(name, data=np.atleast_2d(array).T, chunks=True, compression="gzip")
                item.attrs["MATLAB_class"] = np.bytes_("double")
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(content)
    return path


def export(path: Path, data: np.ndarray, form: str = "v5", **changes: Any) -> Path:
    """As AcqKnowledge writes it, but for what is changed; None leaves a variable out."""
    variables = {
        "data": data,
        "labels": texts(*LABELS),
        "units": texts(*WORDS),
        "isi": 1.0,
        "isi_units": texts("ms"),
        "start_sample": 0.0,
        **changes,
    }
    return save(path, form, **{name: value for name, value in variables.items() if value is not None})


def pairs(events: Sequence[Event], rate: float = 1000.0) -> list[tuple[int, object]]:
    return [(round(event.span.start * rate), event.value) for event in events]


# -- values and units --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_values_are_si(tmp_path: Path, data: np.ndarray, form: str) -> None:
    recording = open_biopac(export(tmp_path / "a.mat", data, form))
    assert recording.channels == LABELS
    assert recording.words == WORDS
    assert recording.units == (*("V", "V", "V", "K", "S", "V", "V", "K"), *["V"] * 8, "Hz")
    assert (recording.rate, recording.n_samples, recording.variable) == (1000.0, 1200, "data")
    factor = np.array([1, 1, 1e-3, 1, 1e-6, 1e-3, 1e-3, 5 / 9, *[1.0] * 8, 1 / 60])
    added = np.zeros(17)
    added[3], added[7] = 273.15, 273.15 - 32 * 5 / 9
    # the same products in the same order
    np.testing.assert_allclose(recording.read(0, 1.2), (data * factor + added).T, rtol=1e-14, atol=1e-20)


@pytest.mark.parametrize("form", FORMS)
def test_without_anything_beside_the_table(tmp_path: Path, data: np.ndarray, form: str) -> None:
    """Saved again under another name: no labels, no units, no rate."""
    path = save(tmp_path / "a.mat", form, whatever=data, other=np.zeros((5, 3)), one=2.0)
    recording = open_biopac(path, width=17, rate=1000)
    assert recording.variable == "whatever"
    assert recording.channels == tuple(f"column {k}" for k in range(17))
    assert set(recording.units) == {"arbitrary"}
    np.testing.assert_array_equal(recording.read(0, 1.2), data.T)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_that_lies_on_its_side(tmp_path: Path, data: np.ndarray, form: str) -> None:
    recording = open_biopac(export(tmp_path / "a.mat", data.T, form, units=None), width=17)
    assert recording.n_samples == 1200
    np.testing.assert_array_equal(recording.read(0.5, 0.25, channels=LABELS[2:4]), data.T[2:4, 500:750])


@pytest.mark.parametrize("form", FORMS)
def test_labels_as_cells(tmp_path: Path, data: np.ndarray, form: str) -> None:
    cells = np.array(LABELS, dtype=object)
    assert open_biopac(export(tmp_path / "a.mat", data, form, labels=cells)).channels == LABELS


@pytest.mark.parametrize("dtype", ["i2", "u1", "f4"])
@pytest.mark.parametrize("form", ["v5", "v7"])
def test_tables_stored_in_fewer_bytes(tmp_path: Path, dtype: str, form: str) -> None:
    data = np.arange(17 * 300).reshape(300, 17).astype(dtype)
    recording = open_biopac(save(tmp_path / "a.mat", form, data=data), rate=100.0)
    np.testing.assert_array_equal(recording.read(1, 2), data.T[:, 100:300])


def test_units_that_nobody_tells_are_never_guessed(tmp_path: Path, data: np.ndarray) -> None:
    """Values that look like degrees, and words that mean nothing, stay what they are."""
    words = texts(*["" for _ in range(16)], "furlongs")
    recording = open_biopac(export(tmp_path / "a.mat", data + 32.0, units=words))
    assert set(recording.units) == {"arbitrary"}
    assert recording.words[16] == "furlongs"
    np.testing.assert_array_equal(recording.read(0, 1.2), (data + 32.0).T)


def test_units_of_the_caller_fill_what_the_file_does_not_tell(tmp_path: Path, data: np.ndarray) -> None:
    words = texts("Volts", *["" for _ in range(15)], "furlongs")
    given = {"PPG, X, PPGED-R": "mV", "SKT A, X, SKT2-R": "°C", "ECG rate (.5 - 35 Hz)": "bpm"}
    recording = open_biopac(export(tmp_path / "a.mat", data, units=words), units=given)
    assert recording.words[:4] == ("Volts", "", "", "°C")  # the file's own word counts
    assert (recording.units[0], recording.units[3], recording.units[16]) == ("V", "K", "Hz")
    np.testing.assert_array_equal(recording.read(0, 1.2)[3], data[:, 3] + 273.15)
    with pytest.raises(UnknownNameError, match="unknown channel 'PPG'"):
        open_biopac(recording.path, units={"PPG": "mV"})
    with pytest.raises(InputError, match=r"unit 'mega' of channel 'PPG, X, PPGED-R' is not known"):
        open_biopac(recording.path, units={"PPG, X, PPGED-R": "mega"})


@pytest.mark.parametrize(
    ("word", "unit", "one"),
    [
        ("Volts", "V", 1.0),
        ("mV", "V", 1e-3),
        ("µV", "V", 1e-6),
        ("uV", "V", 1e-6),
        ("microvolts", "V", 1e-6),
        ("microsiemens", "S", 1e-6),
        ("microsiemen", "S", 1e-6),
        ("μsiemens", "S", 1e-6),  # with the Greek letter, as a real file has it
        ("µS", "S", 1e-6),
        ("S", "S", 1.0),
        ("s", "s", 1.0),
        ("deg C", "K", 274.15),
        ("Deg. C", "K", 274.15),
        ("degrees Celsius", "K", 274.15),
        ("°C", "K", 274.15),
        ("deg. F", "K", (1 - 32) * 5 / 9 + 273.15),
        ("BPM", "Hz", 1 / 60),
        ("mmHg", "Pa", 133.322387415),
        ("%", "1", 0.01),
    ],
)
def test_words_for_units(word: str, unit: str, one: float) -> None:
    found = to_si(word)
    assert found is not None
    assert found[0] == unit
    assert found[1] + found[2] == pytest.approx(one, rel=1e-12)


def test_every_unit_is_one_that_a_stream_may_carry(tmp_path: Path, data: np.ndarray) -> None:
    source = open_biopac(export(tmp_path / "a.mat", data))
    for unit in {unit for unit, _, _ in _SI.values()} | {"arbitrary"}:
        span = Span(start=0, duration=1)
        Stream(name="a", modality="ecg", unit=unit, rate=1, channels=("a",), span=span, source=source)
    assert to_si("") is to_si("furlongs") is None


@pytest.mark.parametrize(
    ("beside", "given", "rate"),
    [
        ({"isi": 1.0, "isi_units": texts("ms")}, None, 1000.0),
        ({"isi": 0.5, "isi_units": texts("ms")}, 1000.0, 2000.0),  # the file's own rate counts
        ({"isi": 0.002, "isi_units": texts("sec")}, None, 500.0),
        ({"isi": 4.0}, None, 250.0),  # AcqKnowledge's default is ms
        ({}, 1000.0, 1000.0),
    ],
)
def test_rates(
    tmp_path: Path, data: np.ndarray, beside: Mapping[str, Any], given: float | None, rate: float
) -> None:
    path = save(tmp_path / "a.mat", "v5", data=data, **beside)
    assert open_biopac(path, rate=given).rate == pytest.approx(rate, rel=1e-12)


def test_labels_that_repeat_or_are_empty_get_a_number(tmp_path: Path, data: np.ndarray) -> None:
    path = export(tmp_path / "a.mat", data[:, :4], labels=texts("EMG", "EMG", "ECG", " "), units=None)
    assert open_biopac(path).channels == ("EMG", "EMG (column 1)", "ECG", "(column 3)")


# -- parts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(first=st.integers(0, 1200), n=st.integers(0, 1200), columns=st.permutations(range(17)))
def test_any_part_equals_that_part_of_the_whole(
    tmp_path: Path, data: np.ndarray, form: str, first: int, n: int, columns: list[int]
) -> None:
    path = tmp_path / "a.mat"
    recording = open_biopac(path if path.exists() else export(path, data, form, units=None))
    n = min(n, 1200 - first)
    part = recording.read(first / 1000, n / 1000, channels=[LABELS[k] for k in columns[:3]])
    np.testing.assert_array_equal(part, data.T[columns[:3], first : first + n])


def big_table(path: Path, form: str, n: int) -> np.ndarray:
    """Noise that hardly shrinks, and lines that shrink a thousandfold."""
    data = np.zeros((n, 17))
    data[:, :8] = np.random.default_rng(1).normal(size=(n, 8))
    export(path, data, form, units=None)
    return data


@pytest.mark.parametrize("form", ["v5", "v7"])
def test_a_part_costs_that_part(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.mat"
    data = big_table(path, form, 100_000)  # 14 MB
    open_biopac(path).read(0, 0.1)  # imports are not what is measured
    tracemalloc.start()
    recording = open_biopac(path)
    part = recording.read(90.0, 2.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    markers = recording.markers()
    scanned = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(part, data.T[:, 90_000:92_000])
    assert markers == ()
    # a state of the decompressor at every megabyte, and what 4 KB of it give: 4 MB for zeros; then 8 lines
    assert peak < 12e6
    assert scanned < 60e6


def test_states_are_kept_and_the_last_byte_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    data = big_table(path, "v7", 60_000)  # 8 columns that do not shrink: 3.8 MB of 8.2
    table = Table(MatFile(path), "data")
    np.testing.assert_array_equal(table.read(np.array([16, 0]), 59_990, 60_000), data.T[[16, 0], 59_990:])
    states = table._values.inflated  # type: ignore[union-attr]
    assert states is not None
    assert 4 <= len(states._places) <= 9
    assert np.diff(states._places).min() >= 1 << 20
    np.testing.assert_array_equal(table.read(np.arange(17), 30_000, 30_100), data.T[:, 30_000:30_100])


@pytest.mark.parametrize("form", FORMS)
def test_travel(tmp_path: Path, data: np.ndarray, form: str) -> None:
    recording = open_biopac(export(tmp_path / "a.mat", data, form))
    before = recording.read(0.1, 0.2)
    again = pickle.loads(pickle.dumps(recording))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(again.read(0.1, 0.2), before)
    assert len(pickle.dumps(recording)) < 10_000  # no states of a decompressor
    with pytest.raises(InputError, match=r"is not within the recording; expected a span within \[0 s, 1.2"):
        again.read(1.0, 0.3)
    with pytest.raises(UnknownNameError, match="unknown channel 'EEG'"):
        again.read(0, 1, channels=["EEG"])


# -- markers -----------------------------------------------------------------------------------------------


def test_the_lowest_bit_is_the_first_line() -> None:
    """0, 0, 5, 0, 0, 5, 5, 0 is 4 + 32 + 64 = 100, as the public picture of the data shows."""
    lines = np.zeros((8, 6))
    lines[:, 2:5] = np.array([0, 0, 5, 0, 0, 5, 5, 0])[:, None]
    (event,) = markers_of(lines, 1000.0)
    assert (event.kind, event.span.start, event.span.duration, event.value) == ("marker", 0.002, 0.0, 100)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0, 0, 0], []),  # never a trigger
        ([100, 100, 0, 101, 101], [(3, 101)]),  # on at the first sample: nobody saw it begin
        ([0, 100, 100, 101, 101], [(1, 100), (3, 101)]),
        ([0, 36, 100, 100, 4, 0], [(1, 100)]),  # lines that did not switch at the same moment
        ([0, 255, 255, 0, 255, 255], [(1, 255), (4, 255)]),  # doubled
        ([0, 1, 0], [(1, 1)]),
    ],
)
def test_changes_of_the_lines(codes: list[int], expected: list) -> None:
    lines = 5.0 * (np.array(codes)[None] >> np.arange(8)[:, None] & 1)
    assert pairs(markers_of(lines, 1000.0)) == expected
    assert pairs(markers_of(0.8 * lines + 0.3, 1000.0)) == expected  # 0.3 and 4.3 V


@pytest.mark.parametrize("block", [7, 1 << 18])
def test_what_is_written_is_found(
    tmp_path: Path, data: np.ndarray, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    path = tmp_path / "Untitled1 (001).mat"
    others = np.delete(data, range(8, 16), axis=1).T
    n = write_biopac(
        path,
        np.array_split(others, 3, axis=1),
        labels=LABELS,
        units=WORDS,
        rate=1000,
        n_samples=1200,
        markers=MARKERS,
    )
    recording = open_biopac(path, width=17)
    assert n == recording.n_samples == 1200
    assert pairs(recording.markers()) == MARKERS
    assert pairs(recording.markers(lines=LABELS[8:16])) == MARKERS
    np.testing.assert_array_equal(recording.read(0, 1.2)[0], others[0])  # volts, as they were given
    np.testing.assert_array_equal(recording.read(0, 1.2)[1], others[1])


def test_the_written_file_is_matlab_s(tmp_path: Path, data: np.ndarray) -> None:
    import scipy.io

    paths = [tmp_path / "a.mat", tmp_path / "b.mat"]
    for path in paths:
        others = np.delete(data, range(8, 16), axis=1).T
        write_biopac(
            path, [others], labels=LABELS, units=WORDS, rate=500, n_samples=1200, markers=MARKERS, hold=4
        )
    assert paths[0].read_bytes() == paths[1].read_bytes()  # no date
    found = scipy.io.loadmat(paths[0])
    np.testing.assert_array_equal(found["data"][:, :8], data[:, :8])
    np.testing.assert_array_equal(found["data"][400:404, 8:16], [[5, 0, 5, 0, 0, 5, 5, 0]] * 4)  # 101
    assert found["data"][404:, 8:16].max() == 5
    assert (found["isi"].item(), found["isi_units"].item()) == (2.0, "ms")
    assert [label.strip() for label in found["labels"]] == list(LABELS)
    with pytest.raises(ValueError, match="30 samples were given, 40 promised"):
        write_biopac(paths[1], [np.zeros((9, 30))], labels=LABELS, units=None, rate=1000, n_samples=40)


def test_lines_without_labels_have_their_place(tmp_path: Path, data: np.ndarray) -> None:
    data[500:520, [8 + 2, 8 + 5, 8 + 6]] = 5.0
    recording = open_biopac(save(tmp_path / "a.mat", "v5", data=data), width=17, rate=1000)
    assert pairs(recording.markers()) == [(500, 100)]


def test_no_digital_line(tmp_path: Path, data: np.ndarray) -> None:
    path = export(tmp_path / "a.mat", data[:, :2], labels=texts("ECG", "EDA"), units=None)
    with pytest.raises(
        InputError, match=r"no channel is labelled as a digital line.*Name the lines among ECG, EDA"
    ):
        open_biopac(path).markers()
    with pytest.raises(UnknownNameError, match="unknown channel 'EMG'"):
        open_biopac(path).markers(lines=["EMG"])


# -- what is refused ---------------------------------------------------------------------------------------


def broken_missing(path: Path, data: np.ndarray) -> str:
    return "no such file"


def broken_empty(path: Path, data: np.ndarray) -> str:
    path.write_bytes(b"")
    return "is empty"


def broken_web_page(path: Path, data: np.ndarray) -> str:
    path.write_bytes(b"<html>log in</html>")
    return "is a web page"


def broken_wrong_kind(path: Path, data: np.ndarray) -> str:
    np.save(path.with_suffix(".npy"), data)
    path.with_suffix(".npy").rename(path)
    return "is not a MATLAB file"


def broken_cut(path: Path, data: np.ndarray) -> str:
    content = export(path, data).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return "is truncated"


def broken_columns(path: Path, data: np.ndarray) -> str:
    export(path, data[:, :12], labels=None, units=None)
    return r"variable 'data' has 12 columns \(1200x12\); expected 17 columns"


def broken_labels(path: Path, data: np.ndarray) -> str:
    export(path, data, labels=texts("ECG", "EDA"))
    return "'labels' holds 2 texts for 17 columns"


def broken_units(path: Path, data: np.ndarray) -> str:
    export(path, data, units=texts("V"))
    return "'units' holds 1 texts for 17 columns"


def broken_two_tables(path: Path, data: np.ndarray) -> str:
    save(path, "v5", first=data, second=data, isi=1.0)
    return "2 tables that could be the recording .*first 1200x17, second 1200x17.*Name the variable"


def broken_no_table(path: Path, data: np.ndarray) -> str:
    save(path, "v5", labels=texts(*LABELS), isi=1.0)
    return r"no tables that could be the recording \(tables: none\); expected a table of 17 columns"


def broken_rate(path: Path, data: np.ndarray) -> str:
    export(path, data, isi=None)
    return "does not tell its rate; expected isi and isi_units. Give the rate"


def broken_rate_of_zero(path: Path, data: np.ndarray) -> str:
    export(path, data, isi=0.0)
    return "gives 0 ms between two samples"


BROKEN = [function for name, function in sorted(globals().items()) if name.startswith("broken_")]


@pytest.mark.parametrize("damage", BROKEN, ids=[f.__name__.removeprefix("broken_") for f in BROKEN])
def test_broken_files(tmp_path: Path, data: np.ndarray, damage: Callable[[Path, np.ndarray], str]) -> None:
    path = tmp_path / "a.mat"
    reason = damage(path, data)
    with pytest.raises(InputError, match=rf"a\.mat: .*{reason}") as caught:
        open_biopac(path, width=17)
    assert "\n" not in str(caught.value)


def test_a_variable_by_its_name(tmp_path: Path, data: np.ndarray) -> None:
    path = save(tmp_path / "a.mat", "v5", first=data, second=-data, three=np.zeros((3, 3, 3)), isi=1.0)
    assert open_biopac(path, variable="second").read(0, 0.001)[0, 0] == -data[0, 0]
    with pytest.raises(InputError, match="no variable 'third'"):
        open_biopac(path, variable="third")
    with pytest.raises(InputError, match="variable 'three' has the shape 3x3x3"):
        open_biopac(path, variable="three")
    with pytest.raises(InputError, match=r"variable 'first' has 17 columns \(1200x17\); expected 16 columns"):
        open_biopac(path, variable="first", width=16)


def test_compressed_bytes_that_are_damaged(tmp_path: Path, data: np.ndarray) -> None:
    path = export(tmp_path / "a.mat", data, "v7", labels=None, units=None)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    recording = open_biopac(path)
    with pytest.raises(InputError, match=r"a\.mat: variable 'data' is damaged"):
        recording.read(0, 1.2)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path, data: np.ndarray, form: str) -> None:
    recording = open_biopac(export(tmp_path / "a.mat", data, form))
    recording.path.write_bytes(recording.path.read_bytes()[:20_000])
    with pytest.raises(InputError, match="variable 'data' is damaged"):
        recording.read(0, 1.2)
