"""The recorded frontier is still the frontier, and its figure shows the same fleets."""

from __future__ import annotations

import csv
import io
import re
import sys
from pathlib import Path

from click.testing import CliRunner

from fleetopt.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import record  # noqa: E402

RECORDED = (record.MEASURED / "frontier_lmsys.txt").read_text()


def recorded_fleets() -> list[str]:
    """The first column of the table of points."""
    points = RECORDED.split("Refused by simulation", 1)[0]
    lines = points.split("───\n", 1)[1].splitlines()
    return [re.split(r"\s+[\d.,]+ K\$", line)[0] for line in lines if "K$" in line]


def test_recorded_points_are_the_frontier_of_the_tables() -> None:
    """What simulation refused lies above the SLO, so the tables alone give the same points."""
    arguments = [word for word in record.FRONTIER if word != "--verify"]
    done = CliRunner().invoke(cli, [*arguments, "--format", "csv"])
    assert done.exit_code == 0, done.output
    fleets = [row["fleet"] for row in csv.DictReader(io.StringIO(done.stdout))]
    assert fleets == recorded_fleets()
    assert "each accepted by simulation" in RECORDED


def test_the_figure_names_the_ends() -> None:
    figure = (ROOT / "docs" / "frontier.svg").read_text()
    fleets = recorded_fleets()
    assert fleets[0] in figure
    assert fleets[-1] in figure


def test_recorded_points_with_phases_apart_are_those_of_the_tables() -> None:
    """Values, verdicts, and the mark of fleets with phases apart in the figure."""
    recorded = (record.MEASURED / "frontier_phases.txt").read_text()
    arguments = [word for word in record.FRONTIER_PHASES if word != "--verify"]
    done = CliRunner().invoke(cli, [*arguments, "--format", "csv"])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    costs = re.findall(r"([\d.]+) K\$ +[\d.]+ ", recorded.split("───\n", 1)[1])
    assert [f"{float(row['cost_usd_per_year']) / 1000:.1f}" for row in rows] == costs
    apart = sum(row["disaggregated"] == "True" for row in rows)
    assert f"{apart} of {len(rows)} points prefill on some GPUs" in recorded
    assert "each accepted by simulation" in recorded
    figure = (ROOT / "docs" / "frontier_phases.svg").read_text()
    assert "prefill and decode apart" in figure
    assert "2 h100 prefill + 6 h100 decode for all lengths" in figure
