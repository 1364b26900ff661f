"""Eye features of every fold, made from gaze whose light was fitted on the fold's training trials.

The table of a study keeps the features of the gaze as it was recorded. Here the gaze of each stimulus is read
once; for each set of training trials that any fold has of it, the course that pupils share is fitted, taken
off everybody who saw the stimulus, and the features are made again. Folds with the same training trials of a
stimulus share the result, and so do all models, seeds and ways of scaling. A fit swaps the values in
(:mod:`mien.run.fold_values`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import features
from mien.batches import Table, luminance
from mien.batches.luminance import PUPILS, Luminance
from mien.core import InputError, Recording, Signal, Split, Stream, Trial
from mien.core.workers import process_pool
from mien.protocols import hash_ids
from mien.run.config import Study
from mien.run.extract import FeatureSpec, fingerprints, stream_files
from mien.run.files import write_json, write_npz
from mien.run.fold_values import ALL, COURSES, FOLDER, INDEX, Ids, TrialsOf
from mien.run.store import KeyParts, Store

Tell = Callable[[str, int, int, str], None]
VERSION = "1"
"""Of the results in the store; changes whenever their numbers change."""
_UNSEEN = "no trial of this stimulus is wholly in training"
_CLIPS = {"test": "tested", "val": "validation", "train": "training"}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    """One stimulus: everybody who saw it, and the sets of training trials to fit on."""

    spec: FeatureSpec
    stimulus: str
    clips: tuple[tuple[Trial, Stream], ...]
    fits: tuple[tuple[KeyParts, Ids], ...]


def prepare_folds(
    work: Path,
    plan: Study,
    specs: Sequence[FeatureSpec],
    table: Table,
    recordings: Sequence[Recording],
    splits: Sequence[tuple[str, int, Split]],
    store: Store,
    *,
    workers: int,
    tell: Tell,
) -> list[dict[str, Any]]:
    """Make the values of every fold, under ``work``; which clips went without, for ``dropped.csv``.

    Nothing is done for a study without ``luminance``.
    """
    wanted = {s: plan.features[s].luminance for s in plan.streams if plan.features[s].luminance}
    if not wanted:
        return []
    folder = work / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    trials = TrialsOf(table=table)
    everything = trials.whole(np.flatnonzero(table.labels >= 0))
    of_split = [trials.whole(table.rows(split.train)) for *_, split in splits]
    trainings = {hash_ids(ids): ids for ids in (everything, *of_split)}
    index: dict[str, dict[str, dict[str, str]]] = {digest: {} for digest in trainings}
    flags: dict[tuple[str, str], dict[str, Mapping[str, str]]] = {}
    courses: dict[str, NDArray[np.float32]] = {}
    rates: dict[str, float] = {}
    for spec in (s.resolved() for s in specs if s.modality in wanted):
        stream = spec.modality
        seen = _who_saw_what(spec, table, recordings)
        rates[stream] = _rate(spec, [source for clips in seen.values() for _, _, source in clips])
        anyone = frozenset(trial.id for clips in seen.values() for _, trial, _ in clips)
        wholes = {d: anyone if wanted[stream] == ALL else ids for d, ids in trainings.items()}
        keys, tasks = _tasks(spec, seen, wholes, store, workers)
        _run_all(tasks, store, workers, lambda d, n, t, s=stream: tell(f"{s} luminance", d, n, t))  # type: ignore[misc]
        for key in sorted({key for of_one in keys.values() for key in of_one.values()}):
            _unpack(store.entry(key), folder / key, table, table.present[stream])
        for digest, of_one in keys.items():
            index[digest][stream] = of_one
            flags[digest, stream] = _flags(seen, of_one, store)
        for key in keys[hash_ids(everything)].values():
            courses |= {f"{stream}/{k}": v for k, v in _courses(store.entry(key)).items()}
    write_npz(folder / COURSES, courses)
    write_json(
        folder / INDEX,
        {"folds": index, "fitted_on": wanted, "all": hash_ids(everything), "rates": rates,
         "centred": {s.modality: _centred(s) for s in specs if s.modality in wanted}},
    )  # fmt: skip
    return _without(trials, table, splits, of_split, flags)


def _centred(spec: FeatureSpec) -> bool:
    """The recipe ``released`` leaves each pupil's mean in, as the public code of MAET does."""
    return spec.recipe != "released"


def _who_saw_what(
    spec: FeatureSpec, table: Table, recordings: Sequence[Recording]
) -> dict[str, list[tuple[Recording, Trial, Stream]]]:
    """Stimulus to the trials that have these features."""
    there = {table.samples[i].trial for i in np.flatnonzero(table.present[spec.modality])}
    seen: dict[str, list[tuple[Recording, Trial, Stream]]] = {}
    for recording in recordings:
        for trial in recording.trials:
            if trial.id in there:
                source = recording.streams[str(spec.stream)]
                seen.setdefault(trial.stimulus, []).append((recording, trial, source))
    return seen


