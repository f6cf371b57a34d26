"""Replications of a pool whose prefill and decode are apart: both phases and the link between."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from fleetopt.problem import LatencyBound
from fleetopt.simulation.fleet import Fleet, FleetOutcome
from fleetopt.simulation.fleet_model import FleetPool, KvLink
from fleetopt.simulation.fleet_records import REJECTED, Limits, Status
from fleetopt.simulation.fleet_results import DrawnTraffic, outcome_of
from fleetopt.simulation.fleet_run import latencies_s
from fleetopt.simulation.pool import METRICS, Horizon, PoolModel, Replication
from fleetopt.simulation.records import Floats
from fleetopt.simulation.routing import ByLength
from fleetopt.simulation.statistics import PROBABILITIES
from fleetopt.workload.arrivals import ArrivalProcess
from fleetopt.workload.lengths import LengthDistribution

Both = tuple[Replication, Replication]
"""What one run says of the pool that prefills, and of the one that decodes."""
_WHOLE = Limits(stop_early=0)
"""Runs go on to their end, so that a growing backlog is measured like that of any pool."""


@dataclass(frozen=True, eq=False)
class PairModel:
    """A pool that prefills, its link, and the pool that decodes.

    lengths: requests of this pair only. arrivals: their process.
    """

    prefill: FleetPool
    decode: FleetPool
    link: KvLink
    lengths: LengthDistribution
    arrivals: ArrivalProcess

    @property
    def fleet(self) -> Fleet:
        """The pair as a fleet."""
        return Fleet((self.prefill, self.decode), ByLength(), links=(self.link,))

    @property
    def phases(self) -> tuple[PoolModel, PoolModel]:
        """Both pools by themselves; a request of the first ends with its prefill."""
        first, second = (
            PoolModel(pool.iteration, pool.capacity, pool.replicas, self.lengths, self.arrivals)
            for pool in (self.prefill, self.decode)
        )
        return first, second

    def longest_residence_s(self) -> float:
        """Longest residence that carries work, by the pool that decodes."""
        return self.phases[1].longest_residence_s()


def replicate_pair(
    model: PairModel,
    horizon: Horizon,
    bounds: Sequence[LatencyBound],
    seeds: Sequence[np.random.SeedSequence],
    executor: Executor,
) -> list[Both]:
    """One run for each seed, in their order."""
    return list(executor.map(partial(run_once, model, horizon, tuple(bounds)), seeds))


def run_once(
    model: PairModel, horizon: Horizon, bounds: tuple[LatencyBound, ...],
    seed: np.random.SeedSequence,
) -> Both:  # fmt: skip
    """One run on requests drawn with a seed."""
    source = DrawnTraffic((("", model.arrivals, model.lengths),))
    outcome = outcome_of(model.fleet, source, horizon, seed, limits=_WHOLE)
    return _summary(outcome, bounds, 0), _summary(outcome, bounds, 1)


def _summary(outcome: FleetOutcome, bounds: tuple[LatencyBound, ...], p: int) -> Replication:
    """One of the pools; latencies are of the same requests in both."""
    window, run = outcome.window, outcome.trajectory
    measured = (outcome.arrival_s >= window.warmup_s) & (outcome.arrival_s < window.measure_end_s)
    values = {m: v[measured] for m, v in latencies_s(outcome).items() if m in METRICS}
    status = outcome.column("status")[measured]
    ended = (status == Status.COMPLETED) | (status == Status.TRUNCATED)
    rejected = int(np.isin(status, REJECTED).sum())
    pools = outcome.fleet.pools
    first = sum(pool.replicas for pool in pools[:p])
    totals = run.replicas[first : first + pools[p].replicas]
    work = float(totals["work"].sum())
    return Replication(
        quantiles_s={m: _quantiles(v[ended]) for m, v in values.items()},
        missed=tuple(int(np.count_nonzero(~(values[b.metric] <= b.limit_s))) for b in bounds),
        arrivals=int(status.size),
        completed=int(ended.sum()),
        rejected=rejected,
        unfinished=int(status.size - ended.sum()) - rejected,
        work_rate=work / (window.measure_end_s - window.warmup_s),
        mean_context_tokens=float(totals["context_sum"].sum()) / work if work else 0.0,
        backlog=run.waiting[:, p].astype(np.float64),
        saturated=run.saturated[:, p].astype(np.float64),
    )


def _quantiles(values: Floats) -> Floats:
    if not values.size:
        return np.full(PROBABILITIES.size, np.nan)
    quantiles: Floats = np.quantile(values, PROBABILITIES)
    return quantiles
