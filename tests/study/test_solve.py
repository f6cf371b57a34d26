"""The straight way on real input: plans, what stands beside them, and why there is none."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise

import pytest

from fleetopt.errors import InfeasibleError, InputError
from fleetopt.plan import Plan
from fleetopt.problem import FleetProblem, LatencyBound, VerificationOptions
from fleetopt.study import solve, verify

UNVERIFIED = VerificationOptions(enabled=False)


def problem(**keys: object) -> FleetProblem:
    return FleetProblem.model_validate({"verification": UNVERIFIED, **keys})


@pytest.fixture(scope="module")
def lmsys() -> Plan:
    """The default problem, verified."""
    return solve(FleetProblem())


def test_the_verified_lmsys_plan(lmsys: Plan) -> None:
    """At most 140.9 K$ a year, accepted twice, and again on seeds of its own."""
    assert lmsys.verification is not None
    assert lmsys.verification.verdict == "pass"
    assert lmsys.cost.usd_per_year <= 140_900
    assert lmsys.status.bound_usd_per_year <= lmsys.cost.usd_per_year
    assert lmsys.status.gap == 0.0
    again = verify(lmsys, VerificationOptions(seed=20261122))
    assert again.verification is not None
    assert again.verification.verdict == "pass"


def test_every_arrival_is_accounted_for(lmsys: Plan) -> None:
    """Arrivals are completed, rejected or unfinished."""
    assert lmsys.verification is not None
    for pool in lmsys.verification.pools:
        assert pool.arrivals == pool.completed + pool.rejected + pool.unfinished


def test_a_plan_survives_its_json_form(lmsys: Plan) -> None:
    """Written and read back it is the same, and stands without its input files."""
    text = json.dumps(lmsys.to_dict(), allow_nan=False)
    assert Plan.from_dict(json.loads(text)) == lmsys


def test_what_stands_beside_the_plan(lmsys: Plan) -> None:
    """Simpler fleets cost more; the next cheaper costs less and has a reason; paged KV saves
    a quarter to two fifths.
    """
    kinds = {other.kind: other for other in lmsys.alternatives}
    assert kinds["one pool"].usd_per_year > lmsys.cost.usd_per_year
    assert len(kinds["one pool"].fleet.pools) == 1
    assert kinds["next cheaper"].usd_per_year < lmsys.cost.usd_per_year
    assert kinds["next cheaper"].why
    assert 0.25 <= 1 - kinds["paged"].usd_per_year / lmsys.cost.usd_per_year <= 0.40
    types = lmsys.problem.gpus
    assert [kind for kind in kinds if kind.startswith("one pool of")] == [
        f"one pool of {gpu}" for gpu in sorted(types)
    ]
    for gpu in types:
        for kind, pools in ((f"one pool of {gpu}", 1), (f"two pools of {gpu}", 2)):
            assert [pool.gpu for pool in kinds[kind].fleet.pools] == [gpu] * pools
    assert len({pool.gpu for pool in kinds["mixed GPU types"].fleet.pools}) > 1
    assert kinds["mixed GPU types"].usd_per_year >= lmsys.cost.usd_per_year
    next_best = [other for other in lmsys.alternatives if other.kind == "next best"]
    assert len(next_best) == lmsys.problem.verification.top - 1
    assert all(other.verdict != "not verified" for other in next_best)
    assert all(other.usd_per_year >= lmsys.cost.usd_per_year for other in next_best)


def test_without_verification_no_grey_row_is_built() -> None:
    """The table alone has to vouch for every pool."""
    plan = solve(problem())
    assert plan.verification is None
    assert plan.status.refused_rows == ()
    for pool in plan.prediction.pools:
        assert not pool.grey
        assert all(bound.miss_probability <= 0.01 for bound in pool.bounds)
        assert pool.utilization <= 0.85


def test_the_plan_covers_every_length_once() -> None:
    """Pools follow each other from 0 to the largest context and share the arrivals out."""
    for name in ("lmsys", "azure", "agent_heavy"):
        pools = solve(problem(cdf=name, arrival_rate=40.0)).fleet.pools
        assert pools[0].lo_tokens == 0
        assert pools[-1].hi_tokens == 65536
        for before, after in pairwise(pools):
            assert before.hi_tokens == after.lo_tokens
        assert sum(pool.arrival_rate for pool in pools) == pytest.approx(40.0)


def test_fixed_thresholds_headroom_and_bounds() -> None:
    """The split is where it was asked for, for a fifth more traffic, within three bounds."""
    slo = (
        LatencyBound(metric="ttft", limit_ms=500),
        LatencyBound(metric="tpot", percentile=95, limit_ms=30),
        LatencyBound(metric="e2e", limit_ms=200_000),
    )
    plan = solve(problem(thresholds=(3000,), headroom=0.2, slo=slo))
    assert [pool.hi_tokens for pool in plan.fleet.pools] == [3000, 65536]
    assert sum(pool.arrival_rate for pool in plan.fleet.pools) == pytest.approx(120.0)
    for pool in plan.prediction.pools:
        for bound in pool.bounds:
            assert bound.value_ms is not None
            assert bound.value_ms <= bound.limit_ms


def test_lengths_beyond_the_context() -> None:
    """Few are clipped with a notice, many need a word, rejected ones leave the traffic."""
    clipped = solve(problem(cdf="azure", max_context=8192))
    assert any("clipped: 0.0035 %" in note for note in clipped.notes)
    with pytest.raises(InputError, match="overlong"):
        solve(problem(cdf="lmsys", max_context=4096))
    kept = solve(problem(cdf="lmsys", max_context=4096, overlong="reject"))
    assert sum(pool.arrival_rate for pool in kept.fleet.pools) == pytest.approx(98.3742)
    assert any("rejected" in note for note in kept.notes)


def test_different_models_are_named() -> None:
    """The A10G profile serves a smaller model than the H100's."""
    mixed = solve(problem(cdf="azure", max_context=8192))
    assert {pool.gpu for pool in mixed.fleet.pools} == {"a10g", "h100"}
    assert any("different models" in note for note in mixed.notes)
    alike = solve(problem(cdf="azure", max_context=8192, gpus=("a100", "h100")))
    assert not any("different models" in note for note in alike.notes)


