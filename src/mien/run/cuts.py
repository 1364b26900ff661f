"""Events as pieces of trials, and which stretch of a signal is read for one: named cuts."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from mien.core import Clip, Event, Film, Recording, Signal, Span, Stream, Trial

FACE = "face"
"""Modality of streams of frames, which are read event by event."""
DEFAULT = {"corrected": "apex:8", "released": "end:40"}
"""The cut of signals around an event where a study names none: 8 s around the apex; in the released recipe of
MEs-EEG the last 40 s of its trial, whatever moment the event happened at."""


def check(cut: str) -> str:
    """The cut itself, if there is such a one.

    Raises
    ------
    ValueError
        It is none of :data:`KNOWN`.
    """
    _parse(cut)
    return cut


KNOWN = (
    *("event", "trial", "apex:SECONDS", "end:SECONDS", "apex-SECONDS+SECONDS"),
    *("rest-SECONDS", "rest-SECONDS+SECONDS"),
)
"""What there is."""
_NUMBER = r"(\d+(?:\.\d+)?)"


def _parse(cut: str) -> tuple[str, float, float]:
    """Kind of a cut, its seconds (``locked``: those before the apex; ``rest`` and ``from_rest``: those before
    the trial), and the seconds after the apex."""
    if cut in ("event", "trial"):
        return cut, 0.0, 0.0
    if (found := re.fullmatch(rf"(apex|end):{_NUMBER}", cut)) and float(found[2]) > 0:
        return found[1], float(found[2]), 0.0
    if (found := re.fullmatch(rf"apex-{_NUMBER}\+{_NUMBER}", cut)) and float(found[1]) + float(found[2]) > 0:
        return "locked", float(found[1]), float(found[2])
    if found := re.fullmatch(rf"rest-{_NUMBER}(?:\+{_NUMBER})?", cut):
        return ("from_rest", float(found[1]), float(found[2])) if found[2] else ("rest", float(found[1]), 0.0)
    raise ValueError(f"cut {cut!r} is none of {', '.join(KNOWN)}")


def of_trials(cut: str) -> bool:
    """Whether a cut can be made of a whole trial, which has no apex."""
    return _parse(cut)[0] in ("trial", "end", "rest")


def of_windows(cut: str) -> bool:
    """Whether a cut can be made where windows of a trial are the samples."""
    return _parse(cut)[0] == "rest"


def rest_of(cut: str) -> tuple[float, bool] | None:
    """Seconds that are read before the trial, and whether the cut ends with an event; None for other cuts."""
    kind, seconds, _ = _parse(cut)
    return (seconds, kind == "from_rest") if kind in ("rest", "from_rest") else None


def span_of(cut: str | None, piece: Trial) -> Span:
    """The stretch of the recording to be read.

    Parameters
    ----------
    cut
        ``"event"``: from onset to offset. ``"trial"``: the whole trial. ``"apex:8"``: 8 s around the apex
        (the middle of the event where no apex is coded), moved so that it stays in the trial.
        ``"apex-4+10"``: from 4 s before the apex to 10 s after it, whether the trial goes on or not: what
        follows an expression by seconds keeps its place. ``"end:40"``: the last 40 s of the trial. A trial
        that is shorter than ``apex:`` and ``end:`` ask for gives all it has. ``"rest-3"``: the trial and the
        3 s before it, in which people rest; ``"rest-3+10"``: from there to 10 s after the apex.
    piece
        An event's piece of a trial. A trial that is a piece of itself (:func:`by_trial`) is read whole unless
        its end is asked for, or the rest before it; any other trial is always read whole, with its rest.
    """
    event, whole = piece.event, piece.part_of
    kind, seconds, after = _parse(cut or "event")
    if kind == "rest":
        trial = (whole or piece).span
        return Span(start=trial.start - seconds, duration=trial.duration + seconds)
    if whole is None:
        return piece.span
    if event is None:
        seconds = min(seconds, whole.span.duration) if kind == "end" else whole.span.duration
        return Span(start=whole.span.stop - seconds, duration=seconds)
    if kind == "event":
        return event.span
    middle = event.apex if event.apex is not None else event.span.start + event.span.duration / 2
    if kind == "locked":
        return Span(start=middle - seconds, duration=seconds + after)
    if kind == "from_rest":
        start = whole.span.start - seconds
        return Span(start=start, duration=middle + after - start)
    seconds = whole.span.duration if kind == "trial" else min(seconds, whole.span.duration)
    start = whole.span.stop - seconds
    if kind == "apex":
        start = min(max(middle - seconds / 2, whole.span.start), start)
    return Span(start=start, duration=seconds)


def recorded(stream: Stream, cut: str | None, piece: Trial, *, reads: str = "signal") -> bool:
    """Whether a stream has what features read (a signal, a film, or the clip of an event) of a trial or
    event."""
    if reads == "clip":
        return piece.event is not None and stream.shows(piece.event)
    return stream.covers(span_of(cut, piece))


def read(stream: Stream, cut: str | None, piece: Trial, *, reads: str = "signal") -> Signal | Clip | Film:
    """The signal or film of a trial or around an event, or the frames of an event."""
    if reads == "clip" and piece.event is not None:
        return stream.clip(piece.event)
    span = span_of(cut, piece)
    return stream.film(span) if reads == "film" else stream.read(span)


def by_event(recording: Recording, kinds: Collection[str]) -> Recording:
    """A recording whose trials are its events of some kinds.

    Events without an id or of a trial that the recording does not list are passed over.
    """
    whole = {trial.id: trial for trial in recording.trials}
    cut = tuple(
        _piece(event, whole[event.trial])
        for event in recording.events
        if event.id is not None and event.kind in kinds and event.trial in whole
    )
    return replace(recording, trials=cut)


def by_trial(recording: Recording) -> Recording:
    """A recording each of whose trials is one piece, all of it, and so one sample."""
    return replace(recording, trials=tuple(replace(t, part_of=t) for t in recording.trials))


def _piece(event: Event, trial: Trial) -> Trial:
    return Trial(
        id=str(event.id),
        recording=trial.recording,
        subject=trial.subject,
        session=trial.session,
        stimulus=trial.stimulus,
        span=event.span,
        labels=event.labels,
        part_of=trial,
        event=event,
    )
