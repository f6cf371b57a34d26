"""The least number of replicas that passes, in few trials."""

from __future__ import annotations

import math
from collections.abc import Callable

NEIGHBOURS = 2
"""Numbers below the found one that have to fail too: nothing proves that trials are monotone."""


def least_passing(
    passes: Callable[[int], bool], first: int, most: int, guess: int | None = None
) -> float:
    """The least n in [first, most] that passes, where all below it fail.

    Steps from the guess double until a trial turns out otherwise, and halve between the two.
    Then the neighbours below are tried as well, and the search goes on from one that passes.
    Infinite if no trial passes, that of `most` included.
    """
    start = min(max(first, guess or first), most)
    failed, passed = _bracket(passes, first, most, start)
    if math.isinf(passed):
        return passed
    n = int(passed)
    while n - failed > 1:
        middle = (failed + n) // 2
        if passes(middle):
            n = middle
        else:
            failed = middle
    below = (k for k in range(n - 2, max(first, n - NEIGHBOURS) - 1, -1) if passes(k))
    lower = next(below, None)
    return n if lower is None else least_passing(passes, first, lower, lower)


def _bracket(passes: Callable[[int], bool], first: int, most: int, start: int) -> tuple[int, float]:
    """A number that fails (or first - 1) and a larger one that passes, near the start."""
    step = 1
    if passes(start):
        n = start
        while n > first:
            below = max(first, n - step)
            if not passes(below):
                return below, n
            n, step = below, 2 * step
        return first - 1, n
    failed = start
    while failed < most:
        n = min(failed + step, most)
        if passes(n):
            return failed, n
        failed, step = n, 2 * step
    return most, math.inf
