"""The content of a run folder, as masks and numbers over the samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError

if TYPE_CHECKING:
    import pandas as pd

MIN_OVERLAP = 1e-6
"""Seconds two spans must share to count as overlapping; less is rounding of the times."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """One fold as masks over the samples."""

    seed: int
    name: str
    train: NDArray[np.bool_]
    val: NDArray[np.bool_]
    test: NDArray[np.bool_]


@dataclass(kw_only=True, eq=False)
class RunContent:
    """The content of a run folder, with samples in sorted order of their ids."""

    record: Mapping[str, Any]
    samples: pd.DataFrame
    protocols: dict[str, list[Fold]]
    declared: dict[str, set[str]]
    predictions: pd.DataFrame | None
    hashes: dict[tuple[int, str], str] = field(default_factory=dict)

    @cached_property
    def ids(self) -> NDArray[Any]:
        return self.samples["sample"].to_numpy(object)

    @cached_property
    def codes(self) -> dict[str, NDArray[np.int64]]:
        """Number of each sample's subject, stimulus, session (of its subject), trial, event and recording;
        -1 where there is none."""
        import pandas as pd

        table = self.samples
        keys = {name: table[name] for name in ("subject", "stimulus", "trial")}
        keys["session"] = table["subject"] + "\n" + table["session"]
        keys["recording"] = table["recording"] if "recording" in table else keys["session"]
        event = table["event"] if "event" in table else pd.Series([None] * len(table))
        keys["event"] = (table["subject"] + "\n" + event.astype(str)).where(event.notna() & (event != ""))
        return {name: pd.factorize(values)[0] for name, values in keys.items()}

    @cached_property
    def made_of(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sample by sample the events that a trial's features were made of (column ``events``): positions of
        the samples, and numbers of the events."""
        import pandas as pd

        if "events" not in self.samples:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        each = [list(events) for events in self.samples["events"]]
        at = np.repeat(np.arange(len(each)), [len(events) for events in each])
        return at, pd.factorize(np.array([e for events in each for e in events], object))[0]

    @cached_property
    def label(self) -> NDArray[np.int64]:
        return whole_numbers(self.samples["label"])

    @cached_property
    def selected(self) -> NDArray[np.bool_]:
        if "selected" not in self.samples:
            return np.ones(len(self.samples), np.bool_)
        return self.samples["selected"].eq(True).to_numpy(np.bool_)

    @cached_property
    def overlapping(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of samples of one recording whose spans share more than ``MIN_OVERLAP`` seconds."""
        if not {"start", "duration"} <= set(self.samples):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        start = self.samples["start"].to_numpy(np.float64)
        stop = start + self.samples["duration"].to_numpy(np.float64)
        return _overlapping(self.codes["recording"], start, stop)

    def learnt(self, fold: Fold) -> NDArray[np.bool_]:
        """Training samples of a fold, those selected: with ``scale = "subject"`` each subject's ratings count
        from the least to the greatest of its training samples."""
        rule = self.record.get("selection") or {}
        if rule.get("scale") != "subject" or "intensity" not in self.samples:
            return fold.train & self.selected
        felt = self.samples["intensity"].where(fold.train)
        of_subject = felt.groupby(self.samples["subject"])
        low, high = of_subject.transform("min"), of_subject.transform("max")
        share = (felt - low) / (high - low).clip(lower=1e-12)
        return share.ge(float(rule["intensity_at_least"])).to_numpy(np.bool_)

    def hash(self, fold: Fold, part: Literal["train", "val", "test"]) -> str:
        """Hash of the ids of a part; of the selected ones for training."""
        key = (id(fold), part)
        if key not in self.hashes:
            mask = self.learnt(fold) if part == "train" else getattr(fold, part)
            text = "\n".join(self.ids[mask])  # ids are sorted
            self.hashes[key] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return self.hashes[key]

    def trial_hash(self, fold: Fold) -> str:
        """Hash of the ids of the trials that are in training with all their samples."""
        key = (id(fold), "trials")
        if key not in self.hashes:
            code = self.codes["trial"]
            whole = np.bincount(code[fold.train], minlength=code.max() + 1) == np.bincount(code)
            text = "\n".join(sorted(set(self.samples["trial"].to_numpy(object)[whole[code]])))
            self.hashes[key] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return self.hashes[key]


def whole_numbers(column: pd.Series) -> NDArray[np.int64]:
    """Class numbers, -1 where there is none."""
    import pandas as pd

    return pd.to_numeric(column).fillna(-1).to_numpy(np.int64)


def _overlapping(
    recording: NDArray[np.int64], start: NDArray[np.float64], stop: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    known = np.flatnonzero(np.isfinite(start) & np.isfinite(stop) & (recording >= 0))
    order = known[np.lexsort((start[known], recording[known]))]
    first, second = [], []
    for step in range(1, len(order)):
        left, right = order[:-step], order[step:]
        hit = (recording[left] == recording[right]) & (start[right] < stop[left] - MIN_OVERLAP)
        hit &= start[right] < stop[right] - MIN_OVERLAP
        if not hit.any():
            break
        first.append(left[hit])
        second.append(right[hit])
    if not first:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(first), np.concatenate(second)


def read_run(
    record: Path | str | Mapping[str, Any], predictions: pd.DataFrame | Path | str | None
) -> RunContent:
    if isinstance(record, str | Path):
        folder = Path(record)
        if not folder.is_dir():
            raise InputError("no such run folder", file=folder, remedy="give the folder 'mien run' wrote")
        content: Mapping[str, Any] = {
            "record": _read_json(folder / "record.json"),
            "splits": _read_json(folder / "splits.json"),
            "samples": folder / "samples.parquet",
        }
        if predictions is None and (folder / "predictions.parquet").exists():
            predictions = folder / "predictions.parquet"
    else:
        content = record
        missing = {"record", "splits", "samples"} - set(record)
        if missing:
            raise InputError(
                f"the run has no {', '.join(sorted(missing))}", expected="record, splits and samples"
            )
    samples = _read_table(content["samples"])
    _require_columns(samples, ("sample", "trial", "subject", "session", "stimulus", "label"), "samples")
    samples = samples.sort_values("sample", kind="stable", ignore_index=True)
    for name in ("sample", "trial", "subject", "session", "stimulus"):
        samples[name] = samples[name].astype(str)
    if samples["sample"].duplicated().any():
        twice = samples.loc[samples["sample"].duplicated(), "sample"].iloc[0]
        raise InputError(f"samples: id {twice!r} stands for more than one sample", expected="ids that differ")
    folds = content["splits"].get("folds")
    if not folds:
        raise InputError("splits hold no fold", remedy="finish the run first")
    protocols: dict[str, list[Fold]] = {}
    declared: dict[str, set[str]] = {}
    for entry, fold in zip(folds, _masks(folds, samples), strict=True):
        protocols.setdefault(entry["protocol"], []).append(fold)
        declared.setdefault(entry["protocol"], set()).update(entry.get("held_out", {}))
    for name, about in content["record"].get("protocols", {}).items():
        declared.setdefault(name, set()).update(about.get("held_out", ()))
    table = None if predictions is None else _read_table(predictions)
    if table is not None:
        _require_columns(table, ("sample", "protocol", "seed", "fold"), "predictions")
    return RunContent(
        record=content["record"], samples=samples, protocols=protocols, declared=declared, predictions=table
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("missing or unreadable", file=path, remedy="finish the run first") from error
    except ValueError as error:
        raise InputError(f"not JSON ({error})", file=path) from error


def _read_table(source: Any) -> pd.DataFrame:
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return source
    try:
        return pd.read_parquet(source)
    except (OSError, ValueError) as error:
        raise InputError(
            f"not a readable Parquet table ({type(error).__name__})",
            file=source,
            remedy="finish the run first",
        ) from error


def _require_columns(table: pd.DataFrame, names: Sequence[str], what: str) -> None:
    missing = [n for n in names if n not in table]
    if missing:
        raise InputError(f"{what}: no column {', '.join(missing)}", expected=", ".join(names))


def _masks(folds: Sequence[Mapping[str, Any]], samples: pd.DataFrame) -> Iterator[Fold]:
    import pandas as pd

    trial_of, trials = pd.factorize(samples["trial"])
    trial_index, sample_index = pd.Index(trials), pd.Index(samples["sample"])
    for fold in folds:
        where = f"splits: fold {fold['fold']} of {fold['protocol']}"
        masks = {}
        for part in ("train", "val", "test"):
            whole = np.zeros(len(trials), np.bool_)
            whole[_positions(trial_index, fold[part]["trials"], where)] = True
            masks[part] = whole[trial_of]
            masks[part][_positions(sample_index, fold[part]["samples"], where)] = True
        yield Fold(seed=int(fold["seed"]), name=str(fold["fold"]), **masks)


def _positions(index: pd.Index, wanted: Sequence[str], where: str) -> NDArray[np.int64]:
    import pandas as pd

    found: NDArray[np.int64] = index.get_indexer(pd.Index(list(wanted)))
    if len(found) and found.min() < 0:
        raise InputError(
            f"{where} names {wanted[int(found.argmin())]!r}, which is not among the samples",
            expected="splits made from the same samples",
        )
    return found
