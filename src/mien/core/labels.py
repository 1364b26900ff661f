"""How ratings become classes: a policy is a value with a name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mien.core.errors import InputError

BOUNDARIES = ("high", "low", "drop")
RATERS = ("self", "stimulus")


@dataclass(frozen=True, kw_only=True)
class LabelPolicy:
    """What class a trial has, by its ratings.

    Attributes
    ----------
    name
        What reports and studies call it.
    dimensions
        One or two rated dimensions, such as ``("valence", "arousal")``.
    threshold
        Where low ends and high begins, on the scale of the rating.
    boundary
        What a rating of exactly the threshold is: ``"high"``, ``"low"``, or ``"drop"`` to leave the trial
        out.
    rater
        Whose ratings: ``"self"``, the person's own, or ``"stimulus"``, what others said of the clip.
    rule
        ``"threshold"``, or ``"milmer"``: the rule of the public code of Milmer, in which every trial that is
        not strictly in one of the other three quadrants is in the fourth, ratings at the threshold among
        them.

    Raises
    ------
    InputError
        A value is not among those above.
    """

    name: str
    dimensions: tuple[str, ...] = ("valence", "arousal")
    threshold: float = 5.0
    boundary: Literal["high", "low", "drop"] = "high"
    rater: Literal["self", "stimulus"] = "self"
    rule: Literal["threshold", "milmer"] = "threshold"

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("a label policy has no name")
        if len(self.dimensions) not in (1, 2) or len(set(self.dimensions)) != len(self.dimensions):
            raise InputError(f"dimensions {list(self.dimensions)}", expected="one, or two different ones")
        if not math.isfinite(self.threshold):
            raise InputError(f"threshold {self.threshold}", expected="a number on the scale of the rating")
        for what, value, known in (
            ("boundary", self.boundary, BOUNDARIES),
            ("rater", self.rater, RATERS),
            ("rule", self.rule, ("threshold", "milmer")),
        ):
            if value not in known:
                raise InputError(f"{what} {value!r}", expected=" or ".join(map(repr, known)))
        if self.rule == "milmer" and len(self.dimensions) != 2:
            raise InputError("the rule of Milmer's code is about two dimensions", remedy="name two")

    @property
    def classes(self) -> tuple[str, ...]:
        """Class words, in order: ``low, high``; for two dimensions ``HVHA, HVLA, LVLA, LVHA`` (high and low
        valence and arousal), numbered as in the public code of Milmer."""
        if len(self.dimensions) == 1:
            return "low", "high"
        first, second = (d[0].upper() for d in self.dimensions)
        return tuple(f"{a}{first}{b}{second}" for a, b in ("HH", "HL", "LL", "LH"))

    @property
    def needed(self) -> tuple[str, ...]:
        """Names of the labels of a trial that it looks at."""
        ending = "" if self.rater == "self" else "_stimulus"
        return tuple(d + ending for d in self.dimensions)

    def word(self, ratings: Mapping[str, float]) -> str | None:
        """Class of a trial whose ratings are given by dimension; None where the trial is left out.

        Raises
        ------
        InputError
            A dimension is missing or not a number.
        """
        values = self._values(ratings)
        if self.rule == "milmer":
            return self.classes[_milmer(*values, at=self.threshold)]
        if self.boundary == "drop" and self.threshold in values:
            return None
        high = [v > self.threshold or (v == self.threshold and self.boundary == "high") for v in values]
        if len(high) == 1:
            return self.classes[int(high[0])]
        first, second = high
        return self.classes[(0 if second else 1) if first else (3 if second else 2)]

    def touches(self, ratings: Mapping[str, float]) -> bool:
        """Whether a rating lies exactly on the threshold, so that ``boundary`` or the rule decides."""
        return self.threshold in self._values(ratings)

    def describe(self) -> str:
        """What it does, for a report."""
        what = " and ".join(self.dimensions)
        whose = "self-reported" if self.rater == "self" else "the clip's (by other people)"
        if self.rule == "milmer":
            return (
                f"quadrants of {whose} {what} at {self.threshold:g} by the rule of Milmer's code: a trial "
                f"that is in none of {', '.join(self.classes[:3])} is {self.classes[3]}"
            )
        kind = "high and low" if len(self.dimensions) == 1 else "quadrants of"
        fate = "leaves the trial out" if self.boundary == "drop" else f"counts as {self.boundary}"
        return f"{kind} {whose} {what} at {self.threshold:g}; a rating of exactly that {fate}"

    def _values(self, ratings: Mapping[str, float]) -> list[float]:
        values = [float(ratings.get(d, math.nan)) for d in self.dimensions]
        for dimension, value in zip(self.dimensions, values, strict=True):
            if not math.isfinite(value):
                raise InputError(f"no rating of {dimension}", expected="a number")
        return values


def _milmer(valence: float, arousal: float, *, at: float) -> int:
    """Class number by the public code of Milmer."""
    if valence > at and arousal > at:
        return 0
    if valence >= at and arousal < at:
        return 1
    if valence < at and arousal < at:
        return 2
    return 3


POLICIES = {
    policy.name: policy
    for policy in (
        *(LabelPolicy(name=d, dimensions=(d,)) for d in ("valence", "arousal", "dominance", "liking")),
        LabelPolicy(name="quadrant"),
        LabelPolicy(name="released", rule="milmer"),
    )
}
"""Policies that a study can name."""
