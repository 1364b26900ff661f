"""The numbers of a run: ``report.json`` from the run folder, and from nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien import metrics
from mien.core import HELD_OUT, write_whole
from mien.report.run_folder import Run, read_run

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("accuracy", "uar", "uf1", "kappa")
EVENT_METRICS = (*METRICS, "weighted_f1")
"""Of results by event: what papers on micro-expressions print."""
N_DRAWS = 1000
"""Draws of the bootstrap and of the permutations behind every interval."""
GROUP = ("system", "model", "recipe", "normalise", "modalities", "protocol")
EXTRA = "uses the test subject's own annotation"
ORACLE_OF = {"train": "inductive", "subject": "subject_known"}
"""The oracle that knows as much as the normalisation tells a model about people it never met."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Predictions of one condition at one level, all seeds stacked.

    Attributes
    ----------
    ids, trial, subject, stimulus
        Object arrays (rows,): the window or trial itself, and where it comes from.
    seed, label
        Integers (rows,).
    probability
        (rows, classes).
    """

    ids: NDArray[Any]
    seed: NDArray[np.int64]
    trial: NDArray[Any]
    subject: NDArray[Any]
    stimulus: NDArray[Any]
    label: NDArray[np.int64]
    probability: NDArray[np.float64]

    @property
    def answer(self) -> NDArray[np.int64]:
        """The most probable class of each row."""
        return self.probability.argmax(axis=1)

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return [int(s) for s in np.unique(self.seed)]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.probability.shape[1])

    def only(self, rows: NDArray[Any]) -> Scored:
        """The rows of a mask, or of positions."""
        return Scored(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def results(run_folder: str | Path | Run) -> list[dict[str, Any]]:
    """The rows of ``report.json``.

    Parameters
    ----------
    run_folder
        The folder, or what :func:`mien.report.read_run` made of it.

    Returns
    -------
    list of dict
        One per system, model, recipe, normalisation, subset of modalities, protocol and level (``trial``,
        ``window``, or ``event`` alone in a study of events); trials first. The keys are those of the design,
        and: ``metrics[name]["seeds_sd"]``, the standard deviation over seeds (None for one seed), and
        ``extra`` on rows of selected test windows. By event there are also ``metrics["weighted_f1"]`` and
        ``metrics[name]["subjects_sd"]``, the standard deviation over subjects of each subject's own score
        (:func:`mien.metrics.by_subject`; mean over seeds first; None for one subject), ``coupling``, how far
        an answer depends on the other samples of its batch (None where not measured), and ``oracle.metric``.

    Notes
    -----
    Predictions of all folds are pooled, for each seed by itself, and a score is computed once on the pool; it
    is never the mean of scores of folds. ``value`` is the mean of the seeds' scores. ``low`` and ``high`` are
    the 2.5th and 97.5th percentile of a bootstrap crossed over subjects and stimuli (over subjects only where
    no stimulus is shared), in which a drawn subject or stimulus brings its predictions of every seed.
    A trial's probabilities are the mean over its windows. ``chance.majority`` is the share of the most
    frequent class among what was tested. ``controls.shuffled`` was trained on labels permuted over stimuli;
    ``controls.permuted`` scores these predictions against labels permuted over stimuli: median and 95 %
    interval, the chance interval. Controls and oracle are of the accuracy by trial and by window, and of UAR
    by event, where classes are far from equally common (see :func:`headline`). ``held_out`` is what the audit
    proved, not what the protocol declares.
    ``oracle`` is the made-up data's best possible score for the same modalities and level; it is None for
    leaky protocols and where no oracle was recorded.
    """
    run = run_folder if isinstance(run_folder, Run) else read_run(run_folder)
    rows = [row for key, frames in _groups(run) for row in _rows_of(run, key, frames)]
    order = {"event": 0, "trial": 0, "window": 1}
    return sorted(
        rows,
        key=lambda r: (
            order[r["level"]], "extra" in r, r["protocol"], r["normalise"], r["system"], r["model"],
            r["recipe"], -len(r["modalities"]), r["modalities"],
        ),
    )  # fmt: skip


def write_report_json(folder: str | Path) -> Path:
    """Write ``report.json`` into a run folder and return its path; the same run gives the same bytes."""
    run = read_run(folder)
    return write_json(run.path / "report.json", report_content(run, results(run)))


def report_content(run: Run, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What ``report.json`` holds, from a run and its rows."""
    return {"results": rows, "audit": {"verdict": run.audit["verdict"], "findings": run.audit["findings"]}}


