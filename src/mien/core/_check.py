"""What the types check of themselves."""

from __future__ import annotations

UNITS = frozenset(
    {"V", "m", "rad", "px", "s", "Hz", "S", "ohm", "Pa", "K", "V/V", "1", "log2(uV2)", "mixed", "arbitrary"}
)
"""Units a stream or signal may carry: SI from the reader on; ``"1"`` is dimensionless, ``"mixed"`` means the
channels differ (a table of features), ``"arbitrary"`` that nobody published which unit it is."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def require_text(owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        require(
            isinstance(value, str) and value != "",
            f"{type(owner).__name__}.{name} must be a non-empty string, got {value!r}",
        )


def require_unit(unit: str) -> None:
    require(unit in UNITS, f"unit {unit!r} is not one of {', '.join(sorted(UNITS))}")
