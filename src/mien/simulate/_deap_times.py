"""What happened when in a made-up session of DEAP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.datasets._deap_layout import AFTER, CODE_SECONDS, END, FIXATION, REST_SECONDS, START, SYNC, VIDEO
from mien.simulate._deap_plan import Plan


@dataclass(frozen=True, kw_only=True)
class Session:
    """One person's session, in seconds from the start of the recording.

    ``events`` are (second, status code); ``videos`` is when each video began, in order of presentation.
    """

    events: tuple[tuple[float, int], ...]
    videos: tuple[float, ...]
    seconds: int


def session_of(plan: Plan, person: int) -> Session:
    """Draw a person's session.

    Rest comes first, then fixation, video, fixation and rating for each trial, with a break in the middle.
    Rest and ratings are as much shorter than the real ones as the videos are. Times are of whole hundredths
    of a second.
    """
    rng = np.random.default_rng([plan.seed, 205, person])
    trials, seconds = len(plan.quadrant), plan.seconds
    short = seconds / CODE_SECONDS[VIDEO]
    events: list[tuple[float, int]] = []
    videos: list[float] = []
    at = round(float(rng.uniform(4, 9)), 2)

    def add(code: int, length: float) -> None:
        nonlocal at
        events.append((at, code))
        at = round(at + length, 2)

    add(START, 2.0)
    add(START, REST_SECONDS * short)
    add(SYNC, CODE_SECONDS[SYNC])
    for k in range(trials):
        if trials > 1 and k == trials // 2:
            add(SYNC, CODE_SECONDS[SYNC] + 20.0 * short)
            add(SYNC, CODE_SECONDS[SYNC])
        add(FIXATION, CODE_SECONDS[FIXATION])
        videos.append(at)
        add(VIDEO, seconds)
        add(AFTER, CODE_SECONDS[AFTER])
        add(START, 1.0 + short * float(rng.uniform(8, 20)))
    add(SYNC, CODE_SECONDS[SYNC])
    add(END, 2.0)
    return Session(events=tuple(events), videos=tuple(videos), seconds=int(np.ceil(at)))
