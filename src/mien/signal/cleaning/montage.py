"""Where electrodes sit on a head of standard size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError

CEREBELLAR = {"CB1": "PO9", "CB2": "PO10"}
"""Electrodes of the Neuroscan cap that the 10-10 system lacks, and the places they are given: the nearest
ones it has, a tenth of the way round the head below PO7 and PO8."""


def positions(channels: Sequence[str]) -> NDArray[np.float64]:
    """Places of electrodes by their 10-10 names, whatever the case.

    Parameters
    ----------
    channels
        Names of the 10-10 or 10-5 system, old names (``T3`` to ``T6``), mastoids (``M1``, ``M2``), ``CB1``
        and ``CB2``.

    Returns
    -------
    ndarray
        (channels, 3) in metres on the template head of MNE's ``standard_1005``, since 1.13 called
        ``colin27_1005`` (Oostenveld and Praamstra
        2001, doi:10.1016/S1388-2457(00)00527-7): x to the right ear, y to the nose, z up. The cap of the
        SEED data sets also has CB1 and CB2, which the template lacks: they are given the places of PO9 and
        PO10. The origin is the centre of the sphere nearest to all places of the template.

    Raises
    ------
    InputError
        A name is not known.
    """
    table = _template()
    missing = [name for name in channels if name.upper() not in table]
    if missing:
        raise InputError(
            f"no place on the head is known for {', '.join(missing)}",
            expected="names of the 10-10 system",
            remedy="rename the channels, or pass those that are not EEG as extras",
        )
    return np.array([table[name.upper()] for name in channels]).reshape(-1, 3)


def montage(channels: Sequence[str]) -> Any:
    """The same as an MNE montage in head coordinates, under the names that were given."""
    import mne

    return mne.channels.make_dig_montage(
        dict(zip(channels, positions(channels), strict=True)), coord_frame="head"
    )


@lru_cache(maxsize=1)
def _template() -> dict[str, tuple[float, float, float]]:
    import mne

    try:
        dig = mne.channels.make_standard_montage("colin27_1005")
    except ValueError:  # its name before MNE 1.13
        dig = mne.channels.make_standard_montage("standard_1005")
    raw = {name.upper(): place for name, place in dig.get_positions()["ch_pos"].items()}
    centre, _ = _sphere(np.array(list(raw.values())))
    raw |= {name: raw[near] for name, near in CEREBELLAR.items()}
    return {name: tuple(map(float, place - centre)) for name, place in raw.items()}  # type: ignore[misc]


def _sphere(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Centre and radius of the sphere nearest to points, by least squares."""
    design = np.column_stack([2 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(design, (points**2).sum(axis=1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))
