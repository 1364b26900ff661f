"""Stable stand-ins for people's names, so that no name gets into a file, a page or a message of ours.

A pseudonym is a keyed hash of the name. The key is a file of random bytes in the user's configuration
folder, made when it is first needed: with it the same name always gives the same pseudonym, without it nobody
can find the name by trying names. It is never written beside results. Made-up data use :data:`PUBLIC_KEY`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mien.core.errors import InputError

VARIABLE = "MIEN_CONFIG"
"""Environment variable that names the configuration folder."""
KEY_FILE = "pseudonyms.key"
KEY_BYTES = 32
PUBLIC_KEY = b"mien: made-up people have no names"
"""For made-up data, where there is nothing to hide: the same pseudonyms on every computer."""
_DIGITS, _MORE = 6, 4


def config_folder() -> Path:
    """The folder of the user's configuration; it need not exist.

    ``MIEN_CONFIG`` where it is set, else ``mien`` in ``XDG_CONFIG_HOME`` where that is set, else in the usual
    place of the system: ``%APPDATA%``, ``~/Library/Application Support`` or ``~/.config``.

    Raises
    ------
    InputError
        There is no home folder.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    if xdg := os.environ.get("XDG_CONFIG_HOME"):
        return Path(xdg) / "mien"
    if sys.platform == "win32" and (roaming := os.environ.get("APPDATA")):
        return Path(roaming) / "mien"
    try:
        home = Path.home()
    except RuntimeError:
        raise InputError(
            "this user has no home folder", remedy=f"name a folder for the configuration in {VARIABLE}"
        ) from None
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "mien"
    return home / ".config" / "mien"


def existing_key() -> bytes | None:
    """The key of this user's pseudonyms if there is one; makes none."""
    try:
        return (config_folder() / KEY_FILE).read_bytes()[:KEY_BYTES]
    except (OSError, InputError):
        return None


def user_key() -> bytes:
    """The key of this user's pseudonyms; made at random, readable by the user only, if there is none yet.

    Raises
    ------
    InputError
        The key cannot be read or made, or its file does not hold a key.
    """
    path = config_folder() / KEY_FILE
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the key of the pseudonyms cannot be read or made ({error.strerror or error})",
            file=path,
            remedy=f"name another folder for it in {VARIABLE}",
        ) from None
    if len(key) != KEY_BYTES:
        raise InputError(
            f"holds {len(key)} bytes",
            file=path,
            expected=f"the key of the pseudonyms, {KEY_BYTES} bytes",
            remedy="put back a copy of it, or delete it: everybody gets a new pseudonym then",
        )
    return key


def _make_key(path: Path) -> None:
    """Write a new key whole; where another process was faster, its key stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)  # unlike a rename, never takes the place of a file that is there
        except FileExistsError:
            return
        except OSError:  # a file system without links
            if not path.exists():
                os.rename(made, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            made.unlink()


def pseudonym(name: str, *, key: bytes, digits: int = _DIGITS) -> str:
    """Stand-in of a name: ``p`` and hexadecimal digits of its BLAKE2b hash under the key."""
    digest = hashlib.blake2b(name.encode("utf-8"), key=key, digest_size=16, person=b"mien name")
    return "p" + digest.hexdigest()[:digits]


def pseudonyms(names: Iterable[str], *, key: bytes) -> dict[str, str]:
    """Stand-ins of several names, all different: those that would share one get more digits."""
    found = {name: pseudonym(name, key=key) for name in sorted(set(names))}
    digits = _DIGITS
    while len(set(found.values())) < len(found):
        digits += _MORE
        given = list(found.values())
        found = {
            name: pseudonym(name, key=key, digits=digits) if given.count(short) > 1 else short
            for name, short in found.items()
        }
    return found


@dataclass(frozen=True, kw_only=True, repr=False)
class Veil:
    """Puts pseudonyms in the place of names, in any text.

    A name is found wherever letters do not continue it, in any case: in ``sad_alpha20230718_118`` but not in
    ``alphabet``.

    Attributes
    ----------
    names
        Name to pseudonym.
    """

    names: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Veil({len(self.names)} names)"

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.names, key=lambda name: (-len(name), name))
        return re.compile(
            rf"(?<![^\W\d_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W\d_])", re.IGNORECASE
        )

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): short for name, short in self.names.items()}

    def hide(self, text: object) -> str:
        """A text, or a path, without names."""
        if not self.names:
            return str(text)
        return self._pattern.sub(lambda match: self._folded[match[0].casefold()], str(text))

    def error(self, error: InputError) -> InputError:
        """The same error without names."""
        return InputError(
            self.hide(error.what),
            file=None if error.file is None else self.hide(error.file),
            expected=None if error.expected is None else self.hide(error.expected),
            remedy=None if error.remedy is None else self.hide(error.remedy),
        )

    def readable(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """The paths themselves, real names and all, after a look whether they can be read.

        Raises
        ------
        InputError
            One is not there any more, or may not be read.
        """
        found = tuple(paths)
        for path in found:
            if not path.is_file():
                raise InputError("is not there any more", file=self.hide(path))
            if not os.access(path, os.R_OK):
                raise InputError("may not be read", file=self.hide(path), remedy="check its permissions")
        return found

    @contextlib.contextmanager
    def over(self) -> Iterator[None]:
        """Hides the names in what is raised inside: an :class:`InputError`, or a fault of the system."""
        try:
            yield
        except InputError as error:
            raise self.error(error) from None
        except OSError as error:
            raise InputError(
                f"cannot be read ({error.strerror or type(error).__name__})",
                file=None if error.filename is None else self.hide(error.filename),
            ) from None


def shown(path: str | Path, source: object) -> str:
    """A file of a source as it may be shown: without names, if the source has a ``veil``."""
    veil = getattr(source, "veil", None)
    return veil.hide(path) if isinstance(veil, Veil) else str(path)


@contextlib.contextmanager
def veiled(sources: Iterable[object]) -> Iterator[None]:
    """Hides in what is raised inside the names that the ``veil`` of any of the sources knows."""
    veils = {id(veil): veil for s in sources if isinstance(veil := getattr(s, "veil", None), Veil)}
    with contextlib.ExitStack() as stack:
        for veil in veils.values():
            stack.enter_context(veil.over())
        yield
