"""The model that a run leaves behind, ready to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import models, train
from mien.core import Batch, InputError

Streams = tuple[str, ...]
Answer = Callable[[Batch, Streams], tuple[Streams, NDArray[np.floating]]]
"""From samples that have the same streams, and these, to the streams that were used and probabilities."""

_META = (
    *("model", "recipe", "config", "classes", "streams", "features", "axes", "normalise", "temperature"),
    *("n_trials", "n_subjects", "dataset"),
)
"""What ``model.json`` of a run must say."""


def open_checkpoint(run: Path) -> tuple[Answer, Mapping[str, Any], Mapping[str, Any]]:
    """The model under a run's ``checkpoints``, its arrays, and what ``model.json`` says of it.

    Raises
    ------
    InputError
        There is none, it lacks something, or weights and description do not fit.
    """
    folder = _checkpoint(run)
    state, meta = train.load_weights(folder)
    missing = [key for key in _META if key not in meta]
    if missing:
        raise InputError(
            f"lacks {', '.join(missing)}", file=folder / "model.json", remedy="run the study again"
        )
    make = _network if models.kind(meta["model"]) == "network" else _estimators
    return make(folder, state, meta), state, meta


def _checkpoint(run: Path) -> Path:
    if run.is_file():
        train.load_weights(run)  # says why a file, a pickle above all, is refused
    folders = sorted(p for p in (run / "checkpoints").glob("*") if p.is_dir())
    if not folders:
        raise InputError(
            "has no trained model under checkpoints",
            file=run,
            expected="a finished run whose model is a network, or an estimator with state_dict()",
            remedy="finish the run with: mien run STUDY.toml",
        )
    return folders[0]


def _network(folder: Path, state: Mapping[str, Any], meta: Mapping[str, Any]) -> Answer:
    network = models.create(meta["model"], recipe=meta["recipe"], **meta["config"])
    weights = {k.removeprefix("network/"): v for k, v in state.items() if k.startswith("network/")}
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    if {k: tuple(v.shape) for k, v in weights.items()} != shapes:
        raise _unfit(folder)
    network.load_state_dict(weights)
    network.eval()

    def answer(batch: Batch, have: Streams) -> tuple[Streams, NDArray[np.floating]]:
        temperature = meta["temperature"].get("+".join(have), 1.0)
        return have, train.predict(network, batch, streams=have, temperature=temperature)

    return answer


def _estimators(folder: Path, state: Mapping[str, Any], meta: Mapping[str, Any]) -> Answer:
    size = {s: int(np.prod([len(labels) for _, labels in meta["axes"][s]])) for s in meta["streams"]}
    arrays: dict[Streams, dict[str, NDArray[Any]]] = {}
    for key, value in state.items():
        kind, _, rest = key.partition("/")
        if kind == "estimator":
            name, _, array = rest.partition("/")
            arrays.setdefault(tuple(name.split("+")), {})[array] = np.asarray(value)
    fitted: dict[Streams, Any] = {}
    for streams, learnt in arrays.items():
        model = models.create(meta["model"], recipe=meta["recipe"], **meta["config"])
        try:
            fitted[streams] = model.load_state_dict(learnt, sizes={s: size[s] for s in streams})
        except (InputError, KeyError):
            raise _unfit(folder) from None
    if {s for streams in fitted for s in streams} != set(meta["streams"]):
        raise _unfit(folder)

    def answer(batch: Batch, have: Streams) -> tuple[Streams, NDArray[np.floating]]:
        streams = _nearest(list(fitted), have)
        inputs, present = ({s: of[s] for s in streams} for of in (batch.inputs, batch.present))
        probability = fitted[streams].predict_proba(replace(batch, inputs=inputs, present=present))
        return tuple(s for s in streams if s in have), probability

    return answer


def _nearest(fitted: Sequence[Streams], have: Streams) -> Streams:
    """The set of streams whose estimator is asked: the largest that is all there, else (what is absent counts
    as zero, which scaling makes the mean) the one with most streams there."""
    inside = [s for s in fitted if set(s) <= set(have)]
    return max(inside or fitted, key=lambda s: len(set(s) & set(have)))


def _unfit(folder: Path) -> InputError:
    return InputError(
        "does not fit the model that model.json describes",
        file=folder / "weights.safetensors",
        remedy="copy both from the same run",
    )
