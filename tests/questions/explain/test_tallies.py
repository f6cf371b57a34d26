"""Shares of misses won back: against a bootstrap, and on cases that are plain to see."""

from __future__ import annotations

import numpy as np
import pytest

from fleetopt.questions.explain.tallies import Tally, attainment, gained, won_back


def tally(arrivals: object, missed: object) -> Tally:
    return Tally(np.array(arrivals), np.array(missed))


def test_all_or_nothing_is_won_back_for_certain() -> None:
    base = tally([100, 100, 100], [4, 0, 9])
    everything = won_back(base, tally([100, 100, 100], [0, 0, 0]))
    assert (everything.estimate, everything.low, everything.high) == (1.0, 1.0, 1.0)
    nothing = won_back(base, base)
    assert (nothing.estimate, nothing.low, nothing.high) == (0.0, 0.0, 0.0)


def test_no_misses_have_no_share_and_one_unit_no_interval() -> None:
    assert won_back(tally([9, 9], [0, 0]), tally([9, 9], [0, 0])).estimate is None
    single = won_back(tally([100], [10]), tally([100], [5]))
    assert (single.estimate, single.low) == (0.5, None)


def test_paired_difference_is_sharper_than_the_shares() -> None:
    """Units that differ much, and of which the change wins back one in ten everywhere."""
    base = tally([1000] * 6, [10, 300, 20, 200, 40, 150])
    changed = tally([1000] * 6, [9, 270, 18, 180, 36, 135])
    won = won_back(base, changed)
    assert won.estimate == pytest.approx(0.1)
    assert won.high - won.low < 1e-9  # type: ignore[operator]
    difference, share = gained(base, changed), attainment(base)
    assert difference.high - difference.low < 0.2 * (share.high - share.low)  # type: ignore[operator]


def test_interval_of_the_ratio_is_that_of_a_bootstrap() -> None:
    rng = np.random.default_rng()
    base = tally([5000] * 24, rng.poisson(60, 24))
    changed = tally([5000] * 24, rng.binomial(base.missed, 0.4))
    won = won_back(base, changed)
    drawn = rng.integers(0, 24, (4000, 24))
    ratios = 1.0 - changed.missed[drawn].sum(axis=1) / base.missed[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    width = high - low
    assert won.low == pytest.approx(low, abs=0.2 * width)
    assert won.high == pytest.approx(high, abs=0.2 * width)


def test_other_numbers_of_arrivals_are_scaled() -> None:
    """Smoothed arrivals bring other numbers of measured requests."""
    won = won_back(tally([100, 100], [10, 10]), tally([200, 50], [10, 2]))
    assert won.estimate == pytest.approx(1.0 - (5 + 4) / 20)
