"""DEAP: EEG, peripheral signals and faces of 32 people who watched 40 music videos and rated each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from mien.core.errors import InputError
from mien.core.registry import registered
from mien.core.types import Recording
from mien.datasets._card import Card
from mien.datasets._deap_copy import MATLAB, ORIGINAL, PYTHON, VIDEO, Copy, find_copy, wanted_participants
from mien.datasets._deap_example import write_example
from mien.datasets._deap_inspect import inspect_copy
from mien.datasets._deap_layout import (
    FOLDERS,
    N_FILMED,
    N_SUBJECTS,
    N_TRIALS,
    RATINGS,
    TABLE_FOLDERS,
    subject_name,
)
from mien.datasets._deap_recordings import Part, raw_part, stored_part
from mien.datasets._finish import Words, finish
from mien.datasets._inspection import Fault, Inspection

__all__ = ["Deap", "example"]


@registered
class Deap:
    """Reader of the preprocessed trials (Python or MATLAB), the original recordings, the face videos and the
    tables of ratings.

    Whatever part of the tree is there is read. One recording per participant (``s01``), one trial per video
    (``s01_v07``, stimulus ``video07``), each with a ``baseline`` event before it.

    ==============  ==========  =========  =========================================================
    stream          modality    unit       channels
    ==============  ==========  =========  =========================================================
    ``eeg``         eeg         V          32, ``Fp1`` … ``O2`` in the order of Geneva; 4 to 45 Hz
    ``eog``         eog         V          ``hEOG``, ``vEOG``
    ``emg``         emg         V          ``zEMG``, ``tEMG``
    ``eda``         eda         ohm        ``GSR``
    ``rsp``         rsp         arbitrary  ``Resp``
    ``ppg``         ppg         arbitrary  ``Plet``
    ``skt``         skt         arbitrary  ``Temp``
    ``peripheral``  peripheral  mixed      these eight
    ``face``        face        1          ``r``, ``g``, ``b``; ``stream.film(span)`` within a trial
    ==============  ==========  =========  =========================================================

    All but the face are at 128 Hz. The recording clock is that of the stored trials end to end in the order
    of video ids, each with its 3 s of baseline; a trial's span is the 60 s of the video.

    With ``raw=True`` the streams are ``raw_eeg``, ``raw_eog``, ``raw_emg``, ``raw_eda``, ``raw_rsp``,
    ``raw_ppg``, ``raw_skt`` (512 Hz, as recorded) and ``face``, on the clock of the BDF file. Trials start at
    its status code 4; which video each is says ``participant_ratings``. Changes of status are events of kind
    ``marker``.

    Labels are ``valence``, ``arousal``, ``dominance``, ``liking`` (1 to 9) and, where it is known,
    ``familiarity`` (1 to 5), all of rater ``self``; ``valence_stimulus``, ``arousal_stimulus`` and
    ``dominance_stimulus`` are the averages of strangers in ``video_list``.
    """

    card = Card(
        title="DEAP",
        version="2012",
        licence="For academic research under its end user licence agreement (EULA); not to be passed on.",
        citation="S. Koelstra, C. Mühl, M. Soleymani, J.-S. Lee, A. Yazdani, T. Ebrahimi, T. Pun, "
        "A. Nijholt, I. Patras. DEAP: A Database for Emotion Analysis Using Physiological Signals. IEEE "
        "Transactions on Affective Computing 3(1), 18-31, 2012.",
        doi="10.1109/T-AFFC.2011.15",
        obtain="Sign the EULA of https://www.eecs.qmul.ac.uk/mmv/datasets/deap/ and send it to the address "
        "there.",
        counts={
            "subjects": N_SUBJECTS,
            "trials": N_SUBJECTS * N_TRIALS,
            "videos": N_TRIALS,
            "ratings": N_SUBJECTS * N_TRIALS,
            "subjects with face video": N_FILMED,
            "original recordings": N_SUBJECTS,
        },
        known_faults=(
            "The preprocessed EEG was filtered from 4 to 45 Hz: it has no delta band.",
            "The preprocessed EEG is referred to its average: 32 channels of rank 31.",
            "Face videos and original recordings are in the order of presentation, the preprocessed files in "
            "that of video ids: only participant_ratings joins the two.",
            "Only participants 1 to 22 were filmed; 3, 5, 11 and 14 lack one or several of the last trials.",
            "Familiarity is missing for participants 2, 15 and 23.",
            "Participants 1 to 22 were recorded in Twente and the others in Geneva: the original files "
            "differ in the order of channels and in the upper bits of the status.",
            "The status of participant 28 is said to be irregular.",
            "The preprocessed files are pickles, which can run code when they are read in the usual way.",
            "Ratings are personal: people agree little on what a video evokes, above all on arousal.",
            "All participants see the same videos, so a video that was seen in training gives a label away.",
        ),
    )

    def load(
        self,
        root: str | Path,
        *,
        subjects: Collection[str | int] | None = None,
        raw: bool = False,
        faces: bool = True,
    ) -> list[Recording]:
        """Recordings of the chosen participants.

        Every preprocessed pickle is read once for its labels; of videos the headers are looked at. Files and
        trials that are at fault are left out, with one :class:`DatasetWarning`.

        Parameters
        ----------
        root
            Folder that holds the data set.
        subjects
            Participants, as ``"s01"`` or ``1``; None means all.
        raw
            True: the original recordings. False: the preprocessed trials.
        faces
            Whether to look for face videos.

        Raises
        ------
        InputError
            The folder is no copy of the data set, a chosen participant does not exist, what is asked for is
            not there (for ``raw=True``, the table of ratings too), or nothing can be used.
        """
        copy, wanted = find_copy(root), wanted_participants(subjects)
        _require(copy, raw=raw)
        read = raw_part if raw else stored_part
        kinds = (ORIGINAL,) if raw else (PYTHON, MATLAB)
        there = sorted({n for kind in kinds for n in copy.files.get(kind, ())})
        chosen = [n for n in there if wanted is None or n in wanted]
        parts: list[Part] = [read(copy, n, faces=faces) for n in chosen]
        names = None if wanted is None else {subject_name(n) for n in wanted}
        faults = [f for f in copy.faults if names is None or f.subject in {"", *names}]
        faults += _unplaced(copy, there, wanted) if faces else []
        faults += [fault for part in parts for fault in part.faults]
        return finish(
            [part.recording for part in parts if part.recording is not None],
            dataset="deap",
            root=copy.root,
            faults=tuple(faults),
            stacklevel=4,
            wanted=names,
            there=[subject_name(n) for n in there],
            words=_WORDS,
        )

    def inspect(
        self, root: str | Path, *, progress: Callable[[int, int, str], None] | None = None
    ) -> Inspection:
        """Counts, faults and notes; reads every preprocessed file, every status channel and the index of
        every video once.

        Parameters
        ----------
        root
            Folder that holds the data set.
        progress
            Called with the number of files read, how many there are, and the file being read.
        """
        copy = find_copy(root)
        there = sorted({n for files in copy.files.values() for n in files})
        return inspect_copy(
            copy, extra=_unplaced(copy, there, None), counts=dict(self.card.counts), progress=progress
        )


_WORDS = Words(nothing="no files of these participants", expected="at least one readable participant")


def _require(copy: Copy, *, raw: bool) -> None:
    """An error where what is asked for is not there."""
    if not raw:
        if PYTHON not in copy.folders and MATLAB not in copy.folders:
            raise InputError(
                f"holds no preprocessed files, only {', '.join(FOLDERS[kind] for kind in copy.folders)}",
                file=copy.root,
                expected=f"a folder {FOLDERS[PYTHON]} or {FOLDERS[MATLAB]}",
                remedy="give raw=True for the original recordings" if ORIGINAL in copy.folders else None,
            )
        return
    if ORIGINAL not in copy.folders:
        raise InputError(
            "holds no original recordings", file=copy.root, expected=f"a folder {FOLDERS[ORIGINAL]}"
        )
    if copy.ratings is None:
        raise InputError(
            f"{_no_ratings(copy)}, so nobody knows which video each trial of the original recordings was: "
            "they are in the order of presentation",
            file=copy.root,
            expected=f"{TABLE_FOLDERS[0]}/{RATINGS}.csv, or .xls, .xlsx, .ods",
            remedy="copy it there, or leave raw=True out: the preprocessed files can be read without it",
        )


def _no_ratings(copy: Copy) -> str:
    wrong = [fault for fault in copy.faults if RATINGS in Path(fault.file).name]
    return f"the table {RATINGS} cannot be used ({wrong[0]})" if wrong else f"there is no table {RATINGS}"


def _unplaced(copy: Copy, there: Collection[int], wanted: Collection[int] | None) -> list[Fault]:
    """Faults of face videos that belong to no trial."""
    if not copy.videos:
        return []
    if copy.ratings is None:
        reason = (
            f"the face videos are left out: they are numbered in the order of presentation, and "
            f"{_no_ratings(copy)} to tell which video each was; expected {TABLE_FOLDERS[0]}/{RATINGS}.csv"
        )
        return [Fault(file=str(copy.folders[VIDEO]), reason=reason)]
    return [
        Fault(
            file=str(next(iter(videos.values())).parent),
            reason="face videos of a participant without a recording",
            subject=subject_name(n),
        )
        for n, videos in copy.videos.items()
        if n not in there and (wanted is None or n in wanted)
    ]


def example(folder: str | Path | None = None) -> Path:
    """Writes one made-up participant with three trials of six seconds and returns the root of the copy.

    A preprocessed file, face videos of two trials, and tables; noise, not physiology.

    Parameters
    ----------
    folder
        Where to write; made if need be. None: a new temporary folder, which stays until it is deleted.
    """
    root = Path(tempfile.mkdtemp(prefix="mien-deap-") if folder is None else folder)
    write_example(root)
    return root
