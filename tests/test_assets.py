"""Real recordings inside other packages: listed, fetched whole or not at all, found only if right."""

from __future__ import annotations

import hashlib
import io
import os
import re
import runpy
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from _real import asset
from mien.core import InputError, UnknownNameError, assets

SCRIPT = Path(__file__).parents[1] / "scripts" / "assets.py"
CONTENT = {"a.txt": b"first", "sub/b.bin": bytes(range(256))}
LISTED: dict[str, dict[str, Any]] = {
    "toy": {
        "what": "two files",
        "licence": "none",
        "package": "toy==1.0",
        "download": 400,
        "files": {
            name: {
                "member": f"toy/data/{name}",
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for name, content in CONTENT.items()
        },
    }
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """What pip would download: the wanted files and one that must never be looked at."""
    path = tmp_path / "index" / "toy-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in CONTENT.items():
            packed.writestr(f"toy/data/{name}", content)
        packed.writestr("toy/__init__.py", "raise SystemExit('imported')")
        packed.writestr("setup.py", "raise SystemExit('executed')")
    return path


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source archive in an index of its own, the only one that pip is set to; its build tool would leave a
    file behind."""
    ran = tmp_path / "ran"
    build = '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    content = {
        **{f"toy/data/{name}": body for name, body in CONTENT.items()},
        "toy-1.0/pyproject.toml": build.encode(),
        "toy-1.0/b.py": f"open({str(ran)!r}, 'w').close()".encode(),
        "toy-1.0/setup.py": f"open({str(ran)!r}, 'w').close()".encode(),
        "../outside": b"never taken out",
    }
    path = tmp_path / "simple" / "toy" / "toy-1.0.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as packed:
        for name, body in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            packed.addfile(entry, io.BytesIO(body))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    page = f'<a href="{path.name}#sha256={sha256}">{path.name}</a>'
    (path.parent / "index.html").write_text(f"<!DOCTYPE html><html><body>{page}</body></html>")
    monkeypatch.setitem(LISTED["toy"], "source_sha256", sha256)
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    return path


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``script(*arguments)`` runs it on the list above, with ``pip download`` replaced by a copy out of
    ``index``."""
    listing = tmp_path / "assets.toml"
    lines = ["[toy]", *(f"{k} = {v!r}" for k, v in LISTED["toy"].items() if k != "files")]
    for name, file in LISTED["toy"]["files"].items():
        lines += [f'[toy.files."{name}"]', *(f"{k} = {v!r}" for k, v in file.items())]
    listing.write_text("\n".join(lines))
    calls: list[list[str]] = []
    really = subprocess.run

    def pip(command: list[str], **options: Any) -> Any:
        calls.append(command)
        if "download" not in command:
            return really(command, **options)
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        found = [*(tmp_path / "index").iterdir()]
        for path in found:
            (folder / path.name).write_bytes(path.read_bytes())
        error = "" if found else "noise\nERROR: No matching distribution found for toy==1.0\n"
        return type("Done", (), {"returncode": 0 if found else 1, "stderr": error})

    def run(*arguments: str) -> int:
        names = runpy.run_path(str(SCRIPT))
        main = names["main"]
        main.__globals__["LIST"] = listing
        monkeypatch.setattr(main.__globals__["subprocess"], "run", pip)
        return int(main([*arguments, "--out", str(tmp_path / "out")]))

    run.calls = calls  # type: ignore[attr-defined]
    return run


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_takes_the_wanted_files_and_nothing_else(
    script: Any, wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script() == 0
    assert files_under(tmp_path / "out") == {f"toy/{k}": v for k, v in CONTENT.items()}
    (command,) = script.calls
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary", ":all:", "toy==1.0"} <= set(command)
    assert "toy==1.0" in capsys.readouterr().out


def test_a_source_archive_comes_through_pip_and_its_build_tool_never_runs(
    source: Path, script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script() == 0, capsys.readouterr().err
    assert files_under(tmp_path / "out") == {f"toy/{k}": v for k, v in CONTENT.items()}
    assert not (tmp_path / "ran").exists()
    (command,) = script.calls
    assert command[2:5] == ["--archive", "toy==1.0", LISTED["toy"]["source_sha256"]]


@pytest.mark.parametrize("where", ["changed", "another version", "nowhere"])
def test_a_source_archive_that_is_another_is_not_taken(
    source: Path, script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    page = source.parent / "index.html"
    if where == "changed":  # the index still promises the right one
        source.write_bytes(source.read_bytes() + b"x")
    elif where == "another version":
        source.rename(source.parent / "toy-2.0.tar.gz")
        page.write_text(page.read_text().replace("toy-1.0", "toy-2.0"))
    else:
        page.write_text("")
    assert script() == 2
    said = capsys.readouterr().err
    assert (
        "toy: pip could not download toy==1.0: ERROR: no source archive of toy==1.0 has the SHA-256" in said
    )
    assert files_under(tmp_path / "out") == {}


def test_what_is_there_is_not_fetched_again_and_what_is_damaged_is(
    script: Any, wheel: Path, tmp_path: Path
) -> None:
    script()
    assert script() == 0
    assert len(script.calls) == 1
    (tmp_path / "out" / "toy" / "a.txt").write_bytes(b"other")
    assert script("--only", "toy") == 0
    assert files_under(tmp_path / "out") == {f"toy/{k}": v for k, v in CONTENT.items()}
    assert len(script.calls) == 2


def test_the_list_fetches_nothing(
    script: Any, wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script("--list") == 0
    assert script.calls == []
    said = capsys.readouterr().out
    assert "toy (not there)" in said
    assert "licence: none" in said
    assert all(file["sha256"] in said for file in LISTED["toy"]["files"].values())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"toy/data/a.txt": b"first"}, "toy/data/sub/b.bin in .* is missing"),
        ({"toy/data/a.txt": b"longer"}, "toy/data/a.txt in .* has 6 bytes, not 5"),
        ({"toy/data/a.txt": b"other"}, "toy/data/a.txt in .* has the SHA-256"),
        (None, "is no archive"),
    ],
)
def test_a_package_with_other_content_leaves_nothing(
    script: Any,
    wheel: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    members: dict[str, bytes] | None,
    says: str,
) -> None:
    wheel.write_bytes(b"no archive")
    if members is not None:
        with zipfile.ZipFile(wheel, "w") as packed:
            for name, content in members.items():
                packed.writestr(name, content)
    assert script() == 2
    assert re.search(says, capsys.readouterr().err)
    assert files_under(tmp_path / "out") == {}


def test_an_index_without_the_package_is_one_line(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index").mkdir()
    assert script() == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "toy: pip could not download toy==1.0: ERROR: No matching distribution found for toy==1.0"
    ]


def test_the_real_list_is_whole() -> None:
    """Every set is pinned, licensed and hashed; no file leaves its folder."""
    listed = assets._listed()
    assert {"eeg_eyes_closed", "gaze", "eyelink", "biopac"} <= set(listed)
    for about in listed.values():
        assert "==" in about["package"]
        assert about["licence"]
        assert about["what"]
        assert len(about.get("source_sha256", "0" * 64)) == 64
        for path, file in about["files"].items():
            assert len(file["sha256"]) == 64
            assert file["bytes"] > 0
            assert ".." not in Path(path).parts
            assert not Path(path).is_absolute()


# -- finding them ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The listed files in the default folder; the variable is not set."""
    monkeypatch.setattr(assets, "_listed", lambda: LISTED)
    monkeypatch.setattr(assets, "DEFAULT", tmp_path / "assets")
    monkeypatch.delenv(assets.VARIABLE, raising=False)
    fill(tmp_path / "assets")
    return tmp_path / "assets"


def fill(folder: Path) -> Path:
    for name, content in CONTENT.items():
        path = folder / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_a_file_and_a_whole_set_are_found(folder: Path) -> None:
    assert assets.find_asset("toy/sub/b.bin") == folder / "toy" / "sub" / "b.bin"
    assert assets.find_asset("toy") == folder / "toy"


def test_a_path_comes_before_the_variable_and_that_before_the_default(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = fill(tmp_path / "named")
    monkeypatch.setenv(assets.VARIABLE, str(named))
    assert assets.find_asset("toy/a.txt") == named / "toy" / "a.txt"
    own = tmp_path / "mine.txt"
    own.write_bytes(CONTENT["a.txt"])
    assert assets.find_asset("toy/a.txt", path=own) == own
    (named / "toy" / "a.txt").unlink()
    assert assets.find_asset("toy/a.txt") == folder / "toy" / "a.txt"


def test_what_is_not_there_says_how_to_fetch_it(folder: Path) -> None:
    (folder / "toy" / "a.txt").unlink()
    with pytest.raises(InputError, match=r"a\.txt: is not there.*python scripts/assets\.py --only toy"):
        assets.find_asset("toy/a.txt")
    with pytest.raises(InputError, match=r"is not the asset toy/a\.txt: SHA-256 no file"):
        assets.find_asset("toy")


def test_another_content_is_refused_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.txt"
    own.write_bytes(b"other")
    with pytest.raises(InputError, match=r"mine\.txt: is not the asset toy/a\.txt: SHA-256 [0-9a-f]{64}"):
        assets.find_asset("toy/a.txt", path=own)


def test_unknown_names_are_refused(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown set of assets 'toi'; did you mean 'toy'"):
        assets.find_asset("toi")
    with pytest.raises(UnknownNameError, match=r"unknown asset of 'toy' 'b\.txt'; did you mean 'a\.txt'"):
        assets.find_asset("toy/b.txt")


def test_a_test_without_its_recording_skips_with_the_command(folder: Path) -> None:
    (folder / "toy" / "a.txt").unlink()
    with pytest.raises(pytest.skip.Exception, match=r"^run: python scripts/assets\.py$"):
        asset("toy/a.txt")
    assert asset("toy/sub/b.bin").is_file()
