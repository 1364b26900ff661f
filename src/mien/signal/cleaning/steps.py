"""The steps by name: what a study file or a record holds, and back."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from mien.core import InputError, UnknownNameError
from mien.signal.cleaning.bad_channels import BadChannels
from mien.signal.cleaning.bursts import BurstRepair
from mien.signal.cleaning.eyes import EyeRegression
from mien.signal.cleaning.filters import HighPass, LowPass, Notch
from mien.signal.cleaning.ica import ICA
from mien.signal.cleaning.interpolate import Interpolate
from mien.signal.cleaning.reference import Rereference
from mien.signal.cleaning.resample import Resample

Step = (
    HighPass
    | LowPass
    | Notch
    | Resample
    | BadChannels
    | Interpolate
    | Rereference
    | EyeRegression
    | BurstRepair
    | ICA
)
STEPS: Mapping[str, type[Any]] = {
    "high_pass": HighPass,
    "low_pass": LowPass,
    "notch": Notch,
    "resample": Resample,
    "bad_channels": BadChannels,
    "interpolate": Interpolate,
    "rereference": Rereference,
    "eye_regression": EyeRegression,
    "burst_repair": BurstRepair,
    "ica": ICA,
}
"""Name in files to class."""
DEFAULT: tuple[Step, ...] = (
    HighPass(0.1),
    Notch(50.0),
    Resample(200.0),
    BadChannels(),
    Interpolate(),
    Rereference("average"),
    EyeRegression(),
    BurstRepair(),
    ICA(),
    LowPass(70.0),
)
"""For raw recordings like SEED-VII's: 1000 Hz, hum of 50 Hz, an electrode as reference. docs/cleaning.md says
why in this order."""


def name_of(step: Step) -> str:
    """``"high_pass"`` for a :class:`HighPass`."""
    for name, kind in STEPS.items():
        if type(step) is kind:
            return name
    raise InputError(f"{step!r} is not a cleaning step", expected=f"one of {', '.join(STEPS)}")


def parameters_of(step: Step) -> dict[str, Any]:
    """Every parameter of a step, as JSON holds it."""
    return {f.name: _plain(getattr(step, f.name)) for f in dataclasses.fields(step)}


def steps_to_json(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Steps as a list of ``{"step": name, parameter: value, …}``; :func:`steps_from_json` reads it back."""
    return [{"step": name_of(step), **parameters_of(step)} for step in steps]


def steps_from_json(items: Iterable[Any]) -> tuple[Step, ...]:
    """Steps from a study file or a record.

    Parameters
    ----------
    items
        Each a mapping ``{"step": name, parameter: value, …}``, a bare name (all parameters as they are by
        default) or a step.

    Raises
    ------
    UnknownNameError, InputError
        No such step, no such parameter, or a value that the step refuses.
    """
    if isinstance(items, str | Mapping):
        raise InputError("the steps of cleaning are one value", expected="a list of steps")
    return tuple(_step(item) for item in items)


def _step(item: Any) -> Step:
    if type(item) in STEPS.values():
        return typing.cast(Step, item)
    values = {"step": item} if isinstance(item, str) else dict(item) if isinstance(item, Mapping) else {}
    name = values.pop("step", None)
    if not isinstance(name, str):
        raise InputError(
            f"cleaning step {item!r} has no name", expected='{ step = "high_pass", cutoff = 0.1 }'
        )
    if name not in STEPS:
        raise UnknownNameError("cleaning step", name, STEPS)
    kind = STEPS[name]
    known = [f.name for f in dataclasses.fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown and known:
        raise UnknownNameError(f"parameter of the cleaning step {name!r}", unknown[0], known)
    if unknown:
        raise InputError(f"cleaning step {name!r} has no parameter {', '.join(unknown)}", expected="none")
    try:
        return typing.cast(Step, kind(**values))
    except (TypeError, ValueError) as error:
        raise InputError(f"cleaning step {name!r}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value
