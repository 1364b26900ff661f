"""Everything the body's signals say, window by window, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Signal, registered
from mien.features import _body, _body_all, _body_example, _released_body
from mien.features import eda as _eda
from mien.features import emg as _emg
from mien.features import rsp as _rsp
from mien.features._shared import Info
from mien.signal import cardiac, temperature
from mien.signal._body import step_means

Floats = NDArray[np.float64]

INFO = Info(
    version="1",
    modality="peripheral",
    scope="recording",
    reaches="trial",
    unit="mixed, see the page",
    released_unit="mixed, as NeuroKit2 gives them",
)
RELEASED = _released_body.body_windows
HEART = ("heart_rate", *cardiac.MEASURES[1:])
PULSE = ("pulse_rate", "pulse_amplitude", "pulse_arrival")
CONDUCTANCE = (
    "eda_tonic",
    "eda_slope",
    "eda_phasic",
    "eda_drive",
    "scr_count",
    "scr_amplitude",
    "scr_latency",
)
BREATH = ("rsp_rate", "rsp_depth", "rsp_period_sd", "rsp_depth_cv", "rsp_inspiration")
LEVELS = (
    "heart_rate",
    "pulse_rate",
    "pulse_amplitude",
    "pulse_arrival",
    "eda_tonic",
    "rsp_rate",
    "rsp_depth",
)
"""What is given as a difference from the baseline, with the level of each temperature and envelope."""


def default_stream(**options: object) -> str:
    """All channels of the body's recorder."""
    return "body"


@registered
def body_windows(
    signal: Signal,
    *,
    channels: Mapping[str, str] = _body_all.CHANNELS,
    window_seconds: float = 20.0,
    stride_seconds: float = 20.0,
    baseline_seconds: float = 0.0,
    context_seconds: float = 0.0,
    last_only: bool = False,
    eda_unit: str = "S",
) -> Features:
    """Heart, pulse, skin conductance, breath, temperature and muscles in each window.

    Parameters
    ----------
    signal
        A whole trial of all channels, each in its SI unit ("mixed").
    channels
        Channel to what it is: ``ecg``, ``ppg``, ``eda``, ``rsp`` (one each at most), ``skt`` or ``emg``.
    window_seconds, stride_seconds
        Length of a window and distance between two. Beats, breaths and responses are found, and everything is
        filtered, once in the whole signal.
    baseline_seconds
        Seconds before the first window, those that the signal begins with (after its context), that are its
        baseline. What is a level is given as the difference from that of the baseline. 0: no baseline.
    context_seconds
        Seconds at the beginning and at the end of the signal that are there for the filters only: no window
        and no baseline is made of them.
    last_only
        Only the last window that fits, which may reach into the baseline: for a signal that ends a fixed time
        after an event (``cut = "rest-3+10"``).
    eda_unit
        ``"S"`` or ``"ohm"``: the unit of skin conductance in a signal of mixed units.

    Returns
    -------
    Features
        Axes window, feature, see ``docs/features/body_windows.md``. A channel that was measured in less than
        0.7 of a window, or of the baseline, is NaN there; a window is valid if at least half of the channels
        are good in it. A bad or missing channel is a :class:`FeatureWarning` that names it.
    """
    _body.not_negative(baseline_seconds=baseline_seconds, context_seconds=context_seconds)
    body = _body_all.analysed(signal, channels=channels, eda_unit=eda_unit)
    starts = _body.windows(
        signal,
        window_seconds=window_seconds,
        stride_seconds=stride_seconds,
        skip=context_seconds + (0.0 if last_only else baseline_seconds),
        leave=context_seconds,
        last_only=last_only,
    )
    names = feature_names(channels, window_seconds=window_seconds)
    values, qualities = _measures(body, channels, starts, window_seconds, of=window_seconds)
    if baseline_seconds > 0:
        before, _ = _measures(
            body, channels, np.full(1, context_seconds), baseline_seconds, of=window_seconds
        )
        level = np.array([n in LEVELS or n.endswith(("_level", "_envelope")) for n in names])
        values = values - np.where(level, before[0], 0.0)
    _body_all.warn_of(body, channels, qualities)
    good = np.mean([q >= _body.GOOD for q in qualities.values()], axis=0) >= 0.5
    return _body.finished(
        values,
        signal,
        names=names,
        starts=starts,
        window_seconds=window_seconds,
        good=good & np.isfinite(values).any(axis=1),
        extractor="body_windows",
        version=INFO.version,
    )


