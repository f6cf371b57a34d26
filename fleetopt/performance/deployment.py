"""A language model on the GPUs of one replica: what can run, and what each GPU holds of it."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.catalog import Gpu
from fleetopt.errors import Fault, InputError
from fleetopt.performance.parameters import Parameters, parameters
from fleetopt.problem import EngineConfig, LlmSpec

BYTES = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5625, "int4": 0.515625}
"""Bytes of a number; FP4 has an FP8 scale for 16 (NVFP4), INT4 an FP16 scale for 128 (AWQ)."""
WIDE = 2.0
"""Bytes of a number of embeddings, norms and activations (BF16)."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model, a GPU and an engine that go together.

    compute: number format of the products of the layers.
    sizes: parameters of the model's parts.
    """

    llm: LlmSpec
    gpu: Gpu
    engine: EngineConfig
    compute: str
    sizes: Parameters

    @classmethod
    def of(cls, llm: LlmSpec, gpu: Gpu, engine: EngineConfig) -> Deployment:
        """Put them together. Raises InputError with every reason why they do not fit."""
        faults = [*_division_faults(llm, engine), *_compute_faults(gpu, engine)]
        if engine.mean_context_tokens > llm.max_position:
            text = f"{llm.name} reads at most {llm.max_position} tokens"
            got = f"{text}, got {engine.mean_context_tokens}"
            faults.append(Fault("mean_context_tokens", got))
        if faults:
            raise InputError(faults)
        return cls(llm, gpu, engine, engine.compute or _fastest(gpu, engine), parameters(llm))

    @property
    def name(self) -> str:
        """A name, such as 'llama-3.1-70b-h100-tp8'."""
        ways = ((key, getattr(self.engine, key)) for key in ("tp", "pp", "dp", "ep"))
        spread = [f"{key}{number}" for key, number in ways if number > 1]
        return "-".join([self.llm.name, self.gpu.spec.name, *spread])

    @property
    def stage_layers(self) -> int:
        """Layers of the longest pipeline stage."""
        return -(-self.llm.layers // self.engine.pp)

    @property
    def stage_moe_layers(self) -> int:
        """Of these, layers with experts in the last stage, which has the most."""
        return min(self.llm.moe_layers, self.stage_layers)

    @property
    def kv_heads(self) -> int:
        """Key and value heads that one GPU holds; more GPUs than heads repeat them."""
        return max(1, self.llm.kv_heads // self.engine.tp)

    @property
    def kv_layer_bytes(self) -> float:
        """Bytes that one GPU caches for a token in a layer."""
        if self.llm.attention == "mla":
            width = self.llm.kv_lora_rank + self.llm.rope_head_dim
        else:
            width = 2 * self.kv_heads * self.llm.head_dim
        return width * BYTES[self.engine.kv]

    @property
    def tflops(self) -> float:
        """Peak rate of a GPU in the format of the products, in 10^12 per second."""
        return _rates(self.gpu)[self.compute]


def kv_bytes_per_token(llm: LlmSpec, dtype: str) -> float:
    """Bytes of a token in the KV cache of the whole model, each head held once.

    GQA: 2 layers kv_heads head_dim bytes; MLA: layers (kv_lora_rank + rope_head_dim) bytes.
    """
    if llm.attention == "mla":
        return llm.layers * (llm.kv_lora_rank + llm.rope_head_dim) * BYTES[dtype]
    return 2 * llm.layers * llm.kv_heads * llm.head_dim * BYTES[dtype]


def _rates(gpu: Gpu) -> dict[str, float]:
    spec = gpu.spec
    return {"bf16": spec.bf16_tflops, "fp8": spec.fp8_tflops, "fp4": spec.fp4_tflops}


def _fastest(gpu: Gpu, engine: EngineConfig) -> str:
    """Weights in FP8 or FP4 are multiplied as such where the GPU can, else in BF16."""
    native = engine.weights if engine.weights in ("fp8", "fp4") else "bf16"
    return native if _rates(gpu)[native] else "bf16"


def _compute_faults(gpu: Gpu, engine: EngineConfig) -> list[Fault]:
    wanted = engine.compute
    if wanted is None or wanted == "bf16":
        return []
    faults = []
    if not _rates(gpu)[wanted]:
        can = [name for name, rate in _rates(gpu).items() if rate]
        text = f"{gpu.spec.name} computes in {', '.join(can)} only, not in {wanted}"
        hint = f"{engine.weights} weights compute in bf16 there: leave this out"
        faults.append(Fault("compute", text, hint))
    if engine.weights not in (wanted, "fp4"):
        text = f"{wanted} products need weights in {wanted}, got {engine.weights}"
        faults.append(Fault("compute", text, "state the weights, or leave this out"))
    return faults


def _division_faults(llm: LlmSpec, engine: EngineConfig) -> list[Fault]:
    """Reasons why the model cannot be split as the engine wants."""
    faults = [
        _undivided("tp", engine.tp, llm.heads, "heads"),
        _undivided("tp", engine.tp, llm.intermediate, "the MLP's width"),
        _more("pp", engine.pp, llm.layers, "layers"),
    ]
    if llm.attention == "gqa" and engine.tp % llm.kv_heads and llm.kv_heads % engine.tp:
        text = f"must divide the {llm.kv_heads} KV heads or be a multiple of them, got {engine.tp}"
        faults.append(Fault("tp", text))
    faults += _expert_faults(llm, engine)
    return [fault for fault in faults if fault is not None]


def _expert_faults(llm: LlmSpec, engine: EngineConfig) -> list[Fault | None]:
    if not llm.experts:
        return [
            Fault(key, f"{llm.name} has no experts, so this must be 1, got {number}")
            for key, number in (("ep", engine.ep), ("dp", engine.dp))
            if number > 1
        ]
    if engine.stage_gpus % engine.ep:
        return [Fault("ep", f"must divide tp x dp = {engine.stage_gpus}, got {engine.ep}")]
    return [
        _undivided("ep", engine.ep, llm.experts, "experts"),
        _undivided("tp x dp / ep", engine.moe_tp, llm.moe_intermediate, "an expert's width"),
    ]


def _undivided(place: str, parts: int, whole: int, what: str) -> Fault | None:
    if whole % parts == 0:
        return None
    fitting = [n for n in (1, 2, 4, 8, 16, 32, 64) if whole % n == 0]
    hint = f"such as {max((n for n in fitting if n <= parts), default=1)}"
    return Fault(place, f"must divide {what}, which is {whole}, got {parts}", hint)


def _more(place: str, parts: int, whole: int, what: str) -> Fault | None:
    return Fault(place, f"at most the {whole} {what}, got {parts}") if parts > whole else None
