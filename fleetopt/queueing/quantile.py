"""The value at which a falling share of late requests crosses the share that is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable

TOLERANCE = 1e-5
"""Relative width of the bracket at which the search stops."""
_FAINTEST = 1e-6
"""Shares below this part of the allowed one count as it, so that logarithms stay finite."""


def quantile(exceedance: Callable[[float], float], allowed: float, high: float) -> float:
    """The least x > 0 with exceedance(x) <= allowed, to a relative width of 1e-5.

    Chandrupatla (1997, Advances in Engineering Software 28) on the logarithm of the share:
    inverse quadratic interpolation where it is safe, bisection where it is not, as at jumps.
    It takes half the evaluations of plain bisection, and keeps a bracket as bisection does.

    exceedance: falls from 1 below 0. high: a first guess from above, doubled as needed.
    """

    def excess(x: float) -> float:
        return math.log(max(exceedance(x), _FAINTEST * allowed) / allowed)

    low, low_excess = 0.0, -math.log(allowed)
    high_excess = excess(high)
    while high_excess > 0.0:
        low, low_excess = high, high_excess
        high *= 2.0
        high_excess = excess(high)
    return _crossing(excess, (low, low_excess), (high, high_excess))


def _crossing(
    excess: Callable[[float], float], low: tuple[float, float], high: tuple[float, float]
) -> float:
    """Where `excess` changes sign between two points (x, excess(x)); it is 0 or less at high."""
    newest, other = high, low
    share = 0.5
    while abs(newest[0] - other[0]) > TOLERANCE * max(newest[0], other[0]):
        x = newest[0] + share * (other[0] - newest[0])
        point = (x, excess(x))
        if (point[1] > 0.0) == (newest[1] > 0.0):
            before, newest = newest, point
        else:
            before, other, newest = other, newest, point
        share = _next_share(newest, other, before)
    return 0.5 * (newest[0] + other[0])


def _next_share(
    newest: tuple[float, float], other: tuple[float, float], before: tuple[float, float]
) -> float:
    """How far from the newest point to the other end of the bracket to look next."""
    width = other[0] - newest[0]
    near = 0.5 * TOLERANCE * max(newest[0], other[0]) / abs(width)
    if near >= 0.5:
        return 0.5
    share = 0.5
    if before[0] != other[0] and before[1] not in (newest[1], other[1]):
        place = (newest[0] - other[0]) / (before[0] - other[0])
        level = (newest[1] - other[1]) / (before[1] - other[1])
        if level**2 < place and (1.0 - level) ** 2 < 1.0 - place:
            share = newest[1] / (other[1] - newest[1]) * before[1] / (other[1] - before[1])
            share += (
                (before[0] - newest[0]) / width
                * newest[1] / (before[1] - newest[1])
                * other[1] / (before[1] - other[1])
            )  # fmt: skip
    return min(max(share, near), 1.0 - near)