def write_json(path: Path, value: Any) -> Path:
    """Write JSON as the run folder does; the file appears whole or not at all."""
    return write_text(path, json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False))


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text; the file appears whole or not at all."""
    return write_whole(path, (text.rstrip("\n") + "\n").encode())


_UNEQUAL = 1.5
"""From how many times its fair share the commonest class of whole trials has, UAR is what counts."""


def headline(run: Run) -> str:
    """The score that controls, oracle and figures are about.

    Accuracy for a study of windows; UAR for a study of events, where naming the commonest class is right
    most of the time, and for one of whole trials whose classes are as unequal (:data:`_UNEQUAL`). Where a
    class has no event at all UAR does not exist, and it is accuracy again.
    """
    label = run.predictions["label"].to_numpy(np.int64)
    if not run.by_event:
        commonest = np.bincount(label[label >= 0]).max(initial=0) / max(len(label), 1)
        unequal = commonest * len(run.classes) > _UNEQUAL
        if run.record.get("level") != "trial" or not unequal:
            return "accuracy"
    key = list(GROUP)
    every = run.predictions.assign(label=label).groupby([*key, "control"])["label"].nunique()
    return "uar" if (every == len(run.classes)).all() else "accuracy"


def scored(frame: pd.DataFrame, *, level: str, n_classes: int) -> Scored:
    """Predictions of one condition as arrays, by window or event, or averaged over each trial's windows."""
    probability = frame[[f"p_{c}" for c in range(n_classes)]].to_numpy(np.float64)
    columns = {
        "ids": frame["sample"].to_numpy(object),
        "seed": frame["seed"].to_numpy(np.int64),
        "trial": frame["trial"].to_numpy(object),
        "subject": frame["subject"].to_numpy(object),
        "stimulus": frame["stimulus"].to_numpy(object),
        "label": frame["label"].to_numpy(np.int64),
    }
    if level == "trial":
        parts = []
        for seed in np.unique(columns["seed"]):
            rows = np.flatnonzero(columns["seed"] == seed)
            trial, means = metrics.window_to_trial(probability[rows], columns["trial"][rows].astype(str))
            _, first = np.unique(columns["trial"][rows].astype(str), return_index=True)
            rows = rows[np.sort(first)]  # order of first appearance, as the trials come
            part = {name: values[rows] for name, values in columns.items()}
            parts.append(part | {"ids": trial.astype(object), "probability": means})
        return Scored(**{name: np.concatenate([p[name] for p in parts]) for name in parts[0]})
    return Scored(**columns, probability=probability)


def drawn_stimuli(rows: Scored) -> NDArray[Any] | None:
    """The stimuli of the rows where a bootstrap must draw them too: they are shared by subjects, or there is
    one subject only. None where drawing subjects is all there is."""
    pairs = {(str(a), str(b)) for a, b in zip(rows.subject, rows.stimulus, strict=True)}
    one_subject = len({subject for subject, _ in pairs}) == 1
    shared = len({stimulus for _, stimulus in pairs}) < len(pairs)
    return rows.stimulus.astype(str) if shared or one_subject else None


def score_table(rows: Scored, names: Sequence[str] = METRICS) -> dict[str, dict[str, float | None]]:
    """The named metrics with their intervals and spread over seeds; see :func:`results`."""
    by_seed = [_point_scores(rows.only(rows.seed == seed)) for seed in rows.seeds]
    intervals = metrics.bootstrap_interval(
        rows.label, rows.answer, subject=rows.subject.astype(str), stimulus=drawn_stimuli(rows),
        n_classes=rows.n_classes, metrics=names, n_draws=N_DRAWS, seed=0,
    )  # fmt: skip
    table: dict[str, dict[str, float | None]] = {}
    for name in names:
        values = [scores[name] for scores in by_seed]
        table[name] = {
            "value": _finite(np.mean(values)),
            "low": _finite(intervals[name].low),
            "high": _finite(intervals[name].high),
            "seeds_sd": _finite(np.std(values, ddof=1)) if len(values) > 1 else None,
        }
    return table


