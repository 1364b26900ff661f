"""MEs-EEG: faces and EEG of people who hid what they felt while they watched 48 clips."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from mien.core.errors import InputError, UnknownNameError
from mien.core.registry import registered
from mien.core.types import Recording
from mien.datasets._card import Card
from mien.datasets._finish import Words, finish
from mien.datasets._inspection import Inspection
from mien.datasets._me_people import chosen_people
from mien.datasets._mes_eeg_example import example
from mien.datasets._mes_eeg_face import BEST, FRAMES, Frames
from mien.datasets._mes_eeg_inspection import inspect_survey
from mien.datasets._mes_eeg_layout import EEG_FOLDERS, FACE_FOLDERS, KINDS
from mien.datasets._mes_eeg_session import part_of
from mien.datasets._mes_eeg_survey import survey

__all__ = ["MesEeg", "example"]

_WORDS = Words(
    nothing="no trials of these people", expected="at least one trial", see="{command} shows them all"
)


@registered
class MesEeg:
    """Reader of the coding table, the EEG, and the faces at whichever stage they are there.

    Whatever part of the tree is there is read: EEG alone gives trials without events, faces and coding table
    alone give events without EEG.

    =================  =========  ====  =======  ===================================================
    stream             modality   unit  rate     channels
    =================  =========  ====  =======  ===================================================
    ``raw_eeg``        eeg        V     1000 Hz  62 electrodes, by name
    ``raw_eeg_all``    eeg        V     1000 Hz  all 68 channels of the file, in its order
    ``raw_reference``  reference  V     1000 Hz  ``M1``, ``M2``
    ``raw_eog``        eog        V     1000 Hz  ``HEO``, ``VEO``
    ``raw_ecg``        ecg        V     1000 Hz  ``EKG``
    ``raw_emg``        emg        V     1000 Hz  ``EMG``
    ``face``           face       1     150 Hz   ``r``, ``g``, ``b``; ``stream.clip(event)`` gives the
                                                 frames of an event, ``stream.shows(event)`` whether there
                                                 are any
    =================  =========  ====  =======  ===================================================

    One recording per person and date (``p3f9a2c_20230718``), one trial per clip shown
    (``p3f9a2c_20230718_118``), one event per expression (``p3f9a2c_20230718_118_e01``). People are named by
    pseudonyms everywhere.

    *Time.* The recording clock is that of the EEG (0: its first sample). A trial lies between its marker and
    the next ``100``. A coded moment is the trial's start plus the seconds of the table; apex and offset are
    placed by the frames' stamps where these contradict the seconds by more than 50 ms. Trials that the EEG
    does not have follow after its end (after 0 where there is no EEG), one after another in the order of
    markers, each as long as what is coded in it.

    *Events.* Rows of one video whose intervals overlap with an IoU of at least 0.5 are one event. Its onset,
    apex, offset, type and action units are those of one row: the first of the table with a coded offset, or
    the first. An offset that equals the apex was not coded; the event then ends at its apex. ``event.notes``
    tells ``rows_merged`` and, as 0 or 1, ``offset_coded``, ``disagree_kind`` and ``disagree_aus``.

    *Labels*, all of rater ``stimulus``: ``emotion8`` of every trial; ``emotion`` (seven classes),
    ``emotion3`` and ``emotion5`` of events and of trials that are not calm. The papers' ``contempt`` is
    ``tension`` here.
    """

    card = Card(
        title="MEs-EEG",
        version="public coding table of 2024",
        licence="For academic research under the release agreement of its authors; not to be passed on or "
        "changed.",
        citation="A Transformer-Based Multimodal Framework for Hidden Emotion Recognition through "
        "Micro-Expression and EEG Fusion. Repository Mac0504/MEs-EEG.",
        doi="none known; the repository is https://github.com/Mac0504/MEs-EEG",
        obtain="Sign the release agreement of https://github.com/Mac0504/MEs-EEG and send it to the address "
        "there. The coding table and 13 example folders are public.",
        counts={
            "subjects": 21,
            "coded subjects": 16,
            "rows": 944,
            "rows macro": 645,
            "rows micro": 299,
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
            "EEG files": 21,
            "EEG trials": 1006,
        },
        known_faults=(
            "Sizes claimed by the authors (60 people, 453 clips, 2,940 EEG trials) agree neither with each "
            "other nor with the public table.",
            "The seventh class is called contempt in the papers and tense or nervous in every file.",
            "The emotion is the clip's, not an annotator's: Estimated Emotion repeats it in every row.",
            "433 rows repeat the apex as the offset: the offset was not coded.",
            "122 pairs of rows code one event twice; 20 pairs disagree about Macro or Micro, 51 about action "
            "units. A split by rows leaks.",
            "The column dif is in frames in two batches and in milliseconds in one, where it loses whole "
            "seconds; it is never used.",
            "In 24 rows stamps and seconds disagree by more than 50 ms at the apex: frames were dropped.",
            "The pictures of the stages after the videos were picked by dif: 638 of 944 rows have a wrong "
            "apex picture.",
            "Type (Macro or Micro) does not follow from the duration.",
            "The frame rate is 98 to 157 per second, not 150 throughout.",
            "M1 and M2 are among the 64 EEG channels; the authors' 62 keep them and lose O2 and CB2.",
            "One EEG recording ends within its trial 146; its trials 147 and 148 are missing.",
            "All people see the same clips, so a clip that was seen in training gives the label away.",
            "The authors' five classes are published nowhere; emotion5 is ours.",
        ),
    )

    def load(
        self,
        root: str | Path,
        *,
        subjects: Collection[str] | None = None,
        kinds: Collection[str] = KINDS,
        stage: str = BEST,
        frames: Frames = "key",
    ) -> list[Recording]:
        """Recordings of the chosen people; reads headers and the coding table only.

        Files, rows and trials that are at fault are left out, with one :class:`DatasetWarning`.

        Parameters
        ----------
        root
            Folder that holds the data set.
        subjects
            Pseudonyms; None means all.
        kinds
            Types of events to give: ``"micro"``, ``"macro"`` or both.
        stage
            Which pictures of faces: ``"avi"`` (the video of the event), ``"full"`` (whole frames),
            ``"cropped"`` (256 x 256), ``"aligned"``, ``"masked"``; ``"best"`` is the one with files of the
            most events, the first of this list among equals.
        frames
            Of a video: ``"key"`` gives the frames of onset, apex and, where it was coded, offset; ``"all"``
            all of them, or every second, third, … where all would take more than 256 MiB.

        Raises
        ------
        InputError
            The folder is no copy of the data set, the coding table cannot be used, a chosen subject does not
            exist, or nothing can be used.
        UnknownNameError
            There is no such kind or stage.
        """
        for kind in kinds:
            if kind not in KINDS:
                raise UnknownNameError("kind", kind, KINDS)
        if frames not in FRAMES:
            raise UnknownNameError("frames", frames, FRAMES)
        seen = survey(Path(root), stage=stage)
        if seen.broken_table is not None:
            raise seen.broken_table
        there = [seen.subject(session) for session in seen.sessions]
        wanted = (
            None if subjects is None else chosen_people(subjects, there, root=seen.root, dataset="mes_eeg")
        )
        chosen = [s for s in seen.sessions if wanted is None or seen.subject(s) in wanted]
        if not seen.eeg.sessions and not seen.faces.rows:
            raise InputError(
                "holds the coding table alone, neither EEG nor faces",
                file=root,
                expected=f"{EEG_FOLDERS[0]}, or a folder of faces such as {FACE_FOLDERS['cropped'][0]}",
                remedy=f"to count its rows: mien inspect mes_eeg {root}",
            )
        parts = [part_of(seen, session, kinds=kinds, frames=frames) for session in chosen]
        faults = [fault for fault in seen.faults if wanted is None or fault.subject in {"", *wanted}]
        faults += [seen.hidden(fault) for part in parts for fault in part.faults]
        return finish(
            [part.recording for part in parts if part.recording is not None],
            dataset="mes_eeg",
            root=Path(root),
            faults=tuple(faults),
            stacklevel=4,
            hide=seen.veil.hide,
            words=_WORDS,
        )

    def inspect(
        self, root: str | Path, *, progress: Callable[[int, int, str], None] | None = None
    ) -> Inspection:
        """Counts, faults and notes; reads all EEG and the key frames of all faces, one piece at a time.

        Parameters
        ----------
        root
            Folder that holds the data set.
        progress
            Called with the number of pieces read, how many there are, and what is being read.
        """
        return inspect_survey(survey(Path(root), stage=BEST), card=self.card.counts, progress=progress)

    def reveal(self, root: str | Path) -> dict[str, str]:
        """Pseudonym to name of every person in a copy: for the eyes of its keeper, never for a file."""
        names = survey(Path(root), stage=BEST).strange.names
        return {short: name for name, short in sorted(names.items(), key=lambda item: item[1])}
