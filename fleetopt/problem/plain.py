"""Plain records in the place of checked statements, for values that are sound as they are.

Loading pydantic and the statements that it checks takes longer than the tables of a short
question. A record has the names and the defaults of its statement, as far as tables read them,
and no checks: who makes one knows its values to be sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fleetopt.problem.bound import BoundFigures, Metric


@dataclass(frozen=True)
class PlainBound(BoundFigures):
    """A `LatencyBound`."""

    limit_ms: float
    metric: Metric = "ttft"
    percentile: float = 99.0


@dataclass(frozen=True)
class PlainLengths:
    """A `LengthCdf` without a joint table."""

    cdf: tuple[tuple[int, float], ...]
    name: str = "lengths"
    title: str = ""
    source: str = ""
    prompt_fraction: float = 0.8
    joint: None = None

    @property
    def max_tokens(self) -> int:
        """Longest total length of the distribution, in tokens."""
        return self.cdf[-1][0]


@dataclass(frozen=True)
class PlainProfile:
    """A `ProfileSpec` whose draw is left out, for nothing but a cap on it changes a table."""

    name: str
    gpu: str
    base_s: float
    per_sequence_s: float
    calibration_context_tokens: int
    chunk_tokens: int
    kv_blocks: int
    calibration_slots: int
    usd_per_hour: float
    hardware: str = ""
    serves: str = ""
    source: str = ""
    gpus_per_replica: int = 1
    context: str = "total"
    prefill_base_s: float = 0.0
    prefill_per_token_s: float = 0.0
    token_budget: int = 0
    block_tokens: int = 16
    kv_bytes_per_token: float | None = None
    power: None = None


@dataclass(frozen=True)
class PlainProblem:
    """A `FleetProblem`, as far as the tables of its pools read it."""

    slo: tuple[PlainBound, ...]
    method: str = "fleetopt"
    gammas: tuple[float, ...] = (1.0,)
    compressible_share: float = 0.75
    admission: str = "reserved"
    max_num_seqs: int = 256
    max_utilization: float = 0.85

    def model_copy(self, update: Mapping[str, Any]) -> PlainProblem:
        """The same with some values changed."""
        return replace(self, **update)
