"""The store: results that are looked up by what they were made of.

Layout of the folder::

    entries/<first two of key>/<key>/   values.npy starts.npy durations.npy valid.npy meta.json
    fingerprints.parquet                hash of the path, size, mtime_ns, digest of the files hashed so far
    index.parquet                       one row per entry, rebuilt from the folders
    tmp/                                results in the making; what a killed run left is cleared

An entry is made under a temporary name and renamed when it is complete, so it is whole or not there. Paths
of data are nowhere in a store: they may hold people's names.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError
from mien.core.pseudonyms import existing_key

if TYPE_CHECKING:
    import pandas as pd

ARRAYS = ("values", "starts", "durations", "valid")
_INDEX_PARAMETERS = ("recipe", "stream", "recording", "trial")
_INDEX_COLUMNS = ["key", "extractor", "version", *_INDEX_PARAMETERS, "n_windows", "bytes", "parameters"]
_DIGEST_BYTES = 16
_READ_BYTES = 1 << 22
_FRESH_SECONDS = 2.0
"""A file changed less than this ago may change again without a new time stamp, so it is not remembered."""
_STALE_SECONDS = 24 * 3600.0


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text (4 and 4.0 are equal)."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"a parameter must be plain data, got {type(value).__name__}: {value!r}")


@dataclass(frozen=True, kw_only=True)
class KeyParts:
    """All that a result depends on.

    Attributes
    ----------
    sources
        Fingerprints of the files it was made from, in any order.
    extractor, version
        Name and version of the code.
    parameters
        Plain data.
    upstream
        Keys of the stored results it was made from.
    state
        Hash of what a fold transform has learnt; empty without one.
    """

    sources: tuple[str, ...]
    extractor: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    state: str = ""

    @cached_property
    def text(self) -> str:
        """Canonical JSON of the parts."""
        return canonical_json({**asdict(self), "sources": sorted(self.sources)})

    @cached_property
    def key(self) -> str:
        """BLAKE2b-128 of :attr:`text`, in hex."""
        return hashlib.blake2b(self.text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def hash_file(path: str | Path) -> str:
    """BLAKE2b-128 of all bytes of a file, in hex."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    try:
        with open(path, "rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    except OSError as fault:
        raise InputError(
            f"cannot be read ({fault.strerror})", file=path, remedy="check the path and its permissions"
        ) from fault
    return digest.hexdigest()


class Store:
    """A folder of feature arrays; made when it is first written to.

    Several processes may use one store at the same time.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError("is a file", file=self.folder, expected="a folder for the store")
        self._known: dict[str, tuple[int, int, str]] | None = None
        self._clear_leftovers()

    # --- entries ---------------------------------------------------------------------------------------

    def __contains__(self, parts: KeyParts | str) -> bool:
        return self._meta(_key(parts)) is not None

    def get(self, parts: KeyParts | str) -> Features:
        """The stored result; ``values`` is a read-only memory map, or KeyError where there is none."""
        key = _key(parts)
        meta = self._meta(key)
        if meta is None:
            raise KeyError(key)
        folder = self._entry(key)
        arrays = {name: _load(folder / f"{name}.npy", mapped=name == "values") for name in ARRAYS}
        return Features(
            **arrays,
            axes={name: tuple(labels) for name, labels in meta["axes"]},
            extractor=meta["extractor"],
            version=meta["version"],
        )

    def put(self, parts: KeyParts, features: Features) -> None:
        """Store a result: float values as float32. An entry that is there already stays as it is."""
        values = np.asarray(features.values)
        arrays = {
            "values": values.astype(np.float32) if values.dtype == np.float64 else values,
            "starts": features.starts,
            "durations": features.durations,
            "valid": features.valid,
        }

        def fill(folder: Path) -> None:
            for name, array in arrays.items():
                np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)

        self.put_files(
            parts,
            fill,
            axes=[[name, list(labels)] for name, labels in features.axes.items()],
            extractor=features.extractor,
            version=features.version,
            shape=list(values.shape),
        )

    def put_files(self, parts: KeyParts, fill: Callable[[Path], None], **about: Any) -> None:
        """Store the files that a function writes into a folder; :meth:`entry` tells where they are then.

        ``about`` is plain data for the entry's description. An entry that is there already stays as it is,
        and the function is not called.
        """
        if parts in self:
            return
        with self._temporary() as made:
            fill(made)
            files = {
                path.name: {"bytes": path.stat().st_size, "blake2b": hash_file(path)}
                for path in sorted(made.iterdir())
            }
            meta = {
                "parts": json.loads(parts.text),
                "extractor": parts.extractor,
                "version": parts.version,
                "files": files,
                **about,
            }
            (made / "meta.json").write_text(json.dumps(meta, sort_keys=True, indent=1) + "\n", "utf-8")
            self._settle(made, self._entry(parts.key))

    def entry(self, parts: KeyParts | str) -> Path:
        """The folder of an entry, or KeyError where there is none."""
        key = _key(parts)
        if key not in self:
            raise KeyError(key)
        return self._entry(key)

    def get_or_make(self, parts: KeyParts, function: Callable[[], Features]) -> Features:
        """The stored result; made by ``function`` and stored where there is none."""
        if parts not in self:
            self.put(parts, function())
        return self.get(parts)

    def keys(self) -> list[str]:
        """Keys of all entries, sorted."""
        return [key for key, _ in self._entries()]

    def damaged(self) -> dict[str, list[str]]:
        """Key and file names of entries that do not hold the bytes that were written; reads everything."""
        found = {}
        for folder in sorted(self.folder.glob("entries/??/*")):
            meta = _read_meta(folder)
            said = {} if meta is None else meta["files"]
            bad = ["meta.json"] if meta is None else []
            bad += [name for name in sorted(said) if not _holds(folder / name, said[name])]
            if bad:
                found[folder.name] = bad
        return found

    def index(self) -> pd.DataFrame:
        """One row per entry, rebuilt from the folders and written to ``index.parquet``.

        Its columns are ``key, extractor, version, recipe, stream, recording, trial, n_windows, bytes`` and
        ``parameters`` (JSON).
        """
        import pandas as pd

        rows = [_index_row(key, meta) for key, meta in self._entries()]
        table = pd.DataFrame(rows, columns=_INDEX_COLUMNS)
        if rows:
            self._write_parquet(table, "index.parquet")
        return table

    # --- fingerprints ----------------------------------------------------------------------------------

    def fingerprint(self, path: str | Path) -> str:
        """BLAKE2b-128 of a file's bytes, remembered by its path, size and time of change."""
        remembered = self.remembered(path)
        if remembered is not None:
            return remembered
        before = _stat(path)
        digest = hash_file(path)
        self.remember({str(path): (*before, digest)})
        return digest

    def remembered(self, path: str | Path) -> str | None:
        """The fingerprint of a file that has not changed since it was hashed, or None."""
        known = self._fingerprints().get(_path_hash(path))
        return known[2] if known is not None and known[:2] == _stat(path) else None

    def remember(self, found: Mapping[str, tuple[int, int, str]]) -> None:
        """Keep fingerprints: path to (size, mtime_ns before hashing, digest)."""
        now = time.time_ns()
        for path, (size, changed, digest) in found.items():
            if (size, changed) != _stat(path):
                raise InputError(
                    "changed while it was read", file=path, remedy="run again when it is complete"
                )
            if now - changed > _FRESH_SECONDS * 1e9:
                self._fingerprints()[_path_hash(path)] = (size, changed, digest)
        self._save_fingerprints()

    def _fingerprints(self) -> dict[str, tuple[int, int, str]]:
        if self._known is None:
            self._known = self._read_fingerprints()
        return self._known

    def _read_fingerprints(self) -> dict[str, tuple[int, int, str]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(self.folder / "fingerprints.parquet").to_pylist()
            return {row["file"]: (row["size"], row["mtime_ns"], row["digest"]) for row in rows}
        except (OSError, pa.ArrowException, KeyError):
            return {}  # only a memory: without it the files are hashed again

    def _save_fingerprints(self) -> None:
        import pandas as pd

        known = self._known = {**self._read_fingerprints(), **self._fingerprints()}
        rows = [(file, *known[file]) for file in sorted(known)]
        self._write_parquet(
            pd.DataFrame(rows, columns=["file", "size", "mtime_ns", "digest"]), "fingerprints.parquet"
        )

    # --- files -----------------------------------------------------------------------------------------

    def _entry(self, key: str) -> Path:
        return self.folder / "entries" / key[:2] / key

    def _entries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and description of every whole entry, by key."""
        for key in sorted(p.name for p in self.folder.glob("entries/??/*")):
            if (meta := self._meta(key)) is not None:
                yield key, meta

    def _meta(self, key: str) -> dict[str, Any] | None:
        """The description of an entry whose files have the sizes they should, or None."""
        folder = self._entry(key)
        meta = _read_meta(folder)
        if meta is None:
            return None
        sizes = {name: said["bytes"] for name, said in meta["files"].items()}
        try:
            whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
        except FileNotFoundError:
            return None
        return meta if whole else None

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        """A folder of our own to write in, gone afterwards unless it was renamed."""
        base = self.folder / "tmp"
        made: Path | None = None
        try:
            base.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f"{socket.gethostname()}~{os.getpid()}~", dir=base))
            yield made
        except OSError as fault:
            raise InputError(
                f"the store cannot be written ({fault.strerror or fault})",
                file=self.folder,
                remedy="make room, or choose a folder that may be written to",
            ) from fault
        finally:
            if made is not None:
                shutil.rmtree(made, ignore_errors=True)

    def _settle(self, made: Path, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.chmod(0o777 & ~_umask())
        if folder.exists() and self._meta(folder.name) is None:
            shutil.rmtree(folder)
        try:
            made.rename(folder)
        except OSError:
            if self._meta(folder.name) is None:  # else another process was faster with the same result
                raise

    def _write_parquet(self, table: pd.DataFrame, name: str) -> None:
        with self._temporary() as made:
            table.to_parquet(made / name, index=False)
            (made / name).replace(self.folder / name)

    def _clear_leftovers(self) -> None:
        for left in self.folder.glob("tmp/*~*~*"):
            host, pid, _ = left.name.rsplit("~", 2)
            with contextlib.suppress(OSError):
                old = time.time() - left.stat().st_mtime > _STALE_SECONDS
                if old or (host == socket.gethostname() and not _alive(int(pid))):
                    shutil.rmtree(left, ignore_errors=True)


def _key(parts: KeyParts | str) -> str:
    return parts if isinstance(parts, str) else parts.key


def _read_meta(folder: Path) -> dict[str, Any] | None:
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) and "files" in meta else None


def _index_row(key: str, meta: Mapping[str, Any]) -> dict[str, Any]:
    parameters = meta["parts"]["parameters"]
    return {
        "key": key,
        "extractor": meta["extractor"],
        "version": meta["version"],
        **{name: str(parameters.get(name, "")) for name in _INDEX_PARAMETERS},
        "n_windows": meta["shape"][0] if "shape" in meta else 0,
        "bytes": sum(said["bytes"] for said in meta["files"].values()),
        "parameters": canonical_json(parameters),
    }


def _holds(path: Path, said: Mapping[str, Any]) -> bool:
    return path.is_file() and hash_file(path) == said["blake2b"]


def _load(path: Path, *, mapped: bool) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return array


def _path_hash(path: str | Path) -> str:
    """Hash of a file's absolute path, under the user's key if there is one: no name can be guessed then."""
    text = str(Path(path).resolve()).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=_DIGEST_BYTES, key=existing_key() or b"").hexdigest()


def _stat(path: str | Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError as fault:
        raise InputError(
            f"cannot be read ({fault.strerror})", file=path, remedy="check the path and its permissions"
        ) from fault
    return found.st_size, found.st_mtime_ns


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # there, signal 0 would end the process; age alone decides
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state != "Z"  # ended, and only not yet collected by its parent


def hash_files(paths: Iterable[str]) -> dict[str, tuple[int, int, str]]:
    """What :meth:`Store.remember` takes, for files hashed here and now."""
    found = {}
    for path in paths:
        before = _stat(path)
        found[path] = (*before, hash_file(path))
    return found
