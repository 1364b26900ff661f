"""Whole recordings with planted artefacts, the same from memory and from disk."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal

from _cleaning_recording import EXTRAS, Made, make
from mien.core import InputError, Signal, Span, Stream
from mien.signal.cleaning import (
    DEFAULT,
    ICA,
    BadChannels,
    BurstRepair,
    Cleaned,
    CleaningWarning,
    EyeRegression,
    HighPass,
    Interpolate,
    LowPass,
    Notch,
    Rereference,
    Resample,
    clean,
    clean_stream,
    run,
)

FILTERS = (HighPass(0.5), Notch(50.0), Resample(200.0))
"""Quicker than the default's high-pass of 0.1 Hz, whose kernel is 33 s long."""
PLAIN = (*FILTERS, Rereference(), LowPass(70.0))
"""What a recording goes through that is filtered and not cleaned; the truth goes through the same."""


@pytest.fixture(scope="module")
def made() -> Made:
    return make(11, seconds=45, n_bad=3, rate=250.0)


@pytest.fixture(scope="module")
def repaired(made: Made) -> Cleaned:
    """All steps but ICA, whose fit takes longest."""
    steps = [*FILTERS, *(s for s in DEFAULT[3:] if not isinstance(s, ICA))]
    return clean(made.raw, steps, extras=EXTRAS)


@pytest.fixture(scope="module")
def truth(made: Made) -> Signal:
    return clean(made.brain, PLAIN).signal


@pytest.fixture(scope="module")
def plain(made: Made) -> Signal:
    return clean(made.raw, PLAIN, extras=EXTRAS).signal


