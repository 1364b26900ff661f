"""Features of many recordings, through the store, in parallel."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mien import features
from mien.core import (
    Event,
    Features,
    InputError,
    MienError,
    Recording,
    Span,
    Stream,
    Trial,
    UnknownNameError,
)
from mien.core.pseudonyms import veiled
from mien.core.workers import process_pool
from mien.run import cuts
from mien.run.store import KeyParts, Store, hash_files

Progress = Callable[[int, int, str], None]
OnFault = Callable[[str, str, InputError], None]

_TRIALS_PER_TASK = 10


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """One kind of features wanted.

    Attributes
    ----------
    modality
        Key of the result (``"eeg"``, ``"eye"``); ``shipped`` also chooses its stream by it.
    name, recipe, options
        What :func:`mien.features.compute` takes.
    stream
        Stream of the recordings; default: the one that the feature reads.
    cut
        What is read of a signal around an event (:mod:`mien.run.cuts`); default: by the recipe. Frames are
        always those of the event: features of clips are the same, and stored once, whatever it says.
    """

    modality: str
    name: str
    recipe: str = "corrected"
    options: Mapping[str, Any] = field(default_factory=dict)
    stream: str | None = None
    cut: str | None = None

    def resolved(self) -> FeatureSpec:
        """The same with every option and the stream written out; errors name what does not exist."""
        options = features.resolve_options(self.name, recipe=self.recipe, **self.options)
        if "modality" in options:
            options["modality"] = self.modality
        stream = self.stream or features.stream_name(self.name, **_chooses_stream(self.name, options))
        cut = None if features.reads(self.name) == "clip" else self.cut
        return FeatureSpec(
            modality=self.modality, name=self.name, recipe=self.recipe, options=options, stream=stream,
            cut=cut or cuts.DEFAULT[self.recipe],
        )  # fmt: skip

    @property
    def upstream(self) -> FeatureSpec | None:
        """The features that these are made of; None where they are made of a stream itself."""
        below = features.info(self.name).reads
        if below == features.reads(self.name):
            return None
        options = features.upstream_options(self.name, self.options)
        return replace(self, name=below, options=options).resolved()


def settle(specs: Iterable[FeatureSpec], recordings: Iterable[Recording]) -> list[FeatureSpec]:
    """Specs resolved, and what depends on the data set chosen by the streams of its recordings."""
    rates = {name: stream.rate for recording in recordings for name, stream in recording.streams.items()}
    named = [(spec.stream is not None, spec.resolved()) for spec in specs]
    resolved = [spec for _, spec in named]
    return [
        spec if by_name else _settled(spec, [s for s in resolved if s is not spec], rates)
        for by_name, spec in named
    ]


def _settled(spec: FeatureSpec, others: Iterable[FeatureSpec], rates: Mapping[str, float]) -> FeatureSpec:
    lengths = {length for other in others if (length := _window_seconds(other, rates)) is not None}
    options = features.choose_options(
        spec.name, spec.options, rates, window_seconds=lengths.pop() if len(lengths) == 1 else None
    )
    return replace(spec, options=options, stream=None).resolved()


def _window_seconds(spec: FeatureSpec, rates: Mapping[str, float]) -> float | None:
    """How long the windows of some features are; None where nothing tells before they are made."""
    if spec.name == "shipped":
        return 1 / rates[str(spec.stream)] if spec.stream in rates else None
    length = spec.options.get("window_seconds")
    return None if length is None else float(length)


def _chooses_stream(name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    return options if features.info(name).modality == "any" else {}


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One result to be made."""

    spec: FeatureSpec
    recording: Recording
    trial: Trial
    parts: KeyParts
    below: _Job | None = None

    @property
    def stream(self) -> Stream:
        return self.recording.streams[str(self.spec.stream)]

    @property
    def key(self) -> tuple[str, str, Span, str]:
        """What is read: jobs that share it are read once."""
        below = self.below.parts.key if self.below else ""
        return self.trial.id, self.stream.name, cuts.span_of(self.spec.cut, self.trial), below

    def read(self, store: Store) -> features.Input:
        below = self.below
        if below is not None:
            return store.get_or_make(below.parts, lambda: below.make(below.read(store)))
        return cuts.read(self.stream, self.spec.cut, self.trial, reads=features.reads(self.spec.name))

    def make(self, read: features.Input) -> Features:
        return features.compute(self.spec.name, read, recipe=self.spec.recipe, **self.spec.options)


class Stored(Mapping[tuple[str, str], Features]):
    """Features by (modality, trial id), opened in the store when they are asked for.

    A memory map keeps its file open, and a process may have a few hundred files open: so none is kept here.
    """

    def __init__(self, store: Store, parts: Mapping[tuple[str, str], KeyParts]) -> None:
        self._store, self._parts = store, dict(parts)

    def __getitem__(self, key: tuple[str, str]) -> Features:
        return self._store.get(self._parts[key])

    def __contains__(self, key: object) -> bool:
        return key in self._parts

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


@dataclass(frozen=True, kw_only=True)
class _Fault:
    """An error of one job, or (``kept``) a warning, in a form that passes between processes."""

    modality: str
    trial: str
    text: str
    kept: bool = False


