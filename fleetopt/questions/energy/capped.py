"""A pool whose batches are capped: its tables, its draw, and its steady state by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fleetopt.case import Case
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.plan import Interval
from fleetopt.problem import PoolStatement
from fleetopt.questions.energy.pools import is_published, keeps_slo, power_of, table_of
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.energy.simulated import kilowatts, on_one_horizon, p99_ttft_ms
from fleetopt.questions.energy.simulated import scenario as scenario_on
from fleetopt.questions.energy.tokens_per_watt import everything
from fleetopt.questions.fleets.answer import Standing, answer_of
from fleetopt.questions.fleets.scenario import Scenario
from fleetopt.questions.fleets.simulating import seeds, workers
from fleetopt.queueing.energy import mean_watts
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.published import PublishedTable
from fleetopt.queueing.table import Row
from fleetopt.simulation.event import batches
from fleetopt.simulation.fleet_results import outcome_of
from fleetopt.simulation.fleet_run import FleetRun, measure
from fleetopt.simulation.pool import PoolModel
from fleetopt.verification.verdicts import SHORTEST_RESIDENCES
from fleetopt.workload.arrivals import Poisson

_VERDICTS: dict[Standing, bool | None] = {"pass": True, "fail": False, "unstable": False}


@dataclass(frozen=True)
class SimulatedLevel:
    """What the simulator says of a fleet under a cap, with 95 % intervals.

    p99_ttft_ms: nothing where the fleet is unstable. backlog_per_s: growth of its waiting line.
    attained: share of the requests within the first bound.
    too_short: why the runs say nothing of the steady state; empty if they do.
    """

    p99_ttft_ms: Interval
    attained: Interval
    kilowatts: Interval
    backlog_per_s: Interval
    standing: Standing
    too_short: str

    @property
    def slo_met(self) -> bool | None:
        """Whether the SLO is kept; None where the runs leave it open."""
        return _VERDICTS.get(self.standing)


@dataclass(frozen=True)
class CappedPool:
    """Replicas of one profile for all requests of a case, under caps on their batches.

    free, published: tables without a cap, by fleetopt and by the published formulas, where these
    say something.
    """

    case: Case
    profile: ReplicaProfile
    replicas: int
    free: OccupancyTable
    published: PublishedTable | None

    @classmethod
    def of(cls, case: Case, profile: ReplicaProfile, replicas: int) -> CappedPool:
        """The pool for all requests. Raises InputError if no slot holds the longest."""
        free, published = (
            table_of(_by(case, method), everything(case), profile)
            if method == "fleetopt"
            or case.problem.method == method
            or is_published(case.problem, [profile])
            else None
            for method in ("fleetopt", "published")
        )
        assert isinstance(free, OccupancyTable)
        assert published is None or isinstance(published, PublishedTable)
        return cls(case, profile, replicas, free, published)

    @property
    def gpus(self) -> int:
        """GPUs of all replicas."""
        return self.replicas * self.profile.gpus_per_replica

    @property
    def slots(self) -> int:
        """Sequences in a replica's batch without a cap."""
        return self.free.slots

    @property
    def is_by_published(self) -> bool:
        """Whether the case asks for the published formulas."""
        return self.case.problem.method == "published"

    def row(self, cap: int) -> Row:
        """The pool's row under a cap, by the case's method."""
        published = self._published_under(cap) if self.is_by_published else None
        return (published or self._under(cap)).row(self.replicas)

    def meets(self, cap: int) -> bool:
        """Whether the pool keeps the SLO by the case's method; overloaded it does not."""
        return keeps_slo(self.row(cap), self.case.problem.slo)

    def utilization(self, cap: int) -> float:
        """Offered work over what the pool does under a cap, by fleetopt's table."""
        return self._under(cap).utilization(self.replicas)

    def drawn_w(self, cap: int) -> float:
        """Mean draw of a GPU at the occupancy of fleetopt's table."""
        return mean_watts(self._under(cap).occupancy(self.replicas), power_of(self.profile))

    def most_per_s(self, cap: int) -> float:
        """Requests per second that the pool serves with every slot busy."""
        return self.free.arrival_rate / self.utilization(cap)

    def published_p99_ttft_ms(self, cap: int) -> float | None:
        """What the published formulas report for the pool with so many slots, if anything."""
        table = self._published_under(cap)
        if table is None:
            return None
        row = table.row(self.replicas)
        return 1000.0 * (row.wait_s(99.0) + row.prefill_s)

    def statement(self, cap: int) -> PoolStatement:
        """The pool as the simulator takes it."""
        problem = self.case.problem
        return PoolStatement(
            id="pool-1",
            gpu=self.profile.name,
            n_gpus=self.gpus,
            max_ctx=self.case.breakpoints[-1],
            admission=problem.admission,
            max_num_seqs=problem.max_num_seqs,
            max_batch=cap,
        )

    def requests_at_least(self, cap: int, requests: int | None) -> int | None:
        """So many requests, or more where the longest residence needs it; None leaves it open."""
        if requests is None:
            return None
        capacity = self._under(cap).capacity
        lengths, rate = self.case.lengths, self.case.arrival_rate
        model = PoolModel(self.profile.iteration, capacity, self.replicas, lengths, Poisson(rate))
        least_s = SHORTEST_RESIDENCES * model.longest_residence_s()
        return max(requests, math.ceil(least_s * rate * (1.0 + 1e-9)))

    def _under(self, cap: int) -> OccupancyTable:
        capacity = self.free.capacity
        return self.free.with_capacity(replace(capacity, slots=min(cap, capacity.slots)))

    def _published_under(self, cap: int) -> PublishedTable | None:
        if self.published is None:
            return None
        capacity = self.published.capacity
        return self.published.with_capacity(replace(capacity, slots=min(cap, capacity.slots)))


