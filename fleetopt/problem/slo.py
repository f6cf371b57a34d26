"""What latencies are held to: bounds on percentiles."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from fleetopt.problem.bound import BoundFigures, Metric
from fleetopt.problem.faults import Stated

_BOUND = "expected a percentile, a metric and a limit in ms, such as 'p99 ttft 500', got {!r}"


class LatencyBound(BoundFigures, Stated):
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
