"""Probabilities that a time exceeds a limit: by three moments, and of waits."""

from __future__ import annotations

import numpy as np

from fleetopt.queueing.load import Moments
from fleetopt.workload.lengths import Floats


def _pearson_to_normal(x: Floats, skewness: Floats) -> Floats:
    """The normal quantile of a standardized Pearson III value (Wilson and Hilferty 1931).

    Below the lower end, -2 / skewness, nothing is left; a large skewness needs to be told so.
    """
    g = np.maximum(skewness, 1e-6)
    from_end = 0.5 * g * x + 1.0
    normal = 6.0 / g * (np.cbrt(np.maximum(from_end, 0.0)) - 1.0) + g / 6.0
    return np.where(from_end > 0.0, normal, -np.inf)


def exceeds(limit: float | Floats, moments: Moments) -> Floats:
    """P(X > limit) of Pearson III variables of three moments; of constants without variance."""
    varies = moments.variance > 0
    sd = np.sqrt(np.where(varies, moments.variance, 1.0))
    x = (limit - moments.mean) / sd
    late = 1.0 - _normal_cdf(_pearson_to_normal(x, moments.third / sd**3))
    return np.where(varies, late, (x < 0).astype(np.float64))


def wait_exceeds(left_s: Floats, rate: Floats) -> Floats:
    """P(W > left) of an exponential wait in the states that have one."""
    late = (left_s < 0.0).astype(np.float64)
    waits = np.flatnonzero(rate > 0)
    late[:, waits] = np.exp(-rate[waits] * np.maximum(left_s[:, waits], 0.0))
    return late


def uniform_and_wait_exceeds(left_s: Floats, span_s: Floats, rate: Floats) -> Floats:
    """P(U + W > left), U uniform on [0, span], W as in `wait_exceeds`."""
    inside = np.clip(left_s / span_s, 0.0, 1.0)
    late = 1.0 - inside
    for j in np.flatnonzero(rate > 0):
        x, span, theta = left_s[:, j], span_s[:, j], rate[j]
        y = np.clip(x, 0.0, span)
        tail = np.exp(-theta * np.maximum(x - y, 0.0)) - np.exp(-theta * np.maximum(x, 0.0))
        late[:, j] += tail / (theta * span)
    return late


def _normal_cdf(z: Floats) -> Floats:
    """Standard normal distribution function (Abramowitz and Stegun 26.2.17, error 7.5e-8)."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(z))
    poly = t * (
        0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))
    )
    upper: Floats = np.exp(-0.5 * np.minimum(np.abs(z), 40.0) ** 2) / np.sqrt(2 * np.pi) * poly
    return np.where(z >= 0, 1.0 - upper, upper)