def _rate(spec: FeatureSpec, sources: Sequence[Stream]) -> float:
    """The one rate of all gaze."""
    for source in sources:
        if not any(name in source.channels for name in PUPILS):
            raise InputError(
                f"features.{spec.modality}.luminance: the stream {spec.stream!r} has no pupil; it has "
                f"{', '.join(source.channels[:6])}",
                expected=" or ".join(PUPILS),
                remedy=f"leave luminance out of features.{spec.modality}, or choose the stream of the gaze",
            )
    rates = sorted({source.rate for source in sources})
    if len(rates) > 1:
        raise InputError(
            f"features.{spec.modality}.luminance: gaze was recorded at "
            f"{', '.join(f'{rate:g}' for rate in rates)} Hz",
            expected="one rate in all recordings",
            remedy="choose recordings of one rate by data.subjects, or leave luminance out",
        )
    return rates[0]


def _tasks(
    spec: FeatureSpec,
    seen: Mapping[str, Sequence[tuple[Recording, Trial, Stream]]],
    trainings: Mapping[str, Ids],
    store: Store,
    workers: int,
) -> tuple[dict[str, dict[str, str]], list[_Task]]:
    """Training hash to stimulus to key (none for a stimulus without training trials), and what is to make."""
    files = {
        trial.id: stream_files(recording, source)
        for clips in seen.values()
        for recording, trial, source in clips
    }
    prints = fingerprints(sorted({path for paths in files.values() for path in paths}), store, workers)
    keys: dict[str, dict[str, str]] = {digest: {} for digest in trainings}
    tasks = []
    for stimulus, clips in seen.items():
        sources = tuple(prints[path] for _, trial, _ in clips for path in files[trial.id])
        here = frozenset(trial.id for _, trial, _ in clips)
        made: dict[Ids, KeyParts] = {}
        for digest, ids in trainings.items():
            if fitted_on := ids & here:
                if fitted_on not in made:
                    made[fitted_on] = _parts(spec, stimulus, clips, sources, fitted_on)
                keys[digest][stimulus] = made[fitted_on].key
        todo = tuple((parts, ids) for ids, parts in made.items() if parts not in store)
        if todo:
            pairs = tuple((trial, source) for _, trial, source in clips)
            tasks.append(_Task(spec=spec, stimulus=stimulus, clips=pairs, fits=todo))
    return keys, tasks


def _parts(
    spec: FeatureSpec,
    stimulus: str,
    clips: Sequence[tuple[Recording, Trial, Stream]],
    sources: tuple[str, ...],
    fitted_on: Ids,
) -> KeyParts:
    """What is learnt follows from the files and from which trials are learnt from: these stand for it."""
    return KeyParts(
        sources=sources,
        extractor=spec.name,
        version=features.info(spec.name).version,
        parameters={
            "recipe": spec.recipe,
            "options": spec.options,
            "stream": str(spec.stream),
            "stimulus": stimulus,
            "luminance": {"version": VERSION, "centred": _centred(spec), "at_least": luminance.MIN_SUBJECTS},
            "clips": [
                [
                    *(recording.dataset, recording.id, trial.id, trial.subject),
                    *(trial.span.start, trial.span.duration, source.rate, source.unit, source.channels),
                    str(getattr(source.source, "version", "")),
                ]
                for recording, trial, source in clips
            ],
        },
        state=hash_ids(fitted_on),
    )


def _run_all(
    tasks: Sequence[_Task], store: Store, workers: int, told: Callable[[int, int, str], None]
) -> None:
    told(0, len(tasks), "")
    for done, stimulus in enumerate(_results(tasks, store, workers), start=1):
        told(done, len(tasks), f"stimulus {stimulus}")


def _results(tasks: Sequence[_Task], store: Store, workers: int) -> Iterator[str]:
    """Each stimulus as it is finished."""
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            _run(task, store)
            yield task.stimulus
        return
    with process_pool(min(workers, len(tasks))) as pool:
        waiting: dict[Future[None], str] = {pool.submit(_run, task, store): task.stimulus for task in tasks}
        try:
            for future in as_completed(waiting):
                future.result()
                yield waiting[future]
        except BrokenProcessPool as fault:
            raise InputError(
                "a worker process was ended from outside, perhaps for want of memory",
                remedy="run again with fewer workers; what was finished is kept",
            ) from fault
        finally:
            pool.shutdown(cancel_futures=True)


