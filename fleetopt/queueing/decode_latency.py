"""TPOT of sequences whose KV has come over a link.

TPOT is the time from the landing to the end over the output tokens: beside the iterations it
holds the rest of the one that runs at the landing and the wait for a slot, which count most
where outputs are short.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.latency import LatencyMix, Metric
from fleetopt.queueing.load import Moments
from fleetopt.workload.lengths import Floats

_FOLLOWS = 0.4
_NODES = 16
"""Equally likely waits that a distribution of waits is made of."""


def grown(by_context: Floats) -> Floats:
    """How much deviations of the contexts of a batch grow, as 1 / (1 - 0.4 g).

    by_context: g, the part of the iteration time that contexts make. Long contexts slow the batch,
    and what comes meanwhile stays. The pool follows no faster than they pass; the factor was found
    by simulation.
    """
    return 1.0 / (1.0 - _FOLLOWS * by_context)


@dataclass(frozen=True, eq=False)
class DecodeMix(LatencyMix):
    """Latency distributions of a pool that only decodes."""

    @cached_property
    def _outputs(self) -> Floats:
        return self.load.cells.work[:, None]

    @cached_property
    def _tpot_moments(self) -> Moments:
        """Moments of the iteration time; the batch's spread has grown."""
        plain = super()._tpot_moments
        context_s = self.per_token_s * self.states.context.mean * self._own_sequences
        more = grown(context_s / (self.base_s + context_s))
        return Moments(plain.mean, more**2 * plain.variance, more**3 * plain.third)

    def exceedance(self, metric: Metric, limit_s: float) -> float:
        """P(latency > limit) of TPOT, or of the whole time from the landing to the end ("e2e")."""
        share = self._tpot_exceeds(limit_s / self._outputs if metric == "e2e" else limit_s)
        return float(self.load.cells.weights @ share @ self.states.probabilities)

    def _tpot_exceeds(self, limit_s: float | Floats) -> Floats:
        """The mean iteration, and the wait before the first as a part of each output."""
        likely = (np.arange(_NODES) + 0.5) / _NODES
        running = np.minimum(1.0, self.states.active / self.replicas)
        rate = self.states.wait_rate
        waits = rate > 0
        with np.errstate(divide="ignore"):
            wait_s = np.where(waits, -np.log(likely)[:, None] / np.where(waits, rate, 1.0), 0.0)
        rest_s = likely * self._tpot_moments.mean.mean()
        late: Floats = np.zeros(self._tpot_moments.mean.shape)
        for rest, wait in zip(rest_s, wait_s[::-1], strict=True):
            before = (running * rest + wait + self.states.wait_s) / self._outputs
            late += super()._tpot_exceeds(limit_s - before) / _NODES
        return late
