"""The command line: ``mien``. Exit code 0: fine, 1: found something, 2: could not run."""

from __future__ import annotations

import json as json_module
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.core import InputError, MienError
from mien.run.terminal import (
    ERR,
    bars,
    print_inspection,
    print_json,
    print_summary,
    print_table,
    say,
    show_warning,
)

app = typer.Typer(
    name="mien",
    help="Recognise emotion from EEG, face, physiology and eye movements, with the proof that nothing leaks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_WrongCall: type[Exception] = typer.BadParameter.__mro__[2]  # ClickException, wherever typer takes it from

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Steps = Annotated[
    Path | None, typer.Option(help="TOML file with the steps of cleaning, as under [clean] in a study.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default one per core.")]


def main() -> None:
    """Entry point: one clear line and exit code 2 instead of a traceback for what a user can put right."""
    warnings.showwarning = show_warning
    try:
        code = app(standalone_mode=False)  # the code of a typer.Exit is returned, not raised
    except MienError as fault:
        ERR.print(f"mien: {fault}", style="red", markup=False, highlight=False)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        ERR.print("mien: stopped; the same command goes on from here", markup=False)
        sys.exit(2)
    except _WrongCall as fault:
        fault.show()  # type: ignore[attr-defined]
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        ERR.print(f"mien: {where}{fault.strerror or fault}", style="red", markup=False, highlight=False)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


@app.command()
def demo(
    only: Annotated[str | None, typer.Option(help="Only this system.")] = None,
    size: Annotated[str, typer.Option(help="small or default.")] = "default",
    out: Annotated[Path, typer.Option(help="Folder for the made-up data and the runs.")] = Path("mien-demo"),
    workers: Workers = None,
) -> None:
    """The main job on made-up data: simulate, read, features, train, evaluate, report."""
    from mien.run.demo import demo as run_demo

    with bars() as tell:
        runs = run_demo(out, only=only, size=size, workers=workers, progress=tell)
    for run in runs:
        print_summary(run)


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Data set, for example seed_vii.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")],
    subjects: Annotated[int | None, typer.Option(min=1, help="How many people.")] = None,
    clips: Annotated[int | None, typer.Option(help="How many clips everybody sees.")] = None,
    trials: Annotated[int | None, typer.Option(help="How many trials everybody has (deap).")] = None,
    video_subjects: Annotated[int | None, typer.Option(help="How many people are filmed (deap).")] = None,
    seconds: Annotated[float | None, typer.Option(help="Mean length of a clip.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Samples per second of the EEG, where it can be chosen.")
    ] = None,
    effect: Annotated[
        float | None, typer.Option(help="Strength of emotion; 0 is none, 1 the default.")
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(help="What to write, separated by commas; a wrong one lists them."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", help="Any other option of the data set, as key=value; a wrong one lists them."
        ),
    ] = None,
    workers: Workers = None,
) -> None:
    """Write a made-up copy of a data set in its real layout, with the truth in truth.json."""
    from mien import simulate as simulation
    from mien.run.options import parsed_options

    given = {
        "subjects": subjects,
        "clips": clips,
        "trials": trials,
        "video_subjects": video_subjects,
        "seconds": seconds,
        "rate": rate,
        "effect": effect,
        "kinds": tuple(k.strip() for text in kinds for k in text.split(",")) if kinds else None,
    }
    options = {k: v for k, v in given.items() if v is not None}
    types = {
        k: t for k, t in simulation.option_types(name).items() if k not in {"workers", "progress", *options}
    }
    options |= parsed_options(option or (), types, what=f"simulate {name!r}")
    with bars() as tell:
        made = simulation.simulate(
            name,
            out,
            seed=seed,
            workers=workers or os.cpu_count() or 1,
            progress=lambda done, total, text: tell("simulating", done, total, text),
            **options,
        )
    say(f"made-up data in {made}")


