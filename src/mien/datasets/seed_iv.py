"""SEED-IV: EEG and eye movements of 15 people who watched 72 clips made to evoke four emotions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from mien.core.registry import registered
from mien.core.types import Recording
from mien.datasets._card import Card
from mien.datasets._inspection import Fault, Inspection
from mien.datasets._seed_layout import BANDS, CHANNELS, EEG_RATE, TRUTH
from mien.datasets._seed_siblings import (
    BY_BAND,
    SESSIONS,
    Kind,
    Piece,
    Survey,
    as_stored,
    bands_last,
    eeg_kind,
    numbered_eye,
)
from mien.datasets._seed_siblings_files import expected_clips, locate, mat_pieces, named_files, read_truth
from mien.datasets._seed_siblings_inspect import inspect_survey
from mien.datasets._seed_siblings_layout import N_SESSIONS, SEED_IV
from mien.datasets._seed_siblings_load import load_survey, merge

__all__ = ["SeedIV", "example"]

EEG_FOLDER = "eeg_raw_data"
FEATURES_FOLDER = "eeg_feature_smooth"
EYE_FOLDER = "eye_feature_smooth"
N_EYE_FEATURES = 31

KINDS: tuple[Kind, ...] = (
    eeg_kind(EEG_FOLDER),
    *(
        Kind(
            stream=f"shipped_eeg_{name}_{smoothing}",
            folder=FEATURES_FOLDER,
            modality="eeg",
            shape=(len(CHANNELS), None, len(BANDS)),
            channels=BY_BAND,
            arrange=bands_last,
            key=rf"{name}_{word}(?P<clip>\d+)",
        )
        for name in ("de", "psd")
        for smoothing, word in (("lds", "LDS"), ("moving_average", "movingAve"))
    ),
    Kind(
        stream="shipped_eye",
        folder=EYE_FOLDER,
        modality="eye",
        shape=(N_EYE_FEATURES, None),
        channels=numbered_eye(N_EYE_FEATURES),
        arrange=as_stored,
        key=r"eye_(?P<clip>\d+)",
    ),
)
FOLDERS = (EEG_FOLDER, FEATURES_FOLDER, EYE_FOLDER)


@registered
class SeedIV:
    """Reader of the EEG, the shipped EEG features and the shipped eye features.

    Whatever part of the tree is there is read: any of ``eeg_raw_data`` (which is preprocessed EEG),
    ``eeg_feature_smooth`` and ``eye_feature_smooth``, each with the folders 1, 2 and 3 of the sessions and
    one MATLAB file per subject in them.

    ===============================================  ========  =====  =======  ===============================
    stream                                           modality  unit   rate     channels
    ===============================================  ========  =====  =======  ===============================
    ``eeg``                                          eeg       V      200 Hz   62 electrodes
    ``shipped_eeg_de_lds``, ``…_moving_average``     eeg       mixed  1/4 Hz   310, ``delta:FP1`` …
    ``shipped_eeg_psd_lds``, ``…_moving_average``    eeg       mixed  1/4 Hz   the same
    ``shipped_eye``                                  eye       mixed  1/4 Hz   31, ``eye_1`` …
    ===============================================  ========  =====  =======  ===============================

    One recording per subject and session (``sub-1_ses-2``), one trial per clip. Clips are numbered through
    the sessions, 1-24, 25-48, 49-72 (``sub-1_ses-2_clip-25``), because each session has its own. On the
    recording clock the clips follow one another without a gap, from 0.
    """

    card = Card(
        title="SEED-IV",
        version="2018",
        licence="For academic research under the licence agreement of BCMI, Shanghai Jiao Tong University; "
        "not to be passed on.",
        citation="W.-L. Zheng, W. Liu, Y. Lu, B.-L. Lu, A. Cichocki. EmotionMeter: A Multimodal Framework "
        "for Recognizing Human Emotions. IEEE Transactions on Cybernetics 49(3), 1110-1122, 2019.",
        doi="10.1109/TCYB.2018.2797176",
        obtain="Apply at https://bcmi.sjtu.edu.cn/home/seed/seed-iv.html with the signed licence agreement.",
        counts={
            "subjects": len(SEED_IV.subjects),
            "recordings": len(SEED_IV.subjects) * N_SESSIONS,
            "clips": SEED_IV.clips * N_SESSIONS,
            "trials": len(SEED_IV.subjects) * N_SESSIONS * SEED_IV.clips,
        },
        known_faults=(
            "The names of the EEG variables begin with letters that tell who the subject is; this reader "
            "keeps and shows none of them.",
            "eeg_raw_data is not raw: it is cut, at 200 Hz.",
            "All shipped EEG features are smoothed over the clip, so that its windows resemble one another.",
            "What the 31 eye features are, and in which order, is not in the files.",
            "All subjects see the same clips, so a clip that was seen in training gives the label away.",
        ),
    )

    def load(
        self,
        root: str | Path,
        *,
        subjects: Collection[str | int] | None = None,
        sessions: Collection[str | int] | None = None,
    ) -> list[Recording]:
        """Recordings of the chosen subjects (by their file names) and sessions (1-3); None means all.

        Reads headers only. Files and clips that are at fault are left out, with one :class:`DatasetWarning`.

        Raises
        ------
        InputError
            The folder is no copy of the data set, a chosen subject or session does not exist, or nothing can
            be used.
        """
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
        return inspect_survey(_survey(root, None), progress=progress)


def _survey(root: str | Path, subjects: Collection[str] | None) -> Survey:
    root = Path(root)
    folders = locate(root, {name: (name,) for name in FOLDERS})
    truth = read_truth(root, "seed_iv")
    expected = expected_clips(root, SEED_IV, truth)
    found, faults = _files(folders.values())
    n_files = {
        name: sum(path.parent.parent == folder for *_, path in found) for name, folder in folders.items()
    }
    everybody = {subject for subject, *_ in found}
    if subjects is not None:
        found = [one for one in found if one[0] in subjects]
    parts: list[tuple[str, int, Mapping[int, Mapping[str, Piece]]]] = []
    for subject, session in dict.fromkeys((subject, session) for subject, session, *_ in found):
        paths = {path: date for s, n, date, path in found if (s, n) == (subject, session)}
        if len(set(paths.values())) > 1:
            faults.append(_dates_fault(subject, session, paths))
            continue
        for path in paths:
            kinds = [kind for kind in KINDS if kind.folder == path.parent.parent.name]
            pieces, wrong = mat_pieces(
                path, kinds, clips=expected[session], n_clips=SEED_IV.clips, subject=subject
            )
            faults += wrong
            parts.append((subject, session, pieces))
    sittings, wrong = merge(parts)
    people = len(everybody) if truth is not None else len(SEED_IV.subjects)
    return Survey(
        dataset="seed_iv",
        design=SEED_IV,
        root=root,
        kinds=KINDS,
        sittings=sittings,
        expected=expected,
        simulated=truth is not None,
        n_files={name: (n, people * N_SESSIONS) for name, n in n_files.items()},
        faults=(*faults, *wrong),
    )


def _files(folders: Iterable[Path]) -> tuple[list[tuple[str, int, str, Path]], list[Fault]]:
    """Subject, session, date and path of each file in the sessions' folders, and what else is in there."""
    found: list[tuple[str, int, str, Path]] = []
    faults: list[Fault] = []
    for folder in folders:
        for inside in sorted(p for p in folder.iterdir() if p.is_dir()):
            if inside.name not in map(str, SESSIONS):
                if any(inside.glob("*.mat")):
                    faults.append(
                        Fault(file=str(inside), reason="is no session; expected folders 1, 2 and 3")
                    )
                continue
            files, wrong = named_files(
                inside, r"(?P<subject>[1-9]\d*)_(?P<date>\d{8})\.mat", expected="{subject}_{yyyymmdd}.mat"
            )
            faults += wrong
            found += [(match["subject"], int(inside.name), match["date"], path) for path, match in files]
    return found, faults


