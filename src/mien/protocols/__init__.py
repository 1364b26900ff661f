"""Who is held out (subject, session, stimulus, trial, event), and the audit that proves it.

A protocol sees ids and labels, never a signal. Adding one is adding a file: see :mod:`mien.protocols.loso`.
"""

from __future__ import annotations

import inspect
from typing import Any

from mien.core import Registry, Sample, UnknownNameError
from mien.protocols._audit import audit, words
from mien.protocols._ids import hash_ids, splits_from_json, splits_to_json
from mien.protocols._rule import Rule

__all__ = [
    "Rule",
    "audit",
    "create",
    "example",
    "hash_ids",
    "names",
    "splits_from_json",
    "splits_to_json",
    "words",
]

_REGISTRY = Registry("protocol", "mien.protocols")


def names() -> list[str]:
    """Names of all protocols, sorted; imports none of them."""
    return _REGISTRY.names()


def create(name: str, **options: Any) -> Rule:
    """A protocol by name.

    Parameters
    ----------
    name
        One of :func:`names`; ``-``, ``/`` and ``+`` count as ``_``.
    **options
        What the protocol's class offers, for example ``n_stimulus_folds=4`` of ``loso_stimulus``.

    Returns
    -------
    Rule
        Has ``splits(samples, seed=0)``, ``held_out``, ``leaky``, ``text`` and what it needs (``min_…``).

    Raises
    ------
    UnknownNameError
        No protocol, or no option, of that name; the message names the nearest.
    InputError
        An option's value cannot be used.
    """
    maker = _REGISTRY.get(name)
    known = inspect.signature(maker).parameters
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of protocol {name!r}", option, known)
    protocol: Rule = maker(**options)
    return protocol


def example(name: str) -> tuple[Sample, ...]:
    """A tiny set of made-up samples that the protocol can split."""
    samples: tuple[Sample, ...] = _REGISTRY.example(name)
    return samples
