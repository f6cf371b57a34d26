"""The interval of a fleet's attainment: how often it is wrong, by Bernoulli draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fleetopt.simulation.statistics import Stratum, attainment_bounds, stratified_bounds

DRAWS = 4500
ERRORS = (0.05, 0.0125)


def drawn(
    rng: np.random.Generator,
    shares: list[float],
    misses: list[float],
    arrivals: list[int],
    replications: int,
    spread: float,
) -> list[Stratum]:
    """Replications of each part, with misses that are normal over them, as Student supposes.

    spread: standard deviation of a replication's misses, as a share of their mean.
    """
    strata = []
    for share, miss, count in zip(shares, misses, arrivals, strict=True):
        level = miss * rng.normal(1.0, spread, replications).clip(0.0)
        strata.append(Stratum(share, list(rng.binomial(count, level)), [count] * replications))
    return strata


@pytest.mark.parametrize(
    ("shares", "misses", "arrivals", "replications", "spread"),
    [
        # rare misses, almost none in the largest part
        ([0.95, 0.04, 0.01], [1e-5, 0.05, 0.6], [2000, 2000, 2000], 8, 0.0),
        # every part alike
        ([0.5, 0.3, 0.2], [0.01, 0.01, 0.01], [1000, 1000, 1000], 8, 0.0),
        # misses in clusters, where only replications tell
        ([0.7, 0.3], [0.01, 0.02], [5000, 5000], 8, 0.3),
        # one part alone, few arrivals
        ([1.0], [0.01], [150], 2, 0.0),
        # half are missed
        ([0.6, 0.4], [0.5, 0.4], [500, 500], 4, 0.1),
    ],
)
@pytest.mark.parametrize("error", ERRORS)
def test_each_bound_is_wrong_as_seldom_as_it_says(
    shares: list[float],
    misses: list[float],
    arrivals: list[int],
    replications: int,
    spread: float,
    error: float,
) -> None:
    """At most the stated error on either side, up to six standard errors of the count."""
    rng = np.random.default_rng()
    true = 1.0 - sum(share * miss for share, miss in zip(shares, misses, strict=True))
    above = below = 0
    for _ in range(DRAWS):
        strata = drawn(rng, shares, misses, arrivals, replications, spread)
        estimate, low, high = stratified_bounds(strata, error)
        assert low <= estimate <= high
        above += low > true
        below += high < true
    most = DRAWS * error + 6.0 * math.sqrt(DRAWS * error)
    assert above <= most
    assert below <= most


def test_it_is_not_much_wider_than_that_of_one_pool() -> None:
    """A fleet of one pool: Poisson in the place of binomial bounds, which for rare misses agree."""
    missed, arrivals = [12, 9, 11, 8], [1000, 1000, 1000, 1000]
    _, low, high = attainment_bounds(missed, arrivals, 0.0125)
    estimate, lower, higher = stratified_bounds([Stratum(1.0, missed, arrivals)], 0.0125)
    assert estimate == pytest.approx(0.99)
    assert lower == pytest.approx(low, abs=2e-4)
    assert higher == pytest.approx(high, abs=2e-4)


def test_a_part_without_arrivals_says_nothing() -> None:
    """Nor do bounds leave [0, 1]."""
    estimate, low, high = stratified_bounds([Stratum(0.5, [1], [10]), Stratum(0.5, [0], [0])], 0.05)
    assert math.isnan(estimate)
    assert (low, high) == (0.0, 1.0)
    none = stratified_bounds([Stratum(1.0, [0, 0], [10, 10])], 0.05)
    every = stratified_bounds([Stratum(1.0, [10, 10], [10, 10])], 0.05)
    assert none[0] == none[2] == 1.0
    assert every[0] == every[1] == 0.0
    assert 0.0 < every[2] < 1.0
    assert 0.0 < none[1] < 1.0
