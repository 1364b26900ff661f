"""The text files beside a ``.cdt``: what its samples are, and its events."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

from mien.core import Event, InputError, Span
from mien.io._content import first_bytes

AGAIN = "copy the .cdt and the files beside it again"
ITEM = 4
"""Bytes of a sample."""
_EXPORT = "open it in Curry and save it as raw float data"
_COMPRESSED = "{2912E8D8-F5C8-4E25-A8E7-A1385967DA09}"
_UNIT = "uV"
"""Unit of a group of channels whose parameter file names none: what Curry records in."""
_EVENT_FIELDS = 6
"""Of an event's row: sample, 0, type, -1, first and last sample; more may follow."""


def _lines(path: Path, expected: str) -> list[str]:
    first_bytes(path, 16, expected=expected)
    content = path.read_bytes()
    if b"\0" in content:
        raise InputError("is not text", file=path, expected=expected, remedy=AGAIN)
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return content.decode("latin-1").splitlines()


_BORDER = re.compile(r"([A-Z][A-Z0-9_]*) (START_LIST|END_LIST|START|END)\s*(?:#.*)?")


def _sections(lines: Sequence[str]) -> tuple[dict[str, dict[str, str]], dict[str, list[str]], str | None]:
    """Fields of each section, rows of each list, and the name of one that has no end.

    The names of fields lose case and underscores: Curry 6 wrote NUM_SAMPLES where later ones say NumSamples.
    """
    fields: dict[str, dict[str, str]] = {}
    lists: dict[str, list[str]] = {}
    inside: tuple[str, str] | None = None
    for line in lines:
        border = _BORDER.fullmatch(line.strip())
        if border:
            name, word = border.groups()
            inside = (name, word) if word.startswith("START") else None
            if word == "START":
                fields.setdefault(name, {})
            elif word == "START_LIST":
                lists.setdefault(name, [])
        elif inside is None or not line.strip():
            if "=" in line:
                _put(fields.setdefault("", {}), line)
        elif inside[1] == "START_LIST":
            lists[inside[0]].append(line.strip())
        elif "=" in line:
            _put(fields[inside[0]], line)
    return fields, lists, None if inside is None else " ".join(inside)


def _put(fields: dict[str, str], line: str) -> None:
    name, _, value = line.partition("=")
    fields[name.strip().replace("_", "").lower()] = value.strip()


