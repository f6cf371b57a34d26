"""The tables against the simulator on given pools: `python -m benchmarks.accuracy`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.design import table_maker
from fleetopt.problem import FleetProblem
from fleetopt.simulation.pool import Horizon, PoolModel, replicate
from fleetopt.simulation.statistics import MeanInterval, percentile_interval
from fleetopt.workload.arrivals import Poisson

SEED = 20
REPLICATIONS = 12
LENGTHENED = 4
"""How many times longer than the horizon law asks."""


@dataclass(frozen=True, slots=True)
class GivenPool:
    """A pool to compare: lengths in (lo, hi] of a workload, at a rate of their own."""

    workload: str
    gpu: str
    replicas: int
    arrival_rate: float
    lo_tokens: int
    hi_tokens: int
    max_context: int = 65_536


POOLS = (
    GivenPool("azure", "h100", 6, 100.0, 0, 8192, 8192),
    GivenPool("azure", "a100", 12, 100.0, 0, 8192, 8192),
    GivenPool("azure", "a10g", 21, 100.0, 0, 8192, 8192),
    GivenPool("agent_heavy", "h100", 24, 20.0, 0, 65_536),
    GivenPool("agent_heavy", "h100", 26, 20.0, 0, 65_536),
    GivenPool("agent_heavy", "h100", 2, 10.76, 0, 4096),
    GivenPool("agent_heavy", "h100", 23, 9.24, 4096, 65_536),
    GivenPool("lmsys", "a100", 3, 98.37, 0, 4096),
    GivenPool("lmsys", "h100", 3, 2.71, 3072, 65_536),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A pool's P99 by the tables and by the simulator, with a 95 % interval, in ms."""

    pool: GivenPool
    metric: str
    utilization: float
    method: str
    table_ms: float
    published_ms: float | None
    simulated_ms: float
    low_ms: float
    high_ms: float


def compare(pool: GivenPool) -> Iterator[Comparison]:
    """TTFT and TPOT of one pool."""
    problem = FleetProblem(
        cdf=pool.workload, gpus=(pool.gpu,), max_context=pool.max_context, overlong="clip"
    )
    case = Case.of(problem)
    profile = case.profiles[0]
    key = (pool.lo_tokens, pool.hi_tokens, pool.arrival_rate)
    row = table_maker(case, profile)(*key).row(pool.replicas)
    as_published = Case.of(problem.model_copy(update={"method": "published"}))
    published = table_maker(as_published, profile)(*key).row(pool.replicas)
    for metric, interval in _simulated_ms(case, pool).items():
        old = published.percentile_s(metric, 99.0)
        new = row.percentile_s(metric, 99.0)
        assert new is not None
        yield Comparison(
            pool=pool,
            metric=metric,
            utilization=row.utilization,
            method=row.method,
            table_ms=1000 * new,
            published_ms=None if old is None else 1000 * old,
            simulated_ms=interval.estimate,
            low_ms=max(0.0, interval.low),
            high_ms=interval.high,
        )


def _simulated_ms(case: Case, pool: GivenPool) -> dict[str, MeanInterval]:
    profile = case.profiles[0]
    model = PoolModel(
        profile.iteration,
        case.capacity(profile, pool.hi_tokens),
        pool.replicas,
        case.lengths.within(pool.lo_tokens, pool.hi_tokens),
        Poisson(pool.arrival_rate),
    )
    horizon = Horizon.by_law(model)
    horizon = replace(horizon, measured_s=LENGTHENED * horizon.measured_s)
    seeds = np.random.SeedSequence(SEED).spawn(REPLICATIONS)
    with ThreadPoolExecutor() as threads:
        runs = replicate(model, horizon, (), seeds, threads)
    counts = [run.completed for run in runs]
    return {
        m: percentile_interval([1000 * run.quantiles_s[m] for run in runs], counts, 99.0)
        for m in ("ttft", "tpot")
    }


def main() -> None:
    """Compare all pools, print them, and keep them where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    compared = [comparison for pool in POOLS for comparison in compare(pool)]
    for c in compared:
        print(
            f"{c.pool.workload:12} {c.pool.replicas:3} {c.pool.gpu:5} {c.metric} "
            f"{c.table_ms:8.1f} simulated {c.simulated_ms:8.1f} [{c.low_ms:.1f}, {c.high_ms:.1f}]"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(c) for c in compared], indent=1) + "\n")


if __name__ == "__main__":
    main()
