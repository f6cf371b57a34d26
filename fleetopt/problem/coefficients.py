"""A profile by its coefficients, as a plan holds it or a user states it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from fleetopt.errors import Fault
from fleetopt.problem.engine import EngineConfig
from fleetopt.problem.faults import FaultsError, Stated, faults_of
from fleetopt.problem.profile import PowerCurve, ProfileSpec

_OWN_KEY = "per_context_token_s"


class CoefficientSpec(Stated):
    """Performance of one replica, derived or fitted.

    An iteration with C context tokens that prefills P prompt tokens takes
    max(base_s + per_context_token_s C, prefill_base_s + prefill_per_token_s P) seconds.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.@%-]+$")
    """Name by which a problem chooses the profile."""
    gpu: str
    """Short name of the GPU type, such as 'h100'."""
    hardware: str = ""
    """Full name of the GPU."""
    serves: str = ""
    """The model that it serves."""
    source: str = ""
    """Where the figures come from."""
    engine: EngineConfig | None = None
    """How the engine runs the model; absent if it is not known."""
    gpus_per_replica: int = Field(default=1, ge=1)
    """GPUs that act together as one replica."""
    base_s: float = Field(gt=0)
    """Iteration time of an empty batch, in seconds (W)."""
    per_context_token_s: float = Field(ge=0)
    """Seconds added by one context token of the batch (h)."""
    prefill_base_s: float = Field(default=0.0, ge=0)
    """Seconds of an iteration with prompts, without their tokens (F0)."""
    prefill_per_token_s: float = Field(default=0.0, ge=0)
    """Seconds added by one prompt token (F1)."""
    first_token_s: float = Field(default=0.0, ge=0)
    """Seconds that clients wait for a first token outside of the engine's queue and iterations."""
    context: Literal["total", "current"] = "current"
    """Whether a sequence counts at its total length, or at the tokens that it holds."""
    chunk_tokens: int = Field(gt=0)
    """Most prompt tokens that one sequence prefills in an iteration."""
    token_budget: int = Field(default=0, ge=0)
    """Prompt and output tokens of one iteration; 0 for a chunk of every sequence."""
    block_tokens: int = Field(default=16, gt=0)
    """Tokens of a KV block."""
    kv_tokens: int = Field(gt=0)
    """Tokens in the KV caches of a replica, every layer at its full length."""
    kv_bytes_per_token: float | None = Field(default=None, gt=0, le=1e9)
    """KV of one token, in bytes; what a link carries where prefill and decode are apart."""
    kv_groups: int = Field(default=1, ge=1)
    """Caches of a replica, each for sequences of its own."""
    windowed_share: float = Field(default=0.0, ge=0, le=1)
    """Share of a token's KV bytes in layers that keep a window only."""
    window_tokens: int = Field(default=0, ge=0)
    """Tokens of that window."""
    max_num_seqs: int | None = Field(default=None, ge=1)
    """Most sequences of a replica's batch; the problem's if absent."""
    admission: Literal["reserved", "paged"] | None = None
    """How the engine admits sequences; as the problem says if absent."""
    usd_per_hour: float = Field(ge=0)
    """Price of one GPU-hour."""
    power: PowerCurve | None = None
    """Power draw of one GPU."""


AnyProfileSpec = ProfileSpec | CoefficientSpec


def profile_specs(stated: Any) -> Any:
    """Judge each profile of a list by its own kind, so that its faults keep their places.

    Raises FaultsError.
    """
    if not isinstance(stated, list | tuple):
        return stated
    specs, faults = [], list[Fault]()
    for i, item in enumerate(stated):
        kind = CoefficientSpec if isinstance(item, Mapping) and _OWN_KEY in item else ProfileSpec
        try:
            is_read = isinstance(item, AnyProfileSpec)
            specs.append(item if is_read else kind.model_validate(item))
        except ValidationError as error:
            faults += [
                Fault(f"[{i}].{fault.place}" if fault.place else f"[{i}]",
                      fault.expected, fault.suggestion)
                for fault in faults_of(error, kind)
            ]  # fmt: skip
    if faults:
        raise FaultsError(faults)
    return tuple(specs)
