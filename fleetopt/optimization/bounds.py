"""Which candidates may be part of a fleet of a given cost, told before they are evaluated.

Every arc has a bound below its cost: its least replicas by utilization, until the arc is
priced. The cheapest path through an arc, at these bounds, bounds every fleet that has it,
whatever other constraints there are: they only take fleets away.
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
"""Arcs priced before the bounds are looked at again, the last of a path first: the pools of
the longest requests cost most. In this order a problem with four compression factors prices
130 of 6700 arcs; in any order, 350."""


class PathBounds:
    """Arcs between positions 0 .. last of a path, each with a bound on its cost.

    starts, ends: positions of each arc. costs: bounds below their costs, in USD per hour;
    infinite for an arc that cannot be built. max_pools: most arcs of a path.
    """

    def __init__(
        self, starts: Ints, ends: Ints, costs: Floats, num_positions: int, max_pools: int
    ) -> None:
        self._starts, self._ends = starts, ends
        self._costs = costs.copy()
        self._positions = num_positions
        self._most = min(max_pools, num_positions - 1)
        self._priced = np.isinf(costs)

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
        allowed = np.ones(self._costs.size, dtype=bool) if among is None else among
        while True:
            through = self._through(np.where(allowed, self._costs, math.inf), pools)
            least = float(through.min(initial=math.inf))
            limit = max(at_most, least)
            within = through <= limit + abs(limit) * _ROUNDING if limit < math.inf else allowed
            open_arcs = np.flatnonzero(within & allowed & ~self._priced)
            if open_arcs.size == 0:
                return least
            order = np.lexsort((-self._ends[open_arcs], through[open_arcs]))
            chosen = open_arcs[order[:_AT_ONCE]]
            self._costs[chosen] = [price(int(arc)) for arc in chosen]
            self._priced[chosen] = True

    def _through(self, costs: Floats, pools: int | None) -> Floats:
        """The cost of the cheapest path through each arc; of exactly so many arcs if given."""
        most = self._most if pools is None else pools
        if most > self._most:
            return np.full(costs.size, math.inf)
        ahead = self._reached(self._starts, self._ends, costs, 0)
        behind = self._reached(self._ends, self._starts, costs, self._positions - 1)
        if pools is None:
            behind = np.minimum.accumulate(behind, axis=0)
        through = np.full(costs.size, math.inf)
        for used in range(most):
            rest = behind[most - 1 - used]
            through = np.minimum(through, ahead[used][self._starts] + costs + rest[self._ends])
        return through

    def _reached(self, starts: Ints, ends: Ints, costs: Floats, origin: int) -> Floats:
        """The cheapest way from the origin to every position by 0, 1, ... arcs (rows)."""
        reached = np.full((self._most, self._positions), math.inf)
        reached[0, origin] = 0.0
        for used in range(1, self._most):
            np.minimum.at(reached[used], ends, reached[used - 1][starts] + costs)
        return reached
