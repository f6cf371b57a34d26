"""The least replicas that pass: found exactly, in few trials, and checked below."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fleetopt.verification.least import NEIGHBOURS, least_passing

COUNTS = st.integers(1, 5000)


@given(COUNTS, COUNTS, COUNTS, st.none() | COUNTS)
def test_it_is_found_wherever_the_search_starts(
    first: int, least: int, most: int, guess: int | None
) -> None:
    first, most = min(first, most), max(first, most)
    tried = []

    def passes(n: int) -> bool:
        tried.append(n)
        return n >= least

    found = least_passing(passes, first, most, guess)
    assert found == (math.inf if least > most else max(first, least))
    assert all(first <= n <= most for n in tried)
    start = min(max(first, guess or first), most)
    distance = abs(start - (most if math.isinf(found) else found))
    assert len(tried) <= 2 * math.log2(distance + 1) + 3 + NEIGHBOURS


@given(st.sets(st.integers(1, 60)), st.integers(1, 60))
def test_trials_that_are_not_monotone_are_noticed(passing: set[int], guess: int) -> None:
    """What is found passes, and the numbers just below it do not."""
    found = least_passing(lambda n: n in passing or n == 61, 1, 61, guess)
    assert found in passing or found == 61
    below = range(max(1, int(found) - NEIGHBOURS), int(found))
    assert not passing.intersection(below)
