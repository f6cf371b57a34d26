"""Results with their published fields."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetopt.plan import HOURS_PER_YEAR, PoolVerification
from fleetopt.questions.two_pools import PoolSize
from fleetopt.verification import overall


@dataclass(frozen=True)
class SweepResult:
    """Two pools, by the tables or by simulation.

    gamma: factor of compression. n_s, n_l: replicas bought for the short and the long pool.
    total_gpus: of both. cost_per_hr: USD; annualised_cost_kusd: thousands of USD in 8760 h.
    p99_ttft_*_ms: 0 for a pool without requests.
    source: "analytical" or "simulated". note: the verdict, or why there is no fleet.
    utilization_short, utilization_long: work of all requests that a pool serves, compressed
        ones included, over what it can do; above 1 it cannot keep up. 0 for no requests.
    """

    gamma: float
    n_s: int
    n_l: int
    total_gpus: int
    cost_per_hr: float
    annualised_cost_kusd: float
    p99_ttft_short_ms: float
    p99_ttft_long_ms: float
    slo_met: bool
    source: str = "analytical"
    note: str = ""
    utilization_short: float = 0.0
    utilization_long: float = 0.0

    @classmethod
    def of_sizes(cls, gamma: float, short: PoolSize | None, long: PoolSize | None) -> SweepResult:
        """Two pools by their tables; None for a pool without requests."""
        pools = [pool for pool in (short, long) if pool is not None]
        return cls._of(gamma, short, long, all(pool.meets for pool in pools), "analytical", "")

    @classmethod
    def of_verdicts(
        cls, gamma: float, short: Simulated | None, long: Simulated | None
    ) -> SweepResult:
        """Two pools as the simulator saw them; None for a pool without requests."""
        verdict = overall([pool.said for pool in (short, long) if pool is not None])
        return cls._of(gamma, short, long, verdict == "pass", "simulated", verdict)

    @classmethod
    def without_fleet(cls, gamma: float, source: str, why: str) -> SweepResult:
        """No fleet, and the reason."""
        return cls(gamma, 0, 0, 0, math.inf, math.inf, math.inf, math.inf, False, source, why)

    @classmethod
    def _of(
        cls,
        gamma: float,
        short: PoolSize | Simulated | None,
        long: PoolSize | Simulated | None,
        slo_met: bool,
        source: str,
        note: str,
    ) -> SweepResult:
        pools = [pool for pool in (short, long) if pool is not None]
        hourly = sum(pool.usd_per_hour for pool in pools)
        return cls(
            gamma=gamma,
            n_s=short.bought if short else 0,
            n_l=long.bought if long else 0,
            total_gpus=sum(pool.bought for pool in pools),
            cost_per_hr=hourly,
            annualised_cost_kusd=hourly * HOURS_PER_YEAR / 1000.0,
            p99_ttft_short_ms=short.p99_ttft_ms if short else 0.0,
            p99_ttft_long_ms=long.p99_ttft_ms if long else 0.0,
            slo_met=slo_met,
            source=source,
            note=note,
            utilization_short=short.utilization if short else 0.0,
            utilization_long=long.utilization if long else 0.0,
        )


@dataclass(frozen=True)
class Simulated:
    """One pool with what the simulator says of it."""

    bought: int
    usd_per_hour: float
    said: PoolVerification

    @property
    def utilization(self) -> float:
        """The simulated work over what the replicas can do."""
        return self.said.utilization

    @property
    def p99_ttft_ms(self) -> float:
        """The simulated P99 TTFT; infinite where it was not measured."""
        estimate = self.said.p99_ttft_ms.estimate
        return math.inf if estimate is None else estimate


@dataclass(frozen=True)
class ThresholdResult:
    """One split of the requests at `b_short` tokens, and the pools that it takes.

    alpha: share of the requests up to `b_short`. n_s, n_l: replicas bought for each pool.
    savings_vs_homo_pct: against one pool on the GPU of the long one.
    pareto: no other split costs less and has a lower worst P99.
    """

    b_short: int
    alpha: float
    n_s: int
    n_l: int
    total_gpus: int
    cost_kusd_yr: float
    savings_vs_homo_pct: float
    p99_short_ms: float
    p99_long_ms: float
    worst_p99_ms: float
    slo_met: bool
    pareto: bool = False

    def is_beaten_by(self, other: ThresholdResult) -> bool:
        """Whether another split costs less and has a lower worst P99."""
        cheaper = other.cost_kusd_yr < self.cost_kusd_yr
        return cheaper and other.worst_p99_ms < self.worst_p99_ms
