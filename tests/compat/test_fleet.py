"""Fleets of published names run in fleetopt's simulator, and agree with its commands."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli
from fleetopt.compat import (
    A100_80GB,
    H100_80GB,
    CdfWorkload,
    Fleet,
    FleetConfig,
    PoissonWorkload,
    PoolConfig,
    TraceWorkload,
)
from fleetopt.compat.fleet_results import FleetSimResult
from fleetopt.compat.workload import Request
from fleetopt.errors import InputError

Arrivals = list[tuple[float, Request]]


@pytest.fixture(scope="module")
def arrivals() -> Arrivals:
    """Azure's lengths, 100 a second."""
    return PoissonWorkload(100.0, CdfWorkload("azure"), 4000).generate()


def config(router: str = "LengthRouter", **kwargs: Any) -> FleetConfig:
    pools = [PoolConfig("short", H100_80GB, 3, 4096), PoolConfig("long", A100_80GB, 5, 8192)]
    return FleetConfig(pools, router, kwargs)


def run(arrivals: Arrivals, router: str = "LengthRouter", **kwargs: Any) -> FleetSimResult:
    return Fleet(config(router, **kwargs)).run(arrivals)


def test_agrees_with_the_command_on_the_same_trace(arrivals: Arrivals, tmp_path: Path) -> None:
    """The percentile and the share within the SLO of `fleetopt simulate`."""
    trace = tmp_path / "trace.csv"
    with trace.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "prompt_tokens", "output_tokens"])
        writer.writerows([repr(t), request.l_in, request.l_out] for t, request in arrivals)
    line = f"simulate --trace {trace} --b-short 4096 --long-max-ctx 8192 --gpu-short h100 " \
           "--gpu-long a100 --n-s 3 --n-l 5 --slo 30 --format json"  # fmt: skip
    done = CliRunner().invoke(cli, line.split())
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    ours = run(arrivals)
    fleet = said["fleet"]
    assert ours.slo_compliance(30.0) == pytest.approx(fleet["attained"][0]["estimate"], abs=1e-12)
    p99 = fleet["latency_ms"]["ttft"]["p99"]["estimate"]
    assert ours.p99_ttft_ms() == pytest.approx(p99, rel=0.01)
    for pool in said["pools"]:
        assert ours.mean_utilisation(pool["name"]) == pytest.approx(pool["utilization"]["estimate"])


