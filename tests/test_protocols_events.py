"""Protocols over coded events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mien import protocols
from mien.core import InputError, Sample


def events() -> tuple[Sample, ...]:
    return protocols.example("me_loso_event")


def test_a_fold_tests_all_events_of_one_subject():
    samples = events()
    splits = list(protocols.create("me_loso_event").splits(samples))
    assert len(splits) == 4
    event_of = {s.id: s.event for s in samples}
    subject_of = {s.id: s.subject for s in samples}
    for split in splits:
        (subject,) = split.held_out["subject"]
        assert {subject_of[i] for i in split.test} == {subject}
        assert len(split.test) == 24
        learnt = {*split.train, *split.val}
        assert not {event_of[i] for i in split.test} & {event_of[i] for i in learnt}
        assert subject not in {subject_of[i] for i in learnt}
        assert not {subject_of[i] for i in split.train} & {subject_of[i] for i in split.val}


def test_it_deals_as_loso_does():
    one = [(s.train, s.val, s.test) for s in protocols.create("me_loso_event").splits(events(), seed=3)]
    other = [(s.train, s.val, s.test) for s in protocols.create("loso").splits(events(), seed=3)]
    assert one == other


def test_samples_that_are_no_events_are_refused():
    samples = (*events()[1:], replace(events()[0], event=None))
    with pytest.raises(InputError, match=r"'s1_c1_w0' is no event.*of = \"event\""):
        protocols.create("me_loso_event").splits(samples)


def test_an_event_with_two_samples_is_refused():
    samples = (*events(), replace(events()[0], id="again"))
    with pytest.raises(InputError, match="event 's1_c1_w0' has 2 samples"):
        protocols.create("me_loso_event").splits(samples)


def test_unlabelled_samples_need_no_event():
    samples = (*events(), replace(events()[0], id="rest", event=None, label=None))
    for split in protocols.create("me_loso_event").splits(samples):
        assert "rest" not in {*split.train, *split.val, *split.test}
