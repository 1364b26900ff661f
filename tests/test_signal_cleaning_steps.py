"""Steps one by one, against known answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mien.core import InputError, Signal, UnknownNameError
from mien.datasets._seed_layout import CHANNELS
from mien.signal.cleaning import (
    DEFAULT,
    ICA,
    BadChannels,
    BurstRepair,
    Cleaned,
    HighPass,
    Interpolate,
    LowPass,
    Notch,
    Rereference,
    Resample,
    clean,
    steps_from_json,
    steps_to_json,
)
from mien.signal.cleaning.interpolate import interpolation_matrix
from mien.signal.cleaning.montage import positions

SOME = ("FZ", "CZ", "PZ", "C3", "C4", "O1", "O2", "F3", "F4")


def signal(data: Any, *, rate: float = 200.0, channels: tuple[str, ...] = SOME, **more: Any) -> Signal:
    """The same row, or rows of their own, on some channels."""
    rows = np.atleast_2d(data)
    rows = np.repeat(rows, len(channels), axis=0) if len(rows) == 1 else rows
    return Signal(data=rows * 1e-6, rate=rate, channels=channels, **more)


def sine(frequency: float, *, rate: float = 200.0, seconds: float = 30.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


def gain(step: Any, frequency: float, *, rate: float = 200.0) -> float:
    """Amplitude that a step leaves of a sine, away from the ends; the phase must not have changed."""
    x = sine(frequency, rate=rate)
    y = clean(signal(x, rate=rate), [step]).signal.data[0] * 1e6
    inner = slice(len(x) // 3, 2 * len(x) // 3)
    in_phase = x[inner] @ y[inner] / (x[inner] @ x[inner])
    assert np.abs(y[inner] - in_phase * x[inner]).max() < 0.02  # Hamming ripple: 0.2 %, float32: less
    return float(in_phase)


@pytest.mark.parametrize(
    ("step", "frequency", "expected"),
    [
        (HighPass(4.0), 5.0, 1),
        (HighPass(4.0), 3.0, 0.5),
        (HighPass(4.0), 1.5, 0),
        (LowPass(40.0), 30.0, 1),
        (LowPass(40.0), 45.0, 0.5),
        (LowPass(40.0), 60.0, 0),
        (Notch(50.0), 50.0, 0),
        (Notch(50.0), 48.5, 1),
        (Notch(50.0), 40.0, 1),
    ],
)
def test_filters_keep_halve_and_stop_without_delay(step: Any, frequency: float, expected: float) -> None:
    # 53 dB of a Hamming window is 0.002; the ends of 30 s reach into the middle by nothing
    assert gain(step, frequency) == pytest.approx(expected, abs=0.01)


def test_notch_takes_harmonics_below_half_the_rate() -> None:
    assert Notch(50.0).frequencies(1000) == (50, 100, 150, 200, 250, 300, 350, 400, 450)
    assert Notch(60.0).frequencies(200) == (60,)
    assert Notch(50.0, harmonics=False).frequencies(1000) == (50,)
    assert gain(Notch(50.0), 150.0, rate=1000.0) == pytest.approx(0, abs=0.01)
    assert gain(Notch(50.0, harmonics=False), 150.0, rate=1000.0) == pytest.approx(1, abs=0.01)


def test_high_pass_takes_off_an_offset_of_millivolts() -> None:
    x = sine(10.0) + 20_000
    done = clean(signal(x), [HighPass(0.5)]).signal.data[0] * 1e6
    # float64 in the filter, float32 after it: nothing is left of 20 mV; the ends are turned about a sample of
    # the sine, which moves them by up to its own size
    assert np.abs(done - sine(10.0)).max() < 1.1
    assert np.abs(done[1000:-1000] - sine(10.0)[1000:-1000]).max() < 0.01


@pytest.mark.parametrize(("rate", "to"), [(1000.0, 200.0), (512.0, 200.0), (128.0, 200.0), (200.0, 200.0)])
def test_resample_is_the_sine_at_the_new_rate(rate: float, to: float) -> None:
    x = sine(13.0, rate=rate, seconds=20)
    done = clean(signal(x, rate=rate), [Resample(to)]).signal
    assert done.rate == to
    assert done.n_times == -(-len(x) * int(to) // int(rate))
    expected = sine(13.0, rate=to, seconds=20)
    inner = slice(200, -200)
    assert np.abs(done.data[0][inner] * 1e6 - expected[inner]).max() < 1e-3  # 80 dB is 1e-4


def test_what_cannot_be_represented_does_not_fold_back() -> None:
    """Every fifth sample of 190 Hz at 1000 Hz is a 10 Hz sine: the trap of resampling by slicing."""
    x = sine(190.0, rate=1000.0, seconds=20)
    assert np.allclose(x[::5], -sine(10.0, seconds=20), atol=1e-9)
    done = clean(signal(x, rate=1000.0), [Resample(200.0)]).signal.data[0] * 1e6
    assert np.abs(done[200:-200]).max() < 2e-4  # 80 dB


def test_valid_goes_to_the_new_rate() -> None:
    valid = np.ones(4000, dtype=bool)
    valid[1000:1500] = False
    done = clean(signal(sine(5, rate=1000, seconds=4), rate=1000.0, valid=valid), [Resample(200.0)]).signal
    assert done.valid is not None
    assert np.flatnonzero(~done.valid).tolist() == list(range(200, 300))


def test_order_of_filters_before_and_after_a_change_of_rate_does_not_matter() -> None:
    x = np.random.default_rng(3).standard_normal((len(SOME), 40_000))
    a = clean(signal(x, rate=1000.0), [LowPass(30.0), Resample(200.0)]).signal.data
    b = clean(signal(x, rate=1000.0), [Resample(200.0), LowPass(30.0)]).signal.data
    assert a.shape == b.shape
    # two realisations of one filter: their ripples differ by the 0.2 % of a Hamming window
    assert np.abs(a - b)[:, 200:-200].max() < 0.01 * a.std()


def test_average_reference_leaves_a_mean_of_zero_and_costs_one_rank() -> None:
    x = np.random.default_rng(0).standard_normal((len(SOME), 1000))
    done = clean(signal(x), [Rereference()])
    assert np.abs(done.signal.data.mean(axis=0)).max() < 1e-12  # float32 of 1e-6
    assert done.record["rank"] == len(SOME) - 1
    assert clean(done.signal, [Rereference(), Rereference()]).record["rank"] == len(SOME) - 1


def test_reference_may_be_an_extra() -> None:
    x = np.random.default_rng(0).standard_normal((len(SOME) + 2, 1000))
    raw = signal(x, channels=(*SOME, "M1", "M2"))
    done = clean(raw, [Rereference("mastoids")], extras=["M1", "M2"])
    assert done.signal.channels == SOME
    assert np.allclose(done.signal.data * 1e6, x[:-2] - x[-2:].mean(axis=0), atol=1e-5)
    assert done.record["rank"] == len(SOME)
    inside = clean(signal(x[:-2]), [Rereference(("CZ",))])
    assert np.abs(inside.signal.data[1]).max() == 0
    assert inside.record["rank"] == len(SOME) - 1


def test_reference_that_is_not_there_is_named() -> None:
    x = signal(sine(10, seconds=2))
    with pytest.raises(InputError, match="no mastoids among FZ"):
        clean(x, [Rereference("mastoids")])
    with pytest.raises(InputError, match="reference channels A1 are not there"):
        clean(x, [Rereference(("A1",))])


def test_interpolation_gives_back_a_smooth_field() -> None:
    """A field that varies slowly over the sphere is made again from the others."""
    places = positions(CHANNELS)
    unit = places / np.linalg.norm(places, axis=1, keepdims=True)
    field = unit @ np.array([1.0, -0.5, 0.8]) + 0.3 * unit[:, 0] * unit[:, 2]
    bad = ["FCZ", "P3", "T8"]
    matrix = interpolation_matrix(CHANNELS, bad)
    rows = [CHANNELS.index(name) for name in bad]
    assert np.allclose(matrix[:, rows], 0)  # nothing comes from the bad ones
    keep = [i for i in range(62) if i not in rows]
    assert np.allclose(matrix[np.ix_(keep, keep)], np.eye(59))
    # splines of order 4 and a head that is not quite round: a few hundredths of the field's range of 2
    assert np.abs(matrix @ field - field)[rows].max() < 0.06


def test_interpolation_needs_channels_to_come_from() -> None:
    with pytest.raises(InputError, match="8 of 9 channels are bad"):
        interpolation_matrix(SOME, SOME[1:])


def test_places_are_left_and_right_and_cb_is_low_at_the_back() -> None:
    table = dict(zip(CHANNELS, positions(CHANNELS), strict=True))
    assert table["T7"][0] < -0.05 < 0.05 < table["T8"][0]
    assert table["FPZ"][1] > 0.07
    assert table["CZ"][2] == max(place[2] for place in table.values())
    for cb, po in (("CB1", "PO7"), ("CB2", "PO8")):
        assert table[cb][2] < table[po][2]
        assert np.sign(table[cb][0]) == np.sign(table[po][0])
    # nobody shares a place: splines need that
    places = np.array(list(table.values()))
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(62)
    assert apart.min() > 0.01


def test_unknown_channel_is_named() -> None:
    with pytest.raises(InputError, match="no place on the head is known for VEO"):
        clean(signal(sine(10, seconds=2), channels=("CZ", "VEO")), [HighPass(1.0)])


def test_bad_samples_and_units_are_refused() -> None:
    x = np.repeat(sine(10, seconds=2)[None], len(SOME), axis=0)
    x[2, 50] = np.nan
    with pytest.raises(InputError, match="channels PZ hold samples that are not numbers"):
        clean(signal(x), [HighPass(1.0)])
    with pytest.raises(InputError, match="unit is '1'"):
        clean(Signal(data=np.ones((1, 9)), rate=1.0, channels=("CZ",), unit="1"), [])
    with pytest.raises(InputError, match=r"low-pass of 100 Hz does not fit below half the rate of 200 Hz"):
        clean(signal(sine(10, seconds=2)), [LowPass(100.0)])
    with pytest.raises(InputError, match="extras M1 are not there"):
        clean(signal(sine(10, seconds=2)), [], extras=["M1"])
    with pytest.raises(InputError, match="CZ are given more than once"):
        clean(signal(sine(10, seconds=2)), [], extras=signal(sine(10, seconds=2), channels=("CZ",)))
    with pytest.raises(InputError, match="have 200 samples"):
        clean(signal(sine(10, seconds=2)), [], extras=signal(sine(10, seconds=1), channels=("M1",)))


def test_nothing_that_was_given_changes() -> None:
    x = np.random.default_rng(0).standard_normal((len(SOME), 4000))
    raw = signal(x)
    before = raw.data.copy()
    clean(raw, [HighPass(1.0), Rereference(), LowPass(40.0)])
    clean(raw, [Rereference()])
    assert (raw.data == before).all()


def test_no_steps_is_the_recording() -> None:
    raw = signal(np.random.default_rng(0).standard_normal((len(SOME), 1000)), start=7.0)
    done = clean(raw, [])
    assert done.signal.start == 7.0
    assert np.allclose(done.signal.data, raw.data, rtol=1e-6)  # float32
    assert done.record["steps"] == []


STEPS = [
    *DEFAULT,
    Notch(60.0, harmonics=False),
    Rereference(("M1", "M2")),
    ICA(remove={"eye": 0.5}, seed=4),
    HighPass(1.0, transition=0.5),
]


def test_steps_go_through_json_and_back() -> None:
    text = json.dumps(steps_to_json(STEPS))
    assert steps_from_json(json.loads(text)) == tuple(STEPS)
    assert steps_from_json(["interpolate", Resample(100.0)]) == (Interpolate(), Resample(100.0))


@pytest.mark.parametrize(
    ("items", "error", "words"),
    [
        (["high_pas"], UnknownNameError, "did you mean 'high_pass'"),
        (
            [{"step": "resample", "rat": 200}],
            UnknownNameError,
            "unknown parameter of the cleaning step 'resample' 'rat'; did you mean 'rate'",
        ),
        (
            [{"step": "high_pass", "wavelet": 3}],
            UnknownNameError,
            "unknown parameter of the cleaning step 'high_pass' 'wavelet'; known: cutoff",
        ),
        ([{"step": "interpolate", "n": 1}], InputError, "has no parameter n; expected none"),
        ([{"step": "resample", "rate": -1}], InputError, "'resample': rate must be positive"),
        ([{"step": "resample"}], InputError, "'resample': .*missing"),
        ([{"step": "high_pass", "cutoff": "low"}], InputError, "'high_pass': "),
        ([{"step": "ica", "remove": {"eyes": 0.5}}], InputError, "unknown labels eyes"),
        ([{"cutoff": 1}], InputError, "has no name"),
        ([3], InputError, "has no name"),
        ({"step": "ica"}, InputError, "expected a list of steps"),
    ],
)
def test_steps_that_make_no_sense(items: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        steps_from_json(items)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: HighPass(0.0),
        lambda: HighPass(1.0, transition=2.0),
        lambda: LowPass(-1.0),
        lambda: Notch(50.0, width=0.0),
        lambda: BadChannels(share=0.0),
        lambda: BadChannels(correlation=1.0),
        lambda: Rereference("nose"),  # type: ignore[arg-type]
        lambda: Rereference(()),
        lambda: ICA(remove={"eye": 1.5}),
        lambda: BurstRepair(cutoff=0.0),
    ],
)
def test_values_that_make_no_sense(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"must|to |unknown"):
        wrong()


def test_record_is_plain_and_says_what_was_done() -> None:
    raw = signal(np.random.default_rng(0).standard_normal((len(SOME), 20_000)), rate=1000.0)
    done: Cleaned = clean(raw, [HighPass(1.0), Notch(), Resample(200.0), Rereference(), LowPass(40.0)])
    record = json.loads(json.dumps(done.record, allow_nan=False))
    assert [e["step"] for e in record["steps"]] == [
        "high_pass",
        "notch",
        "resample",
        "rereference",
        "low_pass",
    ]
    assert [e["rank"] for e in record["steps"]] == [9, 9, 9, 8, 8]
    assert (record["rate_before"], record["rate"], record["band_hz"]) == (1000, 200, [1, 40])
    assert record["reference"] == "average"
    assert record["scope"] == "recording"
    assert set(record["versions"]) >= {"mien", "mne", "scipy"}
    # white noise from 1 to 95 Hz but for the notch (49.25 to 50.75 Hz); the low-pass has half its gain at
    # 45 Hz: (95 - 45 - 1.5) / (95 - 1 - 1.5) = 52 %; on the slopes power falls sooner than gain
    assert 46 < record["steps"][-1]["percent"] < 54
    assert steps_from_json([{"step": e["step"], **e["parameters"]} for e in record["steps"]])[0] == HighPass(
        1.0
    )
