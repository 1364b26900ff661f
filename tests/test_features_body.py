"""The body's features: what windows and seconds say of made-up people, and what is said of bad channels."""

from __future__ import annotations

import functools
import warnings
from dataclasses import replace

import numpy as np
import pytest

from mien import features
from mien.core import InputError, Recording, Signal, Span, Stream, Trial
from mien.features import _body_example as made_up
from mien.features import _released_body
from mien.features._body_tracks import is_level
from mien.features._shared import FeatureWarning

SINGLE = {"hrv": "ecg", "eda": "eda", "rsp": "rsp", "skt": "skt", "emg": "emg"}
CHANNELS = made_up.CHANNELS
NAMED = {
    "ecg": ("heart_rate", "sdnn", "rmssd", "pnn50"),
    "ppg": ("pulse_rate", "pulse_amplitude", "pulse_arrival"),
    "eda": ("eda_tonic", "eda_slope", "eda_phasic", "eda_drive", "scr_count", "scr_amplitude", "scr_latency"),
    "rsp": ("rsp_rate", "rsp_depth", "rsp_period_sd", "rsp_depth_cv", "rsp_inspiration"),
    "skt_a": ("skt_a_level", "skt_a_slope"),
    "skt_b": ("skt_b_level", "skt_b_slope"),
    "emg_a": ("emg_a_envelope", "emg_a_sd", "emg_a_peak"),
    "emg_b": ("emg_b_envelope", "emg_b_sd", "emg_b_peak"),
}


@pytest.fixture(scope="module")
def body() -> Signal:
    return made_up.made_body(seconds=85.0)


def column(found, name):
    axis = list(found.axes)[-1]
    return found.values[..., found.axes[axis].index(name)]


