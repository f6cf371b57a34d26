"""Erlang's B and C formulas for large systems, in logarithms.

Source: L. Kleinrock, Queueing Systems, Volume 1, section 3.5.
"""

from __future__ import annotations

import math

import numpy as np


def erlang_b(servers: int, offered: float) -> float:
    """Probability that all servers are busy in M/M/c/c.

    offered: offered load in erlangs, >= 0. Raises ValueError for servers below 0.
    """
    if servers < 0 or offered < 0:
        raise ValueError("Expected servers >= 0 and offered load >= 0.")
    if offered == 0:
        return 1.0 if servers == 0 else 0.0
    # 1 / B = sum over j of c! / ((c - j)! a^j); its terms are cumulative products.
    ratios = np.log(np.arange(servers, 0, -1) / offered)
    logs = np.concatenate(([0.0], np.cumsum(ratios)))
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
    return blocked / (1.0 - offered / servers * (1.0 - blocked))
