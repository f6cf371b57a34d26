"""threshold_pareto: every point of a distribution as the split between two pools."""

from __future__ import annotations

from typing import Literal

from fleetopt.compat.profiles import ManualProfile
from fleetopt.compat.results import ThresholdResult
from fleetopt.compat.workload import Cdf, lengths_of
from fleetopt.questions.two_pools import TwoPools, thresholds
from fleetopt.questions.two_pools.sweep import checked_gammas


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
    return [ThresholdResult.of(row) for row in thresholds(asked, factor).rows]
