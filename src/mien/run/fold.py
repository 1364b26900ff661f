"""One fit: one fold of one protocol, one model, one way of scaling, one seed. Runs in a worker process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import batches, models, protocols, train
from mien.batches import Scaler, Table
from mien.core import Batch, Split
from mien.run.bags import bag_of, blocks, look, watched
from mien.run.config import Study
from mien.run.files import write_json, write_npz
from mien.run.fold_values import FoldValues
from mien.run.packed import load_table
from mien.run.selection import select_rows
from mien.run.study_file import load_study

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Names one fit.

    ``fold`` is the position of the fold among those of its protocol and seed in splits.json, ``streams`` are
    what the model is built for, ``subsets`` what it is scored with.
    """

    protocol: str
    normalise: str
    model: str
    control: str
    seed: int
    fold: int
    streams: tuple[str, ...]
    subsets: tuple[tuple[str, ...], ...] = field(default=())

    @property
    def id(self) -> str:
        """Name of the folder of its result."""
        names = [self.protocol, self.normalise, self.model, self.control, "+".join(self.streams)]
        return "-".join([*names, f"s{self.seed}", f"f{self.fold:04d}"])


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """What all fits of a study share."""

    study: Study
    table: Table
    selected: NDArray[np.bool_]
    classes: tuple[str, ...]
    splits: dict[tuple[str, int], list[Split]]
    fold_values: FoldValues


@lru_cache(maxsize=2)
def load_context(run: Path) -> Context:
    """Read a prepared run folder (once in each process)."""
    work = run / ".work"
    table = load_table(work / "table")
    splits: dict[tuple[str, int], list[Split]] = {}
    for protocol, seed, split in protocols.splits_from_json(
        json.loads((run / "splits.json").read_bytes()), table.samples
    ):
        splits.setdefault((protocol, seed), []).append(split)
    return Context(
        study=load_study(run / "study.toml"),
        table=table,
        selected=np.load(work / "selected.npy", allow_pickle=False),
        classes=tuple(json.loads((work / "classes.json").read_bytes())),
        splits=splits,
        fold_values=FoldValues(work, table),
    )


def result_folder(run: Path, job: Job) -> Path:
    """Where a fit's result lies; it is there whole or not at all."""
    return run / ".work" / "fits" / job.id


