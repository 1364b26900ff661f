"""What the figures of the report share: colours, style, panels, keys of legends, and figures as inline SVG.

No function keeps or changes global state; the same figure gives the same bytes.
"""

from __future__ import annotations

import functools
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")
ORACLE, CHANCE = "#b0122b", "#b9c0c8"
INK, GREY, PALE, RULE = "#1c2430", "#6b7480", "#e6e9ed", "#c4cad1"
COLOURS = ("#0b3c6f", "#d1761b", "#2a9d8f", "#9a5ba5", "#7a7a7a", "#b5b045", "#c2607d", "#5aa9d6")
_MOST_LEVEL = 4
"""Names of groups that stand side by side."""
_FIXED = {
    **dict.fromkeys(("EEG + eye", "EEG + ME", "ME + EEG", "EEG + face", "face + EEG"), 0),
    "EEG": 1,
    **dict.fromkeys(("eye", "ME", "face"), 2),
}
"""Place of the usual labels in the palette, the same in every figure and every run."""
_N_FIXED = max(_FIXED.values()) + 1
_SHORT = frozenset({"eeg", "ecg", "ppg", "eda", "me"})
"""Streams that go by their initials."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.9,
}
Interval = Mapping[str, float]
WIDTH = 7.4
"""Inches; the page shows an inch as 96 CSS pixels or less."""


def modality_label(modalities: str | Sequence[str]) -> str:
    """``"eeg+eye"`` or ``["eeg", "eye"]`` as people write it: ``"EEG + eye"``."""
    parts = modalities.split("+") if isinstance(modalities, str) else modalities
    return " + ".join(p.upper() if p in _SHORT else p.replace("_", " ") for p in parts)


def svg(figure: Figure, *, name: str, alt: str) -> str:
    """A figure as an ``<svg>`` element that can stand inside a page.

    Ids are prefixed with ``name`` so that several figures share a page; text stays text and takes the page's
    font; there is no date, and the same figure gives the same bytes.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", text)
    text = re.sub(r"font: ((?:\w+ )??)([\d.]+px) [^;\"]*", _font, text)
    width, height = (72 * size for size in figure.get_size_inches())
    label = html.escape(alt, quote=True)
    head = (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width:{width * 4 / 3:.0f}px" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<title>{html.escape(alt)}</title>"
    )
    body = text[text.index(">") + 1 :]
    return re.sub(r"\n\s*", "\n", head + body).strip()


def _font(match: re.Match[str]) -> str:
    weight = match[1].strip()
    return f"font-size: {match[2]}" + (f"; font-weight: {weight}" if weight else "")


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Run a drawing function under the report's style, and leave matplotlib as it was."""

    @functools.wraps(draw)
    def under_style(*args: P.args, **kwargs: P.kwargs) -> T:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return under_style


def subplots(n: int, *, height: float, columns: int = 1, width: float = WIDTH) -> tuple[Figure, list[Axes]]:
    """``n`` axes in rows of ``columns``; ``height`` is that of one row, ``width`` of all, in inches."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows = -(-n // columns)
    figure = Figure(
        figsize=(min(width, WIDTH), height * rows), layout=ConstrainedLayoutEngine(wspace=0.04, hspace=0.04)
    )
    FigureCanvasSVG(figure)
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(n)]


def width_of(columns: int, groups: int) -> float:
    """Inches for panels side by side with some groups in each; room for the legend below."""
    return max(4.6, 0.7 + columns * (0.6 + 0.95 * groups))


def name_groups(axis: Axes, names: Sequence[str]) -> None:
    """Names below groups at 0, 1, …; slanted where there are so many that they would run into each other."""
    axis.set_xticks(range(len(names)), names)
    for name in axis.get_xticklabels() if len(names) > _MOST_LEVEL else ():
        name.set(rotation=35, ha="right", rotation_mode="anchor")
    axis.tick_params(axis="x", length=0)


def _place(labels: Sequence[str], label: str) -> int:
    if label in _FIXED:
        return _FIXED[label]
    return _N_FIXED + [name for name in labels if name not in _FIXED].index(label)


def colour_of(labels: Sequence[str], label: str) -> str:
    return COLOURS[_place(labels, label) % len(COLOURS)]


def marker_of(labels: Sequence[str], label: str) -> str:
    return MARKERS[_place(labels, label) % len(MARKERS)]


def grid_lines(axis: Axes) -> None:
    axis.grid(axis="y", color=PALE, lw=0.8)


def in_percent(axis: Axes, which: str) -> None:
    """Ticks of an axis of shares, in percent."""
    from matplotlib.ticker import FuncFormatter

    getattr(axis, f"{which}axis").set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))


def hatch_of(number: int) -> str:
    return ("", "//////", "xxxx", "....")[number % 4]


def patch_key(colour: str, label: str, *, hatch: str = "") -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor="white" if hatch else colour, edgecolor=colour, hatch=hatch, label=label)


def line_key(colour: str, label: str, **options: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, label=label, **{"lw": 1.2, **options})


def legend_below(figure: Figure, handles: Sequence[Any]) -> None:
    width = figure.get_figwidth()
    columns = min(6, len(handles)) if width > 7 else 3 if width > 5.5 else 2
    figure.legend(handles=list(handles), loc="outside lower left", ncols=columns)
