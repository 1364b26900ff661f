"""A trained model on a new recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien import batches, datasets, models, train
from mien.batches import Scaler, Table
from mien.core import InputError, Recording
from mien.run.config import FeaturePart
from mien.run.extract import FeatureSpec

_META = (
    *("model", "recipe", "config", "classes", "streams", "features", "axes", "normalise", "temperature"),
    *("n_trials", "n_subjects", "dataset"),
)
"""What ``model.json`` of a run must say."""


def predict_recording(
    recording: str | Path, *, run: str | Path, out: str | Path | None = None
) -> dict[str, Any]:
    """Class probabilities of every window and trial of a recording.

    Parameters
    ----------
    recording
        Folder in the layout of the data set that the model was trained on; its labels are not looked at.
    run
        Run folder; its model under ``checkpoints`` was fitted on all trials of the study, so that
        cross-validated scores do not describe it exactly.
    out
        CSV file to write: one row per window with the probability of each class.

    Returns
    -------
    dict
        ``trials`` (a row each: trial, modalities, n_windows, class, probability, probabilities), ``notes``.
    """
    import pandas as pd

    folder = _checkpoint(Path(run))
    state, meta = train.load_weights(folder)
    network = _network(folder, state, meta)
    recordings = datasets.load(meta["dataset"], recording)
    table, notes = _table(recordings, meta)
    scaler = _scaler(table, meta, state)
    batch = batches.make_batch(table, np.arange(len(table)), scaler=scaler, streams=meta["streams"])
    patterns = np.array(
        ["+".join(s for s in meta["streams"] if table.present[s][i]) for i in range(len(table))]
    )
    probability = np.empty((len(table), len(meta["classes"])), dtype=np.float32)
    for pattern in np.unique(patterns):
        rows = np.flatnonzero(patterns == pattern)
        here = batches.make_batch(table, rows, scaler=scaler, streams=meta["streams"])
        temperature = meta["temperature"].get(pattern, 1.0)
        probability[rows] = train.predict(network, here, streams=pattern.split("+"), temperature=temperature)
    assert len(batch) == len(table)
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
        from mien.run.files import write_bytes

        write_bytes(Path(out), windows.to_csv(index=False, lineterminator="\n").encode())
    return {"trials": _trials(windows, meta["classes"]), "notes": [*_notes(Path(run), meta), *notes]}


def _checkpoint(run: Path) -> Path:
    if run.is_file():
        train.load_weights(run)  # says why a file, a pickle above all, is refused
    folders = sorted(p for p in (run / "checkpoints").glob("*") if p.is_dir())
    if not folders:
        raise InputError(
            "has no trained model under checkpoints",
            file=run,
            remedy="finish the run with: mien run STUDY.toml",
        )
    return folders[0]


def _network(folder: Path, state: Mapping[str, Any], meta: Mapping[str, Any]) -> Any:
    missing = [key for key in _META if key not in meta]
    if missing:
        raise InputError(
            f"lacks {', '.join(missing)}", file=folder / "model.json", remedy="run the study again"
        )
    network = models.create(meta["model"], recipe=meta["recipe"], **meta["config"])
    weights = {k.removeprefix("network/"): v for k, v in state.items() if k.startswith("network/")}
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    if {k: tuple(v.shape) for k, v in weights.items()} != shapes:
        raise InputError(
            "does not fit the model that model.json describes",
            file=folder / "weights.safetensors",
            remedy="copy both from the same run",
        )
    network.load_state_dict(weights)
    return network.eval()


def _table(recordings: Sequence[Recording], meta: Mapping[str, Any]) -> tuple[Table, list[str]]:
    from mien import features

    made, notes = {}, []
    for stream in meta["streams"]:
        part = FeaturePart.model_validate(meta["features"][stream])
        spec = FeatureSpec(
            modality=stream, name=part.name, recipe=part.recipe, options=part.options, stream=part.stream
        ).resolved()
        for r in recordings:
            source = r.streams.get(str(spec.stream))
            for trial in r.trials if source is not None else ():
                if source is not None and source.covers(trial.span):
                    signal = source.read(trial.span)
                    made[stream, trial.id] = features.compute(
                        spec.name, signal, recipe=spec.recipe, **spec.options
                    )
        if not any(key[0] == stream for key in made):
            notes.append(f"no {stream} in this recording: predicted without it")
    there = [s for s in meta["streams"] if any(key[0] == s for key in made)]
    if not there:
        raise InputError("none of the streams that the model knows", expected=" or ".join(meta["streams"]))
    trials = [t for r in recordings for t in r.trials]
    table, dropped = batches.pair(made, trials, streams=there, classes=(), label="-")
    for stream in there:
        expected = {k: tuple(v) for k, v in meta["axes"][stream]}
        if dict(table.axes[stream]) != expected:
            raise InputError(
                f"the {stream} features have other axes than those the model was trained on",
                expected=", ".join(f"{len(v)} {k}" for k, v in expected.items()),
            )
    missing = sum(d["count"] for d in dropped)
    if missing:
        notes.append(f"{missing} windows could not be used")
    absent = {s: np.zeros(len(table), bool) for s in meta["streams"] if s not in there}
    empty = {
        s: np.full((len(table), int(np.prod([len(v) for _, v in meta["axes"][s]]))), np.nan, np.float32)
        for s in absent
    }
    full = Table(
        samples=table.samples,
        inputs={s: table.inputs[s] if s in there else empty[s] for s in meta["streams"]},
        present={s: table.present[s] if s in there else absent[s] for s in meta["streams"]},
        axes=table.axes,
        intensity=table.intensity,
    )
    return full, notes


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


def _notes(run: Path, meta: Mapping[str, Any]) -> list[str]:
    notes = [
        f"the model was fitted on all {meta['n_trials']} trials of {meta['n_subjects']} subjects; "
        "cross-validated scores do not describe it exactly"
    ]
    record = run / "record.json"
    if record.exists() and json.loads(record.read_bytes())["dataset"].get("simulated"):
        notes.append("the model has seen made-up data only: its output says nothing about people")
    if meta["normalise"] == "subject":
        notes.append(
            "features are scaled by the recording's own mean and spread: give as many trials as there are"
        )
    return notes
