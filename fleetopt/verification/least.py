"""The least number of replicas that passes, in few trials."""

from __future__ import annotations

import math
from collections.abc import Callable

NEIGHBOURS = 2
"""Numbers below the found one that have to fail too: nothing proves that trials are monotone."""


def least_passing(passes: Callable[[int], bool], first: int, most: int) -> float:
    """The least n in [first, most] that passes, where all below it fail.

    Steps double until a number passes, and halve between it and the last that failed. Then
    the neighbours below are tried as well, and the search goes on from one that passes.
    Infinite if `most` does not pass.
    """
    failed, n, step = first - 1, first, 1
    while not passes(n):
        if n >= most:
            return math.inf
        failed, n, step = n, min(n + step, most), 2 * step
    while n - failed > 1:
        middle = (failed + n) // 2
        if passes(middle):
            n = middle
        else:
            failed = middle
    below = (k for k in range(n - 2, max(first, n - NEIGHBOURS) - 1, -1) if passes(k))
    lower = next(below, None)
    return n if lower is None else least_passing(passes, first, lower)
