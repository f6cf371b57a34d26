"""The worked examples a second time: plain Python over every fleet of the unchanged program."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fleetopt.optimization.candidates import Candidate, Row

Pools = tuple[tuple[Candidate, Row], ...]
HOURS = 8760.0


def hourly(pools: Pools) -> float:
    """USD per hour."""
    return sum(c.usd_per_hour * row.replicas for c, row in pools)


def tonnes(pools: Pools) -> float:
    """CO2 in a year at 380 g/kWh, every slot busy."""
    assert all(c.watts for c, _ in pools)
    kilowatts = sum((c.watts or 0.0) * row.replicas for c, row in pools) / 1000.0
    return kilowatts * HOURS * 380.0 / 1e6


def h100_of_shortest(pools: Pools) -> int:
    """H100 in the pool for the shortest requests."""
    candidate, row = min(pools, key=lambda pool: pool[0].lo_tokens)
    return row.replicas * candidate.gpus_per_replica if candidate.gpu == "h100" else 0


def largest_share(pools: Pools) -> float:
    """Share of the cost that the dearest pool takes."""
    return max(c.usd_per_hour * row.replicas for c, row in pools) / hourly(pools)


@dataclass(frozen=True)
class Meaning:
    """What an extension is meant to do: which fleets it keeps, and what is least among them.

    objective: a sum over pools, so that a part of a fleet is never worth more than the whole.
    """

    keeps: Callable[[Pools], bool] = lambda pools: True
    objective: Callable[[Pools], float] = hourly


MEANINGS = {
    "h100_cap": Meaning(keeps=lambda pools: h100_of_shortest(pools) <= 4),
    "carbon_budget": Meaning(keeps=lambda pools: tonnes(pools) <= 32.0),
    "two_types": Meaning(keeps=lambda pools: len({c.gpu for c, _ in pools}) >= 2),
    "spread_cost": Meaning(keeps=lambda pools: largest_share(pools) <= 0.4 + 1e-9),
    "pool_fee": Meaning(objective=lambda pools: hourly(pools) + 6.0 * len(pools)),
    "least_carbon": Meaning(objective=tonnes),
}


def best_fleets(model: Any, max_pools: int, meaning: Meaning) -> list[Pools]:
    """Every fleet of a program that keeps the meaning at the least objective."""
    rest = _least_to_go(model, meaning)
    best: list[Pools] = []
    least = math.inf
    for pools in _fleets(model, max_pools, rest, meaning, lambda: least):
        value = meaning.objective(pools)
        if value <= least + 1e-9 and meaning.keeps(pools):
            best = [*best, pools] if value > least - 1e-9 else [pools]
            least = min(least, value)
    return best


def _least_to_go(model: Any, meaning: Meaning) -> dict[int, float]:
    """The least objective of pools from each breakpoint to the last, constraints aside."""
    last = model.breakpoints.last()
    least = dict.fromkeys(range(last), math.inf) | {last: 0.0}
    for start in reversed(range(last)):
        for c in model.leaving[start]:
            candidate = model.candidate[c]
            first = meaning.objective(((candidate, candidate.rows[0]),))
            least[start] = min(least[start], first + least[candidate.end])
    return least


def _fleets(
    model: Any,
    max_pools: int,
    rest: dict[int, float],
    meaning: Meaning,
    least: Callable[[], float],
    before: Pools = (),
) -> Iterator[Pools]:
    """Fleets that continue `before`, without those that cannot be as good as the best so far."""
    at = before[-1][0].end if before else 0
    if at == model.breakpoints.last():
        yield before
    elif len(before) < max_pools:
        for c in model.leaving[at]:
            candidate = model.candidate[c]
            for row in candidate.rows:
                pools = (*before, (candidate, row))
                if meaning.objective(pools) + rest[candidate.end] > least() + 1e-9:
                    break  # more replicas only add to it
                yield from _fleets(model, max_pools, rest, meaning, least, pools)
