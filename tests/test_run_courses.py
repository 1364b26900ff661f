"""Courses of heart, skin and brain around expressions: known answers, holes, and what is planted is found."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien import datasets, simulate
from mien.core import Recording, Span, Stream
from mien.run.association import Association, Moment, association, moments
from mien.run.clip_control import Showing, showings
from mien.run.clocks import align_all
from mien.run.courses import PER_SECOND, Series, courses, known_measures, unit_of
from mien.timeline import array_stream

RATE = 250.0
SECONDS = 420.0
WINDOW, BASELINE = (-4.0, 10.0), (-4.0, -1.0)
CHANNELS = ("F3", "F4", "O1", "O2")


def body(*, jump: float, seconds: float = SECONDS) -> Stream:
    """An ECG of 60 beats a minute, 75 from ``jump`` on, and skin conductance that rises by 1 µS then."""
    times = np.arange(0, seconds, 1 / RATE)
    beats = np.concatenate([np.arange(0.5, jump, 1.0), np.arange(jump + 0.3, seconds, 0.8)])
    nearest = beats[np.clip(np.searchsorted(beats, times - 0.4), 0, len(beats) - 1)]
    ecg = 1e-3 * np.exp(-0.5 * ((times - nearest) / 0.012) ** 2)
    eda = 5e-6 + 1e-6 / (1 + np.exp(-(times - jump) / 0.5))
    noise = np.random.default_rng(0).normal(size=(2, len(times)))
    return array_stream(
        "body", np.stack([ecg + 2e-6 * noise[0], eda + 1e-9 * noise[1]]), rate=RATE, unit="mixed",
        channels=("ecg", "eda"), modality="peripheral", clock="recording",
    )  # fmt: skip


def brain(*, jump: float, seconds: float = SECONDS) -> Stream:
    """Noise in four channels; 10 Hz at the back that has ten times the power from ``jump`` on."""
    times = np.arange(0, seconds, 1 / RATE)
    noise = 1e-6 * np.random.default_rng(1).normal(size=(4, len(times)))
    wave = np.sin(2 * np.pi * 10 * times) * np.where(times < jump, 1.0, np.sqrt(10.0)) * 20e-6
    noise[2:] += wave
    return array_stream(
        "raw_eeg", noise, rate=RATE, unit="V", channels=CHANNELS, modality="eeg", clock="recording"
    )


def recording(*streams: Stream, name: str = "r") -> Recording:
    return Recording(
        id=name, dataset="made_up", subject="s", session="1", streams={s.name: s for s in streams},
        events=(), trials=(),
    )  # fmt: skip


def at(time: float, *, name: str = "r") -> Moment:
    return Moment(recording=name, subject="s", time=time, kind="micro")


def between(series: Series, start: float, stop: float) -> np.ndarray:
    times, values = (np.asarray(x) for x in series)
    return values[(times >= start) & (times < stop)]


def test_a_heart_that_speeds_up_and_skin_that_answers() -> None:
    jump = 200.0
    made = courses(
        [recording(body(jump=jump))], [at(jump)], measures=("heart_rate", "eda_tonic"), window=WINDOW
    )
    rate = made["heart_rate"]["r"]
    # the second in which the rate changes is left out; a beat is found to a thousandth of its distance
    np.testing.assert_allclose(between(rate, 195, 199), 60, atol=0.3)
    np.testing.assert_allclose(between(rate, 203, 210), 75, atol=0.4)
    tonic = made["eda_tonic"]["r"]
    assert between(tonic, 208, 211).mean() - between(tonic, 195, 197).mean() > 0.2
    assert (np.diff(rate[0]) > 0).all()


def test_power_in_decibel_of_all_channels_and_of_regions() -> None:
    jump = 100.0
    made = courses(
        [recording(brain(jump=jump))],
        [at(jump)],
        measures=("alpha",),
        window=WINDOW,
        regions={"front": ("F3", "F4"), "back": ("O1", "O2"), "none": ("Cz",)},
    )
    assert list(made) == ["alpha front", "alpha back", "alpha none"]
    front, back = (
        between(made[f"alpha {r}"]["r"], 102, 108).mean() - between(made[f"alpha {r}"]["r"], 96, 98.5).mean()
        for r in ("front", "back")
    )
    assert back == pytest.approx(10, abs=0.1)  # ten times the power; the noise is a thousandth of it
    assert abs(front) < 1.5  # noise: 8 windows of 5 bins each
    assert np.isnan(made["alpha none"]["r"][1]).all()
    (whole,) = courses([recording(brain(jump=jump))], [at(jump)], measures=("alpha",), window=WINDOW).values()
    assert between(whole["r"], 102, 108).mean() == pytest.approx(
        np.mean([between(made[f"alpha {r}"]["r"], 102, 108).mean() for r in ("front", "back")]), abs=1e-9
    )


def test_pieces_are_those_of_the_whole() -> None:
    """Events so near to one another that their stretches are cut into pieces, and one alone."""
    stream = recording(body(jump=200.0), brain(jump=200.0))
    asked = {"measures": ("heart_rate", "eda_phasic", "alpha"), "window": WINDOW}
    many = courses([stream], [at(t) for t in np.arange(30.0, 400.0, 9.0)], **asked)
    one = courses([stream], [at(201.0)], **asked)
    lags = np.arange(198.0, 210.0)
    for name, tolerance in {"heart_rate": 0.5, "eda_phasic": 0.02, "alpha": 1.0}.items():
        # a measure of one second, or two, that begin at other moments; skin conductance behind a slow filter
        values = [np.interp(lags, *(np.asarray(x) for x in made[name]["r"])) for made in (many, one)]
        later = lags > 203 if name != "eda_phasic" else lags > 0
        np.testing.assert_allclose(values[0][later], values[1][later], atol=tolerance)


def test_only_what_is_around_events_is_read_and_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Span] = []
    real = Stream.read

    def told(stream: Stream, span: Span | None = None) -> object:
        assert span is not None
        read.append(span)
        return real(stream, span)

    monkeypatch.setattr(Stream, "read", told)
    stream = recording(body(jump=200.0), brain(jump=200.0))
    measures = ("heart_rate", "alpha")
    courses([stream], [at(60.0)], measures=measures, window=WINDOW)
    assert sum(s.duration for s in read) < 70
    read.clear()
    courses([stream], [at(t) for t in np.arange(5.0, 415.0, 4.0)], measures=measures, window=WINDOW)
    assert max(s.duration for s in read) <= 120 + 2 * 12 + 8


def test_the_same_moments_of_other_peoples_clips_are_read_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip that began at 30 s for one and at 150 s for the other, and a clip of no event."""
    read: list[tuple[str, Span]] = []
    real = Stream.read

    def told(stream: Stream, span: Span | None = None) -> object:
        assert span is not None
        read.append((stream.channels[0], span))
        return real(stream, span)

    monkeypatch.setattr(Stream, "read", told)
    people = [recording(replace(brain(jump=200.0), channels=(*"abcd",)), name="r")]
    people.append(recording(replace(brain(jump=200.0), channels=(*"efgh",)), name="q"))
    event = replace(at(50.0), stimulus="film", begin=30.0)
    shown = [
        Showing(recording=r, subject=s, stimulus=c, start=t)
        for r, s, c, t in (("r", "s", "film", 30.0), ("q", "o", "film", 150.0), ("q", "o", "other", 300.0))
    ]
    made = courses(people, [event], measures=("alpha",), window=WINDOW, shown=shown)["alpha"]
    assert set(made) == {"r", "q"}
    np.testing.assert_allclose(np.asarray(made["q"][0]) - 120, made["r"][0], atol=1e-9)
    assert [round(s.start) for name, s in read if name == "e"] == [164]
    assert sum(s.duration for _, s in read) < 40
    assert set(courses(people, [event], measures=("alpha",), window=WINDOW)["alpha"]) == {"r"}
    # many moments, all over the recording: no more than two minutes at a time
    read.clear()
    many = [replace(at(30.0 + k), stimulus="film", begin=30.0) for k in range(0, 250, 7)]
    courses(people, many, measures=("alpha",), window=WINDOW, shown=shown)
    assert {name for name, _ in read} == {"a", "e"}
    assert max(s.duration for _, s in read) <= 120 + 2 * 12 + 8


