"""What the BIOPAC of a made-up MMME records of a body, block by block: nine columns and no digital line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mien.datasets._mmme_layout import BODY_LABELS, DIGITAL_LABELS
from mien.simulate._mmme_body import Body
from mien.simulate._mmme_clocks import Clock

Floats = NDArray[np.float64]
BLOCK_SECONDS = 20
_OF_STREAM = {
    **{"ppg": "Volts", "rsp": "Volts", "emg_a": "mV", "skt_a": "deg C", "eda": "microsiemens"},
    **{"ecg": "mV", "emg_b": "mV", "skt_b": "deg C"},
}
UNITS = (*(_OF_STREAM[name] for name in BODY_LABELS), *["Volts"] * len(DIGITAL_LABELS), "BPM")
"""Of the 17 columns, as AcqKnowledge spells them."""
NOISE = {
    **{"ppg": 0.004, "rsp": 0.004, "skt_a": 0.003, "eda": 0.002, "ecg": 0.008, "skt_b": 0.003},
    **{"emg_a": 0.0004, "emg_b": 0.0004},
}
"""Of the amplifier, white, in the units of the columns."""
# height in mV, seconds from the R peak, width in seconds; T moves with the length of a beat
_WAVES = {"q": (-0.12, -0.030, 0.010), "r": (1.1, 0.0, 0.011), "s": (-0.22, 0.030, 0.011)}
_P, _T = (0.13, -0.16, 0.022), (0.28, 0.27, 0.045)
_MUSCLE_BAND = (20.0, 350.0)


def blocks(body: Body, clock: Clock, *, rate: int, n_samples: int, seed: tuple[int, int]) -> Iterator[Floats]:
    """The columns of the eight streams and the rate of the heart, (9, times); ``clock`` is the BIOPAC's,
    ``seed`` the data set's and the subject's number."""
    high = min(_MUSCLE_BAND[1], 0.4 * rate)
    band = scipy.signal.butter(2, (_MUSCLE_BAND[0], high), btype="bandpass", fs=rate, output="sos")
    gain = _noise_gain(band)
    state = np.zeros((len(band), 2, 2))
    for number, first in enumerate(range(0, n_samples, BLOCK_SECONDS * rate)):
        stop = min(first + BLOCK_SECONDS * rate, n_samples)
        rng = np.random.default_rng([seed[0], 75, seed[1], number])
        t = clock.true(np.arange(first, stop) / rate)
        made = {name: sd * rng.standard_normal(len(t)) for name, sd in NOISE.items()}
        for name in ("rsp", "eda", "skt_a", "skt_b"):
            made[name] += np.interp(t, body.grid, getattr(body, name))
        breath = np.interp(t, body.grid, body.rsp)
        made["ecg"] += ecg(t, body.beats) + 0.03 * breath
        made["ppg"] += ppg(t, body.pulses, body.pulse_sizes) + 0.02 * breath
        busy, state = scipy.signal.sosfilt(band, rng.standard_normal((2, len(t))), axis=1, zi=state)
        for name, noise in zip(("emg_a", "emg_b"), busy / gain, strict=True):
            made[name] += np.interp(t, body.grid, getattr(body, name)) * noise
        beat = np.clip(np.searchsorted(body.beats, t, side="right"), 2, len(body.beats)) - 1
        made["rate"] = 60 / (body.beats[beat] - body.beats[beat - 1])
        yield np.stack([made[name] for name in (*BODY_LABELS, "rate")])


def ecg(t: Floats, beats: Floats) -> Floats:
    """mV at true times: a sum of Gaussian waves around each R peak (as in McSharry et al., 2003)."""
    after = np.clip(np.searchsorted(beats, t, side="right"), 1, len(beats) - 1)
    length = beats[after] - beats[after - 1]
    out = np.zeros(len(t))
    for since in (t - beats[after - 1], t - beats[after]):
        for height, at, width in _WAVES.values():
            out += height * _bump(since, at, width)
        out += _P[0] * _bump(since, _P[1], _P[2])
        out += _T[0] * _bump(since, _T[1] * np.sqrt(length / 0.85), _T[2])
    return out


def ppg(t: Floats, pulses: Floats, sizes: Floats) -> Floats:
    """V at true times: from the foot of each pulse a steep rise, a slower fall, and a second small wave."""
    now = np.clip(np.searchsorted(pulses, t, side="right"), 2, len(pulses)) - 1
    out = np.zeros(len(t))
    for k in (now, now - 1):
        since = np.maximum(t - pulses[k], 0)
        # a wave of least 0 at the foot whose height is 1 after 0.13 s
        rise = (since / 0.13) ** 2 * np.exp(2 * (1 - since / 0.13))
        out += sizes[k] * (rise + 0.30 * _bump(since, 0.36, 0.07))
    return out


def _bump(since: Floats, at: Floats | float, width: float) -> Floats:
    return np.asarray(np.exp(-0.5 * ((since - at) / width) ** 2))


def _noise_gain(band: Floats) -> float:
    """What a filter leaves of white noise of sd 1."""
    impulse = np.zeros(4096)
    impulse[0] = 1
    return float(np.sqrt((scipy.signal.sosfilt(band, impulse) ** 2).sum()))
