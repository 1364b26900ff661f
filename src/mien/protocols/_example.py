"""Made-up samples for examples and contract tests."""

from __future__ import annotations

from mien.core import Sample


def crossed(
    *, n_subjects: int = 4, clips: tuple[int, ...] = tuple(range(1, 13)), n_windows: int = 2
) -> tuple[Sample, ...]:
    """Every subject sees every clip once; the clip's number decides its class (of three)."""
    return tuple(
        Sample(
            id=f"s{subject}_c{clip}_w{window}",
            trial=f"s{subject}_c{clip}",
            subject=str(subject),
            session="1",
            stimulus=str(clip),
            label=clip % 3,
            start=60.0 * clip + 4.0 * window,
            duration=4.0,
        )
        for subject in range(1, n_subjects + 1)
        for clip in clips
        for window in range(n_windows)
    )
