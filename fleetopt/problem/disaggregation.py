"""The question whether prefill and decode should run on replicas of their own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from fleetopt.problem.faults import Stated
from fleetopt.problem.lengths import MAX_TOKENS, LengthCdf, name_or_lengths
from fleetopt.problem.profile import ProfileSpec


class PhasesApart(Stated):
    """Which traffic, which two GPUs, and what bounds TTFT and TPOT."""

    cdf: str | LengthCdf
    """Length CDF or workload: a file, a bundled name, or the distribution itself."""
    lam: float | None = Field(default=None, gt=0, le=1e8)
    """Requests per second; what a workload file says if absent, else 200."""
    slo_ttft_ms: float = Field(default=500.0, gt=0)
    """Bound on TTFT, in ms."""
    slo_tpot_ms: float = Field(default=100.0, gt=0)
    """Bound on TPOT, in ms."""
    gpu_prefill: str = "h100"
    """Profile of the prefill replicas."""
    gpu_decode: str = "a100"
    """Profile of the decode replicas."""
    profiles: tuple[ProfileSpec, ...] = ()
    """Profiles of the user's own; they extend or replace the bundled ones."""
    method: Literal["published"] = "published"
    """The rule of mean lengths; what it leaves out is counted beside it."""
    max_ctx: int = Field(default=8192, ge=2, le=MAX_TOKENS)
    """Context window of every replica, in tokens."""
    mean_isl: int = Field(default=0, ge=0, le=MAX_TOKENS)
    """Mean prompt of the published rule, in tokens; 0 takes it from the lengths."""
    mean_osl: int = Field(default=0, ge=0, le=MAX_TOKENS)
    """Mean output of the published rule, in tokens; 0 takes it from the lengths."""
    max_prefill: int = Field(default=32, ge=1, le=1_000_000)
    """Most prefill replicas of the published rule."""
    max_decode: int = Field(default=64, ge=1, le=1_000_000)
    """Most decode replicas of the published rule."""

    @field_validator("cdf", mode="before")
    @classmethod
    def _name_or_lengths(cls, stated: Any) -> Any:
        return name_or_lengths(stated)
