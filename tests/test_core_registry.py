"""Finding things by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mien import datasets, features, models, protocols, simulate
from mien.core import MienError, Registry, UnknownNameError, normalise_name

ONE = """
from mien.core import registered

@registered
class Thing:
    answer = {answer}

def example():
    return "{name}"
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A package of its own with files that are good and bad in known ways."""
    package = tmp_path / "made_up_shelf"
    package.mkdir()
    files = {
        "__init__": "",
        "_private": "raise RuntimeError('private files are not looked at')",
        "alpha": ONE.format(answer=1, name="alpha"),
        "broken": "raise RuntimeError('imported')",
        "nothing": "from mien.core import registered",
        "borrowed": "from made_up_shelf.alpha import Thing",
        "two": ONE.format(answer=1, name="two") + "\n@registered\ndef other():\n    return 2\n",
        "bare": "from mien.core import registered\n\n@registered\ndef thing():\n    return 3\n",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    outside = tmp_path / "made_up_plugin-1.0.dist-info"
    outside.mkdir()
    metadata = "Metadata-Version: 2.1\nName: made-up-plugin\nVersion: 1.0\n"
    (outside / "METADATA").write_text(metadata, encoding="utf-8")
    points = "[made_up_shelf]\nfrom-outside = made_up_plugin\n"
    (outside / "entry_points.txt").write_text(points, encoding="utf-8")
    (tmp_path / "made_up_plugin.py").write_text(ONE.format(answer=4, name="outside"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Registry("thing", "made_up_shelf")
    for name in [m for m in sys.modules if m.startswith("made_up_")]:
        del sys.modules[name]


def test_names_are_files_and_entry_points_and_nothing_is_imported(shelf: Registry):
    expected = ["alpha", "bare", "borrowed", "broken", "from_outside", "nothing", "two"]
    assert shelf.names() == expected  # "broken" raises when it is imported
    assert "made_up_shelf.alpha" not in sys.modules


def test_a_name_leads_to_the_decorated_object(shelf: Registry):
    assert shelf.get("alpha").answer == 1
    assert shelf.get("Alpha").answer == 1
    assert shelf.get("bare")() == 3
    assert shelf.example("alpha") == "alpha"


def test_another_package_adds_a_name_by_an_entry_point(shelf: Registry):
    assert shelf.get("from_outside").answer == 4
    assert shelf.get("from-outside").answer == 4
    assert shelf.example("from_outside") == "outside"


@pytest.mark.parametrize(("name", "n"), [("two", 2), ("nothing", 0), ("borrowed", 0)])
def test_a_file_holds_exactly_one_decorated_object(shelf: Registry, name: str, n: int):
    message = f"{name}.py: {n} objects are marked @registered; expected exactly one thing in a file"
    with pytest.raises(MienError, match=message):
        shelf.get(name)


def test_a_file_without_example_is_an_error(shelf: Registry):
    with pytest.raises(MienError, match=r"bare.py: no example\(\)"):
        shelf.example("bare")


def test_an_unknown_name_names_the_nearest(shelf: Registry):
    with pytest.raises(UnknownNameError, match="unknown thing 'alhpa'; did you mean 'alpha'"):
        shelf.get("alhpa")
    with pytest.raises(UnknownNameError, match="unknown thing '_private'"):
        shelf.get("_private")


def test_names_are_written_in_one_way():
    assert normalise_name(" SEED-VII ") == "seed_vii"
    assert normalise_name("EEG+eye/LDS") == "eeg_eye_lds"


KINDS = {
    "datasets": datasets,
    "features": features,
    "models": models,
    "protocols": protocols,
    "simulate": simulate,
}
EVERY = [(kind, name) for kind, module in KINDS.items() for name in module.names()]


def test_there_is_something_of_every_kind():
    assert {kind for kind, _ in EVERY} == set(KINDS)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_registered_name_has_an_example_that_works(kind: str, name: str, tmp_path: Path):
    if kind == "datasets":
        assert datasets.load(name, datasets.example(name, tmp_path / "copy"))[0].trials
    elif kind == "features":
        assert features.compute(name, features.example(name)).n_windows > 0
    elif kind == "models":
        given, model = models.example(name), models.create(name)
        if models.kind(name) == "estimator":
            assert model.fit(given).predict_proba(given).shape[0] == len(given)
        else:
            import torch

            inputs = {k: torch.from_numpy(v) for k, v in given.inputs.items()}
            present = {k: torch.from_numpy(v) for k, v in given.present.items()}
            assert model.eval()(inputs, present).logits.shape[0] == len(given)
    elif kind == "protocols":
        assert next(protocols.create(name).splits(protocols.example(name))).test
    else:
        made = simulate.simulate(name, tmp_path / "made", **simulate.example(name))
        assert (made / "truth.json").exists()
        assert datasets.load(name, made)[0].trials


def test_listing_imports_no_entry():
    code = (
        "import sys\nfrom mien import datasets, features, models, protocols, simulate\n"
        "kinds = (datasets, features, models, protocols, simulate)\n"
        "entries = [f'{k.__name__}.{n}' for k in kinds for n in k.names()]\n"
        "print([e for e in entries if e in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
