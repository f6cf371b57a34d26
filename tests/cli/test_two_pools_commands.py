"""`fleetopt pareto` and `fleetopt optimize`: forms, published command lines, wrong input."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = {
    "b_short alpha n_short n_long gpus usd_per_year saving_pct p99_short_ms p99_long_ms slo_met": [
        "pareto --cdf data/lmsys_cdf.json --lam 100 --slo 500 --long-max-ctx 65536",
        "pareto --cdf data/azure_cdf.json --lam 200 --slo 500 --long-max-ctx 8192",
        "pareto --cdf data/agent_heavy_cdf.json --lam 200 --slo 500 --long-max-ctx 65536",
    ],
    "config gpu layout b_short gpus usd_per_year p99_ms p99_short_ms p99_long_ms slo_met": [
        "optimize --cdf data/azure_cdf.json --lam 100 --slo 500 --gpu-short a10g --gpu-long a10g "
        "--long-max-ctx 8192 --verify-top 0",
        "optimize --cdf data/azure_cdf.json --lam 100 --slo 500 --gpu-short a10g --gpu-long h100 "
        "--long-max-ctx 8192 --n-sim-req 0",
        "optimize --cdf data/lmsys_cdf.json --lam 100 --slo 500 --gpu-short a10g --gpu-long h100 "
        "--long-max-ctx 65536 --verify-top 0",
    ],
}
HEAVY = (
    "pydantic", "pyomo", "highspy", "numba", "matplotlib", "scipy", "networkx", "rich",
    "fleetopt.study", "fleetopt.simulation", "fleetopt.performance.models",
    "fleetopt.performance.phase_links", "fleetopt.queueing.prefill_table",
)  # fmt: skip


def invoke(command: str) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(cli, shlex.split(command))


@pytest.mark.parametrize("place", ["with data", "without"])
@pytest.mark.parametrize(
    ("fields", "command"),
    [(fields, command) for fields, commands in PUBLISHED.items() for command in commands],
)
def test_published_commands_run_as_written(
    fields: str, command: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT if place == "with data" else tmp_path)
    done = invoke(f"{command} --format json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert rows
    for row in rows:
        assert set(fields.split()) <= set(row)


def test_published_agents_are_verified(tmp_path: Path) -> None:
    """The published 25 and our cheaper fleet keep 1000 ms; the published P99 is far off both."""
    out = tmp_path / "agents.json"
    done = invoke(
        "optimize --cdf agent_heavy --lam 20 --slo 1000 --gpu-short h100 --gpu-long h100 "
        f"--b-short 4096 --long-max-ctx 65536 --verify-top 1 --format json --out {out}"
    )
    assert done.exit_code == 0, done.output
    rows = json.loads(out.read_text())["rows"]
    assert {row["config"] for row in rows} == {"homo 65K", "two-pool 4K/65K"}
    seen = [row for row in rows if row["verdict"] is not None]
    assert {row["method"] for row in seen} == {"fleetopt", "published"}
    for row in seen:
        assert row["verdict"] == "pass"
        pools = [name for name in ("short", "long") if row[f"simulated_p99_{name}_ms"] is not None]
        for name in pools:
            figures = [row[f"simulated_p99_{name}_ms{end}"] for end in ("_low", "", "_high")]
            assert figures == sorted(figures)


def test_pareto_says_the_same_in_every_form() -> None:
    command = "pareto --cdf azure --lam 60 --long-max-ctx 8192 --b-short 3000"
    data = json.loads(invoke(f"{command} --format json").stdout)
    assert data["schema"] == "fleetopt.thresholds/1"
    rows = list(csv.DictReader(io.StringIO(invoke(f"{command} --format csv").stdout)))
    assert [int(row["b_short"]) for row in rows] == [row["b_short"] for row in data["rows"]]
    text = invoke(command).stdout
    first, *others = text.split("\n\n", 1)[0].splitlines()
    assert first.startswith("One pool for all requests: ")
    if data["recommended"] is not None:
        assert f"Split at {data['recommended']:,} tokens" in others[0]
        assert any(line.startswith("Not at ") for line in others)
    assert data["own"]["b_short"] == 3000
    assert "Your split at 3,000" in text


@pytest.mark.parametrize("command", ["pareto", "optimize --verify-top 0"])
@pytest.mark.parametrize("form", ["png", "svg"])
def test_figures_are_written(command: str, form: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    path = tmp_path / f"figure.{form}"
    done = invoke(f"{command} --cdf azure --lam 60 --long-max-ctx 8192 --plot {path}")
    assert done.exit_code == 0, done.output
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG") if form == "png" else b"P99 TTFT, ms" in content


@pytest.mark.parametrize("command", ["pareto", "optimize --verify-top 0"])
def test_without_simulation_nothing_heavy_is_loaded(command: str) -> None:
    code = (
        "import sys; from fleetopt.cli.main import cli; "
        "cli.main(sys.argv[1:], standalone_mode=False); "
        f"print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    )
    words = [*command.split(), "--cdf", "azure", "--lam", "60", "--long-max-ctx", "8192"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"


def test_a_process_ends_without_a_search_for_garbage() -> None:
    """What is asked last when it ends says that nothing is left to look at."""
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 500,"
        " file=sys.stderr))\n"
        "from fleetopt.cli.main import run\n"
        "run()"
    )
    words = ["pareto", "--cdf", "azure", "--lam", "60", "--long-max-ctx", "8192"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.stderr.strip() == "True True"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "pareto --cdf lmsys --slo -1 --gpu-short h10 --b-short 70000 --gamma 0.5 "
            "--plot y.pdf --output /no/where",
            [
                "--slo: must be greater than 0, got -1",
                "--gamma: must be at least 1, got 0.5",
                "--output /no/where: cannot be written: there is no folder /no",
                "--gpu-short: unknown GPU 'h10' (did you mean 'h100'?)",
                "--plot y.pdf: expected a name that ends in .png or .svg",
                "--b-short: must be at most the largest context 65536, got 70000",
            ],
        ),
        (
            "optimize --cdf azur --gamma-max 0.9 --verify-top -1 --n-sim-req 3 --b-short 0",
            [
                "--b-short: must be greater than 0, got 0",
                "--gamma-max: must be at least 1, got 0.9",
                "--n-sim-req: must be at least 100, got 3",
                "'azur': no such file or bundled workload (did you mean 'azure'?)",
                "--verify-top: expected a whole number of at least 0, got '-1'",
            ],
        ),
        (
            "pareto --cdf azure --gpu-long a10g --long-max-ctx 2000000",
            ["--gpu-long: no replica of a10g holds 2,000,000 tokens"],
        ),
        (
            "optimize --cdf azure --availability 1.5 --method guess",
            [
                "--availability: must be at most 1, got 1.5",
                "--method: expected 'fleetopt' or 'published', got 'guess'",
            ],
        ),
    ],
)
def test_wrong_input_is_told_at_once(
    command: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(command)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    said = done.stderr.removeprefix("Error: ").splitlines()
    lines = said if len(said) == 1 else [line.removeprefix("  - ") for line in said[1:]]
    assert sorted(lines) == sorted(expected)
    assert list(tmp_path.iterdir()) == []
