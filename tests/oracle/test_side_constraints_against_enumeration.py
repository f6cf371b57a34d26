"""The program with side constraints against plain enumeration, one at a time and in pairs."""

from __future__ import annotations

import itertools
import math

import pytest
from enumeration import fleets
from side_constraints import DRAW_KEYS, NAMES, hourly, random_hardware, random_side, within

from fleetopt.optimization.program import build
from fleetopt.optimization.solver import ProgramSolver, Termination

SEEDS = range(200)
PAIRS = tuple(itertools.combinations(NAMES, 2))


def assert_equal(names: tuple[str, ...], seed: int) -> bool:
    """The program finds the cheapest fleet within the limits; whether there is one."""
    problem = random_hardware(seed)
    every = fleets(problem)
    side = random_side(names, every, seed)
    left = [pools for pools in every if within(pools, side)]
    solution = ProgramSolver(
        build(problem.candidates, problem.num_breakpoints, problem.max_pools, side)
    ).solve()
    least = min((hourly(pools, side.node_size) for pools in left), default=math.inf)
    assert solution.usd_per_hour == pytest.approx(least)
    assert solution.objective == pytest.approx(least)
    assert solution.chosen in left or not left
    expected = Termination.OPTIMAL if left else Termination.INFEASIBLE
    assert solution.termination is expected
    return bool(left)


@pytest.mark.parametrize("key", DRAW_KEYS)
def test_limits_on_the_mean_draw(key: str) -> None:
    """40 problems alone, beside one more limit, and with all limits at once."""
    first = 3 * DRAW_KEYS.index(key)
    assert sum(assert_equal((key,), seed) for seed in range(first, 200, 5)) >= 10
    for seed, name in enumerate(NAMES, start=first):
        assert_equal((key, name), seed)
        assert_equal((*NAMES, key), seed)


@pytest.mark.parametrize("key", DRAW_KEYS)
def test_limits_on_the_mean_draw_bind(key: str) -> None:
    """In a fair share of the problems the cheapest fleet of all breaks the limit."""
    broken = 0
    for seed in range(0, 200, 4):
        every = fleets(random_hardware(seed))
        broken += bool(every) and not within(every[0], random_side((key,), every, seed))
    assert broken >= 5


@pytest.mark.parametrize("name", NAMES)
def test_each_side_constraint(name: str) -> None:
    """200 problems; many have a fleet, and all are decided rightly."""
    assert sum(assert_equal((name,), seed) for seed in SEEDS) >= 50


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_pairs_of_side_constraints(pair: tuple[str, ...]) -> None:
    """Every pair on some of the problems."""
    first = PAIRS.index(pair)
    for seed in range(first, 200, len(PAIRS)):
        assert_equal(pair, seed)


@pytest.mark.parametrize("seed", range(0, 200, 5))
def test_all_side_constraints_at_once(seed: int) -> None:
    """They do not get in each other's way."""
    assert_equal(NAMES, seed)


@pytest.mark.parametrize("name", NAMES)
def test_the_limits_bind(name: str) -> None:
    """In a fair share of the problems the cheapest fleet of all breaks the limit.

    Whole nodes forbid no fleet; they change what it costs.
    """
    broken = 0
    for seed in SEEDS:
        every = fleets(random_hardware(seed))
        side = random_side((name,), every, seed)
        best = min(every, key=lambda pools: hourly(pools, side.node_size), default=None)
        broken += bool(every) and (not within(every[0], side) or best != every[0])
    assert broken >= (10 if name == "node_size" else 20)
