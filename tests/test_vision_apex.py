"""Spotting the apex in made-up clips, and onset, apex and offset in curves."""

from __future__ import annotations

import numpy as np
import pytest

from _moving import head, pair
from mien.core import InputError
from mien.vision.apex import expressive_mask, motion_curve, onset_apex_offset, spot_apex

SIZE, RATE = 128, 100.0
Y, X = np.mgrid[:SIZE, :SIZE] / SIZE


def at(x, y, reach=0.07):
    return np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * reach**2))


def clip(*, n=21, apex=8, blink=None, drift=0.0, px=1.5, reach=0.07):
    """Frames of a face whose mouth corner rises from frame 0 to the apex and falls until the last frame, and
    their times; a blink moves both lids by 4 px."""
    frames = []
    for i in range(n):
        level = i / apex if i <= apex else (n - 1 - i) / (n - 1 - apex)
        moved = np.zeros((2, SIZE, SIZE))
        moved[1] -= px * np.sin(level * np.pi / 2) * at(0.65, 0.75, reach)
        if blink is not None and abs(i - blink) <= 3:
            moved[1] += (
                4 * np.cos((i - blink) / 4 * np.pi / 2) * (at(0.35, 0.44, 0.03) + at(0.65, 0.44, 0.03))
            )
        # the picture of frame i is what the first picture of a pair shows, with the motion undone
        frames.append(pair(-moved, noise=0, seed=2)[0] if not drift else _drifted(moved, i * drift))
    rng = np.random.default_rng(5)
    noisy = np.stack(frames) + 2 * rng.standard_normal((n, SIZE, SIZE))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), 3 + np.arange(n) / RATE


def _drifted(moved, px):
    _, second = pair(np.zeros_like(moved), motion=head(shift=(px, -px), size=SIZE), noise=0, seed=2)
    if not moved.any():
        return second
    from scipy.ndimage import map_coordinates

    y, x = np.mgrid[:SIZE, :SIZE]
    return map_coordinates(second.astype(float), [y - moved[1], x - moved[0]], order=3, mode="nearest")


@pytest.mark.parametrize(
    "how",
    [{}, {"blink": 15}, {"drift": 0.1}, {"apex": 14, "blink": 4}],
    ids=["plain", "blink", "drift", "late"],
)
def test_the_apex_is_found(how):
    frames, times = clip(**how)
    found = spot_apex(frames, times)
    # near its top the motion changes by less than the noise from one frame to the next
    assert abs(found.index - how.get("apex", 8)) <= 2
    assert found.time == times[found.index]
    assert found.curve.shape == (21,)
    assert found.curve[0] == 0


def test_a_blink_counts_where_the_eyes_are_not_left_out():
    frames, times = clip(blink=15)
    found = spot_apex(frames, times, mask=np.ones((SIZE, SIZE), bool))
    assert abs(found.index - 15) <= 1


def test_the_curve_is_in_pixels():
    frames, _ = clip(reach=0.15)
    middle = at(0.65, 0.75) > 0.9
    curve = motion_curve(frames[[0, 8, 20]], mask=middle)
    # the flow falls some percent short; half as long, half as much
    assert curve[1] == pytest.approx(1.5, rel=0.3)
    half, _ = clip(px=0.75, reach=0.15)
    assert motion_curve(half[[0, 8]], mask=middle)[1] == pytest.approx(curve[1] / 2, rel=0.25)
    assert curve[2] < 0.3


def test_only_between_onset_and_offset_and_only_valid_frames():
    frames, times = clip()
    late = spot_apex(frames, times, onset=times[10], offset=times[14])
    assert 10 < late.index <= 14
    assert np.isnan(late.curve[[0, 9, 15]]).all()
    valid = np.ones(21, bool)
    valid[6:11] = False
    found = spot_apex(frames, times, valid=valid)
    assert found.index in (4, 5, 11, 12)
    assert np.isnan(found.curve[6:11]).all()


def test_what_cannot_be_spotted():
    frames, times = clip(n=5, apex=2)
    with pytest.raises(InputError, match="have no frame between them; expected the onset before the offset"):
        spot_apex(frames, times, onset=times[3], offset=times[1])
    with pytest.raises(InputError, match="5 frames and 4 times"):
        spot_apex(frames, times[:4])
    with pytest.raises(InputError, match="0 frames and 0 times"):
        spot_apex(frames[:0], times[:0])
    with pytest.raises(InputError, match="frame 0, the onset, is not valid"):
        spot_apex(frames, times, valid=np.array([False, True, True, True, True]))
    with pytest.raises(InputError, match="no frame after the onset is valid"):
        spot_apex(frames, times, valid=np.array([True, False, False, False, False]))
    with pytest.raises(InputError, match=r"mask of shape \(3, 3\)"):
        motion_curve(frames, mask=np.ones((3, 3), bool))


def test_the_mask_leaves_out_the_eyes():
    mask = expressive_mask((100, 200))
    assert mask.shape == (100, 200)
    assert mask[30, 100]
    assert mask[75, 100]
    assert not mask[38:51].any()
    assert not mask[:, :24].any()


def test_phases_of_a_curve():
    curve = np.array([0.0, 0.1, 0.3, 0.6, 0.9, 0.5, 0.25, 0.1, 0.3, 0.1])
    found = onset_apex_offset(curve, level=0.2)
    assert (found.onset, found.apex, found.offset) == (2, 4, 7)
    rising = onset_apex_offset(curve[:6], level=0.2)
    assert (rising.onset, rising.apex, rising.offset) == (2, 4, None)
    from_start = onset_apex_offset(curve[3:], level=0.2)
    assert (from_start.onset, from_start.apex, from_start.offset) == (0, 1, 4)
    curve[[3, 6]] = np.nan
    torn = onset_apex_offset(curve, level=0.2)
    assert (torn.onset, torn.apex, torn.offset) == (4, 4, 6)
    with pytest.raises(InputError, match=r"never rises above 0\.95"):
        onset_apex_offset(curve, level=0.95)
    with pytest.raises(InputError, match=r"never rises above 0\.2"):
        onset_apex_offset(np.full(3, np.nan), level=0.2)
