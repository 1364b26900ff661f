"""Events as pieces of trials, and what is read around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core import Clip, Event, InputError, Label, Recording, Span, Stream, Trial
from mien.run import cuts
from mien.run.study_file import load_study

LABELS = {"emotion": Label(value="happy", scale=("happy", "sad"), rater="stimulus")}


class Ramp:
    """A source whose value is the time."""

    def read(self, start: float, duration: float) -> np.ndarray:
        return np.arange(start, start + duration - 1e-9, 0.1)[None]


class Camera(Ramp):
    def shows(self, event: Event) -> bool:
        return event.id == "e1"

    def clip(self, event: Event) -> Clip:
        times = np.array([event.span.start, event.span.stop])
        return Clip(frames=np.zeros((2, 4, 4), np.uint8), times=times)


def stream(modality: str = "eeg") -> Stream:
    return Stream(
        name=modality,
        modality=modality,
        unit="1" if modality == "face" else "V",
        rate=10.0,
        channels=("a",),
        span=Span(start=0.0, duration=100.0),
        source=Camera() if modality == "face" else Ramp(),
    )


def whole(start: float = 20.0, duration: float = 30.0) -> Trial:
    span = Span(start=start, duration=duration)
    return Trial(id="t", recording="r", subject="p1", session="1", stimulus="c7", span=span, labels=LABELS)


def piece(apex: float | None, onset: float = 30.0, offset: float = 30.4, trial: Trial | None = None) -> Trial:
    event = Event(
        kind="micro", span=Span(start=onset, duration=offset - onset), apex=apex, id="e1", trial="t",
        labels=LABELS,
    )  # fmt: skip
    recording = Recording(
        id="r", dataset="d", subject="p1", session="1", streams={"eeg": stream()}, events=(event,),
        trials=(trial or whole(),),
    )  # fmt: skip
    (cut,) = cuts.by_event(recording, ["micro"]).trials
    return cut


def test_an_event_becomes_a_piece_of_its_trial():
    cut = piece(30.2)
    assert cut.id == "e1"
    assert cut.part_of == whole()
    assert (cut.subject, cut.session, cut.stimulus, cut.recording) == ("p1", "1", "c7", "r")
    assert cut.labels == LABELS


def test_events_of_other_kinds_without_id_or_of_no_trial_are_passed_over():
    span = Span(start=21.0, duration=0.1)
    events = (
        Event(kind="macro", span=span, id="e2", trial="t"),
        Event(kind="micro", span=span, trial="t"),
        Event(kind="micro", span=span, id="e3", trial="elsewhere"),
        Event(kind="micro", span=span, id="e4", trial="t"),
    )
    recording = Recording(
        id="r", dataset="d", subject="p1", session="1", streams={}, events=events, trials=(whole(),)
    )
    assert [t.id for t in cuts.by_event(recording, ["micro"]).trials] == ["e4"]


@pytest.mark.parametrize(
    ("cut", "apex", "start", "duration"),
    [
        ("apex:8", 30.2, 26.2, 8.0),
        ("apex:8", None, 26.2, 8.0),  # the middle of 30.0 to 30.4
        ("apex:20", 30.2, 20.2, 20.0),
        ("apex:28", 30.2, 20.0, 28.0),  # moved to the start of the trial
        ("end:12.5", 30.2, 37.5, 12.5),
        ("end:40", 30.2, 20.0, 30.0),  # the trial has no more
        ("apex:40", 30.2, 20.0, 30.0),
        ("apex-4+10", 30.2, 26.2, 14.0),
        ("apex-12+25.5", 30.2, 18.2, 37.5),  # from before the trial to beyond its end
        ("apex-0+3", None, 30.2, 3.0),
        ("event", 30.2, 30.0, 0.4),
        ("trial", 30.2, 20.0, 30.0),
        ("rest-3+10", 30.2, 17.0, 23.2),  # from 3 s before the trial to 10 s after the apex
        ("rest-0+25.5", None, 20.0, 35.7),
        ("rest-3", 30.2, 17.0, 33.0),
    ],
)
def test_cuts(cut, apex, start, duration):
    span = cuts.span_of(cut, piece(apex))
    # sums of a few doubles
    assert span.start == pytest.approx(start, abs=1e-9)
    assert span.duration == pytest.approx(duration, abs=1e-9)


@given(
    seconds=st.floats(0.5, 60), at=st.floats(0, 1), start=st.floats(0, 1000), duration=st.floats(1, 100),
    kind=st.sampled_from(["apex", "end"]),
)  # fmt: skip
def test_no_cut_leaves_its_trial(seconds, at, start, duration, kind):
    trial = whole(start, duration)
    apex = start + at * duration
    span = cuts.span_of(f"{kind}:{seconds:.3f}", piece(apex, apex, apex, trial))
    assert span.start >= start - 1e-9  # sums of a few doubles
    assert span.stop <= trial.span.stop + 1e-9
    # the length is rounded to a millisecond by the text of the cut
    assert span.duration == pytest.approx(min(seconds, duration), abs=1e-3)


@pytest.mark.parametrize(
    ("cut", "start", "duration"),
    [
        ("end:12", 38.0, 12.0),
        ("end:40", 20.0, 30.0),
        ("trial", 20.0, 30.0),
        ("rest-3", 17.0, 33.0),
        ("apex:8", 20.0, 30.0),
        ("rest-3+10", 20.0, 30.0),
    ],
)
def test_a_trial_that_is_one_sample_can_be_cut_at_its_end_only(cut, start, duration):
    recording = Recording(
        id="r", dataset="d", subject="p1", session="1", streams={}, events=(), trials=(whole(),)
    )
    (one,) = cuts.by_trial(recording).trials
    assert cuts.span_of(cut, one) == Span(start=start, duration=duration)
    assert cuts.of_trials(cut) == (cut not in ("apex:8", "rest-3+10"))


def test_whole_trials_are_read_whole_or_with_the_rest_before_them():
    assert cuts.span_of("apex:8", whole()) == whole().span
    assert cuts.span_of("rest-3+10", whole()) == whole().span
    assert cuts.span_of("rest-3", whole()) == Span(start=17.0, duration=33.0)
    known = ("trial", "end:4", "apex:8", "rest-3", "rest-3+10")
    assert [cut for cut in known if cuts.of_windows(cut)] == ["rest-3"]


@pytest.mark.parametrize(
    "cut",
    [
        "apex",
        "apex:0",
        "apex:-1",
        "end:",
        "begin:4",
        "event:3",
        "",
        "apex:1e3",
        "apex-0+0",
        "apex-4",
        "apex--1+2",
        "end-4+10",
        "rest",
        "rest-",
        "rest+3",
    ],
)
def test_impossible_cuts(cut):
    with pytest.raises(ValueError, match="none of event, trial, apex:SECONDS, end:SECONDS"):
        cuts.check(cut)


def test_signals_are_read_by_the_cut_and_faces_by_the_event():
    cut = piece(30.2)
    assert cuts.recorded(stream(), "apex:8", cut)
    signal = cuts.read(stream(), "apex:8", cut)
    assert signal.data[0, 0] == pytest.approx(26.2)
    assert signal.n_times == 80
    assert cuts.recorded(stream("face"), "apex:8", cut, reads="clip")
    assert cuts.read(stream("face"), "apex:8", cut, reads="clip").times.tolist() == [30.0, 30.4]


def test_faces_are_not_read_of_whole_trials_nor_of_events_not_filmed():
    assert not cuts.recorded(stream("face"), "trial", whole(), reads="clip")
    other = piece(30.2)
    assert other.event is not None
    unseen = Event(kind="micro", span=other.event.span, id="e9", trial="t")
    assert not stream("face").shows(unseen)


def _study(of: str, cut: str, name: str, **options: object) -> dict[str, object]:
    return {
        "system": "mmme",
        "data": {"name": "mmme", "root": "nowhere"},
        "samples": {"of": of},
        "features": {"body": {"name": name, "cut": cut, "options": options}},
        "model": {"name": "mmme"},
        "protocol": {"names": ["loso"]},
    }


@pytest.mark.parametrize(
    ("of", "cut", "name", "options"),
    [
        ("window", "rest-3", "power_sequence", {}),  # would call three seconds of rest an emotion
        ("window", "rest-3", "body_windows", {}),
        ("trial", "rest-5", "body_sequence", {}),  # 4 s of baseline by default
        ("trial", "rest-13", "body_sequence", {"baseline_seconds": 3.0, "context_seconds": 9.0}),
        ("event", "rest-3", "power_sequence", {}),
        ("event", "rest-3+10", "body_sequence", {"baseline_seconds": 3.0}),  # windows from the trial's start
    ],
)
def test_rest_is_a_baseline_and_no_sample(of, cut, name, options):
    with pytest.raises(InputError, match=r"body\.cut = 'rest-.* s before the trial, which") as caught:
        load_study(_study(of, cut, name, **options))
    assert "baseline_seconds" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("of", "cut", "options"),
    [
        ("window", "rest-3", {"baseline_seconds": 3.0}),
        ("trial", "rest-13", {"baseline_seconds": 3.0, "context_seconds": 10.0}),
        ("event", "rest-3+10", {"baseline_seconds": 3.0, "last_only": True}),
    ],
)
def test_cuts_with_rest_that_are_accepted(of, cut, options):
    assert load_study(_study(of, cut, "body_windows", **options)).features["body"].cut == cut
