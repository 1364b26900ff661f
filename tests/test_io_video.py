"""Videos: frames by their true time, whatever the container claims, and files that are no videos."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core import InputError
from mien.io.images import read_image
from mien.io.video import Video, open_video

WIDTH, HEIGHT = 64, 48
MJPEG, H264, B_FRAMES = ("mjpeg", {}), ("libx264", {"bf": "0"}), ("libx264", {"bf": "2", "b-adapt": "0"})


def grey(i: int) -> int:
    """The brightness of frame i: far enough from its neighbours' to survive compression."""
    return 20 + 6 * i


def write(
    path: Path,
    times: Sequence[int] = range(30),
    *,
    codec: tuple[str, dict[str, str]] = H264,
    unit: Fraction = Fraction(1, 30),
    rate: Fraction | None = None,
    key: int = 10,
    options: dict[str, str] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Path:
    """A video whose frame i, at ``times[i] * unit`` seconds, has the brightness ``grey(i)``."""
    name, own = codec
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(name, rate=rate or 1 / unit)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if name == "mjpeg" else "yuv420p"
        stream.options = {**own, "g": str(key)}
        stream.codec_context.time_base = unit
        container.start_encoding()
        for i, time in enumerate(times):
            picture = np.full((size[1], size[0], 3), grey(i), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def seen(frames: np.ndarray) -> list[int]:
    """Which frames these are."""
    return np.rint((frames.mean(axis=(1, 2, 3)) - 20) / 6).astype(int).tolist()


def everything(video: Video) -> tuple[list[int], list[float]]:
    blocks = list(video.blocks())
    return [i for frames, _ in blocks for i in seen(frames)], [t for _, times in blocks for t in times]


CONTAINERS = [
    ("mjpeg.avi", MJPEG),
    ("h264.avi", H264),
    ("b_frames.avi", B_FRAMES),
    ("h264.mp4", H264),
    ("b_frames.mp4", B_FRAMES),
    ("b_frames.mov", B_FRAMES),
    ("mjpeg.mov", MJPEG),
]


@pytest.fixture(params=CONTAINERS, ids=[name for name, _ in CONTAINERS])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Video:
    name, codec = request.param
    return open_video(write(tmp_path / name, codec=codec))


def test_frames_and_their_times(video: Video) -> None:
    assert video.n_frames == 30
    assert video.size == (WIDTH, HEIGHT)
    assert video.rate == pytest.approx(30, rel=1e-6)  # times are stored in a fine unit, not exactly
    assert video.damaged_at is None
    assert video.has_timestamps == (video.path.suffix != ".avi")
    which, times = everything(video)
    assert which == list(range(30))
    np.testing.assert_array_equal(times, video.times)
    np.testing.assert_allclose(times, np.arange(30) / 30, atol=1e-4)  # the container's unit of time


def test_any_frame_can_be_asked_for_in_any_order(video: Video) -> None:
    asked = [29, 3, 3, 17, 0, 18, 19, 5]
    frames, times = video.read(np.array(asked) / 30 + 0.01)  # less than half a frame (0.0167 s) off
    assert seen(frames) == asked
    np.testing.assert_array_equal(times, video.times[asked])
    frames, times = video.read(0.5)
    assert seen(frames) == [15]


def test_a_stretch_is_half_open(video: Video) -> None:
    frames, _ = video.read(slice(video.times[12], video.times[15]))
    assert seen(frames) == [12, 13, 14]
    assert seen(video.read(slice(video.times[27], None))[0]) == [27, 28, 29]
    assert seen(video.read(slice(None, video.times[2]))[0]) == [0, 1]
    assert video.read(slice(5, 6))[0].shape == (0, HEIGHT, WIDTH, 3)
    assert seen(video.read()[0]) == list(range(30))


def test_blocks_hold_as_many_as_asked(video: Video) -> None:
    blocks = list(video.blocks(slice(video.times[4], video.times[15]), n_frames=4))
    assert [seen(frames) for frames, _ in blocks] == [[4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14]]


def test_decoded_frames_are_not_kept(video: Video) -> None:
    """A frame that refers to itself lives until the garbage collector runs: gigabytes of a large video."""
    gc.collect()
    gc.disable()
    try:
        assert everything(video)[0] == list(range(30))
        assert sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects()) <= 1
    finally:
        gc.enable()


def test_it_goes_to_another_process(video: Video) -> None:
    again = pickle.loads(pickle.dumps(video))  # noqa: S301 - our own
    assert seen(again.read(again.times[[7, 21]])[0]) == [7, 21]


def test_a_time_far_from_every_frame_is_refused(video: Video) -> None:
    for time in (-0.02, 30.0):
        with pytest.raises(InputError, match=rf"no frame within 0\.01667 s of {time:.4f} s; the nearest"):
            video.read([0.1, time])
    with pytest.raises(InputError, match=r"no frame within 0\.001 s of 0\.1100 s"):
        video.read([0.11], tolerance=0.001)
    with pytest.raises(InputError, match="not a finite number"):
        video.read([np.nan])
    with pytest.raises(InputError, match="a stretch of time with a step"):
        video.read(slice(0, 1, 2))


@pytest.mark.parametrize("codec", [H264, B_FRAMES], ids=["plain", "b_frames"])
def test_a_variable_rate_and_a_late_start(tmp_path: Path, codec: tuple[str, dict[str, str]]) -> None:
    ms = [250, 257, 264, 318, 325, 331, 400, 407, 413, 420, 427, 480]
    video = open_video(write(tmp_path / "v.mp4", ms, codec=codec, unit=Fraction(1, 1000), rate=Fraction(150)))
    np.testing.assert_allclose(video.times, np.array(ms) / 1000, atol=1e-4)  # the container's unit of time
    assert everything(video)[0] == list(range(12))
    assert seen(video.read([0.318, 0.48])[0]) == [3, 11]
    assert video.rate == pytest.approx(1 / 0.007, rel=0.02)  # the median distance, to a ms's rounding
    with pytest.raises(InputError, match=r"of 0\.2920 s; the nearest is at 0\.3180 s"):
        video.read([0.292])


def test_the_rate_in_the_header_is_not_relied_on(tmp_path: Path) -> None:
    ms = list(range(0, 300, 10))
    video = open_video(write(tmp_path / "v.mp4", ms, unit=Fraction(1, 1000), rate=Fraction(25)))
    np.testing.assert_allclose(video.times, np.array(ms) / 1000, atol=1e-4)
    assert video.rate == pytest.approx(100, rel=1e-3)
    assert seen(video.read([0.25])[0]) == [25]


def test_dropped_frames_of_an_avi_keep_their_places(tmp_path: Path) -> None:
    places = [0, 1, 2, 5, 6, 9]
    video = open_video(write(tmp_path / "v.avi", places, codec=MJPEG, unit=Fraction(1, 143)))
    np.testing.assert_allclose(video.times, np.array(places) / 143, atol=1e-9)
    assert everything(video)[0] == list(range(6))
    assert video.nominal_rate == pytest.approx(143)
    assert video.damaged_at is None


@pytest.mark.parametrize("rate", [98, 143, 150, 157])
def test_the_rates_of_mes_eeg(tmp_path: Path, rate: int) -> None:
    video = open_video(write(tmp_path / "v.avi", codec=MJPEG, unit=Fraction(1, rate)))
    assert video.rate == pytest.approx(rate, rel=1e-9)
    np.testing.assert_allclose(video.times, np.arange(30) / rate, atol=1e-9)


def test_opencv_s_own_avi_can_be_read(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 150.0, (WIDTH, HEIGHT))
    for i in range(20):
        writer.write(np.full((HEIGHT, WIDTH, 3), grey(i), np.uint8))
    writer.release()
    video = open_video(path)
    assert everything(video)[0] == list(range(20))
    assert video.rate == pytest.approx(150, rel=1e-6)


TURNS = {
    "upright": (1, 0, 0, 1),
    "quarter": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "three quarters": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_video_is_shown_upright(tmp_path: Path, turn: str) -> None:
    """The matrix takes a point of the stored picture to where it is shown (ISO 14496-12, track header)."""
    path = tmp_path / "v.mp4"
    stored = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stored[: HEIGHT // 2, WIDTH // 2 :] = 255  # upper right
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        container.mux(stream.encode(None))
    a, b, c, d = TURNS[turn]

    def entry(*values: int) -> bytes:
        return np.array(values, ">i4").tobytes()

    one = 1 << 16
    content = path.read_bytes()
    track = content.index(b"tkhd")
    matrix = content.index(entry(one, 0, 0, 0, one, 0, 0, 0, 1 << 30), track)
    turned = entry(a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:matrix] + turned + content[matrix + len(turned) :])
    video = open_video(path)
    shown = (HEIGHT, WIDTH) if turn in ("quarter", "three quarters") else (WIDTH, HEIGHT)
    assert video.size == shown
    ((frame,), _) = video.read()
    x, y = 1 * a + -1 * c, 1 * b + -1 * d  # where the bright quarter goes, counted from the middle
    halves = {-1: slice(None, 20), 1: slice(-20, None)}
    bright = {(i, j): frame[halves[j], halves[i]].mean() for i in (-1, 1) for j in (-1, 1)}
    assert max(bright, key=lambda at: bright[at]) == (x, y)


# -- bad files ---------------------------------------------------------------------------------------------


def inside(path: Path, share: float) -> int:
    """The byte after a share of the frames' bytes."""
    content = path.read_bytes()
    mark = content.index(b"movi" if path.suffix == ".avi" else b"mdat")
    size = int.from_bytes(content[mark - 4 : mark], "little" if path.suffix == ".avi" else "big")
    return mark + int(share * size)


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: inside(path, share)])
    return path


