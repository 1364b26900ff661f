"""Filters without delay: windowed-sinc kernels, run over blocks that overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HAMMING = 3.3
"""Length of a Hamming-windowed kernel in units of 1 / transition band (Ifeachor and Jervis 2002)."""


@dataclass(frozen=True)
class HighPass:
    """Take off what is slower than ``cutoff`` Hz.

    ``cutoff`` is the edge of the pass band; the gain is one half ``transition / 2`` below it. The transition
    band is ``cutoff`` wide up to 2 Hz, then a quarter of it but at least 2 Hz, unless given (the rule of MNE
    and EEGLAB). Widmann, Schröger and Maess (2015), doi:10.1016/j.jneumeth.2014.08.002.
    """

    cutoff: float
    transition: float | None = None

    def __post_init__(self) -> None:
        _positive(self, "cutoff", "transition")
        if self.width > self.cutoff:
            raise ValueError(f"transition must not be wider than cutoff, got {self.transition}")

    @property
    def width(self) -> float:
        """Transition band in Hz."""
        return min(max(0.25 * self.cutoff, 2.0), self.cutoff) if self.transition is None else self.transition

    def kernel(self, rate: float) -> NDArray[np.float64]:
        """Impulse response (odd length, symmetric, float64)."""
        from scipy.signal import firwin

        _below_half("high-pass", self.cutoff, rate)
        slow = firwin(_taps(self.width, rate), self.cutoff - self.width / 2, fs=rate)
        # what a low-pass of sum 1 leaves: nothing of an offset, which may be a thousand times the EEG
        kernel = -slow / slow.sum()
        kernel[len(kernel) // 2] += 1
        return np.asarray(kernel)


@dataclass(frozen=True)
class LowPass:
    """Take off what is faster than ``cutoff`` Hz.

    ``cutoff`` is the edge of the pass band; the gain is one half ``transition / 2`` above it. The transition
    band is a quarter of ``cutoff``, at least 2 Hz, and ends at half the rate, unless given.
    """

    cutoff: float
    transition: float | None = None

    def __post_init__(self) -> None:
        _positive(self, "cutoff", "transition")

    def width(self, rate: float) -> float:
        """Transition band in Hz."""
        room = rate / 2 - self.cutoff
        return min(max(0.25 * self.cutoff, 2.0), room) if self.transition is None else self.transition

    def kernel(self, rate: float) -> NDArray[np.float64]:
        """Impulse response (odd length, symmetric, float64)."""
        from scipy.signal import firwin

        _below_half("low-pass", self.cutoff, rate)
        width = self.width(rate)
        _below_half("end of the low-pass's transition", self.cutoff + width / 2, rate)
        return np.asarray(firwin(_taps(width, rate), self.cutoff + width / 2, fs=rate))


@dataclass(frozen=True)
class Notch:
    """Take off mains hum: ``frequency`` Hz and, with ``harmonics``, its multiples.

    Each stop band is ``width`` Hz wide, with a transition of ``width / 2`` on both sides; multiples that do
    not fit below half the rate are left to the anti-alias filter.
    """

    frequency: float = 50.0
    harmonics: bool = True
    width: float = 1.0

    def __post_init__(self) -> None:
        _positive(self, "frequency", "width")

    def frequencies(self, rate: float) -> tuple[float, ...]:
        """What is taken off at a rate, in Hz."""
        fits = int((rate / 2 - self.width) // self.frequency)
        return tuple(self.frequency * (k + 1) for k in range(min(fits, 1) if not self.harmonics else fits))

    def kernel(self, rate: float) -> NDArray[np.float64]:
        """Impulse response (odd length, symmetric, float64)."""
        from scipy.signal import firwin

        _below_half("notch", self.frequency + self.width, rate)
        reach = 0.75 * self.width
        edges = [f + side * reach for f in self.frequencies(rate) for side in (-1, 1)]
        return np.asarray(firwin(_taps(self.width / 2, rate), edges, pass_zero=True, fs=rate))


def _taps(width: float, rate: float) -> int:
    return 2 * int(np.ceil(_HAMMING * rate / width / 2)) + 1


def _positive(step: object, *names: str) -> None:
    for name in names:
        value = getattr(step, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be positive, got {value!r}")


def _below_half(what: str, frequency: float, rate: float) -> None:
    if frequency >= rate / 2:
        raise ValueError(f"{what} of {frequency:g} Hz does not fit below half the rate of {rate:g} Hz")
