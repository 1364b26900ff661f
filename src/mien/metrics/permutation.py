"""Where in time a mean over subjects differs from zero: clusters, tested by flipping signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import InputError

Array = NDArray[np.float64]
FEWEST_SUBJECTS = 6
"""Subjects below which no result of a two-sided test can be smaller than 5 %: there are too few signs."""
_BLOCK = 4_000_000
"""Values held at a time."""
_TIE = 1e-9
"""Share by which a mass may lie below another one and count as equal: sums in another order."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Neighbouring moments at which the mean differs from zero in one direction.

    ``start`` and ``stop`` are positions, half-open; ``mass`` is the sum of t over them, negative where the
    mean is; ``p`` the chance of a cluster as heavy anywhere, were the signs of the subjects arbitrary.
    """

    start: int
    stop: int
    mass: float
    p: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterTest:
    """What :func:`cluster_test` found.

    Attributes
    ----------
    t
        (times,) the mean over subjects divided by its standard error.
    threshold
        What t must exceed to be in a cluster.
    clusters
        The heaviest first.
    n_permutations
        How often signs were flipped, the true ones included.
    exact
        Whether these were all ways to flip them.
    """

    t: Array
    threshold: float
    clusters: tuple[Cluster, ...]
    n_permutations: int
    exact: bool

    @property
    def p(self) -> float:
        """That of the heaviest cluster, 1 where there is none: of the test as a whole."""
        return min((c.p for c in self.clusters), default=1.0)


def cluster_test(
    differences: ArrayLike,
    *,
    tail: Literal[-1, 0, 1] = 0,
    entry: float = 0.05,
    inflation: float = 1.0,
    n_permutations: int = 2000,
    seed: int = 0,
) -> ClusterTest:
    """Cluster-based permutation test of a mean over subjects against zero [Maris & Oostenveld 2007].

    At each moment t is the mean over its standard error; neighbouring moments beyond the threshold are a
    cluster, whose mass is the sum of their t. Under the hypothesis that nothing differs, the course of a
    subject is as likely as its negative, so the signs of whole subjects are flipped, and a cluster is
    compared with the heaviest one of each flip. This controls the chance of any false cluster at any moment.
    A cluster says that there is a difference; where exactly it begins and ends is not tested
    [Sassenhagen & Draschkow 2019].

    Parameters
    ----------
    differences
        (subjects, times): one course for each subject, such as a mean over its events less a baseline, or
        less the mean over other events. No NaN.
    tail
        1 or -1: only means above or below zero; 0: both.
    entry
        Level at which a moment enters a cluster (two-sided where ``tail`` is 0), by the t distribution.
    inflation
        Variance of the mean of the courses, in units of what it would be were they independent; 1 where they
        are, and more where the mean of all of them was taken off before. t is divided by its root.
    n_permutations
        Flips, the true signs among them; where there are no more ways than that, all of them are taken.
    seed
        Of the flips.

    Raises
    ------
    InputError
        Fewer than six subjects, or values that are no numbers.
    """
    x = np.asarray(differences, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] == 0 or not np.isfinite(x).all():
        raise InputError(f"differences of shape {x.shape} or with NaN", expected="numbers (subjects, times)")
    n = len(x)
    if n < FEWEST_SUBJECTS:
        raise InputError(
            f"{n} subjects", expected=f"at least {FEWEST_SUBJECTS}: signs of fewer cannot tell at 5 %"
        )
    signs = _signs(n, n_permutations, seed)
    threshold = _threshold(entry, n - 1, tail)
    t = _t_values(x, np.ones((1, n)))[0] / np.sqrt(inflation)
    start, stop, mass = _clusters(t, threshold, tail)
    rows = max(1, _BLOCK // x.shape[1])
    heaviest = np.concatenate(
        [
            heaviest_mass(_t_values(x, signs[i : i + rows]), threshold, tail)
            for i in range(0, len(signs), rows)
        ]
    )
    beyond = (heaviest >= np.abs(mass)[:, None] * (1 - _TIE)).mean(axis=1)
    order = np.argsort(-np.abs(mass), kind="stable")
    return ClusterTest(
        t=t,
        threshold=threshold,
        clusters=tuple(
            Cluster(start=int(start[i]), stop=int(stop[i]), mass=float(mass[i]), p=float(beyond[i]))
            for i in order
        ),
        n_permutations=len(signs),
        exact=len(signs) == 2**n,
    )


def _signs(n: int, n_permutations: int, seed: int) -> Array:
    """Rows of 1 and -1; the first has 1 only."""
    if 2 ** min(n, 40) <= n_permutations:
        minus = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(bool)
    else:
        minus = np.random.default_rng(seed).random((max(n_permutations, 1), n)) < 0.5
        minus[0] = False
    return np.where(minus, -1.0, 1.0)


def _threshold(entry: float, freedom: int, tail: int) -> float:
    from scipy.special import stdtrit

    return float(-stdtrit(freedom, entry / (1 if tail else 2)))


def _t_values(x: Array, signs: Array) -> Array:
    """t (flips, times). Flipping signs moves the mean and leaves the sum of squares."""
    n = len(x)
    mean = signs @ x / n
    variance = np.maximum((x * x).sum(axis=0) / n - mean * mean, 0) / (n - 1)
    out: Array = np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 0)
    return out


def _clusters(t: Array, threshold: float, tail: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Starts, stops (half-open) and signed masses of the clusters of one course (times,)."""
    found = [_runs(side * t > threshold) for side in (1, -1) if side * tail >= 0]
    start = np.concatenate([f[0] for f in found])
    stop = np.concatenate([f[1] for f in found])
    total = np.concatenate([[0.0], np.cumsum(t)])
    return start, stop, total[stop] - total[start]


def _runs(inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    edges = np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def heaviest_mass(t: Array, threshold: float, tail: int) -> Array:
    """The largest absolute mass of a cluster in each row of t (rows, times); 0 where there is none."""
    best = np.zeros(len(t))
    for side in (1, -1):
        if side * tail < 0:
            continue
        inside = np.where(side * t > threshold, side * t, 0.0)
        running = np.zeros(len(t))
        for column in inside.T:
            running = np.where(column > 0, running + column, 0.0)
            np.maximum(best, running, out=best)
    return best


def holm(p: Sequence[float] | Array) -> Array:
    """p corrected for being several tests [Holm 1979]: the smallest times their number, and so on."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    out = np.empty_like(values)
    out[order] = np.minimum(scaled, 1.0)
    return out
