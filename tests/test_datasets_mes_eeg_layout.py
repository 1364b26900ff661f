"""The layout constants of MEs-EEG against what is published, written out again here."""

from __future__ import annotations

from collections import Counter

from _mes_eeg_files import COLUMNS, NAMES_64, NAMES_68
from mien.datasets import _mes_eeg_layout as layout
from mien.datasets import card

MARKERS = """
101:1 102:2 103:3 104:4 105:5 106:6 107:7 108:8 109:1 110:2 111:3 112:2 113:4 114:5 115:6 116:7 117:8 118:1
119:2 120:3 121:4 122:5 123:3 124:6 125:7 126:8 127:1 128:2 129:3 130:4 131:5 132:6 133:7 134:4 135:8 136:1
137:2 138:3 139:4 140:5 141:6 142:7 143:8 144:5 145:6 146:7 147:8 148:1
"""
WORDS = {1: "sad", 2: "disgust", 3: "happy", 4: "fear", 5: "tension", 6: "calm", 7: "angry", 8: "surprise"}


def test_emotions_of_the_clips() -> None:
    pairs = [pair.split(":") for pair in MARKERS.split()]
    written = {int(m): WORDS[int(n)] for m, n in pairs}
    assert written == layout.MARKER_EMOTION
    assert set(Counter(layout.MARKER_EMOTION.values()).values()) == {6}
    calm = [m for m, word in layout.MARKER_EMOTION.items() if word == "calm"]
    assert calm == [106, 115, 124, 132, 141, 145]


def test_index_of_a_clip_within_its_emotion() -> None:
    assert all(layout.MARKER_EMOTION[m] == word for word, row in layout.CLIP_MARKERS.items() for m in row)
    assert set(layout.CLIP_INDEX) == {m for m, word in layout.MARKER_EMOTION.items() if word != "calm"}
    assert [layout.CLIP_INDEX[m] for m in (101, 148, 109, 118, 127, 136)] == [1, 2, 3, 4, 5, 6]
    assert [layout.CLIP_INDEX[m] for m in (112, 123, 134, 144, 146, 147)] == [1] * 6
    assert (layout.CLIP_INDEX[142], layout.CLIP_INDEX[105], layout.CLIP_INDEX[117]) == (6, 2, 3)


def test_class_maps() -> None:
    assert layout.EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "tension")
    assert (*layout.EMOTIONS, "calm") == layout.EMOTIONS_8
    assert layout.ALIASES["contempt"] == layout.ALIASES["tense"] == layout.ALIASES["nervous"] == "tension"
    assert set(layout.THREE) == set(layout.FIVE) == set(layout.FILE_WORDS) == set(layout.EMOTIONS)
    assert set(layout.THREE.values()) == set(layout.THREE_CLASSES)
    assert set(layout.FIVE.values()) == set(layout.FIVE_CLASSES)
    assert len(layout.FIVE_CLASSES) == 5
    # counts of the released data set's figure: Dis, Fea, Sur, Hap, Ang, Sad, Con; 68.9 % are negative
    figure = {
        "disgust": 163,
        "fear": 124,
        "surprise": 105,
        "happy": 92,
        "angry": 50,
        "sad": 55,
        "tension": 45,
    }
    negative = sum(n for word, n in figure.items() if layout.THREE[word] == "negative")
    assert round(100 * negative / sum(figure.values()), 1) == 68.9
    assert (layout.THREE["happy"], layout.THREE["surprise"]) == ("positive", "surprise")


def test_channels() -> None:
    assert list(layout.CHANNELS) == NAMES_68
    assert (layout.CHANNELS[32], layout.CHANNELS[42]) == ("M1", "M2")
    assert list(layout.EEG_CHANNELS) == [n for n in NAMES_64 if n not in ("M1", "M2")]
    assert len(layout.EEG_CHANNELS) == 62
    assert {"O2", "CB2"} <= set(layout.EEG_CHANNELS)


def test_names_of_files() -> None:
    key = "sad_uniform20230718_118_20.24_20.44_20.74"
    assert layout.row_key("sad", "uniform", "20230718", 118, 20.24, 20.44, 20.74) == key
    assert (
        layout.row_key("sad", "uniform", "20230718", 118, 3.4, 3.6, 3.6)
        == "sad_uniform20230718_118_3.40_3.60_3.60"
    )
    match = layout.KEY.fullmatch(key)
    assert match is not None
    assert match.groups() == ("sad", "uniform", "20230718", "118", "20.24", "20.44", "20.74")
    video = layout.VIDEO_NAME.fullmatch(f"video_{key}_143.avi")
    assert video is not None
    assert (video["key"], video["fps"]) == (key, "143")
    name = layout.FILENAME.fullmatch("sad_4_118_uniform_20230718.avi")
    assert name is not None
    assert name.groups() == ("sad", "4", "118", "uniform", "20230718")
    assert layout.STAMP.fullmatch("15-42-04-176-1000")
    assert layout.STAMP.fullmatch("16-45-38-257")
    assert list(layout.COLUMNS) == COLUMNS


def test_the_card_counts_what_the_public_table_holds() -> None:
    counts = card("mes_eeg").counts
    assert (counts["rows"], counts["rows macro"], counts["rows micro"]) == (944, 645, 299)
    assert [counts[f"rows of batch {i}"] for i in (1, 2, 3)] == [462, 269, 213]
    assert (counts["coded subjects"], counts["videos"], counts["markers"]) == (16, 272, 42)
    assert counts["rows without a coded offset"] == 433
    assert (counts["pairs of rows of one event"], counts["rows in such pairs"]) == (122, 243)
    # 122 pairs touch 243 rows: 120 events of two rows and one of three; each pair makes one event fewer
    assert counts["events"] == counts["rows"] - 122
    assert counts["EEG trials"] == 21 * 48 - 2
