"""How long a fleet is watched: the law of the longest residence, a trace, or clients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fleetopt.errors import InputError
from fleetopt.questions.fleets.traffic import Stream
from fleetopt.simulation.fleet import Fleet, simulate_fleet
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_records import ClosedLoop
from fleetopt.simulation.pool import RESIDENCES, Horizon, PoolModel
from fleetopt.simulation.records import Window
from fleetopt.simulation.routing import ByModel
from fleetopt.workload.arrivals import ModulatedPoisson, Poisson
from fleetopt.workload.lengths import LengthDistribution
from fleetopt.workload.varying import TimeVarying

CYCLES = 20.0
"""Bursts, with the lulls after them, that a run covers; half as many are too few."""
MOST_REQUESTS = 5_000_000
"""Requests of a replication beyond which it is not made longer for the sake of bursts."""
_FOREVER_S = 1e12
_SETTLED, _BUSY = 0.1, 0.9
"""Parts of the requests at which clients are taken to be settled, and still all busy."""


def slowest_pool(fleet: Fleet, streams: Sequence[Stream]) -> PoolModel:
    """The pool whose requests stay longest, at the arrival rate of the whole fleet.

    Each pool is taken to get the lengths between the next shorter context window and its own,
    the longest that any router that minds the contexts sends there; under the model router
    those of its own models. One that only decodes may get any. Raises InputError if no request
    fits any pool.
    """
    rate = sum(stream.rate for stream in streams)
    models = []
    for pool in fleet.pools:
        if pool.role == Role.PREFILL:
            continue
        lengths = _lengths_at(pool, fleet, streams)
        if lengths is not None:
            models.append(
                PoolModel(pool.iteration, pool.capacity, pool.replicas, lengths, Poisson(rate))
            )
    if not models:
        raise InputError.single("pools", "no request fits any pool")
    return max(models, key=PoolModel.longest_residence_s)


def by_law(
    model: PoolModel, streams: Sequence[Stream], requests: int | None, least: int
) -> Horizon:
    """The horizon of drawn traffic: `requests`, or what the law says and at least `least`.

    Where arrivals come in cycles, of bursts or of hours, it covers many of them, or whole ones.
    """
    horizon = Horizon.by_law(model, requests)
    if requests is not None:
        return horizon
    measured_s = max(horizon.measured_s, least / model.arrivals.rate)
    most_s = MOST_REQUESTS / model.arrivals.rate
    for process in (stream.arrivals for stream in streams):
        if isinstance(process, ModulatedPoisson):
            measured_s = max(measured_s, min(CYCLES * _cycle_s(process), most_s))
        if isinstance(process, TimeVarying):
            measured_s = math.ceil(measured_s / process.period_s) * process.period_s
    return replace(horizon, measured_s=measured_s)


def cycles_note(streams: Sequence[Stream], horizon: Horizon, rate: float) -> str:
    """Why a run is too short for the cycles of its arrivals; empty if it is not."""
    least_s = 0.0
    for process in (stream.arrivals for stream in streams):
        if isinstance(process, ModulatedPoisson):
            least_s = max(least_s, CYCLES / 2 * _cycle_s(process))
        if isinstance(process, TimeVarying):
            least_s = max(least_s, process.period_s)
    if horizon.measured_s >= least_s * (1.0 - 1e-9):
        return ""
    return (
        f"measured {horizon.measured_s:,.0f} s; bursts and lulls need {least_s:,.0f} s, "
        f"{math.ceil(least_s * rate):,} requests"
    )


def _cycle_s(process: ModulatedPoisson) -> float:
    """Mean time of a burst and the lull after it."""
    return process.burst_s + process.quiet_s


def of_trace(model: PoolModel, duration_s: float) -> Horizon:
    """The whole of a trace, from an empty fleet; then it drains."""
    return Horizon(
        0.0, math.nextafter(duration_s, math.inf), 0.0, RESIDENCES * model.longest_residence_s()
    )


def of_clients(
    fleet: Fleet, traffic: Traffic, loop: ClosedLoop, model: PoolModel, rng: np.random.Generator
) -> Horizon:
    """From when clients have settled until requests run out, as a run on them shows it."""
    plain = replace(fleet, failures=None)
    run = simulate_fleet(plain, traffic, Window(0.0, _FOREVER_S, _FOREVER_S), rng, loop=loop)
    sent = np.sort(run.arrival_s[~np.isnan(run.arrival_s)])
    first, last = (float(sent[int(part * (sent.size - 1))]) for part in (_SETTLED, _BUSY))
    drain_s = RESIDENCES * model.longest_residence_s()
    return Horizon(first, max(last - first, 1e-9), 0.0, drain_s)


def _lengths_at(
    pool: FleetPool, fleet: Fleet, streams: Sequence[Stream]
) -> LengthDistribution | None:
    """The lengths that a pool may get; None if there are none."""
    shorter = [p.max_context for p in fleet.entrances if p.max_context < pool.max_context]
    lo, mine = max(shorter, default=0), list(streams)
    if pool.role == Role.DECODE:
        lo = 0
    elif isinstance(fleet.router, ByModel):
        lo, mine = 0, [s for s in streams if pool.name in pools_of(s.name, fleet.router)]
    hi = pool.max_context
    parts = [(s.rate * s.lengths.share(lo, hi), s.lengths) for s in mine]
    parts = [(rate, lengths.within(lo, hi)) for rate, lengths in parts if rate > 0]
    if not parts:
        return None
    return LengthDistribution.from_pairs(
        np.concatenate([lengths.prompt_tokens for _, lengths in parts]),
        np.concatenate([lengths.output_tokens for _, lengths in parts]),
        np.concatenate([rate * lengths.weights for rate, lengths in parts]),
        (0, hi),
    )


def pools_of(model: str, router: ByModel) -> Sequence[str]:
    """Names of the pools that serve a model, its fallback among them."""
    return router.pools.get(model, [model, router.fallback])
