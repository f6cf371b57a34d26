"""The page on simulating fleets works, and says what was recorded."""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from walkthrough import DOCS, walk

from fleetopt.catalog import read_lengths
from fleetopt.workload.lengths import LengthDistribution

PAGE = "simulate.md"


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    walk(PAGE, tmp_path)
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["schema"] == "fleetopt.simulation/1"
    assert {"requests.csv", "pools.csv", "phases.json"} <= {p.name for p in tmp_path.iterdir()}


def test_example_prints_what_the_page_shows() -> None:
    [(code, shown)] = re.findall(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", (DOCS / PAGE).read_text(), re.M | re.S
    )
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


def test_recorded_shares_are_those_of_the_lengths() -> None:
    """Random routing sends half of what is too long for the short pool there."""
    for name, cdf, longest in (("agent", "agent_heavy", 65_536), ("azure", "azure", 8192)):
        recorded = (DOCS / "measured" / f"routers_{name}.txt").read_text()
        lengths = LengthDistribution.from_cdf(read_lengths(cdf)[0]).clipped(longest)
        row = next(line for line in recorded.splitlines() if re.match(r"RandomRouter +\d", line))
        said = [float(share) for share in re.findall(r"([\d.]+)\s%", row)]
        assert abs(said[1] - 50 * lengths.share(4096, longest)) < 0.2
        assert abs(said[0] + said[1] - 100) < 0.05
