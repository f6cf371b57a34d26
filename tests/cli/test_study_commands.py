"""The commands that compute: their forms, files and exit codes."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli
from fleetopt.plan import Plan

study = pytest.importorskip("fleetopt.study")

KEYS = ["replicas", "utilization", "p99_ttft_ms", "p99_tpot_ms", "p99_e2e_ms",
        "miss_probability", "max_arrival_rate", "method"]  # fmt: skip


def invoke(*arguments):
    return CliRunner().invoke(cli, [*arguments])


def test_table_in_every_form():
    pool = ["table", "--cdf", "azure", "--gpu", "h100", "--lo", "0", "--hi", "8192", "--lam", "50"]
    text = invoke(*pool)
    assert text.exit_code == 0, text.output
    assert "h100, lengths 0–8,192 tokens, 50 req/s, reserved admission" in text.stdout
    data = json.loads(invoke(*pool, "--format", "json").stdout)
    assert data["schema"] == "fleetopt.table/1"
    assert all(set(KEYS) <= set(row) for row in data["rows"])
    rows = list(csv.DictReader(io.StringIO(invoke(*pool, "--format", "csv").stdout)))
    assert [int(row["replicas"]) for row in rows] == [row["replicas"] for row in data["rows"]]
    admissible = [row["admissible"] for row in data["rows"]]
    assert True in admissible


def test_solve_writes_a_plan_that_reads_back(tmp_path):
    path = tmp_path / "plan.json"
    done = invoke("solve", "azure", "--lam", "20", "--gpus", "h100", "--no-verify", "--format",
                  "json", "--output", str(path))  # fmt: skip
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    plan = Plan.from_dict(json.loads(path.read_text()), str(path))
    assert plan.problem.arrival_rate == 20
    assert plan.verification is None
    assert list(tmp_path.iterdir()) == [path]


def test_an_slo_that_no_fleet_meets_is_exit_code_1(tmp_path):
    path = tmp_path / "plan.json"
    done = invoke("solve", "azure", "--slo", "0.001", "--no-verify", "--output", str(path))
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert done.stderr.startswith("No feasible plan: ")
    assert not path.exists()


def test_a_plan_that_simulation_refuses_is_exit_code_3(tmp_path):
    """A sound plan for 20 requests per second, asked to carry twenty times as many."""
    path = tmp_path / "plan.json"
    solved = invoke("solve", "azure", "--lam", "20", "--gpus", "h100", "--max-pools", "1",
                    "--no-verify", "--format", "json")  # fmt: skip
    data = json.loads(solved.stdout)
    data["problem"]["arrival_rate"] *= 20
    data["fleet"]["pools"][0]["arrival_rate"] *= 20
    path.write_text(json.dumps(data))
    done = invoke("verify", str(path), "--replications", "2", "--format", "json")
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["verification"]["verdict"] != "pass"
