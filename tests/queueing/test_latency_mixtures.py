"""Latency distributions against draws of the same mixture, and against themselves."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from bundled_pools import PROFILES, load
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.queueing.latency import LatencyMix, Metric, states_of
from fleetopt.queueing.occupancy import occupancy

METRICS: tuple[Metric, ...] = ("ttft", "tpot", "e2e")
DRAWS = 400_000
DEVIATIONS = 6.0
"""A false alarm of one comparison is rarer than 1e-7."""


def mixture(workload: str, gpu: str, rate: float, replicas: int, hi: int, slots: int) -> LatencyMix:
    """The mixture of a pool of a bundled workload."""
    requests = load(workload, gpu, rate, 0, hi)
    time = PROFILES[gpu].iteration
    slope = time.per_context_token_s * requests.context.mean
    occ = occupancy(requests.offered_work, time.base_s, slope, replicas, slots)
    return LatencyMix(
        requests, states_of(occ, requests), replicas, time.base_s, time.per_context_token_s
    )


POOLS: dict[str, Callable[[], LatencyMix]] = {
    "quiet": lambda: mixture("azure", "h100", 20.0, 6, 8192, 256),
    "busy": lambda: mixture("azure", "a100", 100.0, 12, 8192, 128),
    "waiting": lambda: mixture("agent_heavy", "h100", 20.0, 23, 65536, 32),
}


def draw(mix: LatencyMix, metric: Metric, rng: np.random.Generator) -> np.ndarray:
    """Latencies drawn request by request."""
    cells, states, n = mix.load.cells, mix.states, mix.replicas
    i = rng.choice(cells.weights.size, DRAWS, p=cells.weights)
    j = rng.choice(states.active.size, DRAWS, p=states.probabilities)
    active, context = states.active[j], states.context.mean[j]
    rate = states.wait_rate[j]
    wait = states.wait_s[j] + np.where(
        rate > 0, rng.exponential(1.0, DRAWS) / np.where(rate > 0, rate, 1.0), 0.0
    )
    own = np.maximum(0.0, active / n - (n - 1) / (2 * n))
    tau = mix.base_s + mix.per_token_s * (context * own + cells.prefill_context_tokens[i])
    if metric == "ttft":
        rest = np.where(rng.random(DRAWS) < np.minimum(1.0, active / n), rng.random(DRAWS), 0.0)
        return wait + (rest + cells.prefill_iterations[i]) * tau
    decode = mix.base_s + mix.per_token_s * (context * own + cells.decode_context_tokens[i])
    iterations = cells.work[i] - cells.prefill_iterations[i]
    return wait + cells.prefill_iterations[i] * tau + iterations * decode


@pytest.mark.parametrize("metric", ["ttft", "e2e"])
@pytest.mark.parametrize("pool", sorted(POOLS))
def test_exceedance_equals_draws(pool: str, metric: Metric) -> None:
    """P(latency > limit) at several limits, within six standard errors of the draws."""
    mix = POOLS[pool]()
    values = draw(mix, metric, np.random.default_rng())
    for percentile in (20.0, 50.0, 90.0, 99.0, 99.9):
        limit = mix.percentile_s(metric, percentile)
        expected = mix.exceedance(metric, limit)
        error = math.sqrt(expected * (1 - expected) / DRAWS)
        assert abs(float(np.mean(values > limit)) - expected) < DEVIATIONS * error + 1e-6


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("pool", sorted(POOLS))
def test_percentile_inverts_exceedance(pool: str, metric: Metric) -> None:
    """Just below the percentile too many are late, just above at most the allowed share."""
    mix = POOLS[pool]()
    for percentile in (10.0, 50.0, 95.0, 99.0, 99.9):
        allowed = 1.0 - percentile / 100.0
        value = mix.percentile_s(metric, percentile)
        assert mix.exceedance(metric, value * (1 - 1e-4)) > allowed
        assert mix.exceedance(metric, value * (1 + 1e-4)) <= allowed


MIXES = {name: build() for name, build in POOLS.items()}


@given(
    st.sampled_from(sorted(POOLS)),
    st.sampled_from(METRICS),
    st.floats(1e-4, 50.0),
    st.floats(1.0, 3.0),
)
def test_exceedance_falls_with_the_limit(
    pool: str, metric: Metric, limit_s: float, factor: float
) -> None:
    """A wider limit is never missed more often; shares stay in [0, 1]."""
    mix = MIXES[pool]
    narrow, wide = mix.exceedance(metric, limit_s), mix.exceedance(metric, factor * limit_s)
    assert -1e-9 <= wide <= narrow + 1e-9 <= 1.0 + 2e-9


def test_tpot_of_one_request_alone_is_its_iteration_time() -> None:
    """With hardly any neighbours the median TPOT is W + h L of the median length."""
    mix = mixture("azure", "h100", 0.001, 1, 8192, 256)
    cells = mix.load.cells
    times = mix.base_s + mix.per_token_s * cells.decode_context_tokens
    order = np.argsort(times)
    median = times[order][np.searchsorted(np.cumsum(cells.weights[order]), 0.5)]
    assert mix.percentile_s("tpot", 50.0) == pytest.approx(median, rel=0.01)
