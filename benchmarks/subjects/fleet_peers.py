"""The fleet simulator against other simulators, on identical arrivals.

Azure conversations at 100 requests per second behind a length router: up to 2048 tokens on
3 H100 and up to 8192 on 4 H100, with reserved slots.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.figures import Figure, Subject
from benchmarks.peers import compare
from benchmarks.subjects.fleets import two_pools
from benchmarks.subjects.simulator import PEER_REQUESTS, REQUESTS, draw
from fleetopt.simulation.fleet import simulate_fleet
from fleetopt.simulation.fleet_model import Traffic
from fleetopt.simulation.fleet_records import PoolEngine
from fleetopt.simulation.records import Floats, Requests, Window
from fleetopt.simulation.routing import ByLength

VIDUR = 970.0
"""Requests per CPU-second that Vidur is on record with; another model, quoted for scale."""


def measure() -> Iterator[Figure]:
    """Requests per second of each simulator, and how many times fleetopt's is more."""
    yield from compare(run_fleet, pools(), draw(REQUESTS), draw(PEER_REQUESTS))
    yield Figure("Vidur, as recorded for it, not measured here", VIDUR, "req/s")


def pools() -> list[PoolEngine]:
    """The pools of the fleet, shortest context window first."""
    return [
        PoolEngine.of(pool.iteration, pool.capacity, pool.replicas)
        for pool in two_pools(ByLength()).pools
    ]


def run_fleet(requests: Requests) -> Floats:
    """fleetopt's simulator of a fleet."""
    end_s = float(requests.arrival_s[-1]) + 1.0
    window = Window(0.0, end_s, 10.0 * end_s)
    traffic = Traffic(*requests)
    out = simulate_fleet(two_pools(ByLength()), traffic, window, np.random.default_rng())
    return out.column("prefill_end_s") - requests.arrival_s


SUBJECT = Subject(
    "fleet peers", "azure to 2048 and to 8192 tokens, 3 and 4 H100, length router", measure
)
