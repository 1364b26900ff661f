"""EEG cleaned in named steps, and a record of what each found."""

from mien.signal.cleaning._work import CleaningWarning
from mien.signal.cleaning.bad_channels import BadChannels
from mien.signal.cleaning.bursts import BurstRepair
from mien.signal.cleaning.eyes import EyeRegression
from mien.signal.cleaning.filters import HighPass, LowPass, Notch
from mien.signal.cleaning.ica import ICA
from mien.signal.cleaning.interpolate import Interpolate
from mien.signal.cleaning.reference import Rereference
from mien.signal.cleaning.resample import Resample
from mien.signal.cleaning.run import Cleaned, clean, clean_stream
from mien.signal.cleaning.steps import DEFAULT, Step, steps_from_json, steps_to_json

__all__ = [
    "DEFAULT",
    "ICA",
    "BadChannels",
    "BurstRepair",
    "Cleaned",
    "CleaningWarning",
    "EyeRegression",
    "HighPass",
    "Interpolate",
    "LowPass",
    "Notch",
    "Rereference",
    "Resample",
    "Step",
    "clean",
    "clean_stream",
    "steps_from_json",
    "steps_to_json",
]
