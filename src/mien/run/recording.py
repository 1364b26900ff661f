"""A recording from another place, made into what a trained model knows: its channels, its rate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, Recording, Span, Stream, Trial, to_samples

MOST_MISSING = 0.25
"""Share of the model's channels that may be interpolated; with more the recording is refused."""
_PASS = 0.9
"""Share of half the rate up to which resampling keeps a recording as it was."""
_OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_EARS = ("M1", "M2", "A1", "A2", "TP9", "TP10")
_REFERENCES = "REF|LE|RE|AVG|AVR?|CAR|A1|A2|A1A2|A12|M1|M2|M1M2|LER|NOSE|CZREF"


class _Opened(Protocol):
    """What the readers of recordings give."""

    channels: tuple[str, ...]
    rate: float

    @property
    def span(self) -> Span: ...

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapted:
    """A recording as a model knows it.

    Attributes
    ----------
    recording
        One trial over all of it, with one stream of the model's channels at the model's rate.
    facts
        What was done, as (name, text) for a page.
    warnings
        What a reader must know before believing the answer.
    """

    recording: Recording
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def is_recording(path: str | Path) -> bool:
    """Whether a path is one recording, not the folder of a data set."""
    return Path(path).is_file() or Path(path).suffix.lower() in _readers()


def electrode(label: str) -> str:
    """The 10-10 name in a channel's label: ``"Fc5."``, ``"EEG FC5-REF"``, ``"fc5"`` are all ``"FC5"``.

    Old names become new ones (``T3`` is ``T7``). A label that holds no such name comes back in capitals.
    """
    name = re.sub(r"^EEG[\s_:-]*", "", label.strip().upper()).strip(". ")
    name = re.sub(rf"[\s_:-]+(?:{_REFERENCES})$", "", name).strip(". ")
    return _OLD_NAMES.get(name, name)


