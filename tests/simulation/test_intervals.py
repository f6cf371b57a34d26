"""Intervals over replications cover what they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fleetopt.simulation.statistics import (
    PROBABILITIES,
    attainment_bounds,
    growth_per_s,
    mean_interval,
    percentile_interval,
    student_quantile,
)


def test_student_quantiles_of_the_printed_table() -> None:
    """Known values; a single replication bounds nothing."""
    assert student_quantile(2, 0.975) == pytest.approx(12.7062, abs=1e-4)
    assert student_quantile(10, 0.95) == pytest.approx(1.8331, abs=1e-4)
    assert math.isinf(student_quantile(1, 0.95))


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    """4000 samples of 5: the share covered lies within five standard errors of 95 %."""
    samples = np.random.default_rng().normal(3.0, 2.0, (4000, 5))
    intervals = [mean_interval(list(row)) for row in samples]
    covered = np.mean([i.low <= 3.0 <= i.high for i in intervals])
    assert abs(covered - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 4000)


def test_single_value_and_nan() -> None:
    """One value has no error estimate; NaN stays NaN."""
    one = mean_interval([4.0])
    assert (one.estimate, one.low, one.high) == (4.0, -math.inf, math.inf)
    assert math.isnan(mean_interval([1.0, math.nan]).estimate)


def test_attainment_bounds_are_rarely_wrong() -> None:
    """Each one-sided bound is wrong at most as often as allowed, within five errors."""
    rng = np.random.default_rng()
    met, error, trials = 0.99, 0.05, 1000
    wrong = np.zeros(2)
    for _ in range(trials):
        missed = rng.binomial(500, 1 - met, 6)
        _, low, high = attainment_bounds(missed.tolist(), [500] * 6, error)
        wrong += (low > met, high < met)
    assert (wrong / trials < error + 5 * math.sqrt(error * (1 - error) / trials)).all()


def test_attainment_without_misses_is_not_certain() -> None:
    """No miss among n leaves the lower bound error**(1/n); no arrivals leave everything."""
    estimate, low, high = attainment_bounds([0, 0], [50, 50], 0.05)
    assert (estimate, high) == (1.0, 1.0)
    assert low == pytest.approx(0.05 ** (1 / 100))
    _, low, high = attainment_bounds([], [], 0.05)
    assert (low, high) == (0.0, 1.0)
    assert attainment_bounds([5], [5], 0.05)[:2] == (0.0, 0.0)


def test_growth_is_the_slope_of_the_second_half() -> None:
    """A backlog that first jumps and then grows by three a second."""
    times = np.linspace(0.0, 31.0, 32)
    backlog = np.where(times < 10.0, 500.0, 3.0 * times)
    assert growth_per_s(times, backlog) == pytest.approx(3.0)


def test_pooled_percentile_is_that_of_all_requests() -> None:
    """Runs of different sizes count by their requests, to the resolution of the quantiles."""
    rng = np.random.default_rng()
    runs = [rng.exponential(size=size) for size in (16_000, 32_000, 64_000, 8000)]
    whole = percentile_interval(
        [np.quantile(run, PROBABILITIES) for run in runs], [run.size for run in runs], 99.0
    )
    expected = float(np.percentile(np.concatenate(runs), 99.0))
    assert whole.estimate == pytest.approx(expected, rel=0.01)
    assert whole.low <= whole.estimate <= whole.high


def test_jackknife_interval_covers_the_truth() -> None:
    """P99 of exponential latencies is ln 100; 95 % intervals hold it nineteen times in twenty.

    Those of eight runs hold it 93 times in a hundred; 87 are five standard errors below that.
    """
    rng, draws = np.random.default_rng(), 600
    covered = 0
    for _ in range(draws):
        runs = np.quantile(rng.exponential(size=(8, 3000)), PROBABILITIES, axis=1)
        held = percentile_interval(list(runs.T), [3000] * 8, 99.0)
        covered += held.low <= np.log(100.0) <= held.high
    assert covered >= 0.87 * draws
