"""One clock: how each device's time maps on the recording's, and cutting trials into windows."""

from mien.timeline.align import AlignedSource, AlignmentWarning, align, to_device, to_recording
from mien.timeline.clocks import fit_clock, match_markers
from mien.timeline.cut import windows

__all__ = [
    "AlignedSource",
    "AlignmentWarning",
    "align",
    "fit_clock",
    "match_markers",
    "to_device",
    "to_recording",
    "windows",
]
