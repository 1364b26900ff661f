"""Numbers that others published, shown beside ours and never as ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published result.

    ``values`` maps modalities (``"eeg+eye"``) to the text of the number, in percent, with the spread as
    printed by its source; ``score`` says what the number is and ``note`` what a reader must know before
    comparing.

    A result that stands beside ours in the figure of protocols has a ``row``, its name there, and
    ``n_classes``; ``label`` is the label of the study that it belongs to, where several have as many classes.
    ``system`` is the system whose own paper it is from: it is drawn as a line through our rows, and
    ``beside`` says which of our protocols it may be set beside, and why.
    """

    source: str
    method: str
    protocol: str
    level: str
    values: dict[str, str]
    score: str = "accuracy"
    note: str = ""
    row: str = ""
    n_classes: int = 0
    label: str = ""
    system: str = ""
    beside: str = ""

    @property
    def spans(self) -> dict[str, tuple[float, float]]:
        """Modalities to the lowest and highest number, as shares; a spread after ``±`` is left out."""
        return {key: _span(text) for key, text in self.values.items()}


def _span(text: str) -> tuple[float, float]:
    ends = [float(part) / 100 for part in text.partition("±")[0].split("–")]
    return ends[0], ends[-1]


@dataclass(frozen=True, kw_only=True)
class PublishedRows:
    """Rows of a published table that share a source.

    ``rows`` maps a row's label to task (number of classes) to score (as in ``report.json``) to the text of
    the number, in percent.
    """

    text: str
    rows: dict[str, dict[int, dict[str, str]]]


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """What stands beside our rows in the table of signals and tasks; ``title`` names the table it follows."""

    title: str
    groups: tuple[PublishedRows, ...]
    notes: tuple[str, ...]


_AEON = "seedvii-aeon (public code and README)"

_TABLE4 = "MEs-EEG paper, Table 4"

_MMME = (
    Published(
        source="MMME, an older README",
        method="MMME micro-expressions, face alone: STSTNet, RCN-A and FR, mean of the three",
        protocol="leave one subject out; groups of events coded twice not stated",
        level="expression",
        values={"7 classes, UF1": "38.63", "7 classes, UAR": "39.18"},
        score="UF1, UAR",
        note="single nets: UF1 35.34, 37.85, 42.71, UAR 36.94, 38.92, 41.67",
    ),
    Published(
        source="MMME, an older README and its notebook",
        method="MMME micro-expressions, face alone, mean of the three nets",
        protocol="leave one subject out",
        level="expression",
        values={"3 classes, UF1": "81.37", "3 classes, UAR": "81.50"},
        score="UF1, UAR",
        note="the notebook's own output is UF1 79.16, 76.46, 81.46 and UAR 80.10, 75.55, 82.55; numbers "
        "moved between versions without a note on the data",
    ),
    Published(
        source="MMME, its notebook",
        method="605 macro-expressions, face alone, one and the same net under two protocols",
        protocol="ten folds of rows at random; leave one subject out",
        level="row of the coding table",
        values={"7 classes, random": "64.46", "7 classes, subject out": "40.00"},
        note="UF1 52.95 and 24.91. What the first has over the second is not emotion: rows of one subject, "
        "and of one event coded twice, stand in training and in test",
    ),
    Published(
        source="MMME, its notebook",
        method="linear SVM on EEG band power, 8 classes with calm",
        protocol="ten folds, subjects mixed, every subject scaled by all its trials",
        level="trial",
        values={"eeg": "35 ± 14"},
        note="chance 12.5",
    ),
)

