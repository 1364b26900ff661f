"""What every registered feature keeps to, and recordings trial by trial."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mien import features
from mien.core import Features, InputError, Recording, Signal, Span, Stream, Trial, UnknownNameError
from mien.features import shipped


class Table:
    """Samples in memory; nothing was recorded between ``gap`` seconds."""

    def __init__(self, data, rate, gap=None):
        self.data, self.rate, self.gap = data, rate, gap

    def covers(self, start, duration):
        return self.gap is None or start + duration <= self.gap[0] or self.gap[1] <= start

    def read(self, start, duration):
        first = round(start * self.rate)
        return self.data[:, first : first + round(duration * self.rate)]


def recording(streams, spans, total):
    trials = tuple(
        Trial(id=f"t{i}", recording="r", subject="1", session="1", stimulus=str(i), span=span)
        for i, span in enumerate(spans)
    )
    made = {}
    for name, (unit, rate, channels, source) in streams.items():
        made[name] = Stream(
            name=name,
            modality="eeg",
            unit=unit,
            rate=rate,
            channels=channels,
            span=Span(start=0.0, duration=total),
            source=source,
        )
    return Recording(id="r", dataset="d", subject="1", session="1", streams=made, trials=trials)


@pytest.fixture
def two_trials():
    data = np.random.default_rng(0).normal(scale=1e-5, size=(2, 6000))
    spans = [Span(start=0.0, duration=10.0), Span(start=10.0, duration=12.0), Span(start=22.0, duration=8.0)]
    return recording({"eeg": ("V", 200.0, ("A", "B"), Table(data, 200.0))}, spans, 30.0)


def recipes(name):
    return (
        ["corrected", "released"] if hasattr(features._REGISTRY.module(name), "RELEASED") else ["corrected"]
    )


@pytest.mark.parametrize(("name", "recipe"), [(n, r) for n in features.names() for r in recipes(n)])
def test_contract(name, recipe):
    about = features.info(name)
    assert about.scope in ("none", "recording")
    assert about.reach(recipe) in ("window", "trial")
    assert about.reads in ("signal", "clip", "film", *features.names())
    assert about.released_unit or recipe == "corrected"
    found = features.compute(name, features.example(name), recipe=recipe)
    assert isinstance(found, Features)
    assert found.n_windows > 0
    assert (found.extractor, found.version) == (name, about.version)
    assert found.starts.dtype == found.durations.dtype == np.float64
    assert (found.durations > 0).all()
    assert found.valid.any()
    if about.reads == "film":  # pictures stay pictures
        assert found.values.dtype == np.uint8
    elif about.reads in features.names():  # what is made of pictures may be as long as it is wide
        assert np.issubdtype(found.values.dtype, np.floating)
    else:
        assert found.values.dtype == np.float64
    numbers = np.isfinite(found.values)
    if "instance" in found.axes:  # one that is absent is NaN all through
        at = list(found.axes).index("instance") + 1
        present = numbers.any(axis=tuple(range(at, numbers.ndim)))
        assert present.any()
        np.testing.assert_array_equal(present, numbers.all(axis=tuple(range(at, numbers.ndim))))
    else:
        assert numbers.all()
    again = features.compute(name, features.example(name), recipe=recipe)
    np.testing.assert_array_equal(found.values, again.values)


@pytest.mark.parametrize("name", [n for n in features.names() if "released" not in recipes(n)])
def test_a_feature_without_a_released_recipe_says_so(name):
    with pytest.raises(InputError, match=f"'{name}' has no released recipe.*'corrected'"):
        features.compute(name, features.example(name), recipe="released")


def test_names():
    assert set(features.names()) >= {"psd", "de", "de_lds", "shipped"}


def test_listing_names_imports_no_feature_and_no_heavy_package():
    code = (
        "import sys, mien.features as f; f.names();"
        "print([m for m in ('torch', 'mne', 'cv2', 'pandas', 'sklearn', 'scipy.signal', 'mien.features.de')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_recording_is_taken_trial_by_trial(two_trials):
    for name in ("de", "de_lds"):
        found = features.compute(name, two_trials)
        # 10, 12 and 8 s hold 2, 3 and 2 windows; none reaches across a cut
        np.testing.assert_array_equal(found.starts, [0, 4, 10, 14, 18, 22, 26])
        alone = features.compute(name, two_trials, trial="t1")
        np.testing.assert_array_equal(found.values[2:5], alone.values)
        data = two_trials.streams["eeg"].read(Span(start=10.0, duration=12.0))
        np.testing.assert_array_equal(features.compute(name, data).values, alone.values)


def test_trials_without_data_are_passed_over():
    data = np.random.default_rng(0).normal(scale=1e-5, size=(1, 4000))
    source = Table(data, 200.0, gap=(8.0, 9.0))
    made = recording(
        {"eeg": ("V", 200.0, ("A",), source)},
        [Span(start=0.0, duration=8.0), Span(start=8.0, duration=8.0), Span(start=16.0, duration=8.0)],
        20.0,
    )
    np.testing.assert_array_equal(features.compute("psd", made).starts, [0, 4])
    with pytest.raises(InputError, match="covers nothing of what was asked for"):
        features.compute("psd", made, trial="t1")


def test_stream_and_trial_are_found_by_name(two_trials):
    with pytest.raises(UnknownNameError, match="unknown stream of r 'egg'; did you mean 'eeg'"):
        features.compute("de", two_trials, stream="egg")
    with pytest.raises(UnknownNameError, match="unknown trial of r 't9'"):
        features.compute("de", two_trials, trial="t9")
    with pytest.raises(UnknownNameError, match="unknown stream of r 'shipped_eye'"):
        features.compute("shipped", two_trials, modality="eye")


def test_shipped_eeg_keeps_band_major_order():
    names = tuple(f"{band}:{channel}" for band in ("delta", "theta") for channel in ("A", "B", "C"))
    table = np.arange(24.0).reshape(6, 4)
    found = features.compute(
        "shipped", Signal(data=table, rate=0.25, channels=names, unit="mixed", start=8.0)
    )
    assert dict(found.axes) == {"window": (), "band": ("delta", "theta"), "channel": ("A", "B", "C")}
    for row, name in enumerate(names):
        band, channel = name.split(":")
        at = found.values[:, found.axes["band"].index(band), found.axes["channel"].index(channel)]
        np.testing.assert_array_equal(at, table[row])
    np.testing.assert_array_equal(found.starts, [8, 12, 16, 20])
    assert set(found.durations) == {4.0}


def test_shipped_eye_is_a_list_of_features():
    data = np.arange(9.0).reshape(3, 3)
    data[:2, 1] = np.inf
    eye = {"shipped_eye": ("mixed", 0.25, ("pupil", "blink", "pupil:x"), Table(data, 0.25))}
    found = features.compute("shipped", recording(eye, [Span(start=0, duration=12.0)], 12.0), modality="eye")
    assert found.axes["feature"] == ("pupil", "blink", "pupil:x")
    assert found.values.shape == (3, 3)
    np.testing.assert_array_equal(found.valid, [True, False, True])
    assert features.missing(found) == {"pupil": 1, "blink": 1}


@pytest.mark.parametrize(
    ("options", "stream"),
    [
        ({}, "shipped_eeg_de_lds"),
        ({"variant": "psd"}, "shipped_eeg_psd"),
        ({"modality": "eye"}, "shipped_eye"),
        ({"modality": "eye", "variant": "de_lds"}, "shipped_eye"),
    ],
)
def test_shipped_streams(options, stream):
    assert features.stream_name("shipped", **options) == stream


@pytest.mark.parametrize(
    ("streams", "window_seconds", "variant"),
    [
        ({"psd": 0.25, "de": 0.25, "de_lds": 0.25}, None, "de_lds"),  # SEED-VII
        ({"de": 0.25}, None, "de"),  # SEED-V
        ({"de": 0.25}, 4.0, "de"),
        ({"de_lds": 1.0, "de_moving_average": 1.0, "de_4s": 0.25}, None, "de_lds"),  # SEED
        ({"de_lds": 1.0, "de_moving_average": 1.0, "de_4s": 0.25}, 4.0, "de_4s"),  # with eyes
        ({"de_lds": 1.0, "de_lds_4s": 0.25, "de_4s": 0.25}, 4.0, "de_lds_4s"),
        ({"de_4s": 0.25}, None, "de_4s"),
        ({"de_lds": 1.0}, 4.0, "de_lds"),  # nothing fits: the first that there is
        ({"wavelets": 1.0}, None, "wavelets"),
        ({}, None, "auto"),
    ],
)
def test_the_variant_is_what_the_data_set_offers(streams, window_seconds, variant):
    rates = {f"shipped_eeg_{name}": rate for name, rate in streams.items()} | {
        "eeg": 200.0,
        "shipped_eye": 2.0,
    }
    chosen = features.choose_options("shipped", {"variant": "auto"}, rates, window_seconds=window_seconds)
    assert chosen == {"variant": variant}
    named = {"modality": "eeg", "variant": "psd"}
    assert features.choose_options("shipped", named, rates, window_seconds=window_seconds) == named
    eye = features.choose_options("shipped", {"modality": "eye"}, rates)
    assert features.stream_name("shipped", **eye) == "shipped_eye"


def test_a_variant_that_cannot_be_told_must_be_named():
    rates = {"shipped_eeg_psd_lds": 0.25, "shipped_eeg_psd_moving_average": 0.25}
    with pytest.raises(InputError, match=r"psd_lds, psd_moving_average, and none is the default.*variant = "):
        features.choose_options("shipped", {}, rates)


def test_options_of_others_stay():
    given = {"window_seconds": 2.0, "stride_seconds": 1.0}
    assert features.choose_options("de", given, {"eeg": 200.0}, window_seconds=4.0) == given


def test_shipped_of_a_recording_takes_what_it_has():
    table = np.arange(24.0).reshape(6, 4)
    names = tuple(f"{band}:{channel}" for band in ("delta", "theta") for channel in ("A", "B", "C"))
    streams = {"shipped_eeg_de": ("mixed", 0.25, names, Table(table, 0.25))}
    made = recording(streams, [Span(start=0.0, duration=16.0)], 16.0)
    found = features.compute("shipped", made)
    np.testing.assert_array_equal(found.values, features.compute("shipped", made, variant="de").values)
    with pytest.raises(UnknownNameError, match="unknown stream of r 'shipped_eeg_de_lds'"):
        features.compute("shipped", made, variant="de_lds")


def test_shipped_refuses_a_plain_signal():
    with pytest.raises(InputError, match="unit is 'V'; expected 'mixed', a stream of features"):
        features.compute("shipped", Signal(data=np.zeros((1, 800)), rate=200.0, channels=("A",)))


def test_shipped_reaches_the_trial():
    assert features.info("shipped").reaches == "trial"
    assert shipped.example().trials
