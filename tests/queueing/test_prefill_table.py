"""The table of profiles whose prompts take time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from bundled_pools import LIMITS, PROFILES, capacity, load

from benchmarks.prefill import SEED, ComputedPool, compare, drawn, errors, lengths_of
from fleetopt.optimization.tables import kind_on
from fleetopt.performance.profile import Capacity
from fleetopt.problem import LatencyBound
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.latency import StateMix
from fleetopt.queueing.load import LoadTable, Moments
from fleetopt.queueing.prefill_table import PrefillTable
from fleetopt.queueing.table import Limits
from fleetopt.simulation.kernel import run_pool
from fleetopt.simulation.records import Engine, Requests, Window

POOLS = (
    ComputedPool("azure", 1024, 3072, "llama-3.1-8b", "h100", 1, 8192, 3, "paged", 27.0, 600.0),
    ComputedPool("agent_heavy", 768, 4096, "qwen3-32b", "h100", 2, 2048, 2, "paged", 8.5, 1500.0),
    ComputedPool("azure", 256, 1024, "llama-3.1-70b", "b200", 1, 2048, 1, "paged", 10.9, 1000.0),
    ComputedPool("lmsys", 64, 768, "mixtral-8x7b", "h100", 2, 8192, 8, "reserved", 500.0, 60.0),
)
"""Decodes, budget, prompts and routing bind in turn."""


def test_calibrated_profiles_keep_their_table() -> None:
    """Total context, no cost of prefill, no budget: the very same rows."""
    requests = load("azure", "a100", 60.0, 0, 8192)
    batch = capacity("a100", 8192)
    made = kind_on(PROFILES["a100"])(requests, PROFILES["a100"], batch, 0, LIMITS)
    assert type(made) is OccupancyTable
    plain = OccupancyTable(requests, PROFILES["a100"], batch, 0, LIMITS)
    for n in (8, 12, 20):
        assert made.row(n).percentile_s("ttft", 99.0) == plain.row(n).percentile_s("ttft", 99.0)


def test_table_agrees_with_the_simulation() -> None:
    """P99 of TTFT and TPOT within 12 %, half of them within 5 %."""
    with ThreadPoolExecutor(2) as executor:
        compared = [c for pool in POOLS for c in compare(pool, executor)]
    assert all(c.method == "occupancy" for c in compared)
    found = [*errors(compared, "ttft"), *errors(compared, "tpot")]
    assert median(found) <= 0.05
    assert max(found) <= 0.12


@pytest.mark.slow
def test_thirty_drawn_pools_agree_with_the_simulation() -> None:
    """Nobody chose them: median within 5 %, worst within 12 %, where the row is not marked."""
    with ThreadPoolExecutor(2) as executor:
        compared = [c for pool in drawn(30, SEED) for c in compare(pool, executor)]
    for metric in ("ttft", "tpot"):
        found = errors(compared, metric)
        assert len(found) >= 24
        assert median(found) <= 0.05
        assert max(found) <= 0.12


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.workload + pool.llm)
def test_saturation_is_what_a_flooded_replica_completes(pool: ComputedPool) -> None:
    """Requests that all wait from the start leave at the rate that utilization refers to."""
    table = pool.table()
    assert isinstance(table, PrefillTable)
    model = pool.model()
    count = 6 * (4000 + 12 * table.slots)
    drawn_at = model.lengths.sample(np.random.default_rng(), count)
    lengths = model.lengths
    requests = Requests(
        np.linspace(0.0, 1e-3, count),
        lengths.prompt_tokens[drawn_at],
        lengths.output_tokens[drawn_at],
    )
    engine = Engine.of(model.iteration, model.capacity)
    run = run_pool(engine, 1, requests, Window(0.0, 1.0, 1e9), np.empty(0))
    ends = np.sort(run.end_s)
    first, last = count // 3, count - 3 * table.slots
    measured = (last - first) / (ends[last] - ends[first])
    assert table.saturation_rate == pytest.approx(measured, rel=0.08)


def test_without_cost_of_prefill_it_is_the_plain_table() -> None:
    """F0 = F1 = 0 and no budget: what is left apart is how contexts and prefill are counted."""
    pool = POOLS[0]
    time = replace(
        pool.profile.iteration, prefill_base_s=0.0, prefill_per_token_s=0.0, token_budget=0
    )

    class Free:
        """The profile without cost of prefill."""

        iteration = time

    batch = Capacity(64, 0, 16, 3072)
    loads = LoadTable(lengths_of(pool.workload), time)
    requests = loads.between(pool.lo_tokens, pool.hi_tokens, pool.arrival_rate)
    ours = PrefillTable(requests, Free(), batch, 0, LIMITS).row(3)
    plain = OccupancyTable(requests, Free(), batch, 0, LIMITS).row(3)
    assert ours.utilization == pytest.approx(plain.utilization, rel=0.02)
    for metric in ("tpot", "e2e"):
        expected = plain.percentile_s(metric, 99.0)
        assert ours.percentile_s(metric, 99.0) == pytest.approx(expected, rel=0.02)


def test_more_replicas_are_never_worse() -> None:
    """Utilization and the share of misses fall with replicas; the least admissible is the least."""
    table = _limited(POOLS[0], 150.0)
    least = table.min_replicas()
    assert least is not None
    assert least > 1
    assert not table.is_admissible(least - 1)
    bound = table.limits.slo[0]
    misses = [table.row(n).miss(bound) for n in range(least, least + 4)]
    assert misses == sorted(misses, reverse=True)
    assert all(table.is_admissible(n) for n in range(least, least + 4))


def test_largest_rate_is_where_the_limits_end() -> None:
    """The row of Lambda(n) is admissible, and that of a little more is not."""
    table = _limited(POOLS[0], 150.0)
    rate = table.max_arrival_rate(2)
    assert 0.0 < rate < 2 * table.saturation_rate
    assert table.at_rate(0.999 * rate).is_admissible(2)
    assert not table.at_rate(1.01 * rate).is_admissible(2)


def test_overloaded_pools_say_so() -> None:
    table = POOLS[0].table()
    flooded = table.at_rate(1.2 * table.arrival_rate / table.utilization(3))
    row = flooded.row(3)
    assert row.utilization == pytest.approx(1.2)
    assert not row.is_stable
    assert row.miss(LatencyBound(limit_ms=1e6)) == 1.0


def test_full_batches_are_marked_for_simulation() -> None:
    """Few slots, nearly all taken: how long requests wait is for the simulator to say."""
    pool = replace(POOLS[1], hi_tokens=16384, admission="reserved", token_budget=8192)
    table = pool.table()
    busy = table.at_rate(0.84 * table.arrival_rate / table.utilization(1))
    assert busy.row(1).method != "occupancy"


def test_long_requests_that_meet_on_a_replica_are_marked_for_simulation() -> None:
    """A quarter of the KV each: the simulator has more than twice the TTFT, the slots are free."""
    pool = ComputedPool("lmsys", 64, 65536, "qwen3-32b", "h200", 1, 2048, 12, "paged", 1.0)
    table = pool.table()
    busy = table.at_rate(0.78 / table.utilization(12)).row(12)
    assert busy.occupancy.wait_probability < 1e-9
    assert busy.method == "slot wait"
    quiet = table.at_rate(0.2 / table.utilization(12)).row(12)
    assert quiet.method == "occupancy"


@pytest.mark.parametrize("active", [20.0, 60.0])
def test_the_chance_of_full_kv_is_that_of_drawn_lengths(active: float) -> None:
    """Sums of total lengths drawn by their decode iterations, against three moments."""
    pool = ComputedPool("lmsys", 64, 65536, "qwen3-32b", "h200", 1, 2048, 1, "paged", 1.0)
    table = pool.table()
    cells, rng = table.load.cells, np.random.default_rng()
    outputs = cells.work - cells.prefill_iterations
    weights = cells.weights * outputs
    totals = 2.0 * cells.prefill_context_tokens + outputs
    drawn_at = rng.choice(totals.size, size=(40_000, int(active)), p=weights / weights.sum())
    tokens = table.capacity.kv_blocks * table.capacity.block_tokens
    share = float((totals[drawn_at].sum(axis=1) > tokens).mean())
    states = StateMix(
        np.array([active]), np.ones(1), Moments(*(np.zeros(1),) * 3), np.zeros(1), np.zeros(1)
    )
    assert table._kv_full(states, 1) == pytest.approx(share, rel=0.3, abs=0.001)


def _limited(pool: ComputedPool, limit_ms: float) -> PrefillTable:
    load = pool.table().load
    limits = Limits((LatencyBound(limit_ms=limit_ms),))
    return PrefillTable(load, pool.profile, pool.capacity, pool.lo_tokens, limits)
