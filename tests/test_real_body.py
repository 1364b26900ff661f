"""Bodies of real people: against NeuroKit2, and one signal against another.

The recordings come inside other packages; ``python scripts/assets.py`` fetches them. They are different
people doing nothing in particular: what is tested is that the kernels find what is there.
"""

from __future__ import annotations

import bz2
import functools
import warnings

import numpy as np
import pytest

from _real import asset
from mien import features
from mien.core import Signal
from mien.signal import cardiac, electrodermal, respiration, temperature

MEDICAL_RATE = 2048.0
"""The file's own note says 1024, with which the heart would beat 35 times a minute and the file last 240 s;
the note says 120 s too."""


@functools.cache
def medical() -> dict[str, np.ndarray]:
    """Two minutes of ECG, skin conductance in µS, pulse and breath of one person at once."""
    with bz2.open(asset("body/medical.txt.bz2")) as file:
        table = np.loadtxt(file)
    return dict(zip(("ecg", "eda", "ppg", "rsp"), table.T.copy(), strict=True))


def opensignals(name: str) -> tuple[float, list[np.ndarray], list[int]]:
    """Rate, channels of all devices in a file, and their bits."""
    import h5py

    rows, bits, rate = [], [], 0.0
    with h5py.File(asset(f"opensignals/{name}")) as file:
        for device in file.values():
            rate = float(device.attrs["sampling rate"])
            raw = device["raw"]
            rows += [np.ravel(raw[key][()]).astype(float) for key in sorted(raw) if key.startswith("channel")]
            bits += [int(device.attrs["resolution"][0])]
    return rate, rows, bits


def rate_of(beats: cardiac.Beats) -> float:
    _, seconds = cardiac.intervals(beats)
    return 60 / float(np.nanmean(seconds))


def test_ecg_and_pulse_of_one_person_agree() -> None:
    rows = medical()
    heart = cardiac.find_beats(rows["ecg"], MEDICAL_RATE, kind="ecg")
    pulse = cardiac.find_beats(rows["ppg"], MEDICAL_RATE, kind="ppg")
    assert len(heart.times) == 139
    assert (heart.alike > 0.66).all()
    assert 136 <= len(pulse.times) <= 142
    assert abs(rate_of(heart) - rate_of(pulse)) < 1.0  # beats a minute
    np.testing.assert_allclose(rate_of(heart), 69.6, atol=0.5)
    _, coverage = cardiac.variability(pulse, np.zeros(1), window_seconds=120.0)
    assert coverage[0] > 0.8
    # beat by beat: from the R peak to the finger takes a quarter to a third of a second, and varies little
    _, arrival = cardiac.arrival_times(heart, pulse)
    assert np.isfinite(arrival).mean() > 0.8
    assert 0.2 < np.nanmedian(arrival) < 0.4
    assert np.nanstd(arrival) < 0.02
    # interval by interval, those of the pulse are those of the heart a moment later
    edges, ours = cardiac.intervals(heart)
    pulse_edges, theirs = cardiac.intervals(pulse)
    at = np.abs(pulse_edges[:-1, None] - (edges[None, :-1] + 0.4)).argmin(axis=1)
    both = np.isfinite(theirs) & np.isfinite(ours[at])
    assert np.corrcoef(theirs[both], ours[at][both])[0, 1] > 0.9


def test_beats_are_those_of_neurokit2() -> None:
    nk = pytest.importorskip("neurokit2")
    for kind in ("ecg", "ppg"):
        x = medical()[kind]
        clean = getattr(nk, f"{kind}_clean")(x, sampling_rate=2048)
        theirs = (
            np.asarray(
                getattr(nk, f"{kind}_findpeaks")(clean, sampling_rate=2048)[
                    f"{kind.upper()}_{'R_' if kind == 'ecg' else ''}Peaks"
                ]
            )
            / MEDICAL_RATE
        )
        ours = cardiac.find_beats(x, MEDICAL_RATE, kind="ecg" if kind == "ecg" else "ppg")
        gap = np.abs(ours.times[:, None] - theirs[None]).min(axis=1)
        good = ours.alike >= cardiac.ALIKE[kind]
        # their filters and ours move a peak by a few ms; a pulse has a broad top
        assert np.median(gap[good]) < {"ecg": 0.005, "ppg": 0.01}[kind]
        assert (gap[good] < 0.1).mean() > 0.97


