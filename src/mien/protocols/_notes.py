"""What an audit saw, gathered to one finding for each place and kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mien.core import Finding


class Notes:
    """Gathers what was seen: one finding for each place, kind and severity, however often it was seen."""

    def __init__(self) -> None:
        self._seen: dict[tuple[bool, str, str], dict[str, list[Case]]] = {}

    def add(self, kind: str, where: str, text: str, case: Case, *, caution: bool = False) -> None:
        """``text`` says what is wrong; equal texts are counted."""
        self._seen.setdefault((caution, where, kind), {}).setdefault(text, []).append(case)

    def findings(self) -> tuple[Finding, ...]:
        """Leaks first, then by place and kind."""
        return tuple(
            Finding(
                kind=kind,
                where=where,
                severity="caution" if caution else "leak",
                evidence="; ".join(f"{text}{_told(cases)}" for text, cases in texts.items()),
            )
            for (caution, where, kind), texts in sorted(self._seen.items(), key=lambda item: item[0])
        )


class Case(NamedTuple):
    """One fold, fit or group of predictions that shows something, and how many samples do."""

    unit: str = ""
    n_samples: int = 0
    example: str = ""


def _told(cases: Sequence[Case]) -> str:
    n = sum(c.n_samples for c in cases)
    parts = [many(len(cases), cases[0].unit)] if cases[0].unit else []
    parts += [many(n, "sample")] if n else []
    parts += [f"e.g. {cases[0].example}"] if cases[0].example else []
    return f" ({', '.join(parts)})" if parts else ""


def many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
