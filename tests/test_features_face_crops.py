"""Faces cut out of a film: which frames, which part of them, and what is there where there is no face."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest

from mien import features
from mien.core import Film, InputError, Recording, Span, Stream, Trial, UnknownNameError
from mien.features import FeatureWarning, _crops
from mien.features._crops import drawn_face
from mien.io.video import open_video
from mien.simulate._deap_video import write_trial
from mien.vision.detect import Box


class Frames:
    """Frames made by a function of the position; remembers what was asked for and given."""

    def __init__(self, make=lambda k: drawn_face(64, 66), broken=(), fewer=None):
        self.make, self.broken, self.fewer = make, broken, fewer
        self.asked, self.given = [], []

    def frames(self, positions):
        self.asked.append([int(k) for k in positions])
        for k in positions:
            if k in self.broken:
                raise InputError(f"no frame can be read from {k} on", file="film.avi")
            if self.fewer is not None and k >= self.fewer:
                return
            self.given.append(int(k))
            yield self.make(int(k))


def film(source=None, *, seconds=6.0, rate=10.0, start=0.0, filmed=None, times=None, size=(128, 128)):
    if times is None:
        times = start + np.arange(round((seconds if filmed is None else filmed) * rate)) / rate
    span = Span(start=start, duration=seconds)
    return Film(times=times, span=span, rate=rate, size=size, source=source or Frames())


def crops(given, **options):
    return features.compute("face_crops", given, **options)


def present(found):
    return found.values.any(axis=(2, 3, 4))


def nothing(k):
    return np.full((128, 128, 3), 90, np.uint8)


# -- shape, times, validity --------------------------------------------------------------------------------


def test_what_comes_out() -> None:
    found = crops(film(seconds=6.5, start=100.0), size=48)
    assert found.values.shape == (2, 10, 3, 48, 48)
    assert found.values.dtype == np.uint8
    assert list(found.axes) == ["window", "instance", "rgb", "row", "column"]
    assert found.axes["instance"] == tuple("0123456789")
    assert found.axes["rgb"] == ("r", "g", "b")
    np.testing.assert_allclose(found.starts, [100.0, 103.0])
    np.testing.assert_allclose(found.durations, 3.0)
    assert found.valid.all()
    assert present(found).all()


def test_example_has_a_face_in_every_frame() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = crops(features.example("face_crops"))
    assert found.n_windows == 2
    assert present(found).all()


def test_a_span_shorter_than_a_window_has_none() -> None:
    source = Frames()
    with pytest.warns(FeatureWarning, match="no frame"):
        found = crops(film(source, seconds=2.9))
    assert found.values.shape == (0, 10, 3, 96, 96)
    assert source.given == []


def test_windows_beyond_the_end_of_the_film_are_there_without_faces() -> None:
    """DEAP: trials of 60 s, films of about 59."""
    found = crops(film(seconds=9.0, filmed=4.6))
    np.testing.assert_array_equal(found.valid, [True, True, False])
    # slots of 0.3 s from 3.0 s on: the sixth starts at 4.5 s and has the frame of 4.5 s
    np.testing.assert_array_equal(present(found)[1], [True] * 6 + [False] * 4)
    assert not found.values[2].any()


def test_a_film_without_frames() -> None:
    with pytest.warns(FeatureWarning, match=r"no frame from 20\.000 to 26\.000 s"):
        found = crops(film(seconds=6.0, filmed=0.0, start=20.0))
    assert found.n_windows == 2
    assert not found.valid.any()


def test_a_gap_in_the_film() -> None:
    times = np.concatenate([np.arange(0, 1.0, 0.1), np.arange(2.0, 3.0, 0.1)])
    found = crops(film(seconds=3.0, times=times))
    # slots start at 0, 0.3 ... 2.7 s; those from 1.2 to 1.8 s have no frame, those of 0.9 and 1.8 s some
    np.testing.assert_array_equal(present(found)[0], [1, 1, 1, 1, 0, 0, 1, 1, 1, 1])


# -- which frames ------------------------------------------------------------------------------------------


def test_even_takes_the_frame_nearest_the_middle_of_each_tenth() -> None:
    source = Frames()
    crops(film(source, seconds=6.0, rate=50.0))
    # 0.15 + 0.3 k s is 7.5 + 15 k frames: the earlier of the two
    assert source.given == [7 + 15 * k for k in range(20)]


@pytest.mark.parametrize(("choose", "n"), [("even", 20), ("best", 60)])
def test_one_pass_with_increasing_positions(choose, n) -> None:
    source = Frames()
    crops(film(source, rate=30.0), choose=choose)
    assert len(source.asked) == 1
    assert source.given == source.asked[0]
    assert len(source.given) == n
    assert (np.diff(source.given) > 0).all()


def test_a_film_slower_than_the_crops() -> None:
    source = Frames()
    found = crops(film(source, seconds=3.0, rate=2.0), choose="best")
    assert source.given == [0, 1, 2, 3, 4, 5]  # none is read twice, or shown as two crops
    np.testing.assert_array_equal(present(found)[0], [1, 1, 0, 1, 0, 1, 1, 0, 1, 0])


@pytest.mark.parametrize("start", [0.0, 0.1, 3777.3])
def test_positions_do_not_depend_on_rounding_of_the_start(start) -> None:
    starts = start + 3.0 * np.arange(20)
    times = start + np.arange(3000) / 50
    found = _crops.look_at(times, starts, slot=0.3, faces=10, each=1)
    np.testing.assert_array_equal(found.positions, 7 + 15 * np.arange(200))
    np.testing.assert_array_equal(found.windows, np.repeat(np.arange(20), 10))
    np.testing.assert_array_equal(found.slots, np.tile(np.arange(10), 20))


def test_best_takes_the_sharp_frames() -> None:
    """Of the three candidates of each tenth (frames 9k+1, 9k+4, 9k+7) the second is not blurred."""

    def make(k):
        face = drawn_face(64, 66)
        face[:4, :4] = 0
        if k % 9 == 4:
            return face
        return cv2.GaussianBlur(face, (0, 0), 2.5)

    sharp = crops(film(Frames(make), seconds=3.0, rate=30.0), choose="best", steady=False)
    blurred = crops(film(Frames(lambda k: make(1)), seconds=3.0, rate=30.0), steady=False)

    def detail(found):
        return _crops.sharpness(found.values[0].transpose(0, 2, 3, 1))

    assert detail(sharp).min() > 3 * detail(blurred).max()


def test_best_weighs_ranks_of_sharpness_and_confidence() -> None:
    slots = np.array([0, 0, 0, 1, 1])
    sharp = np.array([1.0, 5.0, 2.0, 3.0, 4.0])
    # ranks of sharpness 1 5 2 3 4, of confidence 5 1 4 2.5 2.5: products 5 5 8, 7.5 10
    confidence = np.array([9.0, 1.0, 8.0, 3.0, 3.0])
    np.testing.assert_array_equal(_crops.best(slots, sharp, confidence), [2, 4])
    # products 5 and 5 without the third: the sharper one
    np.testing.assert_array_equal(
        _crops.best(np.zeros(2, int), np.array([1.0, 5.0]), np.array([9.0, 1.0])), [1]
    )


# -- which part of a frame ---------------------------------------------------------------------------------


def test_channels_are_red_green_blue() -> None:
    values = crops(film(seconds=3.0)).values.astype(float)
    # the drawn skin is 1.08 : 0.95 : 0.85
    red, green, blue = values[0].mean(axis=(0, 2, 3))
    assert red / green == pytest.approx(1.08 / 0.95, rel=0.01)  # grey values are rounded
    assert blue / green == pytest.approx(0.85 / 0.95, rel=0.01)


def test_cut_out_and_crop_of_a_known_box() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    box = Box(x=50, y=40, width=40, height=30, confidence=5.0)
    cut = _crops.cut_out(frame, box, margin=0.1, size=48)
    (crop,) = _crops.crops([cut], margin=0.1, size=48, steady=True)
    # middle (70, 55), the longer side 40 and 4 on each side: columns 46 to 94, rows 31 to 79, as they are
    np.testing.assert_array_equal(crop, frame[31:79, 46:94])


def test_beyond_the_frame_its_border_is_repeated() -> None:
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[:] = np.arange(10, 70, dtype=np.uint8)[None, :, None]
    cut = _crops.cut_out(frame, Box(x=-10, y=5, width=40, height=40, confidence=5.0), margin=0.0, size=40)
    (crop,) = _crops.crops([cut], margin=0.0, size=40, steady=False)
    assert (crop[:, :11] == 10).all()
    np.testing.assert_array_equal(crop[0, 10:, 0], np.arange(10, 40))


def test_a_large_face_is_kept_small() -> None:
    frame = np.zeros((1000, 1000, 3), np.uint8)
    frame[300:700, 300:700] = 200
    box = Box(x=300, y=300, width=400, height=400, confidence=5.0)
    cut = _crops.cut_out(frame, box, margin=0.1, size=48)
    assert len(cut.pixels) < 2.1 * _crops.SPARE * 48
    (crop,) = _crops.crops([cut], margin=0.1, size=48, steady=True)
    # the face takes 1 / 1.2 of the crop: from 4 to 44 of 48
    assert (crop[6:42, 6:42] == 200).all()
    assert not crop[:2].any()


def test_steady_boxes_do_not_tremble_and_follow_a_head_that_moved() -> None:
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[:] = np.arange(300)[None, :, None] % 250
    xs = [50, 52, 48, 51, 49, 150]
    cuts = [
        _crops.cut_out(frame, Box(x=x, y=60, width=60, height=60, confidence=5.0), margin=0.0, size=60)
        for x in xs
    ]
    steady = _crops.crops(cuts, margin=0.0, size=60, steady=True)
    left = steady[:, 0, 0, 0]
    # the median of the six is 50.5; the last one is 100 px off and keeps its own box
    assert len(set(left[:5].tolist())) == 1
    assert left[0] in (50, 51)
    assert left[5] == 150
    own = _crops.crops(cuts, margin=0.0, size=60, steady=False)
    np.testing.assert_array_equal(own[:, 0, 0, 0], xs)


# -- where there is no face --------------------------------------------------------------------------------


def test_a_face_that_is_never_found() -> None:
    with pytest.warns(
        FeatureWarning, match=r"found in 0 of the 20 frames looked at, from 0\.000 to 6\.000 s"
    ):
        found = crops(film(Frames(nothing)))
    assert not found.values.any()
    assert not found.valid.any()


@pytest.mark.parametrize(("n_faces", "warns"), [(5, False), (4, True)])
def test_warning_where_more_than_half_are_missing(n_faces, warns) -> None:
    source = Frames(lambda k: drawn_face(64, 66) if k < 3 * n_faces else nothing(k))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = crops(film(source, seconds=3.0))
    assert any(issubclass(w.category, FeatureWarning) for w in caught) == warns
    np.testing.assert_array_equal(present(found)[0], np.arange(10) < n_faces)
    assert found.valid.all()


def test_a_damaged_frame_costs_the_rest_of_its_window() -> None:
    source = Frames(broken=[13])  # the fifth crop of the first window
    with pytest.warns(FeatureWarning, match=r"1 windows hold .* film\.avi: no frame can be read from 13 on"):
        found = crops(film(source))
    np.testing.assert_array_equal(present(found)[0], np.arange(10) < 4)
    assert present(found)[1].all()
    assert len(source.given) == len(set(source.given)) == 14


def test_a_film_that_ends_before_its_times() -> None:
    with pytest.warns(FeatureWarning, match="fewer frames than it has times"):
        found = crops(film(Frames(fewer=30)))
    np.testing.assert_array_equal(found.valid, [True, False])


def test_windows_do_not_depend_on_each_other() -> None:
    def make(k):
        return drawn_face(64 + 3 * np.sin(k), 66 + 2 * np.cos(k))

    both = crops(film(Frames(make)))
    source = Frames(lambda k: make(k + 30))
    second = crops(film(source, seconds=3.0, start=3.0))
    np.testing.assert_array_equal(both.values[1], second.values[0])


# -- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"window_seconds": 0.0}, r"windows of 0\.0 s"),
        ({"window_seconds": float("nan")}, "windows of nan s"),
        ({"size": 8}, "size = 8; expected a whole number, 16 to 512"),
        ({"size": 20.5}, r"size = 20\.5"),
        ({"faces": 0}, "faces = 0"),
        ({"candidates": True}, "candidates = True"),
        ({"margin": 0.6}, r"margin = 0\.6; expected a number from 0 to 0\.5"),
    ],
)
def test_options_out_of_range(options, match) -> None:
    with pytest.raises(InputError, match=match):
        crops(film(), **options)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="'evn'; did you mean 'even'"):
        crops(film(), choose="evn")
    with pytest.raises(UnknownNameError, match="face detector 'hear'"):
        crops(film(), detector="hear")
    with pytest.raises(InputError, match="no released recipe"):
        features.compute("face_crops", film(), recipe="released")


# -- real files --------------------------------------------------------------------------------------------


def test_faces_of_a_written_video_through_a_recording(tmp_path) -> None:
    path = tmp_path / "s01_trial01.avi"
    write_trial(path, seed=1, subject=1, trial=1, sources=np.zeros((2, 4)), shown=[], seconds=5.0)
    video = open_video(path)

    class Camera:
        def read(self, start, duration):
            raise AssertionError("a camera has no samples")

        def film(self, start, duration):
            return Film(
                times=video.times + 10.0,
                span=Span(start=start, duration=duration),
                rate=video.rate,
                size=video.size,
                source=video,
            )

    span = Span(start=10.0, duration=6.0)
    stream = Stream(
        name="face",
        modality="face",
        unit="1",
        rate=50.0,
        channels=("r", "g", "b"),
        span=span,
        source=Camera(),
    )
    trial = Trial(id="t", recording="r", subject="1", session="1", stimulus="v", span=span)
    recording = Recording(
        id="r", dataset="d", subject="1", session="1", streams={"face": stream}, trials=(trial,)
    )
    found = crops(recording, size=64)
    np.testing.assert_allclose(found.starts, [10.0, 13.0])
    np.testing.assert_array_equal(present(found), [[True] * 10, [True] * 7 + [False] * 3])
    # the wall at the upper corners of a crop, skin in its middle: red over blue
    corner, middle = found.values[0, :, :, :3, :3], found.values[0, :, :, 28:36, 28:36]
    assert corner[:, 0].mean() < corner[:, 2].mean()
    assert middle[:, 0].mean() > 1.2 * middle[:, 2].mean()


def test_a_video_file_that_is_cut_off(tmp_path) -> None:
    path = tmp_path / "cut.avi"
    write_trial(path, seed=1, subject=1, trial=1, sources=np.zeros((3, 4)), shown=[], seconds=9.0)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    video = open_video(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FeatureWarning)  # the last frame may be incomplete, or missing
        found = crops(film(video, seconds=9.0, rate=50.0, times=video.times, size=video.size))
    np.testing.assert_array_equal(found.valid, [True, True, False])
    assert present(found)[0].all()
