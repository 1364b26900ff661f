"""What a study may say: its tables and keys, checked one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
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
        *("heart_rate", "scr_drive", "theta", "alpha", "beta"),
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
