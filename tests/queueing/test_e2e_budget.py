"""Bounds on E2E divided between two pools: the parts add up, and simulation stays below."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt import FleetProblem, solve
from fleetopt.performance.phase_links import E2E_SHARES, without_share
from fleetopt.problem import LatencyBound
from fleetopt.queueing.e2e_budget import E2eBudget


@given(share=st.sampled_from(E2E_SHARES), percentile=st.floats(1.0, 99.9), ms=st.floats(1.0, 1e6))
def test_limits_and_misses_add_up(share: float, percentile: float, ms: float) -> None:
    """Both parts together allow no more time and no more misses than the bound."""
    bound = LatencyBound(metric="e2e", percentile=percentile, limit_ms=ms)
    parts = [E2eBudget(share).ttft(bound), E2eBudget(share).rest(bound)]
    assert sum(part.limit_ms for part in parts) == pytest.approx(ms)
    assert sum(part.allowed_miss for part in parts) == pytest.approx(bound.allowed_miss)
    assert [part.metric for part in parts] == ["ttft", "e2e"]


def test_the_table_is_on_the_safe_side_of_the_simulation() -> None:
    """A bound that takes more decode replicas; E2E of both pools, judged in one run."""
    stated = {
        "cdf": "azure", "gpus": ["h100"], "arrival_rate": 40.0, "max_context": 8192,
        "overlong": "clip", "phases": "apart", "thresholds": [],
        "verification": {"requests": 12_000, "top": 1},
    }  # fmt: skip
    loose, tight = (
        solve(FleetProblem.model_validate({**stated, "slo": [f"p99 e2e {limit}"]}))
        for limit in (60_000, 12_000)
    )
    assert tight.cost.usd_per_year > loose.cost.usd_per_year
    for plan in (loose, tight):
        assert plan.verification is not None
        assert plan.verification.verdict == "pass"
        assert plan.prediction.pools[0].p99_e2e_ms is None
        seen, told = plan.verification.pools[1].p99_e2e_ms, plan.prediction.pools[1]
        assert [bound.metric for bound in told.bounds] == ["e2e"]
        assert seen.estimate is not None
        assert told.p99_e2e_ms is not None
        assert seen.estimate <= told.p99_e2e_ms <= 60_000
        assert {pool.link.partition(":")[0] for pool in plan.fleet.pools} == {"ndr400"}
    told = tight.prediction.pools[1]
    assert told.p99_e2e_ms is not None
    assert told.p99_e2e_ms <= 1.1 * 12_000


def test_names_of_links_tell_the_share() -> None:
    assert without_share("ndr400 (2) at 7 % of E2E") == "ndr400 (2)"
    assert without_share("ndr400 (2)") == "ndr400 (2)"
