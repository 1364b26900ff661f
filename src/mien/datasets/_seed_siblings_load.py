"""From a survey of SEED, SEED-IV or SEED-V to recordings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from mien.core.text import natural_key
from mien.core.types import Label, Recording, Span, Stream, Trial
from mien.datasets._finish import chosen_sessions, finish
from mien.datasets._inspection import Fault
from mien.datasets._seed_siblings import SESSIONS, Piece, Sitting, Survey
from mien.datasets._seed_siblings_layout import Design
from mien.io.clips import Clip, ClipSource


def merge(
    parts: Iterable[tuple[str, int, Mapping[int, Mapping[str, Piece]]]],
) -> tuple[tuple[Sitting, ...], list[Fault]]:
    """Pieces from several files as sittings, in the order of subjects and sessions."""
    together: dict[tuple[str, int], dict[int, dict[str, Piece]]] = {}
    for subject, session, pieces in parts:
        for clip, streams in pieces.items():
            together.setdefault((subject, session), {}).setdefault(clip, {}).update(streams)
    sittings: list[Sitting] = []
    faults: list[Fault] = []
    for subject, session in sorted(together, key=lambda key: (natural_key(key[0]), key[1])):
        sitting, wrong = sitting_of(subject, session, together[subject, session])
        faults.extend(wrong)
        if sitting is not None:
            sittings.append(sitting)
    return tuple(sittings), faults


def sitting_of(
    subject: str, session: int, pieces: Mapping[int, Mapping[str, Piece]]
) -> tuple[Sitting | None, list[Fault]]:
    """One subject's session without the clips whose streams contradict one another."""
    usable: dict[int, Mapping[str, Piece]] = {}
    faults: list[Fault] = []
    for clip in sorted(pieces):
        fault = _length_fault(subject, session, clip, pieces[clip])
        if fault is None:
            usable[clip] = pieces[clip]
        else:
            faults.append(fault)
    return Sitting(subject=subject, session=session, clips=usable) if usable else None, faults


def _length_fault(subject: str, session: int, clip: int, pieces: Mapping[str, Piece]) -> Fault | None:
    """A fault where the streams of a clip differ by more than one of its longest windows."""
    window = max((1 / p.kind.rate for p in pieces.values() if p.kind.windowed), default=None)
    if window is None or len(pieces) == 1:
        return None
    lengths = {stream: int(piece.seconds // window) for stream, piece in pieces.items()}
    if max(lengths.values()) - min(lengths.values()) <= 1:
        return None
    text = ", ".join(f"{stream} {n}" for stream, n in lengths.items())
    return Fault(
        file=", ".join(dict.fromkeys(str(piece.file.path) for piece in pieces.values())),
        item=f"session {session} clip {clip}",
        reason=f"lengths in windows of {window:g} s differ: {text}; expected a difference of at most one",
        subject=subject,
    )


def load_survey(
    survey: Callable[[Collection[str] | None], Survey],
    *,
    subjects: Collection[str | int] | None,
    sessions: Collection[str | int] | None,
) -> list[Recording]:
    """Recordings of the chosen subjects and sessions; one warning for all that was left out.

    Raises
    ------
    InputError
        A chosen subject or session does not exist, a file contradicts the known labels, or nothing can be
        used.
    """
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


def _recording(seen: Survey, sitting: Sitting) -> Recording:
    """The clips of a session one after another, from 0, without what was between them."""
    trials: list[Trial] = []
    clips: dict[str, list[Clip]] = {}
    first: dict[str, Piece] = {}
    start = 0.0
    for number, pieces in sitting.clips.items():
        span = Span(start=start, duration=seconds_of(pieces))
        trials.append(trial_of(seen.design, sitting.subject, sitting.session, number, span))
        for stream, piece in pieces.items():
            first.setdefault(stream, piece)
            clips.setdefault(stream, []).append(
                Clip(
                    name=str(number),
                    start=span.start,
                    duration=span.duration,
                    n_times=piece.n_times,
                    file=piece.file,
                    key=piece.key,
                )
            )
        start = span.stop
    return Recording(
        id=sitting.name,
        dataset=seen.dataset,
        subject=sitting.subject,
        session=str(sitting.session),
        streams={
            kind.stream: Stream(
                name=kind.stream,
                modality=kind.modality,
                unit=kind.unit,
                rate=kind.rate,
                channels=first[kind.stream].channels,
                span=Span(start=0.0, duration=start),
                source=ClipSource(
                    clips=tuple(clips[kind.stream]),
                    rate=kind.rate,
                    n_channels=len(first[kind.stream].channels),
                    arrange=kind.arrange,
                    windowed=kind.windowed,
                ),
            )
            for kind in seen.kinds
            if kind.stream in clips
        },
        trials=tuple(trials),
    )


def trial_of(design: Design, subject: str, session: int, clip: int, span: Span) -> Trial:
    """The trial of a subject's session (from 1) and its clip (from 1)."""
    recording = f"sub-{subject}_ses-{session}"
    stimulus = design.stimulus(session, clip)
    emotion = Label(value=design.emotion(session, clip), scale=design.emotions, rater="stimulus")
    return Trial(
        id=f"{recording}_clip-{stimulus}",
        recording=recording,
        subject=subject,
        session=str(session),
        stimulus=str(stimulus),
        span=span,
        labels={"emotion": emotion},
    )


def seconds_of(pieces: Mapping[str, Piece]) -> float:
    """Length of a clip: that of its EEG, else of the longest of its other streams."""
    if "eeg" in pieces:
        return pieces["eeg"].seconds
    return max(piece.seconds for piece in pieces.values())
