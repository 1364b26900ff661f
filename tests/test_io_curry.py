"""The reader of Curry recordings against known files, against MNE, and against broken files."""

from __future__ import annotations

import datetime
import pickle
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core import Event, InputError, UnknownNameError
from mien.io import curry as module
from mien.io.curry import open_curry
from mien.io.sampled import ChannelSource
from mien.simulate._curry import write_curry
from mien.simulate._lines import held_codes

CHANNELS = ("FP1", "FP2", "CZ", "HEO", "VEO")
MARKERS = [(100, 77), (300, 88), (400, 101), (900, 100), (901, 102), (1990, 100)]

# What a parameter file holds, written out; the words are those that Curry 8 writes.
PARAMETERS = """FileVersion = 804
DATA_PARAMETERS START
   NumSamples           =  4
   NumChannels          =  3
   NumTrials            =  1
   SampleFreqHz         =  500.0
   SampleTimeUsec       =  2000.0
   DataFormat           =  FLOAT
   DataByteOrder        =  INTEL
   DataSampOrder        =  SAMP
   StartYear            =  2023
   StartMonth           =  7
   StartDay             =  21
   StartHour            =  16
   StartMin             =  45
   StartSec             =  38
   StartMillisec        =  257
DATA_PARAMETERS END
DEVICE_PARAMETERS START
   DataUnit             =  uV
   NumChanThisGroup     =  2
DEVICE_PARAMETERS END
LABELS START
   ListNrRows           =  2
LABELS END
LABELS START_LIST\t# Do not edit!
FP1
CZ
LABELS END_LIST
DEVICE_PARAMETERS_OTHERS START
   DataUnit             =  mV
   NumChanThisGroup     =  1
DEVICE_PARAMETERS_OTHERS END
LABELS_OTHERS START_LIST\t# Do not edit!
Trigger
LABELS_OTHERS END_LIST
"""


def by_hand(folder: Path, *changes: tuple[str, str], ending: str = ".dpo", name: str = "a.cdt") -> Path:
    """Four samples of three channels: 0, 1, 2, … as they are stored, and changed words beside them."""
    path = folder / name
    np.arange(12, dtype="<f4").tofile(path)
    text = PARAMETERS
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path(f"{path}{ending}").write_text(text, encoding="utf-8")
    return path


def simulated(
    path: Path, *, n: int = 2000, markers: Sequence[tuple[int, int]] = MARKERS, **options: object
) -> np.ndarray:
    data = np.random.default_rng(0).normal(0, 40, size=(len(CHANNELS), n))
    pieces = np.array_split(data, 3, axis=1)
    written = write_curry(
        path, pieces, channels=CHANNELS, rate=1000, n_samples=n, markers=markers, **options  # type: ignore[arg-type]
    )  # fmt: skip
    assert written == n
    return data


def pairs(events: Sequence[Event], rate: float) -> list[tuple[int, object]]:
    return [(round(event.span.start * rate), event.value) for event in events]


# -- what is read ------------------------------------------------------------------------------------------


def test_a_file_written_out_by_hand(tmp_path: Path) -> None:
    recording = open_curry(by_hand(tmp_path))
    assert recording.channels == ("FP1", "CZ", "Trigger")
    assert recording.units == ("V", "V", "V")
    assert (recording.rate, recording.n_samples, recording.span.duration) == (500.0, 4, 0.008)
    assert recording.started == datetime.datetime(2023, 7, 21, 16, 45, 38, 257_000)
    assert recording.events == ()
    expected = [[0, 3e-6, 6e-6, 9e-6], [1e-6, 4e-6, 7e-6, 10e-6], [2e-3, 5e-3, 8e-3, 11e-3]]
    np.testing.assert_allclose(recording.read(0, 0.008), expected, rtol=1e-15)


