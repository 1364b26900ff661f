"""The fold transform that takes the light of the screen off the pupils.

A brighter scene makes every pupil smaller, so pupils tell which clip was on. The course that all pupils share
is fitted for each stimulus on training subjects alone; a clip of anyone else is regressed on it. A stimulus
that too few training subjects saw has no course, and its clips go without, with the reason beside them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Signal, Stream, Trial

Array = NDArray[Any]

PUPILS = ("pupil_left", "pupil_right")
MIN_SUBJECTS = 3
"""With two subjects the shared course is as much either one's own; with one it is that subject's pupil."""
SHORT = 0.9
"""Training clips under this share of the stimulus's median length are left out of its fit."""
MIN_SEEN = 0.5
"""Share of a training clip's pupil that must have been seen; the rest is bridged."""
SLACK_SECONDS = 1.0
"""How much longer than the fitted course a clip may be; the course's last value is held that long."""
MIN_SECONDS = 10.0
"""Of a pupil at least this much must have been seen to be regressed on a course."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Luminance:
    """What training subjects' pupils share, stimulus by stimulus.

    Attributes
    ----------
    courses
        ``(stimulus, channel)`` to float32 (times,): the shared course, of mean 0 and sum of squares 1 where
        ``centred``.
    rate
        Samples per second of the courses.
    subjects
        The training subjects.
    without
        ``(stimulus, channel)`` that could not be fitted, to the reason.
    centred
        Whether each pupil's mean was taken off before the fit.
    """

    courses: Mapping[tuple[str, str], NDArray[np.float32]]
    rate: float
    subjects: tuple[str, ...]
    without: Mapping[tuple[str, str], str]
    centred: bool = True

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """The courses under flat names ``<stimulus>/<channel>``."""
        return {f"{stimulus}/{channel}": course for (stimulus, channel), course in self.courses.items()}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.float32]], *, rate: float, centred: bool = True
    ) -> Luminance:
        """Courses of :meth:`to_arrays` as a state to apply; who was in training is not known any more."""
        courses = {(name.rpartition("/")[0], name.rpartition("/")[2]): a for name, a in arrays.items()}
        return cls(courses=courses, rate=rate, subjects=(), without={}, centred=centred)


@dataclass(frozen=True, kw_only=True, eq=False)
class Applied:
    """A signal whose pupils had the shared course taken off.

    ``flags`` maps the pupils that went without to the reason; empty where all is well.
    """

    signal: Signal
    flags: Mapping[str, str]


def fit(
    training: Iterable[tuple[Trial, Stream | Signal]],
    *,
    centre: bool = True,
    min_subjects: int = MIN_SUBJECTS,
) -> Luminance:
    """Fit the shared course of every stimulus on training subjects; labels are not looked at.

    For a stimulus, the pupils of all subjects (times, subjects), losses bridged by straight lines and cut to
    the shortest, are taken apart by a thin singular value decomposition; the course is the first left
    singular vector. One stimulus is in memory at a time where streams are given.

    Parameters
    ----------
    training
        Trials of training subjects with their gaze: a stream is read over the trial's span, a signal is the
        trial. Pupils are :data:`PUPILS`; other channels do not matter.
    centre
        Take off each pupil's mean first, so that a pupil follows light by as much as it does. False: as in
        the public code of MAET, where the first component holds the mean sizes, and a pupil is taken to
        follow light in proportion to its size.
    min_subjects
        A stimulus seen by fewer has no course.

    Raises
    ------
    ValueError
        There is no training trial, or rates differ.
    """
    by_stimulus: dict[str, list[tuple[Trial, Stream | Signal]]] = defaultdict(list)
    for trial, source in training:
        by_stimulus[trial.stimulus].append((trial, source))
    if not by_stimulus:
        raise ValueError("luminance cannot be fitted: there is no training trial")
    rates = {source.rate for of_one in by_stimulus.values() for _, source in of_one}
    if len(rates) > 1:
        raise ValueError(f"luminance needs one rate, got {', '.join(f'{r:g}' for r in sorted(rates))} Hz")
    courses: dict[tuple[str, str], NDArray[np.float32]] = {}
    without: dict[tuple[str, str], str] = {}
    for stimulus, of_one in by_stimulus.items():
        clips = [(trial.subject, _read(trial, source)) for trial, source in of_one]
        for name in PUPILS:
            pupils = [(subject, _channel(signal, name)) for subject, signal in clips]
            found = _course(pupils, centre=centre, at_least=min_subjects)
            if isinstance(found, str):
                without[stimulus, name] = found
            else:
                courses[stimulus, name] = found
    return Luminance(
        courses=courses,
        rate=rates.pop(),
        subjects=tuple(sorted({t.subject for of_one in by_stimulus.values() for t, _ in of_one})),
        without=without,
        centred=centre,
    )


def apply(signal: Signal, *, stimulus: str, state: Luminance) -> Applied:
    """Take the shared course of a stimulus off both pupils of one trial.

    Each pupil is regressed on the course by what was seen of it, and the fitted share is taken off; its mean
    stays, and so does what was lost.

    Parameters
    ----------
    signal
        The trial of one subject, in training or not, from its first sample.
    stimulus
        What was shown.
    state
        From :func:`fit`.

    Returns
    -------
    Applied
        The signal, and which pupils went without and why.
    """
    if signal.rate != state.rate:
        raise ValueError(
            f"the courses were fitted at {state.rate:g} Hz and the signal has {signal.rate:g} Hz"
        )
    data = np.array(signal.data, dtype=np.float64)
    flags: dict[str, str] = {}
    for name in PUPILS:
        found = _fitted(_channel(signal, name), stimulus, name, state)
        if isinstance(found, str):
            flags[name] = found
        else:
            data[signal.channels.index(name)] -= found
    return Applied(signal=replace(signal, data=data), flags=flags)


def _read(trial: Trial, source: Stream | Signal) -> Signal:
    return source.read(trial.span) if isinstance(source, Stream) else source


def _channel(signal: Signal, name: str) -> Array:
    """One channel; empty where the signal does not have it."""
    if name not in signal.channels:
        return np.empty(0)
    return np.asarray(signal.data[signal.channels.index(name)], dtype=np.float64)


def _course(pupils: list[tuple[str, Array]], *, centre: bool, at_least: int) -> NDArray[np.float32] | str:
    """The first left singular vector of one stimulus's ``(subject, pupil)``, or why there is none."""
    seen = [(subject, p) for subject, p in pupils if len(p) and np.isfinite(p).mean() > MIN_SEEN]
    usual = np.median([len(p) for _, p in seen]) if seen else 0
    whole = [(subject, p) for subject, p in seen if len(p) >= SHORT * usual]
    n_subjects = len({subject for subject, _ in whole})
    if n_subjects < at_least:
        return f"{n_subjects} training subjects have this pupil for this stimulus, fewer than {at_least}"
    shortest = min(len(p) for _, p in whole)
    columns = np.stack([_bridged(p[:shortest]) for _, p in whole], axis=1)
    rounding = 1e-12 * np.linalg.norm(columns)
    if centre:
        columns -= columns.mean(axis=0)
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    if not size[0] > rounding:
        return "no training subject's pupil moves"
    return np.asarray(left[:, 0], dtype=np.float32)


