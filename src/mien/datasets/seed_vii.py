"""SEED-VII: EEG and eye movements of 20 people who watched 80 clips made to evoke seven emotions."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import InputError
from mien.core.registry import registered
from mien.core.types import Label, Recording, Span, Stream, Trial
from mien.datasets._card import Card
from mien.datasets._finish import chosen_sessions, finish
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._seed_labels import BUILT_IN, Labels, read_labels
from mien.datasets._seed_layout import (
    BANDS,
    CHANNELS,
    EEG_FOLDER,
    EEG_RATE,
    EEG_RAW_FOLDER,
    EMOTIONS,
    EYE_FEATURES,
    EYE_FOLDER,
    EYE_RAW_FOLDER,
    FEATURES_FOLDER,
    FOLDERS,
    LABELS_FOLDER,
    N_CLIPS,
    N_SUBJECTS,
    TRUTH,
    WINDOW_SECONDS,
    session_of,
)
from mien.datasets._seed_raw import RawSurvey, look_at, raw_recording, survey_raw
from mien.datasets._seed_survey import (
    KINDS,
    Piece,
    Subject,
    Survey,
    clips_expected,
    find_folders,
    is_simulated,
    ranges,
    survey,
)
from mien.io.clips import Clip, ClipSource

__all__ = ["SeedVII", "example", "is_simulated"]

_SESSIONS = (1, 2, 3, 4)


@registered
class SeedVII:
    """Reader of the preprocessed EEG, the shipped features, the continuous labels, and the raw recordings.

    Whatever part of the tree is there is read. *Preprocessed* is any of ``EEG_preprocessed``,
    ``EEG_features``, ``EYE_features`` and ``continuous_labels``, each with one MATLAB file (version 5 or 7.3)
    per subject. *Raw* is ``EEG_raw`` (Neuroscan ``.cnt``), ``EYE_raw`` (Tobii ``.tsv``) and ``save_info``
    (``*_trigger_info.csv``: where the clips are in the gaze), each with one file per subject and session.
    ``load`` gives one or the other, never both, because they have no time in common: preprocessed unless
    ``raw=True`` asks for raw, or raw is all there is.

    ======================  ==========  =====  =======  ====================================================
    stream                  modality    unit   rate     channels
    ======================  ==========  =====  =======  ====================================================
    ``eeg``                 eeg         V      200 Hz   62 electrodes
    ``shipped_eeg_psd``     eeg         mixed  1/4 Hz   310, ``delta:FP1`` …, band by band
    ``shipped_eeg_de``      eeg         mixed  1/4 Hz   the same
    ``shipped_eeg_de_lds``  eeg         mixed  1/4 Hz   the same, smoothed over the clip
    ``shipped_eye``         eye         mixed  1/4 Hz   33 features
    ``intensity``           annotation  1      1/4 Hz   1: how strongly the clip's emotion was felt, recalled
    ``raw_eeg``             eeg         V      1000 Hz  62 electrodes, as recorded; clock ``eeg``
    ``raw_reference``       reference   V      1000 Hz  ``M1``, ``M2``; clock ``eeg``
    ``raw_ecg``             ecg         V      1000 Hz  ``ECG``; clock ``eeg``
    ``raw_eog``             eog         V      1000 Hz  ``HEO``, ``VEO``; clock ``eeg``
    ``raw_gaze``            eye         mixed  250 Hz   ``gaze_x``, ``gaze_y`` (px), ``pupil_left``,
                                                        ``pupil_right`` (m), ``eye_movement`` (0 unclassified,
                                                        1 fixation, 2 saccade, 3 eyes not found),
                                                        ``eye_movement_duration`` (s); NaN where lost; clock
                                                        ``eye``
    ======================  ==========  =====  =======  ====================================================

    One recording per subject and session (``sub-1_ses-2``), one trial per clip (``sub-1_ses-2_clip-25``);
    raw and preprocessed have the same ids.

    *Preprocessed* files hold the clips only, not what was between them: on the recording clock the clips of a
    session follow one another without a gap, in clip order, from 0. A trial lasts as long as its EEG, or 4 s
    times the longest of its other streams where there is no EEG. Streams of one trial may differ by one
    window, so a stream read over ``trial.span`` gives the whole windows that it has, which may be one less
    than the span holds; a stream that lacks the clip does not cover the span.

    *Raw* files hold the whole session. The recording clock is that of the EEG (0: its first sample), and the
    trials lie between its triggers, of which the first two are start and end of the session's first clip, and
    so on. Where the EEG is absent, or its triggers do not come in such pairs, it is the eye tracker's, with
    the clips of the trigger file. ``recording.clocks`` names the device whose clock it is; the other device's
    streams are on their own clock until ``mien.timeline.align(recording)`` has fitted it by the markers that
    both have (events of kind ``marker``: 1 starts a clip, 2 ends it).
    """

    card = Card(
        title="SEED-VII",
        version="2024",
        licence="For academic research under the licence agreement of BCMI, Shanghai Jiao Tong University; "
        "not to be passed on.",
        citation="W.-B. Jiang, X.-H. Liu, W.-L. Zheng, B.-L. Lu. SEED-VII: A Multimodal Dataset of Six Basic "
        "Emotions With Continuous Labels for Emotion Recognition. IEEE Transactions on Affective Computing "
        "16(2), 969-985, 2025.",
        doi="10.1109/TAFFC.2024.3485057",
        obtain="Apply at https://bcmi.sjtu.edu.cn/home/seed/seed-vii.html with the signed licence agreement.",
        counts={
            "subjects": N_SUBJECTS,
            "recordings": N_SUBJECTS * len(_SESSIONS),
            "clips": N_CLIPS,
            "trials": N_SUBJECTS * N_CLIPS,
            **{f"clips {emotion}": n for emotion, n in Counter(BUILT_IN.values()).items()},
        },
        known_faults=(
            "Feature files hold about 3,488 windows per subject (3,487 for one); they were computed from the "
            "clip before it was cut to whole seconds.",
            "The shipped DE is log2 of 100 times a band power of the first 256 of 800 samples, with each "
            "band's lower edge one bin too low; it is not the Gaussian differential entropy.",
            "de_LDS is smoothed with the future of the clip, so that its windows are nearly alike.",
            "Eye features 25 to 33 are one number per clip, repeated on every window: they tell the clip.",
            "The pupil features had a component removed that was estimated over all subjects together.",
            "The range of the continuous labels is not documented.",
            "All subjects see the same clips, so a clip that was seen in training gives the label away.",
            "The triggers of the raw EEG files 14_20221015_1 and 9_20221111_3 cannot be used; their clips "
            "are known to within 1 s only.",
            "In the raw gaze file 15_20221002_4 clip 71 is shorter than for the others.",
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
        """Recordings of the chosen subjects (by their file names) and sessions; reads headers only.

        Files and clips that are at fault are left out, with one :class:`DatasetWarning`.

        Parameters
        ----------
        root
            Folder that holds the data set.
        subjects, sessions
            Which ones (sessions are 1 to 4); None means all.
        raw
            True: the raw sessions. False: the preprocessed clips. None: preprocessed clips where any of their
            folders is there, else raw sessions.

        Raises
        ------
        InputError
            The folder is no copy of the data set, a chosen subject or session does not exist, the stimulus
            workbook contradicts the known emotions of the clips, or nothing can be used.
        """
        wanted = chosen_sessions(sessions, _SESSIONS)
        names = None if subjects is None else [str(s) for s in subjects]
        root = Path(root)
        folders = find_folders(root)
        if _reads_raw(root, folders, raw):
            seen_raw = survey_raw(root, folders, clips_expected(root), subjects=names)
            labels = read_labels(root, clips_expected(root))
            recordings = [
                raw_recording(found, lambda clip: _labels(labels.emotions.get(clip)))
                for found in seen_raw.sessions
                if int(found.session) in wanted
            ]
            faults = (*seen_raw.faults, *labels.faults)
        else:
            seen = survey(root, subjects=names)
            labels = read_labels(root, _clips(seen))
            recordings = [
                recording
                for subject in seen.subjects
                for session in wanted
                if (recording := _recording(subject, session, labels.emotions)) is not None
            ]
            faults = (*seen.faults, *labels.faults)
        return finish(
            recordings,
            dataset="seed_vii",
            root=root,
            faults=faults,
            disagreement=labels.disagreement,
            stacklevel=4,
        )

    def inspect(
        self, root: str | Path, *, progress: Callable[[int, int, str], None] | None = None
    ) -> Inspection:
        """Counts, faults and notes, of preprocessed clips and raw sessions; reads all data once, in pieces.

        Parameters
        ----------
        root
            Folder that holds the data set.
        progress
            Called with the number of arrays and sessions read, how many there are, and what is being read.
        """
        root = Path(root)
        folders = find_folders(root)
        seen = survey(root)
        raw = survey_raw(root, folders, seen.expected_clips)
        labels = read_labels(root, _clips(seen))
        faults = [*seen.faults, *raw.faults, *labels.faults]
        if labels.disagreement is not None:
            faults.append(fault_of(labels.disagreement))
        found: list[dict[str, Any]] = []
        sessions: list[dict[str, Any]] = []
        done = 0
        total = sum(1 for subject in seen.subjects for _ in subject.pieces()) + len(raw.sessions)
        for subject in seen.subjects:
            look = _Look(subject.name)
            for piece in subject.pieces():
                if progress is not None:
                    progress(done, total, str(piece.file.path))
                look.at(piece)
                done += 1
            faults.extend(look.faults())
            found.append(_found(subject) | look.intensity())
        for session in raw.sessions:
            if progress is not None:
                progress(done, total, f"raw session {session.session} of subject {session.subject}")
            row, wrong = look_at(session)
            sessions.append(row)
            faults.extend(wrong)
            done += 1
        if progress is not None:
            progress(total, total, "")
        preprocessed = any(name in FOLDERS for name in folders)
        return Inspection(
            dataset="seed_vii",
            root=str(root),
            found=tuple(found),
            sessions=tuple(sessions),
            counts=(_counts(seen, labels) if preprocessed else {}) | _raw_counts(raw, seen),
            faults=tuple(faults),
            notes=(*_notes(seen, labels, found), *raw.notes),
        )


def _reads_raw(root: Path, folders: Collection[str], raw: bool | None) -> bool:
    """Whether raw sessions are wanted; an error where what is wanted is not there."""
    has_raw = EEG_RAW_FOLDER in folders or EYE_RAW_FOLDER in folders
    has_clips = any(name in FOLDERS for name in folders)
    wanted = not has_clips if raw is None else raw
    if wanted and not has_raw:
        raise InputError(
            f"holds no raw recordings, only {', '.join(folders)}",
            file=root,
            expected=f"{EEG_RAW_FOLDER} or {EYE_RAW_FOLDER}",
        )
    if not wanted and not has_clips:
        raise InputError(
            f"holds no preprocessed clips, only {', '.join(folders)}",
            file=root,
            expected=f"at least one of {', '.join(FOLDERS)}",
            remedy="leave raw=False out to read the raw recordings",
        )
    return wanted


def _clips(seen: Survey) -> tuple[int, ...]:
    """Every clip that is expected or there."""
    return tuple(sorted({*seen.expected_clips, *(clip for s in seen.subjects for clip in s.clips)}))


def _recording(subject: Subject, session: int, emotions: Mapping[int, str]) -> Recording | None:
    """One subject's session, or None where nothing of it can be used."""
    name = f"sub-{subject.name}_ses-{session}"
    trials: list[Trial] = []
    clips: dict[str, list[Clip]] = {}
    start = 0.0
    for number, pieces in subject.clips.items():
        if session_of(number) != session:
            continue
        span = Span(start=start, duration=_duration(pieces))
        trials.append(
            Trial(
                id=f"{name}_clip-{number}",
                recording=name,
                subject=subject.name,
                session=str(session),
                stimulus=str(number),
                span=span,
                labels=_labels(emotions.get(number)),
            )
        )
        for stream, piece in pieces.items():
            clips.setdefault(stream, []).append(
                Clip(
                    name=str(number),
                    start=span.start,
                    duration=span.duration,
                    n_times=piece.n_times,
                    file=piece.file,
                    key=piece.key,
                )
            )
        start = span.stop
    if not trials:
        return None
    return Recording(
        id=name,
        dataset="seed_vii",
        subject=subject.name,
        session=str(session),
        streams={
            kind.stream: Stream(
                name=kind.stream,
                modality=kind.modality,
                unit=kind.unit,
                rate=kind.rate,
                channels=kind.channels,
                span=Span(start=0.0, duration=start),
                source=ClipSource(
                    clips=tuple(clips[kind.stream]),
                    rate=kind.rate,
                    n_channels=len(kind.channels),
                    arrange=kind.arrange,
                    windowed=kind.windowed,
                ),
            )
            for kind in KINDS
            if kind.stream in clips
        },
        trials=tuple(trials),
    )


