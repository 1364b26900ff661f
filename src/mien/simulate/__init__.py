"""Made-up data sets in the layout of the real ones, with known truth."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from mien.core import Registry, Signal, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.core import Event
    from mien.simulate._screen import TrueGaze

_registry = Registry("simulated data set", "mien.simulate")


def names() -> list[str]:
    """Data sets that can be simulated."""
    return _registry.names()


def simulate(name: str, out: str | Path, *, seed: int, **options: Any) -> Path:
    """Write a made-up copy of a data set into a new folder, with ``truth.json``.

    Options are those of the data set's own function, for example
    :func:`mien.simulate.seed_vii.simulate`.

    Raises
    ------
    UnknownNameError
        There is no such data set, or it has no such option.
    """
    known = option_types(name)
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of simulate {name!r}", option, known)
    made: Path = _registry.get(name)(out, seed=seed, **options)
    return made


def option_types(name: str) -> dict[str, Any]:
    """Options of a simulated data set and the type of each."""
    function = _registry.get(name)
    types = get_type_hints(function)
    return {p: types[p] for p in inspect.signature(function).parameters if p not in ("out", "seed")}


def true_brain(
    source: str | Path | Mapping[str, Any], *, subject: str, clip: int, rate: float = 200.0
) -> Signal:
    """What the brain alone gave in one clip of a made-up SEED-VII, made again from the seed.

    Parameters
    ----------
    source
        Folder of the data set, its ``truth.json``, or what that file holds.
    subject
        Name of a subject, as in the names of the files.
    clip
        Number of a clip, 1 to 80.
    rate
        200, or 1000 as in the raw recording.

    Returns
    -------
    Signal
        62 channels in V, time from the start of the clip: no artefact, hum, drift, amplifier noise or bad
        channel. At 1000 Hz it is the 200 Hz signal, interpolated without anything above 113 Hz.
    """
    from mien.simulate import _truth

    return _truth.true_brain(source, subject=subject, clip=clip, rate=rate)


def true_gaze(source: str | Path | Mapping[str, Any], *, subject: str, clip: int) -> TrueGaze:
    """What the eyes did in one clip of a made-up SEED-VII; parameters as for :func:`true_brain`."""
    from mien.simulate import _truth

    return _truth.true_gaze(source, subject=subject, clip=clip)


def true_flow(root: str | Path, event: Event | str) -> NDArray[np.float32]:
    """How the face moved from onset to apex in an expression of a made-up MEs-EEG, made again from the seed.

    Parameters
    ----------
    root
        Folder of the data set, or its ``truth.json``.
    event
        An event of its recordings, the event's id, or the name of a row's folder of pictures.

    Returns
    -------
    ndarray
        float32 (2, 256, 256), in px of the cropped picture: what is at ``(x, y)`` of the picture of the onset
        is at ``(x + flow[0], y + flow[1])`` of that of the apex. Head and eyes move too.
    """
    from mien.simulate import _mes_truth

    return _mes_truth.true_flow(root, event)


def example(name: str) -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return _registry.example(name)
