"""The three devices of a made-up MMME: when each started, how fast its clock runs, and what it missed.

True time is that of the EEG, whose first sample is at 0. For any device

    true time = offset + (1 + drift) * time on the device's clock.

The BIOPAC's clock starts with its first sample, the camera's is the time of day of the computer that saves
its frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.datasets._mes_eeg_layout import FRAME_COUNTER, HOUSEKEEPING_MARKERS, REST_MARKER
from mien.datasets._mmme_layout import BIOPAC_CLOCK, CAMERA_CLOCK, EEG_CLOCK
from mien.simulate._mmme_plan import Study

Floats = NDArray[np.float64]
HOLD_SECONDS = 0.02
"""A trigger is on for this long."""
DROP_EVERY, DROP_MOST = 400, 5
"""A run of up to five frames is dropped in each 400, on average."""
_DOUBLE = (0.08, 0.3)
"""Seconds after which a doubled trigger comes again."""
_DELAY = (0.004, 1.2, 0.012)
"""A frame is saved after a least time, and one drawn from a gamma distribution (shape, scale), in seconds."""
_STALL = (0.01, 0.06, 0.2)
"""Share of frames at which saving stalls, and for how long."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """``offset + (1 + drift) * device time`` is true time."""

    offset: float = 0.0
    drift: float = 0.0

    def true(self, device: Floats) -> Floats:
        """True times of times on the device's clock."""
        return self.offset + (1 + self.drift) * device

    def device(self, true: Floats) -> Floats:
        """Times on the device's clock of true times."""
        return (true - self.offset) / (1 + self.drift)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A trigger that a device lost or saw twice: ``kind`` is ``lost`` or ``doubled``; ``time`` is the true
    time of the trigger, ``again`` that of its second coming."""

    kind: str
    device: str
    marker: int
    time: float
    again: float | None = None


@dataclass(frozen=True, kw_only=True)
class Devices:
    """The devices of one recording. ``stop`` is the true time at which BIOPAC and camera end; the camera's
    first exposure is at ``first`` on its clock, with counter ``code``, at ``rate`` exposures a second of
    its clock."""

    clocks: dict[str, Clock]
    stop: dict[str, float]
    first: float
    code: int
    rate: float
    faults: tuple[Fault, ...]


def draw_devices(study: Study, subject: int, *, drift: float, faults: int) -> Devices:
    """Devices of one subject; ``drift`` is the largest there is, ``faults`` how many triggers are lost, and
    how many doubled."""
    plan = study.brain
    rng = np.random.default_rng([plan.seed, 72, subject])
    drifts = drift * rng.uniform(0.3, 1, 2) * rng.choice([-1.0, 1.0], 2)
    biopac = Clock(offset=float(rng.uniform(-8, 2.5)), drift=float(drifts[0]))
    first = round(float(rng.uniform(9, 17)) * 3600, 3)
    begins = float(rng.uniform(-5, 3))
    camera = Clock(offset=begins - (1 + float(drifts[1])) * first, drift=float(drifts[1]))
    return Devices(
        clocks={EEG_CLOCK: Clock(), BIOPAC_CLOCK: biopac, CAMERA_CLOCK: camera},
        stop={
            BIOPAC_CLOCK: study.seconds + float(rng.uniform(1, 6)),
            CAMERA_CLOCK: study.seconds + float(rng.uniform(0.5, 3)),
        },
        first=first,
        code=int(rng.integers(1, FRAME_COUNTER + 1)),
        rate=float(rng.uniform(144, 152)),
        faults=_faults(triggers(study), subject, faults, rng),
    )


def triggers(study: Study) -> list[tuple[float, int]]:
    """True time and code of every trigger: 77 and 88 in the lead-in, each clip's own, 100 at its end."""
    plan = study.brain
    out = [((i + 1) / 2, code) for i, code in enumerate(HOUSEKEEPING_MARKERS)]
    for code, start, length in zip(plan.clips, plan.starts(), plan.seconds, strict=True):
        out += [(float(start), code), (float(start + length), REST_MARKER)]
    return out


def _faults(
    every: list[tuple[float, int]], subject: int, n: int, rng: np.random.Generator
) -> tuple[Fault, ...]:
    """BIOPAC and camera lose triggers in turn (the camera only the end of a clip, so that the clip's own
    frames keep its marker), EEG and BIOPAC see some twice; the EEG has all triggers."""
    of_clips = [k for k, (_, code) in enumerate(every) if code not in HOUSEKEEPING_MARKERS]
    ends = [k for k in of_clips if every[k][1] == REST_MARKER]
    out = []
    for i in range(n):
        device = (BIOPAC_CLOCK, CAMERA_CLOCK)[(subject + i) % 2]
        k = int(rng.choice(of_clips if device == BIOPAC_CLOCK else ends))
        out.append(Fault(kind="lost", device=device, marker=every[k][1], time=every[k][0]))
    lost = {fault.time for fault in out}
    for i in range(n):
        device = (EEG_CLOCK, BIOPAC_CLOCK)[(subject + i) % 2]
        k = int(rng.choice([k for k in of_clips if every[k][0] not in lost]))
        again = every[k][0] + float(rng.uniform(*_DOUBLE))
        out.append(Fault(kind="doubled", device=device, marker=every[k][1], time=every[k][0], again=again))
    return tuple(dict.fromkeys(out))


