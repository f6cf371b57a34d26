"""Latency percentiles where prompts take time: mixtures over lengths and occupancy.

TTFT is the rest of an iteration, prefill among other prompts, and the wait of a full pool. TPOT
is a Pearson III variable of three moments: those that the prompts of others give the iterations,
and those of the contexts beside a request. E2E is the wait and the mean of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetopt.queueing.decode_latency import grown
from fleetopt.queueing.idle import idle_s
from fleetopt.queueing.latency import LatencyMix, Metric, StateMix
from fleetopt.queueing.load import Load, Moments
from fleetopt.queueing.pace import Pace
from fleetopt.queueing.prefilling import Prefilling
from fleetopt.queueing.quantile import quantile
from fleetopt.workload.lengths import Floats

Mask = NDArray[np.bool_]


def like_mean(states: StateMix, load: Load, replicas: int) -> Floats:
    """Sequences beside a request, by state, each with the mean context of the pool."""
    like: Floats = states.context.mean / load.context.mean
    return states.beside(replicas) * like


@dataclass(frozen=True, eq=False)
class PrefillMix(LatencyMix):
    """Latency distributions of one pool whose prompts take time.

    prefilling: its requests; pace: what they meet, between numbers of sequences beside them.
    """

    prefilling: Prefilling
    pace: Pace

    @cached_property
    def _shares(self) -> Floats:
        return self.pace.shares(like_mean(self.states, self.load, self.replicas))

    @cached_property
    def _idle_ttft_s(self) -> Floats:
        """Time to the end of prefill on an idle replica, by cell."""
        return idle_s("ttft", self.load.cells, self.prefilling.time)

    @cached_property
    def _tpot_moments(self) -> Moments:
        """Moments of the mean iteration time while decoding, by cell and state.

        Deviations of the contexts beside a request grow by what comes meanwhile, as those of a pool
        that only decodes, but on one replica of many: others take what comes while it is slow.
        """
        mean, variance, third = (part.T @ self._shares.T for part in self.pace.decode)
        felt = self.prefilling.time.per_context_token_s * (self._shares @ self.pace.felt)
        beside, one = self._own_sequences, self.states.context
        mean = mean + felt * self.load.cells.decode_context_tokens[:, None]
        by_context = felt * one.mean * beside / mean
        kept = self._variance_kept[:, None] * grown(by_context / self.replicas) ** 2
        variance = variance + kept * felt**2 * one.variance * beside
        return Moments(mean, variance, third + kept**1.5 * felt**3 * one.third * beside)

    @cached_property
    def _service_s(self) -> Floats:
        """Mean time from admission to the end, by cell and state."""
        prefill = self.pace.prefill_s.T @ self._shares.T
        seconds: Floats = prefill + self.prefilling.outputs[:, None] * self._tpot_moments.mean
        return seconds

    def exceedance(self, metric: Metric, limit_s: float) -> float:
        """P(latency > limit)."""
        if metric != "ttft":
            return super().exceedance(metric, limit_s)
        return self._late_without_wait(limit_s) + self._late_with_wait(limit_s)

    def keeps(self, metric: Metric, limit_s: float, allowed: float) -> bool:
        """Whether at most an allowed share exceeds a limit; requests that wait are asked last."""
        if metric != "ttft":
            return super().keeps(metric, limit_s, allowed)
        late = self._late_without_wait(limit_s)
        return late <= allowed and late + self._late_with_wait(limit_s) <= allowed

    def percentile_s(self, metric: Metric, percentile: float) -> float:
        """The percentile of a latency, in seconds."""
        if metric != "ttft":
            return super().percentile_s(metric, percentile)
        allowed, longest_s = 1.0 - percentile / 100.0, float(self.pace.grid_s[-1])
        self.pace.follow()
        return quantile(lambda limit_s: self.exceedance(metric, limit_s), allowed, longest_s)

    def _late_without_wait(self, limit_s: float) -> float:
        """P(TTFT > limit, and a slot is free): the rest of an iteration, and prefill."""
        late = self._shares[self._is_free] @ self.pace.late_at(limit_s)
        return self._late_among(self._is_free, late, limit_s)

    def _late_with_wait(self, limit_s: float) -> float:
        """P(TTFT > limit, and no slot is free)."""
        states = self.states
        waits = ~self._is_free & (states.probabilities > 0.0)
        each = zip(states.wait_s[waits], states.wait_rate[waits], self._shares[waits], strict=True)
        late = [self._joined(limit_s - wait_s, rate, shares) for wait_s, rate, shares in each]
        return self._late_among(waits, np.array(late), limit_s)

    def _late_among(self, some: Mask, late: Floats, limit_s: float) -> float:
        """P(one of the states, and TTFT > limit); late: of a request that joins others."""
        busy = np.minimum(1.0, self.states.active[some] / self.replicas)
        alone = self.load.cells.weights @ (self._idle_ttft_s > limit_s)
        return float(self.states.probabilities[some] @ (busy * late + (1.0 - busy) * alone))

    @cached_property
    def _is_free(self) -> Mask:
        """States without a wait."""
        free: Mask = (self.states.wait_rate == 0.0) & (self.states.wait_s == 0.0)
        return free

    def _joined(self, left_s: float, wait_rate: float, shares: Floats) -> float:
        """P(rest + prefill + exponential wait > left) of a request that joins others."""
        late, grid = self.pace.late(shares), self.pace.grid_s
        if wait_rate == 0.0:
            return float(np.interp(left_s, grid, late, left=1.0, right=0.0))
        middle = 0.5 * (grid[1:] + grid[:-1])
        density = late[:-1] - late[1:]
        return float(density @ _wait_late(left_s - middle, np.full(1, wait_rate)))


def _wait_late(left_s: Floats, rate: Floats) -> Floats:
    """P(W > left) of an exponential wait; none where the rate is 0."""
    waits = np.where(rate > 0, np.exp(-rate * np.maximum(left_s, 0.0)), 0.0)
    return np.where(left_s < 0.0, 1.0, waits)
