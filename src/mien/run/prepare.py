"""From files to a table: recordings, features, samples, splits, and what was left out."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien import batches, features, protocols
from mien.batches import Table
from mien.core import InputError, Recording, Signal, Trial, write_whole
from mien.run import bags
from mien.run.association import association, moments
from mien.run.cleaning import RAW, summary, write_pages
from mien.run.clip_control import showings
from mien.run.clocks import clocks_to_json
from mien.run.config import FeaturePart, Study
from mien.run.courses import BODY_OPTIONS, PER_SECOND, courses, unit_of
from mien.run.cuts import by_trial
from mien.run.dropped import dropped_clip, dropped_file, filled_values, write_dropped
from mien.run.events import choose_events, events_frame
from mien.run.extract import FeatureSpec, extract, settle
from mien.run.files import write_json, write_parquet
from mien.run.labels import is_nominal, labelled
from mien.run.loading import Progress, clean_for, load_of, refuse_raw_only
from mien.run.luminance import prepare_folds
from mien.run.packed import on_disk, save_table
from mien.run.samples_frame import samples_frame
from mien.run.selection import select
from mien.run.store import Store
from mien.run.trials import Made, OfTrials, of_expressions
from mien.run.truth import read_truth

_CLEAN_OR_RAW = f'add [clean] with steps = "default" to the study, or name the stream: stream = "{RAW}"'


def prepare(out: Path, plan: Study, *, store: Path, workers: int, tell: Progress) -> None:
    """Samples, features, splits: everything the fits need, in ``.work`` and the run folder."""
    work = out / ".work"
    if (work / "ready").exists():
        return
    shutil.rmtree(work, ignore_errors=True)
    recordings, faults, markers = load_of(plan)
    specs = [spec_of(s, plan.features[s]) for s in plan.streams]
    if plan.clean is None:
        refuse_raw_only(specs, recordings, root=plan.data.root, remedy=_CLEAN_OR_RAW)
    else:
        cleaned = clean_for(
            specs,
            recordings,
            plan.clean.parsed,
            Store(store),
            root=plan.data.root,
            workers=workers,
            tell=tell,
        )
        recordings, faults = list(cleaned.recordings), [*faults, *cleaned.faults]
        write_pages(cleaned, out / "cleaning")
        write_json(work / "cleaning.json", summary(cleaned))
    uncut = recordings
    if plan.samples.of == "trial":
        recordings = [by_trial(recording) for recording in recordings]
    if plan.samples.of == "event":
        recordings = choose_events(recordings, plan.samples.kinds, name=plan.data.name, root=plan.data.root)
    _warn_of_bands(specs, recordings)
    _associate(out, plan, uncut, workers=workers, tell=tell)
    dropped = [dropped_file(fault, plan.data.root) for fault in faults if fault.severity == "left out"]
    policy = plan.label_policy
    if policy is not None and (plan.policy is not None or not is_nominal(recordings, plan.label)):
        recordings, unlabelled, told = labelled(recordings, policy)
        dropped += unlabelled
        write_json(work / "labels.json", told)
    made, unusable = extract_features(plan, recordings, store, workers=workers, tell=tell)
    used = made.used if isinstance(made, OfTrials) else None
    dropped += unusable
    trials = [t for r in recordings for t in r.trials]
    classes = class_names(trials, plan.label)
    for stream in plan.streams:
        if not any(modality == stream for modality, _ in made):
            raise _unusable(stream, plan, unusable)
    table, missing = _paired(made, trials, plan, classes, recordings, folder=work / "table")
    dropped += [*missing, *filled_values(table)]
    if not len(table):
        raise InputError(
            f"no {plan.samples.of} of any trial can be used", file=plan.data.root, remedy="run mien inspect"
        )
    for stream in plan.streams:
        if not table.present[stream].any():
            raise _unusable(stream, plan, [d for d in missing if d["what"].startswith(f"{stream} of")])
    selected = select(table, plan.selection)
    if not selected.all():
        whole = ", by the range of all the subject's trials" if plan.selection.scale == "subject" else ""
        dropped.append(
            {"what": "training window", "id": "", "subject": "", "count": int((~selected).sum()),
             "reason": f"below the intensity chosen for training{whole} (still tested)"}
        )  # fmt: skip
    splits = [
        (name, seed, split)
        for name in plan.protocol.names
        for seed in plan.seeds
        for split in rule_of(plan, name).splits(table.samples, seed)
    ]
    dropped += prepare_folds(
        work, plan, specs, table, recordings, splits, Store(store), workers=workers, tell=tell
    )
    bags.keep(
        work,
        table=table,
        splits=[s for name, seed, s in splits if (name, seed) == (plan.protocol.names[0], plan.seeds[0])],
        specs=specs,
        recordings=recordings,
        store=Store(store),
        truth=read_truth(plan.data.root),
        faces=plan.report.faces,
    )
    save_table(work / "table", table)
    np.save(work / "selected.npy", selected)
    write_json(work / "classes.json", list(classes))
    write_json(work / _CHOSEN, _chosen_options(specs, recordings))
    write_json(out / "splits.json", protocols.splits_to_json(splits, table.samples))
    write_parquet(out / "samples.parquet", samples_frame(table, recordings, selected, used=used))
    if plan.samples.of == "event":
        write_parquet(out / "events.parquet", events_frame(table, recordings))
    if clocks := clocks_to_json(recordings):
        write_json(out / "clocks.json", clocks)
    if markers:
        write_json(out / "markers.json", markers)
    write_dropped(out / "dropped.csv", dropped)
    write_whole(work / "ready", b"")


def _associate(
    out: Path, plan: Study, recordings: Sequence[Recording], *, workers: int, tell: Progress
) -> None:
    """``association.csv`` and its arrays, where the study asks for them; of recordings with whole trials."""
    part = plan.association
    if part is None:
        return
    tell("association", 0, 1, "around expressions")
    events = moments(recordings, label=part.label or plan.label)
    shown = showings(recordings) if part.control == "clip" else None
    own = (f.options for f in plan.features.values() if f.name in ("body_sequence", "body_windows"))
    body = {k: v for k, v in next(own, {}).items() if k in BODY_OPTIONS}
    made = courses(
        recordings,
        events,
        measures=part.measures,
        window=part.window,
        shown=shown or (),
        regions=part.regions or None,
        body=body,
        workers=workers,
    )
    found = association(
        made,
        events,
        shown=shown,
        units={name: unit_of(name) for name in made},
        window=part.window,
        baseline=part.baseline,
        rate=PER_SECOND,
        n_permutations=part.n_permutations,
        seed=plan.seeds[0],
    )
    found.write(out)
    tell("association", 1, 1, "around expressions")


def _unusable(stream: str, plan: Study, dropped: Sequence[Mapping[str, Any]]) -> InputError:
    """That nothing has features of a stream, with the first reason there is."""
    return InputError(
        f"no trial has usable {stream} features" + (f": {dropped[0]['reason']}" if dropped else ""),
        file=plan.data.root,
        remedy=f"to see what is there: mien inspect {plan.data.name} {plan.data.root}",
    )


def _warn_of_bands(specs: Sequence[FeatureSpec], recordings: Sequence[Recording]) -> None:
    """One warning for each band that earlier filtering has taken out of what a feature reads."""
    told = {
        sentence
        for spec in settle(specs, recordings)
        for band in {r.streams[str(spec.stream)].band for r in recordings if spec.stream in r.streams}
        for sentence in features.out_of_band(spec.name, spec.options, band)
    }
    for sentence in sorted(told):
        warnings.warn(sentence, features.FeatureWarning, stacklevel=2)


def _paired(
    made: Mapping[tuple[str, str], Any],
    trials: Sequence[Trial],
    plan: Study,
    classes: Sequence[str],
    recordings: Sequence[Recording],
    *,
    folder: Path,
) -> tuple[Table, list[dict[str, Any]]]:
    """The samples of a study: windows of trials, laid down in ``folder``, or events."""
    if plan.samples.of != "window":
        return batches.pair_events(made, trials, streams=plan.streams, classes=classes, label=plan.label)
    return batches.pair(
        made,
        trials,
        streams=plan.streams,
        classes=classes,
        label=plan.label,
        intensity=_intensities(recordings),
        allocate=on_disk(folder),
    )


def spec_of(stream: str, part: FeaturePart) -> FeatureSpec:
    """What a study asks of one stream, as the extractor wants it."""
    return FeatureSpec(
        modality=stream, name=part.name, recipe=part.recipe, options=dict(part.options), stream=part.stream,
        cut=part.cut,
    )  # fmt: skip


_CHOSEN = "options.json"


def _chosen_options(
    specs: Sequence[FeatureSpec], recordings: Sequence[Recording]
) -> dict[str, dict[str, Any]]:
    """The options of each stream's features that the study left to what the data set has."""
    return {
        settled.modality: {k: v for k, v in settled.options.items() if v != spec.resolved().options[k]}
        for spec, settled in zip(specs, settle(specs, recordings), strict=True)
    }


