"""SEED: EEG, and for some eye movements, of 15 people who watched the same 15 clips on three days."""

from __future__ import annotations

import json
import pickle
import re
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import InputError
from mien.core.registry import registered
from mien.core.types import Recording
from mien.datasets import _seed_multimodal as multimodal
from mien.datasets._card import Card
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._seed_layout import BANDS, CHANNELS, EEG_RATE, TRUTH
from mien.datasets._seed_siblings import BY_BAND, Kind, Piece, Survey, bands_last, eeg_kind, numbered_rows
from mien.datasets._seed_siblings_files import (
    expected_clips,
    locate,
    mat_pieces,
    named_files,
    read_truth,
    wants_raw,
)
from mien.datasets._seed_siblings_inspect import inspect_survey
from mien.datasets._seed_siblings_layout import (
    N_SESSIONS,
    SEED,
    SEED_CODES,
    SEED_DATES,
    SEED_EYE_SUBJECTS,
    SEED_EYE_WINDOWS,
)
from mien.datasets._seed_siblings_load import load_survey, merge
from mien.datasets._seed_siblings_raw import RAW_RATE, RawSurvey, add_raw, load_raw, read_points, survey_raw
from mien.io.mat import MatFile

__all__ = ["Seed", "example"]

EEG_FOLDER = "Preprocessed_EEG"
FEATURES_FOLDER = "ExtractedFeatures"
FEATURES_4S_FOLDER = "ExtractedFeatures_4s"
RAW_FOLDER = "01-EEG-raw"
_DATED = (EEG_FOLDER, FEATURES_FOLDER, FEATURES_4S_FOLDER)
"""Folders whose files have a date in their names, and no session."""
LABELS = "label.mat"
TIMES = "time.txt"

_CHINESE = ("", "Chinese/", "SEED_Multimodal/Chinese/")
_PLACES: Mapping[str, tuple[str, ...]] = {
    EEG_FOLDER: (EEG_FOLDER, f"SEED_EEG/{EEG_FOLDER}"),
    FEATURES_FOLDER: tuple(
        f"{above}{name}"
        for above in ("", "SEED_EEG/")
        for name in ("ExtractedFeatures", "ExtractedFeatures_1s", "Extracted_Features")
    ),
    FEATURES_4S_FOLDER: (FEATURES_4S_FOLDER, f"SEED_EEG/{FEATURES_4S_FOLDER}"),
    multimodal.DE_FOLDER: (
        multimodal.DE_FOLDER,
        *(f"{c}02-EEG-DE-feature/{multimodal.DE_FOLDER}" for c in _CHINESE),
    ),
    multimodal.EYE_FOLDER: (
        multimodal.EYE_FOLDER,
        *(f"{c}04-Eye-tracking-feature/{multimodal.EYE_FOLDER}" for c in _CHINESE),
    ),
    RAW_FOLDER: tuple(f"{c}{RAW_FOLDER}" for c in _CHINESE),
}
"""Name of each folder to where copies keep it."""


def _feature_kinds(folder: str, rate: float, suffix: str) -> tuple[Kind, ...]:
    rows: Mapping[str, int] = {
        **{"de": len(CHANNELS), "psd": len(CHANNELS)},
        **{"dasm": 27, "rasm": 27, "asm": 54, "dcau": -1},
    }
    channels = {n: BY_BAND if n == len(CHANNELS) else numbered_rows(n) for n in rows.values() if n > 0}
    return tuple(
        Kind(
            stream=f"shipped_eeg_{name}_{smoothing}{suffix}",
            folder=folder,
            modality="eeg",
            shape=(n, None, len(BANDS)),
            channels=channels.get(n, numbered_rows),
            arrange=bands_last,
            key=rf"{name}_{word}(?P<clip>\d+)",
            rate=rate,
        )
        for name, n in rows.items()
        for smoothing, word in (("lds", "LDS"), ("moving_average", "movingAve"))
    )


KINDS: tuple[Kind, ...] = (
    eeg_kind(EEG_FOLDER),
    *_feature_kinds(FEATURES_FOLDER, 1.0, ""),
    *_feature_kinds(FEATURES_4S_FOLDER, 0.25, "_4s"),
    multimodal.DE,
    multimodal.EYE,
)


