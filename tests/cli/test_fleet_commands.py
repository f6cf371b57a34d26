"""`simulate`, `compare-routers` and `simulate-fleet` as a new user calls them."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli

TWO = ["--n-s", "1", "--n-l", "2", "--gpu-short", "h100", "--gpu-long", "h100"]
AZURE = ["--cdf", "azure", "--lam", "20", "--long-max-ctx", "8192", *TWO, "--replications", "2"]
SHORT = [*AZURE, "--n-req", "2000"]
FLEET = {
    "note": "remarks",
    "pools": [
        {"id": "large", "gpu": "a100", "n_gpus": 4, "max_ctx": 8192},
        {"id": "small", "gpu": "a10g", "n_gpus": 2, "max_ctx": 4096},
    ],
    "router": "model",
    "workloads": {
        "large": {"cdf": "data/azure_cdf.json", "lam_frac": 0.6},
        "small": {"cdf": "lmsys", "lam_frac": 0.4},
    },
}
PUBLISHED = {
    "simulate": "--cdf --lam --slo --b-short --long-max-ctx --gpu-short --gpu-long --out --n-s "
    "--n-l --gamma --n-req --seed",
    "compare-routers": "--cdf --lam --slo --b-short --long-max-ctx --gpu-short --gpu-long --out "
    "--n-s --n-l --n-req --seed",
    "simulate-fleet": "--cdf --lam --slo --n-req --seed --out",
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "110"}).invoke(cli, list(arguments))


def data_of(*arguments: str) -> dict:
    done = invoke(*arguments, "--format", "json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def assert_conserved(figures: dict) -> None:
    lost = sum(figures["rejected"].values()) + figures["unfinished"]
    assert figures["arrivals"] == figures["completed"] + lost


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_flag_is_there(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    spelled = {spelling for option in command.params for spelling in option.opts}
    assert set(PUBLISHED[name].split()) <= spelled


def test_text_begins_with_the_answer() -> None:
    done = invoke("simulate", *SHORT)
    assert done.exit_code == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith(("Keeps the SLO: ", "Too short to tell: "))
    assert "of all arrivals within TTFT 500" in first


def test_json_of_a_simulation() -> None:
    data = data_of("simulate", *AZURE)
    assert data["schema"] == "fleetopt.simulation/1"
    assert data["standing"] == "pass"
    assert [pool["name"] for pool in data["pools"]] == ["short", "long"]
    for figures in (data["fleet"], *(pool["requests"] for pool in data["pools"])):
        assert_conserved(figures)
        assert list(figures["latency_ms"]["ttft"]) == ["p50", "p90", "p95", "p99", "p99.9"]
    arrivals = sum(pool["requests"]["arrivals"] for pool in data["pools"])
    assert arrivals == data["fleet"]["arrivals"]
    assert len(data["pools"][1]["replica_busy"]) == 2
    assert data["measured_s"] >= 50_000 / 20


def test_csv_says_what_json_says() -> None:
    data = data_of("simulate", *SHORT)
    rows = list(csv.DictReader(io.StringIO(invoke("simulate", *SHORT, "--format", "csv").stdout)))
    assert [row["name"] for row in rows] == ["", "short", "long"]
    for row, part in zip(
        rows, [data["fleet"], *(p["requests"] for p in data["pools"])], strict=True
    ):
        assert int(row["arrivals"]) == part["arrivals"]
        assert float(row["p99_ttft_ms"]) == part["latency_ms"]["ttft"]["p99"]["estimate"]


def test_a_seed_is_an_answer() -> None:
    first, again, other = (
        data_of("simulate", *SHORT, "--seed", seed)["fleet"] for seed in ("3", "3", "4")
    )
    assert first == again
    assert first != other


def test_an_overloaded_fleet_is_an_answer() -> None:
    """One A10G at 200 req/s serves nearly nobody in time, and its line grows nearly as fast."""
    data = data_of("simulate", "--cdf", "azure", "--n-s", "0", "--n-l", "1", "--gpu-long", "a10g",
                   "--long-max-ctx", "8192", "--replications", "2")  # fmt: skip
    assert data["standing"] == "unstable"
    assert data["fleet"]["attained"][0]["estimate"] < 0.01
    assert data["fleet"]["latency_ms"] == {}
    assert 150 < data["backlog_per_s"]["estimate"] < 200
    assert_conserved(data["fleet"])


def test_what_is_written_beside_the_answer() -> None:
    done = invoke("simulate", *SHORT, "--records", "r.csv", "--series", "s.csv",
                  "--chrome-trace", "c.json", "--out", "a.json", "--format", "json")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    answer = json.loads(Path("a.json").read_text())
    records = list(csv.DictReader(io.StringIO(Path("r.csv").read_text())))
    measured = [row for row in records if row["measured"] == "True"]
    assert 0 < len(measured) < answer["fleet"]["arrivals"]
    assert {row["pool"] for row in records} == {"short", "long"}
    for row in measured[:50]:
        assert float(row["ttft_s"]) == pytest.approx(
            float(row["prefill_end_s"]) - float(row["arrival_s"])
        )
    series = list(csv.DictReader(io.StringIO(Path("s.csv").read_text())))
    assert {(row["replication"], row["pool"]) for row in series} == {
        (r, p) for r in "12" for p in ("short", "long")
    }
    events = json.loads(Path("c.json").read_text())["traceEvents"]
    opened = [event for event in events if event["ph"] == "b"]
    assert len(opened) == sum(event["ph"] == "e" for event in events)
    assert {event["name"] for event in opened} == {"request", "wait", "prefill", "decode"}
    assert len({event["id"] for event in opened}) == sum(
        r["status"] == "completed" for r in records
    )


def test_compared_routers() -> None:
    data = data_of("compare-routers", *SHORT)
    assert data["schema"] == "fleetopt.router-comparison/1"
    assert [row["router"] for row in data["rows"]] == [
        "LengthRouter", "CompressAndRoute", "RandomRouter",
    ]  # fmt: skip
    for row, simulation in zip(data["rows"], data["simulations"], strict=True):
        assert row["slo_pct"] == 100 * simulation["fleet"]["attained"][0]["estimate"]
        assert row["p99_ms"] == simulation["fleet"]["latency_ms"]["ttft"]["p99"]["estimate"]
        assert set(row["utilization"]) == {"short", "long"}
        assert_conserved(simulation["fleet"])
    assert len({row["arrivals"] for row in data["rows"]}) == 1
    length, _, random = data["rows"]
    assert length["misrouted_pct"] == 0 < random["misrouted_pct"]
    assert random["slo_pct_less"] == pytest.approx(
        100 - random["slo_pct"] - (100 - length["slo_pct"]), abs=0.5
    )


def test_own_routers_and_their_parameters() -> None:
    rows = data_of("compare-routers", *SHORT, "--router", "fewest",
                   "--router", "compress:gamma=1.2,success=0.5")["rows"]  # fmt: skip
    assert [row["router"] for row in rows] == [
        "FewestSequences", "CompressAndRoute (gamma=1.2,success=0.5)",
    ]  # fmt: skip


def test_the_published_file() -> None:
    Path("fleet.json").write_text(json.dumps(FLEET))
    data = data_of("simulate-fleet", "fleet.json", "--lam", "10", "--replications", "2")
    assert [pool["name"] for pool in data["pools"]] == ["large", "small"]
    assert [(part["kind"], part["name"]) for part in data["classes"]] == [
        ("model", "large"), ("model", "small"),
    ]  # fmt: skip
    large, small = (part["arrivals"] for part in data["classes"])
    assert large / (large + small) == pytest.approx(0.6, abs=0.02)
    for pool, part in zip(data["pools"], data["classes"], strict=True):
        assert pool["requests"]["arrivals"] == part["arrivals"]
    assert any("are longer than 4,096 tokens" in note for note in data["notes"])


def test_a_classifier_that_errs() -> None:
    """A tenth of the large model's requests is found small, and none of the others large."""
    semantic = {
        "name": "semantic",
        "classes": ["large", "small"],
        "confusion": [[0.9, 0.1], [0, 1]],
    }
    Path("fleet.json").write_text(json.dumps({**FLEET, "router": semantic}))
    data = data_of("simulate-fleet", "fleet.json", "--lam", "10", "--replications", "2")
    small = data["pools"][1]["requests"]["arrivals"] / data["fleet"]["arrivals"]
    assert small == pytest.approx(0.4 + 0.1 * 0.6, abs=0.02)


