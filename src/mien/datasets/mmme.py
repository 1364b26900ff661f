"""MMME: faces, EEG and the body of people who hid what they felt while they watched 48 clips."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from mien.core.errors import UnknownNameError
from mien.core.registry import registered
from mien.core.types import Recording
from mien.datasets._card import Card
from mien.datasets._finish import Words, finish
from mien.datasets._inspection import Inspection
from mien.datasets._me_people import chosen_people
from mien.datasets._me_table import UNKNOWN_KIND
from mien.datasets._mes_eeg_face import FRAMES, Frames
from mien.datasets._mes_eeg_layout import KINDS as KNOWN_KINDS
from mien.datasets._mmme_biopac import check_units
from mien.datasets._mmme_example import example
from mien.datasets._mmme_inspection import inspect_survey
from mien.datasets._mmme_session import Options, part_of
from mien.datasets._mmme_survey import layout_of, survey

__all__ = ["Mmme", "example"]

KINDS = (*KNOWN_KINDS, UNKNOWN_KIND)
"""Kinds of events; the last where the coding table does not tell."""
_WORDS = Words(
    nothing="no clip of these people is marked by any device",
    expected="at least one trial",
    see="{command} shows them all",
)
Layout = Mapping[str, str | Sequence[str]]


@registered
class Mmme:
    """Reader of the coding table, Curry's EEG, BIOPAC's recording of the body, and the camera's frames.

    A session is read with whichever of its three devices are there; what is lacking is listed.

    ==================  ==========  =========  =======  ======  ============================================
    stream              modality    unit       rate     clock   channels
    ==================  ==========  =========  =======  ======  ============================================
    ``raw_eeg``         eeg         V          1000 Hz  eeg     62 electrodes, by name
    ``raw_eeg_all``     eeg         V          1000 Hz  eeg     all 68 channels but the trigger
    ``raw_reference``   reference   V          1000 Hz  eeg     ``M1``, ``M2``
    ``raw_eog``         eog         V          1000 Hz  eeg     ``HEO``, ``VEO``
    ``raw_ecg``         ecg         V          1000 Hz  eeg     ``EKG``
    ``raw_emg``         emg         V          1000 Hz  eeg     ``EMG``
    ``ppg`` ``rsp``     the name    the        1000 Hz  biopac  the name
    ``eda`` ``ecg``                 file's
    ``emg_a`` ``emg_b`` emg         the        1000 Hz  biopac  the name
                                    file's
    ``skt_a`` ``skt_b`` skt         K          1000 Hz  biopac  the name
    ``body``            peripheral  mixed      1000 Hz  biopac  all eight, in the order of the file
    ``face``            face        1          150 Hz   camera  ``r``, ``g``, ``b``; ``stream.clip(event)``
                                                                gives the frames of an event
    ==================  ==========  =========  =======  ======  ============================================

    One recording per person and date (``p3f9a2c_20230721``), one trial per clip shown, one event per
    expression, named as in MEs-EEG. People are named by pseudonyms everywhere.

    *Units.* Those that a BIOPAC file tells, in SI. Where it tells none, those of the option ``units``, else
    ``arbitrary``, which is listed: nothing is guessed from the size of numbers.

    *Time.* The recording clock is the EEG's (0: its first sample); without EEG it is BIOPAC's, else the
    camera's. Streams and markers of the other devices are on their own clocks until
    :func:`mien.timeline.align` fits these. A trial lies between its marker and the next ``100``; where the
    EEG lost one of the two, another device places it. A coded moment is the trial's start plus the seconds of
    the table (the stamps, where these contradict by more than 50 ms). The frames of an event are those whose
    names hold the table's stamps, at the times that the camera's counter tells.

    *Events and labels* are those of MEs-EEG: rows that overlap are merged; ``emotion8`` of trials,
    ``emotion``, ``emotion3`` and ``emotion5`` of events and of trials that are not calm. The public table
    lacks the column that tells micro from macro, and no rule replaces it: every event is of the kind
    ``expression`` then, unless ``kinds_from`` names the table of MEs-EEG.
    """

    card = Card(
        title="MMME",
        version="public coding table of 2024",
        licence="For academic research under the release agreement of its authors; not to be passed on or "
        "changed.",
        citation="MMME: A Spontaneous Multi-Modal Micro-Expression Dataset Enabling Visual-Physiological "
        "Fusion. arXiv 2506.09834.",
        doi="10.48550/arXiv.2506.09834; the repository is https://github.com/Mac0504/MMME",
        obtain="Sign the release agreement of https://github.com/Mac0504/MMME and send it to the address "
        "there. The coding table is public.",
        counts={
            "subjects": 16,
            "coded subjects": 16,
            "rows": 944,
            "rows of batch 1": 462,
            "rows of batch 2": 269,
            "rows of batch 3": 213,
            "rows without a coded offset": 433,
            "rows with dif as the annotators' program made it": 944,
            "videos": 272,
            "markers": 42,
            "pairs of rows of one event": 122,
            "rows in such pairs": 243,
            "events": 822,
        },
        known_faults=(
            "Sizes claimed by the authors (634 micro- and 2,841 macro-expressions, 2,890 trials, 75 or 110 "
            "people) agree neither with each other nor with the public table of 944 rows and 16 people.",
            "The public coding table is that of MEs-EEG without the column Macro/Micro. Durations do not "
            "replace it: the usual rule calls 182 of 645 macro rows micro.",
            "The seventh class is called contempt in the papers and tense or nervous in every file.",
            "The emotion is the clip's, not an annotator's: Estimated Emotion repeats it in every row.",
            "433 rows repeat the apex as the offset: the offset was not coded.",
            "122 pairs of rows code one event twice. A split by rows leaks.",
            "The column dif is in frames in two batches and in milliseconds in one, where it loses whole "
            "seconds; it is never used.",
            "The stamp in a frame's name is when it was saved, tens of milliseconds after the exposure; the "
            "camera's counter is exact.",
            "The frame rate is 98 to 157 per second, not 150 throughout.",
            "M1 and M2 are among the 64 EEG channels; the authors' 62 keep them and lose O2 and CB2.",
            "Units of BIOPAC's columns are published nowhere; a copy without the variable units has none.",
            "Of the folders only the EEG's is published; the others can be given as patterns.",
            "All people see the same clips, so a clip that was seen in training gives the label away.",
        ),
    )

    def load(
        self,
        root: str | Path,
        *,
        subjects: Collection[str] | None = None,
        kinds: Collection[str] = KINDS,
        frames: Frames = "key",
        kinds_from: str | Path | None = None,
        units: Mapping[str, str] | None = None,
        rate: float | None = None,
        layout: Layout | None = None,
    ) -> list[Recording]:
        """Recordings of the chosen people; reads headers, names of frames, triggers and the coding table.

        Files, rows and trials that are at fault are left out, with one :class:`DatasetWarning`.

        Parameters
        ----------
        root
            Folder that holds the data set.
        subjects
            Pseudonyms; None means all.
        kinds
            Types of events to give: ``"micro"``, ``"macro"``, and ``"expression"`` where the table does not
            tell.
        frames
            ``"key"`` gives the frames of onset, apex and, where it was coded, offset; ``"all"`` all between
            them, or every second, third, … where all would take more than 256 MiB.
        kinds_from
            ``coding_file_combined.xlsx`` of MEs-EEG, which tells micro from macro; None: the table in
            ``root`` alone.
        units
            Stream of BIOPAC to the word for its unit (``{"eda": "µS", "skt_a": "deg C"}``), where its file
            does not tell it or has a word that is not known. What a file tells counts.
        rate
            Samples per second of BIOPAC, where its ``.mat`` does not tell.
        layout
            Patterns of paths in the place of the default ones: ``table`` and ``session`` seen from ``root``,
            ``eeg``, ``biopac`` and ``frames`` from a session's folder; one pattern or several, of which the
            first that finds something is taken.

        Raises
        ------
        InputError
            The folder is no copy of the data set, the coding table cannot be used, a chosen subject or a unit
            does not exist, or nothing can be used.
        UnknownNameError
            There is no such kind, stream or pattern.
        """
        for kind in kinds:
            if kind not in KINDS:
                raise UnknownNameError("kind", kind, KINDS)
        if frames not in FRAMES:
            raise UnknownNameError("frames", frames, FRAMES)
        check_units(units or {})
        other = None if kinds_from is None else Path(kinds_from)
        seen = survey(Path(root), layout=layout_of(layout), kinds_from=other)
        there = [seen.subject(session) for session in seen.sessions]
        wanted = None if subjects is None else chosen_people(subjects, there, root=seen.root, dataset="mmme")
        options = Options(kinds=kinds, which=frames, units=units, rate=rate)
        parts = [
            part_of(seen, session, options)
            for session in seen.sessions
            if wanted is None or seen.subject(session) in wanted
        ]
        faults = [fault for fault in seen.faults if wanted is None or fault.subject in {"", *wanted}]
        faults += [seen.hidden(fault) for part in parts for fault in part.faults]
        return finish(
            [part.recording for part in parts if part.recording is not None],
            dataset="mmme",
            root=Path(root),
            faults=tuple(faults),
            stacklevel=4,
            hide=seen.veil.hide,
            words=_WORDS,
        )

    def inspect(
        self,
        root: str | Path,
        *,
        kinds_from: str | Path | None = None,
        units: Mapping[str, str] | None = None,
        rate: float | None = None,
        layout: Layout | None = None,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Inspection:
        """Counts, faults and notes; reads all samples and the key frames of all faces, a piece at a time.

        Parameters
        ----------
        root
            Folder that holds the data set.
        kinds_from, units, rate, layout
            As for :meth:`load`.
        progress
            Called with the number of pieces read, how many there are, and what is being read.
        """
        check_units(units or {})
        other = None if kinds_from is None else Path(kinds_from)
        seen = survey(Path(root), layout=layout_of(layout), kinds_from=other, needs_table=False)
        options = Options(kinds=KINDS, units=units, rate=rate)
        return inspect_survey(seen, options, card=self.card.counts, progress=progress)

    def reveal(self, root: str | Path) -> dict[str, str]:
        """Pseudonym to name of every person in a copy: for the eyes of its keeper, never for a file."""
        names = survey(Path(root), layout=layout_of(None), needs_table=False).strange.names
        return {short: name for name, short in sorted(names.items(), key=lambda item: item[1])}
