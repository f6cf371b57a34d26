"""KV that is sent layer by layer, in the tables: by hand, and against the simulator."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

import numpy as np
import pytest
from fleets_apart import SHARED, TEN, Apart

from fleetopt.performance.kv_link import KvLink
from fleetopt.workload.lengths import Floats

LAYERS = 80


def overlapping(pools: Apart) -> Apart:
    return replace(pools, link=replace(pools.link, overlap_layers=LAYERS))


def p99_s(pools: Apart) -> float:
    found = pools.prefill_table().row(pools.replicas[0]).percentile_s("ttft", 99.0)
    assert found is not None
    return found


def left(prefill_s: float, layers: int) -> Floats:
    """Of 10 ms of latency and 200 ms of bytes."""
    link = KvLink(1e5, 1e9, 0.01, overlap_layers=layers)
    return link.left_s(np.array([2000.0]), np.array([prefill_s]))


def test_what_is_left_by_hand() -> None:
    assert left(0.3, 1) == pytest.approx([0.21])
    assert left(0.1, 10) == pytest.approx([0.11])
    assert left(0.3, 10) == pytest.approx([0.03])


@pytest.mark.parametrize("pools", [TEN[0], TEN[1], TEN[7]], ids=["idle", "one", "whole"])
def test_p99_agrees_with_the_simulation(pools: Apart) -> None:
    """Within 5 % of 32 runs, where the overlap saves a tenth or more of what passes inside."""
    overlaps = overlapping(pools)
    seen = mean(
        overlaps.simulated_s("prefill", 40_000, rng) for rng in np.random.default_rng().spawn(32)
    )
    assert p99_s(overlaps) == pytest.approx(seen, rel=0.05)
    outside_s = pools.prefill_table().profile.iteration.first_token_s
    assert p99_s(overlaps) - outside_s < 0.9 * (p99_s(pools) - outside_s)


@pytest.mark.parametrize("pools", [TEN[4], replace(TEN[6], link=SHARED)], ids=["batch", "shared"])
def test_lines_that_prompts_share_are_counted_in_full(pools: Apart) -> None:
    assert p99_s(overlapping(pools)) == p99_s(pools)


def test_overlap_makes_no_bandwidth() -> None:
    """A line that is too slow for the KV is the limit, and replicas wait for it less."""
    slow = replace(TEN[1], link=KvLink(327_680.0, 5e9, overlap_layers=LAYERS)).prefill_table()
    after = replace(TEN[1], link=KvLink(327_680.0, 5e9)).prefill_table()
    prompts = slow.load.cells.weights @ slow.prompts
    most = 4 * slow.load.mean_work * 5e9 / (327_680.0 * prompts)
    assert after.full_rate(4) < slow.full_rate(4) <= most * (1.0 + 1e-9)
