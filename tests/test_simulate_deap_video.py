"""The face videos of a made-up DEAP."""

from __future__ import annotations

import av
import numpy as np
import pytest

from mien.core import InputError
from mien.io.video import open_video
from mien.simulate import _deap_video as video
from mien.simulate import _mes_faces as faces
from mien.simulate._mes_motion import Similarity

STILL = Similarity.of(np.zeros(4))
SHOWN = [(0.6, 1.5), (3.0, 3.9)]


def sources(*rows):
    return np.array(rows, dtype=float)


def write(path, *, values=((1.0, -1.0, 0.5, 2.0), (0.0, 1.0, 2.0, -1.0)), shown=SHOWN, trial=1, **options):
    call = {"seed": 2, "subject": 1, "seconds": 4.0, **options}
    return video.write_trial(path, trial=trial, sources=np.array(values), shown=shown, **call)


def pictures(values, *, shown=SHOWN, n=40, trial=1):
    """The pictures of a trial, as the sensor gives them."""
    expressed = video._plan(np.array(values), shown, n=n, step=0.1)
    rng = np.random.default_rng([2, 81, 1, trial])
    actor = video._actor(2, 1, (160, 160))
    return np.array(list(video._pictures(actor, expressed, rng, step=0.1)), dtype=float)


# -- the file ----------------------------------------------------------------------------------------------


def test_file(tmp_path) -> None:
    assert write(tmp_path / "a.avi") == 200
    with av.open(str(tmp_path / "a.avi")) as container:
        assert container.format.name == "avi"
        assert container.streams.video[0].codec_context.name == "h264"
    found = open_video(tmp_path / "a.avi")
    assert found.size == (160, 160)
    np.testing.assert_allclose(found.times, np.arange(200) / 50, atol=1e-6)
    assert sum(1 for _ in found.frames(np.arange(200))) == 200


def test_the_same_input_gives_the_same_bytes(tmp_path) -> None:
    for name, options in {"a": {}, "b": {}, "c": {"trial": 2}, "d": {"shown": []}}.items():
        write(tmp_path / name, **options)
    a, b, c, d = ((tmp_path / name).read_bytes() for name in "abcd")
    assert a == b
    assert a != c
    assert a != d


@pytest.mark.parametrize(
    ("options", "n", "size"),
    [
        ({"seconds": 1.03, "shown": []}, 52, (160, 160)),  # half-way is rounded to even: 51.5
        ({"seconds": 2.0, "rate": 25, "hold": 1, "size": (320, 240)}, 50, (320, 240)),
        ({"seconds": 0.05, "hold": 5, "shown": []}, 2, (160, 160)),
    ],
)
def test_other_lengths_rates_and_sizes(tmp_path, options, n, size) -> None:
    options = {"shown": SHOWN[:1], **options}
    assert write(tmp_path / "a.avi", **options) == n
    found = open_video(tmp_path / "a.avi")
    assert (found.n_frames, found.size) == (n, size)


def test_a_picture_is_held_for_five_frames(tmp_path) -> None:
    write(tmp_path / "a.avi")
    frames = np.array(list(open_video(tmp_path / "a.avi").frames(np.arange(100))), dtype=float)
    change = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    new = np.arange(1, 100) % 5 == 0
    # of a held picture the encoder repeats nearly all
    assert change[new].min() > 3 * change[~new].max()


def test_decoded_frames_are_the_pictures(tmp_path) -> None:
    values = ((1.0, -1.0, 0.5, 2.0), (0.0, 1.0, 2.0, -1.0))
    write(tmp_path / "a.avi", values=values)
    middle = np.array(list(open_video(tmp_path / "a.avi").frames(np.arange(4, 200, 5))), dtype=float)
    # colours at half the resolution and a coarse quantiser: a few grey levels, no shift of time or colour
    assert np.abs(middle - pictures(values)).mean() < 5
    assert np.abs((middle - pictures(values)).mean(axis=(1, 2))).max() < 2


