"""One study file, several studies: what an ablation table is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mien import report
from mien.core import InputError
from mien.run.pipeline import study
from mien.run.study_file import load_study, read_raw

KEY = "variants"
Progress = Callable[[str, int, int, str], None]


def variants_of(path: str | Path) -> dict[str, dict[str, Any]]:
    """The table ``[variants]`` of a study file: name to keys with dots and their values; empty without one.

    Raises
    ------
    InputError
        The file cannot be read, or a variant is no table of keys.
    """
    found = read_raw(Path(path)).get(KEY, {})
    if not isinstance(found, dict):
        raise InputError(
            f"[{KEY}] is no table",
            file=path,
            expected='"no selection" = { "model.config.selection" = "none" }',
        )
    for name, changes in found.items():
        if not isinstance(changes, dict) or any(isinstance(v, dict) for v in changes.values()):
            raise InputError(
                f"variant {name!r} is no table of keys",
                file=path,
                expected=f'"{name}" = {{ "model.config.selection" = "none" }}, with the keys in quotes',
            )
    slugs = [folder_name(name) for name in found]
    if len(set(slugs)) != len(slugs):
        raise InputError("two variants differ only in punctuation", file=path, remedy="rename one")
    return found


def folder_name(variant: str) -> str:
    """The folder of a variant's run: its name in lower case, all but letters and digits as ``_``."""
    return re.sub(r"[^a-z0-9]+", "_", variant.lower()).strip("_") or "_"


def run_variants(
    path: str | Path,
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    store: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Run every variant of a study file; what is done is kept.

    Parameters
    ----------
    path
        A study file with ``[variants]``; each changes keys of the study. All are checked before one is run.
    out
        Folder of the run folders, one a variant. They share features in ``mien-store`` there.
    overrides, workers, progress
        As for :func:`mien.run.study`; overrides hold for all.
    store
        Folder for features.

    Returns
    -------
    dict
        Variant to run folder. The report of the first compares it with all others.
    """
    out = Path(out)
    plans = {name: _plan(path, changes, overrides) for name, changes in variants_of(path).items()}
    if not plans:
        raise InputError(f"has no [{KEY}]", file=path)
    tell = progress or (lambda *_: None)
    folders = {}
    for name, plan in plans.items():

        def told(stage: str, done: int, total: int, text: str, name: str = name) -> None:
            tell(f"{name}: {stage}", done, total, text)

        folders[name] = study(
            plan, out / folder_name(name), store=store or out / "mien-store", workers=workers, progress=told
        )
    report.write_report(*folders.values())
    return folders


def _plan(path: str | Path, changes: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The study of a variant as plain data."""
    return load_study(path, overrides, changes=changes).model_dump(exclude_none=True)
