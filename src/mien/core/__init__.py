"""Types, registry, errors, seconds and samples: what every other module stands on."""

from mien.core._check import UNITS
from mien.core.errors import InputError, MienError, MissingPackageError, UnknownNameError
from mien.core.files import write_whole
from mien.core.frames import Clip, Film, FrameSource
from mien.core.labels import POLICIES, LabelPolicy
from mien.core.registry import Registry, normalise_name, registered
from mien.core.results import AuditReport, Finding, Report
from mien.core.samples import HELD_OUT, Batch, Prediction, Sample, Split
from mien.core.span import Span
from mien.core.text import natural_key
from mien.core.time import n_windows, to_samples, to_seconds
from mien.core.types import (
    Clock,
    Event,
    Features,
    Label,
    Recording,
    Scope,
    Signal,
    Source,
    Stream,
    Trial,
    Window,
)

__all__ = [
    "HELD_OUT",
    "POLICIES",
    "UNITS",
    "AuditReport",
    "Batch",
    "Clip",
    "Clock",
    "Event",
    "Features",
    "Film",
    "Finding",
    "FrameSource",
    "InputError",
    "Label",
    "LabelPolicy",
    "MienError",
    "MissingPackageError",
    "Prediction",
    "Recording",
    "Registry",
    "Report",
    "Sample",
    "Scope",
    "Signal",
    "Source",
    "Span",
    "Split",
    "Stream",
    "Trial",
    "UnknownNameError",
    "Window",
    "n_windows",
    "natural_key",
    "normalise_name",
    "registered",
    "to_samples",
    "to_seconds",
    "write_whole",
]
