"""`explain` as a new user calls it: two pools, a fleet file, a plan, a trace; and bad input."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli
from fleetopt.questions.explain import Cause

PLAN = Path(__file__).resolve().parents[1] / "data" / "plan.json"
ONE = ["--cdf", "azure", "--lam", "20", "--n-s", "0", "--n-l", "2", "--gpu-long", "h100",
       "--long-max-ctx", "8192", "--n-req", "3000", "--replications", "2"]  # fmt: skip
TIGHT = [*ONE, "--slo", "30"]
FLEET = {
    "pools": [
        {"id": "large", "gpu": "a100", "n_gpus": 4, "max_ctx": 8192},
        {"id": "small", "gpu": "a10g", "n_gpus": 2, "max_ctx": 4096},
    ],
    "router": "model",
    "workloads": {
        "large": {"cdf": "azure", "lam_frac": 0.6},
        "small": {"cdf": "lmsys", "lam_frac": 0.4},
    },
    "n_req": 2000,
    "replications": 2,
    "lam": 15.0,
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "110"}).invoke(cli, ["explain", *arguments])


def data_of(*arguments: str) -> dict:
    done = invoke(*arguments, "--format", "json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_two_pools_are_explained_in_every_form(tmp_path: Path) -> None:
    data = data_of(*TIGHT)
    assert data["schema"] == "fleetopt.explanation/1"
    worst = data["findings"][data["worst"]]
    assert worst["cause"] in set(Cause)
    assert worst["cause"] in data["answer"]
    rows = list(csv.DictReader(io.StringIO(invoke(*TIGHT, "--format", "csv").stdout)))
    assert [row["cause"] for row in rows] == [one["cause"] for one in worst["removals"]]
    assert [row["cause"] for row in rows if row["binding"] == "True"] == [worst["cause"]]
    table = invoke(*TIGHT, "--plot", "why.svg").stdout
    assert " ".join(table.split()).startswith(data["answer"])
    for title in ("One cause removed at a time", "Their lengths", "What would mend it"):
        assert title in table
    assert worst["cause"] in (tmp_path / "why.svg").read_text()


def test_fleet_file_is_explained_pool_by_pool(tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text(json.dumps(FLEET))
    data = data_of("fleet.json", "--bound", "p99 ttft 400", "--bound", "p50 tpot 30")
    parts = {(one["pool"], one["bound"]["metric"]) for one in data["findings"]}
    assert parts == {(p, m) for p in ("large", "small", "") for m in ("ttft", "tpot")}
    assert data["findings"][data["worst"]]["pool"]
    whole = data_of("fleet.json", "--slo", "400", "--slo-scope", "fleet")
    assert whole["findings"][whole["worst"]]["pool"] == ""


def test_plan_is_explained_in_its_own_scope() -> None:
    data = data_of(str(PLAN), "--n-req", "3000", "--replications", "2")
    assert data["scope"] == json.loads(PLAN.read_text())["problem"]["slo_scope"]
    assert data["stated"]["lam"] == json.loads(PLAN.read_text())["problem"]["arrival_rate"]


def test_recording_is_explained_with_its_bursts(tmp_path: Path) -> None:
    """Requests that come ten at once: at Poisson times none of them misses."""
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    for burst in range(60):
        at = f"2024-01-01 00:{burst:02d}:00.000000"
        lines += [f"{at},200,20"] * 60
    (tmp_path / "trace.csv").write_text("\n".join(lines) + "\n")
    data = data_of("--trace", "trace.csv", "--n-s", "0", "--n-l", "1", "--long-max-ctx", "65536",
                   "--slo", "200")  # fmt: skip
    (found,) = data["findings"]
    assert found["standing"] == "fail"
    assert found["cause"] == "burst"
    removal = next(one for one in found["removals"] if one["cause"] == "burst")
    assert removal["won_back"]["estimate"] > 0.9
    assert removal["won_back"]["low"] is not None


def test_faults_are_told_together_with_their_places(tmp_path: Path) -> None:
    done = invoke("--cdf", "lmsyss", "--n-s", "1", "--plot", "why.gif", "--lam", "-1")
    assert done.exit_code == 2
    for said in ("lmsyss", "--n-l", "--plot why.gif", "--lam"):
        assert said in done.stderr
    (tmp_path / "fleet.json").write_text(json.dumps(FLEET))
    for name in ("fleet.json", str(PLAN)):
        done = invoke(name, "--n-s", "2")
        assert done.exit_code == 2
        assert "--n-s" in done.stderr
        assert "states the pools" in done.stderr
    assert invoke("absent.json").exit_code == 2
