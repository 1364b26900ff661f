"""Cutting trials into windows."""

from __future__ import annotations

from mien.core import InputError, Span, Trial, Window

_ROUNDING = 1e-9
"""A window that lacks this share of its length, for want of digits, is whole."""


def windows(trial: Trial, *, length: float, stride: float | None = None) -> tuple[Window, ...]:
    """Windows of ``length`` seconds, one every ``stride`` seconds (default: end to end), within a trial.

    What is left at the end and too short for a window is left out. A window's id is the trial's and its start
    in seconds after the trial's, ``sub-1_ses-1_clip-5@8.000``.
    """
    stride = length if stride is None else stride
    if not (length > 0 and stride > 0):
        raise InputError(f"window length {length:g} s and stride {stride:g} s", expected="both above 0")
    n = max(0, int((trial.span.duration - length) / stride + 1 + _ROUNDING))
    return tuple(
        Window(
            id=f"{trial.id}@{k * stride:.3f}",
            trial=trial.id,
            span=Span(start=trial.span.start + k * stride, duration=length),
        )
        for k in range(n)
    )
