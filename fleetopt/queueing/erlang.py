"""Erlang's B and C formulas for large systems, in logarithms.

Source: L. Kleinrock, Queueing Systems, Volume 1, section 3.5.
"""

from __future__ import annotations

import math

import numpy as np

_UNDERFLOW = 800.0
"""exp(-800) is 0 in double precision."""


def erlang_b(servers: int, offered: float) -> float:
    """Probability that all servers are busy in M/M/c/c; 0 where it is below 1e-320.

    offered: offered load in erlangs, >= 0. Raises ValueError for values below 0.
    """
    if servers < 0 or not offered >= 0:
        raise ValueError("Expected servers >= 0 and offered load >= 0.")
    if offered == 0:
        return 1.0 if servers == 0 else 0.0
    spare = max(0.0, servers - offered)
    if spare > 0 and servers * math.log(servers / offered) - spare > _UNDERFLOW:
        return 0.0
    # 1 / B = sum over j of c! / ((c - j)! a^j). The terms grow up to j = c - a and are
    # negligible ten standard deviations later.
    terms = min(servers, math.ceil(spare + 10.0 * math.sqrt(min(servers, offered)) + 100.0))
    ratios = np.log((servers - np.arange(terms)) / offered)
    logs = np.concatenate(([0.0], np.cumsum(ratios, dtype=np.longdouble).astype(np.float64)))
    top = float(logs.max())
    return math.exp(-top) / float(np.exp(logs - top).sum())


def erlang_c(servers: int, offered: float) -> float:
    """Probability that an arrival waits in M/M/c; 1 if offered >= servers.

    offered: offered load in erlangs, >= 0. Raises ValueError for servers below 1.
    """
    if servers < 1:
        raise ValueError("Expected at least one server.")
    if offered >= servers:
        return 1.0
    blocked = erlang_b(servers, offered)
    spare = (servers - offered) / servers
    return blocked / (spare + offered / servers * blocked)
