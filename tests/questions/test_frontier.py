"""The frontier of whole problems: the order of objectives, verification, and what is refused."""

from __future__ import annotations

import pytest

import fleetopt
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.problem import FleetProblem, LatencyBound, VerificationOptions
from fleetopt.questions.frontier import Frontier, frontier

AZURE = FleetProblem(
    cdf="azure", arrival_rate=30.0, gpus=("a100", "h100"), max_pools=2,
    verification=VerificationOptions(replications=4),
)  # fmt: skip


def values(found: Frontier) -> list[tuple[float, float]]:
    return [point.values for point in found.points]


@pytest.mark.parametrize("pair", [("cost", "ttft"), ("gpus", "ttft"), ("power", "cost")])
def test_the_order_of_objectives_does_not_matter(pair: tuple[str, str]) -> None:
    one, other = frontier(AZURE, pair), frontier(AZURE, pair[::-1])
    assert values(one) == [pytest.approx(point[::-1]) for point in reversed(values(other))]
    assert len(one.points) >= 1


def test_the_cheapest_point_is_the_plan_and_the_rest_trades_cost_for_latency() -> None:
    found = frontier(AZURE)
    plan = fleetopt.solve(
        AZURE.model_copy(update={"verification": VerificationOptions(enabled=False)})
    )
    assert found.points[0].usd_per_year == pytest.approx(plan.cost.usd_per_year)
    costs, latencies = zip(*values(found), strict=True)
    assert list(costs) == sorted(costs)
    assert list(latencies) == sorted(latencies, reverse=True)
    assert max(latencies) <= 500.0
    assert found.knee in found.points[1:-1]


def test_values_are_the_tables_of_the_bounded_percentile() -> None:
    """The percentile that the SLO bounds counts, and the worst pool."""
    slo = (LatencyBound(metric="ttft", percentile=95.0, limit_ms=300.0),)
    found = frontier(AZURE.model_copy(update={"slo": slo}))
    assert found.axes[1].percentile == 95.0
    assert found.axes[1].limit == 300.0
    stated = AZURE.model_copy(
        update={"slo": slo, "verification": VerificationOptions(enabled=False)}
    )
    plan = fleetopt.solve(stated)
    worst = max(pool.bounds[0].value_ms or 0.0 for pool in plan.prediction.pools)
    assert found.points[0].values[1] <= worst * (1 + 1e-5)


def test_side_constraints_stay_in_force() -> None:
    limited = AZURE.model_copy(update={"max_gpus": 6, "inventory": {"h100": 3}})
    found = frontier(limited, ("cost", "ttft"))
    assert found.points
    for point in found.points:
        h100 = sum(pool.gpus for pool in point.fleet.pools if pool.gpu == "h100")
        assert point.fleet.gpus <= 6
        assert h100 <= 3


def test_verified_points_were_simulated_and_begin_with_the_verified_plan() -> None:
    found = frontier(AZURE, verify=True)
    plan = fleetopt.solve(AZURE)
    assert found.is_accepted
    assert found.points[0].usd_per_year == pytest.approx(plan.cost.usd_per_year)
    for point in found.points:
        assert point.verification is not None
        assert all(pool.p99_ttft_ms.estimate is not None for pool in point.verification.pools)
    for point in found.refused:
        assert point.verdict in ("fail", "unstable", "inconclusive")
        assert point.fleet not in [held.fleet for held in found.points]


def test_refused_points_are_kept_and_replaced() -> None:
    """Long requests that block their pool: the table would build what the simulator refuses."""
    lmsys = FleetProblem(
        gpus=("h100",), thresholds=(3072,), max_pools=2, max_gpus=6,
        verification=VerificationOptions(requests=20_000, replications=4),
    )  # fmt: skip
    found = frontier(lmsys, verify=True)
    assert found.points
    worse = {point.fleet for point in found.refused}
    assert not worse & {point.fleet for point in found.points}


def test_dominated_fleets_are_beaten_by_a_point() -> None:
    found = frontier(AZURE, dominated=True)
    assert found.dominated
    for other in found.dominated:
        assert any(x <= other.values[0] and y <= other.values[1] for x, y in values(found))