_DEAP = (
    Published(
        source="Milmer, Neurocomputing 2026, 134368",
        method="Milmer, EEG and ten faces a segment, 22 participants",
        protocol="segments of 3 s; which of them were tested is not published",
        level="window",
        values={"eeg+face": "96.72"},
        note="beside random windows at best: the released preparation spreads each minute over all of its "
        "20 segments, so that training and test segments of a trial hold the same minute",
        row="Milmer: segments, split not published",
        n_classes=4,
        system="milmer",
        beside="Of the protocols here only `random_window`, by window, can be of its kind. The published "
        "preparation writes the whole minute of a trial into each of its 20 segments, so that segments dealt "
        "at random share every moment of their trials between training and test. It says nothing about a "
        "new person, a new clip or even a new trial.",
    ),
    Published(
        source="LibEER (README tables)",
        method="EEG networks, four classes, range over the methods",
        protocol="within subject, whole trials 60/20/20",
        level="window",
        values={"eeg": "36–45"},
        row="LibEER: within subject, new trials",
        n_classes=4,
    ),
    Published(
        source="LibEER (README tables)",
        method="EEG networks, four classes, range over the methods",
        protocol="across subjects, 60/20/20",
        level="window",
        values={"eeg": "16–31"},
        row="LibEER: new people",
        n_classes=4,
    ),
    Published(
        source="LibEMER (README tables)",
        method="EEG and peripheral signals, valence in two classes, range over nine methods",
        protocol="across subjects",
        level="window",
        values={"eeg+body": "43.2–57.3"},
        note="always saying high gets 55.3",
        row="LibEMER: new people",
        n_classes=2,
        label="valence",
    ),
    Published(
        source="LibEMER (README tables)",
        method="EEG and peripheral signals, arousal in two classes, range over nine methods",
        protocol="across subjects",
        level="window",
        values={"eeg+body": "37.9–61.3"},
        note="always saying high gets 57.6",
        row="LibEMER: new people",
        n_classes=2,
        label="arousal",
    ),
)

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "deap": _DEAP,
    "seed_vii": (
        Published(
            source=_AEON,
            method="EEG, eye movements and their fusion",
            protocol="leave one subject out; every clip is seen in training",
            level="clip",
            values={"eeg+eye": "42.62 ± 2.18", "eeg": "29.12 ± 1.82", "eye": "40.69 ± 1.28"},
            note="chance 14.3, most frequent class 15.0; the source reports that leaving out z-scores "
            "per subject takes 37.4 to 15.2",
            row="seedvii-aeon: new people, clips seen",
            n_classes=7,
        ),
        Published(
            source=_AEON,
            method="EEG, eye movements and their fusion",
            protocol="cross-video: four folds of clips, subjects pooled",
            level="clip",
            values={"eeg+eye": "41.62 ± 3.92", "eeg": "37.00 ± 2.42", "eye": "35.75 ± 4.48"},
            row="seedvii-aeon: new clips, people seen",
            n_classes=7,
        ),
        Published(
            source=_AEON,
            method="EEG, eye movements and their fusion",
            protocol="clips dealt out at random",
            level="clip",
            values={"eeg+eye": "45.1", "eeg": "33.6", "eye": "42.2"},
            note="the weight of the fusion was tuned on the test data",
            row="seedvii-aeon: clips at random",
            n_classes=7,
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
    ),
    "mes_eeg": (
        Published(
            source=f"{_TABLE4}; all of it stands beside our rows above",
            method="MEs-EEG, fusion network, 3 classes",
            protocol="not stated for this table; elsewhere leave one subject out, and ten folds",
            level="not stated",
            values={"eeg+me": "89.71 ± 3.67", "eeg": "83.05 ± 4.48", "me": "77.63 ± 3.44"},
            note="most frequent class 71.4 of the clips, 74.2 of the public micro-expressions",
        ),
        Published(
            source=_TABLE4,
            method="MEs-EEG, fusion network, 7 classes",
            protocol="not stated for this table",
            level="not stated",
            values={"eeg+me": "40.22 ± 4.24", "eeg": "27.40 ± 3.21", "me": "34.17 ± 3.55"},
            note="chance 14.3, most frequent class 22.4 of the public micro-expressions",
        ),
        Published(
            source="MEs-EEG, an older README",
            method="MEs-EEG, fusion network, 5 classes",
            protocol="not stated",
            level="not stated",
            values={"eeg+me": "80.46"},
            note="of 67 participants and 453 micro-expressions; said to be 9.83 above the face alone and "
            "6.94 above EEG alone. The paper has other numbers of both",
        ),
        Published(
            source="MEs-EEG paper, Table 3",
            method="SVM, DGCNN, TCN on EEG; 3 classes",
            protocol="not stated",
            level="not stated",
            values={"SVM, EEG": "60.73 ± 12.72", "DGCNN, EEG": "83.04 ± 7.32", "TCN, EEG": "83.15 ± 7.21"},
            note="most frequent class 71.4: the SVM is below it. The TCN has 83.05 ± 4.48 in Table 4",
        ),
        Published(
            source="MEs-EEG paper, Table 3",
            method="SVM, DGCNN, TCN on EEG; 7 classes",
            protocol="not stated",
            level="not stated",
            values={"SVM, EEG": "22.94 ± 4.33", "DGCNN, EEG": "24.25 ± 5.40", "TCN, EEG": "27.10 ± 6.46"},
            note="chance 14.3",
        ),
        *_MMME,
    ),
    "mmme": _MMME,
}
"""Data set name to what was published on it."""


