"""Simulated fleets: against their own records, Little's law, and verified plans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fleetopt import FleetProblem, solve
from fleetopt.problem import FleetSimulation, RouterStatement
from fleetopt.questions.fleets import plan_statement, scenario_of, simulate, simulate_scenario
from fleetopt.questions.fleets.simulating import first_outcome
from fleetopt.report.fleet_records import records

POOLS = (
    {"id": "short", "gpu": "h100", "n_gpus": 1, "max_ctx": 4096},
    {"id": "long", "gpu": "h100", "n_gpus": 2, "max_ctx": 8192},
)


def stated(**keys: object) -> FleetSimulation:
    plain = {"pools": POOLS, "cdf": "azure", "lam": 20.0, "n_req": 2000, "replications": 2}
    return FleetSimulation.model_validate({**plain, **keys})


def test_figures_are_those_of_the_records() -> None:
    """Counts, attainment and P99 of one run, recomputed from its requests."""
    scenario = scenario_of(stated(replications=1, router="random", slo=["p99 ttft 40"]))
    fleet = simulate_scenario(scenario).fleet
    seen = records(first_outcome(scenario))
    measured = seen["measured"]
    status, ttft = seen["status"][measured], 1000 * seen["ttft_s"][measured]
    assert fleet.arrivals == measured.sum()
    assert fleet.rejected["too_long"] == np.sum(status == "too_long")
    assert fleet.truncated == np.sum(status == "truncated")
    within = np.mean((status == "completed") & (ttft <= 40))
    assert fleet.attained[0].estimate == pytest.approx(within)
    served = np.isin(status, ["completed", "truncated"])
    assert fleet.latency_ms["ttft"]["p99"].estimate == pytest.approx(
        np.quantile(ttft[served], 0.99), rel=0.02
    )


def test_clients_keep_littles_law() -> None:
    """Clients = throughput times (mean E2E + pause)."""
    keys = {"concurrency": 40, "think_s": 2.0, "n_req": 4000, "replications": 1}
    scenario = scenario_of(stated(lam=None, **keys))
    simulation = simulate_scenario(scenario)
    seen = records(first_outcome(scenario))
    cycle_s = float(np.mean(seen["e2e_s"][seen["measured"]])) + 2.0
    throughput = simulation.fleet.arrivals / simulation.runs[0].measured_s
    assert throughput * cycle_s == pytest.approx(40, rel=0.05)


def test_clients_beside_arrivals() -> None:
    """Each keeps its own law: clients Little's, open arrivals their rate."""
    keys = {"concurrency": 40, "think_s": 2.0, "n_req": 8000, "replications": 2}
    scenario = scenario_of(stated(lam=10.0, **keys))
    simulation = simulate_scenario(scenario)
    open_ones, clients = simulation.classes
    assert (open_ones.name, clients.name) == ("arrivals", "clients")
    assert open_ones.arrivals + clients.arrivals == simulation.fleet.arrivals
    measured_s = sum(run.measured_s for run in simulation.runs)
    spread = 5 * (10.0 * measured_s) ** 0.5
    assert open_ones.arrivals == pytest.approx(10.0 * measured_s, abs=spread)
    seen = records(first_outcome(scenario))
    mine = seen["measured"] & seen["client"]
    cycle_s = float(np.mean(seen["e2e_s"][mine])) + 2.0
    throughput = mine.sum() / simulation.runs[0].measured_s
    assert throughput * cycle_s == pytest.approx(40, rel=0.05)


@pytest.mark.slow
def test_a_verified_plan_simulates_as_it_was_verified() -> None:
    """Two simulators, one fleet: the intervals of attainment and P99 meet."""
    plan = solve(FleetProblem(cdf="azure", arrival_rate=60, gpus=("a100", "h100")))
    assert_as_verified(plan)


def test_a_small_verified_plan_simulates_as_it_was_verified() -> None:
    problem = FleetProblem(cdf="azure", arrival_rate=20, gpus=("h100",), thresholds=(4096,))
    assert_as_verified(solve(problem))


def assert_as_verified(plan) -> None:  # type: ignore[no-untyped-def]
    assert plan.verification is not None
    simulation = simulate(plan_statement(plan))
    for pool, verified in zip(simulation.pools, plan.verification.pools, strict=True):
        for metric in ("ttft", "tpot", "e2e"):
            ours, theirs = (
                pool.requests.latency_ms[metric]["p99"],
                getattr(verified, f"p99_{metric}_ms"),
            )
            width = (ours.high - ours.low + theirs.high - theirs.low) / 2
            assert abs(ours.estimate - theirs.estimate) <= 1.5 * width, (pool.name, metric)
        assert pool.requests.attained[0].estimate == pytest.approx(
            verified.slo_attainment.estimate, abs=0.005
        )


