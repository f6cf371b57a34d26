"""A problem of two bands that is easy to understand, for the tests of this folder.

Breakpoints 0, 4096, 8192 and GPU types a (1 USD/h, 400 W) and b (3 USD/h and 1000 W, two
GPUs a replica):

    candidate  arc             type  replicas  beyond the P99 bound, and the P90 bound, in %
    0          (0, 4096]       a     2, 3      1, 0       12, 4
    1          (4096, 8192]    a     5, 6      2, 0       20, 5
    2          (4096, 8192]    b     1, 2      4, 1       30, 5
    3          (0, 8192]       b     2, 3      2, 0       9, 0

The best fleets cost 5 (0 and 2), 6 (0 with 3 and 2; 3 alone) and 7 USD/h (0 and 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyomo.core as pyo

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.limits import NONE, FleetSlo, SideConstraints
from fleetopt.optimization.program import build
from fleetopt.problem import LatencyBound, Phase

TOKENS = (0, 4096, 8192)
PRICES = {"a": 1.0, "b": 3.0}
WATTS = {"a": 400.0, "b": 1000.0}
DRAWN = {"a": 250.0, "b": 750.0}
"""Mean draw of a replica."""
RATES = {(0, 1): 80.0, (1, 2): 20.0, (0, 2): 100.0}


SLO = (
    LatencyBound(metric="ttft", percentile=99.0, limit_ms=500.0),
    LatencyBound(metric="ttft", percentile=90.0, limit_ms=200.0),
)
FLEET_SLO = FleetSlo(SLO, RATES[0, 2])


def candidate(
    index: int, start: int, end: int, gpu: str, rows: dict[int, tuple[float, float]]
) -> Candidate:
    """A candidate of the small fleet; rows: what each number of replicas misses."""
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
        rows=tuple(
            Row(n, misses=misses, drawn_kw=n * DRAWN[gpu] / 1000.0) for n, misses in rows.items()
        ),
        watts=WATTS[gpu],
    )


CANDIDATES = (
    candidate(0, 0, 1, "a", {2: (0.01, 0.12), 3: (0.0, 0.04)}),
    candidate(1, 1, 2, "a", {5: (0.02, 0.20), 6: (0.0, 0.05)}),
    candidate(2, 1, 2, "b", {1: (0.04, 0.30), 2: (0.01, 0.05)}),
    candidate(3, 0, 2, "b", {2: (0.02, 0.09), 3: (0.0, 0.0)}),
)


def of_phase(index: int, gpu: str, phase: Phase, replicas: int) -> Candidate:
    """A pool of one phase for all lengths."""
    whole = candidate(index, 0, 2, gpu, {replicas: (0.0, 0.0)})
    return replace(whole, phase=phase, link="net")


PHASED = (
    *CANDIDATES,
    of_phase(4, "a", "prefill", 1),
    of_phase(5, "a", "decode", 4),
    of_phase(6, "b", "decode", 1),
)
"""With one prefill pool of a, and decode pools of a and of b behind the link of both."""


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