def _scores(accuracy: str, weighted_f1: str, uf1: str, uar: str) -> dict[str, str]:
    return {"accuracy": accuracy, "weighted_f1": weighted_f1, "uf1": uf1, "uar": uar}


TABLES: dict[str, PublishedTable] = {
    "mes_eeg": PublishedTable(
        title="the paper's Table 4",
        groups=(
            PublishedRows(
                text="MEs-EEG paper, Table 4, fusion network; ± as printed. Protocol as stated there: leave "
                "one subject out, and ten folds, not said which for which table.",
                rows={
                    "ME": {
                        3: _scores("77.63 ± 3.44", "77.6", "74.8", "74.7"),
                        7: _scores("34.17 ± 3.55", "34.3", "33.5", "33.9"),
                    },
                    "EEG": {
                        3: _scores("83.05 ± 4.48", "83.1", "81.1", "82.0"),
                        7: _scores("27.40 ± 3.21", "27.6", "27.2", "27.7"),
                    },
                    "EEG + ME": {
                        3: _scores("89.71 ± 3.67", "89.8", "87.9", "89.5"),
                        7: _scores("40.22 ± 4.24", "40.5", "39.7", "40.1"),
                    },
                },
            ),
            PublishedRows(
                text="MEs-EEG, older README (67 participants, 453 micro-expressions); protocol not stated.",
                rows={"EEG + ME": {5: {"accuracy": "80.46"}}},
            ),
            PublishedRows(
                text="What naming the commonest class gets, worked out from the public coding table.",
                rows={
                    "of the 42 clips with an emotion": {
                        3: _scores("71.4", "59.5", "27.8", "33.3"),
                        7: _scores("14.3", "3.6", "3.6", "14.3"),
                    },
                    "of the 299 public rows of micro-expressions": {
                        3: _scores("74.2", "63.3", "28.4", "33.3"),
                        7: _scores("22.4", "8.2", "5.2", "14.3"),
                    },
                },
            ),
        ),
        notes=(
            "What the paper calls F1 is not said. It is within half a point of the accuracy in every row, "
            "as only an F1 weighted by class size, or pooled over classes, would be; it stands in the column "
            "of the former.",
            "The published code chooses the epoch by the loss on the held-out subject and lets attention run "
            "across the batch; the published notebooks deal out rows at random, so that rows which code the "
            "same event twice stand on both sides. How much of the published numbers that is worth is not "
            "known.",
            "The paper's Table 1 is no anchor: its column of other methods on MEs-EEG repeats, to three "
            "digits, what those papers published for the composite set of the 2019 challenge (LBP-TOP, "
            "Bi-WOOF, CapsuleNet, RCN-A, FeatRef, MERSiamC3D). None of it stands here.",
            "The emotion of an event is that of its clip, not a second judgement: whoever knows the clip "
            "knows the label. Only a protocol that holds out subjects and clips together rules that out.",
        ),
    )
}
"""Data set name to the table that its paper is known by."""

PAPERS: dict[str, tuple[str, ...]] = {
    "mes_eeg": (
        "MMME: arXiv 2506.09834. Its tables of recognition from face and physiology together, and of "
        "spotting, were not available when this page's list was made. The public coding tables of MEs-EEG "
        "and MMME are one and the same; the sizes that the two projects state differ from each other and "
        "from it.",
    ),
    "milmer": (
        "Milmer: arXiv 2502.00547 and Neurocomputing 2026, 134368. Its training script and its split are not "
        "published; its ablation table was not available when this page's list was made.",
    ),
    "maet": (
        "MAET: ACM Multimedia 2023, doi 10.1145/3581783.3613797, and IEEE Transactions on Affective "
        "Computing 16(2):969-985, 2025, doi 10.1109/TAFFC.2024.3485057. The papers' tables of results "
        "were not available when this page's list was made, so none of their numbers stands here.",
    ),
}
"""System to where its own numbers would be found."""
