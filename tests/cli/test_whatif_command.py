"""`fleetopt whatif`: its options, its forms, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli
from fleetopt.cli.spaced import joined

PUZZLE = [
    "whatif",
    "--cdf",
    "azure",
    "--slo",
    "500",
    "--gpu-short",
    "h100",
    "--gpu-long",
    "h100",
    "--long-max-ctx",
    "8192",
]
COMPARE = [
    "whatif",
    "--cdf",
    "azure",
    "--lam",
    "100",
    "--long-max-ctx",
    "8192",
    "--gpu-compare",
    "a10g",
    "a100",
    "h100",
]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def data(*arguments: str) -> Any:
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--r 1 2 3", "--r 1,2,3"),
        ("--r 1, 2 ,3", "--r 1,2,3"),
        ("--r 1,2 3 --x 4 5", "--r 1,2,3 --x 4 5"),
        ("--x 4 --r 1 -2 -.5 -h", "--x 4 --r 1,-2,-.5 -h"),
        ("--r --x 4", "--r --x 4"),
        ("--r 1 --r 2 3", "--r 1 --r 2,3"),
        ("--r=1 2", "--r=1 2"),
    ],
)
def test_words_of_an_option(words: str, expected: str) -> None:
    """Words up to the next option belong together; negative numbers are no options."""
    assert joined(words.split(), {"--r"}) == expected.split()


def test_blanks_and_commas_say_the_same() -> None:
    blanks = data(*PUZZLE, "--lam-range", "25", "50", "100")
    commas = data(*PUZZLE, "--lam-range", "25,50,100")
    assert blanks == commas
    assert [row["lam"] for row in blanks["rows"]] == [25, 50, 100]


def test_rows_have_the_published_fields() -> None:
    rows = data(*PUZZLE, "--lam-range", "25", "400")["rows"]
    assert {"lam", "gpus", "usd_per_year", "add_before_lam"} <= set(rows[0])
    rows = data(*COMPARE)["rows"]
    fields = {"gpu", "layout", "config", "gpus", "usd_per_year", "slo_met"}
    assert fields | {"p99_ms", "p99_short_ms", "p99_long_ms"} <= set(rows[0])
    assert {row["layout"] for row in rows} == {"homo", "two-pool", "mixed"}
    assert {"all-a100", "a10g+h100", "a10g+a100"} <= {row["config"] for row in rows}


def test_published_defaults() -> None:
    """Without options for them: A100, 4096 tokens, 500 ms, and five rates."""
    answer = data("whatif", "--cdf", "azure")
    assert [row["lam"] for row in answer["rows"]] == [50, 100, 200, 500, 1000]
    question = answer["question"]
    assert (question["gpu_short"], question["gpu_long"]) == ("a100", "a100")
    assert (question["b_short"], question["slo"]) == (4096, 500)
    assert question["long_max_ctx"] == 65536


def test_one_rate_alone() -> None:
    answer = data(*PUZZLE, "--lam", "100")
    assert [row["lam"] for row in answer["rows"]] == [100]
    assert len(answer["steps"]) == 1


def test_dates() -> None:
    growth = ("--growth", "100%", "--start", "2026-01-01")
    answer = data(*PUZZLE, "--lam", "50", "--lam-range", "50", "200", *growth)
    dates = [step["until_date"] for step in answer["steps"]]
    assert dates == sorted(dates)
    assert dates[-1] >= "2028-01-01"
    never = run(*PUZZLE, "--lam", "50", "--growth", "-5%")
    assert never.exit_code == 0
    assert "never comes at a growth of -5%/year" in " ".join(never.stdout.split())


def test_table_and_csv() -> None:
    table = run(*PUZZLE, "--lam-range", "25", "50")
    assert "add to the long pool before 28.72" in " ".join(table.stdout.split())
    assert "Every step from 25 to 50 requests per second" in table.stdout
    rows = list(csv.DictReader(io.StringIO(run(*COMPARE, "--format", "csv").stdout)))
    assert [int(row["rank"]) for row in rows] == list(range(1, 13))
    assert "is the cheapest" in run(*COMPARE).stdout


@pytest.mark.parametrize(
    "arguments", [[*PUZZLE, "--lam", "30"], COMPARE, [*COMPARE, "--lam-range", "50", "100"]]
)
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_figures(tmp_path: Path, arguments: list[str], suffix: str) -> None:
    file = tmp_path / f"figure.{suffix}"
    result = run(*arguments, "--plot", str(file))
    assert result.exit_code == 0, result.output
    assert file.read_bytes().startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_simulated_thresholds() -> None:
    answer = data(*PUZZLE, "--lam", "25", "--simulate")
    assert all(size["holds"] for size in answer["checked"])
    assert "pass below, and fail above" in run(*PUZZLE, "--lam", "25", "--simulate").stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--lam-range 25 -50", "Error: --lam-range: must be greater than 0, got -50"),
        ("--lam-range 25 many", "Error: --lam-range: expected a number, got 'many'"),
        ("--lam-range nan", "Error: --lam-range: expected a finite number, got nan"),
        ("--lam 0", "Error: --lam: must be greater than 0, got 0"),
        ("--slo -1", "Error: --slo: must be greater than 0, got -1"),
        ("--b-short 70000", "Error: --b-short: must be at most the largest context 65536"),
        ("--gpu-short a10", "Error: --gpu-short: unknown GPU 'a10' (did you mean 'a10g'?)"),
        ("--gpu-compare h100 b300", "Error: --gpu-compare: unknown GPU 'b300'"),
        ("--gpu-compare h100 h100", "Error: --gpu-compare: 'h100' is stated twice"),
        ("--growth -100%", "Error: --growth: must be more than -100 %, got '-100%'"),
        ("--growth soon", "Error: --growth: expected a growth such as '20%' a year or '5%/month'"),
        ("--start 2026-01-01", "Error: --start: says nothing without a growth (state --growth)"),
        ("--growth 5% --start 1.2.2026", "Error: --start: expected a day such as 2026-01-01"),
        ("--growth 5% --gpu-compare h100", "Error: --growth: says nothing of a comparison"),
        ("--method best", "Error: --method: expected 'fleetopt' or 'published', got 'best'"),
        ("--solve", "Error: --solve: is for --gpu-compare"),
        ("--plot figure.pdf", "Error: --plot figure.pdf: expected a name that ends in"),
    ],
)
def test_wrong_input(options: str, expected: str) -> None:
    result = run("whatif", "--cdf", "azure", *options.split())
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert expected in result.stderr


def test_every_fault_at_once() -> None:
    options = ["--cdf", "azur", "--lam", "-1", "--gpu-long", "a10", "--growth", "-200%"]
    message = run("whatif", *options).stderr
    assert message.startswith("Error: 4 faults in the input")
    for text in ("'azur': no such file", "--lam: must", "--gpu-long: unknown", "--growth: must"):
        assert text in message


def test_lengths_are_needed() -> None:
    assert "--cdf: is required" in run("whatif").stderr


def test_nothing_heavy_is_loaded() -> None:
    """Without --simulate and --solve neither a modelling library nor a compiler is loaded."""
    code = (
        "import sys; from fleetopt.cli.main import cli; "
        f"cli.main({PUZZLE!r}, standalone_mode=False); "
        f"cli.main({COMPARE!r}, standalone_mode=False); "
        "print([m for m in ('pyomo', 'highspy', 'numba', 'scipy', 'networkx', 'matplotlib') "
        "if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
