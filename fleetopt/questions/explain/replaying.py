"""Replications of a fleet and of its counterfactuals, on the same requests."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from fleetopt.questions.explain.counterfactuals import Change
from fleetopt.questions.explain.seen import Accounts, Seen, accounts, seen
from fleetopt.questions.fleets import Scenario
from fleetopt.questions.fleets.routers import draws
from fleetopt.simulation.fleet import Fleet, FleetOutcome
from fleetopt.simulation.fleet_model import Traffic
from fleetopt.simulation.fleet_records import Limits
from fleetopt.simulation.fleet_results import RecordedTraffic, outcome_of
from fleetopt.simulation.fleet_run import FleetRun, measure
from fleetopt.simulation.records import Ints

_SMOOTHING = 2
"""Number of the stream that draws Poisson times; traffic and router have those before it."""
_WHOLE = Limits(stop_early=0)
"""Changes run to their end, so that all of them see the same requests."""


@dataclass(frozen=True, eq=False)
class Base:
    """One replication of the fleet as it is.

    pool: where each request of the traffic was sent, measured or not.
    """

    seed: np.random.SeedSequence
    traffic: Traffic
    pool: Ints
    accounts: Accounts
    run: FleetRun


def base_runs(
    scenario: Scenario, seeds: Sequence[np.random.SeedSequence], executor: Executor
) -> list[Base]:
    """One run for each seed, in their order."""
    return list(executor.map(lambda seed: _base(scenario, seed), seeds))


def changed_runs(
    scenario: Scenario, what: Change, bases: Sequence[Base], executor: Executor
) -> list[Seen]:
    """The same replications of a changed fleet."""
    return list(executor.map(lambda base: _changed(scenario, what, base), bases))


def remedy_runs(
    scenario: Scenario,
    fleet: Fleet,
    bases: Sequence[Base],
    executor: Executor,
    only: int | None,
) -> list[Accounts]:
    """The same replications of a changed fleet, with where the time went.

    only: the pool whose requests are looked at, None for all; where pools do not see each
    other, those of other pools are then left out.
    """
    alone = only is not None and apart(scenario)

    def one(base: Base) -> Accounts:
        kept = np.flatnonzero(base.pool == only) if alone else np.arange(len(base.traffic))
        traffic = _some(base.traffic, kept) if alone else base.traffic
        found = accounts(_run(scenario, fleet, traffic, base.seed))
        return replace(found, index=kept[found.index])

    return list(executor.map(one, bases))


def apart(scenario: Scenario) -> bool:
    """Whether each request has its pool whatever others do, and nothing is left to chance."""
    static = scenario.stated.router.name in ("length", "model")
    return static and scenario.loop is None and not draws(scenario.fleet)


def _base(scenario: Scenario, seed: np.random.SeedSequence) -> Base:
    rng = np.random.default_rng(_key(seed, 0))
    traffic = scenario.source.draw(rng, scenario.horizon.arrivals_end_s)
    outcome = outcome_of(
        scenario.fleet, RecordedTraffic(traffic), scenario.horizon, seed, loop=scenario.loop
    )
    run = measure(outcome, scenario.stated.slo)
    return Base(seed, traffic, outcome.column("pool"), accounts(outcome), run)


def _run(
    scenario: Scenario, fleet: Fleet, traffic: Traffic, seed: np.random.SeedSequence
) -> FleetOutcome:
    """A changed fleet on given traffic, to the end."""
    source = RecordedTraffic(traffic)
    return outcome_of(fleet, source, scenario.horizon, seed, loop=scenario.loop, limits=_WHOLE)


def _changed(scenario: Scenario, what: Change, base: Base) -> Seen:
    rng = np.random.default_rng(_key(base.seed, _SMOOTHING))
    end_s = scenario.horizon.arrivals_end_s
    traffic = what.traffic(base.traffic, rng, end_s)
    kept = np.arange(len(traffic))
    if what.cut:
        longest = np.append(what.cut, np.inf)[base.pool]
        kept = np.flatnonzero(traffic.total_tokens <= longest)
        traffic = _some(traffic, kept)
    found = seen(_run(scenario, what.fleet, traffic, base.seed))
    found = replace(found, index=kept[found.index])
    return _with_left_out(found, base.accounts, kept) if what.cut else found


def _with_left_out(found: Seen, base: Seen, kept: Ints) -> Seen:
    """A run with the requests that were left out as they fared before."""
    out = np.isin(base.index, kept, assume_unique=True, invert=True)
    return Seen(
        np.concatenate((found.index, base.index[out])),
        np.concatenate((found.pool, base.pool[out])),
        {m: np.concatenate((v, base.latency_s[m][out])) for m, v in found.latency_s.items()},
    )


def _some(traffic: Traffic, kept: Ints) -> Traffic:
    """Some of the requests."""

    def column(values: Ints | None) -> Ints | None:
        return None if values is None else values[kept]

    return replace(
        traffic,
        arrival_s=traffic.arrival_s[kept],
        prompt_tokens=traffic.prompt_tokens[kept],
        output_tokens=traffic.output_tokens[kept],
        model=column(traffic.model),
        category=column(traffic.category),
        prefix=column(traffic.prefix),
        prefix_tokens=column(traffic.prefix_tokens),
    )


def _key(seed: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """The seed of one stream of a replication."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))
