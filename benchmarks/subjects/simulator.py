"""The simulator's kernel against other simulators, on identical arrivals.

The pool: Azure conversations clipped to 8192 tokens, 6 H100 with reserved slots, 100
requests per second. vllm-sr-sim draws each request's service time when it starts; the
SimPy process walks every iteration of the very model that the kernel simulates, so its
percentile must be the kernel's own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.figures import Figure, Subject
from benchmarks.peers import compare
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.simulation.fleet_records import PoolEngine
from fleetopt.simulation.kernel import run_pool
from fleetopt.simulation.records import Floats, Requests, Window, checkpoints
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

REPLICAS = 6
CONTEXT_TOKENS = 8192
RATE = 100.0
REQUESTS = 400_000
PEER_REQUESTS = 20_000


def measure() -> Iterator[Figure]:
    """Requests per second of each simulator, and how many times fleetopt's is more."""
    yield from compare(run_kernel, [pool()], draw(REQUESTS), draw(PEER_REQUESTS))


def pool() -> PoolEngine:
    """Six H100 with reserved slots."""
    profile = CalibratedProfile(read_profiles()["h100"])
    return PoolEngine.of(profile.iteration, profile.reserved(CONTEXT_TOKENS), REPLICAS)


def draw(count: int) -> Requests:
    """The first `count` requests of a Poisson process, the same on every call."""
    lengths = LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(CONTEXT_TOKENS)
    rng = np.random.default_rng(1)
    times = Poisson(RATE).times(rng, 1.1 * count / RATE + 100)[:count]
    drawn = lengths.sample(rng, times.size)
    return Requests(times, lengths.prompt_tokens[drawn], lengths.output_tokens[drawn])


def run_kernel(requests: Requests) -> Floats:
    """fleetopt's own simulator of one pool."""
    end_s = float(requests.arrival_s[-1]) + 1.0
    window = Window(0.0, end_s, 2.0 * end_s + 1000.0)
    engine = pool().engine
    trajectory = run_pool(engine, REPLICAS, requests, window, checkpoints(window))
    return trajectory.prefill_end_s - requests.arrival_s


SUBJECT = Subject(
    "simulator", "azure to 8192 tokens, 6 H100, reserved slots, 100 req/s, one core", measure
)
