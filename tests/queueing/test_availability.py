"""Availability: a closed form, a renewal simulation, and counts in exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.queueing.availability import mean_surplus, node_availability, replicas_to_buy

DECIMALS = st.decimals("0.01", "1", places=5, allow_nan=False)


def test_availability_of_published_failure_rates() -> None:
    """6.5 failures in 1000 node-days, repaired in 4 h or in 48 h; none, or at once."""
    assert node_availability(0.0065, 4.0) == pytest.approx(0.99892, abs=5e-6)
    assert node_availability(0.0065, 48.0) == pytest.approx(0.98717, abs=5e-6)
    assert node_availability(0.0, 48.0) == node_availability(1.0, 0.0) == 1.0


def test_availability_is_the_share_of_time_up() -> None:
    """Up times of 1 / r_f days and repairs in turn: the long-run share up is the formula's."""
    rng = np.random.default_rng()
    up_h = rng.exponential(24.0 / 0.5, 20_000)
    down_h = rng.gamma(2.0, 6.0, 20_000)  # mean 12 h; only the mean matters
    share = up_h.sum() / (up_h.sum() + down_h.sum())
    error = math.hypot(1.0, math.sqrt(0.5)) / math.sqrt(20_000)  # of the ratio of the means
    assert share == pytest.approx(node_availability(0.5, 12.0), abs=5 * 0.8 * 0.2 * error)


@pytest.mark.parametrize(("rate", "hours"), [(-0.1, 4.0), (0.1, -4.0), (math.nan, 4.0)])
def test_rates_below_zero_are_refused(rate: float, hours: float) -> None:
    """So are those that are no numbers."""
    with pytest.raises(ValueError, match="at least 0"):
        node_availability(rate, hours)


@given(st.integers(1, 1_000_000), DECIMALS)
def test_bought_is_the_least_enough_in_exact_arithmetic(replicas: int, share: object) -> None:
    """ceil(n / A) of the decimal that the user wrote, whatever its binary form."""
    exact = Fraction(str(share))
    assert replicas_to_buy(replicas, float(exact)) == math.ceil(replicas / exact)


@given(st.integers(1, 1_000_000), st.integers(0, 100_000))
def test_no_replica_more_where_the_share_is_met_exactly(replicas: int, spare: int) -> None:
    """A = n / N buys N, though n / A in floating point may lie just above N."""
    bought = replicas + spare
    assert replicas_to_buy(replicas, replicas / bought) == bought
    assert mean_surplus(replicas, bought, replicas / bought) == 0.0


def test_rounding_would_buy_one_too_many_without_care() -> None:
    """Some of the cases above are such: the plain formula is one too high."""
    pairs = [(n, m) for m in range(1, 120) for n in range(1, m + 1)]
    wrong = [(n, m) for n, m in pairs if math.ceil(n / (n / m)) != m]
    assert wrong
    assert all(replicas_to_buy(n, n / m) == m for n, m in wrong)


@given(st.integers(1, 100_000), st.floats(0.01, 1.0))
def test_bought_is_enough_and_one_fewer_is_not(replicas: int, availability: float) -> None:
    """The surplus tells the same as the count."""
    bought = replicas_to_buy(replicas, availability)
    assert bought >= replicas
    assert mean_surplus(replicas, bought, availability) >= 0.0
    assert bought == replicas or mean_surplus(replicas, bought - 1, availability) < 0.0


@pytest.mark.parametrize("availability", [0.0, -0.5, 1.01, math.nan])
def test_an_availability_outside_its_range_is_refused(availability: float) -> None:
    """It is a share of the time, and never 0."""
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        replicas_to_buy(3, availability)
