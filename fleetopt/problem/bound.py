"""What follows from a bound on a percentile of a latency, however it was stated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

Metric = Literal["ttft", "tpot", "e2e"]


class BoundFigures:
    """The figures of a bound in other units, and in words."""

    if TYPE_CHECKING:
        metric: Metric
        percentile: float
        limit_ms: float

    @property
    def limit_s(self) -> float:
        """The bound in seconds."""
        return self.limit_ms / 1000.0

    @property
    def allowed_miss(self) -> float:
        """Share of requests that may exceed the bound."""
        return 1.0 - self.percentile / 100.0

    @property
    def label(self) -> str:
        """The bound's quantity in words, such as 'P99 TTFT'."""
        return f"P{self.percentile:g} {self.metric.upper()}"

    @property
    def text(self) -> str:
        """The bound as a user writes it, such as 'p99 ttft 500'."""
        return f"p{self.percentile:g} {self.metric} {self.limit_ms:g}"
