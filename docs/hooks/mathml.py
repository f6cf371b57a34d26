"""Formulas as MathML, written when the manual is built: no script, no network."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', flags=re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    """Replace every formula of a page."""
    return _FORMULA.sub(_converted, html)


def _converted(match: re.Match[str]) -> str:
    display = "inline" if match[2] == "(" else "block"
    return convert(unescape(match[3]).strip(), display=display)
