"""Recordings and a model that come inside other packages: found on this computer, never downloaded from here.

``assets.toml`` beside this file lists them; ``scripts/assets.py`` fetches them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.core.errors import InputError, UnknownNameError

VARIABLE = "MIEN_ASSETS"
"""Environment variable that names a folder to look in first."""
DEFAULT = Path(__file__).resolve().parents[3] / "assets"
"""The folder that ``scripts/assets.py`` fills: ``assets`` at the root of the repository."""


def find_asset(name: str, *, path: str | Path | None = None) -> Path:
    """Where an asset lies on this computer, its content checked.

    Parameters
    ----------
    name
        ``"set/file"`` for one file, or ``"set"`` for the folder that holds all files of a set, as in
        ``assets.toml``.
    path
        The file or folder itself; default: in the folder that ``MIEN_ASSETS`` names, else in the one that
        ``scripts/assets.py`` fills, else (a file that the list says so of) inside an installed package, which
        is not imported.

    Raises
    ------
    UnknownNameError
        No such set or file is listed.
    InputError
        It is not there, or its SHA-256 is not the one listed.
    """
    listed = _listed()
    group, _, file = name.partition("/")
    if group not in listed:
        raise UnknownNameError("set of assets", group, listed)
    files: Mapping[str, Any] = listed[group]["files"]
    if file and file not in files:
        raise UnknownNameError(f"asset of {group!r}", file, files)
    remedy = f"run: python scripts/assets.py --only {group}"
    where = Path(path) if path is not None else _folder(group, file) / group / file
    if path is None and file and not where.exists():
        where = _installed(files[file]) or where
    if not where.exists():
        raise InputError("is not there", file=where, expected=f"the asset {name!r}", remedy=remedy)
    for part in [file] if file else files:
        at = where if file else where / part
        digest = _digest(at) if at.is_file() else "no file"
        if digest != files[part]["sha256"]:
            raise InputError(
                f"is not the asset {group}/{part}: SHA-256 {digest}",
                file=at,
                expected=files[part]["sha256"],
                remedy=remedy,
            )
    return where


def _folder(group: str, file: str) -> Path:
    named = os.environ.get(VARIABLE)
    if named and (Path(named) / group / file).exists():
        return Path(named)
    return DEFAULT


def _installed(about: Mapping[str, Any]) -> Path | None:
    """The file inside an installed package, the first copy whose content is right."""
    for copy in about.get("installed", ()):
        package, _, inside = copy.partition("/")
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            at = Path(folder) / inside
            if at.is_file() and _digest(at) == about["sha256"]:
                return at
    return None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _listed() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