def agreement(a: Signal, b: Signal, *, seconds: float = 15.0) -> np.ndarray:
    """Correlation of each channel in each clip, (clips, channels)."""
    size = int(seconds * a.rate)
    x, y = (s.data[:, : a.n_times // size * size].reshape(len(s.channels), -1, size) for s in (a, b))
    x, y = (v - v.mean(axis=-1, keepdims=True) for v in (x, y))
    r = (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return np.asarray(r.T)


@dataclass(frozen=True)
class _Rows:
    """A source that gives what it has, and remembers how much it was asked for at once."""

    data: np.ndarray
    rate: float
    asked: list[int]

    def read(self, start: float, duration: float) -> np.ndarray:
        first, n = round(start * self.rate), round(duration * self.rate)
        self.asked.append(n)
        return self.data[:, first : first + n]


def stream(signal: Signal, rows: slice, *, name: str = "eeg", rate: float | None = None) -> Stream:
    rate = rate or signal.rate
    data = signal.data[rows]
    return Stream(
        name=name,
        modality="eeg",
        unit="V",
        rate=rate,
        channels=signal.channels[rows],
        span=Span(start=0.0, duration=data.shape[1] / rate),
        source=_Rows(data, rate, []),
    )


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_planted_bad_channels_are_found(seed: int) -> None:
    """Pooled over recordings by F1 in the slow test; here every one of nine."""
    made = make(seed, seconds=30, n_bad=3, rate=250.0)
    done = clean(made.raw, [HighPass(0.5), Notch(50.0), BadChannels()], extras=EXTRAS)
    assert set(done.record["bad"]) == made.bad


def test_blinks_at_the_forehead_are_no_bad_channels() -> None:
    made = make(7, seconds=30, rate=250.0, muscle=3.0)
    done = clean(made.raw, [HighPass(0.5), Notch(50.0), BadChannels()], extras=EXTRAS)
    assert done.record["bad"] == []
    entry = done.record["steps"][-1]
    assert (entry["percent"], entry["found"]["windows"]) == (0, 6)


def test_flat_channel_is_dead_and_its_reason_is_told() -> None:
    made = make(8, seconds=30, rate=250.0)
    data = made.raw.data.copy()
    data[made.raw.channels.index("PZ")] = 3e-4
    raw = Signal(data=data, rate=250.0, channels=made.raw.channels)
    done = clean(raw, [HighPass(0.5), Notch(50.0), BadChannels(), Interpolate()], extras=EXTRAS)
    assert done.record["steps"][2]["found"]["channels"] == {"PZ": ["dead"]}
    assert done.record["interpolated"] == ["PZ"]
    assert done.record["rank"] == 61


def test_a_recording_of_mostly_bad_channels_is_said_to_be_one() -> None:
    made = make(9, seconds=20, n_bad=20, rate=250.0)
    done = clean(made.raw, [HighPass(0.5), Notch(50.0), BadChannels()], extras=EXTRAS)
    assert "should not be used as it is" in done.record["steps"][-1]["notes"][0]


def test_repairs_bring_the_recording_nearer_to_the_brain(
    made: Made, repaired: Cleaned, truth: Signal, plain: Signal
) -> None:
    assert set(repaired.record["bad"]) == made.bad
    cleaned, before = agreement(repaired.signal, truth), agreement(plain, truth)
    assert (cleaned.mean(axis=1) > 0.9).all()
    assert (cleaned.mean(axis=1) > before.mean(axis=1)).all()
    front = [
        truth.channels.index(name) for name in ("FP1", "FPZ", "FP2", "AF3", "AF4") if name not in made.bad
    ]
    assert before[:, front].mean() < 0.8 < 0.9 < cleaned[:, front].mean()


def test_bursts_go_where_they_were_and_little_else_changes(made: Made) -> None:
    """In the planted bursts, above 20 Hz at the temples; other times stay as they were."""
    steps = [*FILTERS, BadChannels(), Interpolate(), Rereference()]
    before = clean(made.raw, steps, extras=EXTRAS).signal
    done = clean(before, [BurstRepair()])
    truth = clean(made.brain, [*FILTERS, Rereference()]).signal
    planted = np.abs(made.artefacts["left"]) + np.abs(made.artefacts["right"])
    during = np.interp(np.arange(before.n_times) / 200, np.arange(len(planted)) / 250, planted) > 2  # µV
    fast = scipy.signal.butter(4, 22, "highpass", fs=200.0, output="sos")
    x, y, z = (
        scipy.signal.sosfiltfilt(fast, s.data, axis=1)[:, during] for s in (before, done.signal, truth)
    )
    temples = [truth.channels.index(n) for n in ("T7", "T8", "FT7", "FT8") if n not in made.bad]
    error_before, error_after = (((v - z)[temples] ** 2).sum() for v in (x, y))
    assert error_after < 0.15 * error_before
    starts = done.arrays["burst_repair.burst_starts"]
    touched = np.zeros(before.n_times, dtype=bool)
    for start in starts:
        touched[round(start * 200) : round(start * 200) + 100] = True
    assert (done.signal.data[:, ~touched] == before.data[:, ~touched]).all()
    assert touched[during].mean() > 0.9
    assert done.record["steps"][0]["percent"] == pytest.approx(100 * touched.mean(), abs=0.01)


def test_bursts_are_not_looked_for_where_muscle_cannot_be_seen() -> None:
    x = np.random.default_rng(0).standard_normal((2, 2000))
    raw = Signal(data=x, rate=125.0, channels=("CZ", "PZ"))
    done = clean(raw, [BurstRepair()])
    assert "end below 70 Hz" in done.record["steps"][0]["notes"][0]
    assert np.allclose(done.signal.data, x, rtol=1e-6)  # float32


def test_eye_regression_finds_the_shares_that_were_planted() -> None:
    """Brain that no eye channel sees, eyes with known shares: the least squares give them back."""
    rng = np.random.default_rng(0)
    rate, n = 200.0, 24_000
    look = np.repeat(rng.laplace(0, 15, n // 100), 100)
    blink = np.zeros(n)
    for start in range(500, n - 200, 700):
        blink[start : start + 60] = 300 * np.sin(np.pi * np.arange(60) / 60)
    channels = ("FP1", "FZ", "CZ", "OZ")
    of_look, of_blink = np.array([0.5, 0.3, 0.1, 0.0]), np.array([0.8, 0.2, 0.05, 0.0])
    brain = 10 * rng.standard_normal((4, n))
    raw = Signal(
        data=1e-6 * np.vstack([brain + of_look[:, None] * look + of_blink[:, None] * blink, look + blink]),
        rate=rate,
        channels=(*channels, "VEO"),
    )
    done = clean(raw, [EyeRegression()], extras=["VEO"])
    shares = done.arrays["eye_regression.shares"]
    # 24,000 samples of white brain of 10 µV against eyes of 20 µV and more: standard errors near 0.004
    assert np.abs(shares - np.stack([of_look, of_blink], axis=1)).max() < 0.03
    assert done.record["steps"][0]["found"]["blinks"] == len(range(500, n - 200, 700))
    left = done.signal.data * 1e6 - brain
    assert left.std() < 0.2 * (raw.data[:4] * 1e6 - brain).std()  # edges of saccades above 15 Hz stay


def test_where_the_eyes_look_during_a_blink_stays_a_movement() -> None:
    """A blink on top of a look aside, of another share: the look is no blink, neither spoils the other."""
    rate, n = 200.0, 24_000
    look = np.where(np.arange(n) // 900 % 2, 80.0, -80.0)
    blink = np.zeros(n)
    for start in range(300, n - 200, 450):
        blink[start : start + 60] = 250 * np.sin(np.pi * np.arange(60) / 60)
    eeg = 1e-6 * (0.3 * look + 0.8 * blink)
    raw = Signal(data=np.stack([eeg, 1e-6 * (look + blink)]), rate=rate, channels=("FPZ", "VEO"))
    done = clean(raw, [EyeRegression()], extras=["VEO"])
    assert done.record["steps"][0]["found"]["blinks"] == len(range(300, n - 200, 450))
    # no noise: what is left are the blinks' feet under the line, a hundredth of their height
    assert np.abs(done.arrays["eye_regression.shares"] - [[0.3, 0.8]]).max() < 0.01


def test_without_eye_channels_nothing_is_regressed() -> None:
    x = np.random.default_rng(0).standard_normal((2, 2000))
    done = clean(Signal(data=x, rate=125.0, channels=("CZ", "PZ")), [EyeRegression()])
    assert "no eye channel" in done.record["steps"][0]["notes"][0]
    assert np.allclose(done.signal.data, x, rtol=1e-6)  # float32


def test_stream_gives_the_same_as_memory_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHAIN_SECONDS", 20.0)
    made = make(12, seconds=45, n_bad=2, rate=250.0)
    steps = [*FILTERS, BadChannels(), Interpolate(), Rereference(), EyeRegression(), LowPass(70.0)]
    eeg, eyes = stream(made.raw, slice(0, 62)), stream(made.raw, slice(65, 67), name="eog")
    done = clean_stream(eeg, steps, out=tmp_path / "a" / "eeg.npy", extras=[eyes])
    whole = clean(made.raw, steps, extras=EXTRAS)
    others = clean(
        Signal(data=made.raw.data[:62], rate=250.0, channels=made.raw.channels[:62]),
        steps,
        extras=Signal(data=made.raw.data[65:], rate=250.0, channels=made.raw.channels[65:]),
    )
    assert (done.signal.data == others.signal.data).all()
    assert done.record == others.record
    assert done.signal.channels == whole.signal.channels
    # mastoids are filtered alongside and change nothing
    assert np.allclose(done.signal.data, whole.signal.data, atol=1e-12)
    assert isinstance(done.signal.data, np.memmap)
    assert not done.signal.data.flags.writeable
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["eeg.npy"]
    # 20 s and what the kernels reach (7 s in front and behind), never all 45 s
    assert max(eeg.source.asked) < 35 * 250  # type: ignore[attr-defined]


def test_a_stream_that_fails_leaves_no_file(tmp_path: Path) -> None:
    made = make(12, seconds=20, rate=250.0)
    data = made.raw.data.copy()
    data[3, 4000] = np.inf
    broken = stream(Signal(data=data, rate=250.0, channels=made.raw.channels), slice(0, 62))
    with pytest.raises(InputError, match="AF3 hold samples that are not numbers"):
        clean_stream(broken, FILTERS, out=tmp_path / "eeg.npy")
    assert list(tmp_path.iterdir()) == []
    slow = stream(made.raw, slice(65, 67), name="eog", rate=125.0)
    with pytest.raises(InputError, match="stream 'eog' has 125 Hz; expected 250 Hz"):
        clean_stream(stream(made.raw, slice(0, 62)), FILTERS, out=tmp_path / "eeg.npy", extras=slow)


# -- ICA: on a few channels and short, so that it takes seconds ----------------------------------------------

CAP = (
    *(
        "FP1",
        "FPZ",
        "FP2",
        "F7",
        "F3",
        "FZ",
        "F4",
        "F8",
        "T7",
        "C3",
        "CZ",
        "C4",
        "T8",
        "P7",
        "P3",
        "PZ",
        "P4",
    ),
    *("P8", "O1", "OZ", "O2"),
)


@pytest.fixture(scope="module")
def small() -> tuple[Signal, Signal, np.ndarray]:
    """21 channels at 250 Hz, filtered and referenced; the brain in them; the course of the blinks."""
    made = make(21, seconds=40, rate=250.0, muscle=0.0, looks=0.0)
    rows = [made.raw.channels.index(name) for name in (*CAP, *EXTRAS)]
    raw = Signal(data=made.raw.data[rows], rate=250.0, channels=(*CAP, *EXTRAS))
    brain = Signal(data=made.brain.data[rows[:-5]], rate=250.0, channels=CAP)
    steps = [HighPass(0.5), Notch(50.0), Rereference()]
    return (
        clean(raw, steps, extras=EXTRAS).signal,
        clean(brain, steps).signal,
        scipy.signal.detrend(made.artefacts["blink"]),
    )


def run_ica(signal: Signal, **parameters: Any) -> Cleaned:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CleaningWarning)
        return clean(signal, [Rereference(), ICA(**parameters)])


def test_ica_takes_blinks_off(small: tuple[Signal, Signal, np.ndarray]) -> None:
    signal, brain, blinks = small
    done = run_ica(signal)
    entry = done.record["steps"][-1]
    parts = entry["found"]["components"]
    assert [c["label"] for c in parts if c["removed"]].count("eye") >= 1
    assert len(parts) == entry["found"]["n_components"] == 20  # 21 channels, average reference
    assert entry["rank"] == 20 - len(entry["found"]["removed"])
    seen = [abs(np.corrcoef(row, blinks)[0, 1]) for row in (signal.data[1], done.signal.data[1])]
    assert seen[0] > 0.4
    assert seen[1] < 0.15
    assert agreement(done.signal, brain).mean() > agreement(signal, brain).mean()
    during = blinks > 30  # µV; what is wrong at the forehead then is the blink
    wrong = [((s.data - brain.data)[:3, during] ** 2).sum() for s in (signal, done.signal)]
    assert wrong[1] < 0.15 * wrong[0]
    # power is taken off where the blinks were
    assert 5 < entry["percent"] < 60
    assert sum(c["variance_percent"] for c in parts) == pytest.approx(
        100, abs=25
    )  # components overlap a little
    assert done.arrays["ica.maps"].shape == (20, 21)
    assert np.allclose(done.arrays["ica.probabilities"].sum(axis=1), 1, atol=1e-5)


def test_same_seed_same_components(small: tuple[Signal, Signal, np.ndarray]) -> None:
    quick = {"fit_seconds": 10, "max_iterations": 2, "components": 5}
    a, b, c = (run_ica(small[0], seed=seed, **quick) for seed in (0, 0, 1))
    assert (a.signal.data == b.signal.data).all()
    assert a.record == b.record
    assert not np.array_equal(a.arrays["ica.maps"], c.arrays["ica.maps"])


def test_nothing_to_remove_changes_nothing(small: tuple[Signal, Signal, np.ndarray]) -> None:
    done = run_ica(small[0], remove={}, fit_seconds=10, max_iterations=2, components=5)
    assert done.record["steps"][-1]["found"]["n_components"] == 5
    assert np.allclose(done.signal.data, small[0].data, atol=1e-11)
    entry = done.record["steps"][-1]
    assert entry["found"]["removed"] == []
    assert entry["percent"] == pytest.approx(0, abs=1e-6)


def test_outside_its_domain_ica_says_so(small: tuple[Signal, Signal, np.ndarray]) -> None:
    done: list[Cleaned] = []
    steps = [LowPass(40.0), ICA(fit_seconds=10, remove={"eye": 0.8}, fit_high_pass=2.0, max_iterations=2)]
    with pytest.warns(CleaningWarning) as caught:
        done.append(clean(small[0], steps))
    said = " / ".join(str(w.message) for w in caught)
    for words in (
        "data end at 40 Hz",
        "average reference",
        "above 1 Hz",
        "did not converge",
        "20 samples per weight",
    ):
        assert words in said
    assert len(done[0].record["steps"][-1]["notes"]) == 5


def test_a_measurement_can_speak_against_a_label() -> None:
    probability = np.zeros((5, 7))
    probability[0, 2] = probability[1, 2] = 0.9  # eye
    probability[2, 1] = probability[3, 1] = 0.95  # muscle
    probability[4, 0] = 1.0  # brain, but it follows the eye channel
    follows = {"eye": np.array([0.5, 0.01, 0, 0, 0.9])}
    tilt = np.array([0, 0, -2.0, -30.0, 0])
    removed, why = ICA()._choose(probability, follows, tilt)
    assert removed == (0, 2, 4)
    assert why[1] == "eye 0.90, but r = 0.01 with the eye channel"
    assert why[3] == "muscle 0.95, but -30 dB at 55-85 Hz"
    assert why[4] == "follows the eye channel, r = 0.90"
    assert ICA(confirm=False)._choose(probability, follows, tilt)[0] == (0, 1, 2, 3, 4)
    assert ICA()._choose(probability, {}, None)[0] == (0, 1, 2, 3)


def test_ica_of_one_channel_is_refused() -> None:
    one = Signal(data=np.random.default_rng(0).standard_normal((1, 4000)), rate=200.0, channels=("CZ",))
    with pytest.raises(InputError, match="rank 0; expected two independent channels"):
        run_ica(one)


def test_saved_record_can_be_read(repaired: Cleaned, tmp_path: Path) -> None:
    repaired.save(tmp_path / "rec")
    assert json.loads((tmp_path / "rec" / "cleaning.json").read_text("utf-8")) == repaired.record
    with np.load(tmp_path / "rec" / "cleaning.npz") as file:
        assert set(file.files) == set(repaired.arrays)
    assert sorted(p.name for p in (tmp_path / "rec").iterdir()) == ["cleaning.json", "cleaning.npz"]


# -- minutes -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_bad_channels_over_many_recordings() -> None:
    hits = planted = found = 0
    for seed in range(200, 220):
        made = make(seed, seconds=30, n_bad=seed % 6, rate=250.0)
        bad = set(clean(made.raw, [HighPass(0.5), Notch(50.0), BadChannels()], extras=EXTRAS).record["bad"])
        hits, planted, found = hits + len(bad & made.bad), planted + len(made.bad), found + len(bad)
    assert 2 * hits / (planted + found) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", [31, 32])
def test_the_default_steps_bring_back_the_brain(seed: int) -> None:
    made = make(seed, seconds=180, n_bad=2)
    truth, plain = clean(made.brain, PLAIN).signal, clean(made.raw, PLAIN, extras=EXTRAS).signal
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CleaningWarning)
        done = clean(made.raw, extras=EXTRAS)
    cleaned, before = (agreement(s, truth).mean(axis=1) for s in (done.signal, plain))
    assert cleaned.min() >= 0.9
    assert (cleaned > before).mean() >= 0.95
