"""What the command line shows in a terminal: progress, tables, warnings."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

OUT = Console(soft_wrap=True)
ERR = Console(stderr=True, soft_wrap=True)


def show_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    if category.__module__.startswith("mien"):
        ERR.print(f"mien: {message}", style="yellow", markup=False, highlight=False)


@contextmanager
def bars(quiet: bool = False) -> Iterator[Callable[[str, int, int, str], None]]:
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
    with Progress(*columns, console=ERR, transient=False) as shown_bars:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int, text: str) -> None:
            if not total:
                return
            if stage not in tasks:
                tasks[stage] = shown_bars.add_task(stage, total=total, text="")
            shown = text if len(text) < 50 else text[:47] + "..."
            shown_bars.update(tasks[stage], completed=done, total=total, text=shown if done < total else "")

        yield tell


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def print_inspection(found: Any, markers: dict[str, Any]) -> None:
    from mien.run.clocks import marker_rows

    for rows in (found.found, found.sessions, marker_rows(markers)):
        if rows:
            print_table([c.replace("_", " ") for c in rows[0]], [list(row.values()) for row in rows])
    counts = [[what.replace("_", " "), here, expected] for what, (here, expected) in found.counts.items()]
    print_table(["", "found", "expected"], counts)
    for one in markers.values():
        for device in one["devices"]:
            if device["refused"]:
                say(f"not aligned: {device['refused']}")
    for note in found.notes:
        say(f"note: {note}")
    for fault in found.faults:
        where = " ".join(str(p) for p in (fault.file, fault.item) if p)
        say(f"{fault.severity}: {where}: {fault.reason}")
    say("no faults" if not found.faults else f"{len(found.faults)} faults")


def say(text: str) -> None:
    OUT.print(text, markup=False, highlight=False)


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as they need to be, numbers to the right; nothing is cut off."""
    cells = [[_cell(v) for v in row] for row in rows]
    numeric = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(header))]
    widths = [
        max(len(header[i]), *(len(row[i]) for row in cells)) if cells else len(header[i])
        for i in range(len(header))
    ]
    for number, row in enumerate([list(header), *cells]):
        line = "  ".join(
            text.rjust(w) if right else text.ljust(w)
            for text, w, right in zip(row, widths, numeric, strict=True)
        )
        OUT.print(line.rstrip(), style="bold" if number == 0 else None, markup=False, highlight=False)
    say("")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() or abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def print_summary(folder: Path) -> None:
    """A small table of a run's main scores, the audit's verdict and where the report lies."""
    content = json.loads((folder / "report.json").read_bytes())
    rows = [r for r in content["results"] if r["level"] != "window" and "extra" not in r]
    main = next((r["controls"]["permuted"]["metric"] for r in rows), "accuracy")  # the oracle's score, too
    print_table(
        ["protocol", "scaled by", "model", "streams", main, "95 % interval", "chance", "oracle"],
        [
            [
                r["protocol"],
                r["normalise"],
                r["model"],
                " + ".join(r["modalities"]),
                f"{r['metrics'][main]['value']:.3f}",
                f"{r['metrics'][main]['low']:.3f} to {r['metrics'][main]['high']:.3f}",
                f"{r['chance']['uniform']:.3f}",
                "-" if r["oracle"] is None else f"{r['oracle']['value']:.3f}",
            ]
            for r in rows
        ],
    )
    say(f"audit: {content['audit']['verdict']}")
    say(f"report: {folder / 'report.html'}")
