"""Where electrodes sit on a schematic head, from their 10-10 names alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ROW_Y = {
    **{"FP": 0.95, "AF": 0.75, "F": 0.5, "FC": 0.25, "FT": 0.25, "C": 0.0, "T": 0.0},
    **{"CP": -0.25, "TP": -0.25, "P": -0.5, "PO": -0.75, "O": -0.95, "CB": -1.05},
}


def electrode_positions(names: Sequence[str]) -> NDArray[np.float64]:
    """Flat positions (electrodes, 2) in head radii: x to the right ear, y to the nose.

    ``Z`` is the midline, odd numbers are left, even numbers right; each row of the 10-10 system is spread
    over the width of the head at its height. Good for smooth made-up patterns, not for localisation.
    """
    out = np.empty((len(names), 2))
    for i, name in enumerate(names):
        match = re.fullmatch(r"([A-Z]+?)(Z|\d+)", name.upper())
        if match is None or match[1] not in _ROW_Y:
            raise ValueError(f"{name!r} is not a 10-10 electrode name")
        row, column = match[1], match[2]
        y = _ROW_Y[row]
        step = 0 if column == "Z" else (int(column) + 1) // 2
        side = 0 if column == "Z" else (-1 if int(column) % 2 else 1)
        # the outermost electrode of a row has number 7 or 8 (step 4) and sits near the rim
        half_width = max(np.sqrt(max(1.05 - y * y, 0.0)), 0.4)
        out[i] = side * step / 4.2 * half_width, y
    return out
