"""Routing by length: short requests to short context windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.errors import InputError
from fleetopt.simulation.fleet_model import FleetPool, Traffic, by_context
from fleetopt.simulation.records import Ints
from fleetopt.simulation.routing.router import Routing, shortest_fit


@dataclass(frozen=True, slots=True)
class ByLength:
    """Each request to the pool with the shortest context window that holds it.

    thresholds: ascending total lengths; the k-th pool by context takes those up to the k-th
        threshold, the last pool the rest. Empty: the context windows themselves.
    """

    thresholds: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What reports call it."""
        return "length"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Raises InputError unless there is one threshold less than pools, in order."""
        return Routing(self.pool_of(known_tokens, pools))

    def pool_of(self, known_tokens: Ints, pools: Sequence[FleetPool]) -> Ints:
        """The pool of each total length; -1 beyond the longest context window."""
        if not self.thresholds:
            return shortest_fit(known_tokens, pools)
        order = by_context(pools)
        if len(self.thresholds) != len(pools) - 1 or any(np.diff(self.thresholds) <= 0):
            raise InputError.single(
                "length router",
                f"{len(pools) - 1} ascending thresholds are expected for {len(pools)} pools",
                f"got {list(self.thresholds)}",
            )
        bounds = np.append(self.thresholds, pools[order[-1]].max_context)
        return np.append(order, -1)[np.searchsorted(bounds, known_tokens)]
