"""Pickles and tables of a made-up DEAP."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mien.datasets._deap_layout import RATINGS_COLUMNS
from mien.simulate._deap_plan import HIGH, Plan

VIDEO_COLUMNS = (
    *("Online_id", "Experiment_id", "Lastfm_tag", "Artist", "Title", "Youtube_link", "Highlight_start"),
    *("Num_ratings", "AVG_Valence", "STD_Valence", "AVG_Arousal", "STD_Arousal"),
    *("AVG_Dominance", "STD_Dominance"),
)

# opcodes of protocol 2; see pickletools of the standard library
_GLOBAL_RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
_GLOBAL_ARRAY, _GLOBAL_DTYPE = b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"
_BEGIN, _END = b"\x80\x02}(", b"u."  # protocol 2, empty dict, mark; set items, stop


def write_pickle(
    path: Path, arrays: Sequence[tuple[str, tuple[int, ...], Iterable[NDArray[np.float64]]]]
) -> None:
    """Write a dict of float64 arrays as Python 2 pickled it: protocol 2, byte strings, names of its NumPy.

    Parameters
    ----------
    arrays
        Key, shape, and pieces along the first axis, which are written one at a time.
    """
    with path.open("wb") as file:
        file.write(_BEGIN)
        for key, shape, pieces in arrays:
            file.write(_short(key.encode("ascii")))
            _write_array(file, shape, pieces)
        file.write(_END)


def _short(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def _integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _write_array(file: BinaryIO, shape: tuple[int, ...], pieces: Iterable[NDArray[np.float64]]) -> None:
    # _reconstruct(ndarray, (0,), "b"), then its state: (1, shape, dtype("f8"), False, bytes)
    file.write(_GLOBAL_RECONSTRUCT + _GLOBAL_ARRAY + _integer(0) + b"\x85" + _short(b"b") + b"\x87R")
    file.write(b"(" + _integer(1) + b"(" + b"".join(map(_integer, shape)) + b"t")
    file.write(_GLOBAL_DTYPE + _short(b"f8") + _integer(0) + _integer(1) + b"\x87R")
    file.write(b"(" + _integer(3) + _short(b"<") + b"NNN" + _integer(-1) + _integer(-1) + _integer(0) + b"tb")
    file.write(b"\x89T" + struct.pack("<i", 8 * int(np.prod(shape))))
    for piece in pieces:
        file.write(np.ascontiguousarray(piece, dtype="<f8").tobytes())
    file.write(b"tb")


def ratings_rows(plan: Plan, starts: Sequence[Sequence[int]]) -> list[list[object]]:
    """``participant_ratings`` with its heading; ``starts`` (persons, presentations) are in µs."""
    rows: list[list[object]] = [list(RATINGS_COLUMNS)]
    for s, participant in enumerate(plan.participants):
        for k, video in enumerate(plan.order[s].tolist()):
            known = plan.familiarity[s, video]
            rows.append(
                [participant, k + 1, video + 1, int(starts[s][k]), *plan.ratings[s, video].tolist(),
                 "" if np.isnan(known) else int(known)]
            )  # fmt: skip
    return rows


def stimulus_ratings(plan: Plan) -> NDArray[np.float64]:
    """(videos, 3): mean valence, arousal and dominance that strangers gave, on the side of the quadrant that
    the video was made for."""
    rng = np.random.default_rng([plan.seed, 202])
    signs = np.stack([2 * HIGH[d][plan.quadrant] - 1 for d in ("valence", "arousal")], axis=1)
    means = 5 + signs * rng.uniform(0.4, 2.2, signs.shape)
    dominance = 5.2 + 0.4 * (means[:, 0] - 5) + 0.4 * rng.standard_normal(len(means))
    return np.asarray(np.round(np.column_stack([means, dominance]), 4))


def video_rows(plan: Plan) -> list[list[object]]:
    """``video_list`` with its heading; every third video was rated online but not shown, so it has no number
    of the experiment."""
    rng = np.random.default_rng([plan.seed, 203])
    means = stimulus_ratings(plan)
    rows: list[list[object]] = [list(VIDEO_COLUMNS)]
    shown = 0
    while shown < len(means):
        online = len(rows)
        unused = online % 3 == 0
        scores = np.round(rng.uniform(3, 7, 3), 4) if unused else means[shown]
        spread = np.round(rng.uniform(1.2, 2.4, 3), 4)
        shown += not unused
        rows.append(
            [online, "" if unused else shown, "", f"artist {online}", f"title {online}", "",
             round(float(rng.uniform(10, 180)), 3), int(rng.integers(12, 20)),
             *(float(x) for pair in zip(scores, spread, strict=True) for x in pair)]
        )  # fmt: skip
    return rows


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write rows separated by commas."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