def _dates_fault(subject: str, session: int, paths: Mapping[Path, str]) -> Fault:
    """Files of one session with different dates: no telling which of them belong together."""
    dates = ", ".join(sorted(set(paths.values())))
    return Fault(
        file=", ".join(map(str, paths)),
        reason=f"subject {subject} has files of {dates} in session {session}; expected one date",
        subject=subject,
    )


def example(folder: str | Path | None = None) -> Path:
    """Writes one made-up subject with two clips in each session and returns the root of the copy.

    The first two clips of each session, three windows each, all three folders; noise, not physiology.

    Parameters
    ----------
    folder
        Where to write; made if need be. None: a new temporary folder, which stays until it is deleted.
    """
    from scipy.io import savemat

    root = Path(tempfile.mkdtemp(prefix="mien-seed_iv-") if folder is None else folder)
    rng = np.random.default_rng(4)
    clips, n_windows = (1, 2), 3
    n_times = int(n_windows * 4 * EEG_RATE)
    table = (len(CHANNELS), n_windows, len(BANDS))
    words = ("de_movingAve", "de_LDS", "psd_movingAve", "psd_LDS")
    for session in SESSIONS:
        content = {
            EEG_FOLDER: {f"xx_eeg{k}": rng.normal(scale=10.0, size=(len(CHANNELS), n_times)) for k in clips},
            FEATURES_FOLDER: {f"{word}{k}": rng.normal(size=table) for word in words for k in clips},
            EYE_FOLDER: {f"eye_{k}": rng.normal(size=(N_EYE_FEATURES, n_windows)) for k in clips},
        }
        for name, variables in content.items():
            (root / name / str(session)).mkdir(parents=True, exist_ok=True)
            savemat(root / name / str(session) / f"1_2016051{session}.mat", variables)
    stimuli = [SEED_IV.stimulus(session, clip) for session in SESSIONS for clip in clips]
    truth = {"simulated": True, "dataset": "seed_iv", "clips": stimuli}
    (root / TRUTH).write_text(json.dumps(truth), encoding="utf-8")
    return root
