"""Where electrodes stand on the flat head, and the map between them."""

from __future__ import annotations

import numpy as np
import pytest

from _fake_run import CHANNELS
from mien.report.topography import interpolate, positions


def test_every_channel_of_the_62_has_its_own_place_on_the_head() -> None:
    place = positions(CHANNELS)
    assert set(place) == set(CHANNELS)
    points = np.array(list(place.values()))
    assert np.hypot(*points.T).max() < 1
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1) + 9 * np.eye(len(points))
    assert distance.min() > 0.08  # neighbours are about a fifth of a head apart, CB and PO the closest


def test_known_places() -> None:
    place = positions(("Cz", "Fpz", "Oz", "T7", "T8", "Fz", "C3", "F7"))
    # polar angles of the 10-10 system over 90 degrees
    expected = {
        "Cz": (0, 0), "Fpz": (0, 0.8), "Oz": (0, -0.8), "T7": (-0.8, 0), "T8": (0.8, 0), "Fz": (0, 0.4),
        "C3": (-0.4, 0), "F7": (-0.8 * np.sin(np.deg2rad(54)), 0.8 * np.cos(np.deg2rad(54))),
    }  # fmt: skip
    for name, point in expected.items():
        assert place[name] == pytest.approx(point, abs=1e-9)  # trigonometry in float64


def test_left_mirrors_right() -> None:
    place = positions(CHANNELS)
    for name, (x, y) in place.items():
        digits = "".join(filter(str.isdigit, name))
        if digits and int(digits) % 2:
            other = place[name[: -len(digits)] + str(int(digits) + 1)]
            assert other == pytest.approx((-x, y), abs=1e-9)


def test_old_names_and_unknown_ones() -> None:
    place = positions(("T3", "T7", "EKG", "M1", "F99"))
    assert set(place) == {"T3", "T7"}
    assert place["T3"] == place["T7"]


@pytest.mark.filterwarnings("ignore:Montage name:FutureWarning")
def test_the_places_are_near_those_of_mne() -> None:
    mne = pytest.importorskip("mne")
    montage = mne.channels.make_standard_montage("standard_1005").get_positions()["ch_pos"]
    by_name = {name.upper(): xyz for name, xyz in montage.items()}
    ours = positions(CHANNELS)
    names = [n for n in CHANNELS if n in by_name]
    assert len(names) == 60  # all but CB1 and CB2
    theirs = np.array([by_name[n] for n in names])
    theirs = theirs - theirs.mean(axis=0) * [1, 1, 0]
    direction = np.arctan2(theirs[:, 1], theirs[:, 0])
    flat = np.array([ours[n] for n in names])
    off_centre = np.hypot(*flat.T) > 0.3
    turn = np.angle(np.exp(1j * (np.arctan2(flat[:, 1], flat[:, 0]) - direction)))
    # a real head is longer than wide, a sphere is not: directions differ by up to about 15 degrees
    assert np.rad2deg(np.abs(turn[off_centre])).max() < 15


def test_the_map_passes_through_the_values_and_stays_inside_them() -> None:
    points = np.array(list(positions(CHANNELS).values()))
    values = points[:, 1] + 1.0  # grows towards the nose
    grid = interpolate(points, values, size=41)
    assert grid.shape == (41, 41)
    assert values.min() <= grid.min()
    assert grid.max() <= values.max()
    assert grid[20, 20] == pytest.approx(1.0, abs=1e-6)  # a plane is what a thin-plate spline gives back
    assert grid[30, 20] > grid[10, 20]
