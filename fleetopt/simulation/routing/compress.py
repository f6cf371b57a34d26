"""Compress and route: prompts just above a threshold are cut to fit below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.errors import Fault, InputError
from fleetopt.simulation.fleet_model import FleetPool, Traffic, by_context
from fleetopt.simulation.records import Ints
from fleetopt.simulation.routing.router import Routing
from fleetopt.workload.compression import reach

CATEGORY_SHARES = {"prose": 0.60, "code": 0.25, "rag": 0.15}
"""Categories of requests that state none."""


@dataclass(frozen=True, slots=True)
class CompressAndRoute:
    """By length, but a request in (B, gamma B] is compressed to B and served below.

    threshold: B, in tokens; the pool with the shortest context takes requests up to it.
    gamma: its factor.
    longer: thresholds and factors of the following pools by context, ascending; the last pool
        has none. Those that are not given are the context windows, with a factor of 1. A
        request in several bands is cut to the lowest.
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
    longer: tuple[tuple[int, float], ...] = ()

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
        order, nodes = by_context(pools), self._nodes(pools)
        bounds = [*(tokens for tokens, _ in nodes), pools[order[-1]].max_context]
        pool = np.append(order, -1)[np.searchsorted(bounds, known_tokens)]
        prompts = traffic.prompt_tokens.copy()
        may_be_cut = self._may_be_cut(traffic, rng)
        may_be_cut &= rng.random(len(traffic)) < self.success
        for below, (tokens, gamma) in reversed([*zip(order, nodes, strict=False)]):
            target = tokens - (known_tokens - traffic.prompt_tokens)
            is_cut = (known_tokens > tokens) & (known_tokens <= reach(tokens, gamma))
            is_cut &= may_be_cut & (target >= 1)
            pool[is_cut], prompts[is_cut] = below, target[is_cut]
        delay_s = np.where(prompts != traffic.prompt_tokens, self.latency_s, 0.0)
        return Routing(pool, delay_s, prompts)

    def _nodes(self, pools: Sequence[FleetPool]) -> list[tuple[int, float]]:
        """Threshold and factor of every pool but the last, by context."""
        windows = [pools[p].max_context for p in by_context(pools)][:-1]
        given = [(self.threshold, self.gamma), *self.longer]
        return [*given, *((window, 1.0) for window in windows[len(given) :])]

    def faults(self, pools: Sequence[FleetPool]) -> list[Fault]:
        """What is wrong with it."""
        place = "compress router"
        windows = sorted(pool.max_context for pool in pools)
        shortest = windows[0]
        tokens, gammas = zip((self.threshold, self.gamma), *self.longer, strict=True)
        held = all(t <= window for t, window in zip(tokens[1:], windows[1:], strict=False))
        wrong = [
            (len(pools) < 2, "two pools or more are expected"),
            (
                len(tokens) >= len(pools) > 1,
                f"at most {len(pools) - 1} thresholds, got {len(tokens)}",
            ),
            (
                not (held and all(np.diff(tokens) > 0)),
                "ascending thresholds within the context windows",
            ),
            (min(gammas) < 1, f"gamma of at least 1 is expected, got {min(gammas):g}"),
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
