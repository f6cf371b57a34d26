"""Bounds below the mean draw of pools, and the answers of designs that rely on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fleetopt import FleetProblem
from fleetopt.case import Case
from fleetopt.optimization.design import Design, pool_tables
from fleetopt.optimization.goals import pool_kilowatts
from fleetopt.optimization.lazily import LazyDesign
from fleetopt.queueing.floor import RowFloors

AZURE = {
    "cdf": "azure", "max_context": 8192, "overlong": "clip", "carbon_g_per_kwh": 380.0,
    "electricity_usd_per_kwh": 0.2, "pue": 1.2,
}  # fmt: skip
MODEL = {
    "cdf": "azure", "arrival_rate": 5.0, "model": "llama-3.1-70b", "gpus": ["h100"],
    "engine": {"tp": [4, 8]}, "admission": "paged", "slo": ["p99 ttft 2000"],
    "thresholds": [2048], "max_pools": 2,
}  # fmt: skip


def case_of(keys: dict[str, Any], **changed: Any) -> Case:
    return Case.of(FleetProblem.model_validate({**keys, **changed}))


@pytest.mark.parametrize(
    "case",
    [
        case_of(AZURE, gpus=["a10g", "h100"], max_context=4096),
        case_of(AZURE, gpus=["a100"], gammas=[1.0, 1.5], admission="paged", max_context=2048),
        case_of(MODEL),
    ],
    ids=["reserved", "compressed", "prefill"],
)
def test_no_pool_draws_less_than_its_bound(case: Case) -> None:
    """With as few replicas as it may have, and with several times as many."""
    pools = case.arcs()
    floors = RowFloors(case, pools)
    tables = {(t.profile.name, t.lo_tokens, t.hi_tokens, t.gammas): t for t in pool_tables(case)}
    near = 0
    for profile in case.profiles:
        least = floors.least([profile])[0]
        for factor in (1.0, 3.0):
            replicas = np.where(np.isfinite(least), np.ceil(factor * least), 1.0)
            bounds = floors.kilowatts(profile, replicas)
            for what, count, bound in zip(pools[::3], replicas[::3], bounds[::3], strict=True):
                table = tables.get((profile.name, what.lo_tokens, what.hi_tokens, what.gammas))
                if table is None:
                    continue
                drawn = pool_kilowatts(table, int(count))
                assert bound <= drawn * (1.0 + 1e-9)
                near += bound > 0.6 * drawn
    assert near >= 2


@pytest.mark.parametrize("objective", ["energy", "carbon", "cost+energy"])
def test_evaluated_as_they_are_asked_for_or_all_at_once(objective: str) -> None:
    """The same optimum and the same next best fleets, from a part of the tables."""
    case = case_of(AZURE, objective=objective, max_pools=2, gammas=[1.0, 1.5], max_context=4096)
    lazy, whole = LazyDesign(case, grey=False), Design(case, grey=False)
    assert lazy.optimum().objective == pytest.approx(whole.optimum().objective)
    assert lazy.evaluated < 0.3 * len(whole.offered)
    some = [solution.objective for solution in lazy.best(3)]
    assert some == pytest.approx([solution.objective for solution in whole.best(3)])


def test_a_limit_on_the_draw_beside_the_cost() -> None:
    """The cheapest within the energy of a thrifty fleet, from a part of the tables or all."""
    keys = {"max_pools": 2, "gpus": ["a10g", "h100"], "max_context": 6144}
    thrifty = LazyDesign(case_of(AZURE, objective="energy", **keys), grey=False).optimum()
    cheap = LazyDesign(case_of(AZURE, **keys), grey=False).optimum()
    mwh = 1.02 * thrifty.objective / 1000.0
    case = case_of(AZURE, energy_mwh_per_year=mwh, **keys)
    found = LazyDesign(case, grey=False).optimum()
    assert found.usd_per_hour == pytest.approx(Design(case, grey=False).optimum().usd_per_hour)
    assert cheap.usd_per_hour <= found.usd_per_hour
