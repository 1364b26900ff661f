"""Histograms of optical flow directions in the cells of a raster, and a linear support vector machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.core import Batch, InputError, registered
from mien.models._example import example_batch
from mien.models._linear import Linear, squared_hinge


@registered
class FlowHistogramSVM(Linear):
    """Where the face moves, which way and how much, cell by cell; one linear classifier per class.

    A cell of a ``cells`` × ``cells`` raster gives a histogram of its pixels' directions of flow, each pixel
    counting by how far it moved (HOOF), times the cell's share of the strain; and, of its main direction, the
    mean flow. Centre and scale of these numbers are those of the training samples.

    Parameters
    ----------
    n_classes
        Columns of the probabilities.
    shapes
        ``{"me": (maps, height, width)}``; default: four square maps. Order of the maps: u, v, strain.
    cells, bins
        Cells along a side, and directions of a histogram.
    C, class_weights, max_iter, seed
        As for :class:`mien.models.logistic_regression.LogisticRegression`.

    Notes
    -----
    Chaudhry et al., CVPR 2009 (HOOF); Liu et al., IEEE Trans. Affective Computing 7(4), 2016 (mean flow of
    the main direction, MDMO); Liong et al., Signal Processing: Image Communication 62, 2018 (weight by
    strain, Bi-WOOF).
    """

    loss = staticmethod(squared_hinge)
    strength = 0.001
    streams: tuple[str, ...] = ("me",)

    def __init__(
        self,
        *,
        n_classes: int = 3,
        shapes: Mapping[str, Sequence[int]] | None = None,
        cells: int = 8,
        bins: int = 8,
        C: float | None = None,
        class_weights: Literal["balanced", "none"] = "balanced",
        max_iter: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__(n_classes=n_classes, C=C, class_weights=class_weights, max_iter=max_iter, seed=seed)
        self.config |= {
            "shapes": None if shapes is None else {"me": [int(n) for n in shapes["me"]]},
            "cells": cells,
            "bins": bins,
        }

    def _maps(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        shapes = self.config["shapes"]
        side = math.isqrt(x.shape[1] // 4)
        shape = tuple(shapes["me"]) if shapes else (4, side, side)
        if math.prod(shape) != x.shape[1] or len(shape) != 3 or shape[0] < 3:
            raise InputError(
                f"flow_histogram_svm: a sample has {x.shape[1]} values",
                expected=f"maps u, v, strain … of the shape {shape}",
                remedy='say which shape they have: shapes={"me": (maps, height, width)}',
            )
        return x.reshape(-1, *shape)

    def _describe(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return describe(self._maps(x), cells=self.config["cells"], bins=self.config["bins"])

    def _fit(self, x: NDArray[np.float32], y: NDArray[np.int64], w: NDArray[np.float64]) -> None:
        table = self._describe(x)
        mean, sd = table.mean(0), table.std(0)
        sd = np.where(sd > 0, sd, np.float32(1))
        super()._fit((table - mean) / sd, y, w)
        self._state |= {"mean": mean, "sd": sd}

    def _proba(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        return super()._proba((self._describe(x) - self._state["mean"]) / self._state["sd"])


def describe(maps: NDArray[np.float32], *, cells: int, bins: int) -> NDArray[np.float32]:
    """Numbers of each sample (samples, cells² × (bins + 2)) from its maps (samples, 3 or more, H, W).

    A pixel's length of flow is dealt out to the two nearest of ``bins`` directions, the first of which points
    right. Per cell: mean length by direction, times the cell's share of all strain and the number of cells;
    then the mean flow, right and down, of the pixels of the main direction.
    """
    u, v, strain = (np.asarray(maps[:, i], np.float64) for i in range(3))
    length = np.hypot(u, v)
    turn = (np.arctan2(v, u) / (2 * np.pi) * bins) % bins
    lower = np.floor(turn).astype(int) % bins
    upper_share = turn - np.floor(turn)
    rows, columns = (_edges(size, cells) for size in u.shape[1:])

    def per_cell(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.add.reduceat(np.add.reduceat(image, rows, 1), columns, 2)

    area = per_cell(np.ones((1, *u.shape[1:])))
    share = [
        np.where(lower == b, 1 - upper_share, 0.0) + np.where((lower + 1) % bins == b, upper_share, 0.0)
        for b in range(bins)
    ]
    histogram = np.stack([per_cell(length * s) / area for s in share], -1)
    stretch = per_cell(np.abs(strain)) / area
    weight = stretch / np.maximum(stretch.mean((1, 2), keepdims=True), 1e-12)
    main = histogram.argmax(-1)
    chosen = np.repeat(np.repeat(main, np.diff([*rows, u.shape[1]]), 1), np.diff([*columns, u.shape[2]]), 2)
    nearest = np.rint(turn).astype(int) % bins == chosen
    count = np.maximum(per_cell(nearest.astype(np.float64)), 1.0)
    flow = np.stack([per_cell(u * nearest) / count, per_cell(v * nearest) / count], -1)
    return np.concatenate([histogram * weight[..., None], flow], -1).reshape(len(u), -1).astype(np.float32)


def _edges(size: int, cells: int) -> NDArray[np.int64]:
    """First row of each of ``cells`` nearly equal stretches."""
    if size < cells:
        raise InputError(f"flow_histogram_svm: maps of {size} pixels", expected=f"at least {cells} a side")
    return np.arange(cells) * size // cells


def example() -> Batch:
    """Twelve made-up samples of four maps."""
    return example_batch({"me": (4, 16, 16)}, n_classes=3)
