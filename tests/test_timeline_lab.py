"""Any lab's recording: a table of markers and arrays in, one clock out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core import Event, InputError, Span
from mien.timeline import array_stream, from_markers, read_markers, to_recording

TIMES = np.array([1.0, 4.0, 9.5, 17.0, 21.0, 40.0])
WORDS = ("go", "stop", "go", "stop", "go", "end")


def test_arrays_and_markers_of_three_devices() -> None:
    ramp = np.arange(1000) / 10  # says its own time
    made = from_markers(
        {"a": (TIMES, WORDS), "b": ((TIMES + 7) / (1 + 1e-4), WORDS)},
        streams=[array_stream("x", ramp, rate=10.0, clock="b", channels=("own time",))],
        reference="a",
    )
    assert made.clocks["b"].offset == pytest.approx(-7)
    assert made.clocks["b"].drift == pytest.approx(1e-4)
    signal = made.streams["x"].read(Span(start=10.0, duration=1.0))
    # half a sample
    np.testing.assert_allclose(signal.data[0], (17 + np.arange(10) / 10) / (1 + 1e-4), atol=0.05)
    assert signal.channels == ("own time",)
    assert to_recording(17.0, made.clocks["b"]) == pytest.approx(10.0017)
    assert (made.id, made.trials) == ("recording", ())


def test_events_and_files_give_the_same(tmp_path: Path) -> None:
    events = [
        Event(kind="marker", span=Span(start=t + shift, duration=0.0), value=v, clock=clock)
        for clock, shift in (("a", 0.0), ("b", 2.5))
        for t, v in zip(TIMES.tolist(), (100, 1, 100, 2, 100, 3), strict=True)
    ]
    lines = ["clock,time,value,remark", *(f"{e.clock},{e.span.start},{e.value},x" for e in events)]
    file = tmp_path / "markers.csv"
    file.write_text("\n".join(lines), encoding="utf-8-sig")
    assert read_markers(file) == tuple(events)
    assert from_markers(file).clocks == from_markers(events).clocks
    assert from_markers(events).clocks["b"].offset == pytest.approx(-2.5)


def test_words_stay_words_and_nothing_is_nothing(tmp_path: Path) -> None:
    file = tmp_path / "markers.csv"
    file.write_text("value,clock,time\ngo,a,1\n,a,2\n007,a,3\n", encoding="utf-8")
    assert [e.value for e in read_markers(file)] == ["go", None, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clock,time\na,1\n", r"markers\.csv: lacks the column\(s\) value; expected clock, time, value"),
        ("", r"lacks the column\(s\) clock, time, value"),
        ("clock,time,value\na,1,2\na,soon,3\n", "line 3: clock 'a', time 'soon'"),
        ("clock,time,value\na,nan,3\n", "line 2: clock 'a', time 'nan'"),
        ("clock,time,value\n,1,3\n", "line 2: clock '', time '1'"),
        ("clock,time,value\na\n", "line 2: clock 'a', time None"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "markers.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_markers(file)
    with pytest.raises(InputError, match=r"no\.csv: is not there"):
        from_markers(tmp_path / "no.csv")


def test_devices_that_share_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="clock 'b' of recording mine shares 1 marker"):
        from_markers({"a": (TIMES, WORDS), "b": ([3.0], ["end"])}, name="mine", reference="a")
    with pytest.raises(InputError, match="expected at least 7"):
        from_markers({"a": (TIMES, WORDS), "b": (TIMES, WORDS)}, min_markers=7)
    with pytest.raises(InputError, match=r"clock 'a': \(6,\) times and 2 values of markers"):
        from_markers({"a": (TIMES, ("x", "y"))})


def test_a_stream_of_an_array_ends_where_the_array_does() -> None:
    stream = array_stream("x", np.zeros((2, 30)), rate=10.0, clock="c", start=5.0, modality="eda", unit="S")
    assert (stream.span, stream.channels, stream.modality) == (
        Span(start=5.0, duration=3.0),
        ("1", "2"),
        "eda",
    )
    assert stream.read().data.shape == (2, 30)
    for start, duration in ((4.8, 1.0), (7.5, 1.0)):
        with pytest.raises(
            InputError, match=r"is not within the recording; expected a span within \[5 s, 8 s\)"
        ):
            stream.read(Span(start=start, duration=duration))


def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parent.parent / "docs" / "timeline.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "timeline.md", "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("3.200 s, 120 ppm, 59 markers")
    assert said[1:3] == ["eeg 0 0 0 0 None", said[2]]
    assert said[2].startswith("body 59 1 0 0 ")
    assert said[4].startswith("141.30 per second, ")
    assert said[5].startswith("101 camera ± 3.5 ms")
    np.testing.assert_allclose(names["on_the_eegs_clock"], 3.2 + 1.00012 * names["body_times"], atol=1e-3)
    assert names["lost"][0].value == names["codes"][7]
