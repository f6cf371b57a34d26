"""Designs under limits, evaluated as they are asked for, against all tables at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from fleetopt import FleetProblem
from fleetopt.case import Case
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Design
from fleetopt.optimization.lazily import LazyDesign
from fleetopt.optimization.solver import Holding
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.study.infeasible import explained

AZURE = {
    "cdf": "azure", "max_context": 4096, "overlong": "clip", "max_pools": 2,
    "gpus": ["a10g", "h100"], "gammas": [1.0, 1.5], "carbon_g_per_kwh": 380.0,
}  # fmt: skip
Used = Callable[[Candidate, Row], float]
USED: dict[str, Used] = {
    "power_kw": lambda candidate, row: candidate.kilowatts(row),
    "budget_usd_per_year": lambda candidate, row: HOURS_PER_YEAR * candidate.cost(row),
    "max_gpus": lambda candidate, row: float(candidate.gpus(row)),
    "mean_power_kw": lambda _, row: row.drawn_kw or 0.0,
    "carbon_tonnes_per_year": lambda _, row: HOURS_PER_YEAR * 380e-6 * (row.drawn_kw or 0.0),
}


def case_of(**changed: Any) -> Case:
    return Case.of(FleetProblem.model_validate({**AZURE, **changed}))


def least(case: Case, used: Used) -> float:
    """The least that a fleet of at most two pools uses, over all pairs of pools."""
    design = Design(case, grey=False, drawn=True)
    last = len(case.nodes) - 1
    pools = [(c, min(used(c, row) for row in c.rows)) for c in design.candidates]
    alone = [each for c, each in pools if (c.start, c.end) == (0, last)]
    pairs = (
        one + other
        for first, one in pools
        if first.start == 0
        for second, other in pools
        if first.end == second.start and second.end == last
    )
    return min([*alone, *pairs], default=math.inf)


@pytest.mark.parametrize(
    ("key", "admission"),
    [*((key, "reserved") for key in USED), ("power_kw", "paged"), ("max_gpus", "paged")],
)
def test_limits_just_kept_and_just_exceeded(key: str, admission: str) -> None:
    """The same verdict and the same cost as of all tables, most of them not evaluated."""
    some = least(case_of(admission=admission), USED[key])
    for limit, holding in ((1.001 * some, Holding.OPTIMAL), (0.999 * some, Holding.NONE)):
        stated = math.floor(limit) if key == "max_gpus" else limit
        case = case_of(admission=admission, **{key: stated})
        lazy, whole = LazyDesign(case, grey=False), Design(case, grey=False)
        found, expected = lazy.optimum(), whole.optimum()
        assert found.holding is expected.holding is holding
        assert found.usd_per_hour == pytest.approx(expected.usd_per_hour)
        if admission == "reserved":
            assert lazy.evaluated < 0.5 * len(whole.offered)


def test_a_limit_far_below_every_fleet() -> None:
    """No table is evaluated to tell; the explanation has the nearest fleet all the same."""
    some = least(case_of(), USED["power_kw"])
    design = LazyDesign(case_of(power_kw=0.4 * some, node_size=2), grey=False)
    assert design.optimum().holding is Holding.NONE
    assert design.evaluated == 0
    told = explained(design).refusal
    assert [limit.key for limit in told.relaxation.alone] == ["power_kw"]
    assert told.relaxation.alone[0].needed == pytest.approx(some, rel=1e-5)
    assert told.nearest is not None
    assert told.nearest.cost.usd_per_year > 0.0


def test_two_limits_that_only_together_exclude_every_fleet() -> None:
    """Neither is exceeded by itself, so that every table has to be looked at."""
    keys = {"max_context": 8192, "gammas": [1.0]}
    limits = {
        key: 1.0001 * least(case_of(**keys), USED[key])
        for key in ("budget_usd_per_year", "carbon_tonnes_per_year")
    }
    case = case_of(**keys, **limits)
    assert Design(case, grey=False).optimum().holding is Holding.NONE
    assert LazyDesign(case, grey=False).optimum().holding is Holding.NONE
    for key, limit in limits.items():
        alone = LazyDesign(case_of(**keys, **{key: limit}), grey=False).optimum()
        assert alone.holding is Holding.OPTIMAL


def test_a_stock_of_each_type() -> None:
    """Of the H100 none, of the A10G as many as the least fleet has or one less."""
    ours = least(case_of(gpus=["a10g"]), USED["max_gpus"])
    for missing, holding in ((0, Holding.OPTIMAL), (1, Holding.NONE)):
        stock = {"h100": 0, "a10g": round(ours) - missing}
        found = LazyDesign(case_of(inventory=stock), grey=False).optimum()
        assert found.holding is holding


def test_all_requests_together_within_a_budget() -> None:
    """The verdict of all tables also where pools may miss more than the SLO allows each."""
    usd = least(case_of(), USED["budget_usd_per_year"])
    for factor in (0.6, 0.9, 1.0):
        case = case_of(slo_scope="fleet", budget_usd_per_year=factor * usd, gammas=[1.0])
        found = LazyDesign(case, grey=False).optimum()
        assert found.usd_per_hour == pytest.approx(Design(case, grey=False).optimum().usd_per_hour)
