"""Pieces of a page: everything that comes in as text is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from mien.report import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Section = tuple[str, str, str]
"""Id, heading, body (HTML)."""


def page(*, title: str, header: str, sections: Sequence[Section], footer: str) -> str:
    """A whole page from ``(id, heading, body)`` sections; those with an empty body are left out."""
    here = files("mien.report")
    shown = [(key, heading, body) for key, heading, body in sections if body]
    links = "".join(f'<li><a href="#{key}">{escape(heading)}</a></li>' for key, heading, _ in shown)
    main = "\n".join(
        f'<section id="{key}">\n<h2>{escape(heading)}</h2>\n{body}\n</section>'
        for key, heading, body in shown
    )
    return Template(here.joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(title),
        css=here.joinpath("page.css").read_text("utf-8"),
        header=header,
        nav=f'<nav aria-label="Contents"><ul>{links}</ul></nav>',
        main=main,
        footer=prose(footer),
    )


def table(
    head: Sequence[str],
    body: Iterable[str],
    *,
    caption: str = "",
    numeric: Iterable[int] = (),
    over: Sequence[tuple[str, int]] = (),
) -> str:
    """A table in a box that scrolls sideways; ``head`` is text, ``body`` ready rows.

    ``over`` are headings above the head, each with the number of columns it stands over.
    """
    right = set(numeric)
    cells = "".join(
        f'<th scope="col"{" class=num" if i in right else ""}>{escape(text)}</th>'
        for i, text in enumerate(head)
    )
    groups = "".join(
        f'<th scope="colgroup" colspan="{span}">{escape(text)}</th>'
        if text
        else f'<td colspan="{span}"></td>'
        for text, span in over
    )
    above = f'<tr class="over">{groups}</tr>' if over else ""
    label = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="table">\n<table>{label}\n'
        f"<thead>{above}<tr>{cells}</tr></thead>\n<tbody>\n"
        + "\n".join(body)
        + "\n</tbody>\n</table>\n</div>"
    )


def row(*cells: Any, numeric: Iterable[int] = (), first: bool = False) -> str:
    """A table row; cells that are not :class:`Markup` are escaped."""
    right = set(numeric)
    inner = "".join(
        f"<td{' class=num' if i in right else ''}>{text_of(cell)}</td>" for i, cell in enumerate(cells)
    )
    return f"<tr{' class=first' if first else ''}>{inner}</tr>"


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


def paragraph(text: str, *, kind: str = "") -> str:
    """Plain text as a paragraph."""
    return f"<p{f' class={kind}' if kind else ''}>{prose(text)}</p>"


def prose(text: str) -> Markup:
    """Plain text, escaped; what stands between backticks becomes code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))


def figure(drawn: Figure | None, *, name: str, alt: str, caption: str) -> str:
    """A figure with its caption, or nothing."""
    if drawn is None:
        return ""
    picture = drawing.svg(drawn, name=name, alt=alt)
    return f"<figure>\n{picture}\n<figcaption>{prose(caption)}</figcaption>\n</figure>"


def text_of(value: Any) -> str:
    """A cell: :class:`Markup` as it is, anything else escaped, None as a dash."""
    return value if isinstance(value, Markup) else escape("–" if value is None else str(value))


def tag(text: str, kind: str) -> Markup:
    """A word in a coloured outline; ``kind`` is ``good``, ``warn`` or ``bad``."""
    return Markup(f'<span class="tag {kind}">{escape(text)}</span>')


def definitions(pairs: Iterable[tuple[str, Any]]) -> str:
    """A list of names and values."""
    return "<dl>" + "".join(f"<dt>{escape(str(k))}</dt><dd>{text_of(v)}</dd>" for k, v in pairs) + "</dl>"


def count(n: int, noun: str) -> str:
    """``1 trial``, ``1,344 windows``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
