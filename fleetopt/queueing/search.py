"""Searches in a feasibility table: its least admissible row, and the rate that a row carries."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import cached_property, partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.queueing.crossing import last_below
from fleetopt.queueing.least import LeastReplicas
from fleetopt.queueing.load import Load
from fleetopt.queueing.table import Limits, PoolRange, Row

if TYPE_CHECKING:
    from fleetopt.problem import LatencyBound

GREY_MARGIN = 0.10
"""How far above a bound a percentile may lie for its row to be grey."""


class SearchedRow(Row, Protocol):
    """A row that knows what it misses, and tells cheaply whether that is too much."""

    def is_within(self, bound: LatencyBound, stretch: float = 1.0) -> bool:
        """Whether at most the allowed share misses the bound."""
        ...


AnyRow = TypeVar("AnyRow", bound=SearchedRow)


class SearchedTable(PoolRange, Generic[AnyRow]):
    """What tables share that are searched by utilization first and by latency then.

    load: the pool's requests at their arrival rate.
    capacity: batch of one replica; its slots must be at least 1.
    gammas: compression at the lower and at the upper end of the lengths.
    rows_computed: so far.
    """

    def __init__(
        self,
        load: Load,
        profile: ReplicaProfile,
        capacity: Capacity,
        lo_tokens: int,
        limits: Limits,
        gammas: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self.load = load
        self.profile = profile
        self.capacity = capacity
        self.lo_tokens = lo_tokens
        self.limits = limits
        self.gammas = gammas
        self.rows_computed = 0
        self._rows: dict[int, AnyRow] = {}

    @abstractmethod
    def _compute(self, replicas: int) -> AnyRow:
        """A row."""

    @abstractmethod
    def at_rate(self, arrival_rate: float) -> SearchedTable[AnyRow]:
        """The same pool at another arrival rate."""

    @abstractmethod
    def full_rate(self, replicas: int) -> float:
        """Iterations per second with every slot busy."""

    @abstractmethod
    def fastest_s(self, bound: LatencyBound) -> float:
        """The bound's percentile on replicas that serve one request at a time, in seconds."""

    @abstractmethod
    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > stretch * limit) on replicas that serve one request at a time."""

    @abstractmethod
    def _full_cause(self, replicas: int) -> str:
        """What keeps so many replicas above the utilization cap."""

    @abstractmethod
    def _cause(self, row: AnyRow, bound: LatencyBound) -> str:
        """What makes a row miss a bound."""

    @property
    def arrival_rate(self) -> float:
        """Requests per second."""
        return self.load.arrival_rate

    @property
    def bounds(self) -> tuple[LatencyBound, ...]:
        """The bounds of the SLO that the pool is held to."""
        return self.limits.slo

    def row(self, replicas: int) -> AnyRow:
        """The row of a number of replicas, computed once."""
        if replicas not in self._rows:
            self.rows_computed += 1
            self._rows[replicas] = self._compute(replicas)
        return self._rows[replicas]

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
        return self.least(grey).found()

    def least(self, grey: bool = False) -> LeastReplicas:
        """The search for the least admissible number of replicas, as far as it has come."""
        if grey not in self._searches:
            start = float(self.least_by_utilization()) if self._is_possible(grey) else math.inf
            if not grey and True in self._searches:  # what is not even grey is not admissible
                start = max(start, self._searches[True].at_least)
            self._searches[grey] = LeastReplicas(partial(self._keeps, grey=grey), start)
        return self._searches[grey]

    @cached_property
    def _searches(self) -> dict[bool, LeastReplicas]:
        return {}

    def _keeps(self, replicas: int, grey: bool) -> bool:
        """Whether a row is admissible; one that is not takes no more memory."""
        if self.is_admissible(replicas, grey):
            return True
        self._rows.pop(replicas, None)
        return False

    def max_arrival_rate(self, replicas: int) -> float:
        """Lambda(n), requests per second, to 1e-6; 0 if no rate is feasible."""
        if not self._is_possible():
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

    def binding(self, replicas: int) -> str:
        """Why one replica fewer would not do, in words and numbers."""
        fewer = replicas - 1
        if fewer < 1:
            return "a pool has at least one replica"
        rho, cap = self.utilization(fewer), self.limits.max_utilization
        if rho > cap:
            return f"{self._full_cause(fewer)}: utilization {rho:.3g} > {cap:g} at {fewer}"
        row = self.row(fewer)
        bound = next((b for b in self.bounds if not row.is_within(b)), None)
        if bound is None:
            return f"simulation: the table alone would accept {fewer}"
        value = 1000.0 * (row.percentile_s(bound.metric, bound.percentile) or 0.0)
        return f"{self._cause(row, bound)}: {bound.label} {value:,.0f} ms at {fewer}"

    def least_by_utilization(self) -> int:
        """The fewest replicas within the utilization cap."""
        one = self.full_rate(1)
        least = self.load.offered_work / (one * self.limits.max_utilization)
        return max(1, math.ceil(least * (1.0 - 1e-12)))

    def _is_possible(self, grey: bool = False) -> bool:
        """Whether idle replicas would keep every bound; if not, no number of them does."""
        stretch = 1.0 + GREY_MARGIN if grey else 1.0
        return all(self.least_miss(b, stretch) <= b.allowed_miss for b in self.bounds)
