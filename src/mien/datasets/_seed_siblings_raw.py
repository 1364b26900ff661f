"""The raw recordings of SEED and SEED-V: Neuroscan EEG whose clips lie where a table of times says."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.core.text import natural_key
from mien.core.types import Clock, Recording, Span, Stream
from mien.datasets._finish import chosen_sessions, finish
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._seed_layout import CHANNELS, RAW_EXTRA_CHANNELS
from mien.datasets._seed_siblings import SESSIONS
from mien.datasets._seed_siblings_files import named_files
from mien.datasets._seed_siblings_layout import Design
from mien.datasets._seed_siblings_load import trial_of
from mien.datasets._seed_survey import ranges
from mien.io.neuroscan import Cnt, open_cnt
from mien.io.sampled import ChannelSource

RAW_RATE = 1000.0
CLOCK = "eeg"
Times = Sequence[tuple[Sequence[float], Sequence[float]]]
"""For each session, the seconds at which each clip starts and ends."""


@dataclass(frozen=True, kw_only=True)
class RawSitting:
    """One subject's session; ``clips`` are the spans of its clips."""

    subject: str
    session: int
    cnt: Cnt
    clips: Mapping[int, Span]


@dataclass(frozen=True, kw_only=True)
class RawSurvey:
    """What the headers say: usable sessions, files found and expected, and faults."""

    dataset: str
    design: Design
    root: Path
    sittings: tuple[RawSitting, ...] = ()
    n_files: tuple[int, int] | None = None
    expected: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    disagreement: InputError | None = None


def survey_raw(
    dataset: str,
    design: Design,
    root: Path,
    folder: Path,
    *,
    pattern: str,
    name_text: str,
    times: Times,
    expected: Mapping[int, tuple[int, ...]],
    simulated: bool,
    subjects: Collection[str] | None,
) -> RawSurvey:
    """Opens every raw file (of the chosen subjects).

    Parameters
    ----------
    pattern, name_text
        Of the files' names, as a regular expression with the groups ``subject`` and ``session`` and perhaps
        ``date`` and ``repaired``, and in words.
    times
        Where the clips lie.
    """
    files, faults = named_files(folder, pattern, expected=name_text)
    by_session: dict[tuple[str, int], list[tuple[Path, re.Match[str]]]] = {}
    for path, match in files:
        by_session.setdefault((match["subject"], int(match["session"])), []).append((path, match))
    people = {subject for subject, _ in by_session}
    sittings: list[RawSitting] = []
    notes: list[str] = []
    for subject, session in sorted(by_session, key=lambda key: (natural_key(key[0]), key[1])):
        if subjects is not None and subject not in subjects:
            continue
        try:
            path, passed_over = choose(by_session[subject, session])
            cnt = open_cnt(path)
            _check_channels(cnt)
        except InputError as error:
            faults.append(fault_of(error, subject=subject))
            continue
        if passed_over:
            notes.append(f"{', '.join(passed_over)}: passed over for {path.name}")
        clips, wrong = _clips_within(cnt, times[session - 1], expected[session], subject)
        faults += wrong
        if clips:
            sittings.append(RawSitting(subject=subject, session=session, cnt=cnt, clips=clips))
    n_people = len(people) if simulated else len(design.subjects)
    return RawSurvey(
        dataset=dataset,
        design=design,
        root=root,
        sittings=tuple(sittings),
        n_files=(len(by_session), n_people * sum(bool(clips) for clips in expected.values())),
        expected=expected,
        faults=tuple(faults),
        notes=tuple(notes),
    )


def choose(files: Sequence[tuple[Path, re.Match[str]]]) -> tuple[Path, tuple[str, ...]]:
    """The file to read of one session, and the names of those that a repaired one replaces.

    Raises
    ------
    InputError
        There is more than one candidate.
    """
    repaired = [one for one in files if one[1].groupdict().get("repaired")]
    dates = {match.groupdict().get("date") for _, match in files}
    candidates = repaired or list(files)
    if len(candidates) > 1 or len(dates) > 1:
        raise InputError(
            f"{len(files)} files of one session: {', '.join(path.name for path, _ in files)}",
            file=files[0][0].parent,
            expected="one, or one and its _repaired variant",
            remedy="remove the ones that are wrong",
        )
    path = candidates[0][0]
    return path, tuple(other.name for other, _ in files if other != path)


