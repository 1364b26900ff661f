"""Another reference: what is taken off every channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mien.core import InputError
from mien.signal.cleaning._work import Outcome, Work, blocks

MASTOIDS = (("M1", "M2"), ("A1", "A2"), ("TP9", "TP10"))
"""Pairs that stand for the two mastoids, in order of preference."""


@dataclass(frozen=True)
class Rereference:
    """Take the mean of some channels off all.

    ``to`` is ``"average"`` (all channels that are not bad; costs one rank), ``"mastoids"`` (M1 and M2, or the
    names that other caps give them) or names of channels. These may be among the extras; those that are not
    lose their rank to the others.
    """

    to: Literal["average", "mastoids"] | tuple[str, ...] = "average"

    def __post_init__(self) -> None:
        if isinstance(self.to, list):
            object.__setattr__(self, "to", tuple(self.to))
        if isinstance(self.to, str):
            if self.to not in ("average", "mastoids"):
                raise ValueError(
                    f"to must be 'average', 'mastoids' or a tuple of channel names, got {self.to!r}"
                )
        elif not self.to or not all(isinstance(name, str) for name in self.to):
            raise ValueError("to must name at least one channel")

    def run(self, work: Work) -> Outcome:
        """Take the reference off."""
        names = self._names(work)
        inside = np.array([name in names for name in work.channels]) / len(names)
        outside = np.array([name in names for name in work.extra_channels]) / len(names)
        before = after = 0.0
        for part in blocks(work.n_times, work.rate):
            data = work.data[:, part].astype(np.float64)
            mean = inside @ data
            if outside.any():
                mean += outside @ work.extra[:, part].astype(np.float64)
            before += float((data**2).sum())
            after += float((mean**2).sum()) * len(data)
            work.data[:, part] = data - mean
        text = self.to if isinstance(self.to, str) else " + ".join(self.to)
        rank = work.rank if outside.any() else _rank_without_one(work)
        done = replace(work, reference=text, rank=rank)
        found = {"n_channels": len(names)} if self.to == "average" else {"channels": list(names)}
        return Outcome(work=done, found=found, percent=100 * min(after / before, 1.0) if before else 0.0)

    def _names(self, work: Work) -> tuple[str, ...]:
        known = (*work.channels, *work.extra_channels)
        if self.to == "average":
            return tuple(name for name, good in zip(work.channels, work.good, strict=True) if good)
        if self.to == "mastoids":
            upper = {name.upper(): name for name in known}
            for left, right in MASTOIDS:
                if left in upper and right in upper:
                    return upper[left], upper[right]
            raise InputError(
                f"no mastoids among {', '.join(known)}",
                expected=" or ".join(" and ".join(pair) for pair in MASTOIDS),
                remedy="name the reference channels, or use the average",
            )
        missing = [name for name in self.to if name not in known]
        if missing:
            raise InputError(
                f"reference channels {', '.join(missing)} are not there",
                expected=f"some of {', '.join(known)}",
            )
        return tuple(self.to)


def _rank_without_one(work: Work) -> int:
    """Rank after the mean of some rows is taken off all: one less, unless that was done before."""
    already = work.reference != "as recorded" and work.rank < len(work.channels) - len(work.interpolated)
    return work.rank if already else work.rank - 1
