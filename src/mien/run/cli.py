"""The command line: ``mien``. Exit code 0: fine, 1: found something, 2: could not run."""

from __future__ import annotations

import json as json_module
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mien.core import MienError

app = typer.Typer(
    name="mien",
    help="Recognise emotion from EEG, face, physiology and eye movements, with the proof that nothing leaks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_out = Console(soft_wrap=True)
_err = Console(stderr=True, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default one per core.")]


def main() -> None:
    """Entry point: one clear line and exit code 2 instead of a traceback for what a user can put right."""
    warnings.showwarning = _show_warning
    try:
        app(standalone_mode=False)
    except MienError as fault:
        _err.print(f"mien: {fault}", style="red", markup=False, highlight=False)
        sys.exit(2)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _err.print("mien: stopped; the same command goes on from here", markup=False)
        sys.exit(2)
    except typer._click.exceptions.ClickException as fault:  # wrong options
        fault.show()
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        _err.print(f"mien: {where}{fault.strerror or fault}", style="red", markup=False, highlight=False)
        sys.exit(2)


def _show_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    if category.__module__.startswith("mien"):
        _err.print(f"mien: {message}", style="yellow", markup=False, highlight=False)


@contextmanager
def _bars(quiet: bool = False) -> Iterator[Callable[[str, int, int, str], None]]:
    """Progress bars, one for each stage; nothing where the output is read by a program."""
    if quiet:
        yield lambda *_: None
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", style="dim"),
    )
    with Progress(*columns, console=_err, transient=False) as bars:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int, text: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, text="")
            shown = text if len(text) < 50 else text[:47] + "..."
            bars.update(tasks[stage], completed=done, total=total, text=shown if done < total else "")

        yield tell


def _print_json(value: Any) -> None:
    sys.stdout.write(json_module.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


@app.command()
def demo(
    only: Annotated[str | None, typer.Option(help="Only this system.")] = None,
    size: Annotated[str, typer.Option(help="small or default.")] = "default",
    out: Annotated[Path, typer.Option(help="Folder for the made-up data and the runs.")] = Path("mien-demo"),
    workers: Workers = None,
) -> None:
    """The main job on made-up data: simulate, read, features, train, evaluate, report."""
    from mien.run.demo import demo as run_demo

    with _bars() as tell:
        runs = run_demo(out, only=only, size=size, workers=workers, progress=tell)
    for run in runs:
        _summary(run)


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Data set, for example seed_vii.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")],
    subjects: Annotated[int | None, typer.Option(min=1, help="How many people.")] = None,
    clips: Annotated[int | None, typer.Option(help="How many clips: 28, 56 or 80.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Mean length of a clip.")] = None,
    effect: Annotated[float | None, typer.Option(help="Strength of emotion; 0 is none, 1 the default.")] = None,
    kinds: Annotated[str | None, typer.Option(help="What to write, separated by commas; default everything.")] = None,
    workers: Workers = None,
) -> None:
    """Write a made-up copy of a data set in its real layout, with the truth in truth.json."""
    from mien import simulate as simulation

    given = {
        "subjects": subjects,
        "clips": clips,
        "seconds": seconds,
        "effect": effect,
        "kinds": tuple(k.strip() for k in kinds.split(",")) if kinds else None,
    }
    options = {k: v for k, v in given.items() if v is not None}
    with _bars() as tell:
        made = simulation.simulate(
            name,
            out,
            seed=seed,
            workers=workers or os.cpu_count() or 1,
            progress=lambda done, total, text: tell("simulating", done, total, text),
            **options,
        )
    _out.print(f"made-up data in {made}", markup=False, highlight=False)


@app.command()
def inspect(
    name: Annotated[str, typer.Argument(help="Data set, for example seed_vii.")],
    root: Annotated[Path, typer.Argument(help="Folder that holds it.")],
    json: Json = False,
) -> None:
    """What is there, counts against the data set's card, and every fault with file and reason.

    Exit code 1 if there are faults.
    """
    from mien import datasets

    with _bars(quiet=json) as tell:
        found = datasets.inspect(
            name, root, progress=lambda done, total, text: tell("reading", done, total, text)
        )
    if json:
        _print_json(found.to_dict())
    else:
        _print_inspection(found)
    raise typer.Exit(0 if found.ok else 1)


def _print_inspection(found: Any) -> None:
    if found.found:
        table = Table(box=None, header_style="bold")
        for column in found.found[0]:
            table.add_column(str(column).replace("_", " "))
        for row in found.found:
            table.add_row(*(str(v) if v is not None else "-" for v in row.values()))
        _out.print(table)
    counts = Table(box=None, header_style="bold")
    for column in ("", "found", "expected"):
        counts.add_column(column)
    for what, (here, expected) in found.counts.items():
        counts.add_row(what.replace("_", " "), f"{here:g}", "-" if expected is None else f"{expected:g}")
    _out.print(counts)
    for note in found.notes:
        _out.print(f"note: {note}", markup=False, highlight=False)
    for fault in found.faults:
        where = " ".join(str(p) for p in (fault.file, fault.item) if p)
        _out.print(f"{fault.severity}: {where}: {fault.reason}", markup=False, highlight=False)
    _out.print("no faults" if not found.faults else f"{len(found.faults)} faults", highlight=False)