def test_options_replace_the_traffic_of_a_file() -> None:
    Path("fleet.json").write_text(json.dumps(FLEET))
    data = data_of("simulate-fleet", "fleet.json", "--cdf", "azure", "--lam", "10",
                   "--router", "length", "--n-req", "500", "--replications", "2")  # fmt: skip
    assert data["classes"] == []
    assert data["router"] == "length"


def test_a_plan_is_a_fleet() -> None:
    solved = invoke("solve", "--cdf", "azure", "--lam", "20", "--gpus", "h100", "--no-verify",
                    "--format", "json", "--output", "plan.json")  # fmt: skip
    assert solved.exit_code == 0, solved.output
    data = data_of("simulate", "plan.json", "--replications", "2", "--n-req", "3000")
    pools = json.loads(Path("plan.json").read_text())["fleet"]["pools"]
    assert [pool["gpus"] for pool in data["pools"]] == [pool["gpus"] for pool in pools]
    assert data["arrival_rate"] == pytest.approx(20)
    lines = "".join(f"{i * 0.5},{200 + i},{20}\n" for i in range(300))
    Path("t.csv").write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n" + lines)
    assert data_of("simulate", "plan.json", "--trace", "t.csv")["fleet"]["arrivals"] == 300
    refused = invoke("simulate", "plan.json", "--n-s", "3")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: --n-s: the plan states the pools")


