"""What the files of SEED, SEED-IV and SEED-V hold: names, orders and numbers, and nothing else.

Sources: the data sets' pages and public readers, as collected in the data set cards.
"""

from __future__ import annotations

from dataclasses import dataclass

N_SESSIONS = 3


@dataclass(frozen=True, kw_only=True)
class Design:
    """Who saw what.

    Attributes
    ----------
    subjects
        Names of the subjects of a complete copy.
    clips
        Clips in each session.
    emotions
        The classes; the position is the class number.
    labels
        For each session the class number of each clip, in the order shown.
    same_clips
        Whether every session shows the same clips.
    """

    subjects: tuple[str, ...]
    clips: int
    emotions: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]
    same_clips: bool

    def emotion(self, session: int, clip: int) -> str:
        """What the clip (from 1) of a session (from 1) was chosen to evoke."""
        return self.emotions[self.labels[session - 1][clip - 1]]

    def stimulus(self, session: int, clip: int) -> int:
        """Number of the stimulus: the same in another session only if it is the same film clip."""
        return clip if self.same_clips else (session - 1) * self.clips + clip


# -- SEED --------------------------------------------------------------------------------------------------

SEED_CODES = (1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1)
"""``label.mat``: -1 negative, 0 neutral, 1 positive."""

SEED = Design(
    subjects=tuple(str(n) for n in range(1, 16)),
    clips=15,
    emotions=("negative", "neutral", "positive"),
    labels=(tuple(code + 1 for code in SEED_CODES),) * N_SESSIONS,
    same_clips=True,
)

SEED_DATES: tuple[tuple[str, ...], ...] = (
    (
        *("20131027", "20140404", "20140603", "20140621", "20140411"),
        *("20130712", "20131027", "20140511", "20140620", "20131130"),
        *("20140618", "20131127", "20140527", "20140601", "20130709"),
    ),
    (
        *("20131030", "20140413", "20140611", "20140702", "20140418"),
        *("20131016", "20131030", "20140514", "20140627", "20131204"),
        *("20140625", "20131201", "20140603", "20140615", "20131016"),
    ),
    (
        *("20131107", "20140419", "20140629", "20140705", "20140506"),
        *("20131113", "20131106", "20140521", "20140704", "20131211"),
        *("20140630", "20131207", "20140610", "20140627", "20131105"),
    ),
)
"""Day of each session of subjects 1 to 15; the file names have no session."""

SEED_EYE_SUBJECTS = tuple(str(n) for n in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14))
SEED_EYE_WINDOWS = (58, 58, 50, 60, 46, 48, 59, 54, 66, 59, 58, 58, 58, 59, 51)
"""Windows of 4 s of each clip in the multimodal part."""
SEED_N_TRAIN = 9
"""Clips in its ``train`` arrays; the others are in ``test``."""

# -- SEED-IV -----------------------------------------------------------------------------------------------

SEED_IV = Design(
    subjects=tuple(str(n) for n in range(1, 16)),
    clips=24,
    emotions=("neutral", "sad", "fear", "happy"),
    labels=(
        (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
        (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
        (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
    ),
    same_clips=False,
)

# -- SEED-V ------------------------------------------------------------------------------------------------

_LATER = (2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0)

SEED_V = Design(
    subjects=tuple(str(n) for n in range(1, 17)),
    clips=15,
    emotions=("disgust", "fear", "sad", "neutral", "happy"),
    labels=((4, 1, 3, 2, 0) * 3, _LATER, _LATER),
    same_clips=False,
)

SEED_V_TIMES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    (
        (30, 132, 287, 555, 773, 982, 1271, 1628, 1730, 2025, 2227, 2435, 2667, 2932, 3204),
        (102, 228, 524, 742, 920, 1240, 1568, 1697, 1994, 2166, 2401, 2607, 2901, 3172, 3359),
    ),
    (
        (30, 299, 548, 646, 836, 1000, 1091, 1392, 1657, 1809, 1966, 2186, 2333, 2490, 2741),
        (267, 488, 614, 773, 967, 1059, 1331, 1622, 1777, 1908, 2153, 2302, 2428, 2709, 2817),
    ),
    (
        (30, 353, 478, 674, 825, 908, 1200, 1346, 1451, 1711, 2055, 2307, 2457, 2726, 2888),
        (321, 418, 643, 764, 877, 1147, 1284, 1418, 1679, 1996, 2275, 2425, 2664, 2857, 3066),
    ),
)
"""For each session the second at which each clip starts and ends in the raw recording."""
SEED_V_TIMES_FILE = "trial_start_end_timestamp.txt"
