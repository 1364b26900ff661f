"""A session as it is recorded: rests and clips one after the other, on three clocks.

The amplifier counts samples, a little too fast or too slow against the clock on the wall. The computer that
shows the clips logs by the clock on the wall, and the eye tracker starts and runs by it. A clip lies in the
amplifier's samples as it was drawn; on the wall it is longer or shorter by the drift, at most 0.00002 of its
length: less than a sample of the eye tracker in three minutes.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mien.datasets._seed_layout import (
    CHANNELS,
    EEG_RAW_FOLDER,
    EYE_RAW_FOLDER,
    RAW_ENDINGS,
    TRIGGER_FOLDER,
    UNUSABLE_TRIGGERS,
    session_of,
)
from mien.simulate import _latent
from mien.simulate._cnt import write_cnt
from mien.simulate._eeg import brain_clip, draw_bad_channels
from mien.simulate._gaze import EYE_RATE, gaze_clip
from mien.simulate._mixing import DRIFT_HZ, HARMONICS, MUSCLES, RAW_CHANNELS, draw_mixing, electrodes
from mien.simulate._screen import CENTRE, SCREEN, TrueGaze, back_to_centre, look
from mien.simulate._truth import UP, Person, interpolate
from mien.simulate._tsv import LOST, write_tsv

RAW_RATE = 1000
"""Samples per second of the amplifier."""
_TRIGGERS = (1, 2)
"""Codes of the start and the end of a clip."""
_REST_SAMPLES = (15 * RAW_RATE, 20 * RAW_RATE)
_MOST_DRIFT = 20e-6
_LOG_JITTER = 0.0005
_BURSTS_PER_MINUTE = 8
_BLOCK = 10 * RAW_RATE
_BRIDGE = 100
"""Samples at 200 Hz over which a rest is led to its neighbours' edges."""
_WAVE_AT = np.array([-0.17, -0.025, 0.0, 0.028, 0.25])
_WAVE_SD = np.array([0.020, 0.008, 0.009, 0.008, 0.040])
_WAVE_SIZE = np.array([0.12, -0.12, 1.0, -0.2, 0.3])


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """Everything decided about one recording before a sample is made.

    ``edges`` are samples of the amplifier: rest, clip, rest, clip, …, rest lie between neighbours. ``clips``
    are positions in ``latent.clips``. ``logged`` holds microseconds since ``eeg_start`` on the wall clock,
    (clips, 2). ``kept`` says which triggers the ``.cnt`` file has. ``muscle`` has one row a burst: start and
    duration in seconds of the amplifier, size, and which of the three muscles. ``beats`` are seconds, too.
    """

    name: str
    subject: int
    session: int
    clips: tuple[int, ...]
    edges: NDArray[np.int64]
    eeg_start: datetime.datetime
    eye_start: datetime.datetime
    eye_digits: int
    n_eye: int
    drift: float
    logged: NDArray[np.int64]
    kept: NDArray[np.bool_]
    bad: dict[str, str]
    muscle: NDArray[np.float64]
    beats: NDArray[np.float64]

    @property
    def triggers(self) -> NDArray[np.int64]:
        """Samples of the start and the end of each clip, (clips, 2)."""
        return self.edges[1:-1].reshape(-1, 2)


