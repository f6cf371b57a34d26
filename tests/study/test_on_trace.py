"""A plan for a trace holds on the trace, where the plan for its Poisson twin does not."""

from __future__ import annotations

import csv
import json
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fleetopt import study
from fleetopt.case import Case
from fleetopt.cli.main import cli
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.plan import Plan
from fleetopt.problem import FleetProblem
from fleetopt.simulation.fleet import Fleet, simulate_fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_run import latencies_s
from fleetopt.simulation.records import Window
from fleetopt.simulation.routing.by_length import ByLength
from fleetopt.workload.arrivals import ModulatedPoisson
from fleetopt.workload.traces import read_trace


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bursts of 300 requests a second, a few seconds long, and 3 a second between them."""
    rng = np.random.default_rng(7)
    times = ModulatedPoisson(300.0, 3.0, 4.0, 60.0).times(rng, 400.0)
    prompt = 1 + rng.lognormal(6.0, 1.1, times.size).astype(int).clip(max=12_000)
    output = 1 + rng.lognormal(4.8, 0.7, times.size).astype(int).clip(max=2_000)
    place = tmp_path_factory.mktemp("trace") / "bursts.csv"
    with place.open("w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["arrived_at", "num_prefill_tokens", "num_decode_tokens"])
        log.writerows(zip(times.round(4), prompt, output, strict=True))
    return place


def solved(path: Path, **keys: object) -> Plan:
    return study.solve(FleetProblem.model_validate({"trace": {"path": str(path)}, **keys}))


def missed(plan: Plan, path: Path) -> tuple[int, int]:
    """Requests of the trace beyond the TTFT bound on the whole fleet, and all of them."""
    case, trace = Case.of(plan.problem), read_trace(path)
    pools = []
    for pool in plan.fleet.pools:
        profile = case.profile(pool.profile)
        capacity = case.capacity(profile, pool.hi_tokens)
        pools.append(FleetPool(pool.name, profile.iteration, capacity, pool.replicas))
    window = Window(0.0, trace.duration_s + 1.0, 1e6)
    seen = simulate_fleet(
        Fleet(tuple(pools), ByLength()), Traffic.of(trace), window, np.random.default_rng(0)
    )
    limit_s = plan.problem.slo[0].limit_s
    return int(np.count_nonzero(~(latencies_s(seen)["ttft"] <= limit_s))), len(trace)


def test_the_least_fleet_of_one_pool_is_found(path: Path) -> None:
    """Against trying every number of replicas in the simulator for fleets."""
    plan = solved(path, gpus=("a10g",), max_pools=1)
    (pool,) = plan.fleet.pools
    (row,) = plan.status.refused_rows
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    assert plan.verification.trace is not None
    assert plan.verification.trace.requests == len(read_trace(path))
    assert row.replicas < 3
    assert row.needs == pool.replicas
    for replicas, holds in ((pool.replicas - 1, False), (pool.replicas, True)):
        fleet = plan.to_dict()
        fleet["fleet"]["pools"][0]["replicas"] = replicas
        late, requests = missed(Plan.from_dict(json.loads(json.dumps(fleet))), path)
        assert (late <= 0.01 * requests) is holds
    assert pool.replicas > 3


@pytest.mark.parametrize("scope", ["pool", "fleet"])
def test_bursts_cost_few_solves(path: Path, scope: str) -> None:
    """Nearly every pool of the tables is too small: refusing one by one takes 40 solves here."""
    plan = solved(path, slo_scope=scope, slo=("p99 ttft 300",), max_pools=2)
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    assert plan.cost.usd_per_year > 1.5 * plan.status.bound_usd_per_year
    assert len(plan.status.refused_rows) + len(plan.status.refused_fleets) <= 25
    late, requests = missed(plan, path)
    assert late <= 0.01 * requests


def test_the_cheapest_fleet_is_found(path: Path) -> None:
    """Against every GPU type for either side of a split, each with its least replicas."""
    plan = solved(path, thresholds=(1000,), max_pools=2)
    case, trace = Case.of(plan.problem), read_trace(path)
    cost = 0.0
    for lo, hi in pairwise(case.breakpoints):
        here = (trace.total_tokens > lo) & (trace.total_tokens <= hi)
        part = Traffic(trace.arrival_s[here], trace.prompt_tokens[here], trace.output_tokens[here])
        cost += min(p.usd_per_hour * least(case, p, hi, part) for p in case.profiles)
    assert plan.cost.usd_per_hour == pytest.approx(cost)
    assert plan.status.bound_usd_per_year < plan.cost.usd_per_year


def least(case: Case, profile: CalibratedProfile, hi: int, part: Traffic) -> int:
    """The first number of replicas that is late for at most 1 % of the requests."""
    window = Window(0.0, float(part.arrival_s[-1]) + 1.0, 1e6)
    for replicas in count(1):
        pool = FleetPool("p", profile.iteration, case.capacity(profile, hi), replicas)
        seen = simulate_fleet(Fleet((pool,), ByLength()), part, window, np.random.default_rng(0))
        late = ~(latencies_s(seen)["ttft"] <= case.problem.slo[0].limit_s)
        if np.count_nonzero(late) <= 0.01 * len(part):
            return replicas
    raise AssertionError


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def test_a_plan_for_poisson_arrivals_fails_on_the_trace(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    limits = ("--gpus", "a10g", "--max-pools", "1")
    assert run("workload", "fit", str(path), "-o", "w.json").exit_code == 0
    right = run("solve", "--cdf", "w.json", *limits, "--format", "json", "--output", "p.json")
    assert right.exit_code == 0
    wrong = run("verify", "p.json", "--trace", str(path), "--format", "json")
    assert wrong.exit_code == 3
    said = Plan.from_dict(json.loads(wrong.stdout))
    assert said.verification is not None
    assert said.verification.verdict == "fail"
    assert said.verification.trace is not None
    assert said.verification.trace.sha256 == read_trace(path).files[0].source.sha256
    text = run("solve", "--trace", str(path), *limits).stdout
    assert "with their own times" in text
    assert "at Poisson arrivals the table asks for" in text
    again = run("solve", "--trace", str(path), *limits, "--format", "json", "--output", "t.json")
    assert again.exit_code == 0
    assert run("verify", "t.json").exit_code == 0


def test_wrong_traces_are_told_apart(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text(path.read_text())
    limits = ("--gpus", "a10g", "--max-pools", "1", "--no-verify", "--format", "json")
    run("solve", "--trace", "own.csv", *limits, "--output", "p.json")
    head = path.read_text().splitlines()
    Path("short.csv").write_text("\n".join(head[:101]))
    Path("long.csv").write_text("\n".join([head[0], *(f"{t},20000,9" for t in range(400))]))
    for words, expected in (
        (("--trace", "short.csv"), "it has 100 requests; to show P99 takes 299"),
        (("--trace", "long.csv"), "400 of its 400 requests are longer than the fleet's largest"),
        (("--trace", "none.csv"), "no such file"),
        (("--trace", "own.csv", "--columns", "prompt=x"), "x"),
    ):
        result = run("verify", "p.json", *words)
        assert result.exit_code == 2, result.output
        assert expected in result.stderr
    Path("own.csv").write_text("\n".join(head[:400]))
    changed = run("verify", "p.json")
    assert changed.exit_code == 2
    assert "not the trace that the plan was designed for" in changed.stderr