def _check_channels(cnt: Cnt) -> None:
    missing = [name for name in CHANNELS if name not in cnt.channels]
    if missing:
        raise InputError(
            f"lacks channel {', '.join(missing[:6])}{', …' if len(missing) > 6 else ''}",
            file=cnt.path,
            expected=f"the {len(CHANNELS)} EEG channels of the data set",
        )
    if cnt.rate != RAW_RATE:
        raise InputError(f"has {cnt.rate:g} samples per second", file=cnt.path, expected=f"{RAW_RATE:g}")


def _clips_within(
    cnt: Cnt, times: tuple[Sequence[float], Sequence[float]], clips: Sequence[int], subject: str
) -> tuple[dict[int, Span], list[Fault]]:
    """Spans of the clips that were recorded; one fault for those that were not."""
    starts, ends = times
    spans = {c: Span(start=float(starts[c - 1]), duration=float(ends[c - 1] - starts[c - 1])) for c in clips}
    lost = [c for c, span in spans.items() if span.stop > cnt.span.stop]
    if not lost:
        return spans, []
    fault = Fault(
        file=str(cnt.path),
        item=f"clip {ranges(lost)}",
        reason=f"ends at {spans[lost[-1]].stop:g} s by the table of times; the recording ends at "
        f"{cnt.span.stop:.1f} s",
        subject=subject,
    )
    return {c: span for c, span in spans.items() if c not in lost}, [fault]


def load_raw(
    survey: Callable[[Collection[str] | None], RawSurvey],
    *,
    subjects: Collection[str | int] | None,
    sessions: Collection[str | int] | None,
) -> list[Recording]:
    """Recordings of the chosen subjects and sessions, as :func:`._seed_siblings_load.load_survey` gives."""
    wanted = chosen_sessions(sessions, SESSIONS)
    names = None if subjects is None else [str(s) for s in subjects]
    seen = survey(names)
    return finish(
        [_recording(seen, s) for s in seen.sittings if s.session in wanted],
        dataset=seen.dataset,
        root=seen.root,
        faults=seen.faults,
        disagreement=seen.disagreement,
        wanted=names,
        there={sitting.subject for sitting in seen.sittings},
        stacklevel=5,
    )


def _recording(seen: RawSurvey, sitting: RawSitting) -> Recording:
    cnt = sitting.cnt
    name = f"sub-{sitting.subject}_ses-{sitting.session}"
    groups = [("raw_eeg", "eeg", CHANNELS)]
    groups += [(f"raw_{what}", what, channels) for what, channels in RAW_EXTRA_CHANNELS.items()]
    return Recording(
        id=name,
        dataset=seen.dataset,
        subject=sitting.subject,
        session=str(sitting.session),
        streams={
            stream: Stream(
                name=stream,
                modality=modality,
                unit="V",
                rate=cnt.rate,
                channels=channels,
                span=cnt.span,
                source=ChannelSource(recording=cnt, channels=channels),
                clock=CLOCK,
            )
            for stream, modality, channels in groups
            if set(channels) <= set(cnt.channels)
        },
        events=tuple(replace(event, clock=CLOCK) for event in cnt.events),
        trials=tuple(
            trial_of(seen.design, sitting.subject, sitting.session, clip, span)
            for clip, span in sitting.clips.items()
        ),
        clocks={CLOCK: Clock()},
    )


