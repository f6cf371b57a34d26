"""Energy, carbon and cost with electricity: the program against plain enumeration."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from enumeration import Pools, Problem, fleets
from side_constraints import hourly, random_hardware, random_side, within

from fleetopt.optimization.goals import Goal
from fleetopt.optimization.limits import NONE
from fleetopt.optimization.program import build
from fleetopt.optimization.solver import ProgramSolver, Termination
from fleetopt.plan import HOURS_PER_YEAR

GOALS = ("energy", "carbon", "cost+energy")


def random_draws(seed: int) -> Problem:
    """A random small problem whose rows draw what they like, cheap ones often most."""
    rng = random.Random(f"draws {seed}")
    problem = random_hardware(seed)
    candidates = tuple(
        replace(c, rows=tuple(replace(row, drawn_kw=rng.uniform(0.1, 30.0)) for row in c.rows))
        for c in problem.candidates
    )
    return replace(problem, candidates=candidates)


def yearly(pools: Pools, goal: Goal, node_size: int) -> float:
    """The goal written down a second time."""
    kwh = 8760.0 * sum(row.drawn_kw or 0.0 for _, row in pools)
    usd = 8760.0 * hourly(pools, node_size) if goal.name == "cost+energy" else 0.0
    return usd + goal.per_kwh * kwh


@pytest.mark.parametrize("name", GOALS)
@pytest.mark.parametrize("limits", [(), ("budget_usd_per_year",), ("power_kw", "node_size")])
def test_the_program_finds_the_least(name: str, limits: tuple[str, ...]) -> None:
    """40 problems each, alone and beside limits; the cheapest fleet is often another."""
    others = 0
    for seed in range(40):
        problem = random_draws(seed)
        every = fleets(problem)
        side = random_side(limits, every, seed) if limits else NONE
        goal = Goal(name, random.Random(seed).choice((0.05, 0.4, 3.0)))
        left = [pools for pools in every if within(pools, side)]
        model = build(problem.candidates, problem.num_breakpoints, problem.max_pools, side, goal)
        found = ProgramSolver(model).solve()
        least = min((yearly(pools, goal, side.node_size) for pools in left), default=math.inf)
        assert found.objective == pytest.approx(least)
        assert found.termination is (Termination.OPTIMAL if left else Termination.INFEASIBLE)
        if left:
            had = goal.of_fleet(found.chosen, found.usd_per_hour)
            assert HOURS_PER_YEAR * had == pytest.approx(least)
            cheapest = min(left, key=lambda pools: hourly(pools, side.node_size))
            others += yearly(cheapest, goal, side.node_size) > 1.0001 * least
    assert limits or others >= 5
