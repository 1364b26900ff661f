"""What a report says: its results, and what the audit found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mien.core._check import require


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing the audit saw. ``severity`` is ``"leak"`` (the number is not what it says) or ``"caution"``
    (the number is what it says, but a reader should know)."""

    kind: str
    where: str
    evidence: str
    severity: Literal["leak", "caution"] = "leak"


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """Verdict of the leakage audit, what it found, and what it proved.

    ``proven`` maps a protocol's name to what was shown to be kept out of its training
    (any of :data:`HELD_OUT`); a word such as "cross-subject" may be printed only if it is in here.
    """

    verdict: Literal["clean", "leaks"]
    findings: tuple[Finding, ...] = ()
    proven: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        leaks = any(f.severity == "leak" for f in self.findings)
        require((self.verdict == "leaks") == leaks, "the verdict must follow from the findings")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What ``report.json`` holds: results and audit."""

    results: tuple[Mapping[str, Any], ...]
    audit: AuditReport
