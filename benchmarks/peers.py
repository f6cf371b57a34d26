"""Other simulators on the same arrivals, and how many times fleetopt's rate is more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec

import numpy as np

from benchmarks.figures import Figure, Target
from benchmarks.timing import fastest_s
from fleetopt.simulation.fleet_records import PoolEngine
from fleetopt.simulation.records import Floats, Requests

FLEET_SIM = "import sys; from run_sim import main; main(sys.argv[1:])"
"""Starts a command of vllm-sr-sim, as `fastest_process` does it."""
Simulator = Callable[[Sequence[PoolEngine], Requests], Floats]
"""Simulates pools behind a length router; gives every request's TTFT, in seconds."""


def compare(
    own: Callable[[Requests], Floats], pools: Sequence[PoolEngine], many: Requests, few: Requests
) -> Iterator[Figure]:
    """Requests per second of each simulator, and how many times fleetopt's is more.

    own: fleetopt's simulator of these pools. Its rate is measured on `many` requests, and
    all simulators are compared on the same `few`.
    """
    own(few)
    yield Figure("fleetopt", _rate(own, many, repeats=3), "req/s", Target("at least", 1e6))
    yield Figure("fleetopt, P99 TTFT", p99_ms(own(few)), "ms")
    rate = _rate(own, few, repeats=5)
    for name, simulate in peers():
        ttft_s: list[Floats] = []
        peer = _rate(lambda r: ttft_s.append(simulate(pools, r)), few, repeats=2)  # noqa: B023
        yield Figure(name, peer, "req/s")
        yield Figure(f"{name}, P99 TTFT", p99_ms(ttft_s[0]), "ms")
        yield Figure(f"fleetopt / {name}", rate / peer, "times", Target("at least", 50))


def peers() -> Iterator[tuple[str, Simulator]]:
    """The other simulators that are installed."""
    if find_spec("fleet_sim"):
        yield "vllm-sr-sim", run_fleet_sim
    if find_spec("simpy"):
        from benchmarks.simpy_fleet import run_simpy

        yield "SimPy", run_simpy


def run_fleet_sim(pools: Sequence[PoolEngine], requests: Requests) -> Floats:
    """The fleet simulator of vllm-sr-sim behind its length router, with its own H100."""
    from fleet_sim import H100_80GB, Fleet, FleetConfig, PoolConfig, Request

    config = [
        PoolConfig(str(p), H100_80GB, pool.replicas, pool.max_context, lb_strategy="least_loaded")
        for p, pool in enumerate(pools)
    ]
    columns = (column.tolist() for column in requests)
    arrivals = [
        (at, Request(i, at, prompt, output))
        for i, (at, prompt, output) in enumerate(zip(*columns, strict=True))
    ]
    result = Fleet(FleetConfig(config, router_type="LengthRouter")).run(arrivals)
    return np.array([request.ttft for request in result.completed])


def p99_ms(ttft_s: Floats) -> float:
    """The 99th percentile, in ms."""
    return 1000.0 * float(np.percentile(ttft_s, 99))


def _rate(simulate: Callable[[Requests], object], requests: Requests, repeats: int) -> float:
    """Requests per second of wall time."""
    return requests.arrival_s.size / fastest_s(lambda: simulate(requests), repeats)
