"""The most requests per second within limits, against the largest rate that a table carries."""

from __future__ import annotations

from typing import Any

import pytest

from fleetopt import FleetProblem, InfeasibleError, Plan, solve
from fleetopt.case import Case
from fleetopt.errors import InputError
from fleetopt.optimization.tables import pool_tables
from fleetopt.study.rate import RATE_TOLERANCE

ONE_POOL = {
    "cdf": "azure",
    "max_context": 8192,
    "overlong": "clip",
    "gpus": ["h100"],
    "max_pools": 1,
    "verification": {"enabled": False},
}


def stated(**changed: Any) -> FleetProblem:
    return FleetProblem.model_validate({**ONE_POOL, **changed})


def most(**changed: Any) -> Plan:
    return solve(stated(objective="rate", **changed))


def table() -> Any:
    """The table of the one pool of all requests, at 1 request per second."""
    tables = pool_tables(Case.of(stated(arrival_rate=1.0)))
    return next(t for t in tables if (t.lo_tokens, t.hi_tokens) == (0, 8192))


@pytest.mark.parametrize("key", ["power_kw", "budget_usd_per_year", "max_gpus", "inventory"])
def test_the_rate_is_what_the_replicas_carry_that_the_limit_allows(key: str) -> None:
    """In one pool the limit is a number of replicas, and the table says what they carry."""
    one = table()
    each = {
        "power_kw": one.profile.power.watts(one.slots) / 1000.0,
        "budget_usd_per_year": 8760.0 * one.profile.usd_per_hour,
        "max_gpus": 1.0,
        "inventory": 1.0,
    }[key]
    limit: Any = {"h100": 9} if key == "inventory" else 9 if key == "max_gpus" else 9.5 * each
    plan = most(**{key: limit})
    expected = one.max_arrival_rate(9)
    assert plan.objective is not None
    assert plan.objective.value == pytest.approx(expected, rel=2 * RATE_TOLERANCE)
    assert plan.objective.value <= expected * (1 + 1e-6) < plan.objective.bound * (1 + 2e-6)
    assert [pool.replicas for pool in plan.fleet.pools] == [9]
    assert any(note.startswith(key) and "binds" in note for note in plan.notes)


@pytest.mark.parametrize(
    "limits",
    [
        {"power_kw": 4.0},
        {"budget_usd_per_year": 2e5},
        {"carbon_tonnes_per_year": 9.0, "carbon_g_per_kwh": 380},
    ],
)
def test_a_little_more_has_no_fleet(limits: dict[str, Any]) -> None:
    """The rate fits, and the bound beside it does not."""
    keys = {"gpus": ["h100", "a10g"], "max_pools": 2, "thresholds": [3072], **limits}
    plan = most(**keys)
    assert plan.objective is not None
    assert plan.problem.arrival_rate == plan.objective.value
    assert plan.objective.bound <= plan.objective.value * (1 + RATE_TOLERANCE)
    again = solve(stated(arrival_rate=plan.objective.value, **keys))
    assert again.fleet == plan.fleet
    with pytest.raises(InfeasibleError):
        solve(stated(arrival_rate=plan.objective.bound, **keys))


def test_simulation_has_the_last_word() -> None:
    plan = most(max_gpus=4, verification={"top": 1})
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    assert plan.objective is not None
    assert plan.objective.value <= plan.objective.first
    assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "rate needs a limit on the fleet"),
        ({"max_gpus": 4, "extension": "cap.py"}, "rate is found without extensions"),
        ({"max_gpus": 4, "trace": {"path": "t.csv"}}, "rate is what a trace states"),
    ],
)
def test_impossible_questions(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stated(objective="rate", **changed)


def test_a_limit_that_bounds_nothing() -> None:
    """The stock of one type says nothing of the others."""
    keys = {"gpus": ["h100", "a10g"], "inventory": {"h100": 2}, "arrival_rate": 4e6}
    with pytest.raises(InputError, match="no limit holds every fleet back"):
        most(**keys)


def test_no_rate_at_all() -> None:
    with pytest.raises(InfeasibleError):
        most(power_kw=0.01)
