"""A trained model on a new recording."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import batches, features, models, train
from mien.batches import Scaler, Table
from mien.core import Batch, Features, InputError, MienError, Recording, Signal, write_whole
from mien.datasets import Fault
from mien.datasets._seed_layout import EEG_RATE
from mien.features._eeg import BANDS
from mien.run import cuts
from mien.run.config import FeaturePart
from mien.run.luminance import without_light
from mien.run.prepare import clean_for, dropped_clip, dropped_file, load_dataset, load_raw, spec_of
from mien.run.recording import adapted, is_recording
from mien.run.store import Store
from mien.signal.cleaning import steps_from_json

Streams = tuple[str, ...]
Answer = Callable[[Batch, Streams], tuple[Streams, NDArray[np.floating]]]
"""From samples that have the same streams, and these, to the streams that were used and probabilities."""

_META = (
    *("model", "recipe", "config", "classes", "streams", "features", "axes", "normalise", "temperature"),
    *("n_trials", "n_subjects", "dataset"),
)
"""What ``model.json`` of a run must say."""
_MADE_UP = "the model has seen made-up data only: its output says nothing about people"
_SHIPPED_BY_RELEASED = ("seed", "seed_iv", "seed_v", "seed_vii")
"""Data sets whose shipped EEG features the recipe ``released`` makes anew."""
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

    folder = _checkpoint(Path(run))
    state, meta = train.load_weights(folder)
    missing = [key for key in _META if key not in meta]
    if missing:
        raise InputError(
            f"lacks {', '.join(missing)}", file=folder / "model.json", remedy="run the study again"
        )
    alone = is_recording(recording)
    if page is not None and not alone:
        raise InputError("a page is made of one recording", file=recording, expected="a recording, no folder")
    make = _network if models.kind(meta["model"]) == "network" else _estimators
    model = make(folder, state, meta)
    with _given(recording, meta) as given:
        made, unusable = _features(given.recordings, given.meta, state)
    faults = [*given.faults, *unusable]
    if not made:
        raise InputError(
            f"no clip could be used: {faults[0]['reason']}"
            if faults
            else "none of the streams that the model knows",
            file=recording,
            expected=None if faults else " or ".join(meta["streams"]),
        )
    table, notes = _table(made, given.recordings, meta)
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
        result["warnings"] = [*made_up, *given.warnings, *_strange(table, meta, state)]
        result["notes"] = [note for note in notes if note != _MADE_UP]
    if page is not None:
        _write_page(page, windows, meta, Path(run), given, result)
    return result


@dataclass(frozen=True, kw_only=True, eq=False)
class _Given:
    """What a prediction is made of.

    ``meta`` is the model's, with the features that are computed; ``warnings`` and ``facts`` tell what was
    done to one recording.
    """

    recordings: Sequence[Recording]
    faults: Sequence[dict[str, Any]]
    meta: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@contextmanager
def _given(recording: str | Path, meta: Mapping[str, Any]) -> Iterator[_Given]:
    """The recordings of a folder, or one recording made fit for the model; they live as long as this."""
    if not is_recording(recording):
        with TemporaryDirectory(prefix="mien-") as folder:
            recordings, found = _folder(recording, meta, Path(folder))
            if meta.get("samples", {}).get("of") == "event":
                recordings = _events(recordings, meta, recording)
            faults = [dropped_file(f, recording) for f in found if f.severity == "left out"]
            yield _Given(recordings=recordings, faults=faults, meta=meta)
        return
    if meta.get("samples", {}).get("of") == "event":
        raise InputError(
            "the model tells coded events apart, and one recording has none",
            file=recording,
            expected=f"a folder in the layout of {meta['dataset']} with its coding",
        )
    stream, part, warnings = _eeg_of(meta)
    spec = spec_of(stream, part).resolved()
    bands = spec.options.get("bands", BANDS)
    with adapted(
        recording,
        channels=tuple(dict(meta["axes"][stream])["channel"]),
        rate=EEG_RATE,
        top=max(high for _, high in bands.values()),
        stream=str(spec.stream),
        dataset=meta["dataset"],
        cleaning=meta.get("cleaning") or (),
    ) as one:
        yield _Given(
            recordings=[one.recording],
            faults=[],
            meta={**meta, "streams": [stream], "features": {stream: part.model_dump(mode="json")}},
            warnings=(*one.warnings, *warnings),
            facts=(*one.facts, ("Features", f"{part.name}, recipe {part.recipe}")),
        )


def _events(recordings: Sequence[Recording], meta: Mapping[str, Any], root: str | Path) -> list[Recording]:
    """The recordings with their events in place of trials, of the kinds that the model was trained on."""
    kinds = meta["samples"]["kinds"] or {e.kind for r in recordings for e in r.events}
    cut = [cuts.by_event(recording, kinds) for recording in recordings]
    if not any(r.trials for r in cut):
        raise InputError("has no coded event", file=root, expected=" or ".join(sorted(kinds)))
    return cut


def _folder(
    root: str | Path, meta: Mapping[str, Any], store: Path
) -> tuple[Sequence[Recording], Sequence[Fault]]:
    """The recordings of a data set, cleaned as those that the model was trained on, and what was left out."""
    if not meta.get("cleaning"):
        return load_dataset(meta["dataset"], root)
    recordings, found = load_raw(meta["dataset"], root)
    specs = [spec_of(s, FeaturePart.model_validate(meta["features"][s])) for s in meta["streams"]]
    steps = steps_from_json(meta["cleaning"])
    cleaned = clean_for(specs, recordings, steps, Store(store), root=root, workers=1, tell=lambda *_: None)
    return cleaned.recordings, [*found, *cleaned.faults]


def _eeg_of(meta: Mapping[str, Any]) -> tuple[str, FeaturePart, tuple[str, ...]]:
    """The model's stream of EEG features of single channels, how they are made from EEG, and a warning."""
    for stream in meta["streams"]:
        part = FeaturePart.model_validate(meta["features"][stream])
        own = features.info(part.name).modality
        if "channel" not in dict(meta["axes"][stream]) or own not in ("eeg", "any"):
            continue
        if own == "eeg":
            return stream, part, ()
        variant = part.options.get("variant", "de_lds")
        if meta["dataset"] not in _SHIPPED_BY_RELEASED:
            raise InputError(
                f"the model learnt from the {stream} features that come with {meta['dataset']}, and no "
                "recipe is known that makes the same from EEG",
                remedy="train a model on features that are computed, for example eeg = 'de_lds'",
            )
        made = FeaturePart(name=variant, recipe="released")
        warning = (
            f"the model learnt from the features that come with the data set; here {variant!r} in the recipe "
            "'released' takes their place"
        )
        return stream, made, (warning,)
    raise InputError(
        f"the model knows {' and '.join(meta['streams'])}, and no features of single EEG channels",
        expected="a model that was trained on EEG",
        remedy="give a folder in the layout of its data set",
    )


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
    given: _Given,
    result: Mapping[str, Any],
) -> None:
    from mien.report.timeline import Timeline, write_timeline

    trained = f"{meta['model']}, run {run.resolve().name}, {meta['n_trials']} trials of {meta['dataset']}"
    write_timeline(
        page,
        Timeline(
            title=given.recordings[0].id,
            classes=tuple(meta["classes"]),
            start=windows["start"].to_numpy(float),
            duration=windows["duration"].to_numpy(float),
            probabilities=windows[list(meta["classes"])].to_numpy(float),
            warnings=tuple(result["warnings"]),
            notes=tuple(result["notes"]),
            facts=(*given.facts, ("Scaled by", meta["normalise"]), ("Model", trained)),
        ),
    )


