"""Differential entropy of 62 channels x 240 s at 200 Hz in five bands.

Side by side, windows of 1 s and of 4 s:

* the filter-per-window loop: for each window, channel and band a call that designs a fifth-order Butterworth
  band-pass and runs it, as the widely copied ``butter_bandpass_filter(data, low, high, fs)`` does, and the
  variance of what comes out. It is another estimate of the same thing;
* the same loop with its five filters designed beforehand;
* what mien computes, in a loop over windows and channels;
* mien.

One core: set OMP_NUM_THREADS=1.

Run: python benchmarks/differential_entropy.py
"""

from __future__ import annotations

import numpy as np
from _machine import best, describe, once
from scipy.signal import butter, lfilter
from scipy.signal.windows import dpss

from mien.core import Signal
from mien.features import compute
from mien.features._eeg import BANDS

RATE, SECONDS, N_CHANNELS = 200.0, 240, 62


def entropy(variance: float) -> float:
    """Of a Gaussian, in bits."""
    return float(0.5 * np.log2(2 * np.pi * np.e * variance))


def by_filter(data: np.ndarray, *, length: int, made_once: bool) -> np.ndarray:
    """Fifth-order Butterworth per band, run over each window of each channel."""
    made = [butter(5, band, "bandpass", fs=RATE) for band in BANDS.values()]
    out = np.empty((data.shape[1] // length, len(BANDS), len(data)))
    for window in range(len(out)):
        for channel, series in enumerate(data):
            part = series[window * length : (window + 1) * length]
            for number, band in enumerate(BANDS.values()):
                b, a = made[number] if made_once else butter(5, band, "bandpass", fs=RATE)
                out[window, number, channel] = entropy(np.var(lfilter(b, a, part)))
    return out


def by_loop(data: np.ndarray, *, length: int) -> np.ndarray:
    """What mien computes, one window and channel at a time."""
    tapers = dpss(length, 2.0, 3)
    step = RATE / length
    cells = np.arange(length // 2 + 1)
    lower, upper = np.maximum((cells - 0.5) * step, 0), np.minimum((cells + 0.5) * step, RATE / 2)
    shares = [np.maximum(np.minimum(upper, high) - np.maximum(lower, low), 0) for low, high in BANDS.values()]
    out = np.empty((data.shape[1] // length, len(BANDS), len(data)))
    for window in range(len(out)):
        for channel, series in enumerate(data):
            part = series[window * length : (window + 1) * length]
            density = 2 / RATE * (np.abs(np.fft.rfft((part - part.mean()) * tapers)) ** 2).mean(axis=0)
            for number, share in enumerate(shares):
                out[window, number, channel] = entropy(density @ share)
    return out


def compare(data: np.ndarray, *, seconds: int) -> None:
    """Time all ways for windows of one length."""
    length = int(seconds * RATE)
    kept: list[np.ndarray] = []
    loops = {
        "filter-per-window loop": once(lambda: by_filter(data, length=length, made_once=False)),
        "... with filters designed beforehand": once(
            lambda: kept.append(by_filter(data, length=length, made_once=True))
        ),
        "loop of mien's definition": once(lambda: kept.append(by_loop(data, length=length))),
    }
    signal = Signal(data=data * 1e-6, rate=RATE, channels=tuple(f"C{i}" for i in range(len(data))))
    cut = {"window_seconds": seconds, "stride_seconds": seconds}
    ours = {
        method: best(lambda m=method: compute("de", signal, method=m, **cut), repeats=20)
        for method in ("multitaper", "welch")
    }
    print(f"\nwindows of {seconds} s, {data.shape[1] // length} of them{'':13} ms   mien is faster by")
    for name, slow in loops.items():
        ratios = ", ".join(f"{slow / fast:4.0f} x ({method})" for method, fast in ours.items())
        print(f"  {name:<38}{slow * 1e3:8.1f}   {ratios}")
    for method, fast in ours.items():
        print(f"  {'mien de, ' + method:<38}{fast * 1e3:8.1f}")
    found = compute("de", signal, **cut).values
    print(f"  largest difference from the loop of mien's definition {np.abs(found - kept[1]).max():.1e} bit")
    print(f"  median difference from the filters {np.median(np.abs(found - kept[0])):.2f} bit")


def main() -> None:
    """Print the times for windows of 1 s and 4 s, and how far the results lie apart."""
    print(describe())
    data = np.random.default_rng(0).normal(scale=10, size=(N_CHANNELS, int(SECONDS * RATE)))
    for seconds in (1, 4):
        compare(data, seconds=seconds)


if __name__ == "__main__":
    main()
