"""What a feasibility table is, whatever method stands behind it, and what it is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.queueing.latency import Metric

if TYPE_CHECKING:
    from fleetopt.problem import LatencyBound


@dataclass(frozen=True, slots=True)
class Limits:
    """What every row is held to."""

    slo: tuple[LatencyBound, ...]
    max_utilization: float = 0.85

    @property
    def allowed_miss(self) -> float:
        """The smallest share of misses that any bound allows."""
        return min(bound.allowed_miss for bound in self.slo)


class PoolRange:
    """A range of lengths on replicas of one capacity: what every kind of table knows."""

    capacity: Capacity
    gammas: tuple[float, float]

    @property
    def hi_tokens(self) -> int:
        """Context window of the pool, in tokens."""
        return self.capacity.max_context

    @property
    def admission(self) -> str:
        """How slots are given out."""
        return "paged" if self.capacity.kv_blocks else "reserved"


class Row(Protocol):
    """One row of a feasibility table."""

    @property
    def replicas(self) -> int:
        """Replicas of the pool."""
        ...

    @property
    def utilization(self) -> float:
        """Offered work over the work rate with every slot busy."""
        ...

    @property
    def method(self) -> str:
        """How the latencies were computed."""
        ...

    @property
    def is_stable(self) -> bool:
        """Whether the pool keeps up with its requests."""
        ...

    def miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > stretch * limit)."""
        ...

    def percentile_s(self, metric: Metric, percentile: float) -> float | None:
        """A percentile in seconds; None if the method does not predict it."""
        ...


class PoolTable(Protocol):
    """What the program asks of a table, whatever method stands behind it."""

    @property
    def limits(self) -> Limits:
        """What every row is held to."""
        ...

    @property
    def lo_tokens(self) -> int:
        """Total lengths above this one are served."""
        ...

    @property
    def hi_tokens(self) -> int:
        """Context window of the pool, in tokens."""
        ...

    @property
    def gammas(self) -> tuple[float, float]:
        """Compression at the lower and at the upper end of the lengths."""
        ...

    @property
    def profile(self) -> ReplicaProfile:
        """Performance of one replica."""
        ...

    @property
    def admission(self) -> str:
        """How slots are given out."""
        ...

    @property
    def slots(self) -> int:
        """Sequences in a replica's batch."""
        ...

    @property
    def arrival_rate(self) -> float:
        """Requests per second."""
        ...

    def utilization(self, replicas: int) -> float:
        """Offered work over the work rate with every slot busy, without the rest of the row."""
        ...

    def at_rate(self, arrival_rate: float) -> PoolTable:
        """The same pool at another arrival rate."""
        ...

    def row(self, replicas: int) -> Row:
        """The row of a number of replicas."""
        ...

    def is_admissible(self, replicas: int, grey: bool = False) -> bool:
        """Whether n replicas keep every limit; with `grey`, also if simulation has to tell."""
        ...

    def min_replicas(self, grey: bool = False) -> int | None:
        """Least admissible number of replicas; None if no number is."""
        ...

    def max_arrival_rate(self, replicas: int) -> float:
        """Lambda(n): the largest arrival rate that n replicas carry within every limit."""
        ...

    def binding(self, replicas: int) -> str:
        """Why one replica fewer would not do."""
        ...

    def fastest_s(self, bound: LatencyBound) -> float:
        """The bound's percentile on idle replicas, in seconds."""
        ...

    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > stretch * limit) on idle replicas."""
        ...
