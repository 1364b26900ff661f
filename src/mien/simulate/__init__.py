"""Made-up data sets in the layout of the real ones, with known truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core import Registry, Signal

if TYPE_CHECKING:
    from mien.simulate._screen import TrueGaze

_registry = Registry("simulated data set", "mien.simulate")


def names() -> list[str]:
    """Data sets that can be simulated."""
    return _registry.names()


def simulate(name: str, out: str | Path, *, seed: int, **options: Any) -> Path:
    """Write a made-up copy of a data set into a new folder, with ``truth.json``.

    Options are those of the data set's own function, for example
    :func:`mien.simulate.seed_vii.simulate`.
    """
    return _registry.get(name)(out, seed=seed, **options)


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


def example(name: str) -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return _registry.example(name)
