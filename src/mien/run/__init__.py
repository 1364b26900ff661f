"""Studies from files to a report: study files, the store, executors and the command line."""

from __future__ import annotations

from typing import Any

__all__ = ["audit_run", "study"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from mien.run import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
