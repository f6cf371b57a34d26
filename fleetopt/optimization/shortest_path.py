"""The program without side constraints, solved as a shortest path: an independent check.

A fleet of at most P pools is a path from (t_0, 0 pools) to (t_m, at most P pools) in the
layered graph whose nodes are pairs (breakpoint, pools used). An arc costs its cheapest row, or
the cheapest row that prefills and the cheapest one that decodes on the same link, if that is less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx

from fleetopt.optimization.candidates import Candidate, Row


@dataclass(frozen=True, slots=True)
class ShortestPath:
    """The cheapest fleet, in order of its arcs; no pools and infinite cost if there is none.

    cost: USD per hour.
    """

    cost: float
    chosen: tuple[tuple[Candidate, Row], ...]


_Pools = tuple[tuple[Candidate, Row], ...]


def shortest_path(
    candidates: Iterable[Candidate], num_breakpoints: int, max_pools: int
) -> ShortestPath:
    """The cheapest path from t_0 to t_m with at most `max_pools` arcs.

    num_breakpoints: M + 1, the number of positions on a path.
    """
    graph = _layered_graph(_cheapest(candidates), num_breakpoints - 1, max_pools)
    try:
        cost, nodes = nx.single_source_dijkstra(graph, (0, 0), "end")
    except nx.NetworkXNoPath:
        return ShortestPath(math.inf, ())
    steps = pairwise(nodes[:-1])
    return ShortestPath(cost, tuple(pool for step in steps for pool in graph.edges[step]["chosen"]))


def _cheapest(candidates: Iterable[Candidate]) -> dict[tuple[int, int], _Pools]:
    """For each arc (start, end) the cheapest row, or the cheapest rows of both phases."""
    of_kind: dict[tuple[int, int, str, str | None], tuple[Candidate, Row]] = {}
    for c in candidates:
        kind = (c.start, c.end, c.link, c.phase)
        for row in c.rows:
            if kind not in of_kind or c.cost(row) < _cost((of_kind[kind],)):
                of_kind[kind] = (c, row)
    best: dict[tuple[int, int], _Pools] = {}
    for (start, end, link, phase), pool in of_kind.items():
        partner = of_kind.get((start, end, link, "decode"))
        if phase == "decode" or (phase == "prefill" and partner is None):
            continue
        pools = (pool,) if phase is None or partner is None else (pool, partner)
        if (start, end) not in best or _cost(pools) < _cost(best[start, end]):
            best[start, end] = pools
    return best


def _cost(pools: _Pools) -> float:
    return sum(candidate.cost(row) for candidate, row in pools)


def _layered_graph(best: dict[tuple[int, int], _Pools], last: int, max_pools: int) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from([(0, 0), "end"])
    for used in range(max_pools):
        graph.add_edge((last, used + 1), "end", weight=0.0)
        for (start, end), pools in best.items():
            graph.add_edge((start, used), (end, used + 1), weight=_cost(pools), chosen=pools)
    return graph
