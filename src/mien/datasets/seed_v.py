"""SEED-V: EEG and eye movements of 16 people who watched 45 clips made to evoke five emotions."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.registry import registered
from mien.core.types import Recording
from mien.datasets._card import Card
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._seed_layout import TRUTH
from mien.datasets._seed_siblings import (
    BY_BAND,
    SESSIONS,
    Kind,
    Piece,
    Survey,
    channel_major,
    checked_piece,
    numbered_eye,
    windows_first,
)
from mien.datasets._seed_siblings_files import (
    expected_clips,
    locate,
    named_files,
    read_truth,
    remembered,
    wants_raw,
)
from mien.datasets._seed_siblings_inspect import inspect_survey
from mien.datasets._seed_siblings_layout import N_SESSIONS, SEED_V, SEED_V_TIMES, SEED_V_TIMES_FILE
from mien.datasets._seed_siblings_load import load_survey, merge
from mien.datasets._seed_siblings_raw import RawSurvey, Times, add_raw, load_raw, read_seconds, survey_raw
from mien.datasets._seed_survey import ranges
from mien.io.npz import NpzFile

__all__ = ["SeedV", "example"]

FEATURES_FOLDER = "EEG_DE_features"
EYE_FOLDER = "Eye_movement_features"
RAW_FOLDER = "EEG_raw"
N_EYE_FEATURES = 33
N_STIMULI = SEED_V.clips * N_SESSIONS

KINDS: tuple[Kind, ...] = (
    Kind(
        stream="shipped_eeg_de",
        folder=FEATURES_FOLDER,
        modality="eeg",
        shape=(None, len(BY_BAND)),
        channels=BY_BAND,
        arrange=channel_major,
    ),
    Kind(
        stream="shipped_eye",
        folder=EYE_FOLDER,
        modality="eye",
        shape=(None, N_EYE_FEATURES),
        channels=numbered_eye(N_EYE_FEATURES),
        arrange=windows_first,
    ),
)
FOLDERS = (FEATURES_FOLDER, EYE_FOLDER, RAW_FOLDER)


@registered
class SeedV:
    """Reader of the shipped EEG and eye features, and of the raw EEG.

    Whatever part of the tree is there is read. *Features* are any of ``EEG_DE_features`` and
    ``Eye_movement_features``, each with one ``.npz`` per subject whose pickled bytes are read without running
    them (:mod:`mien.io.npz`). *Raw* is ``EEG_raw`` (Neuroscan ``.cnt``), one file per subject and session; a
    file whose name ends in ``_repaired`` takes the place of the plain one. ``load`` gives one or the other:
    features unless ``raw=True`` asks for raw, or raw is all there is.

    ====================  =========  =====  =======  =========================================================
    stream                modality   unit   rate     channels
    ====================  =========  =====  =======  =========================================================
    ``shipped_eeg_de``    eeg        mixed  1/4 Hz   310, ``delta:FP1`` …, band by band
    ``shipped_eye``       eye        mixed  1/4 Hz   33, ``eye_1`` …
    ``raw_eeg``           eeg        V      1000 Hz  62 electrodes, as recorded; clock ``eeg``
    ``raw_reference``     reference  V      1000 Hz  ``M1``, ``M2``; clock ``eeg``
    ``raw_eog``           eog        V      1000 Hz  ``HEO``, ``VEO``; clock ``eeg``
    ====================  =========  =====  =======  =========================================================

    One recording per subject and session (``sub-1_ses-2``), one trial per clip. Clips are numbered through
    the sessions, 1-15, 16-30, 31-45 (``sub-1_ses-2_clip-16``), because each session has its own. With
    features the clips follow one another on the recording clock without a gap, from 0; with raw 0 is the
    first sample, and the clips lie where the published table of times has them.
    """

    card = Card(
        title="SEED-V",
        version="2021",
        licence="For academic research under the licence agreement of BCMI, Shanghai Jiao Tong University; "
        "not to be passed on.",
        citation="W. Liu, J.-L. Qiu, W.-L. Zheng, B.-L. Lu. Comparing Recognition Performance and Robustness "
        "of Multimodal Deep Learning Models for Multimodal Emotion Recognition. IEEE Transactions on "
        "Cognitive and Developmental Systems 14(2), 715-729, 2022.",
        doi="10.1109/TCDS.2021.3071170",
        obtain="Apply at https://bcmi.sjtu.edu.cn/home/seed/seed-v.html with the signed licence agreement.",
        counts={
            "subjects": len(SEED_V.subjects),
            "recordings": len(SEED_V.subjects) * N_SESSIONS,
            "clips": N_STIMULI,
            "trials": len(SEED_V.subjects) * N_STIMULI,
        },
        known_faults=(
            "20 people were recorded, the data of 16 are given out.",
            "The feature files are pickles, which can run code when they are read in the usual way.",
            "The 310 EEG features lie channel by channel, those of the other SEED data sets band by band; "
            "the stream is band by band.",
            "What the 33 eye features are, and in which order, is not in the files.",
            "All subjects see the same clips, so a clip that was seen in training gives the label away.",
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

        Files and clips that are at fault are left out, with one :class:`DatasetWarning`.

        Parameters
        ----------
        root
            Folder that holds the data set.
        subjects, sessions
            Which ones (subjects by their file names, sessions 1-3); None means all.
        raw
            True: the raw sessions. False: the features. None: features where any are there, else raw.

        Raises
        ------
        InputError
            The folder is no copy of the data set, a chosen subject or session does not exist, the table of
            times is not the published one, or nothing can be used.
        """
        if wants_raw(_locate(root), RAW_FOLDER, raw):
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
        if RAW_FOLDER not in _locate(root):
            return found
        return add_raw(found, lambda: _survey_raw(root, None), folder=RAW_FOLDER)


