"""The program with phases apart against plain enumeration: cost, ratio, limits, cuts."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from enumeration import Pools, cost
from phased import phased_fleets, phased_problem

from fleetopt.optimization.limits import NONE, SideConstraints
from fleetopt.optimization.program import build
from fleetopt.optimization.shortest_path import shortest_path
from fleetopt.optimization.solver import Holding, ProgramSolver, Solution

SEEDS = range(100)


def solver_of(seed: int, side: SideConstraints = NONE) -> ProgramSolver:
    problem = phased_problem(seed)
    return ProgramSolver(
        build(problem.candidates, problem.num_breakpoints, problem.max_pools, side)
    )


def ratios(pools: Pools) -> list[tuple[int, int]]:
    """Prefill and decode replicas of each pair, in the order of the arcs."""
    first = [row.replicas for c, row in pools if c.phase == "prefill"]
    second = [row.replicas for c, row in pools if c.phase == "decode"]
    return list(zip(first, second, strict=True))


def assert_best(solution: Solution, among: list[Pools]) -> None:
    """The cheapest of these fleets, with its ratios, or none where there is none."""
    if not among:
        assert solution.holding is Holding.NONE
        return
    best = [pools for pools in among if cost(pools) <= cost(among[0]) * (1.0 + 1e-12)]
    assert solution.objective == pytest.approx(cost(among[0]))
    assert solution.bound == pytest.approx(cost(among[0]))
    assert solution.chosen in best
    assert ratios(solution.chosen) in [ratios(pools) for pools in best]


@pytest.mark.parametrize("seed", SEEDS)
def test_cost_and_ratio_equal_enumeration(seed: int) -> None:
    """By the program, and by the shortest path whose arcs are pools or pairs."""
    problem = phased_problem(seed)
    every = phased_fleets(problem)
    assert_best(solver_of(seed).simplest(), every)
    path = shortest_path(problem.candidates, problem.num_breakpoints, problem.max_pools)
    assert path.cost == pytest.approx(cost(every[0]) if every else math.inf)
    assert path.chosen in every or not every


def test_the_problems_are_worth_it() -> None:
    """Many have a fleet; in many the best one has phases apart, and ratios differ."""
    best = [every[0] for every in map(phased_fleets, map(phased_problem, SEEDS)) if every]
    assert len(best) >= 60
    apart = [ratio for pools in best for ratio in ratios(pools)]
    assert len(apart) >= 30
    assert len({p / d for p, d in apart}) >= 8
    assert any(c.phase is None for pools in best for c, _ in pools if ratios(pools))


@pytest.mark.parametrize("seed", range(0, 100, 3))
def test_limits_count_both_phases(seed: int) -> None:
    """GPUs, inventory and power of a fleet are sums over all that it has."""
    problem, rng = phased_problem(seed), random.Random(seed)
    known = [replace(c, watts=c.watts or 500.0) for c in problem.candidates]
    problem = replace(problem, candidates=tuple(known))
    every = phased_fleets(problem)
    side = SideConstraints(
        inventory={"a": rng.randint(2, 12)}, max_gpus=rng.randint(4, 24), power_kw=rng.uniform(2, 9)
    )

    def keeps(pools: Pools) -> bool:
        gpus = sum(c.gpus_per_replica * row.replicas for c, row in pools)
        ours = sum(c.gpus_per_replica * row.replicas for c, row in pools if c.gpu == "a")
        watts = sum((c.watts or 0.0) * row.replicas for c, row in pools)
        return (
            gpus <= side.max_gpus and ours <= side.inventory["a"] and watts <= 1e3 * side.power_kw
        )

    model = build(problem.candidates, problem.num_breakpoints, problem.max_pools, side)
    assert_best(ProgramSolver(model).solve(), [pools for pools in every if keeps(pools)])


@pytest.mark.parametrize("seed", range(0, 100, 5))
def test_refusing_one_phase_leaves_the_others(seed: int) -> None:
    """A row of one phase goes with those of fewer replicas, whatever its partner is."""
    solver, left, rng = solver_of(seed), phased_fleets(phased_problem(seed)), random.Random(seed)
    for _ in range(5):
        solution = solver.solve()
        assert_best(solution, left)
        if not left:
            break
        gone, row = rng.choice(solution.chosen)
        solver.refuse(gone, row.replicas)
        left = [
            pools
            for pools in left
            if not any(c.index == gone.index and r.replicas <= row.replicas for c, r in pools)
        ]


@pytest.mark.parametrize("seed", range(0, 100, 5))
def test_best_fleets_in_order(seed: int) -> None:
    """K best by the program are the K cheapest of all."""
    every = phased_fleets(phased_problem(seed))
    found = solver_of(seed).best(6)
    assert [s.objective for s in found] == pytest.approx([cost(p) for p in every[:6]])
    assert len({s.chosen for s in found}) == len(found)
