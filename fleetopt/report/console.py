"""Renders tables and wrapped lines as text of a given width, with or without colour."""

from __future__ import annotations

import textwrap

from fleetopt.report.layout import (
    BOLD,
    PLAIN,
    Column,
    Group,
    Layout,
    Table,
    Text,
    styled_lines,
)
from fleetopt.report.wording import NO_BREAK


def render(report: Layout, width: int, *, colour: bool = False) -> str:
    """Text of a report. A table that cannot fit is wider than `width`, never cut."""
    lines = (
        f"{BOLD}{line}{PLAIN}" if colour and style == "bold" and line else line
        for line, style in styled_lines(report, width)
    )
    return "\n".join(line.replace(NO_BREAK, " ").rstrip() for line in lines) + "\n"


def columns(*headings: str, left: int = 1, wrapped: str = "", close: bool = False) -> Table:
    """An empty table; the first `left` columns are text, the others numbers.

    wrapped: the one column that may break lines; close: columns stand closer together.
    """
    kinds = [
        Column(heading, "left" if i < left else "right", heading == wrapped)
        for i, heading in enumerate(headings)
    ]
    return Table(kinds, gap=1 if close else 3)


def first_fitting(width: int, *tables: Table) -> Table:
    """The first table that fits into `width` columns, else the last."""
    return next((table for table in tables if table.width <= width), tables[-1])


def line(text: str, width: int, style: str = "", indent: int = 2) -> Text:
    """A wrapped line; continuation lines are indented, numbers stay whole."""
    lines = textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return Text("\n".join(lines), style=style)


def section(title: str, *parts: Layout) -> Group:
    """A titled block with an empty line before it."""
    return Group(Text(""), Text(title, style="bold", wraps=True), *parts)
