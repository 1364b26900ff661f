"""Cross-modal association: what body and brain do around the apex of expressions, tested over subjects."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import InputError, Recording, write_whole
from mien.metrics.permutation import FEWEST_SUBJECTS, ClusterTest, cluster_test, holm
from mien.run.clip_control import Pieces, Showing, with_control, without_control
from mien.run.files import write_npz
from mien.signal.event_locked import lags_of

Array = NDArray[np.float64]
Series = tuple[ArrayLike, ArrayLike]
"""The course of a measure over a recording: times in seconds on the recording clock, increasing, and values,
NaN where they mean nothing."""
TABLE = "association.csv"
ARRAYS = "association.npz"
COLUMNS = (
    *("measure", "unit", "contrast", "n_subjects", "n_events", "cluster", "start", "stop", "mass", "mean"),
    *("p", "p_corrected", "control", "n_left_out", "note"),
)
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Moment:
    """An expression: in which recording and of whom, when on its clock (s), its kind and its emotion, and
    which clip was shown from when on (s)."""

    recording: str
    subject: str
    time: float
    kind: str
    label: str | None = None
    stimulus: str | None = None
    begin: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """What is tested against what: events of ``plus`` against the rest before them, or against ``minus``.

    ``group`` is ``kind`` or ``label``; both are (events,), True where an event belongs to it.
    """

    name: str
    group: str
    plus: NDArray[np.bool_]
    minus: NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Association:
    """What :func:`association` found.

    Attributes
    ----------
    rows
        The table: a row for every cluster, and one for every test without; keys as in :data:`COLUMNS`.
    arrays
        ``lags`` (times,) seconds after the apex, ``measures`` and ``units`` (measures,), ``contrasts`` and
        ``groups`` (contrasts,), ``mean``, ``low``, ``high`` and ``t`` (measures, contrasts, times), with 95 %
        intervals of the mean over subjects at each single moment; ``n_subjects`` and ``n_events``,
        ``n_left_out`` (events left out for want of others to compare with), ``n_people`` (how many signs are
        flipped: the subjects, and with a control those they are compared with), ``threshold`` of t and
        ``p_corrected`` of each test (measures, contrasts); ``control`` (1,): ``clip`` or ``none``.
    """

    rows: tuple[Mapping[str, Any], ...]
    arrays: Mapping[str, NDArray[Any]]

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``association.csv`` and ``figures/association.npz`` in a run folder."""
        import csv

        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _cell(v) for k, v in row.items()} for row in self.rows)
        out = Path(folder)
        (out / "figures").mkdir(parents=True, exist_ok=True)
        table = write_whole(out / TABLE, text.getvalue().encode())
        return table, write_npz(out / "figures" / ARRAYS, self.arrays)


def moments(
    recordings: Iterable[Recording], *, label: str = "emotion", kinds: Sequence[str] | None = None
) -> list[Moment]:
    """The apices of the coded expressions of aligned recordings; one whose apex nobody coded is left out."""
    found = []
    for r in recordings:
        trials = {t.id: t for t in r.trials}
        for e in r.events:
            if e.id is None or e.apex is None or not (kinds is None or e.kind in kinds):
                continue
            trial = trials.get(e.trial or "")
            found.append(
                Moment(
                    recording=r.id,
                    subject=r.subject,
                    time=e.apex,
                    kind=e.kind,
                    label=str(e.labels[label].value) if label in e.labels else None,
                    stimulus=trial.stimulus if trial else None,
                    begin=trial.span.start if trial else None,
                )
            )
    return found


