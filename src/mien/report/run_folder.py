"""Reading a run folder (docs/run-folder.md) into memory, with one clear line for whatever is wrong."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.report.bag_examples import Bags, bags_of

if TYPE_CHECKING:
    import pandas as pd

_RERUN = "run the study again (mien run), it goes on where it stopped"
PREDICTION_COLUMNS = (
    *("system", "model", "recipe", "normalise", "modalities", "protocol", "control", "seed", "fold"),
    *("sample", "trial", "subject", "session", "stimulus", "label", "selected"),
)
"""The columns of ``predictions.parquet`` that the report reads, besides the probabilities."""


EVENT_COLUMNS = (
    *("event", "trial", "subject", "stimulus", "kind", "onset", "apex", "offset", "aus", "label"),
    *("rows_merged", "disagree_kind", "disagree_aus"),
)
"""The columns of ``events.parquet``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Saliency:
    """How much the answer depends on each place of the maps of a face.

    Attributes
    ----------
    maps
        Their names.
    values
        (maps, rows, columns), mean |input × gradient| of the true class's logit over all test samples.
    classes
        Class to the same over its own test samples; may be empty.
    face
        (rows, columns), grey from 0 to 1: the mean frame at the apex of many people, or None.
    """

    maps: tuple[str, ...]
    values: NDArray[np.float64]
    classes: Mapping[str, NDArray[np.float64]]
    face: NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What a run folder holds, as the report needs it.

    Attributes
    ----------
    path
        The folder.
    record, audit, environment
        The JSON files.
    predictions, dropped
        The tables.
    study
        Text of ``study.toml``.
    curves
        ``(protocol, normalise, model, seed, fold)`` to the arrays of the learning curve; may be empty.
    bands
        The arrays of ``informative_bands.npz``, or None.
    saliency
        Stream to what ``saliency_<stream>.npz`` holds; may be empty.
    bags
        What ``bags.npz`` holds, or None.
    events
        The events that were classified, their ``label`` as a word, or None.
    """

    path: Path
    record: Mapping[str, Any]
    audit: Mapping[str, Any]
    environment: Mapping[str, Any]
    predictions: pd.DataFrame
    dropped: pd.DataFrame
    study: str
    curves: Mapping[tuple[str, str, str, str, str], Mapping[str, NDArray[np.float64]]]
    bands: Mapping[str, NDArray[Any]] | None
    saliency: Mapping[str, Saliency]
    bags: Bags | None
    events: pd.DataFrame | None

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the labels."""
        return tuple(self.record["classes"])

    @property
    def by_event(self) -> bool:
        """Whether events were classified, each in one row, and not windows."""
        return bool(self.record.get("level") == "event")