def _bridged(values: Array) -> Array:
    at, known = np.arange(len(values)), np.isfinite(values)
    return np.interp(at, at[known], values[known])


def _fitted(pupil: Array, stimulus: str, name: str, state: Luminance) -> Array | str:
    """The part of a pupil that follows the course, of mean 0 (times,), or why there is none."""
    course = state.courses.get((stimulus, name))
    if course is None:
        return state.without.get((stimulus, name), "no training subject saw this stimulus")
    longer = (len(pupil) - len(course)) / state.rate
    if longer > SLACK_SECONDS:
        return f"the clip is {longer:.1f} s longer than the course of its stimulus"
    shared = np.asarray(course[: len(pupil)], dtype=np.float64)
    shared = np.append(shared, np.full(max(len(pupil) - len(course), 0), shared[-1:].sum()))
    seen = np.isfinite(pupil)
    if seen.sum() < MIN_SECONDS * state.rate:
        return f"less than {MIN_SECONDS:g} s of this pupil were seen"
    known, of_course = pupil[seen], shared[seen]
    if state.centred:
        known, of_course = known - known.mean(), of_course - of_course.mean()
    power = of_course @ of_course
    if not power > 0:
        return "the course does not move where this pupil was seen"
    part = (known @ of_course / power) * shared
    return np.asarray(part - part[seen].mean())
