"""Sample ids as hashes and in the compact form of ``splits.json``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mien.core import InputError, Sample, Split, natural_key

PARTS = ("train", "val", "test")


def hash_ids(ids: Iterable[str]) -> str:
    """BLAKE2b-128 hex digest of the sorted ids joined by newlines (UTF-8)."""
    return hashlib.blake2b("\n".join(sorted(ids)).encode(), digest_size=16).hexdigest()


def splits_to_json(splits: Iterable[tuple[str, int, Split]], samples: Iterable[Sample]) -> dict[str, Any]:
    """The content of ``splits.json``: folds by trial where a whole trial is in one part, else by sample.

    Parameters
    ----------
    splits
        Name of the protocol, seed, fold.
    samples
        All samples that exist, also those in no part.
    """
    trial_of: dict[str, str] = {}
    size: dict[str, int] = {}
    for s in samples:
        trial_of[s.id] = s.trial
        size[s.trial] = size.get(s.trial, 0) + 1
    rank = {trial: i for i, trial in enumerate(sorted(size, key=lambda t: (natural_key(t), t)))}
    folds = []
    for protocol, seed, split in splits:
        fold: dict[str, Any] = {"protocol": protocol, "seed": seed, "fold": split.fold, "unit": split.unit}
        fold["held_out"] = {key: list(values) for key, values in split.held_out.items()}
        for part in PARTS:
            fold[part] = _compact(getattr(split, part), trial_of, size, rank)
        folds.append(fold)
    return {"folds": folds}


def _compact(
    ids: Sequence[str], trial_of: Mapping[str, str], size: Mapping[str, int], rank: Mapping[str, int]
) -> dict[str, list[str]]:
    here: dict[str, int] = {}
    for i in ids:
        here[trial_of[i]] = here.get(trial_of[i], 0) + 1
    whole = {t for t, n in here.items() if n == size[t]}
    return {
        "trials": sorted(whole, key=rank.__getitem__),
        "samples": [i for i in ids if trial_of[i] not in whole],
    }


def splits_from_json(data: Mapping[str, Any], samples: Iterable[Sample]) -> list[tuple[str, int, Split]]:
    """The folds behind the content of ``splits.json``; the reverse of :func:`splits_to_json`.

    The ids of a part come in natural order.

    Raises
    ------
    InputError
        A trial or sample that is not among ``samples``.
    """
    members: dict[str, list[str]] = {}
    for s in samples:
        members.setdefault(s.trial, []).append(s.id)
    order = {i: k for k, i in enumerate(sorted((i for m in members.values() for i in m), key=_natural))}
    result = []
    for fold in data["folds"]:
        parts = {}
        for part in PARTS:
            ids = [i for t in fold[part]["trials"] for i in members.get(t, [f"?{t}"])] + fold[part]["samples"]
            unknown = [i for i in ids if i not in order]
            if unknown:
                name = unknown[0].lstrip("?")
                raise InputError(
                    f"fold {fold['fold']} of {fold['protocol']}: {name!r} is no known sample or trial",
                    expected="splits made from the same samples",
                )
            parts[part] = tuple(sorted(ids, key=order.__getitem__))
        held_out = {key: tuple(values) for key, values in fold["held_out"].items()}
        split = Split(fold=fold["fold"], held_out=held_out, unit=fold["unit"], **parts)
        result.append((fold["protocol"], fold["seed"], split))
    return result


def _natural(text: str) -> tuple[Any, str]:
    return natural_key(text), text