def settled_parts(run: Path, plan: Study) -> dict[str, FeaturePart]:
    """The features of a prepared study, with the options that were chosen by what the data set has."""
    file = run / ".work" / _CHOSEN
    chosen = json.loads(file.read_bytes()) if file.exists() else {}
    return {
        stream: part.model_copy(update={"options": {**part.options, **chosen.get(stream, {})}})
        for stream, part in plan.features.items()
    }


def extract_features(
    plan: Study,
    recordings: Sequence[Recording],
    store: Path,
    *,
    workers: int,
    tell: Progress,
) -> tuple[Made, list[dict[str, Any]]]:
    """Features of every stream a study uses, and the trials that could not be used, for ``dropped.csv``.

    Of whole trials, those of frames are made of the coded expressions of each (:mod:`mien.run.trials`).
    """
    specs = [spec_of(s, plan.features[s]) for s in plan.streams]
    frames = [s for s in specs if plan.samples.of == "trial" and of_expressions(s.name)]
    whole = [s for s in specs if s not in frames]
    made, unusable = _extracted(whole, recordings, store, workers=workers, tell=tell)
    if not frames:
        return made, unusable
    events = choose_events(
        recordings,
        plan.samples.kinds,
        name=plan.data.name,
        root=plan.data.root,
        remedy=f"leave out {' and '.join(s.modality for s in frames)}, made of the frames of events",
    )
    by_event, faults = _extracted(frames, events, store, workers=workers, tell=tell)
    of_trials = OfTrials(made, by_event, events)
    invalid = [dropped_clip(stream, piece, "not valid") for stream, piece in of_trials.unusable]
    return of_trials, [*unusable, *faults, *invalid]


