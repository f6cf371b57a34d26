"""Intervals over replications, and the sequential verdict on SLO attainment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
STAGES = 4
"""Stages of the sequential test; each takes an equal part of the error probability."""


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean over replications with its confidence interval."""

    estimate: float
    low: float
    high: float


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> MeanInterval:
    """Two-sided Student interval of a mean over independent replications.

    NaN if any value is; infinite bounds for a single value.
    """
    estimate = float(np.mean(values))
    half = student_quantile(len(values), 0.5 + confidence / 2) * _standard_error(values)
    return MeanInterval(estimate, estimate - half, estimate + half)


def attainment_bounds(
    missed: Sequence[int], arrivals: Sequence[int], error: float
) -> tuple[float, float, float]:
    """Share of arrivals that met a bound: estimate, lower and upper bound, each one-sided.

    The wider of two bounds counts on either side: Student's over replications, which sees
    that misses come in clusters, and Clopper and Pearson's (1934) over all arrivals, which
    sees how few they are.

    error: probability with which each bound may be wrong.
    """
    from scipy.special import betaincinv

    misses, total = sum(missed), sum(arrivals)
    if total == 0:
        return math.nan, 0.0, 1.0
    met = total - misses
    estimate = met / total
    low = float(betaincinv(met, misses + 1, error)) if met else 0.0
    high = float(betaincinv(met + 1, misses, 1 - error)) if misses else 1.0
    shares = [1 - m / n for m, n in zip(missed, arrivals, strict=True) if n]
    half = student_quantile(len(shares), 1 - error) * _standard_error(shares)
    return estimate, max(0.0, min(low, estimate - half)), min(1.0, max(high, estimate + half))


def student_quantile(count: int, probability: float) -> float:
    """Quantile of Student's t for `count` replications; infinite for one."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, probability)) if count > 1 else math.inf


def growth_per_s(times_s: np.ndarray, backlog: np.ndarray) -> float:
    """Least-squares slope of a backlog over the second half of its times."""
    half = times_s.size // 2
    centred = times_s[half:] - times_s[half:].mean()
    return float(centred @ backlog[half:] / (centred @ centred))


def _standard_error(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 1.0
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))
