"""Another sample rate, with a filter that keeps what cannot be represented from folding back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

ATTENUATION = 80.0
"""Decibels by which what would fold back is weakened."""
_PASS = 0.9
"""Share of the smaller half-rate that is left as it was."""


@dataclass(frozen=True)
class Resample:
    """Change the sample rate to ``rate`` Hz.

    A Kaiser-windowed low-pass leaves what is below 0.9 of half the smaller rate and weakens what is above
    half that rate by 80 dB; then every so-many-th sample is kept (polyphase, no delay). Taking every n-th
    sample without that filter, as some public code does, folds hum and muscle into the bands of interest.
    """

    rate: float

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"rate must be positive, got {self.rate!r}")

    def ratio(self, rate: float) -> tuple[int, int]:
        """``(up, down)``, whole numbers without a common divisor."""
        ratio = (Fraction(self.rate) / Fraction(rate)).limit_denominator(10_000)
        if not np.isclose(float(ratio) * rate, self.rate, rtol=1e-9) or ratio.numerator > 10_000:
            raise ValueError(f"{rate:g} Hz and {self.rate:g} Hz have no ratio of small whole numbers")
        return ratio.numerator, ratio.denominator

    def kernel(self, rate: float) -> NDArray[np.float64]:
        """Anti-alias filter at ``rate × up`` (odd length, symmetric, float64); gain 1 before upsampling."""
        from scipy.signal import firwin, kaiserord

        up, _ = self.ratio(rate)
        fine = rate * up
        half = min(rate, self.rate) / 2
        taps, beta = kaiserord(ATTENUATION, (1 - _PASS) * half / (fine / 2))
        return np.asarray(firwin(taps | 1, (1 + _PASS) / 2 * half, window=("kaiser", beta), fs=fine))
