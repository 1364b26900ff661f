"""Raw EEG cleaned recording by recording: kept in the store, read like any other stream."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Clock, InputError, MienError, Recording, Span, Stream, to_samples, write_whole
from mien.core.pseudonyms import Veil, shown, veiled
from mien.core.workers import process_pool
from mien.datasets import Fault
from mien.run.extract import fingerprints, stream_files
from mien.run.files import write_json
from mien.run.store import KeyParts, Store
from mien.signal.cleaning import CleaningWarning, Step, clean_stream, steps_to_json
from mien.signal.cleaning.run import VERSION
from mien.timeline.align import AlignedSource, to_recording

Progress = Callable[[int, int, str], None]

RAW, CLEANED = "raw_eeg", "eeg"
"""Stream that is cleaned, and what comes out."""
EXTRAS = ("raw_eog", "raw_ecg", "raw_reference")
"""Streams that help, as far as a recording has them."""
SIGNAL, RECORD, PAGE = "cleaned.npy", "cleaning.json", "qc.html"
"""Files of a cleaned recording in the store, beside ``cleaning.npz``."""
_LOCAL = frozenset({"high_pass", "low_pass", "notch", "resample", "rereference", "interpolate"})
"""Steps whose result at one moment hangs on the seconds around it alone, once it is known which channels are
bad; all others look at the whole recording."""


@dataclass(frozen=True, kw_only=True)
class CleanedSource:
    """A cleaned recording in the store; reads what is asked for from a memory map.

    Attributes
    ----------
    path
        ``.npy`` file, float32 (channels, times).
    rate, span
        Samples per second, and the time they cover.
    key
        Of the entry in the store: it changes with the raw files, the steps and their version.
    raw
        The files it was made from.
    veil
        Hides people's names in what is said about these files.
    """

    path: Path
    rate: float
    span: Span
    key: str
    raw: tuple[Path, ...] = field(repr=False)
    veil: Veil = field(default_factory=Veil, repr=False)

    @property
    def version(self) -> str:
        """Changes with whatever changes what is read."""
        return f"cleaned {self.key}"

    def files(self) -> tuple[Path, ...]:
        """The raw files; what was made of them is told by :attr:`version`."""
        return self.raw

    def read(self, start: float, duration: float) -> NDArray[np.float32]:
        """Samples (channels, times) of a span, as far as they exist."""
        data = np.load(self.path, mmap_mode="r", allow_pickle=False)
        first = to_samples(start - self.span.start, self.rate)
        return np.array(data[:, max(first, 0) : max(first + to_samples(duration, self.rate), 0)])


@dataclass(frozen=True, kw_only=True, eq=False)
class CleanedRecordings:
    """What :func:`clean_recordings` made.

    Attributes
    ----------
    recordings
        All of them, in order; those that were cleaned have the stream ``eeg`` besides their own.
    folders
        Recording id to the folder with ``cleaned.npy``, ``cleaning.json``, ``cleaning.npz`` and ``qc.html``.
    faults
        Recordings that could not be cleaned.
    steps
        What was done.
    """

    recordings: tuple[Recording, ...]
    folders: Mapping[str, Path]
    faults: tuple[Fault, ...]
    steps: tuple[Step, ...]

    def records(self) -> dict[str, dict[str, Any]]:
        """Recording id to the record of its cleaning."""
        return {name: json.loads((folder / RECORD).read_bytes()) for name, folder in self.folders.items()}


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One recording to be cleaned; ``stream`` is on its device's clock, ``clock`` tells the recording's."""

    recording: Recording
    stream: Stream
    extras: tuple[Stream, ...]
    clock: Clock | None
    parts: KeyParts
    steps: tuple[Step, ...]
    simulated: bool


class _CannotClean(Exception):
    """A recording that cannot be cleaned; one argument, the reason."""