def _extracted(
    specs: Sequence[FeatureSpec],
    recordings: Sequence[Recording],
    store: Path,
    *,
    workers: int,
    tell: Progress,
) -> tuple[Made, list[dict[str, Any]]]:
    """Features of the recordings' trials or events, and those that could not be used."""
    trials = {t.id: t for r in recordings for t in r.trials}
    found: dict[tuple[str, str], str] = {}
    if not specs:
        return {}, []

    def fault(stream: str, trial: str, error: InputError) -> None:
        found[stream, trial] = str(error)

    made = extract(
        recordings,
        specs,
        Store(store),
        workers=workers,
        progress=lambda done, total, text: tell("features", done, total, text),
        on_fault=fault,
    )
    # workers report faults in any order
    unusable = [
        dropped_clip(s.modality, trial, found[s.modality, name])
        for s in specs
        for name, trial in trials.items()
        if (s.modality, name) in found
    ]
    return made, unusable


def class_names(trials: Iterable[Trial], label: str) -> tuple[str, ...]:
    """The label's scale, which all trials must share."""
    scales = {t.labels[label].scale for t in trials if label in t.labels}
    if len(scales) != 1 or not all(isinstance(word, str) for word in next(iter(scales))):
        raise InputError(
            f"label {label!r} has {len(scales)} scales", expected="one nominal scale in all trials"
        )
    return tuple(str(word) for word in next(iter(scales)))


def _intensities(recordings: Iterable[Recording]) -> dict[str, Signal]:
    """Continuous ratings of the trials that have them, from the stream ``intensity``."""
    return {
        trial.id: recording.streams["intensity"].read(trial.span)
        for recording in recordings
        if "intensity" in recording.streams
        for trial in recording.trials
        if recording.streams["intensity"].covers(trial.span)
    }


def rule_of(plan: Study, name: str) -> protocols.Rule:
    """A protocol of a study, with its options."""
    return protocols.create(name, **plan.protocol.options.get(name, {}))
