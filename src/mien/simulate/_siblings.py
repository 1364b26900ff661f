"""The generative model of :mod:`mien.simulate._latent` for data sets with other clips and classes.

Everything is as there but three things: the classes and their order are those of the data set; every session
of a subject is a set of presentations of clips; and where sessions show the same clips, a clip has the same
length and the same fingerprint in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.datasets._seed_layout import BANDS, CHANNELS, EEG_RATE, WINDOW_SECONDS
from mien.datasets._seed_siblings_layout import Design
from mien.signal import band_power, differential_entropy, lds_smooth
from mien.simulate import _latent, _oracle
from mien.simulate._eeg import BAND_EDGES, HeadModel, draw_bad_channels, draw_head, eeg_clip
from mien.simulate._gaze import Gaze, gaze_clip
from mien.simulate._write import Progress, check_options, write_folder

_EDGES = dict(zip(BANDS, BAND_EDGES, strict=True))
_WIDTHS = np.array([high - low for low, high in BAND_EDGES])[:, None]
_MOVING_WINDOWS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Everything drawn for one made-up copy.

    ``latent.clips`` numbers the presentations from 1; ``shown`` gives session and clip of each.
    """

    dataset: str
    design: Design
    latent: _latent.Latent
    head: HeadModel
    shown: tuple[tuple[int, int], ...]

    def of_session(self, session: int) -> list[tuple[int, int]]:
        """Position and clip of each presentation of a session."""
        return [(p, clip) for p, (s, clip) in enumerate(self.shown) if s == session]

    def gaze(self, subject: int, p: int) -> Gaze:
        """Eye events of a presentation."""
        latent = self.latent
        z = latent.z[subject, p, : latent.n_windows[p], _latent.N_EEG :]
        rng = np.random.default_rng([latent.seed, 3, subject, p])
        return gaze_clip(z, seconds=int(latent.seconds[p]), rng=rng)

    def eeg(self, subject: int, p: int) -> NDArray[np.float64]:
        """EEG of a presentation (62, samples) in microvolts at 200 Hz."""
        latent = self.latent
        return eeg_clip(
            latent.z[subject, p, : latent.n_windows[p], : _latent.N_EEG],
            seconds=int(latent.seconds[p]),
            head=self.head,
            blinks=self.gaze(subject, p).blinks,
            bad=draw_bad_channels(latent.seed, subject, self.shown[p][0]),
            rng=np.random.default_rng([latent.seed, 4, subject, p]),
        )


