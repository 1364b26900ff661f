"""Leave one subject out, over coded events: the protocol of the micro-expression field, done on events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from mien.core import InputError, Sample, Split, registered
from mien.protocols._example import crossed
from mien.protocols.loso import Loso


def example() -> tuple[Sample, ...]:
    """Four subjects, twelve clips, two events in each."""
    return tuple(replace(s, event=s.id) for s in crossed())


@registered
@dataclass(frozen=True, kw_only=True)
class MeLosoEvent(Loso):
    """As ``loso``, for samples that are events, each of them once.

    An expression that two people coded is one event: its rows would otherwise be scored twice, and a random
    split of rows would train on one and test on the other.
    """

    held_out: ClassVar = ("subject",)
    text: ClassVar = (
        "Each subject's expressions are tested by models trained on the other subjects, with the same "
        "stimuli; an expression that was coded twice counts once."
    )

    def splits(self, samples: Iterable[Sample], seed: int = 0) -> Iterator[Split]:
        """The folds; see :meth:`mien.protocols.Rule.splits`.

        Raises
        ------
        InputError
            A labelled sample is no event, or shares its event with another sample.
        """
        rows = [s for s in samples if s.label is not None]
        without = next((s for s in rows if s.event is None), None)
        if without is not None:
            raise InputError(
                f"protocol 'me_loso_event': sample {without.id!r} is no event",
                expected="samples that are coded events",
                remedy='add [samples] with of = "event" to the study, or choose "loso"',
            )
        event, n = Counter((s.subject, s.event) for s in rows).most_common(1)[0] if rows else (None, 0)
        if event is not None and n > 1:
            raise InputError(
                f"protocol 'me_loso_event': event {event[1]!r} has {n} samples", expected="one for each event"
            )
        return super().splits(rows, seed)
