"""What a stranger reads first is true: commands, version, links."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import mien

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
INSTALL = "pip install -e . && mien demo"
TEST = 'pip install -e ".[test]" && pytest'


def install_lines() -> list[str]:
    return [
        line
        for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("pip install -e")
    ]


def test_the_readme_has_two_commands():
    assert install_lines() == [INSTALL, TEST]


def test_the_check_script_takes_its_test_command_from_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    taken = re.search(r"^test_command=\$\((.+)\)$", script, re.MULTILINE)
    assert taken is not None
    done = subprocess.run(["bash", "-c", taken[1]], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == TEST
    assert '"$test_command"' in script
    assert "pytest" not in script.replace(taken[0], "").replace("# ", "")


def test_the_check_script_is_valid_and_stops_at_the_first_fault():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == mien.__version__
    assert project["readme"] == "README.md"
    assert project["license"] == "BSD-3-Clause"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("BSD 3-Clause License")


def test_torch_is_bounded_and_its_companions_are_not_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "torch>=2.6,<2.14" in project["dependencies"]
    every = [
        *project["dependencies"],
        *(d for extra in project["optional-dependencies"].values() for d in extra),
    ]
    assert not [d for d in every if re.match(r"torchvision|torchaudio|timm", d)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_files(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    missing = [
        link
        for link in links
        if not re.match(r"https?:|#|mailto:", link) and not (page.parent / link.partition("#")[0]).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_pages_name_no_machine_and_no_package_host(page: Path):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|tmp|work|root|usr|opt|Users)/", text)
    assert not re.search(r"pypi\.org|pythonhosted|download\.pytorch|anaconda|index-url", text)


def test_every_document_is_on_the_map():
    docs = ROOT / "docs"
    listed = set(re.findall(r"\]\(([^)]+\.md)\)", (docs / "index.md").read_text(encoding="utf-8")))
    there = {p.relative_to(docs).as_posix() for p in docs.rglob("*.md")} - {"index.md"}
    assert there <= listed


def test_the_command_table_is_the_command_line():
    from typer.main import get_command

    from mien.run.cli import app

    table = set(
        re.findall(r"^\| `mien (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert table == set(get_command(app).commands)
