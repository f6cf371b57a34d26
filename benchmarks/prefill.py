"""Tables of computed profiles against the simulator: `python -m benchmarks.prefill`.

Pools are drawn at random from the catalogue: model, GPU, token budget, workload, lengths,
replicas, admission, and a utilization from 0.3 to 0.85. Every pool drawn is shown.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from fleetopt.catalog import read_lengths, read_machines
from fleetopt.optimization.tables import kind_on
from fleetopt.performance.profile import Capacity
from fleetopt.performance.roofline import RooflineProfile
from fleetopt.problem import EngineConfig, LatencyBound
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.table import Limits
from fleetopt.simulation.pool import Horizon, PoolModel, replicate
from fleetopt.simulation.statistics import percentile_interval
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

COUNT, SEED = 30, 30
REPLICATIONS = 6
REQUESTS = 60_000
LONGEST = 40.0
"""Simulated time of a replication, in longest residences, at least."""
MOST_REQUESTS = 1_500_000
LIMITS = Limits((LatencyBound(limit_ms=500.0),))
WORKLOADS = {"azure": 8192, "lmsys": 65_536, "agent_heavy": 65_536}
"""Workloads, and the context they are clipped to."""
REPLICAS = (
    ("llama-3.1-8b", "a100", 1),
    ("llama-3.1-8b", "h100", 1),
    ("llama-3.1-8b", "l40s", 1),
    ("llama-3.1-8b", "b200", 1),
    ("mistral-7b", "a100", 1),
    ("qwen3-8b", "h100", 1),
    ("qwen3-30b-a3b", "h100", 1),
    ("qwen3-30b-a3b", "a100", 1),
    ("qwen3-32b", "h200", 1),
    ("qwen3-32b", "h100", 2),
    ("mixtral-8x7b", "h100", 2),
    ("llama-3.1-70b", "h100", 4),
    ("llama-3.1-70b", "h100", 8),
    ("llama-3.1-70b", "h200", 2),
    ("llama-3.1-70b", "b200", 1),
    ("llama-3.1-70b", "a100", 8),
    ("qwen3-235b-a22b", "h200", 4),
    ("llama-3.1-405b", "b200", 8),
)
"""Model, GPU, and how many GPUs share a layer."""


@dataclass(frozen=True, slots=True)
class ComputedPool:
    """A pool on a computed profile; measured_s is simulated time of each replication."""

    workload: str
    lo_tokens: int
    hi_tokens: int
    llm: str
    gpu: str
    tp: int
    token_budget: int
    replicas: int
    admission: str
    arrival_rate: float = 1.0
    measured_s: float = 0.0

    @property
    def profile(self) -> RooflineProfile:
        """The profile of a replica."""
        return _profile(self.llm, self.gpu, self.tp, self.token_budget)

    @property
    def capacity(self) -> Capacity:
        """The batch of a replica."""
        if self.admission == "paged":
            return self.profile.paged(self.hi_tokens, 256)
        return self.profile.reserved(self.hi_tokens)

    def table(self) -> OccupancyTable:
        """The pool's feasibility table."""
        loads = load_table(lengths_of(self.workload), self.profile.iteration)
        load = loads.between(self.lo_tokens, self.hi_tokens, self.arrival_rate)
        kind = kind_on(self.profile)
        return kind(load, self.profile, self.capacity, self.lo_tokens, LIMITS)

    def model(self) -> PoolModel:
        """The pool in the simulator."""
        return PoolModel(
            self.profile.iteration,
            self.capacity,
            self.replicas,
            lengths_of(self.workload).within(self.lo_tokens, self.hi_tokens),
            Poisson(self.arrival_rate),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A pool's P99 by the table and by the simulator, with a 95 % interval, in ms."""

    pool: ComputedPool
    metric: str
    utilization: float
    method: str
    table_ms: float
    simulated_ms: float
    low_ms: float
    high_ms: float

    @property
    def error(self) -> float:
        """Relative error of the table."""
        return self.table_ms / self.simulated_ms - 1.0


def drawn(count: int, seed: int) -> list[ComputedPool]:
    """Pools drawn at random."""
    rng = random.Random(seed)
    pools: list[ComputedPool] = []
    while len(pools) < count:
        pool = _draw(rng)
        pools += [pool] if pool else []
    return pools


def _draw(rng: random.Random) -> ComputedPool | None:
    """One pool; None if it has too little traffic, no slot, or takes too long to simulate."""
    workload, machine = rng.choice(list(WORKLOADS)), rng.choice(REPLICAS)
    budget, admission = rng.choice([2048, 8192]), rng.choice(["reserved", "paged"])
    lo, hi = sorted(rng.sample(lengths_of(workload).breakpoints, 2))
    replicas, utilization = rng.choice([1, 2, 3, 5, 8, 12, 20]), rng.uniform(0.3, 0.85)
    pool = ComputedPool(workload, lo, hi, *machine, budget, replicas, admission)
    if lengths_of(workload).share(lo, hi) < 0.01 or pool.capacity.slots < 1:
        return None
    rate = utilization / pool.table().utilization(replicas)
    pool = replace(pool, arrival_rate=rate)
    measured_s = max(LONGEST * pool.model().longest_residence_s(), REQUESTS / rate)
    return replace(pool, measured_s=measured_s) if measured_s * rate <= MOST_REQUESTS else None


def compare(pool: ComputedPool, executor: Executor) -> Iterator[Comparison]:
    """TTFT and TPOT of one pool."""
    row, model = pool.table().row(pool.replicas), pool.model()
    law = Horizon.by_law(model)
    horizon = replace(law, measured_s=pool.measured_s)
    runs = replicate(model, horizon, (), np.random.SeedSequence(5).spawn(REPLICATIONS), executor)
    counts = [run.completed for run in runs]
    for metric in ("ttft", "tpot"):
        quantiles = [1000 * run.quantiles_s[metric] for run in runs]
        interval = percentile_interval(quantiles, counts, 99.0)
        yield Comparison(
            pool=pool,
            metric=metric,
            utilization=row.utilization,
            method=row.method,
            table_ms=1000 * row.percentile_s(metric, 99.0),
            simulated_ms=interval.estimate,
            low_ms=max(0.0, interval.low),
            high_ms=interval.high,
        )


def errors(compared: Sequence[Comparison], metric: str, marked: bool = False) -> list[float]:
    """Absolute errors of the rows that are marked for simulation, or of the others."""
    return [
        abs(c.error) for c in compared if c.metric == metric and (c.method != "occupancy") == marked
    ]


@cache
def lengths_of(workload: str) -> LengthDistribution:
    """Requests of a bundled workload."""
    lengths = LengthDistribution.from_cdf(read_lengths(workload)[0])
    return lengths.clipped(WORKLOADS[workload])


@cache
def _profile(llm: str, gpu: str, tp: int, token_budget: int) -> RooflineProfile:
    machines = read_machines()
    engine = EngineConfig(tp=tp, token_budget=token_budget)
    return RooflineProfile.of(machines.llm(llm, "llm"), machines.gpu(gpu, "gpu"), engine)


def main() -> None:
    """Compare pools, print them, and keep them where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefill", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="pools to draw")
    parser.add_argument("--seed", type=int, default=SEED, help="of the draw")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    compared: list[Comparison] = []
    with ThreadPoolExecutor(2) as executor:
        for pool in drawn(options.count, options.seed):
            compared += compare(pool, executor)
            ttft, tpot = compared[-2:]
            print(
                f"{pool.workload:12} {pool.replicas:3} {pool.llm} {pool.gpu} {ttft.method} "
                f"TTFT {ttft.simulated_ms:.1f} {100 * ttft.error:+.1f} % "
                f"TPOT {tpot.simulated_ms:.1f} {100 * tpot.error:+.1f} %",
                flush=True,
            )
    for metric in ("ttft", "tpot"):
        found = errors(compared, metric)
        print(f"{metric}: median {np.median(found):.3f}, worst {max(found):.3f}, {len(found)} rows")
    if options.json:
        options.json.write_text(json.dumps([asdict(c) for c in compared], indent=1) + "\n")


if __name__ == "__main__":
    main()
