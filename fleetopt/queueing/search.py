"""Searches in a feasibility table: its least admissible row, and the rate that a row carries."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Protocol

from fleetopt.performance.profile import ReplicaProfile
from fleetopt.problem import LatencyBound
from fleetopt.queueing.crossing import last_below
from fleetopt.queueing.latency import Metric
from fleetopt.queueing.load import Load
from fleetopt.queueing.table import Limits, PoolRange

GREY_MARGIN = 0.10
"""How far above a bound a percentile may lie for its row to be grey."""
_MOST_REPLICAS = 2**40


class Latencies(Protocol):
    """Latency distributions of one pool."""

    def exceedance(self, metric: Metric, limit_s: float) -> float:
        """P(latency > limit)."""
        ...

    def percentile_s(self, metric: Metric, percentile: float) -> float:
        """The percentile of a latency, in seconds."""
        ...


class SearchedRow(Protocol):
    """A row that knows what it misses."""

    def miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > stretch * limit)."""
        ...

    def is_within(self, bound: LatencyBound, stretch: float = 1.0) -> bool:
        """Whether at most the allowed share misses the bound."""
        ...


class SearchedTable(PoolRange):
    """What tables share that are searched by utilization first and by latency then.

    load: the pool's requests at their arrival rate.
    """

    load: Load
    profile: ReplicaProfile
    lo_tokens: int
    limits: Limits

    @abstractmethod
    def row(self, replicas: int) -> SearchedRow:
        """The row of a number of replicas."""

    @abstractmethod
    def at_rate(self, arrival_rate: float) -> SearchedTable:
        """The same pool at another arrival rate."""

    @abstractmethod
    def full_rate(self, replicas: int) -> float:
        """Iterations per second with every slot busy."""

    @property
    @abstractmethod
    def _alone(self) -> Latencies:
        """Latencies on replicas that serve one request at a time."""

    @property
    def arrival_rate(self) -> float:
        """Requests per second."""
        return self.load.arrival_rate

    @property
    def bounds(self) -> tuple[LatencyBound, ...]:
        """The bounds of the SLO that the pool is held to."""
        return self.limits.slo

    def utilization(self, replicas: int) -> float:
        """rho, without the rest of the row."""
        return self.load.offered_work / self.full_rate(replicas)

    def is_admissible(self, replicas: int, grey: bool = False) -> bool:
        """Whether n replicas keep every limit; with `grey`, also if simulation has to tell."""
        if self.utilization(replicas) > self.limits.max_utilization:
            return False
        row = self.row(replicas)
        stretch = 1.0 + GREY_MARGIN if grey else 1.0
        return all(row.is_within(bound, stretch) for bound in self.bounds)

    def min_replicas(self, grey: bool = False) -> int | None:
        """Least admissible number of replicas, by galloping and bisection; None if none is."""
        if self._is_faster_than_idle(1.0 + GREY_MARGIN if grey else 1.0):
            return None
        low = self.least_by_utilization() - 1
        step, high = 1, low + 1
        if self.is_admissible(high, grey):
            return high
        if not self._is_possible(1.0 + GREY_MARGIN if grey else 1.0):
            return None
        while not self.is_admissible(high, grey):
            low, step = high, 2 * step
            high = low + step
            if high > _MOST_REPLICAS:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            if self.is_admissible(middle, grey):
                high = middle
            else:
                low = middle
        return high

    def max_arrival_rate(self, replicas: int) -> float:
        """Lambda(n), requests per second, to 1e-6; 0 if no rate is feasible."""
        if not self._is_possible(1.0):
            return 0.0
        top = self.full_rate(replicas)
        high = self.limits.max_utilization * top / self.load.mean_work
        if self.at_rate(high * (1.0 - 1e-12)).is_admissible(replicas):
            return high
        return last_below(lambda rate: self.at_rate(rate).excess(replicas), high, 1e-6)

    def excess(self, replicas: int) -> float:
        """Logarithm of the worst miss over what is allowed; above 0 where a bound is broken."""
        row = self.row(replicas)
        worst = max(row.miss(bound) / bound.allowed_miss for bound in self.bounds)
        return math.log(worst) if worst > 0.0 else -math.inf

    def fastest_s(self, bound: LatencyBound) -> float:
        """The bound's percentile on replicas that serve one request at a time, in seconds."""
        return self._alone.percentile_s(bound.metric, bound.percentile)

    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > stretch * limit) on replicas that serve one request at a time."""
        return self._alone.exceedance(bound.metric, stretch * bound.limit_s)

    def least_by_utilization(self) -> int:
        """The fewest replicas within the utilization cap."""
        one = self.full_rate(1)
        least = self.load.offered_work / (one * self.limits.max_utilization)
        return max(1, math.ceil(least * (1.0 - 1e-12)))

    def _is_faster_than_idle(self, stretch: float) -> bool:
        """Whether a bound on TPOT is below W: no iteration, and so no mean of them, is shorter."""
        base_s = self.profile.iteration.base_s
        return any(b.metric == "tpot" and stretch * b.limit_s < base_s for b in self.bounds)

    def _is_possible(self, stretch: float) -> bool:
        return all(
            self._alone.exceedance(b.metric, stretch * b.limit_s) <= b.allowed_miss
            for b in self.bounds
        )