@registered
class Seed:
    """Reader of the preprocessed EEG, the shipped EEG features, the multimodal features, and the raw EEG.

    Whatever part of the copy is there is read; see ``docs/datasets/seed.md`` for where it may lie. ``load``
    gives the raw recordings or all the rest, never both, because they have no time in common: the rest unless
    ``raw=True`` asks for raw, or raw is all there is.

    ==============================================  ========  =====  =======  ================================
    stream                                          modality  unit   rate     channels
    ==============================================  ========  =====  =======  ================================
    ``eeg``                                         eeg       V      200 Hz   62 electrodes
    ``shipped_eeg_de_lds``, ``…_moving_average``    eeg       mixed  1 Hz     310, ``delta:FP1`` …
    ``shipped_eeg_psd_lds``, ``…_moving_average``   eeg       mixed  1 Hz     the same
    ``shipped_eeg_dasm_…``, ``rasm``, ``asm``,      eeg       mixed  1 Hz     band by band, rows numbered
    ``dcau``
    the same with ``_4s``                           eeg       mixed  1/4 Hz   the same
    ``shipped_eeg_de_4s``                           eeg       mixed  1/4 Hz   310, ``delta:FP1`` …
    ``shipped_eye``                                 eye       mixed  1/4 Hz   as many as the file has
    ``raw_eeg``                                     eeg       V      1000 Hz  62 electrodes; clock ``eeg``
    ``raw_reference``, ``raw_eog``                  the same  V      1000 Hz  as far as recorded
    ==============================================  ========  =====  =======  ================================

    One recording per subject and session (``sub-1_ses-2``), one trial per clip (``sub-1_ses-2_clip-5``). All
    three sessions show the same 15 clips: trials of one clip share their stimulus. The files of the EEG carry
    a date, not a session; the session is that of the date in the published list, and a file of any other date
    is left out. On the recording clock the clips follow one another without a gap, from 0; in raw recordings
    0 is the first sample, and the clips lie where ``time.txt`` says.
    """

    card = Card(
        title="SEED",
        version="2015, with the multimodal part",
        licence="For academic research under the licence agreement of BCMI, Shanghai Jiao Tong University; "
        "not to be passed on.",
        citation="W.-L. Zheng, B.-L. Lu. Investigating Critical Frequency Bands and Channels for EEG-Based "
        "Emotion Recognition with Deep Neural Networks. IEEE Transactions on Autonomous Mental Development "
        "7(3), 162-175, 2015.",
        doi="10.1109/TAMD.2015.2431497",
        obtain="Apply at https://bcmi.sjtu.edu.cn/home/seed/seed.html with the signed licence agreement.",
        counts={
            "subjects": len(SEED.subjects),
            "recordings": len(SEED.subjects) * N_SESSIONS,
            "clips": SEED.clips,
            "trials": len(SEED.subjects) * N_SESSIONS * SEED.clips,
        },
        known_faults=(
            "The names of the EEG variables begin with letters that tell who the subject is; this reader "
            "keeps and shows none of them.",
            "Each session shows the same clips to the same people: a clip seen in another session gives the "
            "label away.",
            "Both kinds of shipped EEG features are smoothed over the clip, so that its windows resemble one "
            "another.",
            "Which electrodes the rows of dasm, rasm, asm and dcau pair is not in the files.",
            "The multimodal part says neither where one clip ends nor what the eye features are; the "
            "published table of windows gives clip 3 one window less, and clip 4 one more, than their "
            "lengths suggest.",
            "Eye movements were recorded of 12 of the 15 subjects.",
        ),
    )

    def load(
        self,
        root: str | Path,
        *,
        subjects: Collection[str | int] | None = None,
        sessions: Collection[str | int] | None = None,
        raw: bool | None = None,
    ) -> list[Recording]:
        """Recordings of the chosen subjects and sessions.

        Reads headers only, except that the pickled files of the multimodal part are read once. Files and
        clips that are at fault are left out, with one :class:`DatasetWarning`.

        Parameters
        ----------
        root
            Folder that holds the data set.
        subjects, sessions
            Which ones (subjects 1-15, sessions 1-3); None means all.
        raw
            True: the raw sessions. False: everything else. None: everything else where any of it is there,
            else raw.

        Raises
        ------
        InputError
            The folder is no copy of the data set, a chosen subject or session does not exist, ``label.mat``
            contradicts the known labels, raw recordings come without ``time.txt``, or nothing can be used.
        """
        if wants_raw(locate(root, _PLACES), RAW_FOLDER, raw):
            return load_raw(lambda names: _survey_raw(root, names), subjects=subjects, sessions=sessions)
        return load_survey(lambda names: _survey(root, names), subjects=subjects, sessions=sessions)

    def inspect(
        self, root: str | Path, *, progress: Callable[[int, int, str], None] | None = None
    ) -> Inspection:
        """Counts, faults and notes; reads every array once, one at a time.

        Parameters
        ----------
        root
            Folder that holds the data set.
        progress
            Called with the number of arrays read, how many there are, and the file being read.
        """
        found = inspect_survey(_survey(root, None), progress=progress)
        if RAW_FOLDER not in locate(root, _PLACES):
            return found
        return add_raw(found, lambda: _survey_raw(root, None), folder=RAW_FOLDER)


