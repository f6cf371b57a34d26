"""The feasibility table of one pool candidate: which numbers of replicas meet the SLO.

Rows are computed when they are asked for. A row is admissible if its utilization is at
most the cap and every bound of the SLO is kept; it is grey if its percentiles lie at most
10 % above the bounds, where only simulation can tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fleetopt.performance.profile import Capacity
from fleetopt.queueing.environment import MAX_CELLS, MAX_SLOTS, Environment, states_found
from fleetopt.queueing.idle import idle_s, percentile_of, share_beyond
from fleetopt.queueing.latency import LatencyMix, Metric, StateMix, states_of
from fleetopt.queueing.least import MOST_REPLICAS
from fleetopt.queueing.load import Load
from fleetopt.queueing.occupancy import Occupancy, full_rate, occupancy
from fleetopt.queueing.search import GREY_MARGIN as GREY_MARGIN
from fleetopt.queueing.search import SearchedTable
from fleetopt.workload.lengths import Floats

if TYPE_CHECKING:
    from fleetopt.problem import LatencyBound

_CHAIN_SHARE = 0.03
"""The two-class chain is used where overload is likelier than this share of the allowed misses."""
_FELT = 0.08
"""It is also used where long requests swing the iteration time by more than this."""
_RARE = 0.25
"""Most requests that may be long; where more are, they are no environment but the traffic."""


@dataclass(frozen=True, eq=False)
class OccupancyRow:
    """A row of the state-dependent table.

    environment: the two-class chain, where long requests may block the pool. Such a row
        predicts the worse of the chain and the mean context; the chain is solved when the
        mean context alone does not refuse the row.
    first_token_s: what clients wait outside of the replica, a part of TTFT and of E2E.
    """

    replicas: int
    occupancy: Occupancy
    mix: LatencyMix
    environment: Environment | None = None
    first_token_s: float = 0.0

    @property
    def utilization(self) -> float:
        """Offered work over the work rate with every slot busy, a / phi(c)."""
        return self.occupancy.utilization

    @property
    def method(self) -> str:
        """Which states the latencies are mixed over."""
        return "two-class chain" if self.environment else "occupancy"

    @property
    def is_stable(self) -> bool:
        """Whether the pool keeps up with its requests, long ones in a row included."""
        slow = self.environment
        return self.occupancy.is_stable and (slow is None or slow.is_stable)

    def miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > stretch * limit); 1 if the pool is overloaded."""
        limit_s = stretch * bound.limit_s - self._outside_s(bound.metric)
        if not self.occupancy.is_stable:
            return 1.0
        plain = self.mix.exceedance(bound.metric, limit_s)
        return max(plain, self._slow_miss(bound.metric, limit_s))

    def is_within(self, bound: LatencyBound, stretch: float = 1.0) -> bool:
        """Whether at most the allowed share misses the bound, the cheap test first."""
        limit_s = stretch * bound.limit_s - self._outside_s(bound.metric)
        return (
            self._is_plainly_within(bound, limit_s)
            and self._slow_miss(bound.metric, limit_s) <= bound.allowed_miss
        )

    def waits_for_chain(self, bounds: Iterable[LatencyBound], stretch: float = 1.0) -> bool:
        """Whether the chain alone can refuse the row, and was not solved yet."""
        limits = ((b, stretch * b.limit_s - self._outside_s(b.metric)) for b in bounds)
        return self.has_open_chain and all(self._is_plainly_within(*limit) for limit in limits)

    def percentile_s(self, metric: Metric, percentile: float) -> float | None:
        """A percentile in seconds; infinite if the pool is overloaded."""
        if not self.occupancy.is_stable:
            return math.inf
        return self._inside_s(metric, percentile) + self._outside_s(metric)

    def _inside_s(self, metric: Metric, percentile: float) -> float:
        """The worse of the chain's percentile and the mean context's, which is rarely above it."""
        if self.environment is None:
            return self.mix.percentile_s(metric, percentile)
        if self._slow_mix is None:
            return math.inf
        slow_s = self._slow_mix.percentile_s(metric, percentile)
        if self.mix.exceedance(metric, slow_s) <= 1.0 - percentile / 100.0:
            return slow_s
        return max(slow_s, self.mix.percentile_s(metric, percentile))

    @property
    def has_solved_chain(self) -> bool:
        """Whether some question about the row needed the two-class chain."""
        return self.__dict__.get("_slow_mix") is not None

    @property
    def has_open_chain(self) -> bool:
        """Whether the row has a two-class chain that can be solved and was not."""
        chain = self.environment
        return chain is not None and "_slow_mix" not in self.__dict__ and chain.is_stable

    def binding_states(self) -> StateMix:
        """What arrivals find, with the environment where it counts."""
        return (self.mix if self._slow_mix is None else self._slow_mix).states

    def _outside_s(self, metric: Metric) -> float:
        return 0.0 if metric == "tpot" else self.first_token_s

    def _is_plainly_within(self, bound: LatencyBound, limit_s: float) -> bool:
        """Whether the mean context keeps the bound; asked twice of a row that has a chain."""
        if not self.occupancy.is_stable:
            return False
        key = (bound.metric, limit_s, bound.allowed_miss)
        if key not in self._plainly_kept:
            self._plainly_kept[key] = self.mix.keeps(*key)
        return self._plainly_kept[key]

    @cached_property
    def _plainly_kept(self) -> dict[tuple[Metric, float, float], bool]:
        return {}

    def _slow_miss(self, metric: Metric, limit_s: float) -> float:
        """The chain's P(latency > limit); 0 where the plain table is enough."""
        if self.environment is None:
            return 0.0
        return 1.0 if self._slow_mix is None else self._slow_mix.exceedance(metric, limit_s)

    @cached_property
    def _slow_mix(self) -> LatencyMix | None:
        """The chain's mixture; None if it has no stationary distribution."""
        if self.environment is None or not self.environment.is_stable:
            return None
        (states,) = states_found([(self.environment, self.occupancy)])
        return replace(self.mix, states=states)

    def take_states(self, states: StateMix) -> None:
        """Keep what arrivals find, where the chain was solved together with others."""
        self.__dict__["_slow_mix"] = replace(self.mix, states=states)


