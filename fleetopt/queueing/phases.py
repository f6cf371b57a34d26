"""Feasibility tables of pools that only prefill, and of pools that only decode.

Requests of total lengths in (lo, hi] prefill in one pool and decode in another. A prompt holds a
slot of its replica until its KV has left; TTFT is its wait, its prefill and the transfer. The
decode pool holds the KV of the prompt from the landing on; TPOT is the time from there to the
end over the output tokens, a wait for a slot included. Each pool is held to the bounds of its own
metric, and to its part of those on E2E (see `fleetopt.queueing.e2e_budget`). Loads come from
`load_table(lengths, iteration, phase)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from fleetopt.performance.kv_link import KvLink
from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.problem import LatencyBound
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.decode_latency import DecodeMix
from fleetopt.queueing.e2e_budget import E2eBudget
from fleetopt.queueing.feasibility import OccupancyRow, OccupancyTable
from fleetopt.queueing.grid import LateCurve
from fleetopt.queueing.idle import idle_s
from fleetopt.queueing.latency import Metric, StateMix, states_of
from fleetopt.queueing.load import Load
from fleetopt.queueing.prefill_replica import PrefillReplica, replica_of
from fleetopt.queueing.prompts import Prompts
from fleetopt.queueing.search import SearchedTable
from fleetopt.queueing.table import Limits
from fleetopt.workload.lengths import Floats

_NONE = Limits(())


@dataclass(frozen=True, eq=False)
class PrefillPhaseRow:
    """A row of a pool that only prefills; curve: None if it is overloaded.

    waits: whether so many wait for slots that only simulation can tell how long.
    """

    replicas: int
    utilization: float
    curve: LateCurve | None
    waits: bool = False
    first_token_s: float = 0.0

    @property
    def method(self) -> str:
        """How the latencies were computed; "slot wait" asks for a simulation."""
        return "slot wait" if self.waits else "shortest queue"

    @property
    def is_stable(self) -> bool:
        """Whether the pool keeps up with its requests."""
        return self.curve is not None

    def miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(TTFT > stretch * limit); 0 for other metrics, 1 if the pool is overloaded."""
        if bound.metric != "ttft":
            return 0.0
        if self.curve is None:
            return 1.0
        return self.curve.exceedance("ttft", stretch * bound.limit_s - self.first_token_s)

    def is_within(self, bound: LatencyBound, stretch: float = 1.0) -> bool:
        """Whether at most the allowed share misses the bound."""
        return self.miss(bound, stretch) <= bound.allowed_miss

    def percentile_s(self, metric: Metric, percentile: float) -> float | None:
        """A percentile of TTFT in seconds, infinite if overloaded; None for other metrics."""
        if metric != "ttft":
            return None
        if self.curve is None:
            return math.inf
        return self.curve.percentile_s(metric, percentile) + self.first_token_s