@pytest.mark.parametrize(("name", "codec"), [("v.avi", MJPEG), ("v.avi", H264), ("v.avi", B_FRAMES)])
@pytest.mark.parametrize("share", [0.55, 0.7])
def test_an_avi_cut_off_gives_what_is_whole(
    tmp_path: Path, name: str, codec: tuple[str, dict[str, str]], share: float
) -> None:
    gives_what_is_whole(open_video(cut(write(tmp_path / name, codec=codec), share)))


@pytest.mark.parametrize("codec", [H264, B_FRAMES], ids=["plain", "b_frames"])
@pytest.mark.parametrize("share", [0.6, 0.9])
def test_an_mp4_cut_off_gives_what_is_whole(
    tmp_path: Path, codec: tuple[str, dict[str, str]], share: float
) -> None:
    path = write(tmp_path / "v.mp4", codec=codec, options={"movflags": "faststart"})
    gives_what_is_whole(open_video(cut(path, share)))


def gives_what_is_whole(video: Video) -> None:
    got: list[int] = []
    says = r"v\.\w+: is damaged or cut off: no frame can be read from \d\.\d{3} s on"
    with pytest.raises(InputError, match=says) as error:
        got.extend(i for frames, _ in video.blocks(n_frames=1) for i in seen(frames))
    assert 3 <= len(got) < 30
    assert got == list(range(len(got)))
    second = float(str(error.value).split(" from ")[1].split()[0])
    # the second is that of the first frame that is not given; B-frames after the break may be lost with it
    assert second == pytest.approx(len(got) / 30, abs=2.1 / 30)
    assert seen(video.read([0.1])[0]) == [3]
    with pytest.raises(InputError, match="is damaged or cut off"):
        video.read([29 / 30])