@pytest.mark.parametrize("ending", [".dpo", ".dpa"])
def test_equal_to_mne(tmp_path: Path, ending: str) -> None:
    mne = pytest.importorskip("mne")
    pytest.importorskip("curryreader")
    path = tmp_path / "Acquisition 01.cdt"
    data = simulated(path, start=datetime.datetime(2023, 7, 21, 9, 30, 1, 250_000))
    path.with_name(path.name + ".dpo").rename(path.with_name(path.name + ending))
    raw = mne.io.read_raw_curry(path, verbose="error")
    recording = open_curry(path)
    assert recording.channels == tuple(raw.ch_names) == (*CHANNELS, "Trigger")
    assert (recording.rate, recording.n_samples) == (raw.info["sfreq"], raw.n_times)
    assert recording.started == raw.info["meas_date"].replace(tzinfo=None)
    np.testing.assert_array_equal(recording.read(0, 2.0), raw.get_data())
    np.testing.assert_array_equal(recording.read(0.5, 0.25), raw.get_data(start=500, stop=750))
    # what was asked for came back, as near as 32-bit floats keep it
    np.testing.assert_allclose(recording.read(0, 2.0)[:5], data * 1e-6, rtol=1e-7)
    assert [str(e.value) for e in recording.events] == list(raw.annotations.description)
    np.testing.assert_allclose([e.span.start for e in recording.events], raw.annotations.onset, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "units", "last"),
    [
        ([("   DataUnit             =  mV\n", "")], ("V", "V", "V"), 11e-6),  # nobody says: µV
        ([("=  mV", "=  V")], ("V", "V", "V"), 11.0),
        ([("=  mV", "=  µV")], ("V", "V", "V"), 11e-6),
        ([("=  mV", "=  lux")], ("V", "V", "arbitrary"), 11.0),
    ],
)
def test_units(tmp_path: Path, changes: list[tuple[str, str]], units: tuple[str, ...], last: float) -> None:
    recording = open_curry(by_hand(tmp_path, *changes))
    assert recording.units == units
    assert recording.read(0, 0.008)[2, 3] == pytest.approx(last, rel=1e-15)


def test_words_of_older_files(tmp_path: Path) -> None:
    words = {"NumSamples": "NUM_SAMPLES", "SampleFreqHz": "SAMPLE_FREQ_HZ", "DataFormat": "DATA_FORMAT"}
    assert open_curry(by_hand(tmp_path, *words.items())).n_samples == 4
    unknown = by_hand(tmp_path, ("NumSamples           =  4", "NumSamples           =  -1"))
    assert open_curry(unknown).n_samples == 4


def test_the_parameter_file_may_have_a_mark_of_its_coding(tmp_path: Path) -> None:
    path = by_hand(tmp_path)
    beside = Path(f"{path}.dpo")
    beside.write_bytes(b"\xef\xbb\xbf" + beside.read_bytes().replace(b"\n", b"\r\n"))
    assert open_curry(path).channels == ("FP1", "CZ", "Trigger")


def test_channels_that_are_elsewhere_or_not_in_the_file(tmp_path: Path) -> None:
    """A reference that was connected and not recorded has the place 0; others may be in another order."""

    def places(group: str, *numbers: int) -> str:
        rows = "".join(f"{n}\n" for n in numbers)
        return f"CHAN_IN_FILE{group} START_LIST\n{rows}CHAN_IN_FILE{group} END_LIST\n"

    path = by_hand(
        tmp_path,
        ("FP1\nCZ\nLABELS END", "FP1\nREF\nCZ\nLABELS END"),
        ("LABELS_OTHERS START_LIST", f"{places('', 3, 0, 1)}{places('_OTHERS', 2)}LABELS_OTHERS START_LIST"),
    )
    recording = open_curry(path)
    assert recording.channels == ("CZ", "Trigger", "FP1")
    np.testing.assert_allclose(recording.read(0, 0.002)[:, 0], [0, 1e-3, 2e-6], rtol=1e-15)


def test_a_rate_whose_interval_is_rounded(tmp_path: Path) -> None:
    changes = [("SampleFreqHz         =  500.0", "SampleFreqHz = 2048"), ("=  2000.0", "= 488")]
    assert open_curry(by_hand(tmp_path, *changes)).rate == 2048.0


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(first=st.integers(0, 2000), n=st.integers(0, 2000), rows=st.permutations(range(6)))
def test_any_part_equals_that_part_of_the_whole(tmp_path: Path, first: int, n: int, rows: list[int]) -> None:
    path = tmp_path / "a.cdt"
    if not path.exists():
        simulated(path)
    recording = open_curry(path)
    n = min(n, 2000 - first)
    names = [recording.channels[row] for row in rows[:3]]
    part = recording.read(first / 1000, n / 1000, channels=names)
    np.testing.assert_array_equal(part, recording.read(0, 2)[rows[:3], first : first + n])