def test_a_trace_is_replayed_as_it_was() -> None:
    lines = "".join(f"{i * 0.25},{100 + i},{20}\n" for i in range(400))
    Path("t.csv").write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n" + lines)
    data = data_of("simulate", "--trace", "t.csv", *TWO)
    assert data["replications"] == 1
    assert data["fleet"]["arrivals"] == 400
    assert data["fleet"]["attained"][0] == {"estimate": 1.0, "low": None, "high": None}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["simulate"], ["--n-s: GPUs", "--n-l: GPUs", "--cdf: traffic is needed"]),
        (["simulate", *AZURE, "--n-s", "0", "--n-l", "0"], ["one of the two must be above 0"]),
        (["simulate", *AZURE, "--n-s", "-1"], ["--n-s: must be at least 0, got -1"]),
        (["simulate", *AZURE, "--b-short", "0"], ["--b-short: must be at least 2, got 0"]),
        (["simulate", *AZURE, "--gpu-long", "h1000"], ["--gpu-long: unknown GPU 'h1000'"]),
        (["simulate", *AZURE, "--router", "lenth"], ["--router", "did you mean 'length'?"]),
        (["simulate", *AZURE, "--router", "length:gamma=2"], ["no such parameter"]),
        (["simulate", *AZURE, "--gamma", "0.5"], ["--gamma: must be at least 1, got 0.5"]),
        (["simulate", *AZURE, "--gamma", "1.5", "--n-s", "0"], ["--gamma: compress needs two"]),
        (
            ["simulate", *AZURE, "--router", "compress:thresholds=2048,threshold=9,gammas=1.5/2"],
            ["threshold stands beside thresholds", "a factor for each of 1 thresholds, got 2"],
        ),
        (["simulate", *AZURE, "--arrivals", "gama:2"], ["--arrivals", "did you mean 'gamma'?"]),
        (["simulate", *AZURE, "--arrivals", "fitted"], ["--arrivals: fitted needs a workload"]),
        (["simulate", *AZURE, "--failures", "0.1:4"], ["--failures", "such as 0.0065:4h"]),
        (["simulate", *AZURE, "--length-knowledge", "some"], ["--length-knowledge: got 'some'"]),
        (["simulate", *AZURE, "--growth"], ["--growth", "needs admission = 'paged'"]),
        (
            ["simulate", "--cdf", "azure", *TWO, "--concurrency", "4", "--arrivals", "gamma:2"],
            ["--arrivals: clients alone do not arrive"],
        ),
        (["simulate", *AZURE, "--think", "1"], ["--think: only clients pause"]),
        (["simulate", *AZURE, "--n-req", "99"], ["--n-req: must be at least 100, got 99"]),
        (["simulate", *AZURE, "--trace", "t.csv"], ["--trace: stands beside cdf", "no such file"]),
        (["simulate", *AZURE, "--records", "r.txt"], ["--records r.txt: expected a name"]),
        (["simulate", *AZURE, "--series", "no/s.csv"], ["--series no/s.csv: cannot be written"]),
        (["simulate", *AZURE, "--cdf", "azur"], ["--cdf 'azur': no such file or bundled workload"]),
        (["simulate", *AZURE, "--router", "prefix"], ["keep prefixes", "share prefixes"]),
        (["simulate", *AZURE, "--sessions", "0.5:3s"], ["--sessions: must be at least 1, got 0.5"]),
        (["simulate", *AZURE, "--sessions", "5"], ["--sessions: expected mean turns", "'5'"]),
        (["simulate", *AZURE, "--sessions", "5:3s", "--concurrency", "4"], ["--sessions: stands"]),
        (["simulate", *AZURE, "--prefix-cache", "-1"], ["--prefix-cache: must be at least 0"]),
        (["simulate", "plan.json"], ["plan.json"]),
        (["compare-routers", *AZURE, "--router", "length", "--router", "length"], ["twice"]),
        (["compare-routers", *AZURE, "--n-s", "0"], ["--router compress: compress needs two"]),
        (["simulate-fleet", "nowhere.json"], ["'nowhere.json': no such file"]),
    ],
)
def test_wrong_input(arguments: list[str], expected: list[str]) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert all(text in done.stderr for text in expected), done.stderr
    assert not list(Path().iterdir())