def association(
    series: Mapping[str, Mapping[str, Series]],
    events: Sequence[Moment],
    *,
    shown: Sequence[Showing] | None = None,
    units: Mapping[str, str] | None = None,
    window: tuple[float, float] = (-2.0, 8.0),
    baseline: tuple[float, float] = (-2.0, -0.5),
    rate: float = 4.0,
    gap: float = 2.5,
    n_permutations: int = 2000,
    seed: int = 0,
) -> Association:
    """Event-locked averages of measures around apices, and where they differ.

    Every event's piece of a course has the mean of its baseline taken off, pieces are averaged by subject,
    and subjects are what the test counts (:func:`~mien.metrics.permutation.cluster_test`): events of one
    subject do not stand for themselves. Contrasts: each kind of event and each emotion against the baseline;
    micro- against macro-expressions; each emotion against the others; differences are within subjects. Pieces
    that lack a value anywhere are left out. ``p`` of a cluster is corrected over time, ``p_corrected`` over
    all measures and contrasts of the table as well [Holm 1979].

    With ``shown``, the mean of the other people at the same moment of the same clip, their baseline taken off
    in the same way, is taken off every piece: what a clip does to everybody at that moment is gone, and what
    is left goes with the expression. Others count whether or not they had an expression there: were only
    those without compared, the few that are left would be in everybody's control, and subjects would differ
    together. Signs are flipped of what each person's courses add to the mean, as in
    :meth:`~mien.run.clip_control.Pieces.by_person`.

    That a measure moves with expressions does not say why. A clip may bring about both in some people and
    neither in others.

    Parameters
    ----------
    series
        Measure to recording id to its course. Recordings may be missing.
    events
        Of all recordings.
    shown
        When which clip was shown to whom, as of :func:`~mien.run.clip_control.showings`: events are compared
        with what others do at that moment, and left out where there are fewer than three. The ``series`` must
        have values there. None: compared with nothing.
    units
        Of the measures, for the table and the axes.
    window, baseline, rate, gap
        As in :func:`~mien.signal.event_locked.event_locked`.
    n_permutations, seed
        Of the tests.

    Raises
    ------
    InputError
        There is no event or no measure, or no event of any recording has a course around it.
    """
    if not events or not series:
        raise InputError(
            f"{len(events)} events and {len(series)} measures", expected="at least one of each to associate"
        )
    lags = lags_of(window, rate)
    tests = contrasts(events)
    cut = {"window": window, "baseline": baseline, "rate": rate, "gap": gap}
    made = []
    for measure in series:
        if shown is None:
            pieces = without_control(series[measure], events, len(lags), cut)
        else:
            pieces = with_control(series[measure], events, shown, len(lags), cut)
        made.append([_test(pieces, c, n_permutations=n_permutations, seed=seed) for c in tests])
    if not any(test.n_events or test.n_left_out for by_contrast in made for test in by_contrast):
        raise InputError(
            "no event has a course around it",
            expected=f"values from {window[0]:g} to {window[1]:g} s around events of the same recordings",
            remedy="check the ids of the recordings, and that times are on the recording clock",
        )
    done = [t for by_contrast in made for t in by_contrast if t.test is not None]
    factor = dict(zip(map(id, done), _factors([t.test.p for t in done if t.test]), strict=True))
    unit_of, control = units or {}, "none" if shown is None else "clip"
    rows = [
        row
        for measure, by_contrast in zip(series, made, strict=True)
        for contrast, test in zip(tests, by_contrast, strict=True)
        for row in _rows(
            measure, unit_of.get(measure, ""), contrast, test, lags, rate, factor.get(id(test)), control
        )
    ]
    return Association(rows=tuple(rows), arrays=_arrays(series, unit_of, tests, made, lags, factor, control))


