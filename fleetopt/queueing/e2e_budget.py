"""A bound on E2E latency, divided between the pool that prefills and the pool that decodes.

E2E is TTFT, the transfer included, and the time from the landing of the KV to the end. If TTFT
exceeds a share s of the limit B with probability at most a, and the rest exceeds (1 - s) B with
probability at most b, then E2E exceeds B with probability at most a + b, however the two depend
on each other. So the division is on the safe side. The program chooses among several shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetopt.problem import LatencyBound, Metric

TTFT_MISSES = 0.05
"""TTFT's part of the allowed misses: the longest outputs, not the longest waits, make the tail."""


@dataclass(frozen=True, slots=True)
class E2eBudget:
    """One division of every bound on E2E; share: of the limit for TTFT."""

    share: float

    def ttft(self, bound: LatencyBound) -> LatencyBound:
        """What the pool that prefills keeps for a bound on E2E."""
        percentile = 100.0 - TTFT_MISSES * (100.0 - bound.percentile)
        return _part(bound, "ttft", percentile, self.share)

    def rest(self, bound: LatencyBound) -> LatencyBound:
        """What the pool that decodes keeps for it, from the landing to the end."""
        percentile = bound.percentile + TTFT_MISSES * (100.0 - bound.percentile)
        return _part(bound, "e2e", percentile, 1.0 - self.share)


def _part(bound: LatencyBound, metric: Metric, percentile: float, share: float) -> LatencyBound:
    """The bound on a share of its limit."""
    changed = {"metric": metric, "percentile": percentile, "limit_ms": share * bound.limit_ms}
    return bound.model_copy(update=changed)
