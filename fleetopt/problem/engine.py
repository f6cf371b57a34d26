"""How a serving engine runs a model on its GPUs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fleetopt.problem.faults import Stated

WeightDtype = Literal["bf16", "fp8", "fp4", "int4"]
KvDtype = Literal["bf16", "fp8"]
ComputeDtype = Literal["bf16", "fp8", "fp4"]


class EngineConfig(Stated):
    """One replica: tp x dp x pp GPUs.

    Attention is split over tp GPUs and repeated on dp groups of them, each with sequences of
    its own. The experts of a layer are spread over ep groups of the tp x dp GPUs.
    """

    tp: int = Field(default=1, ge=1, le=1024)
    """Tensor parallelism: GPUs that share each layer."""
    pp: int = Field(default=1, ge=1, le=1024)
    """Pipeline parallelism: stages of consecutive layers."""
    ep: int = Field(default=1, ge=1, le=1024)
    """Expert parallelism: groups of GPUs that hold different experts."""
    dp: int = Field(default=1, ge=1, le=1024)
    """Attention data parallelism: groups that attend for different sequences."""
    weights: WeightDtype = "bf16"
    """Number format of the weights of the layers; embeddings stay in BF16."""
    kv: KvDtype = "bf16"
    """Number format of the KV cache."""
    compute: ComputeDtype | None = None
    """Number format of products; the fastest that weights and GPU allow if absent."""
    memory_fraction: float = Field(default=0.9, gt=0, le=1)
    """Share of the GPU's memory that the engine may use."""
    max_num_seqs: int = Field(default=256, ge=1, le=1_000_000)
    """Most sequences of a replica's running batch."""
    token_budget: int = Field(default=8192, ge=1, le=10_000_000)
    """Most prompt and output tokens of one iteration."""
    block_tokens: int = Field(default=16, ge=1)
    """Tokens of a KV block."""
    mean_context_tokens: int = Field(default=2048, ge=1, le=10_000_000)
    """Context of a sequence around which the coefficients are fitted."""

    @property
    def gpus(self) -> int:
        """GPUs of a replica."""
        return self.tp * self.dp * self.pp

    @property
    def stage_gpus(self) -> int:
        """GPUs that share the layers of one pipeline stage."""
        return self.tp * self.dp

    @property
    def moe_tp(self) -> int:
        """GPUs that share one expert."""
        return max(1, self.stage_gpus // self.ep)
