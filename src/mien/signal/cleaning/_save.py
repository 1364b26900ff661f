"""The record of a cleaning in two files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def save(folder: str | Path, record: Mapping[str, Any], arrays: Mapping[str, Any]) -> Path:
    """Write ``cleaning.json`` and ``cleaning.npz``; each appears whole or not at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / ".cleaning.npz.part"
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.asarray(value) for name, value in arrays.items()})
    os.replace(part, folder / "cleaning.npz")
    part = folder / ".cleaning.json.part"
    text = json.dumps(dict(record), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    part.write_text(text + "\n", "utf-8")
    os.replace(part, folder / "cleaning.json")
    return folder
