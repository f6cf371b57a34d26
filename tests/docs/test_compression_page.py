"""The page of compression works: its code prints what it shows, its table is true."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from fleetopt.case import Case
from fleetopt.optimization.design import maker
from fleetopt.problem import FleetProblem

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "compression.md").read_text()
ROW = re.compile(
    r"^\| (\d+) (\w+) \| ([\d.]+) \| ([\d.]+) % \| ([\d.]+) % \| (\w+) \|$", flags=re.M
)


def test_the_example_prints_what_the_page_shows() -> None:
    """Solved without compression, with one factor and with three."""
    ((code, shown),) = re.findall(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", PAGE, re.M | re.S
    )
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


@pytest.mark.parametrize("row", ROW.findall(PAGE), ids=lambda row: " ".join(row[:3]))
def test_the_table_of_published_pools_is_true(row: tuple[str, ...]) -> None:
    """Replicas and utilization of both methods; overload is where simulation says unstable."""
    replicas, gpu, gamma, reported, true, verdict = row
    for method, shown in (("published", reported), ("fleetopt", true)):
        case = Case.of(
            FleetProblem.model_validate(
                {"cdf": "azure", "max_context": 8192, "gammas": [float(gamma)], "method": method}
            )
        )
        what = case.serves(0, 4096, 1.0, float(gamma))
        table = maker(case, case.profile(gpu.lower()))(what, case.pool_rate(what))
        if method == "published":
            assert table.min_replicas() == int(replicas)
        assert 100 * table.utilization(int(replicas)) == pytest.approx(float(shown), abs=0.05)
    assert (verdict == "unstable") == (float(true) > 100)


def test_the_table_has_the_four_pools() -> None:
    assert len(ROW.findall(PAGE)) == 4