def test_skin_conductance_of_the_same_person() -> None:
    nk = pytest.importorskip("neurokit2")
    x = medical()["eda"]
    signal = Signal(data=x[None] * 1e-6, rate=MEDICAL_RATE, channels=("eda",), unit="S")
    found = features.compute("eda", signal, window_seconds=20.0, stride_seconds=20.0)
    column = dict(zip(found.axes["feature"], found.values.T, strict=True))
    assert found.valid.all()
    np.testing.assert_array_equal(column["quality"], 1.0)
    np.testing.assert_allclose(column["tonic"].mean(), x.mean(), rtol=0.01)
    # NeuroKit2 finds 13, one of them of 0.003 µS
    _, theirs = nk.eda_process(x, sampling_rate=2048)
    assert len(theirs["SCR_Peaks"]) == 13
    ours = electrodermal.find_responses(electrodermal.take_apart(x * 1e-6, MEDICAL_RATE))
    assert 12 <= len(ours.onsets) <= 14
    assert column["scr_count"].sum() == len(ours.onsets)
    large = theirs["SCR_Amplitude"] >= 0.05
    gap = np.abs(ours.peaks[:, None] - theirs["SCR_Peaks"][large][None] / MEDICAL_RATE)
    assert gap.min(axis=0).max() < 0.3  # a peak below 1 Hz against one below 3 Hz
    near = gap.argmin(axis=0)
    np.testing.assert_allclose(ours.amplitudes[near] * 1e6, theirs["SCR_Amplitude"][large], rtol=0.1)


def test_breath_of_the_same_person() -> None:
    nk = pytest.importorskip("neurokit2")
    x = medical()["rsp"]
    breaths = respiration.find_breaths(x, MEDICAL_RATE)
    table, theirs = nk.rsp_process(x, sampling_rate=2048)
    peaks = theirs["RSP_Peaks"] / MEDICAL_RATE
    assert len(peaks) == 28
    assert breaths.fault == ""
    # all of theirs, and a few shallow ones and those at the ends that their rule passes over
    assert np.abs(breaths.peaks[:, None] - peaks[None]).min(axis=0).max() < 1.0
    assert 28 <= len(breaths.peaks) <= 34
    found = features.compute(
        "rsp", Signal(data=x[None], rate=MEDICAL_RATE, channels=("rsp",)), window_seconds=120.0
    )
    np.testing.assert_allclose(found.values[0, 0], table["RSP_Rate"].mean(), rtol=0.1)
    # a quiet minute: rate by the regular half of another recording
    rate, rows, _ = opensignals("respiration.h5")
    other = respiration.find_breaths(rows[0], rate)
    assert 12 <= len(other.peaks) <= 13
    _, seconds, _ = respiration.cycles(other)
    np.testing.assert_allclose(60 / np.nanmean(seconds), 15.3, rtol=0.1)


def test_all_of_one_person_at_once() -> None:
    rows = medical()
    data = np.stack([rows["ecg"] * 1e-3, rows["ppg"], rows["eda"] * 1e-6, rows["rsp"]])
    signal = Signal(data=data, rate=MEDICAL_RATE, channels=("ecg", "ppg", "eda", "rsp"), unit="mixed")
    kinds = {name: name for name in signal.channels}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pulse moves about in some windows
        found = features.compute("body_windows", signal, channels=kinds)
        sequence = features.compute("body_sequence", signal, channels=kinds)
    column = dict(zip(found.axes["feature"], found.values.T, strict=True))
    assert found.valid.all()
    both = np.isfinite(column["pulse_rate"])
    assert both.sum() >= 4
    assert np.abs(column["heart_rate"] - column["pulse_rate"])[both].max() < 1.0
    assert sequence.valid.all()
    assert np.isfinite(sequence.values).mean() > 0.9
    heart = sequence.values[..., sequence.axes["measure"].index("heart_rate")]
    assert 50 < np.nanmin(heart) < np.nanmax(heart) < 110


@pytest.mark.parametrize(
    ("file", "kind", "n", "rate"), [("ecg_5_min.h5", "ecg", 386, 77.2), ("bvp_rest.h5", "ppg", 120, 68.6)]
)
def test_a_quiet_heart_is_believed_all_through(file: str, kind: cardiac.Kind, n: int, rate: float) -> None:
    hertz, rows, _ = opensignals(file)
    beats = cardiac.find_beats(rows[0], hertz, kind=kind)
    assert abs(len(beats.times) - n) <= 1
    np.testing.assert_allclose(rate_of(beats), rate, atol=0.1)
    values, coverage = cardiac.variability(beats, np.zeros(1), window_seconds=len(rows[0]) / hertz)
    assert coverage[0] > 0.98
    assert np.isfinite(values[0, :4]).all()
    assert 15 < values[0, 1] < 120  # ms, a grown person at rest
    assert np.isfinite(values[0, 4]) == (len(rows[0]) / hertz >= 120)


