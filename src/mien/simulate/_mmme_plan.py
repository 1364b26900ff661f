"""The generative model of the made-up MMME: face and brain of the made-up MEs-EEG, and a body beside them.

Face and brain are those of :mod:`mien.simulate._mes_plan`, with the shares of emotions and the longer rests
of this data set. The body has eight hidden sources of its own (:data:`BODY`), which follow the same law: in
second ``t`` of clip ``c`` shown to subject ``s``

    z[s, c, t, k] = offset[s, k] + fingerprint[c, k]
                    + effect * gain * intensity[s, c, t] * pattern[emotion(c), k]
                    + noise[s, c, t, k]

with the same spreads, the same intensity (0.4 through an emotional clip, near 1 around the apex of an
expression) and noise of its own. ``pattern`` has three parts: one for the three classes, which are equally
far apart along the direction of :data:`RESPONSES` (the heart slows in negative emotion and speeds up in
positive; breath is held in surprise), one for the five negative emotions among themselves,
0.6 as long, and one that all expressions share (:data:`SHARED`: sweat,
narrow vessels, cold fingers). What the sources do to pulse, skin, breath, temperature and muscles is in
:mod:`mien.simulate._mmme_body`.

``gain`` of the brain is set so that face and brain together reach :data:`TARGET`, that of the body so that
face and body together are better than the face alone by :data:`GAIN_OVER_FACE`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mien.datasets._mes_eeg_layout import THREE_CLASSES
from mien.simulate import _mes_plan as plan_
from mien.simulate._latent import _rotation, simplex
from mien.simulate._mes_plan import Plan

SHARES = np.array([50, 163, 124, 92, 55, 105, 45]) / 634
"""How many of the 634 micro-expressions of the paper show each emotion: 69 % negative, 14 % positive, 17 %
surprise."""
REST_SECONDS = 6
"""Between two clips; the last three seconds before a clip are its baseline."""
BODY = ("heart", "breath_rate", "breath_depth", "sweat", "vessels", "cold", "muscle_a", "muscle_b")
"""The body's sources: more is a faster heart, faster and deeper breath, more sweat, narrower vessels (a
smaller and earlier pulse), colder fingers, tenser muscles."""
RESPONSES: dict[str, tuple[float, ...]] = {
    "negative": (-0.6, 0.3, -0.5, 0.5, 0.5, 0.5, 0.0, 0.6),
    "positive": (0.6, 0.3, 0.5, 0.0, -0.4, -0.5, 0.7, -0.4),
    "surprise": (-0.3, -0.7, 0.1, 0.8, 0.1, 0.0, 0.1, 0.1),
}
SHARED = (-0.1, 0.0, 0.0, 0.5, 0.3, 0.3, 0.2, 0.2)
TARGET, GAIN_OVER_FACE = 0.80, 0.12
"""Mean recall of three classes by face and brain together, and by how much face and body beat the face."""
_BODY_STREAM = 71


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """``brain`` says who saw what, and what face and EEG did; ``body`` is the same with the body's
    sources."""

    brain: Plan
    body: Plan

    @property
    def seconds(self) -> int:
        """Length of the EEG."""
        starts, lengths = self.brain.starts(), self.brain.seconds
        return int(starts[-1] + lengths[-1]) + self.brain.rest // 2 + 1

    def body_levels(self, subject: int) -> NDArray[np.float64]:
        """The body's sources in each second of the EEG, (seconds, sources)."""
        plan = self.body
        lead = np.broadcast_to(plan.offset[subject], (plan_.LEAD_SECONDS + plan.rest // 2, plan_.N_SOURCES))
        clips = [plan.levels(subject, c) for c in range(len(plan.clips))]
        return np.concatenate([lead, *clips, clips[-1][-1:]])


def draw(
    seed: int, *, subjects: int, clips: int, events_per_clip: float, seconds: float, effect: float
) -> Study:
    """Draw a data set's hidden causes; everything but what ``effect`` changes is the same for any effect."""
    from mien.simulate import _mmme_oracle

    at_one = plan_.draw(
        seed,
        subjects=subjects,
        clips=clips,
        events_per_clip=events_per_clip,
        seconds=seconds,
        effect=1.0,
        rest=REST_SECONDS,
        shares=SHARES,
        target=TARGET,
    )
    rng = np.random.default_rng([seed, 70])
    sources = {
        "offset": plan_.OFFSET_SD * rng.standard_normal((subjects, len(BODY))),
        "fingerprint": plan_.FINGERPRINT_SD * rng.standard_normal((clips, len(BODY))),
        "pattern": _patterns(rng),
        "stream": _BODY_STREAM,
    }
    gain = _mmme_oracle.calibrate(
        Study(brain=at_one, body=dataclasses.replace(at_one, **sources))  # type: ignore[arg-type]
    )
    asked = plan_.at_effect(at_one, effect, events_per_clip=events_per_clip)
    return Study(brain=asked, body=dataclasses.replace(asked, gain=gain, **sources))  # type: ignore[arg-type]


def _patterns(rng: np.random.Generator) -> NDArray[np.float64]:
    """(emotions, sources)."""
    coarse, fine = simplex(len(THREE_CLASSES)), simplex(5)
    wanted = np.array([RESPONSES[c] for c in THREE_CLASSES])
    left, _, right = np.linalg.svd(coarse.T @ wanted, full_matrices=False)
    axes = left @ right  # of all orthonormal pairs, the one that puts the classes nearest to the responses
    rest = _rotation(len(BODY) - 2, rng)[:4] @ scipy.linalg.null_space(axes).T
    pattern = coarse[plan_.CLASS_OF] @ axes + np.array(SHARED)
    pattern[plan_.CLASS_OF == 0] += plan_.FINE * fine @ rest
    return np.asarray(pattern)


def recording_ids(plan: Plan, stand_ins: Mapping[str, str]) -> list[str]:
    """Id of each subject's recording."""
    return [f"{stand_ins[n]}_{d}" for n, d in zip(plan.subjects, plan.dates, strict=True)]
