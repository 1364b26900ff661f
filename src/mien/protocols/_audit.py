"""The leakage audit: everything is worked out again from ids; what a run declares is never believed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mien.core import HELD_OUT, AuditReport, Finding, InputError
from mien.protocols._notes import Case, Notes, many
from mien.protocols._run import Fold, RunContent, read_run, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

Probe = Callable[[list[str]], NDArray[np.floating]]

MAX_COUPLING = 1e-4
"""Largest difference between a sample's probabilities alone and in a batch: beyond float32 rounding."""
CLIP_GAIN = 0.1
"""How much better than the most frequent class "look up the clip's label in training" must be to be named."""
N_PROBED = 16
"""Samples the probe predicts alone and together."""

_VOID = frozenset({"index", "time", "duplicate", "fit", "epoch", "temperature", "coupling", "predictions"})
"""Leaks after which nothing is proven for a protocol: its models or numbers saw what no split shows."""
_FIT = ("model", "normalise", "control")
_FIT_KEY = ("protocol", "seed", "fold", *_FIT)
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
        are constant in a trial are looked for. One column of integers stands for digests of the rows.
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
    run = read_run(record, predictions)
    notes = Notes()
    for protocol, folds in run.protocols.items():
        _check_overlaps(run, protocol, folds, notes)
        _check_made_of(run, protocol, folds, notes)
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


def _case(run: RunContent, fold: Fold, mask: NDArray[np.bool_]) -> Case:
    """A fold in which the samples of the mask show something."""
    example = f"sample {run.ids[mask.argmax()]} in fold {fold.name} of seed {fold.seed}"
    return Case("fold", int(mask.sum()), example)


# -- checks of the folds ---------------------------------------------------------------------------------


