"""Latencies on idle replicas: below them no number of replicas gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.performance.profile import Context, IterationTime
from fleetopt.queueing.cells import Cells
from fleetopt.queueing.latency import Metric
from fleetopt.workload.lengths import Floats


@dataclass(frozen=True, slots=True, eq=False)
class IterationTimes:
    """Iteration times that count work alike, those of `IterationTime`; a row for each profile."""

    base_s: Floats
    per_context_token_s: Floats
    prefill_base_s: Floats
    prefill_per_token_s: Floats
    first_token_s: Floats
    context: Context
    chunk_tokens: int
    token_budget: int

    @classmethod
    def of(cls, times: Sequence[IterationTime]) -> IterationTimes:
        """Of profiles with the same context, chunk and budget."""
        one = times[0]
        return cls(
            _column(time.base_s for time in times),
            _column(time.per_context_token_s for time in times),
            _column(time.prefill_base_s for time in times),
            _column(time.prefill_per_token_s for time in times),
            _column(time.first_token_s for time in times),
            one.context,
            one.chunk_tokens,
            one.token_budget,
        )

    def outside_s(self, metric: Metric) -> Floats:
        """Seconds of a latency that pass outside of the replica's queue and iterations."""
        return np.zeros_like(self.base_s) if metric == "tpot" else self.first_token_s


def _column(values: Iterable[float]) -> Floats:
    return np.array(list(values))[:, None]


def idle_s(metric: Metric, cells: Cells, time: IterationTime | IterationTimes) -> Floats:
    """Seconds of a request that is alone on its replica, by cell (the last axis).

    TTFT is its prefill, TPOT an iteration of W + h C with its own context alone, E2E both.
    """
    tpot_s = time.base_s + time.per_context_token_s * cells.decode_context_tokens
    if metric == "tpot":
        return tpot_s
    ttft_s = _idle_prefill_s(cells, time)
    if metric == "ttft":
        return ttft_s
    return ttft_s + (cells.work - cells.prefill_iterations) * tpot_s


def _idle_prefill_s(cells: Cells, time: IterationTime | IterationTimes) -> Floats:
    """Seconds of a prefill: whole chunks and a rest, or iterations of W + h L that cost none."""
    if time.context == "total":
        context_s = time.per_context_token_s * cells.prefill_context_tokens
        seconds: Floats = cells.prefill_iterations * (time.base_s + context_s)
        return seconds
    prompts = 2.0 * cells.prefill_context_tokens
    most = min(time.chunk_tokens, time.token_budget or time.chunk_tokens)
    full = np.ceil(prompts / most) - 1.0
    rest = prompts - full * most
    return full * _iteration_s(time, float(most)) + _iteration_s(time, rest)


def _iteration_s(time: IterationTime | IterationTimes, prompt_tokens: Floats | float) -> Floats:
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
