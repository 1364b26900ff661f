"""What the estimators share: one table from a batch, sample weights, and a folder to be kept in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.core import Batch, InputError, write_whole

WEIGHTS, META = "weights.safetensors", "model.json"


def sample_weights(
    label: NDArray[np.int64], weight: NDArray[np.floating], *, balanced: bool
) -> NDArray[np.float64]:
    """Weights of labelled samples with mean 1; ``balanced``: those of each class sum to the same."""
    w = np.asarray(weight, np.float64).copy()
    if balanced:
        total = np.bincount(label, weights=w)
        w /= np.where(total > 0, total, 1.0)[label]
    return w * (len(w) / w.sum())


class Estimator:
    """Base of the models that are fitted in one call.

    A subclass fills ``_fit`` and ``_proba`` and keeps what it learnt in ``self._state``, a mapping from name
    to array. Streams are flattened and put side by side, in the order of the batch that was fitted; rows of
    absent streams are zeros.
    """

    kind = "estimator"

    def __init__(self, **config: Any) -> None:
        self.config: dict[str, Any] = config
        self._state: dict[str, NDArray[Any]] = {}
        self.sizes: dict[str, int] = {}
        if config["n_classes"] < 1:
            raise InputError(f"n_classes = {config['n_classes']}", expected="at least 1")

    def _fit(self, x: NDArray[np.float32], y: NDArray[np.int64], w: NDArray[np.float64]) -> None:
        raise NotImplementedError

    def _proba(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        raise NotImplementedError

    @property
    def n_parameters(self) -> int:
        """How many numbers were learnt."""
        return sum(array.size for array in self._state.values())

    def _table(self, batch: Batch) -> NDArray[np.float32]:
        columns = []
        for name, size in self.sizes.items():
            if name not in batch.inputs:
                raise InputError(f"the batch has no stream {name!r}", expected=f"streams {list(self.sizes)}")
            block = np.asarray(batch.inputs[name], np.float32).reshape(len(batch), -1)
            if block.shape[1] != size:
                raise InputError(f"stream {name!r}: {block.shape[1]} values a sample", expected=f"{size}")
            absent = ~batch.present[name]
            columns.append(np.where(absent[:, None], np.float32(0), block) if absent.any() else block)
        return np.concatenate(columns, 1)

    def fit(self, batch: Batch) -> Self:
        """Learn from the labelled samples of a batch, each weighted by ``batch.weight``.

        Raises
        ------
        InputError
            If there is no labelled sample with a weight, a label is not below ``n_classes``, or a value is
            not finite.
        """
        known = (batch.label >= 0) & (batch.weight > 0)
        if not known.any() or not batch.inputs:
            raise InputError("nothing to fit on", expected="a labelled sample with a weight, and a stream")
        n_classes = self.config["n_classes"]
        if batch.label.max() >= n_classes:
            raise InputError(f"label {batch.label.max()}", expected=f"labels below {n_classes}")
        self.sizes = {name: int(np.prod(a.shape[1:])) for name, a in batch.inputs.items()}
        x = self._table(batch)[known]
        if not np.isfinite(x).all():
            raise InputError("a training value is NaN or infinite", remedy="leave such samples out")
        y = batch.label[known]
        balanced = self.config.get("class_weights", "none") == "balanced"
        self._fit(x, y, sample_weights(y, batch.weight[known], balanced=balanced))
        return self

    def predict_proba(self, batch: Batch) -> NDArray[np.float32]:
        """Class probabilities (samples, n_classes), rows summing to 1; 0 for classes never seen."""
        if not self._state:
            raise InputError("this model has not been fitted", remedy="call fit first")
        return np.asarray(self._proba(self._table(batch)), np.float32)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """What was learnt, as arrays by name."""
        return dict(self._state)

    def load_state_dict(self, state: Mapping[str, NDArray[Any]], *, sizes: Mapping[str, int]) -> Self:
        """Take over what another of the same options learnt.

        Parameters
        ----------
        state
            As :meth:`state_dict` gives it.
        sizes
            Stream to values a sample, in the order of the batch that was fitted.

        Raises
        ------
        InputError
            If nothing of this kind and size can be told from it.
        """
        try:
            self._state, self.sizes = dict(state), {name: int(size) for name, size in sizes.items()}
            answer = self._proba(np.zeros((1, sum(self.sizes.values())), np.float32))
            fits = answer.shape == (1, self.config["n_classes"]) and bool(np.isfinite(answer).all())
        except (KeyError, ValueError, IndexError, TypeError):
            fits = False
        if not fits:
            raise InputError("what was learnt does not fit the model and its streams")
        return self

    def save(self, folder: str | Path) -> Path:
        """Write ``weights.safetensors`` and ``model.json``; the same model gives the same bytes."""
        from safetensors.numpy import save

        if not self._state:
            raise InputError("this model has not been fitted", remedy="call fit first")
        folder = Path(folder)
        meta = {"model": type(self).__module__.rpartition(".")[2], "config": self.config}
        text = json.dumps(meta | {"streams": list(self.sizes.items())}, indent=2, sort_keys=True) + "\n"
        arrays = {name: np.ascontiguousarray(array) for name, array in self._state.items()}
        for name, content in ((WEIGHTS, save(arrays)), (META, text.encode())):
            write_whole(folder / name, content)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If a file is missing or damaged, or belongs to another model.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        folder = Path(folder)
        try:
            meta: Mapping[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
            state = load((folder / WEIGHTS).read_bytes())
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", file=error.filename) from None
        except (ValueError, SafetensorError) as error:
            raise InputError(
                f"damaged ({error})", file=folder, remedy="copy it again, or fit again"
            ) from None
        if meta.get("model") != cls.__module__.rpartition(".")[2]:
            raise InputError(f"holds the model {meta.get('model')!r}", file=folder)
        return cls(**meta["config"]).load_state_dict(state, sizes=dict(meta["streams"]))


def example_batch() -> Batch:
    """Forty made-up samples of seven classes that differ in their means; some lack a stream."""
    rng = np.random.default_rng(0)
    n, sizes = 40, {"eeg": 10, "eye": 6}
    label = np.arange(n, dtype=np.int64) % 7
    present = {name: np.ones(n, bool) for name in sizes}
    present["eye"][::9] = False
    inputs = {
        name: (
            (rng.standard_normal((7, size))[label] + rng.standard_normal((n, size))) * present[name][:, None]
        ).astype(np.float32)
        for name, size in sizes.items()
    }
    return Batch(
        ids=tuple(f"sample{i}" for i in range(n)),
        inputs=inputs,
        present=present,
        label=label,
        domain=np.full(n, -1, np.int64),
        weight=np.ones(n, np.float32),
    )
