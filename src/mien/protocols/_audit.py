"""The leakage audit: everything is worked out again from ids; what a run declares is never believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core import HELD_OUT, AuditReport, Finding, InputError

if TYPE_CHECKING:
    import pandas as pd

Probe = Callable[[list[str]], NDArray[np.floating]]

MAX_COUPLING = 1e-4
"""Largest difference between a sample's probabilities alone and in a batch: beyond float32 rounding."""
MIN_OVERLAP = 1e-6
"""Seconds two spans must share to count as overlapping; less is rounding of the times."""
CLIP_GAIN = 0.1
"""How much better than the most frequent class "look up the clip's label in training" must be to be named."""
N_PROBED = 16
"""Samples the probe predicts alone and together."""

_VOID = frozenset({"index", "fit", "epoch", "temperature", "duplicate", "predictions", "coupling"})
"""Leaks after which nothing is proven for a protocol: its models or numbers saw what no split shows."""
_GROUP = ("system", "model", "recipe", "normalise", "modalities", "control")


def words(proven: Iterable[str]) -> list[str]:
    """The words a report may print for what :func:`audit` proved.

    Parameters
    ----------
    proven
        The entry of one protocol in ``AuditReport.proven``.

    Returns
    -------
    list of str
        ``"cross-subject"``, else ``"cross-session"``, else ``"cross-trial"``, else ``"cross-event"`` (each
        contains the later ones); and ``"cross-stimulus"``.
    """
    proven = set(proven)
    nested = next((w for w in ("subject", "session", "trial", "event") if w in proven), None)
    if "stimulus" in proven and nested in ("trial", "event"):
        nested = None  # other clips are other trials
    return [f"cross-{w}" for w in (nested, "stimulus" if "stimulus" in proven else None) if w]


def audit(
    record: Path | str | Mapping[str, Any],
    predictions: pd.DataFrame | Path | str | None = None,
    *,
    features: Mapping[str, tuple[Sequence[str], NDArray[Any]]] | None = None,
    probe: Probe | None = None,
) -> AuditReport:
    """What, if anything, the tested samples could have told the models before the test.

    Parameters
    ----------
    record
        A run folder, or its content as a mapping: ``{"record": content of record.json, "splits": content of
        splits.json, "samples": table or path of samples.parquet}``.
    predictions
        Table or path of ``predictions.parquet``; by default that of the run folder, if there is one.
    features
        Stream name to ``(sample ids, values)`` with one row per id: rows that occur twice and columns that
        are constant in a trial are looked for.
    probe
        ``probe(ids)`` gives the probabilities ``(len(ids), classes)`` of a model of the run; it is asked for
        some samples alone and together.

    Returns
    -------
    AuditReport
        One finding for each protocol and kind. Leaks: ``index``, ``trial``, ``subject``, ``stimulus``,
        ``session``, ``event``, ``validation``, ``time``, ``duplicate``, ``reach``, ``fit``, ``epoch``,
        ``temperature``, ``coupling``, ``predictions``. Cautions: ``stimulus`` (clips that a protocol does not
        promise to hold out), ``transductive``, ``reach`` (of unlabelled steps over a recording), ``index``
        (training and validation share samples), ``incomplete`` and ``coupling`` (not measured).
        ``proven`` holds, for each protocol, all that was absent from training and validation in every fold;
        nothing where a leak shows that the folds are not what the models saw.

    Raises
    ------
    InputError
        A file or key is missing, or the parts of the run do not belong together.
    """
    run = _read(record, predictions)
    notes = _Notes()
    for protocol, folds in run.protocols.items():
        _check_overlaps(run, protocol, folds, notes)
        _check_time(run, protocol, folds, notes)
        _check_clip_lookup(run, protocol, folds, notes)
        _check_reach(run, protocol, folds, features, notes)
        if features:
            _check_duplicates(run, protocol, folds, features, notes)
    _check_fits(run, notes)
    if run.predictions is not None:
        _check_predictions(run, run.predictions, notes)
    if probe is not None:
        _check_probe(run, probe, notes)
    findings = notes.findings()
    return AuditReport(
        verdict="leaks" if any(f.severity == "leak" for f in findings) else "clean",
        findings=findings,
        proven={name: _proven(run, name, folds, findings) for name, folds in run.protocols.items()},
    )


