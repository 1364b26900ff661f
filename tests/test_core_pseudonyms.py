"""Pseudonyms: stable under a key, a key that is made once, and texts without names."""

from __future__ import annotations

import os
import pickle
import re
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core import InputError, pseudonyms
from mien.core.pseudonyms import (
    PUBLIC_KEY,
    Veil,
    config_folder,
    existing_key,
    pseudonym,
    shown,
    user_key,
    veiled,
)

A, B = bytes(32), bytes([1] * 32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def test_a_pseudonym_follows_from_name_and_key() -> None:
    assert pseudonym("alpha", key=A) == pseudonym("alpha", key=A)
    assert len({pseudonym(n, key=k) for n in ("alpha", "bravo") for k in (A, B, PUBLIC_KEY)}) == 6
    assert re.fullmatch("p[0-9a-f]{6}", pseudonym("alpha", key=A))


def test_those_of_made_up_data_are_the_same_on_every_computer() -> None:
    assert pseudonym("alpha", key=PUBLIC_KEY) == "p953b61"


def test_names_never_share_a_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "_DIGITS", 1)
    names = [f"name{i}" for i in range(40)]
    found = pseudonyms.pseudonyms(names, key=A)
    assert len(set(found.values())) == 40
    assert {name: short[:2] for name, short in found.items()} == {
        name: pseudonym(name, key=A, digits=1) for name in names
    }
    assert pseudonyms.pseudonyms(reversed(names), key=A) == found


# --- the key -------------------------------------------------------------------------------------------


def test_the_key_is_made_once_for_the_user_only(folder: Path) -> None:
    assert existing_key() is None
    key = user_key()
    path = folder / "pseudonyms.key"
    assert path.read_bytes() == key == user_key() == existing_key()
    assert len(key) == 32
    assert os.listdir(folder) == ["pseudonyms.key"]
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600


def test_two_processes_that_make_it_at_once_agree(folder: Path) -> None:
    found: list[bytes] = []
    start = threading.Barrier(8)

    def make() -> None:
        start.wait()
        found.append(user_key())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert os.listdir(folder) == ["pseudonyms.key"]


def test_without_links_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    assert user_key() == user_key()
    assert os.listdir(folder) == ["pseudonyms.key"]


def test_a_key_that_is_none(folder: Path) -> None:
    folder.mkdir()
    (folder / "pseudonyms.key").write_bytes(b"short")
    with pytest.raises(
        InputError, match=r"pseudonyms\.key: holds 5 bytes; expected the key .*, 32 bytes\. Put back"
    ):
        user_key()


def test_a_folder_that_cannot_be_made(folder: Path) -> None:
    folder.write_text("in the way")
    with pytest.raises(
        InputError, match=r"cannot be read or made .*Name another folder for it in MIEN_CONFIG"
    ):
        user_key()
    assert existing_key() is None


def test_where_the_configuration_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    monkeypatch.setenv("MIEN_CONFIG", "/own")
    assert config_folder() == Path("/own")
    monkeypatch.delenv("MIEN_CONFIG")
    assert config_folder() == Path("/xdg/mien")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    assert config_folder() == tmp_path / ".config" / "mien"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert config_folder() == tmp_path / "Library" / "Application Support" / "mien"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", "/roaming")
    assert config_folder() == Path("/roaming/mien")


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("MIEN_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(
        InputError, match=r"no home folder\. Name a folder for the configuration in MIEN_CONFIG"
    ):
        config_folder()


# --- the veil ------------------------------------------------------------------------------------------

VEIL = Veil(names={"alpha": "p1", "al": "p2", "bravo": "p3"})


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (
            "/d/sad_alpha20230718_118_1.00_1.10_1.30/onset.png",
            "/d/sad_p120230718_118_1.00_1.10_1.30/onset.png",
        ),
        ("/d/alpha_20230718.set", "/d/p1_20230718.set"),
        ("Alpha and BRAVO, 'al'", "p1 and p3, 'p2'"),
        ("alphabet, Bravos, pal", "alphabet, Bravos, pal"),
        ("nobody", "nobody"),
    ],
)
def test_names_give_way_where_letters_do_not_go_on(text: str, hidden: str) -> None:
    assert VEIL.hide(text) == hidden
    assert VEIL.hide(Path("/x") / "alpha_1") == str(Path("/x") / "p1_1")


@given(
    st.lists(st.tuples(st.sampled_from(["alpha", "AL", "Bravo", "x", "12"]), st.sampled_from("_/ 3.-'\n")))
)
def test_no_name_is_left(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + end for word, end in parts)
    hidden = VEIL.hide(text)
    assert not re.search(r"(?<![a-z])(alpha|al|bravo)(?![a-z])", hidden, re.IGNORECASE)
    assert VEIL.hide(hidden) == hidden


def test_no_names_no_change() -> None:
    assert Veil().hide("alpha") == "alpha"


def test_errors_lose_their_names_and_keep_their_sense() -> None:
    with pytest.raises(InputError) as caught, VEIL.over():
        raise InputError("of alpha", file="/d/alpha.set", expected="bravo", remedy="ask al")
    assert str(caught.value) == "/d/p1.set: of p1; expected p3. Ask p2"
    assert caught.value.file == "/d/p1.set"
    assert caught.value.__cause__ is None
    with pytest.raises(InputError, match=r"/d/p1\.fdt: cannot be read \(No such file"), VEIL.over():
        Path("/d/alpha.fdt").read_bytes()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    there = tmp_path / "alpha.set"
    there.write_text("x")
    assert VEIL.readable([there]) == (there,)
    with pytest.raises(InputError, match=r"p3\.set: is not there any more"):
        VEIL.readable([there, tmp_path / "bravo.set"])


def test_a_veil_tells_nobody_and_travels() -> None:
    VEIL.hide("alpha")
    assert repr(VEIL) == "Veil(3 names)"
    assert pickle.loads(pickle.dumps(VEIL)).hide("alpha_") == "p1_"  # noqa: S301  our own bytes


class _Source:
    def __init__(self, veil: Veil | None) -> None:
        self.veil = veil


def test_sources_that_name_people_bring_their_veil() -> None:
    path = Path("/d/alpha.set")
    assert shown(path, _Source(VEIL)) == str(Path("/d/p1.set"))
    assert shown(path, _Source(None)) == shown(path, object()) == str(path)
    other = Veil(names={"charlie": "p4"})
    with pytest.raises(InputError, match=r"^p1 and p4$"), veiled([_Source(VEIL), object(), _Source(other)]):
        raise InputError("alpha and charlie")
    with pytest.raises(InputError, match=r"^alpha$"), veiled([object()]):
        raise InputError("alpha")
