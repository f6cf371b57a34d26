"""Placements in the simulator: the share of requests that keeps both bounds."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from fleetopt.case import Case
from fleetopt.performance.phase_links import PhasePairs
from fleetopt.plan import Interval
from fleetopt.problem import LatencyBound
from fleetopt.questions.placement.answer import Placed
from fleetopt.simulation import statistics
from fleetopt.simulation.fleet import Fleet
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_model import FleetPool, KvLink
from fleetopt.simulation.fleet_records import Limits
from fleetopt.simulation.fleet_results import DrawnTraffic, replicate_fleet
from fleetopt.simulation.pool import LEAST_RESIDENCES, MIN_REQUESTS, Horizon, PoolModel
from fleetopt.simulation.routing import ByLength
from fleetopt.workload.arrivals import Poisson

CONFIDENCE_ERROR = 0.025


def attained(
    case: Case,
    placed: Placed,
    pairs: PhasePairs | None,
    bounds: tuple[LatencyBound, ...],
    executor: Executor,
) -> Interval:
    """Share of all requests within both bounds at the placement's rate, with a 95 % interval."""
    options, arrivals = case.problem.verification, Poisson(placed.rate)
    fleet = _fleet(case, placed, pairs)
    last = fleet.pools[-1]
    longest = PoolModel(last.iteration, last.capacity, last.replicas, case.lengths, arrivals)
    seeds = np.random.SeedSequence(options.seed).spawn(options.replications)
    runs = replicate_fleet(
        fleet,
        DrawnTraffic((("", arrivals, case.lengths),)),
        _horizon(longest, options.requests),
        bounds,
        seeds,
        executor,
        limits=Limits(stop_early=0),
    )
    parts = [run.groups["fleet"] for run in runs]
    missed = [part.arrivals - part.good for part in parts]
    share, low, high = statistics.attainment_bounds(
        missed, [part.arrivals for part in parts], CONFIDENCE_ERROR
    )
    return Interval(share, low, high)


def _horizon(model: PoolModel, requests: int | None) -> Horizon:
    """Of the fewest residences, for rates are tried one after the other."""
    horizon = Horizon.by_law(model, requests)
    if requests is not None:
        return horizon
    least_s = LEAST_RESIDENCES * model.longest_residence_s()
    return replace(horizon, measured_s=max(least_s, MIN_REQUESTS / model.arrivals.rate))


def _fleet(case: Case, placed: Placed, pairs: PhasePairs | None) -> Fleet:
    hi = case.breakpoints[-1]
    first = case.profile(placed.prefill)
    if pairs is None:
        capacity = case.capacity(first, hi)
        pool = FleetPool("together", first.iteration, capacity, placed.n_prefill)
        return Fleet((pool,), ByLength())
    second, path = case.profile(placed.decode), pairs.path
    return Fleet(
        (
            FleetPool(
                "prefill", first.iteration, case.prefill_capacity(first, hi), placed.n_prefill,
                role=Role.PREFILL,
            ),
            FleetPool(
                "decode", second.iteration, case.capacity(second, hi), placed.n_decode,
                role=Role.DECODE,
            ),
        ),
        ByLength(),
        links=(
            KvLink(
                "prefill", "decode", path.bytes_per_s, path.kv_bytes_per_token, path.latency_s,
                path.shared, path.overlap_layers,
            ),
        ),
    )  # fmt: skip
