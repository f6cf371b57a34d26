"""Latencies of rows at the percentile that counts in a frontier."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.objectives import Worst
from fleetopt.problem import FleetProblem, LatencyBound
from fleetopt.queueing.table import PoolTable
from fleetopt.verification import METRICS_OF

_ROUNDING = 1.001
"""How far above a limit idle replicas have to be; their times are on another grid than rows'."""


class Percentiles:
    """Latencies of rows at the percentile that the SLO bounds, the highest if it bounds several.

    table: the one behind a candidate.
    """

    def __init__(self, problem: FleetProblem, table: Callable[[Candidate], PoolTable]) -> None:
        self._problem, self._table = problem, table
        self._published = problem.method == "published"

    @cached_property
    def bounds(self) -> dict[str, LatencyBound]:
        """The bound of each latency that has one."""
        ascending = sorted(self._problem.slo, key=lambda bound: bound.percentile)
        return {bound.metric: bound for bound in ascending}

    def of(self, name: Worst) -> float:
        """The percentile that counts."""
        return self.bounds[name].percentile if name in self.bounds else 99.0

    def value_ms(self, name: Worst, candidate: Candidate, row: Row) -> float:
        """The percentile of a row; 0 for what the other phase of its requests answers for."""
        if candidate.phase is not None and name not in METRICS_OF[candidate.phase]:
            return 0.0
        seen = self._table(candidate).row(row.replicas)
        value = seen.percentile_s(name, self.of(name))
        return math.inf if value is None else 1000.0 * value

    def exceeds(self, name: Worst, candidate: Candidate, row: Row, limit_ms: float) -> bool:
        """Whether it is above a limit."""
        if self._published:  # whose misses are those of the wait alone
            return self.value_ms(name, candidate, row) > limit_ms
        bound = self._bound(name, limit_ms)
        return self._table(candidate).row(row.replicas).miss(bound) > bound.allowed_miss

    def is_never_within(self, name: Worst, candidate: Candidate, limit_ms: float) -> bool:
        """Whether even idle replicas are above a limit."""
        if self._published:
            return False
        bound = self._bound(name, limit_ms)
        missed = self._table(candidate).least_miss(bound, _ROUNDING)
        return missed > bound.allowed_miss

    def _bound(self, name: Worst, limit_ms: float) -> LatencyBound:
        return LatencyBound(metric=name, percentile=self.of(name), limit_ms=limit_ms)