def _duration(pieces: Mapping[str, Piece]) -> float:
    """Seconds of a clip: those of its EEG, else of the longest of its window-wise streams."""
    if "eeg" in pieces:
        return pieces["eeg"].n_times / EEG_RATE
    return max(piece.n_times for piece in pieces.values()) * WINDOW_SECONDS


def _labels(emotion: str | None) -> dict[str, Label]:
    return {} if emotion is None else {"emotion": Label(value=emotion, scale=EMOTIONS, rater="stimulus")}


class _Look:
    """What reading the data of one subject brings to light: values that are no numbers, and label ranges."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._broken: list[Fault] = []
        self._holes: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
        self._low, self._high = np.inf, -np.inf

    def at(self, piece: Piece) -> None:
        """Reads one clip."""
        try:
            data = piece.read()
        except InputError as error:
            self._broken.append(fault_of(error, item=f"clip {piece.clip}", subject=self._subject))
            return
        with np.errstate(invalid="ignore"):
            # one sum per channel: it is finite unless a sample is not, and costs no second array
            holes = ~np.isfinite(data.sum(axis=1))
        if holes.any():
            channels = tuple(np.array(piece.kind.channels)[holes].tolist())
            key = (str(piece.file.path), piece.kind.stream, channels)
            self._holes.setdefault(key, []).append(piece.clip)
        if piece.kind.stream == "intensity":
            numbers = data[np.isfinite(data)]
            self._low = float(np.min(numbers, initial=self._low))
            self._high = float(np.max(numbers, initial=self._high))

    def faults(self) -> list[Fault]:
        """Unreadable clips, and per file one fault for the same channels at fault."""
        return self._broken + [
            Fault(
                file=file,
                item=f"clip {ranges(clips)}",
                reason=f"NaN or infinite values in {stream}, {_channels_text(channels)}; expected numbers",
                subject=self._subject,
                severity="kept",
            )
            for (file, stream, channels), clips in self._holes.items()
        ]

    def intensity(self) -> dict[str, float | None]:
        """Lowest and highest continuous label."""
        known = self._low <= self._high
        return {
            "intensity_min": self._low if known else None,
            "intensity_max": self._high if known else None,
        }


def _channels_text(channels: tuple[str, ...]) -> str:
    shown = ", ".join(channels[:6])
    more = f", … ({len(channels)} in all)" if len(channels) > 6 else ""
    return f"channel{'s' * (len(channels) > 1)} {shown}{more}"


def _found(subject: Subject) -> dict[str, Any]:
    """What can be used of one subject: clips per stream, seconds, windows."""
    clips = subject.clips.values()
    return {
        "subject": subject.name,
        "clips": len(clips),
        **{kind.stream: sum(kind.stream in pieces for pieces in clips) for kind in KINDS},
        "seconds": sum(_duration(pieces) for pieces in clips),
        "windows": sum(min(piece.n_windows for piece in pieces.values()) for pieces in clips),
    }


def _counts(seen: Survey, labels: Labels) -> dict[str, tuple[float, float | None]]:
    """What there is against the card, or against the list of clips of made-up data."""
    there = {clip for subject in seen.subjects for clip in subject.clips}
    sessions = {session_of(clip) for clip in seen.expected_clips}
    subjects = len(seen.subjects) if seen.simulated else N_SUBJECTS
    wanted = Counter(BUILT_IN[clip] for clip in seen.expected_clips)
    have = Counter(labels.emotions[clip] for clip in there if clip in labels.emotions)
    recordings = sum(len({session_of(clip) for clip in s.clips}) for s in seen.subjects)
    return {
        "subjects": (len(seen.subjects), None if seen.simulated else N_SUBJECTS),
        **{f"files {folder}": (n, subjects) for folder, n in seen.n_files.items()},
        "recordings": (recordings, subjects * len(sessions)),
        "clips": (len(there), len(seen.expected_clips)),
        "trials": (sum(len(s.clips) for s in seen.subjects), subjects * len(seen.expected_clips)),
        **{f"clips {emotion}": (have[emotion], wanted[emotion]) for emotion in EMOTIONS},
    }


def _raw_counts(raw: RawSurvey, seen: Survey) -> dict[str, tuple[float, float | None]]:
    """Raw files, sessions and trials against the card, or against the list of clips of made-up data."""
    if not raw.n_files:
        return {}
    subjects = len(raw.subjects) if seen.simulated else N_SUBJECTS
    sessions = subjects * len({session_of(clip) for clip in seen.expected_clips})
    return {
        "raw subjects": (len(raw.subjects), None if seen.simulated else N_SUBJECTS),
        **{f"files {folder}": (n, sessions) for folder, n in raw.n_files.items()},
        "raw sessions": (len(raw.sessions), sessions),
        "raw trials": (sum(len(s.clips) for s in raw.sessions), subjects * len(seen.expected_clips)),
    }


def _notes(seen: Survey, labels: Labels, found: list[dict[str, Any]]) -> tuple[str, ...]:
    notes = [*seen.notes, *labels.notes]
    if seen.simulated:
        notes.insert(0, "made-up data: counts are compared with the clips in truth.json, not with the card")
    absent = [kind.folder for kind in KINDS if kind.folder not in seen.folders]
    if absent and seen.folders:
        notes.append(f"folders that are not there: {', '.join(dict.fromkeys(absent))}")
    known = [f for f in found if f["intensity_min"] is not None]
    if known:
        low, high = min(f["intensity_min"] for f in known), max(f["intensity_max"] for f in known)
        notes.append(f"continuous labels run from {low:g} to {high:g}; their range is not documented")
    return tuple(notes)


def example(folder: str | Path | None = None) -> Path:
    """Writes one made-up subject with three clips of six windows and returns the root of the copy.

    Clips 1, 2 (session 1) and 21 (session 2), all four folders, no workbook; noise, not physiology.

    Parameters
    ----------
    folder
        Where to write; made if need be. None: a new temporary folder, which stays until it is deleted.
    """
    from scipy.io import savemat

    root = Path(tempfile.mkdtemp(prefix="mien-seed_vii-") if folder is None else folder)
    rng = np.random.default_rng(7)
    clips, n_windows = (1, 2, 21), 6
    n_times = int(n_windows * WINDOW_SECONDS * EEG_RATE)
    table = (n_windows, len(BANDS), len(CHANNELS))
    content = {
        EEG_FOLDER: {f"{k}": rng.normal(scale=10.0, size=(len(CHANNELS), n_times)) for k in clips},
        FEATURES_FOLDER: {f"{p}_{k}": rng.normal(size=table) for p in ("psd", "de", "de_LDS") for k in clips},
        EYE_FOLDER: {f"{k}": rng.normal(size=(n_windows, len(EYE_FEATURES))) for k in clips},
        LABELS_FOLDER: {f"{k}": rng.uniform(size=(1, n_windows)) for k in clips},
    }
    for name, variables in content.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        savemat(root / name / "1.mat", variables)
    (root / TRUTH).write_text(json.dumps({"simulated": True, "clips": list(clips)}), encoding="utf-8")
    return root
