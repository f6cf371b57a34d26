"""Strategies for small random fleets, with everything that a fleet can do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fleetopt.simulation.fleet_records import (
    ClosedLoop,
    Faults,
    FleetRequests,
    Limits,
    PoolEngine,
    Rule,
    Setting,
)
from fleetopt.simulation.records import Engine, Window, checkpoints


@st.composite
def pool_engines(draw: st.DrawFn) -> PoolEngine:
    """Small pools of both contexts and every admission, with or without limits and caches."""
    current = draw(st.integers(0, 1))
    computes = bool(current) and draw(st.booleans())
    block_tokens = draw(st.sampled_from([1, 5, 16]))
    growth = draw(st.integers(0, 1))
    max_context = draw(st.sampled_from([120, 300, 450]))
    kv_tokens = draw(st.sampled_from([max_context, 400, 700]))
    engine = Engine(
        base_s=draw(st.sampled_from([0.008, 0.0005, 0.0137])),
        per_context_token_s=draw(st.sampled_from([0.0, 1e-6, 2.3e-6])),
        prefill_base_s=0.001 if computes else 0.0,
        prefill_per_token_s=draw(st.sampled_from([5e-5, 3e-4])) if computes else 0.0,
        current=current,
        chunk_tokens=draw(st.sampled_from([16, 64])),
        token_budget=draw(st.sampled_from([0, 64, 200])) if current else 0,
        slots=draw(st.integers(1, 7)),
        kv_blocks=-(-kv_tokens // block_tokens) if growth or draw(st.booleans()) else 0,
        block_tokens=block_tokens,
    )
    return PoolEngine(
        engine,
        replicas=draw(st.integers(1, 3)),
        max_context=max_context,
        growth=growth,
        queue_limit=draw(st.sampled_from([0, 0, 1, 3])),
        cache_tokens=draw(st.sampled_from([0, 150, 600])),
        pressure_sequences=draw(st.sampled_from([1.0, 3.0])),
    )


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[PoolEngine], FleetRequests, Setting]:
    """A fleet, up to fifty requests, and how they meet: any rule, loop, faults and limits."""
    pools = draw(st.lists(pool_engines(), min_size=1, max_size=3))
    overflows = [draw(st.integers(-1, len(pools) - 1)) for _ in pools]
    pools = [p._replace(overflow=o) for p, o in zip(pools, overflows, strict=True)]
    size = sum(pool.replicas for pool in pools)
    requests = draw(requests_for(len(pools), size))
    window = Window(
        0.1, draw(st.sampled_from([0.5, 2.0, 11.0])), draw(st.sampled_from([3.0, 60.0]))
    )
    rule, threshold = draw(st.sampled_from(list(Rule))), draw(st.sampled_from([0.0, 0.5, 2.0]))
    clients = draw(st.sampled_from([0, 0, 1, 6]))
    think = draw(st.lists(st.sampled_from([0.0, 0.013, 0.2]), max_size=20))
    loop = ClosedLoop(clients, np.array(think, dtype=np.float64))
    limits = Limits(
        draw(st.sampled_from([math.inf, 0.05, 0.4])),
        draw(st.sampled_from([10**9, 10**9, 40])),
        draw(st.integers(0, 1)),
    )
    marks = checkpoints(window, draw(st.sampled_from([2, 12])))
    setting = Setting(window, marks, rule, threshold, loop, draw(faults(size)), limits)
    return pools, requests, setting


@st.composite
def requests_for(draw: st.DrawFn, pools: int, replicas: int) -> FleetRequests:
    """Some at the same instant, some at the ends of iterations, some of which fit nowhere."""
    grid = draw(st.sampled_from([0.008, 0.1, 1e-4]))
    steps = draw(st.lists(st.integers(0, 40), min_size=1, max_size=50))
    n = len(steps)

    def column(values: st.SearchStrategy[Any]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=np.int64)

    prompts = column(st.integers(1, 300))
    outputs = column(st.one_of(st.integers(1, 150), st.integers(1, 8)))
    shared = np.minimum(column(st.sampled_from([0, 64, 300])), prompts)
    two = np.stack([column(st.integers(0, replicas - 1)) for _ in range(2)], axis=1)
    return FleetRequests(
        np.cumsum(steps) * grid,
        prompts,
        outputs,
        column(st.sampled_from([-1, *list(range(pools)) * 4])),
        column(st.integers(1, 450)),
        column(st.integers(-1, 3)),
        shared,
        two,
    )


@st.composite
def faults(draw: st.DrawFn, replicas: int) -> Faults:
    """Up to four outages, which may overlap; some last to the end."""
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        first = draw(st.integers(0, replicas - 1))
        last = draw(st.integers(first + 1, replicas))
        down_s = draw(st.sampled_from([0.008, 0.16, 0.3])) * draw(st.integers(1, 9))
        rows.append((down_s, first, last, 1))
        if draw(st.booleans()):
            rows.append((down_s + draw(st.sampled_from([0.008, 0.5])), first, last, 0))
    rows.sort(key=lambda row: row[0])
    columns = list(zip(*rows, strict=True)) or [()] * 4
    return Faults(np.array(columns[0], dtype=np.float64), *(np.array(c, dtype=np.int64) for c in columns[1:]))
