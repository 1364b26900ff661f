"""The table of modules in the design: who may import whom, and what `import mien` may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mien

ROOT = Path(mien.__file__).parent

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "io": {"core"},
    "signal": {"core"},
    "vision": {"core"},
    "datasets": {"core", "io"},
    "timeline": {"core", "signal"},
    "features": {"core", "signal", "vision"},
    "protocols": {"core"},
    "batches": {"core"},
    "models": {"core", "vision"},
    "train": {"core"},
    "metrics": {"core"},
    "report": {"core", "metrics"},
    "simulate": {"core", "io", "signal", "vision", "datasets"},
    "run": set(mien._PARTS),
}


def imported_parts(path: Path) -> set[str]:
    """Parts of mien that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = []
        found |= {n.split(".")[1] for n in names if n.startswith("mien.")}
    return found & set(mien._PARTS)


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_imports_follow_the_design(part: str) -> None:
    for path in (ROOT / part).rglob("*.py"):
        extra = imported_parts(path) - MAY_IMPORT[part] - {part}
        assert not extra, f"{path.relative_to(ROOT)} imports {sorted(extra)}"


def test_simulate_takes_only_layout_constants_from_datasets() -> None:
    for path in (ROOT / "simulate").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mien.datasets"):
                modules = (
                    [alias.name for alias in node.names] if node.module == "mien.datasets" else [node.module]
                )
                assert all(m.endswith("_layout") for m in modules), f"{path.name} imports {modules}"


def test_every_part_is_in_the_table() -> None:
    folders = {p.name for p in ROOT.iterdir() if (p / "__init__.py").exists()}
    assert folders == set(MAY_IMPORT) == set(mien._PARTS)


@pytest.mark.parametrize(
    "code",
    [
        "import mien",
        "import mien.datasets as d, mien.features as f, mien.models as m, mien.protocols as p;"
        "[x.names() for x in (d, f, m, p)]",
        "import mien.core, mien.io, mien.signal, mien.metrics, mien.batches, mien.train, mien.report;"
        "import mien.run",
    ],
)
def test_importing_and_listing_load_nothing_heavy(code: str) -> None:
    check = f"{code}\nimport sys\nprint([m for m in ('torch', 'mne', 'cv2', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
