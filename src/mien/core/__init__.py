"""Types, registry, errors, seconds and samples: what every other module stands on."""

from mien.core.errors import InputError, MienError, MissingPackageError, UnknownNameError
from mien.core.files import write_whole
from mien.core.registry import Registry, normalise_name, registered
from mien.core.text import natural_key
from mien.core.time import n_windows, to_samples, to_seconds
from mien.core.types import (
    HELD_OUT,
    AuditReport,
    Batch,
    Clock,
    Event,
    Features,
    Finding,
    Label,
    Prediction,
    Recording,
    Report,
    Sample,
    Scope,
    Signal,
    Source,
    Span,
    Split,
    Stream,
    Trial,
    Window,
)

__all__ = [
    "HELD_OUT",
    "AuditReport",
    "Batch",
    "Clock",
    "Event",
    "Features",
    "Finding",
    "InputError",
    "Label",
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