def test_the_same_from_a_trace_file(arrivals: Arrivals, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    lines = [f"{t!r},{request.l_in},{request.l_out}" for t, request in arrivals]
    trace.write_text("\n".join(["timestamp,num_prefill_tokens,num_decode_tokens", *lines]))
    replayed = TraceWorkload(trace, fmt="splitwise").generate()
    assert [r.l_in for _, r in replayed] == [r.l_in for _, r in arrivals]
    assert run(replayed).p99_ttft_ms() == pytest.approx(run(arrivals).p99_ttft_ms(), rel=1e-6)


def test_the_summary_is_the_figures(arrivals: Arrivals) -> None:
    """Under the published keys."""
    found = run(arrivals)
    summary = found.summary(t_slo_ms=100.0)
    assert summary["total_gpus"] == 8
    assert summary["cost_per_hr_usd"] == pytest.approx(3 * 4.02 + 5 * 2.21)
    assert summary["annualised_cost_kusd"] == pytest.approx(8.76 * 23.11, abs=0.05)
    assert summary["short_p99_ttft_ms"] == pytest.approx(found.p99_ttft_ms("short"), abs=0.051)
    assert summary["long_slo"] == pytest.approx(found.slo_compliance(100.0, "long"), abs=1e-4)
    assert summary["mean_utilisation"] == pytest.approx(
        (found.mean_utilisation("short") + found.mean_utilisation("long")) / 2, abs=1e-4
    )


def test_every_arrival_counts(arrivals: Arrivals) -> None:
    """A request that fits no pool has missed, and is no completed one."""
    beyond = [(t, Request(i, t, 9000, 10)) for i, (t, _) in enumerate(arrivals[::10])]
    found = run(sorted(arrivals + beyond, key=lambda pair: pair[0]))
    fits = sum(r.l_in + r.l_out <= 8192 for _, r in arrivals)
    assert found.summary()["total_completed"] == fits
    assert found.slo_compliance(1e9) == pytest.approx(fits / (len(arrivals) + len(beyond)))


@pytest.mark.parametrize(
    ("router", "kwargs"),
    [
        ("LengthRouter", {"threshold": 2048}),
        ("CompressAndRouteRouter", {"B_short": 4096, "gamma": 1.5, "compress_lat": 0.0}),
        ("RandomRouter", {"seed": 3}),
        ("LeastLoadedRouter", {}),
        ("SpilloverRouter", {"threshold": 4096, "spill_threshold": 0.5}),
        ("ModelRouter", {"default_pool": "long"}),
        ("SemanticRouter", {"classify_fn": lambda r: "short" if r.l_in < 1000 else "long"}),
    ],
)
def test_every_published_router_runs(
    arrivals: Arrivals, router: str, kwargs: Mapping[str, Any]
) -> None:
    found = run(arrivals, router, **kwargs)
    assert 0.0 < found.slo_compliance(1e9) <= 1.0
    assert found.throughput() > 0.0


def test_routers_send_requests_where_they_should(arrivals: Arrivals) -> None:
    def share_short(router: str, **kwargs: Any) -> float:
        return float((run(arrivals, router, **kwargs).outcome.column("pool") == 0).mean())

    below = {b: sum(r.l_in + r.l_out <= b for _, r in arrivals) / 4000 for b in (2048, 4096)}
    assert share_short("LengthRouter") == below[4096]
    assert share_short("LengthRouter", threshold=2048) == below[2048]
    assert share_short("CompressAndRouteRouter", B_short=4096, gamma=1.0) == below[4096]
    assert share_short("CompressAndRouteRouter", B_short=4096, gamma=1.5) > below[4096]
    assert share_short("RandomRouter") == pytest.approx(0.5, abs=0.05)
    assert share_short("ModelRouter", default_pool="long") == 0.0
    small = sum(r.l_in < 1000 for _, r in arrivals) / 4000
    chosen = share_short("SemanticRouter", classify_fn=lambda r: ("long", "short")[r.l_in < 1000])
    assert chosen == small


def test_code_is_not_compressed_unless_it_is_called_safe(arrivals: Arrivals) -> None:
    def short(**kwargs: Any) -> int:
        found = run(arrivals, "CompressAndRouteRouter", B_short=4096, gamma=2.0, **kwargs)
        return int((found.outcome.column("pool") == 0).sum())

    assert short(safe_cats=()) == short()  # none named: the usual ones
    assert short(safe_cats={"prose", "rag", "code"}) > short()


def test_wrong_configurations(arrivals: Arrivals) -> None:
    cases = [
        (config("LengthRooter"), "unknown router 'LengthRooter' .*did you mean 'LengthRouter'"),
        (config("LengthRouter", treshold=1), "takes no 'treshold' .*did you mean 'threshold'"),
        (config("CompressAndRouteRouter"), "needs B_short"),
        (config("ModelRouter", default_pool="shot"), "no pool is called 'shot'"),
        (FleetConfig([]), "pools: at least one is expected"),
        (
            FleetConfig([PoolConfig("a", H100_80GB, 1, 64, "shared", "round_robin")]),
            "'round_robin'",
        ),
    ]
    for wrong, said in cases:
        with pytest.raises(InputError, match=said):
            Fleet(wrong).run(arrivals)
    with pytest.raises(InputError, match="at least one request"):
        Fleet(config()).run([])
    with pytest.raises(InputError, match="call run first"):
        Fleet(config()).collect_metrics()


def test_an_unknown_pool_is_no_empty_one(arrivals: Arrivals) -> None:
    fleet = Fleet(config())
    found = fleet.run(arrivals)
    assert fleet.collect_metrics() is found
    with pytest.raises(KeyError, match="no pool is called 'shot'"):
        found.p99_ttft_ms("shot")
    nobody = Fleet(config("ModelRouter", default_pool="long")).run(arrivals)
    assert math.isnan(nobody.p99_ttft_ms("short"))
    assert math.isnan(nobody.slo_compliance(500.0, "short"))
