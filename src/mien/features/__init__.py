"""Feature families, found by name; nothing in here is learnt from data.

A feature file offers ``INFO``, ``example()`` and one ``@registered`` function that turns what ``INFO.reads``
says into :class:`~mien.core.Features`: the :class:`~mien.core.Signal` or :class:`~mien.core.Film` of one
trial, the :class:`~mien.core.Clip` of one event, or other features of it; its keywords are the options. It
may also offer ``RELEASED``, the
function of the published code, ``default_stream(**options)``, the stream of a recording it reads (else the
one called after its modality), and ``choose_options(options, streams)``, the options where they depend on
what a data set has.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from mien.core import (
    Clip,
    Features,
    Film,
    InputError,
    Recording,
    Registry,
    Signal,
    Stream,
    Trial,
    UnknownNameError,
)
from mien.features._shared import FeatureWarning, Info, missing, outside

__all__ = [
    "FeatureWarning",
    "Info",
    "Input",
    "choose_options",
    "compute",
    "example",
    "fingerprint",
    "info",
    "missing",
    "names",
    "out_of_band",
    "reads",
    "resolve_options",
    "stream_name",
    "upstream_options",
]

Input = Signal | Clip | Film | Features
"""What one call of a feature's function works on."""
_KINDS: dict[str, type] = {"signal": Signal, "clip": Clip, "film": Film}
RECIPES = ("corrected", "released")
_REGISTRY = Registry("feature", "mien.features")


def names() -> list[str]:
    """Names of all features; imports none of them."""
    return _REGISTRY.names()


def example(name: str) -> Input | Recording:
    """A tiny made-up input for a feature."""
    made: Input | Recording = _REGISTRY.example(name)
    return made


def info(name: str) -> Info:
    """What a feature is: version, modality, scope, how far it reaches, unit."""
    found: Info = _REGISTRY.module(name).INFO
    return found