def _locate(root: str | Path) -> dict[str, Path]:
    return locate(root, {name: (name,) for name in FOLDERS})


@dataclass(frozen=True, kw_only=True)
class NpzClips:
    """The pickled dictionary of one subject's file, asked for by its key (0-44)."""

    path: Path

    def read(self, name: str, /) -> NDArray[Any]:
        """A copy of one clip's array; the whole file is read for it."""
        return remembered(_data, self.path)[int(name)].copy()


def dictionary(npz: NpzFile, name: str) -> dict[int, NDArray[Any]]:
    """Clip number to array, from pickled bytes."""
    content = npz.unpickle(name)
    if not isinstance(content, dict) or not all(
        type(k) is int and isinstance(v, np.ndarray) for k, v in content.items()
    ):
        raise InputError(
            f"{name!r} holds a {type(content).__name__}",
            file=npz.path,
            expected=f"a dictionary of arrays with the keys 0 to {N_STIMULI - 1}",
        )
    return content


def _data(path: Path) -> dict[int, NDArray[Any]]:
    return dictionary(NpzFile(path), "data")


def _survey(root: str | Path, subjects: Collection[str] | None) -> Survey:
    root = Path(root)
    folders = _locate(root)
    truth = read_truth(root, "seed_v")
    expected = expected_clips(root, SEED_V, truth)
    parts: list[tuple[str, int, Mapping[int, Mapping[str, Piece]]]] = []
    faults: list[Fault] = []
    n_files: dict[str, int] = {}
    everybody: set[str] = set()
    for kind in KINDS:
        if kind.folder not in folders:
            continue
        files, wrong = named_files(
            folders[kind.folder], r"(?P<subject>[1-9]\d*)_123\.npz", expected="{subject}_123.npz"
        )
        faults += wrong
        n_files[kind.folder] = len(files)
        everybody |= {match["subject"] for _, match in files}
        for path, match in files:
            if subjects is not None and match["subject"] not in subjects:
                continue
            try:
                data, labels = (dictionary(NpzFile(path), name) for name in ("data", "label"))
            except InputError as error:
                faults.append(fault_of(error, subject=match["subject"]))
                continue
            faults += _key_faults(path, data, expected, match["subject"])
            for session in SESSIONS:
                pieces, wrong = _pieces(path, kind, data, labels, session, match["subject"])
                faults += wrong
                parts.append((match["subject"], session, pieces))
    sittings, wrong = merge(parts)
    people = len(everybody) if truth is not None else len(SEED_V.subjects)
    return Survey(
        dataset="seed_v",
        design=SEED_V,
        root=root,
        kinds=KINDS,
        sittings=sittings,
        expected=expected,
        simulated=truth is not None,
        n_files={name: (n, people) for name, n in n_files.items()},
        faults=(*faults, *wrong),
    )


