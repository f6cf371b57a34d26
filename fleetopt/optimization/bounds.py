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
"""Pairs of a cheapest path of which an arc is priced before the bounds are looked at again, the
last first: the pools of the longest requests cost most."""


class PathBounds:
    """Arcs between positions 0 .. last of a path, each with a bound on its cost.

    starts, ends: positions of each arc. costs: bounds below their costs, in USD per hour;
    infinite for an arc that cannot be built. max_pools: most arcs of a path.
    loads: of arcs that join the same positions at the same bound, those with less come first;
        the most likely to cost no more than their bound.
    """

    def __init__(
        self,
        starts: Ints,
        ends: Ints,
        costs: Floats,
        num_positions: int,
        max_pools: int,
        loads: Floats | None = None,
    ) -> None:
        joined = starts * num_positions + ends
        counts = np.bincount(joined.astype(np.int64))
        pairs = np.flatnonzero(counts)
        pair = (np.cumsum(counts > 0) - 1)[joined]
        small = pair.astype(np.int16) if pairs.size < 2**15 else pair  # sorted faster
        self._starts, self._ends = pairs // num_positions, pairs % num_positions
        self._order = np.argsort(small, kind="stable")
        self._firsts = np.concatenate(([0], np.cumsum(counts[pairs])))
        self._costs = costs[self._order]
        self._loads = np.zeros(costs.size) if loads is None else loads[self._order]
        self._positions = num_positions
        self._most = min(max_pools, num_positions - 1)
        self._priced = np.isinf(self._costs)

    def settle(
        self,
        price: Callable[[int], tuple[float, bool]],
        below: float = -math.inf,
        among: Mask | None = None,
        pools: int | None = None,
    ) -> float:
        """Price every arc that a path of less than this cost may have, and a cheapest path.

        price: the cost of an arc, infinite if it cannot be built, and whether it is the true
            one; a bound above the known one may come first, and the arc is asked for again then.
        among: the arcs that paths may take. pools: how many; any number if absent.
        Returns the cost of the cheapest path; all its arcs are priced.
        """
        costs, is_open = self._costs.copy(), ~self._priced
        if among is not None:
            costs[~among[self._order]] = math.inf
            is_open &= among[self._order]
        bounds, priced = self._least(costs, is_open), self._least(costs, ~is_open)
        while True:
            others = self._others(np.minimum(bounds, priced), pools)
            least = float((self._others(priced, pools) + priced).min(initial=math.inf))
            through = others + bounds
            within = np.flatnonzero(through < _less(max(below, least)))
            if within.size == 0:
                return least
            for pair in self._next(within, through, priced <= bounds):
                arcs = slice(self._firsts[pair], self._firsts[pair + 1])
                chosen = arcs.start + self._first(
                    np.where(is_open[arcs], costs[arcs], math.inf), arcs
                )
                cost, is_true = price(int(self._order[chosen]))
                costs[chosen] = self._costs[chosen] = cost
                if is_true or math.isinf(cost):
                    self._priced[chosen], is_open[chosen] = True, False
                    priced[pair] = min(priced[pair], cost)
                bounds[pair] = np.where(is_open[arcs], costs[arcs], math.inf).min()

    def _first(self, costs: Floats, arcs: slice) -> int:
        """The least loaded of the cheapest arcs between two positions."""
        cheapest = np.flatnonzero(costs == costs.min())
        return int(cheapest[self._loads[arcs][cheapest].argmin()])

    def _next(self, within: Ints, through: Floats, has_cheaper: Mask) -> Ints:
        """Pairs of a cheapest path, of which an arc is priced next; the last one first.

        Those that have a cheaper arc with a known price come after all others: their bound does
        not rise by another price.
        """
        order = within[np.lexsort((-self._ends[within], through[within], has_cheaper[within]))]
        first = order[:_AT_ONCE]
        alike = through[first] <= through[order[0]] * (1.0 + _ROUNDING)
        pairs: Ints = first[alike & (has_cheaper[first] == has_cheaper[order[0]])]
        return pairs

    def through(self) -> Floats:
        """The least cost of a path through each arc, at the present bounds."""
        least = self._least(self._costs, np.ones(self._costs.size, dtype=bool))
        others = np.repeat(self._others(least), np.diff(self._firsts))
        costs = np.empty(self._costs.size)
        costs[self._order] = others + self._costs
        return costs

    def beyond(self) -> float:
        """The least cost of a path through an arc that is not priced; infinite if there is none."""
        bounds = self._least(self._costs, ~self._priced)
        priced = self._least(self._costs, self._priced)
        others = self._others(np.minimum(bounds, priced))
        return float((others + bounds).min(initial=math.inf))

    def _least(self, costs: Floats, kept: Mask) -> Floats:
        """The least cost of each pair of positions, over some of the arcs that join it."""
        if not costs.size:
            return costs
        least: Floats = np.minimum.reduceat(np.where(kept, costs, math.inf), self._firsts[:-1])
        return least

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


def _less(limit: float) -> float:
    """A little less than a cost, so that what ties with it does not count as cheaper."""
    return limit - abs(limit) * _ROUNDING if math.isfinite(limit) else limit
