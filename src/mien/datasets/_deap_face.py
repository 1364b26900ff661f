"""DEAP's face videos: one per trial, numbered in the order of presentation, as one stream of a recording."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.types import Film, Span, Stream
from mien.datasets._deap_layout import subject_name
from mien.datasets._deap_tables import Ratings
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._seed_siblings_files import remembered
from mien.io.video import Video, claimed, open_video

FACE_RATE = 50.0
"""Frames per second of the published videos."""
LACKING = 1.0
"""Seconds by which a video may be shorter than its trial without a fault: published ones are said to last
about 59 s."""
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class TrialVideo:
    """The video of one trial: its file, its trial on the recording clock, and the length in seconds and
    frames per second that it claims."""

    path: Path
    start: float
    seconds: float
    shown: float
    rate: float


@dataclass(frozen=True, kw_only=True)
class FaceSource:
    """Frames of a recording's trials, read when they are asked for; a video begins with its trial."""

    videos: tuple[TrialVideo, ...]

    @property
    def version(self) -> str:
        """What a film depends on besides the files: which trial each belongs to."""
        text = "".join(f"{v.start!r} {v.seconds!r} {v.path.name}\n" for v in self.videos)
        return f"1 {hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def files(self) -> tuple[Path, ...]:
        """All videos."""
        return tuple(v.path for v in self.videos)

    def covers(self, start: float, duration: float) -> bool:
        """Whether a span lies in a filmed trial, and at least its beginning was filmed."""
        return any(_within(v, start, duration) and start < v.start + v.shown for v in self.videos)

    def read(self, start: float, duration: float) -> NDArray[np.float64]:
        """Not possible: frames are no evenly sampled signal."""
        raise InputError("a face has frames, no samples", expected="film(span)")

    def film(self, start: float, duration: float) -> Film:
        """The frames of a span within one trial; where the video ends early, so does the film.

        Raises
        ------
        InputError
            The span lies in no filmed trial; the file is no video.
        """
        found = next((v for v in self.videos if _within(v, start, duration)), None)
        if found is None:
            raise InputError(
                f"no video covers [{start:g} s, {start + duration:g} s)",
                expected="a span within a trial whose video is there",
            )
        video = remembered(open_video, found.path)
        times = video.times - video.times[0] + found.start
        stop = min(start + duration, found.start + found.seconds)
        first, last = np.searchsorted(times, np.array([start, stop]) - _ROUNDING)
        return Film(
            times=times[first:last],
            span=Span(start=start, duration=duration),
            rate=video.rate,
            size=video.size,
            source=VideoFrames(video=video, first=int(first)),
        )


@dataclass(frozen=True, kw_only=True)
class VideoFrames:
    """Frames of a video from one on, which is position 0."""

    video: Video
    first: int

    def frames(self, positions: NDArray[np.intp]) -> Iterator[NDArray[np.uint8]]:
        """RGB frames at increasing positions, one after another."""
        return self.video.frames(positions + self.first)


def _within(video: TrialVideo, start: float, duration: float) -> bool:
    stop = video.start + video.seconds
    return video.start - _ROUNDING <= start and start + duration <= stop + 0.5 / FACE_RATE


def find_faces(
    participant: int,
    videos: Mapping[int, Path],
    ratings: Ratings,
    starts: Mapping[int, float],
    seconds: float,
) -> tuple[tuple[TrialVideo, ...], list[Fault]]:
    """Videos of a participant's trials in order of time, and what is wrong with the others.

    Parameters
    ----------
    videos
        Place in the order of presentation to file.
    ratings
        The table that says which video id a place is.
    starts, seconds
        Where each video id starts on the recording clock, and how long trials are.
    """
    subject = subject_name(participant)
    found: list[TrialVideo] = []
    faults: list[Fault] = []
    for trial, path in sorted(videos.items()):
        video = ratings.video(participant, trial)
        try:
            if video is None:
                raise InputError(
                    f"{ratings.path.name} does not tell which video trial {trial} of {subject} was", file=path
                )
            if video not in starts:
                raise InputError(f"is of video {video}, whose trial is left out", file=path)
            shown, rate = claimed(path)
        except InputError as error:
            faults.append(fault_of(error, subject=subject))
            continue
        if shown < seconds - LACKING:
            faults.append(too_short(path, shown, seconds, subject))
        found.append(
            TrialVideo(path=path, start=starts[video], seconds=seconds, shown=shown, rate=rate or FACE_RATE)
        )
    return tuple(sorted(found, key=lambda v: v.start)), faults


def too_short(path: Path, shown: float, seconds: float, subject: str) -> Fault:
    """The fault of a video that ends before its trial."""
    return Fault(
        file=str(path),
        reason=f"lasts {shown:.2f} s, its trial {seconds:g} s: the film ends early",
        subject=subject,
        severity="kept",
    )


def face_stream(videos: tuple[TrialVideo, ...], span: Span) -> Stream:
    """The stream ``face`` of a recording."""
    return Stream(
        name="face",
        modality="face",
        unit="1",
        rate=videos[0].rate,
        channels=("r", "g", "b"),
        span=span,
        source=FaceSource(videos=videos),
    )


def look_at_video(video: TrialVideo, subject: str) -> tuple[float, list[Fault]]:
    """Length by its frames, and what looking through all packets of a video brings to light."""
    try:
        found = open_video(video.path)
    except InputError as error:
        return 0.0, [fault_of(error, subject=subject, severity="kept")]
    faults = []
    seconds = found.n_frames / found.rate
    if found.damaged_at is not None:
        reason = f"is cut or damaged from {found.damaged_at:.2f} s on"
        faults.append(Fault(file=str(video.path), reason=reason, subject=subject, severity="kept"))
    if seconds < video.seconds - LACKING <= video.shown:  # shorter than its header claims
        faults.append(too_short(video.path, seconds, video.seconds, subject))
    return seconds, faults
