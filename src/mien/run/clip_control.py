"""What a clip does to everybody, taken off what one person does around an expression.

Everybody sees the same few clips, and a clip that moves all bodies in the same way does so around the
expressions that it brings about. The control of an expression is what the *other* people did at the same
moment of the same clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Recording
from mien.signal.event_locked import event_locked

if TYPE_CHECKING:
    from mien.run.association import Moment, Series

Array = NDArray[np.float64]
FEWEST_OTHERS = 3
"""Other people below whom the mean at a moment of a clip says more of them than of the clip."""


@dataclass(frozen=True, kw_only=True)
class Showing:
    """One clip shown to somebody: in which recording and to whom, and when it began on its clock (s)."""

    recording: str
    subject: str
    stimulus: str
    start: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Pieces:
    """Pieces of one measure's course around events, and what each person adds to a mean over events.

    Attributes
    ----------
    people
        Names, sorted.
    subjects
        (events,) place in ``people`` of whose event it is.
    usable
        (events,) whether it has a piece, and a control where there is one.
    alone
        (events,) whether it has a piece, but too few others to compare it with.
    parts
        (events, people, times). Without control: the piece of an event, one person each, (events, 1, times).
        With it: the pieces of everybody at that moment of the clip, less their mean; 0 of who is not there.
    share
        (events, people) or (events, 1): what ``parts`` are multiplied with to give, summed over people, what
        the event shows: 1 for the own piece, -1 / n for those of n others.
    shortfall
        (events,) by which part the variance of ``parts`` is too small, as their mean was taken off.
    """

    people: NDArray[np.str_]
    subjects: NDArray[np.intp]
    usable: NDArray[np.bool_]
    alone: NDArray[np.bool_]
    parts: Array
    share: Array
    shortfall: Array

    def by_person(self, weights: Array) -> tuple[Array, float]:
        """What each person adds to a weighted sum over events.

        A control makes people depend on one another: whoever is compared with the others is among the others
        of all of them. So it is not whose events they are by which the sum is taken apart, but whose courses:
        everybody adds the own pieces, and takes off the share in the controls of the others. The courses of
        different people are independent, once what the clip does to all of them is gone.

        Returns
        -------
        parts
            (people, times) of those that add anything.
        inflation
            Factor by which the variance of their sum is larger than theirs together.
        """
        used, size = weights != 0, np.abs(weights)
        out = np.zeros((len(self.people), self.parts.shape[2]))
        if self.parts.shape[1] == 1:
            np.add.at(out, self.subjects, weights[:, None] * self.parts[:, 0])
            return out[np.unique(self.subjects[used])], 1.0
        out += np.einsum("eo,eot->ot", weights[:, None] * self.share, self.parts)
        lost = float((size * self.shortfall).sum() / size.sum()) if used.any() else 0.0
        return out[(self.share[used] != 0).any(axis=0)], 1 / (1 - lost)


def showings(recordings: Iterable[Recording]) -> list[Showing]:
    """When the clips of aligned recordings began; pieces of trials are no clips."""
    return [
        Showing(recording=r.id, subject=r.subject, stimulus=t.stimulus, start=t.span.start)
        for r in recordings
        for t in r.trials
        if t.part_of is None
    ]


def matched(
    events: Sequence[Moment], shown: Sequence[Showing]
) -> dict[str, tuple[NDArray[np.intp], Array, str]]:
    """For each recording the moments of its clips at which other people had their events.

    Returns
    -------
    dict
        Recording id to positions in ``events``, the moments in seconds on the recording clock, and whose
        recording it is.
    """
    of_clip: dict[str, list[int]] = {}
    for k, event in enumerate(events):
        if event.stimulus is not None and event.begin is not None:
            of_clip.setdefault(event.stimulus, []).append(k)
    since = np.array([e.time - (e.begin if e.begin is not None else np.nan) for e in events])
    owner = np.array([e.subject for e in events])
    found: dict[str, list[tuple[NDArray[np.intp], Array]]] = {}
    subject = {}
    for showing in shown:
        own = np.array(of_clip.get(showing.stimulus, ()), dtype=np.intp)
        own = own[owner[own] != showing.subject]
        found.setdefault(showing.recording, []).append((own, showing.start + since[own]))
        subject[showing.recording] = showing.subject
    return {
        recording: (
            np.concatenate([which for which, _ in parts]),
            np.concatenate([at for _, at in parts]),
            subject[recording],
        )
        for recording, parts in found.items()
    }


def without_control(
    by_recording: Mapping[str, Series], events: Sequence[Moment], n_times: int, cut: Mapping[str, Any]
) -> Pieces:
    """The pieces of a measure as they are."""
    own = _own(by_recording, events, n_times, cut)
    people, subjects = np.unique([e.subject for e in events], return_inverse=True)
    whole = _whole(own)
    return Pieces(
        people=people,
        subjects=subjects,
        usable=whole,
        alone=np.zeros(len(events), dtype=bool),
        parts=np.where(whole[:, None], own, 0.0)[:, None],
        share=np.ones((len(events), 1)),
        shortfall=np.zeros(len(events)),
    )


def with_control(
    by_recording: Mapping[str, Series],
    events: Sequence[Moment],
    shown: Sequence[Showing],
    n_times: int,
    cut: Mapping[str, Any],
) -> Pieces:
    """The pieces of a measure beside those of the other people at the same moment of the same clip.

    Who saw a clip several times counts once, with the mean. Pieces that lack a value anywhere are left out,
    those of others as well.
    """
    people, subjects = np.unique(
        [e.subject for e in events] + [s.subject for s in shown], return_inverse=True
    )
    subjects = subjects[: len(events)]
    own = _own(by_recording, events, n_times, cut)
    total = np.zeros((len(events), len(people), n_times))
    count = np.zeros((len(events), len(people)))
    for recording, (which, at, subject) in matched(events, shown).items():
        if recording not in by_recording or not len(which):
            continue
        pieces = event_locked(*by_recording[recording], at, **cut)[0]
        whole = _whole(pieces)
        place = which[whole], np.searchsorted(people, subject)
        np.add.at(total, place, pieces[whole])
        np.add.at(count, place, 1)
    mine = np.arange(len(events)), subjects
    whole = _whole(own)
    total[mine], count[mine] = np.where(whole[:, None], own, 0.0), whole
    there = count > 0
    others = there.sum(axis=1) - whole
    usable = whole & (others >= FEWEST_OTHERS)
    total /= np.maximum(count, 1)[:, :, None]
    total -= total.sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1), 1)[:, None, None]
    total[~there] = 0.0
    share = np.where(there, -1 / np.maximum(others, 1)[:, None], 0.0)
    share[mine] = whole
    return Pieces(
        people=people,
        subjects=subjects,
        usable=usable,
        alone=whole & ~usable,
        parts=total,
        share=share,
        shortfall=1 / (others + 1.0),
    )


def _whole(pieces: Array) -> NDArray[np.bool_]:
    """Which pieces (events, times) lack no value, (events,)."""
    return np.asarray(np.isfinite(pieces).all(axis=1))


def _own(
    by_recording: Mapping[str, Series], events: Sequence[Moment], n_times: int, cut: Mapping[str, Any]
) -> Array:
    """(events, times); NaN where a recording has no course."""
    out = np.full((len(events), n_times), np.nan)
    owner = np.array([e.recording for e in events])
    moment = np.array([e.time for e in events])
    for recording, (times, values) in by_recording.items():
        own = owner == recording
        if own.any():
            out[own] = event_locked(times, values, moment[own], **cut)[0]
    return out
