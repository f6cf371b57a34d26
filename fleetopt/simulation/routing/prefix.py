"""Routing to where a request's prefix is cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.errors import InputError
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_records import Rule
from fleetopt.simulation.records import Ints
from fleetopt.simulation.routing.by_length import ByLength
from fleetopt.simulation.routing.router import Routing


@dataclass(frozen=True, slots=True)
class PrefixAware:
    """By length to a pool; in it to the replica that holds most of the request's prefix.

    thresholds: as ByLength has them.
    imbalance: sequences by which that replica may exceed the emptiest; beyond it, or where no
        replica holds anything, the emptiest is taken.
    """

    thresholds: tuple[int, ...] = ()
    imbalance: int = 8

    @property
    def name(self) -> str:
        """What reports call it."""
        return "prefix"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Raises InputError if requests share no prefixes or no pool has a prefix cache."""
        if traffic.prefix is None or traffic.prefix_tokens is None:
            raise InputError.single("prefix router", "requests with prefixes are expected")
        if not any(pool.prefix_cache_tokens for pool in pools):
            raise InputError.single("prefix router", "a pool with a prefix cache is expected")
        pool = ByLength(self.thresholds).pool_of(known_tokens, pools)
        return Routing(pool, rule=Rule.PREFIX, threshold=float(self.imbalance))
