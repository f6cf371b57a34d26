"""The search for a percentile against plain bisection, on smooth shares and on jumps."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from bundled_pools import table
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.queueing.latency import Metric
from fleetopt.queueing.quantile import TOLERANCE, quantile

Share = Callable[[float], float]


def bisected(exceedance: Share, allowed: float, high: float) -> float:
    """The least x with exceedance(x) <= allowed, by bisection to 1e-9."""
    while exceedance(high) > allowed:
        high *= 2.0
    low = 0.0
    while high - low > 1e-9 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if exceedance(middle) > allowed else (low, middle)
    return high


class Counted:
    """A share that counts how often it is asked for."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.calls = 0

    def __call__(self, x: float) -> float:
        """The share, and one call more."""
        self.calls += 1
        return self.share(x)


@pytest.mark.parametrize("metric", ["ttft", "tpot", "e2e"])
@pytest.mark.parametrize(
    "pool",
    [
        ("azure", "h100", 100.0, 0, 8192, 6),
        ("azure", "a10g", 100.0, 0, 8192, 21),
        ("agent_heavy", "h100", 20.0, 0, 65536, 24),
        ("lmsys", "a100", 98.37, 0, 4096, 3),
        ("lmsys", "h100", 2.71, 3072, 65536, 3),
    ],
)
def test_percentiles_of_pools(metric: Metric, pool: tuple[str, str, float, int, int, int]) -> None:
    """The same values as bisection, with fewer evaluations on the whole."""
    workload, gpu, rate, lo, hi, replicas = pool
    mix = table(workload, gpu, rate, lo, hi).row(replicas).mix
    for percentile in (5.0, 50.0, 90.0, 99.0, 99.9):
        allowed = 1.0 - percentile / 100.0
        expected = bisected(lambda x: mix.exceedance(metric, x), allowed, 1.0)
        assert mix.percentile_s(metric, percentile) == pytest.approx(expected, rel=TOLERANCE)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(0.01, 1.0)), min_size=1, max_size=6),
    st.floats(0.0, 1.0),
    st.floats(1e-4, 0.9),
    st.floats(1e-3, 1e4),
)
def test_mixtures_of_jumps_and_exponentials(
    parts: list[tuple[float, float]], smooth: float, allowed: float, high: float
) -> None:
    """Steps, tails and anything between; never many more evaluations than bisection."""
    total = sum(weight for _, weight in parts)

    def share(x: float) -> float:
        late = sum(w * (smooth * math.exp(-x / t) + (1 - smooth) * (x < t)) for t, w in parts)
        return late / total

    counted = Counted(share)
    found = quantile(counted, allowed, high)
    expected = bisected(share, allowed, high)
    assert found == pytest.approx(expected, rel=TOLERANCE, abs=1e-300)
    assert counted.calls <= 3 * (20 + math.log2(max(high / expected, expected / high, 2.0)))


def test_exponential_tails_take_few_evaluations() -> None:
    """Their logarithm is a line."""
    counted = Counted(lambda x: math.exp(-x))
    assert quantile(counted, 0.01, 30.0) == pytest.approx(math.log(100.0), rel=TOLERANCE)
    assert counted.calls <= 8
