"""Docstrings as Markdown: formulas in dollars, and lines "name: meaning" as lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

from griffe import Docstring, Extension

_INLINE = re.compile(r":math:`([^`]+)`")
_BLOCK = re.compile(r"^\.\. math::[ ]*(.*(?:\n(?:[ ]+\S.*|[ ]*$))*)", flags=re.MULTILINE)
_MEANING = re.compile(r"^((?:[a-z]\w*, )*[a-z]\w*): (?=\S)")


class MarkdownDocstrings(Extension):
    """Rewrites every docstring of the package before it is shown."""

    def on_package(self, *, pkg: Any, **_: Any) -> None:
        """Walk the package; aliases and other packages stay as they are."""
        for item in _walk(pkg):
            if item.docstring is not None:
                text = as_markdown(item.docstring.value)
                item.docstring = Docstring(text, parent=item, lineno=item.docstring.lineno)


def as_markdown(text: str) -> str:
    """A docstring in Markdown."""
    text = _INLINE.sub(lambda match: f"${match[1].strip()}$", text)
    text = _BLOCK.sub(lambda match: f"$$\n{dedent(match[1]).strip()}\n$$\n", text)
    return "\n".join(_lists(text.splitlines()))


def _lists(lines: list[str]) -> Iterator[str]:
    """Lines with those that explain a name turned into list items."""
    inside = False
    for i, line in enumerate(lines):
        match = _MEANING.match(line)
        starts = match is not None and (inside or i == 0 or not lines[i - 1].strip())
        if match is not None and starts:
            yield f"- **{match[1]}**: {line[match.end() :]}"
        else:
            yield line
        inside = starts or (inside and line.startswith("    "))


def _walk(item: Any) -> Iterator[Any]:
    yield item
    for member in getattr(item, "members", {}).values():
        if not member.is_alias:
            yield from _walk(member)
