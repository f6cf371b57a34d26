"""Latency percentiles where prompts take time: mixtures over lengths and occupancy.

TTFT is the rest of an iteration, prefill among other prompts, and the wait of a full pool. TPOT
is a Pearson III variable of three moments: those that the prompts of others give the iterations,
and those of the contexts beside a request. E2E is the wait and the mean of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.decode_latency import grown
from fleetopt.queueing.idle import idle_s
from fleetopt.queueing.latency import LatencyMix, Metric, StateMix
from fleetopt.queueing.load import Load, Moments
from fleetopt.queueing.pace import Pace
from fleetopt.queueing.prefilling import Prefilling
from fleetopt.queueing.quantile import quantile
from fleetopt.workload.lengths import Floats


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
        if metric == "ttft":
            return float(self._ttft_late(limit_s) @ self.states.probabilities)
        return super().exceedance(metric, limit_s)

    def percentile_s(self, metric: Metric, percentile: float) -> float:
        """The percentile of a latency, in seconds."""
        if metric != "ttft":
            return super().percentile_s(metric, percentile)
        allowed, longest_s = 1.0 - percentile / 100.0, float(self.pace.grid_s[-1])
        return quantile(lambda limit_s: self.exceedance(metric, limit_s), allowed, longest_s)

    def _ttft_late(self, limit_s: float) -> Floats:
        """P(TTFT > limit) by state: the rest of an iteration, prefill, and a wait."""
        busy = np.minimum(1.0, self.states.active / self.replicas)
        late = np.empty(busy.size)
        for i, (wait_s, rate) in enumerate(
            zip(self.states.wait_s, self.states.wait_rate, strict=True)
        ):
            late[i] = self._joined(limit_s - wait_s, rate, self._shares[i])
        alone = self.load.cells.weights @ (self._idle_ttft_s > limit_s)
        return busy * late + (1.0 - busy) * alone

    def _joined(self, left_s: float, wait_rate: float, shares: Floats) -> float:
        """P(rest + prefill + exponential wait > left) of a request that joins others."""
        used = np.flatnonzero(shares)
        grid = self.pace.grid_s
        late = shares[used] @ self.pace.late[used]
        if wait_rate == 0.0:
            return float(np.interp(left_s, grid, late, left=1.0, right=0.0))
        middle = 0.5 * (grid[1:] + grid[:-1])
        density = late[:-1] - late[1:]
        return float(density @ _wait_late(left_s - middle, np.full(1, wait_rate)))


def _wait_late(left_s: Floats, rate: Floats) -> Floats:
    """P(W > left) of an exponential wait; none where the rate is 0."""
    waits = np.where(rate > 0, np.exp(-rate * np.maximum(left_s, 0.0)), 0.0)
    return np.where(left_s < 0.0, 1.0, waits)
