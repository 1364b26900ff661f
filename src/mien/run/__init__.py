"""Studies from files to a report: study files, the store, executors and the command line."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {"audit_run": "audit", "study": "pipeline"}
__all__ = ["audit_run", "study"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
