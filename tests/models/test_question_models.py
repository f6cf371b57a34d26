"""The model of each planning question has the answer that the question's own command gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetopt import Plan, catalog, solve
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.problem import FleetProblem, VerificationOptions
from fleetopt.questions.two_pools import Sizes, TwoPools, thresholds
from fleetopt.queueing.availability import SpareRule


def problem_of(name: str) -> FleetProblem:
    return catalog.read_problem(name)[0]


def answer(name: str) -> Plan:
    unverified = VerificationOptions(enabled=False)
    return solve(problem_of(name).model_copy(update={"verification": unverified}))


def asked(problem: FleetProblem, short: str, long: str) -> TwoPools:
    """The question about two given GPUs behind a model."""
    lengths, _ = read_lengths(str(problem.cdf))
    gpus = read_profiles()
    context = problem.max_context or lengths.max_tokens
    limit_ms = problem.slo[0].limit_ms
    return TwoPools(lengths, problem.design_rate, gpus[short], gpus[long], limit_ms, context)


def counts(plan: Plan) -> list[int]:
    return [pool.replicas for pool in plan.fleet.pools]


def test_where_to_split() -> None:
    """The recommended threshold, or one pool, whichever is cheaper."""
    found = thresholds(asked(problem_of("where_to_split"), "a100", "a100"))
    best = min((row.split for row in found.rows if row.split.meets), key=lambda s: s.usd_per_year)
    plan = answer("where_to_split")
    assert plan.cost.usd_per_year == pytest.approx(best.usd_per_year)
    assert plan.cost.usd_per_year < found.one_pool.split.usd_per_year


@pytest.mark.parametrize("name", ["agent_split", "growing"])
def test_fixed_splits(name: str) -> None:
    problem = problem_of(name)
    question = asked(problem, "h100", "h100")
    sizes = Sizes(question, question.split(4096))
    pools = [pool for pool in sizes.split(4096) if pool is not None]
    assert counts(answer(name)) == [pool.replicas for pool in pools]


def test_gpu_mix() -> None:
    """The cheapest of all pairs of GPUs at the split."""
    problem = problem_of("gpu_mix")
    costs = {}
    for short in problem.gpus:
        for long in problem.gpus:
            question = asked(problem, short, long)
            pools = Sizes(question, question.split(4096)).split(4096)
            if all(pool is not None and pool.meets for pool in pools):
                costs[short, long] = sum(pool.usd_per_hour for pool in pools if pool)
    plan = answer("gpu_mix")
    assert plan.cost.usd_per_year == pytest.approx(8760 * min(costs.values()))
    assert tuple(pool.gpu for pool in plan.fleet.pools) == min(costs, key=costs.__getitem__)


def test_spares() -> None:
    """Each pool buys what its rule says, and with surer nodes it buys none."""
    problem = problem_of("spares")
    rule = SpareRule.of(problem)
    plan = answer("spares")
    assert [pool.bought for pool in plan.fleet.pools] == [rule.to_buy(n) for n in counts(plan)]
    assert sum(pool.spare_replicas for pool in plan.fleet.pools) > 0
    assert replace(rule, availability=1.0).to_buy(3) == 3


def test_tight_ttft() -> None:
    """Phases apart where both may be, cheaper than together; a pair counts as one pool."""
    plan = answer("tight_ttft")
    assert [pool.phase for pool in plan.fleet.pools] == ["prefill", "decode"]
    assert [pool.partner for pool in plan.fleet.pools] == ["pool-1-decode", "pool-1-prefill"]
    problem = problem_of("tight_ttft").model_copy(
        update={
            "phases": "together",
            "links": (),
            "verification": VerificationOptions(enabled=False),
        }
    )
    together = solve(problem)
    assert plan.cost.usd_per_hour < together.cost.usd_per_hour
    apart = solve(plan.problem.model_copy(update={"phases": "apart", "max_pools": 1}))
    assert apart.cost == plan.cost
