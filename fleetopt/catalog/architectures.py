"""What the model types of Hugging Face mean beyond the keys of their config.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Window = Literal["none", "all", "late", "alternating", "pattern", "linear"]


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one type.

    moe: which names the keys of its experts have, or none; window: which layers have the window,
    unless `layer_types` says it; router_bias: whether every router adds a bias;
    counted: what LlmSpec says otherwise than the model does it.
    """

    moe: Literal["", "mixtral", "qwen", "deepseek", "oss"] = ""
    mla: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    tied: bool = False
    window: Window = "none"
    router_bias: bool = False
    counted: str = ""


_SPARSE = "its sparse attention is counted as dense"
_LINEAR = "its layers with linear attention are counted as layers with a window of equal memory"
FAMILIES = {
    "llama": Family(),
    "mistral": Family(window="all"),
    "phi3": Family(window="all"),
    "qwen2": Family(qkv_bias=True, window="late"),
    "qwen3": Family(qk_norm=True, window="late"),
    "qwen3_vl_text": Family(qk_norm=True),
    "gemma2": Family(tied=True, window="alternating"),
    "gemma3_text": Family(tied=True, qk_norm=True, window="pattern"),
    "mixtral": Family(moe="mixtral", window="all"),
    "qwen3_moe": Family(moe="qwen", qk_norm=True, window="late"),
    "qwen3_vl_moe_text": Family(moe="qwen", qk_norm=True),
    "qwen3_5_moe_text": Family(moe="qwen", qk_norm=True, window="linear", counted=_LINEAR),
    "minimax_m2": Family(moe="oss"),
    "gpt_oss": Family(moe="oss", qkv_bias=True, window="alternating", router_bias=True),
    "deepseek_v2": Family(moe="deepseek", mla=True),
    "deepseek_v3": Family(moe="deepseek", mla=True),
    "deepseek_v32": Family(moe="deepseek", mla=True, counted=_SPARSE),
    "glm4_moe": Family(moe="deepseek", router_bias=True),
    "glm_moe_dsa": Family(moe="deepseek", mla=True, counted=_SPARSE),
    "kimi_k2": Family(moe="deepseek", mla=True),
}
SIZES = {
    "num_hidden_layers": "layers",
    "hidden_size": "hidden",
    "num_attention_heads": "heads",
    "vocab_size": "vocab",
    "max_position_embeddings": "max_position",
}
LATENT = {
    "kv_lora_rank": "kv_lora_rank",
    "qk_rope_head_dim": "rope_head_dim",
    "qk_nope_head_dim": "nope_head_dim",
    "v_head_dim": "v_head_dim",
}
LINEAR = (
    "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim",
    "num_key_value_heads", "head_dim",
)  # fmt: skip
EXPERTS = {
    "mixtral": ("num_local_experts", "intermediate_size"),
    "oss": ("num_local_experts", "intermediate_size"),
    "qwen": ("num_experts", "moe_intermediate_size"),
    "deepseek": ("n_routed_experts", "moe_intermediate_size"),
}
"""Keys of the number of experts and of the width of one."""
OPTIONAL = (
    "num_key_value_heads", "head_dim", "q_lora_rank", "n_shared_experts", "first_k_dense_replace",
    "sliding_window", "max_window_layers", "sliding_window_pattern",
    "shared_expert_intermediate_size",
)  # fmt: skip
"""Keys with a number that a file may leave out."""


def required(family: Family | None) -> list[str]:
    """Keys with a number that a file of this family must have."""
    keys = list(SIZES)
    if family is None or not family.moe:
        return [*keys, "intermediate_size"]
    keys += [*EXPERTS[family.moe], "num_experts_per_tok"]
    if family.window == "linear":
        keys += LINEAR
    return [*keys, *LATENT] if family.mla else keys