def solve_chains(rows: Iterable[OccupancyRow]) -> None:
    """Solve the chains of several rows that have one side by side: a third less time."""
    open_ = list({id(row): row for row in rows if row.has_open_chain}.values())
    pools = [(row.environment, row.occupancy) for row in open_ if row.environment is not None]
    for row, states in zip(open_, states_found(pools), strict=True):
        row.take_states(states)


class OccupancyTable(SearchedTable[OccupancyRow]):
    """The table of one range of lengths on one profile."""

    @cached_property
    def _base_s(self) -> float:
        return self.profile.iteration.base_s

    @cached_property
    def _per_token_s(self) -> float:
        return self.profile.iteration.per_context_token_s

    @cached_property
    def _slope_s(self) -> float:
        return float(self._per_token_s * self.load.context.mean)

    @cached_property
    def slots(self) -> int:
        """Sequences in a replica's batch; under paged admission, as the mean context allows."""
        return int(self.capacity.batch(self.load.context.mean))

    def full_rate(self, replicas: int) -> float:
        """Iterations per second with every slot busy."""
        return full_rate(self._base_s, self._slope_s, replicas, self.slots)

    def waiting_rows(self) -> Iterator[OccupancyRow]:
        """The row that is looked at next, if only its chain can refuse it."""
        replicas = self.least().candidate
        is_tried = replicas <= MOST_REPLICAS
        if is_tried and self.utilization(replicas) <= self.limits.max_utilization:
            row = self.row(replicas)
            if row.waits_for_chain(self.bounds):
                yield row

    def occupancy(self, replicas: int) -> Occupancy:
        """The distribution of the sequences in the pool, at the mean context."""
        work = self.load.offered_work
        return occupancy(work, self._base_s, self._slope_s, replicas, self.slots)

    def _full_cause(self, replicas: int) -> str:
        return "KV slots" if self._roomier().is_admissible(replicas) else "utilization cap"

    def _cause(self, row: OccupancyRow, bound: LatencyBound) -> str:
        states = row.binding_states()
        free = (states.wait_s == 0) & (states.wait_rate == 0)
        weights = np.where(free, states.probabilities, 0.0)
        if bound.metric == "tpot":
            return "decode iteration time"
        if weights.sum() > 0:
            mix = replace(row.mix, states=replace(states, probabilities=weights / weights.sum()))
            limit_s = bound.limit_s - self.profile.iteration.outside_s(bound.metric)
            if mix.exceedance(bound.metric, limit_s) > bound.allowed_miss:
                return (
                    "prefill of long prompts"
                    if bound.metric == "ttft"
                    else "decode of long outputs"
                )
        return "wait for a slot"

    def fastest_s(self, bound: LatencyBound) -> float:
        """The bound's percentile on replicas that serve one request at a time, in seconds."""
        return percentile_of(self.load.cells, self._idle_s(bound.metric), bound.percentile)

    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > stretch * limit) on replicas that serve one request at a time."""
        return share_beyond(self.load.cells, self._idle_s(bound.metric), stretch * bound.limit_s)

    def _idle_s(self, metric: Metric) -> Floats:
        """Seconds of a request alone on its replica, by cell, as its client sees them."""
        time = self.profile.iteration
        return idle_s(metric, self.load.cells, time) + time.outside_s(metric)

    def at_rate(self, arrival_rate: float) -> OccupancyTable:
        """The same pool at another arrival rate."""
        load = replace(self.load, arrival_rate=arrival_rate)
        return self._with(load, self.capacity)

    def _roomier(self) -> OccupancyTable:
        """The same pool with twice the slots and KV blocks."""
        capacity = replace(
            self.capacity, slots=2 * self.capacity.slots, kv_blocks=2 * self.capacity.kv_blocks
        )
        return self._with(self.load, capacity)

    def with_capacity(self, capacity: Capacity) -> OccupancyTable:
        """The same pool with another batch in each replica."""
        return self._with(self.load, capacity)

    def _with(self, load: Load, capacity: Capacity) -> OccupancyTable:
        limits, gammas = self.limits, self.gammas
        return OccupancyTable(load, self.profile, capacity, self.lo_tokens, limits, gammas)

    def _compute(self, replicas: int) -> OccupancyRow:
        occ = self.occupancy(replicas)
        mix = LatencyMix(
            self.load, states_of(occ, self.load), replicas, self._base_s, self._per_token_s
        )
        environment = self._environment(occ)
        first_s = self.profile.iteration.first_token_s
        kept = occ if environment else occ.stateless()
        return OccupancyRow(replicas, kept, mix, environment, first_s)

    def _environment(self, occ: Occupancy) -> Environment | None:
        """The two-class chain, where long requests may block the pool."""
        rest, long = self.load.classes
        if not occ.is_stable or rest.share == 0 or not 0 < long.share <= _RARE:
            return None
        if occ.replicas * occ.slots > MAX_SLOTS:
            return None
        chain = Environment(self.load, *self._line(occ), occ.replicas, occ.slots)
        if chain.full * chain.phases**2 > MAX_CELLS:
            return None
        blocks = chain.overload_probability() > _CHAIN_SHARE * self.limits.allowed_miss
        slows = chain.slowdown(occ.mean()) > _FELT
        return chain if blocks or slows else None

    def _line(self, occ: Occupancy) -> tuple[float, float]:
        """W and h of an iteration, at an occupancy."""
        return self._base_s, self._per_token_s
