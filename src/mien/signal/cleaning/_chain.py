"""A run of filters over a recording of any length: blocks that overlap by what the kernels reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.signal.cleaning._work import Array
from mien.signal.cleaning.filters import HighPass, LowPass, Notch
from mien.signal.cleaning.resample import Resample

Filter = HighPass | LowPass | Notch | Resample
_ROWS = 8
"""Channels worked on at a time: bounds the memory of the transforms."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """Filters at one rate, and at most one change of rate, the last.

    ``n_out`` samples come out of ``n_in``; ``halo`` samples on either side of a block are needed.
    """

    kernels: tuple[NDArray[np.float64], ...]
    up: int
    down: int
    poly: NDArray[np.float64] | None
    n_in: int

    @classmethod
    def of(cls, steps: Sequence[Filter], *, rate: float, n_in: int) -> Chain:
        """Design the kernels of some steps; a :class:`Resample` may only be the last."""
        kernels = tuple(s.kernel(rate) for s in steps if not isinstance(s, Resample))
        up, down, poly = 1, 1, None
        if isinstance(steps[-1], Resample):
            up, down = steps[-1].ratio(rate)
            poly = None if up == down else steps[-1].kernel(rate)
        return cls(kernels=kernels, up=up, down=down, poly=poly, n_in=n_in)

    @property
    def n_out(self) -> int:
        """Samples that come out."""
        return -(-self.n_in * self.up // self.down)

    @property
    def poly_halo(self) -> int:
        """Samples of the change of rate's own reach, a multiple of ``down``."""
        if self.poly is None:
            return 0
        reach = -(-(len(self.poly) // 2) // self.up) + 1
        return -(-reach // self.down) * self.down

    @property
    def halo(self) -> int:
        """Samples of all kernels' reach."""
        return self.poly_halo + sum(len(k) // 2 for k in self.kernels)

    def run(
        self, read: Callable[[int, int], Array], *, block: int, powers: Array | None = None
    ) -> Iterator[tuple[slice, Array]]:
        """Filter block by block.

        Parameters
        ----------
        read
            ``read(start, stop)`` gives samples (channels, stop - start).
        block
            Samples that go in at a time.
        powers
            (kernels, 2, channels), zeros: sums of squares before and after each kernel are added up here.

        Yields
        ------
        slice, ndarray
            Where the samples belong, and the samples, float64.
        """
        size = max(block // self.down, 1) * self.down
        for start in range(0, self.n_in, size):
            stop = min(start + size, self.n_in)
            core = -(-(stop - start) // self.down) * self.down
            piece = self._padded(read, start, start + core)
            first = start // self.down * self.up
            where = slice(first, min(first + core // self.down * self.up, self.n_out))
            out = np.empty((len(piece), where.stop - where.start))
            for row in range(0, len(piece), _ROWS):
                rows = slice(row, row + _ROWS)
                sums = None if powers is None else powers[..., rows]
                out[rows] = self._filter(piece[rows], core, sums)[:, : out.shape[1]]
            yield where, out

    def _padded(self, read: Callable[[int, int], Array], start: int, stop: int) -> Array:
        """Samples of a block and what is around it; beyond the ends, the recording turned about its end."""
        low, high = start - self.halo, stop + self.halo
        inside = np.asarray(read(max(low, 0), min(high, self.n_in)), dtype=np.float64)
        pad = (max(-low, 0), max(high - self.n_in, 0))
        if any(pad):
            kind = {"mode": "reflect", "reflect_type": "odd"} if inside.shape[1] > 1 else {"mode": "edge"}
            inside = np.pad(inside, ((0, 0), pad), **kind)  # type: ignore[call-overload]
        return inside

    def _filter(self, x: Array, core: int, sums: Array | None) -> Array:
        from scipy.signal import oaconvolve, resample_poly

        for i, kernel in enumerate(self.kernels):
            y = oaconvolve(x, kernel[None], mode="valid", axes=-1)
            if sums is not None:
                sums[i, 0] += _power(x, core)
                sums[i, 1] += _power(y, core)
            x = y
        if self.poly is None:
            return x
        first = self.poly_halo // self.down * self.up
        y = resample_poly(x, self.up, self.down, axis=-1, window=self.poly)
        return np.asarray(y[:, first : first + core // self.down * self.up])


def _power(x: Array, core: int) -> NDArray[np.float64]:
    margin = (x.shape[1] - core) // 2
    inner = x[:, margin : margin + core]
    return np.asarray(inner.var(axis=1) * core)