def test_a_run_that_is_too_short_says_what_it_needs() -> None:
    scenario = scenario_of(stated(n_req=200))
    assert "its longest requests need" in scenario.too_short
    needed = int(scenario.too_short.split(" s, ")[1].split()[0].replace(",", ""))
    assert scenario_of(stated(n_req=needed)).too_short == ""
    assert scenario_of(stated(n_req=None)).too_short == ""
    assert simulate_scenario(scenario).standing == "too short"


def test_all_routers_meet_the_same_requests() -> None:
    scenario = scenario_of(stated(replications=1))
    arrivals = [
        records(first_outcome(scenario.with_router(RouterStatement(name=name))))
        for name in ("length", "random", "fewest")
    ]
    for seen in arrivals[1:]:
        for column in ("arrival_s", "output_tokens"):
            np.testing.assert_array_equal(seen[column], arrivals[0][column])


def test_a_plan_that_compresses_at_several_splits_simulates_as_it_was_verified() -> None:
    """Both splits move requests; the intervals of `verify` and of the simulation meet."""
    plan = solve(FleetProblem.model_validate({"cdf": "azure", "arrival_rate": 60, "gpus": ["h100"],
        "thresholds": [1024, 4096], "max_pools": 3, "max_context": 8192, "gammas": [2.0],
        "verification": {"replications": 4}}))  # fmt: skip
    assert [pool.compression for pool in plan.fleet.pools] == [2.0, 2.0, 1.0]
    router = plan_statement(plan).router
    assert (router.thresholds, router.gammas) == ((1024, 4096), (2.0, 2.0))
    assert_as_verified(plan)


def test_compressing_plans_route_as_they_were_designed() -> None:
    """The share of requests that reach the short pool is the one that the plan counts on."""
    problem = FleetProblem.model_validate({"cdf": "azure", "arrival_rate": 20, "gpus": ["h100"],
        "thresholds": [3072], "gammas": [2.0], "verification": {"enabled": False}})  # fmt: skip
    plan = solve(problem)
    from dataclasses import replace

    from fleetopt.case import Case

    first, second = plan.fleet.pools
    compressed = replace(plan, fleet=replace(
        plan.fleet, pools=(replace(first, compression=2.0), second)))  # fmt: skip
    case = Case.of(problem)
    wanted = case.lengths.served_share(case.serves(0, 3072, 1.0, 2.0))
    scenario = scenario_of(plan_statement(compressed).model_copy(update={"replications": 1}))
    seen = records(first_outcome(scenario))
    share = float(np.mean(seen["pool"] == first.name))
    assert share == pytest.approx(wanted, abs=4 * 0.5 / seen["pool"].size ** 0.5)


def test_a_trace_beyond_every_context_is_told(tmp_path: Path) -> None:
    lines = "".join(f"{i},{9000 if i % 4 == 0 else 100},20\n" for i in range(200))
    trace = tmp_path / "t.csv"
    trace.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n" + lines)
    plain = FleetSimulation.model_validate({"pools": POOLS, "trace": {"path": str(trace)}})
    simulation = simulate(plain)
    assert simulation.fleet.rejected["no_pool"] == 50
    assert simulation.fleet.attained[0].estimate == pytest.approx(0.75)
    assert simulation.scenario.notes == ("50 of 200 requests are longer than 8,192 tokens",)


@pytest.mark.parametrize(
    "text",
    ["compress:thresholds=2048/4096,gammas=1.5/1.25", "length", "length:thresholds=4096",
     "compress:gamma=1.2,success=0.9,never=code/rag",
     "random:by_replicas=True", "fewest", "spillover:pressure=0.5", "model:fallback=long"],
)  # fmt: skip
def test_routers_as_text_and_back(text: str) -> None:
    router = RouterStatement.model_validate(text)
    assert RouterStatement.model_validate(router.text) == router


@pytest.mark.parametrize(
    ("published", "name"),
    [("compress_route", "compress"), ("least_loaded", "fewest"), ("LengthRouter", "length")],
)
def test_published_spellings(published: str, name: str) -> None:
    assert RouterStatement.model_validate(published).name == name