def subject_scores(rows: Scored) -> dict[str, NDArray[np.float64]]:
    """Every score of each subject alone, in the order of the subjects' ids; the mean over seeds."""
    subjects = np.unique(rows.subject.astype(str))
    by_seed: dict[str, list[NDArray[np.float64]]] = {}
    for seed in rows.seeds:
        part = rows.only(rows.seed == seed)
        names, found = metrics.by_subject(part.label, part.answer, part.subject.astype(str), rows.n_classes)
        for score, values in found.items():
            whole = np.full(len(subjects), np.nan)
            whole[np.searchsorted(subjects, names)] = values
            by_seed.setdefault(score, []).append(whole)
    return {score: _nanmean(np.stack(values)) for score, values in by_seed.items()}


def subjects_sd(rows: Scored) -> dict[str, float | None]:
    """Standard deviation over subjects of :func:`subject_scores`; None where fewer than two have one."""
    found = {name: values[np.isfinite(values)] for name, values in subject_scores(rows).items()}
    return {name: float(v.std(ddof=1)) if len(v) > 1 else None for name, v in found.items()}


def chance_interval(rows: Scored, metric: str = "accuracy") -> dict[str, Any]:
    """Median and 95 % interval of a score when labels are permuted over stimuli."""
    pairs = {(trial, label) for trial, label in zip(rows.trial.astype(str), rows.label, strict=True)}
    whole = len(pairs) == len({trial for trial, _ in pairs})  # events of a trial may differ in label
    found = metrics.permutation_interval(
        rows.label, rows.answer, stimulus=rows.stimulus.astype(str),
        trial=(rows.trial if whole else rows.ids).astype(str),
        subject=rows.subject.astype(str), n_classes=rows.n_classes, metrics=(metric,),
        cross_validated=True, n_draws=N_DRAWS, seed=0,
    )[metric]  # fmt: skip
    ends = {"value": _finite(found.value), "low": _finite(found.low), "high": _finite(found.high)}
    return {"metric": metric, **ends}


def coupling(run: Run, row: Mapping[str, Any]) -> float | None:
    """How far an answer of a row's fits depends on what else is in its batch; None where one does not say."""
    names = ("protocol", "normalise", "model")
    fits = [
        f
        for f in run.record.get("fits", ())
        if all(f.get(n) == row[n] for n in names)
        and f.get("control") == "none"
        and f.get("modalities") in ("+".join(row["modalities"]), row["modalities"])
    ]
    found = [f.get("coupling") for f in fits]
    return None if not found or None in found else _finite(np.max(found))


def paired_difference(a: Scored, b: Scored, metric: str = "accuracy") -> dict[str, Any] | None:
    """A score of ``a`` minus that of ``b`` where both predicted the same thing with the same seed.

    Returns
    -------
    dict or None
        ``{value, low, high, n}``: the interval from the bootstrap of :func:`score_table` with the same draws
        for both, ``n`` the number of things both predicted; None where they share nothing, or what they share
        has no such score.
    """
    if a.n_classes != b.n_classes:
        return None
    place = {_identity(b, j): j for j in range(len(b.ids))}
    pairs = [(i, place[_identity(a, i)]) for i in range(len(a.ids)) if _identity(a, i) in place]
    if not pairs:
        return None
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    mine, theirs = a.only(left), b.only(right)
    found = metrics.paired_interval(
        mine.label, mine.answer, theirs.answer, subject=mine.subject.astype(str),
        stimulus=drawn_stimuli(mine), n_classes=a.n_classes, metrics=(metric,),
        n_draws=N_DRAWS, seed=0,
    )[metric]  # fmt: skip
    if not all(map(math.isfinite, (found.value, found.low, found.high))):
        return None
    n = len(set(map(str, mine.ids)))
    return {"value": found.value, "low": found.low, "high": found.high, "n": n}


def _identity(rows: Scored, row: int) -> tuple[int, str, int]:
    return int(rows.seed[row]), str(rows.ids[row]), int(rows.label[row])


