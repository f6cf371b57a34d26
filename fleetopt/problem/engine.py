"""How a serving engine runs a model on its GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated

WeightDtype = Literal["bf16", "fp8", "fp4", "int4"]
KvDtype = Literal["bf16", "fp8"]
ComputeDtype = Literal["bf16", "fp8", "fp4"]
EngineName = Literal["vllm", "sglang", "trtllm", "any", "none"]
"""Serving engine whose measured runs calibrate a profile; `any` takes what all of them have in
common, `none` the data sheets alone."""
_LISTS = (
    "tp", "pp", "ep", "dp", "weights", "kv", "max_num_seqs", "token_budget", "admission",
)  # fmt: skip


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


Ways = tuple[Annotated[int, Field(ge=1, le=1024)], ...]
Counts = tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...]


class EngineChoices(Stated):
    """Engine configurations to choose from: every combination of these lists.

    A single value stands for a list of one.
    """

    name: EngineName = "vllm"
    """Serving engine whose measured runs calibrate the profiles; `any` takes what all measured
    engines have in common, `none` the data sheets alone."""
    tp: Ways = Field(default=(1, 2, 4, 8), min_length=1)
    """Tensor parallelism: GPUs that share each layer."""
    pp: Ways = Field(default=(1,), min_length=1)
    """Pipeline parallelism: stages of consecutive layers."""
    ep: Ways = Field(default=(1,), min_length=1)
    """Expert parallelism: groups of GPUs that hold different experts."""
    dp: Ways = Field(default=(1,), min_length=1)
    """Attention data parallelism: groups that attend for different sequences."""
    weights: tuple[WeightDtype, ...] = Field(default=("bf16",), min_length=1)
    """Number formats of the weights of the layers."""
    kv: tuple[KvDtype, ...] = Field(default=("bf16",), min_length=1)
    """Number formats of the KV cache."""
    compute: ComputeDtype | None = None
    """Number format of products; the fastest that weights and GPU allow if absent."""
    max_num_seqs: Counts | None = Field(default=None, min_length=1)
    """Most sequences of a replica's running batch; the problem's `max_num_seqs` if absent."""
    token_budget: Counts = Field(default=(8192,), min_length=1)
    """Most prompt and output tokens of one iteration."""
    admission: tuple[Literal["reserved", "paged"], ...] | None = Field(default=None, min_length=1)
    """How the engine admits sequences; the problem's `admission` if absent."""
    memory_fraction: float = Field(default=0.9, gt=0, le=1)
    """Share of the GPU's memory that the engine may use."""
    block_tokens: int = Field(default=16, ge=1)
    """Tokens of a KV block."""

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _one_or_many(cls, stated: Any) -> Any:
        return stated if stated is None or isinstance(stated, list | tuple) else (stated,)

    @field_validator(*_LISTS)
    @classmethod
    def _each_once(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        repeated = [i for i, value in enumerate(values or ()) if value in (values or ())[:i]]
        if values and repeated:
            faults = [Fault(f"[{i}]", f"{values[i]} is stated twice") for i in repeated]
            raise FaultsError(faults)
        return values

    def configs(self, max_num_seqs: int, mean_context_tokens: int) -> Iterator[EngineConfig]:
        """Every combination, those with fewer GPUs first.

        max_num_seqs: most sequences where the choices say nothing of them.
        """
        fixed = {
            "compute": self.compute,
            "memory_fraction": self.memory_fraction,
            "block_tokens": self.block_tokens,
            "mean_context_tokens": mean_context_tokens,
        }
        names = [name for name in _LISTS if name != "admission"]
        lists = [getattr(self, name) or (max_num_seqs,) for name in names]
        combined = (dict(zip(names, values, strict=True)) for values in product(*lists))
        found = [EngineConfig.model_construct(**{**fixed, **ways}) for ways in combined]
        yield from sorted(found, key=lambda engine: engine.gpus)