def plan(latent: _latent.Latent, subject: int, session: int) -> Session:
    """Decide about one recording, from the seed alone."""
    rng = np.random.default_rng([latent.seed, 6, subject, session])
    name = latent.subjects[subject]
    clips = tuple(c for c, clip in enumerate(latent.clips) if session_of(clip) == session)
    rests = rng.integers(*_REST_SAMPLES, len(clips) + 1, endpoint=True)
    lengths = np.empty(2 * len(clips) + 1, dtype=np.int64)
    lengths[::2] = rests
    lengths[1::2] = RAW_RATE * latent.seconds[list(clips)]
    edges = np.r_[0, np.cumsum(lengths)]
    seconds = edges[-1] / RAW_RATE
    drift = rng.uniform(-_MOST_DRIFT, _MOST_DRIFT)
    digits = 3 if (subject + session) % 2 else 6
    eeg_start = _start(latent, subject, session, seconds=seconds, rng=rng)
    eye_start = eeg_start + datetime.timedelta(microseconds=int(rng.integers(-4_000_000, 4_000_000)))
    if digits == 3:
        eye_start = eye_start.replace(microsecond=eye_start.microsecond // 1000 * 1000)
    eye_seconds = seconds + 4 + rng.uniform(1, 4)
    logged = edges[1:-1].reshape(-1, 2) / RAW_RATE / (1 + drift)
    logged = logged + _LOG_JITTER * rng.standard_normal(logged.shape)
    file = f"{name}_{eeg_start:%Y%m%d}_{session}"
    kept = np.ones(logged.shape, dtype=bool)
    if file in UNUSABLE_TRIGGERS:
        kept[:] = rng.random(logged.shape) < 0.5
        kept[0, 0] = False
    n_bursts = rng.poisson(_BURSTS_PER_MINUTE * seconds / 60)
    muscle = np.column_stack(
        [
            np.sort(rng.uniform(1, seconds - 3, n_bursts)),
            rng.uniform(0.4, 1.8, n_bursts),
            rng.lognormal(0, 0.4, n_bursts),
            rng.integers(0, 3, n_bursts),
        ]
    )
    intervals = rng.uniform(0.7, 1.0) * (1 + 0.04 * rng.standard_normal(int(seconds / 0.5)))
    beats = np.cumsum(np.maximum(intervals, 0.4))
    return Session(
        name=file,
        subject=subject,
        session=session,
        clips=clips,
        edges=edges,
        eeg_start=eeg_start,
        eye_start=eye_start,
        eye_digits=digits,
        n_eye=int(eye_seconds * EYE_RATE),
        drift=drift,
        logged=np.rint(1e6 * logged).astype(np.int64),
        kept=kept,
        bad=_bad_channels(latent.seed, subject, session, rng),
        muscle=muscle,
        beats=beats[beats < seconds],
    )


def _start(
    latent: _latent.Latent, subject: int, session: int, *, seconds: float, rng: np.random.Generator
) -> datetime.datetime:
    """Date and time of day: one session of each subject goes on past midnight.

    Those of the real recordings whose triggers are unusable start when these did.
    """
    late = 1 + np.random.default_rng([latent.seed, 6, subject, 0]).integers(4)
    day = datetime.datetime(2022, 9, 20) + datetime.timedelta(
        days=int(rng.integers(0, 5)) + 3 * subject % 40 + 7 * session
    )
    middle, hour = rng.uniform(0.3, 0.7), rng.uniform(9, 20)
    at = 86400 - middle * seconds if session == late else 3600 * hour
    for file, time in UNUSABLE_TRIGGERS.items():
        name, date, number = file.split("_")
        if (name, number) == (latent.subjects[subject], str(session)):
            day, at = datetime.datetime.strptime(f"{date} {time}", "%Y%m%d %H:%M:%S"), rng.uniform(0, 1)
    return day + datetime.timedelta(microseconds=round(1e6 * at))


def _bad_channels(seed: int, subject: int, session: int, rng: np.random.Generator) -> dict[str, str]:
    """Two to five EEG channels, among them the one that is bad in ``EEG_preprocessed``."""
    bad = draw_bad_channels(seed, subject, session)
    for name in rng.choice(CHANNELS, rng.integers(2, 6), replace=False).tolist():
        if name not in bad and len(bad) < 5:
            bad[name] = str(rng.choice(["dead", "noisy"]))
    return bad


def write_session(person: Person, session: Session, *, kinds: tuple[str, ...], folder: Path) -> str:
    """Write a recording's files: any of ``eeg_raw``, ``eye_raw`` and ``save_info``."""
    eyes = _eyes(person, session)
    if "eeg_raw" in kinds:
        _write_eeg(person, session, eyes, _path(folder, EEG_RAW_FOLDER, session))
    if "eye_raw" in kinds:
        _write_eye(session, eyes, _path(folder, EYE_RAW_FOLDER, session), seed=person.latent.seed)
    if "save_info" in kinds:
        _write_log(session, _path(folder, TRIGGER_FOLDER, session))
    return session.name


def _path(root: Path, folder: str, session: Session) -> Path:
    (root / folder).mkdir(exist_ok=True)
    return root / folder / (session.name + RAW_ENDINGS[folder])


def truth_of(session: Session, latent: _latent.Latent) -> dict[str, Any]:
    """One recording's truth as plain data; seconds are the amplifier's."""
    offset = (session.eye_start - session.eeg_start).total_seconds() * (1 + session.drift)
    return {
        "subject": latent.subjects[session.subject],
        "session": str(session.session),
        "clips": [latent.clips[c] for c in session.clips],
        "n_samples": int(session.edges[-1]),
        "trigger_samples": session.triggers.tolist(),
        "triggers_in_cnt": session.kept.tolist(),
        "rests": (session.edges.reshape(-1, 2) / RAW_RATE).tolist(),
        "eeg_start": session.eeg_start.isoformat(timespec="microseconds"),
        "eye_start": session.eye_start.isoformat(timespec="microseconds"),
        "clocks": {
            "eye": {"offset": offset, "drift": session.drift},
            "wall": {"offset": 0.0, "drift": session.drift},
        },
        "bad_channels": session.bad,
        "muscle": session.muscle[:, [0, 1, 3]].tolist(),
        "heart_rate_hz": 1 / float(np.diff(session.beats).mean()),
    }


def describe() -> dict[str, Any]:
    """What is the same for all recordings."""
    return {
        "eeg_rate": RAW_RATE,
        "eeg_channels": list(RAW_CHANNELS),
        "eye_rate": EYE_RATE,
        "screen": list(SCREEN),
        "muscles": list(MUSCLES),
        "clocks": "seconds of the amplifier = offset + (1 + drift) * seconds of the other clock;"
        " 'wall' counts from eeg_start, 'eye' from eye_start",
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Eyes:
    """The eyes in a whole session: ``time`` in seconds of the amplifier; ``blinks`` start and duration."""

    time: NDArray[np.float64]
    position: NDArray[np.float64]
    pupil: NDArray[np.float64]
    movement: NDArray[np.int8]
    blinks: NDArray[np.float64]


def _eyes(person: Person, session: Session) -> _Eyes:
    parts: list[tuple[NDArray[Any], ...]] = []
    here = CENTRE
    for k, (first, stop) in enumerate(pairwise(session.edges.tolist())):
        n = -(-(stop - first) * int(EYE_RATE) // RAW_RATE)
        if k % 2:
            gaze = person.gaze_on_screen(session.clips[k // 2])
            position, movement = gaze.position, gaze.movement
        else:
            gaze = _resting(person, session, k, n_times=n, start=here)
            position, movement = back_to_centre(gaze.position[:, :n], gaze.movement[:n])
        here = (float(position[0, -1]), float(position[1, -1]))
        blinks = gaze.blinks[gaze.blinks[:, 0] < n / EYE_RATE] + np.array([first / RAW_RATE, 0.0])
        time = first / RAW_RATE + np.arange(n) / EYE_RATE
        parts.append((time, position, gaze.pupil[:, :n], movement, blinks.T))
    time, position, pupil, movement, blinks = (np.concatenate(p, axis=-1) for p in zip(*parts, strict=True))
    return _Eyes(time=time, position=position, pupil=pupil, movement=movement, blinks=blinks.T)


def _resting(
    person: Person, session: Session, k: int, *, n_times: int, start: tuple[float, float]
) -> TrueGaze:
    rng = np.random.default_rng([person.latent.seed, 9, person.subject, session.session, k])
    windows = -(-n_times // int(4 * EYE_RATE))
    z = np.tile(person.latent.offset[person.subject, _latent.N_EEG :], (windows, 1))
    return look(gaze_clip(z, seconds=4 * windows, rng=rng), rng=rng, start=start)


def _write_eye(session: Session, eyes: _Eyes, path: Path, *, seed: int) -> None:
    rng = np.random.default_rng([seed, 10, session.subject, session.session])
    row = np.arange(session.n_eye)
    ahead = (session.eye_start - session.eeg_start).total_seconds()
    wanted = (ahead + row / EYE_RATE) * (1 + session.drift)
    nearest = np.searchsorted((eyes.time[1:] + eyes.time[:-1]) / 2, wanted)
    movement = eyes.movement[nearest]
    movement[(wanted < max(ahead, 0) + 0.8) | (wanted > eyes.time[-1])] = LOST
    late = rng.integers(0, 40, session.n_eye)
    late[0] = 0
    write_tsv(
        path,
        microseconds=np.rint(row * 1e6 / EYE_RATE).astype(np.int64) + late,
        position=eyes.position[:, nearest],
        pupil=eyes.pupil[:, nearest],
        movement=movement,
        rate=EYE_RATE,
        start=session.eye_start,
        digits=session.eye_digits,
        participant=session.name.split("_")[0],
    )


def _write_log(session: Session, path: Path) -> None:
    """``code,date time`` of each clip's start and end, without a header."""
    lines = []
    for pair in session.logged.tolist():
        for code, microseconds in zip(_TRIGGERS, pair, strict=True):
            at = session.eeg_start + datetime.timedelta(microseconds=microseconds)
            lines.append(f"{code},{at:%Y-%m-%d %H:%M:%S.%f}\n")
    path.write_text("".join(lines), encoding="utf-8", newline="")


def _write_eeg(person: Person, session: Session, eyes: _Eyes, path: Path) -> None:
    rng = np.random.default_rng([person.latent.seed, 11, person.subject, session.session])
    mixing = draw_mixing(rng, bad=session.bad)
    blink_size = rng.lognormal(0, 0.2, len(eyes.blinks))

    def blocks() -> Iterator[NDArray[np.float64]]:
        for begin, brain, n in _brains(person, session):
            for first in range(0, n, _BLOCK):
                stop = min(first + _BLOCK, n)
                at = begin + first
                noise = np.random.default_rng([person.latent.seed, 7, person.subject, session.session, at])
                time = (at + np.arange(stop - first)) / RAW_RATE
                block = mixing.artefact @ _courses(session, eyes, time, blink_size, seed=person.latent.seed)
                block += mixing.brain @ interpolate(brain, first=first, stop=stop)
                block += mixing.white[:, None] * noise.standard_normal(block.shape, dtype=np.float32)
                yield block

    write_cnt(
        path,
        blocks(),
        electrodes=electrodes(),
        rate=RAW_RATE,
        events=[
            (sample, code)
            for pair, kept in zip(session.triggers.tolist(), session.kept.tolist(), strict=True)
            for sample, code, keep in zip(pair, _TRIGGERS, kept, strict=True)
            if keep
        ],
        start=session.eeg_start,
        subject=person.name,
    )


def _brains(person: Person, session: Session) -> Iterator[tuple[int, NDArray[np.float32], int]]:
    """First sample, brain at 200 Hz and length of each stretch; rests lead smoothly from clip to clip."""
    previous: NDArray[np.float32] | None = None
    coming = [*session.clips, None]
    for k, c in enumerate(coming):
        following = None if c is None else person.brain(c)
        first, stop = (int(e) for e in session.edges[2 * k : 2 * k + 2])
        yield first, _rest_brain(person, session, k, stop - first, previous, following), stop - first
        if following is not None:
            yield stop, following, int(session.edges[2 * k + 2]) - stop
        previous = following


def _rest_brain(
    person: Person,
    session: Session,
    k: int,
    n: int,
    previous: NDArray[np.float32] | None,
    following: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    rng = np.random.default_rng([person.latent.seed, 12, person.subject, session.session, k])
    z = person.latent.offset[person.subject, None, : _latent.N_EEG]
    brain = brain_clip(z, seconds=-(-n // RAW_RATE), head=person.head, rng=rng)[:, : -(-n // UP)]
    ramp = (0.5 + 0.5 * np.cos(np.pi * np.arange(_BRIDGE) / _BRIDGE)).astype(np.float32)
    if previous is not None:
        brain[:, :_BRIDGE] += (previous[:, -1:] - brain[:, :1]) * ramp
    if following is not None:
        brain[:, -_BRIDGE:] += (following[:, :1] - brain[:, -1:]) * ramp[::-1]
    return brain


def _courses(
    session: Session,
    eyes: _Eyes,
    time: NDArray[np.float64],
    blink_size: NDArray[np.float64],
    *,
    seed: int,
) -> NDArray[np.float64]:
    """(courses, times): what :class:`mien.simulate._mixing.Mixing` mixes, at some seconds of the session."""
    x, y = (np.interp(time, eyes.time, p) for p in eyes.position)
    mains = 2 * np.pi * 50 * time + 0.5 * np.sin(2 * np.pi * time / 97)  # 50 ± 0.005 Hz
    phases = [h * mains for h in HARMONICS] + [2 * np.pi * f * time for f in DRIFT_HZ]
    return np.stack(
        [
            x - CENTRE[0],
            CENTRE[1] - y,
            _blink_course(eyes.blinks, blink_size, time),
            *_muscle_courses(session, time, seed=seed),
            _heart_course(session.beats, time),
            *(wave(p) for p in phases for wave in (np.cos, np.sin)),
            np.ones_like(time),
        ]
    )


def _overlapping(start: NDArray[np.float64], duration: float, time: NDArray[np.float64]) -> NDArray[np.intp]:
    """Events of at most some duration that touch a stretch of time."""
    return np.flatnonzero((start + duration > time[0]) & (start <= time[-1]))


def _blink_course(
    blinks: NDArray[np.float64], size: NDArray[np.float64], time: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bumps of height ``size``: lids close faster than they open; 0.15 s longer than gaze is lost."""
    out = np.zeros_like(time)
    for i in _overlapping(blinks[:, 0], 0.5, time):
        progress = np.clip((time - blinks[i, 0]) / (blinks[i, 1] + 0.15), 0, 1)
        out += size[i] * np.sin(np.pi * progress**0.75)
    return out


def _muscle_courses(session: Session, time: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    """Bursts of 25 to 200 Hz with unit mean square at their height, (muscles, times)."""
    out = np.zeros((len(MUSCLES), len(time)))
    origin = round(time[0] * RAW_RATE)
    filtered = scipy.signal.butter(4, (25, 200), btype="bandpass", fs=RAW_RATE, output="sos")
    for i in _overlapping(session.muscle[:, 0], 2.0, time):
        start, duration, size, muscle = session.muscle[i]
        rng = np.random.default_rng([seed, 13, session.subject, session.session, int(i)])
        noise = scipy.signal.sosfilt(filtered, rng.standard_normal(int(duration * RAW_RATE)))
        burst = size * noise / noise.std() * np.hanning(len(noise))
        first = round(start * RAW_RATE) - origin
        a, b = max(first, 0), min(first + len(burst), len(time))
        if a < b:
            out[int(muscle), a:b] += burst[a - first : b - first]
    return out


def _heart_course(beats: NDArray[np.float64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Five Gaussian waves a beat, P to T; the highest has height 1."""
    out = np.zeros_like(time)
    for beat in beats[_overlapping(beats - 0.5, 1.0, time)]:
        near = slice(*np.searchsorted(time, (beat - 0.5, beat + 0.5)))
        out[near] += (_WAVE_SIZE * np.exp(-0.5 * ((time[near, None] - beat - _WAVE_AT) / _WAVE_SD) ** 2)).sum(
            axis=1
        )
    return out