def draw(
    dataset: str,
    design: Design,
    shown: Sequence[tuple[int, int]],
    *,
    seed: int,
    subjects: int,
    seconds: float,
    effect: float,
) -> World:
    """Draw a data set's hidden causes from a seed; everything but ``effect`` is the same for any effect."""
    rng = np.random.default_rng([seed, 0])
    stimuli = [design.stimulus(*one) for one in shown]
    _, of_stimulus = np.unique(stimuli, return_inverse=True)
    n_stimuli, n_classes = int(of_stimulus.max()) + 1, len(design.emotions)
    n_sources = _latent.N_EEG + _latent.N_EYE
    length = np.maximum(np.rint(seconds * rng.uniform(0.85, 1.15, n_stimuli)), 2 * WINDOW_SECONDS).astype(
        np.int64
    )[of_stimulus]
    n_windows = (length // WINDOW_SECONDS).astype(np.int64)
    pattern = np.zeros((n_classes, n_sources + 1))
    for part in _latent.SOURCES.values():
        corners = _latent.simplex(n_classes)
        pattern[:, part] = corners @ _latent._rotation(part.stop - part.start, rng)[: n_classes - 1]
    offset = _latent.OFFSET_SD * rng.standard_normal((subjects, n_sources + 1))
    fingerprint = _latent.FINGERPRINT_SD * rng.standard_normal((n_stimuli, n_sources + 1))[of_stimulus]
    fingerprint[:, -1] = 0.0
    shape = (subjects, len(shown), int(n_windows.max()))
    parts: dict[str, Any] = {
        "seed": seed,
        "subjects": design.subjects[:subjects],
        "clips": tuple(range(1, len(shown) + 1)),
        "labels": np.array([design.labels[s - 1][c - 1] for s, c in shown], dtype=np.int64),
        "seconds": length,
        "n_windows": n_windows,
        "offset": offset,
        "fingerprint": fingerprint,
        "pattern": pattern,
        "intensity": _latent._intensity(shape, rng),
        "noise": _latent._noise((*shape, n_sources + 1), rng),
    }
    gain = _latent.calibrate(_latent.Latent(**parts, effect=1.0, gain=1.0))
    return World(
        dataset=dataset,
        design=design,
        latent=_latent.Latent(**parts, effect=float(effect), gain=gain),
        head=draw_head(seed, n_sources=_latent.N_EEG),
        shown=tuple(shown),
    )


def shipped(data: NDArray[np.float64], *, window_seconds: float) -> dict[str, NDArray[np.float64]]:
    """Features of one clip's EEG as the data sets name them: ``de_LDS`` … to (channels, windows, bands)."""
    density = band_power(
        data, rate=EEG_RATE, bands=_EDGES, window_seconds=window_seconds, stride_seconds=window_seconds
    )
    made = {"de": differential_entropy(density * _WIDTHS), "psd": density}
    smooth = {"movingAve": _moving_average, "LDS": lds_smooth}
    return {
        f"{name}_{word}": function(values).transpose(2, 0, 1)
        for name, values in made.items()
        for word, function in smooth.items()
    }


def _moving_average(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the last five windows, of fewer at the start."""
    total = np.cumsum(values, axis=0)
    total[_MOVING_WINDOWS:] = total[_MOVING_WINDOWS:] - total[:-_MOVING_WINDOWS]
    count = np.minimum(np.arange(1, len(values) + 1), _MOVING_WINDOWS)
    return np.asarray(total / count[:, None, None])


def differential_entropy_4s(data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unsmoothed entropy (windows, bands, channels) in windows of 4 s."""
    return differential_entropy(band_power(data, rate=EEG_RATE, bands=_EDGES) * _WIDTHS)


def check(
    out: Path,
    *,
    design: Design,
    subjects: int,
    seconds: float,
    effect: float,
    kinds: Sequence[str],
    known: Sequence[str],
    workers: int,
) -> None:
    """Refuse what cannot be made, before anything is written."""
    check_options(
        out, subjects=subjects, max_subjects=len(design.subjects), seconds=seconds, effect=effect,
        kinds=kinds, known=known, workers=workers,
    )  # fmt: skip


WriteSubject = Callable[[World, int, tuple[str, ...], Path], str]


def write(
    out: Path,
    world: World,
    write_subject: WriteSubject,
    *,
    kinds: Sequence[str],
    seconds: float,
    workers: int,
    progress: Progress | None,
    more: dict[str, Any] | None = None,
) -> Path:
    """Writes all subjects and ``truth.json`` into a folder that appears whole or not at all.

    Parameters
    ----------
    write_subject
        Module-level function that writes one subject's files and returns the subject's name.
    more
        What ``truth.json`` says besides.
    """
    kinds = tuple(kinds)
    return write_folder(
        out,
        _write_subject,
        [(write_subject, world, subject, kinds) for subject in range(len(world.latent.subjects))],
        truth=lambda: _truth(world, kinds=kinds, seconds=seconds) | (more or {}),
        workers=workers,
        progress=progress,
    )


def _write_subject(
    write_subject: WriteSubject, world: World, subject: int, kinds: tuple[str, ...], folder: Path
) -> str:
    return f"subject {write_subject(world, subject, kinds, folder)}"


def _truth(world: World, *, kinds: Sequence[str], seconds: float) -> dict[str, Any]:
    latent, design = world.latent, world.design
    sources = {
        "eeg+eye": np.arange(_latent.N_EEG + _latent.N_EYE),
        **{name: np.arange(part.start, part.stop) for name, part in _latent.SOURCES.items()},
    }
    stimuli = [design.stimulus(*one) for one in world.shown]
    first = [stimuli.index(stimulus) for stimulus in sorted(set(stimuli))]
    bad = {
        f"{name}/{session}": draw_bad_channels(latent.seed, s, session)
        for s, name in enumerate(latent.subjects)
        for session in sorted({session for session, _ in world.shown})
    }
    return {
        "simulated": True,
        "dataset": world.dataset,
        "seed": latent.seed,
        "subjects": list(latent.subjects),
        "clips": [stimuli[p] for p in first],
        "kinds": list(kinds),
        "emotions": list(design.emotions),
        "seconds": seconds,
        "clip_seconds": [int(latent.seconds[p]) for p in first],
        "clip_emotions": [design.emotions[latent.labels[p]] for p in first],
        "effect": latent.effect,
        "model": {
            "text": f"{__doc__}\n{_latent.__doc__}",
            "gain": latent.gain,
            "offset_sd": _latent.OFFSET_SD,
            "fingerprint_sd": _latent.FINGERPRINT_SD,
            "noise_sd": _latent.NOISE_SD,
            "noise_ar": _latent.NOISE_AR,
            "offset": latent.offset.tolist(),
            "fingerprint": latent.fingerprint[first].tolist(),
            "pattern": latent.pattern.tolist(),
        },
        "eeg": {
            "bands": list(BANDS),
            "channels": list(CHANNELS),
            "bad_channels": {k: v for k, v in bad.items() if v},
        },
        "oracle": _oracle.table(_latent.model_of(latent), sources),
    }
