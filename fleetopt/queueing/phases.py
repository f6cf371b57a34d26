"""Feasibility tables of pools that only prefill, and of pools that only decode.

Requests of total lengths in (lo, hi] prefill in one pool and decode in another. A prompt holds a
slot of its replica until its KV has left; TTFT is its wait, its prefill and the transfer. The
decode pool holds the KV of the prompt from the landing on; TPOT is the time from there to the
end over the output tokens, a wait for a slot included. Each pool is held to the bounds of its own
metric. Loads come from `load_table(lengths, iteration, phase)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.problem import LatencyBound
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.decode_latency import DecodeMix
from fleetopt.queueing.feasibility import OccupancyRow, OccupancyTable
from fleetopt.queueing.grid import LateCurve
from fleetopt.queueing.kv_link import KvLink
from fleetopt.queueing.latency import Metric, StateMix, states_of
from fleetopt.queueing.load import Load
from fleetopt.queueing.prefill_replica import PrefillReplica, replica_of
from fleetopt.queueing.prompts import Prompts
from fleetopt.queueing.search import SearchedTable
from fleetopt.queueing.table import Limits
from fleetopt.workload.lengths import Floats


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
    ) -> None:
        self.load = load
        self.profile = profile
        self.capacity = capacity
        self.lo_tokens = lo_tokens
        self.limits = limits
        self.link = link
        self.gammas = gammas
        self._rows = {}

    @property
    def bounds(self) -> tuple[LatencyBound, ...]:
        """The bounds on TTFT."""
        return tuple(b for b in self.limits.slo if b.metric == "ttft")

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
        """The bound's percentile on idle replicas, in seconds; 0 for other metrics."""
        if bound.metric != "ttft":
            return 0.0
        inside_s = self._alone.percentile_s(bound.metric, bound.percentile)
        return inside_s + self.profile.iteration.first_token_s

    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(TTFT > stretch * limit) on idle replicas; 0 for other metrics."""
        if bound.metric != "ttft":
            return 0.0
        limit_s = stretch * bound.limit_s - self.profile.iteration.first_token_s
        return self._alone.exceedance("ttft", limit_s)

    @cached_property
    def _alone(self) -> LateCurve:
        with one_blas_thread():
            return self.replica.ttft(1, 1e-6 * self.replica.full_rate)

    def at_rate(self, arrival_rate: float) -> PrefillPhaseTable:
        """The same pool at another arrival rate."""
        load = replace(self.load, arrival_rate=arrival_rate)
        return PrefillPhaseTable(
            load, self.profile, self.capacity, self.lo_tokens, self.limits, self.link, self.gammas
        )

    def binding(self, replicas: int) -> str:
        """Why one replica fewer would not do, in words and numbers."""
        fewer = replicas - 1
        if fewer < 1:
            return "a pool has at least one replica"
        rho = self.utilization(fewer)
        if rho > self.limits.max_utilization:
            cap = self.limits.max_utilization
            return f"utilization cap: utilization {rho:.3g} > {cap:g} at {fewer}"
        row = self.row(fewer)
        broken = [b for b in self.bounds if not row.is_within(b)]
        if not broken:
            return f"simulation: the table alone would accept {fewer}"
        value = 1000.0 * (row.percentile_s("ttft", broken[0].percentile) or 0.0)
        return f"wait, prefill and transfer: {broken[0].label} {value:,.0f} ms at {fewer}"


@dataclass(frozen=True, eq=False)
class DecodePhaseRow(OccupancyRow):
    """A row of a pool that only decodes."""

    def miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(TPOT > stretch * limit); 0 for other metrics."""
        return super().miss(bound, stretch) if bound.metric == "tpot" else 0.0

    def is_within(self, bound: LatencyBound, stretch: float = 1.0) -> bool:
        """Whether at most the allowed share misses the bound, the cheap test first."""
        return bound.metric != "tpot" or super().is_within(bound, stretch)

    def percentile_s(self, metric: Metric, percentile: float) -> float | None:  # type: ignore[override]
        """A percentile of TPOT in seconds, infinite if overloaded; None for other metrics."""
        return super().percentile_s(metric, percentile) if metric == "tpot" else None


class DecodePhaseTable(OccupancyTable):
    """The table of one range of lengths on replicas that only decode.

    load: of the phase "decode" at the pool's arrival rate.
    """

    @property
    def bounds(self) -> tuple[LatencyBound, ...]:
        """The bounds on TPOT."""
        return tuple(b for b in self.limits.slo if b.metric == "tpot")

    def fastest_s(self, bound: LatencyBound) -> float:
        """The bound's percentile on idle replicas, in seconds; 0 for other metrics."""
        return super().fastest_s(bound) if bound.metric == "tpot" else 0.0

    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(TPOT > stretch * limit) on idle replicas; 0 for other metrics."""
        return super().least_miss(bound, stretch) if bound.metric == "tpot" else 0.0

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
        return DecodePhaseRow(replicas, occ if environment else occ.stateless(), mix, environment)

    def _mix(self, states: StateMix, replicas: int) -> DecodeMix:
        return DecodeMix(self.load, states, replicas, self._base_s, self._per_token_s)

    def _with(self, load: Load, capacity: Capacity) -> DecodePhaseTable:
        limits, gammas = self.limits, self.gammas
        return DecodePhaseTable(load, self.profile, capacity, self.lo_tokens, limits, gammas)
