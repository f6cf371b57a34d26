"""A report as blocks, which become Markdown, a page of HTML, or text for a terminal."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fleetopt.report.console import columns, line
from fleetopt.report.layout import Group, Layout, Text

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}"
    "td,th{padding:.25rem .6rem;border-bottom:1px solid #ccc;text-align:right;vertical-align:top}"
    "td.t,th.t{text-align:left}code{background:#f3f3f3;padding:.1rem .3rem}"
)


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is that of the report."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A line of text; `code` is a command."""

    text: str
    code: bool = False


@dataclass(frozen=True)
class Grid:
    """A table; columns named in `texts` are text, the others numbers.

    wrapped: the one column that may break lines in a terminal.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: tuple[str, ...] = ()
    wrapped: str = ""


Block = Heading | Paragraph | Grid


def to_markdown(blocks: Iterable[Block]) -> str:
    """Markdown text."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block], title: str) -> str:
    """A whole page that needs nothing else."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def to_text(blocks: Iterable[Block], width: int) -> Group:
    """For a terminal of so many columns."""
    return Group(*(part for block in blocks for part in _text(block, width)))


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Paragraph):
        return f"```bash\n{block.text}\n```" if block.code else block.text
    rule = tuple(":--" if name in block.texts else "--:" for name in block.headings)
    lines = (block.headings, rule, *block.rows)
    return "\n".join("| " + " | ".join(map(_in_cell, row)) + " |" for row in lines)


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|")


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        text = html.escape(block.text)
        return f"<p><code>{text}</code></p>" if block.code else f"<p>{text}</p>"
    head = _html_row("th", block.headings, block)
    body = "".join(_html_row("td", row, block) for row in block.rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _html_row(tag: str, cells: Sequence[str], grid: Grid) -> str:
    kinds = [' class="t"' if name in grid.texts else "" for name in grid.headings]
    pairs = zip(kinds, cells, strict=True)
    return "<tr>" + "".join(f"<{tag}{k}>{html.escape(c)}</{tag}>" for k, c in pairs) + "</tr>"


def _text(block: Block, width: int) -> Iterator[Layout]:
    if isinstance(block, Heading):
        yield from (Text(""), Text(block.text, style="bold", wraps=True))
    elif isinstance(block, Paragraph):
        yield line(f"$ {block.text}" if block.code else block.text, width)
    else:
        table = columns(*block.headings, wrapped=block.wrapped)
        for column in table.columns:
            column.justify = "left" if column.heading in block.texts else "right"
        for row in block.rows:
            table.add_row(*row)
        yield table
