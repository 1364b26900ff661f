"""DEAP's original recordings: BDF files whose status channel tells when each trial was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.errors import InputError
from mien.core.types import Event, Span, Stream
from mien.datasets._deap_copy import Layout
from mien.datasets._deap_layout import EEG, STATUS_BITS, VIDEO
from mien.datasets._inspection import Fault
from mien.datasets._seed_survey import ranges
from mien.io.edf import Edf, open_edf, read_status
from mien.io.sampled import ChannelSource

STREAMS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("raw_eeg", "eeg", "V", EEG),
    ("raw_eog", "eog", "V", ("EXG1", "EXG2", "EXG3", "EXG4")),
    ("raw_emg", "emg", "V", ("EXG5", "EXG6", "EXG7", "EXG8")),
    ("raw_eda", "eda", "arbitrary", ("GSR1",)),
    ("raw_rsp", "rsp", "arbitrary", ("Resp",)),
    ("raw_ppg", "ppg", "arbitrary", ("Plet",)),
    ("raw_skt", "skt", "arbitrary", ("Temp",)),
)
"""Name, modality, unit and channels of each stream; EXG1 to EXG8 are hEOG, vEOG, zEMG and tEMG, two each."""
_BY_LOWER_CASE = {name.lower(): name for _, _, _, names in STREAMS for name in names}


@dataclass(frozen=True, kw_only=True)
class RawSource(ChannelSource):
    """Some channels of an original recording."""

    version = "1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Original:
    """An opened original recording.

    Attributes
    ----------
    edf
        The file.
    names
        Name of a channel, as the data set writes it, to its name in the file.
    starts
        Place of a trial in the order of presentation to the second at which it starts.
    markers
        Changes of status: value is the code.
    """

    edf: Edf
    names: Mapping[str, str]
    starts: Mapping[int, float]
    markers: tuple[Event, ...]


def open_original(path: Path, layout: Layout) -> tuple[Original, list[Fault]]:
    """An original recording, and what is wrong with parts of it.

    Raises
    ------
    InputError
        The file is missing, cut or no BDF; an EEG channel or the status is missing; the status does not tell
        as many trials as there are, or trials that overlap.
    """
    edf = open_edf(path)
    names = {_BY_LOWER_CASE.get(name.lower(), name): name for name in edf.channels}
    lacking = [name for name in EEG if name not in names]
    if lacking:
        shown = ", ".join(lacking[:6]) + (f", … ({len(lacking)} in all)" if len(lacking) > 6 else "")
        raise InputError(f"lacks the channels {shown}", file=path, expected="the 32 EEG channels of DEAP")
    status = read_status(path, mask=STATUS_BITS)
    at = status.starts / status.rate
    begins = at[status.values == VIDEO]
    if len(begins) != layout.trials:
        raise InputError(
            f"its status has {len(begins)} starts of a video (code {VIDEO}), of {_counted(status.values)}",
            file=path,
            expected=f"{layout.trials}, so that each can be matched to its video",
            remedy="the preprocessed files of this participant can still be read",
        )
    if (np.diff(begins) < layout.seconds).any():
        first = int(np.flatnonzero(np.diff(begins) < layout.seconds)[0])
        raise InputError(
            f"its status starts videos {first + 1} and {first + 2} within {np.diff(begins)[first]:.2f} s",
            file=path,
            expected=f"at least {layout.seconds} s between two",
        )
    whole = {k: float(t) for k, t in enumerate(begins, start=1) if edf.covers(float(t), layout.seconds)}
    faults = []
    if len(whole) < len(begins):
        cut = ranges(set(range(1, len(begins) + 1)) - set(whole))
        reason = f"ends at {edf.span.stop:.1f} s, within the last trials"
        faults.append(Fault(file=str(path), item=f"trial {cut}", reason=reason))
    absent = [n for _, _, _, channels in STREAMS for n in channels if n not in names]
    if absent:
        why = ", ".join(f"{n} ({edf.others[n]})" if n in edf.others else n for n in absent)
        reason = "is not there in volts, and so its stream is left out"
        faults.append(Fault(file=str(path), item=f"channel {why}", reason=reason))
    markers = tuple(
        Event(kind="marker", span=Span(start=float(t), duration=0.0), value=int(code))
        for t, code in zip(at, status.values, strict=True)
        if code
    )
    return Original(edf=edf, names=names, starts=whole, markers=markers), faults


def raw_streams(original: Original) -> dict[str, Stream]:
    """The streams whose channels are all there, by name and not by place."""
    edf, names = original.edf, original.names
    return {
        stream: Stream(
            name=stream,
            modality=modality,
            unit=unit,
            rate=edf.rate,
            channels=channels,
            span=edf.span,
            source=RawSource(recording=edf, channels=tuple(names[c] for c in channels)),
        )
        for stream, modality, unit, channels in STREAMS
        if all(c in names for c in channels)
    }


def _counted(values: np.ndarray) -> str:
    """``"1 (45 times), 4 (39 times)"``."""
    counts = Counter(int(v) for v in values if v)
    return ", ".join(f"{code} ({n} times)" for code, n in sorted(counts.items())[:12]) or "none"
