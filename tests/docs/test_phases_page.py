"""The page on simulating prefill and decode apart works, and says what is computed."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from walkthrough import DOCS, walk

PAGE = "phases.md"


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    walk(PAGE, tmp_path)


def test_example_prints_what_the_page_shows() -> None:
    examples = re.findall(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", (DOCS / PAGE).read_text(), re.M | re.S
    )
    assert len(examples) == 2
    for code, shown in examples:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code, {})
        assert printed.getvalue() == shown