def _checkpoint(run: Path) -> Path:
    if run.is_file():
        train.load_weights(run)  # says why a file, a pickle above all, is refused
    folders = sorted(p for p in (run / "checkpoints").glob("*") if p.is_dir())
    if not folders:
        raise InputError(
            "has no trained model under checkpoints",
            file=run,
            expected="a finished run whose model is a network, or an estimator with state_dict()",
            remedy="finish the run with: mien run STUDY.toml",
        )
    return folders[0]


def _network(folder: Path, state: Mapping[str, Any], meta: Mapping[str, Any]) -> Answer:
    network = models.create(meta["model"], recipe=meta["recipe"], **meta["config"])
    weights = {k.removeprefix("network/"): v for k, v in state.items() if k.startswith("network/")}
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    if {k: tuple(v.shape) for k, v in weights.items()} != shapes:
        raise _unfit(folder)
    network.load_state_dict(weights)
    network.eval()

    def answer(batch: Batch, have: Streams) -> tuple[Streams, NDArray[np.floating]]:
        temperature = meta["temperature"].get("+".join(have), 1.0)
        return have, train.predict(network, batch, streams=have, temperature=temperature)

    return answer


def _estimators(folder: Path, state: Mapping[str, Any], meta: Mapping[str, Any]) -> Answer:
    size = {s: int(np.prod([len(labels) for _, labels in meta["axes"][s]])) for s in meta["streams"]}
    arrays: dict[Streams, dict[str, NDArray[Any]]] = {}
    for key, value in state.items():
        kind, _, rest = key.partition("/")
        if kind == "estimator":
            name, _, array = rest.partition("/")
            arrays.setdefault(tuple(name.split("+")), {})[array] = np.asarray(value)
    fitted: dict[Streams, Any] = {}
    for streams, learnt in arrays.items():
        model = models.create(meta["model"], recipe=meta["recipe"], **meta["config"])
        try:
            fitted[streams] = model.load_state_dict(learnt, sizes={s: size[s] for s in streams})
        except (InputError, KeyError):
            raise _unfit(folder) from None
    if {s for streams in fitted for s in streams} != set(meta["streams"]):
        raise _unfit(folder)

    def answer(batch: Batch, have: Streams) -> tuple[Streams, NDArray[np.floating]]:
        streams = _nearest(list(fitted), have)
        inputs, present = ({s: of[s] for s in streams} for of in (batch.inputs, batch.present))
        probability = fitted[streams].predict_proba(replace(batch, inputs=inputs, present=present))
        return tuple(s for s in streams if s in have), probability

    return answer


