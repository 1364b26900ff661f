"""All signals of the body at once: which channel is what, and every kernel run once over the whole signal."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, Signal
from mien.features import _body
from mien.features._shared import FeatureWarning
from mien.signal import cardiac, electrodermal, muscle, respiration, temperature
from mien.signal._body import covered, sample_means, step_means

Floats = NDArray[np.float64]

CHANNELS: Mapping[str, str] = {
    "ecg": "ecg",
    "ppg": "ppg",
    "eda": "eda",
    "rsp": "rsp",
    "skt_a": "skt",
    "skt_b": "skt",
    "emg_a": "emg",
    "emg_b": "emg",
}
"""Channel of the signal to what it is."""
Kernel = (
    cardiac.Beats
    | electrodermal.Conductance
    | respiration.Breaths
    | temperature.Temperature
    | muscle.Envelope
)
_ONCE = ("ecg", "ppg", "eda", "rsp")
_UNITS = {"eda": ("S", "ohm"), "skt": ("K",), "emg": ("V",)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Body:
    """What was found in the signals of a trial. A channel that was not recorded is None, or not listed."""

    ecg: cardiac.Beats | None = None
    ppg: cardiac.Beats | None = None
    eda: electrodermal.Conductance | None = None
    rsp: respiration.Breaths | None = None
    skt: Mapping[str, temperature.Temperature] = field(default_factory=dict)
    emg: Mapping[str, muscle.Envelope] = field(default_factory=dict)


def analysed(signal: Signal, *, channels: Mapping[str, str], eda_unit: str) -> Body:
    """Run the kernel of each channel.

    Raises
    ------
    InputError
        ``channels`` names an unknown kind, or one of ECG, pulse, skin conductance and breath twice; none of
        them is in the signal; or a unit is not what it must be. A channel that is not there is warned of.
    """
    check(channels)
    there = {name: kind for name, kind in channels.items() if name in signal.channels}
    if not there:
        raise InputError(
            f"the signal has the channels {', '.join(signal.channels)}",
            expected=f"at least one of {', '.join(channels)}",
            remedy='say which channel is what: channels = {"GSR": "eda", ...}',
        )
    if len(there) < len(channels):
        absent = ", ".join(name for name in channels if name not in there)
        warnings.warn(f"not recorded: {absent}; what is made of it is NaN", FeatureWarning, stacklevel=4)
    rows = {name: signal.data[signal.channels.index(name)] for name in there}
    one = {kind: rows[name] for name, kind in there.items() if kind in _ONCE}
    units = {kind: _unit(signal.unit, kind, eda_unit) for kind in set(there.values())}
    rate = signal.rate
    return Body(
        ecg=cardiac.find_beats(one["ecg"], rate, kind="ecg") if "ecg" in one else None,
        ppg=cardiac.find_beats(one["ppg"], rate, kind="ppg") if "ppg" in one else None,
        eda=electrodermal.take_apart(_body.siemens(one["eda"], units["eda"]), rate) if "eda" in one else None,
        rsp=respiration.find_breaths(one["rsp"], rate) if "rsp" in one else None,
        skt={n: temperature.skin_temperature(rows[n], rate) for n, kind in there.items() if kind == "skt"},
        emg={n: muscle.envelope(rows[n], rate) for n, kind in there.items() if kind == "emg"},
    )


def check(channels: Mapping[str, str]) -> None:
    """Refuse channels of no known kind, and two of a kind of which there can be one only."""
    kinds = list(channels.values())
    unknown = sorted({kind for kind in kinds if kind not in _body.KINDS})
    if unknown or not kinds:
        raise InputError(
            f"option 'channels' names the kinds {', '.join(unknown) or 'none'}",
            expected=f"channel names with one of {', '.join(_body.KINDS)}",
        )
    twice = [kind for kind in _ONCE if kinds.count(kind) > 1]
    if twice:
        raise InputError(
            f"option 'channels' has {kinds.count(twice[0])} channels of {twice[0]!r}",
            expected="one; only skt and emg may have several",
        )


def warn_of(body: Body, channels: Mapping[str, str], qualities: Mapping[str, Floats]) -> None:
    """Warn of the channels that are bad in some windows; ``qualities`` is channel to (windows,)."""
    faults = {}
    for name, quality in qualities.items():
        kernel = kernel_of(body, name, channels[name])
        if kernel is not None and (fault := _body.fault_of(quality, kernel.fault)) is not None:
            faults[name] = fault
    _body.warn(faults)


def kernel_of(body: Body, channel: str, kind: str) -> Kernel | None:
    """What was found in a channel; None where it was not recorded."""
    found: Kernel | None
    found = getattr(body, kind).get(channel) if kind in ("skt", "emg") else getattr(body, kind)
    return found


def quality(body: Body, channel: str, kind: str, starts: Floats, stops: Floats) -> Floats:
    """Share of stretches of time that was measured in a channel (and, for beats and breaths, is believed)."""
    kernel = kernel_of(body, channel, kind)
    if isinstance(kernel, cardiac.Beats):
        return step_means(*cardiac.intervals(kernel), starts, stops)[1]
    if isinstance(kernel, respiration.Breaths):
        edges, seconds, _ = respiration.cycles(kernel)
        return covered(edges, seconds, starts, stops)[1]
    if kernel is None:
        return np.zeros(len(starts))
    return sample_means(np.zeros(len(kernel.lost)), kernel.lost, kernel.rate, starts, stops)[1]


def _unit(unit: str, kind: str, eda_unit: str) -> str:
    """Unit of the channels of a kind: that of the signal, or the SI one where the channels differ."""
    allowed = _UNITS.get(kind)
    if allowed is None:
        return unit
    if unit == "mixed":
        unit = eda_unit if kind == "eda" else allowed[0]
    return _body.checked_unit(unit, allowed, what=f"the channel of {kind}")
