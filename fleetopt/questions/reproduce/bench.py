"""Where published fleets are computed again: by both tables and by all three simulators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.plan import PoolVerification
from fleetopt.problem import VerificationOptions
from fleetopt.questions.two_pools import PoolSize, Sizes, Split, TwoPools
from fleetopt.questions.two_pools.sweep import sized
from fleetopt.simulation.published_slots import PUBLISHED_REQUESTS, WARMUP_SHARE, slots_p99_ms
from fleetopt.simulation.records import Requests
from fleetopt.verification import Judge
from fleetopt.workload.lengths import LengthDistribution

SEEDS = 10
"""Runs of a published simulator, which itself takes one."""
REPLICATIONS = 4
"""First runs of fleetopt's simulator; they double while a verdict is not clear."""


@dataclass(frozen=True)
class Layout:
    """Two pools with given GPUs, or one on the GPU of the short one if `b_short` is `max_ctx`.

    lam: requests per second. slo_ms: bound on P99 TTFT. b_short, max_ctx: tokens.
    gamma: requests of up to so many times `b_short` are compressed to it.
    """

    cdf: str
    lam: float
    slo_ms: float
    max_ctx: int
    gpu_short: str
    gpu_long: str
    b_short: int
    gamma: float = 1.0

    def one_pool(self, gpu: str) -> Layout:
        """Everything in one pool."""
        return replace(self, gpu_short=gpu, gpu_long=gpu, b_short=self.max_ctx, gamma=1.0)

    def asked(self, method: str) -> TwoPools:
        """The question under a method. Raises InputError."""
        lengths, _ = read_lengths(self.cdf)
        gpus = read_profiles()
        short, long = gpus[self.gpu_short], gpus[self.gpu_long]
        return TwoPools(lengths, self.lam, short, long, self.slo_ms, self.max_ctx, method=method)


@dataclass
class Bench:
    """Computes fleets, each once.

    executor: where replications run. show: says what is being done.
    """

    executor: Executor
    show: Callable[[str], None]
    _sizes: dict[tuple[Layout, str], Sizes] = field(default_factory=dict)
    _splits: dict[tuple[Layout, str], Split] = field(default_factory=dict)
    _judges: dict[Layout, Judge] = field(default_factory=dict)
    _seeds: dict[tuple[str, int, PoolSize], list[float]] = field(default_factory=dict)

    def split(self, layout: Layout, method: str) -> Split:
        """Its pools in the number that a method gives: "published" or "fleetopt"."""
        key = (layout, method)
        if key not in self._splits:
            self._splits[key] = sized(self.sizes(layout, method), layout.b_short, layout.gamma)
        return self._splits[key]

    def sizes(self, layout: Layout, method: str) -> Sizes:
        """The tables of a layout."""
        key = (layout, method)
        if key not in self._sizes:
            asked = layout.asked(method)
            self._sizes[key] = Sizes(asked, asked.split(layout.b_short, [layout.gamma]))
        return self._sizes[key]

    def tabulated(self, layout: Layout, pool: PoolSize, replicas: int) -> PoolSize:
        """A pool with a given number of replicas, by fleetopt's table."""
        return self.sizes(layout, "fleetopt").of(pool.what, pool.gpu, replicas)

    def simulated(self, layout: Layout, pool: PoolSize, replicas: int) -> PoolVerification:
        """A pool with a given number of replicas, by fleetopt's simulator."""
        if layout not in self._judges:
            options = VerificationOptions(replications=REPLICATIONS)
            case = self.sizes(layout, "fleetopt").case
            self._judges[layout] = Judge(case, options, self.executor, self.show)
        return self._judges[layout].verdict(replace(pool, replicas=replicas).judged())

    def slots_p99_ms(self, layout: Layout, pool: PoolSize, replicas: int) -> list[float]:
        """P99 TTFT by the published verification, in ms, for several seeds in ascending order."""
        key = (layout.cdf, layout.max_ctx, replace(pool, replicas=replicas))
        if key not in self._seeds:
            self._seeds[key] = self.slots_runs(layout, pool, replicas, SEEDS)
        return self._seeds[key]

    def slots_runs(self, layout: Layout, pool: PoolSize, replicas: int, seeds: int) -> list[float]:
        """The same for so many seeds."""
        return sorted(self._slots_once(layout, pool, replicas, seed) for seed in range(seeds))

    def _slots_once(self, layout: Layout, pool: PoolSize, replicas: int, seed: int) -> float:
        requests = self.drawn(layout, pool, round(PUBLISHED_REQUESTS / (1 - WARMUP_SHARE)), seed)
        profile = CalibratedProfile(pool.gpu)
        return slots_p99_ms(requests, profile, pool.what.hi_tokens, replicas)

    def drawn(self, layout: Layout, pool: PoolSize, count: int, seed: int) -> Requests:
        """Poisson arrivals of the requests that a pool serves by its own length."""
        lengths = self.sizes(layout, "fleetopt").case.lengths
        own = lengths.within(pool.what.gives_up_to, pool.what.hi_tokens)
        return poisson(own, pool.arrival_rate, count, np.random.default_rng(seed))


def poisson(
    lengths: LengthDistribution, rate: float, count: int, rng: np.random.Generator
) -> Requests:
    """So many Poisson arrivals with lengths of their own, as the published simulators draw them."""
    times = np.cumsum(rng.exponential(1.0 / rate, count))
    drawn = lengths.sample(rng, count)
    return Requests(times, lengths.prompt_tokens[drawn], lengths.output_tokens[drawn])


def middle(values: list[float]) -> tuple[float, tuple[float, float]]:
    """The median of ascending values, with the least and the most."""
    return median(values), (values[0], values[-1])


@contextmanager
def bench(show: Callable[[str], None]) -> Iterator[Bench]:
    """A bench on threads of this process."""
    from concurrent.futures import ThreadPoolExecutor
    from os import cpu_count

    with ThreadPoolExecutor(cpu_count()) as executor:
        yield Bench(executor, show)
