"""Scope fleet on real workloads, from the problem to the report."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from fleetopt import (
    FleetProblem,
    InfeasibleError,
    Plan,
    build_program,
    solve,
    solve_program,
)
from fleetopt.report.console import render
from fleetopt.report.plan_report import plan_report
from fleetopt.study import verify

SEVERAL = ("p99 ttft 500", "p50 ttft 200", "p95 tpot 40", "p99 e2e 60000")
FAST = {"enabled": False}


def problem(**keys: Any) -> FleetProblem:
    return FleetProblem.model_validate({"slo_scope": "fleet", "cdf": "azure", **keys})


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Verified, with four bounds at once."""
    return solve(problem(slo=SEVERAL))


def test_it_is_verified_and_cheaper_than_in_scope_pool(plan: Plan) -> None:
    """The requests of all pools attain every bound; a pool by itself does not."""
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    apart = solve(problem(slo=SEVERAL, slo_scope="pool", verification=FAST))
    assert plan.cost.usd_per_year < apart.cost.usd_per_year
    assert any(pool.verdict == "fail" for pool in plan.verification.pools)
    for bound, attained in zip(plan.problem.slo, plan.verification.attained, strict=True):
        assert attained.low is not None
        assert attained.low >= bound.percentile / 100.0 - 1e-9


def test_other_seeds_measure_the_same(plan: Plan) -> None:
    """Attainment of the plan and of an independent simulation, one interval in the other."""
    other = plan.problem.verification.model_copy(update={"seed": 4711})
    again = verify(plan, other).verification
    assert again is not None
    assert plan.verification is not None
    assert again.verdict == "pass"
    assert again.pools != plan.verification.pools
    for first, second in zip(plan.verification.attained, again.attained, strict=True):
        assert None not in (first.low, first.high, second.low, second.high)
        width = (first.high - first.low) + (second.high - second.low)  # type: ignore[operator]
        assert abs(first.estimate - second.estimate) <= width + 1e-4  # type: ignore[operator]


def test_the_table_foresees_what_is_attained(plan: Plan) -> None:
    """Within a hundredth of all requests, for every bound."""
    assert plan.verification is not None
    pairs = zip(plan.prediction.attained, plan.verification.attained, strict=True)
    for predicted, attained in pairs:
        assert predicted == pytest.approx(attained.estimate, abs=0.01)


def test_all_requests_are_the_pools_together(plan: Plan) -> None:
    """The fleet's attainment is the mean of the pools' by their rates."""
    assert plan.verification is not None
    rates = [pool.arrival_rate for pool in plan.fleet.pools]
    for b, attained in enumerate(plan.verification.attained):
        parts = [pool.attained[b].estimate or 0.0 for pool in plan.verification.pools]
        mean = sum(r * p for r, p in zip(rates, parts, strict=True)) / sum(rates)
        assert attained.estimate == pytest.approx(mean)


def test_the_json_form_keeps_everything(plan: Plan) -> None:
    assert Plan.from_dict(plan.to_dict()) == plan
    older = plan.to_dict()
    for part in (older["verification"], older["prediction"], *older["verification"]["pools"]):
        del part["attained"]
    del older["status"]["refused_fleets"]
    read = Plan.from_dict(older)
    assert read.verification is not None
    assert read.verification.attained == ()
    assert "Scope: fleet" in render(plan_report(read, 100), 100)


def test_the_report_names_the_scope_each_bound_and_each_pool(plan: Plan) -> None:
    text = render(plan_report(plan, 120), 120)
    assert "Scope: fleet; the requests of all pools together keep every bound." in text
    assert "Verdict: pass" in text
    for limit, needed in (("TTFT 500", 99), ("TTFT 200", 50), ("TPOT 40", 95), ("E2E 60,000", 99)):
        line = rf"^  {limit} ms: [\d.]+ % \[.*\] of all requests, [\d.]+ % by the table; {needed} %"
        assert re.search(line, text, re.M), limit
    assert "Whom the SLO is kept for" in text
    shares = re.findall(r"^pool-\d +\S+ +([\d.]+) %", text, re.M)
    assert sum(map(float, shares)) == pytest.approx(100.0, abs=0.05)
    assert not re.search(r"pool-\d: fail", text)
    bare = replace(plan, verification=None)
    assert "of all requests by the table; 99 % needed" in render(plan_report(bare, 120), 120)


def test_the_users_program_has_the_scope_too() -> None:
    """A cap on what the long requests miss costs money."""
    import pyomo.core as pyo

    model = build_program(problem(slo=["p95 ttft 500"]))
    free = solve_program(model, verify=True)
    assert free.verification is not None
    assert free.verification.verdict == "pass"
    model.far_fewer = pyo.Constraint(expr=model.miss[0] <= 0.001)
    strict = solve_program(model)
    assert strict.cost.usd_per_year > free.cost.usd_per_year
    assert strict.prediction.attained[0] >= 0.999 - 1e-9


def refusal(**keys: Any) -> str:
    with pytest.raises(InfeasibleError) as refused:
        solve(problem(verification=FAST, **keys))
    return str(refused.value)


def feasible(**keys: Any) -> bool:
    try:
        solve(problem(verification=FAST, **keys))
    except InfeasibleError:
        return False
    return True


def test_a_bound_that_no_fleet_meets_is_named_with_the_least_that_one_can() -> None:
    said = refusal(slo=["p99 ttft 5"])
    match = re.search(
        r"keeps at best ([\d.]+) % of all requests within it; the least .* is ([\d.]+) ms", said
    )
    assert match is not None
    assert 0.0 < float(match[1]) < 99.0
    least = float(match[2])
    assert "P99 TTFT" in refusal(slo=[f"p99 ttft {0.99 * least}"])
    plenty = {"max_utilization": 0.02}
    assert feasible(slo=[f"p99 ttft {1.1 * least}"], **plenty)


def test_the_share_that_could_be_kept_is_named() -> None:
    """Where a budget and the bound exclude each other, by how much either has to give."""
    cost = solve(problem(verification=FAST)).cost.usd_per_year
    budget = 0.9 * cost
    said = refusal(budget_usd_per_year=budget)
    share = re.search(r"slo\[0\].percentile = 99; .* at most ([\d.]+)", said)
    money = re.search(r"budget_usd_per_year = .* at least ([\d,.]+),", said)
    assert share is not None
    assert money is not None
    assert feasible(budget_usd_per_year=float(money[1].replace(",", "")))
    kept = float(share[1])
    assert feasible(budget_usd_per_year=budget, slo=[f"p{kept} ttft 500"])
    assert not feasible(budget_usd_per_year=budget, slo=[f"p{kept + 0.01} ttft 500"])