def test_source_and_travel(tmp_path: Path) -> None:
    path = tmp_path / "a.cdt"
    simulated(path)
    source = ChannelSource(recording=open_curry(path), channels=("VEO", "FP1"))
    again: ChannelSource = pickle.loads(pickle.dumps(source))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(again.read(0.1, 0.2), open_curry(path).read(0.1, 0.2)[[4, 0]])
    assert again.files() == (path, tmp_path / "a.cdt.dpo")
    with pytest.raises(InputError, match=r"is not within the recording; expected a span within \[0 s, 2"):
        source.read(1.5, 0.6)
    with pytest.raises(UnknownNameError, match="unknown channel 'C99'"):
        open_curry(path).read(0, 1, channels=["C99"])


def test_a_part_costs_that_part(tmp_path: Path) -> None:
    path = tmp_path / "a.cdt"
    n, names = 200_000, [f"C{i}" for i in range(24)]
    piece = np.zeros((24, n // 10))
    tracemalloc.start()
    write_curry(path, (piece for _ in range(10)), channels=names, rate=1000, n_samples=n, markers=[(9, 1)])
    written = tracemalloc.get_traced_memory()[1]
    recording = open_curry(path)
    tracemalloc.reset_peak()
    data = recording.read(100, 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    markers = recording.markers()
    scanned = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size == 20_000_000
    assert pairs(markers, 1000) == [(9, 1)]
    # two megabytes for each of: the stored piece, its rows, and what is made of them, whatever the length
    assert written < 12e6
    assert peak < 2 * data.nbytes + 20e6
    assert scanned < data.nbytes + 20e6


# -- markers -----------------------------------------------------------------------------------------------


def trigger_of(folder: Path, codes: Sequence[float]) -> Path:
    """A recording whose trigger channel holds these numbers."""
    path = by_hand(folder, ("NumSamples           =  4", f"NumSamples           =  {len(codes)}"))
    stored = np.zeros((len(codes), 3), dtype="<f4")
    stored[:, 2] = codes
    stored.tofile(path)
    return path


def test_markers_are_the_low_byte_of_what_is_stored(tmp_path: Path) -> None:
    """0xFF00 + 100 = 65380 is what the public picture of the data shows, in µV."""
    path = trigger_of(tmp_path, [65280, 65280, 65380, 65380, 65280, 65381, 65381, 65380, 65380, 65280])
    markers = open_curry(path).markers()
    assert [(e.kind, e.span.start, e.span.duration, e.value) for e in markers] == [
        ("marker", 2 / 500, 0.0, 100),
        ("marker", 5 / 500, 0.0, 101),
        ("marker", 7 / 500, 0.0, 100),
    ]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0, 0, 0, 0], []),  # never a trigger
        ([65280, 65280], []),  # the channel is idle
        ([7, 7, 0, 0, 7], [(4, 7)]),  # on at the first sample: nobody saw it begin
        ([0, 7, 0, 7, 0], [(1, 7), (3, 7)]),  # the same twice, one sample each
        ([0, 4, 100, 100, 0], [(1, 100)]),  # a line that switched early: one trigger, from its beginning
        ([0, 100, 100, 36, 0], [(1, 100)]),  # one that switched late
        ([0, 100, 100, 101, 101], [(1, 100), (3, 101)]),
        ([0, 100, 100, 96, 97, 101, 101], [(1, 100), (3, 101)]),  # two false codes on the way
        ([0, -256 + 5, -256 + 5], [(1, 5)]),  # the same bits, kept as a signed number
    ],
)
@pytest.mark.parametrize("block", [3, 1 << 20])
def test_changes_of_the_trigger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: list[float], expected: list, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)  # 3: one sample of three channels at a time
    recording = open_curry(trigger_of(tmp_path, codes))
    assert pairs(recording.markers(), recording.rate) == expected


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    # from 3 samples on: of 2 the gap before a repetition takes one, and a code of one sample after another
    # code is what lines look like that switch late
    gaps=st.lists(st.tuples(st.integers(3, 60), st.integers(1, 255)), max_size=20),
    hold=st.integers(2, 40),
)
def test_what_is_written_is_found(tmp_path: Path, gaps: list[tuple[int, int]], hold: int) -> None:
    samples = np.cumsum([gap for gap, _ in gaps], dtype=int).tolist()
    markers = [(at, code) for at, (_, code) in zip(samples, gaps, strict=True)]
    n = 100 + max(samples, default=0)
    path = tmp_path / "a.cdt"
    write_curry(
        path, [np.zeros((5, n))], channels=CHANNELS, rate=1000, n_samples=n, markers=markers, hold=hold
    )
    recording = open_curry(path)
    assert pairs(recording.markers(), 1000) == markers
    assert pairs(recording.events, 1000) == markers