def extract(
    recordings: Iterable[Recording],
    specs: Sequence[FeatureSpec],
    store: Store,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    on_fault: OnFault | None = None,
) -> Stored:
    """Features of every trial that has the stream, from the store where they are there already.

    Parameters
    ----------
    recordings
        Their sources must tell their files by ``files() -> tuple[Path, ...]``: a result is looked up by what
        these hold. With more than one worker they must also pickle.
    specs
        What to extract, one for each modality.
    store
        Where results are kept. A killed run goes on where it stopped.
    workers
        Processes. The results are the same bytes for any number.
    progress
        Called with (done, total, text) after each piece of work.
    on_fault
        Called with (modality, trial id, error) for a trial that cannot be used, which is then left out.
        Default: the error is raised; what was finished stays in the store.

    Returns
    -------
    Stored
        (modality, trial id) to features, whose values are memory maps. A trial whose recording lacks the
        stream, or whose time the stream does not cover, is not in it.
    """
    recordings = list(recordings)
    _refuse_repeats("modality of the features", [spec.modality for spec in specs])
    _refuse_unknown_streams(specs, recordings)
    specs = settle(specs, recordings)
    jobs = _jobs(recordings, specs, store, workers)
    todo = [job for job in jobs if job.parts not in store]
    done, total = len(jobs) - len(todo), len(jobs)
    if progress is not None:
        progress(done, total, "features")
    failed = set()
    warned: dict[tuple[str, str], list[str]] = {}
    for text, made, faults in _results(_tasks(todo), store, workers):
        for fault in faults:
            if fault.kept:
                warned.setdefault((fault.modality, fault.text), []).append(fault.trial)
                continue
            error = InputError(f"{fault.modality} features of trial {fault.trial}: {fault.text}")
            if on_fault is None:
                raise error
            failed.add((fault.modality, fault.trial))
            on_fault(fault.modality, fault.trial, error)
        done += made
        if progress is not None:
            progress(done, total, text)
    for (modality, said), trials in sorted(warned.items()):
        warnings.warn(f"{modality} features of {_few(trials)}: {said}", features.FeatureWarning, stacklevel=2)
    if todo:
        store.index()
    wanted = {(job.spec.modality, job.trial.id): job.parts for job in jobs}
    return Stored(store, {key: parts for key, parts in wanted.items() if key not in failed})


def _few(trials: Iterable[str]) -> str:
    """The first three by name, and how many more."""
    names = sorted(set(trials))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def compute_from(spec: FeatureSpec, read: features.Input) -> Features:
    """Features of what was read of a trial, with those that they are made of; nothing is stored."""
    if (upstream := spec.upstream) is not None:
        read = compute_from(upstream, read)
    return features.compute(spec.name, read, recipe=spec.recipe, **spec.options)


def _refuse_repeats(what: str, found: list[str]) -> None:
    repeated = sorted({x for x in found if found.count(x) > 1}) if len(set(found)) < len(found) else []
    if repeated:
        raise InputError(f"{what} repeats: {', '.join(repeated[:5])}", remedy="give each its own name")


def _refuse_unknown_streams(specs: Sequence[FeatureSpec], recordings: list[Recording]) -> None:
    """A stream that was asked for by name is in one recording at least; a default may be missing."""
    known = {name for recording in recordings for name in recording.streams}
    for spec in specs:
        if spec.stream is not None and recordings and spec.stream not in known:
            raise UnknownNameError("stream", spec.stream, known)


def _jobs(
    recordings: list[Recording], specs: Sequence[FeatureSpec], store: Store, workers: int
) -> list[_Job]:
    _refuse_repeats("trial id", [trial.id for recording in recordings for trial in recording.trials])
    wanted = [
        (spec, recording, trial, stream)
        for spec in specs
        for recording in recordings
        if (stream := recording.streams.get(str(spec.stream))) is not None
        for trial in recording.trials
        if cuts.recorded(stream, spec.cut, trial, reads=features.reads(spec.name))
    ]
    files: dict[tuple[int, str], tuple[str, ...]] = {}  # of a stream, or of an event's frames

    def key(trial: Trial, stream: Stream) -> tuple[int, str]:
        return id(stream), trial.id if stream.modality == cuts.FACE and trial.event is not None else ""

    for _, recording, trial, stream in wanted:
        if key(trial, stream) not in files:
            event = trial.event if stream.modality == cuts.FACE else None
            files[key(trial, stream)] = stream_files(recording, stream, event=event)
    with veiled(stream.source for _, _, _, stream in wanted):
        prints = fingerprints(sorted({path for paths in files.values() for path in paths}), store, workers)
    return [
        _job(spec, recording, trial, stream, tuple(prints[p] for p in files[key(trial, stream)]))
        for spec, recording, trial, stream in wanted
    ]


def _job(
    spec: FeatureSpec, recording: Recording, trial: Trial, stream: Stream, sources: tuple[str, ...]
) -> _Job:
    """A job with those that make what it is made of."""
    upstream = spec.upstream
    below = None if upstream is None else _job(upstream, recording, trial, stream, sources)
    parts = _parts(spec, recording, trial, stream, sources)
    if below is not None:
        parts = replace(parts, upstream=(below.parts.key,))
    return _Job(spec=spec, recording=recording, trial=trial, parts=parts, below=below)


