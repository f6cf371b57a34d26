"""Intervals from one recording."""

from __future__ import annotations

import numpy as np
import pytest

from fleetopt.verification.blocks import (
    least_requests,
    percentile_interval_ms,
    share_interval,
)
from fleetopt.workload.arrivals import ModulatedPoisson


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0, 99.9])
def test_the_least_requests_are_the_first_that_can_show_it(percentile: float) -> None:
    """All of n keep a bound of percentile q with probability q^n if it holds just so."""
    n = least_requests([50.0, percentile])
    assert (percentile / 100.0) ** n <= 0.05 < (percentile / 100.0) ** (n - 1)


def test_without_clusters_it_is_the_interval_of_a_share() -> None:
    """It covers the truth as often as it says, over independent recordings."""
    rng = np.random.default_rng()
    covered = 0
    for _ in range(3000):
        times = np.sort(rng.random(2000)) * 3600.0
        seen = share_interval(rng.random(2000) < 0.97, times, 3600.0)
        assert seen.low is not None
        assert seen.high is not None
        covered += seen.low <= 0.97 <= seen.high
    assert covered >= 2800  # 93 %: 95 % is promised, less four standard errors; it is 95.7 %


def test_bursts_in_which_all_miss_are_seen() -> None:
    """Misses in clusters: the interval covers the long run, that of independent ones does not."""
    bursts = ModulatedPoisson(50.0, 5.0, 3.0, 30.0)
    rng = np.random.default_rng()
    runs = []
    for _ in range(900):
        times = bursts.times(rng, 3600.0)
        ahead = np.searchsorted(times, times - 1.0)
        runs.append((times, np.arange(times.size) - ahead < 40))
    truth = sum(met.sum() for _, met in runs) / sum(met.size for _, met in runs)
    by_blocks = as_independent = 0
    for times, met in runs:
        seen = share_interval(met, times, 3600.0)
        half = 1.96 * np.sqrt(met.mean() * (1 - met.mean()) / met.size)
        assert seen.low is not None
        assert seen.high is not None
        by_blocks += seen.low <= truth <= seen.high
        as_independent += abs(met.mean() - truth) <= half
    assert by_blocks >= 0.89 * len(runs)
    assert as_independent < 0.75 * len(runs)


@pytest.mark.parametrize("percentile", [50.0, 99.0])
def test_a_percentile_s_interval_covers_it_as_often_as_it_says(percentile: float) -> None:
    """Over independent recordings of independent latencies."""
    rng, truth_ms = np.random.default_rng(), -100.0 * np.log(1.0 - percentile / 100.0)
    covered = 0
    for _ in range(1500):
        values, times = rng.exponential(0.1, 5000), np.sort(rng.random(5000)) * 600.0
        seen = percentile_interval_ms(values, percentile, times, 600.0)
        assert seen.estimate == pytest.approx(1000.0 * np.quantile(values, percentile / 100.0))
        assert seen.low is not None
        assert seen.high is not None
        covered += seen.low < truth_ms < seen.high
    assert covered >= 1390  # 92.7 %: 95 % is promised, less four standard errors


def test_a_percentile_of_few_values_has_no_interval() -> None:
    """Nothing bounds the P99 of 50 values from above, nor is there one of none."""
    rng = np.random.default_rng()
    values, times = rng.exponential(0.1, 50), np.sort(rng.random(50)) * 600.0
    few = percentile_interval_ms(values, 99.0, times, 600.0)
    assert few.estimate is not None
    assert (few.low, few.high) == (None, None)
    nothing = percentile_interval_ms(np.full(3, np.nan), 99.0, times[:3], 600.0)
    assert nothing.estimate is None