@pytest.mark.parametrize("time", [1.0, 419.0])
def test_events_at_the_ends_have_what_is_recorded(time: float) -> None:
    made = courses(
        [recording(body(jump=200.0), brain(jump=200.0))],
        [at(time)],
        measures=("heart_rate", "alpha"),
        window=WINDOW,
    )
    for name, by_recording in made.items():
        times, values = (np.asarray(x) for x in by_recording["r"])
        assert 0 < times.min() < times.max() < SECONDS, name
        assert np.isfinite(values).mean() > 0.8, name


def test_what_is_not_recorded_is_not_there() -> None:
    people = [recording(body(jump=50.0, seconds=90.0), name="a"), recording(brain(jump=9.0), name="b")]
    events = [at(40.0, name="a"), at(40.0, name="b"), at(40.0, name="nobody")]
    made = courses(people, events, measures=("heart_rate", "alpha"), window=WINDOW)
    assert {name: set(x) for name, x in made.items()} == {"heart_rate": {"a"}, "alpha": {"b"}}
    late = replace(people[0], id="a")
    (found,) = courses([late], [at(500.0, name="a")], measures=("heart_rate",), window=WINDOW).values()
    assert found == {}


def test_every_measure_has_a_name_and_a_unit() -> None:
    found = known_measures()
    assert {"delta", "gamma", "heart_rate", "eda_phasic", "rsp_rate", "skt_a_level"} <= set(found)
    assert unit_of("alpha left") == "dB"
    assert unit_of("heart_rate") == "1/min"


