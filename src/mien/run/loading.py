"""Recordings of a data set, on one clock and cleaned where that is asked for."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mien import datasets
from mien.core import InputError, Recording
from mien.datasets import DatasetWarning, Fault
from mien.run.cleaning import CLEANED, RAW, CleanedRecordings, clean_recordings
from mien.run.clocks import align_all, markers_to_json
from mien.run.config import Study
from mien.run.extract import FeatureSpec
from mien.run.store import Store
from mien.signal.cleaning import Step

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, text)."""


def load_of(plan: Study) -> tuple[list[Recording], list[Fault], dict[str, Any]]:
    """The aligned recordings of a study's data set, restricted to its subjects, what was left out, and how
    the markers of the devices of each recording go together."""
    options = dict(plan.data.options)
    if plan.data.subjects is not None:
        options["subjects"] = list(plan.data.subjects)
    if plan.clean is not None:
        options = raw_option(plan.data.name) | options
    recordings, faults = read_dataset(plan.data.name, plan.data.root, **options)
    aligned, unaligned = align_all(recordings)
    return aligned, [*faults, *unaligned], markers_to_json(recordings)


def load_dataset(name: str, root: str | Path, **options: Any) -> tuple[list[Recording], list[Fault]]:
    """:func:`read_dataset`, aligned."""
    recordings, faults = read_dataset(name, root, **options)
    recordings, unaligned = align_all(recordings)
    return recordings, [*faults, *unaligned]


def read_dataset(name: str, root: str | Path, **options: Any) -> tuple[list[Recording], list[Fault]]:
    """What :func:`mien.datasets.load` gives, each device on its own clock, and what was left out; warnings
    are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recordings = datasets.load(name, root, **options)
    faults: list[Fault] = []
    for one in caught:
        if isinstance(one.message, DatasetWarning):
            faults += one.message.faults
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return recordings, faults


def load_raw(name: str, root: str | Path, **options: Any) -> tuple[list[Recording], list[Fault]]:
    """As :func:`load_dataset`, but the raw recordings of a data set that has preprocessed ones as well."""
    return load_dataset(name, root, **raw_option(name) | options)


def raw_option(name: str) -> dict[str, Any]:
    """What asks a data set for its raw recordings; nothing where it has no others."""
    known = inspect.signature(datasets.registry.get(name).load).parameters
    return {"raw": True} if "raw" in known else {}


def refuse_raw_only(
    specs: Iterable[FeatureSpec], recordings: Iterable[Recording], *, root: str | Path, remedy: str
) -> None:
    """Features of ``eeg`` cannot be made where there is ``raw_eeg`` alone."""
    there = {name for r in recordings for name in r.streams}
    for spec in specs:
        if spec.resolved().stream == CLEANED and CLEANED not in there and RAW in there:
            raise InputError(
                f"{spec.name} reads the stream {CLEANED!r}, and the recordings are raw: they have {RAW!r}",
                file=root,
                remedy=remedy,
            )


def clean_for(
    specs: Sequence[FeatureSpec],
    recordings: Sequence[Recording],
    steps: Sequence[Step],
    store: Store,
    *,
    root: str | Path,
    workers: int,
    tell: Progress,
) -> CleanedRecordings:
    """Cleaned recordings for features of which one at least reads what is cleaned."""
    streams = [spec.resolved().stream for spec in specs]
    if CLEANED not in streams:
        raise InputError(
            f"no feature reads the cleaned EEG; they read {', '.join(map(str, streams))}",
            expected=f'a feature of the stream {CLEANED!r}, for example eeg = "de_lds"',
            remedy="leave the cleaning out",
        )
    return clean_recordings(
        recordings,
        steps,
        store,
        simulated=(Path(root) / "truth.json").exists(),
        workers=workers,
        progress=lambda done, total, text: tell("cleaning", done, total, text),
    )
