"""Scope fleet against plain enumeration: all requests together, one to three bounds."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from enumeration import Pools, Problem, fleets
from side_constraints import NAMES, hourly, random_hardware, random_side, within

from fleetopt.optimization.candidates import Candidate
from fleetopt.optimization.limits import NONE, FleetSlo, SideConstraints
from fleetopt.optimization.program import build
from fleetopt.optimization.solver import ProgramSolver, Termination
from fleetopt.problem import LatencyBound

SEEDS = range(200)
METRICS = ("ttft", "tpot", "e2e")


def random_slo(seed: int, problem: Problem) -> FleetSlo:
    """One to three bounds at random percentiles; a unit of length brings one request."""
    rng = random.Random(f"slo {seed}")
    bounds = tuple(
        LatencyBound(metric=metric, percentile=rng.choice((50.0, 90.0, 95.0, 99.0)), limit_ms=100.0)
        for metric in METRICS[: rng.randint(1, 3)]
    )
    return FleetSlo(bounds, float(problem.num_breakpoints - 1))


def with_misses(problem: Problem, slo: FleetSlo, seed: int) -> Problem:
    """Misses around what the bounds allow, that fall as replicas grow."""
    rng = random.Random(f"misses {seed}")

    def missing(candidate: Candidate) -> Candidate:
        worst = [min(1.0, b.allowed_miss * rng.uniform(0.0, 4.0)) for b in slo.bounds]
        rows = []
        for row in candidate.rows:
            rows.append(replace(row, misses=tuple(worst)))
            worst = [miss * rng.choice((0.0, 0.3, 0.9)) for miss in worst]
        return replace(candidate, rows=tuple(rows))

    return replace(problem, candidates=tuple(map(missing, problem.candidates)))


def attains(pools: Pools, slo: FleetSlo) -> bool:
    """Whether few enough requests of all pools together are beyond each bound."""
    for b, bound in enumerate(slo.bounds):
        missed = sum(c.arrival_rate * row.misses[b] for c, row in pools)
        if missed > bound.allowed_miss * sum(c.arrival_rate for c, _ in pools):
            return False
    return True


def pool_scope(problem: Problem, slo: FleetSlo) -> Problem:
    """The same problem where each row has to keep the bounds by itself."""
    kept = [
        replace(
            c,
            rows=tuple(
                row
                for row in c.rows
                if all(m <= b.allowed_miss for m, b in zip(row.misses, slo.bounds, strict=True))
            ),
        )
        for c in problem.candidates
    ]
    rows = [c for c in kept if c.rows]
    again = tuple(replace(c, index=i) for i, c in enumerate(rows))
    return replace(problem, candidates=again)


def solved(problem: Problem, side: SideConstraints) -> tuple[float, Pools, Termination]:
    solution = ProgramSolver(
        build(problem.candidates, problem.num_breakpoints, problem.max_pools, side)
    ).solve()
    return solution.usd_per_hour, solution.chosen, solution.termination


def random_fleet(seed: int) -> tuple[Problem, FleetSlo]:
    plain = random_hardware(seed)
    slo = random_slo(seed, plain)
    return with_misses(plain, slo, seed), slo


def assert_equal(names: Sequence[str], seed: int) -> bool:
    """The program finds the cheapest fleet that attains the SLO within the limits."""
    problem, slo = random_fleet(seed)
    every = fleets(problem)
    attaining = [pools for pools in every if attains(pools, slo)]
    side = replace(random_side(names, attaining, seed) if names else NONE, slo=slo)
    left = [pools for pools in attaining if within(pools, side)]
    cost, chosen, termination = solved(problem, side)
    least = min((hourly(pools, side.node_size) for pools in left), default=math.inf)
    assert cost == pytest.approx(least)
    assert chosen in left or not left
    assert termination is (Termination.OPTIMAL if left else Termination.INFEASIBLE)
    return bool(left)


def test_the_optimum_is_the_cheapest_fleet_that_attains_the_slo() -> None:
    """200 problems with one to three bounds."""
    assert sum(assert_equal((), seed) for seed in SEEDS) >= 100


def test_the_slo_binds() -> None:
    """In a fair share of the problems the cheapest fleet of all misses too much."""
    broken = 0
    for seed in SEEDS:
        problem, slo = random_fleet(seed)
        every = fleets(problem)
        broken += bool(every) and not attains(every[0], slo)
    assert broken >= 50


@pytest.mark.parametrize("name", NAMES)
def test_with_each_side_constraint(name: str) -> None:
    """Pairs of the scope and one other limit."""
    first = NAMES.index(name)
    assert sum(assert_equal((name,), seed) for seed in range(first, 200, len(NAMES))) >= 5


@pytest.mark.parametrize("seed", range(0, 200, 5))
def test_with_all_side_constraints(seed: int) -> None:
    """They do not get in each other's way."""
    assert_equal(NAMES, seed)


def test_scope_fleet_never_costs_more_than_scope_pool() -> None:
    """What every pool attains, all requests together attain; it is often cheaper."""
    cheaper = 0
    for seed in SEEDS:
        problem, slo = random_fleet(seed)
        together, _, _ = solved(problem, SideConstraints(slo=slo))
        apart, _, _ = solved(pool_scope(problem, slo), NONE)
        assert together <= apart * (1.0 + 1e-9)
        cheaper += together < apart * (1.0 - 1e-9)
    assert cheaper >= 30
