"""The search for the least number of replicas, row by row."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fleetopt.queueing.least import LeastReplicas


@given(st.integers(1, 10_000), st.integers(0, 10_000))
def test_its_bound_rises_to_the_least_number(start: int, more: int) -> None:
    """The bound never passes the least number, and few numbers are tried, each once."""
    least, tried = start + more, list[int]()

    def is_admissible(replicas: int) -> bool:
        tried.append(replicas)
        return replicas >= least

    search, bounds = LeastReplicas(is_admissible, start), list[float]()
    while not search.is_over:
        bounds.append(search.at_least)
        search.look()
    assert search.found() == least
    assert bounds == sorted(bounds)
    assert all(bound <= least for bound in bounds)
    assert len(tried) == len(set(tried)) <= 2 * math.log2(more + 1) + 2


def test_there_may_be_none() -> None:
    """Where nothing is possible no number is tried; where all fail, a few dozen are."""
    assert LeastReplicas(lambda _: True, math.inf).found() is None
    tried: list[int] = []
    assert LeastReplicas(lambda n: bool(tried.append(n)), 1).found() is None
    assert len(tried) < 50
