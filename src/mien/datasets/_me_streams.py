"""Streams of a sampled recording whose files name people: MEs-EEG and MMME."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.pseudonyms import Veil
from mien.core.types import Span, Stream
from mien.datasets._mes_eeg_layout import EEG_CHANNELS, EXTRA_CHANNELS
from mien.io.sampled import Readable

_LOOK = 60.0
"""Seconds that are in memory at once where a whole recording is looked at."""
_STUCK = 0.02
"""Share of the time at its limit above which a channel looks saturated."""


class Opened(Readable, Protocol):
    """An opened recording: its samples, and what its header says."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Names in file order."""
        ...

    @property
    def rate(self) -> float:
        """Samples per second."""
        ...

    @property
    def span(self) -> Span:
        """The time it covers."""
        ...


@dataclass(frozen=True, kw_only=True, repr=False)
class VeiledSource:
    """Some channels of a session as the source of a stream; names of people stay out of its errors."""

    recording: Readable
    channels: tuple[str, ...]
    veil: Veil

    def __repr__(self) -> str:
        return f"VeiledSource({len(self.channels)} channels)"

    def covers(self, start: float, duration: float) -> bool:
        """Whether the whole span was recorded."""
        return self.recording.covers(start, duration)

    def files(self) -> tuple[Path, ...]:
        """The files it reads from."""
        return self.veil.readable(self.recording.files())

    def read(self, start: float, duration: float) -> NDArray[np.float64]:
        """Samples (channels, times) in SI units."""
        with self.veil.over():
            return self.recording.read(start, duration, channels=self.channels)


def eeg_streams(
    recording: Opened, veil: Veil, *, every: Sequence[str], clock: str = "recording"
) -> dict[str, Stream]:
    """The streams of an EEG: 62 electrodes, the other channels by kind, and ``every`` as in the file."""
    kinds: Mapping[str, tuple[str, tuple[str, ...]]] = {
        "raw_eeg": ("eeg", EEG_CHANNELS),
        "raw_eeg_all": ("eeg", tuple(every)),
        **{f"raw_{kind}": (kind, names) for kind, names in EXTRA_CHANNELS.items()},
    }
    return {
        name: Stream(
            name=name,
            modality=modality,
            unit="V",
            rate=recording.rate,
            channels=channels,
            span=recording.span,
            source=VeiledSource(recording=recording, channels=channels, veil=veil),
            clock=clock,
        )
        for name, (modality, channels) in kinds.items()
        if set(channels) <= set(recording.channels)
    }


def check_eeg(recording: Opened) -> None:
    """Whether all 62 electrodes are there by name.

    Raises
    ------
    InputError
        Some are not.
    """
    missing = [name for name in EEG_CHANNELS if name not in recording.channels]
    if missing:
        shown = ", ".join(missing[:6]) + (f", … ({len(missing)} in all)" if len(missing) > 6 else "")
        raise InputError(
            f"lacks the channels {shown}", file=recording.path, expected="the 62 EEG channels by name"
        )


def limits(stream: Stream) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest value of each channel (NaN where one is not a number), and the share of the time
    that it spends at the one of the two where it is longer; a minute at a time."""
    ends = np.array([[np.inf], [-np.inf]]).repeat(len(stream.channels), axis=1)
    times, n = np.zeros(ends.shape), 0
    for at in np.arange(stream.span.start, stream.span.stop, _LOOK):
        block = stream.source.read(float(at), float(min(_LOOK, stream.span.stop - at)))
        if block.shape[1]:
            own = np.stack([block.min(axis=1), block.max(axis=1)])
            here = (block == own[:, :, None]).sum(axis=-1)
            new = np.stack([np.minimum(ends[0], own[0]), np.maximum(ends[1], own[1])])
            times = np.where(new == ends, times, 0) + np.where(new == own, here, 0)
            ends, n = new, n + block.shape[1]
    return ends[0], ends[1], times.max(axis=0) / max(n, 1)


def useless(channels: Sequence[str], low: NDArray[np.float64], high: NDArray[np.float64]) -> list[str]:
    """What is wrong with channels by their lowest and highest values: no numbers, or one value throughout."""
    holes, flat = ~np.isfinite(low + high), low == high
    texts = [(holes, "NaN or infinite values in"), (flat & ~holes, "one value throughout in")]
    return [f"{text} {', '.join(np.array(channels)[where].tolist())}" for where, text in texts if where.any()]


def stuck(channels: Sequence[str], share: NDArray[np.float64]) -> list[str]:
    """Channels that spend more than a fiftieth of the time, but not all, at their lowest or highest value."""
    return [
        f"at its lowest or highest value for {part:.0%} of the time: {name} (saturated?)"
        for name, part in zip(channels, share.tolist(), strict=True)
        if _STUCK < part < 1
    ]
