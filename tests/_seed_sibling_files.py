"""What the tests of SEED, SEED-IV and SEED-V share: damage, and the one fault it must make."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mien.core import Recording
from mien.datasets import DatasetWarning, Fault, inspect, load


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def make_html(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html>please log in</html>")


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE = {"is truncated": truncate, "is a web page": make_html, "is empty": make_empty}
"""What the fault says, and what makes it."""


def only_fault(name: str, root: Path) -> Fault:
    (fault,) = inspect(name, root).faults
    return fault


def load_with_warning(name: str, root: Path, **options: Any) -> list[Recording]:
    with pytest.warns(DatasetWarning, match=f"mien inspect {name}") as caught:
        found = load(name, root, **options)
    assert len(caught) == 1
    assert caught[0].filename == __file__  # the warning points at whoever called load
    return found


def content(path: Path) -> dict[str, Any]:
    """Variables of a MATLAB file."""
    return {key: value for key, value in loadmat(path).items() if not key.startswith("__")}


def change_mat(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrites a MATLAB file after a change of its variables."""
    variables = content(path)
    change(variables)
    savemat(path, variables)


def npz_content(path: Path) -> dict[str, Any]:
    """Unpickled arrays of an archive that the tests made."""
    with np.load(path) as npz:
        return {key: pickle.loads(npz[key].tobytes()) for key in npz.files}  # noqa: S301  our own bytes


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **{key: np.bytes_(pickle.dumps(value, 3)) for key, value in arrays.items()})
