"""Intervals over replications, and the sequential verdict on SLO attainment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
STAGES = 4
"""Stages of the sequential test; each takes an equal part of the error probability."""


_EDGES = np.concatenate((np.linspace(0.0, 0.9, 91), 1.0 - np.geomspace(0.1, 1e-4, 121)[1:], [1.0]))
PROBABILITIES = 0.5 * (_EDGES[1:] + _EDGES[:-1])
"""Probabilities at which a run keeps its quantiles, dense in the upper tail."""
_WIDTHS = np.diff(_EDGES)


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """An estimate over replications with its confidence interval."""

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


def percentile_interval(
    quantiles: Sequence[Floats], counts: Sequence[int], percentile: float
) -> MeanInterval:
    """A percentile of all replications together, with its jackknife interval.

    A mean of the replications' own percentiles is biased where some of them meet a rare
    congestion; the pooled percentile is not. The interval leaves one replication out at a
    time (Miller 1974, Biometrika 61).

    quantiles: each replication's quantiles at PROBABILITIES. counts: its requests.
    """
    whole = _pooled(quantiles, counts, percentile)
    size = len(quantiles)
    if size < 2 or not math.isfinite(whole):
        return MeanInterval(whole, -math.inf, math.inf)
    pseudo = []
    for i in range(size):
        others = [j for j in range(size) if j != i]
        left = _pooled([quantiles[j] for j in others], [counts[j] for j in others], percentile)
        pseudo.append(size * whole - (size - 1) * left)
    half = student_quantile(size, 0.5 + CONFIDENCE / 2) * _standard_error(pseudo)
    return MeanInterval(whole, whole - half, whole + half)


def _pooled(quantiles: Sequence[Floats], counts: Sequence[int], percentile: float) -> float:
    """Weighted percentile of the quantiles, each standing for its part of the requests."""
    values = np.concatenate(quantiles)
    weights = np.concatenate([count * _WIDTHS for count in counts])
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    middles = (cumulative - 0.5 * weights[order]) / cumulative[-1]
    return float(np.interp(percentile / 100.0, middles, values[order]))


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


@dataclass(frozen=True, slots=True)
class Stratum:
    """Replications of one part of a population.

    share: of the population. missed, arrivals: of each replication.
    """

    share: float
    missed: Sequence[int]
    arrivals: Sequence[int]


def stratified_bounds(strata: Sequence[Stratum], error: float) -> tuple[float, float, float]:
    """Share of a population that met a bound: estimate, lower and upper bound, each one-sided.

    The wider of two bounds counts on either side: Student's over replications, its degrees of
    freedom by Satterthwaite (1946, Biometrics Bulletin 2), and the gamma bounds of Fay and
    Feuer (1997, Statistics in Medicine 16) for weighted sums of rare counts.

    strata: independent parts whose shares add up to 1.
    error: probability with which each bound may be wrong.
    """
    counts = [(part.share, sum(part.missed), sum(part.arrivals)) for part in strata]
    if not all(arrivals for _, _, arrivals in counts):
        return math.nan, 0.0, 1.0
    weights = [share / arrivals for share, _, arrivals in counts]
    misses = [missed for _, missed, _ in counts]
    least, most = _gamma_bounds(misses, weights, error)
    miss = sum(weight * missed for weight, missed in zip(weights, misses, strict=True))
    half = _stratified_half(strata, error)
    low, high = 1.0 - max(most, miss + half), 1.0 - min(least, miss - half)
    return 1.0 - miss, max(0.0, low), min(1.0, high)


def _gamma_bounds(
    counts: Sequence[int], weights: Sequence[float], error: float
) -> tuple[float, float]:
    """One-sided bounds of a weighted sum of Poisson means."""
    from scipy.special import gammaincinv

    pairs = list(zip(counts, weights, strict=True))
    mean = sum(weight * count for count, weight in pairs)
    variance = sum(weight**2 * count for count, weight in pairs)
    low = 0.0
    if mean > 0:
        low = float(gammaincinv(mean**2 / variance, error)) * variance / mean
    mean, variance = mean + max(weights), variance + max(weights) ** 2
    high = float(gammaincinv(mean**2 / variance, 1.0 - error)) * variance / mean
    return low, high


def _stratified_half(strata: Sequence[Stratum], error: float) -> float:
    """Student's distance from the estimate to its bound."""
    from scipy.special import stdtrit

    variances = []
    for part in strata:
        shares = [m / n for m, n in zip(part.missed, part.arrivals, strict=True) if n]
        if len(shares) < 2:
            return math.inf
        variances.append(((part.share * _standard_error(shares)) ** 2, len(shares) - 1))
    total = sum(variance for variance, _ in variances)
    if total == 0.0:
        return 0.0
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in variances)
    return float(stdtrit(freedom, 1.0 - error)) * math.sqrt(total)


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
