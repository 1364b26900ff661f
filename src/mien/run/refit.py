"""The model a study leaves behind: fitted once more, on all trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien import batches, models, train
from mien.batches import Scaler
from mien.core import Batch
from mien.run.config import Study
from mien.run.fold import Context, Job, Rows, load_context, make_model, result_folder, tune_prompts
from mien.run.prepare import settled_parts
from mien.run.selection import select_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class _All:
    """What may be learnt from when nothing is held out."""

    context: Context
    rows: Rows
    scaler: Scaler
    people: list[str]

    def batch(self, streams: Sequence[str]) -> Batch:
        """The samples that have any of some streams."""
        there = np.any([self.context.table.present[s][self.rows] for s in streams], axis=0)
        return batches.make_batch(
            self.context.table,
            self.rows[there],
            scaler=self.scaler,
            streams=streams,
            domains={s: i for i, s in enumerate(self.people)},
        )


def refit(out: Path, plan: Study, jobs: Sequence[Job]) -> Path | None:
    """Fit the study's model on every labelled sample and save it under ``checkpoints/<model>``.

    A network is trained for the median number of epochs that the folds of the first protocol chose, and
    calibrated with the median of their temperatures: nothing is chosen on samples it was fitted on. An
    estimator is fitted for each set of streams. Scores from cross-validation do not describe the result
    exactly. Features are scaled by the study's first way.

    Returns
    -------
    Path or None
        None if the study's model is an estimator that cannot be kept (no ``state_dict``).
    """
    run = out.resolve()
    context = load_context(run)
    table, courses, luminance = context.fold_values.of_all()
    context = replace(context, table=table)
    mode = plan.protocol.normalise[0]
    first = [
        j
        for j in jobs
        if j.model == plan.model.name and j.control == "none" and j.seed == plan.seeds[0]
        and (j.protocol, j.normalise) == (plan.protocol.names[0], mode)
    ]  # fmt: skip
    data = _all_samples(context, plan)
    if models.kind(plan.model.name) == "network":
        records = [json.loads((result_folder(run, j) / "result.json").read_bytes()) for j in first]
        state, about = _network(data, plan, first[0], records)
    else:
        state, about = _estimators(data, plan, [j for j in first if j.fold == first[0].fold])
    if not state:
        return None
    if mode == "train":
        state |= {f"scaler/{k}": v for k, v in data.scaler.to_arrays().items()}
    state |= {f"luminance/{k}": v for k, v in courses.items()}
    parts = settled_parts(run, plan)
    meta: dict[str, Any] = {
        "model": plan.model.name,
        "recipe": plan.model.recipe,
        "classes": list(context.classes),
        "streams": list(plan.streams),
        "features": {s: parts[s].model_dump(mode="json") for s in plan.streams},
        "axes": {s: [[k, list(v)] for k, v in table.axes[s].items()] for s in plan.streams},
        "normalise": mode,
        "samples": plan.samples.model_dump(mode="json"),
        "n_trials": len({table.samples[i].trial for i in data.rows}),
        "n_subjects": len(data.people),
        "dataset": plan.data.name,
    }
    if luminance:
        meta["luminance"] = luminance
    if plan.clean is not None:
        meta["cleaning"] = list(plan.clean.steps)
    return train.save_weights(out / "checkpoints" / plan.model.name, state, meta | about)


def _all_samples(context: Context, plan: Study) -> _All:
    table = context.table
    rows = select_rows(table, np.flatnonzero(table.labels >= 0), plan.selection)
    rows = rows[np.any([table.present[s][rows] for s in plan.streams], axis=0)]
    return _All(
        context=context,
        rows=rows,
        scaler=batches.fit_scaler(table, rows, mode=plan.protocol.normalise[0]),
        people=sorted(set(table.subjects[rows].tolist())),
    )


def _network(
    data: _All, plan: Study, job: Job, records: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    epochs = max(1, round(float(np.median([r["epoch"] for r in records]))))
    temperature = {
        name: float(np.median([r["subsets"][name]["temperature"] for r in records]))
        for name in records[0]["subsets"]
    }
    network = make_model(data.context, job, n_domains=len(data.people), seed=plan.seeds[0])
    config = replace(plan.train_config(seed=plan.seeds[0]), epochs=epochs, patience=0)
    train.fit(network, data.batch(plan.streams), None, config)
    alone = {s: data.batch((s,)) for s in plan.streams}
    tune_prompts(network, {s: (batch, None) for s, batch in alone.items() if len(batch)}, config)
    state = {f"network/{k}": v for k, v in network.state_dict().items()}
    about = {
        "config": json.loads(json.dumps(network.config)), "temperature": temperature, "epochs": epochs
    }  # fmt: skip
    return state, about


def _estimators(data: _All, plan: Study, jobs: Sequence[Job]) -> tuple[dict[str, Any], dict[str, Any]]:
    state: dict[str, Any] = {}
    about: dict[str, Any] = {}
    for job in jobs:
        model = make_model(data.context, job, n_domains=len(data.people), seed=plan.seeds[0])
        if not hasattr(model, "state_dict"):
            return {}, {}
        name = "+".join(job.streams)
        model.fit(data.batch(job.streams))
        state |= {f"estimator/{name}/{k}": v for k, v in model.state_dict().items()}
        about = {"config": model.config, "temperature": about.get("temperature", {}) | {name: 1.0}}
    return state, about