def run_job(run: Path, job: Job) -> str:
    """Fit, predict, and write ``result.npz`` and ``result.json``; returns the job's id."""
    target = result_folder(run, job)
    if not (target / "result.json").exists():
        context = load_context(run)
        partial = target.with_name(target.name + ".partial")
        partial.mkdir(parents=True, exist_ok=True)
        with _threads(context.study.threads):
            arrays, record = fit_fold(context, job, checkpoint=partial / "training.safetensors")
        write_npz(partial / "result.npz", arrays)
        write_json(partial / "result.json", record)
        (partial / "training.safetensors").unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return job.id


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """As many threads as the study says, for BLAS, OpenMP and torch: workers must not crowd each other."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(n):
            yield
    finally:
        torch.set_num_threads(before)


def permuted_labels(table: Table, splits: Sequence[Split], *, seed: int) -> NDArray[np.int64]:
    """Labels permuted over stimuli, one for every row.

    All samples of a stimulus share a label and still do afterwards. Where the folds hold out groups of
    stimuli, labels are permuted within a group, so that every fold keeps its class counts. Where subjects
    label a stimulus differently (self-reports), its samples move together as well: stimulus ``a`` gets,
    subject by subject, what stimulus ``b`` had.
    """
    rng = np.random.default_rng([seed, 20])
    groups = {s.held_out.get("stimulus", ()) for s in splits}
    stimuli = np.array([s.stimulus for s in table.samples])
    every = sorted(set(stimuli.tolist()))
    if groups == {()} or sorted(x for g in groups for x in g) != every:
        groups = {tuple(every)}
    source: dict[str, str] = {}
    for group in sorted(groups):
        members = sorted(group)
        source.update(zip(members, rng.permutation(members).tolist(), strict=True))
    label_of: dict[tuple[str, str], int] = {}
    first: dict[str, int] = {}
    for sample in table.samples:
        if sample.label is not None:
            label_of.setdefault((sample.subject, sample.stimulus), sample.label)
            first.setdefault(sample.stimulus, sample.label)
    return np.array(
        [
            -1
            if s.label is None
            else label_of.get((s.subject, source[s.stimulus]), first[source[s.stimulus]])
            for s in table.samples
        ],
        dtype=np.int64,
    )


def fit_fold(context: Context, job: Job, *, checkpoint: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The work itself; see ``docs/run-folder.md`` for what the record says."""
    study, table = context.study, context.table
    folds = context.splits[job.protocol, job.seed]
    split = folds[job.fold]
    labels = permuted_labels(table, folds, seed=job.seed) if job.control == "shuffled" else table.labels
    train_rows, val_rows, test_rows = (table.rows(ids) for ids in (split.train, split.val, split.test))
    table, luminance_saw = context.fold_values.of(train_rows, job.streams)
    learnable = select_rows(table, train_rows, study.selection)
    scaler, scaler_saw = _scaler(
        table, learnable, np.concatenate([train_rows, val_rows, test_rows]), job.normalise
    )
    train_hash, val_hash = (protocols.hash_ids(table.samples[i].id for i in r) for r in (learnable, val_rows))
    people = sorted(set(table.subjects[learnable].tolist()))

    def batch(rows: Rows, streams: tuple[str, ...] = job.streams) -> Batch:
        there = np.any([table.present[s] for s in streams], axis=0)
        return batches.make_batch(
            table,
            rows[there[rows]],
            scaler=scaler,
            streams=streams,
            labels=labels,
            domains={s: i for i, s in enumerate(people)},
        )

    learn, choose = batch(learnable), batch(val_rows)
    arrays: dict[str, Any] = {}
    record: dict[str, Any] = {
        "job": asdict(job),
        "fold": split.fold,
        "saw": {"scaler": scaler_saw, "class_weights": train_hash, "model": train_hash},
        "n_train": len(learn),
        "n_val": len(choose),
    }
    if luminance_saw is not None:
        record["saw"]["luminance"] = luminance_saw
    if not len(learn):
        return _nothing_learnt(context, job, record, labels)
    if models.kind(job.model) == "network":
        network = make_model(context, job, n_domains=len(people), seed=_seed(job))
        config = study.train_config(seed=_seed(job))
        result = train.fit(network, learn, choose if len(choose) else None, config, checkpoint=checkpoint)
        tune_prompts(
            network, {s: (batch(learnable, (s,)), batch(val_rows, (s,))) for s in job.streams}, config
        )
        chosen = val_hash if len(choose) else "fixed"
        record["saw"] |= {"epoch": chosen, "temperature": chosen}
        record |= {
            "epoch": result.best_epoch,
            "n_parameters": result.n_parameters,
            "history": dict(result.history),
        }
        record["config"] = _plain(network.config)
    else:
        network = make_model(context, job, n_domains=len(people), seed=_seed(job))
        network.fit(learn)
        record["saw"] |= {"epoch": "fixed", "temperature": "fixed"}
        record |= {"epoch": None, "n_parameters": int(network.n_parameters), "history": {}}
        record["config"] = _plain(getattr(network, "config", {}))
    record["couples_samples"] = bool(getattr(network, "couples_samples", False))
    record["subsets"] = {}
    # the report's figures of what a network looks at are of these fits
    first = (job.model, job.control, job.protocol) == (study.model.name, "none", study.protocol.names[0])
    drawn = first and models.kind(job.model) == "network"
    bag = bag_of(table) if drawn else None
    bagged = watched(table, job.subsets) if bag else None
    for subset in job.subsets:
        name = "+".join(subset)
        have = np.any([table.present[s] for s in subset], axis=0)
        rows = test_rows[have[test_rows]]
        tested, val = batch(rows), batch(val_rows[have[val_rows]])
        if not len(tested):  # a subject without this stream
            temperature, coupling = 1.0, 0.0
            probability = np.empty((0, len(context.classes)), dtype=np.float32)
        elif models.kind(job.model) == "network":
            temperature = train.fit_temperature(network, val, streams=subset) if len(val) else 1.0
            probability = train.predict(network, tested, streams=subset, temperature=temperature)
            coupling = train.coupling(network, tested, streams=subset, n_samples=4)
            if bag is not None and subset == bagged:
                arrays |= look(network, tested, streams=subset, bag=bag)
        else:
            temperature, probability = 1.0, network.predict_proba(tested)
            alone = np.concatenate(
                [network.predict_proba(batch(rows[i : i + 1])) for i in range(min(4, len(rows)))]
            )
            coupling = float(np.abs(alone - probability[: len(alone)]).max())
        arrays[f"rows/{name}"] = rows
        arrays[f"probability/{name}"] = np.asarray(probability, dtype=np.float32)
        record["subsets"][name] = {"temperature": temperature, "coupling": coupling, "n_test": len(rows)}
    if drawn:
        streams = [s for s in job.streams if s != bag]
        found = importance(network, batch(test_rows), streams=streams)
        arrays |= {f"importance/{s}": v for s, v in found.items()}
    if job.control == "shuffled":
        arrays["labels"] = labels
    return arrays, record


