"""The table's percentiles against our own simulation, for the tests and the manual.

`python tests/scenarios/accuracy.py` prints the comparison as Markdown; with a number and a
seed it draws that many pools at random instead, which takes some seconds each.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile, Capacity
from fleetopt.problem import LatencyBound
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.table import Limits
from fleetopt.simulation.pool import Horizon, PoolModel, replicate
from fleetopt.simulation.statistics import MeanInterval, percentile_interval
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

BOUND = LatencyBound(limit_ms=500.0)
REPLICATIONS = 6
SEED = 5
CLIPPED = {"azure": 8192}
"""Largest context of a workload, where it is not its last point."""


@dataclass(frozen=True)
class Pool:
    """A pool to compare; measured_s is simulated time of each replication."""

    workload: str
    gpu: str
    replicas: int
    rate: float
    lo: int
    hi: int
    measured_s: float
    admission: str = "reserved"

    @property
    def name(self) -> str:
        """The pool in words."""
        span = f"{self.workload} ({self.lo}, {self.hi}]"
        return f"{span}, {self.replicas} {self.gpu.upper()}, {self.rate:g} req/s, {self.admission}"


@dataclass(frozen=True)
class Comparison:
    """Table against simulation, in milliseconds."""

    pool: Pool
    method: str
    utilization: float
    ttft_ms: float
    ttft_simulated_ms: MeanInterval
    tpot_ms: float
    tpot_simulated_ms: MeanInterval

    @property
    def ttft_error(self) -> float:
        """Relative error of the table's P99 TTFT."""
        return self.ttft_ms / self.ttft_simulated_ms.estimate - 1.0

    @property
    def tpot_error(self) -> float:
        """Relative error of the table's P99 TPOT."""
        return self.tpot_ms / self.tpot_simulated_ms.estimate - 1.0


DESIGN_ROWS = (
    Pool("azure", "h100", 6, 100, 0, 8192, 500),
    Pool("azure", "a100", 12, 100, 0, 8192, 500),
    Pool("azure", "a10g", 21, 100, 0, 8192, 500),
    Pool("agent_heavy", "h100", 24, 20, 0, 65536, 6000),
    Pool("agent_heavy", "h100", 26, 20, 0, 65536, 6000),
    Pool("agent_heavy", "h100", 2, 10.76, 0, 4096, 4000),
    Pool("agent_heavy", "h100", 23, 9.24, 4096, 65536, 8000),
    Pool("lmsys", "a100", 3, 98.37, 0, 4096, 500),
)
ORDINARY = (
    Pool("azure", "h100", 10, 100, 0, 8192, 500),
    Pool("azure", "a100", 16, 100, 0, 8192, 400),
    Pool("azure", "a10g", 30, 100, 0, 8192, 400),
    Pool("azure", "h100", 3, 65, 0, 3072, 600),
    Pool("lmsys", "h100", 2, 98.37, 0, 4096, 1000),
    Pool("lmsys", "a10g", 4, 90, 0, 2048, 500),
    Pool("lmsys", "a100", 16, 100, 0, 65536, 6000),
    Pool("agent_heavy", "a100", 20, 40, 0, 8192, 1000),
    Pool("agent_heavy", "h100", 40, 20, 0, 65536, 4000),
    Pool("agent_heavy", "h100", 60, 40, 0, 65536, 3000),
    Pool("azure", "h100", 5, 80, 0, 8192, 1500, "paged"),
    Pool("azure", "a100", 8, 60, 0, 8192, 1500, "paged"),
    Pool("azure", "a10g", 20, 60, 0, 8192, 700, "paged"),
    Pool("agent_heavy", "h100", 20, 20, 0, 65536, 20_000, "paged"),
    Pool("agent_heavy", "a100", 40, 20, 0, 65536, 10_000, "paged"),
    Pool("agent_heavy", "h100", 8, 10, 0, 16384, 4000, "paged"),
    Pool("agent_heavy", "h100", 6, 4, 0, 65536, 30_000, "paged"),
    Pool("lmsys", "a100", 8, 100, 0, 65536, 30_000, "paged"),
    Pool("lmsys", "a100", 4, 90, 0, 4096, 500, "paged"),
    Pool("lmsys", "a10g", 6, 60, 0, 32768, 6000, "paged"),
)
"""Utilizations from 0.3 to 0.85, both admission rules, all three workloads."""
SLOW = (
    Pool("lmsys", "h100", 3, 2.71, 3072, 65536, 60_000),
    Pool("lmsys", "a100", 5, 1.626, 4096, 65536, 120_000),
    Pool("lmsys", "a100", 8, 9.114, 1536, 65536, 60_000),
    Pool("lmsys", "a100", 9, 16.934, 1024, 65536, 60_000),
    Pool("lmsys", "h100", 3, 100, 0, 65536, 6000, "paged"),
)
"""Few slots held for minutes by rare long requests, or few replicas slowed by them."""


def drawn(count: int, seed: int) -> list[Pool]:
    """Pools of random lengths, GPUs, replicas, admission and utilization (0.3 to 0.85)."""
    rng = random.Random(seed)
    pools: list[Pool] = []
    while len(pools) < count:
        pool = _draw(rng)
        pools += [pool] if pool else []
    return pools


