"""What is known of made-up data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mien.core import InputError


def read_truth(root: str | Path) -> dict[str, Any] | None:
    """``truth.json`` of a made-up data set, or None."""
    path = Path(root) / "truth.json"
    if not path.exists():
        return None
    try:
        return dict(json.loads(path.read_bytes()))
    except ValueError:
        raise InputError("is not JSON", file=path, remedy="simulate the data set again") from None
