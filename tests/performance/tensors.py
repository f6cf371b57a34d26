"""Every tensor of a checkpoint with its shape and its place: a count that shares no formula.

The names are those of the checkpoints on Hugging Face. `split` is the axis that tensor
parallelism cuts, None for what every GPU holds whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fleetopt.problem import LlmSpec

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """One tensor: its name, its shape, what cuts it ("tp", "experts" or ""), its layer."""

    name: str
    shape: Shape
    cut: str = ""
    wide: bool = False
    layer: int | None = None

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def tensors(llm: LlmSpec) -> Iterator[Tensor]:
    """All tensors of a model."""
    yield Tensor("embed_tokens", (llm.vocab, llm.hidden), "tp", wide=True)
    for i in range(llm.layers):
        for name, shape, cut, wide in _layer(llm, moe=bool(llm.experts) and _is_moe(llm, i)):
            yield Tensor(f"layers.{i}.{name}", shape, cut, wide, i)
    yield Tensor("norm", (llm.hidden,), wide=True)
    if not llm.tied_embeddings:
        yield Tensor("lm_head", (llm.vocab, llm.hidden), "tp", wide=True)


def _is_moe(llm: LlmSpec, layer: int) -> bool:
    return layer >= llm.first_dense_layers


def _layer(llm: LlmSpec, moe: bool) -> Iterator[tuple[str, Shape, str, bool]]:
    yield "input_layernorm", (llm.hidden,), "", True
    yield "post_attention_layernorm", (llm.hidden,), "", True
    yield from _mla(llm) if llm.attention == "mla" else _gqa(llm)
    if not moe:
        yield from _mlp("mlp", llm.hidden, llm.intermediate, "tp")
        return
    yield "mlp.gate", (llm.experts, llm.hidden), "", True
    if llm.router_bias:
        yield "mlp.gate.e_score_correction_bias", (llm.experts,), "", True
    for e in range(llm.experts):
        yield from _mlp(f"mlp.experts.{e}", llm.hidden, llm.moe_intermediate, "experts")
    if llm.shared_experts:
        width = llm.moe_intermediate * llm.shared_experts
        yield from _mlp("mlp.shared_experts", llm.hidden, width, "tp")


def _mlp(place: str, hidden: int, width: int, cut: str) -> Iterator[tuple[str, Shape, str, bool]]:
    yield f"{place}.gate_proj", (width, hidden), cut, False
    yield f"{place}.up_proj", (width, hidden), cut, False
    yield f"{place}.down_proj", (hidden, width), cut, False


def _gqa(llm: LlmSpec) -> Iterator[tuple[str, Shape, str, bool]]:
    queries, keys = llm.heads * llm.head_dim, llm.kv_heads * llm.head_dim
    yield "self_attn.q_proj", (queries, llm.hidden), "tp", False
    for name in ("k_proj", "v_proj"):
        yield f"self_attn.{name}", (keys, llm.hidden), "tp", False
    yield "self_attn.o_proj", (llm.hidden, queries), "tp", False
    if llm.qkv_bias:
        for name, width in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            yield f"self_attn.{name}.bias", (width,), "tp", False
    if llm.qk_norm:
        yield "self_attn.q_norm", (llm.head_dim,), "", True
        yield "self_attn.k_norm", (llm.head_dim,), "", True


def _mla(llm: LlmSpec) -> Iterator[tuple[str, Shape, str, bool]]:
    key = llm.nope_head_dim + llm.rope_head_dim
    yield "self_attn.q_a_proj", (llm.q_lora_rank, llm.hidden), "", False
    yield "self_attn.q_a_layernorm", (llm.q_lora_rank,), "", True
    yield "self_attn.q_b_proj", (llm.heads * key, llm.q_lora_rank), "tp", False
    latent = llm.kv_lora_rank + llm.rope_head_dim
    yield "self_attn.kv_a_proj_with_mqa", (latent, llm.hidden), "", False
    yield "self_attn.kv_a_layernorm", (llm.kv_lora_rank,), "", True
    both = llm.heads * (llm.nope_head_dim + llm.v_head_dim)
    yield "self_attn.kv_b_proj", (both, llm.kv_lora_rank), "tp", False
    yield "self_attn.o_proj", (llm.hidden, llm.heads * llm.v_head_dim), "tp", False
