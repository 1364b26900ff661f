"""Features without a study: arrays for other programs, and ours beside the shipped ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien import features
from mien.core import Features, InputError, Recording, UnknownNameError, natural_key, normalise_name
from mien.run.cleaning import RAW, write_pages
from mien.run.events import choose_events
from mien.run.extract import FeatureSpec, extract
from mien.run.files import write_npz, write_parquet
from mien.run.loading import clean_for, load_dataset, load_raw, refuse_raw_only
from mien.run.store import Store
from mien.signal.cleaning import Step

Progress = Callable[[str, int, int, str], None]


def write_features(
    name: str,
    root: str | Path,
    out: str | Path,
    *,
    wanted: Sequence[str],
    recipe: str = "corrected",
    compare: bool = False,
    clean: Sequence[Step] | None = None,
    events: bool = False,
    store: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, list[str]]:
    """Extract features of a whole data set and write them as files.

    Parameters
    ----------
    name, root
        Data set and its folder.
    out
        Folder to write to: ``<stream>-<feature>/<subject>.npz`` with one array per trial (windows first),
        and ``windows.parquet`` with the time, subject, stimulus and validity of every window.
    wanted
        ``stream=feature``, for example ``eeg=de_lds``; each stream once. ``raw_eeg=…`` reads raw EEG.
    compare
        Also write ``comparison.html``: our EEG features beside those the data set's authors ship.
    clean
        Steps by which raw EEG is cleaned first; ``cleaning/`` then has a page per recording and
        ``cleaning.json``. None: nothing is cleaned.
    events
        Features of coded events in place of whole trials: of their frames, and of signals around the apex
        (:mod:`mien.run.cuts`).

    Returns
    -------
    dict
        ``written`` and ``faults``, what was left out and why; a line each.
    """
    import pandas as pd

    out, tell = Path(out), progress or (lambda *_: None)
    specs = [_spec(text, recipe) for text in wanted]
    if compare and _comparable(specs) is None:
        raise InputError("--compare needs EEG features", expected="--feature eeg=psd, eeg=de or eeg=de_lds")
    kept = Store(store if store is not None else out / "store")
    recordings, found = (load_dataset if clean is None else load_raw)(name, root)
    if clean is None:
        refuse_raw_only(specs, recordings, root=root, remedy="add --clean, which cleans it first")
    else:
        cleaned = clean_for(specs, recordings, clean, kept, root=root, workers=workers, tell=tell)
        recordings, found = list(cleaned.recordings), [*found, *cleaned.faults]
        write_pages(cleaned, out / "cleaning")
    if events:
        recordings = choose_events(recordings, None, name=name, root=root)
    elif face := [s.name for s in specs if features.reads(s.name) == "clip"]:
        raise InputError(f"{face[0]!r} is made of the frames of coded events", remedy="add --events")
    faults = [str(fault).removesuffix(" (left out)") for fault in found if fault.severity == "left out"]
    made = extract(
        recordings,
        specs,
        kept,
        workers=workers,
        progress=lambda done, total, text: tell("features", done, total, text),
        on_fault=lambda stream, trial, error: faults.append(str(error)),
    )
    if not made:
        why = f"; left out: {faults[0]}" if faults else ""
        raise InputError(
            f"no trial has the streams these features need{why}", file=root, remedy="run mien inspect"
        )
    written, rows = [], []
    for spec in specs:
        folder = out / f"{spec.modality}-{spec.name}"
        for subject in sorted({r.subject for r in recordings}, key=natural_key):
            own = {
                t.id: made[spec.modality, t.id]
                for r in recordings
                for t in r.trials
                if r.subject == subject and (spec.modality, t.id) in made
            }
            if own:
                write_npz(folder / f"{subject}.npz", {trial: f.values for trial, f in own.items()})
        of_spec = [key for key in made if key[0] == spec.modality]
        if of_spec and not any(made[key].n_windows for key in of_spec):
            faults.append(f"{spec.modality} {spec.name}: no trial is as long as one window")
        written.append(f"{spec.modality} {spec.name} ({spec.recipe}): {folder}")
        for r in recordings:
            for t in r.trials:
                if (spec.modality, t.id) in made:
                    rows.append(_window_rows(spec, r, t, made[spec.modality, t.id]))
    write_parquet(out / "windows.parquet", pd.concat(rows, ignore_index=True))
    written.append(f"windows: {out / 'windows.parquet'}")
    if compare:
        written.append(f"ours beside shipped: {_compare(recordings, made, specs, out)}")
    return {"written": written, "faults": faults}


def _spec(text: str, recipe: str) -> FeatureSpec:
    stream, equals, feature = text.partition("=")
    if not equals:
        raise InputError(f"--feature {text!r}", expected="stream=feature, for example eeg=de_lds")
    feature = normalise_name(feature)
    if feature not in features.names():
        raise UnknownNameError("feature", feature, features.names())
    if recipe not in ("corrected", "released"):
        raise UnknownNameError("recipe", recipe, ("corrected", "released"))
    return FeatureSpec(
        modality=stream,
        name=feature,
        recipe="corrected" if feature == "shipped" else recipe,
        stream=RAW if stream == RAW else None,
    )


def _comparable(specs: Sequence[FeatureSpec]) -> FeatureSpec | None:
    """The features of which the data set's authors ship their own."""
    return next((s for s in specs if s.modality == "eeg" and s.name in ("psd", "de", "de_lds")), None)


def _window_rows(spec: FeatureSpec, recording: Recording, trial: Any, made: Features) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            "stream": spec.modality,
            "feature": spec.name,
            "subject": recording.subject,
            "session": recording.session,
            "trial": trial.id,
            "stimulus": trial.stimulus,
            "window": np.arange(made.n_windows),
            "start": made.starts - trial.span.start,
            "duration": made.durations,
            "valid": made.valid,
        }
    )


def _compare(
    recordings: Sequence[Recording],
    made: Mapping[tuple[str, str], Features],
    specs: Sequence[FeatureSpec],
    out: Path,
) -> Path:
    """Our EEG features against the shipped ones of the same kind, subject by subject."""
    from mien import features, report

    eeg = _comparable(specs)
    assert eeg is not None
    pairs: dict[str, tuple[list[Any], list[Any]]] = {}
    bands: Sequence[str] = ()
    for r in recordings:
        stream = r.streams.get(f"shipped_eeg_{eeg.name}")
        if stream is None:
            continue
        for t in r.trials:
            if ("eeg", t.id) in made and stream.covers(t.span):
                ours = made["eeg", t.id]
                theirs = features.compute("shipped", r, modality="eeg", variant=eeg.name, trial=t.id)
                n = min(ours.n_windows, theirs.n_windows)
                bands = ours.axes["band"]
                mine, shipped = pairs.setdefault(r.subject, ([], []))
                mine.append(np.asarray(ours.values[:n]))
                shipped.append(np.asarray(theirs.values[:n]))
    if not pairs:
        raise InputError("no trial has both EEG and shipped EEG features", remedy="leave out --compare")
    joined = {s: (np.concatenate(a), np.concatenate(b)) for s, (a, b) in pairs.items()}
    return report.compare_features(
        joined,
        out / "comparison.html",
        bands=bands,
        title=f"{eeg.name}, {eeg.recipe}, beside the shipped features",
    )