def stream_files(recording: Recording, stream: Stream, *, event: Event | None = None) -> tuple[str, ...]:
    """The files a stream, or an event's frames, are read from; an error where its source does not tell."""
    of_event: Callable[[Event], tuple[Path, ...]] | None = getattr(stream.source, "files_of", None)
    if event is not None and of_event is not None:
        return tuple(str(path) for path in of_event(event))
    function: Callable[[], tuple[Path, ...]] | None = getattr(stream.source, "files", None)
    if function is None:
        raise InputError(
            f"stream {stream.name!r} of {recording.id} does not tell which files it is read from",
            expected="a source with files()",
            remedy="add files() to the source, or use mien.features.compute, which stores nothing",
        )
    return tuple(str(path) for path in function())


def _parts(
    spec: FeatureSpec, recording: Recording, trial: Trial, stream: Stream, sources: tuple[str, ...]
) -> KeyParts:
    span = cuts.span_of(spec.cut, trial)
    event = trial.event
    parameters = {
        "recipe": spec.recipe,
        "options": spec.options,
        "dataset": recording.dataset,
        "recording": recording.id,
        "trial": trial.id,
        "span": [span.start, span.duration],
        "stream": stream.name,
        "rate": stream.rate,
        "unit": stream.unit,
        "channels": stream.channels,
        "reader": str(getattr(stream.source, "version", "")),
    }
    if weights := features.fingerprint(spec.name, spec.options):
        parameters["weights"] = weights
    if event is not None:
        parameters["event"] = [event.span.start, event.apex, event.span.stop]
    return KeyParts(
        sources=sources,
        extractor=spec.name,
        version=features.info(spec.name).version,
        parameters=parameters,
    )


def fingerprints(paths: list[str], store: Store, workers: int) -> dict[str, str]:
    """Fingerprint of every file, hashed by several processes where there is much to hash."""
    prints = {path: store.remembered(path) for path in paths}
    missing = [path for path, digest in prints.items() if digest is None]
    if not missing:
        return {path: str(digest) for path, digest in prints.items()}
    if workers > 1 and len(missing) > 1 and sum(Path(p).stat().st_size for p in missing) > 1 << 28:
        with process_pool(min(workers, len(missing))) as pool:
            parts = list(pool.map(hash_files, [[path] for path in missing]))
        found = {path: entry for part in parts for path, entry in part.items()}
    else:
        found = hash_files(missing)
    store.remember(found)
    return {path: found[path][2] if digest is None else digest for path, digest in prints.items()}


def _tasks(todo: list[_Job]) -> list[list[_Job]]:
    """Jobs in pieces of a few trials of one recording, so that each trial is read once for all its specs."""
    trials: dict[str, dict[str, list[_Job]]] = {}
    for job in todo:
        trials.setdefault(job.recording.id, {}).setdefault(job.trial.id, []).append(job)
    tasks = []
    for by_trial in trials.values():
        groups = list(by_trial.values())
        for first in range(0, len(groups), _TRIALS_PER_TASK):
            tasks.append([job for group in groups[first : first + _TRIALS_PER_TASK] for job in group])
    return tasks


def _results(tasks: list[list[_Job]], store: Store, workers: int) -> Iterator[tuple[str, int, list[_Fault]]]:
    """(recording, number of jobs, faults) of each task as it is finished."""
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield task[0].recording.id, len(task), _run(task, store)
        return
    with process_pool(min(workers, len(tasks))) as pool:
        waiting: dict[Future[list[_Fault]], list[_Job]] = {}
        try:
            for task in tasks:
                waiting[pool.submit(_run, task, store)] = task
            while waiting:
                ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    task = waiting.pop(future)
                    yield task[0].recording.id, len(task), future.result()
        except BrokenProcessPool as fault:
            raise InputError(
                "a worker process was ended from outside, perhaps for want of memory",
                remedy="run again with fewer workers; what was finished is kept",
            ) from fault
        finally:
            pool.shutdown(cancel_futures=True)


def _run(task: list[_Job], store: Store) -> list[_Fault]:
    """Make and store the results of a task; each trial and stream is read once."""
    from threadpoolctl import threadpool_limits

    faults = []
    read: tuple[tuple[str, str, Span, str], Any] | None = None
    with threadpool_limits(1):  # one thread each: the same bytes and no crowding for any number of workers
        for job in task:
            of_job = partial(_Fault, modality=job.spec.modality, trial=job.trial.id)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", features.FeatureWarning)
                try:
                    if read is None or read[0] != job.key:
                        read = (job.key, job.read(store))
                    made = job.make(read[1])
                except MienError as fault:
                    faults.append(of_job(text=str(fault)))
                else:
                    store.put(job.parts, made)
            for one in caught:
                if issubclass(one.category, features.FeatureWarning):
                    faults.append(of_job(text=str(one.message), kept=True))
                else:
                    warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return faults
