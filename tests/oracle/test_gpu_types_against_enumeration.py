"""The best fleets of one GPU type and of several, against enumeration."""

from __future__ import annotations

import math

import pytest
from enumeration import Pools, Problem, cost, fleets
from test_design_against_enumeration import random_case

from fleetopt.case import Case
from fleetopt.optimization.design import Design
from fleetopt.optimization.lazily import LazyDesign
from fleetopt.optimization.solver import Solution

SEEDS = range(0, 96, 4)


def enumerated(case: Case) -> list[Pools]:
    """Every fleet of least rows, the cheapest first."""
    plain = Design(case, grey=False, extra_rows=0)
    return fleets(Problem(plain.candidates, len(case.breakpoints), case.problem.max_pools))


def least(pools: list[Pools]) -> float:
    return cost(pools[0]) if pools else math.inf


def types_of(found: Solution | Pools) -> set[str]:
    chosen = found.chosen if isinstance(found, Solution) else found
    return {candidate.gpu for candidate, _ in chosen}


@pytest.mark.parametrize("kind", [Design, LazyDesign])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_of_each_type_and_the_best_mixture(seed: int, kind: type[Design]) -> None:
    """Each is the cheapest of the fleets of its kind, and the optimum is found again after."""
    case = random_case(seed)
    every, design = enumerated(case), kind(case, grey=False)
    assert design.optimum().usd_per_hour == pytest.approx(least(every))
    for gpu in design.gpu_types:
        for pools in (1, 2):
            of_kind = [p for p in every if len(p) == pools and types_of(p) == {gpu}]
            found = design.best_of_type(gpu, pools)
            assert found.usd_per_hour == pytest.approx(least(of_kind))
            assert not found.chosen or types_of(found) == {gpu}
            assert len(found.chosen) in (0, pools)
    mixed = design.best_mixed()
    assert mixed.usd_per_hour == pytest.approx(least([p for p in every if len(types_of(p)) > 1]))
    assert not mixed.chosen or len(types_of(mixed)) > 1
    assert design.optimum().usd_per_hour == pytest.approx(least(every))


def test_the_random_cases_have_fleets_of_every_kind() -> None:
    """Many have a mixture that costs more than the optimum, and some have none at all."""
    dearer = none = 0
    for seed in SEEDS:
        every = enumerated(random_case(seed))
        mixed = least([pools for pools in every if len(types_of(pools)) > 1])
        none += math.isinf(mixed)
        dearer += least(every) < mixed < math.inf
    assert dearer >= 4
    assert none >= 4
