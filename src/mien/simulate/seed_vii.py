"""A made-up SEED-VII in the layout of the real one, with the truth beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, registered
from mien.datasets._seed_layout import BANDS, CHANNELS, CLIP_EMOTIONS, EMOTIONS, EYE_FEATURES, session_of
from mien.signal import lds_smooth
from mien.signal.seed_released import released_psd
from mien.simulate import _latent, _oracle
from mien.simulate._eeg import BASE_MICROVOLT2, HeadModel, draw_bad_channels, draw_head
from mien.simulate._files import write_mat, write_workbook
from mien.simulate._gaze import eye_features
from mien.simulate._raw import describe, plan, truth_of, write_session
from mien.simulate._truth import Person
from mien.simulate._write import Progress, check_options, write_folder

KINDS = ("eeg_preprocessed", "eeg_features", "eye_features", "continuous_labels", "workbook")
"""What is written by default; the names of the folders of the real data set in lower case."""
RAW_KINDS = ("eeg_raw", "eye_raw", "save_info")
"""What is written when asked for: a session as it is recorded; ``raw`` is short for the three."""


@registered
def simulate(
    out: str | Path,
    *,
    seed: int,
    subjects: int = 8,
    clips: int = 28,
    seconds: float = 60.0,
    effect: float = 1.0,
    kinds: Sequence[str] = KINDS,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a made-up SEED-VII.

    Parameters
    ----------
    out
        Folder to make; must not exist or be empty. It appears whole or not at all.
    seed
        Same seed, same bytes, whatever ``workers`` is.
    subjects
        How many people, 1-60.
    clips
        28, 56 or 80; see :func:`mien.simulate._latent.choose_clips`.
    seconds
        Mean length of a clip; at least 8.
    effect
        Strength of emotion: 0 is none, 1 the calibrated default.
    kinds
        Any of :data:`KINDS` and :data:`RAW_KINDS`, or ``raw``. Raw recordings take about 16 MB a minute.
    workers
        Processes that write subjects and raw recordings side by side.

    Returns
    -------
    Path
        The folder, laid out as the real data set, with ``truth.json`` in it: every parameter of the model
        (:mod:`mien.simulate._latent`), bad channels, and the oracles; with raw recordings also when clips
        and rests were, clocks and artefacts (:func:`mien.simulate._raw.truth_of`).
    """
    out = Path(out)
    kinds = tuple(k for kind in kinds for k in (RAW_KINDS if kind == "raw" else (kind,)))
    if clips not in (28, 56, 80):
        raise InputError(
            f"--clips {clips}", expected="28, 56 or 80 (equal classes in every fold; 80 as in the real table)"
        )
    check_options(
        out, subjects=subjects, max_subjects=60, seconds=seconds, effect=effect, kinds=kinds,
        known=(*KINDS, *RAW_KINDS), short=("raw",), workers=workers,
    )  # fmt: skip
    latent = _latent.draw(seed, n_subjects=subjects, n_clips=clips, seconds=seconds, effect=effect)
    head = draw_head(seed, n_sources=_latent.N_EEG)
    return write_folder(
        out,
        _write,
        [(latent, head, s, n, kinds) for s, n in _parts(latent, kinds)],
        truth=lambda: _truth(latent, head, kinds=kinds, seconds=seconds),
        finish=_write_common if "workbook" in kinds else None,
        workers=workers,
        progress=progress,
    )


_PROCESSED = 0
"""Stands for a session's number in a job that writes a subject's processed files."""


def _parts(latent: _latent.Latent, kinds: Sequence[str]) -> list[tuple[int, int]]:
    """What can be written side by side: (subject, session)."""
    sessions = [_PROCESSED] if set(kinds) - set(RAW_KINDS) - {"workbook"} else []
    if set(kinds) & set(RAW_KINDS):
        sessions += sorted({session_of(c) for c in latent.clips})
    return [(s, n) for s in range(len(latent.subjects)) for n in sessions]


def _write(
    latent: _latent.Latent,
    head: HeadModel,
    subject: int,
    session: int,
    kinds: tuple[str, ...],
    folder: Path,
) -> str:
    person = Person.of(latent, head, subject)
    if session == _PROCESSED:
        _write_processed(person, kinds, folder)
        return f"subject {person.name}"
    name = write_session(person, plan(latent, subject, session), kinds=kinds, folder=folder)
    return f"recording {name}"


