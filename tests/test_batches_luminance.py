"""The light of the screen in the pupils: fitted on training subjects, taken off anyone's."""

from __future__ import annotations

import numpy as np
import pytest

from mien.batches import luminance
from mien.core import Signal, Span, Stream, Trial

RATE = 50.0
SECONDS = 40
N = int(SECONDS * RATE)


def trial(subject, stimulus="1", session="1", start=0.0):
    return Trial(
        id=f"{subject}/{session}/{stimulus}",
        recording=f"{subject}/{session}",
        subject=str(subject),
        session=session,
        stimulus=stimulus,
        span=Span(start=start, duration=float(SECONDS)),
    )


def gaze(left, right=None, rate=RATE):
    right = left if right is None else right
    channels = ("gaze_x", "pupil_left", "pupil_right")
    return Signal(
        data=np.stack([np.zeros(len(left)), left, right]), rate=rate, channels=channels, unit="mixed"
    )


def slow_noise(rng, n=N):
    """Waves below 1 Hz, of mean 0."""
    t = np.arange(n) / RATE
    waves = np.sin(2 * np.pi * np.outer(rng.uniform(0.05, 1, 12), t) + rng.uniform(0, 6.28, (12, 1)))
    made = rng.normal(size=12) @ waves
    return (made - made.mean()) / made.std()


def clip(rng, light, *, n=N):
    """A pupil of 2 to 5 mm that follows light by its own share, and what it does by itself."""
    own = 5e-5 * slow_noise(rng, n)
    return rng.uniform(2e-3, 5e-3) + rng.uniform(1e-4, 4e-4) * light[:n] + own, own


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    light = slow_noise(rng)
    return rng, light, [(trial(s), gaze(clip(rng, light)[0])) for s in range(12)]


def left(signal):
    return signal.data[1]


def test_the_planted_light_goes_and_what_is_ones_own_stays(scene):
    rng, light, training = scene
    state = luminance.fit(training)
    assert state.subjects == tuple(sorted(map(str, range(12))))
    for _ in range(5):
        pupil, own = clip(rng, light)
        done = luminance.apply(gaze(pupil), stimulus="1", state=state)
        assert done.flags == {}
        rest = left(done.signal)
        assert abs(np.corrcoef(pupil, light)[0, 1]) > 0.8
        # own waves are by chance like the light by up to about 0.4 (12 waves), and that share goes as well
        assert abs(np.corrcoef(rest, light)[0, 1]) < 0.1
        assert np.corrcoef(rest, own)[0, 1] > 0.85
        assert rest.mean() == pytest.approx(pupil.mean(), rel=1e-9)
        np.testing.assert_array_equal(done.signal.data[0], 0)


def test_without_own_waves_nothing_is_left_but_the_mean():
    light = slow_noise(np.random.default_rng(1))
    training = [(trial(s), gaze(3e-3 + s * 1e-4 * light)) for s in range(1, 5)]
    done = luminance.apply(gaze(4e-3 - 2e-4 * light), stimulus="1", state=luminance.fit(training))
    # the course is kept as float32, of which seven digits are exact
    np.testing.assert_allclose(left(done.signal), 4e-3, rtol=1e-6)


def test_a_tested_subject_takes_no_part_in_the_fit(scene):
    rng, light, training = scene
    state = luminance.fit(training)
    before = {key: course.copy() for key, course in state.courses.items()}
    first = luminance.apply(gaze(clip(rng, light)[0]), stimulus="1", state=state)
    luminance.apply(gaze(clip(rng, -light)[0]), stimulus="1", state=state)
    assert {k: (c == before[k]).all() for k, c in state.courses.items()} == dict.fromkeys(before, True)
    again = luminance.apply(gaze(left(first.signal)), stimulus="1", state=state)
    # what was taken off is not there to be taken off again
    np.testing.assert_allclose(left(again.signal), left(first.signal), rtol=1e-9)


def test_labels_and_order_do_not_matter(scene):
    _, _, training = scene
    one, other = luminance.fit(training), luminance.fit(training[::-1])
    assert one.subjects == other.subjects
    for key, course in one.courses.items():
        # a singular vector has no sign; the other order rounds otherwise, in float32
        assert abs(course @ other.courses[key]) == pytest.approx(1, abs=1e-5)


