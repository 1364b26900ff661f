"""The main job on made-up data, for every system there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mien import simulate
from mien.core import InputError, UnknownNameError, normalise_name
from mien.run.pipeline import study

Progress = Callable[[str, int, int, str], None]
SIZES = ("small", "default")
_SEED = 1


def demo(
    out: str | Path,
    *,
    only: str | None = None,
    size: str = "default",
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Simulate, read, extract, train, evaluate and report, system by system.

    Parameters
    ----------
    out
        Folder for data and runs; what an earlier call left there is used again.
    only
        One of the systems; default all.
    size
        ``"default"`` (a minute a system on two cores) or ``"small"`` (seconds: shows that all works, its
        scores mean little).

    Returns
    -------
    list of Path
        Run folders.
    """
    if size not in SIZES:
        raise UnknownNameError("size", size, SIZES)
    if only is not None and normalise_name(only) not in _SYSTEMS:
        raise UnknownNameError("system", only, _SYSTEMS)
    chosen = [normalise_name(only)] if only is not None else list(_SYSTEMS)
    return [_SYSTEMS[name](Path(out), size=size, workers=workers, progress=progress) for name in chosen]


def _maet(out: Path, *, size: str, workers: int | None, progress: Progress | None) -> Path:
    tell = progress or (lambda *_: None)
    small = size == "small"
    root = out / f"seed_vii-{size}"
    options = {"subjects": 3 if small else 5, "clips": 28, "seconds": 12.0 if small else 20.0}
    if not root.exists():
        simulate.simulate(
            "seed_vii",
            root,
            seed=_SEED,
            workers=workers or 2,
            progress=lambda done, total, text: tell("simulating", done, total, text),
            **options,
        )
    elif not (root / "truth.json").exists():
        raise InputError("is no made-up data set", file=root, remedy="choose another --out")
    return study(maet_study(root, small=small), out / f"maet-{size}", workers=workers, progress=progress)


def maet_study(root: str | Path, *, small: bool) -> dict[str, Any]:
    """The study of the demo as plain data, ready for :func:`mien.run.study`."""
    return {
        "system": "maet",
        "seeds": [0],
        "data": {"name": "seed_vii", "root": str(root)},
        "features": {"eeg": {"name": "de_lds"}, "eye": {"name": "shipped"}},
        "model": {
            "name": "maet",
            "modalities": [["eeg", "eye"], ["eeg"], ["eye"]],
            "config": {
                "depth": 2,
                "expert_blocks": 1,
            },  # the published network has 3 and 2; this one fits a minute
        },
        "train": {"batch_size": 64, "epochs": 4 if small else 12},
        "baselines": ["logistic_regression"],
        "protocol": {"names": ["loso_stimulus", "loso"], "normalise": ["subject", "train"]},
        "controls": {"shuffled": True},
    }


_SYSTEMS: dict[str, Callable[..., Path]] = {"maet": _maet}
