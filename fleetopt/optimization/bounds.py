"""Which candidates may be part of a fleet of a given cost, told before they are evaluated.

Every arc has a bound below its cost: its least replicas by utilization, until the arc is
priced. The cheapest path through an arc, at these bounds, bounds every fleet that has it,
whatever other constraints there are: they only take fleets away. Arcs between the same
positions differ in their profile, and only the cheapest of them is on a cheapest path, so paths
are looked for among pairs of positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fleetopt.workload.lengths import Floats, Ints

Mask = NDArray[np.bool_]
_ROUNDING = 1e-9
_AT_ONCE = 2
"""Pairs of which an arc is priced before the bounds are looked at again, the last of a path first:
the pools of the longest requests cost most. In this order a problem with four compression
factors prices 130 of 6700 arcs; in any order, 350."""


class PathBounds:
    """Arcs between positions 0 .. last of a path, each with a bound on its cost.

    starts, ends: positions of each arc. costs: bounds below their costs, in USD per hour;
    infinite for an arc that cannot be built. max_pools: most arcs of a path.
    """

    def __init__(
        self, starts: Ints, ends: Ints, costs: Floats, num_positions: int, max_pools: int
    ) -> None:
        pairs, pair = np.unique(starts * num_positions + ends, return_inverse=True)
        self._starts, self._ends = pairs // num_positions, pairs % num_positions
        self._order = np.argsort(pair, kind="stable")
        self._firsts = np.searchsorted(pair[self._order], np.arange(pairs.size + 1))
        self._costs = costs[self._order]
        self._positions = num_positions
        self._most = min(max_pools, num_positions - 1)
        self._priced = np.isinf(self._costs)

    def settle(
        self,
        price: Callable[[int], float],
        at_most: float = -math.inf,
        among: Mask | None = None,
        pools: int | None = None,
    ) -> float:
        """Price every arc that a path of at most this cost, or the cheapest path, may have.

        price: the true cost of an arc, infinite if it cannot be built; asked once for each.
        among: the arcs that paths may take. pools: how many; any number if absent.
        Returns the cost of the cheapest path; what it was when it was asked for, no path
        through an arc that is not priced costs less.
        """
        costs, is_open = self._costs.copy(), ~self._priced
        if among is not None:
            costs[~among[self._order]] = math.inf
            is_open &= among[self._order]
        while True:
            cheapest = self._least(costs)
            others = self._others(cheapest, pools)
            least = float((others + cheapest).min(initial=math.inf))
            limit = max(at_most, least)
            limit += abs(limit) * _ROUNDING if math.isfinite(limit) else 0.0
            through = others + self._least(np.where(is_open, costs, math.inf))
            within = np.flatnonzero((through <= limit) & (through < math.inf))
            if within.size == 0:
                return least
            order = np.lexsort((-self._ends[within], through[within]))
            for pair in within[order[:_AT_ONCE]]:
                arcs = slice(self._firsts[pair], self._firsts[pair + 1])
                chosen = arcs.start + int(np.where(is_open[arcs], costs[arcs], math.inf).argmin())
                costs[chosen] = self._costs[chosen] = price(int(self._order[chosen]))
                self._priced[chosen], is_open[chosen] = True, False

    def beyond(self) -> float:
        """The least cost of a path through an arc that is not priced; infinite if there is none."""
        others = self._others(self._least(self._costs))
        unpriced = self._least(np.where(self._priced, math.inf, self._costs))
        return float((others + unpriced).min(initial=math.inf))

    def _least(self, costs: Floats) -> Floats:
        """The least cost of each pair of positions that arcs join."""
        return np.minimum.reduceat(costs, self._firsts[:-1]) if costs.size else costs

    def _others(self, costs: Floats, pools: int | None = None) -> Floats:
        """The cost of the cheapest path through each pair, without its own arc.

        pools: of exactly so many arcs, if given.
        """
        most = self._most if pools is None else pools
        if most > self._most:
            return np.full(costs.size, math.inf)
        ahead = self._reached(self._starts, self._ends, costs, 0)
        behind = self._reached(self._ends, self._starts, costs, self._positions - 1)
        if pools is None:
            behind = np.minimum.accumulate(behind, axis=0)
        others = np.full(costs.size, math.inf)
        for used in range(most):
            rest = behind[most - 1 - used]
            others = np.minimum(others, ahead[used][self._starts] + rest[self._ends])
        return others

    def _reached(self, starts: Ints, ends: Ints, costs: Floats, origin: int) -> Floats:
        """The cheapest way from the origin to every position by 0, 1, ... arcs (rows)."""
        reached = np.full((self._most, self._positions), math.inf)
        reached[0, origin] = 0.0
        for used in range(1, self._most):
            np.minimum.at(reached[used], ends, reached[used - 1][starts] + costs)
        return reached
