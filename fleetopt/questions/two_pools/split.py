"""Results of a split between two pools: by the tables, and by simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetopt.problem.times import HOURS_PER_YEAR
from fleetopt.questions.two_pools.sizes import PoolSize

if TYPE_CHECKING:
    from fleetopt.plan import PoolVerification
    from fleetopt.problem import ProfileSpec


@dataclass(frozen=True)
class Simulated:
    """One pool with what the simulator says of it.

    bought: replicas, spare ones included.
    """

    gpu: ProfileSpec
    bought: int
    said: PoolVerification

    @property
    def usd_per_hour(self) -> float:
        """Price of all that is bought."""
        return self.bought * self.gpu.usd_per_hour * self.gpu.gpus_per_replica

    @property
    def utilization(self) -> float:
        """The simulated work over what the replicas can do."""
        return self.said.utilization

    @property
    def p99_ttft_ms(self) -> float:
        """The simulated P99 TTFT; infinite where it was not measured."""
        estimate = self.said.p99_ttft_ms.estimate
        return math.inf if estimate is None else estimate


class _Pair:
    """What two pools cost, and how slow they are; without any, infinite."""

    short: PoolSize | Simulated | None
    long: PoolSize | Simulated | None

    @property
    def pools(self) -> Sequence[PoolSize | Simulated]:
        """Those that have requests, the short one first."""
        return [pool for pool in (self.short, self.long) if pool is not None]

    @property
    def n_short(self) -> int:
        """Replicas bought for the short pool; 0 without requests."""
        return self.short.bought if self.short else 0

    @property
    def n_long(self) -> int:
        """Replicas bought for the long pool; 0 without requests."""
        return self.long.bought if self.long else 0

    @property
    def gpus(self) -> int:
        """GPUs of both pools, spare ones included."""
        return sum(pool.bought * pool.gpu.gpus_per_replica for pool in self.pools)

    @property
    def usd_per_hour(self) -> float:
        """Price of both pools; infinite if there are none."""
        return sum(pool.usd_per_hour for pool in self.pools) if self.pools else math.inf

    @property
    def usd_per_year(self) -> float:
        """The same in 8760 hours."""
        return self.usd_per_hour * HOURS_PER_YEAR

    @property
    def p99_short_ms(self) -> float:
        """P99 TTFT of the short pool; 0 without requests."""
        return self._p99_ms(self.short)

    @property
    def p99_long_ms(self) -> float:
        """P99 TTFT of the long pool; 0 without requests."""
        return self._p99_ms(self.long)

    @property
    def worst_p99_ms(self) -> float:
        """P99 TTFT of the slower pool."""
        return max(self.p99_short_ms, self.p99_long_ms)

    def _p99_ms(self, pool: PoolSize | Simulated | None) -> float:
        if not self.pools:
            return math.inf
        return pool.p99_ttft_ms if pool else 0.0


@dataclass(frozen=True)
class Split(_Pair):
    """Two pools by their tables; a pool without requests is None.

    gamma: requests of up to so many times `b_short` tokens are compressed to it.
    why: why there are no pools at all; empty if there are.
    """

    b_short: int
    gamma: float
    short: PoolSize | None
    long: PoolSize | None
    why: str = ""

    @property
    def meets(self) -> bool:
        """Whether every pool keeps the bound."""
        return bool(self.pools) and all(pool.meets for pool in (self.short, self.long) if pool)


@dataclass(frozen=True)
class SimulatedSplit(_Pair):
    """Two pools as the simulator saw them; a pool without requests is None.

    verdict: on both; "no fleet" if the simulator accepts no number of these replicas.
    why: why there are no pools; empty if there are.
    """

    b_short: int
    gamma: float
    short: Simulated | None
    long: Simulated | None
    verdict: str
    why: str = ""

    @property
    def meets(self) -> bool:
        """Whether the simulator accepts every pool."""
        return self.verdict == "pass"