def _nothing_learnt(
    context: Context, job: Job, record: dict[str, Any], labels: NDArray[np.int64]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The result of a fold whose training samples have none of the streams: it answers nothing."""
    none = {"temperature": 1.0, "coupling": 0.0, "n_test": 0}
    arrays: dict[str, Any] = {"labels": labels} if job.control == "shuffled" else {}
    for subset in job.subsets:
        name = "+".join(subset)
        arrays[f"rows/{name}"] = np.empty(0, dtype=np.int64)
        arrays[f"probability/{name}"] = np.empty((0, len(context.classes)), dtype=np.float32)
    record["saw"] |= {"epoch": "fixed", "temperature": "fixed"}
    about: dict[str, Any] = {
        "epoch": None,
        "n_parameters": 0,
        "history": {},
        "config": {},
        "couples_samples": False,
    }
    return arrays, record | about | {"subsets": {"+".join(s): dict(none) for s in job.subsets}}


def tune_prompts(
    network: Any, parts: Mapping[str, tuple[Batch, Batch | None]], config: train.TrainConfig
) -> None:
    """Train the prompts of a trained network, if it has any, for each stream on its own.

    ``parts`` maps a stream to its training and validation samples with that stream alone. What the network
    does with several streams stays as it is.
    """
    if not getattr(network, "config", {}).get("prompt_length"):
        return
    network.freeze_for_prompts()
    for learn, choose in parts.values():
        train.fit(network, learn, choose or None, replace(config, domain_weight=0.0))


def make_model(context: Context, job: Job, *, n_domains: int, seed: int) -> Any:
    """The model of a job, with fresh weights; ``[model]`` of the study is not about the baselines."""
    system = context.study.model
    own = job.model == system.name
    config = dict(system.config) if own else {}
    if models.kind(job.model) == "network":
        config["sizes"] = {s: int(context.table.inputs[s].shape[1]) for s in job.streams}
        if models.takes(job.model, "shapes", recipe=system.recipe if own else "corrected"):
            config["shapes"] = {
                s: tuple(len(labels) for labels in context.table.axes[s].values()) for s in job.streams
            }
        if models.takes(job.model, "axes", recipe=system.recipe if own else "corrected"):
            config["axes"] = {s: tuple(context.table.axes[s]) for s in job.streams}
        if context.study.train.get("domain_weight", 0.0):
            config["n_domains"] = n_domains
    return models.create(
        job.model,
        recipe=system.recipe if own else "corrected",
        n_classes=len(context.classes),
        seed=seed,
        **config,
    )


def importance(
    network: Any, batch: Batch, *, streams: Sequence[str] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Mean |input × gradient| of the true class's score over the samples, per value of some streams.

    Shrikumar et al. (2016), arXiv:1605.01713. Averaged over all samples that have a label and the stream; a
    stream that none has is not in the result. The network gets all streams of the batch.
    """
    import torch

    device = next(network.parameters()).device
    asked = list(batch.inputs) if streams is None else list(streams)
    total = {s: np.zeros(batch.inputs[s].shape[1:]) for s in asked}
    for part in blocks(batch):
        known = part[batch.label[part] >= 0]
        there = [s for s in asked if batch.present[s][known].any()]
        if not there:
            continue
        inputs = {
            s: torch.tensor(v[known], device=device, requires_grad=s in there)
            for s, v in batch.inputs.items()
        }
        present = {s: torch.tensor(v[known], device=device) for s, v in batch.present.items()}
        label = torch.tensor(batch.label[known], device=device)
        score = network(inputs, present).logits[torch.arange(len(known)), label].sum()
        for s, g in zip(there, torch.autograd.grad(score, [inputs[s] for s in there]), strict=True):
            size = (inputs[s] * g).abs()[present[s]]
            total[s] += size.sum(dim=0, dtype=torch.float64).detach().cpu().numpy()
    counts = {s: int((batch.present[s] & (batch.label >= 0)).sum()) for s in asked}
    return {s: (total[s] / n).astype(np.float32) for s, n in counts.items() if n}


def _scaler(table: Table, learnable: Rows, used: Rows, mode: str) -> tuple[Scaler, str]:
    if mode == "train":
        digest = protocols.hash_ids(table.samples[i].id for i in learnable)
        return batches.fit_scaler(table, learnable, mode="train"), digest
    # each subject by all of its own samples, without labels, whatever part they are in
    own = np.flatnonzero(np.isin(table.subjects, np.unique(table.subjects[used])))
    return batches.fit_scaler(table, own, mode="subject"), "subject"


def _seed(job: Job) -> int:
    """A seed of its own for every fold, the same for every way of scaling."""
    return int(np.random.SeedSequence([job.seed, job.fold]).generate_state(1)[0])


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
