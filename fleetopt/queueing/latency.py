"""Latency percentiles of a pool: mixtures over lengths and occupancy.

A request that finds n sequences joins the emptiest replica, with
n_own = max(0, n / N - (N - 1) / (2 N)) beside it, and runs iterations of
tau' = W + h (Lbar n_own + own context). The same n_own sequences are beside it while it
decodes: routing keeps the replicas balanced, so n / N would count up to one too many.
Nothing here takes a mean for a percentile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from fleetopt.problem.bound import Metric as Metric
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.load import Load, Moments
from fleetopt.queueing.occupancy import Occupancy
from fleetopt.queueing.quantile import quantile
from fleetopt.queueing.tails import exceeds, uniform_and_wait_exceeds, wait_exceeds
from fleetopt.workload.lengths import Floats

_BINS = 48
_FEW_PAIRS = 1024
"""Pairs of cells and states that are not worth narrowing."""
_RARE = 1e-7
"""Share of the allowed misses that exponential waits need, to count in a percentile."""


@dataclass(frozen=True, eq=False)
class StateMix:
    """What an arrival finds: representative states, one entry each.

    active: sequences in the pool. probabilities: sum to 1.
    context: moments of the context of one of them.
    wait_s, wait_rate: a wait of wait_s seconds, and an exponential one of this rate
        after it; no exponential wait where the rate is 0.
    """

    active: Floats
    probabilities: Floats
    context: Moments
    wait_s: Floats
    wait_rate: Floats

    def beside(self, replicas: int) -> Floats:
        """Sequences beside a request that joins the emptiest replica."""
        n = replicas
        beside: Floats = np.maximum(0.0, self.active / n - (n - 1) / (2 * n))
        return beside

    def where(self, kept: NDArray[np.bool_]) -> StateMix:
        """Some of the states, with their probabilities as they are."""
        context = Moments(*(moment[kept] for moment in self.context))
        return StateMix(
            self.active[kept], self.probabilities[kept], context, self.wait_s[kept],
            self.wait_rate[kept],
        )  # fmt: skip


def states_of(occupancy: Occupancy, load: Load) -> StateMix:
    """The states an arrival finds, binned; states n >= c as c with their exponential wait."""
    active, mass = binned(occupancy.states, occupancy.probabilities, _BINS)
    full = float(occupancy.replicas * occupancy.slots)
    spare = occupancy.full_rate - load.offered_work
    rate = 2.0 * spare / (load.mean_work * (1.0 + load.cv2_work))
    size = active.size + 1
    return StateMix(
        np.append(active, full),
        np.append(mass, occupancy.wait_probability),
        Moments(*(np.full(size, moment) for moment in load.context)),
        np.zeros(size),
        np.append(np.zeros(active.size), rate),
    )


def binned(states: Floats, probabilities: Floats, most: int) -> tuple[Floats, Floats]:
    """At most `most` groups of neighbouring states, each at its mean; the sum is kept."""
    if states.size <= most:
        return states, probabilities
    kept = probabilities > 1e-9
    if not kept.any():
        return states[-1:], probabilities.sum(keepdims=True)
    total = probabilities.sum()
    states, probabilities = states[kept], probabilities[kept]
    probabilities = probabilities * (total / probabilities.sum())
    starts = np.arange(min(most, states.size)) * states.size // min(most, states.size)
    mass = np.add.reduceat(probabilities, starts)
    return np.add.reduceat(states * probabilities, starts) / mass, mass


@dataclass(frozen=True, eq=False)
class LatencyMix:
    """Latency distributions of one pool.

    base_s, per_token_s: W and h of the replica.
    """

    load: Load
    states: StateMix
    replicas: int
    base_s: float
    per_token_s: float

    @cached_property
    def _own_sequences(self) -> Floats:
        return self.states.beside(self.replicas)

    def _iteration_s(self, own_context: Floats) -> Floats:
        """Iteration times tau' by cell (rows) and state (columns)."""
        beside: Floats = self.states.context.mean * self._own_sequences
        return self.base_s + self.per_token_s * (own_context[:, None] + beside[None, :])

    @cached_property
    def prefill_iteration_s(self) -> Floats:
        """Iteration times during prefill, in seconds, by cell (rows) and state (columns)."""
        return self._iteration_s(self.load.cells.prefill_context_tokens)

    @cached_property
    def _service_s(self) -> Floats:
        cells = self.load.cells
        decode = self._iteration_s(cells.decode_context_tokens)
        decode_iterations = (cells.work - cells.prefill_iterations)[:, None]
        prefill = cells.prefill_iterations[:, None] * self.prefill_iteration_s
        return prefill + decode_iterations * decode

    @cached_property
    def _tpot_moments(self) -> Moments:
        """Moments of the iteration time while decoding, in seconds, by cell and state."""
        beside = self._own_sequences
        one = self.states.context
        h = self.per_token_s
        own = self.load.cells.decode_context_tokens[:, None]
        mean = self.base_s + h * (one.mean * beside + own)
        kept = self._variance_kept[:, None]
        variance = kept * h**2 * one.variance * beside
        return Moments(mean, variance, kept**1.5 * h**3 * one.third * beside)

    @cached_property
    def _variance_kept(self) -> Floats:
        """Share of the batch's variance left after averaging over a request's decode.

        A neighbour with work v is still there u iterations later with probability
        (1 - u / v)+, so its part of the variance of a mean over x v iterations is
        1 - x / 3 for x <= 1, else 1 / x - 1 / (3 x^2).
        """
        cells = self.load.cells
        spread = (cells.decode_context_tokens - self.load.context.mean) ** 2
        parts = cells.weights * cells.work * spread
        if not parts.sum() > 0:
            return np.ones_like(parts)
        x = (cells.work - cells.prefill_iterations)[:, None] / cells.work[None, :]
        kept = np.where(x <= 1.0, 1.0 - x / 3.0, 1.0 / x - 1.0 / (3.0 * x**2))
        averaged: Floats = kept @ (parts / parts.sum())
        return averaged

    @cached_property
    def _ttft_without_wait_s(self) -> float:
        """More than any TTFT of a request that does not wait."""
        cells = self.load.cells
        beside = float((self.states.context.mean * self._own_sequences).max())
        own = float(cells.prefill_context_tokens.max())
        iteration = self.base_s + self.per_token_s * (own + beside)
        return (float(cells.prefill_iterations.max()) + 1.0) * iteration

    @cached_property
    def _waiting(self) -> float:
        """Probability of the states with a wait."""
        waits = (self.states.wait_rate > 0) | (self.states.wait_s > 0)
        return float(self.states.probabilities[waits].sum())

    def exceedance(self, metric: Metric, limit_s: float) -> float:
        """P(latency > limit)."""
        with one_blas_thread(self.load.cells.weights.size * self.states.active.size):
            return self._exceedance(metric, limit_s)

    def _exceedance(self, metric: Metric, limit_s: float) -> float:
        if metric == "ttft" and limit_s >= self._ttft_without_wait_s and self._waiting == 0.0:
            return 0.0
        if metric == "ttft":
            share = self._ttft_exceeds(limit_s)
        elif metric == "tpot":
            share = self._tpot_exceeds(limit_s)
        else:
            left = limit_s - self.states.wait_s - self._service_s
            share = wait_exceeds(left, self.states.wait_rate)
        return float(self.load.cells.weights @ share @ self.states.probabilities)

    def keeps(self, metric: Metric, limit_s: float, allowed: float) -> bool:
        """Whether at most an allowed share exceeds a limit."""
        return self.exceedance(metric, limit_s) <= allowed

    def percentile_s(self, metric: Metric, percentile: float) -> float:
        """The percentile of a latency, in seconds."""
        allowed = 1.0 - percentile / 100.0
        if metric == "ttft":
            with one_blas_thread(self.prefill_iteration_s.size):
                return quantile(_NarrowingTtft(self, allowed), allowed, self._longest_s(metric))
        return quantile(partial(self.exceedance, metric), allowed, self._longest_s(metric))

    def _longest_s(self, metric: Metric) -> float:
        if metric == "ttft":
            longest = (self.load.cells.prefill_iterations[:, None] + 1) * self.prefill_iteration_s
            return float(longest.max())
        return float(self._tpot_moments.mean.max() if metric == "tpot" else self._service_s.max())

    def _ttft_exceeds(self, limit_s: float) -> Floats:
        """Rest of the running iteration, then prefill, then the wait of a full pool."""
        tau = self.prefill_iteration_s
        left = limit_s - self.states.wait_s - self.load.cells.prefill_iterations[:, None] * tau
        running = np.minimum(1.0, self.states.active / self.replicas)
        rate = self.states.wait_rate
        uniform = uniform_and_wait_exceeds(left, tau, rate)
        return running * uniform + (1.0 - running) * wait_exceeds(left, rate)

    def _tpot_exceeds(self, limit_s: float | Floats) -> Floats:
        """The neighbours' contexts add up to a Pearson III variable of their three moments.

        Its lower end may lie below W + h C of a request alone; there every request is late.
        """
        late = exceeds(limit_s, self._tpot_moments)
        alone = self.base_s + self.per_token_s * self.load.cells.decode_context_tokens
        return np.where(limit_s < alone[:, None], 1.0, late)


