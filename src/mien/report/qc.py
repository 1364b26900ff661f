"""``qc.html``: what was done to one recording, from ``cleaning.json`` and ``cleaning.npz`` alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.report import qc_figures
from mien.report.blocks import Markup, count, definitions, figure, page, paragraph, prose, row, table, tag
from mien.report.rows import write_text

FOOTER = "Made by mien from `cleaning.json` and `cleaning.npz` alone."
_MOST_SHOWN = 16
"""Removed components that get a spectrum of their own."""
_NAMES = {
    "high_pass": "High-pass", "low_pass": "Low-pass", "notch": "Notch", "resample": "Resample",
    "bad_channels": "Bad channels", "interpolate": "Interpolate", "burst_repair": "Burst repair",
    "rereference": "Re-reference", "eye_regression": "Eye regression", "ica": "ICA",
}  # fmt: skip
_REASONS = {
    "dead": "dead or flat",
    "noisy": "amplitude far above the others'",
    "fast": "too much fast noise",
    "alone": "unlike its neighbours",
}
_NEEDED = ("channels", "steps", "rate", "rate_before", "seconds", "reference", "rank", "bad", "interpolated")


def write_qc(folder: str | Path, *, title: str = "", simulated: bool = False) -> Path:
    """Write the page of a cleaned recording.

    Parameters
    ----------
    folder
        Where ``cleaning.json`` and ``cleaning.npz`` lie, as ``Cleaned.save`` writes them.
    title
        What the recording is called; the folder's name by default.
    simulated
        Say on the page that the recording is made up.

    Returns
    -------
    Path
        ``folder/qc.html``: self-contained, no script, no network request.

    Raises
    ------
    InputError
        A file is missing or not what it should be.
    """
    folder = Path(folder)
    record, arrays = _read(folder)
    title = title or folder.resolve().name
    sections = [
        ("steps", "What was done", _steps(record)),
        ("spectra", "Spectra before and after", _spectra(record, arrays)),
        ("channels", "Channels", _channels(record, arrays)),
        ("components", "Components", _components(record, arrays)),
        ("repeat", "Versions, how to repeat", _repeat(record)),
    ]
    text = page(
        title=f"mien cleaning: {title}",
        header=_header(record, title, simulated=simulated),
        sections=sections,
        footer=FOOTER,
    )
    return write_text(folder / "qc.html", text)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    remedy = "clean the recording again and save what comes out"
    path = folder / "cleaning.json"
    try:
        record = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            "cannot be read", file=path, expected="the record of a cleaning", remedy=remedy
        ) from error
    except ValueError as error:
        raise InputError(f"is not JSON ({error})", file=path, remedy=remedy) from error
    missing = [key for key in _NEEDED if key not in record] if isinstance(record, dict) else list(_NEEDED)
    if missing:
        raise InputError(f"lacks {', '.join(missing)}", file=path, remedy=remedy)
    path = folder / "cleaning.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        raise InputError(
            "cannot be read", file=path, expected="the arrays of a cleaning", remedy=remedy
        ) from error
    lost = [
        n for n in ("frequency_raw", "density_raw", "frequency_cleaned", "density_cleaned") if n not in arrays
    ]
    if lost:
        raise InputError(f"lacks {', '.join(lost)}", file=path, remedy=remedy)
    return record, arrays


def _found(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [entry for entry in record["steps"] if entry["step"] == name]


# -- sections --------------------------------------------------------------------------------------------


def _header(record: Mapping[str, Any], title: str, *, simulated: bool) -> str:
    low, high = record.get("band_hz", (None, None))
    band = f"{low:g}-{high:g} Hz" if low and high else "an open band"
    lead = (
        f"{count(len(record['channels']), 'channel')}, {_duration(record['seconds'])} recorded at "
        f"{record['rate_before']:g} Hz; now {record['rate']:g} Hz, {band}, reference: {record['reference']}, "
        f"rank {record['rank']}."
    )
    banner = (
        '<div class="banner" role="note">Made-up data: this page says nothing about people.</div>'
        if simulated
        else ""
    )
    notes = [note for entry in record["steps"] for note in entry.get("notes", ())]
    listed = "".join(f"<li>{prose(note)}</li>" for note in notes)
    box = f'<div class="banner" role="note">Mind:<ul>{listed}</ul></div>' if notes else ""
    headline, sentence = _verdict(record)
    kind = "leaks" if len(record["bad"]) > 0.25 * len(record["channels"]) else "clean"
    return (
        f'<p class="kicker">mien cleaning · {escape(title)}</p>\n<h1>Cleaning of {escape(title)}</h1>\n'
        f'<p class="lead">{prose(lead)}</p>\n{banner}\n<div class="verdict {kind}" role="status">'
        f"<strong>{escape(headline)}.</strong><p>{prose(sentence)}</p></div>\n{box}"
    )


def _verdict(record: Mapping[str, Any]) -> tuple[str, str]:
    n = len(record["channels"])
    bad = record["bad"]
    headline = f"{len(bad)} of {count(n, 'channel')} bad"
    sentences = [f"Bad channels: {', '.join(bad)}." if bad else "No channel was found bad."]
    for entry in _found(record, "ica"):
        parts = entry["found"]["components"]
        gone = [c for c in parts if c["removed"]]
        headline += f", {len(gone)} of {count(len(parts), 'component')} taken off"
        kinds = Counter(_kind(c) for c in gone)
        words = ", ".join(f"{k} {v}" for k, v in sorted(kinds.items())) or "none"
        sentences.append(f"Components taken off: {words}; with them {entry['percent']:.1f} % of the power.")
    for entry in _found(record, "eye_regression"):
        if entry["found"]["channels"]:
            sentences.append(
                f"Blinks: {entry['found']['blinks_per_minute']:g} a minute; what the eye channels explain "
                f"was {entry['percent']:.1f} % of the power."
            )
    for entry in _found(record, "burst_repair"):
        sentences.append(f"Bursts repaired: {entry['percent']:.1f} % of the time.")
    return headline, " ".join(sentences)


def _kind(component: Mapping[str, Any]) -> str:
    """What a component was taken off as."""
    words = str(component["why"]).split()
    return words[2] if words[:2] == ["follows", "the"] else words[0] if words else str(component["label"])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _steps(record: Mapping[str, Any]) -> str:
    body = [
        row(
            i + 1, _NAMES.get(e["step"], e["step"]), _parameters(e["parameters"]), _finding(e),
            Markup(f"{e['percent']:.1f} %<span class='sub'>of {escape(e['percent_of'])}</span>"), e["rank"],
            numeric=(0, 4, 5),
        )
        for i, e in enumerate(record["steps"])
    ]  # fmt: skip
    return table(
        ["", "Step", "Parameters", "Found", "Affected", "Rank after"], body, numeric=(0, 4, 5)
    ) + paragraph(
        "Every step looks at the whole recording and at no label. Affected: for filters, reference and ICA "
        "the share of the power that was taken off (for filters the median over channels), otherwise the "
        "share of channels or samples.",
        kind="note",
    )


def _parameters(values: Mapping[str, Any]) -> Markup:
    parts = []
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{k} ≥ {v:g}" for k, v in value.items()) or "nothing"
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, float):
            value = f"{value:g}"
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        parts.append(f"{escape(name.replace('_', ' '))}: {escape(str(value))}")
    return Markup("<br>".join(parts) or "–")


def _finding(entry: Mapping[str, Any]) -> str:
    found, name = entry["found"], entry["step"]
    if name == "notch":
        shown = [f"{f:g}" for f in found["frequencies_hz"]]
        return f"{', '.join(shown)} Hz; kernel of {found['seconds']:.1f} s"
    if name in ("high_pass", "low_pass"):
        return f"half gain at {found['half_gain_hz']:g} Hz; kernel of {found['seconds']:.2g} s"
    if name == "resample":
        return f"× {found['up']} / {found['down']}; {found['samples']:,} samples"
    if name == "bad_channels":
        names = ", ".join(found["channels"]) or "none"
        return f"{names} ({count(found['windows'], 'window')} judged)"
    if name == "interpolate":
        return ", ".join(found["channels"]) or "nothing to do"
    if name == "rereference":
        return (
            f"mean of {found['n_channels']} channels"
            if "n_channels" in found
            else " + ".join(found["channels"])
        )
    if name == "eye_regression" and found["channels"]:
        return f"{', '.join(found['channels'])}; {count(found['blinks'], 'blink')}"
    if name == "burst_repair":
        return f"{count(found['bursts'], 'burst')}, {found['seconds']:g} s in all"
    if name == "ica":
        gone = ", ".join(str(i + 1) for i in found["removed"]) or "none"
        return (
            f"{found['n_components']} components from {found['fit_seconds']:g} s, "
            f"{found['iterations']} iterations; taken off: {gone}"
        )
    return ", ".join(f"{k.replace('_', ' ')}: {v}" for k, v in found.items())


def _bad_mask(record: Mapping[str, Any]) -> NDArray[np.bool_]:
    bad = set(record["bad"])
    return np.array([name in bad for name in record["channels"]])


def _spectra(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    lines = sorted({f for e in _found(record, "notch") for f in e["found"]["frequencies_hz"]})
    stages = (("raw", "As recorded"), ("before_ica", "Filtered, before ICA"), ("cleaned", "Cleaned"))
    panels = [
        (text, (arrays[f"frequency_{name}"], arrays[f"density_{name}"]))
        for name, text in stages
        if f"density_{name}" in arrays
    ]
    high = float(min(arrays["frequency_cleaned"][-1], 100.0))
    drawing = qc_figures.spectra(panels, bad=_bad_mask(record), lines=lines, high=high)
    return figure(
        drawing,
        name="spectra",
        alt="Power spectra of all channels as recorded, after the filters, and cleaned.",
        caption="Welch, 2 s Hann windows over ten-second segments spread over the recording. Channels found "
        "bad are red; after interpolation they are their neighbours' spline.",
    )


def _channels(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    names = record["channels"]
    drawing = qc_figures.channels(names, bad=record["bad"], mended=record["interpolated"])
    parts = [
        figure(
            drawing,
            name="cap",
            alt="Electrodes on the head from above; bad ones are filled.",
            caption=f"{len(record['bad'])} of {count(len(names), 'channel')} bad "
            f"({100 * len(record['bad']) / len(names):.1f} %).",
        )
    ]
    body = []
    for entry in _found(record, "bad_channels"):
        for name, reasons in entry["found"]["channels"].items():
            share = entry["found"]["share_of_windows"][name]
            state = (
                tag("interpolated", "warn") if name in record["interpolated"] else tag("left as it is", "bad")
            )
            body.append(
                row(
                    name,
                    "; ".join(_REASONS.get(r, r) for r in reasons),
                    f"{100 * share:.0f} %",
                    state,
                    numeric=(2,),
                )
            )
    if body:
        parts.append(table(["Channel", "Why", "Windows that failed", "Now"], body, numeric=(2,)))
    return "".join(parts)


def _components(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    entries = _found(record, "ica")
    if not entries or "ica.maps" not in arrays:
        return ""
    items: Sequence[Mapping[str, Any]] = entries[0]["found"]["components"]
    maps, names = arrays["ica.maps"], record["channels"]
    gone = [i for i, item in enumerate(items) if item["removed"]]
    shown = gone[:_MOST_SHOWN]
    parts = [_label_table(items)]
    if gone:
        parts.append("<h3>Taken off</h3>")
        parts.append(
            figure(
                qc_figures.component_spectra(
                    [items[i] for i in shown],
                    maps[shown],
                    names=names,
                    frequency=arrays["ica.component_frequency"],
                    db=arrays["ica.component_db"][shown],
                    high=float(min(80.0, record["rate"] / 2)),
                ),
                name="removed",
                alt="Map and spectrum of each component that was taken off.",
                caption="Map (sign and scale are arbitrary) and spectrum; the number is its place in the "
                "list, the label ICLabel's, with its probability.",
            )
        )
        body = [
            row(
                items[i]["number"] + 1,
                items[i]["why"],
                f"{items[i]['variance_percent']:.2f} %",
                numeric=(0, 2),
            )
            for i in gone
        ]
        parts.append(table(["Component", "Why", "Variance"], body, numeric=(0, 2)))
    spared = [item for item in items if item["why"] and not item["removed"]]
    if spared:
        body = [
            row(c["number"] + 1, c["why"], f"{c['variance_percent']:.2f} %", numeric=(0, 2)) for c in spared
        ]
        parts.append(
            "<h3>Left in, against their label</h3>"
            + paragraph("A measurement spoke against what the network said.")
            + table(["Component", "Label, and what spoke against it", "Variance"], body, numeric=(0, 2))
        )
    parts.append("<h3>All components</h3>")
    parts.append(
        figure(
            qc_figures.components(items, maps, names=names),
            name="components",
            alt="A map for each component with its label.",
            caption="Seen from above, nose up. Red: taken off.",
        )
    )
    return "".join(parts)


def _label_table(items: Sequence[Mapping[str, Any]]) -> str:
    labels = sorted({c["label"] for c in items}, key=lambda k: -sum(c["label"] == k for c in items))
    body = []
    for label in labels:
        of = [c for c in items if c["label"] == label]
        variance = sum(c["variance_percent"] for c in of)
        gone = sum(bool(c["removed"]) for c in of)
        body.append(row(label, len(of), f"{variance:.1f} %", gone, numeric=(1, 2, 3)))
    return table(["Most probable label", "Components", "Variance", "Taken off"], body, numeric=(1, 2, 3))


def _repeat(record: Mapping[str, Any]) -> str:
    steps = [{"step": e["step"], **e["parameters"]} for e in record["steps"]]
    return (
        definitions(record.get("versions", {}).items())
        + "<h3>The steps, as a study file or <code>steps_from_json</code> reads them</h3>"
        + f"<pre>{escape(json.dumps(steps, indent=1, ensure_ascii=False))}</pre>"
    )