@pytest.mark.parametrize(("name", "codec"), [("v.avi", MJPEG), ("v.avi", H264), ("v.mp4", H264)])
def test_a_tail_of_zeros(tmp_path: Path, name: str, codec: tuple[str, dict[str, str]]) -> None:
    """A copy that broke off where the space for it was already made: the table of frames is whole."""
    path = write(tmp_path / name, codec=codec, options={"movflags": "faststart"} if name == "v.mp4" else None)
    content = bytearray(path.read_bytes())
    at = inside(path, 0.75)
    content[at:] = bytes(len(content) - at)
    path.write_bytes(content)
    gives_what_is_whole(open_video(path))


def test_a_damaged_frame_does_not_hide_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "v.avi", codec=MJPEG)
    content = bytearray(path.read_bytes())
    starts = [i for i in range(len(content)) if content[i : i + 3] == b"\xff\xd8\xff"]
    scan = content.index(b"\xff\xda", starts[12]) + 14
    content[scan : scan + 40] = b"\xff\xd9" * 20
    path.write_bytes(content)
    video = open_video(path)
    with pytest.raises(InputError, match=r"no frame can be read from 0\.400 s on"):
        video.read([0.4])
    assert seen(video.read([11 / 30, 13 / 30])[0]) == [11, 13]


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    with pytest.raises(InputError, match=r"v\.avi: no such file; expected a video"):
        open_video(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"v\.avi: is empty \(0 bytes\)"):
        open_video(path)
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InputError, match=r"v\.avi: cannot be read as a video \(.+\); expected a video"):
        open_video(path)
    path.write_text("<!DOCTYPE html><html></html>")
    with pytest.raises(InputError, match="is a web page"):
        open_video(path)
    with pytest.raises(InputError, match="is a folder"):
        open_video(tmp_path)


