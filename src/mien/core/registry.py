"""Finding things by name: one file each, listed without importing, open to other packages."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from mien.core.errors import MienError, UnknownNameError

T = TypeVar("T")
_MARK = "__mien_registered__"


def normalise_name(name: str) -> str:
    """Lower case, with ``-``, ``/``, ``+`` and spaces turned into ``_``."""
    return re.sub(r"[-/+ ]+", "_", str(name).strip().lower())


def registered(thing: T) -> T:
    """Decorator: this class or function is what its file offers under the file's name."""
    setattr(thing, _MARK, thing.__module__)
    return thing


class Registry:
    """Names of one kind (data sets, features, models, protocols).

    The names are those of the public files of a package (``_private.py`` files do not count) and of the
    entry points in the group ``mien.<kind>``; a thing is imported when it is asked for.

    Parameters
    ----------
    kind
        Singular word for messages, for example ``"data set"``.
    package
        Import name of the package that holds the files; also the entry point group.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package

    def _files(self) -> list[str]:
        spec = importlib.util.find_spec(self.package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        return [m.name for m in pkgutil.iter_modules(spec.submodule_search_locations) if m.name[0] != "_"]

    def _entry_points(self) -> dict[str, EntryPoint]:
        return {normalise_name(e.name): e for e in entry_points(group=self.package)}

    def names(self) -> list[str]:
        """All names, sorted; imports nothing."""
        return sorted({*self._files(), *self._entry_points()})

    def module(self, name: str) -> Any:
        """The module behind a name (where ``example()`` lives)."""
        key = normalise_name(name)
        if key in self._files():
            return importlib.import_module(f"{self.package}.{key}")
        outside = self._entry_points()
        if key in outside:
            return importlib.import_module(outside[key].module)
        raise UnknownNameError(self.kind, name, self.names())

    def get(self, name: str) -> Any:
        """The decorated object behind a name."""
        module = self.module(name)
        found = [
            value
            for value in vars(module).values()
            if isinstance(getattr(value, "__dict__", None), dict | type(type.__dict__))
            and value.__dict__.get(_MARK) == module.__name__
        ]
        if len({id(f) for f in found}) != 1:
            raise MienError(
                f"{module.__file__}: {len(found)} objects are marked @registered; "
                f"expected exactly one {self.kind} in a file"
            )
        return found[0]

    def example(self, name: str) -> Any:
        """What the file's ``example()`` gives: a tiny made-up input."""
        module = self.module(name)
        function: Callable[[], Any] | None = getattr(module, "example", None)
        if function is None:
            raise MienError(f"{module.__file__}: no example(); every {self.kind} offers a tiny made-up input")
        return function()
