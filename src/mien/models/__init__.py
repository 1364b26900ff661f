"""Encoders, fusion networks and estimators, found by name.

A model has a kind. A ``network`` is a torch module that takes a mapping from stream name to tensor,
``net({"eeg": x, "eye": y}, present=None, alpha=0.0)``, any non-empty subset of what it was built for, and
returns an object with ``.logits``; it is trained by :mod:`mien.train`. An ``estimator`` offers
``fit(batch)`` and ``predict_proba(batch)`` on a :class:`mien.core.Batch`; where it also has ``state_dict()``
and ``load_state_dict(state, sizes=…)``, a run can leave it behind for new recordings.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from mien.core import Batch, InputError, Registry, UnknownNameError

if TYPE_CHECKING:
    import torch

__all__ = ["create", "example", "kind", "load_released", "names", "streams", "takes"]

RECIPES = ("corrected", "released")

_registry = Registry("model", "mien.models")


def names() -> list[str]:
    """Registered models, sorted; imports none of them."""
    return _registry.names()


def kind(name: str) -> Literal["network", "estimator"]:
    """Whether a model is trained by :func:`mien.train.fit` or has a ``fit`` of its own."""
    return _registry.get(name).kind


def example(name: str) -> Batch:
    """A tiny made-up batch that ``create(name)`` without options can work on."""
    return _registry.example(name)


def _released_module(name: str) -> Any:
    """The file with the published variant of a model: ``_<name>_released.py`` beside the clean one."""
    full = _registry.module(name).__name__
    package, _, stem = full.rpartition(".")
    released = f"{package}._{stem}_released"
    if importlib.util.find_spec(released) is None:
        having = [n for n in names() if importlib.util.find_spec(f"mien.models._{n}_released")]
        raise InputError(
            f"model {name!r} has no released recipe",
            expected=f"one of {', '.join(having)}",
            remedy='use recipe="corrected"',
        )
    return importlib.import_module(released)


def takes(name: str, option: str, *, recipe: str = "corrected") -> bool:
    """Whether a model has an option of that name."""
    _check_recipe(recipe)
    make = _registry.get(name) if recipe == "corrected" else _released_module(name).create
    return option in inspect.signature(make).parameters


def streams(name: str) -> tuple[str, ...] | None:
    """The streams that a model can take, None where it takes any."""
    found: tuple[str, ...] | None = getattr(_registry.get(name), "streams", None)
    return found


def _check_recipe(recipe: str, known: tuple[str, ...] = RECIPES) -> None:
    if recipe not in known:
        raise UnknownNameError("recipe", recipe, known)


def _call(name: str, make: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    known = inspect.signature(make).parameters
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of model {name!r}", option, known)
    return make(**options)


def create(name: str, *, recipe: str = "corrected", **config: Any) -> Any:
    """Make a model with fresh weights.

    Parameters
    ----------
    name
        A registered name, see :func:`names`.
    recipe
        ``"corrected"`` (what the paper says, done right) or ``"released"`` (the published code's network).
    **config
        Options of the model; an unknown one is an error that names the nearest. A made model lists its
        options, defaults filled in, in ``.config``: ``create(name, recipe=recipe, **model.config)`` makes
        its like.

    Returns
    -------
    torch.nn.Module or an estimator
    """
    _check_recipe(recipe)
    make = _registry.get(name) if recipe == "corrected" else _released_module(name).create
    return _call(name, make, config)


def load_released(
    name: str, state_dict: Mapping[str, Any], *, num_heads: int, recipe: str = "released", **options: Any
) -> torch.nn.Module:
    """A network with the weights of the published code.

    Parameters
    ----------
    name
        A registered network with a released recipe.
    state_dict
        NumPy arrays or tensors under the published names; every size is read off their shapes.
    num_heads
        Attention heads, the one size that no shape tells.
    recipe
        ``"released"``: the published network. ``"corrected"``: the same weights in our network, where the
        two have the same layers. ``"released_tokens"``: where the published network attends over the batch,
        the same with attention over tokens, for comparison only.
    **options
        What else a model needs to be told; none for ``maet``.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.

    Raises
    ------
    InputError
        If keys are missing, unexpected or have impossible shapes; all of them in one message.
    """
    module = _released_module(name)
    _check_recipe(recipe, tuple(dict.fromkeys((*RECIPES, *getattr(module, "RECIPES", ())))))
    load = module.load
    return _call(name, load, {"state_dict": state_dict, "num_heads": num_heads, "recipe": recipe, **options})
