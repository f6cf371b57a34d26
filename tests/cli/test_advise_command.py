"""`fleetopt advise`: forms, and wrong input with every fault at once."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli

SMALL = {"cdf": [[1024, 0.7], [4096, 0.95], [16384, 1.0]]}
QUESTIONS = [
    "split", "where", "gpu", "mix", "long_context", "disaggregate", "simulate", "margin",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.json").write_text(json.dumps(SMALL))
    return tmp_path


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["advise", *arguments])


def test_rows_in_json_and_csv(folder: Path) -> None:
    given = ("--cdf", "small.json", "--lam", "30", "--no-verify")
    found = json.loads(asked(*given, "--format", "json").stdout)
    assert found["schema"] == "fleetopt.advice/1"
    assert [row["question"] for row in found["rows"]] == QUESTIONS
    assert all(row["answer"].endswith(".") for row in found["rows"])
    assert {rule["outcome"] for rule in found["rules"]} <= {
        "right", "overstated", "wrong", "silent"
    }  # fmt: skip
    assert len(found["rules"]) == 9
    rows = list(csv.DictReader(io.StringIO(asked(*given, "--format", "csv").stdout)))
    assert [row["question"] for row in rows] == QUESTIONS
    assert float(rows[0]["usd_per_year"]) == found["plan"]["usd_per_year"]


def test_table_names_every_question_and_rule(folder: Path) -> None:
    said = asked("--cdf", "small.json", "--lam", "30", "--no-verify").stdout
    for title in ("Split?", "Where?", "Which GPU?", "Mix GPU types?", "Simulate?", "Margin?"):
        assert f"\n{title}\n" in said
    assert "Published rules on this workload" in said


def test_threshold_of_the_rules(folder: Path) -> None:
    given = ("--cdf", "small.json", "--lam", "30", "--no-verify", "--format", "json")
    found = json.loads(asked(*given, "--b-short", "2000").stdout)
    assert found["traits"]["threshold"] == 2000
    assert found["traits"]["ratio"] == pytest.approx(16384 / 2000)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--b-short 1024,2048", "--b-short: expected one threshold, that of the published rules"),
        ("--lam 0", "Error: --lam: must be greater than 0, got 0"),
        ("--gpus b100", "Error: --gpus: unknown GPU 'b100' (did you mean 'h100'?)"),
        ("--lam -1 --gpus b100", "Error: 2 faults in the input"),
        ("--cdf nowhere.json", "nowhere.json"),
        (
            "--output none/there.txt",
            "--output none/there.txt: cannot be written: there is no folder",
        ),
        ("limits.toml", "power_kw: advice compares fleets without limits"),
        ("limits.toml", "max_gpus: advice compares fleets without limits"),
        ("method.toml", "method: advice comes from fleetopt's own tables"),
        ("method.toml", "Error: 2 faults in the input"),
    ],
)
def test_wrong_input(folder: Path, options: str, expected: str) -> None:
    Path("limits.toml").write_text("power_kw = 40\nmax_gpus = 8\n")
    Path("method.toml").write_text('method = "published"\nmax_gpus = 8\n')
    done = asked(*options.split())
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert expected in done.stderr


def test_no_fleet_leaves_with_1_and_says_why(folder: Path) -> None:
    done = asked("--cdf", "small.json", "--slo", "1", "--no-verify", "--format", "json")
    assert done.exit_code == 1
    assert "No feasible plan" in done.stderr
    assert json.loads(done.stdout)["schema"].startswith("fleetopt.")
