"""Latencies of a request alone: by hand, against the simulator, and as a bound on every row."""

from __future__ import annotations

import numpy as np
import pytest
from bundled_pools import PROFILES, TTFT
from bundled_pools import table as calibrated
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.prefill import ComputedPool
from fleetopt.problem import LatencyBound
from fleetopt.queueing.idle import idle_s, percentile_of, share_beyond
from fleetopt.simulation.kernel import run_pool
from fleetopt.simulation.records import Engine, Requests, Window

QUIET = (
    ComputedPool("azure", 1024, 3072, "llama-3.1-8b", "h100", 1, 8192, 2, "paged", 1.5),
    ComputedPool("lmsys", 4096, 65536, "qwen3-32b", "h100", 2, 2048, 3, "paged", 0.05),
    ComputedPool("agent_heavy", 768, 4096, "llama-3.1-70b", "h200", 2, 2048, 1, "reserved", 0.01),
)
"""Prompts are so rare that they hardly ever lengthen another request's iterations."""


@pytest.mark.parametrize("pool", QUIET, ids=lambda pool: pool.workload)
def test_requests_far_apart_take_as_long(pool: ComputedPool) -> None:
    """The simulator serves one request of each cell after the other, at whole tokens."""
    cells, model = pool.table().load.cells, pool.model()
    prompts = np.rint(2.0 * cells.prefill_context_tokens).astype(np.int64)
    outputs = np.rint(cells.work - cells.prefill_iterations).astype(np.int64)
    apart_s = 1.1 * float(idle_s("e2e", cells, model.iteration).max())
    arrivals = apart_s * np.arange(prompts.size, dtype=np.float64)
    engine, end = Engine.of(model.iteration, model.capacity), apart_s * (prompts.size + 1)
    requests = Requests(arrivals, prompts, outputs)
    run = run_pool(engine, 1, requests, Window(0.0, end, end), np.empty(0))
    e2e = idle_s("e2e", cells, model.iteration)
    assert run.end_s - arrivals == pytest.approx(e2e, rel=0.01)


@pytest.mark.parametrize("pool", QUIET, ids=lambda pool: pool.workload)
@pytest.mark.parametrize("percentile", [1.0, 50.0, 99.0])
def test_no_tpot_is_below_that_of_idle_replicas(pool: ComputedPool, percentile: float) -> None:
    """Rare prompts make a skewed TPOT, whose third moment must not reach below W + h C."""
    table = pool.table()
    bound = LatencyBound(metric="tpot", percentile=percentile, limit_ms=1.0)
    least_s = table.fastest_s(bound)
    assert least_s > pool.profile.iteration.base_s
    for replicas in (1, pool.replicas, 64):
        found_s = table.row(replicas).percentile_s("tpot", percentile)
        assert found_s >= least_s * (1.0 - 1e-4)
        assert found_s == pytest.approx(least_s, rel=0.5)
        assert table.row(replicas).miss(bound) == pytest.approx(1.0)


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(PROFILES)),
    st.floats(0.1, 40.0),
    st.integers(1, 12),
    st.sampled_from(["ttft", "tpot", "e2e"]),
    st.floats(1.0, 99.9),
)
def test_no_row_is_faster_than_idle_replicas(
    gpu: str, rate: float, replicas: int, metric: str, percentile: float
) -> None:
    """Calibrated profiles too."""
    pool = calibrated("azure", gpu, rate, 0, 8192)
    bound = LatencyBound.model_validate(
        {"metric": metric, "percentile": percentile, "limit_ms": 1.0}
    )
    least_s = pool.fastest_s(bound)
    assert pool.row(replicas).percentile_s(bound.metric, percentile) >= least_s * (1.0 - 1e-4)


def test_percentile_is_where_the_share_beyond_is_allowed() -> None:
    cells = calibrated("azure", "h100", 10.0, 0, 8192).load.cells
    seconds = idle_s("ttft", cells, PROFILES["h100"].iteration)
    for percentile in (0.5, 50.0, 90.0, TTFT.percentile, 99.99):
        found = percentile_of(cells, seconds, percentile)
        allowed = 1.0 - percentile / 100.0
        assert share_beyond(cells, seconds, found) <= allowed + 1e-12
        assert share_beyond(cells, seconds, found * (1.0 - 1e-9)) > allowed