def _run(task: _Task, store: Store) -> None:
    """Every fit of one stimulus; each clip is read once."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # one thread each: the same bytes for any number of workers
        clips = [(trial, source.read(trial.span)) for trial, source in task.clips]
        for parts, fitted_on in task.fits:
            training = [(trial, signal) for trial, signal in clips if trial.id in fitted_on]
            state = luminance.fit(training, centre=_centred(task.spec))
            _store(task.spec, clips, state, parts, store)


def _store(
    spec: FeatureSpec,
    clips: Sequence[tuple[Trial, Signal]],
    state: Luminance,
    parts: KeyParts,
    store: Store,
) -> None:
    """Features of all clips of a stimulus with its light taken off, as one entry.

    A clip both of whose pupils go without is not in it: its features are those of the gaze as recorded.
    """
    values, samples, flags = [], [], {}
    for trial, signal in clips:
        done = luminance.apply(signal, stimulus=trial.stimulus, state=state)
        if done.flags:
            flags[trial.id] = dict(done.flags)
        if len(done.flags) < len(PUPILS):
            made = features.compute(spec.name, done.signal, recipe=spec.recipe, **spec.options)
            values.append(np.asarray(made.values, dtype=np.float32).reshape(made.n_windows, -1))
            samples += _sample_ids(trial, made.starts)

    def fill(folder: Path) -> None:
        np.save(folder / "values.npy", np.concatenate(values) if values else np.empty((0, 0), np.float32))
        write_npz(folder / COURSES, state.to_arrays())
        write_json(folder / "clips.json", {"samples": samples, "flags": flags})

    store.put_files(parts, fill)


def _sample_ids(trial: Trial, starts: NDArray[np.float64]) -> list[str]:
    """Ids of a trial's windows, as in the table."""
    since = np.rint(starts * 1000).astype(np.int64) / 1000.0 - trial.span.start
    return [f"{trial.id}@{seconds:.3f}" for seconds in since]


def _unpack(entry: Path, target: Path, table: Table, present: NDArray[np.bool_]) -> None:
    """Values of an entry and the rows of the table that they replace, where a worker finds them."""
    row_of = table.row_of
    ids = json.loads((entry / "clips.json").read_bytes())["samples"]
    rows = np.array([row_of.get(i, -1) for i in ids], dtype=np.int64)
    known = (rows >= 0) & present[rows] if len(rows) else np.empty(0, np.bool_)
    values = np.load(entry / "values.npy", allow_pickle=False)
    np.save(target.with_name(f"{target.name}.rows.npy"), rows[known], allow_pickle=False)
    np.save(target.with_name(f"{target.name}.values.npy"), values[known], allow_pickle=False)


def _courses(entry: Path) -> dict[str, NDArray[np.float32]]:
    with np.load(entry / COURSES, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _flags(
    seen: Mapping[str, Sequence[tuple[Recording, Trial, Stream]]], keys: Mapping[str, str], store: Store
) -> dict[str, Mapping[str, str]]:
    """Trial to the pupils that go without a course, and why."""
    found: dict[str, Mapping[str, str]] = {}
    for stimulus, clips in seen.items():
        if stimulus in keys:
            found |= json.loads((store.entry(keys[stimulus]) / "clips.json").read_bytes())["flags"]
        else:
            found |= {trial.id: dict.fromkeys(PUPILS, _UNSEEN) for _, trial, _ in clips}
    return found


def _without(
    trials: TrialsOf,
    table: Table,
    splits: Sequence[tuple[str, int, Split]],
    of_split: Sequence[Ids],
    flags: Mapping[tuple[str, str], Mapping[str, Mapping[str, str]]],
) -> list[dict[str, Any]]:
    """Rows of ``dropped.csv``: clips of a fold whose light could not be taken off, each once a protocol."""
    subject = {s.trial: s.subject for s in table.samples}
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for (protocol, _, split), training in zip(splits, of_split, strict=True):
        digest = hash_ids(training)
        for stream in dict.fromkeys(stream for _, stream in flags):
            flagged = flags[digest, stream]
            for part, word in _CLIPS.items():
                here = table.rows(getattr(split, part))
                for trial in trials.any(here[table.present[stream][here]]):
                    if trial not in flagged:
                        continue
                    what = f"light in the {stream} of a {word} clip"
                    reason = f"{protocol}: left in, {_said(flagged[trial])}"
                    rows[what, trial, reason] = {
                        "what": what, "id": trial, "subject": subject[trial], "reason": reason, "count": 1
                    }  # fmt: skip
    return list(rows.values())


def _said(flags: Mapping[str, str]) -> str:
    """Why pupils went without; once where it is the same for both."""
    if len(flags) == len(PUPILS) and len(set(flags.values())) == 1:
        return next(iter(flags.values()))
    return "; ".join(f"{pupil}: {reason}" for pupil, reason in sorted(flags.items()))