def around_expressions(root: Path, *, measures: tuple[str, ...]) -> Association:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # planted faults
        recordings, _ = align_all(datasets.load("mmme", root))
    events, shown = moments(recordings, label="emotion3"), showings(recordings)
    made = courses(recordings, events, measures=measures, window=WINDOW, shown=shown)
    found = association(made, events, shown=shown, window=WINDOW, baseline=BASELINE, rate=PER_SECOND)
    assert found.arrays["n_left_out"].sum() < 0.1 * found.arrays["n_events"].sum()
    return found


def least_p(found: Association) -> dict[tuple[str, str], float]:
    out: dict[tuple[str, str], float] = {}
    for row in found.rows:
        if row["p"] is not None:
            key = row["measure"], row["contrast"]
            out[key] = min(out.get(key, 1.0), row["p"])
    return out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_planted_in_files_is_found_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    """Eight people: skin and heart answer expressions of either kind in the same way, the EEG does not."""
    measures = ("heart_rate", "eda_phasic", "alpha")
    options = {"subjects": 8, "clips": 14, "seconds": 20.0, "rate": 250, "columns": 14}
    made = {
        effect: least_p(
            around_expressions(
                simulate.simulate(
                    "mmme",
                    tmp_path / f"{effect:g}",
                    seed=63,
                    effect=effect,
                    kinds=("eeg", "biopac", "table"),
                    **options,
                ),
                measures=measures,
            )
        )
        for effect in (1.0, 0.0)
    }
    # a planted response of 0.35 µS, and a heart that slows by 4 a minute
    assert made[1.0]["eda_phasic", "micro"] <= 0.05
    assert made[1.0]["heart_rate", "micro"] <= 0.05
    # kinds and their difference, three classes and each against the others, of three measures; were they
    # independent, chance would find five or more of 27 in 1.2 % of all cases
    assert len(made[0.0]) == 27
    assert sum(p <= 0.05 for p in made[0.0].values()) <= 4


Made = tuple[dict[str, dict[str, Series]], list[Moment], list[Showing]]


