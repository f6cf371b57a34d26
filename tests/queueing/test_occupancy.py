"""The stationary distribution of sequences in a pool."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fleetopt.queueing.erlang import erlang_c
from fleetopt.queueing.occupancy import full_rate, iteration_s, occupancy

BASE_S = 0.008
replicas = st.integers(1, 12)
slots = st.integers(1, 20)
slopes = st.floats(0.0, 0.01)
rhos = st.floats(0.01, 0.98)


@pytest.mark.parametrize(
    ("replicas", "slots"), [(1, 1), (1, 64), (7, 9), (40, 128), (1000, 100), (10**5, 1)]
)
@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99, 0.9999])
def test_without_slope_it_is_erlang_c(replicas: int, slots: int, rho: float) -> None:
    """P(wait) of M/M/c to 1e-9, up to 1e5 servers."""
    servers = replicas * slots
    offered = rho * servers
    ours = occupancy(offered / BASE_S, BASE_S, 0.0, replicas, slots).wait_probability
    assert math.isclose(ours, erlang_c(servers, offered), rel_tol=1e-9, abs_tol=1e-17)


def brute_force(
    offered_work: float, slope_s: float, replicas: int, slots: int
) -> tuple[np.ndarray, float]:
    """pi(n) below c by multiplying rates one by one, and the sum from c on."""
    full = replicas * slots
    weights = [1.0]
    for n in range(1, full + 1):
        tau = BASE_S + slope_s * max(n / replicas, 1.0)
        weights.append(weights[-1] * offered_work * tau / n)
    rho = offered_work * (BASE_S + slope_s * slots) / full
    weights[-1] /= 1.0 - rho
    total = sum(weights)
    return np.array(weights[:-1]) / total, weights[-1] / total


@given(replicas, slots, slopes, rhos)
def test_equals_the_product_of_rates(n: int, s: int, slope_s: float, rho: float) -> None:
    """Against the plain product; what the window leaves out is negligible."""
    work = rho * full_rate(BASE_S, slope_s, n, s)
    ours = occupancy(work, BASE_S, slope_s, n, s)
    inside, waiting = brute_force(work, slope_s, n, s)
    whole = np.zeros(n * s)
    whole[ours.states.astype(int)] = ours.probabilities
    np.testing.assert_allclose(whole, inside, rtol=1e-9, atol=1e-14)
    assert math.isclose(ours.wait_probability, waiting, rel_tol=1e-9, abs_tol=1e-14)


@given(replicas, slots, slopes, rhos)
def test_is_a_distribution_with_the_stated_load(n: int, s: int, slope_s: float, rho: float) -> None:
    """Probabilities sum to 1 and utilization is a / phi(c)."""
    work = rho * full_rate(BASE_S, slope_s, n, s)
    ours = occupancy(work, BASE_S, slope_s, n, s)
    assert math.isclose(ours.probabilities.sum() + ours.wait_probability, 1.0, rel_tol=1e-12)
    assert (ours.probabilities >= 0).all()
    assert math.isclose(ours.utilization, work * (BASE_S + slope_s * s) / (n * s), rel_tol=1e-12)
    assert ours.is_stable


@settings(max_examples=30)
@given(replicas, slots, slopes, rhos)
def test_work_is_conserved(n: int, s: int, slope_s: float, rho: float) -> None:
    """The mean work rate equals the work that arrives."""
    work = rho * full_rate(BASE_S, slope_s, n, s)
    ours = occupancy(work, BASE_S, slope_s, n, s)
    rates = ours.states / iteration_s(ours.states, BASE_S, slope_s, n)
    mean = rates @ ours.probabilities + ours.full_rate * ours.wait_probability
    assert math.isclose(mean, work, rel_tol=1e-9)


@given(replicas, slots, slopes, st.floats(1.0, 5.0))
def test_overload_waits_always(n: int, s: int, slope_s: float, rho: float) -> None:
    """At rho >= 1 there is no stationary distribution and everyone waits."""
    work = rho * (1 + 1e-12) * full_rate(BASE_S, slope_s, n, s)
    ours = occupancy(work, BASE_S, slope_s, n, s)
    assert not ours.is_stable
    assert ours.wait_probability == 1.0


@given(replicas, slots, slopes, st.floats(0.05, 0.9))
def test_one_replica_more_waits_less(n: int, s: int, slope_s: float, rho: float) -> None:
    """P(wait) falls with every replica at the same offered work."""
    work = rho * full_rate(BASE_S, slope_s, n, s)
    before = occupancy(work, BASE_S, slope_s, n, s).wait_probability
    assume(before > 1e-12)
    assert occupancy(work, BASE_S, slope_s, n + 1, s).wait_probability < before
