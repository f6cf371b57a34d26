"""Compress and route: prompts just above a threshold are cut to fit below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.errors import Fault, InputError
from fleetopt.simulation.fleet_model import FleetPool, Traffic, by_context
from fleetopt.simulation.records import Ints
from fleetopt.simulation.routing.by_length import ByLength
from fleetopt.simulation.routing.router import Routing

CATEGORY_SHARES = {"prose": 0.60, "code": 0.25, "rag": 0.15}
"""Categories of requests that state none."""


@dataclass(frozen=True, slots=True)
class CompressAndRoute:
    """By length, but a request in (B, gamma B] is compressed to B and served below.

    threshold: B, in tokens; the pool with the shortest context takes requests up to it.
    never: categories that are not compressed.
    success: probability that a compression reaches its goal; a request is not delayed by one
        that does not.
    latency_s: what a compression adds.
    shares: of categories, for requests that state none.
    """

    threshold: int
    gamma: float = 1.5
    never: tuple[str, ...] = ("code",)
    success: float = 1.0
    latency_s: float = 0.003
    shares: tuple[tuple[str, float], ...] = tuple(CATEGORY_SHARES.items())

    @property
    def name(self) -> str:
        """What reports call it."""
        return "compress"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Draws categories where none are stated, and the success of each compression.

        The output that the router takes a request to have is left whole: the prompt is cut
        to B less that output; where nothing would be left, it is not compressed.
        """
        faults = self.faults(pools)
        if faults:
            raise InputError(faults)
        order = by_context(pools)
        longer = [pools[p] for p in order[1:]]
        above = np.array([*order[1:], -1])[ByLength().pool_of(known_tokens, longer)]
        target = self.threshold - (known_tokens - traffic.prompt_tokens)
        is_cut = (known_tokens > self.threshold) & (known_tokens <= self.gamma * self.threshold)
        is_cut &= self._may_be_cut(traffic, rng) & (target >= 1)
        is_cut &= rng.random(len(traffic)) < self.success
        below = is_cut | (known_tokens <= self.threshold)
        return Routing(
            np.where(below, order[0], above),
            np.where(is_cut, self.latency_s, 0.0),
            np.where(is_cut, target, traffic.prompt_tokens),
        )

    def faults(self, pools: Sequence[FleetPool]) -> list[Fault]:
        """What is wrong with it."""
        place = "compress router"
        shortest = min(pool.max_context for pool in pools)
        wrong = [
            (len(pools) < 2, "two pools or more are expected"),
            (self.gamma < 1, f"gamma of at least 1 is expected, got {self.gamma:g}"),
            (not 0 <= self.success <= 1, f"a success in [0, 1], got {self.success:g}"),
            (not 1 < self.threshold <= shortest, f"a threshold of 2 to {shortest} tokens"),
            (abs(sum(s for _, s in self.shares) - 1) > 1e-9, "shares that sum to 1"),
        ]
        return [Fault(place, said) for bad, said in wrong if bad]

    def _may_be_cut(self, traffic: Traffic, rng: np.random.Generator) -> np.ndarray:
        """Whether each request is of a category that may be compressed."""
        if traffic.category is not None:
            may = np.array([name not in self.never for name in traffic.category_names])
            return np.asarray(may[traffic.category])
        share = sum(share for name, share in self.shares if name not in self.never)
        return np.asarray(rng.random(len(traffic)) < share)