@app.command()
def inspect(
    name: Annotated[str, typer.Argument(help="Data set, for example seed_vii.")],
    root: Annotated[Path, typer.Argument(help="Folder that holds it.")],
    json: Json = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Only print which pseudonym is who; to a terminal, never a file.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for a page of statistics of the coded events and the clocks.")
    ] = None,
) -> None:
    """What is there, counts against the data set's card, and every fault with file and reason.

    Exit code 1 if there are faults.
    """
    from mien import datasets
    from mien.report.statistics import write_statistics
    from mien.run.clocks import markers_to_json

    if reveal:
        _reveal(name, root, json=json)
        return
    with bars(quiet=json) as tell:
        found = datasets.inspect(
            name, root, progress=lambda done, total, text: tell("reading", done, total, text)
        )
    recordings = _raw(name, root) if found.sessions else []
    markers = markers_to_json(recordings)
    if json:
        print_json(found.to_dict() | {"clocks": _clocks(recordings), "markers": markers})
    else:
        print_inspection(found, markers)
    if out is not None:
        page = write_statistics(
            out,
            found.events,
            dataset=found.dataset,
            simulated=(root / "truth.json").exists(),
            markers=markers,
        )
        ERR.print(f"statistics: {page}", markup=False, highlight=False)
    raise typer.Exit(0 if found.ok else 1)


def _reveal(name: str, root: Path, *, json: bool) -> None:
    """Print who is who; refused where the output would stay."""
    from mien import datasets

    if json or not sys.stdout.isatty():
        raise InputError(
            "--reveal prints people's names, and its output is not a terminal",
            remedy="run it in a terminal, without --json, | or >",
        )
    print_table(["pseudonym", "name"], list(datasets.reveal(name, root).items()))


def _raw(name: str, root: Path) -> list[Any]:
    """Raw recordings, each device on its own clock; reads headers and triggers only."""
    from mien import datasets
    from mien.run.loading import raw_option

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the inspection lists the faults
        try:
            return datasets.load(name, root, **raw_option(name))
        except MienError:
            return []


def _clocks(recordings: Sequence[Any]) -> dict[str, Any]:
    """How the clocks of raw recordings fit one another."""
    from mien.run.clocks import align_all, clocks_to_json

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a device that is refused says so beside its markers
        return clocks_to_json(align_all(recordings)[0])


@app.command()
def features(
    name: Annotated[str, typer.Argument(help="Data set, for example seed_vii.")],
    root: Annotated[Path, typer.Argument(help="Folder that holds it.")],
    out: Annotated[Path, typer.Option(help="Folder for the feature files.")],
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", help="Feature as stream=name, repeatable; default eeg=de_lds."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="corrected or released.")] = "corrected",
    compare: Annotated[
        bool, typer.Option("--compare", help="Also compare EEG features with the shipped ones.")
    ] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Clean raw EEG first.")] = False,
    steps: Steps = None,
    events: Annotated[
        bool, typer.Option("--events", help="Of coded events (micro-expressions) in place of whole trials.")
    ] = False,
    store: Annotated[Path | None, typer.Option(help="Feature store; default OUT/store.")] = None,
    workers: Workers = None,
) -> None:
    """Extract features without a study: one .npz per subject, and a table of windows.

    Clips and files that cannot be used are named and left out; the exit code is 1 then.
    """
    from mien.run.feature_files import write_features

    if steps is not None and not clean:
        raise InputError("--steps was given without --clean", remedy="add --clean")
    with bars() as tell:
        made = write_features(
            name, root, out, wanted=feature or ["eeg=de_lds"], recipe=recipe, compare=compare, store=store,
            clean=_steps(steps) if clean else None, events=events, workers=workers or os.cpu_count() or 1,
            progress=tell,
        )  # fmt: skip
    for line in made["written"]:
        say(line)
    for fault in made["faults"]:
        ERR.print(f"left out: {fault}", style="yellow", markup=False, highlight=False)
    raise typer.Exit(1 if made["faults"] else 0)