@contextmanager
def adapted(
    path: str | Path,
    *,
    channels: Sequence[str],
    rate: float,
    top: float,
    stream: str,
    dataset: str,
    cleaning: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Adapted]:
    """Open a recording and give it a model's channels and rate.

    Channels are found by their 10-10 names; those that are missing are made from the others by spherical
    splines. The rate is changed behind a filter that lets nothing fold back. Costs a temporary file of the
    recording at the model's rate; the recording lives as long as the context.

    Parameters
    ----------
    path
        A recording: EDF, BDF or Neuroscan.
    channels, rate
        What the model was trained on.
    top
        Highest frequency in Hz that its features use.
    stream, dataset
        Names that the recording is given.
    cleaning
        Steps of the run, as its record holds them; done on the recorded channels before anything is made
        from them. Channels of eyes, heart and ears that the recording has help as extras.

    Raises
    ------
    InputError
        The file cannot be read, more than a quarter of the channels are missing, or its rate is too low.
    """
    from mien.signal.cleaning import Resample, clean_stream, steps_from_json

    path = Path(path)
    opened = _open(path)
    of_electrode = _electrodes(path, opened.channels)
    have = [name for name in channels if name in of_electrode]
    missing = [name for name in channels if name not in of_electrode]
    _refuse_if_unfit(path, opened, of_electrode, missing, n_channels=len(channels), top=top)
    steps = list(steps_from_json(cleaning))
    if not any(isinstance(step, Resample) for step in steps) and opened.rate != rate:
        steps.append(Resample(rate))
    wanted = (*have, *(_extras(of_electrode, channels) if cleaning else ()))
    source = Stream(
        name=stream,
        modality="eeg",
        unit="V",
        rate=opened.rate,
        channels=wanted,
        span=opened.span,
        source=_Renamed(opened=opened, labels=tuple(of_electrode[name] for name in wanted)),
    )
    with TemporaryDirectory(prefix="mien-") as folder:
        done = clean_stream(source, steps, out=Path(folder) / "eeg.npy", extras=wanted[len(have) :])
        made = done.signal
        trial = Trial(
            id=path.stem,
            recording=path.stem,
            subject=path.stem,
            session="1",
            stimulus="unknown",
            span=Span(start=0.0, duration=made.n_times / made.rate),
        )
        mapped = _Mapped(
            data=made.data, rate=made.rate, matrix=_matrix(have, missing)[_order(have, missing, channels)]
        )
        eeg = replace(source, rate=made.rate, channels=tuple(channels), span=trial.span, source=mapped)
        yield Adapted(
            recording=Recording(
                id=path.stem,
                dataset=dataset,
                subject=path.stem,
                session="1",
                streams={stream: eeg},
                trials=(trial,),
            ),
            facts=_facts(opened, of_electrode, channels, missing, made.rate, done.record["steps"]),
            warnings=_warnings(opened, channels, missing, made.rate),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Renamed:
    """Some channels of an opened file, in the order wanted."""

    opened: _Opened
    labels: tuple[str, ...]

    def read(self, start: float, duration: float) -> NDArray[Any]:
        return self.opened.read(start, duration, channels=self.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mapped:
    """A mixture of the rows of a memory map, made when it is read."""

    data: NDArray[Any]
    rate: float
    matrix: NDArray[np.float64]

    def read(self, start: float, duration: float) -> NDArray[Any]:
        first = to_samples(start, self.rate)
        return np.asarray(self.matrix @ self.data[:, first : first + to_samples(duration, self.rate)])


def _readers() -> Mapping[str, Any]:
    from mien.io.edf import open_edf
    from mien.io.neuroscan import open_cnt

    return {".edf": open_edf, ".bdf": open_edf, ".cnt": open_cnt}


def _open(path: Path) -> _Opened:
    readers = _readers()
    if path.suffix.lower() not in readers:
        raise InputError(
            "is neither a folder nor a recording that can be read",
            file=path,
            expected=f"a folder in the layout of a data set, or a file {', '.join('*' + e for e in readers)}",
        )
    opened: _Opened = readers[path.suffix.lower()](path)
    return opened


def _electrodes(path: Path, labels: Sequence[str]) -> dict[str, str]:
    """Electrode to the label of its channel."""
    found: dict[str, str] = {}
    for label in labels:
        name = electrode(label)
        if name in found:
            raise InputError(
                f"the channels {found[name]!r} and {label!r} are both {name}",
                file=path,
                expected="one channel for each electrode",
            )
        found[name] = label
    return found


def _refuse_if_unfit(
    path: Path,
    opened: _Opened,
    of_electrode: Mapping[str, str],
    missing: Sequence[str],
    *,
    n_channels: int,
    top: float,
) -> None:
    if len(missing) > MOST_MISSING * n_channels:
        raise InputError(
            f"lacks {len(missing)} of the {n_channels} channels that the model was trained on: "
            f"{', '.join(missing[:12])}{', …' if len(missing) > 12 else ''}",
            file=path,
            expected=f"at least {1 - MOST_MISSING:.0%} of them, by their 10-10 names; found "
            f"{', '.join(list(of_electrode)[:8])}, …",
            remedy="rename the channels in the file, or train a model on fewer channels",
        )
    if _PASS * opened.rate / 2 < top:
        raise InputError(
            f"has {opened.rate:g} Hz, and the model's features reach up to {top:g} Hz",
            file=path,
            expected=f"at least {2 * top / _PASS:.0f} Hz",
        )


def _extras(of_electrode: Mapping[str, str], channels: Sequence[str]) -> list[str]:
    """Channels of eyes, heart and ears that the model does not know."""
    from mien.signal.cleaning.eyes import EYES
    from mien.signal.cleaning.ica import HEART

    return [
        name
        for name in of_electrode
        if name not in channels and (name in _EARS or any(word in name for word in (*EYES, *HEART)))
    ]


def _matrix(have: Sequence[str], missing: Sequence[str]) -> NDArray[np.float64]:
    """What makes all channels, those that are there first, from those that are there."""
    from mien.signal.cleaning.interpolate import interpolation_matrix

    if not missing:
        return np.eye(len(have))
    return interpolation_matrix([*have, *missing], missing)[:, : len(have)]


def _order(have: Sequence[str], missing: Sequence[str], channels: Sequence[str]) -> list[int]:
    place = {name: i for i, name in enumerate([*have, *missing])}
    return [place[name] for name in channels]


def _facts(
    opened: _Opened,
    of_electrode: Mapping[str, str],
    channels: Sequence[str],
    missing: Sequence[str],
    rate: float,
    steps: Sequence[Mapping[str, Any]],
) -> tuple[tuple[str, str], ...]:
    unused = [label for name, label in of_electrode.items() if name not in channels]
    unused += [f"{label} ({why})" for label, why in getattr(opened, "others", {}).items()]
    done = [str(step["step"]).replace("_", " ") for step in steps if step["step"] != "resample"]
    return (
        ("Recorded", f"{len(opened.channels)} channels at {opened.rate:g} Hz, {opened.span.duration:.1f} s"),
        ("Channels", f"{len(channels) - len(missing)} of the model's {len(channels)} found by name"),
        ("Interpolated", ", ".join(missing) or "none"),
        ("Not used", ", ".join(unused) or "none"),
        (
            "Rate",
            f"{opened.rate:g} Hz to {rate:g} Hz" if rate != opened.rate else f"{rate:g} Hz, as recorded",
        ),
        ("Cleaning", ", ".join(done) or "none, as in the run"),
    )


def _warnings(
    opened: _Opened, channels: Sequence[str], missing: Sequence[str], rate: float
) -> tuple[str, ...]:
    names = (
        f"{len(missing)} of {len(channels)} channels are not in the recording and were interpolated "
        f"({', '.join(missing)})"
        if missing
        else "all channels were found"
    )
    return (
        f"channels and rate were mapped: {names}; {opened.rate:g} Hz"
        + (f" became {rate:g} Hz" if rate != opened.rate else " was kept")
        + "; the reference is the recording's own",
    )