Parts = list[tuple[str, int, Mapping[int, Mapping[str, Piece]]]]


def _survey(root: str | Path, subjects: Collection[str] | None) -> Survey:
    root = Path(root)
    folders = locate(root, _PLACES)
    truth = read_truth(root, "seed")
    expected = expected_clips(root, SEED, truth)
    windows = SEED_EYE_WINDOWS if truth is None else _windows(root, truth)
    parts: Parts = []
    faults: list[Fault] = []
    found: dict[str, int] = {}
    for name in _DATED:
        if name in folders:
            found[name] = _add_dated(folders[name], name, expected, subjects, parts, faults)
    for kind in (multimodal.DE, multimodal.EYE):
        if kind.folder in folders:
            found[kind.folder] = _add_numbered(folders[kind.folder], kind, windows, subjects, parts, faults)
    disagreement, note = _check_labels(folders, faults)
    sittings, wrong = merge(parts)
    people = {subject for subject, _, _ in parts} if truth is not None else set(SEED.subjects)
    with_eyes = people & set(SEED_EYE_SUBJECTS)
    return Survey(
        dataset="seed",
        design=SEED,
        root=root,
        kinds=KINDS,
        sittings=sittings,
        expected=expected,
        simulated=truth is not None,
        n_files={
            name: (n, N_SESSIONS * len(people if name in _DATED else with_eyes)) for name, n in found.items()
        },
        faults=(*faults, *wrong),
        notes=(note,),
        disagreement=disagreement,
    )


def _add_dated(
    folder: Path,
    name: str,
    expected: Mapping[int, tuple[int, ...]],
    subjects: Collection[str] | None,
    parts: Parts,
    faults: list[Fault],
) -> int:
    """Adds the pieces and faults of a folder of MATLAB files, and returns how many files it has."""
    files, wrong = named_files(
        folder,
        r"(?P<subject>[1-9]\d*)_(?P<date>\d{8})\.mat",
        expected="{subject}_{yyyymmdd}.mat",
        ignore=(LABELS,),
    )
    faults += wrong
    kinds = [kind for kind in KINDS if kind.folder == name]
    for path, match in files:
        subject = match["subject"]
        if subjects is not None and subject not in subjects:
            continue
        try:
            session = _session_of(path, subject, match["date"])
        except InputError as error:
            faults.append(fault_of(error, subject=subject))
            continue
        pieces, wrong = mat_pieces(path, kinds, clips=expected[session], n_clips=SEED.clips, subject=subject)
        faults += wrong
        parts.append((subject, session, pieces))
    return len(files)


def _add_numbered(
    folder: Path,
    kind: Kind,
    windows: tuple[int, ...],
    subjects: Collection[str] | None,
    parts: Parts,
    faults: list[Fault],
) -> int:
    """Adds the pieces and faults of a folder of the multimodal part, and returns how many files it has."""
    ending = ".npz" if kind is multimodal.DE else ""
    files, wrong = named_files(
        folder,
        r"(?P<subject>[1-9]\d*)_(?P<session>[1-3])" + re.escape(ending),
        expected="{subject}_{session}" + ending,
    )
    faults += wrong
    for path, match in files:
        subject = match["subject"]
        if subjects is not None and subject not in subjects:
            continue
        pieces, wrong = multimodal.session_pieces(path, kind, windows=windows, subject=subject)
        faults += wrong
        parts.append((subject, int(match["session"]), pieces))
    return len(files)


def _survey_raw(root: str | Path, subjects: Collection[str] | None) -> RawSurvey:
    """The raw sessions; where their clips lie is told by ``time.txt``, beside them or one folder above."""
    root = Path(root)
    folder = locate(root, _PLACES)[RAW_FOLDER]
    truth = read_truth(root, "seed")
    path = folder / TIMES if (folder / TIMES).exists() else folder.parent / TIMES
    times = read_points(path, n_clips=SEED.clips, rate=RAW_RATE)
    return survey_raw(
        "seed",
        SEED,
        root,
        folder,
        pattern=r"(?P<subject>[1-9]\d*)_(?P<session>[1-3])\.cnt",
        name_text="{subject}_{session}.cnt",
        times=(times,) * N_SESSIONS,
        expected=expected_clips(root, SEED, truth),
        simulated=truth is not None,
        subjects=subjects,
    )