@app.command()
def clean(
    name: Annotated[str, typer.Argument(help="Data set, for example seed_vii.")],
    root: Annotated[Path, typer.Argument(help="Folder that holds its raw recordings.")],
    out: Annotated[Path, typer.Option(help="Folder for cleaned recordings and their pages.")],
    steps: Steps = None,
    subjects: Annotated[str | None, typer.Option(help="Only these, separated by commas.")] = None,
    store: Annotated[Path | None, typer.Option(help="Store to keep them in; default OUT/store.")] = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Clean raw EEG: one .npy and one page per recording. The same command goes on where it stopped.

    Recordings that cannot be cleaned are named and left out; the exit code is 1 then.
    """
    from mien.run.clean_files import write_cleaned

    with bars(quiet=json) as tell:
        made = write_cleaned(
            name, root, out, steps=_steps(steps), store=store, workers=workers or os.cpu_count() or 1,
            subjects=None if subjects is None else [s.strip() for s in subjects.split(",")], progress=tell,
        )  # fmt: skip
    if json:
        print_json(made)
    else:
        for fault in made["faults"]:
            ERR.print(f"left out: {fault}", style="yellow", markup=False, highlight=False)
        rows = made["recordings"].items()
        print_table(
            ["recording", "minutes", "bad channels", "components removed", "seconds of bursts", "notes"],
            [
                [
                    n, r["seconds"] / 60, len(r["bad"]), f"{r['removed']} of {r['components']}",
                    r["burst_seconds"], len(r["notes"]),
                ]
                for n, r in rows
            ],
        )  # fmt: skip
        say(f"cleaned recordings and a page for each in {out}")
    raise typer.Exit(1 if made["faults"] else 0)


def _steps(file: Path | None) -> Any:
    from mien.run.study_file import load_steps
    from mien.signal.cleaning import DEFAULT

    return DEFAULT if file is None else load_steps(file)


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="Study file (TOML).")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value over the file, for example seeds=[0].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; default: the study file's name without .toml.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Feature store; default mien-store beside the run folder.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Run a study, or every variant of one. The same command after an interruption goes on where it
    stopped."""
    from mien.run.pipeline import study as run_study
    from mien.run.variants import run_variants, variants_of

    folder = out if out is not None else study.with_suffix("")
    if variants_of(study):
        with bars() as tell:
            found = run_variants(
                study, folder, overrides=overrides or (), store=store, workers=workers, progress=tell
            )
        for name, path in found.items():
            say(f"\n{name}")
            print_summary(path)
        return
    with bars() as tell:
        made = run_study(
            study, folder, overrides=overrides or (), store=store, workers=workers, progress=tell
        )
    print_summary(made)


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders; the first one's report compares it with the others.")
    ],
    json: Json = False,
) -> None:
    """Make report.html and report.json again from run folders."""
    from mien import report as reporting

    page = reporting.write_report(*runs)
    if json:
        print_json(json_module.loads((Path(runs[0]) / "report.json").read_bytes()))
    else:
        print_summary(Path(runs[0]))
    assert page.exists()


@app.command()
def audit(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    json: Json = False,
) -> None:
    """The leakage audit of a run. Exit code 1 if something leaks."""
    from mien.run.audit import audit_run

    found = audit_run(run)
    if json:
        print_json(found)
    else:
        say(f"verdict: {found['verdict']}")
        for finding in found["findings"]:
            text = f"{finding['severity']}: {finding['kind']} in {finding['where']}: {finding['evidence']}"
            say(text)
        for protocol, words in found["proven"].items():
            say(f"{protocol}: kept out of training: {', '.join(words) or 'nothing'}")
    raise typer.Exit(0 if found["verdict"] == "clean" else 1)


@app.command()
def predict(
    recording: Annotated[
        Path,
        typer.Argument(
            help="Folder in the layout of the data set the model was trained on, or an EEG recording "
            "(.edf, .bdf, .cnt)."
        ),
    ],
    run: Annotated[Path, typer.Option("--run", help="Run folder with a trained model.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="CSV file for the windows' probabilities. A recording also gets a page beside it; default "
            "NAME_timeline.csv here."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Apply a run's model to a new recording: class probabilities window by window and by trial.

    Clips and files that cannot be used are named and left out; the exit code is 1 then.
    """
    from mien.run.predict import predict_recording
    from mien.run.recording import is_recording

    page = None
    if is_recording(recording):
        out = out or Path(f"{recording.stem}_timeline.csv")
        page = out.with_suffix(".html")
        if page == out:
            raise InputError(
                f"--out is {out}", expected="a CSV file; the page is written beside it as *.html"
            )
    result = predict_recording(recording, run=run, out=out, page=page)
    code = 1 if result["faults"] else 0
    if json:
        print_json(result)
        raise typer.Exit(code)
    for fault in result["faults"]:
        text = f"left out: {fault['what']} {fault['id']}: {fault['reason']}"
        ERR.print(text, style="yellow", markup=False, highlight=False)
    for line in result.get("warnings", ()):
        ERR.print(f"warning: {line}", style="yellow", markup=False, highlight=False)
    for line in result["notes"]:
        ERR.print(f"note: {line}", markup=False, highlight=False)
    print_table(
        ["trial", "streams", "windows", "most probable", "probability"],
        [
            [r["trial"], r["modalities"], r["n_windows"], r["class"], f"{r['probability']:.2f}"]
            for r in result["trials"]
        ],
    )
    if out is not None:
        say(f"windows in {out}")
    if page is not None:
        say(f"timeline: {page}")
    raise typer.Exit(code)
