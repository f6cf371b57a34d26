"""Fleets that compress, from random problems to the optimum, against enumeration.

Three ways to each optimum: all fleets one by one, the program over every candidate, and the
design that evaluates a candidate only when it may be part of the answer.
"""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from enumeration import Problem, cost, fleets
from test_design_against_enumeration import random_case

from fleetopt.case import Case
from fleetopt.optimization.design import Design
from fleetopt.optimization.lazily import LazyDesign
from fleetopt.optimization.shortest_path import shortest_path

LIMITS = (
    {},
    {"max_gpus": 6},
    {"inventory": {"a100": 1, "h100": 1, "a10g": 2}},
    {"node_size": 4},
    {"min_replicas": 2},
    {"budget_usd_per_year": 60_000.0},
)


def compressing(seed: int, **keys: object) -> Case:
    """A random case with one or two compression factors and some share p_c."""
    rng = random.Random(seed)
    case = random_case(seed)
    points = case.breakpoints[1:-1]
    factors = rng.sample([1.05, 1.2, 1.5, 2.0, 3.5], rng.randint(1, 2))
    stated = {
        "gammas": (1.0, *sorted(factors)),
        "compressible_share": rng.choice([0.2, 0.75, 1.0]),
        "max_pools": rng.randint(2, 3),
        "thresholds": rng.choice([None, None, tuple(sorted(rng.sample(points, 1)))]),
        **keys,
    }
    return Case.of(case.problem.model_copy(update=stated))


@pytest.mark.parametrize("seed", range(200))
def test_the_optimum_is_the_cheapest_of_all_fleets(seed: int) -> None:
    """Program, lazy design, enumeration and shortest path find the same cost."""
    case = compressing(seed)
    design = Design(case, grey=False, extra_rows=0)
    positions, most = len(case.nodes), case.problem.max_pools
    every = fleets(Problem(design.candidates, positions, most))
    least = pytest.approx(cost(every[0]) if every else float("inf"))
    assert design.optimum().usd_per_hour == least
    assert shortest_path(design.candidates, positions, most).cost == least
    lazy = LazyDesign(case, grey=False, extra_rows=0).optimum()
    assert lazy.usd_per_hour == least
    for pools in [*every[:3], lazy.chosen]:
        rates = sum(candidate.arrival_rate for candidate, _ in pools)
        assert not pools or rates == pytest.approx(case.arrival_rate)
        for (lower, _), (upper, _) in pairwise(pools):
            assert (upper.lo_tokens, upper.gamma_lo) == (lower.hi_tokens, lower.gamma_hi)
            assert lower.hi_tokens * lower.gamma_hi <= upper.hi_tokens * (1 + 1e-9)


def test_the_random_fleets_do_compress() -> None:
    """Many optima have a pool that longer requests are compressed into."""
    chosen = [LazyDesign(compressing(s), grey=False).optimum().chosen for s in range(24)]
    assert sum(any(c.gamma_hi > 1 for c, _ in pools) for pools in chosen) >= 4


@pytest.mark.parametrize("seed", range(0, 48, 2))
def test_lazy_answers_are_those_of_the_whole_program(seed: int) -> None:
    """K best, simpler fleets, limits and refusals: nothing that was left out was needed."""
    case = compressing(seed, **LIMITS[seed // 2 % len(LIMITS)])
    whole, lazy = Design(case, grey=True), LazyDesign(case, grey=True)
    for _ in range(4):
        expected, found = whole.optimum(), lazy.optimum()
        assert found.usd_per_hour == pytest.approx(expected.usd_per_hour)
        if not found.chosen:
            break
        candidate, row = found.chosen[-1]
        same = next(c for c in whole.candidates if _place(c) == _place(candidate))
        whole.refuse(same, row.replicas)
        lazy.refuse(candidate, row.replicas)
    for ask in (Design.best_of_one_pool, Design.best_of_one_type):
        assert getattr(lazy, ask.__name__)().usd_per_hour == pytest.approx(ask(whole).usd_per_hour)
    costs = [[s.usd_per_hour for s in design.best(4)] for design in (whole, lazy)]
    assert costs[1] == pytest.approx(costs[0])


def _place(candidate: object) -> tuple[object, ...]:
    names = ("lo_tokens", "hi_tokens", "gamma_lo", "gamma_hi", "profile")
    return tuple(getattr(candidate, name) for name in names)
