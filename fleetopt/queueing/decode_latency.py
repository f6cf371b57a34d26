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
from fleetopt.workload.lengths import Floats

_NODES = 16
"""Equally likely waits that a distribution of waits is made of."""


@dataclass(frozen=True, eq=False)
class DecodeMix(LatencyMix):
    """Latency distributions of a pool that only decodes."""

    @cached_property
    def _outputs(self) -> Floats:
        return self.load.cells.work[:, None]

    def exceedance(self, metric: Metric, limit_s: float) -> float:
        """P(latency > limit); only TPOT is known."""
        share = self._tpot_exceeds(limit_s)
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