def quietly(name, signal, **options):
    """Features, and the warnings that they gave."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = features.compute(name, signal, **options)
    return found, [str(w.message) for w in told if issubclass(w.category, FeatureWarning)]


def with_channel(signal, name, row):
    data = signal.data.copy()
    data[signal.channels.index(name)] = row
    return replace(signal, data=data)


@pytest.mark.parametrize("name", SINGLE)
def test_windows_of_one_channel(name):
    signal = made_up.made(SINGLE[name], seconds=65.0)
    moved = replace(signal, start=100.0)
    found, told = quietly(name, moved, window_seconds=20.0, stride_seconds=10.0)
    np.testing.assert_array_equal(found.starts, 100.0 + np.arange(5) * 10.0)
    assert set(found.durations) == {20.0}
    assert list(found.axes) == ["window", "feature"]
    assert found.axes["feature"][-1] == "quality"
    assert found.valid.all()
    assert told == []
    assert (column(found, "quality") > 0.9).all()
    # found once in the whole signal: a window does not depend on which others are asked for
    apart = features.compute(name, moved, window_seconds=20.0, stride_seconds=20.0)
    np.testing.assert_array_equal(apart.values, found.values[::2])


def test_hrv_of_a_known_heart():
    at = made_up.beat_times(242.0)
    found = features.compute("hrv", features.example("hrv"))
    for number, start in enumerate(found.starts):
        rr = np.diff(at[(at >= start) & (at <= start + 120)]) * 1e3
        np.testing.assert_allclose(column(found, "rate")[number], 6e4 / rr.mean(), rtol=2e-3)
        # R waves behind a filter and noise: below a millisecond each
        np.testing.assert_allclose(
            column(found, "rmssd")[number], np.sqrt((np.diff(rr) ** 2).mean()), rtol=0.05
        )
    pulse = features.compute("hrv", made_up.made("ppg", seconds=242.0), kind="ppg")
    np.testing.assert_allclose(column(pulse, "rate"), column(found, "rate"), rtol=2e-3)


def test_no_lf_in_ten_seconds():
    found, told = quietly("hrv", made_up.made("ecg", seconds=65.0), window_seconds=10.0, stride_seconds=10.0)
    assert np.isnan(found.values[:, 4:7]).all()
    assert np.isfinite(found.values[:, :4]).all()
    assert found.valid.all()
    assert features.missing(found) == {"lf": 6, "hf": 6, "lf_hf": 6}
    assert told == []


def test_conductance_and_resistance_are_told_apart_by_unit():
    signal = made_up.made("eda", seconds=65.0)
    ohm = replace(signal, data=1 / signal.data, unit="ohm")
    plain, other = features.compute("eda", signal), features.compute("eda", ohm)
    np.testing.assert_allclose(other.values, plain.values, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(column(plain, "tonic"), 5.1, atol=0.2)  # µS
    for unit in ("V", "1", "arbitrary", "mixed"):
        with pytest.raises(
            InputError, match=f"skin conductance comes in the unit '{unit}'.*'S' or 'ohm'.*never guess"
        ):
            features.compute("eda", replace(signal, unit=unit))
    with pytest.raises(InputError, match=r"skin temperature comes in the unit 'V'; expected 'K'"):
        features.compute("skt", replace(made_up.made("skt", seconds=65.0), unit="V"))
    with pytest.raises(InputError, match="unit is 'K'"):
        features.compute("emg", replace(made_up.made("emg", seconds=65.0), unit="K"))
    # microsiemens taken for siemens: said, and no number
    wrong, told = quietly("eda", replace(signal, data=signal.data * 1e6))
    assert not wrong.valid.any()
    assert len(told) == 1
    assert "'eda': above 100 uS (saturated, or not the unit it is said to be), in all windows" in told[0]


def test_latency_is_from_the_window_to_the_first_response():
    time = np.arange(40 * 50) / 50
    t = np.maximum(time - 13.0, 0)
    x = (
        5e-6
        + 1e-6 * (np.exp(-t / 2) - np.exp(-t / 0.75))
        + np.random.default_rng(0).normal(0, 2e-10, len(time))
    )
    found = features.compute("eda", Signal(data=x[None], rate=50.0, channels=("eda",), unit="S"))
    np.testing.assert_array_equal(column(found, "scr_count"), [0, 1, 0, 0])
    np.testing.assert_array_equal(np.isnan(column(found, "scr_latency")), [True, False, True, True])
    np.testing.assert_allclose(
        column(found, "scr_latency")[1], 3.0, atol=0.5
    )  # onsets look rounder below 1 Hz
    np.testing.assert_allclose(column(found, "scr_amplitude"), [0, 0.347, 0, 0], atol=0.03)
    assert column(found, "drive").argmax() == 1


def test_one_channel_is_found_by_name_and_several_are_refused(body):
    eda = features.compute("hrv", body, window_seconds=20.0, stride_seconds=20.0)
    alone = replace(body, data=body.data[5:6], channels=("ecg",), unit="V")
    np.testing.assert_array_equal(
        eda.values, features.compute("hrv", alone, window_seconds=20.0, stride_seconds=20.0).values
    )
    with pytest.raises(
        InputError,
        match=r"has the channels ppg, rsp.*expected one channel, or one called 'skt'.*body_windows",
    ):
        features.compute("skt", replace(body, unit="K"))
    with pytest.raises(InputError, match="option 'kind' of 'hrv' is 'eeg'; expected 'ecg' or 'ppg'"):
        features.compute("hrv", alone, kind="eeg")


@pytest.mark.parametrize(
    ("name", "stream"),
    [("eda", "eda"), ("rsp", "rsp"), ("skt", "skt_a"), ("emg", "emg_a"), ("body_windows", "body")],
)
def test_default_streams(name, stream):
    assert features.stream_name(name) == stream
    assert features.stream_name("hrv") == "ecg"
    assert features.stream_name("hrv", kind="ppg") == "ppg"
    assert features.stream_name("body_sequence") == "body"


def test_all_at_once_is_what_each_says_alone(body):
    found, told = quietly("body_windows", body)
    assert told == []
    assert found.axes["feature"] == sum(
        (NAMED[c] for c in ("ecg", "ppg", "eda", "rsp", "skt_a", "skt_b", "emg_a", "emg_b")), ()
    )
    assert found.valid.all()
    cut = {"window_seconds": 20.0, "stride_seconds": 20.0}
    pairs = [
        ("hrv", "ecg", "V", {}, {"rate": "heart_rate", "rmssd": "rmssd"}),
        ("hrv", "ppg", "V", {"kind": "ppg"}, {"rate": "pulse_rate"}),
        ("eda", "eda", "S", {}, {"tonic": "eda_tonic", "scr_count": "scr_count"}),
        ("rsp", "rsp", "V", {}, {"rate": "rsp_rate", "period_sd": "rsp_period_sd"}),
        ("skt", "skt_b", "K", {}, {"level": "skt_b_level", "slope": "skt_b_slope"}),
        ("emg", "emg_a", "V", {}, {"envelope": "emg_a_envelope", "envelope_peak": "emg_a_peak"}),
    ]
    for name, channel, unit, options, same in pairs:
        row = body.data[CHANNELS.index(channel)][None]
        alone = features.compute(
            name, Signal(data=row, rate=body.rate, channels=(channel,), unit=unit), **cut, **options
        )
        for theirs, ours in same.items():
            np.testing.assert_array_equal(column(found, ours), column(alone, theirs))


def test_long_windows_have_bands():
    signal = made_up.made_body(seconds=130.0)
    names = features.compute("body_windows", signal, window_seconds=60.0, stride_seconds=60.0).axes["feature"]
    assert "hf" in names
    assert "lf" not in names
    long = features.compute("body_windows", signal, window_seconds=120.0, stride_seconds=120.0)
    assert np.isfinite(column(long, "lf_hf")).all()


def test_the_baseline_is_the_first_seconds(body):
    plain = features.compute("body_windows", body, window_seconds=20.0, stride_seconds=20.0)
    found = features.compute("body_windows", body, baseline_seconds=20.0)
    np.testing.assert_array_equal(found.starts, plain.starts[1:])
    for name in ("heart_rate", "pulse_arrival", "eda_tonic", "rsp_depth", "skt_a_level", "emg_b_envelope"):
        np.testing.assert_allclose(
            column(found, name), column(plain, name)[1:] - column(plain, name)[0], rtol=1e-9
        )
    for name in ("sdnn", "scr_count", "eda_slope", "skt_a_slope", "emg_a_sd"):
        np.testing.assert_array_equal(column(found, name), column(plain, name)[1:])
    # what has no baseline has no difference from it
    dead = body.data[CHANNELS.index("skt_a")].copy()
    dead[: round(15 * body.rate)] = 0.0
    bad, _ = quietly("body_windows", with_channel(body, "skt_a", dead), baseline_seconds=20.0)
    assert np.isnan(column(bad, "skt_a_level")).all()
    assert np.isfinite(column(bad, "skt_a_slope")[1:]).all()


def test_a_sequence_has_a_value_a_second(body):
    found, told = quietly("body_sequence", replace(body, start=50.0))
    assert told == []
    assert list(found.axes) == ["window", "second", "measure"]
    assert found.axes["second"] == tuple(map(str, range(20)))
    np.testing.assert_array_equal(found.starts, 54.0 + np.arange(4) * 20)
    assert found.values.shape == (4, 20, 17)
    assert found.valid.all()
    assert np.isfinite(found.values).all()
    # seconds of one long sequence are those of four
    long = features.compute("body_sequence", body, window_seconds=80.0, stride_seconds=80.0)
    np.testing.assert_allclose(long.values[0], found.values.reshape(80, 17), rtol=1e-9, atol=1e-12)


def test_seconds_follow_the_heart(body):
    found = features.compute("body_sequence", body, baseline_seconds=0.0, window_seconds=84.0)
    at = made_up.beat_times(85.0)
    middle = np.arange(84) + 0.5
    inside = (middle > at[1]) & (middle < at[-1])
    rate = 60 / np.diff(at)[np.clip(np.searchsorted(at, middle) - 1, 0, len(at) - 2)]
    got = column(found, "heart_rate")[0]
    # the mean of a second against the beat in its middle: neighbours differ by some beats a minute
    assert np.corrcoef(got[inside], rate[inside])[0, 1] > 0.9
    np.testing.assert_allclose(got[inside].mean(), rate[inside].mean(), rtol=5e-3)
    np.testing.assert_allclose(
        column(found, "heart_period"), 6e4 / column(found, "heart_rate"), rtol=5e-3
    )  # two beats a second at most
    windows = features.compute("body_windows", body, window_seconds=84.0)
    np.testing.assert_allclose(got.mean(), column(windows, "heart_rate")[0], rtol=0.01)


def test_levels_of_a_sequence_are_differences_from_its_baseline(body):
    plain = features.compute("body_sequence", body, baseline_seconds=0.0, window_seconds=24.0)
    found = features.compute("body_sequence", body)
    levels = (
        "heart_period",
        "pulse_amplitude",
        "pulse_arrival",
        "eda_tonic",
        "rsp_depth",
        "skt_a_level",
        "emg_a_envelope",
    )
    for name in levels:
        shift = column(plain, name)[0, 4:24] - column(found, name)[0]
        np.testing.assert_allclose(shift, shift[0], rtol=1e-9)
        np.testing.assert_allclose(shift[0], np.nanmean(column(plain, name)[0, :4]), rtol=0.02)  # of seconds
    for name in ("heart_rate", "eda_phasic", "scr_drive", "rsp_rate", "rsp_sin", "skt_a_slope"):
        np.testing.assert_array_equal(column(found, name)[0], column(plain, name)[0, 4:24])


def middle(signal, first, last):
    data = signal.data[:, round(first * signal.rate) : round(last * signal.rate)]
    return replace(signal, data=data, start=signal.start + first)


def test_with_context_an_event_is_what_it_is_in_the_whole_recording(body):
    cut = {"window_seconds": 12.0, "stride_seconds": 12.0}
    whole = features.compute("body_sequence", middle(body, 0, 85), baseline_seconds=0.0, window_seconds=85.0)
    around = features.compute("body_sequence", middle(body, 24, 60), **cut, context_seconds=10.0)
    np.testing.assert_array_equal(around.starts, [38.0])
    assert around.valid.all()
    measures = around.axes["measure"]
    level = np.array([is_level(name) for name in measures])
    base = np.where(level, np.nanmean(whole.values[0, 34:38], axis=0), 0.0)
    expected = whole.values[0, 38:50] - base
    spread = np.nanstd(whole.values[0], axis=0)
    off = np.sqrt(np.nanmean((around.values[0] - expected) ** 2, axis=0)) / spread
    # 10 s on either side of 16: the slowest filter, at 0.05 Hz, still sees a little of its ends; those of
    # temperature are of its noise
    assert off[[i for i, n in enumerate(measures) if not n.startswith("skt")]].max() < 0.2
    alone = features.compute("body_sequence", middle(body, 34, 50), **cut)
    np.testing.assert_array_equal(alone.starts, [38.0])
    worse = np.sqrt(np.nanmean((alone.values[0] - expected) ** 2, axis=0)) / spread
    for name in ("eda_tonic", "eda_phasic"):
        at = measures.index(name)
        assert off[at] < 0.5 * worse[at]


@pytest.mark.parametrize("name", ["body_windows", "body_sequence"])
def test_the_last_window_alone_against_the_rest_at_the_beginning(body, name):
    """Of 85 s: 10 s of context, 3 s of rest, whatever lies between, 20 s, 10 s of context."""
    cut = {"window_seconds": 20.0, "stride_seconds": 20.0, "context_seconds": 10.0}
    found = features.compute(name, body, **cut, baseline_seconds=3.0, last_only=True)
    np.testing.assert_array_equal(found.starts, [55.0])
    np.testing.assert_array_equal(found.durations, [20.0])
    plain = features.compute(name, body, **{**cut, "stride_seconds": 5.0}, baseline_seconds=3.0)
    at = plain.starts.tolist().index(53.0)
    later = features.compute(name, middle(body, 0, 83), **cut, baseline_seconds=3.0, last_only=True)
    np.testing.assert_array_equal(later.starts, [53.0])
    # filters saw two more seconds at the far end
    close = np.isclose(later.values[0], plain.values[at], rtol=0.02, atol=0.05, equal_nan=True)
    assert close.mean() > 0.95


def test_no_last_window_where_there_is_no_room(body):
    cut = {"context_seconds": 10.0, "baseline_seconds": 3.0, "last_only": True}
    with pytest.warns(features.FeatureWarning, match="less than the 40 s of baseline, one window"):
        assert len(features.compute("body_sequence", middle(body, 0, 39), **cut).values) == 0
    # an event so early that its window begins in the rest before the stimulus
    assert features.compute("body_sequence", middle(body, 0, 41), **cut).starts.tolist() == [11.0]


def test_context_is_left_out_of_windows_and_baseline(body):
    found = features.compute(
        "body_windows",
        body,
        baseline_seconds=5.0,
        context_seconds=10.0,
        window_seconds=15.0,
        stride_seconds=15.0,
    )
    np.testing.assert_array_equal(found.starts, [15, 30, 45, 60])  # of 85 s
    plain = features.compute("body_windows", body, window_seconds=15.0, stride_seconds=5.0)
    at = np.searchsorted(plain.starts, found.starts)
    np.testing.assert_array_equal(column(found, "scr_count"), column(plain, "scr_count")[at])
    shift = column(plain, "skt_a_level")[at] - column(found, "skt_a_level")
    np.testing.assert_allclose(shift, shift[0], rtol=1e-9)
    level = body.data[CHANNELS.index("skt_a"), round(10 * body.rate) : round(15 * body.rate)].mean()
    np.testing.assert_allclose(shift[0], level, atol=1e-3)


def test_the_pulse_stands_in_for_the_heart(body):
    with_both = features.compute("body_sequence", body)
    found, told = quietly("body_sequence", with_channel(body, "ecg", 0.0))
    assert np.isfinite(column(found, "heart_rate")).all()
    # pulses come a little later, by one or two hundredths more or less
    assert np.abs(column(found, "heart_rate") - column(with_both, "heart_rate")).mean() < 2.0
    assert np.isnan(column(found, "pulse_arrival")).all()
    assert len(told) == 1
    assert told[0].startswith("'ecg': stuck at one value")


def bad_rows(n, rate):
    rng = np.random.default_rng(0)
    time = np.arange(n) / rate
    return {
        "zero": np.zeros(n),
        "not a number": np.full(n, np.nan),
        "mains": 1e-3 * np.sin(2 * np.pi * 50 * time) + rng.normal(0, 1e-6, n),
        "noise": rng.normal(0, 1e-3, n),
    }


@pytest.mark.parametrize("name", ["body_windows", "body_sequence"])
@pytest.mark.parametrize(
    ("channel", "bad"),
    [(c, b) for c in CHANNELS for b in ("zero", "not a number")]
    + [(c, b) for c in ("ecg", "ppg", "eda", "rsp", "skt_a") for b in ("mains", "noise")],
)
def test_a_bad_channel_is_nan_and_named_and_touches_no_other(body, name, channel, bad):
    row = bad_rows(body.n_times, body.rate)[bad]
    found, told = quietly(name, with_channel(body, channel, row))
    plain = features.compute(name, body)
    measures = list(found.axes.values())[-1]
    lost = {m for m in measures if np.isnan(column(found, m)).all()}
    assert len(told) == 1
    assert f"'{channel}': " in told[0]
    assert "in all windows" in told[0]
    starts = {"ppg": ("pulse",), "eda": ("eda", "scr"), "rsp": ("rsp",)}.get(channel, (f"{channel}_",))
    own = {m for m in measures if m.startswith(starts)}
    if channel == "ecg" and name == "body_windows":
        own = {*NAMED["ecg"]}
    assert lost >= own
    assert lost <= own | {"pulse_arrival"}
    others = set(measures) - own - {"pulse_arrival", "heart_rate", "heart_period"}
    for m in others:
        np.testing.assert_array_equal(column(found, m), column(plain, m))
    assert found.valid.all()  # seven of eight are good


@pytest.mark.parametrize("name", ["body_windows", "body_sequence"])
@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_nothing_comes_from_nothing(body, name, value):
    found, told = quietly(name, replace(body, data=np.full_like(body.data, value)))
    assert np.isnan(found.values).all()
    assert not found.valid.any()
    assert len(told) == 1
    assert all(f"'{channel}'" in told[0] for channel in CHANNELS)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_comes_from_one_dead_channel(name, value):
    signal = made_up.made(SINGLE[name], seconds=65.0)
    found, told = quietly(
        name, replace(signal, data=np.full_like(signal.data, value)), window_seconds=20.0, stride_seconds=20.0
    )
    assert np.isnan(found.values[:, :-1]).all()
    assert (column(found, "quality") == 0).all()
    assert not found.valid.any()
    assert len(told) == 1


def test_a_saturated_stretch_spoils_its_windows_only(body):
    row = body.data[CHANNELS.index("eda")].copy()
    first = round(45 * body.rate)
    row[first:] = 25e-6
    found, told = quietly("body_windows", with_channel(body, "eda", row))
    np.testing.assert_array_equal(np.isnan(column(found, "eda_tonic")), [False, False, True, True])
    assert "'eda': saturated or stuck at one value, in some windows" in told[0]
    alone, _ = quietly(
        "eda",
        Signal(data=row[None], rate=body.rate, channels=("eda",), unit="S"),
        window_seconds=20.0,
        stride_seconds=20.0,
    )
    np.testing.assert_array_equal(alone.valid, [True, True, False, False])


def test_a_lead_that_falls_off(body):
    rng = np.random.default_rng(5)
    row = body.data[CHANNELS.index("ecg")].copy()
    half = len(row) // 2
    row[half:] = rng.normal(0, 1e-4, len(row) - half).cumsum() * 0.1
    found, told = quietly(
        "hrv",
        Signal(data=row[None], rate=body.rate, channels=("ecg",)),
        window_seconds=20.0,
        stride_seconds=20.0,
    )
    np.testing.assert_array_equal(found.valid, [True, True, False, False])
    assert np.isnan(found.values[2:, :-1]).all()
    assert "nothing that looks like beats or breaths (lead off, or noise), in some windows" in told[0]


def test_a_signal_that_is_not_valid(body):
    valid = np.ones(body.n_times, bool)
    valid[round(30 * body.rate)] = False
    np.testing.assert_array_equal(
        features.compute("body_windows", replace(body, valid=valid)).valid, [True, False, True, True]
    )
    np.testing.assert_array_equal(
        features.compute("body_sequence", replace(body, valid=valid)).valid, [True, False, True, True]
    )


def test_channels_of_another_recorder():
    names = {"GSR": "eda", "Resp": "rsp", "Plet": "ppg", "Temp": "skt", "zEMG": "emg"}
    rows = [made_up.channel(kind, seconds=65.0, rate=128.0) for kind in names.values()]
    signal = Signal(data=np.stack(rows), rate=128.0, channels=tuple(names), unit="mixed")
    found, told = quietly("body_windows", signal, channels=names)
    assert told == []
    assert "Temp_level" in found.axes["feature"]
    assert "heart_rate" not in found.axes["feature"]
    ohm = replace(signal, data=np.vstack([1 / rows[0], *rows[1:]]))
    other = features.compute("body_windows", ohm, channels=names, eda_unit="ohm")
    np.testing.assert_allclose(column(other, "eda_tonic"), column(found, "eda_tonic"), rtol=1e-9)


def test_a_channel_that_was_not_recorded_is_nan_and_named(body):
    fewer = replace(body, data=body.data[1:], channels=body.channels[1:])
    for name in ("body_windows", "body_sequence"):
        found, told = quietly(name, fewer)
        assert list(found.axes.values())[-1] == list(features.compute(name, body).axes.values())[-1]
        assert np.isnan(column(found, "pulse_amplitude")).all()
        assert found.valid.all()
        assert told == ["not recorded: ppg; what is made of it is NaN"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"channels": {"a": "heart"}}, r"names the kinds heart; expected channel names with one of ecg, ppg"),
        ({"channels": {}}, "names the kinds none"),
        ({"channels": {"ecg": "ecg", "ppg": "ecg"}}, "has 2 channels of 'ecg'; expected one"),
        (
            {"channels": {"a": "ecg"}},
            r"has the channels ppg, rsp.*expected at least one of a.*which channel is what",
        ),
        ({"eda_unit": "uS"}, "channel of eda comes in the unit 'uS'; expected 'S' or 'ohm'"),
        ({"baseline_seconds": -1.0}, "option 'baseline_seconds' is -1; expected 0 or more"),
        ({"context_seconds": -1.0}, "option 'context_seconds' is -1; expected 0 or more"),
    ],
)
@pytest.mark.parametrize("name", ["body_windows", "body_sequence"])
def test_what_is_refused(body, name, options, says):
    with pytest.raises(InputError, match=says):
        features.compute(name, body, **options)


def test_units_of_a_signal_of_one_unit(body):
    with pytest.raises(InputError, match=r"the channel of (eda|skt) comes in the unit 'V'"):
        features.compute("body_windows", replace(body, unit="V"))
    electric = {"ecg": "ecg", "ppg": "ppg", "rsp": "rsp", "emg_a": "emg"}
    assert features.compute("body_windows", replace(body, unit="V"), channels=electric).valid.all()


def test_a_sequence_needs_whole_seconds_and_enough_of_them(body):
    with pytest.raises(InputError, match=r"option 'window_seconds' is 2.5; expected whole seconds"):
        features.compute("body_sequence", body, window_seconds=2.5)
    short = replace(body, data=body.data[:, : round(20 * body.rate)])
    found, told = quietly("body_sequence", short)
    assert found.values.shape == (0, 20, 17)
    assert any(
        "20 s of signal are less than the 24 s of baseline, one window and context" in t
        and 'cut = "apex:24"' in t
        for t in told
    )
    assert quietly("body_windows", replace(body, data=body.data[:, :5]))[0].n_windows == 0


def test_a_recording_is_taken_trial_by_trial(body):
    class Table:
        def read(self, start, duration):
            first = round(start * body.rate)
            return body.data[:, first : first + round(duration * body.rate)]

    stream = Stream(
        name="body", modality="peripheral", unit="mixed", rate=body.rate, channels=CHANNELS,
        span=Span(start=0.0, duration=85.0), source=Table(),
    )  # fmt: skip
    trials = tuple(
        Trial(
            id=f"t{i}",
            recording="r",
            subject="1",
            session="1",
            stimulus=str(i),
            span=Span(start=s, duration=40.0),
        )
        for i, s in enumerate((0.0, 42.0))
    )
    made = Recording(id="r", dataset="d", subject="1", session="1", streams={"body": stream}, trials=trials)
    found = features.compute("body_windows", made)
    np.testing.assert_array_equal(found.starts, [0, 20, 42, 62])
    alone = features.compute("body_windows", stream.read(trials[1].span))
    np.testing.assert_array_equal(found.values[2:], alone.values)
    assert features.compute("body_sequence", made).values.shape == (2, 20, 17)


def test_released_is_what_neurokit2_gives_with_random_numbers_for_what_it_cannot(monkeypatch):
    nk = pytest.importorskip("neurokit2")
    made = functools.cache(lambda kind: of_kind(signal.data[CHANNELS.index(kind)], signal.rate, kind))
    of_kind = _released_body._of_kind
    monkeypatch.setattr(_released_body, "_of_kind", lambda x, rate, kind: made(kind))  # each takes a second
    signal = made_up.made_body(seconds=30.0, rate=1000.0)
    found, told = quietly("body_windows", signal, recipe="released")
    assert told == []
    assert found.values.shape[0] == 1
    assert found.valid.all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table, _ = nk.rsp_process(signal.data[1], sampling_rate=1000)
        theirs = nk.rsp_intervalrelated(table, sampling_rate=1000).iloc[0]
    np.testing.assert_allclose(column(found, "RSP_Rate_Mean"), theirs["RSP_Rate_Mean"], rtol=1e-9)
    filled = column(found, "ECG_HRV_SDANN5")  # five-minute means of 30 s
    assert 0 <= filled[0] < 1
    again = features.compute("body_windows", signal, recipe="released")
    np.testing.assert_array_equal(again.values, found.values)
    other = features.compute("body_windows", signal, recipe="released", seed=1)
    assert column(other, "ECG_HRV_SDANN5") != filled
    np.testing.assert_array_equal(column(other, "ECG_Rate_Mean"), column(found, "ECG_Rate_Mean"))


def test_released_refuses_what_neurokit2_cannot_work_on():
    signal = made_up.made_body(seconds=10.0, rate=1000.0)
    few = replace(signal, data=signal.data[1:], channels=signal.channels[1:])
    with pytest.raises(InputError, match=r"has no channel ppg.*expected the channels ppg, rsp, eda and ecg"):
        features.compute("body_windows", few, recipe="released")
    pytest.importorskip("neurokit2")
    with pytest.raises(InputError, match=r"NeuroKit2 cannot work on the channel '(ppg|rsp|eda|ecg)'"):
        features.compute("body_windows", replace(signal, data=signal.data * 0), recipe="released")


@pytest.mark.slow
def test_an_hour_of_eight_channels_takes_seconds():
    import time

    minute = made_up.made_body(seconds=60.0, rate=1000.0)
    hour = replace(minute, data=np.tile(minute.data, (1, 60)))
    begin = time.process_time()
    assert features.compute("body_windows", hour).n_windows == 180
    assert features.compute("body_sequence", hour).n_windows == 179
    assert time.process_time() - begin < 30  # 4 s where it was measured, on one slow core
