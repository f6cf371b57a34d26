"""threshold_pareto: every point of a distribution as the split between two pools."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from fleetopt.compat.optimizer import checked_gammas, swept
from fleetopt.compat.profiles import ManualProfile
from fleetopt.compat.results import ThresholdResult
from fleetopt.compat.workload import Cdf, lengths_of
from fleetopt.questions.two_pools import Sizes, TwoPools
from fleetopt.workload.compression import Served

_LEAST_SHARE, _MOST_SHARE = 0.01, 0.999
"""Shares of short requests between which a point is worth a split, as published."""


def threshold_pareto(
    cdf: Cdf,
    lam: float,
    gpu_short: ManualProfile,
    gpu_long: ManualProfile,
    t_slo_ms: float = 500.0,
    long_max_ctx: int = 8192,
    gamma: float = 1.0,
    *,
    method: Literal["fleetopt", "published"] = "fleetopt",
) -> list[ThresholdResult]:
    """Every split at a point of the distribution, in order, the non-dominated ones marked.

    lam: requests per second. t_slo_ms: bound on P99 TTFT.
    gamma: at each split, requests of up to gamma times its length are compressed to it, 75 %
        of them.
    method: "published" gives the figures of the published formulas, for comparison.
    Raises InputError.
    """
    (factor,) = checked_gammas([gamma])
    asked = TwoPools(
        lengths_of(cdf),
        lam,
        gpu_short.spec,
        gpu_long.spec,
        t_slo_ms,
        long_max_ctx,
        method=method,
    )
    sizes = Sizes(asked, asked.anywhere(factor))
    one_pool = sizes.size(Served(0, sizes.points[-1]), gpu_long.spec).usd_per_hour
    rows = [
        _row(sizes, split, factor, one_pool)
        for split in sizes.points[1:-1]
        if _LEAST_SHARE <= sizes.share(0, split) <= _MOST_SHARE
    ]
    return [replace(row, pareto=not any(map(row.is_beaten_by, rows))) for row in rows]


def _row(sizes: Sizes, split: int, gamma: float, one_pool_usd_per_hour: float) -> ThresholdResult:
    both = swept(sizes, split, gamma)
    return ThresholdResult(
        b_short=split,
        alpha=sizes.share(0, split),
        n_s=both.n_s,
        n_l=both.n_l,
        total_gpus=both.total_gpus,
        cost_kusd_yr=both.annualised_cost_kusd,
        savings_vs_homo_pct=100.0 * (1.0 - both.cost_per_hr / one_pool_usd_per_hour),
        p99_short_ms=both.p99_ttft_short_ms,
        p99_long_ms=both.p99_ttft_long_ms,
        worst_p99_ms=max(both.p99_ttft_short_ms, both.p99_ttft_long_ms),
        slo_met=both.slo_met,
    )
