"""How many events the authors of a data set say it has; shown beside what a copy holds, never as ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedCounts:
    """Published numbers of events: kind to emotion to number."""

    source: str
    counts: dict[str, dict[str, int]]
    notes: tuple[str, ...]


PUBLISHED_COUNTS: dict[str, PublishedCounts] = {
    "mmme": PublishedCounts(
        source="MMME, picture Data_distribution.jpg of its repository",
        counts={
            "micro": {
                "disgust": 163, "fear": 124, "surprise": 105, "happy": 92, "sad": 55, "angry": 50,
                "tension": 45,
            },
            "macro": {
                "disgust": 637, "fear": 479, "surprise": 447, "happy": 424, "angry": 306, "sad": 290,
                "tension": 258,
            },
        },
        notes=(
            "The seventh emotion is called contempt there and tense in the files.",
            "Micro-expressions are said to last 381.7 ± 100.5 ms, and to be 68.9 % negative, 14.5 % positive "
            "and 16.6 % surprise; macro-expressions 69.3, 14.9 and 15.7 %.",
            "The public coding table has 944 rows of 16 people, and does not say which are micro.",
        ),
    )
}  # fmt: skip
"""Data set name to what was published of it."""
