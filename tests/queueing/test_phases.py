"""Tables of pools that only prefill or only decode."""

from __future__ import annotations

from statistics import mean

import numpy as np
import pytest
from fleets_apart import LIMITS, OWN, TEN, Apart

from fleetopt.optimization.goals import pool_kilowatts
from fleetopt.performance.kv_link import KvLink
from fleetopt.performance.profile import CalibratedProfile, Capacity
from fleetopt.problem import LatencyBound
from fleetopt.queueing.load import load_table
from fleetopt.queueing.phases import DecodePhaseTable, PrefillPhaseTable
from fleetopt.queueing.placement import single_ttft_s
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import LengthDistribution

NO_TIME = KvLink(1.0, 1e15)


def equal_prompts(rate: float, link: KvLink = NO_TIME) -> PrefillPhaseTable:
    """Prompts of 800 tokens and outputs of 200, one at a time on an H100."""
    profile = TEN[0].prefill_table().profile
    lengths = LengthDistribution.from_totals(np.array([1000]), np.ones(1), 0.8, (0, 1000))
    load = load_table(lengths, profile.iteration, "prefill").serving(Served(0, 1000), rate)
    return PrefillPhaseTable(load, profile, Capacity(1, 0, 16, 1000), 0, LIMITS, link)


@pytest.mark.parametrize("utilization", [0.2, 0.5, 0.8])
def test_equal_prompts_on_one_replica_are_m_d_1(utilization: float) -> None:
    """Mean TTFT is D + R D^2 / (2 (1 - R D))."""
    table = equal_prompts(1.0)
    service_s = 1.0 / table.full_rate(1) * table.load.mean_work
    rate = utilization / service_s
    curve = table.at_rate(rate).row(1).curve
    assert curve is not None
    assert curve.mean_s == pytest.approx(single_ttft_s(service_s, rate), rel=2e-3)
    time = table.profile.iteration
    chunks = -(-800 // time.chunk_tokens)
    assert service_s == pytest.approx(chunks * time.seconds(800), rel=1e-9)


def test_a_link_lengthens_every_ttft() -> None:
    """An idle replica: its latency and the time of the bytes are added."""
    table, linked = equal_prompts(1e-6), equal_prompts(1e-6, KvLink(1e5, 1e10, 0.003))
    bound = LIMITS.slo[0]
    longer = linked.fastest_s(bound) - table.fastest_s(bound)
    assert longer == pytest.approx(0.003 + 800 * 1e5 / 1e10, rel=0.05)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("profile", ["h100", "h100-tp4"])
def test_loads_are_sums_over_requests(phase: str, profile: str) -> None:
    """Work, and the context that each iteration of a request holds, one by one."""
    pools = Apart("azure", 1024, 1536, profile, profile, 0, OWN, (1, 1), (0.5, 0.5))
    load = pools.load(phase, 1.0)
    lengths = pools.requests.lengths.within(1024, 1536)
    time = pools.prefill_table().profile.iteration
    work = context = square = 0.0
    for prompt, output, weight in zip(
        lengths.prompt_tokens, lengths.output_tokens, lengths.weights, strict=True
    ):
        count = -(-prompt // time.chunk_tokens) if phase == "prefill" else output
        parts = (np.arange(count) + 0.5) / count
        if time.context == "total":
            held = np.full(count, prompt if phase == "prefill" else prompt + output)
        else:
            held = prompt * parts if phase == "prefill" else prompt + output * parts
        work += weight * count
        context += weight * held.sum()
        square += weight * count**2
    assert load.mean_work == pytest.approx(work)
    assert load.context.mean == pytest.approx(context / work)
    assert load.cv2_work == pytest.approx(square / work**2 - 1.0, abs=1e-9)


def test_decode_holds_the_prompt() -> None:
    """A sequence of the decode pool counts with its prompt, in context and in KV."""
    table = TEN[0].decode_table()
    cells = table.load.cells
    outputs = float(cells.weights @ cells.work)
    assert table.load.context.mean > 4.0 * outputs
    assert isinstance(table.profile, CalibratedProfile)


@pytest.mark.parametrize("pools", [TEN[0], TEN[4], TEN[6]], ids=["one", "chunks", "whole"])
def test_tables_keep_the_protocol(pools: Apart) -> None:
    """Each phase is held to its own metric, and rows, searches and rates agree."""
    ttft, tpot = LIMITS.slo
    for own, other, table in (
        (ttft, tpot, pools.prefill_table()),
        (tpot, ttft, pools.decode_table()),
    ):
        searched: PoolTable = table
        least = searched.min_replicas()
        assert least is not None
        assert searched.is_admissible(least)
        assert least == 1 or not searched.is_admissible(least - 1)
        assert searched.binding(least)
        row = searched.row(least)
        assert row.percentile_s(other.metric, 99.0) is None
        assert row.miss(other) == 0.0
        value = row.percentile_s(own.metric, own.percentile)
        assert value is not None
        assert value <= own.limit_s
        at_value = LatencyBound(metric=own.metric, limit_ms=1000.0 * value)
        assert row.miss(at_value) == pytest.approx(0.01, rel=0.02)
        assert searched.fastest_s(own) <= value * (1.0 + 1e-6)
        most = searched.max_arrival_rate(least)
        assert most >= searched.arrival_rate * (1.0 - 1e-6)
        assert searched.at_rate(most * (1.0 - 1e-5)).is_admissible(least)
        assert not searched.at_rate(most * 1.001).is_admissible(least)
        assert (
            not searched.at_rate(2.0 * searched.arrival_rate / row.utilization).row(least).is_stable
        )


def test_a_slow_link_binds_the_prefill_pool() -> None:
    """No number of replicas sends more KV than a shared line takes."""
    pools = Apart("azure", 0, 8192, "h100", "a100", 8, KvLink(327_680.0, 1e9, 0.0, True), (1, 1),
                  (0.5, 0.5))  # fmt: skip
    table = pools.prefill_table()
    sent_s = float(table.load.cells.weights @ table.link.seconds(table.prompts))
    assert table.full_rate(50) / table.load.mean_work == pytest.approx(1.0 / sent_s)
    assert table.at_rate(1.0 / sent_s).min_replicas() is None


def error(pools: Apart, phase: str, requests: int, runs: int) -> float:
    """Relative error of the table's P99 against the mean of simulations."""
    table = pools.prefill_table() if phase == "prefill" else pools.decode_table()
    metric, n = ("ttft", pools.replicas[0]) if phase == "prefill" else ("tpot", pools.replicas[1])
    value = table.row(n).percentile_s(metric, 99.0)
    assert value is not None
    streams = np.random.default_rng().spawn(runs)
    return value / mean(pools.simulated_s(phase, requests, rng) for rng in streams) - 1.0


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("pools", [TEN[1], TEN[4], TEN[6]], ids=["one", "chunks", "whole"])
def test_p99_agrees_with_the_simulation(pools: Apart, phase: str) -> None:
    """Within 5 %, and 5 % for twelve short runs: a decode pool at times runs almost full."""
    assert abs(error(pools, phase, 60_000, 12)) <= 0.05 + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("pools", TEN)
def test_ten_fleets_agree_within_5_percent(pools: Apart, phase: str) -> None:
    """P99 TTFT and P99 TPOT of ten fleets against long simulations."""
    assert abs(error(pools, phase, 400_000, 6)) <= 0.05


IN_BATCHES = Apart("lmsys", 0, 512, "h100-tp8", "h100-tp8", 16, OWN, (2, 2), (0.8, 0.4))
"""Sixteen short prompts at a time, all that wait in one iteration, under a token budget."""


@pytest.mark.parametrize(
    "pools", [TEN[1], TEN[4], TEN[6], IN_BATCHES], ids=["one", "chunks", "whole", "batches"]
)
def test_power_of_prefill_agrees_with_the_simulation(pools: Apart) -> None:
    """Share of the time that replicas compute, and their draw: idle, or that of a chunk."""
    table, n = pools.prefill_table(), pools.replicas[0]
    streams = np.random.default_rng().spawn(3)
    busy, kilowatts = zip(*(pools.simulated_prefill(60_000, rng) for rng in streams), strict=True)
    assert table.busy_share(n) == pytest.approx(mean(busy), rel=0.025)
    assert pool_kilowatts(table, n) == pytest.approx(mean(kilowatts), rel=0.025)


def test_prompts_in_a_batch_share_iterations() -> None:
    """A replica computes less for them than for each by itself, the more so the busier it is."""
    table = IN_BATCHES.prefill_table()
    replica, alone_s = (
        table.replica,
        float(table.load.cells.weights @ table.replica.prompts.alone_s),
    )
    each_s = [replica.computing_s(2, part * replica.full_rate) for part in (0.01, 0.4, 0.8)]
    assert each_s[0] == pytest.approx(alone_s, rel=0.02)
    assert each_s[0] > each_s[1] > each_s[2]


def test_rows_do_not_depend_on_the_table_they_come_from() -> None:
    """A decode pool at another rate is the same as one made at it."""
    table = TEN[0].decode_table()
    again = table.at_rate(table.arrival_rate)
    assert isinstance(again, DecodePhaseTable)
    assert again.row(3).percentile_s("tpot", 99.0) == table.row(3).percentile_s("tpot", 99.0)
