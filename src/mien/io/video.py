"""Frames of a video by their true presentation time, a few at a time."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import InputError
from mien.io._content import first_bytes

if TYPE_CHECKING:
    import av.container
    import av.packet
    import av.video

__all__ = ["Video", "claimed", "open_video"]

_EXPECTED = "a video (.avi, .mp4, .mov, …)"
_AGAIN = "copy or download the file again"
_Turn = tuple[bool, bool, bool]
"""Whether rows and columns are swapped; then, whether up and down are; whether left and right are."""
_BLOCK_BYTES = 64 << 20
"""Frames that :meth:`Video.blocks` holds at a time, unless told otherwise."""
_NEAR = 8
"""Frames that are decoded in passing sooner than the file is opened anew."""
_ROUNDING = 1e-6
"""Seconds by which an asked time may miss besides the tolerance: the rounding of sums, far below a frame."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Video:
    """A video file; made by :func:`open_video`. It keeps no open file and can be sent to another process.

    Attributes
    ----------
    path
        The file.
    times
        float64 (frames,): when each frame is shown, in seconds on the file's own clock, strictly increasing.
        They need neither start at 0 nor be evenly spaced.
    size
        Width and height in px, as shown (a rotation that the file asks for is applied).
    nominal_rate
        Frames per second as the container claims; nothing here relies on it.
    has_timestamps
        False where the container stores a rate and no times (AVI): then ``times`` are the places of the
        frames divided by that rate, and no better than it.
    damaged_at
        Seconds from which on the file is cut off or unreadable, None where nothing is known to be. Damage
        inside a frame shows only when the frame is read.
    """

    path: Path
    times: NDArray[np.float64]
    size: tuple[int, int]
    nominal_rate: float
    has_timestamps: bool
    damaged_at: float | None
    _pts: NDArray[np.int64] = field(repr=False)
    _keys: NDArray[np.int64] = field(repr=False)
    _by_count: bool = field(repr=False)
    _turn: _Turn = field(repr=False)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.times)

    @property
    def rate(self) -> float:
        """Frames per second by the median distance of frames; the container's claim if there is only one."""
        if self.n_frames < 2:
            return self.nominal_rate
        return float(1 / np.median(np.diff(self.times)))

    def read(
        self, times: ArrayLike | slice | None = None, *, tolerance: float | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Frames at given times, or all frames of a stretch.

        Parameters
        ----------
        times
            Seconds on the file's clock, in any order, repeated or not: the nearest frame to each is read. Or
            ``slice(start, stop)`` in seconds, half-open: every frame shown in it. None: all, so long as they
            fit in memory (:meth:`blocks` does not hold them all).
        tolerance
            Seconds by which a frame may miss the time asked for. Default: half the median distance of frames.

        Returns
        -------
        frames
            uint8 (times, height, width, 3), RGB.
        times
            float64 (times,): the true times of these frames.

        Raises
        ------
        InputError
            A time is further than the tolerance from every frame, or its frame cannot be decoded.
        """
        at = self._stretch(times) if times is None or isinstance(times, slice) else self._at(times, tolerance)
        width, height = self.size
        frames = np.empty((len(at), height, width, 3), np.uint8)
        wanted, place = np.unique(at, return_inverse=True)
        order = np.argsort(place, kind="stable")
        starts = np.searchsorted(place[order], np.arange(len(wanted) + 1))
        read = np.zeros(len(wanted), bool)
        for k, frame in self._decode(wanted):
            frames[order[starts[k] : starts[k + 1]]] = frame
            read[k] = True
        if not read.all():
            raise InputError(
                f"gives no frame for {self.times[wanted[read.argmin()]]:.4f} s", file=self.path, remedy=_AGAIN
            )
        return frames, self.times[at]

    def blocks(
        self, times: slice | None = None, *, n_frames: int | None = None
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
        """All frames of a stretch, some at a time, in order, each decoded once.

        Parameters
        ----------
        times
            ``slice(start, stop)`` in seconds, half-open; None: the whole video.
        n_frames
            Frames in a block; default: what 64 MiB hold, at least one.

        Yields
        ------
        frames, times
            As in :meth:`read`.

        Raises
        ------
        InputError
            The file is damaged: after the frames before the damage were given, with the second where it is.
        """
        wanted = self._stretch(times)
        width, height = self.size
        most = n_frames or max(1, _BLOCK_BYTES // (3 * width * height))
        block, at, n = np.empty((0, height, width, 3), np.uint8), wanted[:0], 0
        damage = None
        try:
            for k, frame in self._decode(wanted):
                if not n:
                    block = np.empty((min(most, len(wanted) - k), height, width, 3), np.uint8)
                    at = np.empty(len(block), np.intp)
                block[n], at[n] = frame, wanted[k]
                n += 1
                if n == len(block):
                    yield block, self.times[at]
                    n = 0
        except InputError as error:
            damage = error
        if n:
            yield block[:n], self.times[at[:n]]
        if damage is None and self.damaged_at is not None:
            stop = None if times is None else times.stop
            if stop is None or stop > self.damaged_at:
                damage = self._damage(self.damaged_at)
        if damage is not None:
            raise damage

    def frames(self, positions: ArrayLike) -> Iterator[NDArray[np.uint8]]:
        """RGB frames (height, width, 3), uint8, at increasing positions in ``times``; each decoded once, one
        in memory at a time.

        Raises
        ------
        InputError
            A frame cannot be decoded: after the frames before it were given.
        """
        wanted = np.asarray(positions, np.intp).reshape(-1)
        n = 0
        for k, frame in self._decode(wanted):
            if k != n:
                break
            yield frame
            n += 1
        if n < len(wanted):
            raise InputError(
                f"gives no frame for {self.times[wanted[n]]:.4f} s", file=self.path, remedy=_AGAIN
            )

    # -- which frames --------------------------------------------------------------------------------------

    def _stretch(self, times: slice | None) -> NDArray[np.intp]:
        """Positions of the frames shown in a half-open stretch of seconds."""
        if times is None:
            return np.arange(self.n_frames)
        if times.step is not None:
            raise InputError("a stretch of time with a step", file=self.path, expected="no step")
        ends = [self.times[0] if times.start is None else times.start]
        ends.append(np.inf if times.stop is None else times.stop)
        first, stop = np.searchsorted(self.times, np.asarray(ends, float) - _ROUNDING)
        return np.arange(first, max(first, stop))

    def _at(self, times: ArrayLike, tolerance: float | None) -> NDArray[np.intp]:
        """Positions of the frames nearest to given times."""
        asked = np.asarray(times, float).reshape(-1)
        if not np.isfinite(asked).all():
            raise InputError("a time that is not a finite number was asked for", file=self.path)
        tolerance = 0.5 / self.rate if tolerance is None else tolerance
        right = np.clip(np.searchsorted(self.times, asked), 1, max(1, self.n_frames - 1))
        right = np.minimum(right, self.n_frames - 1)
        left = np.maximum(right - 1, 0)
        nearer = np.abs(self.times[left] - asked) <= np.abs(self.times[right] - asked)
        at = np.where(nearer, left, right)
        gap = np.abs(self.times[at] - asked)
        if (gap > tolerance + _ROUNDING).any():
            worst = int(gap.argmax())
            if self.damaged_at is not None and asked[worst] >= self.damaged_at:
                raise self._damage(self.damaged_at)
            raise InputError(
                f"has no frame within {tolerance:.4g} s of {asked[worst]:.4f} s; the nearest is at "
                f"{self.times[at[worst]]:.4f} s",
                file=self.path,
                expected=f"times from {self.times[0]:.4f} to {self.times[-1]:.4f} s",
            )
        return at

    # -- decoding ------------------------------------------------------------------------------------------

    def _decode(self, wanted: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Frames at increasing positions, with their place in ``wanted``."""
        k = 0
        while k < len(wanted):
            first = self._start_of(int(wanted[k]))
            stop = k + 1
            while stop < len(wanted) and self._start_of(int(wanted[stop])) <= wanted[stop - 1] + _NEAR:
                stop += 1
            yield from self._run(first, wanted, k, stop)
            k = stop

    def _start_of(self, position: int) -> int:
        """Where decoding has to begin to get a frame."""
        return int(self._keys[np.searchsorted(self._keys, position, side="right") - 1])

    def _run(
        self, first: int, wanted: NDArray[np.intp], k: int, stop: int, *, seeks: bool = True
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """``wanted[k:stop]`` in one go from a key frame; what is coded and never shown is left out.

        ``seeks``: whether going to a key frame is still to be tried.
        """
        reached = -1
        with _opened(self.path) as container:
            try:
                for position, frame in self._positions(container, first):
                    if reached < 0 < first and position > wanted[k]:
                        break  # the container did not go back far enough
                    reached = position
                    k += int(np.searchsorted(wanted[k:stop], position))
                    if k < stop and wanted[k] == position:
                        yield k, self._array(frame)
                        k += 1
                    if k == stop:
                        return
                if reached >= 0 or first == 0:
                    return
                first, seeks = 0, False
            except _Damaged:
                broken = min(max(reached + 1, first), self.n_frames - 1)
                first = self._start_of(int(wanted[k]))
                if first <= broken or not seeks:
                    raise self._damage(float(self.times[broken])) from None
        yield from self._run(first, wanted, k, stop, seeks=seeks)

    def _positions(
        self, container: av.container.InputContainer, first: int
    ) -> Iterator[tuple[int, av.video.frame.VideoFrame]]:
        """Decoded frames from a position on, each with its own position."""
        stream = _stream(container, self.path)
        if first > 0:
            container.seek(int(self._pts[first]), stream=stream, backward=True)
        packets = _packets(container, stream)
        if self._by_count:
            begin = 0
            for head in packets:
                begin = int(np.searchsorted(self._pts, head.dts)) if first > 0 and head.dts is not None else 0
                packets = itertools.chain([head], packets)
                break
            frames = _decoded(packets, stream.codec_context, keep_held=False)
            yield from zip(range(begin, self.n_frames), frames, strict=False)
            return
        for frame in _decoded(packets, stream.codec_context, keep_held=True):
            position = int(np.searchsorted(self._pts, frame.pts)) if frame.pts is not None else self.n_frames
            if position < self.n_frames and self._pts[position] == frame.pts:
                yield position, frame

    def _array(self, frame: av.video.frame.VideoFrame) -> NDArray[np.uint8]:
        array = _upright(frame, self._turn)
        if array.shape[1::-1] != self.size:
            raise InputError(
                f"changes its size to {array.shape[1]} x {array.shape[0]} at {frame.time:.3f} s",
                file=self.path,
                expected=f"{self.size[0]} x {self.size[1]} throughout",
            )
        return array

    def _damage(self, second: float) -> InputError:
        return InputError(
            f"is damaged or cut off: no frame can be read from {second:.3f} s on",
            file=self.path,
            expected="a whole video",
            remedy=f"{_AGAIN}; earlier frames can be read",
        )


def open_video(path: str | Path) -> Video:
    """Look through a video file: when is each frame shown?

    Every packet is looked at and only the first frame is decoded, so that it takes as long as reading the
    file. Times are those of the packets; files with a variable rate, with B-frames (stored in another order
    than shown), with a wrong rate in the header or with an edit list need nothing special.

    Raises
    ------
    InputError
        The file is missing, empty, no video, or has no frame that can be decoded.
    """
    path = Path(path)
    first_bytes(path, 16, expected=_EXPECTED)
    with _opened(path) as container:
        stream = _stream(container, path)
        unit = float(stream.time_base or 1)
        found = _index(container, stream)
        claimed = float(stream.average_rate or stream.guessed_rate or 0)
    pts = found.pts
    if not len(pts):
        raise InputError("has no frame", file=path, expected=_EXPECTED, remedy=_AGAIN)
    step = float(np.median(np.diff(pts))) if len(pts) > 1 else 1 / (claimed or 1) / unit
    size, turn = _first(path)
    return Video(
        path=path,
        times=(pts * unit).astype(np.float64),
        size=size,
        nominal_rate=claimed or 1 / (step * unit),
        has_timestamps=not found.by_count,
        damaged_at=float(pts[-1] + step) * unit if found.cut else None,
        _pts=pts,
        _keys=found.keys,
        _by_count=found.by_count,
        _turn=turn,
    )


def claimed(path: str | Path) -> tuple[float, float]:
    """Seconds that a video lasts and its frames per second, as its header says; far cheaper than
    :func:`open_video`, and not to be relied on.

    Raises
    ------
    InputError
        The file is missing, empty or no video.
    """
    path = Path(path)
    first_bytes(path, 16, expected=_EXPECTED)
    with _opened(path) as container:
        stream = _stream(container, path)
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        if stream.frames and rate:
            return stream.frames / rate, rate
        if stream.duration is not None:
            return float(stream.duration * (stream.time_base or 1)), rate
        return float(container.duration or 0) / 1e6, rate


@dataclass(frozen=True, kw_only=True, eq=False)
class _Index:
    """The frames of a file in the order they are shown.

    ``pts``: their times, in units of the stream's time base; ``keys``: positions from which can be decoded;
    ``by_count``: the container has places and no times, so that frames are counted; ``cut``: it ends early.
    """

    pts: NDArray[np.int64]
    keys: NDArray[np.int64]
    by_count: bool
    cut: bool


def _index(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> _Index:
    rows: list[tuple[int | None, int | None, bool]] = []
    n_packets, cut = 0, False
    try:
        for packet in _packets(container, stream):
            n_packets += packet.size > 0
            if packet.size and not packet.is_discard:
                rows.append((packet.pts, packet.dts, packet.is_keyframe))
    except _Damaged:
        cut = True
    avi = container.format.name == "avi"
    by_count = avi or any(pts is None for pts, _, _ in rows)
    # the times that are made up for AVI go wrong after B-frames, the places (dts) do not
    times = [dts if by_count else pts for pts, dts, _ in rows]
    if any(time is None for time in times):
        step = 1 / float((stream.average_rate or stream.guessed_rate or 1) * (stream.time_base or 1))
        times = [round(i * step) for i in range(len(rows))]
    place = np.array(times, np.int64)
    pts = np.unique(place)
    keys = np.searchsorted(pts, place[[key for _, _, key in rows]]) if len(rows) else place
    if by_count and stream.codec_context.has_b_frames:
        keys = keys[:0]  # how many frames are shown before a key frame cannot be told from places
    n_slots = int(pts[-1]) + 1 if avi and len(pts) else n_packets
    return _Index(pts=pts, keys=np.unique([0, *keys]), by_count=by_count, cut=cut or n_slots < stream.frames)


class _Damaged(Exception):
    """The file cannot be read on; frames shown before the time ``limit`` are whole."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit


def _packets(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> Iterator[av.packet.Packet]:
    """Everything up to the first packet that is not whole."""
    import av

    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise _Damaged(packet.pts)
            yield packet
    except av.error.FFmpegError:
        raise _Damaged from None


def _decoded(
    packets: Iterable[av.packet.Packet], codec: av.video.codeccontext.VideoCodecContext, *, keep_held: bool
) -> Iterator[av.video.frame.VideoFrame]:
    """Frames up to the first damage, which is raised; of those the decoder then still holds the whole ones,
    unless their times cannot be trusted to tell."""
    import av

    limit = None
    try:
        for packet in packets:
            limit = packet.pts
            yield from packet.decode()
        return
    except _Damaged as damage:
        limit = damage.limit
    except av.error.FFmpegError:
        pass
    with contextlib.suppress(av.error.FFmpegError):
        for frame in codec.decode(None):
            if keep_held and (limit is None or (frame.pts is not None and frame.pts < limit)):
                yield frame
    raise _Damaged


def _opened(path: Path) -> av.container.InputContainer:
    import av

    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(
            f"cannot be read as a video ({error.strerror or type(error).__name__})",
            file=path,
            expected=_EXPECTED,
            remedy=_AGAIN,
        ) from None


def _stream(container: av.container.InputContainer, path: Path) -> av.video.stream.VideoStream:
    import av.video.stream

    stream = container.streams.best("video")
    if not isinstance(stream, av.video.stream.VideoStream):
        raise InputError("has no video in it", file=path, expected=_EXPECTED)
    stream.codec_context.options = {"err_detect": "explode"}  # a damaged frame is an error, not a grey one
    return stream


def _first(path: Path) -> tuple[tuple[int, int], _Turn]:
    """Width and height, as shown, of the first frame that can be decoded, and how to turn it."""
    with _opened(path) as container, contextlib.suppress(_Damaged):
        stream = _stream(container, path)
        for frame in _decoded(_packets(container, stream), stream.codec_context, keep_held=True):
            turn = _turn(frame)
            height, width = _upright(frame, turn).shape[:2]
            return (width, height), turn
    raise InputError("has no frame that can be decoded", file=path, expected=_EXPECTED, remedy=_AGAIN)


def _turn(frame: av.video.frame.VideoFrame) -> _Turn:
    """What the file's display matrix asks for.

    The frame's side data point back to the frame, which then lives on until the garbage collector comes by:
    look at one frame of a file, not at all.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    (a, b, _), (c, d, _), _ = np.frombuffer(bytes(data), np.int32).reshape(3, 3).tolist()
    swapped = abs(b) > abs(a)
    return swapped, (b if swapped else d) < 0, (c if swapped else a) < 0


def _upright(frame: av.video.frame.VideoFrame, turn: _Turn) -> NDArray[np.uint8]:
    """RGB as it is to be shown."""
    swapped, upside_down, mirrored = turn
    array: NDArray[Any] = frame.to_ndarray(format="rgb24")
    if swapped:
        array = array.swapaxes(0, 1)
    return array[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
