"""Study files: what is refused, in which words, and that a written study reads back the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import tiny_study
from mien.core import InputError
from mien.run.study_file import load_study
from mien.run.toml_text import to_toml

SHORT = """
system = "maet"
seeds = [0, 1, 2]
[data]
name = "seed_vii"
root = "data/SEED-VII"
[features]
eeg = "de_lds"
eye = "shipped"
[model]
name = "maet"
modalities = [["eeg", "eye"], ["eeg"], ["eye"]]
[protocol]
names = ["loso", "loso_stimulus"]
normalise = ["train", "subject"]
"""
"""The example of the design."""


def write(folder: Path, text: str = SHORT) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_short_form_is_filled_with_the_stated_defaults(tmp_path: Path) -> None:
    study = load_study(write(tmp_path))
    assert study.seeds == (0, 1, 2)
    assert study.threads == 1
    assert study.features["eeg"].name == "de_lds"
    assert study.features["eeg"].recipe == study.model.recipe == "corrected"
    assert study.subsets == (("eeg", "eye"), ("eeg",), ("eye",))
    assert study.streams == ("eeg", "eye")
    assert study.selection.intensity_at_least is None
    assert study.train_config(seed=3).seed == 3


def test_all_streams_together_where_no_modalities_are_named(tmp_path: Path) -> None:
    text = SHORT.replace('modalities = [["eeg", "eye"], ["eeg"], ["eye"]]\n', "")
    assert load_study(write(tmp_path, text)).subsets == (("eeg", "eye"),)


def test_one_protocol_and_one_way_of_scaling_need_no_list(tmp_path: Path) -> None:
    study = load_study(write(tmp_path), ["protocol.names=loso", "protocol.normalise=subject"])
    assert study.protocol.names == ("loso",)
    assert study.protocol.normalise == ("subject",)


def test_names_may_be_written_with_hyphens_and_capitals(tmp_path: Path) -> None:
    study = load_study(
        write(tmp_path),
        ["data.name=SEED-VII", "model.name=MAET", "features.eeg=DE-LDS", 'protocol.names=["loso+stimulus"]'],
    )
    names = (study.data.name, study.model.name, study.features["eeg"].name, *study.protocol.names)
    assert names == ("seed_vii", "maet", "de_lds", "loso_stimulus")


def test_a_relative_root_is_relative_to_the_file_and_an_override_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    path = write(tmp_path / "studies")
    assert load_study(path).data.root == str(tmp_path / "studies" / "data" / "SEED-VII")
    assert load_study(path, ["data.root=here"]).data.root == str(tmp_path / "here")
    assert load_study(tiny_study("there")).data.root == str(tmp_path / "there")


def test_overrides_are_toml_and_bare_words_are_text(tmp_path: Path) -> None:
    study = load_study(
        write(tmp_path),
        [
            "seeds=[7]",
            "train.epochs=3",
            "controls.shuffled=false",
            "model.config.dropout=0.25",
            "label=emotion",
        ],
    )
    assert study.seeds == (7,)
    assert study.train == {"epochs": 3}
    assert not study.controls.shuffled
    assert study.model.config == {"dropout": 0.25}


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seed=[0]", r"unknown key 'seed' \(did you mean 'seeds'\?\)"),
        ("model.modality=[[1]]", r"unknown key 'model.modality' \(did you mean 'modalities'\?\)"),
        (
            'features.eeg={name="de", recipee="released"}',
            r"unknown key 'features.eeg.recipee' \(did you mean 'recipe'\?\)",
        ),
        ("data.name=seed_vi", "unknown data set 'seed_vi'; did you mean 'seed_vii'"),
        ("features.eeg=de_ldss", "unknown feature 'de_ldss'; did you mean 'de_lds'"),
        ("model.name=meat", "unknown model 'meat'; did you mean 'maet'"),
        ('baselines=["logistic"]', "unknown model 'logistic'; did you mean 'logistic_regression'"),
        ('protocol.names=["loso_stimuli"]', "unknown protocol 'loso_stimuli'; did you mean 'loso_stimulus'"),
        ("train.epoch=3", r"unknown key of \[train\] 'epoch'; did you mean 'epochs'"),
        ("train.epochs=many", "train.epochs: Input should be a valid integer"),
        ("train.epochs=0", r"epochs = 0 is not in \[1"),
        ("train.monitor=val_los", "train.monitor: Input should be 'val_loss', 'val_uar' or 'last'"),
        ("train.seed=3", "train.seed is set at the top of the study. Use seeds"),
        ("model.config.n_classes=3", "model.config.n_classes follows from the study"),
        ("seeds=[]", "seeds must be a list of different whole numbers"),
        ("seeds=[1, 1]", "seeds must be a list of different whole numbers"),
        ("seeds=[-1]", "seeds must be a list of different whole numbers"),
        ("seeds=one", "seeds: Input should be a valid tuple"),
        ("threads=0", "threads: Input should be greater than or equal to 1"),
        ("features={}", 'needs at least one stream, for example eeg = "de_lds"'),
        (
            'features.eeg={name="de", recipe="good"}',
            "features.eeg.recipe: Input should be 'corrected' or 'released'",
        ),
        ("model.modalities=eeg", "modalities must be a list of lists of stream names"),
        ("model.modalities=[1]", "modalities must be a list of lists of stream names"),
        ('model.modalities=[["face"]]', r"lists \['face'\]; \[features\] has eeg, eye"),
        ('model.modalities=[["eeg"], ["eeg"]]', "model.modalities names one thing twice"),
        ('protocol.names=["loso", "LOSO"]', "protocol.names names one thing twice"),
        ("protocol.names=[]", "protocol.names: Tuple should have at least 1 item"),
        ("protocol.normalise=test", "Input should be 'train' or 'subject'"),
        ("protocol.options.loto={}", "protocol.options.loto belongs to no protocol"),
        (
            "selection.intensity_at_least=strong",
            "selection.intensity_at_least: Input should be a valid number",
        ),
        ("data=1", "data: Input should be"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_file(tmp_path: Path, override: str, says: str) -> None:
    path = write(tmp_path)
    with pytest.raises(InputError, match=says) as error:
        load_study(path, [override])
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_all_faults_come_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'system' is missing; .*unknown key 'sytem' .*'system'"):
        load_study(write(tmp_path, SHORT.replace("system =", "sytem =")))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seeds", "expected key=value"),
        ("=3", "expected key=value"),
        ("system.name=x", "'system' is not a table"),
    ],
)
def test_a_malformed_override_is_named(tmp_path: Path, override: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_study(write(tmp_path), [override])


def test_files_that_are_no_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: no such file; expected a study file"):
        load_study(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_study(tmp_path)
    with pytest.raises(InputError, match=r"is not TOML: .*line 2"):
        load_study(write(tmp_path, 'system = "maet"\nseeds = = 1\n'))
    path = tmp_path / "latin.toml"
    path.write_bytes(b'system = "\xe9"')
    with pytest.raises(InputError, match=r"latin.toml: is not UTF-8 text"):
        load_study(path)


text = st.text(st.characters(codec="utf-8"), max_size=12)
plain = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), text)
values = st.recursive(
    plain, lambda x: st.lists(x, max_size=3) | st.dictionaries(text, x, max_size=3), max_leaves=6
)


@settings(max_examples=30, deadline=None)
@given(
    options=st.dictionaries(text, values, max_size=4),
    seeds=st.sets(st.integers(0, 2**31), min_size=1),
    root=text,
)
def test_a_written_study_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any], seeds: set[int], root: str
) -> None:
    plan = tiny_study(f"/r/{root}".rstrip("/"), seeds=sorted(seeds), data={"options": options})
    study = load_study(plan)
    path = tmp_path_factory.mktemp("written") / "study.toml"
    path.write_text(to_toml(study), encoding="utf-8")
    assert load_study(path) == study
    assert to_toml(load_study(path)) == to_toml(study)