def test_every_fault_of_a_file_at_once() -> None:
    wrong = {
        "pools": [
            {"id": "a", "gpu": "a1000", "n_gpus": 0, "max_ctx": 0},
            {"id": "a", "gpu": "h100", "n_gpus": 2, "max_ctx": 4096, "slots": 3},
        ],
        "router": {"name": "semantic", "classes": ["a", "c"], "confusion": [[0.5, 0.4], [0, 1]]},
        "workloads": {
            "a": {"cdf": "azur", "lam_frac": 0.6},
            "b": {"cdf": "lmsys", "lam_frac": 0.3},
        },
    }
    Path("bad.json").write_text(json.dumps(wrong))
    done = invoke("simulate-fleet", "bad.json", "--lam", "0")
    assert done.exit_code == 2
    expected = [
        "bad.json, pools[0].n_gpus: must be at least 1, got 0",
        "bad.json, pools[0].max_ctx: must be at least 2, got 0",
        "bad.json, pools[0].gpu: unknown GPU 'a1000'",
        "bad.json, pools[1].id: a is stated twice",
        "bad.json, pools[1].slots: unknown key 'slots'",
        "bad.json, router.classes[1]: no pool is called 'c'",
        "bad.json, router.confusion[0]: a row must sum to 1, got 0.9",
        "bad.json, workloads: the shares lam_frac must sum to 1, got 0.9",
        "bad.json, workloads.a.cdf: 'azur': no such file",
        "--lam: must be greater than 0, got 0",
    ]
    assert done.stderr.startswith(f"Error: {len(expected)} faults in the input")
    assert all(text in done.stderr for text in expected), done.stderr


def test_a_model_that_no_pool_serves() -> None:
    workloads = {"huge": {"cdf": "azure", "lam_frac": 1}}
    Path("fleet.json").write_text(json.dumps({**FLEET, "workloads": workloads}))
    done = invoke("simulate-fleet", "fleet.json")
    assert done.exit_code == 2
    assert "fleet.json, workloads.huge: no pool serves this model" in done.stderr


def test_parquet_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = invoke("simulate", *SHORT, "--records", "r.parquet")
    assert done.exit_code == 2
    assert (
        "--records r.parquet: Parquet needs pyarrow (pip install 'fleetopt[parquet]'" in done.stderr
    )


def test_parquet_holds_what_csv_holds() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for name in ("r.parquet", "r.csv"):
        assert invoke("simulate", *SHORT, "--records", name).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(Path("r.csv").read_text())))
    assert parquet.read_table("r.parquet").column_names == list(rows[0])
    assert parquet.read_table("r.parquet").num_rows == len(rows)