def feature_names(channels: Mapping[str, str], *, window_seconds: float) -> tuple[str, ...]:
    """The features of some channels, in order; bands only where a window is long enough for them."""
    return tuple(name for channel, kind in channels.items() for name in _names(channel, kind, window_seconds))


def _names(channel: str, kind: str, seconds: float) -> tuple[str, ...]:
    return {
        "ecg": tuple(name for name in HEART if seconds >= cardiac.least_seconds(name)),
        "ppg": PULSE,
        "eda": CONDUCTANCE,
        "rsp": BREATH,
        "skt": (f"{channel}_level", f"{channel}_slope"),
        "emg": (f"{channel}_envelope", f"{channel}_sd", f"{channel}_peak"),
    }[kind]


def _measures(
    body: _body_all.Body, channels: Mapping[str, str], starts: Floats, seconds: float, *, of: float
) -> tuple[Floats, dict[str, Floats]]:
    """Values (windows, features), NaN where a channel is bad, and channel to its quality (windows,).

    The features are those of windows ``of`` some length, also where the stretches have another.
    """
    values, qualities = [], {}
    for channel, kind in channels.items():
        made, quality = _channel(body, channel, kind, starts, seconds, names=_names(channel, kind, of))
        made = np.where((quality >= _body.GOOD)[:, None], made, np.nan)
        values.append(made)
        qualities[channel] = quality
    return np.concatenate(values, axis=1), qualities


def _channel(
    body: _body_all.Body,
    channel: str,
    kind: str,
    starts: Floats,
    seconds: float,
    *,
    names: tuple[str, ...],
) -> tuple[Floats, Floats]:
    """Values (windows, features of the channel) and quality (windows,)."""
    stops = starts + seconds
    none = np.zeros(len(starts))
    if kind == "ecg" and body.ecg is not None:
        made, quality = cardiac.variability(body.ecg, starts, window_seconds=seconds)
        return made[:, [HEART.index(name) for name in names]], quality
    if kind == "ppg" and body.ppg is not None:
        rates, quality = cardiac.variability(body.ppg, starts, window_seconds=seconds)
        return np.column_stack([rates[:, 0], *pulse(body, starts, stops)]), quality
    if kind == "eda" and body.eda is not None:
        return _eda.measures(body.eda, starts, seconds, least=_eda.LEAST_MICROSIEMENS * 1e-6)
    if kind == "rsp" and body.rsp is not None:
        made, quality = _rsp.measures(body.rsp, starts, seconds)
        made[:, 1] = np.log(made[:, 1])
        return made, quality
    if kind == "skt" and channel in body.skt:
        level, slope, share = temperature.level_and_slope(body.skt[channel], starts, stops)
        return np.column_stack([level, slope * 60]), share
    if kind == "emg" and channel in body.emg:
        return _emg.measures(body.emg[channel], starts, seconds)
    return np.full((len(starts), len(names)), np.nan), none


def pulse(body: _body_all.Body, starts: Floats, stops: Floats) -> tuple[Floats, Floats]:
    """Natural logarithm of the pulse's height and arrival time in ms, means over stretches of time; NaN where
    less than half of one is known, or (arrival) of the ECG's intervals."""
    nothing = np.full(len(starts), np.nan)
    if body.ppg is None or len(body.ppg.times) < 2:
        return nothing, nothing
    edges, seconds = cardiac.intervals(body.ppg)
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.where(np.isfinite(seconds), np.log(body.ppg.heights[1:]), np.nan)
    height = _known(*step_means(edges, np.where(np.isfinite(heights), heights, np.nan), starts, stops))
    if body.ecg is None or len(body.ecg.times) < 2:
        return height, nothing
    arrival = _known(*step_means(*cardiac.arrival_times(body.ecg, body.ppg), starts, stops))
    _, beating = step_means(*cardiac.intervals(body.ecg), starts, stops)
    return height, np.where(beating >= 0.5, arrival * 1e3, np.nan)


def _known(means: Floats, shares: Floats) -> Floats:
    return np.where(shares >= 0.5, means, np.nan)


def example() -> Signal:
    """Two made-up minutes of eight channels at 250 Hz."""
    return _body_example.made_body(seconds=125.0)
