"""The model a study leaves behind: fitted once more, on all trials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mien import batches, models, train
from mien.run.config import Study
from mien.run.fold import Job, load_context, make_model, result_folder, tune_prompts


def refit(out: Path, plan: Study, jobs: Sequence[Job]) -> Path | None:
    """Fit the study's network on every labelled sample and save it under ``checkpoints/<model>``.

    It is trained for the median number of epochs that the folds of the first protocol chose, and calibrated
    with the median of their temperatures: nothing is chosen on samples it was fitted on. Scores from
    cross-validation do not describe it exactly. Features are scaled by the study's first way.

    Returns
    -------
    Path or None
        None if the study's model is no network.
    """
    if models.kind(plan.model.name) != "network":
        return None
    run = out.resolve()
    context = load_context(run)
    first = [
        j
        for j in jobs
        if j.model == plan.model.name and j.control == "none" and j.seed == plan.seeds[0]
        and (j.protocol, j.normalise) == (plan.protocol.names[0], plan.protocol.normalise[0])
    ]  # fmt: skip
    records = [json.loads((result_folder(run, j) / "result.json").read_bytes()) for j in first]
    epochs = max(1, round(float(np.median([r["epoch"] for r in records]))))
    temperature = {
        name: float(np.median([r["subsets"][name]["temperature"] for r in records]))
        for name in records[0]["subsets"]
    }
    table, mode = context.table, plan.protocol.normalise[0]
    offered = np.any([table.present[s] for s in plan.streams], axis=0)
    rows = np.flatnonzero(context.selected & offered & (table.labels >= 0))
    people = sorted(set(table.subjects[rows].tolist()))
    scaler = batches.fit_scaler(table, rows, mode=mode)
    batch = batches.make_batch(
        table, rows, scaler=scaler, streams=plan.streams, domains={s: i for i, s in enumerate(people)}
    )
    network = make_model(context, first[0], n_domains=len(people), seed=plan.seeds[0])
    config = replace(plan.train_config(seed=plan.seeds[0]), epochs=epochs, patience=0)
    train.fit(network, batch, None, config)
    alone = {s: rows[table.present[s][rows]] for s in plan.streams}
    tune_prompts(
        network,
        {
            s: (batches.make_batch(table, own, scaler=scaler, streams=(s,)), None)
            for s, own in alone.items()
            if len(own)
        },
        config,
    )
    meta: dict[str, Any] = {
        "model": plan.model.name,
        "recipe": plan.model.recipe,
        "config": json.loads(json.dumps(network.config)),
        "classes": list(context.classes),
        "streams": list(plan.streams),
        "features": {s: plan.features[s].model_dump(mode="json") for s in plan.streams},
        "axes": {s: [[k, list(v)] for k, v in table.axes[s].items()] for s in plan.streams},
        "normalise": mode,
        "temperature": temperature,
        "epochs": epochs,
        "n_trials": len({table.samples[i].trial for i in rows}),
        "n_subjects": len(people),
        "dataset": plan.data.name,
    }
    state: dict[str, Any] = {f"network/{k}": v for k, v in network.state_dict().items()}
    if mode == "train":
        state |= {f"scaler/{k}": v for k, v in scaler.to_arrays().items()}
    return train.save_weights(out / "checkpoints" / plan.model.name, state, meta)
