"""The 33 eye features of an hour of gaze at 250 Hz: sample by sample, and by runs of equal type.

Run: python benchmarks/eye_features.py
"""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
from _machine import best, describe, once

from mien import features
from mien.core import Signal

RATE, SECONDS, LENGTH = 250.0, 3600, 1000
CHANNELS = ("gaze_x", "gaze_y", "pupil_left", "pupil_right", "eye_movement")


def made_up(seconds: int) -> Signal:
    """Fixations of 0.1 to 0.6 s, saccades of 20 to 60 ms, a blink about every four seconds."""
    rng = np.random.default_rng(0)
    n = int(seconds * RATE)
    lengths = np.stack([rng.integers(25, 150, n // 30), rng.integers(5, 15, n // 30)], axis=1).ravel()
    code = np.repeat(np.tile([1.0, 2.0], len(lengths) // 2), lengths)[:n]
    position = 500 + np.cumsum(rng.normal(scale=np.where(code == 2, 30, 0.3), size=(2, n)), axis=1)
    pupil = 3e-3 + 1e-6 * np.cumsum(rng.normal(size=(2, n)), axis=1)
    data = np.vstack([position, pupil, code])
    for start in rng.integers(0, n - 60, size=seconds // 4):
        data[:4, start : start + 40], data[4, start : start + 40] = np.nan, 3.0
    return Signal(data=data, rate=RATE, channels=CHANNELS, unit="mixed")


def with_lists(signal: Signal) -> None:
    """The events of each window and of the whole, sample by sample in plain lists.

    Pupils and interpolation are left out, so the real thing takes longer.
    """
    x, y, _, _, code = (row.tolist() for row in signal.data)
    for first in range(0, len(x) - LENGTH + 1, LENGTH):
        _events(x[first : first + LENGTH], y[first : first + LENGTH], code[first : first + LENGTH])
    _events(x, y, code)


def with_a_data_frame(signal: Signal) -> None:
    """The same with a data frame's columns, as the public code does it."""
    frame = pd.DataFrame(signal.data.T, columns=CHANNELS)
    cuts = [frame[i : i + LENGTH].reset_index(drop=True) for i in range(0, len(frame) - LENGTH + 1, LENGTH)]
    for cut in [*cuts, frame]:
        _events(cut["gaze_x"], cut["gaze_y"], cut["eye_movement"])


def _events(x: Any, y: Any, code: Any) -> None:
    """Runs of fixation and saccade with their extents, and the velocity, which nothing uses."""
    for kind in (1.0, 2.0):
        starts, ends = [], []
        for i in range(len(code)):
            if code[i] == kind and (i == 0 or code[i - 1] != kind):
                starts.append(i)
            if i and code[i] != kind and code[i - 1] == kind:
                ends.append(i - 1)
        for start, end in zip(starts, ends, strict=False):
            max(x[start : end + 1]), min(x[start : end + 1])
            max(y[start : end + 1]), min(y[start : end + 1])
            math.hypot(x[end] - x[start], y[end] - y[start])
    speed = [0.0] * len(x)
    for i in range(len(x) - 1):
        speed[i] = math.hypot(x[i + 1] - x[i], y[i + 1] - y[i]) * RATE
        math.isnan(x[i])


def main() -> None:
    """Print the times, and the memory beside the signal itself."""
    print(describe("pandas"))
    hour = made_up(SECONDS)
    slow = {}
    for name, function, seconds in (("lists", with_lists, 120), ("a data frame", with_a_data_frame, 20)):
        part = made_up(seconds)
        slow[name] = once(lambda function=function, part=part: function(part)) * SECONDS / seconds
        print(f"events alone, sample by sample in {name:13} {slow[name]:8.2f} s   (from {seconds} s)")
    for recipe in ("released", "corrected"):
        fast = best(lambda recipe=recipe: features.compute("eye33", hour, recipe=recipe), repeats=3)
        tracemalloc.start()
        features.compute("eye33", hour, recipe=recipe)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"eye33, {recipe:39} {fast:8.2f} s   "
            f"{slow['lists'] / fast:.1f} x and {slow['a data frame'] / fast:,.0f} x   "
            f"peak {peak / 1e6:.0f} MB beside {hour.data.nbytes / 1e6:.0f} MB of gaze"
        )


if __name__ == "__main__":
    main()