def seen_by(
    device: str, every: list[tuple[float, int]], faults: tuple[Fault, ...]
) -> list[tuple[float, int]]:
    """The triggers that a device saw, in order of true time."""
    own = [fault for fault in faults if fault.device == device]
    lost = {fault.time for fault in own if fault.kind == "lost"}
    again = [(fault.again, fault.marker) for fault in own if fault.again is not None]
    return sorted([*(t for t in every if t[0] not in lost), *again])


def samples(
    device: str, study: Study, devices: Devices, *, rate: int, n_samples: int
) -> list[tuple[int, int]]:
    """Sample and code of the triggers in a device's file: the first sample at which each is on."""
    seen = seen_by(device, triggers(study), devices.faults)
    at = devices.clocks[device].device(np.array([time for time, _ in seen]))
    # the small term keeps a time such as 10.000000000000002 on its sample
    first = np.ceil(at * rate - 1e-6).astype(np.int64)
    return [(int(k), code) for k, (_, code) in zip(first, seen, strict=True) if 0 <= k < n_samples]


def n_samples(device: str, study: Study, devices: Devices, *, rate: int) -> int:
    """How many samples a device recorded."""
    if device == EEG_CLOCK:
        return study.seconds * rate
    return int(devices.clocks[device].device(np.array(devices.stop[device])) * rate)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shutter:
    """Every exposure of one recording: true times (s), when each was saved (ms of the day), the counter, the
    marker that was on, whether it was dropped."""

    true: Floats
    saved: NDArray[np.int64]
    codes: NDArray[np.int64]
    markers: NDArray[np.int64]
    dropped: NDArray[np.bool_]

    @property
    def kept(self) -> NDArray[np.int64]:
        """The exposures that were saved."""
        return np.flatnonzero(~self.dropped)

    def nearest(self, times: Floats) -> NDArray[np.int64]:
        """Of the exposures that were saved, those nearest to true times."""
        kept = self.kept
        after = np.clip(np.searchsorted(self.true[kept], times), 1, len(kept) - 1)
        before_nearer = times - self.true[kept[after - 1]] < self.true[kept[after]] - times
        return np.asarray(kept[after - before_nearer])


def expose_all(study: Study, subject: int, devices: Devices) -> Shutter:
    """What the camera did. Files are saved one after the other, so a stall makes a queue; a stamp is never
    earlier than its exposure."""
    plan, clock = study.brain, devices.clocks[CAMERA_CLOCK]
    rng = np.random.default_rng([plan.seed, 73, subject])
    last = float(clock.device(np.array(devices.stop[CAMERA_CLOCK])))
    n = int((last - devices.first) * devices.rate)
    at = devices.first + np.arange(n) / devices.rate
    least, shape, scale = _DELAY
    delay = least + rng.gamma(shape, scale, n)
    stalls = rng.random(n) < _STALL[0]
    delay[stalls] += rng.uniform(*_STALL[1:], int(stalls.sum()))
    saved = np.maximum.accumulate(at + delay)
    true = clock.true(at)
    seen = [
        (time, code)
        for time, code in seen_by(CAMERA_CLOCK, triggers(study), devices.faults)
        if code not in HOUSEKEEPING_MARKERS
    ]
    codes = np.array([REST_MARKER, *(code for _, code in seen)])
    markers = codes[np.searchsorted([time for time, _ in seen], true, side="right")]
    return Shutter(
        true=true,
        saved=np.ceil(1000 * saved).astype(np.int64),
        codes=(devices.code - 1 + np.arange(n)) % FRAME_COUNTER + 1,
        markers=markers,
        dropped=_drops(n, _middles(study, subject, true), rng),
    )


def _middles(study: Study, subject: int, true: Floats) -> NDArray[np.int64]:
    """The exposure halfway up the longest expression: three frames are dropped there in every recording."""
    events = study.brain.of(subject)
    if not events:
        return np.zeros(0, dtype=np.int64)
    e = max(events, key=lambda e: e.apex - e.onset)
    middle = float(study.brain.starts()[e.clip]) + (e.onset + e.apex) / 2
    return np.array([np.searchsorted(true, middle)])


def _drops(n: int, planned: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    first = np.flatnonzero(rng.random(n) < 1 / DROP_EVERY)
    length = np.minimum(rng.geometric(0.5, len(first)), DROP_MOST)
    change = np.zeros(n + DROP_MOST + 1, dtype=np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, first + length, -1)
    dropped = np.cumsum(change)[:n] > 0
    for k in planned:
        dropped[k : k + 3] = True
    dropped[[0, -1]] = False
    return dropped
