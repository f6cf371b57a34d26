"""The worked examples a second time: plain Python over every fleet of the unchanged program."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleetopt.optimization.candidates import Candidate, Row

Pools = tuple[tuple[Candidate, Row], ...]
HOURS = 8760.0


def hourly_of_pool(candidate: Candidate, row: Row) -> float:
    """USD per hour of one pool."""
    return candidate.usd_per_hour * row.replicas


def hourly(pools: Pools) -> float:
    """USD per hour."""
    return sum(hourly_of_pool(*pool) for pool in pools)


def tonnes_of_pool(candidate: Candidate, row: Row) -> float:
    """CO2 of one pool in a year at 380 g/kWh, every slot busy."""
    assert candidate.watts
    return candidate.watts * row.replicas / 1000.0 * HOURS * 380.0 / 1e6


def tonnes(pools: Pools) -> float:
    """CO2 in a year."""
    return sum(tonnes_of_pool(*pool) for pool in pools)


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

    of_pool: what a pool adds to the objective, never less than nothing.
    """

    keeps: Callable[[Pools], bool] = lambda pools: True
    of_pool: Callable[[Candidate, Row], float] = hourly_of_pool

    def objective(self, pools: Pools) -> float:
        """The objective of a fleet."""
        return sum(self.of_pool(c, row) for c, row in pools)


MEANINGS = {
    "h100_cap": Meaning(keeps=lambda pools: h100_of_shortest(pools) <= 4),
    "carbon_budget": Meaning(keeps=lambda pools: tonnes(pools) <= 32.0),
    "two_types": Meaning(keeps=lambda pools: len({c.gpu for c, _ in pools}) >= 2),
    "spread_cost": Meaning(keeps=lambda pools: largest_share(pools) <= 0.4 + 1e-9),
    "pool_fee": Meaning(of_pool=lambda c, row: hourly_of_pool(c, row) + 5.0),
    "least_carbon": Meaning(of_pool=tonnes_of_pool),
}


def best_fleets(model: Any, max_pools: int, meaning: Meaning, at_most: float) -> list[Pools]:
    """Every fleet of a program that keeps the meaning at the least objective, up to `at_most`."""
    rest = _least_to_go(model, meaning)
    best: list[Pools] = []
    least = at_most

    def extend(before: Pools, value: float, at: int) -> None:
        """Look at the fleets that begin like this and may be as good as the best so far."""
        nonlocal best, least
        if at == model.breakpoints.last():
            if meaning.keeps(before):
                best = [*best, before] if value > least - 1e-9 else [before]
                least = min(least, value)
        elif len(before) < max_pools:
            for c in model.leaving[at]:
                candidate = model.candidate[c]
                for row in candidate.rows:
                    more = value + meaning.of_pool(candidate, row)
                    if more + rest[candidate.end] > least + 1e-9:
                        break  # more replicas only add to it
                    extend((*before, (candidate, row)), more, candidate.end)

    extend((), 0.0, 0)
    return best


def _least_to_go(model: Any, meaning: Meaning) -> dict[int, float]:
    """The least objective of pools from each breakpoint to the last, constraints aside."""
    last = model.breakpoints.last()
    least = dict.fromkeys(range(last), math.inf) | {last: 0.0}
    for start in reversed(range(last)):
        for c in model.leaving[start]:
            candidate = model.candidate[c]
            first = meaning.of_pool(candidate, candidate.rows[0])
            least[start] = min(least[start], first + least[candidate.end])
    return least