def _shared(codes: NDArray[np.int64], one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The samples of ``one`` whose code also occurs in ``other``."""
    present = np.zeros(codes.max() + 2, np.bool_)
    present[codes[other]] = True
    present[-1] = False  # the place of -1: no such thing
    return one & present[codes]


def _check_overlaps(run: RunContent, protocol: str, folds: Sequence[Fold], notes: Notes) -> None:
    promised = run.declared[protocol] | _promised(protocol)
    checked = [k for k in HELD_OUT if k in ("trial", "event") or k in promised]
    for fold in folds:
        for one, of_one, other, of_other in (
            ("tested", fold.test, "training", fold.train),
            ("tested", fold.test, "validation", fold.val),
            ("validation", fold.val, "training", fold.train),
        ):
            both = of_one & of_other
            if both.any():
                text = f"{one} samples stand in {other}"
                notes.add("index", protocol, text, _case(run, fold, both), caution=one == "validation")
        for kind in checked:
            for where, part, found_as in (
                ("training", fold.train, kind),
                ("validation", fold.val, "validation"),
            ):
                hit = _shared(run.codes[kind], fold.test, part)
                if hit.any():
                    notes.add(found_as, protocol, f"{where} has the same {kind}", _case(run, fold, hit))


def _check_made_of(run: RunContent, protocol: str, folds: Sequence[Fold], notes: Notes) -> None:
    """An event belongs to one trial; features of two samples must not be made of the same one."""
    at, events = run.made_of
    if not len(at):
        return
    for fold in folds:
        seen = (fold.train | fold.val)[at]
        hit = np.zeros(len(run.ids), np.bool_)
        hit[at[_shared(events, fold.test[at], seen)]] = True
        if hit.any():
            text = "tested samples are made of events that training or validation samples are made of too"
            notes.add("event", protocol, text, _case(run, fold, hit))


def _promised(protocol: str) -> set[str]:
    """What a protocol of this package promises, whatever the run says of it."""
    from mien.protocols import create, names

    return set(create(protocol).held_out) if protocol in names() else set()


def _check_time(run: RunContent, protocol: str, folds: Sequence[Fold], notes: Notes) -> None:
    first, second = run.overlapping
    for fold in folds:
        seen = fold.train | fold.val
        hit = np.zeros(len(run.ids), np.bool_)
        for a, b in ((first, second), (second, first)):
            hit[a[fold.test[a] & seen[b]]] = True
        if hit.any():
            text = "tested spans overlap spans of training or validation in the same recording"
            notes.add("time", protocol, text, _case(run, fold, hit))


def _check_clip_lookup(run: RunContent, protocol: str, folds: Sequence[Fold], notes: Notes) -> None:
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
        text = (
            f"{known / n:.0%} of the tested samples belong to stimuli that were in training; taking the "
            f"label that training has for the stimulus would be right for {right / n:.0%} "
            f"(most frequent class {tested.max() / n:.0%}), so the score may be recognition of the stimulus"
        )
        notes.add("stimulus", protocol, text, Case(), caution=True)


def _check_reach(
    run: RunContent,
    protocol: str,
    folds: Sequence[Fold],
    features: Mapping[str, tuple[Sequence[str], NDArray[Any]]] | None,
    notes: Notes,
) -> None:
    about = run.record.get("features", {})
    reaching = {
        f"{stream} ({f.get('extractor')}) reaches over the whole {f['reaches']}": f["reaches"]
        for stream, f in about.items()
        if f.get("reaches", "window") != "window"
    }
    if steps := (run.record.get("cleaning") or {}).get("reaching"):
        reaching[f"cleaning of the EEG ({', '.join(steps)}) looks at the whole recording"] = "recording"
    for stream, (ids, values) in (features or {}).items():
        n = _constant_columns(run, ids, values)
        if n:
            reaching[f"{stream} has {many(n, 'column')} constant within every trial"] = "trial"
    for text, reach in reaching.items():
        code = run.codes["recording" if reach == "recording" else "trial"]
        for fold in folds:
            hit = _shared(code, fold.test, fold.train | fold.val)
            if hit.any():
                said = f"{text}, and windows of one are on both sides"
                notes.add("reach", protocol, said, _case(run, fold, hit), caution=reach == "recording")


def _feature_rows(
    run: RunContent, ids: Sequence[str], values: NDArray[Any]
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
    return at, values.reshape(len(values), math.prod(values.shape[1:]))


def _constant_columns(run: RunContent, ids: Sequence[str], values: NDArray[Any]) -> int:
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
    run: RunContent,
    protocol: str,
    folds: Sequence[Fold],
    features: Mapping[str, tuple[Sequence[str], NDArray[Any]]],
    notes: Notes,
) -> None:
    for stream, (ids, values) in features.items():
        code = _content_codes(run, ids, values)
        for fold in folds:
            hit = _shared(code, fold.test, fold.train | fold.val) & ~(fold.train | fold.val)
            if hit.any():
                text = f"tested rows of {stream} occur value for value in training or validation"
                notes.add("duplicate", protocol, text, _case(run, fold, hit))


def _content_codes(run: RunContent, ids: Sequence[str], values: NDArray[Any]) -> NDArray[np.int64]:
    """A number per sample, equal where all values are; -1 where there is no row or it tells nothing: values
    that are all equal (an absent sample holds zeros) or not finite. A single integer is a digest."""
    import pandas as pd

    at, rows = _feature_rows(run, ids, values)
    rows = np.ascontiguousarray(rows)
    if rows.shape[1] == 1 and np.issubdtype(rows.dtype, np.integer):
        told = np.ones(len(rows), np.bool_)
    else:
        told = (rows != rows[:, :1]).any(axis=1) & np.isfinite(rows).all(axis=1)
    digests = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows[told]]
    codes = np.full(len(run.ids), -1, np.int64)
    codes[at[told]] = pd.factorize(np.array(digests, object))[0]
    return codes


# -- checks of the fits ----------------------------------------------------------------------------------


def _check_fits(run: RunContent, notes: Notes) -> None:
    by_name = {(p, f.seed, f.name): f for p, folds in run.protocols.items() for f in folds}
    networks = {m for m, about in run.record.get("models", {}).items() if about.get("kind") == "network"}
    recorded: dict[tuple[Any, ...], list[set[str]]] = {}
    for fit in run.record.get("fits", ()):
        protocol = str(fit.get("protocol"))
        key = (protocol, int(fit.get("seed", 0)), str(fit.get("fold")))
        case = Case("fit", 0, f"{fit.get('model')} in fold {key[2]} of seed {key[1]}")
        fold = by_name.get(key)
        if fold is None:
            notes.add("fit", protocol, "a fit belongs to no fold of splits.json", case)
            continue
        who = (*key, *(fit.get(k) for k in _FIT))
        recorded.setdefault(who, []).append(_streams(fit.get("modalities")))
        _check_fit(run, protocol, fold, fit, case, notes)
        if fit.get("model") in networks and fit.get("saw", {}).get("epoch") is None:
            notes.add("epoch", protocol, "how the epoch was chosen is not recorded", case)
        coupling = fit.get("coupling")
        if coupling is None:
            if fit.get("model") in networks:
                text = "whether test samples influence one another was not measured"
                notes.add("coupling", protocol, text, case, caution=True)
        elif run.record.get("models", {}).get(fit.get("model"), {}).get("couples_samples"):
            text = "the model reckons with the other samples of a batch, by the way it is built"
            notes.add("coupling", protocol, text, case)
        elif not coupling <= MAX_COUPLING:
            text = f"predictions depend on what else is in the batch (up to {coupling:.2g})"
            notes.add("coupling", protocol, text, case)
    if run.predictions is not None:
        _check_recorded(run.predictions, recorded, notes)


def _check_fit(
    run: RunContent, protocol: str, fold: Fold, fit: Mapping[str, Any], case: Case, notes: Notes
) -> None:
    saw = fit.get("saw", {})
    if saw.get("model") is None:
        notes.add("fit", protocol, "what the model was fitted on is not recorded", case)
    lit = {s for s, about in run.record.get("features", {}).items() if about.get("luminance")}
    if lit & _streams(fit.get("modalities")) and saw.get("luminance") is None:
        notes.add("fit", protocol, "what luminance was fitted on is not recorded", case)
    for what, value in saw.items():
        if what in ("epoch", "temperature"):
            allowed = {run.hash(fold, "val")} if fold.val.any() else set()
            if value in (None, "fixed", *allowed):
                continue
            on_test = value == run.hash(fold, "test")
            text = f"{what} was chosen on {'the test' if on_test else 'other than the validation'} samples"
            notes.add(what, protocol, text, case)
        elif value == "subject" and what == "scaler":
            text = "the scaler saw the unlabelled samples of each tested subject"
            notes.add("transductive", protocol, text, case, caution=True)
        elif what == "luminance":
            if value == "all_subjects":
                text = "the light in the pupils was fitted on all subjects, the tested ones' gaze among them"
                notes.add("transductive", protocol, text, case, caution=True)
            elif value != run.trial_hash(fold):
                text = "luminance was fitted on other than the fold's training trials"
                notes.add("fit", protocol, text, case)
        elif value is not None and value != run.hash(fold, "train"):
            text = f"{what} was fitted on other than the fold's training samples"
            notes.add("fit", protocol, text, case)


def _check_recorded(
    predictions: pd.DataFrame, recorded: Mapping[tuple[Any, ...], Sequence[set[str]]], notes: Notes
) -> None:
    """Every prediction needs a recorded fit; one made for several streams also serves some of them."""
    columns = ["protocol", "seed", "fold", *(c for c in _FIT if c in predictions)]
    known: dict[tuple[Any, ...], list[set[str]]] = {}
    for who, streams in recorded.items():
        known.setdefault(tuple(who[_FIT_KEY.index(c)] for c in columns), []).extend(streams)
    if "modalities" in predictions:
        columns = [*columns, "modalities"]
    for row in predictions[columns].drop_duplicates().itertuples(index=False, name=None):
        about = dict(zip(columns, row, strict=True))
        needed = _streams(about.pop("modalities", None))
        if not any(needed <= streams for streams in known.get(tuple(about.values()), ())):
            case = Case("fit", 0, f"{about.get('model')} in fold {about['fold']} of seed {about['seed']}")
            text = "predictions come from a fit that is not recorded"
            notes.add("fit", str(about["protocol"]), text, case)


def _streams(modalities: Any) -> set[str]:
    return set() if modalities is None else set(str(modalities).split("+"))


# -- checks of the predictions ---------------------------------------------------------------------------


def _check_predictions(run: RunContent, predictions: pd.DataFrame, notes: Notes) -> None:
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
    present: dict[Any, NDArray[np.bool_]] = {}
    keys = ["protocol", "seed", *group, "fold"]
    groups = predictions.groupby(keys, sort=True, dropna=False, observed=True).indices
    for case, rows in groups.items():
        key = cast("tuple[Any, ...]", case)  # several keys: always a tuple
        protocol, seed, name = str(key[0]), int(key[1]), str(key[-1])
        fold = by_name.get((protocol, seed, name))
        if fold is None:
            text = "predictions belong to no fold of splits.json"
            notes.add("predictions", protocol, text, Case("fold", len(rows), f"fold {name} of seed {seed}"))
            continue
        done.setdefault(key[:-1], set()).add(name)
        modalities = dict(zip(keys, key, strict=True)).get("modalities")
        if modalities not in present:
            present[modalities] = _present(run, modalities)
        times = np.bincount(at[rows], minlength=len(run.ids))
        expected = fold.test & present[modalities]
        faulty: tuple[tuple[NDArray[np.bool_], str], ...] = (
            ((times > 0) & (fold.train | fold.val), "predicted samples stand in training or validation"),
            ((times > 0) & ~(fold.train | fold.val | fold.test), "predicted samples are in no part"),
            (times > 1, "samples are predicted more than once"),
            (expected & (times == 0), "tested samples have no prediction"),
        )
        for mask, text in faulty:
            if mask.any():
                notes.add("predictions", protocol, text, _case(run, fold, mask))
    for key, found in done.items():
        protocol, seed = str(key[0]), int(key[1])
        there = present[dict(zip(keys, key, strict=False)).get("modalities")]  # else nothing is to be said
        missing = [
            f.name
            for f in run.protocols[protocol]
            if f.seed == seed and f.name not in found and (f.test & there).any()
        ]
        if missing:
            who = ", ".join(str(k) for k in key[2:])
            notes.add(
                "incomplete",
                protocol,
                "folds were not predicted",
                Case("prediction set", 0, f"fold {missing[0]} of {who}"),
                caution=True,
            )


def _present(run: RunContent, modalities: Any) -> NDArray[np.bool_]:
    """The samples for which at least one of the modalities exists (``present_<stream>``)."""
    columns = [f"present_{m}" for m in str(modalities).split("+")]
    if modalities is None or not all(c in run.samples for c in columns):
        return np.ones(len(run.ids), np.bool_)
    return np.asarray(run.samples[columns].eq(True).to_numpy(np.bool_).any(axis=1), np.bool_)


def _check_columns(run: RunContent, predictions: pd.DataFrame, at: NDArray[np.int64], notes: Notes) -> None:
    """Predictions must carry the subject, stimulus, trial and label that samples.parquet gives.

    Labels of the shuffled control are permuted on purpose, but never within a subject's showing of a
    stimulus.
    """
    shuffled = np.zeros(len(predictions), bool)
    if "control" in predictions and {"subject", "stimulus", "label"} <= set(predictions.columns):
        shuffled = predictions["control"].to_numpy() == "shuffled"
        keys = ["protocol", "seed", "subject", "stimulus"]
        counts = predictions[shuffled].groupby(keys, observed=True)["label"].nunique()
        for protocol, mixed in counts[counts > 1].groupby(level="protocol", observed=True):
            notes.add(
                "predictions",
                str(protocol),
                "the shuffled control has several labels for one showing of a stimulus",
                Case("", len(mixed), f"subject {mixed.index[0][2]}, stimulus {mixed.index[0][3]}"),
            )
    for name in ("trial", "subject", "stimulus", "label"):
        if name not in predictions:
            continue
        ours = run.samples[name].to_numpy()[at]
        theirs = predictions[name].to_numpy()
        if name == "label":
            ours, theirs = run.label[at], whole_numbers(predictions[name])
        differs = ours != theirs
        wrong = np.flatnonzero(differs & ~shuffled if name == "label" else differs)
        for protocol, rows in predictions.iloc[wrong].groupby("protocol", observed=True).indices.items():
            notes.add(
                "predictions",
                str(protocol),
                f"the {name} of predictions differs from that of the samples",
                Case("", len(rows), f"sample {predictions['sample'].iloc[wrong[rows[0]]]}"),
            )


def _check_probe(run: RunContent, probe: Probe, notes: Notes) -> None:
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
        worst = int(np.nan_to_num(difference, nan=np.inf).argmax())
        notes.add(
            "coupling",
            "probe",
            f"probabilities of a sample alone and in a batch differ by up to {difference.max():.2g}",
            Case("", int((~(difference <= MAX_COUPLING)).sum()), f"sample {ids[worst]}"),
        )


# -- what was proven -------------------------------------------------------------------------------------


def _proven(
    run: RunContent, protocol: str, folds: Sequence[Fold], findings: Iterable[Finding]
) -> tuple[str, ...]:
    kinds = {f.kind for f in findings if f.where in (protocol, "probe") and f.severity == "leak"}
    if kinds & _VOID:
        return ()
    return tuple(
        kind
        for kind in HELD_OUT
        if (run.codes[kind] >= 0).any()
        and not any(_shared(run.codes[kind], f.test, f.train | f.val).any() for f in folds)
    )
