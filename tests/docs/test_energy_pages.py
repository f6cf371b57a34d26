"""The pages on energy: their examples run, and what was recorded is still the answer."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import record  # noqa: E402

BLOCK = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", flags=re.M | re.S)


def said(*words: str) -> str:
    done = CliRunner(env={"COLUMNS": record.WIDTH}).invoke(cli, [*words])
    assert done.exit_code == 0, done.output
    return done.stdout


def tables(report: str) -> list[str]:
    """Everything but the answer's first lines and what was simulated."""
    parts = report.split("\n\n")[1:]
    return [part for part in parts if not part.startswith(("Simulated", "Cheapest mix"))]


def mixes(report: str) -> list[list[str]]:
    """Levers and figures of the cheapest mixes, without what an event says of them."""
    parts = [part for part in report.split("\n\n") if part.startswith("Cheapest mix")]
    rows = [line.split() for part in parts for line in part.splitlines()]
    return [row[:8] for row in rows if row[-1] == "kept"]


@pytest.mark.parametrize("page", ["energy.md", "grid.md", "power.md"])
def test_examples_print_what_the_pages_show(page: str) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / page).read_text())
    assert blocks
    names: dict[str, object] = {}
    for code, shown in blocks:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == shown


@pytest.mark.parametrize("name", record.TOKENS)
def test_recorded_tokens_per_watt_are_the_answer(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    recorded = (record.MEASURED / f"tokens_{name}.txt").read_text()
    assert said("tok-per-watt", *record.TOKENS[name].split()) == recorded


@pytest.mark.parametrize(
    ("command", "stated", "drop", "file"),
    [
        ("tok-per-watt", record.SPLIT, "--simulate", "split_energy.txt"),
        ("grid-flex", record.GRID, "--verify-des 15000 --event-minutes 15", "grid_flex.txt"),
    ],
)
def test_recorded_tables_are_the_answer(
    command: str, stated: str, drop: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without their simulated part, which the machine's speed decides about."""
    monkeypatch.chdir(ROOT)
    recorded = (record.MEASURED / file).read_text()
    assert "Simulated" in recorded
    again = said(command, *stated.replace(drop, "").split())
    assert tables(again) == tables(recorded)
    assert mixes(again) == mixes(recorded)
    assert len(mixes(again)) == (18 if command == "grid-flex" else 0)


def test_figures_that_the_pages_quote() -> None:
    """What the fleet could serve, what it draws, and what fewer GPUs would."""
    recorded = (record.MEASURED / "grid_flex.txt").read_text()
    page = (ROOT / "docs" / "grid.md").read_text()
    assert "serve at most 175.4 of 200 req/s" in recorded
    assert "serves 175 requests" in " ".join(page.split())
    for quoted in ("14.87", "36.8 %"):
        assert quoted in recorded
        assert quoted in page
    assert "22,501" in recorded
    assert "22,501 requests wait" in page
    assert "Without a cap 13 of them keep the SLO" in recorded
    assert "13 H100 keep the SLO" in page


def test_the_recorded_frontier_and_rate_are_still_the_answers() -> None:
    assert said(*record.COST_CARBON) == (record.MEASURED / "cost_carbon.txt").read_text()
    recorded = (record.MEASURED / "most_rate.txt").read_text()
    by_the_tables = said(*record.RATE, "--no-verify")
    objective = next(line for line in by_the_tables.splitlines() if line.startswith("Objective"))
    assert objective in recorded
    assert "power_kw = 10 binds" in recorded
