"""How many parameters a language model has, by the part that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.problem import LlmSpec


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of one layer's parts, and of the parts outside the layers.

    qkv: projections to queries, keys and values that tensor parallelism splits (with MLA also
        those from the latent vectors); latent: those to the latent vectors, which every GPU
        holds whole (MLA only); out: projection back.
    dense_mlp, expert, shared, router: an MLP, one routed expert, all shared experts, a router.
    norms: normalizations of a layer; embedding: one table of vocab x hidden.
    """

    qkv: int
    latent: int
    out: int
    dense_mlp: int
    expert: int
    shared: int
    router: int
    norms: int
    embedding: int

    @property
    def attention(self) -> int:
        """Parameters of a layer's attention."""
        return self.qkv + self.latent + self.out


def parameters(llm: LlmSpec) -> Parameters:
    """Parameters of a model's parts, counted in closed form."""
    qkv, latent, out, head_norms = _mla(llm) if llm.attention == "mla" else _gqa(llm)
    expert = 3 * llm.hidden * llm.moe_intermediate
    return Parameters(
        qkv=qkv,
        latent=latent,
        out=out,
        dense_mlp=3 * llm.hidden * llm.intermediate,
        expert=expert,
        shared=expert * llm.shared_experts,
        router=llm.experts * (llm.hidden + llm.router_bias),
        norms=2 * llm.hidden + head_norms,
        embedding=llm.vocab * llm.hidden,
    )


def total_parameters(llm: LlmSpec) -> int:
    """Every parameter of the model."""
    return _counted(llm, llm.experts)


def active_parameters(llm: LlmSpec) -> int:
    """Parameters that one token meets: all of them without the experts it does not visit."""
    return _counted(llm, llm.experts_per_token)


def _counted(llm: LlmSpec, experts: int) -> int:
    each = parameters(llm)
    dense = (llm.layers - llm.moe_layers) * each.dense_mlp
    moe = llm.moe_layers * (experts * each.expert + each.shared + each.router)
    tables = each.embedding * (1 if llm.tied_embeddings else 2)
    layers = llm.layers * (each.attention + each.norms)
    return layers + dense + moe + tables + llm.hidden


def _gqa(llm: LlmSpec) -> tuple[int, int, int, int]:
    queries = llm.heads * llm.head_dim
    width = queries + 2 * llm.kv_heads * llm.head_dim
    bias = width if llm.qkv_bias else 0
    norms = 2 * llm.head_dim if llm.qk_norm else 0
    return llm.hidden * width + bias, 0, queries * llm.hidden, norms


def _mla(llm: LlmSpec) -> tuple[int, int, int, int]:
    """DeepSeek-V2 (arXiv:2405.04434), section 2.1: queries and keys from latent vectors."""
    key = llm.nope_head_dim + llm.rope_head_dim
    queries = (llm.q_lora_rank or llm.hidden) * llm.heads * key
    keys_and_values = llm.kv_lora_rank * llm.heads * (llm.nope_head_dim + llm.v_head_dim)
    latent = llm.hidden * (llm.q_lora_rank + llm.kv_lora_rank + llm.rope_head_dim)
    out = llm.heads * llm.v_head_dim * llm.hidden
    return queries + keys_and_values, latent, out, llm.q_lora_rank + llm.kv_lora_rank
