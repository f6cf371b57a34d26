"""Rows, the least admissible one, and the largest rate of a row."""

from __future__ import annotations

import math
from itertools import count, pairwise

import pytest
from bundled_pools import LIMITS, PROFILES, TTFT, WORKLOADS, table
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.problem import LatencyBound
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import LoadTable
from fleetopt.queueing.table import Limits

arcs = st.tuples(st.sampled_from(sorted(WORKLOADS)), st.integers(0, 17), st.integers(1, 6))


def small_table(arc: tuple[str, int, int], gpu: str, rate: float, slo_ms: float) -> OccupancyTable:
    """The table of some bands of a workload."""
    name, start, width = arc
    points = WORKLOADS[name].breakpoints
    lo, hi = points[start], points[min(start + width, len(points) - 1)]
    limits = Limits((LatencyBound(limit_ms=slo_ms),))
    return table(name, gpu, rate, lo, hi, "reserved", limits)


@settings(max_examples=40)
@given(
    arcs,
    st.sampled_from(sorted(PROFILES)),
    st.floats(0.05, 60.0),
    st.sampled_from([60.0, 300.0, 2000.0]),
    st.booleans(),
)
def test_min_replicas_equals_a_linear_scan(
    arc: tuple[str, int, int], gpu: str, rate: float, slo_ms: float, grey: bool
) -> None:
    """Galloping and bisection find what counting up from 1 finds; None is impossible."""
    name, start, width = arc
    points = WORKLOADS[name].breakpoints
    if WORKLOADS[name].share(points[start], points[min(start + width, 18)]) <= 0:
        return
    pool = small_table(arc, gpu, rate, slo_ms)
    least = pool.min_replicas(grey)
    if least is None:
        bound = pool.limits.slo[0]
        assert pool.fastest_s(bound) > bound.limit_s
        return
    assert least == next(n for n in count(1) if pool.is_admissible(n, grey))


@settings(max_examples=15)
@given(
    arcs,
    st.sampled_from(sorted(PROFILES)),
    st.sampled_from([300.0, 2000.0]),
    st.integers(1, 12),
)
def test_max_arrival_rate_brackets_admissibility(
    arc: tuple[str, int, int], gpu: str, slo_ms: float, replicas: int
) -> None:
    """Just below Lambda(n) the row is admissible, just above it is not."""
    name, start, width = arc
    points = WORKLOADS[name].breakpoints
    if WORKLOADS[name].share(points[start], points[min(start + width, 18)]) <= 0:
        return
    rate = small_table(arc, gpu, 1.0, slo_ms).max_arrival_rate(replicas)
    if rate > 0:
        assert small_table(arc, gpu, rate * (1 - 1e-5), slo_ms).is_admissible(replicas)
        assert not small_table(arc, gpu, rate * (1 + 1e-5), slo_ms).is_admissible(replicas)
    else:
        assert small_table(arc, gpu, 1e-3, slo_ms).min_replicas() is None


def test_grey_rows_lie_within_a_tenth() -> None:
    """A row between the bound and 1.1 times the bound is grey: admissible only as such."""
    pool = table("azure", "a100", 100.0, 0, 8192)
    p99_s = pool.row(14).percentile_s("ttft", 99.0)
    for factor, white, grey in ((1.01, True, True), (0.95, False, True), (0.88, False, False)):
        bound = LatencyBound(limit_ms=1e3 * p99_s * factor)
        held = table("azure", "a100", 100.0, 0, 8192, limits=Limits((bound,)))
        assert held.is_admissible(14) is white
        assert held.is_admissible(14, grey=True) is grey


def test_more_replicas_miss_less() -> None:
    """Misses, utilization and percentiles fall with every replica."""
    pool = table("agent_heavy", "h100", 20.0)
    rows = [pool.row(n) for n in range(22, 40)]
    for fewer, more in pairwise(rows):
        assert more.utilization < fewer.utilization
        assert more.miss(TTFT) <= fewer.miss(TTFT)
        assert more.percentile_s("ttft", 99.0) < fewer.percentile_s("ttft", 99.0)
        assert more.percentile_s("tpot", 99.0) < fewer.percentile_s("tpot", 99.0)


def test_overloaded_rows_miss_everything() -> None:
    """One replica under twenty replicas' load."""
    row = table("agent_heavy", "h100", 20.0).row(1)
    assert row.miss(TTFT) == 1.0
    assert math.isinf(row.percentile_s("ttft", 99.0))


@pytest.mark.parametrize(
    ("pool", "cause"),
    [
        (table("lmsys", "a100", 98.37, 0, 4096), "utilization cap"),
        (table("agent_heavy", "h100", 20.0), "KV slots"),
        (table("lmsys", "h100", 2.71, 3072), "wait for a slot"),
        (
            table("azure", "a100", 60.0, 0, 8192, limits=Limits((LatencyBound(limit_ms=250),))),
            "prefill of long prompts",
        ),
    ],
)
def test_binding_names_the_cause(pool: OccupancyTable, cause: str) -> None:
    """Why one replica fewer would not do."""
    least = pool.min_replicas()
    assert least is not None
    assert pool.binding(least).startswith(cause)


def test_paged_slots_follow_the_mean_context() -> None:
    """S = min(max_num_seqs, floor(kv_tokens / Lbar))."""
    pool = table("agent_heavy", "h100", 20.0, admission="paged")
    expected = math.floor(PROFILES["h100"].kv_tokens / pool.load.context.mean)
    assert pool.slots == min(256, expected)


def test_chains_of_the_default_problem_are_few() -> None:
    """LMSYS, 3 profiles, 171 arcs: what is solved, the measure of the tables' speed."""
    lengths = WORKLOADS["lmsys"]
    points = lengths.breakpoints
    rows = []
    for profile in PROFILES.values():
        loads = LoadTable(lengths, profile.iteration)
        for i, lo in enumerate(points):
            for hi in points[i + 1 :]:
                requests = loads.between(lo, hi, 100.0 * lengths.share(lo, hi))
                pool = OccupancyTable(requests, profile, profile.reserved(hi), lo, LIMITS)
                pool.min_replicas(grey=True)
                pool.min_replicas()
                rows += pool._rows.values()
    solved = [row for row in rows if row.has_solved_chain]
    assert len(rows) <= 2 * 3 * 171
    assert len(solved) <= 35
    chains = [row.environment for row in solved if row.environment and row.environment.blocks]
    assert sum(chain.full for chain in chains) <= 3200
