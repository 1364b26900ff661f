"""A whole study: files in, a run folder out. The only place where everything is wired together."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import batches, datasets, features, models, protocols, report
from mien.batches import Table
from mien.core import InputError, MienError, Recording, Signal, Split, Trial
from mien.core.workers import process_pool
from mien.datasets import DatasetWarning, Fault
from mien.run import environment
from mien.run.config import FeaturePart, Study, load_study, to_toml
from mien.run.extract import FeatureSpec, extract
from mien.run.files import write_bytes, write_json, write_npz, write_parquet
from mien.run.fold import Job, load_context, make_model, result_folder, run_job
from mien.run.packed import save_table
from mien.run.refit import refit
from mien.run.store import Store

_MADE_LAST = ("audit.json", "report.json", "report.html", "environment.json")

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, text)."""


def study(
    path_or_config: str | Path | Mapping[str, Any],
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    store: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Run a study, or go on with one that was cut off.

    Parameters
    ----------
    path_or_config
        A study file (TOML) or its content; see ``docs/studies.md``.
    out
        The run folder. If it holds the same study, what is done is kept; another study is an error. A study
        that cannot start leaves no folder.
    overrides
        ``key=value`` over the study file.
    store
        Folder for features, shared by runs; default ``mien-store`` beside the run folder.
    workers
        Processes; default one per core. The results do not depend on it.
    progress
        Called as work gets done.

    Returns
    -------
    Path
        The run folder; ``docs/run-folder.md`` says what is in it.
    """
    plan = load_study(path_or_config, overrides)
    out = Path(out)
    tell = progress or (lambda *_: None)
    workers = workers or os.cpu_count() or 1
    clock = environment.Clock()
    load_context.cache_clear()  # an earlier study of this process may have had a folder of the same name
    _claim(out, plan)
    if not (out / ".work").exists() and all((out / name).exists() for name in ("record.json", *_MADE_LAST)):
        return out
    if not (out / "record.json").exists():
        with clock("features"):
            features_in = Path(store) if store else out.parent / "mien-store"
            try:
                _prepare(out, plan, store=features_in, workers=workers, tell=tell)
                _try_models(out, plan)
            except MienError:
                _abandon(out)
                raise
        with clock("training"):
            jobs = plan_jobs(out, plan)
            _run_jobs(out, jobs, workers=workers, tell=tell)
        with clock("refit"):
            tell("refit on all trials", 0, 1, plan.model.name)
            refit(out, plan, jobs)
            tell("refit on all trials", 1, 1, plan.model.name)
        _collect(out, plan, jobs)
    with clock("report"):
        tell("report", 0, 2, "audit")
        audit_run(out)
        tell("report", 1, 2, "figures")
        if not (out / "environment.json").exists():
            environment.write(out / "environment.json", clock)
        report.write_report(out)
        tell("report", 2, 2, "done")
    shutil.rmtree(out / ".work", ignore_errors=True)
    return out


def _claim(out: Path, plan: Study) -> None:
    """Make the folder, or make sure that it is this study's."""
    text = to_toml(plan)
    known = out / "study.toml"
    if known.exists():
        if known.read_text(encoding="utf-8") != text:
            raise InputError(
                "holds another study", file=out, remedy="choose another --out, or remove this folder"
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("exists and is no run folder", file=out, remedy="choose another --out")
    write_bytes(known, text.encode())


def _abandon(out: Path) -> None:
    """Leave nothing of a study that could not start."""
    if (out / ".work" / "fits").exists():
        return
    shutil.rmtree(out / ".work", ignore_errors=True)
    for name in ("study.toml", "splits.json", "samples.parquet", "dropped.csv"):
        (out / name).unlink(missing_ok=True)
    if not any(out.iterdir()):
        out.rmdir()


# -- from files to a table ---------------------------------------------------------------------------------


def _prepare(out: Path, plan: Study, *, store: Path, workers: int, tell: Progress) -> None:
    """Samples, features, splits: everything the fits need, in ``.work`` and the run folder."""
    work = out / ".work"
    if (work / "ready").exists():
        return
    shutil.rmtree(work, ignore_errors=True)
    recordings, faults = load_recordings(plan)
    dropped = [_dropped_file(fault, plan.data.root) for fault in faults]
    made, unusable = extract_features(plan, recordings, store, workers=workers, tell=tell)
    dropped += unusable
    trials = [t for r in recordings for t in r.trials]
    classes = class_names(trials, plan.label)
    for stream in plan.streams:
        if not any(modality == stream for modality, _ in made):
            raise InputError(
                f"no trial has usable {stream} features" + (f": {unusable[0]['reason']}" if unusable else ""),
                file=plan.data.root,
                remedy=f"to see what is there: mien inspect {plan.data.name} {plan.data.root}",
            )
    table, missing = batches.pair(
        made,
        trials,
        streams=plan.streams,
        classes=classes,
        label=plan.label,
        intensity=_intensities(recordings),
    )
    dropped += [*missing, *_filled_values(table)]
    if not len(table):
        raise InputError("no window of any trial can be used", file=plan.data.root, remedy="run mien inspect")
    selected = select(table, plan)
    if not selected.all():
        dropped.append(
            {"what": "training window", "id": "", "subject": "", "count": int((~selected).sum()),
             "reason": "below the intensity chosen for training (still tested)"}
        )  # fmt: skip
    splits = [
        (name, seed, split)
        for name in plan.protocol.names
        for seed in plan.seeds
        for split in _protocol(plan, name).splits(table.samples, seed)
    ]
    save_table(work / "table", table)
    np.save(work / "selected.npy", selected)
    write_json(work / "classes.json", list(classes))
    write_json(out / "splits.json", protocols.splits_to_json(splits, table.samples))
    write_parquet(out / "samples.parquet", _samples_frame(table, recordings, selected))
    _write_dropped(out / "dropped.csv", dropped)
    write_bytes(work / "ready", b"")


def load_recordings(plan: Study) -> tuple[list[Recording], list[Fault]]:
    """The recordings of a study's data set, restricted to its subjects, and what its reader left out."""
    options = dict(plan.data.options)
    if plan.data.subjects is not None:
        options["subjects"] = list(plan.data.subjects)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recordings = datasets.load(plan.data.name, plan.data.root, **options)
    faults: list[Fault] = []
    for one in caught:
        if isinstance(one.message, DatasetWarning):
            faults += one.message.faults
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return recordings, faults


def spec_of(stream: str, part: FeaturePart) -> FeatureSpec:
    """What a study asks of one stream, as the extractor wants it."""
    return FeatureSpec(
        modality=stream, name=part.name, recipe=part.recipe, options=dict(part.options), stream=part.stream
    )


def extract_features(
    plan: Study,
    recordings: Sequence[Recording],
    store: Path,
    *,
    workers: int,
    tell: Progress,
) -> tuple[dict[tuple[str, str], Any], list[dict[str, Any]]]:
    """Features of every stream a study uses, and the trials that could not be used, for ``dropped.csv``."""
    subject_of = {t.id: t.subject for r in recordings for t in r.trials}
    found: dict[tuple[str, str], str] = {}

    def fault(stream: str, trial: str, error: InputError) -> None:
        found[stream, trial] = str(error)

    made = extract(
        recordings,
        [spec_of(s, plan.features[s]) for s in plan.streams],
        Store(store),
        workers=workers,
        progress=lambda done, total, text: tell("features", done, total, text),
        on_fault=fault,
    )
    # workers report faults in any order
    unusable = [
        {"what": f"{s} of a trial", "id": t, "subject": subject_of[t], "reason": found[s, t], "count": 1}
        for s in plan.streams
        for t in subject_of
        if (s, t) in found
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


def select(table: Table, plan: Study) -> NDArray[np.bool_]:
    """Which windows may be learnt from: those felt strongly enough, by the subject's own rating.

    With ``scale="subject"`` ratings are put on 0-1 by each subject's own least and greatest. Windows without
    a rating are not chosen when there is a rule.
    """
    least = plan.selection.intensity_at_least
    if least is None:
        return np.ones(len(table), dtype=bool)
    rating = table.intensity.copy()
    if plan.selection.scale == "subject":
        for subject in np.unique(table.subjects):
            own = table.subjects == subject
            known = rating[own][np.isfinite(rating[own])]
            if len(known):
                rating[own] = (rating[own] - known.min()) / max(np.ptp(known), 1e-12)
    chosen = rating >= least
    if not chosen.any():
        raise InputError(f"no window has an intensity of {least} or more", remedy="lower intensity_at_least")
    return chosen


def _protocol(plan: Study, name: str) -> protocols.Rule:
    return protocols.create(name, **plan.protocol.options.get(name, {}))


def _samples_frame(table: Table, recordings: Iterable[Recording], selected: NDArray[np.bool_]) -> Any:
    import pandas as pd

    recording_of = {t.id: t.recording for r in recordings for t in r.trials}
    rows = table.samples
    columns: dict[str, Any] = {
        "sample": [s.id for s in rows],
        "trial": [s.trial for s in rows],
        "recording": [recording_of[s.trial] for s in rows],
        "subject": [s.subject for s in rows],
        "session": [s.session for s in rows],
        "stimulus": [s.stimulus for s in rows],
        "event": [s.event or "" for s in rows],
        "start": [s.start for s in rows],
        "duration": [s.duration for s in rows],
        "label": table.labels,
        "intensity": table.intensity,
        "selected": selected,
    }
    for name in table.inputs:
        columns[f"present_{name}"] = table.present[name]
        columns[f"content_{name}"] = [
            int.from_bytes(d, "little", signed=True) for d in _digests(table.inputs[name])
        ]
    return pd.DataFrame(columns)


def _digests(values: NDArray[Any]) -> Iterable[bytes]:
    import hashlib

    for row in values:
        yield hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).digest()


def _filled_values(table: Table) -> Iterable[dict[str, Any]]:
    """Single values that are no numbers (a dead electrode) in windows that are used, trial by trial."""
    trials = np.array([s.trial for s in table.samples])
    for stream, values in table.inputs.items():
        holes = np.where(table.present[stream], (~np.isfinite(values)).sum(axis=1), 0)
        for trial in dict.fromkeys(trials[holes > 0].tolist()):
            here = trials == trial
            yield {
                "what": f"{stream} value",
                "id": trial,
                "subject": str(table.subjects[here][0]),
                "reason": "not a number, the mean takes its place",
                "count": int(holes[here].sum()),
            }


def _dropped_file(fault: Fault, root: str) -> dict[str, Any]:
    """A file or clip that the reader left out, its path from the root of the data set."""
    path = Path(fault.file)
    where = path.relative_to(root).as_posix() if path.is_relative_to(root) else fault.file
    return {
        "what": "part of a file" if fault.item else "file",
        "id": f"{where} {fault.item}".strip(),
        "subject": fault.subject,
        "reason": fault.reason,
        "count": 1,
    }


def _write_dropped(path: Path, dropped: Sequence[Mapping[str, Any]]) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, ["what", "id", "subject", "reason", "count"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(dropped)
    write_bytes(path, text.getvalue().encode())


# -- fits ----------------------------------------------------------------------------------------------------


def plan_jobs(out: Path, plan: Study) -> list[Job]:
    """Every fit of a study, in the order in which they are reported.

    A network is fitted once for all streams and scored with every subset; an estimator is fitted for each.
    """
    splits = load_context(out.resolve()).splits
    jobs = []
    for protocol, normalise, seed in itertools.product(
        plan.protocol.names, plan.protocol.normalise, plan.seeds
    ):
        for model, control in itertools.product((plan.model.name, *plan.baselines), ("none", "shuffled")):
            first = seed == plan.seeds[0] and normalise == plan.protocol.normalise[0]
            if control == "shuffled" and not (plan.controls.shuffled and first):
                continue
            whole = models.kind(model) == "network"
            groups = [(plan.streams, plan.subsets)] if whole else [(s, (s,)) for s in plan.subsets]
            for fold, (streams, subsets) in itertools.product(range(len(splits[protocol, seed])), groups):
                jobs.append(
                    Job(
                        protocol=protocol, normalise=normalise, model=model, control=control,
                        seed=seed, fold=fold, streams=tuple(streams), subsets=tuple(subsets),
                    )
                )  # fmt: skip
    return jobs


def _try_models(out: Path, plan: Study) -> None:
    """Make every model once, so that an impossible option is found before anything is trained."""
    context = load_context(out.resolve())
    for model in (plan.model.name, *plan.baselines):
        job = Job(
            protocol=plan.protocol.names[0],
            normalise=plan.protocol.normalise[0],
            model=model,
            control="none",
            seed=plan.seeds[0],
            fold=0,
            streams=plan.streams,
        )
        make_model(context, job, n_domains=1, seed=0)


def _run_jobs(out: Path, jobs: Sequence[Job], *, workers: int, tell: Progress) -> None:
    run = out.resolve()
    waiting = [job for job in jobs if not (result_folder(run, job) / "result.json").exists()]
    done, total = len(jobs) - len(waiting), len(jobs)
    tell("training", done, total, "")
    if workers == 1 or len(waiting) < 4:
        for job in waiting:
            run_job(run, job)
            done += 1
            tell("training", done, total, job.id)
        return
    # a few jobs at a time, so that an interruption does not wait for the whole queue
    with process_pool(min(workers, len(waiting))) as pool:
        queue = iter(waiting)
        try:
            pending = {pool.submit(run_job, run, job) for job in itertools.islice(queue, 2 * workers)}
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    done += 1
                    tell("training", done, total, future.result())
                pending |= {pool.submit(run_job, run, job) for job in itertools.islice(queue, len(finished))}
        except BrokenProcessPool as fault:
            raise InputError(
                "a worker process was ended from outside, perhaps for want of memory",
                remedy="run again with fewer workers; what was finished is kept",
            ) from fault
        finally:
            pool.shutdown(cancel_futures=True)


# -- from fits to the run folder ---------------------------------------------------------------------------


def _collect(out: Path, plan: Study, jobs: Sequence[Job]) -> None:
    """Predictions, figures' arrays and, last, ``record.json``, which says that the run is complete."""
    run = out.resolve()
    context = load_context(run)
    frames, fits = [], []
    curves: dict[str, NDArray[np.float64]] = {}
    importance: list[NDArray[np.float32]] = []
    about: dict[str, dict[str, Any]] = {}
    for job in jobs:
        folder = result_folder(run, job)
        record = json.loads((folder / "result.json").read_bytes())
        with np.load(folder / "result.npz", allow_pickle=False) as arrays:
            for subset in job.subsets:
                name = "+".join(subset)
                fits.append(_fit_row(job, record, name))
                frames.append(
                    _prediction_frame(
                        plan, context.table, context.selected, job, record["fold"], name, arrays
                    )
                )
            if "importance/eeg" in arrays and job.protocol == plan.protocol.names[0]:
                importance.append(arrays["importance/eeg"])
        if record["history"] and job.control == "none":
            key = f"curve/{job.protocol}|{job.normalise}|{job.model}|{job.seed}|{record['fold']}"
            curves |= {f"{key}/{k}": np.asarray(v, dtype=np.float64) for k, v in record["history"].items()}
        about.setdefault(
            job.model,
            {
                "kind": models.kind(job.model),
                "recipe": plan.model.recipe if job.model == plan.model.name else "corrected",
                "n_parameters": record["n_parameters"],
                "config": record["config"],
            },
        )
    predictions = _sorted_predictions(frames)
    write_parquet(out / "predictions.parquet", predictions)
    if curves:
        write_npz(out / "figures" / "learning_curves.npz", curves)
    axes = context.table.axes.get("eeg", {})
    if importance and list(axes) == ["band", "channel"]:
        shape = [len(v) for v in axes.values()]
        arrays_out = {"values": np.mean(importance, axis=0).reshape(shape)}
        arrays_out |= {"bands": np.array(axes["band"]), "channels": np.array(axes["channel"])}
        write_npz(out / "figures" / "informative_bands.npz", arrays_out)
    write_json(
        out / "record.json", _record(plan, context.table, context.classes, context.splits, about, fits)
    )


def _fit_row(job: Job, record: Mapping[str, Any], name: str) -> dict[str, Any]:
    subset = record["subsets"][name]
    return {
        "protocol": job.protocol, "seed": job.seed, "fold": record["fold"], "model": job.model,
        "modalities": name, "normalise": job.normalise, "control": job.control, "saw": record["saw"],
        "n_train": record["n_train"], "n_val": record["n_val"], "n_test": subset["n_test"],
        "epoch": record["epoch"], "temperature": subset["temperature"], "coupling": subset["coupling"],
    }  # fmt: skip


def _prediction_frame(
    plan: Study,
    table: Table,
    selected: NDArray[np.bool_],
    job: Job,
    fold: str,
    name: str,
    arrays: Mapping[str, NDArray[Any]],
) -> Any:
    import pandas as pd

    rows, probability = arrays[f"rows/{name}"], arrays[f"probability/{name}"]
    samples = [table.samples[i] for i in rows]
    labels = arrays.get("labels", table.labels)
    columns: dict[str, Any] = {
        "system": plan.system,
        "model": job.model,
        "recipe": plan.model.recipe if job.model == plan.model.name else "corrected",
        "normalise": job.normalise,
        "modalities": name,
        "protocol": job.protocol,
        "control": job.control,
        "seed": job.seed,
        "fold": fold,
        "sample": [s.id for s in samples],
        "trial": [s.trial for s in samples],
        "subject": [s.subject for s in samples],
        "session": [s.session for s in samples],
        "stimulus": [s.stimulus for s in samples],
        "event": [s.event or "" for s in samples],
        "start": [s.start for s in samples],
        "duration": [s.duration for s in samples],
        "label": labels[rows],
        "selected": selected[rows],
    }
    columns |= {f"p_{c}": probability[:, c] for c in range(probability.shape[1])}
    return pd.DataFrame(columns)


def _sorted_predictions(frames: Sequence[Any]) -> Any:
    import pandas as pd

    frame = pd.concat(frames, ignore_index=True)
    keys = list(frame.columns[: frame.columns.get_loc("sample") + 1])
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def _record(
    plan: Study,
    table: Table,
    classes: Sequence[str],
    splits: Mapping[tuple[str, int], Sequence[Split]],
    about: Mapping[str, Any],
    fits: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    card = datasets.card(plan.data.name)
    truth = read_truth(plan.data.root)
    rules = {name: _protocol(plan, name) for name in plan.protocol.names}
    record: dict[str, Any] = {
        "format": 1,
        "system": plan.system,
        "classes": list(classes),
        "dataset": {
            "name": plan.data.name,
            "title": card.title,
            "simulated": truth is not None,
            "licence": card.licence,
            "citation": card.citation,
        },
        "seeds": list(plan.seeds),
        "level": "window",
        "protocols": {
            name: {"held_out": list(rule.held_out), "leaky": rule.leaky, "text": rule.text}
            for name, rule in rules.items()
        },
        "features": {
            stream: {
                "extractor": part.name,
                "version": features.info(part.name).version,
                "recipe": part.recipe,
                "scope": features.info(part.name).scope,
                "reaches": features.info(part.name).reaches,
                "axes": {k: list(v) for k, v in table.axes[stream].items()},
            }
            for stream, part in plan.features.items()
            if stream in table.axes
        },
        "models": dict(about),
        "fits": [dict(f) for f in fits],
    }
    if plan.selection.intensity_at_least is not None:
        scale = "each subject's own range" if plan.selection.scale == "subject" else "as rated"
        record["selection"] = {
            "intensity_at_least": plan.selection.intensity_at_least,
            "rule": f"training windows with a continuous rating of at least "
            f"{plan.selection.intensity_at_least:g} ({scale}); all windows are tested",
        }
    if truth is not None:
        record["oracle"] = truth["oracle"]
        record["dataset"]["effect"] = truth["effect"]
        record["dataset"]["seed"] = truth["seed"]
    return record


def read_truth(root: str | Path) -> dict[str, Any] | None:
    """``truth.json`` of a made-up data set, or None."""
    path = Path(root) / "truth.json"
    if not path.exists():
        return None
    try:
        return dict(json.loads(path.read_bytes()))
    except ValueError:
        raise InputError("is not JSON", file=path, remedy="simulate the data set again") from None


def audit_run(out: str | Path) -> dict[str, Any]:
    """Audit a run folder from its own files, and write ``audit.json``."""
    import pandas as pd

    out = Path(out)
    for name in ("samples.parquet", "predictions.parquet"):
        if not (out / name).exists():
            raise InputError(
                f"has no {name}", file=out, expected="a finished run", remedy="finish it with mien run"
            )
    try:
        samples = pd.read_parquet(out / "samples.parquet")
    except ValueError:  # pyarrow's error for what is no Parquet file
        raise InputError(
            "is damaged or not a Parquet file", file=out / "samples.parquet", remedy="run the study again"
        ) from None
    contents = {}
    for column in samples.columns:
        if column.startswith("content_"):
            stream = column.removeprefix("content_")
            here = samples[f"present_{stream}"].to_numpy(bool)
            contents[stream] = (samples["sample"][here].tolist(), samples[column][here].to_numpy()[:, None])
    found = protocols.audit(out, features=contents)
    result = {
        "verdict": found.verdict,
        "findings": [vars(f) for f in found.findings],
        "proven": {k: list(v) for k, v in found.proven.items()},
    }
    write_json(out / "audit.json", result)
    return result
