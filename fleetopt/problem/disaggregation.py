"""The question whether prefill and decode should run on replicas of their own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from fleetopt.problem.faults import Stated
from fleetopt.problem.lengths import MAX_TOKENS, LengthCdf, name_or_lengths
from fleetopt.problem.options import VerificationOptions
from fleetopt.problem.phases import PhaseLink
from fleetopt.problem.profile import ProfileSpec

PUBLISHED_FACTOR = 1.8
"""Factor of the published rule's TTFT for the transfer of KV (AIConfigurator)."""


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
    method: Literal["program", "published"] = "program"
    """The program with its tables and the simulator, or the published rule of mean lengths with
    what it leaves out counted beside it."""
    kv_transfer: str | None = None
    """What the transfer of KV adds to TTFT: "link", its time on the link, or "factor:1.8", a
    factor of the prefill, for the published rule alone; by the method if absent."""
    links: tuple[PhaseLink, ...] = ()
    """Links between the GPUs, such as ["ndr400"]; the slower of their networks if absent."""
    max_pools: int = Field(default=3, ge=1, le=64)
    """Most pools of the fleets that the program may split by length; a pair counts as one."""
    verification: VerificationOptions = VerificationOptions(replications=4)
    """How the program's fleets are simulated."""
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

    @property
    def ttft_factor(self) -> float | None:
        """The factor of the published rule's TTFT; None where the link counts."""
        if self.kv_transfer is None:
            return PUBLISHED_FACTOR
        word, _, number = self.kv_transfer.partition(":")
        return float(number) if word == "factor" else None

    @field_validator("kv_transfer")
    @classmethod
    def _factor_or_link(cls, stated: str | None, info: ValidationInfo) -> str | None:
        if stated is None or stated == "link":
            return stated
        word, _, number = stated.partition(":")
        try:
            factor = float(number)
        except ValueError:
            factor = 0.0
        if word != "factor" or not 1.0 <= factor <= 1000.0:
            raise ValueError(
                f"expected link, or a factor of at least 1 such as factor:1.8, got {stated!r:.60}"
            )
        if info.data.get("method") == "program":
            raise ValueError(
                "a factor of the TTFT is of the published rule: say --method published"
            )
        return stated

    @field_validator("cdf", mode="before")
    @classmethod
    def _name_or_lengths(cls, stated: Any) -> Any:
        return name_or_lengths(stated)
