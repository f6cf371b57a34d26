"""Routing by the model that a request asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fleetopt.errors import InputError
from fleetopt.simulation.fleet_model import FleetPool, Traffic, pool_index
from fleetopt.simulation.records import Ints
from fleetopt.simulation.routing.router import Routing, shortest_fit


@dataclass(frozen=True, slots=True)
class ByModel:
    """Each request to a pool of its model: of several, the shortest context that holds it.

    pools: names of pools by model; a model that is not in it goes to pools of its own name.
    fallback: pool of models that have none; empty turns their requests away.
    """

    pools: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fallback: str = ""

    @property
    def name(self) -> str:
        """What reports call it."""
        return "model"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Raises InputError if requests state no model, or a pool is not there."""
        if traffic.model is None:
            raise InputError.single("model router", "requests that state their model are expected")
        pool = np.full(len(traffic), -1)
        for code, model in enumerate(traffic.model_names):
            mine = traffic.model == code
            members = self._members(model, pools)
            fit = shortest_fit(known_tokens[mine], [pools[p] for p in members])
            pool[mine] = np.array([*members, -1])[fit]
        return Routing(pool)

    def _members(self, model: str, pools: Sequence[FleetPool]) -> list[int]:
        """Indices of the pools that serve a model."""
        if model in self.pools:
            return [pool_index(pools, name, f"router: {model}") for name in self.pools[model]]
        own = [p for p, pool in enumerate(pools) if pool.name == model]
        if own or not self.fallback:
            return own
        return [pool_index(pools, self.fallback, "router: fallback")]
