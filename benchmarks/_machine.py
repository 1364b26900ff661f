"""What a number was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable


def describe(*packages: str) -> str:
    """Machine, cores in use, Python and package versions, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = ("numpy", "scipy", *packages)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return (
        f"{platform.machine()} {_processor()}, {cores} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def best(function: Callable[[], object], *, repeats: int) -> float:
    """Least seconds of several calls, after one that does not count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def once(function: Callable[[], object]) -> float:
    """Seconds of one call, for what takes too long to repeat."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
