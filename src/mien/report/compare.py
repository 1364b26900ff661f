"""Our features beside those that a data set's authors ship."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.report import figures
from mien.report.blocks import figure, page, paragraph, row, table
from mien.report.rows import write_text

Pair = tuple[NDArray[np.floating], NDArray[np.floating]]


def compare_features(
    pairs: Mapping[str, Pair],
    out: str | Path,
    *,
    bands: Sequence[str] = (),
    channels: Sequence[str] = (),
    title: str = "Our features beside the shipped ones",
    unit: str = "",
) -> Path:
    """Write a page that compares two computations of the same features.

    Parameters
    ----------
    pairs
        Subject to ``(ours, shipped)``, both (windows, bands, channels) of the same windows. Windows in which
        either holds a value that is not finite are left out and counted.
    out
        The file to write.
    bands, channels
        Their names; numbers by default. With channel names of the 10-10 system there is a map of heads.
    title, unit
        Heading of the page, and the unit of the values.

    Returns
    -------
    Path
        ``out``: one self-contained page. For each subject and band it gives the correlation over all windows
        and channels, the median over channels of the correlation over windows (which level differences
        between channels cannot raise), and the median of |ours − shipped|.

    Raises
    ------
    InputError
        No pair, or shapes that do not belong together.
    """
    whole = _checked(pairs)
    n_bands, n_channels = next(iter(whole.values()))[0].shape[1:]
    bands = tuple(bands) or tuple(f"band {b + 1}" for b in range(n_bands))
    channels = tuple(channels) or tuple(f"channel {c + 1}" for c in range(n_channels))
    if (len(bands), len(channels)) != (n_bands, n_channels):
        raise InputError(
            f"{len(bands)} band and {len(channels)} channel names", expected=f"{n_bands} and {n_channels}"
        )
    body = []
    for subject, (ours, shipped) in whole.items():
        for b, band in enumerate(bands):
            x, y = ours[:, b], shipped[:, b]
            cells = (_r(x, y), float(np.nanmedian(_by_channel(x, y))), float(np.median(np.abs(x - y))))
            left_out = len(pairs[subject][0]) - len(ours)
            texts = [f"{cell:.4g}" if np.isfinite(cell) else None for cell in cells]
            body.append(
                row(subject, band, f"{len(ours):,}", left_out, *texts, numeric=range(2, 7), first=b == 0)
            )
    both = [np.concatenate([pair[i] for pair in whole.values()]) for i in (0, 1)]
    head = ("Subject", "Band", "Windows", "Left out", "r, all values", "r over windows, median channel")
    size = f"median |difference|{f' ({unit})' if unit else ''}"
    sections = [
        (
            "table",
            "By subject and band",
            paragraph("r is Pearson's correlation; a constant channel has none and is passed over.")
            + table((*head, size), body, numeric=range(2, 7)),
        ),
        ("density", "All values", _density(both, bands=bands)),
        ("heads", "Where they agree", _heads(both, bands=bands, channels=channels)),
    ]
    header = f'<p class="kicker">mien features</p><h1>{escape(title)}</h1>'
    footer = "Made by `mien features` from the two sets of features alone."
    return write_text(Path(out), page(title=title, header=header, sections=sections, footer=footer))


def _checked(pairs: Mapping[str, Pair]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    if not pairs:
        raise InputError("no features to compare", expected="at least one subject")
    whole: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for subject, pair in pairs.items():
        ours, shipped = (np.asarray(side, np.float64) for side in pair)
        if ours.shape != shipped.shape or ours.ndim != 3:
            raise InputError(
                f"subject {subject}: shapes {ours.shape} and {shipped.shape}",
                expected="the same (windows, bands, channels) twice",
            )
        finite = np.isfinite(ours).all(axis=(1, 2)) & np.isfinite(shipped).all(axis=(1, 2))
        if finite.sum() < 2:
            raise InputError(f"subject {subject}: {finite.sum()} whole windows", expected="at least two")
        whole[str(subject)] = (ours[finite], shipped[finite])
    if len({pair[0].shape[1:] for pair in whole.values()}) > 1:
        raise InputError("subjects differ in bands or channels", expected="the same for all")
    return whole


def _density(both: Sequence[NDArray[np.float64]], *, bands: Sequence[str]) -> str:
    panels: list[dict[str, Any]] = [
        {"title": band, "ours": both[0][:, b].ravel(), "shipped": both[1][:, b].ravel()}
        for b, band in enumerate(bands)
    ]
    for panel in panels:
        panel["r"] = _r(panel["ours"], panel["shipped"])
    return figure(
        figures.feature_agreement(panels),
        name="density",
        alt="Density of one computation of the features against the other, one panel per band.",
        caption="Every window and channel of every subject; the red line is equality. Darker is more.",
    )


def _heads(both: Sequence[NDArray[np.float64]], *, bands: Sequence[str], channels: Sequence[str]) -> str:
    values = np.stack([_by_channel(both[0][:, b], both[1][:, b]) for b in range(len(bands))])
    return figure(
        figures.topographies(
            np.clip(np.nan_to_num(values), 0, 1),
            bands=bands,
            channels=channels,
            label="r over windows",
            high=1.0,
        ),
        name="heads",
        alt="One head per band, shaded by the correlation of the two computations over windows.",
        caption="Correlation over the windows of all subjects, by channel; negative ones are shown as 0.",
    )


def _r(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(_by_channel(x.reshape(-1, 1), y.reshape(-1, 1))[0])


def _by_channel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of each column; NaN where one is constant."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    size = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size > 0, (x * y).sum(axis=0) / size, np.nan)
