"""Association: what body and brain do around the apex of expressions, as a figure and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mien.core import InputError
from mien.report import association_figures as figures
from mien.report.blocks import count, figure, paragraph, row, table
from mien.report.run_folder import _csv, _npz

TABLE, ARRAYS = "association.csv", "figures/association.npz"
COLUMNS = (
    *("measure", "unit", "contrast", "n_subjects", "n_events", "cluster", "start", "stop", "mass", "mean"),
    *("p", "p_corrected", "note"),
)
"""Columns of the table. Folders of earlier versions lack ``control``, which was ``none``."""
_NEEDED = ("lags", "measures", "units", "contrasts", "groups", "mean", "low", "high")
_CAPTION = {
    "kind": "Mean over subjects, each the mean of its events, the mean of the time before the event taken "
    "off{control}; band: 95 % interval at each single moment. ",
    "label": "The same for each emotion, micro- and macro-expressions together. ",
}
_CONTROL = {
    "clip": "Compared with other people (control: clip): from what a person does around an expression, the "
    "mean of the others who saw the same clip is taken off, at the same moment of it, whether they show an "
    "expression there or not. So what a clip does to everybody does not count; what is left goes with the "
    "expression.",
    "none": "Compared with nobody (control: none): what a clip does to everybody at a moment when many show "
    "an expression counts as well, most of all for single emotions, which come from few clips.",
}
_CAUSE = {
    "clip": "A clip can bring about the expression and the bodily change alike in those whom it moves: an "
    "association is no cause.",
    "none": "Clips bring about expressions and bodily changes alike: an association is no cause.",
}
_BARS = (
    "Bars: clusters with p up to 5 %, in the colour of their condition (against zero, or against the other "
    "emotions; black: micro against macro); filled where p is that small after correction for all tests."
)


def association(folder: str | Path) -> str:
    """The section; nothing where the run has no ``association.csv``."""
    path = Path(folder)
    if not (path / TABLE).exists():
        return ""
    rows = [
        {str(k): v for k, v in row.items()} for row in _csv(path / TABLE, columns=COLUMNS).to_dict("records")
    ]
    arrays = _npz(path / ARRAYS)
    found = {r.get("control", "none") for r in rows}
    if not found <= set(_CONTROL):
        raise InputError(
            f"control is {', '.join(sorted(found - set(_CONTROL)))}",
            file=path / TABLE,
            expected=" or ".join(_CONTROL),
            remedy="make the association again",
        )
    lacking = [name for name in _NEEDED if name not in arrays]
    if lacking:
        raise InputError(
            f"lacks {', '.join(lacking)}", file=path / ARRAYS, remedy="make the association again"
        )
    return section(rows, arrays)


def section(rows: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> str:
    """The same of a table, its cells text, and of the arrays of :class:`mien.run.association.Association`."""
    clusters = figures.rows_with_clusters(rows)
    control = next((str(r["control"]) for r in rows if "control" in r), "none")
    taken = ", and the mean of other people at the same moments of the same clips" * (control == "clip")
    return (
        paragraph(_sentence(rows, clusters) + _too_few(rows, arrays))
        + paragraph(_CONTROL[control] + _left_out(arrays))
        + "".join(
            figure(
                figures.courses(arrays, clusters, group=group),
                name=f"association-{group}",
                alt="Course of each measure around the apex, by condition, with clusters that differ.",
                caption=_CAPTION[group].format(control=taken) + _BARS,
            )
            for group in ("kind", "label")
            if figures.finite(arrays, group)
        )
        + _table(rows, clusters)
        + paragraph(
            "Tests flip the signs of whole subjects and compare the heaviest cluster, so that p of a cluster "
            "holds over all moments; corrected: over all measures and contrasts as well (Holm). A cluster "
            "says that there is a difference, not exactly from when to when. " + _CAUSE[control],
            kind="note",
        )
    )


def _sentence(rows: Sequence[Mapping[str, Any]], clusters: Sequence[Mapping[str, Any]]) -> str:
    tests = {(r["measure"], r["contrast"]) for r in rows if r["p"] != ""}
    good = {(r["measure"], r["contrast"]) for r in clusters if r["p_corrected"] <= figures.SHOWN}
    expected = figures.SHOWN * len(tests)
    single = {(r["measure"], r["contrast"]) for r in clusters if r["p"] <= figures.SHOWN}
    return (
        f"{len(tests)} tests of what measures do around the apex. {len(single)} have a cluster with p up to "
        f"5 %, where chance alone gives {expected:.1f}; {len(good)} after correction for all of them."
    )


def _left_out(arrays: Mapping[str, NDArray[Any]]) -> str:
    """How many events had too few others to compare them with."""
    if "n_left_out" not in arrays:
        return ""
    kinds = [
        c
        for c, (name, group) in enumerate(zip(arrays["contrasts"], arrays["groups"], strict=True))
        if group == "kind" and " - " not in str(name)
    ]
    most = int(arrays["n_left_out"][:, kinds].sum(axis=1).max(initial=0))
    if not most:
        return ""
    told = "is" if most == 1 else "are"
    return (
        f" Up to {count(most, 'expression')} of a measure {told} left out: fewer than three others have "
        "values there."
    )


def _too_few(rows: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> str:
    """That nothing can be left after correction, where signs can be flipped in too few ways."""
    n_tests = len({(r["measure"], r["contrast"]) for r in rows if r["p"] != ""})
    most = max((int(r["n_subjects"]) for r in rows if r["p"] != ""), default=0)
    if most and "n_people" in arrays:
        most = int(arrays["n_people"].max())
    least = 2.0 ** (1 - most)
    if not most or n_tests * least <= figures.SHOWN:
        return ""
    return (
        f" With {most} subjects no p can be smaller than {least:.2g}: of so many tests none could be left "
        "after correction, however large the effect."
    )


def _table(rows: Sequence[Mapping[str, Any]], clusters: Sequence[Mapping[str, Any]]) -> str:
    head = ["Measure", "Contrast", "Subjects", "Events", "From (s)", "to (s)", "Mean change", "Mass (t)", "p"]
    head += ["Corrected"]
    numeric = range(2, len(head))
    shown = [r for r in clusters if r["p"] <= figures.SHOWN]
    body = [
        row(
            r["measure"].replace("_", " "), r["contrast"], r["n_subjects"], r["n_events"],
            f"{r['start']:.2f}", f"{r['stop']:.2f}",
            f"{r['mean']:.3g} {r['unit']}".strip(), f"{r['mass']:.1f}", _p(r["p"]), _p(r["p_corrected"]),
            numeric=numeric,
        )
        for r in sorted(shown, key=lambda r: r["p_corrected"])
    ]  # fmt: skip
    untested = sorted({f"{r['measure']}, {r['contrast']}" for r in rows if str(r["note"]).startswith("not")})
    return (table(head, body, numeric=numeric) if body else paragraph("No cluster has p up to 5 %.")) + (
        paragraph("Not tested for want of subjects: " + "; ".join(untested) + ".", kind="note")
        if untested
        else ""
    )


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.0005 else "< 0.001"
