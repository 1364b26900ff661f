"""Measures of the body over short stretches of time: what a sequence is made of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.features._body_all import Body
from mien.features.body_windows import pulse
from mien.signal import cardiac, respiration, temperature
from mien.signal._body import covered, sample_means

Floats = NDArray[np.float64]
Good = Mapping[str, NDArray[np.bool_]]

HEART = ("heart_rate", "heart_period")
PULSE = ("pulse_amplitude", "pulse_arrival")
CONDUCTANCE = ("eda_tonic", "eda_phasic", "scr_drive")
BREATH = ("rsp_rate", "rsp_depth", "rsp_sin", "rsp_cos")
LEVELS = ("heart_period", "pulse_amplitude", "pulse_arrival", "eda_tonic", "rsp_depth")
"""What is given as a difference from the baseline, with the level of each temperature and envelope."""
KNOWN = 0.5
"""Least share of a stretch that must have been measured."""


def measure_names(channels: Mapping[str, str]) -> tuple[str, ...]:
    """The measures of some channels, in order."""
    return tuple(name for channel, kind in channels.items() for name in _names(channel, kind))


def is_level(name: str) -> bool:
    """Whether a measure is given as a difference from the baseline."""
    return name in LEVELS or name.endswith(("_level", "_envelope"))


def tracks(body: Body, channels: Mapping[str, str], starts: Floats, stops: Floats, *, good: Good) -> Floats:
    """Values (stretches, measures) of stretches of time.

    ``good`` tells of each channel and stretch whether the channel can be used there at all: what looks like a
    beat or a breath now and then in mere noise is none.
    """
    columns = [_channel(body, channels, channel, starts, stops, good) for channel in channels]
    return np.concatenate(columns, axis=1)


def _names(channel: str, kind: str) -> tuple[str, ...]:
    return {
        "ecg": HEART,
        "ppg": PULSE,
        "eda": CONDUCTANCE,
        "rsp": BREATH,
        "skt": (f"{channel}_level", f"{channel}_slope"),
        "emg": (f"{channel}_envelope",),
    }[kind]


def _channel(
    body: Body, channels: Mapping[str, str], channel: str, starts: Floats, stops: Floats, good: Good
) -> Floats:
    """The measures of one channel (stretches, measures), NaN where it cannot be used."""
    kind = channels[channel]
    if kind == "ecg":
        return np.column_stack(_heart(body, channels, starts, stops, good))
    made = _of_kind(body, channel, kind, starts, stops)
    if made is None:
        return np.full((len(starts), len(_names(channel, kind))), np.nan)
    return np.where(good[channel][:, None], np.column_stack(made), np.nan)


def _of_kind(body: Body, channel: str, kind: str, starts: Floats, stops: Floats) -> list[Floats] | None:
    """The measures of a channel other than the ECG, in order; None where it was not recorded."""
    if kind == "ppg" and body.ppg is not None:
        return list(pulse(body, starts, stops))
    if kind == "eda" and (eda := body.eda) is not None:
        return [
            _known(*sample_means(x * 1e6, eda.lost, eda.rate, starts, stops))
            for x in (eda.tonic, eda.phasic, eda.drive)
        ]
    if kind == "rsp" and body.rsp is not None:
        return _breath(body.rsp, starts, stops)
    if kind == "skt" and channel in body.skt:
        found = body.skt[channel]
        level = _known(*sample_means(found.level, found.lost, found.rate, starts, stops))
        # over 2 s more on either side: skin is slower than a second, and the noise of a slope is not
        _, slope, share = temperature.level_and_slope(found, starts - 2, stops + 2)
        return [level, 60 * _known(slope, share)]
    if kind == "emg" and channel in body.emg:
        found_emg = body.emg[channel]
        with np.errstate(divide="ignore"):
            logs = np.log(found_emg.level * 1e6)
        lost = found_emg.lost | ~np.isfinite(logs)
        return [_known(*sample_means(np.where(lost, 0.0, logs), lost, found_emg.rate, starts, stops))]
    return None


def _heart(
    body: Body, channels: Mapping[str, str], starts: Floats, stops: Floats, good: Good
) -> list[Floats]:
    """Mean rate (1/min) and period (ms) of the heart, from the ECG, and from the pulse where that does not
    tell."""
    rate, period = np.full(len(starts), np.nan), np.full(len(starts), np.nan)
    for channel in sorted(channels, key=lambda name: channels[name] != "ecg"):
        beats = {"ecg": body.ecg, "ppg": body.ppg}.get(channels[channel])
        if beats is None or len(beats.times) < 2:
            continue
        edges, seconds = cardiac.intervals(beats)
        keep = np.isfinite(rate) | ~good[channel]
        rate = np.where(keep, rate, _known(*covered(edges, 60 / seconds, starts, stops)))
        period = np.where(keep, period, _known(*covered(edges, seconds * 1e3, starts, stops)))
    return [rate, period]


def _breath(breaths: respiration.Breaths, starts: Floats, stops: Floats) -> list[Floats]:
    """Rate, depth, sine and cosine of the phase in the middle of each stretch."""
    edges, seconds, depths = respiration.cycles(breaths)
    if not len(seconds):
        return [np.full(len(starts), np.nan)] * len(BREATH)
    angle = respiration.phase(breaths, (starts + stops) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.log(np.where(depths > 0, depths, np.nan))
    return [
        _known(*covered(edges, 60 / seconds, starts, stops)),
        _known(*covered(edges, depth, starts, stops)),
        np.sin(angle),
        np.cos(angle),
    ]


def _known(means: Floats, shares: Floats) -> Floats:
    return np.where(shares >= KNOWN, means, np.nan)
