"""Study files: plain TOML to a checked :class:`~mien.run.config.Study`."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

from mien import features
from mien.core import InputError, MienError
from mien.run import cuts
from mien.run.config import (
    AssociationPart,
    CleanPart,
    ControlPart,
    DataPart,
    FeaturePart,
    ModelPart,
    PolicyPart,
    ProtocolPart,
    ReportPart,
    SamplesPart,
    SelectionPart,
    Study,
)
from mien.signal.cleaning import Step
from mien.train import TrainConfig


def load_study(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    changes: Mapping[str, Any] | None = None,
) -> Study:
    """Read and check a study.

    Parameters
    ----------
    source
        A TOML file, or its content as a mapping. A relative ``data.root`` in a file is relative to the file,
        elsewhere to the working folder; the study has it in full.
    overrides
        ``key=value`` with dotted keys; values are TOML (``seeds=[0,1]``), bare words are text.
    changes
        What a variant changes: dotted keys to values. With it, the file's table of variants is left aside.

    Raises
    ------
    InputError
        The file is missing or not TOML, a key is unknown (with the nearest known one), a value is impossible.
    """
    name: str | Path = "study"
    if isinstance(source, Mapping):
        raw = json.loads(json.dumps(source, default=str))
    else:
        name = Path(source)
        raw = read_raw(name)
        _move_root(raw, name.parent)
    if changes is not None:
        raw.pop("variants", None)
        for key, value in changes.items():
            _set(raw, key, value, f"variant's key {key!r}")
    for text in overrides:
        _override(raw, text)
    _move_root(raw, Path.cwd())
    try:
        study = Study.model_validate(raw)
    except ValidationError as fault:
        raise InputError(_explain(fault), file=name, remedy="correct the study file") from None
    _check_names(study, name)
    return study


def _move_root(raw: dict[str, Any], folder: Path) -> None:
    """A relative ``data.root`` lies in ``folder``."""
    data = raw.get("data")
    if isinstance(data, dict) and isinstance(data.get("root"), str):
        data["root"] = os.path.abspath(folder / Path(data["root"]).expanduser())


def read_raw(path: Path) -> dict[str, Any]:
    """What is in a TOML file.

    Raises
    ------
    InputError
        It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", file=path, expected="a study file (TOML)") from None
    except (IsADirectoryError, PermissionError) as fault:
        raise InputError(f"cannot be read ({fault.strerror})", file=path, expected="a study file") from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", file=path, expected="a study file (TOML)") from None
    except tomllib.TOMLDecodeError as fault:
        raise InputError(f"is not TOML: {fault}", file=path, remedy="see docs/studies.md") from None


def _override(raw: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"override {text!r}", expected="key=value, for example seeds=[0,1,2]")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    _set(raw, key.strip(), parsed, f"override {text!r}")


def _set(raw: dict[str, Any], key: str, value: Any, what: str) -> None:
    """Put a value at a key with dots."""
    *path, last = key.split(".")
    at = raw
    for part in path:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            raise InputError(f"{what}: {part!r} is not a table")
    at[last] = value


