"""Names and numbers of DEAP's files, shared by the reader and the simulator.

From the data set's own description (Koelstra et al., 2012, and its readme) and public readers of it.
"""

from __future__ import annotations

TRUTH = "truth.json"
"""File at the root of a made-up copy; only with it may numbers and lengths of trials differ."""

N_SUBJECTS, N_TRIALS, N_FILMED = 32, 40, 22
RATE, RAW_RATE = 128.0, 512.0
SECONDS, BASELINE_SECONDS = 60, 3
N_SAMPLES = int(RATE) * (BASELINE_SECONDS + SECONDS)
BAND = (4.0, 45.0)
"""Hz that the preprocessing of the preprocessed files has left."""
N_TWENTE = 22
"""The first so many participants were recorded in Twente, the others in Geneva."""

EEG = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz"),
    *("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2"),
)
"""EEG channels of all preprocessed files, in order: that of Geneva."""
EEG_TWENTE = (
    *("Fp1", "AF3", "F7", "F3", "FC1", "FC5", "T7", "C3", "CP1", "CP5", "P7", "P3", "Pz", "PO3", "O1", "Oz"),
    *("O2", "PO4", "P4", "P8", "CP6", "CP2", "C4", "T8", "FC6", "FC2", "F4", "F8", "AF4", "Fp2", "Fz", "Cz"),
)
"""EEG channels of the original recordings of Twente, in order."""
PERIPHERAL = ("hEOG", "vEOG", "zEMG", "tEMG", "GSR", "Resp", "Plet", "Temp")
"""The last eight channels of the preprocessed files."""
RAW_OTHERS = (
    *("EXG1", "EXG2", "EXG3", "EXG4", "EXG5", "EXG6", "EXG7", "EXG8"),
    *("GSR1", "GSR2", "Erg1", "Erg2", "Resp", "Plet", "Temp", "Status"),
)
"""Channels of the original recordings behind the EEG; EXG1-8 are hEOG, vEOG, zEMG and tEMG, two each."""

STATUS_BITS = 0xFF
"""Of a status value, what is the code."""
GENEVA_STATUS = 0x18FF00
"""Upper bits of the status values of Geneva."""
START, SYNC, FIXATION, VIDEO, AFTER, END = 1, 2, 3, 4, 5, 7
"""Status codes: start of the experiment, of the baseline and of ratings; a screen for synchronisation; the
fixation before a trial; the video, which is the trial; the fixation after it; the end."""
REST_SECONDS = 120.0
CODE_SECONDS = {SYNC: 1.0, FIXATION: 5.0, VIDEO: 60.0, AFTER: 3.0}

RATED = ("valence", "arousal", "dominance", "liking")
"""Columns of ``labels`` in the preprocessed files, in order; scale 1 to 9."""
SCALE, FAMILIARITY_SCALE = (1.0, 9.0), (1.0, 5.0)
RATINGS_COLUMNS = (
    *("Participant_id", "Trial", "Experiment_id", "Start_time"),
    *("Valence", "Arousal", "Dominance", "Liking", "Familiarity"),
)
"""Of ``participant_ratings``; ``Trial`` counts as presented, ``Experiment_id`` is the video."""
NO_FAMILIARITY = (2, 15, 23)
"""Participants whose familiarity is missing."""

FOLDERS = {
    "preprocessed": "data_preprocessed_python",
    "matlab": "data_preprocessed_matlab",
    "original": "data_original",
    "video": "face_video",
}
RATINGS, VIDEO_LIST = "participant_ratings", "video_list"
TABLE_FOLDERS = ("metadata_csv", "metadata_xls", "metadata_ods", "")
TABLE_ENDINGS = (".csv", ".xls", ".xlsx", ".ods")


def subject_name(participant: int) -> str:
    """``"s01"`` of participant 1."""
    return f"s{participant:02d}"


def trial_name(participant: int, video: int) -> str:
    """``"s01_v07"``: participant 1 before video 7."""
    return f"{subject_name(participant)}_v{video:02d}"


def stimulus_name(video: int) -> str:
    """``"video07"`` of video 7."""
    return f"video{video:02d}"