def _write_processed(person: Person, kinds: tuple[str, ...], folder: Path) -> None:
    """All files of one subject but the raw recordings."""
    latent, subject, name = person.latent, person.subject, person.name
    eyes = [person.gaze(c) for c in range(len(latent.clips))]
    shipped: dict[str, list[NDArray[np.float64]]] = {"psd": [], "de": [], "de_LDS": []}

    def preprocessed() -> Iterator[tuple[str, NDArray[np.float64]]]:
        for c, clip in enumerate(latent.clips):
            data = person.eeg(c, blinks=eyes[c].blinks)
            if "eeg_features" in kinds:
                psd = released_psd(data, rate=200.0)
                shipped["psd"].append(psd)
                shipped["de"].append(np.log2(100 * psd))
                shipped["de_LDS"].append(lds_smooth(shipped["de"][-1]))
            yield str(clip), data

    if "eeg_preprocessed" in kinds:
        _mat(folder, "EEG_preprocessed", name, preprocessed())
    elif "eeg_features" in kinds:
        for _ in preprocessed():
            pass
    if "eeg_features" in kinds:
        variables = (
            (f"{kind}_{clip}", values[c])
            for kind, values in shipped.items()
            for c, clip in enumerate(latent.clips)
        )
        _mat(folder, "EEG_features", name, variables)
    short = _short_by_one(latent, subject)
    if "eye_features" in kinds:
        rows = (
            (str(clip), eye_features(eyes[c])[: -1 if c in short else None])
            for c, clip in enumerate(latent.clips)
        )
        _mat(folder, "EYE_features", name, rows)
    if "continuous_labels" in kinds:
        felt = (
            (str(clip), latent.intensity[subject, c, None, : latent.n_windows[c]])
            for c, clip in enumerate(latent.clips)
        )
        _mat(folder, "continuous_labels", name, felt)


def _mat(folder: Path, kind: str, subject: str, variables: Any) -> None:
    (folder / kind).mkdir(exist_ok=True)
    write_mat(folder / kind / f"{subject}.mat", variables)


def _short_by_one(latent: _latent.Latent, subject: int) -> set[int]:
    """Clips whose eye features lack the last window, as happens in the real files."""
    rng = np.random.default_rng([latent.seed, 5, subject])
    return set(np.flatnonzero(rng.random(len(latent.clips)) < 0.05).tolist())


def _write_common(folder: Path) -> None:
    """What belongs to all subjects."""
    write_workbook(folder / "emotion_label_and_stimuli_order.xlsx", _workbook_rows())


def _workbook_rows() -> list[list[object]]:
    rows: list[list[object]] = []
    for session in range(4):
        numbers = range(session * 20 + 1, session * 20 + 21)
        rows.append(["Video index", *numbers])
        rows.append(["Emotion", *(EMOTIONS[CLIP_EMOTIONS[k - 1]] for k in numbers)])
    return rows


def _truth(
    latent: _latent.Latent, head: HeadModel, *, kinds: Sequence[str], seconds: float
) -> dict[str, Any]:
    sources = {
        "eeg+eye": np.arange(_latent.N_EEG + _latent.N_EYE),
        "eeg": np.arange(_latent.N_EEG),
        "eye": np.arange(_latent.N_EEG, _latent.N_EEG + _latent.N_EYE),
    }
    bad = {
        f"{name}/{session}": draw_bad_channels(latent.seed, s, session)
        for s, name in enumerate(latent.subjects)
        for session in sorted({session_of(c) for c in latent.clips})
    }
    truth: dict[str, Any] = {
        "simulated": True,
        "dataset": "seed_vii",
        "seed": latent.seed,
        "subjects": list(latent.subjects),
        "clips": list(latent.clips),
        "kinds": list(kinds),
        "emotions": list(EMOTIONS),
        "seconds": seconds,
        "clip_seconds": latent.seconds.tolist(),
        "clip_emotions": [EMOTIONS[k] for k in latent.labels],
        "effect": latent.effect,
        "model": {
            "text": _latent.__doc__,
            "gain": latent.gain,
            "offset_sd": _latent.OFFSET_SD,
            "fingerprint_sd": _latent.FINGERPRINT_SD,
            "noise_sd": _latent.NOISE_SD,
            "noise_ar": _latent.NOISE_AR,
            "n_sources": {"eeg": _latent.N_EEG, "eye": _latent.N_EYE, "blink": 1},
            "offset": latent.offset.tolist(),
            "fingerprint": latent.fingerprint.tolist(),
            "pattern": latent.pattern.tolist(),
            "intensity": [
                [latent.intensity[s, c, :n].round(6).tolist() for c, n in enumerate(latent.n_windows)]
                for s in range(len(latent.subjects))
            ],
        },
        "eeg": {
            "bands": list(BANDS),
            "channels": list(CHANNELS),
            "base_microvolt2": list(BASE_MICROVOLT2),
            "mixing": head.mixing.tolist(),
            "baseline": head.baseline.tolist(),
            "bad_channels": {k: v for k, v in bad.items() if v},
        },
        "eye": {"features": list(EYE_FEATURES)},
        "oracle": _oracle.table(_latent.model_of(latent), sources),
    }
    if set(kinds) & set(RAW_KINDS):
        sessions = [plan(latent, s, n) for s, n in _parts(latent, RAW_KINDS)]
        truth["raw"] = describe() | {"recordings": {x.name: truth_of(x, latent) for x in sessions}}
    return truth


def example() -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return {"seed": 0, "subjects": 1, "clips": 28, "seconds": 8.0}
