"""Cleaned recordings without a study: arrays for other programs, and a page for each."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mien.run.cleaning import SIGNAL, clean_recordings, summary, write_pages
from mien.run.loading import Progress, load_raw
from mien.run.store import Store
from mien.signal.cleaning import DEFAULT, Step


def write_cleaned(
    name: str,
    root: str | Path,
    out: str | Path,
    *,
    steps: Sequence[Step] = DEFAULT,
    subjects: Sequence[str] | None = None,
    store: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Clean the raw EEG of a data set and write it as files.

    Parameters
    ----------
    name, root
        Data set and its folder.
    out
        Folder to write to: ``<recording>.npy``, float32 volts (channels, times), ``<recording>.html``, and
        ``cleaning.json`` with what was done to each recording, its channels and its rate.
    steps
        What to do, in order.
    subjects
        Only these; None means all.
    store
        Where results are kept; default ``out/store``. The arrays in ``out`` are the same files as those in
        the store where the file system can do that, so they are made read-only.

    Returns
    -------
    dict
        ``recordings`` (id to what was found, as in ``record.json`` of a run) and ``faults``, a line each.

    Raises
    ------
    InputError
        Nothing can be used, there is no raw EEG, or nothing can be cleaned; nothing is written then.
    """
    out, tell = Path(out), progress or (lambda *_: None)
    options = {} if subjects is None else {"subjects": list(subjects)}
    recordings, found = load_raw(name, root, **options)
    made = clean_recordings(
        recordings,
        steps,
        Store(store if store is not None else out / "store"),
        simulated=(Path(root) / "truth.json").exists(),
        workers=workers,
        progress=lambda done, total, text: tell("cleaning", done, total, text),
    )
    for recording, folder in made.folders.items():
        _place(folder / SIGNAL, out / f"{recording}.npy")
    write_pages(made, out)
    faults = [*(f for f in found if f.severity == "left out"), *made.faults]
    return {
        "recordings": summary(made)["recordings"],
        "faults": [str(fault).removesuffix(" (left out)") for fault in faults],
    }


def _place(source: Path, target: Path) -> None:
    """The same file under a second name, or a copy of it; whole or not at all."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samefile(source, target):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
    part.chmod(0o444)
    part.replace(target)