class PrefillPhaseTable(SearchedTable[PrefillPhaseRow]):
    """The table of one range of lengths on replicas that only prefill.

    load: of the phase "prefill" at the pool's arrival rate.
    capacity: slots are the prompts that a replica takes at a time, 1 for one after the other.
    link: takes the KV to the decode pool; its time is part of TTFT.
    """

    def __init__(
        self,
        load: Load,
        profile: ReplicaProfile,
        capacity: Capacity,
        lo_tokens: int,
        limits: Limits,
        link: KvLink,
        gammas: tuple[float, float] = (1.0, 1.0),
        budget: E2eBudget | None = None,
    ) -> None:
        super().__init__(load, profile, capacity, lo_tokens, limits, gammas, budget)
        self.link = link

    @cached_property
    def bounds(self) -> tuple[LatencyBound, ...]:
        """The bounds on TTFT, those for the sake of E2E among them."""
        parts = [self._part(bound) for bound in self.limits.slo]
        return tuple(part for part in parts if part is not None)

    def _part(self, bound: LatencyBound) -> LatencyBound | None:
        """What the pool keeps for a bound; None if that is nothing."""
        if bound.metric == "e2e" and self.budget is not None:
            return self.budget.ttft(bound)
        return bound if bound.metric == "ttft" else None

    @cached_property
    def prompts(self) -> Floats:
        """Prompt tokens by cell."""
        own = self.load.cells.prefill_context_tokens
        return own if self.profile.iteration.context == "total" else 2.0 * own

    @cached_property
    def slots(self) -> int:
        """Prompts in a replica's batch."""
        return int(self.capacity.batch(float(self.load.cells.weights @ self.prompts)))

    @cached_property
    def replica(self) -> PrefillReplica:
        """One replica of the pool."""
        iteration, cells = self.profile.iteration, self.load.cells
        return replica_of(Prompts(iteration, self.slots, self.prompts, cells.weights, self.link))

    def full_rate(self, replicas: int) -> float:
        """Iterations of prompts per second with every slot busy."""
        lines = 1 if self.link.shared else replicas
        sent_s = float(self.load.cells.weights @ self.link.seconds(self.prompts))
        most = min(replicas * self.replica.full_rate, lines / sent_s if sent_s > 0.0 else math.inf)
        return self.load.mean_work * most

    def busy_share(self, replicas: int) -> float:
        """Share of the time in which a replica computes."""
        rate = self.load.arrival_rate / replicas
        if self.utilization(replicas) >= 1.0:
            return 1.0
        with one_blas_thread():
            return min(1.0, rate * self.replica.computing_s(replicas, rate))

    def _compute(self, replicas: int) -> PrefillPhaseRow:
        rho = self.utilization(replicas)
        curve = self._curve(replicas) if rho < 1.0 else None
        waits = self.replica.waits_for_slots(self.load.arrival_rate / replicas)
        first_s = self.profile.iteration.first_token_s
        return PrefillPhaseRow(replicas, rho, curve, waits, first_s)

    def _curve(self, replicas: int) -> LateCurve:
        with one_blas_thread():
            return self.replica.ttft(replicas, self.load.arrival_rate / replicas)

    def fastest_s(self, bound: LatencyBound) -> float:
        """The least limit that idle replicas keep, in seconds; 0 for what is not theirs."""
        part = self._part(bound)
        if part is None:
            return 0.0
        inside_s = self._alone.percentile_s("ttft", part.percentile)
        seconds = inside_s + self.profile.iteration.first_token_s
        return seconds * bound.limit_ms / part.limit_ms

    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(TTFT > stretch * limit) on idle replicas; 0 for what is not theirs.

        Of a bound on E2E, as many times more as TTFT may miss less.
        """
        part = self._part(bound)
        if part is None:
            return 0.0
        limit_s = stretch * part.limit_s - self.profile.iteration.first_token_s
        missed = self._alone.exceedance("ttft", limit_s)
        return missed * bound.allowed_miss / part.allowed_miss

    @cached_property
    def _alone(self) -> LateCurve:
        with one_blas_thread():
            return self.replica.ttft(1, 1e-6 * self.replica.full_rate)

    def at_rate(self, arrival_rate: float) -> PrefillPhaseTable:
        """The same pool at another arrival rate."""
        load = replace(self.load, arrival_rate=arrival_rate)
        return PrefillPhaseTable(
            load, self.profile, self.capacity, self.lo_tokens, self.limits, self.link,
            self.gammas, self.budget,
        )  # fmt: skip

    def _full_cause(self, replicas: int) -> str:
        return "utilization cap"

    def _cause(self, row: PrefillPhaseRow, bound: LatencyBound) -> str:
        return "wait, prefill and transfer"


@dataclass(frozen=True, eq=False)
class DecodePhaseRow(OccupancyRow):
    """A row of a pool that only decodes; limits, budget: what it keeps of E2E, if anything."""

    limits: Limits = _NONE
    budget: E2eBudget | None = None

    def miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(TPOT > stretch * limit); at most that of E2E where both pools keep their parts.

        0 for other metrics.
        """
        part = _part(self.budget, bound)
        if part is None:
            return 0.0
        return min(1.0, super().miss(part, stretch) + bound.allowed_miss - part.allowed_miss)

    def is_within(self, bound: LatencyBound, stretch: float = 1.0) -> bool:
        """Whether at most the allowed share misses the bound, the cheap test first."""
        part = _part(self.budget, bound)
        return part is None or super().is_within(part, stretch)

    def percentile_s(self, metric: Metric, percentile: float) -> float | None:
        """A percentile of TPOT in seconds; of E2E a bound above it, where the SLO has one.

        Infinite if overloaded; None for anything else.
        """
        if metric == "tpot":
            return super().percentile_s(metric, percentile)
        stated = ((b.metric, b.percentile, b) for b in self.limits.slo)
        bound = next((b for m, p, b in stated if (m, p) == ("e2e", percentile)), None)
        if metric != "e2e" or bound is None or self.budget is None:
            return None
        part = self.budget.rest(bound)
        rest_s = super().percentile_s("e2e", part.percentile)
        return None if rest_s is None else bound.limit_s - part.limit_s + rest_s


