"""A whole study: files in, a run folder out. The only place where everything is wired together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien import report
from mien.core import InputError, MienError, write_whole
from mien.run.audit import audit_run
from mien.run.collect import collect
from mien.run.config import Study
from mien.run.environment import Clock
from mien.run.fold import load_context
from mien.run.jobs import plan_jobs, run_jobs, try_models
from mien.run.loading import Progress
from mien.run.lock import LOCK, only_run
from mien.run.prepare import prepare
from mien.run.refit import refit
from mien.run.study_file import load_study
from mien.run.toml_text import to_toml

_MADE_LAST = ("audit.json", "report.json", "report.html", "environment.json")


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
        The run folder. If it holds the same study, what is done is kept; another study is an error, and so is
        another run at work there. A study that cannot start leaves no folder.
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
    features_in = Path(store) if store else out.parent / "mien-store"
    _refuse_others(out, plan)
    if _finished(out):
        return out
    with only_run(out):
        _refuse_others(out, plan)  # it may have been made while we waited for nothing
        _clear_leftovers(out)
        write_whole(out / "study.toml", to_toml(plan).encode())
        load_context.cache_clear()  # an earlier study of this process may have had a folder of the same name
        if not (out / "record.json").exists():
            _compute(out, plan, store=features_in, workers=workers or os.cpu_count() or 1, tell=tell)
        _report(out, tell)
        shutil.rmtree(out / ".work", ignore_errors=True)
    return out


def _refuse_others(out: Path, plan: Study) -> None:
    """Make sure that the folder is this study's, or nobody's."""
    known = out / "study.toml"
    if known.exists():
        if known.read_text(encoding="utf-8") != to_toml(plan):
            raise InputError(
                "holds another study", file=out, remedy="choose another --out, or remove this folder"
            )
    elif out.exists() and (not out.is_dir() or any(p.name != LOCK for p in out.iterdir())):
        raise InputError("exists and is no run folder", file=out, remedy="choose another --out")


def _finished(out: Path) -> bool:
    there = all((out / name).exists() for name in ("study.toml", "record.json", *_MADE_LAST))
    return there and not (out / ".work").exists()


def _clear_leftovers(out: Path) -> None:
    """Remove what a killed run was writing."""
    for part in (out, out / "figures", out / "cleaning", *(out / "checkpoints").glob("*")):
        for path in part.glob(".*.part"):
            path.unlink()


def _compute(out: Path, plan: Study, *, store: Path, workers: int, tell: Progress) -> None:
    """Everything up to ``record.json``."""
    clock = Clock(out)

    def told(stage: str, done: int, total: int, text: str) -> None:
        clock.tick()
        tell(stage, done, total, text)

    try:
        with clock("features"):
            prepare(out, plan, store=store, workers=workers, tell=told)
            try_models(out, plan)
    except MienError:
        _abandon(out)
        raise
    with clock("training"):
        jobs = plan_jobs(out, plan)
        run_jobs(out, jobs, workers=workers, tell=told)
    with clock("refit"):
        told("refit on all trials", 0, 1, plan.model.name)
        refit(out, plan, jobs)
        told("refit on all trials", 1, 1, plan.model.name)
    collect(out, plan, jobs)


def _abandon(out: Path) -> None:
    """Leave nothing of a study that could not start."""
    if (out / ".work" / "fits").exists():
        return
    shutil.rmtree(out / ".work", ignore_errors=True)
    shutil.rmtree(out / "cleaning", ignore_errors=True)
    for name in (
        *("study.toml", "environment.json", "splits.json", "samples.parquet", "dropped.csv", "clocks.json"),
        *("markers.json", "association.csv", "figures/association.npz"),
    ):
        (out / name).unlink(missing_ok=True)


def _report(out: Path, tell: Progress) -> None:
    tell("report", 0, 2, "audit")
    audit_run(out)
    tell("report", 1, 2, "figures")
    if not (out / "environment.json").exists():
        Clock(out).save()
    report.write_report(out)
    tell("report", 2, 2, "done")
