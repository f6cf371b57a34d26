"""The program without side constraints, solved as a shortest path: an independent check.

A fleet of at most P pools is a path from (t_0, 0 pools) to (t_m, at most P pools) in the
layered graph whose nodes are pairs (breakpoint, pools used); an arc costs its cheapest row.
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
    return ShortestPath(cost, tuple(graph.edges[step]["chosen"] for step in steps))


def _cheapest(candidates: Iterable[Candidate]) -> dict[tuple[int, int], tuple[Candidate, Row]]:
    """For each arc (start, end) the cheapest candidate and row."""
    best: dict[tuple[int, int], tuple[Candidate, Row]] = {}
    for candidate in candidates:
        arc = (candidate.start, candidate.end)
        for row in candidate.rows:
            if arc not in best or candidate.cost(row) < best[arc][0].cost(best[arc][1]):
                best[arc] = (candidate, row)
    return best


def _layered_graph(
    best: dict[tuple[int, int], tuple[Candidate, Row]], last: int, max_pools: int
) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from([(0, 0), "end"])
    for used in range(max_pools):
        graph.add_edge((last, used + 1), "end", weight=0.0)
        for (start, end), (candidate, row) in best.items():
            graph.add_edge(
                (start, used),
                (end, used + 1),
                weight=candidate.cost(row),
                chosen=(candidate, row),
            )
    return graph