def _by(case: Case, method: str) -> Case:
    return replace(case, problem=case.problem.model_copy(update={"method": method}))


def simulated_levels(
    pool: CappedPool,
    caps: Sequence[int],
    runs: Runs,
    progress: Callable[[str], None] | None = None,
) -> dict[int, SimulatedLevel]:
    """The pool under each cap, all on the same arrivals, watched as the longest requests need.

    A cap that no batch would have exceeded is the same run. Raises InputError.
    """
    scenarios = on_one_horizon(
        [
            scenario_on(
                pool.case,
                [pool.statement(cap)],
                replace(runs, requests=pool.requests_at_least(cap, runs.requests)),
            )
            for cap in caps
        ]
    )
    found = dict[int, SimulatedLevel]()
    seen, peak = list[FleetRun](), math.inf
    with workers(None, progress) as running:
        for cap, scenario in sorted(zip(caps, scenarios, strict=True), key=lambda pair: -pair[0]):
            if peak > cap:
                if progress is not None:
                    progress(f"simulating batches of at most {cap}")
                drawn = seeds(scenario, runs.replications)
                watched = list(running.map(partial(_watched, scenario), drawn))
                seen = [run for run, _ in watched]
                peak = max(batch for _, batch in watched)
            found[cap] = _level(scenario, seen)
    return found


def _watched(scenario: Scenario, seed: np.random.SeedSequence) -> tuple[FleetRun, int]:
    """One run, and the largest batch of all of it."""
    outcome = outcome_of(scenario.fleet, scenario.source, scenario.horizon, seed)
    *_, batch = batches(outcome.trajectory, math.inf)
    return measure(outcome, scenario.stated.slo), int(batch.max(initial=0))


def _level(scenario: Scenario, seen: Sequence[FleetRun]) -> SimulatedLevel:
    answer = answer_of(scenario, seen)
    return SimulatedLevel(
        p99_ttft_ms=p99_ttft_ms(answer.fleet.latency_ms),
        attained=answer.fleet.attained[0],
        kilowatts=kilowatts(seen),
        backlog_per_s=answer.backlog_per_s,
        standing=answer.standing,
        too_short=scenario.too_short,
    )
