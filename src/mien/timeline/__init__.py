"""One clock: how each device's time maps on the recording's, and cutting trials into windows."""

from mien.timeline.align import AlignmentWarning, align, with_frame_times
from mien.timeline.clocks import fit_clock, match_markers
from mien.timeline.compare import DeviceMarkers, MarkerComparison, Trigger, compare_markers
from mien.timeline.cut import windows
from mien.timeline.frames import FrameStretch, FrameTimes, frame_times, marker_changes
from mien.timeline.lab import array_stream, from_markers, read_markers
from mien.timeline.sources import AlignedFrames, AlignedSource, to_device, to_recording

__all__ = [
    "AlignedFrames",
    "AlignedSource",
    "AlignmentWarning",
    "DeviceMarkers",
    "FrameStretch",
    "FrameTimes",
    "MarkerComparison",
    "Trigger",
    "align",
    "array_stream",
    "compare_markers",
    "fit_clock",
    "frame_times",
    "from_markers",
    "marker_changes",
    "match_markers",
    "read_markers",
    "to_device",
    "to_recording",
    "windows",
    "with_frame_times",
]
