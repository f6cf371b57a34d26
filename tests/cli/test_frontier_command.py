"""`fleetopt frontier`: its forms, its figure, and its wrong inputs."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli

PROBLEM = ["azure", "--lam", "20", "--gpus", "a100,h100", "--max-pools", "2"]
NO_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
from fleetopt.cli.main import run
run()
"""


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(cli, ["frontier", *arguments])


def test_json_and_csv_say_the_same() -> None:
    data = json.loads(invoke(*PROBLEM, "--format", "json").stdout)
    assert data["schema"] == "fleetopt.frontier/1"
    assert [axis["objective"] for axis in data["objectives"]] == ["cost", "ttft"]
    assert data["bounded"] == "ttft"
    rows = list(csv.DictReader(io.StringIO(invoke(*PROBLEM, "--format", "csv").stdout)))
    assert len(rows) == len(data["points"]) > 2
    for row, point in zip(rows, data["points"], strict=True):
        assert {row["kind"], row["verdict"]} == {"point", "not verified"}
        for name in ("cost_usd_per_year", "p99_ttft_ms"):
            assert float(row[name]) == point["values"][name]
    assert 0 < data["knee"] < len(rows) - 1


PHASED = [*PROBLEM, "--phases", "either", "--long-max-ctx", "8192", "--overlong", "clip"]


def test_points_name_the_pools_of_each_phase(tmp_path: Path) -> None:
    """In the text, in JSON, in CSV and in the figure."""
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    data = json.loads(invoke(*PHASED, "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(invoke(*PHASED, "--format", "csv").stdout)))
    apart = [point for point in data["points"] if point["disaggregated"]]
    assert 0 < len(apart) < len(rows) == len(data["points"])
    for row, point in zip(rows, data["points"], strict=True):
        phases = {pool["name"]: pool["phase"] for pool in point["fleet"]["pools"]}
        assert row["disaggregated"] == str(point["disaggregated"])
        assert point["disaggregated"] == bool(point["pairs"]) == any(phases.values())
        for pair in point["pairs"]:
            assert (phases[pair["prefill"]], phases[pair["decode"]]) == ("prefill", "decode")
            assert f"{pair['prefill']}: " in row["prefill_pools"]
            assert f"{pair['decode']}: " in row["decode_pools"]
    figure = tmp_path / "front.svg"
    done = invoke(*PHASED, "--plot", str(figure))
    assert f"{len(apart)} of {len(rows)} points prefill on some GPUs and decode on" in done.stdout
    assert "prefill and decode apart" in figure.read_text()


def test_text_begins_with_the_answer() -> None:
    done = invoke(*PROBLEM, "--show", "dominated")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "points on the frontier of Cost and P99 TTFT" in lines[0]
    assert lines[1].startswith("Least cost: ")
    assert "Dominated" in done.stdout


@pytest.mark.parametrize("name", ["front.png", "front.svg"])
@pytest.mark.parametrize("option", ["--plot", "--output"])
def test_figures_are_written(option: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    path = tmp_path / name
    done = invoke(*PROBLEM, "--show", "dominated", option, str(path))
    assert done.exit_code == 0, done.output
    assert list(tmp_path.iterdir()) == [path]
    assert "Knee: " in done.stdout
    if name.endswith("png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    else:
        text = "".join(ElementTree.parse(path).getroot().itertext())
        assert "P99 TTFT of the worst pool, ms" in text
        assert "Cost, K$ a year" in text


def test_without_matplotlib_one_message_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_MATPLOTLIB, "frontier", *PROBLEM, "--plot", "front.png"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: --plot front.png: figures need matplotlib, which is not installed "
        "(pip install 'fleetopt[plot]')"
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--objectives cost,cost", "Error: --objectives: cost is stated twice"),
        ("--objectives cost,tfft", "--objectives: unknown objective 'tfft' (did you mean 'ttft'?)"),
        ("--objectives cost", "--objectives: expected two, got 1"),
        ("--objectives a,b --lam 0", "Error: 3 faults in the input"),
        ("--show hidden", "--show: unknown kind 'hidden'"),
        ("--plot front.pdf", "--plot front.pdf: expected a name that ends in .png or .svg"),
        ("--plot no/front.png", "--plot no/front.png: cannot be written: there is no folder"),
        ("--output no/front.svg", "cannot be written: there is no folder"),
        ("--lam 0", "Error: --lam: must be greater than 0, got 0"),
        ("--objectives tpot,cost --method published", "does not predict tpot"),
    ],
)
def test_wrong_input(options: str, expected: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(*options.split())
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert expected in done.stderr
    assert not list(tmp_path.iterdir())


def test_no_fleet_is_exit_code_1() -> None:
    done = invoke(*PROBLEM, "--slo", "0.01")
    assert done.exit_code == 1
    assert done.stderr.startswith("No feasible plan: no fleet meets the problem")