class _NarrowingTtft:
    """P(TTFT > limit) for a search of the share `allowed`, faster when the search has a bracket.

    Pairs of cells and states whose TTFT lies on one side of the bracket are summed up once.
    Only exponential waits have no end; they are left out where they are too rare to count.
    """

    def __init__(self, mix: LatencyMix, allowed: float) -> None:
        self._allowed = allowed
        self._low, self._high = 0.0, math.inf
        states, cells = mix.states, mix.load.cells
        waits = states.wait_rate > 0
        rare = float(states.probabilities[waits].sum()) < _RARE * allowed
        self._waits = [] if rare else [_Waiting(mix, int(j)) for j in np.flatnonzero(waits)]
        ends = states.where(~waits)
        tau = mix.prefill_iteration_s[:, ~waits]
        start = ends.wait_s + cells.prefill_iterations[:, None] * tau
        weights = cells.weights[:, None] * ends.probabilities
        running = np.minimum(1.0, ends.active / mix.replicas) * weights
        self._sure = 0.0
        self._pairs = [
            column.ravel() for column in (start, start + tau, weights - running, running / tau)
        ]

    def __call__(self, limit_s: float) -> float:
        """P(TTFT > limit)."""
        if self._pairs[0].size > _FEW_PAIRS and self._low > 0.0 and self._high < math.inf:
            self._narrow()
        start, end, atom, density = self._pairs
        left = end - np.maximum(start, limit_s)
        share = self._sure + float(density @ np.maximum(left, 0.0) + atom @ (start > limit_s))
        share += sum(waiting.exceedance(limit_s) for waiting in self._waits)
        if share > self._allowed:
            self._low = max(self._low, limit_s)
        else:
            self._high = min(self._high, limit_s)
        return share

    def _narrow(self) -> None:
        """Sum up what the bracket has decided."""
        start, end, atom, density = self._pairs
        late = start > self._high
        self._sure += float(atom @ late + density @ (late * (end - start)))
        open_ = np.flatnonzero(~late & (end > self._low))
        self._pairs = [column[open_] for column in self._pairs]


