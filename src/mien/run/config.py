"""Study files: plain TOML, checked key by key."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from mien.core import POLICIES, InputError, LabelPolicy, MienError, normalise_name
from mien.run import cuts
from mien.signal import cleaning
from mien.signal.cleaning import Step
from mien.train import TrainConfig


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Name = Annotated[str, AfterValidator(normalise_name)]
"""A registered name; ``-``, ``/`` and ``+`` become ``_``."""


def _resolved_steps(value: Any) -> list[dict[str, Any]]:
    """Steps with every parameter written out; ``"default"`` stands for those of :data:`cleaning.DEFAULT`."""
    if value == "default":
        return _steps_to_toml(cleaning.DEFAULT)
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(
            f'{value!r}; expected "default" or a list such as [{{ step = "high_pass", cutoff = 0.1 }}, "ica"]'
        )
    try:
        return _steps_to_toml(cleaning.steps_from_json(value))
    except MienError as fault:
        raise ValueError(str(fault)) from fault


def _steps_to_toml(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Steps as tables; TOML has no null, and a parameter that is None is so by default."""
    return [{k: v for k, v in step.items() if v is not None} for step in cleaning.steps_to_json(steps)]


class DataPart(_Part):
    """``[data]``: which data set, and where its files lie."""

    name: Name
    root: str
    subjects: tuple[str, ...] | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("subjects", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return None if value is None else tuple(str(v) for v in value)


class FeaturePart(_Part):
    """One entry of ``[features]``: a name, or a table with recipe and options."""

    name: Name
    recipe: Literal["corrected", "released"] = "corrected"
    stream: str | None = None
    cut: Annotated[str, AfterValidator(cuts.check)] | None = None
    luminance: Literal[False, True, "all_subjects"] = False
    options: dict[str, Any] = Field(default_factory=dict)


class CleanPart(_Part):
    """``[clean]``: how raw EEG is cleaned; :mod:`mien.signal.cleaning` has the steps."""

    steps: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_resolved_steps)] = Field(
        default="default", validate_default=True
    )

    @property
    def parsed(self) -> tuple[Step, ...]:
        """The steps themselves."""
        return cleaning.steps_from_json(self.steps)


class SamplesPart(_Part):
    """``[samples]``: what is classified, windows of trials, whole trials, or events, and which events are
    classified, or make a trial's face."""

    of: Literal["window", "trial", "event"] = "window"
    kinds: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> SamplesPart:
        if self.kinds is not None and self.of == "window":
            raise ValueError('kinds chooses among events; add of = "event", or of = "trial"')
        return self


class PolicyPart(_Part):
    """``[policy]``: how ratings become the classes of ``label``; what is not given is as in the policy of
    that name, if there is one."""

    dimensions: tuple[str, ...] | None = None
    threshold: float | None = None
    boundary: Literal["high", "low", "drop"] | None = None
    rater: Literal["self", "stimulus"] | None = None


class SelectionPart(_Part):
    """``[selection]``: which training windows are learnt from, by the subject's continuous rating."""

    intensity_at_least: float | None = None
    scale: Literal["raw", "subject"] = "subject"


class ModelPart(_Part):
    """``[model]``: the system under study; ``config`` goes to the model."""

    name: Name
    recipe: Literal["corrected", "released"] = "corrected"
    modalities: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)] | None = None
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("modalities", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, list | tuple) or not all(isinstance(v, str | list | tuple) for v in value):
            raise ValueError("modalities must be a list of lists of stream names")
        return tuple((v,) if isinstance(v, str) else tuple(v) for v in value)


