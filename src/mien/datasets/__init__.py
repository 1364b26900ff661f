"""Data sets by name: where their files lie, what their labels mean, and what is wrong with them.

A data set is one file here (or an entry point of the group ``mien.datasets``) with

* one class marked ``@registered``, made without arguments, that offers ``card`` (a :class:`Card`),
  ``load(root, **options) -> list[Recording]`` and ``inspect(root, **options) -> Inspection``;
* ``example(folder=None) -> Path``, which writes a tiny made-up copy in the real layout into ``folder`` (made
  if need be; None means a new temporary folder) and returns the root to give to ``load``.
"""

from __future__ import annotations

import inspect as _inspect
from pathlib import Path
from typing import Any

from mien.core.errors import InputError, UnknownNameError
from mien.core.registry import Registry, normalise_name
from mien.core.types import Recording
from mien.datasets._card import Card
from mien.datasets._inspection import DatasetWarning, Fault, Inspection

__all__ = [
    "Card",
    "DatasetWarning",
    "Fault",
    "Inspection",
    "card",
    "example",
    "inspect",
    "load",
    "names",
    "registry",
    "reveal",
]

registry = Registry("data set", "mien.datasets")


def names() -> list[str]:
    """Names of all data sets; imports none of them."""
    return registry.names()


def load(name: str, root: str | Path, **options: Any) -> list[Recording]:
    """Recordings of a data set, with streams that read when asked.

    Parameters
    ----------
    name
        Registered name, for example ``"seed_vii"``.
    root
        Folder that holds the data set.
    **options
        What the data set offers, for example ``subjects=["1", "2"]``.

    Raises
    ------
    InputError
        Nothing in the folder can be used.
    UnknownNameError
        No such data set, or no such option.

    Warns
    -----
    DatasetWarning
        Some files or clips were left out; :func:`inspect` lists them.
    """
    function = registry.get(name)().load
    _check_options(name, function, options)
    recordings: list[Recording] = function(root, **options)
    return recordings


def inspect(name: str, root: str | Path, **options: Any) -> Inspection:
    """What is in the folder: counts against the card, and every fault with file and reason.

    Unlike :func:`load` it reads all data, one piece at a time. A folder that is no copy of the data set is an
    InputError, as in :func:`load`.
    """
    function = registry.get(name)().inspect
    _check_options(name, function, options)
    result: Inspection = function(root, **options)
    return result


def reveal(name: str, root: str | Path) -> dict[str, str]:
    """Pseudonym to person's name, of a data set whose files name people; for its keeper's eyes only.

    Raises
    ------
    InputError
        The data set names nobody, or the folder is no copy of it.
    """
    function = getattr(registry.get(name)(), "reveal", None)
    if function is None:
        raise InputError(f"{normalise_name(name)} has no names of people to reveal")
    found: dict[str, str] = function(root)
    return found


def card(name: str) -> Card:
    """Licence, citation, how to obtain, expected counts and known faults of a data set."""
    result: Card = registry.get(name).card
    return result


def example(name: str, folder: str | Path | None = None) -> Path:
    """Writes a tiny made-up copy of a data set and returns its root."""
    root: Path = registry.module(name).example(folder)
    return root


def _check_options(name: str, function: Any, options: dict[str, Any]) -> None:
    known = [key for key in _inspect.signature(function).parameters if key != "root"]
    for key in options:
        if key not in known:
            raise UnknownNameError(f"option of data set {normalise_name(name)}:", key, known)
