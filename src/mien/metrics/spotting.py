"""Scores of found intervals against annotated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mien.core import InputError

Intervals = Mapping[str, Sequence[Sequence[Any]]]


class _Interval(NamedTuple):
    onset: int
    offset: int
    kind: str | None = None
    confidence: float = 1.0


def spotting_scores(truth: Intervals, found: Intervals, *, min_iou: float = 0.5) -> dict[str, Any]:
    """Precision, recall and F1 of spotting over a whole data set [MEGC2020].

    A found interval is right if it shares at least ``min_iou`` of the union of frames with an annotated one
    of the same video and kind. Found intervals are taken in descending confidence (earlier first among
    equals); each takes the annotated interval it overlaps most among those not yet taken.

    Parameters
    ----------
    truth
        Video to its annotated ``(onset, offset)`` or ``(onset, offset, kind)``; frames are inclusive, so
        ``(10, 19)`` has ten. Videos without any belong here too, with an empty list.
    found
        Video to its found ``(onset, offset)``, ``(onset, offset, kind)`` or
        ``(onset, offset, kind, confidence)``; nothing found is an empty list or no entry, never a dummy
        interval. What is found in a video that ``truth`` does not list counts as found, too.
    min_iou
        Least intersection over union.

    Returns
    -------
    dict
        ``tp``, ``n_truth``, ``n_found``, ``precision``, ``recall``, ``f1`` of all kinds together (counts
        pooled), and ``kinds``, the same for each kind (if kinds are given). ``f1 = 2 tp / (n_truth +
        n_found)``; what would be 0/0 is None.

    Raises
    ------
    InputError
        An offset before its onset; kinds in one of the two only.
    """
    annotated = {video: _parse(rows, f"truth of {video}") for video, rows in truth.items()}
    spotted = {video: _parse(rows, f"found in {video}") for video, rows in found.items()}
    kinds = {i.kind for rows in (*annotated.values(), *spotted.values()) for i in rows}
    if None in kinds and len(kinds) > 1:
        raise InputError("some intervals have a kind and others have none", expected="a kind for all or none")
    counts = {}
    for kind in sorted(kinds, key=str):
        tp = n_truth = n_found = 0
        for video in sorted({*annotated, *spotted}):
            there = [i for i in annotated.get(video, ()) if i.kind == kind]
            here = [i for i in spotted.get(video, ()) if i.kind == kind]
            tp += _count_matches(there, here, min_iou)
            n_truth += len(there)
            n_found += len(here)
        counts[kind] = (tp, n_truth, n_found)
    pooled = [sum(c[k] for c in counts.values()) for k in range(3)]
    named = {kind: _ratios(*c) for kind, c in counts.items() if kind is not None}
    return {**_ratios(*pooled), "kinds": named}


def _parse(rows: Sequence[Sequence[Any]], where: str) -> list[_Interval]:
    result = []
    for row in rows:
        if not 2 <= len(row) <= 4:
            raise InputError(
                f"{where}: interval of {len(row)} values", expected="(onset, offset[, kind[, confidence]])"
            )
        interval = _Interval(*row)
        if interval.offset < interval.onset:
            raise InputError(f"{where}: offset {interval.offset} before onset {interval.onset}")
        result.append(interval)
    return result


def _iou(a: _Interval, b: _Interval) -> float:
    both = min(a.offset, b.offset) - max(a.onset, b.onset) + 1
    if both <= 0:
        return 0.0
    return both / ((a.offset - a.onset + 1) + (b.offset - b.onset + 1) - both)


def _count_matches(truth: Sequence[_Interval], found: Sequence[_Interval], min_iou: float) -> int:
    free = list(truth)
    matches = 0
    for interval in sorted(found, key=lambda i: (-i.confidence, i.onset, i.offset)):
        best = max(free, key=lambda t: _iou(t, interval), default=None)
        if best is not None and _iou(best, interval) >= min_iou:
            free.remove(best)
            matches += 1
    return matches


def _ratios(tp: int, n_truth: int, n_found: int) -> dict[str, float | int | None]:
    return {
        "tp": tp,
        "n_truth": n_truth,
        "n_found": n_found,
        "precision": tp / n_found if n_found else None,
        "recall": tp / n_truth if n_truth else None,
        "f1": 2 * tp / (n_truth + n_found) if n_truth + n_found else None,
    }
