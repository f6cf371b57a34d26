"""Replications of a fleet: how long, on what traffic, and their results together."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from fleetopt.problem import LatencyBound
from fleetopt.simulation import statistics
from fleetopt.simulation.fleet import Fleet, FleetOutcome, simulate_fleet
from fleetopt.simulation.fleet_model import Traffic
from fleetopt.simulation.fleet_records import ClosedLoop, Limits
from fleetopt.simulation.fleet_run import FleetRun, GroupRun, measure
from fleetopt.simulation.pool import Horizon
from fleetopt.simulation.records import Floats, Ints
from fleetopt.simulation.statistics import MeanInterval
from fleetopt.workload.arrivals import ArrivalProcess
from fleetopt.workload.lengths import LengthDistribution
from fleetopt.workload.sessions import Sessions, history_tokens

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


class TrafficSource(Protocol):
    """Anything that gives the traffic of a replication."""

    def draw(self, rng: np.random.Generator, horizon_s: float) -> Traffic:
        """Requests that arrive in [0, horizon_s)."""
        ...


@dataclass(frozen=True, eq=False)
class DrawnTraffic:
    """Arrivals of a process with lengths of a distribution; one stream for each model.

    streams: name of the model, its arrivals and its lengths.
    sessions: what requests of one model share; None if they share nothing.
    """

    streams: tuple[tuple[str, ArrivalProcess, LengthDistribution], ...]
    sessions: Sessions | None = None

    def draw(self, rng: np.random.Generator, horizon_s: float) -> Traffic:
        """The streams one after the other, merged by arrival time."""
        parts: list[tuple[np.ndarray, ...]] = []
        begun = 0
        for code, (_, arrivals, lengths) in enumerate(self.streams):
            arrived = arrivals.times(rng, horizon_s)
            columns = self._requests(rng, arrived, lengths)
            if self.sessions:
                columns[2][...] += begun
                begun = int(columns[2].max(initial=begun - 1)) + 1
            parts.append((arrived, np.full(arrived.size, code), *columns))
        names = tuple(name for name, _, _ in self.streams)
        if len(names) > 1:
            whole = [np.concatenate(part) for part in zip(*parts, strict=True)]
            order = np.argsort(whole[0], kind="stable")
            parts = [tuple(column[order] for column in whole)]
        times_s, model, prompt, output, *shared = parts[0]
        prefix, tokens = shared if shared else (None, None)
        return Traffic(times_s, prompt, output, model, names, prefix=prefix, prefix_tokens=tokens)

    def _requests(
        self, rng: np.random.Generator, arrival_s: Floats, lengths: LengthDistribution
    ) -> tuple[Ints, ...]:
        """Prompts and outputs; with sessions, these and the tokens shared with them."""
        if self.sessions is None:
            drawn = lengths.sample(rng, arrival_s.size)
            return lengths.prompt_tokens[drawn], lengths.output_tokens[drawn]
        session, drawn = self.sessions.draw(rng, arrival_s, lengths)
        prompt, output = lengths.prompt_tokens[drawn], lengths.output_tokens[drawn]
        return prompt, output, session, history_tokens(session, prompt, output)


@dataclass(frozen=True, eq=False)
class RecordedTraffic:
    """The same requests in every replication; only routers and failures draw anew."""

    traffic: Traffic

    def draw(self, rng: np.random.Generator, horizon_s: float) -> Traffic:
        """The requests as they were recorded."""
        return self.traffic


def replicate_fleet(
    fleet: Fleet,
    source: TrafficSource,
    horizon: Horizon,
    bounds: Sequence[LatencyBound],
    seeds: Sequence[np.random.SeedSequence],
    executor: Executor,
    *,
    loop: ClosedLoop | None = None,
    limits: Limits | None = None,
) -> list[FleetRun]:
    """One run for each seed, in their order.

    Fleets that are run with the same seeds and source meet the same traffic and, if their
    pools are the same, the same failures.
    """
    run = partial(run_once, fleet, source, horizon, tuple(bounds), loop, limits)
    return list(executor.map(run, seeds))


def run_once(
    fleet: Fleet,
    source: TrafficSource,
    horizon: Horizon,
    bounds: tuple[LatencyBound, ...],
    loop: ClosedLoop | None,
    limits: Limits | None,
    seed: np.random.SeedSequence,
) -> FleetRun:
    """One run, measured."""
    return measure(outcome_of(fleet, source, horizon, seed, loop=loop, limits=limits), bounds)


def outcome_of(
    fleet: Fleet,
    source: TrafficSource,
    horizon: Horizon,
    seed: np.random.SeedSequence,
    *,
    loop: ClosedLoop | None = None,
    limits: Limits | None = None,
) -> FleetOutcome:
    """One run, request by request; traffic and routing draw from streams of their own."""
    traffic = source.draw(_stream(seed, 0), horizon.arrivals_end_s)
    rng = _stream(seed, 1)
    return simulate_fleet(fleet, traffic, horizon.window(), rng, loop=loop, limits=limits)


def _stream(seed: np.random.SeedSequence, number: int) -> np.random.Generator:
    """A stream of a replication: the same whenever it is asked for, unlike a spawned one."""
    key = (*seed.spawn_key, number)
    return np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=key))


@dataclass(frozen=True, eq=False)
class FleetResult:
    """What replications of a fleet say together."""

    fleet: Fleet
    bounds: tuple[LatencyBound, ...]
    runs: tuple[FleetRun, ...]

    @property
    def unstable(self) -> bool:
        """Whether a pool's backlog grew without end."""
        return any(self.is_unstable(pool.name) for pool in self.fleet.pools)

    def is_unstable(self, pool: str) -> bool:
        """Whether a pool's backlog grew without end: in every run, or in half of the runs and on
        average. After long bursts the line of a stable pool grows for most of some runs.
        """
        seen = [run.pools[pool] for run in self.runs]
        grew = sum(run.unstable for run in seen)
        if grew == len(seen):
            return True
        growth = statistics.mean_interval([run.growth_per_s for run in seen])
        return 2 * grew >= len(seen) and growth.low > 0

    def groups(self, name: str = "fleet") -> list[GroupRun]:
        """A group's part in each run."""
        return [run.groups[name] for run in self.runs]

    def latency_s(self, metric: str, percentile: float, group: str = "fleet") -> MeanInterval:
        """A percentile of all completed requests of a group together, with its interval.

        metric: one of fleet_run.METRICS, or "itl", which only pools have ("pool NAME").
        """
        if metric == "itl":
            pool = group.removeprefix("pool ")
            quantiles = [run.pools[pool].itl_quantiles_s for run in self.runs]
            counts = [1] * len(self.runs)
        else:
            parts = [part for part in self.groups(group) if part.completed]
            quantiles = [part.quantiles_s[metric] for part in parts]
            counts = [part.completed for part in parts]
        if not quantiles:
            return MeanInterval(np.nan, np.nan, np.nan)
        return statistics.percentile_interval(quantiles, counts, percentile)

    def attainment(self, bound: int = 0, group: str = "fleet") -> MeanInterval:
        """Share of all measured arrivals within a bound, with a 95 % interval."""
        parts = self.groups(group)
        error = (1.0 - statistics.CONFIDENCE) / 2
        missed, arrivals = [p.missed[bound] for p in parts], [p.arrivals for p in parts]
        return MeanInterval(*statistics.attainment_bounds(missed, arrivals, error))

    def goodput_per_s(self, group: str = "fleet") -> MeanInterval:
        """Completed requests within every bound, per second."""
        rates = [run.groups[group].good / run.counted_s for run in self.runs]
        return statistics.mean_interval(rates)

    def share(self, count: str, group: str = "fleet") -> MeanInterval:
        """Mean share of arrivals, such as of "misrouted" or "truncated" ones."""
        parts = [part for part in self.groups(group) if part.arrivals]
        return statistics.mean_interval([getattr(p, count) / p.arrivals for p in parts])

    def pool_mean(self, pool: str, figure: str) -> MeanInterval:
        """Mean over runs of a figure of a pool: busy, batch, utilization, kv_use, up."""
        values = [float(getattr(run.pools[pool], figure)) for run in self.runs]
        return statistics.mean_interval(values)

    def growth_per_s(self) -> MeanInterval:
        """Growth of the fleet's backlog, in requests per second."""
        slopes = [sum(pool.growth_per_s for pool in run.pools.values()) for run in self.runs]
        return statistics.mean_interval(slopes)


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> MeanInterval:
    """Mean difference of two fleets' figures by run, where runs share their arrivals."""
    return statistics.mean_interval([a - b for a, b in zip(ours, theirs, strict=True)])


def attained(runs: Sequence[FleetRun], bound: int = 0, group: str = "fleet") -> Floats:
    """Share of arrivals within a bound in each run."""
    parts = [run.groups[group] for run in runs]
    return np.array([1.0 - p.missed[bound] / p.arrivals if p.arrivals else np.nan for p in parts])
