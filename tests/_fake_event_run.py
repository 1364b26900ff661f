"""A made-up run folder of a study of events (micro- and macro-expressions): every file, no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from _fake_run import BANDS, CHANNELS, HELD_OUT, PREDICTION_KEYS, write_json

SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "tension")
THREE = ("negative", "positive", "surprise")
THREE_OF = {"happy": "positive", "surprise": "surprise"}
AUS = {
    "angry": ("AU4", "AU7"), "disgust": ("AU4", "AU10"), "fear": ("AU1", "AU4"), "happy": ("AU12", "AU6"),
    "sad": ("AU4", "AU15"), "surprise": ("AU1", "AU2"), "tension": ("AU14", "AU4"),
}  # fmt: skip
MAPS = ("u", "v", "strain", "apex")
SHARES = {"eeg+me": 1.0, "me+eeg": 1.0, "eeg": 0.75, "me": 0.6}


def write_fake_event_run(
    folder: str | Path,
    *,
    classes: Sequence[str] = THREE,
    seed: int = 0,
    effect: float = 1.6,
    seeds: Sequence[int] = (0,),
    protocols: Sequence[str] = ("loso", "loso_stimulus"),
    normalise: Sequence[str] = ("train",),
    models: Sequence[str] = ("mes_eeg_fusion", "flow_svm"),
    modalities: Sequence[str] = ("eeg+me", "eeg", "me"),
    n_subjects: int = 10,
    size: int = 32,
    coupling: float = 1e-8,
    oracle: bool = True,
    events: bool = True,
    saliency: bool = True,
    face: bool = True,
    simulated: bool = True,
    shuffled: bool = True,
    without: Sequence[str] = (),
) -> Path:
    """Write a whole run folder and return its path.

    ``effect`` is the mean advantage of the true class's logit, ``coupling`` what every fit of the first model
    measured; ``without`` names classes of which there is no event.
    """
    folder = Path(folder)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    table = _events(rng, n_subjects=n_subjects, classes=classes)
    keep = table["label"].isin([word for word in classes if word not in without])
    table = table[keep].reset_index(drop=True)
    if events:
        number = table["label"].map({word: i for i, word in enumerate(classes)})
        table.drop(columns="session").assign(label=number).to_parquet(folder / "events.parquet", index=False)
    frames = [
        _predictions(rng, table, classes, protocol=p, seed=s, model=m, modalities=mod, normalise=n,
                     control=control, effect=effect, network=m == models[0])
        for p in protocols for s in seeds for m in models for mod in modalities for n in normalise
        for control in (("none", "shuffled") if shuffled and mod == modalities[0] else ("none",))
    ]  # fmt: skip
    predictions = pd.concat(frames, ignore_index=True)
    columns = [*PREDICTION_KEYS, *(f"p_{c}" for c in range(len(classes)))]
    predictions[columns].sort_values(PREDICTION_KEYS, ignore_index=True).to_parquet(
        folder / "predictions.parquet", index=False
    )
    write_json(folder / "record.json", _record(
        predictions, classes, seeds=seeds, protocols=protocols, models=models, modalities=modalities,
        coupling=coupling, oracle=oracle, simulated=simulated, size=size,
    ))  # fmt: skip
    coupled = coupling > 1e-4
    finding = {
        "kind": "coupling", "severity": "leak",
        "evidence": f"predictions depend on what else is in the batch (up to {coupling:.2g})",
    }  # fmt: skip
    write_json(folder / "audit.json", {
        "verdict": "leaks" if coupled else "clean",
        "findings": [{**finding, "where": p} for p in protocols] if coupled else [],
        "proven": {p: [] if coupled else [*HELD_OUT[p], "trial", "event"] for p in protocols},
    })  # fmt: skip
    write_json(folder / "environment.json", {"machine": {"cores": 2}, "times": {"total": 31.0}})
    (folder / "study.toml").write_text('system = "mes_eeg"\nlabel = "emotion3"\n', "utf-8")
    dropped = [{"what": "eeg of an event", "id": table["event"][0], "subject": table["subject"][0],
                "reason": "the recording ends before it", "count": 1}]  # fmt: skip
    pd.DataFrame(dropped).to_csv(folder / "dropped.csv", index=False)
    if saliency:
        np.savez(folder / "figures" / "saliency_me.npz", **_saliency(rng, classes, size=size, face=face))
        np.savez(folder / "figures" / "informative_bands.npz", **_bands())
    return folder


def _events(rng: np.random.Generator, *, n_subjects: int, classes: Sequence[str]) -> pd.DataFrame:
    rows = []
    for s in range(n_subjects):
        subject = f"p{s:02d}"
        for clip in range(42):
            word = SEVEN[clip % 7]
            kind_share = 0.5 if s % 3 else 0.15
            for number in range(int(rng.poisson(0.7 + 0.5 * (s % 2)))):
                micro = rng.random() < kind_share
                onset = float(rng.uniform(2, 40))
                rise = float(rng.uniform(0.1, 0.3) if micro else rng.uniform(0.2, 0.9))
                fall = float(rng.choice([0.0, rng.uniform(0.1, 0.3)]))
                label = word if len(classes) == 7 else THREE_OF.get(word, "negative")
                merged = 2 if rng.random() < 0.12 else 1
                aus = AUS[word] if rng.random() < 0.4 else AUS[word][:1]
                rows.append({
                    "event": f"{subject}_20230718_{101 + clip}_e{number + 1:02d}",
                    "trial": f"{subject}_20230718_{101 + clip}", "subject": subject, "session": "20230718",
                    "stimulus": str(101 + clip), "kind": "micro" if micro else "macro",
                    "onset": onset, "apex": onset + rise, "offset": onset + rise + fall,
                    "aus": ", ".join(aus), "label": label, "rows_merged": merged,
                    "disagree_kind": merged > 1 and rng.random() < 0.2,
                    "disagree_aus": merged > 1 and rng.random() < 0.5,
                })  # fmt: skip
    return pd.DataFrame(rows)


def _predictions(
    rng: np.random.Generator, table: pd.DataFrame, classes: Sequence[str], *, protocol: str, seed: int,
    model: str, modalities: str, normalise: str, control: str, effect: float, network: bool,
) -> pd.DataFrame:  # fmt: skip
    label = table["label"].map({word: i for i, word in enumerate(classes)}).to_numpy()
    n = len(table)
    strength = 0.0 if control == "shuffled" else effect * SHARES[modalities] * (1.0 if network else 0.6)
    clip = table["stimulus"].astype("category").cat.codes.to_numpy()
    logits = rng.standard_normal((n, len(classes))) + np.log(np.bincount(label, minlength=len(classes)) + 1.0)
    logits += 0.6 * rng.standard_normal((clip.max() + 1, len(classes)))[clip]
    logits[np.arange(n), label] += strength + (0.8 if protocol == "loso" else 0.0)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    frame = pd.DataFrame({
        "system": "mes_eeg", "model": model, "recipe": "corrected", "normalise": normalise,
        "modalities": modalities, "protocol": protocol, "control": control, "seed": seed,
        "fold": "subject=" + table["subject"], "sample": table["event"], "trial": table["trial"],
        "subject": table["subject"], "session": table["session"], "stimulus": table["stimulus"],
        "event": table["event"], "start": table["apex"] - 4.0, "duration": 8.0, "label": label,
        "selected": True,
    })  # fmt: skip
    return frame.join(pd.DataFrame(probabilities, columns=[f"p_{c}" for c in range(len(classes))]))


def _record(
    predictions: pd.DataFrame, classes: Sequence[str], *, seeds: Sequence[int], protocols: Sequence[str],
    models: Sequence[str], modalities: Sequence[str], coupling: float, oracle: bool, simulated: bool,
    size: int,
) -> dict[str, Any]:  # fmt: skip
    keys = ["protocol", "seed", "fold", "model", "modalities", "normalise", "control"]
    fits = [
        {**row, "saw": {}, "n_train": 1, "n_val": 1, "n_test": 1, "epoch": None, "temperature": 1.0,
         "coupling": coupling if row["model"] == models[0] else 0.0}
        for row in predictions[keys].drop_duplicates().to_dict("records")
    ]  # fmt: skip
    bars = {m: {"event": {"accuracy": 0.5 + 0.4 * SHARES[m], "se": 0.01, "uar": 0.45 + 0.4 * SHARES[m],
                          "uar_se": 0.02}} for m in modalities}  # fmt: skip
    pixels = [str(i) for i in range(size)]
    return {
        "format": 1, "system": "mes_eeg", "classes": list(classes), "level": "event",
        "seeds": [int(s) for s in seeds],
        "dataset": {"name": "mes_eeg", "simulated": simulated, "licence": "on application", "citation": "…"},
        "protocols": {p: {"held_out": HELD_OUT[p], "leaky": False, "text": "A rule."} for p in protocols},
        "features": {
            "eeg": {"extractor": "power_sequence", "version": "1", "recipe": "corrected", "scope": "none",
                    "reaches": "window", "axes": {"window": [str(i) for i in range(7)],
                                                  "channel": list(CHANNELS), "band": list(BANDS)}},
            "me": {"extractor": "flow", "version": "1", "recipe": "corrected", "scope": "none",
                   "reaches": "window", "axes": {"map": list(MAPS), "row": pixels, "column": pixels}},
        },
        "models": {m: {"kind": "network" if m == models[0] else "estimator", "recipe": "corrected",
                       "n_parameters": 1000, "config": {}, "couples_samples": False} for m in models},
        "oracle": {"inductive": bars, "subject_known": bars} if oracle else {},
        "fits": fits,
    }  # fmt: skip


def _saliency(
    rng: np.random.Generator, classes: Sequence[str], *, size: int, face: bool
) -> dict[str, np.ndarray]:
    """Blobs on the brows and the mouth of an oval."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1)

    def blob(cx: float, cy: float, width: float) -> np.ndarray:
        return np.exp(-(((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2)))

    brows = blob(0.33, 0.33, 0.07) + blob(0.67, 0.33, 0.07)
    mouth = blob(0.4, 0.75, 0.06) + blob(0.6, 0.75, 0.06)
    arrays: dict[str, np.ndarray] = {"maps": np.array(MAPS), "n": np.array(400)}
    for word in classes:
        where = mouth if word in ("positive", "happy") else brows
        maps = np.stack([a * where for a in (0.4, 1.0, 0.8, 0.2)])
        arrays[f"class/{word}"] = ((maps + 0.05 * rng.random((4, size, size))) * 1e-3).astype(np.float32)
    arrays["values"] = np.mean([arrays[f"class/{word}"] for word in classes], axis=0)
    oval = ((x - 0.5) / 0.38) ** 2 + ((y - 0.5) / 0.48) ** 2 < 1
    eyes = blob(0.35, 0.42, 0.05) + blob(0.65, 0.42, 0.05) + blob(0.5, 0.77, 0.07)
    arrays["mean"] = np.zeros((4, size, size), np.float32)
    arrays["mean"][3] = (0.25 + 0.5 * oval - 0.3 * eyes).clip(0, 1) if face else np.nan
    return arrays


def _bands() -> dict[str, np.ndarray]:
    back = np.array([c.startswith(("P", "O", "CB")) for c in CHANNELS], float)
    values = (0.2 + np.array([0.1, 0.2, 0.9, 0.5, 0.4])[:, None] * back) * 1e-3
    windows = np.exp(-((np.arange(7) - 3) ** 2) / 4)
    return {
        "values": values, "bands": np.array(BANDS), "channels": np.array(CHANNELS), "windows": windows
    }  # fmt: skip
