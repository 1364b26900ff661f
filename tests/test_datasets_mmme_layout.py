"""The layout constants of MMME against what was published, written out again here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from _mes_eeg_files import COLUMNS, NAMES_68
from _mmme_files import LABELS, STREAMS, Person, write_copy
from _real import asset
from mien import datasets
from mien.core import InputError, Recording, UnknownNameError
from mien.datasets import _mmme_biopac as biopac
from mien.datasets import _mmme_layout as layout
from mien.datasets._inspection import DatasetWarning
from mien.datasets._me_clips import MarkedClip, clips_in
from mien.datasets._mmme_trials import place
from mien.io._acq_bioread import Layout
from mien.io.acq import Acq, AcqChannel, open_acq
from mien.io.biopac import markers_of
from mien.timeline import align


def test_channels_labels_and_columns() -> None:
    assert list(layout.CHANNELS) == [*NAMES_68, "Trigger"]
    assert list(layout.BIOPAC_LABELS) == LABELS
    assert tuple(layout.BODY_LABELS) == STREAMS
    assert list(layout.COLUMNS) == [name for name in COLUMNS if name != "Macro/Micro"]
    assert len(layout.COLUMNS) == 13
    assert layout.TRIGGER_BASE + 100 == 65380  # the one value that is shown


def test_digital_lines_of_the_published_sample() -> None:
    volts = np.zeros((8, 4))
    volts[:, 2:] = np.array([0, 0, 5, 0, 0, 5, 5, 0.0])[:, None]
    (marker,) = markers_of(volts, 1000.0)
    assert (marker.value, marker.span.start) == (100, 0.002)


def test_names_of_the_published_frames_and_folders() -> None:
    name = "2023-07-21-16-45-38-257-410-112"
    match = layout.FRAME_NAME.fullmatch(name)
    assert match is not None
    assert (match["code"], match["marker"]) == ("410", "112")
    assert layout.frame_name((2023, 7, 21), 60_338.257, 410, 112) == f"{name}.tif"
    session = layout.SESSION.fullmatch("juliett20230721")
    assert session is not None
    assert session.groups() == ("juliett", "20230721")
    assert layout.SESSION.fullmatch("Frames") is None
    assert Path(layout.EEG_FILE).match(layout.GLOBS["eeg"][0])
    assert Path(layout.BIOPAC_FILE).match(layout.GLOBS["biopac"][0])


def test_columns_are_found_by_what_stands_before_the_comma() -> None:
    found = biopac.columns_of(["ecg", "EDA, Y, PPGED", "ECG rate (.5 - 35 Hz)", "SKT  B, X"])
    assert found == {"ecg": "ecg", "eda": "EDA, Y, PPGED", "skt_b": "SKT  B, X"}
    assert biopac.columns_of([f"column {k}" for k in range(16)]) == {}
    assert biopac.columns_of([f"column {k}" for k in range(17)])["skt_b"] == "column 7"


class TestClips:
    def test_markers_delimit_clips(self) -> None:
        markers = [(0.0, 77), (0.5, 88), (1.0, 101), (9.0, 100), (10.0, 102), (19.0, 100)]
        clips, wrong = clips_in(markers)
        assert [(c.marker, c.start, c.stop) for c in clips] == [(101, 1.0, 9.0), (102, 10.0, 19.0)]
        assert not wrong

    def test_a_repeated_marker_counts_once(self) -> None:
        clips, wrong = clips_in([(1.0, 101), (1.2, 101), (9.0, 100), (9.2, 100), (10.0, 102), (19.0, 100)])
        assert [(c.marker, c.start, c.stop) for c in clips] == [(101, 1.0, 9.0), (102, 10.0, 19.0)]
        assert [(item, re.sub(r"\d+\.\d+", "T", text)) for item, text, _ in wrong] == [
            ("marker 101", "comes again at T s; the first is used")
        ]

    def test_the_first_with_an_end_counts(self) -> None:
        clips, wrong = clips_in([(1.0, 101), (10.0, 102), (19.0, 100), (20.0, 101), (29.0, 100)])
        assert [(c.marker, c.start, c.stop) for c in clips] == [(102, 10.0, 19.0), (101, 20.0, 29.0)]
        assert wrong[0][1] == "no end (100) before marker 102"

    def test_unknown_markers(self) -> None:
        clips, wrong = clips_in([(1.0, 199), (2.0, None), (3.0, 148)])
        assert [(c.marker, c.stop, c.followed_by) for c in clips] == [(148, None, None)]
        assert [item for item, _, _ in wrong] == ["marker 199", "event at 2.000 s"]


class TestPlaces:
    own = (
        MarkedClip(marker=101, start=10.0, stop=20.0),
        MarkedClip(marker=103, start=50.0, stop=None, followed_by=104),
    )
    other = tuple(
        MarkedClip(marker=m, start=s, stop=e)
        for m, s, e in ((101, 0.0, 10.0), (102, 21.0, 32.0), (103, 40.5, 52))
    )

    def test_what_one_device_lost_another_tells(self) -> None:
        placed, lost = place({"eeg": self.own, "biopac": self.other}, stop=100.0)
        assert not lost
        assert [(p.marker, p.span.start, p.span.stop) for p in placed] == [
            (101, 10.0, 20.0), (102, 30.5, 41.5), (103, 50.0, 61.5),
        ]  # fmt: skip
        assert [(p.start_by, p.stop_by) for p in placed] == [
            ("eeg", "eeg"), ("biopac", "biopac"), ("eeg", "biopac"),
        ]  # fmt: skip

    def test_without_a_shared_clip_there_is_no_place(self) -> None:
        placed, lost = place({"eeg": self.own[:1], "biopac": self.other[1:]}, stop=100.0)
        assert [p.marker for p in placed] == [101]
        assert [marker for marker, _ in lost] == [102, 103]
        assert "no clip is marked by both" in lost[0][1]

    def test_the_last_clip_may_last_to_the_end(self) -> None:
        last = MarkedClip(marker=148, start=90.0, stop=None)
        placed, lost = place({"eeg": (last,)}, stop=100.0)
        assert placed[0].span.duration == 10.0
        assert placed[0].stop_by is None
        placed, lost = place({"eeg": self.own}, stop=100.0)
        assert lost == ((103, "no device marks its end"),)


def made_up_acq(path: Path, *, slow: str = "") -> Acq:
    """The recording of a person as an opened ``.acq``, read through real channels whose samples are stored in
    ``path``; one channel may be slower than the others."""
    person = Person()
    n = round((person.seconds + 1.5) * 250)
    codes = np.zeros(n, dtype=int)
    for at, code in person.on("biopac"):
        codes[round(at * 250) : round(at * 250) + 5] = code
    rows = [np.arange(n) % 100 for _ in range(8)] + [16384 * (codes >> k & 1) for k in range(8)]
    path.parent.mkdir(parents=True, exist_ok=True)
    sources: dict[str, AcqChannel] = {}
    stored = np.stack(rows, axis=1).astype(">i2")
    path.write_bytes(stored.tobytes())
    whole = Layout(begin=0, dividers=np.ones(16, int), sizes=np.full(16, 2), counts=np.full(16, n))
    for k, name in enumerate(LABELS[:16]):
        rate = 125.0 if name.startswith(slow) and slow else 250.0
        sources[name] = AcqChannel(
            path=path, channels=(name,), rate=rate, n_samples=n, unit="S" if "EDA" in name else "V", _place=k,
            _dtype=np.dtype(">i2"), _layout=whole, _gain=10 / 32768, _offset=0.0,
        )  # fmt: skip
    return Acq(
        path=path, channels=tuple(sources), rates=tuple(s.rate for s in sources.values()),
        units=tuple(s.unit for s in sources.values()), words=("",) * 16, n_samples=(n,) * 16, events=(),
        _sources=sources,
    )  # fmt: skip


@pytest.mark.parametrize("slow", ["", "RSP"])
def test_a_recording_of_acqknowledge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
    path = next(root.glob("alpha*")) / "BIOPAC" / "Untitled1.acq"
    made = made_up_acq(path, slow=slow)
    monkeypatch.setattr(biopac, "open_acq", lambda _: made)
    (recording,) = datasets.load("mmme", root)
    assert recording.streams["eda"].unit == "S"
    assert ("body" in recording.streams) == (not slow)
    assert recording.streams["rsp"].rate == (125.0 if slow else 250.0)
    aligned: Recording = align(recording)
    assert aligned.clocks["biopac"].offset == pytest.approx(-1.5, abs=1e-6)
    span = aligned.trials[0].span
    stored = aligned.streams["ecg"].read(span).data[0] / (10 / 32768)
    first = round((span.start + 1.5) * 250)
    np.testing.assert_allclose(stored, np.arange(first, first + len(stored)) % 100, atol=1e-9)


def test_an_acq_that_is_none(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
    path = next(root.glob("alpha*")) / "BIOPAC" / "Untitled1.acq"
    path.parent.mkdir()
    path.write_bytes(b"\0" * 4000)
    with pytest.warns(DatasetWarning, match=r"Untitled1.acq: .*a recording of AcqKnowledge"):
        (recording,) = datasets.load("mmme", root)
    assert "raw_eeg" in recording.streams


def test_units_of_an_acq_are_given_by_stream(tmp_path: Path) -> None:
    """A real recording whose channels were called as those of MMME, and one unit something unknown."""
    content = asset("biopac/physio-5.0.1.acq").read_bytes()
    for old, new in (
        (b"EKG - ERS100C", b"ECG, X, RSPEC"),
        (b"EDA - GSR100C", b"EDA, X, PPGED"),
        (b"microsiemens\0", b"somewhatelse\0"),
    ):
        content = content.replace(old, new)
    root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
    path = next(root.glob("alpha*")) / "BIOPAC" / "Untitled1.acq"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.warns(DatasetWarning) as caught:
        (recording,) = datasets.load("mmme", root)
    faults = [str(f) for w in caught if isinstance(w.message, DatasetWarning) for f in w.message.faults]
    (line,) = (fault for fault in faults if "word for the unit" in fault)
    assert "Untitled1.acq: eda: the file's word for the unit is not known; values are as stored" in line
    assert "give it as units={stream: word}" in line
    stored = recording.streams["eda"].source.read(1.0, 2.0)
    assert recording.streams["eda"].unit == "arbitrary"
    with pytest.warns(DatasetWarning) as caught:
        (recording,) = datasets.load("mmme", root, units={"eda": "µS", "ecg": "V"})
    assert not any("word for the unit" in str(w.message) for w in caught)
    assert recording.streams["eda"].unit == "S"
    np.testing.assert_allclose(recording.streams["eda"].source.read(1.0, 2.0), 1e-6 * stored, rtol=1e-12)
    # the file says mV, and that counts
    heart = open_acq(asset("biopac/physio-5.0.1.acq")).source("EKG - ERS100C")
    np.testing.assert_array_equal(recording.streams["ecg"].source.read(0.0, 2.0), heart.read(0.0, 2.0))


def test_units_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Person()])
    with pytest.raises(InputError, match=r"unit 'parsec' of stream 'eda' is not known; expected a word such"):
        datasets.load("mmme", root, units={"eda": "parsec"})
    with pytest.raises(UnknownNameError, match="stream of BIOPAC: 'heart'"):
        datasets.inspect("mmme", root, units={"heart": "mV"})
