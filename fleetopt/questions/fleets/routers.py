"""From the statement of a router to the router."""

from __future__ import annotations

from fleetopt.problem import FleetSimulation, RouterStatement
from fleetopt.simulation.fleet import Fleet
from fleetopt.simulation.routing import (
    ByLength,
    ByModel,
    CompressAndRoute,
    FewestSequences,
    PowerOfTwo,
    PrefixAware,
    RandomPool,
    RoundRobin,
    Router,
    Semantic,
    Spillover,
)

TITLES = {
    "length": "LengthRouter",
    "compress": "CompressAndRoute",
    "random": "RandomRouter",
    "round-robin": "RoundRobin",
    "fewest": "FewestSequences",
    "power-of-two": "PowerOfTwo",
    "spillover": "Spillover",
    "model": "ModelRouter",
    "semantic": "SemanticRouter",
    "prefix": "PrefixAware",
}
"""What reports call the routers; the first three are published names."""
_COMPRESSION_S = 0.003


def router_of(stated: RouterStatement, simulation: FleetSimulation) -> Router:
    """The router of a fleet."""
    latency_s = None if stated.latency_ms is None else stated.latency_ms / 1000.0
    if stated.name == "compress":
        shortest = min(pool.max_ctx for pool in simulation.pools)
        thresholds = stated.thresholds or (stated.threshold or shortest,)
        gammas = stated.gammas or (stated.gamma,) * len(thresholds)
        return CompressAndRoute(
            thresholds[0],
            gammas[0],
            stated.never,
            stated.success,
            _COMPRESSION_S if latency_s is None else latency_s,
            longer=tuple(zip(thresholds[1:], gammas[1:], strict=True)),
        )
    if stated.name == "model":
        return ByModel(stated.pools, stated.fallback)
    if stated.name == "semantic":
        return Semantic(stated.classes, stated.confusion, latency_s=latency_s or 0.0)
    if stated.name == "fewest":
        return FewestSequences()
    if stated.name == "power-of-two":
        return PowerOfTwo()
    if stated.name == "round-robin":
        return RoundRobin()
    if stated.name == "random":
        return RandomPool(stated.by_replicas)
    if stated.name == "prefix":
        return PrefixAware(stated.thresholds, stated.imbalance)
    if stated.name == "spillover":
        return Spillover(stated.thresholds, stated.pressure)
    return ByLength(stated.thresholds)


def draws(fleet: Fleet) -> bool:
    """Whether a fleet draws random numbers, so that it may differ on the same traffic."""
    router = fleet.router
    by_chance = isinstance(router, CompressAndRoute | PowerOfTwo | RandomPool)
    by_chance |= isinstance(router, Semantic) and bool(router.confusion)
    return by_chance or fleet.knowledge.kind == "estimate" or fleet.failures is not None
