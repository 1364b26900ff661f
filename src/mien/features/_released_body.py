"""The features of MMME's published code for the body, made by NeuroKit2, faults included."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Signal
from mien.features._shared import FeatureWarning

Array = NDArray[Any]

KINDS = ("ppg", "rsp", "eda", "ecg")
RATE = 1000.0


def body_windows(signal: Signal, *, seed: int = 0) -> Features:
    """``*_process`` and ``*_intervalrelated`` of NeuroKit2 for pulse, breath, skin conductance and ECG.

    The whole signal (a trial) is one window. What is no finite number is replaced by a **random number**
    between 0 and 1, as the published code did; here drawn from ``seed`` and the signal, so that it comes out
    the same again. The window is valid, as there was no such thing.

    Parameters
    ----------
    signal
        The channels ``ppg``, ``rsp``, ``eda`` and ``ecg`` among others.
    seed
        Of the random numbers.

    Returns
    -------
    Features
        Axes window, feature, named as NeuroKit2 names them. The published code scaled them by all of a
        subject's trials (``normalise = "subject"``); a linear support vector machine of C = 1 came next.

    Raises
    ------
    InputError
        A channel is missing, or NeuroKit2 cannot work on it.
    """
    lacking = [kind for kind in KINDS if kind not in signal.channels]
    if lacking:
        raise InputError(
            f"the signal has no channel {', '.join(lacking)}",
            expected="the channels ppg, rsp, eda and ecg of an MMME recording",
            remedy='use the stream "body", or recipe "corrected"',
        )
    if signal.rate != RATE:
        warnings.warn(
            f"the released recipe was written for {RATE:g} Hz and got {signal.rate:g} Hz",
            FeatureWarning,
            stacklevel=2,
        )
    found: dict[str, float] = {}
    for kind in KINDS:
        found |= _of_kind(signal.data[signal.channels.index(kind)], signal.rate, kind)
    values = np.array([list(found.values())])
    lost = ~np.isfinite(values)
    values[lost] = _generator(signal, seed).uniform(size=int(lost.sum()))
    return Features(
        values=values,
        axes={"window": (), "feature": tuple(found)},
        starts=np.array([signal.start], dtype=np.float64),
        durations=np.array([signal.n_times / signal.rate]),
        extractor="body_windows",
        version="1",
        valid=np.ones(1, dtype=bool),
    )


def _of_kind(x: Array, rate: float, kind: str) -> dict[str, float]:
    """What NeuroKit2 makes of one channel."""
    import neurokit2 as nk

    process = getattr(nk, f"{kind}_process")
    related = getattr(nk, f"{kind}_intervalrelated")
    frequency = int(rate)  # NeuroKit2 means a whole number
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            table, _ = process(np.asarray(x, dtype=np.float64), sampling_rate=frequency)
            row = related(table, sampling_rate=frequency).iloc[0]
        except (
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            ZeroDivisionError,
            np.linalg.LinAlgError,
        ) as fault:
            raise InputError(
                f"NeuroKit2 cannot work on the channel {kind!r}: {fault}",
                expected="a signal with beats or breaths all through",
                remedy='use recipe "corrected", which marks such a channel as missing',
            ) from fault
    return {_name(kind, str(name)): _number(value) for name, value in row.items()}


def _name(kind: str, column: str) -> str:
    """Columns that two kinds share (HRV of pulse and ECG) get their kind in front."""
    return column if column.lower().startswith(kind) else f"{kind.upper()}_{column}"


def _number(value: Any) -> float:
    """Some cells hold an array of one."""
    flat = np.ravel(np.asarray(value, dtype=np.float64))
    return float(flat[0]) if flat.size == 1 else float("nan")


def _generator(signal: Signal, seed: int) -> np.random.Generator:
    digest = hashlib.blake2b(np.ascontiguousarray(signal.data).tobytes(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "big")])
