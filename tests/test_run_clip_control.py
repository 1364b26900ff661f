"""What other people do at the same moment of a clip: known answers, who is counted, and who adds what."""

from __future__ import annotations

import numpy as np
import pytest

from mien.core import Recording, Span, Trial
from mien.run.association import Moment, Series
from mien.run.clip_control import Pieces, Showing, matched, showings, with_control, without_control
from mien.signal.event_locked import event_locked, lags_of

CUT = {"window": (-2.0, 4.0), "baseline": (-2.0, -1.0), "rate": 2.0, "gap": 2.5}
LAGS = lags_of((-2.0, 4.0), 2.0)
STARTS = {"a": 10.0, "b": 33.5, "c": 21.0, "d": 60.0, "e": 47.0}


def clip(since: np.ndarray) -> np.ndarray:
    """What the clip does to everybody, by seconds since it began."""
    return np.where(since < 0, 0.0, 3 * np.sin(since / 3) + 0.1 * since)


def people(*names: str) -> tuple[dict[str, Series], list[Showing]]:
    """A course each, of the clip alone above a level of one's own, and when the clip began."""
    times = np.arange(0.0, 100.0, 0.5)
    series: dict[str, Series] = {
        f"r_{name}": (times, 50.0 * k + clip(times - STARTS[name])) for k, name in enumerate(names)
    }
    return series, [Showing(recording=f"r_{n}", subject=n, stimulus="film", start=STARTS[n]) for n in names]


def event(subject: str, since: float, *, stimulus: str | None = "film") -> Moment:
    return Moment(
        recording=f"r_{subject}", subject=subject, time=STARTS[subject] + since, kind="micro",
        stimulus=stimulus, begin=STARTS[subject] if stimulus else None,
    )  # fmt: skip


def controlled(series: dict[str, Series], events: list[Moment], shown: list[Showing]) -> Pieces:
    return with_control(series, events, shown, len(LAGS), CUT)


def left(pieces: Pieces) -> np.ndarray:
    """What is left of each event, (events, times)."""
    return np.einsum("eo,eot->et", pieces.share, pieces.parts)


def test_what_the_clip_does_to_everybody_is_gone_and_the_own_answer_is_left() -> None:
    """The same clip at other times and above other levels, also where it begins within the window."""
    series, shown = people(*"abcde")
    events = [event("a", 12.25), event("b", 0.5), event("e", 7.0)]
    alike = controlled(series, events, shown)
    assert alike.usable.all()
    assert not alike.alone.any()
    np.testing.assert_allclose(left(alike), 0, atol=1e-9)
    times, values = (np.asarray(x) for x in series["r_a"])
    answer = np.where(times > events[0].time + 1, 2.0, 0.0)
    series["r_a"] = times, values + answer
    own = left(controlled(series, events, shown))
    want = event_locked(times, answer, [events[0].time], **CUT)[0][0]
    np.testing.assert_allclose(own[0], want, atol=1e-9)
    assert want.max() == 2
    np.testing.assert_allclose(own[1], 0, atol=1e-9)  # nobody else was moved at that moment


def test_it_is_the_own_piece_less_the_mean_of_the_others() -> None:
    rng = np.random.default_rng(0)
    series, shown = people(*"abcd")
    series = {name: (times, rng.normal(size=len(np.asarray(times)))) for name, (times, _) in series.items()}
    events = [event("a", 5.0), event("c", 9.0)]
    cut = [
        event_locked(*series[s.recording], [s.start + since], **CUT)[0][0]
        for since in (5.0, 9.0)
        for s in shown
    ]
    made = controlled(series, events, shown)
    np.testing.assert_allclose(left(made)[0], cut[0] - np.mean(cut[1:4], axis=0), atol=1e-12)
    np.testing.assert_allclose(left(made)[1], cut[6] - np.mean([cut[4], cut[5], cut[7]], axis=0), atol=1e-12)
    # of four independent courses less their mean, a quarter of the variance is gone
    np.testing.assert_allclose(made.shortfall, 1 / 4)
    weights = np.array([0.5, -2.0])
    parts, inflation = made.by_person(weights)
    assert parts.shape == (4, len(LAGS))
    np.testing.assert_allclose(parts.sum(axis=0), weights @ left(made), atol=1e-12)
    assert inflation == pytest.approx(4 / 3)
    # whose event it was adds the own piece; somebody else takes a third of theirs away
    np.testing.assert_allclose(
        parts[1],
        -1 / 3 * (0.5 * (cut[1] - np.mean(cut[:4], axis=0)) - 2 * (cut[5] - np.mean(cut[4:], axis=0))),
        atol=1e-12,
    )