class _Waiting:
    """TTFT of the requests that find one state with an exponential wait, apart from the mix.

    With x what is left of the limit after the prefill, y = clip(x, 0, tau), the wait W of rate
    theta and the rest U of the running iteration, uniform on [0, tau]:

        P(W > x) = exp(-theta max(x, 0)),
        P(U + W > x) = 1 - y / tau + (exp(-theta max(x - y, 0)) - P(W > x)) / (theta tau).
    """

    def __init__(self, mix: LatencyMix, state: int) -> None:
        states, cells = mix.states, mix.load.cells
        self._tau = mix.prefill_iteration_s[:, state]
        self._start = states.wait_s[state] + cells.prefill_iterations * self._tau
        self._rate = float(states.wait_rate[state])
        running = min(1.0, float(states.active[state]) / mix.replicas)
        weights = states.probabilities[state] * cells.weights
        self._uniform = running * weights / self._tau
        self._atom = (1.0 - running) * weights

    def exceedance(self, limit_s: float) -> float:
        """P(TTFT > limit and this state is found)."""
        x = np.maximum(limit_s - self._start, 0.0)
        y = np.minimum(x, self._tau)
        wait = np.exp(-self._rate * x)
        both = self._tau - y + (np.exp(-self._rate * (x - y)) - wait) / self._rate
        return float(self._uniform @ both + self._atom @ wait)