def clean_recordings(
    recordings: Sequence[Recording],
    steps: Sequence[Step],
    store: Store,
    *,
    simulated: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> CleanedRecordings:
    """Clean ``raw_eeg`` of every recording that has it, from the store where that was done before.

    Each recording is cleaned as a whole and on its own device's clock, so that no sample is left out or
    repeated; trials are cut from what comes out. The result is the stream ``eeg``, on the recording clock.

    Parameters
    ----------
    recordings
        Aligned recordings. Their sources must tell their files, and pickle if there are several workers.
    steps
        What to do.
    store
        Where the result, its record and its page are kept. A killed run goes on with the recordings that are
        not there.
    simulated
        Say on the pages that the recordings are made up.
    workers
        Processes; each takes the memory of one recording at its new rate, a few times over. The results are
        the same bytes for any number.
    progress
        Called with (done, total, recording and step).

    Raises
    ------
    InputError
        No recording has raw EEG, or none can be cleaned.
    """
    steps = tuple(steps)
    jobs = _jobs(recordings, steps, store, simulated=simulated, workers=workers)
    todo = [job for job in jobs if job.parts not in store]
    reasons: dict[str, str] = {}  # of every finished job; empty where it went well

    def told(text: str) -> None:
        if progress is not None:
            progress(len(jobs) - len(todo) + len(reasons), len(jobs), text)

    told("")
    for job, reason in _results(todo, store, workers, told):
        reasons[job.recording.id] = reason
        told(job.recording.id)
    if todo:
        store.index()
    failed = [job for job in jobs if reasons.get(job.recording.id)]
    cleaned = {job.recording.id: job for job in jobs if not reasons.get(job.recording.id)}
    faults = tuple(_fault(job, reasons[job.recording.id]) for job in failed)
    if not cleaned:
        raise InputError(
            f"no recording can be cleaned; {failed[0].recording.id}: {faults[0].reason}", file=faults[0].file
        )
    return CleanedRecordings(
        recordings=tuple(
            _with_cleaned(r, cleaned[r.id], store) if r.id in cleaned else r for r in recordings
        ),
        folders={name: store.entry(job.parts) for name, job in cleaned.items()},
        faults=faults,
        steps=steps,
    )


def _jobs(
    recordings: Sequence[Recording], steps: tuple[Step, ...], store: Store, *, simulated: bool, workers: int
) -> list[_Job]:
    raw = [r for r in recordings if RAW in r.streams]
    if not raw:
        known = sorted({name for r in recordings for name in r.streams})
        raise InputError(
            f"there is no raw EEG to clean; the streams are {', '.join(known) or '(none)'}",
            expected=f"a stream {RAW!r}",
            remedy="leave the cleaning out",
        )
    both = [r.id for r in raw if CLEANED in r.streams]
    if both:
        raise InputError(f"recording {both[0]} has raw and preprocessed EEG", expected="one of them")
    inputs = {r.id: _inputs(r) for r in raw}
    files = {(r.id, s.name): stream_files(r, s) for r in raw for s in inputs[r.id]}
    with veiled(s.source for own in inputs.values() for s in own):
        prints = fingerprints(sorted({path for paths in files.values() for path in paths}), store, workers)
    jobs = []
    for r in raw:
        stream, *extras = inputs[r.id]
        source = r.streams[RAW].source
        sources = {path for s in inputs[r.id] for path in files[r.id, s.name]}
        parts = KeyParts(
            sources=tuple(prints[path] for path in sources),
            extractor="cleaning",
            version=VERSION,
            parameters={
                "steps": steps_to_json(steps),
                "dataset": r.dataset,
                "recording": r.id,
                "simulated": simulated,
                "streams": [_described(s) for s in inputs[r.id]],
            },
        )
        jobs.append(
            _Job(
                recording=r,
                stream=stream,
                extras=tuple(extras),
                clock=source.clock if isinstance(source, AlignedSource) else None,
                parts=parts,
                steps=steps,
                simulated=simulated,
            )
        )
    return jobs


def _inputs(recording: Recording) -> list[Stream]:
    """Raw EEG and its extras on their device's clock; extras of another clock or rate cannot help."""
    eeg, *others = (recording.streams[n] for n in (RAW, *EXTRAS) if n in recording.streams)
    extras = [s for s in others if (s.clock, s.rate, s.span) == (eeg.clock, eeg.rate, eeg.span)]
    return [_on_device(s) for s in (eeg, *extras)]


def _on_device(stream: Stream) -> Stream:
    source = stream.source
    return (
        replace(stream, source=source.source, span=source.span)
        if isinstance(source, AlignedSource)
        else stream
    )


def _described(stream: Stream) -> dict[str, Any]:
    return {
        "name": stream.name,
        "rate": stream.rate,
        "unit": stream.unit,
        "channels": stream.channels,
        "span": [stream.span.start, stream.span.duration],
        "reader": str(getattr(stream.source, "version", "")),
    }


def _results(
    todo: list[_Job], store: Store, workers: int, on_step: Callable[[str], None]
) -> Iterator[tuple[_Job, str]]:
    """Each job as it is finished, with the reason why it failed, or an empty one."""
    if workers <= 1 or len(todo) <= 1:
        for job in todo:
            yield job, _run(job, store, lambda step, r=job.recording.id: on_step(f"{r}: {step}"))  # type: ignore[misc]
        return
    with process_pool(min(workers, len(todo))) as pool:
        waiting: dict[Future[str], _Job] = {pool.submit(_run, job, store): job for job in todo}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as fault:
            raise InputError(
                "a worker process was ended from outside, perhaps for want of memory",
                remedy="run again with fewer workers; what was finished is kept",
            ) from fault
        finally:
            pool.shutdown(cancel_futures=True)


def _run(job: _Job, store: Store, on_step: Callable[[str], None] | None = None) -> str:
    """Clean one recording into the store; the reason why that cannot be done, or an empty one."""
    from threadpoolctl import threadpool_limits

    def fill(folder: Path) -> None:
        try:
            cleaned = clean_stream(
                job.stream, job.steps, out=folder / SIGNAL, extras=job.extras, on_step=on_step
            )
        except MienError as fault:
            raise _CannotClean(str(fault)) from fault
        cleaned.save(folder)
        _write_page(folder, job)

    with threadpool_limits(1), warnings.catch_warnings():  # one thread each: the same bytes for any number
        warnings.simplefilter("ignore", CleaningWarning)  # they stand in the record and on the page
        try:
            store.put_files(job.parts, fill)
        except _CannotClean as fault:
            return str(fault)
    return ""


def _write_page(folder: Path, job: _Job) -> None:
    from mien.report.qc import write_qc

    write_qc(folder, title=job.recording.id, simulated=job.simulated)


def _with_cleaned(recording: Recording, job: _Job, store: Store) -> Recording:
    folder = store.entry(job.parts)
    record = json.loads((folder / RECORD).read_bytes())
    rate, start = float(record["rate"]), job.stream.span.start
    span = Span(start=start, duration=record["samples"] / rate)
    files = tuple(Path(p) for p in stream_files(recording, recording.streams[RAW]))
    veil = getattr(job.stream.source, "veil", Veil())
    source: Any = CleanedSource(
        path=folder / SIGNAL, rate=rate, span=span, key=job.parts.key, raw=files, veil=veil
    )
    if job.clock is not None:
        source = AlignedSource(source=source, clock=job.clock, rate=rate, span=span)
        span = Span(start=to_recording(span.start, job.clock), duration=span.duration * (1 + job.clock.drift))
    stream = Stream(
        name=CLEANED,
        modality="eeg",
        unit="V",
        rate=rate,
        channels=tuple(record["channels"]),
        span=span,
        source=source,
        clock=job.stream.clock,
    )
    return replace(recording, streams={**recording.streams, CLEANED: stream})


def _fault(job: _Job, reason: str) -> Fault:
    file = shown(stream_files(job.recording, job.stream)[0], job.stream.source)
    return Fault(
        file=file,
        item=RAW,
        reason=f"cannot be cleaned: {reason.removeprefix(f'{file}: ')}",
        subject=job.recording.subject,
    )


def summary(made: CleanedRecordings) -> dict[str, Any]:
    """What the record of a run says of the cleaning.

    ``steps`` in full, ``reaching`` (the names of those that look at a whole recording), and for each of
    ``recordings`` the ``bad`` channels, the numbers of ``components`` and of those ``removed``, the seconds
    with ``bursts`` that were repaired, and ``notes``: where a step worked outside what it was made for.
    """
    steps = steps_to_json(made.steps)
    return {
        "version": VERSION,
        "scope": "recording",
        "stream": CLEANED,
        "steps": steps,
        "reaching": list(dict.fromkeys(s["step"] for s in steps if s["step"] not in _LOCAL)),
        "recordings": {name: _row(record) for name, record in made.records().items()},
    }


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    components = [c for entry in record["steps"] for c in entry["found"].get("components", ())]
    return {
        "seconds": record["seconds"],
        "bad": list(record["bad"]),
        "components": len(components),
        "removed": sum(bool(c["removed"]) for c in components),
        "burst_seconds": sum(
            e["found"].get("seconds", 0.0) for e in record["steps"] if e["step"] == "burst_repair"
        ),
        "notes": [f"{entry['step']}: {note}" for entry in record["steps"] for note in entry["notes"]],
    }


def write_pages(made: CleanedRecordings, folder: Path) -> Path:
    """Write ``<recording>.html`` for each recording, and ``cleaning.json`` with all their records."""
    for name, kept in made.folders.items():
        write_whole(folder / f"{name}.html", (kept / PAGE).read_bytes())
    return write_json(folder / RECORD, made.records())
