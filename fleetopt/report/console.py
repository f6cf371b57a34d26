"""Renders tables and wrapped lines as text of a given width, with or without colour."""

from __future__ import annotations

import io
import textwrap
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fleetopt.report.wording import NO_BREAK


def render(report: RenderableType, width: int, *, colour: bool = False) -> str:
    """Text of a report. A table that cannot fit is wider than `width`, never cut."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colour, highlight=False, soft_wrap=False
    )
    _keep_whole(report)
    needed = Measurement.get(console, console.options, report).minimum
    console.width = max(width, needed)
    with console.capture() as capture:
        console.print(report, crop=False)
    lines = capture.get().replace(NO_BREAK, " ").splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _keep_whole(report: RenderableType) -> None:
    """Give the columns that must not break the width of their widest line."""
    if isinstance(report, Group):
        for part in report.renderables:
            _keep_whole(part)
    elif isinstance(report, Table):
        for column in report.columns:
            if column.no_wrap:
                lines = "\n".join(str(cell) for cell in (column.header, *column.cells))
                column.min_width = max(cell_len(line) for line in lines.split("\n"))


def columns(*headings: str, left: int = 1, wrapped: str = "", close: bool = False) -> Table:
    """An empty table; the first `left` columns are text, the others numbers.

    wrapped: the one column that may break lines; close: columns stand closer together.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 0 if close else 1))
    for i, heading in enumerate(headings):
        justify: Literal["left", "right"] = "left" if i < left else "right"
        table.add_column(heading, justify=justify, no_wrap=heading != wrapped, vertical="top")
    return table


def first_fitting(width: int, *tables: Table) -> Table:
    """The first table that fits into `width` columns, else the last."""
    console = Console(file=io.StringIO(), width=10 * width)
    for table in tables:
        if Measurement.get(console, console.options, table).maximum <= width:
            return table
    return tables[-1]


def line(text: str, width: int, style: str = "", indent: int = 2) -> Text:
    """A wrapped line; continuation lines are indented, numbers stay whole."""
    lines = textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return Text("\n".join(lines), style=style, no_wrap=True, overflow="ignore")


def section(title: str, *parts: RenderableType) -> Group:
    """A titled block with an empty line before it."""
    return Group(Text(""), Text(title, style="bold"), *parts)
