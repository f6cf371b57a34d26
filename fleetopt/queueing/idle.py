"""Latencies on idle replicas: below them no number of replicas gets."""

from __future__ import annotations

import numpy as np

from fleetopt.performance.profile import IterationTime
from fleetopt.queueing.cells import Cells
from fleetopt.queueing.latency import Metric
from fleetopt.workload.lengths import Floats


def idle_s(metric: Metric, cells: Cells, time: IterationTime) -> Floats:
    """Seconds of a request that is alone on its replica, by cell.

    TTFT is its prefill, TPOT an iteration of W + h C with its own context alone, E2E both.
    """
    tpot_s = time.base_s + time.per_context_token_s * cells.decode_context_tokens
    if metric == "tpot":
        return tpot_s
    ttft_s = _idle_prefill_s(cells, time)
    if metric == "ttft":
        return ttft_s
    return ttft_s + (cells.work - cells.prefill_iterations) * tpot_s


def _idle_prefill_s(cells: Cells, time: IterationTime) -> Floats:
    """Seconds of a prefill: whole chunks and a rest, or iterations of W + h L that cost none."""
    if time.context == "total":
        context_s = time.per_context_token_s * cells.prefill_context_tokens
        seconds: Floats = cells.prefill_iterations * (time.base_s + context_s)
        return seconds
    prompts = 2.0 * cells.prefill_context_tokens
    most = min(time.chunk_tokens, time.token_budget or time.chunk_tokens)
    full = np.ceil(prompts / most) - 1.0
    rest = prompts - full * most
    return full * time.seconds(0.0, most) + _iteration_s(time, rest)


def _iteration_s(time: IterationTime, prompt_tokens: Floats) -> Floats:
    """Seconds of iterations with so many prompt tokens and no context beside them."""
    return np.maximum(time.base_s, time.prefill_base_s + time.prefill_per_token_s * prompt_tokens)


def share_beyond(cells: Cells, seconds: Floats, limit_s: float) -> float:
    """Share of the requests whose cell takes more than `limit_s`."""
    return float(cells.weights @ (seconds > limit_s))


def percentile_of(cells: Cells, seconds: Floats, percentile: float) -> float:
    """The least time that at most a share of 1 - percentile / 100 of the requests exceed."""
    order = np.argsort(seconds)
    beyond = cells.weights.sum() - np.cumsum(cells.weights[order])
    within = beyond <= (1.0 - percentile / 100.0) * (1.0 + 1e-12)
    return float(seconds[order[np.argmax(within)]])
