"""Spare replicas on the whole way: what is bought, what it costs, what is said of it."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from fleetopt import FleetProblem, InfeasibleError, Plan, solve
from fleetopt.catalog import read_profiles
from fleetopt.plan import HOURS_PER_YEAR, Fleet
from fleetopt.questions.difference import compare
from fleetopt.report.console import render
from fleetopt.report.plan_report import plan_report
from fleetopt.study.refusal import Refusal

SLOW_REPAIR = 0.98717
SLOW = {"availability": SLOW_REPAIR, "availability_rule": "mean"}
"""The published rule; the other one is in test_spares_of_whole_nodes.py."""


def plan(**keys: object) -> Plan:
    """An unverified plan of the default problem unless the keys say otherwise."""
    stated = {"verification": {"enabled": False}, **keys}
    return solve(FleetProblem.model_validate(stated))


def usd_per_year(fleet: Fleet) -> float:
    """Price of all replicas that are bought, from the catalogue."""
    price = {name: spec.usd_per_hour for name, spec in read_profiles().items()}
    return sum(
        price[pool.profile] * (pool.replicas + pool.spare_replicas) * HOURS_PER_YEAR
        for pool in fleet.pools
    )


@pytest.fixture(scope="module")
def slow() -> Plan:
    """The default problem, verified, with repairs that take two days."""
    return solve(FleetProblem.model_validate(SLOW))


def test_every_pool_buys_the_published_count(slow: Plan) -> None:
    """ceil(n / A) of each pool, and the plan and all beside it cost what is bought."""
    fleets = [slow.fleet, *(other.fleet for other in slow.alternatives)]
    for pool in (pool for fleet in fleets for pool in fleet.pools):
        assert pool.bought == math.ceil(pool.replicas / Fraction("0.98717"))
        assert pool.gpus == pool.bought
    assert slow.cost.usd_per_year == pytest.approx(usd_per_year(slow.fleet))
    for other in slow.alternatives:
        assert other.usd_per_year == pytest.approx(usd_per_year(other.fleet))


def test_predictions_and_verdict_are_of_those_that_must_be_up(slow: Plan) -> None:
    """The spare replicas serve nothing: the same fleet without them has the same figures."""
    assert slow.verification is not None
    assert slow.verification.verdict == "pass"
    split = [pool.hi_tokens for pool in slow.fleet.pools[:-1]]
    for i, pool in enumerate(slow.fleet.pools):
        alone = plan(thresholds=split, gpus=[p.profile for p in slow.fleet.pools])
        twin = alone.fleet.pools[i]
        if (twin.profile, twin.replicas) == (pool.profile, pool.replicas):
            assert alone.prediction.pools[i] == replace(slow.prediction.pools[i], enough_up=None)
            break
    else:
        pytest.fail("no pool to compare")


def test_choosing_with_spare_replicas_beats_adding_them_afterwards() -> None:
    """One H100 for short requests needs a second as spare; ten A10G less."""
    without, with_spare = plan(), plan(**SLOW)
    price = {name: spec.usd_per_hour for name, spec in read_profiles().items()}
    added = sum(
        price[pool.profile] * math.ceil(pool.replicas / SLOW_REPAIR) * HOURS_PER_YEAR
        for pool in without.fleet.pools
    )
    assert without.cost.usd_per_year < with_spare.cost.usd_per_year < added


def test_an_availability_of_one_changes_nothing() -> None:
    """Not the fleet, not its cost, not the report."""
    plain, same = plan(), plan(availability=1.0)
    assert (plain.fleet, plain.cost) == (same.fleet, same.cost)
    assert "Availability" not in render(plan_report(plain, 100), 100)


def test_the_report_says_what_is_bought_and_what_must_be_up(slow: Plan) -> None:
    """In words, and in the table as a sum."""
    text = " ".join(render(plan_report(slow, 100), 100).split())
    assert "a replica is up 98.717 % of the time" in text
    for pool in slow.fleet.pools:
        said = f"{pool.name} buys {pool.bought} replicas, of which {pool.replicas} must be up"
        assert said in text
        assert f"{pool.replicas} + {pool.spare_replicas}" in text


def test_limits_hold_for_all_that_is_bought() -> None:
    """GPUs, power and cost of the plan are its own limits; a little less excludes it."""
    keys = {"gpus": ["h100"], **SLOW}
    free = plan(**keys)
    bought = sum(pool.gpus for pool in free.fleet.pools)
    assert plan(**keys, max_gpus=bought).fleet == free.fleet
    assert plan(**keys, inventory={"h100": bought}).fleet == free.fleet
    with pytest.raises(InfeasibleError) as refused:
        plan(**keys, inventory={"h100": bought - 1})
    assert f"at least {bought}" in str(refused.value)
    assert "spare replicas for availability = 0.98717 are counted" in str(refused.value)


def test_the_nearest_fleet_has_its_spare_replicas() -> None:
    """Between a least number of replicas and too few GPUs; what it needs is what it buys."""
    keys = {"gpus": ["h100"], **SLOW, "min_replicas": 4, "max_gpus": 5}
    with pytest.raises(InfeasibleError) as refused:
        plan(**keys)
    nearest = Refusal.of(refused.value).nearest
    assert nearest is not None
    for pool in nearest.fleet.pools:
        assert pool.bought == math.ceil(pool.replicas / Fraction("0.98717"))
    assert nearest.cost.usd_per_year == pytest.approx(usd_per_year(nearest.fleet))
    eased = {limit.key: limit.needed for limit in nearest.relaxation}
    found = plan(**{**keys, **eased})
    assert found.fleet.gpus == nearest.fleet.gpus


def test_whole_nodes_hold_spare_replicas_too() -> None:
    """A node of eight for four of one type and spare ones."""
    found = plan(gpus=["h100"], **SLOW, node_size=8)
    used = sum(pool.gpus for pool in found.fleet.pools)
    nodes = -(-used // 8)
    hourly = read_profiles()["h100"].usd_per_hour
    assert found.cost.usd_per_hour == pytest.approx(8 * nodes * hourly)


def test_a_difference_in_availability_is_a_step() -> None:
    """Its cost alone is that of the spare replicas."""
    first = plan(gpus=["h100"], availability_rule="mean")
    second = plan(gpus=["h100"], availability=0.95, availability_rule="mean")
    (step,) = compare(first, second).steps
    assert (step.key, step.before, step.after) == ("availability", "1", "0.95")
    assert step.alone_usd_per_year == pytest.approx(second.cost.usd_per_year)
    assert step.fleet == second.fleet
