"""Latencies of rows at the percentile that counts in a frontier."""

from __future__ import annotations

import math
from functools import cached_property

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Design
from fleetopt.optimization.objectives import Worst
from fleetopt.problem import LatencyBound


class Percentiles:
    """Latencies of rows at the percentile that the SLO bounds, the highest if it bounds several."""

    def __init__(self, design: Design) -> None:
        self._design = design
        self._published = design.case.problem.method == "published"

    @cached_property
    def bounds(self) -> dict[str, LatencyBound]:
        """The bound of each latency that has one."""
        ascending = sorted(self._design.case.problem.slo, key=lambda bound: bound.percentile)
        return {bound.metric: bound for bound in ascending}

    def of(self, name: Worst) -> float:
        """The percentile that counts."""
        return self.bounds[name].percentile if name in self.bounds else 99.0

    def value_ms(self, name: Worst, candidate: Candidate, row: Row) -> float:
        """The percentile of a row."""
        seen = self._design.table(candidate).row(row.replicas)
        value = seen.percentile_s(name, self.of(name))
        return math.inf if value is None else 1000.0 * value

    def exceeds(self, name: Worst, candidate: Candidate, row: Row, limit_ms: float) -> bool:
        """Whether it is above a limit."""
        if self._published:  # whose misses are those of the wait alone
            return self.value_ms(name, candidate, row) > limit_ms
        bound = LatencyBound(metric=name, percentile=self.of(name), limit_ms=limit_ms)
        return self._design.table(candidate).row(row.replicas).miss(bound) > bound.allowed_miss