class Parameters:
    """What a parameter file says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        expected = "the parameter file of a .cdt"
        self._fields, self._lists, unfinished = _sections(_lines(path, expected))
        if "DATA_PARAMETERS" not in self._fields:
            raise InputError("has no section DATA_PARAMETERS", file=path, expected=expected, remedy=AGAIN)
        if unfinished:
            raise InputError(
                f"is cut: {unfinished} has no end", file=path, expected="a whole file", remedy=AGAIN
            )
        self._data = self._fields["DATA_PARAMETERS"]
        self._check_format()

    def _check_format(self) -> None:
        data = self._data
        everything = {**self._fields.get("", {}), **data}
        layout = data.get("dataformat", "FLOAT").upper()
        order = data.get("datasamporder", "SAMP").upper()
        byte_order = data.get("databyteorder", "INTEL").upper()
        trials = self._number("numtrials", 1)
        refused = {
            "its samples are compressed": everything.get("dataguid", "").upper() == _COMPRESSED,
            "its samples are text (ASCII)": "ASCII" in (layout, byte_order),
            f"its samples are stored as {layout}": layout not in ("FLOAT", "BINARY", "ASCII"),
            f"its bytes are in the order {byte_order}": byte_order not in ("INTEL", "ASCII"),
            f"its samples are stored in the order {order}, channel after channel": order != "SAMP",
            f"it is cut into {trials:g} epochs": trials > 1,
        }
        for what, is_so in refused.items():
            if is_so:
                raise InputError(
                    what,
                    file=self.path,
                    expected="32-bit floats of one continuous stretch, all channels of one moment together",
                    remedy=_EXPORT,
                )

    def _number(self, name: str, default: float) -> float:
        text = self._data.get(name)
        try:
            return default if text is None else float(text)
        except ValueError:
            raise InputError(
                f"{name} is {text!r}", file=self.path, expected="a number", remedy=AGAIN
            ) from None

    def rate(self) -> float:
        """Samples per second; frequency and interval must agree as far as the interval is written out."""
        rate, step = self._number("samplefreqhz", 0.0), self._number("sampletimeusec", 0.0)
        if rate > 0 and step > 0 and abs(1e6 / rate - step) > 0.5001:  # whole microseconds are met
            raise InputError(
                f"it gives {rate:g} samples per second and {step:g} µs between two",
                file=self.path,
                expected="numbers that agree",
                remedy="correct the wrong one",
            )
        if rate <= 0 and step <= 0:
            raise InputError(
                "it gives no rate", file=self.path, expected="SampleFreqHz or SampleTimeUsec above 0"
            )
        return rate if rate > 0 else 1e6 / step

    def n_samples(self, size: int, path: Path) -> int:
        """Samples of each channel, which the size of the ``.cdt`` must confirm."""
        width = ITEM * self._n_channels()
        promised = int(self._number("numsamples", -1))
        if promised < 0:
            promised = size // width
        if size != promised * width or not promised:
            # only now: the first sample of a sound file may have the two bytes that begin a gzip archive
            first_bytes(path, 16, expected="a recording of Curry (.cdt)")
            state = "was cut" if size < promised * width else "belongs to another recording"
            raise InputError(
                f"has {size:,} bytes; {self.path.name} promises {promised:,} samples of "
                f"{self._n_channels()} channels, which take {promised * width:,} (one of the two {state})",
                file=path,
                expected="files of one recording",
                remedy=AGAIN,
            )
        return promised

    def _n_channels(self) -> int:
        n = int(self._number("numchannels", 0))
        if n < 1:
            raise InputError(
                f"it promises {n} channels", file=self.path, expected="at least one", remedy=AGAIN
            )
        return n

    def channels(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names in the order of the samples, and the word for the unit of each."""
        found: list[tuple[int, str, str]] = []
        for name, labels in self._lists.items():
            if name.partition("_")[0] != "LABELS":
                continue
            group = name.removeprefix("LABELS")
            unit = self._fields.get(f"DEVICE_PARAMETERS{group}", {}).get("dataunit") or _UNIT
            places = self._places(f"CHAN_IN_FILE{group}", len(labels)) or range(
                len(found) + 1, len(found) + len(labels) + 1
            )
            found += [(place, label, unit) for place, label in zip(places, labels, strict=True)]
        # 0 is the place of a channel that was connected and not recorded
        kept = sorted((row for row in found if row[0]), key=lambda row: row[0])
        n = self._n_channels()
        names = [label for _, label, _ in kept]
        repeated = sorted({label for label in names if names.count(label) > 1})
        if len(kept) != n or repeated:
            what = f"it names {len(kept)} channels and promises {n}"
            raise InputError(
                f"channel names repeat: {', '.join(repeated[:6])}" if len(kept) == n else what,
                file=self.path,
                expected="one name for each channel",
                remedy=AGAIN,
            )
        return tuple(names), tuple(unit for _, _, unit in kept)

    def _places(self, name: str, n: int) -> list[int] | None:
        rows = self._lists.get(name)
        if not rows:
            return None
        if len(rows) != n or not all((row.isascii() and row.isdigit()) for row in rows):
            raise InputError(
                f"{name} holds {len(rows)} places for {n} channels",
                file=self.path,
                expected="one whole number for each channel",
                remedy=AGAIN,
            )
        return [int(row) for row in rows]

    def started(self) -> datetime.datetime | None:
        """Wall clock at the first sample."""
        names = ("startyear", "startmonth", "startday", "starthour", "startmin", "startsec", "startmillisec")
        try:
            year, month, day, hour, minute, second, milli = (int(self._data[name]) for name in names)
            return datetime.datetime(year, month, day, hour, minute, second, milli * 1000)
        except (KeyError, ValueError):
            return None


def told_events(path: Path, rate: float) -> tuple[Event, ...]:
    """Rows of an events' file."""
    expected = "the events' file of a .cdt"
    _, lists, unfinished = _sections(_lines(path, expected))
    if "NUMBER_LIST" not in lists or unfinished:
        what = f"is cut: {unfinished} has no end" if unfinished else "has no list NUMBER_LIST"
        raise InputError(what, file=path, expected=expected, remedy=f"{AGAIN}, or take it away")
    events = []
    for number, row in enumerate(lists["NUMBER_LIST"], start=1):
        try:
            at, _, kind, _, first, last = (int(word) for word in row.split()[:_EVENT_FIELDS])
        except ValueError:
            raise InputError(
                f"row {number} is {row[:60]!r}", file=path, expected="whole numbers", remedy=AGAIN
            ) from None
        span = Span(start=at / rate, duration=max(last - first, 0) / rate)
        events.append(Event(kind="event", span=span, value=kind))
    return tuple(events)
