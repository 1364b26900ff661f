"""What the files of MMME hold: names, orders and numbers, and nothing else.

Clips, emotions, markers and the coding table are those of MEs-EEG: the same campaign, the same protocol.
Source: the public repository of the data set's authors (coding table, pictures, ``cdt2mat.m``), as collected
in the data set card.
"""

from __future__ import annotations

import re

from mien.datasets import _mes_eeg_layout as _mes

# --- where files lie -----------------------------------------------------------------------------------

GLOBS: dict[str, tuple[str, ...]] = {
    "table": ("coding_file*.xlsx", "codes/coding_file*.xlsx", "codes/data/coding_file*.xlsx"),
    "session": ("*", "*/*"),
    "eeg": ("EEG/*.cdt", "*.cdt"),
    "biopac": ("BIOPAC/*.mat", "BIOPAC/*.acq", "*.acq"),
    "frames": ("Frames/**/*.tif", "Frames/**/*.tiff"),
}
"""Patterns of paths: ``table`` and ``session`` seen from the root, the others from a session's folder. The
first pattern that finds something is taken. Of the tree below the root only ``{subject}{yyyymmdd}/EEG/`` is
known from a published path; the other folders are ours, so all of it can be given otherwise."""
SESSION = re.compile(r"(?P<subject>[a-z]+?)_?(?P<date>\d{8})")
"""Name of a session's folder."""
EEG_FILE = "EEG/Acquisition 01.cdt"
BIOPAC_FILE = "BIOPAC/Untitled1 (001).mat"
FRAMES_FOLDER = "Frames"
CODING_FILE = "coding_file.xlsx"
"""13 columns: that of MEs-EEG without ``Macro/Micro``."""
CODING_FILE_WITH_KIND = _mes.CODING_FILE
"""14 columns."""
KIND_COLUMN = "Macro/Micro"
COLUMNS: tuple[str, ...] = tuple(name for name in _mes.COLUMNS if name != KIND_COLUMN)
"""Columns of the public coding table, in order."""
TRUTH = _mes.TRUTH
"""Stands in the root of a made-up copy."""

# --- devices' clocks -----------------------------------------------------------------------------------

EEG_CLOCK, BIOPAC_CLOCK, CAMERA_CLOCK = "eeg", "biopac", "camera"
"""Names of the devices' clocks. The recording clock is the EEG's: 0 is its first sample."""
SAID: dict[str, str] = {EEG_CLOCK: "EEG", BIOPAC_CLOCK: "BIOPAC", CAMERA_CLOCK: "frames"}
"""Clock to what a message calls the device."""

# --- EEG -----------------------------------------------------------------------------------------------

TRIGGER_CHANNEL = "Trigger"
CHANNELS: tuple[str, ...] = (*_mes.CHANNELS, TRIGGER_CHANNEL)
"""The 69 channels of a ``.cdt`` in file order: 64 of the cap, HEO, VEO, EKG, EMG, Trigger."""
TRIGGER_BASE = 0xFF00
"""What the stored trigger holds besides the marker, which is its low byte."""
EEG_RATE = _mes.EEG_RATE
EEG_UNIT = "µV"

# --- BIOPAC --------------------------------------------------------------------------------------------

BIOPAC_RATE = 1000.0
"""Samples per second."""
BODY_LABELS: dict[str, str] = {
    "ppg": "PPG, X, PPGED-R",
    "rsp": "RSP, X, RSPEC-R",
    "emg_a": "EMG A, X, EMG2-R",
    "skt_a": "SKT A, X, SKT2-R",
    "eda": "EDA, X, PPGED-R",
    "ecg": "ECG, X, RSPEC-R",
    "emg_b": "EMG B, X, EMG2-R",
    "skt_b": "SKT B, X, SKT2-R",
}
"""Stream to the label of its column, in the order of the columns 0 to 7."""
DIGITAL_LABELS: tuple[str, ...] = tuple(f"Digital (STP Input {k})" for k in range(8))
"""Columns 8 to 15: lines of 0 or 5 V; the marker is the sum of ``(line k > 2.5 V) * 2**k``."""
RATE_LABEL = "ECG rate (.5 - 35 Hz)"
"""Column 16, which AcqKnowledge computes from the ECG."""
BIOPAC_LABELS: tuple[str, ...] = (*BODY_LABELS.values(), *DIGITAL_LABELS, RATE_LABEL)
"""The 17 columns in order."""
DIGITAL_HIGH = 5.0
BODY_MODALITY: dict[str, str] = {
    "ppg": "ppg",
    "rsp": "rsp",
    "emg_a": "emg",
    "skt_a": "skt",
    "eda": "eda",
    "ecg": "ecg",
    "emg_b": "emg",
    "skt_b": "skt",
}
"""Stream to its modality."""
BODY_STREAM = "body"
"""All of these as one stream."""

# --- camera --------------------------------------------------------------------------------------------

FRAME_NAME = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})-(?P<hour>\d{1,2})-(?P<minute>\d{1,2})"
    r"-(?P<second>\d{1,2})-(?P<millisecond>\d{1,3})-(?P<code>\d{1,4})-(?P<marker>\d{1,3})"
)
"""Name of a frame without its ending: when it was saved, the camera's counter, the marker that was on."""
FRAME_COUNTER = _mes.FRAME_COUNTER
"""The counter runs from 1 to this and starts again."""
FACE_RATE = _mes.FACE_RATE
"""Nominal frames per second; the true rate differs by person and is fitted."""
FULL_SIZE = _mes.FULL_SIZE
"""Width and height of the camera's frames."""


def session_name(subject: str, date: str) -> str:
    """Name of a session's folder."""
    return f"{subject}{date}"


def frame_name(
    date: tuple[int, int, int], seconds: float, code: int, marker: int, *, ending: str = ".tif"
) -> str:
    """Name of a frame: ``date`` is year, month, day; ``seconds`` since its midnight, below 86400."""
    thousandths = round(seconds * 1000)
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, ms = divmod(rest, 1000)
    year, month, day = date
    return (
        f"{year:04d}-{month:02d}-{day:02d}-{hours:02d}-{minutes:02d}-{whole:02d}-{ms:03d}-{code}-{marker}"
        f"{ending}"
    )
