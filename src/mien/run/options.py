"""Options given on the command line as ``key=value``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mien.core import InputError, UnknownNameError


def parsed_options(texts: Sequence[str], types: Mapping[str, Any], *, what: str) -> dict[str, Any]:
    """Options as values of their types.

    Parameters
    ----------
    texts
        ``key=value``; values are TOML (``size=[128, 128]``, ``whole=true``), bare words are text.
    types
        Known options and their types.
    what
        Whose options they are, for errors.

    Raises
    ------
    InputError
        A text is no ``key=value``, an option is given twice, or its value is of another type.
    UnknownNameError
        There is no such option.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and key):
            raise InputError(f"--option {text!r}", expected="key=value, for example size=[128,128]")
        if key not in types:
            raise UnknownNameError(f"option of {what}", key, types)
        if key in found:
            raise InputError(f"--option {key} is given twice")
        try:
            found[key] = TypeAdapter(types[key]).validate_python(_value(value))
        except ValidationError as fault:
            raise InputError(f"--option {text}", expected=fault.errors()[0]["msg"]) from None
    return found


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