def test_the_published_method_has_frontiers_too() -> None:
    published = AZURE.model_copy(update={"method": "published"})
    assert frontier(published, ("cost", "ttft")).points
    with pytest.raises(InputError, match="does not predict tpot"):
        frontier(published, ("cost", "tpot"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("cost", "cost"), "cost is stated twice"),
        (("cost", "tfft"), "unknown objective 'tfft' .did you mean 'ttft'"),
        (("cost",), "expected two, got 1"),
        (("cost", "ttft", "gpus"), "expected two, got 3"),
    ],
)
def test_wrong_objectives(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frontier(AZURE, names)


def test_no_fleet_at_all() -> None:
    hard = AZURE.model_copy(update={"slo": (LatencyBound(limit_ms=0.01),)})
    with pytest.raises(InfeasibleError, match="no fleet meets the problem"):
        frontier(hard)


def test_all_pools_together_may_be_held_to_the_slo() -> None:
    """In scope fleet the cheapest point is the plan of that scope, simulated as a fleet."""
    wide = AZURE.model_copy(update={"slo_scope": "fleet", "gpus": ("h100",)})
    found = frontier(wide, verify=True)
    unverified = VerificationOptions(enabled=False)
    plan = fleetopt.solve(wide.model_copy(update={"verification": unverified}))
    everything = (*found.points, *found.refused)
    assert min(p.usd_per_year for p in everything) == pytest.approx(plan.cost.usd_per_year)
    assert all(point.verification and point.verification.attained for point in everything)


def test_spare_replicas_are_paid_for() -> None:
    some_down = AZURE.model_copy(update={"availability": 0.95, "gpus": ("h100",)})
    for point in frontier(some_down, ("gpus", "ttft")).points:
        assert point.values[0] == sum(pool.gpus for pool in point.fleet.pools)
        assert all(pool.spare_replicas > 0 for pool in point.fleet.pools)


def test_compression_is_part_of_the_frontier() -> None:
    """With more choices no point gets worse, and the cheapest is the plan with compression."""
    squeezed = AZURE.model_copy(update={"gammas": (1.0, 1.5)})
    plain, found = frontier(AZURE), frontier(squeezed)
    for x, y in values(plain):
        assert any(a <= x * (1 + 1e-9) and b <= y * (1 + 1e-4) for a, b in values(found))
    unverified = VerificationOptions(enabled=False)
    plan = fleetopt.solve(squeezed.model_copy(update={"verification": unverified}))
    assert found.points[0].usd_per_year == pytest.approx(plan.cost.usd_per_year)


PHASED = AZURE.model_copy(update={"phases": "either", "thresholds": (2048,), "max_context": 8192,
                                  "overlong": "clip"})  # fmt: skip


def test_phases_apart_are_part_of_the_frontier() -> None:
    """With more choices no point gets worse; each says which of its pools do one phase."""
    together = frontier(PHASED.model_copy(update={"phases": "together"}))
    found = frontier(PHASED)
    for x, y in values(together):
        assert any(a <= x * (1 + 1e-9) and b <= y * (1 + 1e-4) for a, b in values(found))
    apart = [point for point in found.points if point.is_disaggregated]
    assert apart
    assert len(apart) < len(found.points)
    for point in apart:
        for first, second in point.fleet.pairs:
            assert (first.phase, second.phase) == ("prefill", "decode")
            assert (first.lo_tokens, first.hi_tokens) == (second.lo_tokens, second.hi_tokens)
    plan = fleetopt.solve(
        PHASED.model_copy(update={"verification": VerificationOptions(enabled=False)})
    )
    assert found.points[0].usd_per_year == pytest.approx(plan.cost.usd_per_year)


def test_verified_points_with_phases_apart_count_requests_once() -> None:
    """Both phases of a pair see the same requests; the worst pool that prefills has the TTFT."""
    apart = PHASED.model_copy(update={"phases": "apart", "gpus": ("h100",), "thresholds": ()})
    found = frontier(apart, verify=True)
    assert found.is_accepted
    for point in found.points:
        assert point.verification is not None
        first, second = point.verification.pools
        assert point.verification.requests == first.arrivals == second.arrivals
        assert first.p99_ttft_ms.estimate is not None
        assert second.p99_ttft_ms.estimate is None


def test_a_bound_on_e2e_binds_both_phases() -> None:
    """A tight bound on E2E takes fleets away, and those that are left keep it by the tables."""
    slo = (LatencyBound(limit_ms=500.0), LatencyBound(metric="e2e", limit_ms=9_000.0))
    apart = PHASED.model_copy(update={"phases": "apart", "gpus": ("h100",), "thresholds": ()})
    loose, tight = frontier(apart), frontier(apart.model_copy(update={"slo": slo}))
    assert min(values(tight)) > min(values(loose))
    assert all(point.is_disaggregated for point in tight.points)


def test_dominated_fleets_with_phases_apart() -> None:
    found = frontier(PHASED, ("cost", "energy"), dominated=True)
    assert found.dominated
    for other in found.dominated:
        assert any(x <= other.values[0] and y <= other.values[1] for x, y in values(found))
