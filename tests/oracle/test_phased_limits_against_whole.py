"""Limits with phases apart: the early verdicts against all tables and all fleets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from enumeration import Pools, Problem
from phased import phased_fleets
from test_phased_design_against_whole import phased_case

from fleetopt.case import Case
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Design
from fleetopt.optimization.floors import Floors
from fleetopt.optimization.lazily import LazyDesign
from fleetopt.optimization.options import ArcOptions
from fleetopt.optimization.solver import Holding
from fleetopt.optimization.uses import limited_uses
from fleetopt.problem import FleetProblem
from fleetopt.queueing.floor import RowFloors

Used = Callable[[Candidate, Row], float]
USED: dict[str, Used] = {
    "power_kw": lambda candidate, row: candidate.kilowatts(row),
    "budget_usd_per_year": lambda candidate, row: 8760.0 * candidate.cost(row),
    "max_gpus": lambda candidate, row: float(candidate.gpus(row)),
    "mean_power_kw": lambda _, row: row.drawn_kw or 0.0,
}


def limited(case: Case, **limits: Any) -> Case:
    """The same case under limits."""
    return Case.of(case.problem.model_copy(update=limits))


@cache
def with_all_tables(seed: int, e2e: bool) -> Design:
    """The program of a case without limits, with the mean draw of every row."""
    return Design(phased_case(seed, e2e=e2e), grey=False, drawn=True)


def least_fleet(design: Design, used: Used) -> Pools:
    """Of all fleets the one that uses least, each pool with the row that does."""
    rows = (min(c.rows, key=lambda row, c=c: used(c, row)) for c in design.candidates)
    each = tuple(replace(c, rows=(row,)) for c, row in zip(design.candidates, rows, strict=True))
    case = design.case
    every = phased_fleets(Problem(each, len(case.nodes), case.problem.max_pools))
    return min(every, key=lambda pools: sum(used(*pool) for pool in pools))


@pytest.mark.parametrize("key", USED)
@pytest.mark.parametrize(
    ("seed", "e2e"), [(0, False), (7, False), pytest.param(1, True, marks=pytest.mark.slow)]
)
def test_limits_just_kept_and_just_exceeded(key: str, seed: int, e2e: bool) -> None:
    """The verdict of the enumeration, and the cost of the program with every table."""
    case, used = phased_case(seed, e2e=e2e), USED[key]
    every = with_all_tables(seed, e2e)
    some = sum(used(*pool) for pool in least_fleet(every, used))
    for factor, holding in ((1.001, Holding.OPTIMAL), (0.999, Holding.NONE)):
        limit = math.floor(factor * some) if key == "max_gpus" else factor * some
        under = limited(case, **{key: limit})
        lazy, whole = LazyDesign(under, grey=False), Design(under, grey=False, tables=every.offered)
        found, expected = lazy.optimum(), whole.optimum()
        assert found.holding is expected.holding is holding
        assert found.usd_per_hour == pytest.approx(expected.usd_per_hour)
        assert lazy.evaluated <= len(whole.offered)


@pytest.mark.parametrize("key", USED)
def test_few_tables_are_looked_at(key: str) -> None:
    """Of the bundled workload a tenth of the tables tells; far below every fleet, none does."""
    free = LazyDesign(Case.of(FleetProblem(phases="either")), grey=False, drawn=True)
    cheapest = sum(USED[key](c, row) for c, row in free.optimum().chosen)
    for factor, most in ((1.0001, 100), (0.25, 0)):
        limit = int(factor * cheapest) if key == "max_gpus" else factor * cheapest
        case = Case.of(FleetProblem.model_validate({"phases": "either", key: limit}))
        design = LazyDesign(case, grey=False)
        assert (design.optimum().holding is Holding.OPTIMAL) == (factor > 1.0)
        assert design.evaluated <= most


@pytest.mark.parametrize("seed", [0, 4, 7])
def test_no_pair_uses_less_than_its_bound(seed: int) -> None:
    """Of each limit, for every arc and every pair that has rows."""
    limits = {"power_kw": 1.0, "max_gpus": 1, "mean_power_kw": 1.0, "inventory": {"h100": 1}}
    case = limited(phased_case(seed), **limits)
    design = Design(case, grey=False, extra_rows=1)
    pools = case.arcs()
    ways, compared = ArcOptions(case, pools), 0
    kinds: list[Used] = [USED["max_gpus"], _of_h100, USED["power_kw"], USED["mean_power_kw"]]
    for (use, _), used in zip(limited_uses(case.problem), kinds, strict=True):
        floors = Floors(case, pools, use, RowFloors(case, pools)).paths(ways)
        through = floors.through()
        for pair in phased_fleets(Problem(design.candidates, len(case.nodes), 1)):
            arc = next(i for i, what in enumerate(pools) if _serves(what, pair[0][0]))
            ours = [way for way in range(len(ways)) if _is(ways.offers(way, arc), pair)]
            assert len(ours) == 1
            bound = through[ours[0] * len(pools) + arc]
            assert bound <= sum(used(*pool) for pool in pair) * (1.0 + 1e-9)
            compared += 1
    assert compared >= 20


def _of_h100(candidate: Candidate, row: Row) -> float:
    return float(candidate.gpus(row)) if candidate.gpu == "h100" else 0.0


def _serves(what: Any, candidate: Candidate) -> bool:
    lengths = (candidate.lo_tokens, candidate.hi_tokens)
    gammas = (candidate.gamma_lo, candidate.gamma_hi)
    return (what.lo_tokens, what.hi_tokens) == lengths and what.gammas == gammas


def _is(offers: tuple[Any, ...], pools: Pools) -> bool:
    """Whether tables are those of some pools."""
    made = [(o.table.profile.name, o.phase, o.link) for o in offers]
    return made == [(c.profile, c.phase, c.link) for c, _ in pools]
