"""Features that differ from fold to fold, as a fit and a prediction find them.

:mod:`mien.run.luminance` makes them before the fits and leaves them in a run's ``.work``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.batches import Table, luminance
from mien.batches.luminance import Luminance
from mien.core import InputError, Signal
from mien.protocols import hash_ids

Rows = NDArray[np.int64]
Ids = frozenset[str]

ALL: Literal["all_subjects"] = "all_subjects"
"""Fitted on everybody, the tested subject as well: transductive."""
FOLDER, INDEX, COURSES = "luminance", "index.json", "courses.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialsOf:
    """The trials of a table's rows."""

    table: Table

    @cached_property
    def _coded(self) -> tuple[NDArray[np.str_], Rows]:
        names, codes = np.unique([s.trial for s in self.table.samples], return_inverse=True)
        return names, codes.astype(np.int64)

    def any(self, rows: Rows) -> list[str]:
        """Trials of which a row is among the given ones, in order."""
        names, codes = self._coded
        return [str(name) for name in names[np.unique(codes[rows])]]

    def whole(self, rows: Rows) -> Ids:
        """Trials all of whose rows are among the given ones; gaze of another would show what is tested."""
        names, codes = self._coded
        n = len(names)
        complete = np.bincount(codes[rows], minlength=n) == np.bincount(codes, minlength=n)
        return frozenset(str(name) for name in names[complete])


class FoldValues:
    """What :func:`prepare_folds` left in a run's ``.work``; made once in each process.

    Parameters
    ----------
    work
        The folder ``.work``.
    table
        The table with the features of the gaze as recorded.
    """

    def __init__(self, work: Path, table: Table) -> None:
        self._folder, self._table = work / FOLDER, table
        self._trials = TrialsOf(table=table)
        path = self._folder / INDEX
        self._index: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}

    def of(self, train: Rows, streams: Collection[str]) -> tuple[Table, str | None]:
        """The table of a fold, and what its luminance saw.

        Parameters
        ----------
        train
            Rows of the fold's training part.
        streams
            What a model gets.

        Returns
        -------
        Table, str or None
            With other values where luminance was asked for; the hash of the ids of the training trials it was
            fitted on, ``"all_subjects"``, or None where no stream has luminance.
        """
        fitted_on = {s: how for s, how in self._index.get("fitted_on", {}).items() if s in streams}
        if not fitted_on:
            return self._table, None
        digest = hash_ids(self._trials.whole(train))
        return self._swapped(digest, fitted_on), ALL if ALL in fitted_on.values() else digest

    def of_all(self) -> tuple[Table, dict[str, NDArray[np.float32]], dict[str, Any]]:
        """The table of a model fitted on every labelled trial; and for its checkpoint the courses, under
        ``<stream>/<stimulus>/<pupil>``, and what else :func:`without_light` must know, stream by stream."""
        if not self._index:
            return self._table, {}, {}
        with np.load(self._folder / COURSES, allow_pickle=False) as arrays:
            courses = {name: arrays[name] for name in arrays.files}
        about = {
            stream: {"rate": self._index["rates"][stream], "centred": self._index["centred"][stream]}
            for stream in self._index["fitted_on"]
        }
        return self._swapped(self._index["all"], self._index["fitted_on"]), courses, about

    def _swapped(self, digest: str, streams: Collection[str]) -> Table:
        inputs = dict(self._table.inputs)
        for stream in streams:
            inputs[stream] = np.array(inputs[stream])
            for key in self._index["folds"][digest][stream].values():
                rows = np.load(self._folder / f"{key}.rows.npy", allow_pickle=False)
                if len(rows):
                    inputs[stream][rows] = np.load(self._folder / f"{key}.values.npy", allow_pickle=False)
        return replace(self._table, inputs=inputs)


def without_light(
    signal: Signal, *, stimulus: str, stream: str, about: Mapping[str, Any], state: Mapping[str, Any]
) -> Signal:
    """Gaze with the light taken off as a checkpoint knows it; as it is where the model had no luminance.

    Parameters
    ----------
    about
        ``luminance`` of ``model.json``.
    state
        The arrays beside it, the courses under ``luminance/<stream>/<stimulus>/<pupil>``.
    """
    if stream not in about:
        return signal
    prefix = f"luminance/{stream}/"
    arrays = {
        k.removeprefix(prefix): np.asarray(v)
        for k, v in state.items()
        if k.startswith(prefix) and k.removeprefix(prefix).rpartition("/")[0] == stimulus
    }
    if signal.rate != about[stream]["rate"]:
        raise InputError(
            f"gaze at {signal.rate:g} Hz, and the model learnt from gaze at {about[stream]['rate']:g} Hz"
        )
    fitted = Luminance.from_arrays(arrays, **about[stream])
    return luminance.apply(signal, stimulus=stimulus, state=fitted).signal
