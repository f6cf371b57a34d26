"""The program, its cuts and the shortest path against plain enumeration."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from enumeration import Pools, Problem, cost, fleets, random_problem

from fleetopt.optimization.program import build
from fleetopt.optimization.shortest_path import shortest_path
from fleetopt.optimization.solver import Holding, ProgramSolver, Solution, Termination

SEEDS = range(200)
FEWER_SEEDS = range(0, 200, 4)


def solver_of(problem: Problem) -> ProgramSolver:
    return ProgramSolver(build(problem.candidates, problem.num_breakpoints, problem.max_pools))


def assert_optimal(solution: Solution, among: list[Pools]) -> None:
    """The solution is the cheapest of these fleets, or proves that there is none."""
    if not among:
        assert solution.termination is Termination.INFEASIBLE
        assert solution.holding is Holding.NONE
        assert math.isinf(solution.objective)
        assert math.isinf(solution.bound)
        assert solution.chosen == ()
        return
    assert solution.termination is Termination.OPTIMAL
    assert solution.holding is Holding.OPTIMAL
    assert solution.chosen in among
    assert cost(solution.chosen) == pytest.approx(cost(among[0]))
    assert solution.objective == pytest.approx(cost(among[0]))
    assert solution.bound == pytest.approx(cost(among[0]))


@pytest.mark.parametrize("seed", SEEDS)
def test_optimum_equals_enumeration_and_shortest_path(seed: int) -> None:
    """Three ways to the same least cost, or to the same infeasibility."""
    problem = random_problem(seed)
    every = fleets(problem)
    assert_optimal(solver_of(problem).solve(), every)
    path = shortest_path(problem.candidates, problem.num_breakpoints, problem.max_pools)
    assert path.cost == pytest.approx(cost(every[0]) if every else math.inf)
    assert path.chosen in every or not every


@pytest.mark.parametrize("seed", SEEDS)
def test_of_the_cheapest_fleets_one_of_the_fewest_pools(seed: int) -> None:
    """One price for all makes many fleets cost the same."""
    problem = random_problem(seed)
    rounded = tuple(replace(c, usd_per_hour=1.0) for c in problem.candidates)
    problem = replace(problem, candidates=rounded)
    every = fleets(problem)
    cheapest = [pools for pools in every if cost(pools) <= cost(every[0])]
    found = solver_of(problem).simplest()
    assert_optimal(found, cheapest)
    assert len(found.chosen) == min(map(len, cheapest), default=0)


def test_the_random_problems_cover_both_outcomes() -> None:
    """A fair share of them is infeasible, and most have several fleets."""
    counts = [len(fleets(random_problem(seed))) for seed in SEEDS]
    assert 20 <= counts.count(0) <= 100
    assert sum(count > 10 for count in counts) >= 80


@pytest.mark.parametrize("seed", FEWER_SEEDS)
def test_refusals_until_nothing_is_left(seed: int) -> None:
    """After each refusal the program finds the best of the fleets that remain."""
    problem, rng = random_problem(seed), random.Random(seed)
    solver, left = solver_of(problem), fleets(problem)
    for _ in range(6):
        solution = solver.solve()
        assert_optimal(solution, left)
        if not left:
            break
        candidate, row = rng.choice(solution.chosen)
        remaining = solver.refuse(candidate, row.replicas)
        assert remaining == sum(other.replicas > row.replicas for other in candidate.rows)
        left = [pools for pools in left if not _has_refused(pools, candidate.index, row.replicas)]


def _has_refused(pools: Pools, index: int, replicas: int) -> bool:
    return any(c.index == index and row.replicas <= replicas for c, row in pools)


@pytest.mark.parametrize("seed", SEEDS)
def test_best_fleets_in_order(seed: int) -> None:
    """K best by the program are the K cheapest of all, and the cuts leave no trace."""
    problem = random_problem(seed)
    solver, every = solver_of(problem), fleets(problem)
    found = solver.best(7)
    assert [s.objective for s in found] == pytest.approx([cost(p) for p in every[:7]])
    assert len({s.chosen for s in found}) == len(found)
    assert_optimal(solver.solve(), every)


@pytest.mark.parametrize("seed", FEWER_SEEDS)
def test_restrictions_and_refusals_together(seed: int) -> None:
    """Comparisons within a context see the refusals, and end with it."""
    problem = random_problem(seed)
    solver, every = solver_of(problem), fleets(problem)
    best = solver.solve()
    if best.chosen:
        candidate, row = best.chosen[0]
        solver.refuse(candidate, row.replicas)
        every = [p for p in every if not _has_refused(p, candidate.index, row.replicas)]
    with solver.restricted(lambda candidate, _: candidate.gpu == "a"):
        of_one_type = [p for p in every if all(c.gpu == "a" for c, _ in p)]
        assert_optimal(solver.solve(), of_one_type)
        with solver.restricted(lambda candidate, row: row.replicas <= 8):
            small = [p for p in of_one_type if all(row.replicas <= 8 for _, row in p)]
            found = solver.best(3)
            assert [s.objective for s in found] == pytest.approx([cost(p) for p in small[:3]])
    with solver.restricted(lambda c, _: c.end - c.start == problem.num_breakpoints - 1):
        assert_optimal(solver.solve(), [p for p in every if len(p) == 1])
    assert_optimal(solver.solve(), every)