def _explain(fault: ValidationError, whole: type[BaseModel] | None = None) -> str:
    """All faults of a study in one line; unknown keys with the nearest known one."""
    lines = []
    for error in fault.errors():
        where = ".".join(str(p) for p in error["loc"])
        if error["type"] == "extra_forbidden":
            known = list(whole.model_fields) if whole else _known_keys(error["loc"][:-1])
            near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0.5)
            lines.append(f"unknown key {where!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        elif error["type"] == "missing":
            lines.append(f"{where!r} is missing")
        else:
            message = error["msg"].removeprefix("Value error, ")
            lines.append(f"{where}: {message}" if where else message)
    return "; ".join(lines)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {
        "data": DataPart,
        "clean": CleanPart,
        "samples": SamplesPart,
        "policy": PolicyPart,
        "selection": SelectionPart,
        "model": ModelPart,
        "protocol": ProtocolPart,
        "controls": ControlPart,
        "association": AssociationPart,
        "report": ReportPart,
        "features": FeaturePart,
    }
    model = parts.get(str(location[0])) if location else Study
    return list(model.model_fields) if model else []


def _check_names(study: Study, file: str | Path) -> None:
    """Every registered name, and every option of ``[train]``, exists; the message names the nearest."""
    from mien import datasets, models, protocols
    from mien.core import UnknownNameError
    from mien.run.courses import known_measures

    wanted = [
        ("data set", datasets.names(), [study.data.name]),
        ("feature", features.names(), [f.name for f in study.features.values()]),
        ("model", models.names(), [study.model.name, *study.baselines]),
        ("protocol", protocols.names(), study.protocol.names),
        ("measure", known_measures(), study.association.measures if study.association else ()),
        ("key of [train]", [f.name for f in dataclasses.fields(TrainConfig)], study.train),
    ]
    for kind, known, names in wanted:
        for name in names:
            if name not in known:
                raise InputError(str(UnknownNameError(kind, name, known)), file=file)
    for stream, part in study.features.items():
        if part.luminance and features.info(part.name).modality != "eye":
            raise InputError(
                f"features.{stream}.luminance: {part.name!r} is not made from gaze",
                file=file,
                expected='features of raw gaze, for example eye = { name = "eye33", luminance = true }',
                remedy=f"leave luminance out of features.{stream}",
            )
    for stream, part in study.features.items():
        _check_rest(stream, part, file)
    if study.samples.of == "trial" and study.samples.kinds is not None:
        names = [part.name for part in study.features.values()]
        if not any(features.reads(name) == "clip" for name in names):
            raise InputError(
                f"samples.kinds is about expressions, and no feature is made of them: {', '.join(names)}",
                file=file,
                expected='with of = "trial" a feature of frames, for example me = "flow"',
                remedy="leave kinds out",
            )
    for key in ("seed", "threads"):
        if key in study.train:
            raise InputError(
                f"train.{key} is set at the top of the study",
                file=file,
                remedy=f"use {key}s" if key == "seed" else "use threads",
            )
    for key in ("sizes", "shapes", "axes", "n_classes", "n_domains", "seed"):
        if key in study.model.config:
            raise InputError(f"model.config.{key} follows from the study", file=file, remedy="leave it out")
    types = get_type_hints(TrainConfig)
    try:
        for key, value in study.train.items():
            TypeAdapter(types[key]).validate_python(value, strict=True)
        study.train_config(seed=0)
    except ValidationError as fault:
        raise InputError(
            f"train.{key}: {_explain(fault)}", file=file, remedy="correct the study file"
        ) from None
    except MienError as fault:
        raise InputError(f"[train] {fault}", file=file, remedy="correct the study file") from None


def _check_rest(stream: str, part: FeaturePart, file: str | Path) -> None:
    """What is read before a trial is a baseline, and never taken for the trial."""
    rest = None if part.cut is None else cuts.rest_of(part.cut)
    if rest is None:
        return
    options = features.resolve_options(part.name, recipe=part.recipe, **part.options)
    seconds, to_event = rest
    kept = sum(float(options.get(name, 0.0)) for name in ("baseline_seconds", "context_seconds"))
    if kept < seconds or (to_event and not options.get("last_only")):
        needed = ", last_only = true" if to_event else ""
        raise InputError(
            f"features.{stream}.cut = {part.cut!r} reads {seconds:g} s before the trial, which {part.name!r} "
            "would take for a part of it",
            file=file,
            expected=f"body_sequence or body_windows with baseline_seconds (and context_seconds) of together "
            f"{seconds:g}{needed}",
            remedy="choose another cut, or these options",
        )


def load_steps(path: str | Path) -> tuple[Step, ...]:
    """The steps of cleaning in a TOML file that holds what a study has under ``[clean]``.

    Raises
    ------
    InputError
        The file is missing or not TOML, a key, step or parameter is unknown, a value is impossible.
    """
    try:
        return CleanPart.model_validate(read_raw(Path(path))).parsed
    except ValidationError as fault:
        raise InputError(_explain(fault, CleanPart), file=path, remedy="see docs/studies.md") from None
