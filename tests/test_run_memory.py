"""A table larger than memory: rows are read when they are needed, and the numbers are the same."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mien import models, train
from mien.batches import Table, fit_scaler, make_batch, pair, rows, scale
from mien.batches.rows import ScaledRows
from mien.core import Features, InputError, Label, Sample, Span, Trial
from mien.run import dropped
from mien.run.packed import load_table, on_disk, save_table
from mien.train import _data, _loop

WORDS = ("low", "high")
TRIALS, WINDOWS, SHAPE = 60, 10, (4, 16, 192)
"""600 samples of 49 kB each: 29 MB."""
WIDTH = int(np.prod(SHAPE))
WHOLE = TRIALS * WINDOWS * WIDTH * 4
MB = 2**20


def tokens(values: np.ndarray) -> Features:
    return Features(
        values=values,
        axes={
            "window": (),
            **{
                name: tuple(map(str, range(n)))
                for name, n in zip(("instance", "token", "value"), SHAPE, strict=True)
            },
        },
        starts=3.0 * np.arange(WINDOWS),
        durations=np.full(WINDOWS, 3.0),
        extractor="face_tokens",
        version="1",
        valid=np.ones(WINDOWS, dtype=bool),
    )


class OnDisk(Mapping[tuple[str, str], Features]):
    """Features of trials as the store gives them: memory maps, opened when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.paths = {}
        for i in range(TRIALS):
            rng = np.random.default_rng(i)
            values = rng.standard_normal((WINDOWS, *SHAPE)).astype(np.float32)
            values[0, 1] = np.nan  # a face that was not found
            self.paths["face_tokens", f"t{i}"] = folder / f"{i}.npy"
            np.save(folder / f"{i}.npy", values)

    def __getitem__(self, key: tuple[str, str]) -> Features:
        return tokens(np.load(self.paths[key], mmap_mode="r"))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def trial(i: int) -> Trial:
    return Trial(
        id=f"t{i}",
        recording="r",
        subject=str(i % 3),
        session="1",
        stimulus=f"c{i}",
        span=Span(start=0.0, duration=3.0 * WINDOWS),
        labels={"emotion": Label(value=WORDS[i % 2], scale=WORDS, rater="self")},
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> OnDisk:
    return OnDisk(tmp_path_factory.mktemp("store"))


def paired(stored: OnDisk, folder: Path | None) -> Table:
    allocate = None if folder is None else on_disk(folder)
    trials = [trial(i) for i in range(TRIALS)]
    return pair(stored, trials, streams=["face_tokens"], classes=WORDS, allocate=allocate)[0]


def test_a_table_on_disk_is_the_one_in_memory(
    stored: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, table = paired(stored, None), paired(stored, tmp_path)
    assert isinstance(table.inputs["face_tokens"], np.memmap)
    saved: list[str] = []
    save = np.save

    def told(file: Path, array: np.ndarray, **options: bool) -> None:
        saved.append(file.name)
        save(file, array, **options)

    monkeypatch.setattr(np, "save", told)
    save_table(tmp_path, table)
    assert sorted(saved) == ["intensity.npy", "present.face_tokens.npy"]  # the rest was there
    for found in (table, load_table(tmp_path)):
        np.testing.assert_array_equal(found.inputs["face_tokens"], whole.inputs["face_tokens"])
        np.testing.assert_array_equal(found.present["face_tokens"], whole.present["face_tokens"])
        assert found.samples == whole.samples


def test_a_table_that_does_not_fit_on_the_disk(
    stored: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(InputError, match=r"face_tokens of 600 samples takes 0\.0295 GB; 0\.001 GB are"):
        paired(stored, tmp_path)
    assert not list(tmp_path.glob("*.npy"))


@pytest.mark.parametrize("mode", ["train", "subject"])
def test_rows_scaled_when_they_are_read_are_the_same_rows(
    stored: OnDisk, mode: scale.Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = paired(stored, None)
    chosen = np.random.default_rng(0).permutation(len(table))[:50]
    scaler = fit_scaler(table, np.arange(len(table)), mode=mode)
    now = make_batch(table, chosen, scaler=scaler, streams=["face_tokens"]).inputs["face_tokens"]
    monkeypatch.setattr(rows, "IN_MEMORY", 0)
    later = make_batch(table, chosen, scaler=scaler, streams=["face_tokens"]).inputs["face_tokens"]
    assert isinstance(now, np.ndarray)
    assert isinstance(later, ScaledRows)
    assert (later.shape, later.size, later.nbytes, len(later)) == (now.shape, now.size, now.nbytes, 50)
    for index in (3, -1, slice(4, 9), np.array([7, 7, 2]), slice(0, 0), now[:, 0] > 0):
        np.testing.assert_array_equal(later[index], now[index])
    np.testing.assert_array_equal(np.asarray(later), now)
    assert np.asarray(later, np.float64).dtype == np.float64


@pytest.mark.parametrize("mode", ["train", "subject"])
def test_constants_do_not_depend_on_how_many_rows_are_read_at_a_time(
    stored: OnDisk, mode: scale.Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = paired(stored, None)
    found = []
    for block in (WHOLE, 7 * WIDTH * 4, 1):
        monkeypatch.setattr(scale, "BLOCK", block)
        found.append(fit_scaler(table, np.arange(5, 200), mode=mode).to_arrays())
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, values in other.items():
            # sums in float64, in another order, given in float32
            np.testing.assert_allclose(values, found[0][name], rtol=2e-7, atol=1e-9)


def test_what_is_missing_does_not_depend_on_how_many_rows_are_read_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.zeros((7, 6), np.float32)
    values[1, :3], values[4, 2], values[6] = np.nan, np.inf, np.nan
    for block in (1, 12, 1000):
        monkeypatch.setattr(dropped, "_BLOCK", block)
        assert dropped._holes(values, 0).tolist() == [0, 3, 0, 0, 1, 0, 6]
        assert dropped._holes(values, 2).tolist() == [0, 1, 0, 0, 0, 0, 2]
    assert dropped._holes(values[:0], 0).tolist() == []


def fitted(table: Table, part: int, folder: Path) -> np.ndarray:
    """All that a fit does, on one of so many samples; probabilities of those it was not fitted on."""
    for mode in ("subject", "train"):
        scaler = fit_scaler(table, np.arange(0, len(table), part), mode=mode)
    learn, choose = (
        make_batch(table, np.arange(a, b, part), scaler=scaler, streams=["face_tokens"])
        for a, b in ((0, 500), (500, 600))
    )
    network = models.create("milmer", shapes={"face_tokens": SHAPE}, n_classes=2)
    config = train.TrainConfig(epochs=1, batch_size=16, device="cpu")
    train.fit(network, learn, choose, config, checkpoint=folder / "kept")
    assert train.coupling(network, choose, n_samples=2) < 1e-5  # rounding
    return train.predict(network, choose)


def test_a_study_never_holds_the_whole_table(
    stored: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limits lowered to 1 MB, a copy of the table anywhere would show.

    numpy's arrays are counted; memory maps and torch's own tensors are not. One fit goes before, for what
    torch imports when it is first used.
    """
    limits = {
        rows: ["IN_MEMORY"],
        scale: ["BLOCK"],
        _data: ["IN_MEMORY", "AT_ONCE"],
        _loop: ["HASHED_AT_ONCE"],
    }
    for module, names in limits.items():
        for name in names:
            monkeypatch.setattr(module, name, MB)
    monkeypatch.setattr(dropped, "_BLOCK", MB // 4)
    fitted(paired(stored, tmp_path / "first"), 40, tmp_path)
    tracemalloc.start()
    try:
        save_table(tmp_path, paired(stored, tmp_path))
        table = load_table(tmp_path)
        assert sum(d["count"] for d in dropped.filled_values(table)) == TRIALS
        assert np.isfinite(fitted(table, 1, tmp_path)).all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < WHOLE / 2


def test_a_batch_is_predicted_a_few_samples_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many the caller allows; numbers differ by rounding alone."""
    network = models.create("milmer", shapes={"face_tokens": SHAPE}, n_classes=2)
    values = np.random.default_rng(0).standard_normal((9, WIDTH)).astype(np.float32)
    samples = tuple(Sample(id=f"s{i}", trial="t", subject="1", session="1", stimulus="c") for i in range(9))
    table = Table(
        samples=samples,
        inputs={"face_tokens": values},
        present={"face_tokens": np.ones(9, bool)},
        axes={"face_tokens": {name: tuple(map(str, range(n))) for name, n in zip("abc", SHAPE, strict=True)}},
        intensity=np.full(9, np.nan),
    )
    scaler = fit_scaler(table, np.arange(9), mode="train")
    batch = make_batch(table, np.arange(9), scaler=scaler, streams=["face_tokens"])
    whole = train.predict(network, batch)
    seen: list[int] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0]["face_tokens"])))
    monkeypatch.setattr(_data, "AT_ONCE", 4 * WIDTH * 4)
    np.testing.assert_allclose(train.predict(network, batch), whole, atol=1e-6)  # float32, other blocking
    assert seen == [4, 4, 1]
