"""What infeasible programs are told to give, against plain enumeration."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
from enumeration import Pools, Problem, fleets
from side_constraints import (
    DRAW_KEYS,
    NAMES,
    gpus_of,
    hourly,
    kilowatts,
    mean_kilowatts,
    megawatt_hours,
    random_hardware,
    random_side,
    tonnes,
    within,
)

from fleetopt.optimization.conflict import Conflict, conflict
from fleetopt.optimization.limits import SideConstraints
from fleetopt.optimization.nearest import nearest
from fleetopt.optimization.program import build

SLIGHTLY = 1e-4
"""Relative change of a continuous limit that must make a difference."""
WHOLE = ("max_pools", "max_gpus", "inventory", "min_replicas")


def infeasible_problems(
    more: tuple[str, ...] = (),
) -> Iterator[tuple[Problem, SideConstraints, list[Pools]]]:
    """Problems with fleets, none of which keeps every limit; half have all of the limits.

    more: names of limits of which each problem has one too.
    """
    for seed in range(400):
        problem = random_hardware(seed)
        every = fleets(replace(problem, max_pools=64))
        rng = random.Random(f"names {seed}")
        names = (*(NAMES if seed % 2 else rng.sample(NAMES, 3)), *more[seed % 3 :][:1])
        side = random_side(names, fleets(problem), seed)
        fact = SideConstraints(spares=side.spares)  # no limit that could give
        every = [pools for pools in every if within(pools, fact)]
        if every and not kept(problem, side, every, {}):
            yield problem, side, every


def kept(
    problem: Problem,
    side: SideConstraints,
    every: list[Pools],
    changed: Mapping[str, float | None],
) -> bool:
    """Whether a fleet keeps every limit, with some of them changed; None takes one away."""
    most = changed.get("max_pools", problem.max_pools)
    inventory = {gpu: changed.get(f"inventory.{gpu}", n) for gpu, n in side.inventory.items()}
    others = {
        key: 1 if key == "min_replicas" and value is None else value
        for key, value in changed.items()
        if key != "max_pools" and not key.startswith("inventory")
    }
    held = {gpu: n for gpu, n in inventory.items() if n is not None}
    new = replace(side, inventory=held, **others)
    return any(within(pools, new) for pools in every if most is None or len(pools) <= most)


def told(problem: Problem, side: SideConstraints) -> Conflict | None:
    return conflict(
        lambda least: build(
            problem.candidates,
            problem.num_breakpoints,
            problem.max_pools,
            replace(side, min_replicas=least),
        ),
        side.min_replicas,
    )


@cache
def told_of(number: int) -> Conflict | None:
    problem, side, _ = CASES[number]
    return told(problem, side)


def eased(key: str, value: float, by: float) -> float:
    """A limit a little easier (by = 1) or tighter (by = -1) than a value."""
    if key == "min_replicas":
        return round(value) - by
    if key.split(".")[0] in WHOLE:
        return round(value) + by
    return value * (1.0 + by * SLIGHTLY)


CASES = [*islice(infeasible_problems(), 70), *islice(infeasible_problems(DRAW_KEYS), 12)]


def test_there_are_enough_infeasible_problems() -> None:
    """Fifty at the least, with one limit to blame and with several."""
    assert len(CASES) >= 50
    sizes = [len(found.alone) for number in range(len(CASES)) if (found := told_of(number))]
    assert sizes.count(1) >= 5
    assert sum(size >= 2 for size in sizes) >= 5


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_stated_relaxations_are_enough_and_no_smaller_ones_are(number: int) -> None:
    """Each alone, and together where none is enough alone."""
    problem, side, every = CASES[number]
    found = told_of(number)
    assert found is not None
    for limit in found.alone:
        if limit.needed is None:
            assert not kept(problem, side, every, {limit.key: None})
            continue
        key, needed = limit.key, limit.needed
        enough = round(needed) if key.split(".")[0] in WHOLE else eased(key, needed, 0.01)
        assert kept(problem, side, every, {key: enough})
        assert not kept(problem, side, every, {key: eased(key, needed, -1)})
    assert bool(found.together) == all(limit.needed is None for limit in found.alone)
    if found.together:
        change = {
            limit.key: eased(limit.key, limit.needed or 0.0, 0.01) for limit in found.together
        }
        change = {key: round(v) if key.split(".")[0] in WHOLE else v for key, v in change.items()}
        assert kept(problem, side, every, change)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_limits_that_are_named_exclude_each_other(number: int) -> None:
    """Without all other limits there is no fleet; without one more of them there is."""
    problem, side, every = CASES[number]
    found = told_of(number)
    assert found is not None
    named = {limit.key for limit in found.alone}
    stated = {"max_pools", *(f"inventory.{gpu}" for gpu in side.inventory)}
    stated |= {
        key
        for key in ("max_gpus", "power_kw", "budget_usd_per_year", "min_replicas", *DRAW_KEYS)
        if getattr(side, key) is not None
    }
    without = dict.fromkeys(stated - named)
    assert not kept(problem, side, every, without)
    for key in named:
        assert kept(problem, side, every, {**without, key: None})


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_nearest_fleet_relaxes_least_and_is_the_cheapest_of_those(number: int) -> None:
    """It keeps every limit but those that it names, and each of these it uses as stated."""
    problem, side, every = CASES[number]
    points, most = problem.num_breakpoints, problem.max_pools
    model = build(problem.candidates, points, most, side)
    found = nearest(model, side.min_replicas)
    assert found is not None
    least = min(excess(problem, side, pools) for pools in every)
    assert found.excess == pytest.approx(least, abs=1e-6)
    chosen = found.solution.chosen
    assert excess(problem, side, chosen) == pytest.approx(least, abs=1e-6)
    alike = [pools for pools in every if excess(problem, side, pools) < least + 1e-7]
    cheapest = min(hourly(pools, side.node_size) for pools in alike)
    assert found.solution.usd_per_hour == pytest.approx(cheapest)
    named = {limit.key: limit.needed for limit in found.relaxation}
    changed = {key: eased(key, value or 0.0, 0.01) for key, value in named.items()}
    whole = {key: round(v) if key.split(".")[0] in WHOLE else v for key, v in changed.items()}
    assert kept(problem, side, [chosen], whole)
    for key in named:
        assert not kept(problem, side, [chosen], {k: v for k, v in whole.items() if k != key})


def excess(problem: Problem, side: SideConstraints, pools: Pools) -> float:
    """What a fleet uses beyond each limit, relative to it, summed up; 0 counts as 1."""
    bought = gpus_of(pools, side.node_size)
    uses = [(len(pools), problem.max_pools)]
    uses += [(bought[gpu], count) for gpu, count in side.inventory.items()]
    if side.max_gpus is not None:
        uses.append((bought.total(), side.max_gpus))
    if side.power_kw is not None:
        uses.append((kilowatts(pools), side.power_kw))
    if side.budget_usd_per_year is not None:
        uses.append((8760.0 * hourly(pools, side.node_size), side.budget_usd_per_year))
    if side.mean_power_kw is not None:
        uses.append((mean_kilowatts(pools), side.mean_power_kw))
    if side.energy_mwh_per_year is not None:
        uses.append((megawatt_hours(pools), side.energy_mwh_per_year))
    if side.carbon_tonnes_per_year is not None:
        uses.append((tonnes(pools), side.carbon_tonnes_per_year))
    over = sum(max(0.0, used - stated) / (stated or 1.0) for used, stated in uses)
    fewest = min(row.replicas for _, row in pools)
    return over + max(0.0, side.min_replicas - fewest) / side.min_replicas


def test_a_feasible_program_has_no_conflict_to_tell() -> None:
    """Nor has one that no limit could save."""
    feasible = next(p for p in map(random_hardware, range(50)) if fleets(p))
    assert told(feasible, SideConstraints()) is None
    hopeless = Problem((), 3, 2)
    assert told(hopeless, SideConstraints(max_gpus=3)) is None
