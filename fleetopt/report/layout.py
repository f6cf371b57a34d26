"""Texts and tables, laid out in lines of characters.

A library for terminals does more, and takes longer to load than a short command has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
_RULE = "─"
_WIDE = ("W", "F")


class Text:
    """Lines of text, as they are unless they wrap. style: "bold" or nothing."""

    def __init__(self, text: str, style: str = "", *, wraps: bool = False) -> None:
        self.text = text
        self.style = style
        self.wraps = wraps

    def lines(self, width: int) -> Sequence[str]:
        """Its lines, broken between words where they wrap."""
        return _wrapped(self.text, width) if self.wraps else self.text.split("\n")


class Group:
    """Parts of a report, one below the other."""

    def __init__(self, *parts: Layout) -> None:
        self.parts = parts


@dataclass(slots=True)
class Column:
    """A column of a table; one that wraps may break its lines between words."""

    heading: str
    justify: Literal["left", "right"]
    wraps: bool = False


class Table:
    """Cells in columns below their headings; a gap of so many blanks is between columns."""

    def __init__(self, columns: Sequence[Column], gap: int = 3) -> None:
        self.columns = tuple(columns)
        self.gap = gap
        self.rows: list[tuple[tuple[str, ...], str]] = []

    def add_row(self, *cells: str, style: str = "") -> None:
        """Add a row: one cell for each column. style: "bold" or nothing."""
        self.rows.append((cells, style))

    @property
    def width(self) -> int:
        """Columns of characters that it takes where nothing wraps."""
        return sum(self._widths()) + self._gaps

    def lines(self, width: int) -> Iterator[tuple[str, str]]:
        """Its lines with their styles; not above `width` if wrapping can help."""
        widths = self._fitted(width)
        headings = [column.heading for column in self.columns]
        yield from ((line, "bold") for line in self._row(headings, widths, top=False))
        yield _RULE * (sum(widths) + self._gaps), ""
        for cells, style in self.rows:
            yield from ((line, style) for line in self._row(cells, widths))

    @property
    def _gaps(self) -> int:
        return self.gap * (len(self.columns) - 1)

    def _fitted(self, width: int) -> list[int]:
        """Widths of the columns, those that wrap as narrow as `width` wants and words allow."""
        widths = self._widths()
        for i, column in enumerate(self.columns):
            if column.wraps:
                room = width - self._gaps - sum(widths) + widths[i]
                words = [word for cell in self._cells(i) for word in re.split("[ \n]", cell)]
                widths[i] = min(widths[i], max([room, *map(cell_width, words)]))
        return widths

    def _widths(self) -> list[int]:
        return [
            max(cell_width(line) for cell in self._cells(i) for line in cell.split("\n"))
            for i in range(len(self.columns))
        ]

    def _cells(self, i: int) -> list[str]:
        """All of a column, its heading first."""
        return [self.columns[i].heading, *(cells[i] for cells, _ in self.rows)]

    def _row(
        self, cells: Sequence[str], widths: Sequence[int], *, top: bool = True
    ) -> Iterator[str]:
        """The lines of one row; cells begin at its top, or end at its bottom."""
        stacks = [
            _wrapped(cell, width) if column.wraps else cell.split("\n")
            for column, cell, width in zip(self.columns, cells, widths, strict=True)
        ]
        if not top:
            height = max(map(len, stacks))
            stacks = [[""] * (height - len(stack)) + stack for stack in stacks]
        for parts in zip_longest(*stacks, fillvalue=""):
            padded = (
                _padded(part, width, column.justify)
                for part, width, column in zip(parts, widths, self.columns, strict=True)
            )
            yield (" " * self.gap).join(padded).rstrip()


Layout = Text | Table | Group


def styled_lines(layout: Layout, width: int) -> Iterator[tuple[str, str]]:
    """The lines of a report with their styles."""
    if isinstance(layout, Group):
        for part in layout.parts:
            yield from styled_lines(part, width)
    elif isinstance(layout, Table):
        yield from layout.lines(width)
    else:
        yield from ((line, layout.style) for line in layout.lines(width))


def cell_width(text: str) -> int:
    """Columns of characters that a text takes; those of East Asia take two."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(sign) in _WIDE for sign in text)
    return len(text) + wide - sum(unicodedata.combining(sign) > 0 for sign in text)


def _padded(text: str, width: int, justify: str) -> str:
    blanks = " " * (width - cell_width(text))
    return text + blanks if justify == "left" else blanks + text


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most `width`; words stay whole."""
    lines = []
    for whole in text.split("\n"):
        line = ""
        for word in whole.split(" "):
            longer = f"{line} {word}" if line else word
            if line and cell_width(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines
