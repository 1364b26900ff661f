"""LDS smoothing of one clip, 235 windows x 310 features: pykalman feature by feature, and one pass for all.

Run: python benchmarks/lds.py      (needs pip install "mien[bench]")
"""

from __future__ import annotations

import numpy as np
from _machine import best, describe, once

from mien.signal import lds_smooth

N_WINDOWS, N_FEATURES = 235, 310


def by_pykalman(values: np.ndarray) -> np.ndarray:
    """The public way: one Kalman smoother object per feature."""
    from pykalman import KalmanFilter

    out = np.empty_like(values)
    for column in range(values.shape[1]):
        smoother = KalmanFilter(
            transition_matrices=1,
            observation_matrices=1,
            transition_covariance=0.001,
            observation_covariance=1,
            initial_state_covariance=0.1,
            initial_state_mean=values[:, column].mean(),
        )
        out[:, column] = smoother.smooth(values[:, column])[0][:, 0]
    return out


def main() -> None:
    """Print both times, their ratio and their largest difference."""
    print(describe("pykalman"))
    values = np.random.default_rng(0).normal(20, 3, size=(N_WINDOWS, N_FEATURES))
    kept: list[np.ndarray] = []
    slow = once(lambda: kept.append(by_pykalman(values)))
    fast = best(lambda: lds_smooth(values), repeats=50)
    causal = best(lambda: lds_smooth(values, causal=True), repeats=50)
    difference = float(np.abs(kept[0] - lds_smooth(values)).max())
    print(f"pykalman, one feature after another   {slow * 1e3:10.2f} ms")
    print(f"mien.signal.lds_smooth                {fast * 1e3:10.2f} ms   {slow / fast:,.0f} x")
    print(f"mien.signal.lds_smooth, causal        {causal * 1e3:10.2f} ms")
    print(f"largest difference                    {difference:10.1e}")


if __name__ == "__main__":
    main()
