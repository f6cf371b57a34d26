"""The simulator's kernel against other simulators, on identical arrivals.

The pool: Azure conversations clipped to 8192 tokens, 6 H100 with reserved slots, 100
requests per second. vllm-sr-sim draws each request's service time when it starts; the
SimPy process walks every iteration of the very model that the kernel simulates, so its
percentile must be the kernel's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np

from benchmarks.figures import Figure, Subject, Target
from benchmarks.timing import fastest_s
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.simulation.kernel import run_pool
from fleetopt.simulation.records import Engine, Floats, Requests, Window, checkpoints
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

REPLICAS = 6
CONTEXT_TOKENS = 8192
RATE = 100.0
REQUESTS = 400_000
PEER_REQUESTS = 20_000

Simulator = Callable[[Engine, Requests], Floats]
"""Simulates the pool; gives the TTFT of every request, in seconds."""


def measure() -> Iterator[Figure]:
    """Requests per second of each simulator, and how many times the kernel's is more."""
    engine = _engine()
    run_kernel(engine, draw(1000))
    many, few = draw(REQUESTS), draw(PEER_REQUESTS)
    own = REQUESTS / fastest_s(lambda: run_kernel(engine, many), repeats=3)
    yield Figure("kernel", own, "req/s", Target("at least", 1e6))
    yield Figure("kernel, P99 TTFT", p99_ms(run_kernel(engine, few)), "ms")
    for name, simulate in _peers():
        ttft_s: list[Floats] = []
        seconds = fastest_s(lambda: ttft_s.append(simulate(engine, few)), repeats=2)  # noqa: B023
        yield Figure(name, PEER_REQUESTS / seconds, "req/s")
        yield Figure(f"{name}, P99 TTFT", p99_ms(ttft_s[0]), "ms")
        ratio = own / (PEER_REQUESTS / seconds)
        yield Figure(f"kernel / {name}", ratio, "times", Target("at least", 50))


def draw(count: int) -> Requests:
    """The first `count` requests of a Poisson process, the same on every call."""
    lengths = LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(CONTEXT_TOKENS)
    rng = np.random.default_rng(1)
    times = Poisson(RATE).times(rng, 1.1 * count / RATE + 100)[:count]
    drawn = lengths.sample(rng, times.size)
    return Requests(times, lengths.prompt_tokens[drawn], lengths.output_tokens[drawn])


def run_kernel(engine: Engine, requests: Requests) -> Floats:
    """fleetopt's own simulator."""
    end_s = float(requests.arrival_s[-1]) + 1.0
    window = Window(0.0, end_s, 2.0 * end_s + 1000.0)
    trajectory = run_pool(engine, REPLICAS, requests, window, checkpoints(window))
    return trajectory.prefill_end_s - requests.arrival_s


def p99_ms(ttft_s: Floats) -> float:
    """The 99th percentile, in ms."""
    return 1000.0 * float(np.percentile(ttft_s, 99))


def _engine() -> Engine:
    profile = CalibratedProfile(read_profiles()["h100"])
    return Engine.of(profile.iteration, profile.reserved(CONTEXT_TOKENS))


def _peers() -> Iterator[tuple[str, Simulator]]:
    if find_spec("fleet_sim"):
        yield "vllm-sr-sim", run_fleet_sim
    if find_spec("simpy"):
        from benchmarks.simpy_pool import run_simpy

        yield "SimPy", lambda engine, requests: run_simpy(engine, REPLICAS, requests)


def run_fleet_sim(_: Engine, requests: Requests) -> Floats:
    """The fleet simulator of vllm-sr-sim, with its own H100."""
    from fleet_sim import H100_80GB, Fleet, FleetConfig, PoolConfig, Request

    pool = PoolConfig("all", H100_80GB, REPLICAS, CONTEXT_TOKENS, lb_strategy="least_loaded")
    columns = (column.tolist() for column in requests)
    arrivals = [
        (at, Request(i, at, prompt, output))
        for i, (at, prompt, output) in enumerate(zip(*columns, strict=True))
    ]
    result = Fleet(FleetConfig([pool])).run(arrivals)
    return np.array([request.ttft for request in result.completed])


SUBJECT = Subject(
    "simulator", "azure to 8192 tokens, 6 H100, reserved slots, 100 req/s, one core", measure
)
