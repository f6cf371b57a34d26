"""Results with their published fields."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.questions.two_pools import SimulatedSplit, Split, Threshold


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
    def of(cls, split: Split) -> SweepResult:
        """Two pools by their tables."""
        return cls._of(split, "analytical", split.why)

    @classmethod
    def of_simulated(cls, split: SimulatedSplit) -> SweepResult:
        """Two pools as the simulator saw them."""
        return cls._of(split, "simulated", split.why or split.verdict)

    @classmethod
    def _of(cls, split: Split | SimulatedSplit, source: str, note: str) -> SweepResult:
        return cls(
            gamma=split.gamma,
            n_s=split.n_short,
            n_l=split.n_long,
            total_gpus=split.n_short + split.n_long,
            cost_per_hr=split.usd_per_hour,
            annualised_cost_kusd=split.usd_per_year / 1000.0,
            p99_ttft_short_ms=split.p99_short_ms,
            p99_ttft_long_ms=split.p99_long_ms,
            slo_met=split.meets,
            source=source,
            note=note,
            utilization_short=split.short.utilization if split.short else 0.0,
            utilization_long=split.long.utilization if split.long else 0.0,
        )


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

    @classmethod
    def of(cls, row: Threshold) -> ThresholdResult:
        """One row of the thresholds."""
        split = row.split
        return cls(
            b_short=split.b_short,
            alpha=row.alpha,
            n_s=split.n_short,
            n_l=split.n_long,
            total_gpus=split.n_short + split.n_long,
            cost_kusd_yr=split.usd_per_year / 1000.0,
            savings_vs_homo_pct=row.saving_pct,
            p99_short_ms=split.p99_short_ms,
            p99_long_ms=split.p99_long_ms,
            worst_p99_ms=split.worst_p99_ms,
            slo_met=split.meets,
            pareto=row.pareto,
        )