class ProtocolPart(_Part):
    """``[protocol]``: who is held out, and by what features are scaled."""

    names: tuple[Name, ...] = Field(min_length=1)
    normalise: tuple[Literal["train", "subject"], ...] = Field(default=("train",), min_length=1)
    options: dict[Name, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("names", "normalise", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class ControlPart(_Part):
    """``[controls]``: whether everything is trained again on labels permuted over stimuli.

    That is done for the first seed and the first way of scaling.
    """

    shuffled: bool = True


class AssociationPart(_Part):
    """``[association]``: what brain and body do around the apex of expressions (:mod:`mien.run.association`);
    left out, nothing of it is made."""

    measures: Annotated[tuple[str, ...], Field(min_length=1)] = (
        *("heart_rate", "eda_phasic", "theta", "alpha", "beta"),
    )
    regions: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    label: str | None = None
    window: tuple[float, float] = (-4.0, 10.0)
    baseline: tuple[float, float] = (-4.0, -1.0)
    control: Literal["clip", "none"] = "clip"
    n_permutations: int = Field(default=5000, ge=100)

    @model_validator(mode="after")
    def _consistent(self) -> AssociationPart:
        if not self.window[0] <= self.baseline[0] < self.baseline[1] <= self.window[1]:
            raise ValueError(f"baseline {list(self.baseline)} does not lie in the window {list(self.window)}")
        if len(set(self.measures)) != len(self.measures):
            raise ValueError("measures names one thing twice")
        return self


class ReportPart(_Part):
    """``[report]``: whether pictures of people's faces may be kept in the run folder and its page."""

    faces: bool = False


class Study(_Part):
    """A whole study."""

    system: str
    seeds: tuple[int, ...] = (0,)
    threads: int = Field(default=1, ge=1, le=256)
    label: str = "emotion"
    policy: PolicyPart | None = None
    data: DataPart
    clean: CleanPart | None = None
    features: dict[str, FeaturePart]
    samples: SamplesPart = SamplesPart()
    selection: SelectionPart = SelectionPart()
    model: ModelPart
    train: dict[str, Any] = Field(default_factory=dict)
    baselines: tuple[Name, ...] = ()
    protocol: ProtocolPart
    controls: ControlPart = ControlPart()
    association: AssociationPart | None = None
    report: ReportPart = ReportPart()

    @field_validator("features", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or not value:
            raise ValueError('needs at least one stream, for example eeg = "de_lds"')
        return {k: {"name": v} if isinstance(v, str) else v for k, v in value.items()}

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds must be a list of different whole numbers of 0 or more")
        for subset in self.model.modalities or ():
            unknown = [m for m in subset if m not in self.features]
            if unknown or not subset or len(set(subset)) != len(subset):
                raise ValueError(
                    f"model.modalities lists {list(subset)}; [features] has {', '.join(self.features)}"
                )
        once = {
            "protocol.names": self.protocol.names,
            "protocol.normalise": self.protocol.normalise,
            "model.modalities": tuple(frozenset(s) for s in self.subsets),
            "model.name and baselines": (self.model.name, *self.baselines),
        }
        for where, values in once.items():
            if len(set(values)) != len(values):
                raise ValueError(f"{where} names one thing twice")
        if self.samples.of != "window" and (off := [s for s, f in self.features.items() if f.luminance]):
            raise ValueError(f"features.{off[0]}.luminance is for windows of whole clips")
        cut = {stream: part.cut for stream, part in self.features.items() if part.cut is not None}
        if self.samples.of == "window" and (named := [s for s, c in cut.items() if not cuts.of_windows(c)]):
            raise ValueError(f'features.{named[0]}.cut is for events; add [samples] with of = "event"')
        if self.samples.of == "trial":
            for stream, chosen in cut.items():
                if not cuts.of_trials(chosen):
                    raise ValueError(
                        f'features.{stream}.cut is for events; whole trials have "trial", "end:40", "rest-3"'
                    )
        if self.association is not None and self.samples.of != "event":
            raise ValueError('association is of coded events; add [samples] with of = "event"')
        if self.policy is not None:
            self.label_policy  # noqa: B018 - an impossible one is told here
        for name in self.protocol.options:
            if name not in self.protocol.names:
                raise ValueError(f"protocol.options.{name} belongs to no protocol in protocol.names")
        return self

    @property
    def subsets(self) -> tuple[tuple[str, ...], ...]:
        """The sets of streams to be scored, each in the order of ``[features]``; by default all together."""
        given = self.model.modalities or (tuple(self.features),)
        return tuple(tuple(s for s in self.features if s in subset) for subset in given)

    @property
    def label_policy(self) -> LabelPolicy | None:
        """How ratings become classes; None where ``label`` is no policy's name and ``[policy]`` is absent."""
        base = POLICIES.get(self.label)
        if self.policy is None:
            return base
        given = {k: v for k, v in self.policy.model_dump().items() if v is not None}
        try:
            return dataclasses.replace(base or LabelPolicy(name=self.label), **given)
        except InputError as fault:
            raise ValueError(f"policy: {fault}") from None

    @property
    def streams(self) -> tuple[str, ...]:
        """All streams that any subset uses, in the order of ``[features]``."""
        return tuple(s for s in self.features if any(s in subset for subset in self.subsets))

    def train_config(self, *, seed: int) -> TrainConfig:
        """``[train]`` as the training loop wants it."""
        return TrainConfig(**{**self.train, "seed": seed, "threads": self.threads})


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
    from mien import datasets, features, models, protocols
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


def to_toml(study: Study) -> str:
    """The study with every key written out; reading it gives the same study."""
    lines: list[str] = []
    _table(lines, study.model_dump(exclude_none=True), ())
    return "\n".join(lines) + "\n"


def _table(lines: list[str], table: Mapping[str, Any], path: tuple[str, ...]) -> None:
    if path:
        lines += ["", f"[{'.'.join(_key(p) for p in path)}]"]
    nested = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    for key, value in table.items():
        if key not in nested:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in nested.items():
        _table(lines, value, (*path, key))


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _text(name)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return repr(value)
