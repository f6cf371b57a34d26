"""The least replicas by utilization, many pools at once, against the tables one by one."""

from __future__ import annotations

import random

import pytest

from fleetopt.case import Case
from fleetopt.optimization.design import arcs_on, maker
from fleetopt.problem import FleetProblem
from fleetopt.queueing.floor import utilization_floor


@pytest.mark.parametrize("admission", ["reserved", "paged"])
@pytest.mark.parametrize("workload", ["azure", "lmsys", "agent_heavy"])
def test_no_row_has_fewer_replicas(workload: str, admission: str) -> None:
    """The floor is what the table says of utilization, and its rows begin there or above."""
    case = Case.of(
        FleetProblem.model_validate(
            {"cdf": workload, "gammas": [1.2, 2.0], "admission": admission, "arrival_rate": 37.0}
        )
    )
    rng = random.Random(workload + admission)
    for profile in case.profiles:
        pools = rng.sample(arcs_on(case, profile), 12)
        floor = utilization_floor(case, profile, pools)
        for what, least in zip(pools, floor.tolist(), strict=True):
            table = maker(case, profile)(what, case.pool_rate(what))
            assert table.utilization(least) <= 0.85 * (1 + 1e-8)
            assert least == 1 or table.utilization(least - 1) > 0.85
            found = table.min_replicas(grey=True)
            assert found is None or found >= least
