"""What a network did with bags of instances: weights, choice, and some examples with their pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.batches import Table
from mien.core import Batch, Recording, Sample, Split
from mien.run.extract import FeatureSpec, extract, settle
from mien.run.files import write_npz
from mien.run.store import Store

PER_CLASS = 2
"""Examples of each class."""
MOST = 8
"""Examples in all."""
SIDE = 96
"""Largest height and width of a picture that is kept."""
AT_ONCE = 1 << 22
"""Input values that go through a network together."""
CROPS = "face_crops"
KEPT = "bags.npz"
Rows = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]


def bag_of(table: Table) -> str | None:
    """The stream whose samples are bags, each of one window: it has an axis ``instance``; or None."""
    found = (s for s, axes in table.axes.items() if "instance" in axes and "window" not in axes)
    return next(found, None)


def watched(table: Table, subsets: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The set of streams with which bags are looked at: the largest that has them, the first of several."""
    bag = bag_of(table)
    return max((s for s in subsets if bag in s), key=len, default=None)


def examples(table: Table, splits: Sequence[Split]) -> Rows:
    """Rows of the samples that are shown: at most two of each class, chosen before anything is predicted.

    Of the tested samples that have a bag and a label, in the order of the BLAKE2b of their ids, the first of
    each class, and the first after it that is of another subject (or else the next); then no more than
    :data:`MOST`, one of each class before a second of any.
    """
    bag = bag_of(table)
    tested = table.rows(sorted({name for split in splits for name in split.test}))
    if bag is None or not len(tested):
        return np.empty(0, dtype=np.int64)
    tested = tested[table.present[bag][tested] & (table.labels[tested] >= 0)]
    order: list[int] = sorted(tested.tolist(), key=lambda row: _digest(table.samples[row].id))
    rounds: list[list[int]] = [[] for _ in range(PER_CLASS)]
    for number in np.unique(table.labels[tested]):
        left = [row for row in order if table.labels[row] == number]
        seen: set[str] = set()
        for chosen in rounds[: len(left)]:
            row = next((r for r in left if table.samples[r].subject not in seen), left[0])
            left.remove(row)
            seen.add(table.samples[row].subject)
            chosen.append(row)
    most = [row for chosen in rounds for row in chosen][:MOST]
    return np.array(sorted(most, key=lambda row: (table.labels[row], order.index(row))), dtype=np.int64)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def blocks(batch: Batch, rows: Rows | None = None) -> Iterator[Rows]:
    """Positions of samples of a batch (default all), a few at a time, however large they are."""
    rows = np.arange(len(batch)) if rows is None else rows
    each = sum(values[0].size for values in batch.inputs.values()) if len(batch) else 1
    step = int(np.clip(AT_ONCE // max(each, 1), 1, 256))
    return (rows[first : first + step] for first in range(0, len(rows), step))


def look(network: Any, batch: Batch, *, streams: Sequence[str], bag: str) -> Arrays:
    """What a network says of the instances of every sample of a batch, given some of its streams.

    Returns
    -------
    dict
        ``bag/attention`` (samples, instances) and ``bag/selected`` (samples, k), as of the network's answer,
        0 and -1 for samples without a bag, and the streams as ``bag/modalities``; empty if no sample has a
        bag or the network tells no attention.
    """
    import torch

    was = network.training
    network.eval()
    device = next(network.parameters()).device
    here = np.flatnonzero(batch.present[bag])
    found: dict[str, list[NDArray[Any]]] = {"attention": [], "selected": []}
    with torch.inference_mode():
        for part in blocks(batch, here):
            answer = network(
                {s: torch.tensor(batch.inputs[s][part], device=device) for s in streams},
                {s: torch.tensor(batch.present[s][part], device=device) for s in streams},
            )
            for name, parts in found.items():
                if (values := getattr(answer, name, None)) is not None:
                    parts.append(values.cpu().numpy())
    network.train(was)
    out: Arrays = {}
    for name, parts in found.items():
        if parts:
            values = np.concatenate(parts)
            whole = np.full((len(batch), values.shape[1]), -1 if name == "selected" else 0, values.dtype)
            whole[here] = values
            out[f"bag/{name}"] = whole
    return out | {"bag/modalities": np.array("+".join(streams))} if "bag/attention" in out else {}


def bag_of_fit(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """What :func:`write_bags` takes, of the arrays of a fit; empty where it looked at no bag."""
    if "bag/attention" not in arrays:
        return {}
    name = str(arrays["bag/modalities"])
    out = {
        key: arrays[f"bag/{key}"] for key in ("attention", "selected", "modalities") if f"bag/{key}" in arrays
    }
    return out | {key: arrays[f"{key}/{name}"] for key in ("rows", "probability")}


def keep(
    work: Path,
    *,
    table: Table,
    splits: Sequence[Split],
    specs: Sequence[FeatureSpec],
    recordings: Sequence[Recording],
    store: Store,
    truth: Mapping[str, Any] | None,
    faces: bool,
) -> None:
    """Write what the fits do not see into a run's ``.work``: nothing for a table without bags.

    Pictures show people. They are kept where the data are made up (there is a ``truth``) or where the study
    asks for ``faces``.

    Parameters
    ----------
    work
        The folder.
    table, splits
        Of the study; ``splits`` are the folds of its first protocol and seed.
    specs, recordings, store
        What the features were made by and from, and where they are.
    truth
        ``truth.json`` of a made-up data set.
    faces
        Whether pictures of people may be kept.
    """
    bag = bag_of(table)
    if bag is None:
        return
    rows = examples(table, splits)
    out: Arrays = {"rows": rows}
    if truth is not None and (shown := _shown(table, bag, recordings, truth)) is not None:
        out["shown"] = shown
    spec = _pictures(next(s for s in settle(specs, recordings) if s.modality == bag))
    allowed = truth is not None or faces
    found = _crops(table, rows, spec, recordings, store) if spec is not None and allowed else None
    if found is not None:
        out["crops"] = found
    out["pictures"] = np.array("kept" if found is not None else "none" if allowed else "withheld")
    write_npz(work / KEPT, out)


def _pictures(spec: FeatureSpec | None) -> FeatureSpec | None:
    """The pictures that features are made of, or are."""
    while spec is not None and spec.name != CROPS:
        spec = spec.upstream
    return spec


def _crops(
    table: Table, rows: Rows, spec: FeatureSpec, recordings: Sequence[Recording], store: Store
) -> NDArray[np.uint8] | None:
    """uint8 (rows, instances, 3, height, width), zeros where there is none; None without any."""
    trials = {_of(table.samples[row]) for row in rows}
    own = [
        replace(r, trials=tuple(t for t in r.trials if t.id in trials))
        for r in recordings
        if any(t.id in trials for t in r.trials)
    ]
    made = extract(own, [spec], store, on_fault=lambda *_: None)
    found = []
    for row in rows:
        sample = table.samples[row]
        features = made.get((spec.modality, _of(sample)))
        if features is None:
            return None
        at = 0 if sample.start is None else int(np.abs(features.starts - sample.start).argmin())
        found.append(_small(np.asarray(features.values[at])))
    return np.stack(found) if found else None


def _of(sample: Sample) -> str:
    """Id of what a sample's features were made of, as extraction names it."""
    return sample.event or sample.trial


def _small(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (instances, 3, height, width) of at most :data:`SIDE` pixels."""
    if max(images.shape[2:]) <= SIDE:
        return images
    import cv2

    size = tuple(max(1, round(n * SIDE / max(images.shape[2:]))) for n in images.shape[:1:-1])
    shrunk = [cv2.resize(i.transpose(1, 2, 0), size, interpolation=cv2.INTER_AREA) for i in images]
    return np.stack(shrunk).transpose(0, 3, 1, 2)


def _shown(
    table: Table, bag: str, recordings: Sequence[Recording], truth: Mapping[str, Any]
) -> NDArray[np.bool_] | None:
    """Whether each instance (samples, instances) of made-up data shows an expression, where that is known.

    The instances of a window stand for equal parts of it; a part does if its middle does.
    """
    stretches = truth.get("shown")
    if not isinstance(stretches, Mapping):
        return None
    starts = {t.id: t.span.start for r in recordings for t in r.trials}
    if any(s.start is None or s.duration is None or s.trial not in starts for s in table.samples):
        return None
    n = len(table.axes[bag]["instance"])
    parts = (np.arange(n) + 0.5) / n
    out = np.zeros((len(table), n), dtype=bool)
    trials, trial_of = np.unique([s.trial for s in table.samples], return_inverse=True)
    begin = np.array([starts[s.trial] for s in table.samples])
    since = np.array([s.start for s in table.samples], np.float64) - begin
    lasts = np.array([s.duration for s in table.samples], np.float64)
    for number, trial in enumerate(trials):
        rows = np.flatnonzero(trial_of == number)
        spans = np.reshape(stretches.get(str(trial), ()), (-1, 2))
        middle = since[rows, None, None] + lasts[rows, None, None] * parts[:, None]
        out[rows] = ((middle >= spans[:, 0]) & (middle < spans[:, 1])).any(axis=2)
    return out & _filled(table, bag, np.arange(len(table)))


def _filled(table: Table, bag: str, rows: Rows) -> NDArray[np.bool_]:
    """Which instances of some samples are there, (rows, instances)."""
    shape = [len(labels) for labels in table.axes[bag].values()]
    other = tuple(1 + i for i, name in enumerate(table.axes[bag]) if name != "instance")
    step = max(1, AT_ONCE // int(np.prod(shape)))
    parts = [
        np.isfinite(table.inputs[bag][rows[i : i + step]]).reshape(-1, *shape).any(axis=other)
        for i in range(0, len(rows), step)
    ]
    none = np.empty((0, len(table.axes[bag]["instance"])), dtype=bool)
    return np.concatenate(parts) if parts else none


def write_bags(
    folder: Path, work: Path, table: Table, fits: Sequence[Mapping[str, Any]], *, about: Mapping[str, str]
) -> None:
    """``bags.npz`` of a run (docs/run-folder.md); nothing where no fit looked at a bag.

    Parameters
    ----------
    folder
        Where it is written.
    work
        Where :func:`keep` wrote.
    table
        Of the study.
    fits
        :func:`bag_of_fit` of the study's first protocol and scaling, those of its first seed first.
    about
        Names of both, ``protocol`` and ``normalise``.
    """
    bag = bag_of(table)
    if bag is None or not fits:
        return
    with np.load(work / KEPT, allow_pickle=False) as kept:
        known = dict(kept.items())
    rows = np.concatenate([fit["rows"] for fit in fits])
    attention = np.concatenate([fit["attention"] for fit in fits])
    here = table.present[bag][rows]
    out: Arrays = {
        "stream": np.array(bag),
        "modalities": fits[0]["modalities"],
        "pictures": known["pictures"],
        "n": np.array(int(here.sum())),
        "by_position": attention[here].mean(axis=0),
        "by_rank": -np.sort(-attention[here], axis=1).mean(axis=0),
        **{name: np.array(text) for name, text in about.items()},
    }
    selected = np.concatenate([fit["selected"] for fit in fits]) if "selected" in fits[0] else None
    chosen = _mask(selected, attention.shape)
    if chosen[here].any():
        out["chosen"] = chosen[here].mean(axis=0)
        if "shown" in known:
            out |= _recall(chosen[here], known["shown"][rows[here]], _filled(table, bag, rows[here]))
    first = {int(row): i for i, row in reversed(list(enumerate(rows)))}
    which = np.array([k for k, row in enumerate(known["rows"]) if int(row) in first], dtype=np.int64)
    if len(which):
        where = np.array([first[int(row)] for row in known["rows"][which]])
        samples = [table.samples[i] for i in rows[where]]
        out |= {
            "sample": np.array([s.id for s in samples]),
            "subject": np.array([s.subject for s in samples]),
            "label": table.labels[rows[where]],
            "probability": np.concatenate([fit["probability"] for fit in fits])[where],
            "attention": attention[where],
            "selected": chosen[where],
            "present": _filled(table, bag, rows[where]),
        }
        out |= {"crops": known["crops"][which]} if "crops" in known else {}
        out |= {"shown": known["shown"][rows[where]]} if "shown" in known else {}
    write_npz(folder / KEPT, out)


def _mask(selected: NDArray[np.int64] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Positions (samples, k), of which -1 is none, as a mask (samples, instances)."""
    out = np.zeros((shape[0], shape[1] + 1), dtype=bool)
    if selected is not None:
        np.put_along_axis(out, np.where(selected < 0, shape[1], selected), True, axis=1)
    return out[:, :-1]


def _recall(chosen: NDArray[np.bool_], shown: NDArray[np.bool_], filled: NDArray[np.bool_]) -> Arrays:
    """Of the instances that show an expression, how many are among the chosen; and of all that are there."""
    use = shown.any(axis=1) & chosen.any(axis=1)
    if not use.any():
        return {}
    share = (chosen & shown)[use].sum(axis=1) / shown[use].sum(axis=1)
    luck = (chosen & filled)[use].sum(axis=1) / filled[use].sum(axis=1)
    return {"recall": np.array(share.mean()), "recall_by_luck": np.array(luck.mean())}