@app.command()
def features(
    name: Annotated[str, typer.Argument(help="Data set, for example seed_vii.")],
    root: Annotated[Path, typer.Argument(help="Folder that holds it.")],
    out: Annotated[Path, typer.Option(help="Folder for the feature files.")],
    feature: Annotated[list[str], typer.Option("--feature", help="Feature as stream=name, repeatable.")] = ["eeg=de_lds"],  # noqa: B006
    recipe: Annotated[str, typer.Option(help="corrected or released.")] = "corrected",
    compare: Annotated[bool, typer.Option("--compare", help="Also compare EEG features with the shipped ones.")] = False,
    store: Annotated[Path | None, typer.Option(help="Feature store; default OUT/store.")] = None,
    workers: Workers = None,
) -> None:
    """Extract features without a study: one .npz per subject, and a table of windows."""
    from mien.run.feature_files import write_features

    with _bars() as tell:
        made = write_features(
            name, root, out, wanted=feature, recipe=recipe, compare=compare, store=store,
            workers=workers or os.cpu_count() or 1, progress=tell,
        )  # fmt: skip
    for line in made:
        _out.print(line, markup=False, highlight=False)


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="Study file (TOML).")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value over the file, for example seeds=[0].")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default: the study file's name without .toml.")] = None,
    store: Annotated[Path | None, typer.Option(help="Feature store; default mien-store beside the run folder.")] = None,
    workers: Workers = None,
) -> None:
    """Run a study. The same command after an interruption goes on where it stopped."""
    from mien.run.pipeline import study as run_study

    folder = out if out is not None else study.with_suffix("")
    with _bars() as tell:
        made = run_study(study, folder, overrides=overrides or (), store=store, workers=workers, progress=tell)
    _summary(made)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; the first one's report compares it with the others.")],
    json: Json = False,
) -> None:
    """Make report.html and report.json again from run folders."""
    from mien import report as reporting

    page = reporting.write_report(*runs)
    if json:
        _print_json(json_module.loads((Path(runs[0]) / "report.json").read_bytes()))
    else:
        _summary(Path(runs[0]))
    assert page.exists()


@app.command()
def audit(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    json: Json = False,
) -> None:
    """The leakage audit of a run. Exit code 1 if something leaks."""
    from mien.run.pipeline import audit_run

    found = audit_run(run)
    if json:
        _print_json(found)
    else:
        _out.print(f"verdict: {found['verdict']}", highlight=False)
        for finding in found["findings"]:
            text = f"{finding['severity']}: {finding['kind']} in {finding['where']}: {finding['evidence']}"
            _out.print(text, markup=False, highlight=False)
        for protocol, words in found["proven"].items():
            _out.print(f"{protocol}: kept out of training: {', '.join(words) or 'nothing'}", highlight=False)
    raise typer.Exit(0 if found["verdict"] == "clean" else 1)


@app.command()
def predict(
    recording: Annotated[Path, typer.Argument(help="Folder in the layout of the data set the model was trained on.")],
    run: Annotated[Path, typer.Option("--run", help="Run folder with a trained model.")],
    out: Annotated[Path | None, typer.Option(help="CSV file for the windows' probabilities.")] = None,
    json: Json = False,
) -> None:
    """Apply a run's model to a new recording: class probabilities window by window and by trial."""
    from mien.run.predict import predict_recording

    result = predict_recording(recording, run=run, out=out)
    if json:
        _print_json(result)
        return
    for line in result["notes"]:
        _err.print(f"note: {line}", markup=False, highlight=False)
    table = Table(box=None, header_style="bold")
    for column in ("trial", "streams", "windows", "most probable", "probability"):
        table.add_column(column)
    for row in result["trials"]:
        table.add_row(row["trial"], row["modalities"], str(row["n_windows"]), row["class"], f"{row['probability']:.2f}")
    _out.print(table)
    if out is not None:
        _out.print(f"windows in {out}", markup=False, highlight=False)


def _summary(folder: Path) -> None:
    """A small table of a run's main scores, the audit's verdict and where the report lies."""
    content = json_module.loads((folder / "report.json").read_bytes())
    rows = [r for r in content["results"] if r["level"] != "window" and "extra" not in r]
    table = Table(box=None, header_style="bold", title_justify="left")
    for column in ("protocol", "scaled by", "model", "streams", "accuracy", "95 % interval", "chance", "oracle"):
        table.add_column(column)
    for r in rows:
        score, oracle = r["metrics"]["accuracy"], r["oracle"]
        table.add_row(
            r["protocol"],
            r["normalise"],
            r["model"],
            " + ".join(r["modalities"]),
            f"{score['value']:.3f}",
            f"{score['low']:.3f} to {score['high']:.3f}",
            f"{r['chance']['uniform']:.3f}",
            "-" if oracle is None else f"{oracle['value']:.3f}",
        )
    _out.print(table)
    _out.print(f"audit: {content['audit']['verdict']}", highlight=False)
    _out.print(f"report: {folder / 'report.html'}", markup=False, highlight=False)