def _part(budget: E2eBudget | None, bound: LatencyBound) -> LatencyBound | None:
    """What a pool that decodes keeps for a bound; None if that is nothing."""
    if bound.metric == "e2e" and budget is not None:
        return budget.rest(bound)
    return bound if bound.metric == "tpot" else None


class DecodePhaseTable(OccupancyTable):
    """The table of one range of lengths on replicas that only decode.

    load: of the phase "decode" at the pool's arrival rate.
    """

    @property
    def bounds(self) -> tuple[LatencyBound, ...]:
        """The bounds on TPOT, and on E2E."""
        return tuple(b for b in self.limits.slo if _part(self.budget, b) is not None)

    def fastest_s(self, bound: LatencyBound) -> float:
        """The least limit that idle replicas keep, in seconds; 0 for what is not theirs."""
        part = _part(self.budget, bound)
        if part is None:
            return 0.0
        return super().fastest_s(part) * bound.limit_ms / part.limit_ms

    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > stretch * limit) on idle replicas; 0 for what is not theirs."""
        part = _part(self.budget, bound)
        if part is None:
            return 0.0
        return super().least_miss(part, stretch) + bound.allowed_miss - part.allowed_miss

    def _idle_s(self, metric: Metric) -> Floats:
        """Seconds of a request alone on its replica, by cell; E2E from the landing on."""
        cells = self.load.cells
        tpot_s = idle_s("tpot", cells, self.profile.iteration)
        return tpot_s if metric == "tpot" else cells.work * tpot_s

    @cached_property
    def slots(self) -> int:
        """Sequences in a replica's batch; each holds the blocks of its total length."""
        cells = self.load.cells
        totals = cells.decode_context_tokens.copy()
        if self.profile.iteration.context == "current":
            totals += cells.work / 2
        weights = cells.weights * cells.work
        return int(self.capacity.batch(float(weights @ totals / weights.sum())))

    def _compute(self, replicas: int) -> DecodePhaseRow:
        occ = self.occupancy(replicas)
        mix = self._mix(states_of(occ, self.load), replicas)
        environment = self._environment(occ)
        kept = occ if environment else occ.stateless()
        return DecodePhaseRow(
            replicas, kept, mix, environment, limits=self.limits, budget=self.budget
        )

    def _mix(self, states: StateMix, replicas: int) -> DecodeMix:
        return DecodeMix(self.load, states, replicas, self._base_s, self._per_token_s)

    def _with(self, load: Load, capacity: Capacity) -> DecodePhaseTable:
        limits, gammas = self.limits, self.gammas
        return DecodePhaseTable(
            load, self.profile, capacity, self.lo_tokens, limits, gammas, self.budget
        )
