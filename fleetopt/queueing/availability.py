"""Availability: the share of the time that a replica is up, and what to buy for it.

A replica fails and is repaired. With A the share of its time that it is up, N replicas have
A N of them up on average; where n must serve, the rule of the mean buys the fewest N with

    A N >= n,   N = ceil(n / A).

At times fewer than n are up, as at others more.
"""

from __future__ import annotations

import math

ROUNDING = 1e-12
"""Relative error of n / A that is taken for rounding: 3 / 0.75 buys 4, whatever its last bit."""


def node_availability(r_f_per_node_day: float, mttr_hours: float) -> float:
    """Share of the time that a node is up, 1 / (1 + r_f * MTTR).

    r_f_per_node_day: failures of a node in a day of operation, >= 0.
    mttr_hours: mean time to repair, in hours, >= 0.
    Raises ValueError for values below 0. Source: Kokolis et al., arXiv:2410.21680.
    """
    if not (r_f_per_node_day >= 0 and mttr_hours >= 0):
        raise ValueError("Expected a failure rate and a time to repair of at least 0.")
    return 1.0 / (1.0 + r_f_per_node_day * mttr_hours / 24.0)


def replicas_to_buy(replicas: int, availability: float) -> int:
    """The fewest replicas of which `replicas` are up on average, ceil(n / A).

    Raises ValueError for an availability outside (0, 1].
    """
    if not 0.0 < availability <= 1.0:
        raise ValueError("Expected an availability in (0, 1].")
    return math.ceil(replicas / availability * (1.0 - ROUNDING))


def mean_surplus(replicas: int, bought: int, availability: float) -> float:
    """Replicas that are up on average beyond `replicas`, A N - n; 0 within rounding."""
    surplus = availability * bought - replicas
    return 0.0 if abs(surplus) <= 2.0 * ROUNDING * replicas else surplus