def test_skin_conductance_in_quiet() -> None:
    rate, rows, bits = opensignals("eda.h5")
    signal = Signal(
        data=rows[0][None] / 2 ** bits[0] * 3 / 0.12 * 1e-6, rate=rate, channels=("eda",), unit="S"
    )
    found = features.compute("eda", signal)
    assert found.valid.all()
    assert ((found.values[:, 0] > 4) & (found.values[:, 0] < 7)).all()  # µS, by the maker's formula


@functools.cache
def thermometers() -> tuple[float, list[np.ndarray]]:
    """K by the maker's formula of the thermistor, of one device of 8 bits and one of 16, side by side."""
    rate, rows, bits = opensignals("temp_res_8_16.h5")
    made = []
    for x, n in zip(rows, bits, strict=True):
        volts = x * 3 / 2**n
        log = np.log(1e4 * volts / (3 - volts))
        made.append(1 / (1.12764514e-3 + 2.34282709e-4 * log + 8.77303013e-8 * log**3))
    return rate, made


def test_two_thermometers_agree() -> None:
    rate, (coarse, fine) = thermometers()
    assert len(fine) == 233100
    starts = np.arange(23) * 10.0
    levels, slopes = [], []
    for x in (coarse, fine):
        found = temperature.skin_temperature(x, rate)
        assert not found.lost.any()
        level, slope, share = temperature.level_and_slope(found, starts, starts + 10)
        np.testing.assert_array_equal(share, 1.0)
        levels.append(level)
        slopes.append(slope * 60)
    np.testing.assert_allclose(levels[1].min(), 301.2, atol=0.5)  # 28 to 40 degrees Celsius: it was warmed
    np.testing.assert_allclose(levels[1].max(), 313.1, atol=0.5)
    # a step of 8 bits is 0.37 K, and the two are not the same sensor
    assert np.abs(levels[0] - levels[1]).max() < 1.2
    assert np.corrcoef(levels[0], levels[1])[0, 1] > 0.998
    assert np.corrcoef(slopes[0], slopes[1])[0, 1] > 0.95
    found = features.compute("skt", Signal(data=fine[None], rate=rate, channels=("skt",), unit="K"))
    np.testing.assert_allclose(found.values[:, 1], slopes[1], rtol=1e-9)


@pytest.mark.parametrize("name", ["physio-3.9.1.acq", "physio-4.1.0.acq", "physio-5.0.1.acq"])
def test_a_minute_of_biopac(name: str) -> None:
    nk = pytest.importorskip("neurokit2")
    from mien.io.acq import open_acq

    acq = open_acq(asset(f"biopac/{name}"))

    def read(channel: str) -> tuple[np.ndarray, float, str]:
        source = acq.source(channel)
        return source.read(0.0, source.n_samples / source.rate)[0], source.rate, source.unit

    (ekg,) = [c for c in acq.channels if c.startswith("EKG")]
    (belt,) = [c for c in acq.channels if c.startswith("RESP")]
    (skin,) = [c for c in acq.channels if c.startswith("EDA - GSR")]
    x, rate, unit = read(ekg)
    assert (rate, unit) == (1000.0, "V")
    beats = cardiac.find_beats(x, rate, kind="ecg")
    # NeuroKit2 says 70: two of them, at 13.2 and 59.0 s, lie 0.3 s behind a beat, where there is none
    theirs = nk.ecg_findpeaks(nk.ecg_clean(x, sampling_rate=1000), sampling_rate=1000)["ECG_R_Peaks"] / 1000
    assert len(theirs) == 70
    assert len(beats.times) == 68
    gap = np.abs(theirs[:, None] - beats.times[None]).min(axis=1)
    np.testing.assert_allclose(theirs[gap > 0.1], [13.2, 59.0], atol=0.1)
    np.testing.assert_allclose(rate_of(beats), 67.4, atol=1.0)
    x, rate, _ = read(belt)
    assert rate == 3.90625
    assert 9 <= len(respiration.find_breaths(x, rate).peaks) <= 14  # three deep ones and what lies between
    x, rate, unit = read(skin)
    assert (rate, unit) == (2000.0, "S")
    parts = electrodermal.take_apart(x, rate)
    found = electrodermal.find_responses(parts)
    assert not parts.lost.any()
    # the two deep breaths that were marked before 20 s and at 33 s are followed by the largest ones
    assert 5 <= len(found.onsets) <= 7
    assert found.amplitudes.max() * 1e6 > 0.3
