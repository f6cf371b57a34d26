"""Routing that looks at the load when a request arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.errors import InputError
from fleetopt.simulation.fleet_model import FleetPool, Traffic, by_context
from fleetopt.simulation.fleet_records import Rule
from fleetopt.simulation.records import Ints
from fleetopt.simulation.routing.by_length import ByLength
from fleetopt.simulation.routing.router import Routing, shortest_fit


@dataclass(frozen=True, slots=True)
class FewestSequences:
    """Each request to the replica with the fewest sequences, in any pool that holds it."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return "fewest"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """The choice is made when a request arrives."""
        return Routing(shortest_fit(known_tokens, pools), rule=Rule.FEWEST)


@dataclass(frozen=True, slots=True)
class PowerOfTwo:
    """Of two replicas drawn from the pools that hold a request, the one with fewer sequences.

    Mitzenmacher (2001), IEEE Transactions on Parallel and Distributed Systems 12(10).
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        return "power-of-two"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Draws two different replicas for each request where there are two."""
        order = by_context(pools)[::-1]
        first = np.cumsum([pool.replicas for pool in pools])
        first -= [pool.replicas for pool in pools]
        replicas = np.concatenate([first[p] + np.arange(pools[p].replicas) for p in order])
        windows = np.array([pools[p].max_context for p in order])
        sizes = np.concatenate(([0], np.cumsum([pools[p].replicas for p in order])))
        fitting = sizes[np.searchsorted(-windows, -known_tokens, side="right")]
        one = (rng.random(len(traffic)) * fitting).astype(np.int64)
        other = (rng.random(len(traffic)) * np.maximum(fitting - 1, 1)).astype(np.int64)
        other += (other >= one) & (fitting > 1)
        choices = replicas[np.stack((one, other), axis=1)]
        return Routing(shortest_fit(known_tokens, pools), rule=Rule.TWO_CHOICES, choices=choices)


@dataclass(frozen=True, slots=True)
class Spillover:
    """By length, but to the next longer pool while the right one is under pressure.

    thresholds: as ByLength has them.
    pressure: sequences of a pool, running and waiting, over those that its replicas run at
        once; above this a request goes to the next pool, if the pressure is less there.
    """

    thresholds: tuple[int, ...] = ()
    pressure: float = 1.0

    @property
    def name(self) -> str:
        """What reports call it."""
        return "spillover"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Raises InputError for a pressure that is not positive."""
        if not self.pressure > 0:
            raise InputError.single("spillover router", "the pressure must be above 0")
        pool = ByLength(self.thresholds).pool_of(known_tokens, pools)
        order = by_context(pools)
        overflow = dict(zip(order, [*order[1:], -1], strict=True))
        batches = []
        for p, spec in enumerate(pools):
            mine = known_tokens[pool == p]
            mean = float(mine.mean()) if mine.size else float(spec.max_context)
            batches.append(spec.capacity.batch(mean))
        return Routing(
            pool,
            rule=Rule.SPILLOVER,
            threshold=self.pressure,
            overflow=tuple(overflow[p] for p in range(len(pools))),
            pressure_sequences=tuple(batches),
        )
