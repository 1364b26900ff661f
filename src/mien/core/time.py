"""Seconds and samples, turned into one another in one place."""

from __future__ import annotations


def to_samples(seconds: float, rate: float) -> int:
    """Number of the sample nearest to a time.

    Parameters
    ----------
    seconds
        Time since sample 0, in seconds; may be negative.
    rate
        Samples per second.

    Returns
    -------
    int
        ``floor(seconds * rate + 0.5)``: halves go up, so that neighbouring half-open spans share no sample
        and leave none out (``round`` would send halves to even numbers).
    """
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    # the small term keeps 0.29 * 100 = 28.999999999999996 and its like from losing a sample at a half
    scaled = seconds * rate
    return int((scaled + 0.5 + abs(scaled) * 1e-12) // 1)


def to_seconds(sample: int, rate: float) -> float:
    """Time of a sample in seconds since sample 0."""
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    return sample / rate


def n_windows(n_times: int, *, length: int, stride: int) -> int:
    """How many whole windows of ``length`` samples, one every ``stride``, fit in ``n_times`` samples."""
    if length < 1 or stride < 1:
        raise ValueError(f"window length and stride must be at least one sample, got {length} and {stride}")
    return 0 if n_times < length else (n_times - length) // stride + 1
