"""What the documents show works: study files, Python blocks, commands, examples of what to add."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import shlex
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from mien import core, datasets, features, models, protocols
from mien.core import Sample, Split
from mien.run import cli, config, study_file, toml_text
from mien.train import TrainConfig

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language, in order."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


STUDIES = [(page.name, text) for page in PAGES for text in blocks(page, "toml")]


@pytest.mark.parametrize(("page", "text"), STUDIES, ids=[f"{p}-{i}" for i, (p, _) in enumerate(STUDIES)])
def test_every_study_in_the_documents_can_be_loaded(tmp_path: Path, page: str, text: str):
    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    variants = tomllib.loads(text).get("variants", {})
    for changes in variants.values():
        assert study_file.load_study(file, changes=changes)
    study = study_file.load_study(file, changes={} if variants else None)
    again = study_file.load_study(tomllib.loads(toml_text.to_toml(study)))
    assert again == study


def documented_keys() -> dict[str, str]:
    """Key of a study file to its default as the document writes it."""
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, re.MULTILINE)
    assert len({key for key, _ in rows}) == len(rows)
    return dict(rows)


def real_keys() -> dict[str, Any]:
    """Key of a study file to its default in the code; ``...`` where there is none."""
    found: dict[str, Any] = {}

    def add(model: type[BaseModel], prefix: str) -> None:
        for name, field in model.model_fields.items():
            found[prefix + name] = (
                ... if field.is_required() else field.get_default(call_default_factory=True)
            )

    add(config.Study, "")
    parts = {
        "data": config.DataPart,
        "clean": config.CleanPart,
        "features": config.FeaturePart,
        "samples": config.SamplesPart,
        "policy": config.PolicyPart,
        "selection": config.SelectionPart,
        "model": config.ModelPart,
        "protocol": config.ProtocolPart,
        "controls": config.ControlPart,
        "association": config.AssociationPart,
        "report": config.ReportPart,
    }
    for name, part in parts.items():
        del found[name]
        add(part, "features.eeg." if name == "features" else f"{name}.")
    del found["train"]
    found |= {
        f"train.{f.name}": f.default
        for f in dataclasses.fields(TrainConfig)
        if f.name not in ("seed", "threads")
    }
    return found


def test_every_key_of_a_study_is_documented_with_its_default():
    written, real = documented_keys(), real_keys()
    assert set(written) == set(real)
    words = {"required": ..., "none": None}
    for key, text in written.items():
        value = words[text] if text in words else tomllib.loads(f"x = {text.strip('`')}")["x"]
        assert (tuple(value) if isinstance(value, list) else value) == real[key], key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_tutorial_runs(folder: Path):
    names: dict[str, Any] = {}
    for block in blocks(ROOT / "docs" / "tutorial_python.md", "python"):
        exec(compile(block, "tutorial_python.md", "exec"), names)
    assert names["report"].verdict == "leaks"


def run_command(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main() sets it
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.timeout(300)
def test_the_first_study_runs(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # one process: starting more takes longer than the work
    page = ROOT / "docs" / "tutorial_first_study.md"
    (study,) = blocks(page, "toml")
    assert study.startswith("# first.toml\n")
    (folder / "first.toml").write_text(study, encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == [
        "simulate", "inspect", "run", "audit", "run", "report", "simulate", "predict",
    ]  # fmt: skip
    for line in lines:
        assert run_command(line, monkeypatch) == 0, line
    assert (folder / "second" / "report.html").exists()
    rows = (folder / "probabilities.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("trial,subject,start,duration,modalities,disgust")
    assert {row.split(",")[4] for row in rows[1:]} == {"eeg"}


@pytest.mark.timeout(300)
def test_raw_recordings_become_a_report(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # one process: starting more takes longer than the work
    page = ROOT / "docs" / "tutorial_raw.md"
    for language, name in (("text", "steps.toml"), ("toml", "study.toml")):
        (text,) = blocks(page, language)
        assert text.startswith(f"# {name}\n")
        (folder / name).write_text(text, encoding="utf-8")
    assert study_file.load_steps("steps.toml") == study_file.load_study("study.toml").clean.parsed
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == ["simulate", "inspect", "clean", "run", "audit"]
    for line in lines:
        assert run_command(line, monkeypatch) == 0, line
    kept = list((folder / "cleaned" / "store").glob("entries/*/*/cleaned.npy"))
    assert len(kept) == len(list((folder / "cleaned").glob("*.npy"))) == 4  # the run cleaned nothing again
    for part in ("clocks.json", "cleaning/cleaning.json", "cleaning/sub-1_ses-3.html", "report.html"):
        assert (folder / "result" / part).exists()
    audit = json.loads((folder / "result" / "audit.json").read_bytes())
    (said,) = [f for f in audit["findings"] if f["kind"] == "reach" and "cleaning" in f["evidence"]]
    assert said["severity"] == "caution"


@pytest.mark.timeout(300)
def test_faces_and_eeg_become_a_report(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # one process: starting more takes longer than the work
    tutorial = ROOT / "docs" / "tutorial_micro.md"
    (study,) = blocks(tutorial, "toml")
    assert study.startswith("# study.toml\n")
    (folder / "study.toml").write_text(study, encoding="utf-8")
    lines = [line for block in blocks(tutorial, "sh") for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == ["simulate", "inspect", "run", "run", "report", "predict"]
    for line in lines:
        assert run_command(line, monkeypatch) == 0, line
    rows = json.loads((folder / "micro3" / "report.json").read_bytes())["results"]
    assert {r["level"] for r in rows} == {"event"}
    assert {"+".join(r["modalities"]) for r in rows} == {"eeg+me", "eeg", "me"}
    page = (folder / "micro3" / "report.html").read_text(encoding="utf-8")
    assert "Table 4" in page
    assert "7 classes" in page


@pytest.mark.slow
def test_the_page_on_effect_zero_tells_what_comes_out(folder: Path, monkeypatch: pytest.MonkeyPatch):
    page = ROOT / "docs" / "effect_zero.md"
    (study,) = blocks(page, "toml")
    (folder / "trap.toml").write_text(study, encoding="utf-8")
    for block in blocks(page, "sh"):
        assert run_command(block, monkeypatch) == 0
    table = re.findall(r"^\| `(\w+)` \| .+? \| (0\.\d+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    rows = json.loads((folder / "trap" / "report.json").read_bytes())["results"]
    found = {
        r["protocol"]: r["metrics"]["accuracy"]["value"]
        for r in rows
        if r["level"] == "trial" and "extra" not in r
    }
    assert set(found) == {name for name, _ in table} == {"loso_stimulus", "loso", "random_window"}
    for name, written in table:
        # two decimals, and a trial of 224 or two that another BLAS decides otherwise
        assert found[name] == pytest.approx(float(written), abs=0.005 + 2 / 224)


def test_the_glossary_has_the_names_of_types_and_fields():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text))
    modules = {f"mien.core.{name}" for name in ("frames", "results", "samples", "span", "types")}
    types = {name for name, t in vars(core).items() if inspect.isclass(t) and t.__module__ in modules}
    fields = {f.name for t in (Sample, Split) for f in dataclasses.fields(t)}
    assert types | fields | {"Scope", "HELD_OUT"} <= named


def test_the_documented_model_is_the_model():
    from mien.simulate import _latent

    text = (ROOT / "docs" / "simulated_data.md").read_text(encoding="utf-8")
    for part, size in (("offset", _latent.OFFSET_SD), ("fingerprint", _latent.FINGERPRINT_SD)):
        assert re.search(rf"^\| `{part}` \|.*\| sd {size:g} \|$", text, re.MULTILINE)
    assert f"correlated by {_latent.NOISE_AR:g} from window to window" in text
    assert f"{100 * _latent.TARGET:g} %" in text
    assert (_latent.N_EEG, _latent.N_EYE) == (8, 6)
    assert "eight show in the EEG, six in pupils" in text


# -- the examples of CONTRIBUTING.md -------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The four examples, offered by a package of their own through entry points."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    pattern = r"^`src/mien/(\w+)/(\w+)\.py`(?:(?!`src/mien).)*?^```python\n(.*?)^```$"
    found = re.findall(pattern, text, re.DOTALL | re.MULTILINE)
    assert {kind for kind, _, _ in found} == {"datasets", "features", "models", "protocols"}
    points = ""
    for kind, name, code in found:
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        points += f"[mien.{kind}]\n{name} = {name}\n"
    info = tmp_path / "mien_examples-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mien-examples\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for _, name, _ in found:
        sys.modules.pop(name, None)


def test_the_example_feature_works(outside: None):
    assert "line_length" in features.names()
    signal = features.example("line_length")
    made = features.compute("line_length", signal, window_seconds=2.0)
    assert made.values.shape == (5, 2)
    expected = np.abs(np.diff(signal.data[1, 400:800])).sum()
    assert made.values[1, 1] == pytest.approx(expected, rel=1e-12)  # the same sum in another order
    assert made.starts.tolist() == [0, 2, 4, 6, 8]


def test_the_example_model_works(outside: None, tmp_path: Path):
    assert models.kind("nearest_mean") == "estimator"
    batch = models.example("nearest_mean")
    model = models.create("nearest_mean").fit(batch)
    probability = model.predict_proba(batch)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)  # float32
    assert (probability.argmax(axis=1) == batch.label).mean() > 0.7
    again = type(model).load(model.save(tmp_path / "kept"))
    np.testing.assert_array_equal(again.predict_proba(batch), probability)


def test_the_example_protocol_works(outside: None):
    samples = protocols.example("half")
    splits = list(protocols.create("half").splits(samples, seed=1))
    assert splits == list(protocols.create("half").splits(samples[::-1], seed=1))
    subject = {s.id: s.subject for s in samples}
    for split in splits:
        tested = {subject[i] for i in split.test}
        assert tested == set(split.held_out["subject"])
        assert not tested & {subject[i] for i in split.train + split.val}
    assert sorted(i for s in splits for i in s.test) == sorted(s.id for s in samples)


def test_the_example_data_set_works(outside: None, tmp_path: Path):
    root = datasets.example("one_file", tmp_path / "copy")
    (recording,) = datasets.load("one_file", root)
    signal = recording.streams["eeg"].read(recording.trials[1].span)
    np.testing.assert_array_equal(signal.data, np.load(root / "eeg.npy")[:, 1000:] * 1e-6)
    assert datasets.inspect("one_file", root).ok
    assert datasets.card("one_file").counts["trials"] == 2
    with pytest.raises(core.InputError, match=r"eeg\.npy: is not there"):
        datasets.load("one_file", tmp_path)
