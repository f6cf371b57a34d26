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