def full_svd_remainder(pupils, centre):
    """The published removal, of all subjects at once: (times, subjects) less the first component's course."""
    mean = pupils.mean(axis=0) if centre else 0.0
    u, s, v = np.linalg.svd(pupils - mean, full_matrices=True)
    light = s[0] * np.outer(u[:, 0], v[0])
    return pupils - (light - light.mean(axis=0))


@pytest.mark.parametrize("centre", [True, False])
def test_thin_decomposition_is_the_full_one(centre):
    rng = np.random.default_rng(2)
    light = slow_noise(rng, 600)
    pupils = np.stack([clip(rng, light, n=600)[0] for _ in range(5)], axis=1)
    state = luminance.fit([(trial(s), gaze(p)) for s, p in enumerate(pupils.T)], centre=centre)
    want = full_svd_remainder(pupils, centre)
    for subject in range(5):
        done = luminance.apply(gaze(pupils[:, subject]), stimulus="1", state=state)
        # the course is kept as float32: seven digits of pupils of a few mm
        np.testing.assert_allclose(left(done.signal), want[:, subject], rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_subjects", [1, 2])
def test_too_few_subjects_go_without_and_say_so(n_subjects, scene):
    rng, light, training = scene
    state = luminance.fit(training[:n_subjects])
    assert state.courses == {}
    pupil = clip(rng, light)[0]
    done = luminance.apply(gaze(pupil), stimulus="1", state=state)
    np.testing.assert_array_equal(left(done.signal), pupil)
    assert set(done.flags) == {"pupil_left", "pupil_right"}
    assert done.flags["pupil_left"] == (
        f"{n_subjects} training subjects have this pupil for this stimulus, fewer than 3"
    )


def test_sessions_of_one_subject_are_one_subject(scene):
    rng, light, _ = scene
    same = [(trial(1, session=str(k)), gaze(clip(rng, light)[0])) for k in range(3)]
    assert luminance.fit(same).without["1", "pupil_left"].startswith("1 training subjects")
    more = [*same, (trial(2), gaze(clip(rng, light)[0])), (trial(3), gaze(clip(rng, light)[0]))]
    assert ("1", "pupil_left") in luminance.fit(more).courses


def test_a_stimulus_that_training_did_not_see(scene):
    _, _, training = scene
    done = luminance.apply(training[0][1], stimulus="2", state=luminance.fit(training))
    assert done.flags == dict.fromkeys(luminance.PUPILS, "no training subject saw this stimulus")


def test_stimuli_have_courses_of_their_own(scene):
    rng, light, training = scene
    other = slow_noise(rng)
    training = training + [(trial(s, "2"), gaze(clip(rng, other)[0])) for s in range(12)]
    state = luminance.fit(training)
    pupil = gaze(clip(rng, light)[0])
    assert abs(np.corrcoef(left(luminance.apply(pupil, stimulus="1", state=state).signal), light)[0, 1]) < 0.1
    assert abs(np.corrcoef(left(luminance.apply(pupil, stimulus="2", state=state).signal), light)[0, 1]) > 0.7


def test_eyes_are_fitted_apart(scene):
    rng, light, training = scene
    blind = [(t, gaze(left(s), np.full(N, np.nan))) for t, s in training[2:]]
    state = luminance.fit(training[:2] + blind)
    assert set(state.courses) == {("1", "pupil_left")}
    done = luminance.apply(gaze(clip(rng, light)[0]), stimulus="1", state=state)
    assert set(done.flags) == {"pupil_right"}
    one_eyed = Signal(
        data=training[0][1].data[:2], rate=RATE, channels=("gaze_x", "pupil_left"), unit="mixed"
    )
    flags = luminance.apply(one_eyed, stimulus="1", state=luminance.fit(training)).flags
    assert flags == {"pupil_right": "less than 10 s of this pupil were seen"}


def test_losses_are_bridged_and_stay_lost(scene):
    rng, light, training = scene
    holes = []
    for t, s in training:
        data = s.data.copy()
        for start in rng.integers(0, N - 20, size=10):
            data[1:, start : start + 15] = np.nan
        holes.append((t, Signal(data=data, rate=RATE, channels=s.channels, unit="mixed")))
    state = luminance.fit(holes)
    # bridges of 0.3 s over waves below 1 Hz change little
    course = luminance.fit(training).courses["1", "pupil_left"]
    assert abs(state.courses["1", "pupil_left"] @ course) > 0.995
    pupil = clip(rng, light)[0]
    pupil[500:700] = np.nan
    rest = left(luminance.apply(gaze(pupil), stimulus="1", state=state).signal)
    assert np.isnan(rest[500:700]).all()
    seen = np.isfinite(rest)
    assert abs(np.corrcoef(rest[seen], light[seen])[0, 1]) < 0.15


def test_lengths(scene):
    rng, light, training = scene
    pupil = clip(rng, light)[0]
    # the recording of one subject broke off: it does not cut the others short
    cut = [(trial(99), gaze(pupil[: N // 2])), (trial(98), gaze(pupil[: N - 10])), *training]
    state = luminance.fit(cut)
    assert state.courses["1", "pupil_left"].shape == (N - 10,)
    slightly = luminance.apply(gaze(pupil), stimulus="1", state=state)
    assert slightly.flags == {}
    assert np.abs(np.diff(left(slightly.signal)[-20:])).max() < 3 * np.abs(np.diff(pupil)).max()
    half = luminance.apply(gaze(pupil[: N // 2]), stimulus="1", state=state)
    assert half.flags == {}
    assert abs(np.corrcoef(left(half.signal), light[: N // 2])[0, 1]) < 0.15
    much = gaze(np.concatenate([pupil, pupil]))
    flags = luminance.apply(much, stimulus="1", state=state).flags
    assert flags["pupil_left"] == "the clip is 40.2 s longer than the course of its stimulus"
    short = luminance.apply(gaze(pupil[:499]), stimulus="1", state=state)
    assert short.flags["pupil_left"] == "less than 10 s of this pupil were seen"


def test_still_pupils_have_no_course():
    training = [(trial(s), gaze(np.full(N, 3e-3 + s * 1e-4))) for s in range(4)]
    assert set(luminance.fit(training).without.values()) == {"no training subject's pupil moves"}


class Counting:
    """Every subject's clips one after another, read on demand."""

    def __init__(self, data, log):
        self.data, self.log = data, log

    def read(self, start, duration):
        self.log.append(start)
        first = round(start * RATE)
        return self.data[:, first : first + round(duration * RATE)]


def test_streams_are_read_one_stimulus_at_a_time(scene):
    rng, light, _ = scene
    log: list[float] = []
    training, signals = [], []
    for subject in range(4):
        two = np.concatenate([clip(rng, light)[0], clip(rng, light[::-1])[0]])
        stream = Stream(
            name="gaze",
            modality="eye",
            unit="mixed",
            rate=RATE,
            channels=("gaze_x", "pupil_left", "pupil_right"),
            span=Span(start=0.0, duration=2.0 * SECONDS),
            source=Counting(np.stack([two * 0, two, two]), log),
        )
        for k in range(2):
            of = trial(subject, str(k), start=float(k * SECONDS))
            training.append((of, stream))
            signals.append((of, gaze(two[k * N : (k + 1) * N])))
    state = luminance.fit(training)
    assert log == [0.0] * 4 + [40.0] * 4
    want = luminance.fit(signals)
    for key, course in want.courses.items():
        np.testing.assert_array_equal(state.courses[key], course)


def test_what_cannot_be_fitted(scene):
    _, _, training = scene
    with pytest.raises(ValueError, match="there is no training trial"):
        luminance.fit([])
    fast = (trial(50), gaze(np.full(N, 3e-3), rate=100.0))
    with pytest.raises(ValueError, match="needs one rate, got 50, 100 Hz"):
        luminance.fit([*training, fast])
    with pytest.raises(ValueError, match="fitted at 50 Hz and the signal has 100 Hz"):
        luminance.apply(fast[1], stimulus="1", state=luminance.fit(training))
