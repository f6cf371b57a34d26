"""The architecture of a language model, as a catalogue or a user states it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated
from fleetopt.problem.hardware import NAME

_MLA = ("kv_lora_rank", "rope_head_dim", "nope_head_dim", "v_head_dim")
_MOE = ("experts_per_token", "moe_intermediate")


class LlmSpec(Stated):
    """Sizes of a decoder-only transformer with gated MLPs.

    The first `first_dense_layers` layers have a dense MLP; if there are experts, the others
    have them instead.
    """

    name: str = Field(min_length=1, pattern=NAME)
    """Name by which a profile chooses the model."""
    source: str = Field(min_length=1)
    """Where the figures come from."""
    layers: int = Field(ge=1)
    """Transformer layers."""
    hidden: int = Field(ge=1)
    """Width of the residual stream."""
    heads: int = Field(ge=1)
    """Query heads of a layer."""
    vocab: int = Field(ge=1)
    """Tokens of the vocabulary."""
    max_position: int = Field(ge=1)
    """Longest total length, in tokens."""
    attention: Literal["gqa", "mla"] = "gqa"
    """Grouped-query attention, or multi-head latent attention."""
    kv_heads: int = Field(default=0, ge=0)
    """Key and value heads of a layer (gqa)."""
    head_dim: int = Field(default=0, ge=0)
    """Width of a head (gqa)."""
    qkv_bias: bool = False
    """Whether the projections to queries, keys and values add a bias."""
    qk_norm: bool = False
    """Whether queries and keys are normalized head by head."""
    sliding_window: int = Field(default=0, ge=0)
    """Tokens that a windowed layer attends to; 0 if there is none."""
    sliding_layers: int = Field(default=0, ge=0)
    """Layers with the window."""
    q_lora_rank: int = Field(default=0, ge=0)
    """Width of the latent query; 0 if queries are projected at once (mla)."""
    kv_lora_rank: int = Field(default=0, ge=0)
    """Width of the latent keys and values, which the cache holds (mla)."""
    rope_head_dim: int = Field(default=0, ge=0)
    """Width of the part of a key that carries the position (mla)."""
    nope_head_dim: int = Field(default=0, ge=0)
    """Width of the other part (mla)."""
    v_head_dim: int = Field(default=0, ge=0)
    """Width of a value head (mla)."""
    intermediate: int = Field(default=0, ge=0)
    """Width of a dense MLP."""
    experts: int = Field(default=0, ge=0)
    """Routed experts of a layer; 0 makes the model dense."""
    experts_per_token: int = Field(default=0, ge=0)
    """Routed experts that a token visits."""
    moe_intermediate: int = Field(default=0, ge=0)
    """Width of an expert."""
    shared_experts: int = Field(default=0, ge=0)
    """Experts that every token visits, each as wide as a routed one."""
    first_dense_layers: int = Field(default=0, ge=0)
    """Leading layers without experts."""
    router_bias: bool = False
    """Whether the router adds a bias for each expert."""
    tied_embeddings: bool = False
    """Whether input and output share one embedding."""

    @property
    def moe_layers(self) -> int:
        """Layers with experts."""
        return self.layers - self.first_dense_layers if self.experts else 0

    @model_validator(mode="after")
    def _whole(self) -> LlmSpec:
        needed: tuple[str, ...] = _MLA if self.attention == "mla" else ("kv_heads", "head_dim")
        if self.experts:
            needed += _MOE
        if self.moe_layers < self.layers:
            needed += ("intermediate",)
        faults = [
            Fault(key, "this key is required for such a model, and above 0")
            for key in needed
            if not getattr(self, key)
        ]
        faults = faults or _relations(self)
        if faults:
            raise FaultsError(faults)
        return self


def _relations(llm: LlmSpec) -> list[Fault]:
    pairs = [
        ("first_dense_layers", "layers"),
        ("sliding_layers", "layers"),
        ("experts_per_token", "experts"),
    ]
    faults = [
        Fault(low, f"must be at most {high} = {getattr(llm, high)}, got {getattr(llm, low)}")
        for low, high in pairs
        if getattr(llm, low) > getattr(llm, high)
    ]
    if llm.attention == "gqa" and llm.heads % llm.kv_heads:
        faults.append(Fault("kv_heads", f"must divide heads = {llm.heads}, got {llm.kv_heads}"))
    if bool(llm.sliding_window) != bool(llm.sliding_layers):
        faults.append(Fault("sliding_window", "goes together with sliding_layers"))
    return faults
