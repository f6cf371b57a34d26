"""Routing that looks at neither length nor load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.records import Ints
from fleetopt.simulation.routing.router import Routing


@dataclass(frozen=True, slots=True)
class RandomPool:
    """Each request to a pool drawn at random, each as likely, whether it fits there or not.

    by_replicas: pools are drawn in proportion to their replicas.
    """

    by_replicas: bool = False

    @property
    def name(self) -> str:
        """What reports call it."""
        return "random"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Draws one number for each request."""
        weights = np.array([pool.replicas if self.by_replicas else 1 for pool in pools])
        edges = np.cumsum(weights) / weights.sum()
        return Routing(np.searchsorted(edges[:-1], rng.random(len(traffic)), side="right"))


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """Requests to the pools in turn, whether they fit there or not."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return "round-robin"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """The first request goes to the first pool."""
        return Routing(np.arange(len(traffic)) % len(pools))