def _session_of(path: Path, subject: str, date: str) -> int:
    """The session in which a file of that day was recorded; never by counting the files that are there."""
    if subject not in SEED.subjects:
        raise InputError(f"subject {subject} is not in the data set", file=path, expected="1 to 15")
    days = [row[int(subject) - 1] for row in SEED_DATES]
    if date not in days:
        raise InputError(
            f"{date} is no day of subject {subject}", file=path, expected=f"one of {', '.join(days)}"
        )
    return days.index(date) + 1


def _windows(root: Path, truth: Mapping[str, Any]) -> tuple[int, ...]:
    given = truth.get("eye_windows", list(SEED_EYE_WINDOWS))
    if (
        not isinstance(given, list)
        or len(given) != SEED.clips
        or not all(type(n) is int and n >= 0 for n in given)
    ):
        raise InputError(
            f"its 'eye_windows' are {given!r}", file=root / TRUTH, expected=f"{SEED.clips} whole numbers"
        )
    return tuple(given)


def _check_labels(folders: Mapping[str, Path], faults: list[Fault]) -> tuple[InputError | None, str]:
    """What ``label.mat`` says about the built-in labels: a contradiction or None, and a note."""
    paths = [folders[name] / LABELS for name in folders if (folders[name] / LABELS).exists()]
    for path in paths:
        try:
            mat = MatFile(path)
            given = mat.read("label").ravel().tolist()
        except InputError as error:
            faults.append(fault_of(error))
            continue
        if given != list(SEED_CODES):
            wrong = InputError(
                f"says {given}",
                file=path,
                expected=f"the labels of the published clips, {list(SEED_CODES)}",
                remedy="download it again, or remove it to use the built-in labels",
            )
            return wrong, f"{LABELS} contradicts the built-in labels"
        return None, f"{LABELS} agrees with the built-in labels"
    return None, f"no readable {LABELS}: labels come from the built-in table"


def example(folder: str | Path | None = None) -> Path:
    """Writes one made-up subject with two clips in each session and returns the root of the copy.

    Clips 1 and 2 of 9 s, preprocessed EEG, features and the multimodal part; noise, not physiology.

    Parameters
    ----------
    folder
        Where to write; made if need be. None: a new temporary folder, which stays until it is deleted.
    """
    from scipy.io import savemat

    root = Path(tempfile.mkdtemp(prefix="mien-seed-") if folder is None else folder)
    rng = np.random.default_rng(1)
    clips, seconds = (1, 2), 9
    windows = [2 if clip in clips else 0 for clip in range(1, SEED.clips + 1)]
    n_train, n_test = sum(windows[:9]), sum(windows[9:])
    words = [f"{n}_{w}" for n in ("de", "psd", "dasm", "rasm", "asm", "dcau") for w in ("movingAve", "LDS")]
    rows = {"dasm": 27, "rasm": 27, "asm": 54, "dcau": 23}
    for name in (EEG_FOLDER, FEATURES_FOLDER, multimodal.DE_FOLDER, multimodal.EYE_FOLDER):
        (root / name).mkdir(parents=True, exist_ok=True)
    for session, days in enumerate(SEED_DATES, start=1):
        eeg = {
            f"xx_eeg{k}": rng.normal(scale=10.0, size=(len(CHANNELS), int(seconds * EEG_RATE))) for k in clips
        }
        table = {
            f"{word}{k}": rng.normal(size=(rows.get(word.split("_")[0], len(CHANNELS)), seconds, len(BANDS)))
            for word in words
            for k in clips
        }
        savemat(root / EEG_FOLDER / f"1_{days[0]}.mat", eeg)
        savemat(root / FEATURES_FOLDER / f"1_{days[0]}.mat", table)
        de = [{b: rng.normal(size=(n, len(CHANNELS))) for b in BANDS} for n in (n_train, n_test)]
        labels = np.repeat(SEED_CODES, windows)
        np.savez(
            root / multimodal.DE_FOLDER / f"1_{session}.npz",
            train_data=np.bytes_(pickle.dumps(de[0], 4)),
            test_data=np.bytes_(pickle.dumps(de[1], 4)),
            train_label=labels[:n_train],
            test_label=labels[n_train:],
        )
        eye = {
            "train_data_eye": rng.normal(size=(n_train, 33)),
            "test_data_eye": rng.normal(size=(n_test, 33)),
        }
        (root / multimodal.EYE_FOLDER / f"1_{session}").write_bytes(pickle.dumps(eye, 4))
    savemat(root / EEG_FOLDER / LABELS, {"label": np.array([SEED_CODES])})
    truth = {"simulated": True, "dataset": "seed", "clips": list(clips), "eye_windows": windows}
    (root / TRUTH).write_text(json.dumps(truth), encoding="utf-8")
    return root