def _survey_raw(root: str | Path, subjects: Collection[str] | None) -> RawSurvey:
    root = Path(root)
    truth = read_truth(root, "seed_v")
    times: Times = SEED_V_TIMES
    disagreement: InputError | None = None
    note = f"{SEED_V_TIMES_FILE} is not there: times come from the built-in table"
    path = root / SEED_V_TIMES_FILE
    if path.exists():
        given = read_seconds(path, n_clips=SEED_V.clips)
        note = f"{SEED_V_TIMES_FILE} agrees with the built-in table"
        if truth is not None:
            times, note = given, f"times come from {SEED_V_TIMES_FILE}"
        elif [(tuple(a), tuple(b)) for a, b in given] != list(SEED_V_TIMES):
            disagreement = InputError(
                "is not the published table of times",
                file=path,
                remedy="download it again, or remove it to use the built-in table",
            )
            note = f"{SEED_V_TIMES_FILE} contradicts the built-in table"
    seen = survey_raw(
        "seed_v",
        SEED_V,
        root,
        _locate(root)[RAW_FOLDER],
        pattern=r"(?P<subject>[1-9]\d*)_(?P<session>[1-3])_(?P<date>\d{8})(?P<repaired>_repaired)?\.cnt",
        name_text="{subject}_{session}_{yyyymmdd}.cnt",
        times=times,
        expected=expected_clips(root, SEED_V, truth),
        simulated=truth is not None,
        subjects=subjects,
    )
    return replace(seen, notes=(*seen.notes, note), disagreement=disagreement)


def _key_faults(
    path: Path, data: Mapping[int, Any], expected: Mapping[int, tuple[int, ...]], subject: str
) -> list[Fault]:
    """Clips that are not in a file, and keys that are no clip's."""
    wanted = {SEED_V.stimulus(session, clip) for session in SESSIONS for clip in expected[session]}
    missing = [n for n in sorted(wanted) if n - 1 not in data]
    strange = sorted(key for key in data if not 0 <= key < N_STIMULI)
    faults = []
    if missing:
        faults.append(
            Fault(
                file=str(path),
                item=f"clip {ranges(missing)}",
                reason=f"missing key (clip number less 1); the file has {len(data)} clips",
                subject=subject,
            )
        )
    if strange:
        faults.append(
            Fault(
                file=str(path),
                item=f"key {ranges(strange)}",
                reason=f"no clip's; expected 0 to {N_STIMULI - 1}",
                subject=subject,
            )
        )
    return faults


def _pieces(
    path: Path,
    kind: Kind,
    data: Mapping[int, NDArray[Any]],
    labels: Mapping[int, NDArray[Any]],
    session: int,
    subject: str,
) -> tuple[dict[int, dict[str, Piece]], list[Fault]]:
    """The clips of one session in one file whose shapes and labels are right."""
    pieces: dict[int, dict[str, Piece]] = {}
    faults: list[Fault] = []
    file = NpzClips(path=path)
    for clip in range(1, SEED_V.clips + 1):
        stimulus = SEED_V.stimulus(session, clip)
        key = stimulus - 1
        if key not in data:
            continue
        try:
            _check_label(path, labels.get(key), SEED_V.labels[session - 1][clip - 1])
            piece = checked_piece(kind, clip, file, key=str(key), shape=data[key].shape)
        except InputError as error:
            faults.append(fault_of(error, item=f"clip {stimulus}", subject=subject))
        else:
            pieces[clip] = {kind.stream: piece}
    return pieces, faults


def _check_label(path: Path, given: NDArray[Any] | None, code: int) -> None:
    found = [] if given is None else np.unique(given).tolist()
    if found != [code]:
        raise InputError(
            f"its labels are {found}", file=path, expected=f"{code} ({SEED_V.emotions[code]}) in every window"
        )


def example(folder: str | Path | None = None) -> Path:
    """Writes one made-up subject with two clips in each session and returns the root of the copy.

    The first two clips of each session, four windows each, both folders; noise, not physiology.

    Parameters
    ----------
    folder
        Where to write; made if need be. None: a new temporary folder, which stays until it is deleted.
    """
    root = Path(tempfile.mkdtemp(prefix="mien-seed_v-") if folder is None else folder)
    rng = np.random.default_rng(5)
    n_windows = 4
    clips = {SEED_V.stimulus(s, c): SEED_V.labels[s - 1][c - 1] for s in SESSIONS for c in (1, 2)}
    for name, width in ((FEATURES_FOLDER, len(BY_BAND)), (EYE_FOLDER, N_EYE_FEATURES)):
        (root / name).mkdir(parents=True, exist_ok=True)
        data = {stimulus - 1: rng.normal(size=(n_windows, width)) for stimulus in clips}
        label = {stimulus - 1: np.full(n_windows, float(code)) for stimulus, code in clips.items()}
        np.savez(
            root / name / "1_123.npz",
            data=np.bytes_(pickle.dumps(data, 4)),
            label=np.bytes_(pickle.dumps(label, 4)),
        )
    truth = {"simulated": True, "dataset": "seed_v", "clips": list(clips)}
    (root / TRUTH).write_text(json.dumps(truth), encoding="utf-8")
    return root
