"""What the files of MEs-EEG hold: names, orders and numbers, and nothing else.

Source: the public repository of the data set's authors (coding table, notebooks, pictures), as collected in
the data set card.
"""

from __future__ import annotations

import re

# --- emotions ------------------------------------------------------------------------------------------

EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "tension")
"""The seven emotions; the position is the class number."""
CALM = "calm"
EMOTIONS_8: tuple[str, ...] = (*EMOTIONS, CALM)
"""What a clip may be meant to evoke."""
ALIASES: dict[str, str] = {
    "tense": "tension",
    "nervous": "tension",
    "contempt": "tension",
    "anger": "angry",
}
"""Other words for the emotions: the files say ``tense`` or ``nervous``, the papers ``contempt``."""
FILE_WORDS: dict[str, str] = {word: "tense" if word == "tension" else word for word in EMOTIONS}
"""How the coding table and the names of files spell each emotion."""

THREE_CLASSES: tuple[str, ...] = ("negative", "positive", "surprise")
THREE: dict[str, str] = {
    **dict.fromkeys(("angry", "disgust", "fear", "sad", "tension"), "negative"),
    "happy": "positive",
    "surprise": "surprise",
}
"""Emotion to one of three classes, as the papers' percentages imply."""
FIVE_CLASSES: tuple[str, ...] = ("angry_disgust", "fear_tension", "happy", "sad", "surprise")
FIVE: dict[str, str] = {
    **dict.fromkeys(("angry", "disgust"), "angry_disgust"),
    **dict.fromkeys(("fear", "tension"), "fear_tension"),
    "happy": "happy",
    "sad": "sad",
    "surprise": "surprise",
}
"""Emotion to one of five classes. The authors' own five classes are published nowhere; these are ours."""

# --- clips and markers ---------------------------------------------------------------------------------

_BY_NUMBER = dict(
    enumerate(("sad", "disgust", "happy", "fear", "tension", "calm", "angry", "surprise"), start=1)
)
_NUMBERS = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 2, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 3, 6),
    *(7, 8, 1, 2, 3, 4, 5, 6, 7, 4, 8, 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8, 1),
)
MARKER_EMOTION: dict[int, str] = {101 + i: _BY_NUMBER[n] for i, n in enumerate(_NUMBERS)}
"""Marker of each of the 48 clips, in the order of showing, to what the clip is meant to evoke."""
CLIP_MARKERS: dict[str, tuple[int, ...]] = {
    "sad": (101, 148, 109, 118, 127, 136),
    "disgust": (112, 102, 110, 119, 128, 137),
    "happy": (123, 103, 111, 120, 129, 138),
    "fear": (134, 104, 113, 121, 130, 139),
    "tension": (144, 105, 114, 122, 131, 140),
    "angry": (146, 107, 116, 125, 133, 142),
    "surprise": (147, 108, 117, 126, 135, 143),
}
"""Markers of an emotion's clips by their index (from 1) in the names of the videos; calm clips have none."""
CLIP_INDEX: dict[int, int] = {m: i for row in CLIP_MARKERS.values() for i, m in enumerate(row, start=1)}
"""Marker to the clip's index within its emotion."""
REST_MARKER = 100
"""Ends a clip."""
HOUSEKEEPING_MARKERS: tuple[int, ...] = (77, 88)
"""Stand before the first clip and mean nothing here."""

# --- EEG -----------------------------------------------------------------------------------------------

_IN_FILE_ORDER = """
    FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2
    C4 C6 T8 M1 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 M2 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6
    PO8 CB1 O1 OZ O2 CB2 HEO VEO EKG EMG
"""
CHANNELS: tuple[str, ...] = tuple(_IN_FILE_ORDER.split())
"""The 68 channels of a ``.set`` in file order. The places of M1 and M2 are inferred, so read by name."""
EXTRA_CHANNELS: dict[str, tuple[str, ...]] = {
    "reference": ("M1", "M2"),
    "eog": ("HEO", "VEO"),
    "ecg": ("EKG",),
    "emg": ("EMG",),
}
"""What the files hold besides the 62 EEG channels: mastoids, eyes, heart, muscle."""
EEG_CHANNELS: tuple[str, ...] = tuple(
    name for name in CHANNELS if not any(name in names for names in EXTRA_CHANNELS.values())
)
"""The 62 EEG channels in file order."""
EEG_RATE = 1000.0
"""Samples per second."""
EEG_FOLDERS: tuple[str, ...] = ("eeg_py/eeg_for_mne", "eeg_for_mne")
"""Where the ``.set`` and ``.fdt`` files lie, seen from the root; the first is where they are published."""
EEG_NAME = re.compile(r"(?P<subject>[a-z]+)_(?P<date>\d{8})\.set")

