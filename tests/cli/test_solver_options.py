"""What a user sees of the solver: its log, its program, its limits, and why there is no plan."""

from __future__ import annotations

import json
from pathlib import Path

import highspy
import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli

HARD = ("--lam", "3000", "--power-kw", "60", "--max-gpus", "110", "--max-pools", "6")
"""A problem whose program needs a search."""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def solve(*options: str) -> Result:
    return CliRunner().invoke(cli, ["solve", "--no-verify", *options])


def test_the_log_goes_to_standard_error_or_a_file() -> None:
    """The answer stays whole on standard output."""
    shown = solve("--solver-log", "-", "--format", "json")
    assert json.loads(shown.stdout)["status"]["termination"] == "optimal"
    assert "Running HiGHS" in shown.stderr
    written = solve("--solver-log", "run.log", "--format", "json")
    assert written.stderr == ""
    assert "Running HiGHS" in Path("run.log").read_text()


@pytest.mark.parametrize("name", ["fleet.lp", "fleet.mps"])
def test_the_saved_program_has_the_plan_as_its_optimum(name: str) -> None:
    plan = json.loads(solve("--save-lp", name, "--format", "json").stdout)
    assert optimum(name) == pytest.approx(plan["cost"]["usd_per_hour"])


def test_the_saved_program_of_a_verified_plan_has_its_cuts() -> None:
    """Simulation refuses rows of the default problem, so the first optimum is out."""
    done = CliRunner().invoke(cli, ["solve", "--save-lp", "cut.lp", "--format", "json"])
    plan = json.loads(done.stdout)
    assert plan["status"]["refused_rows"]
    assert optimum("cut.lp") == pytest.approx(plan["cost"]["usd_per_hour"])
    assert plan["cost"]["usd_per_year"] > plan["status"]["bound_usd_per_year"]


def test_a_program_without_a_fleet_is_saved_too() -> None:
    assert solve("--max-gpus", "3", "--save-lp", "none.lp").exit_code == 1
    assert optimum("none.lp") is None


def optimum(name: str) -> float | None:
    """Least cost of a saved program; None if it has no solution."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(name) == highspy.HighsStatus.kOk
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return None
    return float(highs.getInfo().objective_function_value)


def test_a_plan_at_a_limit_shows_its_bound_and_gap() -> None:
    """The bound lies below the cost by the gap, and the report says so."""
    plan = json.loads(solve(*HARD, "--node-limit", "1", "--format", "json").stdout)
    status, cost = plan["status"], plan["cost"]["usd_per_year"]
    assert (status["termination"], status["holding"]) == ("node_limit", "feasible")
    assert status["bound_usd_per_year"] == pytest.approx(cost * (1 - status["gap"]))
    assert 0.0 < status["gap"] < 0.5
    shown = solve(*HARD, "--node-limit", "1").stdout
    assert "Solver: node limit, gap " in shown
    assert "a cheaper fleet may exist" in shown


def test_a_limit_without_a_fleet_is_no_verdict_on_the_problem() -> None:
    """Exit code 1; whether there is a fleet is open, and the bound is told."""
    hard = ("--lam", "3000", "--node-size", "8", "--inventory", "h100=40,a100=64")
    done = solve(*hard, "--max-pools", "5", "--node-limit", "0", "--format", "json")
    assert done.exit_code == 1
    assert done.stderr.startswith("No plan: the solver reached its node limit before it found")
    told = json.loads(done.stdout)
    assert (told["feasible"], told["termination"]) == (None, "node_limit")
    assert told["bound_usd_per_hour"] > 0.0


def test_the_nearest_fleet_as_text_and_as_json() -> None:
    """The JSON form on standard output, the message on standard error, exit code 1."""
    done = solve("--max-gpus", "3", "--format", "json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["schema"], told["feasible"]) == ("fleetopt.infeasible/1", False)
    wanted = {"key": "max_gpus", "stated": 3, "needed": 4}
    assert told["relaxation"] == {"alone": [wanted], "together": []}
    assert told["nearest"]["relaxation"] == [wanted]
    assert sum(pool["gpus"] for pool in told["nearest"]["fleet"]["pools"]) == 4
    text = solve("--max-gpus", "3")
    assert text.stdout == ""
    assert "max_gpus = 4, stated 3" in text.stderr
    assert text.stderr == done.stderr
