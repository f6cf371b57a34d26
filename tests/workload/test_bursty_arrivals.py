"""MMPP(2) and varying rates: closed forms against matrices, quadrature and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.simulation.statistics import mean_interval
from fleetopt.workload.arrivals import ModulatedPoisson
from fleetopt.workload.varying import TimeVarying

CONFIDENCE = 1.0 - 1e-6
"""A false alarm of one interval is as rare as this."""

BURSTY = ModulatedPoisson.of(rate=4.0, dispersion=9.0, time_scale_s=5.0)
MILD = ModulatedPoisson.of(rate=4.0, dispersion=3.0, time_scale_s=2.0, burst_share=0.3)

processes = st.builds(
    ModulatedPoisson, st.floats(5, 50), st.floats(0, 5), st.floats(0.1, 30), st.floats(0.1, 30)
)


def generator(process: ModulatedPoisson) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Generator, rates and stationary distribution of the process."""
    q = np.array([[-1 / process.burst_s, 1 / process.burst_s],
                  [1 / process.quiet_s, -1 / process.quiet_s]])  # fmt: skip
    stationary = np.array([process.burst_share, 1 - process.burst_share])
    return q, np.diag([process.burst_rate, process.quiet_rate]), stationary


@given(processes)
def test_closed_forms_agree_with_the_matrices(process: ModulatedPoisson) -> None:
    """Rate, gaps' variation and index of dispersion by the formulas for any MMPP."""
    q, rates, stationary = generator(process)
    one = np.ones(2)
    rate = float(stationary @ rates @ one)
    assert process.rate == pytest.approx(rate)
    until = np.linalg.inv(rates - q)
    at_arrivals = stationary @ rates / rate
    first = at_arrivals @ until @ one
    second = 2 * at_arrivals @ until @ until @ one
    assert process.cv2 == pytest.approx(second / first**2 - 1, rel=1e-7)
    inverse = np.linalg.inv(np.outer(one, stationary) - q)
    limit = 1 - 2 * rate + 2 / rate * stationary @ rates @ inverse @ rates @ one
    assert process.dispersion() == pytest.approx(limit, rel=1e-7)
    assert process.dispersion(1e7) == pytest.approx(limit, rel=1e-4)
    assert process.dispersion(1e-6) == pytest.approx(1.0, abs=1e-3)


@given(st.floats(0.1, 100), st.floats(1.1, 300), st.floats(0.1, 600), st.floats(0.01, 1.0))
def test_the_stated_burstiness_is_met(rate: float, index: float, scale: float, part: float) -> None:
    """Rate and index at every share of bursts; silent quiet times have the index as cv2."""
    silent = ModulatedPoisson.of(rate, index, scale)
    assert silent.quiet_rate == pytest.approx(0.0, abs=1e-9 * rate)
    assert silent.cv2 == pytest.approx(index, rel=1e-6)
    process = ModulatedPoisson.of(rate, index, scale, part * silent.burst_share)
    assert process.rate == pytest.approx(rate)
    assert process.dispersion() == pytest.approx(index)
    assert 1 / (1 / process.burst_s + 1 / process.quiet_s) == pytest.approx(scale)


@pytest.mark.parametrize(
    "arguments", [(4, 1, 5), (0, 9, 5), (4, 9, 0), (4, 9, 5, 0.9), (4, 9, 5, 0.0)]
)
def test_burstiness_that_no_process_has(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ModulatedPoisson.of(*arguments)


@pytest.mark.parametrize("process", [BURSTY, MILD])
def test_drawn_times_have_the_moments(process: ModulatedPoisson) -> None:
    """Rate and index of dispersion over 400 replications, and the variation of their gaps."""
    rng = np.random.default_rng()
    horizon, window = 4000.0, 20.0
    rates, indices, gaps = [], [], []
    for _ in range(400):
        times = process.times(rng, horizon)
        assert (np.diff(times) >= 0).all()
        assert times[-1] < horizon
        counts = np.bincount((times / window).astype(int), minlength=200)
        rates.append(times.size / horizon)
        # around the known mean: the variance of one run is biased by its own mean
        indices.append(((counts - process.rate * window) ** 2).mean() / (process.rate * window))
        gaps.append(np.diff(times))
    for values, expected in ((rates, process.rate), (indices, process.dispersion(window))):
        found = mean_interval(values, CONFIDENCE)
        assert found.low <= expected <= found.high
    pooled = np.concatenate(gaps)
    assert pooled.var() / pooled.mean() ** 2 == pytest.approx(process.cv2, rel=0.1)


def test_a_short_horizon_may_bring_nobody() -> None:
    assert BURSTY.times(np.random.default_rng(), 1e-9).size == 0


PROFILES = {
    "steps": TimeVarying.steps([0, 100, 300, 400], [1.0, 6.0, 0.0]),
    "lines": TimeVarying.linear([0, 100, 200, 400], [0.0, 8.0, 2.0, 0.0]),
}


def rate_at(profile: TimeVarying, time: float) -> float:
    time %= profile.period_s
    piece = int(np.searchsorted(profile.edges_s, time, side="right")) - 1
    ends = profile.edges_s[piece : piece + 2]
    return float(np.interp(time, ends, [profile.start_rates[piece], profile.end_rates[piece]]))


@pytest.mark.parametrize("name", PROFILES)
def test_expected_arrivals_are_the_integral_of_the_rate(name: str) -> None:
    profile = PROFILES[name]
    fine = np.linspace(0, 1000.0, 20_001)
    rates = np.array([rate_at(profile, t) for t in fine])
    integral = np.concatenate(([0.0], np.cumsum((rates[1:] + rates[:-1]) / 2 * np.diff(fine))))
    for time in (0.0, 37.0, 100.0, 399.0, 400.0, 555.0, 1000.0):
        assert profile.expected(time) == pytest.approx(np.interp(time, fine, integral), abs=0.2)
    assert profile.rate == pytest.approx(profile.expected(400.0) / 400.0)


@pytest.mark.parametrize("name", PROFILES)
def test_counts_of_a_varying_rate_are_poisson(name: str) -> None:
    """Each tenth of a period: mean and variance of its counts over 2000 periods."""
    profile = PROFILES[name]
    periods = 2000
    times = profile.times(np.random.default_rng(), 400.0 * periods)
    assert (np.diff(times) >= 0).all()
    table = np.bincount((times / 40.0).astype(int), minlength=10 * periods).reshape(periods, 10)
    for i in range(10):
        mean = profile.expected(40.0 * (i + 1)) - profile.expected(40.0 * i)
        assert abs(table[:, i].mean() - mean) <= 6 * math.sqrt(mean / periods)
        if mean > 0:
            assert table[:, i].var() / mean == pytest.approx(1.0, abs=6 * math.sqrt(2.1 / periods))


def test_times_within_a_line_follow_its_slope() -> None:
    """Arrivals under a rising line have the distribution (t / T)^2."""
    profile = TimeVarying.linear([0, 10], [0.0, 40_000.0])
    times = profile.times(np.random.default_rng(), 10.0)
    for t in (1.0, 4.0, 7.0, 9.0):
        expected = (t / 10.0) ** 2
        error = math.sqrt(expected * (1 - expected) / times.size)
        assert abs(np.mean(times <= t) - expected) < 5 * error


@pytest.mark.parametrize(
    ("edges", "rates"),
    [([0, 1], [1, 2]), ([1, 2], [1]), ([0, 0], [1]), ([0, 1], [-1]), ([0, 1], [0]), ([0], [])],
)
def test_profiles_that_make_no_sense(edges: list[float], rates: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TimeVarying.steps(edges, rates)
