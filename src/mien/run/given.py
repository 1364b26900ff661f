"""What a model is asked about: a folder of recordings, or one recording made fit for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mien import features
from mien.core import InputError, Recording
from mien.datasets import Fault
from mien.datasets._seed_layout import EEG_RATE
from mien.features._eeg import BANDS
from mien.features.shipped import PREFERRED
from mien.run import cuts
from mien.run.config import FeaturePart
from mien.run.dropped import dropped_file
from mien.run.loading import clean_for, load_dataset, load_raw
from mien.run.prepare import spec_of
from mien.run.recording import adapted, is_recording
from mien.run.store import Store
from mien.signal.cleaning import steps_from_json

_SHIPPED_BY_RELEASED = ("seed", "seed_iv", "seed_v", "seed_vii")
"""Data sets whose shipped EEG features the recipe ``released`` makes anew."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What a prediction is made of.

    ``meta`` is the model's, with the features that are computed; ``warnings`` and ``facts`` tell what was
    done to one recording.
    """

    recordings: Sequence[Recording]
    faults: Sequence[dict[str, Any]]
    meta: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@contextmanager
def given(recording: str | Path, meta: Mapping[str, Any]) -> Iterator[Given]:
    """The recordings of a folder, or one recording made fit for the model; they live as long as this."""
    if not is_recording(recording):
        with TemporaryDirectory(prefix="mien-") as folder:
            recordings, found = _folder(recording, meta, Path(folder))
            if meta.get("samples", {}).get("of") == "event":
                recordings = _events(recordings, meta, recording)
            elif meta.get("samples", {}).get("of") == "trial":
                recordings = [cuts.by_trial(r) for r in recordings]
            faults = [dropped_file(f, recording) for f in found if f.severity == "left out"]
            yield Given(recordings=recordings, faults=faults, meta=meta)
        return
    if meta.get("samples", {}).get("of") == "event":
        raise InputError(
            "the model tells coded events apart, and one recording has none",
            file=recording,
            expected=f"a folder in the layout of {meta['dataset']} with its coding",
        )
    stream, part, warnings = _eeg_of(meta)
    spec = spec_of(stream, part).resolved()
    bands = spec.options.get("bands", BANDS)
    with adapted(
        recording,
        channels=tuple(dict(meta["axes"][stream])["channel"]),
        rate=EEG_RATE,
        top=max(high for _, high in bands.values()),
        stream=str(spec.stream),
        dataset=meta["dataset"],
        cleaning=meta.get("cleaning") or (),
    ) as one:
        whole = meta.get("samples", {}).get("of") == "trial"
        yield Given(
            recordings=[cuts.by_trial(one.recording) if whole else one.recording],
            faults=[],
            meta={**meta, "streams": [stream], "features": {stream: part.model_dump(mode="json")}},
            warnings=(*one.warnings, *warnings),
            facts=(*one.facts, ("Features", f"{part.name}, recipe {part.recipe}")),
        )


def _events(recordings: Sequence[Recording], meta: Mapping[str, Any], root: str | Path) -> list[Recording]:
    """The recordings with their events in place of trials, of the kinds that the model was trained on."""
    kinds = meta["samples"]["kinds"] or {e.kind for r in recordings for e in r.events}
    cut = [cuts.by_event(recording, kinds) for recording in recordings]
    if not any(r.trials for r in cut):
        raise InputError("has no coded event", file=root, expected=" or ".join(sorted(kinds)))
    return cut


def _folder(
    root: str | Path, meta: Mapping[str, Any], store: Path
) -> tuple[Sequence[Recording], Sequence[Fault]]:
    """The recordings of a data set, cleaned as those that the model was trained on, and what was left out."""
    if not meta.get("cleaning"):
        return load_dataset(meta["dataset"], root)
    recordings, found = load_raw(meta["dataset"], root)
    specs = [spec_of(s, FeaturePart.model_validate(meta["features"][s])) for s in meta["streams"]]
    steps = steps_from_json(meta["cleaning"])
    cleaned = clean_for(specs, recordings, steps, Store(store), root=root, workers=1, tell=lambda *_: None)
    return cleaned.recordings, [*found, *cleaned.faults]


def _eeg_of(meta: Mapping[str, Any]) -> tuple[str, FeaturePart, tuple[str, ...]]:
    """The model's stream of EEG features of single channels, how they are made from EEG, and a warning."""
    for stream in meta["streams"]:
        part = FeaturePart.model_validate(meta["features"][stream])
        own = features.info(part.name).modality
        if "channel" not in dict(meta["axes"][stream]) or own not in ("eeg", "any"):
            continue
        if own == "eeg":
            return stream, part, ()
        variant = part.options.get("variant", PREFERRED[0])
        same = variant.removesuffix("_4s")
        if meta["dataset"] not in _SHIPPED_BY_RELEASED or same not in ("psd", "de", "de_lds"):
            raise InputError(
                f"the model learnt from the {stream} features {variant!r} of {meta['dataset']}, and no "
                "recipe is known that makes the same from EEG",
                remedy="train a model on features that are computed, for example eeg = 'de_lds'",
            )
        made = FeaturePart(name=same, recipe="released")
        warning = (
            f"the model learnt from the features that come with the data set; here {same!r} in the recipe "
            "'released' takes their place"
        )
        return stream, made, (warning,)
    raise InputError(
        f"the model knows {' and '.join(meta['streams'])}, and no features of single EEG channels",
        expected="a model that was trained on EEG",
        remedy="give a folder in the layout of its data set",
    )
