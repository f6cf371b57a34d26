"""The commands that need no solver: `info`, `new`, `--version`, `--help`."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import COMMANDS, cli


def answer(*arguments):
    result = CliRunner().invoke(cli, [*arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_help_lists_every_command_and_each_has_its_own():
    overview = answer("--help")
    for name in COMMANDS:
        assert name in overview
        assert f"fleetopt {name}" in CliRunner().invoke(
            cli, [name, "--help"], prog_name="fleetopt"
        ).stdout.replace("cli ", "fleetopt ")
        assert cli.get_command(None, name).name == name


def test_help_and_command_agree_on_what_a_command_does():
    for name, summary in COMMANDS.items():
        assert cli.get_command(None, name).help.splitlines()[0].startswith(summary[:20])


def test_version():
    assert answer("--version").startswith("fleetopt ")


def test_info_in_every_form(tmp_path):
    text = answer("info")
    data = json.loads(answer("info", "--format", "json"))
    rows = list(csv.DictReader(io.StringIO(answer("info", "--format", "csv"))))
    assert data["schema"] == "fleetopt.info/1"
    names = [
        e["name"]
        for kind in ("workloads", "profiles", "gpus", "links", "llms", "models")
        for e in data[kind]
    ]
    assert [row["name"] for row in rows] == names
    for name in names:
        assert name in text
    assert data["data_folder"] in text


def test_info_states_mean_and_p99_of_each_workload():
    """The P99 length lies where the cumulative distribution passes 0.99."""
    data = json.loads(answer("info", "--format", "json"))
    azure = next(entry for entry in data["workloads"] if entry["name"] == "azure")
    # between (6144, 0.975803) and (8192, 0.999965), mass is uniform
    exact = 6144 + (0.99 - 0.975803) / (0.999965 - 0.975803) * 2048
    assert abs(azure["p99_tokens"] - exact) <= 1
    assert 1000 < azure["mean_tokens"] < 2500


def test_info_to_a_file(tmp_path):
    path = tmp_path / "info.json"
    assert answer("info", "--format", "json", "--output", str(path)) == ""
    assert json.loads(path.read_text())["workloads"]
    assert list(tmp_path.iterdir()) == [path]


def test_new_makes_a_folder_that_solve_understands(tmp_path):
    folder = tmp_path / "mine"
    said = answer("new", str(folder), "--from", "azure")
    assert f"fleetopt solve {folder}" in said
    refused = CliRunner().invoke(cli, ["solve", str(folder), "--lam", "0"])
    assert refused.stderr == "Error: --lam: must be greater than 0, got 0\n"
    assert Path(folder, "problem.toml").read_text().startswith("# Azure")


@pytest.mark.parametrize(
    "command",
    [
        "info",
        "workload show lmsys",
        "profile show --model llama-3.1-8b --gpu h100",
        "profile fits --model llama-3.1-8b",
        "table --gpu h100",
        "simulate --cdf azure --n-s 1 --n-l 2 --lam 5 --n-req 500 --replications 2",
    ],
)
def test_json_has_the_rows_of_csv(command):
    rows = json.loads(answer(*command.split(), "--format", "json"))["rows"]
    table = list(csv.DictReader(io.StringIO(answer(*command.split(), "--format", "csv"))))
    assert len(rows) == len(table) > 0
    assert set(table[0]) <= set(rows[0])