def add_raw(found: Inspection, survey: Callable[[], RawSurvey], *, folder: str) -> Inspection:
    """An inspection with what the raw files hold besides; reads each of them once, in pieces."""
    try:
        seen = survey()
    except InputError as error:  # no telling where the clips lie
        return replace(found, faults=(*found.faults, fault_of(error)))
    faults = [*found.faults, *seen.faults]
    if seen.disagreement is not None:
        faults.append(fault_of(seen.disagreement))
    for sitting in seen.sittings:
        try:
            low, high = sitting.cnt.limits()
        except InputError as error:
            faults.append(fault_of(error, subject=sitting.subject))
            continue
        flat = [name for name, a, b in zip(sitting.cnt.channels, low, high, strict=True) if a == b]
        if flat:
            faults.append(
                Fault(
                    file=str(sitting.cnt.path),
                    item=f"channel {', '.join(flat)}",
                    reason="holds one value all through; expected a signal",
                    subject=sitting.subject,
                    severity="kept",
                )
            )
    rows: dict[str, dict[str, Any]] = {str(row["subject"]): dict(row) for row in found.found}
    empty = {key: 0 for row in found.found for key in row}
    own = {s.subject: [o for o in seen.sittings if o.subject == s.subject] for s in seen.sittings}
    for subject in sorted({*rows, *own}, key=natural_key):
        mine = own.get(subject, [])
        rows[subject] = {
            **empty,
            **rows.get(subject, {}),
            "subject": subject,
            "raw_sessions": len(mine),
            "raw_trials": sum(len(sitting.clips) for sitting in mine),
            "raw_minutes": sum(sitting.cnt.span.duration for sitting in mine) / 60,
        }
    n, n_expected = seen.n_files or (0, 0)
    n_clips = sum(map(len, seen.expected.values()))
    n_sessions = max(sum(bool(clips) for clips in seen.expected.values()), 1)
    return replace(
        found,
        found=tuple(rows[subject] for subject in sorted(rows, key=natural_key)),
        counts={
            **found.counts,
            f"files {folder}": (n, n_expected),
            "raw recordings": (len(seen.sittings), n_expected),
            "raw trials": (sum(len(s.clips) for s in seen.sittings), n_expected // n_sessions * n_clips),
        },
        faults=tuple(faults),
        notes=(*found.notes, *seen.notes),
    )


# -- tables of times ---------------------------------------------------------------------------------------


def read_seconds(path: Path, *, n_clips: int) -> list[tuple[list[float], list[float]]]:
    """``trial_start_end_timestamp.txt``: for each session the starts and ends of its clips in seconds.

    Raises
    ------
    InputError
        The file cannot be read, or a session has not ``n_clips`` starts and ends in order.
    """
    text = _text(path)
    starts = _lists(text, r"start_second")
    ends = _lists(text, r"end_second")
    if len(starts) != len(re.findall(r"Session\s*\d", text)) or len(starts) != len(ends) or not starts:
        raise InputError(
            f"has {len(starts)} lists of starts and {len(ends)} of ends",
            file=path,
            expected="one 'start_second: [...]' and one 'end_second: [...]' after each 'Session N:'",
        )
    times = list(zip(starts, ends, strict=True))
    for pair in times:
        _check_times(path, pair, n_clips)
    return times


def read_points(path: Path, *, n_clips: int, rate: float) -> tuple[list[float], list[float]]:
    """``time.txt`` of SEED: starts and ends of the clips in seconds, from samples.

    Raises
    ------
    InputError
        The file cannot be read or does not hold ``n_clips`` starts and ends in order.
    """
    text = _text(path)
    starts, ends = _lists(text, r"start_point_list"), _lists(text, r"end_point_list")
    if len(starts) != 1 or len(ends) != 1:
        raise InputError(
            f"has {len(starts)} lists of starts and {len(ends)} of ends",
            file=path,
            expected="'start_point_list = [...]' and 'end_point_list = [...]'",
        )
    pair = ([n / rate for n in starts[0]], [n / rate for n in ends[0]])
    _check_times(path, pair, n_clips)
    return pair


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file=path, expected="a table of the clips' times") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", file=path, expected="a table of times") from None


def _lists(text: str, name: str) -> list[list[float]]:
    found = re.findall(rf"{name}\s*[:=]\s*\[([\d\s.,]*)\]", text)
    return [[float(word) for word in re.findall(r"\d+(?:\.\d+)?", inside)] for inside in found]


def _check_times(path: Path, times: tuple[list[float], list[float]], n_clips: int) -> None:
    starts, ends = times
    flat = [t for pair in zip(starts, ends, strict=False) for t in pair]
    if not len(starts) == len(ends) == n_clips or flat != sorted(set(flat)):
        raise InputError(
            f"{len(starts)} starts and {len(ends)} ends, or not one after another",
            file=path,
            expected=f"{n_clips} starts and ends in the order of time",
        )
