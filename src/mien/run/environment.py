"""Machine, versions and times of a run: the only file of a run folder that differs between two runs."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mien.run.files import write_json

NAME = "environment.json"
_PACKAGES = (
    "mien",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "torch",
    "mne",
    "safetensors",
    "matplotlib",
)
_SECONDS_BETWEEN_SAVES = 2.0


class Clock:
    """Wall-clock seconds of the stages of a run, kept in its folder's ``environment.json``.

    A run that goes on after an interruption adds to what the parts before it took. What a killed run did
    after it was last saved is not counted.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.seconds: dict[str, float] = _seconds_so_far(self.path)
        self._saved = -_SECONDS_BETWEEN_SAVES
        self._stage: tuple[str, float, float] | None = None

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a stage; saves at its end, also when it is interrupted."""
        self._stage = (stage, self.seconds.get(stage, 0.0), time.perf_counter())
        try:
            yield
        finally:
            self._count()
            self._stage = None
            self.save()

    def tick(self) -> None:
        """Save what the present stage took so far, if the last time is a while ago."""
        if time.perf_counter() - self._saved > _SECONDS_BETWEEN_SAVES:
            self._count()
            self.save()

    def save(self) -> Path:
        """Write ``environment.json``."""
        self._saved = time.perf_counter()
        seconds = {stage: round(s, 2) for stage, s in self.seconds.items()}
        return write_json(self.path, {"machine": machine(), "versions": versions(), "seconds": seconds})

    def _count(self) -> None:
        if self._stage is not None:
            stage, before, start = self._stage
            self.seconds[stage] = before + time.perf_counter() - start


def _seconds_so_far(path: Path) -> dict[str, float]:
    try:
        return {str(k): float(v) for k, v in json.loads(path.read_bytes())["seconds"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}  # a time that is lost stops no run


def versions() -> dict[str, str]:
    """Installed versions of the packages that results depend on."""
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What kind of machine this is; no name of it or of its user."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpu() -> str | None:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None