# --- coding table --------------------------------------------------------------------------------------

CODING_FILE = "coding_file_combined.xlsx"
CODING_FOLDERS: tuple[str, ...] = (".", "codes", "codes/data", "codes/data/MEs")
"""Where the coding table may lie, seen from the root."""
COLUMNS: tuple[str, ...] = (
    "Subject",
    "Filename",
    "Marker",
    "OnsetTime",
    "ApexTime",
    "OffsetTime",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
    "Macro/Micro",
    "Date",
    "dif",
)
"""Columns of the coding table, A to N."""
UNUSED_COLUMNS: tuple[str, ...] = ("Date", "dif")
"""``dif`` is wrong by whole seconds in some rows and in two units; it is never used."""
FILENAME = re.compile(
    r"(?P<emotion>[a-z]+)_(?P<index>\d+)_(?P<marker>\d+)_(?P<subject>[a-z]+)_(?P<date>\d{8})\.avi"
)
STAMP = re.compile(r"(\d{2})-(\d{2})-(\d{2})-(\d{3})(?:-(\d{1,4}))?")
"""Wall clock of a frame, ``HH-MM-SS-mmm``, and in two of the three batches the camera's frame counter."""
FRAME_COUNTER = 1000
"""The counter runs from 1 to this and starts again."""
ACTION_UNITS = re.compile(r"AU\d+(, AU\d+)*")
TYPES: dict[str, str] = {"Micro": "micro", "Macro": "macro"}
"""Word of the table, and name of a folder, to kind of event."""
KINDS = tuple(TYPES.values())
"""Kinds of events."""

# --- face ----------------------------------------------------------------------------------------------

KEY = re.compile(
    r"(?P<emotion>[a-z]+)_(?P<subject>[a-z]+)(?P<date>\d{8})_(?P<marker>\d{3})"
    r"_(?P<onset>\d+\.\d{2})_(?P<apex>\d+\.\d{2})_(?P<offset>\d+\.\d{2})"
)
"""Name of a row's folder."""
VIDEO_NAME = re.compile(rf"video_(?P<key>{KEY.pattern})_(?P<fps>\d+)\.avi")
"""Name of a row's video; the last number is its true frames per second. Its first frame is the onset."""
FACE_FOLDERS: dict[str, tuple[str, ...]] = {
    "avi": ("0.videos/combined",),
    "full": ("1.pics_selected",),
    "cropped": (
        "3.pics_selected_segmented_cropped",
        "codes/data/MEs/pics_selected_segmented_cropped",
        "pics_selected_segmented_cropped",
    ),
    "aligned": ("4.pics_selected_segmented_cropped_align",),
    "masked": ("2.pics_selected_segmented",),
}
"""Stage to the folders that may hold it, best stage first; below them ``Micro`` and ``Macro``, or neither."""
FACE_PICTURES: dict[str, tuple[str, str]] = {
    "full": ("onset.png", "apex.png"),
    "cropped": ("onset.png", "apex.png"),
    "aligned": ("align_onset_by_nose.png", "apex.png"),
    "masked": ("onset.png", "apex.png"),
}
"""Stage to the pictures of onset and apex in a row's folder."""
FACE_RATE = 150.0
"""Nominal frames per second of the camera; the true rate of a video is 98 to 157."""
FULL_SIZE = (2048, 1088)
"""Width and height of the camera's frames."""
CROP_SIZE = 256
"""Side of the cropped pictures."""

# --- rules ---------------------------------------------------------------------------------------------

SAME_EVENT_IOU = 0.5
"""Rows of one video whose intervals overlap at least this much are one event coded twice."""
STAMP_TOLERANCE = 0.05
"""Seconds by which stamps and seconds of a row may disagree."""

TRUTH = "truth.json"
"""Stands in the root of a made-up copy."""


def row_key(
    emotion: str, subject: str, date: str, marker: int, onset: float, apex: float, offset: float
) -> str:
    """Name of the folder of a row; ``emotion`` as the files spell it."""
    return f"{emotion}_{subject}{date}_{marker}_{onset:.2f}_{apex:.2f}_{offset:.2f}"
