"""A trained model on a new recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import batches, features
from mien.batches import Scaler, Table
from mien.core import Features, InputError, MienError, Recording, Signal, write_whole
from mien.run import cuts
from mien.run.checkpoint import Answer, open_checkpoint
from mien.run.config import FeaturePart
from mien.run.dropped import dropped_clip
from mien.run.extract import compute_from
from mien.run.fold_values import without_light
from mien.run.given import Given, given
from mien.run.prepare import spec_of
from mien.run.recording import is_recording
from mien.run.trials import Made, OfTrials, expressions, of_expressions

_MADE_UP = "the model has seen made-up data only: its output says nothing about people"
_FAR, _MANY = 4.0, 0.05
"""Standard deviations beyond which a feature is far out (of normal values one in 16,000), and the share of
such values that is worth a warning."""


def predict_recording(
    recording: str | Path, *, run: str | Path, out: str | Path | None = None, page: str | Path | None = None
) -> dict[str, Any]:
    """Class probabilities of every window and trial of a recording.

    Parameters
    ----------
    recording
        Folder in the layout of the data set that the model was trained on, whose labels are not looked at; or
        one EEG recording (EDF, BDF, Neuroscan ``.cnt``), taken as one trial. Its channels are found by their
        10-10 names and its rate is changed to that of the training data, see docs/real_recordings.md.
    run
        Run folder; its model under ``checkpoints`` was fitted on all trials of the study, so that
        cross-validated scores do not describe it exactly.
    out
        CSV file to write: one row per window with the probability of each class.
    page
        HTML file to write, for one recording: its timeline with what was done to it.

    Returns
    -------
    dict
        ``trials`` (a row each: trial, modalities, n_windows, class, probability, probabilities), ``notes``,
        and ``faults``: files and clips that could not be used and were left out, as rows of ``dropped.csv``.
        For one recording also ``warnings``: what must be known before the answer is believed.

    Raises
    ------
    InputError
        There is no usable model, no clip could be used, or the recording does not fit the model.
    """
    import pandas as pd

    model, state, meta = open_checkpoint(Path(run))
    alone = is_recording(recording)
    if page is not None and not alone:
        raise InputError("a page is made of one recording", file=recording, expected="a recording, no folder")
    with given(recording, meta) as asked:
        made, unusable = _features(asked.recordings, asked.meta, state)
    faults = [*asked.faults, *unusable]
    if not made:
        raise InputError(
            f"no clip could be used: {faults[0]['reason']}"
            if faults
            else "none of the streams that the model knows",
            file=recording,
            expected=None if faults else " or ".join(meta["streams"]),
        )
    table, notes = _table(made, asked.recordings, meta)
    patterns, probability = _predict(table, meta, state, model)
    windows = pd.DataFrame(
        {
            "trial": [s.trial for s in table.samples],
            "subject": [s.subject for s in table.samples],
            "start": [s.start for s in table.samples],
            "duration": [s.duration for s in table.samples],
            "modalities": patterns,
            **{word: probability[:, i] for i, word in enumerate(meta["classes"])},
        }
    )
    if out is not None:
        write_whole(out, windows.to_csv(index=False, lineterminator="\n").encode())
    notes = [*_notes(Path(run), meta, alone=alone), *notes]
    result: dict[str, Any] = {"trials": _trials(windows, meta["classes"]), "notes": notes, "faults": faults}
    if alone:
        made_up = [_MADE_UP] if _MADE_UP in notes else []
        result["warnings"] = [*made_up, *asked.warnings, *_strange(table, meta, state)]
        result["notes"] = [note for note in notes if note != _MADE_UP]
    if page is not None:
        _write_page(page, windows, meta, Path(run), asked, result)
    return result


def _strange(table: Table, meta: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """A warning if the features lie far from those that the model was trained on."""
    if meta["normalise"] == "subject":
        return []
    scaler = _scaler(table, meta, state)
    (stream,) = (s for s in meta["streams"] if table.present[s].any())
    scaled = scaler.apply(stream, table.inputs[stream], table.subjects)[table.present[stream]]
    far = float(np.mean(np.abs(scaled) > _FAR))
    if far < _MANY:
        return []
    return [
        f"{far:.0%} of the feature values lie more than {_FAR:g} standard deviations from the training mean: "
        "the model was not made for such a recording"
    ]


def _write_page(
    page: str | Path,
    windows: Any,
    meta: Mapping[str, Any],
    run: Path,
    asked: Given,
    result: Mapping[str, Any],
) -> None:
    from mien.report.timeline import Timeline, write_timeline

    trained = f"{meta['model']}, run {run.resolve().name}, {meta['n_trials']} trials of {meta['dataset']}"
    write_timeline(
        page,
        Timeline(
            title=asked.recordings[0].id,
            classes=tuple(meta["classes"]),
            start=windows["start"].to_numpy(float),
            duration=windows["duration"].to_numpy(float),
            probabilities=windows[list(meta["classes"])].to_numpy(float),
            warnings=tuple(result["warnings"]),
            notes=tuple(result["notes"]),
            facts=(*asked.facts, ("Scaled by", meta["normalise"]), ("Model", trained)),
        ),
    )


def _features(
    recordings: Sequence[Recording], meta: Mapping[str, Any], state: Mapping[str, Any]
) -> tuple[Made, list[dict[str, Any]]]:
    """Features of every clip and stream, and the clips that could not be used."""
    samples = meta.get("samples", {})
    whole = samples.get("of") == "trial"
    events = expressions(recordings, samples.get("kinds")) if whole else []
    made: dict[tuple[str, str], Features] = {}
    by_event: dict[tuple[str, str], Features] = {}
    faults = []
    for stream in meta["streams"]:
        spec = spec_of(stream, FeaturePart.model_validate(meta["features"][stream])).resolved()
        reads = features.reads(spec.name)
        expected = {k: tuple(v) for k, v in meta["axes"][stream] if k != "window"}
        averaged = whole and of_expressions(spec.name)
        target = by_event if averaged else made
        for recording in events if averaged else recordings:
            source = recording.streams.get(str(spec.stream))
            for trial in recording.trials if source is not None else ():
                if source is None or not cuts.recorded(source, spec.cut, trial, reads=reads):
                    continue
                try:
                    signal = cuts.read(source, spec.cut, trial, reads=reads)
                    if isinstance(signal, Signal):
                        signal = without_light(
                            signal,
                            stimulus=trial.stimulus,
                            stream=stream,
                            about=meta.get("luminance", {}),
                            state=state,
                        )
                    found = compute_from(spec, signal)
                    if {k: v for k, v in found.axes.items() if k != "window"} != expected:
                        raise InputError(
                            f"the {stream} features have other axes than those the model was trained on",
                            expected=", ".join(f"{len(v)} {k}" for k, v in expected.items()),
                        )
                    target[stream, trial.id] = found
                except MienError as fault:
                    faults.append(dropped_clip(stream, trial, str(fault)))
    of_trials = OfTrials(made, by_event, events)
    faults += [dropped_clip(stream, piece, "not valid") for stream, piece in of_trials.unusable]
    return of_trials, faults


def _table(made: Made, recordings: Sequence[Recording], meta: Mapping[str, Any]) -> tuple[Table, list[str]]:
    there = [s for s in meta["streams"] if any(key[0] == s for key in made)]
    notes = [f"no {s} in this recording: predicted without it" for s in meta["streams"] if s not in there]
    trials = [t for r in recordings for t in r.trials]
    what = meta.get("samples", {}).get("of", "window")
    pair = batches.pair if what == "window" else batches.pair_events
    table, dropped = pair(made, trials, streams=there, classes=(), label="-")
    missing = sum(d["count"] for d in dropped)
    if missing:
        notes.append(f"{missing} {what}s could not be used")
    if not len(table):
        raise InputError(f"no {what} of any clip can be used")
    size = {s: int(np.prod([len(v) for _, v in meta["axes"][s]])) for s in meta["streams"]}
    for stream in there:
        if table.inputs[stream].shape[1] != size[stream]:
            raise _other_length(stream, table.axes[stream], dict(meta["axes"][stream]), what)
    full = Table(
        samples=table.samples,
        inputs={
            s: table.inputs[s] if s in there else np.full((len(table), size[s]), np.nan, np.float32)
            for s in meta["streams"]
        },
        present={s: table.present[s] if s in there else np.zeros(len(table), bool) for s in meta["streams"]},
        axes={s: {k: tuple(v) for k, v in meta["axes"][s]} for s in meta["streams"]},
        intensity=table.intensity,
    )
    return full, notes


def _other_length(
    stream: str, found: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]], what: str
) -> InputError:
    """That samples of several windows have not as many as the model learnt from."""
    here, there = (len(axes.get("window", ("0",))) for axes in (found, known))
    return InputError(
        f"{here} windows of {stream} a {what}, and the model learnt from {there}",
        expected=f"{what}s as long as those that it was trained on",
        remedy='train a model with a cut of one length, for example cut = "end:40"',
    )


def _predict(
    table: Table, meta: Mapping[str, Any], state: Mapping[str, Any], answer: Answer
) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """Names of the streams that were used and class probabilities, window by window."""
    scaler = _scaler(table, meta, state)
    streams = meta["streams"]
    have = np.array(["+".join(s for s in streams if table.present[s][i]) for i in range(len(table))])
    used = have.astype(object)
    probability = np.empty((len(table), len(meta["classes"])), dtype=np.float32)
    for pattern in np.unique(have):
        rows = np.flatnonzero(have == pattern)
        batch = batches.make_batch(table, rows, scaler=scaler, streams=streams)
        which, probability[rows] = answer(batch, tuple(pattern.split("+")))
        used[rows] = "+".join(which)
    return used, probability


def _scaler(table: Table, meta: Mapping[str, Any], state: Mapping[str, Any]) -> Scaler:
    if meta["normalise"] == "subject":
        return batches.fit_scaler(table, np.arange(len(table)), mode="subject")
    arrays = {k.removeprefix("scaler/"): np.asarray(v) for k, v in state.items() if k.startswith("scaler/")}
    return Scaler.from_arrays("train", arrays)


def _trials(windows: Any, classes: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for trial, own in windows.groupby("trial", sort=False):
        mean = own[list(classes)].mean().to_numpy()
        rows.append(
            {
                "trial": str(trial),
                "modalities": "+".join(dict.fromkeys("+".join(own["modalities"]).split("+"))),
                "n_windows": len(own),
                "class": classes[int(mean.argmax())],
                "probability": round(float(mean.max()), 6),
                "probabilities": {word: round(float(p), 6) for word, p in zip(classes, mean, strict=True)},
            }
        )
    return rows


def _notes(run: Path, meta: Mapping[str, Any], *, alone: bool) -> list[str]:
    notes = [
        f"the model was fitted on all {meta['n_trials']} trials of {meta['n_subjects']} subjects; "
        "cross-validated scores do not describe it exactly"
    ]
    record = run / "record.json"
    if record.exists() and json.loads(record.read_bytes())["dataset"].get("simulated"):
        notes.append(_MADE_UP)
    if meta.get("luminance"):
        notes.append(
            "light is taken off the pupils in clips that the model has learnt from; in others it is left in"
        )
    if meta["normalise"] == "subject":
        notes.append(
            "features are scaled by the recording's own mean and spread: "
            + ("one of a single mood is centred on itself" if alone else "give as many trials as there are")
        )
    return notes