def test_a_code_of_one_sample_after_another_code_is_part_of_the_change(tmp_path: Path) -> None:
    codes = held_codes([(2, 1), (4, 2), (6, 2)], 10, hold=5)
    assert codes.tolist() == [0, 0, 1, 1, 2, 0, 2, 2, 2, 2]
    recording = open_curry(trigger_of(tmp_path, codes.tolist()))
    assert pairs(recording.markers(), recording.rate) == [(2, 1), (6, 2)]


def test_held_codes_leave_a_sample_before_a_repetition() -> None:
    codes = held_codes([(1, 5), (3, 5), (5, 6), (9, 7)], 10, hold=3)
    assert codes.tolist() == [0, 5, 0, 5, 5, 6, 6, 6, 0, 7]


def test_a_trigger_channel_that_is_none(tmp_path: Path) -> None:
    path = trigger_of(tmp_path, [0, 12.25, 0])
    with pytest.raises(InputError, match=r"channel 'Trigger' holds 12\.25 at sample 1; expected codes"):
        open_curry(path).markers()
    path = trigger_of(tmp_path, [0, np.nan])
    with pytest.raises(InputError, match="channel 'Trigger' holds nan at sample 1"):
        open_curry(path).markers()
    with pytest.raises(UnknownNameError, match="unknown channel 'Status'"):
        open_curry(path).markers(channel="Status")
    assert open_curry(trigger_of(tmp_path, [0, 3, 0])).markers(channel="TRIGGER")[0].value == 3
    assert open_curry(trigger_of(tmp_path, [0, 3 * 256, 0])).markers(mask=0xFF00)[0].value == 768


# -- what is refused ---------------------------------------------------------------------------------------


def broken_missing(path: Path) -> str:
    path.unlink()
    return "no such file"


def broken_empty(path: Path) -> str:
    path.write_bytes(b"")
    return "is empty"


def broken_web_page(path: Path) -> str:
    path.write_bytes(b"<!DOCTYPE html><html>" + bytes(100))
    return "is a web page"


def broken_cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-4])
    return r"has 44 bytes; a\.cdt\.dpo promises 4 samples of 3 channels, which take 48 .*was cut"


def broken_of_another_recording(path: Path) -> str:
    path.write_bytes(bytes(480))
    return "has 480 bytes; .*belongs to another recording"


def broken_renamed(path: Path) -> str:
    path.with_name("a.cdt.dpo").rename(path.with_name("b.cdt.dpo"))
    return r"its parameter file is missing; expected a\.cdt\.dpa or a\.cdt\.dpo beside it"


