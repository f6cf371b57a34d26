"""What idle replicas could reach: the best path of pools, by its worst one or by all requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleetopt.optimization.design import Design
from fleetopt.problem import LatencyBound
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Node

Arc = tuple[Node, Node]
Reached = tuple[float, PoolTable]
"""The value of a path of pools, and the pool that it comes from."""


def best_path(
    design: Design,
    value_of: Callable[[PoolTable], float],
    joined: Callable[[Reached, Reached], Reached],
) -> Reached:
    """The least value of any path of at most max_pools arcs, the best profile on each.

    joined: the value of a path and one more pool.
    """
    best: dict[Arc, Reached] = {}
    for arc, pools in _ways(design):
        value = max(((value_of(table), table) for table in pools), key=lambda pair: pair[0])
        if arc not in best or value[0] < best[arc][0]:
            best[arc] = value
    points = design.case.nodes
    reached = {hi: pool for (lo, hi), pool in best.items() if lo == points[0]}
    answers = []
    for _ in range(design.case.problem.max_pools):
        if points[-1] in reached:
            answers.append(reached[points[-1]])
        step: dict[Node, Reached] = {}
        for (lo, hi), pool in best.items():
            if lo in reached:
                path = joined(reached[lo], pool)
                step[hi] = min(step.get(hi, path), path, key=lambda pair: pair[0])
        reached = step
    return min(answers, key=lambda pair: pair[0])


def _ways(design: Design) -> Iterator[tuple[Arc, tuple[PoolTable, ...]]]:
    """Every arc with a table of both phases, or with one of each on the same link."""
    decodes: dict[tuple[Arc, str], list[PoolTable]] = {}
    for offer in design.offered:
        if offer.phase == "decode":
            decodes.setdefault((_arc(offer.table), offer.link), []).append(offer.table)
    for offer in design.offered:
        arc = _arc(offer.table)
        if offer.phase is None:
            yield arc, (offer.table,)
        elif offer.phase == "prefill":
            yield from ((arc, (offer.table, other)) for other in decodes.get((arc, offer.link), ()))


def _arc(table: PoolTable) -> Arc:
    gamma_lo, gamma_hi = table.gammas
    return (table.lo_tokens, gamma_lo), (table.hi_tokens, gamma_hi)


def least_miss(design: Design, bound: LatencyBound, stretch: float = 1.0) -> Reached:
    """The least share of all requests beyond a bound, and the pool that misses most of it.

    stretch: by how much the bound is longer than stated.
    """
    rate = design.case.arrival_rate

    def missed(table: PoolTable) -> float:
        return table.arrival_rate * table.least_miss(bound, stretch) / rate

    def joined(path: Reached, pool: Reached) -> Reached:
        most = max(path, pool, key=lambda reached: missed(reached[1]))
        return path[0] + pool[0], most[1]

    return best_path(design, missed, joined)


def least_limit_ms(design: Design, bound: LatencyBound) -> float:
    """The least limit, from the stated one upwards, that all requests together can meet."""
    if least_miss(design, bound)[0] <= bound.allowed_miss:
        return bound.limit_ms
    low, high = 1.0, 2.0
    while least_miss(design, bound, high)[0] > bound.allowed_miss:
        low, high = high, 2.0 * high
    while high - low > 1e-4 * high:
        middle = 0.5 * (low + high)
        if least_miss(design, bound, middle)[0] > bound.allowed_miss:
            low = middle
        else:
            high = middle
    return high * bound.limit_ms