def _nearest(fitted: Sequence[Streams], have: Streams) -> Streams:
    """The set of streams whose estimator is asked: the largest that is all there, else (what is absent counts
    as zero, which scaling makes the mean) the one with most streams there."""
    inside = [s for s in fitted if set(s) <= set(have)]
    return max(inside or fitted, key=lambda s: len(set(s) & set(have)))


def _unfit(folder: Path) -> InputError:
    return InputError(
        "does not fit the model that model.json describes",
        file=folder / "weights.safetensors",
        remedy="copy both from the same run",
    )


def _features(
    recordings: Sequence[Recording], meta: Mapping[str, Any], state: Mapping[str, Any]
) -> tuple[dict[tuple[str, str], Features], list[dict[str, Any]]]:
    """Features of every clip and stream, and the clips that could not be used."""
    made: dict[tuple[str, str], Features] = {}
    faults = []
    for stream in meta["streams"]:
        spec = spec_of(stream, FeaturePart.model_validate(meta["features"][stream])).resolved()
        expected = {k: tuple(v) for k, v in meta["axes"][stream] if k != "window"}
        for recording in recordings:
            source = recording.streams.get(str(spec.stream))
            for trial in recording.trials if source is not None else ():
                if source is None or not cuts.recorded(source, spec.cut, trial):
                    continue
                try:
                    signal = cuts.read(source, spec.cut, trial)
                    if isinstance(signal, Signal):
                        signal = without_light(
                            signal,
                            stimulus=trial.stimulus,
                            stream=stream,
                            about=meta.get("luminance", {}),
                            state=state,
                        )
                    found = features.compute(spec.name, signal, recipe=spec.recipe, **spec.options)
                    if {k: v for k, v in found.axes.items() if k != "window"} != expected:
                        raise InputError(
                            f"the {stream} features have other axes than those the model was trained on",
                            expected=", ".join(f"{len(v)} {k}" for k, v in expected.items()),
                        )
                    made[stream, trial.id] = found
                except MienError as fault:
                    faults.append(dropped_clip(stream, trial, str(fault)))
    return made, faults


def _table(
    made: Mapping[tuple[str, str], Features], recordings: Sequence[Recording], meta: Mapping[str, Any]
) -> tuple[Table, list[str]]:
    there = [s for s in meta["streams"] if any(key[0] == s for key in made)]
    notes = [f"no {s} in this recording: predicted without it" for s in meta["streams"] if s not in there]
    trials = [t for r in recordings for t in r.trials]
    what = meta.get("samples", {}).get("of", "window")
    pair = batches.pair_events if what == "event" else batches.pair
    table, dropped = pair(made, trials, streams=there, classes=(), label="-")
    missing = sum(d["count"] for d in dropped)
    if missing:
        notes.append(f"{missing} {what}s could not be used")
    if not len(table):
        raise InputError(f"no {what} of any clip can be used")
    size = {s: int(np.prod([len(v) for _, v in meta["axes"][s]])) for s in meta["streams"]}
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
