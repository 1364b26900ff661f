"""Errors say in one line what came, what was expected, and what to do."""

from __future__ import annotations

import pytest

from mien.core import InputError, MienError, MissingPackageError, UnknownNameError


def test_an_input_error_is_one_line():
    fault = InputError("no key\n  'de_1'", file="1.mat", expected="de_1 to de_80", remedy="copy it again")
    assert str(fault) == "1.mat: no key 'de_1'; expected de_1 to de_80. Copy it again"
    assert (fault.file, fault.expected) == ("1.mat", "de_1 to de_80")


def test_an_unknown_name_offers_the_nearest_or_all():
    assert (
        str(UnknownNameError("model", "meat", ["maet", "zebra"]))
        == "unknown model 'meat'; did you mean 'maet'?"
    )
    assert str(UnknownNameError("model", "q", ["maet", "b"])) == "unknown model 'q'; known: b, maet"


def test_a_missing_package_prints_the_pip_line():
    assert "pip install pykalman" in str(MissingPackageError("pykalman", "the benchmark"))


@pytest.mark.parametrize("kind", [InputError, UnknownNameError, MissingPackageError])
def test_one_base_catches_them_all(kind):
    assert issubclass(kind, MienError)


def test_an_unknown_name_is_a_key_error_too():
    with pytest.raises(KeyError, match="unknown model 'x'"):
        raise UnknownNameError("model", "x", ["a"])
