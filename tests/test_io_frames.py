"""Folders of frames whose names tell their times: order, midnight, one recording only, and broken names."""

from __future__ import annotations

import datetime
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core import FrameSource, InputError
from mien.io.frames import FrameFolder, open_frames

FIRST = "2023-07-21-16-45-38-257-410-112.tif"
"""As in the public picture of the data set."""


def frame(path: Path, *, value: int = 0, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    """A picture of one red, each pixel a little different, on the disk."""
    import cv2

    picture = np.zeros((*size, 3), dtype=np.uint8)
    picture[..., 0] = value
    picture[..., 2] = np.arange(size[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[..., ::-1])
    return picture


def opened(*names: str, **options: object) -> FrameFolder:
    """By their names; no picture is looked at."""
    return open_frames([f"/recording/{name}" for name in names], **options)  # type: ignore[arg-type]


def test_a_folder_with_folders_in_it(tmp_path: Path) -> None:
    names = ["b/2023-07-21-16-45-38-264-411-112.tif", FIRST, "b/c/2023-07-21-16-45-38-318-412-100.TIF"]
    pictures = [frame(tmp_path / name, value=100 + i) for i, name in enumerate(names)]
    (tmp_path / "Thumbs.db").write_bytes(b"not a frame")
    found = open_frames(tmp_path)
    assert len(found) == 3
    assert found.date == datetime.date(2023, 7, 21)
    midnight = 16 * 3600 + 45 * 60 + 38
    np.testing.assert_array_equal(found.stamps, midnight + np.array([0.257, 0.264, 0.318]))
    assert found.codes.tolist() == [410, 411, 412]
    assert found.markers.tolist() == [112, 112, 100]
    assert [str(p.relative_to(tmp_path)) for p in found.paths] == [FIRST, names[0], names[2]]
    assert found.path(1) == tmp_path / names[0]
    np.testing.assert_array_equal(found.read(0), pictures[1])
    assert isinstance(found, FrameSource)
    for got, expected in zip(found.frames([1, 2]), (pictures[0], pictures[2]), strict=True):
        np.testing.assert_array_equal(got, expected)
    again: FrameFolder = pickle.loads(pickle.dumps(found))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(again.read(2), pictures[2])


def test_the_order_is_that_of_the_numbers_not_of_the_letters() -> None:
    names = [
        "2023-7-21-9-5-1-9-1-100.tif",
        "2023-7-21-9-5-1-10-2-100.tif",
        "2023-7-21-9-5-1-100-3-100.tif",
        "2023-7-21-9-5-10-0-4-100.tif",
        "2023-07-21-09-06-01-000-5-100.tif",
        "2023-7-21-10-5-1-0-6-101.tif",
    ]
    found = opened(*sorted(names), max_gap=1e5)
    assert found.names == tuple(names)
    assert found.codes.tolist() == [1, 2, 3, 4, 5, 6]
    assert sorted(names) != names


def test_frames_saved_in_one_millisecond_follow_the_counter() -> None:
    """Also where it starts again at 1 after 1000."""
    codes = (1, 1000, 2, 999)
    found = opened(*(f"2023-07-21-10-00-00-000-{code}-101.tif" for code in codes))
    assert found.codes.tolist() == [999, 1000, 1, 2]


def test_past_midnight() -> None:
    names = ["2023-12-31-23-59-59-999-7-101.tif", "2024-01-01-00-00-00-005-8-101.tif"]
    found = opened(*reversed(names))
    assert found.names == tuple(names)
    assert found.date == datetime.date(2023, 12, 31)
    np.testing.assert_array_equal(found.stamps, [86399.999, 86400.005])


@given(st.lists(st.integers(0, 86_399_999), min_size=1, max_size=40, unique=True), st.randoms())
def test_stamps_and_order_of_any_times(milliseconds: list[int], random: object) -> None:
    names = []
    for i, at in enumerate(sorted(milliseconds)):
        h, m, s, ms = at // 3_600_000, at // 60_000 % 60, at // 1000 % 60, at % 1000
        names.append(f"2023-07-21-{h:02d}-{m:02d}-{s:02d}-{ms}-{i % 1000 + 1}-{i % 256}.tif")
    shuffled = names[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = opened(*shuffled, max_gap=86400)
    assert found.names == tuple(names)
    np.testing.assert_array_equal(found.stamps, np.array(sorted(milliseconds)) / 1000)


# -- what is refused ---------------------------------------------------------------------------------------

WRONG = [
    "IMG_0001.tif",
    "2023-07-21-16-45-38-257-410.tif",  # no marker
    "2023-07-21-16-45-38-257-410-112-5.tif",
    "2023-07-21-16-45-38-257-410-112.png",
    "2023-13-21-16-45-38-257-410-112.tif",  # 13th month
    "2023-06-31-16-45-38-257-410-112.tif",  # 31 June
    "2023-07-21-24-45-38-257-410-112.tif",
    "2023-07-21-16-60-38-257-410-112.tif",
    "2023-07-21-16-45-60-257-410-112.tif",
    "2023-07-21-16-45-38-257-0-112.tif",  # the counter starts at 1
    "2023-07-21-16-45-38-257-1001-112.tif",
    "2023-07-21-16-45-38-257-410-256.tif",  # eight lines make 255 at most
]


@pytest.mark.parametrize("name", WRONG)
def test_a_name_that_does_not_parse(name: str) -> None:
    with pytest.raises(
        InputError, match=rf"/recording: 1 of 2 names do not parse: {name}; expected Y-M-D"
    ) as c:
        opened(FIRST, name)
    assert "\n" not in str(c.value)
    found = opened(FIRST, name, strict=False)
    assert (found.names, found.skipped) == ((FIRST,), (name,))
    with pytest.raises(InputError, match="1 of 1 names do not parse"):
        opened(name, strict=False)


def test_many_names_that_do_not_parse_are_one_line(tmp_path: Path) -> None:
    for i in range(6):
        frame(tmp_path / f"IMG_{i}.tif")
    with pytest.raises(
        InputError, match=r"6 of 6 names do not parse: IMG_0\.tif, IMG_1\.tif, IMG_2\.tif, …; "
    ):
        open_frames(tmp_path)


def test_no_frames(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no frame; expected files named Y-M-D"):
        open_frames(tmp_path)
    with pytest.raises(InputError, match="holds no frame"):
        open_frames([])
    with pytest.raises(InputError, match="no such folder"):
        open_frames(tmp_path / "nowhere")
    (tmp_path / "a.tif").write_bytes(b"")
    with pytest.raises(InputError, match="is a file; expected a folder of frames"):
        open_frames(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("2023-07-24-10-00-00-000-1-100.tif", r"65\.2 h \(4 days\) lie between"),
        ("2023-07-21-18-00-00-000-1-100.tif", "4462 s lie between"),  # the next person, on the same day
    ],
)
def test_frames_of_two_people(other: str, says: str) -> None:
    with pytest.raises(InputError, match=f"holds frames of two recordings: {says} {FIRST} and {other}") as c:
        opened(other, FIRST)
    assert "Put each person's frames into a folder of its own" in str(c.value)
    assert len(opened(other, FIRST, max_gap=1e6)) == 2


def test_a_frame_that_is_there_twice(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        frame(tmp_path / folder / FIRST)
    with pytest.raises(
        InputError, match=r"two frames of one moment \(1 such pairs\); expected each frame once"
    ):
        open_frames(tmp_path)


@pytest.mark.parametrize("kept", [0, 30, 150])
def test_pictures_that_are_cut_or_empty(tmp_path: Path, kept: int) -> None:
    frame(tmp_path / FIRST, size=(40, 50))
    found = open_frames(tmp_path)
    content = found.path(0).read_bytes()
    assert len(content) > 200
    found.path(0).write_bytes(content[:kept])
    with pytest.raises(InputError, match=rf"{FIRST}: (is empty|cannot be read as a picture)"):
        found.read(0)
    found.path(0).unlink()
    with pytest.raises(InputError, match=rf"{FIRST}: no such file"):
        found.read(0)


def test_a_hundred_thousand_names_are_quick() -> None:
    """A session of 70 minutes at 150 frames per second has 630,000."""
    names = [
        f"/r/{i // 1000}/2023-07-21-10-{i // 9000}-{i // 150 % 60}-{i % 150 * 6}-{i % 1000 + 1}-101.tif"
        for i in range(100_000)
    ]
    found = open_frames(reversed(names))
    assert len(found) == 100_000
    assert (np.diff(found.stamps) > 0).all()
    assert (found.codes == np.arange(100_000) % 1000 + 1).all()
