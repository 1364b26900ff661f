"""Several studies in one file: all are checked before one is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.core import InputError
from mien.run.study_file import load_study
from mien.run.toml_text import to_toml
from mien.run.variants import folder_name, run_variants, variants_of

BASE = """
system = "milmer"
label = "quadrant"
[data]
name = "deap"
root = "data"
[features]
eeg = "de"
[model]
name = "milmer"
[protocol]
names = ["loso"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "ablations.toml"
    path.write_text(BASE + text, encoding="utf-8")
    return path


def test_a_variant_changes_keys_with_dots(tmp_path: Path) -> None:
    path = written(
        tmp_path, '[variants]\n"as it is" = {}\n"No selection!" = { "model.config.selection" = "none" }\n'
    )
    found = variants_of(path)
    assert list(found) == ["as it is", "No selection!"]
    assert folder_name("No selection!") == "no_selection"
    plain, changed = (load_study(path, changes=c) for c in found.values())
    assert plain.model.config == {}
    assert changed.model.config == {"selection": "none"}
    assert "variants" not in to_toml(plain)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variants = 3\n", "is no table"),
        ('[variants]\nfull = "none"\n', "variant 'full' is no table of keys"),
        ('[variants]\nfull = { model = { name = "x" } }\n', "with the keys in quotes"),
        ('[variants]\n"a b" = {}\n"a-b" = {}\n', "differ only in punctuation"),
    ],
)
def test_what_is_no_variant(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ablations.toml"
    path.write_text(text + BASE if text.startswith("variants") else BASE + text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        variants_of(path)


def test_nothing_is_run_if_one_variant_is_wrong(tmp_path: Path) -> None:
    path = written(tmp_path, '[variants]\nfull = {}\nwrong = { "model.nam" = "x" }\n')
    with pytest.raises(InputError, match=r"unknown key 'model\.nam' \(did you mean 'name'\?\)"):
        run_variants(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_without_variants(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    assert variants_of(path) == {}
    with pytest.raises(InputError, match=r"has no \[variants\]"):
        run_variants(path, tmp_path / "out")
