"""Pages with Python examples work: their code, in order, prints what the page shows."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", flags=re.M | re.S)


@pytest.mark.parametrize(
    ("page", "examples"), [("program.md", 2), ("frontier.md", 1), ("disaggregation.md", 1)]
)
def test_the_example_prints_what_the_page_shows(page: str, examples: int) -> None:
    """Every block of code is followed by its output."""
    text = (DOCS / page).read_text()
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("```python") == examples
    names: dict[str, object] = {}
    for code, shown in blocks:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == shown
