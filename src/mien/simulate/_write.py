"""How a made-up data set gets onto disk: options checked first, the folder whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import numpy as np

from mien.core import InputError
from mien.core.workers import process_pool

Progress = Callable[[int, int, str], None]
"""Called with how many parts are done, how many there are, and the name of the last one."""

SECONDS = (8.0, 600.0)
"""The shortest and the longest mean length of a clip that is made unless a data set says otherwise."""


def check_options(
    out: Path,
    *,
    subjects: int,
    max_subjects: int,
    seconds: float,
    effect: float,
    kinds: Sequence[str],
    known: Sequence[str],
    workers: int,
    short: Sequence[str] = (),
    seconds_range: tuple[float, float] = SECONDS,
) -> None:
    """Refuse what cannot be made, before anything is written.

    Parameters
    ----------
    known
        Kinds of files there are.
    short
        Words that stand for several kinds; only named in the message.

    Raises
    ------
    InputError
        Names the option as it is written on the command line, or the folder that is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            "exists and is not empty", file=out, remedy="choose another folder or remove this one"
        )
    if not 1 <= subjects <= max_subjects:
        raise InputError(f"--subjects {subjects}", expected=f"1 to {max_subjects}")
    low, high = seconds_range
    if not low <= seconds <= high:
        raise InputError(f"--seconds {seconds}", expected=f"{low:g} to {high:g} seconds")
    if not (np.isfinite(effect) and effect >= 0):
        raise InputError(f"--effect {effect}", expected="a number of 0 or more")
    if workers < 1:
        raise InputError(f"--workers {workers}", expected="1 or more")
    for kind in kinds:
        if kind not in known:
            raise InputError(f"--kinds {kind}", expected="any of " + ", ".join((*known, *short)))


def write_folder(
    out: Path,
    write_part: Callable[..., str],
    jobs: Sequence[tuple[Any, ...]],
    *,
    truth: Callable[[], dict[str, Any]],
    finish: Callable[[Path], None] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write all parts and ``truth.json`` into a folder that appears whole or not at all.

    Parameters
    ----------
    out
        What the folder is called in the end; until then its files are in ``<out>.partial``.
    write_part
        Module-level function called as ``write_part(*job, folder)``; writes files that no other job writes
        and returns the name of what it wrote. What it is given must survive pickling.
    jobs
        The parts.
    truth
        Makes what ``truth.json`` holds, after all parts are written.
    finish
        Writes what belongs to all parts, called with the folder.
    workers
        Processes that write parts side by side.

    Returns
    -------
    Path
        ``out``.
    """
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        calls = [(*job, partial) for job in jobs]
        for done, name in enumerate(_run(write_part, calls, workers=workers), start=1):
            if progress is not None:
                progress(done, len(calls), name)
        if finish is not None:
            finish(partial)
        text = json.dumps(truth(), indent=1, sort_keys=True)
        (partial / "truth.json").write_text(text + "\n", encoding="utf-8")
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return out


def _run(write_part: Callable[..., str], calls: Sequence[tuple[Any, ...]], *, workers: int) -> Iterator[str]:
    if workers == 1 or len(calls) == 1:
        for call in calls:
            yield _on_one_thread(write_part, call)
        return
    with process_pool(min(workers, len(calls))) as pool:
        for future in as_completed([pool.submit(_on_one_thread, write_part, call) for call in calls]):
            yield future.result()


def _on_one_thread(write_part: Callable[..., str], call: tuple[Any, ...]) -> str:
    """A part is written by one thread of BLAS: the arrays are small, and the processes do not crowd each
    other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return write_part(*call)
