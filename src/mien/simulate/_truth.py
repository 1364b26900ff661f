"""What a made-up data set holds under its artefacts, made again from its seed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mien.core import InputError, Signal, UnknownNameError
from mien.datasets._seed_layout import CHANNELS, EEG_RATE, TRUTH, session_of
from mien.simulate import _latent
from mien.simulate._eeg import HeadModel, brain_clip, draw_bad_channels, draw_head, eeg_clip
from mien.simulate._gaze import Gaze, gaze_clip
from mien.simulate._screen import TrueGaze, look

UP = 5
"""Samples of the raw recording for one sample of ``EEG_preprocessed``."""
_MARGIN = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """One subject of a made-up data set; clips go by their position ``c`` in ``latent.clips``.

    Random numbers depend on seed, subject and clip alone, whatever else is drawn.
    """

    latent: _latent.Latent
    head: HeadModel
    subject: int
    z: NDArray[np.float64]
    """Log levels (clips, windows, sources) of this subject."""

    @classmethod
    def of(cls, latent: _latent.Latent, head: HeadModel, subject: int) -> Person:
        """The subject at a position of ``latent.subjects``."""
        return cls(latent=latent, head=head, subject=subject, z=latent.z[subject])

    @property
    def name(self) -> str:
        """Name in the names of files."""
        return self.latent.subjects[self.subject]

    def gaze(self, c: int) -> Gaze:
        """Eye events of a clip."""
        windows = self.z[c, : self.latent.n_windows[c], _latent.N_EEG :]
        return gaze_clip(windows, seconds=int(self.latent.seconds[c]), rng=self._rng(3, c))

    def gaze_on_screen(self, c: int) -> TrueGaze:
        """The eyes in a clip; it starts at the middle of the screen."""
        return look(self.gaze(c), rng=self._rng(8, c))

    def brain(self, c: int) -> NDArray[np.float32]:
        """The brain alone in a clip: (62, times) in µV at 200 Hz."""
        return brain_clip(
            self._eeg_levels(c), seconds=int(self.latent.seconds[c]), head=self.head, rng=self._rng(4, c)
        )

    def eeg(self, c: int, *, blinks: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same brain as ``EEG_preprocessed`` shows it: with blinks, and what else cleaning leaves."""
        return eeg_clip(
            self._eeg_levels(c),
            seconds=int(self.latent.seconds[c]),
            head=self.head,
            blinks=blinks,
            bad=draw_bad_channels(self.latent.seed, self.subject, session_of(self.latent.clips[c])),
            rng=self._rng(4, c),
        )

    def _eeg_levels(self, c: int) -> NDArray[np.float64]:
        return self.z[c, : self.latent.n_windows[c], : _latent.N_EEG]

    def _rng(self, purpose: int, c: int) -> np.random.Generator:
        return np.random.default_rng([self.latent.seed, purpose, self.subject, self.latent.clips[c]])


def interpolate(data: NDArray[np.float32], *, first: int = 0, stop: int | None = None) -> NDArray[np.float32]:
    """Samples ``first`` to ``stop`` at five times the rate, band-limited.

    A sinc of 40 samples under a Kaiser window (β = 8): flat to 0.87 of the old Nyquist frequency, 80 dB down
    at 1.13 of it. The old samples are kept as they are; beyond its ends the signal goes on as its odd
    reflection. A piece is the same as that piece of the whole.
    """
    stop = UP * data.shape[1] if stop is None else stop
    a, b = first // UP, -(-stop // UP)
    time = np.arange(-_MARGIN * UP, _MARGIN * UP + 1) / UP
    kernel = (np.sinc(time) * np.kaiser(len(time), 8.0)).astype(np.float32)
    piece = _reflected(data, a - _MARGIN, b + _MARGIN)
    full = scipy.signal.upfirdn(kernel, piece, up=UP, axis=1)
    # the kernel's middle lies _MARGIN old samples after its start, and so does the piece's first wanted one
    begin = 2 * _MARGIN * UP + (first - a * UP)
    return full[:, begin : begin + stop - first]


def _reflected(data: NDArray[np.float32], first: int, stop: int) -> NDArray[np.float32]:
    n = data.shape[1]
    before, after = max(-first, 0), max(stop - n, 0)
    inside = data[:, max(first, 0) : min(stop, n)]
    parts = [inside]
    if before:
        parts.insert(0, 2 * data[:, :1] - data[:, before:0:-1])
    if after:
        parts.append(2 * data[:, -1:] - data[:, n - 2 : n - 2 - after : -1])
    return np.concatenate(parts, axis=1)


def true_brain(
    source: str | Path | Mapping[str, Any], *, subject: str, clip: int, rate: float = EEG_RATE
) -> Signal:
    """See :func:`mien.simulate.true_brain`."""
    if rate not in (EEG_RATE, UP * EEG_RATE):
        raise ValueError(f"rate must be {EEG_RATE:g} or {UP * EEG_RATE:g}, got {rate}")
    person, c = _find(source, subject=subject, clip=clip)
    data = person.brain(c)
    data = data if rate == EEG_RATE else interpolate(data)
    return Signal(data=data * 1e-6, rate=rate, channels=CHANNELS, unit="V")


def true_gaze(source: str | Path | Mapping[str, Any], *, subject: str, clip: int) -> TrueGaze:
    """See :func:`mien.simulate.true_gaze`."""
    person, c = _find(source, subject=subject, clip=clip)
    return person.gaze_on_screen(c)


def _find(source: str | Path | Mapping[str, Any], *, subject: str, clip: int) -> tuple[Person, int]:
    truth = source if isinstance(source, Mapping) else _read(Path(source))
    latent = _draw(
        int(truth["seed"]),
        len(truth["subjects"]),
        len(truth["clips"]),
        float(truth["seconds"]),
        float(truth["effect"]),
    )
    head = draw_head(latent.seed, n_sources=_latent.N_EEG)
    # gain and mixing change with any constant of the model; the last digits may change with the machine
    if not (
        np.isclose(truth["model"]["gain"], latent.gain, rtol=1e-9)
        and np.allclose(truth["eeg"]["mixing"], head.mixing, rtol=1e-9)
    ):
        raise InputError(
            "was made by another version of mien",
            file=None if isinstance(source, Mapping) else source,
            expected="made-up data of this version, whose signals can be made again from the seed",
            remedy="simulate it again",
        )
    if subject not in latent.subjects:
        raise UnknownNameError("subject", subject, latent.subjects)
    if clip not in latent.clips:
        raise UnknownNameError("clip", str(clip), map(str, latent.clips))
    return Person.of(latent, head, latent.subjects.index(subject)), latent.clips.index(clip)


def _read(path: Path) -> dict[str, Any]:
    file = path / TRUTH if path.is_dir() else path
    if not file.is_file():
        raise InputError(
            "is not there", file=file, expected=f"the {TRUTH} of a made-up data set", remedy="check the path"
        )
    truth = json.loads(file.read_text(encoding="utf-8"))
    if truth.get("dataset") != "seed_vii":
        raise InputError(f"is about {truth.get('dataset')!r}", file=file, expected="a made-up seed_vii")
    return dict(truth)


@lru_cache(maxsize=2)
def _draw(seed: int, subjects: int, clips: int, seconds: float, effect: float) -> _latent.Latent:
    return _latent.draw(seed, n_subjects=subjects, n_clips=clips, seconds=seconds, effect=effect)