def _draw(rng: random.Random) -> Pool | None:
    """One pool; None if it has too little traffic, no slot, or takes too long to simulate."""
    workload = rng.choice(["lmsys", "azure", "agent_heavy"])
    gpu, admission = rng.choice(["a10g", "a100", "h100"]), rng.choice(["reserved", "paged"])
    lengths, profile = _lengths(workload), _profiles()[gpu]
    lo, hi = sorted(rng.sample(lengths.breakpoints, 2))
    replicas, utilization = rng.choice([1, 2, 3, 5, 8, 12, 20, 40]), rng.uniform(0.3, 0.85)
    pool = Pool(workload, gpu, replicas, 1.0, lo, hi, 0.0, admission)
    if lengths.share(lo, hi) < 0.01 or _capacity(pool, profile).slots < 1:
        return None
    rate = utilization / _table(pool, profile).row(replicas).utilization
    pool = replace(pool, rate=rate)
    residence_s = _model(pool, profile).longest_residence_s()
    pool = replace(pool, measured_s=max(40.0 * residence_s, 60_000.0 / rate))
    return pool if pool.measured_s * rate <= 2.5e6 else None


def compare(pools: Sequence[Pool]) -> list[Comparison]:
    """Table and simulation of every pool, on two threads."""
    with ThreadPoolExecutor(2) as executor:
        return [compare_one(pool, executor) for pool in pools]


def compare_one(pool: Pool, executor: Executor) -> Comparison:
    """Table and simulation of one pool."""
    profile = _profiles()[pool.gpu]
    row = _table(pool, profile).row(pool.replicas)
    model = _model(pool, profile)
    law = Horizon.by_law(model)
    horizon = Horizon(law.warmup_s, pool.measured_s, law.cooldown_s, law.drain_s)
    seeds = np.random.SeedSequence(SEED).spawn(REPLICATIONS)
    runs = replicate(model, horizon, (BOUND,), seeds, executor)
    assert all(run.unfinished == 0 for run in runs)
    simulated = {
        metric: percentile_interval(
            [1e3 * run.quantiles_s[metric] for run in runs],
            [run.completed for run in runs],
            99.0,
        )
        for metric in ("ttft", "tpot")
    }
    return Comparison(
        pool=pool,
        method=row.method,
        utilization=row.utilization,
        ttft_ms=1e3 * row.percentile_s("ttft", 99.0),
        ttft_simulated_ms=simulated["ttft"],
        tpot_ms=1e3 * row.percentile_s("tpot", 99.0),
        tpot_simulated_ms=simulated["tpot"],
    )


def _capacity(pool: Pool, profile: CalibratedProfile) -> Capacity:
    if pool.admission == "paged":
        return profile.paged(pool.hi, 256)
    return profile.reserved(pool.hi)


def _table(pool: Pool, profile: CalibratedProfile) -> OccupancyTable:
    loads = load_table(_lengths(pool.workload), profile.iteration)
    load = loads.between(pool.lo, pool.hi, pool.rate)
    return OccupancyTable(load, profile, _capacity(pool, profile), pool.lo, Limits((BOUND,)))


def _model(pool: Pool, profile: CalibratedProfile) -> PoolModel:
    return PoolModel(
        profile.iteration,
        _capacity(pool, profile),
        pool.replicas,
        _lengths(pool.workload).within(pool.lo, pool.hi),
        Poisson(pool.rate),
    )


def markdown(comparisons: Sequence[Comparison]) -> str:
    """The comparison as a Markdown table."""
    return "\n".join(_lines(comparisons))


def _lines(comparisons: Sequence[Comparison]) -> Iterator[str]:
    yield "| pool | rho | P99 TTFT, ms: table | simulated | error | TPOT, ms | simulated | error |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for c in comparisons:
        marked = ", two-class chain" if c.method == "two-class chain" else ""
        ttft, tpot = _interval(c.ttft_simulated_ms), _interval(c.tpot_simulated_ms)
        yield (
            f"| {c.pool.name}{marked} | {c.utilization:.2f} "
            f"| {c.ttft_ms:.1f} | {ttft} | {100 * c.ttft_error:+.1f} % "
            f"| {c.tpot_ms:.1f} | {tpot} | {100 * c.tpot_error:+.1f} % |"
        )


def _interval(value: MeanInterval) -> str:
    return f"{value.estimate:.1f} ± {value.high - value.estimate:.1f}"


@cache
def _lengths(workload: str) -> LengthDistribution:
    lengths = LengthDistribution.from_cdf(read_lengths(workload)[0])
    return lengths.clipped(CLIPPED[workload]) if workload in CLIPPED else lengths


@cache
def _profiles() -> dict[str, CalibratedProfile]:
    return {name: CalibratedProfile(spec) for name, spec in read_profiles().items()}


if __name__ == "__main__":
    if len(sys.argv) == 3:
        chosen = drawn(int(sys.argv[1]), int(sys.argv[2]))
        for comparison in map(compare, ([pool] for pool in chosen)):
            print(markdown(comparison).splitlines()[-1], flush=True)
        sys.exit()
    print(markdown(compare(DESIGN_ROWS + ORDINARY + SLOW)))