def test_without_the_encoder(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mjpeg"})
    with pytest.raises(InputError, match=r"cannot write H\.264; expected the encoder libx264"):
        write(tmp_path / "a.avi")


# -- when a source shows -----------------------------------------------------------------------------------


def test_sources_show_in_their_stretches_only() -> None:
    plan = video._plan(sources([1, 2, -1, 0.5], [-2, 1, 0, 1]), SHOWN, n=60, step=0.1)
    assert plan.shape == (60, 4)
    np.testing.assert_array_equal(np.flatnonzero(plan.any(axis=1)), [*range(6, 15), *range(30, 39)])
    np.testing.assert_array_equal(plan[6:15], np.tile([1, 2, -1, 0.5], (9, 1)))
    np.testing.assert_array_equal(plan[30:39], np.tile([-2, 1, 0, 1], (9, 1)))


@pytest.mark.parametrize("start", [0, 1, 3, 5, 7])
def test_three_of_ten_evenly_spaced_frames_show_an_expression(start) -> None:
    """Stretches of 0.9 s from a multiple of 0.3 s; frames at 0.15 + 0.3 k s, in every window of a trial."""
    shown = np.array([[3 * w + 0.3 * start, 3 * w + 0.3 * start + 0.9] for w in range(20)])
    plan = video._plan(np.ones((20, 4)), shown, n=600, step=0.1)
    frames = np.floor((np.arange(200) * 0.3 + 0.15) * 50).astype(int)
    seen = plan[frames // 5].any(axis=1).reshape(20, 10)
    np.testing.assert_array_equal(
        seen, np.tile((np.arange(10) >= start) & (np.arange(10) < start + 3), (20, 1))
    )


def test_sources_are_clipped_and_checked() -> None:
    resting = video._plan(np.ones((2, 4)), [(0.0, 0.1)], n=3, step=0.1, rest=[0.5, -9.0, 0.0, 1.0])
    np.testing.assert_array_equal(resting, [[1, 1, 1, 1], [0.5, -3, 0, 1], [0.5, -3, 0, 1]])
    plan = video._plan(sources([9, -9, 3, 0]), [(0.0, 0.1)], n=1, step=0.1)
    np.testing.assert_array_equal(plan, [[3, -3, 3, 0]])
    with pytest.raises(ValueError, match=r"sources must be \(windows, 4\), got \(2, 3\)"):
        video._plan(np.zeros((2, 3)), [], n=1, step=0.1)
    for start in (3.0, -0.5):
        with pytest.raises(ValueError, match="outside the 1 windows"):
            video._plan(np.zeros((1, 4)), [(start, start + 1)], n=1, step=0.1)


def test_the_sources_change_nothing_outside_their_stretches() -> None:
    """The same trial with other sources: the same head, blinks, light and noise."""
    one, other = pictures(np.ones((2, 4))), pictures(-np.ones((2, 4)))
    same = (one == other).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(np.flatnonzero(~same), [*range(6, 15), *range(30, 39)])


# -- what a source does ------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", range(4))
def test_displacement_is_linear_in_a_source_and_about_two_percent_of_the_face(k) -> None:
    for subject in range(3):
        actor = video._actor(2, subject, (160, 160))
        at = [actor.source(level * np.eye(5)[k], STILL) for level in (0.0, 1.0, 2.0, -3.0)]
        moved = at[1] - at[0]
        # float32 coordinates up to 320
        np.testing.assert_allclose(at[2] - at[0], 2 * moved, atol=2e-4)
        np.testing.assert_allclose(at[3] - at[0], -3 * moved, atol=2e-4)
        width = 2 * faces.draw_person(2, subject).half_width
        least, most = (0.014, 0.018) if video.SOURCES[k] == "eyes" else (0.019, 0.030)
        assert least < np.hypot(*np.moveaxis(moved, -1, 0)).max() / width < most


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("level", [-video.LARGEST, video.LARGEST])
def test_the_face_never_folds_over(k, level) -> None:
    for subject in range(3):
        at = video._actor(2, subject, (160, 160)).source(level * np.eye(5)[k], STILL).astype(float)
        (xy, yy), (xx, yx) = (np.moveaxis(np.gradient(at, axis=axis), -1, 0) for axis in (0, 1))
        assert (xx * yy - xy * yx).min() > 0


def test_directions_of_the_sources() -> None:
    """What is seen at a point comes from the other side of where it went."""
    person = faces.draw_person(2, 1)
    actor = video._actor(2, 1, (160, 160))
    rest = actor.source(np.zeros(5), STILL)

    def down(k, x, y):
        """By how many px the skin went down at a point of the resting face."""
        moved = rest - actor.source(np.eye(5)[k], STILL)
        row, column = (int(np.abs(axis - v).argmin()) for axis, v in ((actor.y, y), (actor.x, x)))
        return moved[row, column, 1]

    assert down(0, 128 - person.mouth_half, person.mouth_y) < -2  # corners of the mouth
    assert down(0, 128 + person.mouth_half, person.mouth_y) < -2
    assert down(1, 128 + person.eye_dx, person.brow_y) < -2
    assert down(2, 128 + person.eye_dx, person.eye_y - person.lid_up) < -1
    assert down(2, 128 + person.eye_dx, person.eye_y + person.lid_low) > 0
    assert down(3, 128, person.mouth_y + person.lip_low) > 1.5
    assert down(3, 128, person.mouth_y - person.lip_up) < 0.5 * down(3, 128, person.mouth_y + person.lip_low)
    for k, y in ((0, person.eye_y), (3, person.eye_y), (1, person.mouth_y), (2, person.mouth_y)):
        assert abs(down(k, 128 + person.eye_dx, y)) < 0.3  # the other half of the face


# -- what else changes -------------------------------------------------------------------------------------


def test_noise_and_light() -> None:
    still = pictures(np.zeros((2, 4)), n=30)
    wall = still[:, :8, :8]  # above the head
    noise = (wall[1:] - wall[:-1]).std(axis=(1, 2, 3)) / np.sqrt(2)
    # the wall's own grain, moved a little by the head, adds to the sensor's 2 grey levels
    assert 1.5 < np.median(noise) < 3.5
    assert 0 < (wall.mean(axis=(1, 2, 3)) / wall.mean()).std() < 0.02


def test_blinks_are_short_and_rare() -> None:
    times = (np.arange(6000) + 0.5) * 0.01
    closed = [video._blinks(times, np.random.default_rng(i)) for i in range(100)]
    share = np.mean([(c > 0).mean() for c in closed])
    # 12 a minute of 0.25 s are 5 % of the time (a few overlap); 1200 blinks: a standard error of 0.15 %
    assert share == pytest.approx(0.05, abs=0.006)
    assert all(c.min() >= 0 and c.max() <= 1 for c in closed)


def test_the_head_drifts_slowly_and_stays_in_the_picture() -> None:
    times = (np.arange(600) + 0.5) * 0.1
    for seed in range(50):
        pose = video._poses(times, np.random.default_rng(seed))
        assert (np.abs(pose) <= 3 * video.DRIFT).all()
        # fastest: a wave of the shortest period
        assert (np.abs(np.diff(pose, axis=0)) / 0.1 <= 2 * np.pi / 7 * video.DRIFT + 1e-9).all()


def test_people_differ_and_are_themselves_in_every_trial() -> None:
    one, again, other = (video._actor(2, subject, (160, 160)) for subject in (1, 1, 2))
    np.testing.assert_array_equal(one.texture, again.texture)
    assert np.abs(one.texture.astype(float) - other.texture).mean() > 10