def resolve_options(name: str, *, recipe: str = "corrected", **options: Any) -> dict[str, Any]:
    """All options of a feature, the ones not given at their defaults.

    Raises
    ------
    UnknownNameError
        The feature or an option does not exist.
    InputError
        The recipe does not exist, or the feature has none of that name.
    """
    parameters = inspect.signature(_function(name, recipe)).parameters
    known = {n: p.default for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    for option in options:
        if option not in known:
            if not known:
                raise InputError(
                    f"{recipe} {name!r} got the option {option!r}",
                    expected="no options: the published constants are part of the recipe",
                    remedy="leave the option out or use recipe 'corrected'",
                )
            raise UnknownNameError(f"option of {name!r}", option, known)
        if not _same_kind(options[option], known[option]):
            raise InputError(
                f"option {option!r} of {name!r} is {options[option]!r}",
                expected=f"something like {known[option]!r}",
            )
    return {**known, **options}


def _same_kind(value: Any, default: Any) -> bool:
    if isinstance(default, float):
        return isinstance(value, float | int) and not isinstance(value, bool)
    kinds: tuple[type, ...] = (bool, str, Mapping)
    return all(isinstance(value, kind) for kind in kinds if isinstance(default, kind))


def stream_name(name: str, **options: Any) -> str:
    """The stream of a recording that a feature reads unless told otherwise."""
    module = _REGISTRY.module(name)
    choose: Callable[..., str] | None = getattr(module, "default_stream", None)
    return choose(**options) if choose else str(module.INFO.modality)


def choose_options(
    name: str,
    options: Mapping[str, Any],
    streams: Mapping[str, float],
    *,
    window_seconds: float | None = None,
) -> dict[str, Any]:
    """The options of a feature as they are for a data set.

    Parameters
    ----------
    name, options
        A feature and the options that were asked for.
    streams
        Name of every stream that the data set's recordings have, to its rate.
    window_seconds
        Length of the windows that these features are paired with, where there are others.

    Returns
    -------
    dict
        The options, changed only where a feature's default is what the data set offers (``shipped``).
    """
    choose: Callable[..., dict[str, Any]] | None
    choose = getattr(_REGISTRY.module(name), "choose_options", None)
    return dict(options) if choose is None else choose(options, streams, window_seconds=window_seconds)


def compute(
    name: str,
    signal_or_recording: Input | Recording,
    *,
    recipe: str = "corrected",
    stream: str | None = None,
    trial: str | None = None,
    **options: Any,
) -> Features:
    """Features of a signal, film or clip, of other features, or of a recording trial by trial.

    Parameters
    ----------
    name
        A registered feature, see :func:`names`.
    signal_or_recording
        A :class:`~mien.core.Signal` or :class:`~mien.core.Film` is taken as one trial, a
        :class:`~mien.core.Clip` as one event; :class:`~mien.core.Features` are what features of features
        (``face_tokens``) are made of. A :class:`~mien.core.Recording` is read trial by trial, so that no
        window and no smoothing reaches across a cut; the trials that its stream does not cover are passed
        over. Features of clips are made of the recording's events that have an id, one after another, those
        that were filmed.
    recipe
        ``"corrected"``: what the paper says, done right. ``"released"``: what the published code does.
    stream
        Name of the recording's stream (default: :func:`stream_name`).
    trial
        Id of the only trial wanted; default: all, one after another.
    **options
        Options of the feature, see its page.

    Returns
    -------
    Features
        float64 values; ``starts`` are seconds on the recording clock. A signal shorter than one window gives
        no windows.

    Raises
    ------
    UnknownNameError
        The feature, option, stream or trial does not exist.
    InputError
        The input cannot be used: wrong unit, rate too low for a band, no trial with data.
    """
    settings = resolve_options(name, recipe=recipe, **options)
    function = _function(name, recipe)
    if isinstance(signal_or_recording, Signal | Clip | Film | Features):
        if stream is not None or trial is not None:
            raise InputError(
                "stream and trial were given with a signal", remedy="leave them out, or give a recording"
            )
        _check_kind(name, signal_or_recording)
        return _checked(function, signal_or_recording, settings)
    if not isinstance(signal_or_recording, Recording):
        raise InputError(
            f"{name!r} was asked of a {type(signal_or_recording).__name__}",
            expected="a Signal, a Film, a Clip, Features or a Recording",
        )
    below = info(name).reads
    if below not in _KINDS:
        upstream = compute(
            below, signal_or_recording, stream=stream, trial=trial, **upstream_options(name, settings)
        )
        return _checked(function, upstream, settings)
    recording = signal_or_recording
    there = {known: source.rate for known, source in recording.streams.items()}
    wanted = stream or stream_name(name, **choose_options(name, options, there))
    if wanted not in recording.streams:
        raise UnknownNameError(f"stream of {recording.id}", wanted, recording.streams)
    source = recording.streams[wanted]
    if source.clock != "recording" and source.clock not in recording.clocks:
        raise InputError(
            f"stream {wanted!r} of {recording.id} is on the clock {source.clock!r}, its trials are not",
            remedy="align it first: mien.timeline.align(recording)",
        )
    pieces = _pieces(recording, source, trial, reads=below)
    parts = [_checked(function, piece, settings) for piece in pieces]
    if not parts:
        raise InputError(
            f"stream {wanted!r} of {recording.id} covers nothing of what was asked for",
            remedy="choose another stream, trial or recording",
        )
    return _joined(parts)


def out_of_band(name: str, options: Mapping[str, Any], band: tuple[float, float] | None) -> list[str]:
    """What is wrong with asking for a feature of a signal that was filtered before.

    Parameters
    ----------
    name, options
        A feature and its options; bands that are not given are the feature's own.
    band
        ``(low, high)`` in Hz that earlier filtering has left (:class:`~mien.core.Stream`), None where nothing
        is known of any.

    Returns
    -------
    list of str
        A sentence for each band of which less than half is left; none for features that have no bands.

    Raises
    ------
    InputError
        The option ``bands`` is no mapping of names to ``(low, high)``.
    """
    bands = options.get("bands", resolve_options(name).get("bands"))
    if band is None or bands is None:
        return []
    try:
        return outside(bands, band)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        raise InputError(
            f"option 'bands' of {name!r} is {bands!r}", expected="names with [low, high] in Hz"
        ) from None


def upstream_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the features that a feature is made of: what its own option of their name holds.

    ``{}`` for a feature that reads a recording itself.
    """
    below = info(name).reads
    return {} if below in _KINDS else dict(options.get(below, {}))


def reads(name: str) -> str:
    """What a feature is made of in the end: a ``"signal"``, a ``"clip"`` or a ``"film"``."""
    below = info(name).reads
    return below if below in _KINDS else reads(below)


def fingerprint(name: str, options: Mapping[str, Any]) -> str:
    """What a feature depends on besides its input and options, as text: the weights of a network."""
    function: Callable[[Mapping[str, Any]], str] | None
    function = getattr(_REGISTRY.module(name), "fingerprint", None)
    return "" if function is None else function(options)


def _check_kind(name: str, given: Input) -> None:
    """Every feature has its kind of input."""
    wanted = _KINDS.get(info(name).reads, Features)
    if not isinstance(given, wanted):
        of = f" of {info(name).reads!r}" if wanted is Features else ""
        raise InputError(
            f"{name!r} was asked of a {type(given).__name__}",
            expected=("a " if not of else "") + wanted.__name__ + of,
        )


def _pieces(
    recording: Recording, source: Stream, trial: str | None, *, reads: str
) -> Iterator[Signal | Clip | Film]:
    """What a stream has of a recording's trials, or of its events where clips are wanted."""
    trials = _trials(recording, trial)
    if reads == "clip":
        known = {t.id for t in trials}
        for event in recording.events:
            if event.id is not None and event.trial in known and source.shows(event):
                yield source.clip(event)
        return
    for t in trials:
        if source.covers(t.span):
            yield source.film(t.span) if reads == "film" else source.read(t.span)


def _function(name: str, recipe: str) -> Callable[..., Features]:
    if recipe not in RECIPES:
        raise InputError(f"recipe {recipe!r}", expected=" or ".join(map(repr, RECIPES)))
    if recipe == "corrected":
        corrected: Callable[..., Features] = _REGISTRY.get(name)
        return corrected
    released: Callable[..., Features] | None = getattr(_REGISTRY.module(name), "RELEASED", None)
    if released is None:
        raise InputError(f"{name!r} has no released recipe", remedy="use recipe 'corrected'")
    return released


def _checked(function: Callable[..., Features], signal: Input, settings: Mapping[str, Any]) -> Features:
    try:
        return function(signal, **settings)
    except ValueError as fault:
        raise InputError(str(fault), remedy="change the option or choose another stream") from fault


def _trials(recording: Recording, wanted: str | None) -> tuple[Trial, ...]:
    if wanted is None:
        return recording.trials
    found = tuple(t for t in recording.trials if t.id == wanted)
    if not found:
        raise UnknownNameError(f"trial of {recording.id}", wanted, [t.id for t in recording.trials])
    return found


def _joined(parts: list[Features]) -> Features:
    first = parts[0]
    return Features(
        values=np.concatenate([p.values for p in parts]),
        axes=first.axes,
        starts=np.concatenate([p.starts for p in parts]),
        durations=np.concatenate([p.durations for p in parts]),
        extractor=first.extractor,
        version=first.version,
        valid=np.concatenate([p.valid for p in parts]),
    )
