"""The reader of BIOPAC's ``.acq``: real recordings against bioread, made-up samples, and broken files."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _real import asset
from mien.core import InputError, UnknownNameError
from mien.io import acq as module
from mien.io._acq_bioread import Layout
from mien.io.acq import Acq, AcqChannel, AcqTable, open_acq

PHYSIO = ("physio-3.9.1.acq", "physio-4.1.0.acq", "physio-5.0.1.acq", "physio-5.0.1-c.acq")
"""One recording, saved by several versions; the last is compressed."""
RECORDED = ("EKG - ERS100C", "RESP - RSP100C", "EDA - GSR100C")


def real(name: str) -> Acq:
    return open_acq(asset(f"biopac/{name}"))


# -- real recordings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PHYSIO)
def test_a_real_recording(name: str) -> None:
    """ECG at 1000 Hz, breathing at 3.90625 Hz and skin conductance at 2000 Hz; 61.9 s, ten markers."""
    acq = real(name)
    assert acq.channels == ("EDA filtered, differentiated", *RECORDED)
    assert acq.rates == (2000.0, 1000.0, 3.90625, 2000.0)
    assert acq.words == ("microsiemens", "mV", "Volts", "microsiemens")
    assert acq.units == ("S", "V", "V", "S")
    assert acq.n_samples == (123787, 61893, 241, 123787)
    lengths = [acq.source(channel).span.duration for channel in acq.channels]
    np.testing.assert_allclose(lengths, 61.9, atol=0.3)  # the slow one ends within its last sample of 0.26 s
    texts = [event.value for event in acq.events]
    assert len(texts) == 10
    assert texts[1] == "Breathe In"
    assert [text for text in texts if str(text).startswith("Deep")] == [f"Deep Breath {k}" for k in (1, 2, 3)]
    times = [event.span.start for event in acq.events]
    assert times == sorted(times)
    np.testing.assert_allclose(times[1], 4.309)  # sample 8618 at 2000 Hz
    assert acq.events[1].kind == "event"


@pytest.mark.parametrize("name", PHYSIO)
def test_values_are_those_of_bioread_in_si(name: str) -> None:
    bioread = pytest.importorskip("bioread")
    acq = real(name)
    theirs = bioread.read(str(acq.path)).channels
    factors = {"microsiemens": 1e-6, "mV": 1e-3, "Volts": 1.0}
    for channel, own in zip(theirs, acq.channels, strict=True):
        source = acq.source(own)
        whole = source.read(0, source.span.duration)
        # the factors of the file and of SI are multiplied in another order
        np.testing.assert_allclose(whole[0], channel.data * factors[channel.units], rtol=1e-12, atol=1e-18)
        first = source.n_samples // 3
        part = source.read(first / source.rate, 50 / source.rate)
        np.testing.assert_array_equal(part, whole[:, first : first + 50])


def test_every_version_holds_the_same_samples() -> None:
    first, *others = (real(name) for name in PHYSIO)
    for other in others:
        for channel in RECORDED:
            source, again = first.source(channel), other.source(channel)
            np.testing.assert_array_equal(
                source.read(0, source.span.duration), again.read(0, again.span.duration)
            )


def test_the_heart_is_in_millivolts_and_beats() -> None:
    """Some 65 beats a minute, R peaks of about half a millivolt."""
    from scipy.signal import find_peaks

    source = real("physio-5.0.1.acq").source("EKG - ERS100C")
    ecg = source.read(0, 61.8)[0]
    peaks, _ = find_peaks(ecg, height=0.4 * ecg.max(), distance=400)
    assert 58 < 60_000 / np.median(np.diff(peaks)) < 75
    assert 2e-4 < ecg.max() < 5e-3


def test_other_recordings() -> None:
    plain = real("r42_test.acq")
    assert plain.channels == ("ECG (.05 - 150 Hz)", "EMG (30 - 500 Hz)", "EDA (0 - 35 Hz)", "CH4 Input")
    assert (plain.units, set(plain.rates)) == (("V", "V", "S", "V"), {1000.0})
    accents = real("small-unicode-4.4.0.acq")
    assert accents.words[0] == "μsiemens"  # with a Greek letter
    assert accents.units[0] == "S"


def test_a_table_of_the_channels_that_share_a_rate() -> None:
    acq = real("physio-5.0.1.acq")
    table = acq.table()
    assert (table.channels, table.rate) == (("EDA filtered, differentiated", "EDA - GSR100C"), 2000.0)
    data = table.read(1.0, 2.0, channels=["EDA - GSR100C"])
    np.testing.assert_array_equal(data, acq.source("EDA - GSR100C").read(1.0, 2.0))
    assert acq.table(["EKG - ERS100C"]).units == ("V",)
    with pytest.raises(
        InputError, match=r"3\.90625 Hz and 1000 Hz in one table; expected channels of one rate"
    ):
        acq.table(["EKG - ERS100C", "RESP - RSP100C"])
    with pytest.raises(InputError, match="no channel in one table"):
        acq.table([])
    with pytest.raises(InputError, match=r"no channel is labelled as a digital line.*EDA - GSR100C"):
        acq.markers()


@pytest.mark.parametrize("name", ["physio-5.0.1.acq", "physio-5.0.1-c.acq"])
def test_travel_and_spans(name: str) -> None:
    acq = real(name)
    source = acq.source("EKG - ERS100C")
    before = source.read(10, 1)
    again: AcqChannel = pickle.loads(pickle.dumps(source))  # noqa: S301  our own bytes
    assert len(pickle.dumps(source)) < 10_000  # no samples
    np.testing.assert_array_equal(again.read(10, 1), before)
    assert again.files() == (acq.path,)
    with pytest.raises(
        InputError, match=r"is not within the recording; expected a span within \[0 s, 61\.893"
    ):
        again.read(61, 1)
    with pytest.raises(UnknownNameError, match="unknown channel 'EEG'"):
        acq.source("EEG")


def cut_headers(content: bytes) -> bytes:
    return content[:3000]


def cut_samples(content: bytes) -> bytes:
    return content[:700_000]


def cut_markers(content: bytes) -> bytes:
    return content[:1_372_100]


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        (cut_headers, "cannot be read as one"),
        (cut_samples, "is cut: its samples end at byte 1,371,928, the file at byte 700,000"),
        (cut_markers, "is cut, or its event markers are damaged"),
    ],
)
def test_a_real_recording_that_was_cut(tmp_path: Path, cut: Callable[[bytes], bytes], says: str) -> None:
    path = tmp_path / "a.acq"
    path.write_bytes(cut(asset("biopac/physio-5.0.1.acq").read_bytes()))
    with pytest.raises(InputError, match=rf"a\.acq: {says}"):
        open_acq(path)


def test_a_compressed_recording_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.acq"
    content = bytearray(asset("biopac/physio-5.0.1-c.acq").read_bytes())
    content[300_000:300_100] = bytes(100)
    path.write_bytes(content)
    acq = open_acq(path)
    with pytest.raises(InputError, match=r"a\.acq: cannot be read as one"):
        [acq.source(channel).read(0, 1) for channel in acq.channels]


# -- files of another kind ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b"<html>log in</html>", "is a web page"),
        (b"MATLAB 5.0 MAT-file".ljust(4000), "is a MATLAB file.*Use open_biopac"),
        (b"time,ecg\n0,1\n" * 400, "cannot be read as one"),
        (bytes(100_000), "cannot be read as one"),
        (np.random.default_rng(0).bytes(100_000), "cannot be read as one"),
    ],
)
def test_files_of_another_kind(
    tmp_path: Path, content: bytes | None, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.acq"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.acq: {says}") as caught:
        open_acq(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # bioread would write to the terminal


# -- where the samples lie ---------------------------------------------------------------------------------


def interleaved(dividers: list[int], counts: list[int]) -> list[tuple[int, int]]:
    """(channel, number of its sample) in the order of the file, by walking through the ticks."""
    order, left = [], list(counts)
    tick = 0
    while any(left):
        for channel, divider in enumerate(dividers):
            if tick % divider == 0 and left[channel]:
                order.append((channel, counts[channel] - left[channel]))
                left[channel] -= 1
        tick += 1
    return order


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 4, 8]), st.integers(0, 30), st.sampled_from([2, 8])),
        min_size=1,
        max_size=5,
    )
)
def test_places_of_samples(channels: list[tuple[int, int, int]]) -> None:
    dividers, counts, sizes = (list(column) for column in zip(*channels, strict=True))
    layout = Layout(begin=1000, dividers=np.array(dividers), sizes=np.array(sizes), counts=np.array(counts))
    place, expected = 1000, {}
    for channel, number in interleaved(dividers, counts):
        expected[channel, number] = place
        place += sizes[channel]
    assert layout.end == place
    for channel, count in enumerate(counts):
        found = layout.places(channel, 0, count).tolist()
        assert found == [expected[channel, number] for number in range(count)]


def made_up(path: Path, codes: np.ndarray) -> AcqTable:
    """A table whose channels are one recorded signal, and eight lines of 0 and 5 V, stored as int16."""
    n = len(codes)
    stored = np.zeros((n, 9), dtype=">i2")
    stored[:, 0] = np.arange(n) % 1000
    stored[:, 1:] = 16384 * (codes[:, None] >> np.arange(8) & 1)
    path.write_bytes(bytes(64) + stored.tobytes())
    layout = Layout(begin=64, dividers=np.ones(9, int), sizes=np.full(9, 2), counts=np.full(9, n))
    names = ("ECG", *(f"Digital (STP Input {k})" for k in range(8)))
    sources = tuple(
        AcqChannel(
            path=path, channels=(name,), rate=1000.0, n_samples=n, unit="V", _place=k,
            _dtype=np.dtype(">i2"), _layout=layout, _gain=10 / 32768, _offset=0.0,
        )
        for k, name in enumerate(names)
    )  # fmt: skip
    return AcqTable(path=path, channels=names, units=("V",) * 9, rate=1000.0, n_samples=n, _sources=sources)


@pytest.mark.parametrize("block", [7, 1 << 17])
def test_codes_on_digital_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    codes = np.zeros(400, dtype=int)
    for at, code in ((10, 77), (100, 101), (300, 100), (320, 255)):
        codes[at : at + 20] = code
    table = made_up(tmp_path / "a.acq", codes)
    markers = table.markers()
    assert [(round(e.span.start * 1000), e.value) for e in markers] == [
        (10, 77), (100, 101), (300, 100), (320, 255),
    ]  # fmt: skip
    assert table.markers(lines=table.channels[1:]) == markers
    sources = dict(zip(table.channels, table._sources, strict=True))
    acq = Acq(
        path=table.path, channels=table.channels, rates=(1000.0,) * 9, units=table.units, words=("",) * 9,
        n_samples=(400,) * 9, events=(), _sources=sources,
    )  # fmt: skip
    assert acq.markers() == acq.markers(lines=table.channels[1:]) == markers
    assert made_up(tmp_path / "b.acq", np.zeros(50, dtype=int)).markers() == ()
    np.testing.assert_array_equal(table.read(0.1, 0.2, channels=["ECG"])[0], np.arange(100, 300) * 10 / 32768)
    with pytest.raises(UnknownNameError, match="unknown channel 'EDA'"):
        table.markers(lines=["EDA"])


def test_a_part_costs_that_part(tmp_path: Path) -> None:
    table = made_up(tmp_path / "a.acq", np.zeros(600_000, dtype=int))  # 11 MB
    tracemalloc.start()
    table.read(300, 1)
    part = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    table.markers()
    scanned = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert part < 1e6
    # a piece of 131072 samples: eight lines of doubles, and what finds the places of one of them
    assert scanned < 40e6
    (tmp_path / "a.acq").write_bytes(bytes(1000))
    with pytest.raises(InputError, match=r"a\.acq: ends early"):
        table.read(300, 1)


def test_units_are_given_where_the_files_word_is_not_known(tmp_path: Path) -> None:
    whole = asset("biopac/physio-5.0.1.acq").read_bytes()
    path = tmp_path / "a.acq"
    path.write_bytes(whole.replace(b"microsiemens\0", b"somewhatelse\0").replace(b"mV\0", b"xx\0"))
    plain, real_ = open_acq(path), open_acq(asset("biopac/physio-5.0.1.acq"))
    skin, heart = "EDA - GSR100C", "EKG - ERS100C"
    assert plain.source(skin).unit == plain.source(heart).unit == "arbitrary"
    told = open_acq(path, units={skin: "µS", heart: "mV", "RESP - RSP100C": "mV"})
    assert (told.source(skin).unit, told.source(heart).unit) == ("S", "V")
    for channel in (skin, heart, "RESP - RSP100C"):  # what the file tells counts: volts
        np.testing.assert_array_equal(told.source(channel).read(0, 2), real_.source(channel).read(0, 2))
    assert told.words == ("somewhatelse", "mV", "Volts", "µS")
    with pytest.raises(InputError, match=r"unit 'parsec' of channel 'EDA - GSR100C' is not known"):
        open_acq(path, units={skin: "parsec"})
    with pytest.raises(UnknownNameError, match="EEG"):
        open_acq(path, units={"EEG": "mV"})
