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
    small = size == "small"
    root = _made_up(
        "seed_vii", out / f"seed_vii-{size}", workers=workers, progress=progress,
        subjects=3 if small else 5, clips=28, seconds=12.0 if small else 20.0,
    )  # fmt: skip
    return study(maet_study(root, small=small), out / f"maet-{size}", workers=workers, progress=progress)


def _mes_eeg(out: Path, *, size: str, workers: int | None, progress: Progress | None) -> Path:
    small = size == "small"
    root = _made_up(
        "mes_eeg", out / f"mes_eeg-{size}", workers=workers, progress=progress,
        subjects=4 if small else 5, clips=42, events_per_clip=1.0,
        seconds=12.0, rate=250.0, kinds=("coding", "eeg", "pairs"),
    )  # fmt: skip
    return study(
        mes_eeg_study(root, small=small), out / f"mes_eeg-{size}-run", workers=workers, progress=progress
    )


def _milmer(out: Path, *, size: str, workers: int | None, progress: Progress | None) -> Path:
    small = size == "small"
    root = _made_up(
        "deap", out / f"deap-{size}", workers=workers, progress=progress,
        subjects=4 if small else 5, trials=16, seconds=9 if small else 12, video_subjects=3 if small else 4,
        kinds=("preprocessed", "ratings", "video"),
    )  # fmt: skip
    return study(milmer_study(root, small=small), out / f"milmer-{size}", workers=workers, progress=progress)


def _mmme(out: Path, *, size: str, workers: int | None, progress: Progress | None) -> Path:
    small = size == "small"
    root = _made_up(
        "mmme", out / f"mmme-{size}", workers=workers, progress=progress,
        subjects=3 if small else 4, clips=14 if small else 21, seconds=12.0, rate=250.0, columns=14,
    )  # fmt: skip
    return study(mmme_study(root, small=small), out / f"mmme-{size}-run", workers=workers, progress=progress)


def _made_up(
    name: str, root: Path, *, workers: int | None, progress: Progress | None, **options: Any
) -> Path:
    """A made-up data set: the one that an earlier call left, or a new one."""
    tell = progress or (lambda *_: None)
    if not root.exists():
        simulate.simulate(
            name,
            root,
            seed=_SEED,
            workers=workers or 2,
            progress=lambda done, total, text: tell("simulating", done, total, text),
            **options,
        )
    elif not (root / "truth.json").exists():
        raise InputError("is no made-up data set", file=root, remedy="choose another --out")
    return root


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


def mes_eeg_study(root: str | Path, *, small: bool) -> dict[str, Any]:
    """The study of the demo's micro-expressions: three classes, of face and EEG."""
    return {
        "system": "mes_eeg",
        "label": "emotion3",
        "seeds": [0],
        "data": {"name": "mes_eeg", "root": str(root)},
        "samples": {"of": "event"},
        "features": {
            "eeg": {"name": "power_sequence", "stream": "raw_eeg"},
            "me": {"name": "flow", "options": {"method": "dis", "size": 24}},
        },
        "model": {"name": "mes_eeg", "modalities": [["me", "eeg"], ["me"], ["eeg"]]},
        "train": {"batch_size": 64, "epochs": 4 if small else 10, "loss": "focal"},
        "baselines": ["logistic_regression", "flow_histogram_svm"],
        "protocol": {
            "names": ["loso_stimulus", "me_loso_event"],
            "normalise": ["subject"],
            "options": {"loso_stimulus": {"n_stimulus_folds": 3}},
        },
        "controls": {"shuffled": True},
    }


def milmer_study(root: str | Path, *, small: bool) -> dict[str, Any]:
    """The study of the demo's bags of faces: four quadrants of felt valence and arousal."""
    return {
        "system": "milmer",
        "label": "quadrant",
        "seeds": [0],
        "data": {"name": "deap", "root": str(root)},
        "features": {
            "eeg": {
                "name": "de",
                "options": {"window_seconds": 3.0, "stride_seconds": 3.0, "bands": DEAP_BANDS},
            },
            "face": {"name": "face_tokens", "options": {"grid": 3, "face_crops": {"size": 64}}},
        },
        "model": {"name": "milmer", "modalities": [["eeg", "face"], ["eeg"], ["face"]]},
        "train": {"batch_size": 64, "epochs": 4 if small else 20, "lr": 5e-3, "modality_dropout": 0.0},
        "baselines": ["logistic_regression"],
        "protocol": {
            "names": ["loso_stimulus", "loso", "trial_622", "random_window"],
            "normalise": ["train"],
            "options": {"loso_stimulus": {"n_stimulus_folds": 3}},
        },
        "controls": {"shuffled": False},
    }


def mmme_study(root: str | Path, *, small: bool) -> dict[str, Any]:
    """The study of the demo's faces, EEG and bodies on one clock: three classes, any of the three."""
    sets = (["me", "eeg", "body"], ["me", "body"], ["me", "eeg"], ["eeg", "body"], ["me"], ["eeg"], ["body"])
    return {
        "system": "mmme",
        "label": "emotion3",
        "seeds": [0],
        "data": {"name": "mmme", "root": str(root)},
        "samples": {"of": "event"},
        "features": {
            "me": {"name": "flow", "options": {"method": "dis", "size": 24}},
            "eeg": {"name": "power_sequence", "stream": "raw_eeg"},
            "body": {
                "name": "body_sequence",
                "cut": "rest-3+10",
                "options": {
                    "window_seconds": 12.0,
                    "stride_seconds": 12.0,
                    "baseline_seconds": 3.0,
                    "last_only": True,
                },
            },
        },
        "model": {"name": "mmme", "modalities": [list(s) for s in sets]},
        "train": {
            "batch_size": 64,
            "epochs": 4 if small else 10,
            "lr": 5e-3,
            "loss": "focal",
            "modality_dropout": 0.2,
        },
        "baselines": ["logistic_regression"],
        "protocol": {
            "names": ["loso_stimulus", "loso"],
            "normalise": ["subject"],
            "options": {"loso_stimulus": {"n_stimulus_folds": 2}},
        },
        "controls": {"shuffled": not small},
    }


DEAP_BANDS = {"theta": [4.0, 8.0], "alpha": [8.0, 14.0], "beta": [14.0, 31.0], "gamma": [31.0, 45.0]}
"""What DEAP's preprocessed files have left of the usual bands."""

_SYSTEMS: dict[str, Callable[..., Path]] = {
    "maet": _maet,
    "mes_eeg": _mes_eeg,
    "milmer": _milmer,
    "mmme": _mmme,
}
