"""Errors a user meets: one line that says what was found, what was expected, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class MienError(Exception):
    """Base of every error that mien raises on purpose; the command line prints it and exits with 2."""


class InputError(MienError):
    """A file, folder or value that cannot be used.

    Parameters
    ----------
    what
        What was asked for or found.
    expected, remedy
        What would have been right, and what the user can do.
    file
        The file or folder at fault.
    """

    def __init__(
        self,
        what: str,
        *,
        file: str | Path | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what, self.file, self.expected, self.remedy = what, file, expected, remedy
        text = f"{file}: {what}" if file is not None else what
        if expected:
            text += f"; expected {expected}"
        if remedy:
            text += f". {remedy[0].upper()}{remedy[1:]}"
        super().__init__(" ".join(text.split()))


class UnknownNameError(MienError, KeyError):
    """A name that is not on the list; names the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else f"known: {', '.join(known)}"
        self.text = f"unknown {kind} {name!r}; {hint}"
        super().__init__(self.text)

    def __str__(self) -> str:
        return self.text


class MissingPackageError(MienError):
    """An optional package is not installed."""

    def __init__(self, package: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}. Install it with: pip install {package}")
