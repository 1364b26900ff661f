"""What lies in a copy of DEAP: folders, files of each participant, tables, and how long trials are."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import InputError
from mien.core.text import natural_key
from mien.datasets._deap_layout import (
    BASELINE_SECONDS,
    FOLDERS,
    N_SUBJECTS,
    N_TRIALS,
    RATE,
    SECONDS,
    TRUTH,
    subject_name,
)
from mien.datasets._deap_tables import Rating, Ratings, find_ratings, stimulus_ratings
from mien.datasets._inspection import Fault
from mien.datasets._seed_siblings_files import locate

PYTHON, MATLAB, ORIGINAL, VIDEO = "preprocessed", "matlab", "original", "video"
_ENDINGS = {PYTHON: ".dat", MATLAB: ".mat", ORIGINAL: ".bdf"}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Numbers and lengths of trials: the published ones, or those of a made-up copy.

    Attributes
    ----------
    trials
        Trials of a participant, which are the videos.
    seconds, baseline
        Length of a trial and of what is stored before it.
    simulated
        Whether the copy is made up.
    """

    trials: int = N_TRIALS
    seconds: int = SECONDS
    baseline: int = BASELINE_SECONDS
    simulated: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of ``data``: trials, channels, samples."""
        return self.trials, 40, int(RATE) * (self.baseline + self.seconds)

    def start(self, video: int) -> float:
        """Second at which a video starts where the stored trials lie end to end."""
        return float((video - 1) * (self.baseline + self.seconds) + self.baseline)


@dataclass(frozen=True, kw_only=True)
class Copy:
    """The files of a copy.

    Attributes
    ----------
    files
        Kind (``preprocessed``, ``matlab``, ``original``) to participant to file.
    videos
        Participant to place in the order of presentation to face video.
    ratings, averages
        The tables; None and empty where there are none.
    faults
        What is wrong with names and tables.
    """

    root: Path
    layout: Layout
    folders: Mapping[str, Path]
    files: Mapping[str, Mapping[int, Path]]
    videos: Mapping[int, Mapping[int, Path]]
    ratings: Ratings | None
    averages: Mapping[int, Mapping[str, float]]
    faults: tuple[Fault, ...]

    def rows(self, participant: int) -> Mapping[int, Rating]:
        """Video to the participant's row of ratings."""
        return {} if self.ratings is None else self.ratings.of.get(participant, {})


def find_copy(root: str | Path) -> Copy:
    """Looks at names and tables; opens no recording and no video.

    Raises
    ------
    InputError
        The folder is no copy of the data set.
    """
    root = Path(root)
    folders = locate(root, {kind: (folder,) for kind, folder in FOLDERS.items()})
    layout = _layout(root)
    faults: list[Fault] = []
    files: dict[str, dict[int, Path]] = {}
    for kind, ending in _ENDINGS.items():
        if kind in folders:
            files[kind], wrong = _participants(folders[kind], ending)
            faults += wrong
    videos: dict[int, dict[int, Path]] = {}
    if VIDEO in folders:
        videos, wrong = _videos(folders[VIDEO], layout.trials)
        faults += wrong
    ratings, wrong = find_ratings(root, n_trials=layout.trials)
    averages, more = stimulus_ratings(root, n_trials=layout.trials)
    return Copy(
        root=root,
        layout=layout,
        folders=folders,
        files=files,
        videos=videos,
        ratings=ratings,
        averages=averages,
        faults=(*faults, *wrong, *more),
    )


def wanted_participants(subjects: Collection[str | int] | None) -> list[int] | None:
    """Numbers of the participants asked for as ``1``, ``"1"``, ``"01"`` or ``"s01"``; None means all."""
    if subjects is None:
        return None
    found = []
    for subject in [subjects] if isinstance(subjects, str) else subjects:
        match = re.fullmatch(r"s?0*([1-9]\d*)", str(subject))
        if match is None:
            raise InputError(
                f"no subject {subject!r}", expected=f"{subject_name(1)} to {subject_name(N_SUBJECTS)}"
            )
        found.append(int(match[1]))
    return list(dict.fromkeys(found))


def _layout(root: Path) -> Layout:
    path = root / TRUTH
    if not path.is_file():
        return Layout()
    remedy = "make the data again with: mien simulate deap"
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise InputError("is not readable JSON", file=path, remedy=remedy) from None
    name = truth.get("dataset") if isinstance(truth, dict) else None
    if name != "deap":
        raise InputError(f"is of {name!r}", file=path, expected="a made-up copy of 'deap'", remedy=remedy)
    given = truth.get("layout")
    numbers = given if isinstance(given, dict) else {}
    sizes = [numbers.get(key) for key in ("trials", "seconds", "baseline")]
    whole = [int(n) for n in sizes if isinstance(n, int | float) and n == n // 1 and n >= 1]
    if len(whole) != len(sizes) or whole[0] > N_TRIALS:
        raise InputError(
            f"its 'layout' is {given!r}",
            file=path,
            expected=f"trials (1 to {N_TRIALS}), seconds and baseline as whole numbers",
            remedy=remedy,
        )
    return Layout(trials=whole[0], seconds=whole[1], baseline=whole[2], simulated=True)


def _participants(folder: Path, ending: str) -> tuple[dict[int, Path], list[Fault]]:
    found: dict[int, Path] = {}
    faults: list[Fault] = []
    for path in _inside(folder):
        if path.suffix.lower() != ending:
            continue
        match = re.fullmatch(r"s(\d{2})", path.stem)
        number = int(match[1]) if match else 0
        if not 1 <= number <= N_SUBJECTS:
            reason = f"its name is no participant's; expected s01{ending} to s{N_SUBJECTS}{ending}"
            faults.append(Fault(file=str(path), reason=reason))
        else:
            found[number] = path
    return found, faults


def _videos(folder: Path, n_trials: int) -> tuple[dict[int, dict[int, Path]], list[Fault]]:
    found: dict[int, dict[int, Path]] = {}
    faults: list[Fault] = []
    for sub in _inside(folder):
        for path in _inside(sub) if sub.is_dir() else (sub,):
            match = re.fullmatch(r"s(\d{2})_trial(\d{2})\.avi", path.name)
            person, trial = (int(match[1]), int(match[2])) if match else (0, 0)
            if not (1 <= person <= N_SUBJECTS and 1 <= trial <= n_trials and sub.name == path.name[:3]):
                if path.suffix.lower() in (".avi", ".mp4", ".mov"):
                    reason = "its name says neither participant nor trial; expected sNN/sNN_trialNN.avi"
                    faults.append(Fault(file=str(path), reason=f"{reason}, NN from 01, trials to {n_trials}"))
                continue
            found.setdefault(person, {})[trial] = path
    return found, faults


def _inside(folder: Path) -> list[Path]:
    """What a folder holds, in counting order."""
    return sorted(
        (p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: natural_key(p.name)
    )