def contrasts(events: Sequence[Moment]) -> tuple[Contrast, ...]:
    """Kinds, their difference, emotions, each against the others: those that the events allow."""
    kind, label = (np.array([getattr(e, name) or "" for e in events]) for name in ("kind", "label"))
    kinds = [k for k in ("micro", "macro") if (kind == k).any()]
    kinds += sorted(set(kind.tolist()) - {"micro", "macro"})
    labels = sorted(set(label.tolist()) - {""})
    found = [Contrast(name=k, group="kind", plus=kind == k) for k in kinds]
    if {"micro", "macro"} <= set(kinds):
        pair = {"plus": kind == "micro", "minus": kind == "macro"}
        found.append(Contrast(name="micro - macro", group="kind", **pair))
    found += [Contrast(name=w, group="label", plus=label == w) for w in labels]
    if len(labels) > 1:
        others = {w: (label != w) & (label != "") for w in labels}
        found += [
            Contrast(name=f"{w} - others", group="label", plus=label == w, minus=others[w]) for w in labels
        ]
    return tuple(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Test:
    """One measure in one contrast: a course for each person (people, times), whose mean is that over subjects
    of the means of their events, and whose own variance is to be multiplied by ``inflation``; how many
    subjects and events went into it; how many events had too few others; and the test, if any."""

    courses: Array
    inflation: float
    n_subjects: int
    n_events: int
    n_left_out: int
    test: ClusterTest | None


def _test(pieces: Pieces, contrast: Contrast, *, n_permutations: int, seed: int) -> _Test:
    weights, n_subjects = _weights(pieces, contrast)
    parts, inflation = pieces.by_person(weights)
    courses = parts * (len(parts) / max(n_subjects, 1))
    asked = contrast.plus if contrast.minus is None else contrast.plus | contrast.minus
    found = None
    if n_subjects >= FEWEST_SUBJECTS:
        found = cluster_test(courses, inflation=inflation, n_permutations=n_permutations, seed=seed)
    return _Test(
        courses=courses,
        inflation=inflation,
        n_subjects=n_subjects,
        n_events=int((weights != 0).sum()),
        n_left_out=int((pieces.alone & asked).sum()),
        test=found,
    )


def _weights(pieces: Pieces, contrast: Contrast) -> tuple[Array, int]:
    """Of each event in the sum over subjects of the means of their events, (events,); how many subjects."""

    def shares(asked: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
        own = asked & pieces.usable
        count = np.bincount(pieces.subjects[own], minlength=len(pieces.people))
        return own / np.maximum(count, 1)[pieces.subjects], count > 0

    weights, there = shares(contrast.plus)
    if contrast.minus is not None:
        minus, too = shares(contrast.minus)
        weights, there = weights - minus, there & too
    return weights * there[pieces.subjects], int(there.sum())


def _factors(p: Sequence[float]) -> list[tuple[float, float]]:
    """For each test, by how much to multiply p of its clusters, and the least that comes out [Holm]."""
    corrected = holm(p)
    rank = np.argsort(np.argsort(p, kind="stable"), kind="stable")
    return [(float(len(p) - r), float(c)) for r, c in zip(rank, corrected, strict=True)]


def _rows(
    measure: str,
    unit: str,
    contrast: Contrast,
    made: _Test,
    lags: Array,
    rate: float,
    factor: tuple[float, float] | None,
    control: str,
) -> list[dict[str, Any]]:
    head: dict[str, Any] = dict.fromkeys(COLUMNS)
    head |= {"measure": measure, "unit": unit, "contrast": contrast.name, "control": control, "note": ""}
    head |= {"n_subjects": made.n_subjects, "n_events": made.n_events, "n_left_out": made.n_left_out}
    if made.test is None or factor is None:
        return [head | {"note": f"not tested: fewer than {FEWEST_SUBJECTS} subjects"}]
    if not made.test.clusters:
        return [head | {"p": 1.0, "p_corrected": 1.0, "note": "no cluster"}]
    mean = made.courses.mean(axis=0)
    return [
        head
        | {
            "cluster": k + 1,
            # each value stands for the time until the next one
            "start": float(lags[c.start]),
            "stop": float(lags[c.stop - 1] + 1 / rate),
            "mass": c.mass,
            "mean": float(mean[c.start : c.stop].mean()),
            "p": c.p,
            "p_corrected": min(1.0, max(c.p * factor[0], factor[1])),
        }
        for k, c in enumerate(made.test.clusters)
    ]


def _arrays(
    series: Mapping[str, Any],
    units: Mapping[str, str],
    tests: Sequence[Contrast],
    made: Sequence[Sequence[_Test]],
    lags: Array,
    factor: Mapping[int, tuple[float, float]],
    control: str,
) -> dict[str, NDArray[Any]]:
    from scipy.special import stdtrit

    shape = (len(series), len(tests))
    out = {name: np.full((*shape, len(lags)), np.nan) for name in ("mean", "low", "high", "t")}
    counts = {
        name: np.zeros(shape, dtype=np.int64) for name in ("n_subjects", "n_events", "n_left_out", "n_people")
    }
    flat = {name: np.full(shape, np.nan) for name in ("threshold", "p_corrected")}
    for m, by_contrast in enumerate(made):
        for c, one in enumerate(by_contrast):
            n = len(one.courses)
            for name in ("n_subjects", "n_events", "n_left_out"):
                counts[name][m, c] = getattr(one, name)
            counts["n_people"][m, c] = n
            if n:
                out["mean"][m, c] = one.courses.mean(axis=0)
            if n > 1:
                error = one.courses.std(axis=0, ddof=1) * np.sqrt(one.inflation / n)
                half = -stdtrit(n - 1, (1 - _LEVEL) / 2) * error
                out["low"][m, c], out["high"][m, c] = out["mean"][m, c] - half, out["mean"][m, c] + half
            if one.test is not None:
                out["t"][m, c], flat["threshold"][m, c] = one.test.t, one.test.threshold
                flat["p_corrected"][m, c] = factor[id(one)][1]
    names = {
        "measures": np.array(list(series)),
        "units": np.array([units.get(m, "") for m in series]),
        "contrasts": np.array([c.name for c in tests]),
        "groups": np.array([c.group for c in tests]),
        "control": np.array([control]),
    }
    return {"lags": lags, **names, **out, **counts, **flat}


def _cell(value: Any) -> Any:
    """Six digits: the last ones differ by machine."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