def read_run(folder: str | Path) -> Run:
    """Read a run folder.

    Raises
    ------
    InputError
        A file is missing, cut short, or does not hold what the format says; names the file.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError("no such run folder", file=path, remedy="give the folder that `mien run` wrote")
    record = _json(path / "record.json", needs=("classes", "dataset", "protocols", "models", "seeds"))
    audit = _json(
        path / "audit.json", needs=("verdict", "findings", "proven"), remedy="run `mien audit` on it"
    )
    n_classes = len(record["classes"])
    probabilities = [f"p_{c}" for c in range(n_classes)]
    predictions = _parquet(path / "predictions.parquet", columns=(*PREDICTION_COLUMNS, *probabilities))
    _check_predictions(predictions, path / "predictions.parquet", n_classes=n_classes)
    return Run(
        path=path,
        record=record,
        audit=audit,
        environment=_json(path / "environment.json", needs=()),
        predictions=predictions,
        dropped=_csv(path / "dropped.csv", columns=("what", "id", "subject", "reason", "count")),
        study=_text(path / "study.toml"),
        curves=_curves(path / "figures" / "learning_curves.npz"),
        bands=_bands(path / "figures" / "informative_bands.npz"),
        saliency={
            file.stem.removeprefix("saliency_"): _saliency(file, record["classes"])
            for file in sorted((path / "figures").glob("saliency_*.npz"))
        },
        bags=bags_of(
            _npz(path / "figures" / "bags.npz"),
            file=path / "figures" / "bags.npz",
            classes=record["classes"],
        ),
        events=_events(path / "events.parquet", record["classes"]),
    )


def _need(path: Path, remedy: str = _RERUN) -> None:
    if not path.is_file():
        raise InputError("missing from the run folder", file=path, remedy=remedy)


def _text(path: Path) -> str:
    _need(path)
    return path.read_text("utf-8", errors="replace")


def _json(path: Path, *, needs: tuple[str, ...], remedy: str = _RERUN) -> dict[str, Any]:
    _need(path, remedy)
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"not readable as JSON ({error})", file=path, remedy=remedy) from None
    if not isinstance(value, dict):
        raise InputError(f"holds a {type(value).__name__}", file=path, expected="an object", remedy=remedy)
    lacking = [key for key in needs if key not in value]
    if lacking:
        raise InputError(f"lacks {', '.join(lacking)}", file=path, remedy=remedy)
    return value


def _parquet(path: Path, *, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    _need(path)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors derive from these two
        first = str(error).splitlines()[0]
        raise InputError(f"not readable as Parquet ({first})", file=path, remedy=_RERUN) from None
    return _checked(table, path, columns)


def _csv(path: Path, *, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    _need(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise InputError(f"not readable as CSV ({error})", file=path, remedy=_RERUN) from None
    return _checked(table, path, columns)


def _checked(table: pd.DataFrame, path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    lacking = [c for c in columns if c not in table]
    if lacking:
        raise InputError(f"lacks the column(s) {', '.join(lacking)}", file=path, remedy=_RERUN)
    return table


def _check_predictions(table: pd.DataFrame, path: Path, *, n_classes: int) -> None:
    if table.empty:
        raise InputError("holds no prediction", file=path, remedy=_RERUN)
    label = table["label"].to_numpy()
    if not ((label >= 0) & (label < n_classes)).all():
        raise InputError(
            f"labels from {label.min()} to {label.max()}", file=path, expected=f"0 to {n_classes - 1}"
        )
    values = table[[f"p_{c}" for c in range(n_classes)]].to_numpy()
    # float32 probabilities of a dozen classes sum to one within about 1e-6; 1e-3 finds logits and cut columns
    if not (np.isfinite(values).all() and np.abs(values.sum(axis=1) - 1).max() < 1e-3):
        raise InputError("probabilities that are not finite or do not sum to one", file=path, remedy=_RERUN)


def _npz(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"not readable as .npz ({error})", file=path, remedy=_RERUN) from None


def _curves(path: Path) -> dict[tuple[str, str, str, str, str], dict[str, NDArray[np.float64]]]:
    curves: dict[tuple[str, str, str, str, str], dict[str, NDArray[np.float64]]] = {}
    for key, array in _npz(path).items():
        name, _, quantity = key.removeprefix("curve/").rpartition("/")
        parts = name.split("|", 4)
        if len(parts) != 5:
            raise InputError(
                f"array {key!r}",
                file=path,
                expected="curve/<protocol>|<normalise>|<model>|<seed>|<fold>/<what>",
            )
        curves.setdefault((parts[0], parts[1], parts[2], parts[3], parts[4]), {})[quantity] = array
    return curves


def _bands(path: Path) -> dict[str, NDArray[Any]] | None:
    arrays = _npz(path)
    if not arrays:
        return None
    lacking = {"values", "bands", "channels"} - set(arrays)
    if lacking:
        raise InputError(f"lacks {', '.join(sorted(lacking))}", file=path, remedy=_RERUN)
    shape = (len(arrays["bands"]), len(arrays["channels"]))
    if arrays["values"].shape != shape:
        raise InputError(f"values of shape {arrays['values'].shape}", file=path, expected=f"{shape}")
    if "windows" in arrays and arrays["windows"].ndim != 1:
        raise InputError(f"windows of shape {arrays['windows'].shape}", file=path, expected="one value each")
    return arrays


def _saliency(path: Path, classes: Sequence[str]) -> Saliency:
    arrays = _npz(path)
    lacking = {"values", "maps", "mean"} - set(arrays)
    if lacking:
        raise InputError(f"lacks {', '.join(sorted(lacking))}", file=path, remedy=_RERUN)
    maps, mean = tuple(map(str, arrays["maps"])), arrays["mean"]
    shape = (len(maps), *arrays["values"].shape[1:])
    wanted = {"values": arrays["values"], "mean": mean}
    wanted |= {f"class/{word}": arrays[f"class/{word}"] for word in classes if f"class/{word}" in arrays}
    for name, array in wanted.items():
        sound = name == "mean" or (np.isfinite(array) & (array >= 0)).all()
        if array.shape != shape or array.ndim != 3 or not sound:
            raise InputError(
                f"{name}: shape {array.shape}" + ("" if sound else ", some values no numbers or below 0"),
                file=path,
                expected=f"numbers of 0 or more for each of the {len(maps)} maps, its rows and its columns",
                remedy=_RERUN,
            )
    face = mean[maps.index("apex")].astype(np.float64) if "apex" in maps else None
    return Saliency(
        maps=maps,
        values=arrays["values"].astype(np.float64),
        classes={
            name.removeprefix("class/"): array.astype(np.float64)
            for name, array in wanted.items()
            if name.startswith("class/")
        },
        face=face if face is not None and np.isfinite(face).all() else None,
    )


def _events(path: Path, classes: Sequence[str]) -> pd.DataFrame | None:
    if not path.exists():
        return None
    table = _parquet(path, columns=EVENT_COLUMNS)
    label = table["label"].to_numpy()
    if not ((label >= -1) & (label < len(classes))).all():
        raise InputError(
            f"labels from {label.min()} to {label.max()}", file=path, expected=f"-1 to {len(classes) - 1}"
        )
    words = np.array([*classes, None], object)  # -1 is the last
    return table.assign(label=words[label])
