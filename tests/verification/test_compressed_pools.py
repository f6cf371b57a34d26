"""Compressed requests in the simulator have the work that the table says they have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fleetopt.case import Case
from fleetopt.optimization.design import maker
from fleetopt.problem import FleetProblem, VerificationOptions
from fleetopt.verification import Judge, Judged


@pytest.mark.parametrize(
    ("workload", "split", "gamma", "gpu"),
    [("azure", 3072, 2.0, "h100"), ("lmsys", 4096, 1.5, "a100"), ("lmsys", 1024, 2.0, "a10g")],
)
def test_utilization_of_both_pools(workload: str, split: int, gamma: float, gpu: str) -> None:
    """Rho from the table equals the simulator's within 1 %, below the split and above it."""
    context = 8192
    case = Case.of(
        FleetProblem(
            cdf=workload, max_context=context, gammas=(1.0, gamma), arrival_rate=80.0,
            overlong="clip",
        )
    )  # fmt: skip
    options = VerificationOptions(requests=100_000, replications=4)
    with ThreadPoolExecutor(2) as executor:
        judge = Judge(case, options, executor, lambda _: None)
        for lo, hi, gammas in ((0, split, (1.0, gamma)), (split, context, (gamma, 1.0))):
            what = case.serves(lo, hi, *gammas)
            table = maker(case, case.profile(gpu))(what, case.pool_rate(what))
            replicas = table.least_by_utilization() + 1
            pool = Judged(lo, hi, gpu, replicas, table.arrival_rate, *gammas)
            said = judge.verdict(pool)
            assert said.utilization == pytest.approx(table.utilization(replicas), rel=0.01)
            assert said.rejected == 0
            plain = case.serves(lo, hi)
            apart = maker(case, case.profile(gpu))(plain, case.pool_rate(plain))
            moved = apart.utilization(replicas) - table.utilization(replicas)
            assert abs(moved) > 0.03 * table.utilization(replicas)
