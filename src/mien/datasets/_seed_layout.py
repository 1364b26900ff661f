"""What the files of SEED-VII hold: names, orders and numbers, and nothing else.

Source: the data set's page and public readers, as collected in the data set card.
"""

from __future__ import annotations

_IN_FILE_ORDER = """
    FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2
    C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1
    O1 OZ O2 CB2
"""
CHANNELS: tuple[str, ...] = tuple(_IN_FILE_ORDER.split())
"""The 62 EEG channels in file order."""

BANDS: tuple[str, ...] = ("delta", "theta", "alpha", "beta", "gamma")
"""The five bands in file order."""

EMOTIONS: tuple[str, ...] = ("disgust", "fear", "sad", "neutral", "happy", "anger", "surprise")
"""The seven emotions; the position is the class number."""

CLIP_EMOTIONS: tuple[int, ...] = (
    *(4, 3, 0, 2, 5, 5, 2, 0, 3, 4, 4, 3, 0, 2, 5, 5, 2, 0, 3, 4),
    *(5, 2, 1, 3, 6, 6, 3, 1, 2, 5, 5, 2, 1, 3, 6, 6, 3, 1, 2, 5),
    *(4, 6, 0, 1, 5, 5, 1, 0, 6, 4, 4, 6, 0, 1, 5, 5, 1, 0, 6, 4),
    *(0, 2, 1, 6, 4, 4, 6, 1, 2, 0, 0, 2, 1, 6, 4, 4, 6, 1, 2, 0),
)
"""Class number of clip ``k`` at position ``k - 1``."""

N_CLIPS = 80
CLIPS_PER_SESSION = 20
EEG_RATE = 200.0
"""Samples per second of ``EEG_preprocessed``."""
WINDOW_SECONDS = 4.0
"""Length and stride of the shipped features' windows."""

EYE_FEATURES: tuple[str, ...] = (
    *(
        f"pupil_{side}_de_{band}"
        for side in ("left", "right")
        for band in ("0.05-0.2", "0.2-0.4", "0.4-0.6", "0.6-1")
    ),
    *("pupil_left_mean", "pupil_left_std", "pupil_right_mean", "pupil_right_std"),
    *("fixation_duration_mean", "fixation_duration_std"),
    *("fixation_dispersion_x_mean", "fixation_dispersion_y_mean"),
    *("fixation_dispersion_x_std", "fixation_dispersion_y_std"),
    *("saccade_duration_mean", "saccade_duration_std", "saccade_amplitude_mean", "saccade_amplitude_std"),
    *("blink_duration_mean", "blink_duration_std"),
    *("clip_blink_frequency", "clip_fixation_frequency", "clip_fixation_duration_max"),
    *("clip_fixation_dispersion_max", "clip_fixation_dispersion_total", "clip_saccade_frequency"),
    *("clip_saccade_duration_mean", "clip_saccade_amplitude_mean", "clip_saccade_latency_mean"),
)
"""The 33 eye features in file order; the last nine are one number per clip, repeated on every window."""


def session_of(clip: int) -> int:
    """Session (1-4) in which a clip (1-80) was shown."""
    return (clip - 1) // CLIPS_PER_SESSION + 1


def fold_of(clip: int) -> int:
    """Fold (0-3) of a clip (1-80) in the paper's four-fold scheme: clips 1-5, 6-10, … of every session."""
    return (clip - 1) % CLIPS_PER_SESSION // 5


N_SUBJECTS = 20
EEG_FOLDER = "EEG_preprocessed"
FEATURES_FOLDER = "EEG_features"
EYE_FOLDER = "EYE_features"
LABELS_FOLDER = "continuous_labels"
FOLDERS: tuple[str, ...] = (EEG_FOLDER, FEATURES_FOLDER, EYE_FOLDER, LABELS_FOLDER)
"""Folders with one file per subject, ``1.mat`` to ``20.mat``."""
WORKBOOK = "emotion_label_and_stimuli_order.xlsx"
TRUTH = "truth.json"
"""Stands in the root of a made-up copy."""

EEG_RAW_FOLDER = "EEG_raw"
EYE_RAW_FOLDER = "EYE_raw"
TRIGGER_FOLDER = "save_info"
RAW_FOLDERS: tuple[str, ...] = (EEG_RAW_FOLDER, EYE_RAW_FOLDER, TRIGGER_FOLDER)
"""Folders with one file per subject and session, ``{subject}_{yyyymmdd}_{session}`` and the ending below."""
RAW_ENDINGS: dict[str, str] = {
    EEG_RAW_FOLDER: ".cnt",
    EYE_RAW_FOLDER: ".tsv",
    TRIGGER_FOLDER: "_trigger_info.csv",
}
RAW_EEG_RATE = 1000.0
"""Samples per second of ``EEG_raw``."""
GAZE_RATE = 250.0
"""Samples per second of ``EYE_raw``."""
RAW_EXTRA_CHANNELS: dict[str, tuple[str, ...]] = {
    "reference": ("M1", "M2"),
    "ecg": ("ECG",),
    "eog": ("HEO", "VEO"),
}
"""What the raw EEG files hold besides the 62 EEG channels: mastoids, heart, eyes."""
UNUSABLE_TRIGGERS: dict[str, str] = {"14_20221015_1": "14:25:34", "9_20221111_3": "14:01:27"}
"""Raw EEG files whose triggers cannot be used, to the time of day at their first sample (whole seconds)."""
