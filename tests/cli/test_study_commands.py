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


def test_diff_of_two_saved_plans(tmp_path):
    """Each differing key is a row; faults of both files come at once, and nothing is written."""
    first, second = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    for path, rate in ((first, "20"), (second, "40")):
        solved = invoke("solve", "azure", "--lam", rate, "--gpus", "h100", "--no-verify",
                        "--format", "json", "--output", path)  # fmt: skip
        assert solved.exit_code == 0, solved.output
    data = json.loads(invoke("diff", first, second, "--format", "json").stdout)
    assert data["schema"] == "fleetopt.difference/1"
    assert [row["key"] for row in data["rows"]] == ["arrival_rate"]
    assert data["rows"][0]["so_far_usd_per_year"] == pytest.approx(data["second_usd_per_year"])
    written = tmp_path / "out.json"
    wrong = invoke("diff", first + "x", second + "x", "--output", str(written))
    assert wrong.exit_code == 2
    assert first + "x" in wrong.stderr
    assert second + "x" in wrong.stderr
    assert not written.exists()
