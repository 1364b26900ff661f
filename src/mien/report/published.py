"""Numbers that others published, shown beside ours and never as ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published result.

    ``values`` maps modalities (``"eeg+eye"``) to the text of the number, in percent, with the spread as
    printed by its source; ``note`` says what a reader must know before comparing.
    """

    source: str
    method: str
    protocol: str
    level: str
    values: dict[str, str]
    note: str = ""


_AEON = "seedvii-aeon (public code and README)"

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "seed_vii": (
        Published(
            source=_AEON,
            method="EEG, eye movements and their fusion",
            protocol="leave one subject out; every clip is seen in training",
            level="clip",
            values={"eeg+eye": "42.62 ± 2.18", "eeg": "29.12 ± 1.82", "eye": "40.69 ± 1.28"},
            note="chance 14.3, most frequent class 15.0; the source reports that leaving out z-scores "
            "per subject takes 37.4 to 15.2",
        ),
        Published(
            source=_AEON,
            method="EEG, eye movements and their fusion",
            protocol="cross-video: four folds of clips, subjects pooled",
            level="clip",
            values={"eeg+eye": "41.62 ± 3.92", "eeg": "37.00 ± 2.42", "eye": "35.75 ± 4.48"},
        ),
        Published(
            source=_AEON,
            method="EEG, eye movements and their fusion",
            protocol="clips dealt out at random",
            level="clip",
            values={"eeg+eye": "45.1", "eeg": "33.6", "eye": "42.2"},
            note="the weight of the fusion was tuned on the test data",
        ),
        Published(
            source=_AEON,
            method="nearest neighbour on the clip's length alone",
            protocol="leave one subject out; every clip is seen in training",
            level="clip",
            values={"no signal": "67.5"},
            note="no physiology at all: this protocol does not rule out that a clip is recognised",
        ),
        Published(
            source="third party, as reported; not the authors",
            method="MAET, re-run",
            protocol="not stated",
            level="not stated",
            values={"modalities not stated": "52.46"},
            note="setting unknown; nothing can be compared with it",
        ),
    )
}
"""Data set name to what was published on it."""

PAPERS: dict[str, tuple[str, ...]] = {
    "maet": (
        "MAET: ACM Multimedia 2023, doi 10.1145/3581783.3613797, and IEEE Transactions on Affective "
        "Computing 16(2):969-985, 2025, doi 10.1109/TAFFC.2024.3485057. The papers' tables of results "
        "were not available when this page's list was made, so none of their numbers stands here.",
    )
}
"""System to where its own numbers would be found."""
