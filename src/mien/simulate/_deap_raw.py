"""The original recording of one person of a made-up DEAP: the stored trials at 512 Hz, in the order of
presentation, with what the preprocessing takes away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mien.datasets import _deap_layout as layout
from mien.simulate._bdf import BdfChannel, write_bdf
from mien.simulate._deap_plan import Plan
from mien.simulate._deap_signal import Head, stored_trial, trial
from mien.simulate._deap_times import Session, session_of
from mien.simulate._head import electrode_positions

Floats = NDArray[np.float64]

RATE = int(layout.RAW_RATE)
OTHER_STATUS = 0x58FF00
"""Upper bits of the last participant, if two or more are of Geneva."""
_PULSE_SECONDS = 0.25
_REST_WINDOWS = 10
_BLINK, _HUM, _WHITE, _DRIFT, _OFFSET, _COMMON = 0.6, 6.0, 0.5, 30.0, 2000.0, 15.0
"""Share of a blink at the forehead; µV of mains, of the amplifier's noise, of drift, of offsets, and of what
all electrodes share."""


def channels(participant: int) -> tuple[BdfChannel, ...]:
    """Channels in the order of the participant's site."""
    eeg = layout.EEG_TWENTE if participant <= layout.N_TWENTE else layout.EEG
    out = [BdfChannel(name=name, unit="uV", low=-262144, high=262143) for name in eeg]
    for name in layout.RAW_OTHERS:
        if name == "Status":
            out.append(BdfChannel(name=name, unit="Boolean"))
        elif name == "GSR1":
            out.append(BdfChannel(name=name, unit="uV"))
        else:
            out.append(BdfChannel(name=name, unit="uV", low=-262144, high=262143))
    return tuple(out)


def status_bits(plan: Plan, person: int) -> int:
    """Upper bits of the status values of a person."""
    participant = plan.participants[person]
    if participant <= layout.N_TWENTE:
        return 0
    last = person == len(plan.participants) - 1 and plan.participants[person - 1] > layout.N_TWENTE
    return OTHER_STATUS if last else layout.GENEVA_STATUS


def write_recording(path: Path, plan: Plan, head: Head, person: int) -> None:
    """Write the recording; a second of it and one trial are in memory at a time."""
    participant = plan.participants[person]
    times = session_of(plan, person)
    write_bdf(path, channels(participant), _records(plan, head, person, times), rate=RATE, n=times.seconds)


def _records(plan: Plan, head: Head, person: int, times: Session) -> Iterator[Floats]:
    """The seconds of the recording, (48, 512) each, in µV and status values."""
    participant = plan.participants[person]
    rng = np.random.default_rng([plan.seed, 206, person])
    rest = _upsampled(trial(np.repeat(plan.offset[person][None], _REST_WINDOWS, axis=0), head=head, rng=rng))
    at = electrode_positions(layout.EEG)
    blink = _BLINK * np.exp((at[:, 1] - 0.95) / 0.4)[:, None]
    hum = _HUM * rng.lognormal(0, 0.4, (len(at), 1))
    drift = _DRIFT * rng.standard_normal((len(at), 3, 1))
    offset = _OFFSET * rng.standard_normal((len(at), 1))
    phase = rng.uniform(0, 2 * np.pi, (3, 1))
    places = [layout.EEG.index(c.name) for c in channels(participant)[: len(layout.EEG)]]
    status = _status(times, status_bits(plan, person))
    starts = np.array([round(RATE * (t - layout.BASELINE_SECONDS)) for t in times.videos])
    length = RATE * (layout.BASELINE_SECONDS + plan.seconds)
    current, stored = -1, rest
    v = layout.PERIPHERAL.index("vEOG") + len(layout.EEG)
    for second in range(times.seconds):
        sample = np.arange(second * RATE, (second + 1) * RATE)
        x = rest[:, sample % rest.shape[1]]
        for k in np.flatnonzero((starts < sample[-1] + 1) & (starts + length > sample[0])).tolist():
            if k != current:
                current, stored = k, _upsampled(stored_trial(plan, head, person, int(plan.order[person, k])))
            inside = (sample >= starts[k]) & (sample < starts[k] + length)
            x[:, inside] = stored[:, sample[inside] - starts[k]]
        time = sample / RATE
        common = _COMMON * rng.standard_normal(RATE)
        waves = np.sin(2 * np.pi * np.array([[0.02], [0.07], [0.3]]) * time + phase)
        eeg = x[: len(at)] + blink * x[v] + hum * np.sin(2 * np.pi * 50 * time) + offset
        eeg += drift[:, :, 0] @ waves + common + _WHITE * rng.standard_normal((len(at), RATE))
        of = dict(zip(layout.PERIPHERAL, x[len(at) :], strict=True))
        pairs = [
            sign * of[name] / 2 + common for name in ("hEOG", "vEOG", "zEMG", "tEMG") for sign in (1, -1)
        ]
        # skin: conductance in nS in Twente, resistance in ohms in Geneva
        skin = 1e9 / of["GSR"] if participant <= layout.N_TWENTE else of["GSR"]
        unused = np.zeros(RATE)
        rows = [skin, unused, unused, unused, of["Resp"], of["Plet"], of["Temp"]]
        yield np.stack([*eeg[places], *pairs, *rows, status[sample]])


def _upsampled(x: Floats) -> Floats:
    """From 128 to 512 Hz, band-limited."""
    return np.asarray(scipy.signal.resample_poly(x, RATE, int(layout.RATE), axis=-1, padtype="line"))


def _status(times: Session, bits: int) -> Floats:
    """Status value of each sample: the code for a quarter of a second, else none."""
    out = np.full(times.seconds * RATE, float(bits))
    for at, code in times.events:
        first = round(at * RATE)
        out[first : first + round(_PULSE_SECONDS * RATE)] = bits | code
    return out