def _groups(run: Run) -> Iterator[tuple[dict[str, str], dict[str, pd.DataFrame]]]:
    for key, frame in run.predictions.groupby(list(GROUP), sort=True):
        frames = {str(control): part for control, part in frame.groupby("control", sort=True)}
        if "none" in frames:
            yield dict(zip(GROUP, map(str, key), strict=True)), frames


def _rows_of(
    run: Run, key: Mapping[str, str], frames: Mapping[str, pd.DataFrame]
) -> Iterator[dict[str, Any]]:
    if run.by_event:
        yield _row(run, key, frames, level="event")
        return
    by_window = run.record.get("level", "window") == "window"
    for level in ("trial", "window") if by_window else ("trial",):
        yield _row(run, key, frames, level=level)
    selected = frames["none"]["selected"].to_numpy(bool)
    if by_window and selected.any() and not selected.all():
        only = {name: part[part["selected"].to_numpy(bool)] for name, part in frames.items()}
        yield {**_row(run, key, only, level="window"), "oracle": None, "extra": EXTRA}


def _row(
    run: Run, key: Mapping[str, str], frames: Mapping[str, pd.DataFrame], *, level: str
) -> dict[str, Any]:
    n_classes = len(run.classes)
    metric = headline(run)
    rows = scored(frames["none"], level=level, n_classes=n_classes)
    _, counts = np.unique(rows.label[rows.seed == rows.seeds[0]], return_counts=True)
    controls = {"permuted": chance_interval(rows, metric)}
    if len(frames.get("shuffled", ())):
        shuffled = score_table(scored(frames["shuffled"], level=level, n_classes=n_classes), (metric,))[
            metric
        ]
        controls["shuffled"] = {"metric": metric, **{k: shuffled[k] for k in ("value", "low", "high")}}
    proven = run.audit["proven"].get(key["protocol"], ())
    row: dict[str, Any] = {
        **key,
        "modalities": key["modalities"].split("+"),
        "held_out": [word for word in HELD_OUT if word in proven],
        "level": level,
        "n": len(set(rows.ids)),
        "n_subjects": len(set(rows.subject)),
        "n_stimuli": len(set(rows.stimulus)),
        "seeds": rows.seeds,
        "metrics": score_table(rows, EVENT_METRICS if level == "event" else METRICS),
        "chance": {"uniform": 1 / n_classes, "majority": float(counts.max() / counts.sum())},
        "controls": controls,
        "oracle": _oracle(run, key, level=level, metric=metric),
    }
    if level == "event":
        spread = subjects_sd(rows)
        row["metrics"] = {
            name: {**score, "subjects_sd": spread[name]} for name, score in row["metrics"].items()
        }
        row["coupling"] = coupling(run, row)
    return row


def _oracle(run: Run, key: Mapping[str, str], *, level: str, metric: str) -> dict[str, Any] | None:
    protocol = run.record["protocols"].get(key["protocol"], {})
    if protocol.get("leaky"):
        return None
    # where the tested people are trained on, how they are is known whatever scales their values
    met = "subject" not in protocol.get("held_out", ("subject",))
    kind = "subject_known" if met else ORACLE_OF.get(key["normalise"], "")
    known = (run.record.get("oracle") or {}).get(kind) or {}
    streams = set(key["modalities"].split("+"))
    levels: Mapping[str, Any] = next((v for m, v in known.items() if set(m.split("+")) == streams), {})
    found = levels.get(level)
    if not found or found.get(metric) is None or not math.isfinite(found[metric]):
        return None
    if level != "event" and metric == "accuracy":
        return {"kind": kind, "value": found["accuracy"], "se": found["se"]}
    return {
        "kind": kind,
        "metric": metric,
        "value": found[metric],
        "se": found.get(f"{metric}_se", found.get("se")),
    }


def _point_scores(rows: Scored) -> dict[str, float]:
    matrix = metrics.confusion(rows.label, rows.answer, rows.n_classes)
    return {name: float(value) for name, value in metrics.scores_of(matrix).items()}


def _nanmean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis of what is finite; NaN where nothing is."""
    there = np.isfinite(values)
    total, n = np.where(there, values, 0.0).sum(axis=0), there.sum(axis=0)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