@pytest.mark.parametrize(
    "damage",
    [broken_missing, broken_empty, broken_web_page, broken_cut, broken_of_another_recording, broken_renamed],
    ids=lambda f: f.__name__.removeprefix("broken_"),
)
def test_broken_recordings(tmp_path: Path, damage: Callable[[Path], str]) -> None:
    path = by_hand(tmp_path)
    reason = damage(path)
    with pytest.raises(InputError, match=rf"a\.cdt: .*{reason}") as caught:
        open_curry(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("DATA_PARAMETERS", "OTHER_PARAMETERS", "has no section DATA_PARAMETERS"),
        ("LABELS_OTHERS END_LIST\n", "", "is cut: LABELS_OTHERS START_LIST has no end"),
        ("=  FLOAT", "=  ASCII", r"its samples are text \(ASCII\).*save it as raw float"),
        ("=  FLOAT", "=  SHORT", "its samples are stored as SHORT"),
        ("=  INTEL", "=  MOTOROLA", "its bytes are in the order MOTOROLA"),
        ("=  SAMP", "=  CHAN", "its samples are stored in the order CHAN, channel after channel"),
        ("NumTrials            =  1", "NumTrials            =  8", "it is cut into 8 epochs"),
        (
            "FileVersion = 804",
            "DataGuid = {2912E8D8-F5C8-4E25-A8E7-A1385967DA09}",
            "its samples are compressed",
        ),
        ("=  500.0", "=  250.0", "it gives 250 samples per second and 2000 µs between two"),
        ("=  500.0", "=  many", "samplefreqhz is 'many'; expected a number"),
        ("NumChannels          =  3", "NumChannels          =  4", "it names 3 channels and promises 4"),
        ("NumChannels          =  3", "NumChannels          =  0", "it promises 0 channels"),
        ("CZ\n", "FP1\n", "channel names repeat: FP1"),
    ],
)
def test_broken_parameter_files(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(InputError, match=rf"a\.cdt\.dpo: .*{says}") as caught:
        open_curry(by_hand(tmp_path, (old, new)))
    assert "\n" not in str(caught.value)


def test_a_first_sample_that_looks_like_an_archive(tmp_path: Path) -> None:
    """One sound recording in 65536 begins with the two bytes of gzip."""
    path = by_hand(tmp_path)
    content = path.read_bytes()
    path.write_bytes(b"\x1f\x8b" + content[2:])
    assert open_curry(path).n_samples == 4
    path.write_bytes(b"\x1f\x8b" + content[2:] * 2)
    with pytest.raises(InputError, match=r"a\.cdt: is a gzip archive"):
        open_curry(path)


def test_no_rate_at_all(tmp_path: Path) -> None:
    path = by_hand(tmp_path, ("=  500.0", "=  0"), ("=  2000.0", "=  0"))
    with pytest.raises(InputError, match="it gives no rate; expected SampleFreqHz"):
        open_curry(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"<html></html>", "is a web page"), (bytes(200), "is not text")],
)
def test_a_parameter_file_of_another_kind(tmp_path: Path, content: bytes, says: str) -> None:
    path = by_hand(tmp_path)
    Path(f"{path}.dpo").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.cdt\.dpo: {says}"):
        open_curry(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing\n", "has no list NUMBER_LIST"),
        ("NUMBER_LIST START_LIST\n1 0 7 -1 1 1\n", "is cut: NUMBER_LIST START_LIST has no end"),
        ("NUMBER_LIST START_LIST\n1 0 x -1 1 1\nNUMBER_LIST END_LIST\n", "row 1 is '1 0 x -1 1 1'"),
    ],
)
def test_broken_events(tmp_path: Path, text: str, says: str) -> None:
    path = by_hand(tmp_path)
    Path(f"{path}.ceo").write_text(text)
    with pytest.raises(InputError, match=rf"a\.cdt\.ceo: {says}"):
        open_curry(path)


def test_the_parameter_file_in_place_of_the_recording(tmp_path: Path) -> None:
    path = by_hand(tmp_path)
    with pytest.raises(
        InputError, match=r"a\.cdt\.dpo: is a file that belongs to .*expected the recording, a\.cdt"
    ):
        open_curry(f"{path}.dpo")


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.cdt"
    simulated(path)
    recording = open_curry(path)
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(InputError, match="ends within sample 1250 of 2000"):
        recording.read(0, 2)
    with pytest.raises(InputError, match="ends within sample 1250 of 2000"):
        recording.markers()


def test_the_writer_counts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="30 samples were given, 40 promised"):
        write_curry(tmp_path / "a.cdt", [np.zeros((5, 30))], channels=CHANNELS, rate=1000, n_samples=40)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_to_the_parameters_is_one_line_or_none(
    tmp_path: Path, damage: list[tuple[int, int]]
) -> None:
    places = "CHAN_IN_FILE START_LIST\n1\n2\nCHAN_IN_FILE END_LIST\n"
    path = by_hand(tmp_path, ("LABELS_OTHERS START_LIST", f"{places}LABELS_OTHERS START_LIST"))
    content = bytearray(Path(f"{path}.dpo").read_bytes())
    for at, byte in damage:
        content[at % len(content)] = byte
    Path(f"{path}.dpo").write_bytes(content)
    try:
        recording = open_curry(path)
        assert recording.read(0, recording.span.duration).shape == (3, recording.n_samples)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017  either is fine, anything else is not
