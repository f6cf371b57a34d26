"""Where a rising function crosses zero, by false position inside a bracket."""

from __future__ import annotations

import math
from collections.abc import Callable


def last_below(excess: Callable[[float], float], high: float, tolerance: float) -> float:
    """The largest x in (0, high) with excess(x) <= 0, to a relative tolerance; 0 if none is.

    excess: rises with x, is above 0 at `high`, and may be infinite. The bracket shrinks by
    false position with halved ends (Illinois), and by bisection where an end is infinite.
    At the answer itself it is at most 0.
    """
    low, below = 0.0, -math.inf
    above, least, moved = excess(high), 1e-9 * high, 0
    while high - low > tolerance * high and high > least:
        x = _between(low, below, high, above, tolerance)
        value = excess(x)
        if value <= 0.0:
            low, below = x, value
            above *= 0.5 if moved < 0 else 1.0  # the end that stays twice counts half
            moved = -1
        else:
            high, above = x, value
            below *= 0.5 if moved > 0 else 1.0
            moved = 1
    return low


def _between(low: float, below: float, high: float, above: float, tolerance: float) -> float:
    """Where to look next; away from both ends, so that the bracket closes around the crossing."""
    if math.isinf(below) or math.isinf(above):
        return 0.5 * (low + high)
    x = low + (high - low) * below / (below - above)
    margin = 0.4 * tolerance * high
    return min(max(x, low + margin), high - margin)
