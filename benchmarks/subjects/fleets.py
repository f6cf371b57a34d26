"""The fleet simulator: every router, how time and memory grow, and a large fleet.

Two pools, Azure conversations up to 2048 tokens on 3 H100 and up to 8192 on 4 H100, at 100
requests per second; and agent requests up to 65,536 tokens on 480 H100.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.figures import Figure, Subject, Target
from benchmarks.timing import fastest_s
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.simulation.fleet import Fleet, simulate_fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.records import Window
from fleetopt.simulation.routing import (
    ByLength,
    CompressAndRoute,
    FewestSequences,
    PowerOfTwo,
    PrefixAware,
    RandomPool,
    RoundRobin,
    Router,
    Spillover,
)
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

RATE = 100.0
REQUESTS = 400_000
MANY = 10_000_000
CACHE_TOKENS = 200_000
ROUTERS: tuple[Router, ...] = (
    ByLength(),
    CompressAndRoute(2048),
    RandomPool(by_replicas=True),
    RoundRobin(),
    PowerOfTwo(),
    FewestSequences(),
    Spillover(),
    PrefixAware(),
)
_MEMORY = (
    "import resource; from benchmarks.subjects.fleets import simulate, one_pool, draw, MANY;"
    "simulate(one_pool(), draw(MANY));"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def measure() -> Iterator[Figure]:
    """Requests per second of one core; growth from 400 thousand to 6.4 million requests."""
    simulate(one_pool(), draw(1000))
    traffic = draw(REQUESTS)
    base_s = fastest_s(lambda: simulate(one_pool(), traffic), repeats=3)
    yield Figure("one pool", REQUESTS / base_s, "req/s", Target("at least", 1e6))
    for router in ROUTERS:
        seconds = fastest_s(lambda: simulate(two_pools(router), traffic), repeats=2)  # noqa: B023
        yield Figure(router.name, REQUESTS / seconds, "req/s", Target("at least", 3e5))
    longer = draw(16 * REQUESTS)
    longer_s = fastest_s(lambda: simulate(one_pool(), longer), repeats=2)
    exponent = math.log(longer_s / base_s) / math.log(16)
    yield Figure("exponent of time in requests", exponent, "", Target("at most", 1.05))
    yield Figure("memory of 10 M requests", _gib(), "GiB", Target("at most", 2.0))
    agents = agent_traffic()
    seconds = fastest_s(lambda: simulate(agent_fleet(), agents), repeats=1)
    yield Figure("480 GPUs, 60,000 agent requests", seconds, "s", Target("at most", 5.0))


def simulate(fleet: Fleet, traffic: Traffic) -> None:
    """One run to the end of the last request."""
    end_s = float(traffic.arrival_s[-1]) + 1.0
    window = Window(0.0, end_s, 10.0 * end_s)
    simulate_fleet(fleet, traffic, window, np.random.default_rng(1))


def one_pool() -> Fleet:
    """Six H100."""
    return Fleet((_pool("all", 8192, 6, cache_tokens=0),), ByLength())


def two_pools(router: Router) -> Fleet:
    """Three H100 for short requests and four for long ones, with prefix caches."""
    return Fleet((_pool("short", 2048, 3), _pool("long", 8192, 4)), router)


def agent_fleet() -> Fleet:
    """480 H100 in one pool."""
    return Fleet((_pool("all", 65_536, 480, cache_tokens=0),), ByLength())


def draw(count: int) -> Traffic:
    """The first `count` requests of a Poisson process; one in 5000 shares each prefix."""
    return _drawn("azure", 8192, RATE, count)


def agent_traffic() -> Traffic:
    """60,000 agent requests at 400 a second."""
    return _drawn("agent_heavy", 65_536, 400.0, 60_000)


def _drawn(name: str, context: int, rate: float, count: int) -> Traffic:
    lengths = LengthDistribution.from_cdf(read_lengths(name)[0]).clipped(context)
    rng = np.random.default_rng(1)
    times = Poisson(rate).times(rng, 1.02 * count / rate + 100)[:count]
    drawn = lengths.sample(rng, count)
    return Traffic(
        times,
        lengths.prompt_tokens[drawn],
        lengths.output_tokens[drawn],
        prefix=np.arange(count, dtype=np.int32) % 5000,
        prefix_tokens=np.broadcast_to(np.int32(300), count),
    )


def _pool(name: str, context: int, replicas: int, cache_tokens: int = CACHE_TOKENS) -> FleetPool:
    profile = CalibratedProfile(read_profiles()["h100"])
    capacity = profile.reserved(context)
    return FleetPool(name, profile.iteration, capacity, replicas, prefix_cache_tokens=cache_tokens)


def _gib() -> float:
    """Peak memory of a process that simulates ten million requests."""
    command = [sys.executable, "-c", _MEMORY]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(run.stdout) / 2**20


SUBJECT = Subject("fleets", "azure behind every router, and 480 GPUs; one core", measure)
