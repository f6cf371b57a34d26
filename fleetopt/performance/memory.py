"""What the memory of a GPU holds: weights, activations, the engine itself, and KV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleetopt.catalog import Gpu
from fleetopt.errors import InputError
from fleetopt.performance.deployment import BYTES, WIDE, Deployment
from fleetopt.problem import EngineConfig, LlmSpec

GIB = 2.0**30
ENGINE_BYTES = 2.0 * GIB
"""CUDA context, communication buffers and captured graphs of one GPU: an assumption."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of the fullest GPU of a replica, in bytes, and the sequences that it admits.

    available: what the engine may use; weights, activations, engine: what it needs.
    token: bytes of a token in the KV cache, every layer at its full length; layer_token: in one
        layer.
    window_layers, window_tokens: layers of the GPU that keep only a window.
    groups: attention groups of the replica, each with a KV cache of its own.
    """

    available: float
    weights: float
    activations: float
    engine: float
    token: float
    layer_token: float
    window_layers: int
    window_tokens: int
    groups: int
    block_tokens: int

    @property
    def kv(self) -> float:
        """Bytes left for KV; negative if the model does not fit."""
        return self.available - self.weights - self.activations - self.engine

    @property
    def group_kv_tokens(self) -> int:
        """Tokens of whole blocks in the KV cache of one group."""
        return max(0, int(self.kv // (self.token * self.block_tokens))) * self.block_tokens

    @property
    def kv_tokens(self) -> int:
        """Tokens in the KV cache of the replica."""
        return self.groups * self.group_kv_tokens

    def sequence_bytes(self, context_tokens: int) -> float:
        """Bytes of a sequence, in whole blocks; windowed layers keep their window."""
        held = self._blocks(context_tokens)
        windowed = min(held, self._blocks(self.window_tokens))
        return held * self.token - (held - windowed) * self.window_layers * self.layer_token

    def slots(self, context_tokens: int) -> int:
        """Sequences of the replica that each hold this context."""
        return self.groups * max(0, int(self.kv // self.sequence_bytes(context_tokens)))

    def _blocks(self, tokens: int) -> int:
        return -(-tokens // self.block_tokens) * self.block_tokens


def memory(deployment: Deployment) -> Memory:
    """The memory of a replica's fullest GPU. Raises InputError if the model does not fit."""
    found = memory_of(deployment)
    if found.slots(1) < 1:
        raise InputError.single("model", *_does_not_fit(deployment, found))
    return found


def memory_of(deployment: Deployment) -> Memory:
    """The memory of a replica's fullest GPU, whether the model fits or not."""
    llm, engine = deployment.llm, deployment.engine
    window_layers = llm.sliding_layers // engine.pp
    return Memory(
        available=deployment.gpu.spec.memory_gib * GIB * engine.memory_fraction,
        weights=weight_bytes(deployment),
        activations=activation_bytes(deployment),
        engine=ENGINE_BYTES,
        token=deployment.stage_layers * deployment.kv_layer_bytes,
        layer_token=deployment.kv_layer_bytes,
        window_layers=window_layers,
        window_tokens=llm.sliding_window,
        groups=engine.dp,
        block_tokens=engine.block_tokens,
    )


def weight_bytes(deployment: Deployment) -> float:
    """Bytes of weights on the fullest GPU: that of the first stage or of the last."""
    llm = deployment.llm
    last = deployment.stage_moe_layers
    first = max(0, deployment.stage_layers - llm.first_dense_layers) if llm.experts else 0
    if deployment.engine.pp == 1:
        return _stage_bytes(deployment, last, tables=1 if llm.tied_embeddings else 2)
    return max(_stage_bytes(deployment, moe, tables=1) for moe in (first, last))


def _stage_bytes(deployment: Deployment, moe_layers: int, tables: int) -> float:
    each, engine = deployment.sizes, deployment.engine
    layers, tp = deployment.stage_layers, engine.tp
    experts = deployment.llm.experts * each.expert / engine.stage_gpus
    split = layers * (each.qkv + each.out) / tp
    split += (layers - moe_layers) * each.dense_mlp / tp
    split += moe_layers * (experts + each.shared / tp)
    whole = layers * each.norms + moe_layers * each.router + deployment.llm.hidden
    narrow = split + layers * each.latent
    return narrow * BYTES[engine.weights] + (whole + tables * each.embedding / tp) * WIDE


def activation_bytes(deployment: Deployment) -> float:
    """Bytes of the largest activations: an estimate of four residual streams and an MLP.

    Of a whole token budget, and of the FP32 logits of the largest batch.
    """
    llm, engine = deployment.llm, deployment.engine
    visited = (llm.experts_per_token + llm.shared_experts) * llm.moe_intermediate
    width = 2 * max(llm.intermediate, visited) / engine.tp
    logits = engine.max_num_seqs / engine.dp * llm.vocab / engine.tp * 4.0
    return engine.token_budget / engine.dp * (4 * llm.hidden + width) * WIDE + logits


def least_gpus(llm: LlmSpec, gpu: Gpu, engine: EngineConfig) -> EngineConfig | None:
    """The engine with the fewest GPUs that holds the model, split by tensor and pipeline.

    Of equals, the one with the most tensor parallelism. None if 1024 GPUs do not.
    """
    for candidate in sorted(_splits(engine), key=lambda one: (one.gpus, -one.tp)):
        try:
            found = memory_of(Deployment.of(llm, gpu, candidate))
        except InputError:
            continue
        if found.slots(1) >= 1:
            return candidate
    return None


def _splits(engine: EngineConfig) -> Iterator[EngineConfig]:
    for tp in (1, 2, 4, 8, 16, 32, 64):
        for pp in range(1, 17):
            yield engine.model_copy(update={"tp": tp, "pp": pp, "dp": 1, "ep": 1})


def _does_not_fit(deployment: Deployment, found: Memory) -> tuple[str, str]:
    llm, gpu = deployment.llm, deployment.gpu.spec
    needed = (found.weights + found.activations + found.engine) / GIB
    text = (
        f"{llm.name} does not fit on {deployment.engine.gpus} {gpu.name}: each would need "
        f"{needed:.1f} GiB before any KV, and may use {found.available / GIB:.1f}"
    )
    least = least_gpus(llm, deployment.gpu, deployment.engine)
    if least is None:
        return text, f"no number of {gpu.name} up to 1024 holds it in {deployment.engine.weights}"
    spread = f"tp {least.tp}" + (f", pp {least.pp}" if least.pp > 1 else "")
    return text, f"it takes at least {least.gpus} of them ({spread})"
