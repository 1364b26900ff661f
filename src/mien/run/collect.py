"""From fits to the run folder: predictions, figures' arrays, and the record of what was done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import datasets, features, models
from mien.batches import Table
from mien.core import Split
from mien.run.bags import bag_of_fit, write_bags
from mien.run.config import Study
from mien.run.files import write_json, write_npz, write_parquet
from mien.run.fold import Job, load_context, result_folder
from mien.run.importance import write_importance
from mien.run.prepare import rule_of, settled_parts
from mien.run.samples_frame import about
from mien.run.truth import read_truth


def collect(out: Path, plan: Study, jobs: Sequence[Job]) -> None:
    """Predictions, figures' arrays and, last, ``record.json``, which says that the run is complete."""
    run = out.resolve()
    context = load_context(run)
    frames, fits = [], []
    curves: dict[str, NDArray[np.float64]] = {}
    importance: dict[str, list[NDArray[np.float32]]] = {}
    bags: list[dict[str, NDArray[Any]]] = []
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
            if job.protocol == plan.protocol.names[0] and job.model == plan.model.name:
                for stream in plan.streams:
                    if f"importance/{stream}" in arrays:
                        importance.setdefault(stream, []).append(arrays[f"importance/{stream}"])
                if job.normalise == plan.protocol.normalise[0] and job.control == "none":
                    bags.append(bag_of_fit(arrays))
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
                "couples_samples": record["couples_samples"],
            },
        )
    predictions = _sorted_predictions(frames)
    write_parquet(out / "predictions.parquet", predictions)
    if curves:
        write_npz(out / "figures" / "learning_curves.npz", curves)
    write_importance(out / "figures", context.table, importance)
    write_bags(
        out / "figures",
        out / ".work",
        context.table,
        [fit for fit in bags if fit],
        about={"protocol": plan.protocol.names[0], "normalise": plan.protocol.normalise[0]},
    )
    cleaning = None if plan.clean is None else json.loads((out / ".work" / "cleaning.json").read_bytes())
    plan = plan.model_copy(update={"features": settled_parts(out, plan)})
    labels = out / ".work" / "labels.json"
    write_json(
        out / "record.json",
        _record(plan, context.table, context.classes, context.splits, about, fits, cleaning)
        | ({"labels": json.loads(labels.read_bytes())} if labels.exists() else {}),
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
        **about(samples),
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
    cleaning: Mapping[str, Any] | None,
) -> dict[str, Any]:
    card = datasets.card(plan.data.name)
    truth = read_truth(plan.data.root)
    rules = {name: rule_of(plan, name) for name in plan.protocol.names}
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
        "level": plan.samples.of,
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
                "reaches": features.info(part.name).reach(part.recipe),
                "axes": {k: list(v) for k, v in table.axes[stream].items()},
            }
            | ({"luminance": part.luminance} if part.luminance else {})
            | ({"variant": part.options["variant"]} if "variant" in part.options else {})
            for stream, part in plan.features.items()
            if stream in table.axes
        },
        "models": dict(about),
        "fits": [dict(f) for f in fits],
    }
    if plan.selection.intensity_at_least is not None:
        by_subject = plan.selection.scale == "subject"
        scale = "of each subject's own range in the training trials" if by_subject else "as rated"
        record["selection"] = {
            "intensity_at_least": plan.selection.intensity_at_least,
            "scale": plan.selection.scale,
            "rule": f"training windows with a continuous rating of at least "
            f"{plan.selection.intensity_at_least:g} ({scale}); all windows are tested",
        }
    if cleaning is not None:
        record["cleaning"] = dict(cleaning)
    if truth is not None:
        by_label = truth.get("oracles")  # where classes can be cut in several ways
        record["oracle"] = truth["oracle"] if by_label is None else by_label.get(plan.label, {})
        record["dataset"]["effect"] = truth["effect"]
        record["dataset"]["seed"] = truth["seed"]
    return record