# -- what was run ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fold:
    """One fold as masks over the samples."""

    seed: int
    name: str
    train: NDArray[np.bool_]
    val: NDArray[np.bool_]
    test: NDArray[np.bool_]


@dataclass(kw_only=True, eq=False)
class _Run:
    """The content of a run folder, with samples in sorted order of their ids."""

    record: Mapping[str, Any]
    samples: pd.DataFrame
    protocols: dict[str, list[_Fold]]
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
        keys["event"] = (
            table["subject"] + "\n" + table["event"] if "event" in table else pd.Series([None] * len(table))
        )
        return {name: pd.factorize(values)[0] for name, values in keys.items()}

    @cached_property
    def label(self) -> NDArray[np.int64]:
        return self.samples["label"].fillna(-1).to_numpy(np.int64)

    @cached_property
    def selected(self) -> NDArray[np.bool_]:
        if "selected" not in self.samples:
            return np.ones(len(self.samples), np.bool_)
        return self.samples["selected"].fillna(False).to_numpy(np.bool_)

    @cached_property
    def overlapping(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of samples of one recording whose spans share more than ``MIN_OVERLAP`` seconds."""
        if not {"start", "duration"} <= set(self.samples):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        start = self.samples["start"].to_numpy(np.float64)
        stop = start + self.samples["duration"].to_numpy(np.float64)
        return _overlapping(self.codes["recording"], start, stop)

    def hash(self, fold: _Fold, part: Literal["train", "val", "test"]) -> str:
        """Hash of the ids of a part; of the selected ones for training."""
        key = (id(fold), part)
        if key not in self.hashes:
            mask = getattr(fold, part) & self.selected if part == "train" else getattr(fold, part)
            text = "\n".join(self.ids[mask])  # ids are sorted
            self.hashes[key] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return self.hashes[key]


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


def _read(record: Path | str | Mapping[str, Any], predictions: pd.DataFrame | Path | str | None) -> _Run:
    import pandas as pd

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
    protocols: dict[str, list[_Fold]] = {}
    declared: dict[str, set[str]] = {}
    for entry, fold in zip(folds, _masks(folds, samples), strict=True):
        protocols.setdefault(entry["protocol"], []).append(fold)
        declared.setdefault(entry["protocol"], set()).update(entry.get("held_out", {}))
    for name, about in content["record"].get("protocols", {}).items():
        declared.setdefault(name, set()).update(about.get("held_out", ()))
    table = None if predictions is None else _read_table(predictions)
    if table is not None:
        _require_columns(table, ("sample", "protocol", "seed", "fold"), "predictions")
    return _Run(
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


def _masks(folds: Sequence[Mapping[str, Any]], samples: pd.DataFrame) -> Iterator[_Fold]:
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
        yield _Fold(seed=int(fold["seed"]), name=str(fold["fold"]), **masks)


def _positions(index: pd.Index, wanted: Sequence[str], where: str) -> NDArray[np.int64]:
    found: NDArray[np.int64] = index.get_indexer(list(wanted))
    if len(found) and found.min() < 0:
        raise InputError(
            f"{where} names {wanted[int(found.argmin())]!r}, which is not among the samples",
            expected="splits made from the same samples",
        )
    return found


# -- what was found --------------------------------------------------------------------------------------


class _Notes:
    """Gathers what was seen, one finding for each place, kind and severity."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], list[tuple[str, int, str]]] = {}

    def add(
        self, kind: str, where: str, text: str, *, count: int = 0, example: str = "", caution: bool = False
    ) -> None:
        """``text`` says what is wrong; ``count`` samples of one fold or fit show it, ``example`` is one."""
        severity = "caution" if caution else "leak"
        self._seen.setdefault((where, kind, severity), []).append((text, count, example))

    def findings(self) -> tuple[Finding, ...]:
        """Leaks first, then by place and kind."""
        result = []
        ordered = sorted(self._seen.items(), key=lambda item: (item[0][2] != "leak", item[0]))
        for (where, kind, severity), seen in ordered:
            texts: dict[str, list[tuple[int, str]]] = {}
            for text, count, example in seen:
                texts.setdefault(text, []).append((count, example))
            result.append(
                Finding(
                    kind=kind,
                    where=where,
                    severity="leak" if severity == "leak" else "caution",
                    evidence="; ".join(_sentence(text, cases) for text, cases in texts.items()),
                )
            )
        return tuple(result)


def _sentence(text: str, cases: Sequence[tuple[int, str]]) -> str:
    total = sum(count for count, _ in cases)
    times = f" in {len(cases)} cases" if len(cases) > 1 else ""
    size = f", {total} samples" if total else ""
    example = next((e for _, e in cases if e), "")
    return f"{text}{times}{size}" + (f", e.g. {example}" if example else "")


# -- checks of the folds ---------------------------------------------------------------------------------


def _shared(codes: NDArray[np.int64], one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The samples of ``one`` whose code also occurs in ``other``."""
    present = np.zeros(codes.max() + 2, np.bool_)
    present[codes[other]] = True
    present[-1] = False  # the place of -1: no such thing
    return one & present[codes]


def _check_overlaps(run: _Run, protocol: str, folds: Sequence[_Fold], notes: _Notes) -> None:
    for fold in folds:
        for one, other, text in (
            ("test", "train", "tested samples stand in training"),
            ("test", "val", "tested samples stand in validation"),
            ("val", "train", "validation samples stand in training"),
        ):
            both = getattr(fold, one) & getattr(fold, other)
            if both.any():
                notes.add(
                    "index",
                    protocol,
                    text,
                    count=int(both.sum()),
                    example=_example(run, fold, both),
                    caution=one == "val",
                )
        for kind in HELD_OUT:
            if kind in ("subject", "stimulus", "session") and kind not in run.declared[protocol]:
                continue
            hit = _shared(run.codes[kind], fold.test, fold.train)
            if hit.any():
                notes.add(
                    kind,
                    protocol,
                    f"training has the same {kind}",
                    count=int(hit.sum()),
                    example=_example(run, fold, hit),
                )
            hit = _shared(run.codes[kind], fold.test, fold.val)
            if hit.any():
                notes.add(
                    "validation",
                    protocol,
                    f"validation has the same {kind}",
                    count=int(hit.sum()),
                    example=_example(run, fold, hit),
                )


def _example(run: _Run, fold: _Fold, mask: NDArray[np.bool_]) -> str:
    return f"sample {run.ids[mask.argmax()]} in fold {fold.name} of seed {fold.seed}"


def _check_time(run: _Run, protocol: str, folds: Sequence[_Fold], notes: _Notes) -> None:
    first, second = run.overlapping
    for fold in folds:
        seen = fold.train | fold.val
        hit = np.zeros(len(run.ids), np.bool_)
        for a, b in ((first, second), (second, first)):
            hit[a[fold.test[a] & seen[b]]] = True
        if hit.any():
            notes.add(
                "time",
                protocol,
                "tested spans overlap spans of training or validation in the same recording",
                count=int(hit.sum()),
                example=_example(run, fold, hit),
            )


def _check_clip_lookup(run: _Run, protocol: str, folds: Sequence[_Fold], notes: _Notes) -> None:
    """How far one comes with the clip alone: the label its training samples had."""
    if "stimulus" in run.declared[protocol]:
        return
    stimulus, label = run.codes["stimulus"], run.label
    n_labels = int(label.max()) + 1
    right = known = n = 0
    tested = np.zeros(max(n_labels, 1), np.int64)
    for fold in folds:
        train, test = fold.train & (label >= 0), fold.test & (label >= 0)
        if not test.any() or not train.any():
            continue
        counts = np.bincount(
            stimulus[train] * n_labels + label[train], minlength=(stimulus.max() + 1) * n_labels
        ).reshape(-1, n_labels)
        of_test = counts[stimulus[test]]
        hit = of_test.sum(axis=1) > 0
        known += int(hit.sum())
        right += int((hit & (of_test.argmax(axis=1) == label[test])).sum())
        tested += np.bincount(label[test], minlength=n_labels)
        n += int(test.sum())
    if n and right / n > tested.max() / n + CLIP_GAIN:
        notes.add(
            "stimulus",
            protocol,
            f"{known / n:.0%} of the tested samples belong to stimuli that were in training with their labels; "
            f"looking the label up by stimulus alone would be right for {right / n:.0%} "
            f"(most frequent class {tested.max() / n:.0%}), so the score may be recognition of the stimulus",
            caution=True,
        )


def _check_reach(
    run: _Run,
    protocol: str,
    folds: Sequence[_Fold],
    features: Mapping[str, tuple[Sequence[str], NDArray[Any]]] | None,
    notes: _Notes,
) -> None:
    about = run.record.get("features", {})
    reaching = {
        f"{stream} ({f.get('extractor')}) reaches over the whole {f['reaches']}": f["reaches"]
        for stream, f in about.items()
        if f.get("reaches", "window") != "window"
    }
    for stream, (ids, values) in (features or {}).items():
        n = _constant_columns(run, ids, values)
        if n:
            reaching[f"{stream} has {n} columns that are constant within every trial"] = "trial"
    for text, reach in reaching.items():
        code = run.codes["recording" if reach == "recording" else "trial"]
        for fold in folds:
            hit = _shared(code, fold.test, fold.train | fold.val)
            if hit.any():
                notes.add(
                    "reach",
                    protocol,
                    f"{text}, of which windows are on both sides",
                    count=int(hit.sum()),
                    example=_example(run, fold, hit),
                    caution=reach == "recording",
                )


def _feature_rows(
    run: _Run, ids: Sequence[str], values: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Positions of the samples and their values (rows, columns)."""
    import pandas as pd

    values = np.asarray(values)
    if len(ids) != len(values):
        raise InputError(f"features: {len(values)} rows for {len(ids)} sample ids", expected="one row per id")
    at = pd.Index(run.samples["sample"]).get_indexer(list(ids))
    if len(at) and at.min() < 0:
        raise InputError(
            f"features: {ids[int(at.argmin())]!r} is not among the samples", expected="ids of samples.parquet"
        )
    return at, values.reshape(len(values), -1)


def _constant_columns(run: _Run, ids: Sequence[str], values: NDArray[Any]) -> int:
    """Number of columns that are constant in every trial (of two windows or more) but not over trials."""
    at, rows = _feature_rows(run, ids, values)
    trial = run.codes["trial"][at]
    order = np.argsort(trial, kind="stable")
    cuts = np.flatnonzero(np.r_[True, np.diff(trial[order]) != 0]) if len(order) else np.empty(0, np.int64)
    several = np.diff(np.r_[cuts, len(order)]) > 1
    if not several.any():
        return 0
    low = np.minimum.reduceat(rows[order], cuts, axis=0)[several]
    high = np.maximum.reduceat(rows[order], cuts, axis=0)[several]
    return int(((low == high).all(axis=0) & (low.min(axis=0) < low.max(axis=0))).sum())


def _check_duplicates(
    run: _Run,
    protocol: str,
    folds: Sequence[_Fold],
    features: Mapping[str, tuple[Sequence[str], NDArray[Any]]],
    notes: _Notes,
) -> None:
    for stream, (ids, values) in features.items():
        code = _content_codes(run, ids, values)
        for fold in folds:
            hit = _shared(code, fold.test, fold.train | fold.val) & ~(fold.train | fold.val)
            if hit.any():
                notes.add(
                    "duplicate",
                    protocol,
                    f"tested rows of {stream} occur value for value in training or validation",
                    count=int(hit.sum()),
                    example=_example(run, fold, hit),
                )


def _content_codes(run: _Run, ids: Sequence[str], values: NDArray[Any]) -> NDArray[np.int64]:
    """A number per sample, equal where all values are; -1 where there is no row or all its values are equal
    (an absent sample holds zeros)."""
    import pandas as pd

    at, rows = _feature_rows(run, ids, values)
    rows = np.ascontiguousarray(rows)
    told = (rows != rows[:, :1]).any(axis=1) & np.isfinite(rows).all(axis=1)
    digests = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows[told]]
    codes = np.full(len(run.ids), -1, np.int64)
    codes[at[told]] = pd.factorize(np.array(digests, object))[0]
    return codes


# -- checks of the fits ----------------------------------------------------------------------------------


def _check_fits(run: _Run, notes: _Notes) -> None:
    by_name = {(p, f.seed, f.name): f for p, folds in run.protocols.items() for f in folds}
    networks = {m for m, about in run.record.get("models", {}).items() if about.get("kind") == "network"}
    recorded = set()
    for fit in run.record.get("fits", ()):
        protocol = str(fit.get("protocol"))
        key = (protocol, int(fit.get("seed", 0)), str(fit.get("fold")))
        example = f"{fit.get('model')} in fold {key[2]} of seed {key[1]}"
        fold = by_name.get(key)
        if fold is None:
            notes.add("fit", protocol, "a fit belongs to no fold of splits.json", example=example)
            continue
        recorded.add((*key, *(fit.get(k) for k in ("model", "modalities", "normalise", "control"))))
        _check_fit(run, protocol, fold, fit, example, notes)
        coupling = fit.get("coupling")
        if coupling is None:
            if fit.get("model") in networks:
                text = "whether test samples influence one another was not measured"
                notes.add("coupling", protocol, text, example=example, caution=True)
        elif not coupling <= MAX_COUPLING:
            text = f"predictions depend on what else is in the batch (up to {coupling:.2g})"
            notes.add("coupling", protocol, text, example=example)
    if run.predictions is not None:
        _check_recorded(run.predictions, recorded, notes)


def _check_fit(
    run: _Run, protocol: str, fold: _Fold, fit: Mapping[str, Any], example: str, notes: _Notes
) -> None:
    saw = fit.get("saw", {})
    if saw.get("model") is None:
        notes.add("fit", protocol, "what the model was fitted on is not recorded", example=example)
    for what, value in saw.items():
        if what in ("epoch", "temperature"):
            allowed = {run.hash(fold, "val")} if fold.val.any() else set()
            if value in (None, "fixed", *allowed):
                continue
            on_test = value == run.hash(fold, "test")
            text = f"{what} was chosen on {'the test' if on_test else 'other than the validation'} samples"
            notes.add(what, protocol, text, example=example)
        elif value == "subject" and what != "model":
            text = f"{what} saw the unlabelled samples of each tested subject"
            notes.add("transductive", protocol, text, example=example, caution=True)
        elif value is not None and value != run.hash(fold, "train"):
            text = f"{what} was fitted on other than the fold's training samples"
            notes.add("fit", protocol, text, example=example)


def _check_recorded(predictions: pd.DataFrame, recorded: set[tuple[Any, ...]], notes: _Notes) -> None:
    columns = ["protocol", "seed", "fold", "model", "modalities", "normalise", "control"]
    present = [c for c in columns if c in predictions]
    known = {tuple(fit[columns.index(c)] for c in present) for fit in recorded}
    for row in predictions[present].drop_duplicates().itertuples(index=False, name=None):
        if row not in known:
            about = dict(zip(present, row, strict=True))
            example = f"{about.get('model')} in fold {about['fold']} of seed {about['seed']}"
            text = "predictions come from a fit that is not recorded"
            notes.add("fit", str(about["protocol"]), text, example=example)


# -- checks of the predictions ---------------------------------------------------------------------------


def _check_predictions(run: _Run, predictions: pd.DataFrame, notes: _Notes) -> None:
    import pandas as pd

    at = pd.Index(run.samples["sample"]).get_indexer(predictions["sample"])
    if len(at) and at.min() < 0:
        raise InputError(
            f"predictions: sample {predictions['sample'].iloc[int(at.argmin())]!r} is not among the samples",
            expected="predictions made from the same samples",
        )
    _check_columns(run, predictions, at, notes)
    by_name = {(p, f.seed, f.name): f for p, folds in run.protocols.items() for f in folds}
    group = [c for c in _GROUP if c in predictions]
    done: dict[tuple[Any, ...], set[str]] = {}
    keys = ["protocol", "seed", *group, "fold"]
    for key, rows in predictions.groupby(keys, sort=True, dropna=False, observed=True).indices.items():
        protocol, seed, name = str(key[0]), int(key[1]), str(key[-1])
        fold = by_name.get((protocol, seed, name))
        example = f"fold {name} of seed {seed}"
        if fold is None:
            text = "predictions belong to no fold of splits.json"
            notes.add("predictions", protocol, text, count=len(rows), example=example)
            continue
        done.setdefault(key[:-1], set()).add(name)
        times = np.bincount(at[rows], minlength=len(run.ids))
        expected = fold.test & _present(run, dict(zip(keys, key, strict=True)).get("modalities"))
        for mask, text in (
            ((times > 0) & (fold.train | fold.val), "predicted samples stand in training or validation"),
            (
                (times > 0) & ~(fold.train | fold.val | fold.test),
                "predicted samples are not in the test part",
            ),
            (times > 1, "samples are predicted more than once"),
            (expected & (times == 0), "tested samples have no prediction"),
        ):
            if mask.any():
                notes.add(
                    "predictions",
                    protocol,
                    text,
                    count=int(mask.sum()),
                    example=_example(run, fold, mask),
                )
    for key, found in done.items():
        protocol, seed = str(key[0]), int(key[1])
        missing = [f.name for f in run.protocols[protocol] if f.seed == seed and f.name not in found]
        if missing:
            who = ", ".join(str(k) for k in key[2:])
            notes.add(
                "incomplete",
                protocol,
                "folds were not predicted",
                example=f"{missing[0]} ({who})",
                caution=True,
            )


def _present(run: _Run, modalities: Any) -> NDArray[np.bool_]:
    """The samples for which at least one of the modalities exists (``present_<stream>``)."""
    columns = [f"present_{m}" for m in str(modalities).split("+")]
    if modalities is None or not all(c in run.samples for c in columns):
        return np.ones(len(run.ids), np.bool_)
    present: NDArray[np.bool_] = run.samples[columns].fillna(False).to_numpy(np.bool_).any(axis=1)
    return present


def _check_columns(run: _Run, predictions: pd.DataFrame, at: NDArray[np.int64], notes: _Notes) -> None:
    """Predictions must carry the subject, stimulus, trial and label that samples.parquet gives."""
    for name in ("trial", "subject", "stimulus", "label"):
        if name not in predictions:
            continue
        ours = run.samples[name].to_numpy()[at]
        theirs = predictions[name].to_numpy()
        if name == "label":
            ours, theirs = run.label[at], predictions[name].fillna(-1).to_numpy(np.int64)
        wrong = np.flatnonzero(ours != theirs)
        for protocol, rows in predictions.iloc[wrong].groupby("protocol", observed=True).indices.items():
            notes.add(
                "predictions",
                str(protocol),
                f"the {name} of predictions differs from that of the samples",
                count=len(rows),
                example=f"sample {predictions['sample'].iloc[wrong[rows[0]]]}",
            )


def _check_probe(run: _Run, probe: Probe, notes: _Notes) -> None:
    fold = next(iter(run.protocols.values()))[0]
    tested = np.flatnonzero(fold.test)
    chosen = tested[np.unique(np.linspace(0, len(tested) - 1, N_PROBED).astype(np.int64))]
    ids = [str(i) for i in run.ids[chosen]]
    together = np.asarray(probe(ids), np.float64)
    alone = np.concatenate([np.asarray(probe([i]), np.float64) for i in ids])
    if together.shape != alone.shape:
        raise InputError(
            f"the probe gave shapes {together.shape} together and {alone.shape} alone",
            expected=f"({len(ids)}, classes)",
        )
    difference = np.abs(together - alone).reshape(len(ids), -1).max(axis=1)
    if not difference.max() <= MAX_COUPLING:
        notes.add(
            "coupling",
            "probe",
            f"probabilities of a sample alone and in a batch differ by up to {difference.max():.2g}",
            count=int((~(difference <= MAX_COUPLING)).sum()),
            example=f"sample {ids[int(np.nan_to_num(difference, nan=np.inf).argmax())]}",
        )


# -- what was proven -------------------------------------------------------------------------------------


def _proven(run: _Run, protocol: str, folds: Sequence[_Fold], findings: Iterable[Finding]) -> tuple[str, ...]:
    kinds = {f.kind for f in findings if f.where in (protocol, "probe") and f.severity == "leak"}
    if kinds & _VOID:
        return ()
    return tuple(
        kind
        for kind in HELD_OUT
        if (run.codes[kind] >= 0).any()
        and not any(_shared(run.codes[kind], f.test, f.train | f.val).any() for f in folds)
    )
