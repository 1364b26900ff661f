"""Writing Curry's ``.cdt`` with its parameter file ``.cdt.dpo`` and its events ``.cdt.ceo``, block by block.

The parts and words of the text files are those that public readers of the format look for (Compumedics' own
``curryreader``, MNE); samples are 32-bit floats, all channels of one moment, then the next.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.simulate._lines import held_codes

_VERSION = 804
_IDLE = 0xFF00


def write_curry(
    path: Path,
    blocks: Iterable[NDArray[np.floating]],
    *,
    channels: Sequence[str],
    rate: int,
    n_samples: int,
    markers: Sequence[tuple[int, int]] = (),
    hold: int = 20,
    idle: int = _IDLE,
    others: Sequence[str] = ("HEO", "VEO", "EKG", "EMG"),
    trigger: str = "Trigger",
    positions: NDArray[np.floating] | None = None,
    start: datetime.datetime | None = None,
    unit: str | None = "uV",
    events: bool = True,
) -> int:
    """Write one continuous recording.

    Parameters
    ----------
    path
        The ``.cdt``; ``.cdt.dpo`` and ``.cdt.ceo`` are put beside it.
    blocks
        Consecutive pieces (channels, times) of ``channels`` in ``unit``, ``n_samples`` in all; one is in
        memory at a time. The trigger channel is added here.
    channels
        Names in file order without the trigger; those of ``others`` stand last.
    rate
        Samples per second.
    markers
        (sample, code from 1 to 255), in the order of time. A code is on for ``hold`` samples or until the
        next begins.
    idle
        What the trigger channel holds besides the code; 0xFF00 as in MMME.
    positions
        Of the electrodes (those that are not ``others``), (electrodes, 3) in mm; None: points on a sphere
        that mean nothing (readers want some).
    start
        Date and time of day of the first sample.
    unit
        Word for the unit of every channel, None to leave it out.
    events
        Whether to write the events' file too.

    Returns
    -------
    int
        Number of samples written.

    Raises
    ------
    ValueError
        The blocks hold another number of samples than ``n_samples``.
    """
    start = datetime.datetime(2023, 7, 21) if start is None else start
    electrodes = [name for name in channels if name not in set(others)]
    codes = held_codes(markers, n_samples, hold=hold)
    done = 0
    with path.open("wb") as file:
        for block in blocks:
            n = block.shape[1]
            stored = np.empty((n, len(channels) + 1), dtype="<f4")
            stored[:, :-1] = block.T
            stored[:, -1] = idle + codes[done : done + n].astype(np.int32)
            file.write(stored.data)
            done += n
    if done != n_samples:
        raise ValueError(f"{path}: {done} samples were given, {n_samples} promised")
    groups = {"": electrodes, "_OTHERS": [*(name for name in channels if name not in electrodes), trigger]}
    points = _sphere(len(electrodes)) if positions is None else positions
    text = _parameters(groups, points, rate=rate, n_samples=n_samples, start=start, unit=unit)
    path.with_name(path.name + ".dpo").write_text(text, encoding="utf-8", newline="\n")
    if events:
        path.with_name(path.name + ".ceo").write_text(_events(markers), encoding="utf-8", newline="\n")
    return done


def _sphere(n: int) -> NDArray[np.float64]:
    """Points on the upper half of a sphere of 90 mm, in a spiral."""
    height = (np.arange(n) + 0.5) / max(n, 1)
    angle = np.arange(n) * np.pi * (3 - 5**0.5)
    width = np.sqrt(1 - height**2)
    return 90 * np.stack([width * np.cos(angle), width * np.sin(angle), height], axis=1)


def _parameters(
    groups: Mapping[str, Sequence[str]],
    positions: NDArray[np.floating],
    *,
    rate: int,
    n_samples: int,
    start: datetime.datetime,
    unit: str | None,
) -> str:
    head = {
        "NumSamples": n_samples,
        "NumChannels": sum(map(len, groups.values())),
        "NumTrials": 1,
        "SampleFreqHz": rate,
        "TriggerOffsetUsec": 0,
        "DataFormat": "FLOAT",
        "DataByteOrder": "INTEL",
        "DataSampOrder": "SAMP",
        "NumGroups": len(groups),
        "SampleTimeUsec": f"{1e6 / rate:.10g}",
        "StartYear": start.year,
        "StartMonth": start.month,
        "StartDay": start.day,
        "StartHour": start.hour,
        "StartMin": start.minute,
        "StartSec": start.second,
        "StartMillisec": start.microsecond // 1000,
        "AmplifierInfo": "",
    }
    parts = [_fields("", {"FileVersion": _VERSION}), _block("DATA_PARAMETERS", head)]
    first = 0
    for group, names in groups.items():
        device: dict[str, object] = {} if unit is None else {"DataUnit": unit}
        parts.append(_block(f"DEVICE_PARAMETERS{group}", {**device, "NumChanThisGroup": len(names)}))
        parts.append(_list(f"LABELS{group}", names))
        if not group:
            parts.append(_list(f"SENSORS{group}", ["\t".join(f"{x:.4f}" for x in row) for row in positions]))
        parts.append(_list(f"CHAN_IN_FILE{group}", range(first + 1, first + len(names) + 1)))
        first += len(names)
    return "".join(parts)


def _fields(indent: str, values: dict[str, object]) -> str:
    return "".join(f"{indent}{name:<20} = {value}\n" for name, value in values.items()) + "\n"


def _block(name: str, values: dict[str, object]) -> str:
    return f"{name} START\n{_fields('   ', values)}{name} END\n\n"


def _list(name: str, rows: Iterable[object]) -> str:
    rows = list(rows)
    about = _block(name, {"ListDescription": name.lower(), "ListNrRows": len(rows)}).rstrip("\n")
    return "\n".join([about, f"{name} START_LIST\t# Do not edit!", *map(str, rows), f"{name} END_LIST\n\n"])


def _events(markers: Sequence[tuple[int, int]]) -> str:
    rows = ["\t".join(map(str, (at, 0, code, -1, at, at, 0, 0, 0, 0, 0))) for at, code in markers]
    return _list("NUMBER_LIST", rows) + _list("REMARK_LIST", [""] * len(markers))
