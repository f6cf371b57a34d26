"""A problem of two bands that is easy to understand, for the tests of this folder.

Breakpoints 0, 4096, 8192 and GPU types a (1 USD/h, 400 W) and b (3 USD/h and 1000 W, two
GPUs a replica):

    candidate  arc             type  replicas
    0          (0, 4096]       a     2, 3
    1          (4096, 8192]    a     5, 6
    2          (4096, 8192]    b     1, 2
    3          (0, 8192]       b     2, 3

The best fleets cost 5 (0 and 2), 6 (0 with 3 and 2; 3 alone) and 7 USD/h (0 and 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyomo.core as pyo

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.limits import NONE, SideConstraints
from fleetopt.optimization.program import build

TOKENS = (0, 4096, 8192)
PRICES = {"a": 1.0, "b": 3.0}
WATTS = {"a": 400.0, "b": 1000.0}
RATES = {(0, 1): 80.0, (1, 2): 20.0, (0, 2): 100.0}


def candidate(index: int, start: int, end: int, gpu: str, replicas: tuple[int, ...]) -> Candidate:
    """A candidate of the small fleet."""
    return Candidate(
        index=index,
        start=start,
        end=end,
        lo_tokens=TOKENS[start],
        hi_tokens=TOKENS[end],
        gpu=gpu,
        profile=gpu,
        admission="reserved",
        usd_per_hour=PRICES[gpu],
        gpus_per_replica=1 if gpu == "a" else 2,
        arrival_rate=RATES[start, end],
        rows=tuple(Row(n) for n in replicas),
        watts=WATTS[gpu],
    )


CANDIDATES = (
    candidate(0, 0, 1, "a", (2, 3)),
    candidate(1, 1, 2, "a", (5, 6)),
    candidate(2, 1, 2, "b", (1, 2)),
    candidate(3, 0, 2, "b", (2, 3)),
)


def spared(spare: Mapping[int, int]) -> tuple[Candidate, ...]:
    """The candidates, every row of some with spare replicas."""
    return tuple(
        replace(c, rows=tuple(replace(row, spare=spare.get(c.index, 0)) for row in c.rows))
        for c in CANDIDATES
    )


def model(
    max_pools: int = 2,
    side: SideConstraints = NONE,
    candidates: tuple[Candidate, ...] = CANDIDATES,
) -> pyo.ConcreteModel:
    """The program of the small fleet."""
    return build(candidates, len(TOKENS), max_pools, side)