def test_side_constraints_of_a_problem_are_kept() -> None:
    """Stock, power, budget and replicas of the plan are within what was asked for."""
    free = solve(problem())
    stated = {"inventory": {"h100": 2}, "max_gpus": 12, "power_kw": 5.0, "min_replicas": 2}
    plan = solve(problem(**stated, budget_usd_per_year=190_000))
    used = Counter[str]()
    for pool in plan.fleet.pools:
        used[pool.gpu] += pool.gpus
        assert pool.replicas >= 2
    assert used["h100"] <= 2
    assert plan.fleet.gpus <= 12
    assert free.cost.usd_per_year < plan.cost.usd_per_year <= 190_000


def test_whole_nodes_are_paid_for_and_named() -> None:
    """The pools cost less than the plan by the spare GPUs that the note counts."""
    plan = solve(problem(node_size=4, gpus=("a100",)))
    bought = -(-plan.fleet.gpus // 4) * 4
    assert plan.cost.usd_per_hour == pytest.approx(2.21 * bought)
    spare = bought - plan.fleet.gpus
    assert any(f"nodes of 4 GPUs have {spare} a100 to spare" in note for note in plan.notes) == (
        spare > 0
    )


@pytest.mark.parametrize("metric", ["ttft", "tpot", "e2e"])
def test_an_impossible_slo_names_the_least_that_can_be_met(metric: str) -> None:
    """The stated limit is feasible, and 2 % less is not."""
    keys = {"gpus": ("a100", "h100"), "arrival_rate": 20.0, "cdf": "azure"}
    with pytest.raises(InfeasibleError) as refused:
        solve(problem(slo=({"metric": metric, "limit_ms": 0.1},), **keys))
    stated = re.search(r"can meet is ([\d.]+) ms; what binds is", str(refused.value))
    assert stated is not None
    least = float(stated.group(1))
    solve(problem(slo=({"metric": metric, "limit_ms": 1.02 * least},), **keys))
    with pytest.raises(InfeasibleError):
        solve(problem(slo=({"metric": metric, "limit_ms": 0.98 * least},), **keys))


def test_the_published_method_is_simulated_but_not_corrected() -> None:
    """Its fleet stays what it is, and the verdict says what that is worth."""
    plan = solve(FleetProblem(method="published", gpus=("a100",), max_pools=1))
    (pool,) = plan.fleet.pools
    assert abs(pool.replicas - 14) <= 1  # 14 from samples, 13 from exact sums
    assert plan.verification is not None
    assert plan.status.refused_rows == ()


def test_alternatives_are_other_fleets_in_order_of_cost() -> None:
    """As many as asked for, none twice, none the plan, none cheaper than the one before."""
    plan = solve(problem(cdf="azure", max_context=8192, alternatives=6))
    others = [other for other in plan.alternatives if other.kind == "next best"]
    assert len(others) == 6
    fleets = [other.fleet for other in others]
    assert all(fleet != plan.fleet for fleet in fleets)
    assert all(fleets.count(fleet) == 1 for fleet in fleets)
    costs = [plan.cost.usd_per_year, *(other.usd_per_year for other in others)]
    assert costs == sorted(costs)
    for other in others:
        pools = len(other.fleet.pools), len(plan.fleet.pools)
        assert ("pools" in other.why) == (pools[0] != pools[1])
        assert (f"gains pools {pools[1]} -> {pools[0]}" in other.why) == (pools[0] < pools[1])


def test_whole_nodes_are_priced_in_every_comparison() -> None:
    """With nodes of eight no fleet beside the plan costs a part of a node."""
    plan = solve(problem(cdf="azure", max_context=8192, gpus=("h100",), node_size=8))
    node = 8 * 4.02 * 8760
    for fleet in (plan.cost, *(other for other in plan.alternatives if other.kind != "paged")):
        assert fleet.usd_per_year / node == pytest.approx(round(fleet.usd_per_year / node))
