"""Step thresholds: the largest arrival rate that each fleet of two pools carries.

A pool that receives the share s of the requests carries, on n replicas, the rate
Lambda(n) / s of all of them. Two pools carry what the weaker of them carries, which is the
one that has to grow next.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.problem import ProfileSpec
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Served

CAP = "utilization cap"
"""What holds a pool back where its latencies would allow more."""
_JUST_ABOVE = 1.0 + 1e-5
_MOST_SIZES = 100_000


@dataclass(frozen=True, eq=False)
class Reach:
    """How much of all the requests one pool carries, by its number of replicas.

    what: the requests that it serves. share: of all requests, in (0, 1].
    table: of the pool, at any arrival rate.
    """

    what: Served
    gpu: ProfileSpec
    share: float
    table: PoolTable
    _known: dict[int, float] = field(default_factory=dict)

    def pool_rate(self, replicas: int) -> float:
        """Lambda(n), requests per second of this pool."""
        if replicas not in self._known:
            self._known[replicas] = self.table.max_arrival_rate(replicas)
        return self._known[replicas]

    def rate(self, replicas: int) -> float:
        """The largest arrival rate of all requests with which it keeps up."""
        return self.pool_rate(replicas) / self.share

    def limit(self, replicas: int) -> str:
        """What holds it back there: the utilization cap, or what breaks the bound."""
        rate = self.pool_rate(replicas)
        if self.utilization(replicas, rate) * _JUST_ABOVE > self.table.limits.max_utilization:
            return CAP
        return self.table.at_rate(rate * _JUST_ABOVE).binding(replicas + 1).partition(":")[0]

    def utilization(self, replicas: int, pool_rate: float) -> float:
        """Offered work over the work rate with every slot busy, at a rate of this pool."""
        return self.table.at_rate(pool_rate).utilization(replicas)

    def usd_per_year(self, replicas: int) -> float:
        """Price of so many replicas in 8760 h."""
        return self.gpus(replicas) * self.gpu.usd_per_hour * HOURS_PER_YEAR

    def gpus(self, replicas: int) -> int:
        """GPUs of so many replicas."""
        return replicas * self.gpu.gpus_per_replica


@dataclass(frozen=True)
class Step:
    """A fleet, and the arrival rates for which it is the least one.

    from_lam, until_lam: requests per second above which it is needed, and up to which it
        carries them.
    replicas: of each pool. grows: the pools that need one replica more beyond.
    """

    from_lam: float
    until_lam: float
    replicas: Mapping[str, int]
    gpus: int
    usd_per_year: float
    grows: tuple[str, ...]


def staircase(
    pools: Mapping[str, Reach], first: Mapping[str, int], lo: float, hi: float
) -> Iterator[Step]:
    """The least fleets for arrival rates from `lo` to `hi`, each with what it carries.

    first: replicas of the least fleet at `lo`. The last step ends at or beyond `hi`.
    """
    replicas, since = dict(first), lo
    for _ in range(_MOST_SIZES):
        until = carried(pools, replicas)
        grows = weakest(pools, replicas)
        if until > since:
            yield _step(pools, replicas, since, until, grows)
        if until >= hi:
            return
        since = max(since, until)
        for name in grows:
            replicas[name] += 1


def carried(pools: Mapping[str, Reach], replicas: Mapping[str, int]) -> float:
    """The largest arrival rate that a fleet carries."""
    return min(pool.rate(replicas[name]) for name, pool in pools.items())


def weakest(pools: Mapping[str, Reach], replicas: Mapping[str, int]) -> tuple[str, ...]:
    """The pools that carry no more than the fleet does, which have to grow next."""
    until = carried(pools, replicas)
    return tuple(
        name
        for name, pool in pools.items()
        if math.isclose(pool.rate(replicas[name]), until, rel_tol=1e-6)
    )


def _step(
    pools: Mapping[str, Reach],
    replicas: Mapping[str, int],
    since: float,
    until: float,
    grows: tuple[str, ...],
) -> Step:
    return Step(
        from_lam=since,
        until_lam=until,
        replicas=dict(replicas),
        gpus=sum(pool.gpus(replicas[name]) for name, pool in pools.items()),
        usd_per_year=sum(pool.usd_per_year(replicas[name]) for name, pool in pools.items()),
        grows=grows,
    )