def test_events_with_fewer_than_three_others_are_counted() -> None:
    series, shown = people(*"abcd")
    for others, usable in ((3, True), (2, False)):
        made = controlled(series, [event("a", 5.0)], shown[: others + 1])
        assert (made.usable[0], made.alone[0]) == (usable, not usable)
    # somebody without values just there, somebody without a course at all, and an event of no clip
    times, values = (np.array(x) for x in series["r_d"])
    values[(times > STARTS["d"] + 7) & (times < STARTS["d"] + 8)] = np.nan
    holes = {**series, "r_d": (times, values)}
    events = [
        event("a", 5.0),
        event("a", 20.0),
        event("a", 20.0, stimulus=None),
        event("a", 20.0, stimulus="x"),
    ]
    made = controlled(holes, events, shown)
    assert made.alone.tolist() == [True, False, True, True]
    del holes["r_d"]
    assert controlled(holes, events, shown).alone.all()
    # without a piece of its own there is nothing to compare
    made = controlled({k: v for k, v in series.items() if k != "r_a"}, events, shown)
    assert not made.usable.any()
    assert not made.alone.any()


def test_who_saw_a_clip_twice_counts_once() -> None:
    series, shown = people(*"abcd")
    times, values = (np.array(x) for x in series["r_d"])
    series["r_d2"] = times, -values
    series["r_b"] = times, np.asarray(series["r_b"][1]) + np.where(times > STARTS["b"] + 6, 4.0, 0)
    twice = [*shown, Showing(recording="r_d2", subject="d", stimulus="film", start=STARTS["d"])]
    own = [k.recording for k in twice if k.subject == "d"]
    assert own == ["r_d", "r_d2"]
    made = controlled(series, [event("a", 5.0)], twice)
    assert made.parts.shape[1] == 4
    # b and c do what the clip does, b more; the two showings of d cancel
    own_piece, b = (event_locked(*series[f"r_{n}"], [STARTS[n] + 5.0], **CUT)[0][0] for n in "ab")
    c = own_piece
    np.testing.assert_allclose(left(made)[0], own_piece - (b + c + 0) / 3, atol=1e-9)


def test_matched_moments_are_those_of_other_people() -> None:
    _, shown = people(*"abc")
    later = Showing(recording="r_b2", subject="b", stimulus="film", start=7.0)
    other = Showing(recording="r_c", subject="c", stimulus="other", start=80.0)
    events = [event("a", 4.0), event("b", 6.0), event("c", 1.0, stimulus=None)]
    found = matched(events, [*shown, later, other])
    assert {k: (v[0].tolist(), v[1].tolist(), v[2]) for k, v in found.items()} == {
        "r_a": ([1], [16.0], "a"),
        "r_b": ([0], [37.5], "b"),
        "r_c": ([0, 1], [25.0, 27.0], "c"),
        "r_b2": ([0], [11.0], "b"),
    }


def test_showings_of_recordings() -> None:
    whole = Trial(
        id="t", recording="r", subject="p", session="1", stimulus="film", span=Span(start=3.0, duration=9.0)
    )
    piece = Trial(
        id="e", recording="r", subject="p", session="1", stimulus="film", span=Span(start=5.0, duration=1.0),
        part_of=whole,
    )  # fmt: skip
    made = Recording(id="r", dataset="d", subject="p", session="1", streams={}, trials=(whole, piece))
    assert showings([made]) == [Showing(recording="r", subject="p", stimulus="film", start=3.0)]


def test_without_control_everybody_adds_the_own_pieces_only() -> None:
    series, _ = people(*"ab")
    events = [event("a", 5.0), event("a", 9.0), event("b", 5.0), event("b", 95.0)]
    made = without_control(series, events, len(LAGS), CUT)
    assert made.usable.tolist() == [True, True, True, False]
    parts, inflation = made.by_person(np.array([0.5, 0.5, 1.0, 0.0]))
    pieces = event_locked(*series["r_a"], [e.time for e in events[:2]], **CUT)[0]
    np.testing.assert_allclose(parts[0], pieces.mean(axis=0), atol=1e-12)
    assert (parts.shape, inflation) == ((2, len(LAGS)), 1.0)
