"""The page of scopes says what is so: its example, and its table of costs."""

from __future__ import annotations

import re
import shlex
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from fleetopt.cli.main import cli
from fleetopt.cli.statement import given_options, state
from fleetopt.problem import FleetProblem
from fleetopt.study import solve

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scopes.md").read_text()
ROW = re.compile(r"^\| `(\w+)`, (\d+) req/s \| ([\d.]+) K\$ \| ([\d.]+) K\$ \| (\d+) % \|", re.M)


def test_the_example_prints_what_the_page_shows() -> None:
    code, shown = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.S)[0]
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


@pytest.mark.parametrize(("cdf", "rate", "pool", "fleet", "saved"), ROW.findall(PAGE))
def test_scope_fleet_costs_what_the_table_says(
    cdf: str, rate: str, pool: str, fleet: str, saved: str
) -> None:
    """By the program; the plans of the page are its optima too, and verified."""
    keys = {"cdf": cdf, "arrival_rate": float(rate), "verification": {"enabled": False}}
    plan = solve(FleetProblem.model_validate({**keys, "slo_scope": "fleet"}))
    assert plan.cost.usd_per_year / 1000.0 == pytest.approx(float(fleet), abs=0.06)
    assert 100.0 * (1.0 - float(fleet) / float(pool)) == pytest.approx(float(saved), abs=0.5)


def test_the_command_states_four_bounds() -> None:
    text = re.findall(r"```bash\nfleetopt (.*?)```", PAGE, flags=re.S)[0]
    name, *words = shlex.split(text.replace("\\\n", " "))
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    context = command.make_context(name, words)  # type: ignore[union-attr]
    problem = state(None, given_options(context)).problem
    assert [b.text for b in problem.slo] == [
        "p99 ttft 500", "p50 ttft 200", "p95 tpot 40", "p99 e2e 60000",
    ]  # fmt: skip
