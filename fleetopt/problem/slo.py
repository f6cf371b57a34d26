"""What latencies are held to: bounds on percentiles."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from fleetopt.problem.faults import Stated

Metric = Literal["ttft", "tpot", "e2e"]

_BOUND = "expected a percentile, a metric and a limit in ms, such as 'p99 ttft 500', got {!r}"


class LatencyBound(Stated):
    """One bound on one percentile of one latency metric; as a text, 'p99 ttft 500'."""

    metric: Metric = "ttft"
    """Time to first token, time per output token, or end-to-end latency."""
    percentile: float = Field(default=99.0, gt=0, lt=100)
    """Which percentile is bounded."""
    limit_ms: float = Field(gt=0)
    """The bound, in milliseconds."""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, stated: Any) -> Any:
        return bound_keys(stated)

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


def bound_keys(stated: Any) -> Any:
    """The keys of a bound that is stated as a text; anything else as it is.

    Raises ValueError for a text that is no percentile, metric and limit.
    """
    if not isinstance(stated, str):
        return stated
    words = stated.lower().removesuffix("ms").split()
    if len(words) != 3 or words[0][0] != "p":
        raise ValueError(_BOUND.format(stated))
    return {"percentile": words[0][1:], "metric": words[1], "limit_ms": words[2]}


def default_slo() -> tuple[LatencyBound, ...]:
    """P99 TTFT within 500 ms."""
    return (LatencyBound(metric="ttft", percentile=99.0, limit_ms=500.0),)
