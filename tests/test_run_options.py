"""Options on the command line as key=value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Command
from mien import simulate
from mien.core import InputError, MienError
from mien.run.options import parsed_options

TYPES = {"size": tuple[int, int], "whole": bool, "columns": int, "drift": float, "name": str}


def test_values_have_the_types_of_the_options() -> None:
    texts = ["size=[128, 96]", "whole=true", "columns = 14", "drift=50", "name=bare"]
    found = parsed_options(texts, TYPES, what="it")
    assert found == {"size": (128, 96), "whole": True, "columns": 14, "drift": 50.0, "name": "bare"}
    assert isinstance(found["drift"], float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns", "--option 'columns'.*expected key=value"),
        ("=3", "expected key=value"),
        ("colums=14", "unknown option of it.*columns"),
        ("columns=many", "--option columns=many.*integer"),
        ("size=[1, 2, 3]", "--option size"),
    ],
)
def test_what_is_no_option(text: str, message: str) -> None:
    with pytest.raises(MienError, match=message):
        parsed_options([text], TYPES, what="it")


def test_an_option_is_given_once() -> None:
    with pytest.raises(InputError, match="columns is given twice"):
        parsed_options(["columns=13", "columns=14"], TYPES, what="it")


@pytest.mark.parametrize("name", simulate.names())
def test_the_options_of_every_simulated_data_set_have_types(name: str) -> None:
    types = simulate.option_types(name)
    assert {"subjects", "effect", "kinds"} <= set(types)
    assert not {"out", "seed"} & set(types)
    assert set(simulate.example(name)) <= {*types, "seed"}


def test_a_data_sets_own_options_are_passed_on(command: Command, tmp_path: Path) -> None:
    small = ("--seed", 3, "--subjects", 1, "--clips", 7, "--seconds", 12, "--kinds", "table")
    done = command(
        "simulate", "mmme", "--out", tmp_path / "made", *small, *("--option", "columns=14"),
        *("--option", "drift=20"),
    )  # fmt: skip
    assert done.code == 0, done.err
    truth = json.loads((tmp_path / "made" / "truth.json").read_bytes())
    assert "'columns': 14" in str(truth)
    assert "'drift': 20.0" in str(truth)
    done = command("simulate", "mmme", "--out", tmp_path / "no", *small, "--option", "clips=9")
    assert done.code == 2  # it has a flag of its own, which was given
    assert "clips" in done.err
