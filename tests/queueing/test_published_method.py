"""The published sizing formulas on one pool, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bundled_pools import LIMITS, PROFILES, TTFT, WORKLOADS

from fleetopt.errors import InputError
from fleetopt.problem import LatencyBound
from fleetopt.queueing.erlang import erlang_c
from fleetopt.queueing.published import PublishedLoadTable, PublishedTable
from fleetopt.queueing.table import Limits

RATE, LO, HI = 9.24, 4096, 65536
PROFILE = PROFILES["h100"]


def table(rate: float = RATE, limits: Limits = LIMITS) -> PublishedTable:
    """Long agent requests on H100."""
    loads = PublishedLoadTable(WORKLOADS["agent_heavy"], PROFILE.iteration)
    return PublishedTable(loads.between(LO, HI, rate), PROFILE, PROFILE.reserved(HI), LO, limits)


def holding() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, S and prefill iterations of every length, from the formulas as published."""
    part = WORKLOADS["agent_heavy"].within(LO, HI)
    spec, slots = PROFILE.spec, PROFILE.reserved(HI).slots
    chunks = np.ceil(part.prompt_tokens / spec.chunk_tokens)
    h = spec.per_sequence_s / spec.calibration_context_tokens
    tau = spec.base_s + h * part.total_tokens * slots
    return part.weights, (chunks + part.output_tokens) * tau, chunks


def test_row_follows_the_published_formulas() -> None:
    """Utilization, Erlang-C, Kimura's P99 wait and the reported TTFT."""
    weights, hold, chunks = holding()
    mean = weights @ hold
    cv2 = weights @ hold**2 / mean**2 - 1.0
    pool = table()
    replicas = math.ceil(RATE * mean / pool.slots) + 1
    servers = replicas * pool.slots
    c = erlang_c(servers, RATE * mean)
    wait = 0.0 if c <= 0.01 else math.log(c / 0.01) * (1 + cv2) / (2 * (servers / mean - RATE))
    row = pool.row(replicas)
    assert row.utilization == pytest.approx(RATE * mean / servers)
    assert row.wait_probability == pytest.approx(c, rel=1e-9)
    assert row.wait_s(99.0) == pytest.approx(wait, rel=1e-6)
    prefill = weights @ chunks * (PROFILE.spec.base_s + PROFILE.spec.per_sequence_s)
    assert row.percentile_s("ttft", 99.0) == pytest.approx(wait + prefill)
    assert pool.fastest_s(TTFT) == pytest.approx(prefill)


def test_other_metrics_are_not_predicted() -> None:
    """TPOT and E2E stay None, and an SLO on them is refused."""
    row = table().row(30)
    assert row.percentile_s("tpot", 99.0) is None
    assert row.percentile_s("e2e", 99.0) is None
    with pytest.raises(InputError, match="TTFT only, not P99 TPOT"):
        table(limits=Limits((LatencyBound(metric="tpot", limit_ms=50.0),)))


def test_search_starts_one_above_the_offered_load() -> None:
    """A pool never has one replica, and grey changes nothing."""
    assert table(0.001).min_replicas() == 2
    pool = table()
    least = pool.min_replicas()
    assert pool.min_replicas(grey=True) == least
    assert pool.is_admissible(least)
    assert not pool.is_admissible(least - 1)
    assert least >= math.ceil(pool.offered / pool.slots) + 1


def test_max_arrival_rate_brackets_admissibility() -> None:
    """Just below Lambda(n) the row is admissible, just above it is not."""
    for replicas in (2, 9, 40):
        rate = table().max_arrival_rate(replicas)
        assert table(rate * (1 - 1e-5)).is_admissible(replicas)
        assert not table(rate * (1 + 1e-5)).is_admissible(replicas)
    assert table().max_arrival_rate(1) == 0.0


def test_binding_says_what_held_the_count_up() -> None:
    """The cap, the wait or the start of the search."""
    pool = table()
    assert pool.binding(pool.min_replicas()).startswith("utilization cap")
    assert table(0.001).binding(2).startswith("the published search starts at 2")
    tight = Limits((LatencyBound(limit_ms=0.001, percentile=99.9999),), max_utilization=0.999)
    held = table(limits=tight)
    assert held.binding(held.min_replicas()).startswith("wait for a slot")


def test_overload_never_ends() -> None:
    """A row below the offered load reports an infinite TTFT."""
    row = table().row(1)
    assert row.miss(TTFT) == 1.0
    assert row.percentile_s("ttft", 99.0) == math.inf