def bodies(seed: int, *, effect: float) -> Made:
    """Heart and skin of ten made-up people as they are, without files, and when they saw what."""
    from mien.signal import electrodermal
    from mien.simulate import _mmme_plan
    from mien.simulate._mes_plan import EMOTIONS
    from mien.simulate._mmme_body import GRID_RATE, draw_body

    study = _mmme_plan.draw(seed, subjects=10, clips=21, events_per_clip=1.2, seconds=20.0, effect=effect)
    plan = study.brain
    starts = plan.starts().astype(float)
    series: dict[str, dict[str, Series]] = {
        name: {} for name in ("heart_rate", "scr_drive", "eda_phasic", "eda_tonic")
    }
    events, shown = [], []
    for s in range(10):
        drawn, who = draw_body(study, s), {"recording": f"r{s}", "subject": f"s{s}"}
        beats = drawn.beats
        series["heart_rate"][f"r{s}"] = (beats[1:] + beats[:-1]) / 2, 60 / np.diff(beats)
        skin = electrodermal.take_apart(1e-6 * drawn.eda, GRID_RATE)
        times = drawn.grid[0] + np.arange(len(skin.phasic)) / skin.rate
        series["eda_phasic"][f"r{s}"] = times, skin.phasic
        series["eda_tonic"][f"r{s}"] = times, skin.tonic
        second = (times - times[0]).astype(int)
        drive = np.bincount(second, 1e6 * skin.drive) / np.bincount(second)
        series["scr_drive"][f"r{s}"] = times[0] + np.arange(len(drive)) + 0.5, drive
        shown += [Showing(stimulus=f"c{c}", start=float(t), **who) for c, t in enumerate(starts)]
        events += [
            Moment(
                time=float(starts[e.clip] + e.apex), kind="micro" if e.micro else "macro",
                label=EMOTIONS[plan.emotions[e.clip]], stimulus=f"c{e.clip}", begin=float(starts[e.clip]),
                **who,
            )
            for e in plan.of(s)
        ]  # fmt: skip
    return series, events, shown


def outcome(made: Made, *, controlled: bool, seed: int) -> dict[tuple[str, str], float]:
    series, events, shown = made
    options = {"window": WINDOW, "baseline": BASELINE, "rate": PER_SECOND, "n_permutations": 500}
    return least_p(association(series, events, shown=shown if controlled else None, seed=seed, **options))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_false_positives_of_bodies_without_effect() -> None:
    """Thirty sets of ten bodies whose levels step with each clip, in the same way for all of them: every
    emotion comes from three clips."""
    found: dict[str, list[float]] = {}
    alone: list[float] = []
    for seed in range(30):
        made = bodies(4000 + seed, effect=0.0)
        for (measure, _), p in outcome(made, controlled=True, seed=seed).items():
            found.setdefault(measure, []).append(p)
        skin = ({"eda_tonic": made[0]["eda_tonic"]}, *made[1:])
        alone += [p for (_, c), p in outcome(skin, controlled=False, seed=seed).items() if "micro" not in c]
    assert {k: len(v) for k, v in found.items()} == dict.fromkeys(
        ("heart_rate", "scr_drive", "eda_phasic", "eda_tonic"), 30 * 17
    )
    # 510 tests at 5 % of each measure, of which those of one set are not independent
    for measure, p in found.items():
        assert np.mean(np.array(p) <= 0.05) <= 0.08, measure
    # compared with nobody: 15 % of 200 other sets
    assert np.mean(np.array(alone) <= 0.05) > 0.08


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_answers_of_bodies_are_found_beside_what_clips_do() -> None:
    """Heart and skin answer micro- and macro-expressions alike: found in nine of ten sets or more."""
    p = [outcome(bodies(4100 + seed, effect=1.0), controlled=True, seed=seed) for seed in range(20)]
    for measure in ("heart_rate", "scr_drive", "eda_phasic"):
        for kind in ("micro", "macro"):
            assert np.mean([one[measure, kind] <= 0.05 for one in p]) >= 0.9, (measure, kind)