def test_an_mp4_without_its_end_is_refused(tmp_path: Path) -> None:
    path = cut(write(tmp_path / "v.mp4"), 0.6)  # its table of contents is at the end
    with pytest.raises(InputError, match=r"v\.mp4: (cannot be read as a video|has no video in it)"):
        open_video(path)


@pytest.mark.parametrize("name", ["v.avi", "v.mp4", "v.mov"])
def test_a_video_of_no_frames_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [], codec=MJPEG)
    with pytest.raises(InputError, match=rf"{name}: (has no |cannot be read as a video)"):
        open_video(path)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"v\.wav: has no video in it"):
        open_video(path)


def test_a_renamed_video_is_read_by_its_content(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4").rename(tmp_path / "v.avi")
    video = open_video(path)
    assert video.has_timestamps
    assert everything(video)[0] == list(range(30))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 400), min_size=1, max_size=30), start=st.integers(0, 3000))
def test_times_written_are_times_read(tmp_path: Path, steps: list[int], start: int) -> None:
    ms = (start + np.cumsum([0, *steps])).tolist()
    path = write(tmp_path / "v.mp4", ms, codec=B_FRAMES, unit=Fraction(1, 1000), rate=Fraction(30))
    video = open_video(path)
    np.testing.assert_allclose(video.times, np.array(ms) / 1000, atol=1e-4)  # the container's unit of time
    frames, _ = video.read(video.times[::-1])
    assert seen(frames) == list(range(len(ms)))[::-1]


# -- pictures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_picture_comes_as_rgb(tmp_path: Path, suffix: str) -> None:
    import cv2

    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / f"é中{suffix}"
    path.write_bytes(cv2.imencode(suffix, image[..., ::-1])[1].tobytes())
    np.testing.assert_array_equal(read_image(path), image)


def test_grey_16_bits_and_transparency_become_rgb(tmp_path: Path) -> None:
    import cv2

    grey_image = np.arange(200, dtype=np.uint8).reshape(10, 20)
    path = tmp_path / "i.png"
    for stored in (grey_image, grey_image.astype(np.uint16) * 257, np.dstack([grey_image] * 4)):
        cv2.imwrite(str(path), stored)
        np.testing.assert_array_equal(read_image(path), np.dstack([grey_image] * 3))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_cut_off_is_refused(tmp_path: Path, suffix: str) -> None:
    import cv2

    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / f"i{suffix}"
    content = cv2.imencode(suffix, image)[1].tobytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match=rf"i\{suffix}: is a picture cut off"):
        read_image(path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.png"
    bad = {b"": "is empty", bytes(300): "cannot be read as a picture", b"PK\x03\x04": "ZIP archive"}
    for content, says in bad.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=says):
            read_image(path)
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "other.png")
