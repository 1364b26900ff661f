"""Figures, tables and the page of a run, from the run folder alone."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Run": "run_folder",
    "read_run": "run_folder",
    "results": "rows",
    "write_report_json": "rows",
    "write_report": "html",
    "compare_features": "compare",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"mien.report.{_HOME[name]}"), name)
    raise AttributeError(f"module 'mien.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
