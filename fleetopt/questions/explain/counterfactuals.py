"""Fleets and traffic with one cause of misses removed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleetopt.questions.explain.causes import Cause
from fleetopt.questions.explain.seen import Accounts
from fleetopt.questions.fleets import Scenario
from fleetopt.simulation.fleet import Fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_run import FleetRun

LONGEST = 0.01
"""Share of the requests of each pool that count as long."""
FULL = 0.85
"""Utilization up to which a pool is given replicas where its work does not fit."""


@dataclass(frozen=True, eq=False)
class Change:
    """A changed fleet, and what happens to its traffic.

    smoothed: arrivals are at Poisson times. cut: total length in each pool beyond which
    requests are left out; empty for none.
    """

    fleet: Fleet
    smoothed: bool = False
    cut: tuple[float, ...] = ()

    def traffic(self, traffic: Traffic, rng: np.random.Generator, end_s: float) -> Traffic:
        """The traffic of one replication as this fleet meets it; the order stays."""
        if not self.smoothed:
            return traffic
        times_s = np.sort(rng.random(len(traffic))) * end_s
        return replace(traffic, arrival_s=times_s)


def counterfactuals(
    scenario: Scenario, unstable: Sequence[bool], runs: Sequence[FleetRun], base: Sequence[Accounts]
) -> Iterator[tuple[Cause, Change]]:
    """Those that change anything, besides the wait, whose removal needs no simulation."""
    fleet = scenario.fleet
    yield Cause.PREFILL, Change(with_pools(fleet, [_at_once(p) for p in fleet.pools]))
    alone = [_alone(pool, base, p) for p, pool in enumerate(fleet.pools)]
    yield Cause.INTERFERENCE, Change(with_pools(fleet, alone))
    if any(unstable):
        enough = [
            replace(pool, replicas=_enough(pool, runs)) if grows else pool
            for pool, grows in zip(fleet.pools, unstable, strict=True)
        ]
        yield Cause.INSTABILITY, Change(with_pools(fleet, enough))
    if fleet.failures is not None:
        yield Cause.OUTAGE, Change(replace(fleet, failures=None))
    if _bursty(scenario):
        yield Cause.BURST, Change(fleet, smoothed=True)
    free = [_unlimited(scenario, p) for p in range(len(fleet.pools))]
    if any(new.capacity != old.capacity for new, old in zip(free, fleet.pools, strict=True)):
        yield Cause.ADMISSION, Change(with_pools(fleet, free))
    if scenario.loop is None:
        cut = tuple(_longest(base, p) for p in range(len(fleet.pools)))
        yield Cause.LONG, Change(fleet, cut=cut)


def with_pools(fleet: Fleet, pools: Sequence[FleetPool]) -> Fleet:
    """The fleet with other pools."""
    return replace(fleet, pools=tuple(pools))


def _at_once(pool: FleetPool) -> FleetPool:
    """A pool that prefills any prompt in one iteration, at no time of its own."""
    time = replace(
        pool.iteration,
        chunk_tokens=pool.max_context,
        prefill_base_s=0.0,
        prefill_per_token_s=0.0,
        token_budget=0,
    )
    return replace(pool, iteration=time)


def _alone(pool: FleetPool, base: Sequence[Accounts], p: int) -> FleetPool:
    """A pool whose iterations take as long as with one sequence of the mean context.

    The mean is by residence: it is the context that an average iteration finds.
    """
    held = sum(float(run.residence_s[run.pool == p].sum()) for run in base)
    context = sum(
        float(run.residence_s[run.pool == p] @ run.total_tokens[run.pool == p]) for run in base
    )
    own_s = pool.iteration.per_context_token_s * (context / held if held else 0.0)
    time = replace(pool.iteration, base_s=pool.iteration.base_s + own_s, per_context_token_s=0.0)
    return replace(pool, iteration=time)


def _unlimited(scenario: Scenario, p: int) -> FleetPool:
    """A pool that is limited only by how many sequences its engine batches."""
    pool = scenario.fleet.pools[p]
    slots = max(pool.capacity.slots, scenario.stated.pools[p].max_num_seqs)
    return replace(pool, capacity=replace(pool.capacity, slots=slots, kv_blocks=0), growth=False)


def _enough(pool: FleetPool, runs: Sequence[FleetRun]) -> int:
    """Replicas that serve what comes: what they serve now is what they can."""
    seen = [(run.groups[f"pool {pool.name}"], run.pools[pool.name], run.measured_s) for run in runs]
    offered = sum(group.arrivals / measured_s for group, _, measured_s in seen)
    served = offered - sum(run.growth_per_s for _, run, _ in seen)
    scale = offered / max(served, 0.01 * offered)
    return max(pool.replicas + 1, math.ceil(pool.replicas * scale / FULL))


def _bursty(scenario: Scenario) -> bool:
    """Whether arrivals are other than Poisson; clients wait for their answers."""
    if scenario.loop is not None:
        return False
    return scenario.stated.trace is not None or scenario.stated.arrivals != "poisson"


def _longest(base: Sequence[Accounts], p: int) -> float:
    """Total length that only LONGEST of a pool's requests exceed."""
    tokens = np.concatenate([run.total_tokens[run.pool == p] for run in base])
    return float(np.quantile(tokens, 1.0 - LONGEST)) if tokens.size else math.inf
