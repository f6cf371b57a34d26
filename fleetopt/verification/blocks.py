"""Intervals from one recording: its blocks of time stand for replications.

A recording is one sample path. Cut into equal blocks of time, which are long against bursts and
queues, it tells how far its shares would differ on other traffic like it: traffic whose blocks
vary as these do. It does not tell of a trend that is longer than the recording.
Source: Law, Simulation Modeling and Analysis (2015), section 9.5.3, batch means; for shares of
a random number of requests as a ratio estimator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fleetopt.plan import Interval
from fleetopt.simulation import statistics
from fleetopt.simulation.records import Floats, Ints

BLOCKS = 20
"""Blocks of time of a recording; Student's quantile has 19 degrees of freedom then."""
_ERROR = (1.0 - statistics.CONFIDENCE) / 2


def block_of(arrival_s: Floats, duration_s: float) -> Ints:
    """The block of each arrival."""
    index = np.floor(arrival_s * (BLOCKS / max(duration_s, 1e-300))).astype(np.int64)
    return np.clip(index, 0, BLOCKS - 1)


def share_interval(met: np.ndarray, arrival_s: Floats, duration_s: float) -> Interval:
    """Share of requests that kept a bound, with its 95 % interval.

    The wider of two bounds counts on either side: Student's over blocks, and Clopper and
    Pearson's over all requests.
    """
    if not met.size:
        return Interval(None, None, None)
    missed = int(met.size - np.count_nonzero(met))
    estimate = 1.0 - missed / met.size
    low, high = _exact(missed, met.size)
    half = _half(met, block_of(arrival_s, duration_s), estimate)
    return Interval(estimate, max(0.0, min(low, estimate - half)),
                    min(1.0, max(high, estimate + half)))  # fmt: skip


def percentile_interval_ms(
    values_s: Floats, percentile: float, arrival_s: Floats, duration_s: float
) -> Interval:
    """A percentile of the values that are there, in ms, with its 95 % interval.

    Its bounds are the quantiles at the bounds of the share of values up to it.
    Source: Woodruff, Confidence Intervals for Medians and Other Position Measures (1952).
    """
    ended = ~np.isnan(values_s)
    if not ended.any():
        return Interval(None, None, None)
    values_ms = 1000.0 * values_s[ended]
    estimate = float(np.quantile(values_ms, percentile / 100.0))
    share = share_interval(values_ms <= estimate, arrival_s[ended], duration_s)
    if share.low is None or share.high is None or share.high >= 1.0:
        return Interval(estimate, None, None)
    low, high = np.quantile(values_ms, [share.low, share.high]).tolist()
    return Interval(estimate, min(low, estimate), max(high, estimate))


def least_requests(percentiles: Sequence[float]) -> int:
    """The fewest requests that can show each percentile with 95 % confidence.

    Even if all keep a bound of percentile q, n requests show it only if q^n is at most 5 %.
    Source: Wilks, Determination of sample sizes for setting tolerance limits (1941).
    """
    allowed = math.log(1.0 - statistics.CONFIDENCE)
    return max(math.ceil(allowed / math.log(percentile / 100.0)) for percentile in percentiles)


def _exact(missed: int, size: int) -> tuple[float, float]:
    """Clopper and Pearson's (1934) bounds of a share."""
    from scipy.special import betaincinv

    met = size - missed
    low = float(betaincinv(met, missed + 1, _ERROR)) if met else 0.0
    high = float(betaincinv(met + 1, missed, 1.0 - _ERROR)) if missed else 1.0
    return low, high


def _half(met: np.ndarray, blocks: Ints, estimate: float) -> float:
    """Student's distance of a ratio estimator over the blocks that have requests."""
    counts = np.bincount(blocks, minlength=BLOCKS)
    kept = np.bincount(blocks, met, minlength=BLOCKS)[counts > 0]
    counts = counts[counts > 0]
    if counts.size < 2:
        return math.inf
    residuals = kept - estimate * counts
    variance = counts.size / (counts.size - 1) * float(residuals @ residuals)
    return statistics.student_quantile(counts.size, 1.0 - _ERROR) * math.sqrt(variance) / met.size
