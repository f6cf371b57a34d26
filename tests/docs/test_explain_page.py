"""The page on why a fleet misses works, and says what was recorded."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from walkthrough import DOCS, walk

from fleetopt.questions.explain.causes import CHANGES

PAGE = "explain.md"


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    walk(PAGE, tmp_path)
    assert {"plan.json", "why.csv", "why.svg"} <= {p.name for p in tmp_path.iterdir()}


def test_example_prints_what_the_page_shows() -> None:
    [(code, shown)] = re.findall(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", (DOCS / PAGE).read_text(), re.M | re.S
    )
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


def test_every_cause_has_a_row() -> None:
    rows = re.findall(r"^\| ([^|]+?) \|", (DOCS / PAGE).read_text(), re.M)
    assert {str(cause) for cause in CHANGES} <= set(rows)


def test_short_requests_are_late_as_often_as_long_ones() -> None:
    """The share of each band that is late, in the recorded answer of 23 replicas."""
    recorded = (DOCS / "measured" / "explain_smaller.txt").read_text()
    bands = re.findall(r"^[\d,]+–[\d,]+ +([\d,]+) .* ([\d.]+)\s%$", recorded, re.M)
    shares = [float(share) for count, share in bands if int(count.replace(",", "")) > 4000]
    assert len(shares) >= 6
    assert max(shares) < 2 * min(shares)
