"""The layout constants of SEED-VII against the published order, written out again here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from _seed_vii_files import SESSION_WORDS
from mien.datasets import _seed_layout as layout
from mien.datasets import card
from mien.datasets._seed_labels import BUILT_IN
from mien.datasets._seed_survey import KINDS

CHANNELS = (
    "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2 C4 "
    "C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 "
    "OZ O2 CB2"
)
SESSION_NUMBERS = (
    "4 3 0 2 5 5 2 0 3 4 4 3 0 2 5 5 2 0 3 4",
    "5 2 1 3 6 6 3 1 2 5 5 2 1 3 6 6 3 1 2 5",
    "4 6 0 1 5 5 1 0 6 4 4 6 0 1 5 5 1 0 6 4",
    "0 2 1 6 4 4 6 1 2 0 0 2 1 6 4 4 6 1 2 0",
)


def test_channels_bands_and_rates() -> None:
    assert " ".join(layout.CHANNELS) == CHANNELS
    assert len(set(layout.CHANNELS)) == 62
    assert layout.BANDS == ("delta", "theta", "alpha", "beta", "gamma")
    assert (layout.EEG_RATE, layout.WINDOW_SECONDS, layout.N_CLIPS, layout.N_SUBJECTS) == (200, 4, 80, 20)


def test_emotions_of_the_clips_in_numbers_and_words() -> None:
    assert layout.EMOTIONS == ("disgust", "fear", "sad", "neutral", "happy", "anger", "surprise")
    assert " ".join(map(str, layout.CLIP_EMOTIONS)) == " ".join(SESSION_NUMBERS)
    assert " ".join(BUILT_IN.values()) == "".join(SESSION_WORDS).strip()
    assert list(BUILT_IN) == list(range(1, 81))


def test_counts_of_the_card() -> None:
    counts = Counter(BUILT_IN.values())
    assert counts.pop("neutral") == 8
    assert set(counts.values()) == {12}
    assert len(counts) == 6
    on_card = card("seed_vii").counts
    assert on_card["clips neutral"] == 8
    assert on_card["clips fear"] == 12
    assert (on_card["subjects"], on_card["clips"], on_card["trials"]) == (20, 80, 1600)


def test_sessions_and_folds() -> None:
    assert [layout.session_of(clip) for clip in (1, 20, 21, 40, 41, 60, 61, 80)] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert [layout.fold_of(clip) for clip in (1, 5, 6, 15, 16, 20, 21, 80)] == [0, 0, 1, 2, 3, 3, 0, 3]
    for fold in range(4):
        clips = [clip for clip in BUILT_IN if layout.fold_of(clip) == fold]
        counts = Counter(BUILT_IN[clip] for clip in clips)
        assert counts.pop("neutral") == 2
        assert set(counts.values()) == {3}
        assert Counter(layout.session_of(clip) for clip in clips) == {1: 5, 2: 5, 3: 5, 4: 5}


@pytest.mark.parametrize(
    ("position", "name"),
    [
        (0, "pupil_left_de_0.05-0.2"),
        (7, "pupil_right_de_0.6-1"),
        (8, "pupil_left_mean"),
        (11, "pupil_right_std"),
        (12, "fixation_duration_mean"),
        (14, "fixation_dispersion_x_mean"),
        (17, "fixation_dispersion_y_std"),
        (18, "saccade_duration_mean"),
        (22, "blink_duration_mean"),
        (24, "clip_blink_frequency"),
        (28, "clip_fixation_dispersion_total"),
        (32, "clip_saccade_latency_mean"),
    ],
)
def test_eye_features(position: int, name: str) -> None:
    assert layout.EYE_FEATURES[position] == name
    assert len(set(layout.EYE_FEATURES)) == 33
    assert sum(n.startswith("clip_") for n in layout.EYE_FEATURES) == 9


def test_page_names_what_the_card_and_the_reader_name() -> None:
    page = (Path(__file__).parents[1] / "docs" / "datasets" / "seed_vii.md").read_text(encoding="utf-8")
    assert card("seed_vii").doi in page
    for kind in KINDS:
        assert f"`{kind.stream}`" in page
        assert f"{kind.folder}/1.mat" in page
