"""The published rows with compression: their counts, and what simulation says of them.

The published tool lists three fleets with compression at gamma = 1.1, all split at 4096
tokens of the azure workload at 100 requests per second (vLLM semantic router fleet simulator,
"Which GPU type is actually cheapest?" and "Does mixing GPU types save money?"): 19 A10G,
12 A100, and 15 GPUs as A10G below and A100 above. Its short pools are sized without the
requests that are compressed into them.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fleetopt.case import Case
from fleetopt.optimization.design import maker
from fleetopt.plan import PoolVerification
from fleetopt.problem import FleetProblem, VerificationOptions
from fleetopt.verification import Judge, Judged

SPLIT, CONTEXT, GAMMA = 4096, 8192, 1.1
ROWS = (("a10g", "a10g", 19), ("a100", "a100", 12), ("a10g", "a100", 15))
"""GPU types of the short and of the long pool, and GPUs of the published fleet."""
WIDER = 1.5
"""A factor at which the same accounting overloads the same short pools."""


def stated(method: str) -> Case:
    """The published problem under a method."""
    return Case.of(
        FleetProblem.model_validate(
            {
                "cdf": "azure",
                "arrival_rate": 100.0,
                "max_context": CONTEXT,
                "gammas": (GAMMA, WIDER),
                "method": method,
            }
        )
    )


CASE, PUBLISHED = stated("fleetopt"), stated("published")


def counted(gpu: str, gamma: float, *, below: bool) -> tuple[int, float]:
    """Replicas that the published method gives a pool, and the utilization that it reports."""
    ends = (0, SPLIT, 1.0, gamma) if below else (SPLIT, CONTEXT, gamma, 1.0)
    what = PUBLISHED.serves(*ends)
    table = maker(PUBLISHED, PUBLISHED.profile(gpu))(what, PUBLISHED.pool_rate(what))
    replicas = table.min_replicas()
    assert replicas is not None
    return replicas, table.utilization(replicas)


def true_utilization(gpu: str, gamma: float, replicas: int) -> float:
    """Utilization of a short pool with the true work of what is compressed into it."""
    what = CASE.serves(0, SPLIT, 1.0, gamma)
    table = maker(CASE, CASE.profile(gpu))(what, CASE.pool_rate(what))
    return table.utilization(replicas)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with ThreadPoolExecutor(2) as executor:
        options = VerificationOptions(replications=4)
        yield Judge(CASE, options, executor, lambda _: None)


def simulated(judge: Judge, gpu: str, gamma: float, replicas: int) -> PoolVerification:
    """The verdict on a short pool that receives its compressed requests."""
    rate = CASE.pool_rate(CASE.serves(0, SPLIT, 1.0, gamma))
    return judge.verdict(Judged(0, SPLIT, gpu, replicas, rate, 1.0, gamma))


@pytest.mark.parametrize(("short", "long", "gpus"), ROWS)
def test_counts_are_the_published_ones(short: str, long: str, gpus: int) -> None:
    """19, 12 and 15 GPUs; without compression there is one more of them."""
    assert counted(short, GAMMA, below=True)[0] + counted(long, GAMMA, below=False)[0] == gpus
    assert counted(short, 1.0, below=True)[0] + counted(long, 1.0, below=False)[0] == gpus + 1


@pytest.mark.parametrize("gpu", ["a10g", "a100"])
def test_short_pools_carry_more_than_the_method_counts(judge: Judge, gpu: str) -> None:
    """At gamma = 1.1 they hold, at 0.05 more utilization than reported, near or over its cap."""
    replicas, reported = counted(gpu, GAMMA, below=True)
    said = simulated(judge, gpu, GAMMA, replicas)
    assert said.utilization == pytest.approx(true_utilization(gpu, GAMMA, replicas), rel=0.01)
    assert said.utilization > reported + 0.04
    assert said.verdict == "pass"


@pytest.mark.parametrize("gpu", ["a10g", "a100"])
def test_the_same_accounting_overloads_at_a_larger_factor(judge: Judge, gpu: str) -> None:
    """At gamma = 1.5 the method sees no reason for another GPU, and the pool is unstable."""
    replicas, reported = counted(gpu, WIDER, below=True)
    assert replicas == counted(gpu, GAMMA, below=True)[0]
    assert reported < 0.85
    assert true_utilization(gpu, WIDER, replicas) > 1.1
    said = simulated(judge, gpu, WIDER, replicas)
    assert said.verdict == "unstable"
    assert said.backlog_per_s is not None
    assert said.backlog_per_s > 0


def test_a_plan_of_the_method_with_compression_is_not_accepted() -> None:
    """Solved whole: the published method compresses as much as it may, simulation refuses."""
    from fleetopt.study import solve

    problem = replace(PUBLISHED).problem.model_copy(
        update={
            "gpus": ("a10g",),
            "thresholds": (SPLIT,),
            "max_pools": 2,
            "verification": VerificationOptions(replications=2, top=1),
        }
    )
    plan = solve(problem)
    assert [pool.compression for pool in plan.fleet.pools] == [WIDER, 1.0]
    assert plan.verification is not None
    assert plan.verification.pools[0].verdict == "unstable"
