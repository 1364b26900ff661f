"""The fits of a study: which there are, and running them side by side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from mien import models
from mien.core import InputError
from mien.core.workers import process_pool
from mien.run.config import Study
from mien.run.fold import Job, load_context, make_model, result_folder, run_job
from mien.run.loading import Progress


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
            groups = fitted_groups(model, plan)
            for fold, (streams, subsets) in itertools.product(range(len(splits[protocol, seed])), groups):
                jobs.append(
                    Job(
                        protocol=protocol, normalise=normalise, model=model, control=control,
                        seed=seed, fold=fold, streams=tuple(streams), subsets=tuple(subsets),
                    )
                )  # fmt: skip
    return jobs


Streams = tuple[str, ...]


def fitted_groups(model: str, plan: Study) -> list[tuple[Streams, tuple[Streams, ...]]]:
    """The fits of a model in one fold: what it is built for, and the sets of streams it is scored with.

    A baseline that takes some streams only is scored with those subsets that have no other.
    """
    known = models.streams(model)
    subsets = [s for s in plan.subsets if known is None or set(s) <= set(known)]
    if models.kind(model) != "network":
        return [(s, (s,)) for s in subsets]
    together = tuple(s for s in plan.streams if any(s in subset for subset in subsets))
    return [(together, tuple(subsets))] if subsets else []


def try_models(out: Path, plan: Study) -> None:
    """Make every model once, so that an impossible option is found before anything is trained."""
    context = load_context(out.resolve())
    for model in (plan.model.name, *plan.baselines):
        groups = fitted_groups(model, plan)
        if not groups:
            raise InputError(
                f"{model!r} takes the streams {', '.join(models.streams(model) or ())}, and no set of "
                "model.modalities has these alone",
                remedy="leave it out, or add such a set",
            )
        job = Job(
            protocol=plan.protocol.names[0],
            normalise=plan.protocol.normalise[0],
            model=model,
            control="none",
            seed=plan.seeds[0],
            fold=0,
            streams=groups[0][0],
        )
        make_model(context, job, n_domains=1, seed=0)


def run_jobs(out: Path, jobs: Sequence[Job], *, workers: int, tell: Progress) -> None:
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
