"""The seam between a router and the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fleetopt.simulation.fleet_model import FleetPool, Traffic, by_context
from fleetopt.simulation.fleet_records import Rule
from fleetopt.simulation.records import Floats, Ints


@dataclass(frozen=True, eq=False)
class Routing:
    """What a router decides before a run, and the rule for what it decides inside.

    pool: of each request; -1 turns it away.
    delay_s: what the router adds before a request reaches its pool; None adds nothing.
    prompt_tokens: if the router changes prompts.
    rule, threshold: see Rule. overflow: for Rule.SPILLOVER, a pool's substitute, -1 for none.
    pressure_sequences: of each pool's replicas, under Rule.SPILLOVER.
    choices: two replicas of each request, under Rule.TWO_CHOICES.
    """

    pool: Ints
    delay_s: Floats | None = None
    prompt_tokens: Ints | None = None
    rule: Rule = Rule.STATIC
    threshold: float = 0.0
    overflow: tuple[int, ...] = ()
    pressure_sequences: tuple[float, ...] = ()
    choices: Ints | None = None


class Router(Protocol):
    """Anything that can route traffic to pools."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Where each request goes.

        known_tokens: the total length that the router takes each request to have.
        Raises InputError if the router does not suit the pools or the traffic.
        """
        ...


def shortest_fit(known_tokens: Ints, pools: Sequence[FleetPool]) -> Ints:
    """The pool with the shortest context window that holds each request; -1 if none does."""
    order = by_context(pools)
    windows = np.array([pools[p].max_context for p in order], dtype=np.int64)
    return np.array([*order, -1])[np.searchsorted(windows, known_tokens)]
