"""The steps of one iteration on the slowest GPU of a replica."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleetopt.performance.deployment import BYTES, WIDE, Deployment
from fleetopt.performance.roofline.collectives import (
    all_reduce_seconds,
    all_to_all_seconds,
    hop_seconds,
)
from fleetopt.performance.roofline.efficiency import Efficiency
from fleetopt.performance.roofline.experts import touched_experts
from fleetopt.performance.roofline.roofs import Roofs, Step, waiting


@dataclass(frozen=True, slots=True)
class Load:
    """What a replica does in one iteration.

    sequences: sequences that decode, each holding `context_tokens`.
    prefill_tokens: prompt tokens, each attending to `attended_tokens` before it on average.
    """

    sequences: float = 0.0
    context_tokens: float = 0.0
    prefill_tokens: float = 0.0
    attended_tokens: float = 0.0


def iteration_seconds(deployment: Deployment, load: Load, reached: Efficiency) -> float:
    """Seconds of one iteration of a replica."""
    return sum(step.times * step.seconds for step in steps(deployment, load, reached))


def steps(deployment: Deployment, load: Load, reached: Efficiency) -> list[Step]:
    """The steps of one iteration.

    With p pipeline stages the batch goes through as p micro-batches, of at least one sequence
    each, and an iteration takes p times the longest stage: a lone sequence passes every stage
    in turn. Prompts also wait for the pipeline to fill and drain: (2 p - 1) / p of their time
    (GPipe, Huang et al. 2019, arXiv:1811.06965, section 2.3, with as many micro-batches as
    stages).
    """
    engine = deployment.engine
    parts = engine.pp * engine.dp
    decodes = max(1.0, load.sequences / parts) if load.sequences else 0.0
    rounds = 2 * engine.pp - 1 if load.prefill_tokens and not load.sequences else engine.pp
    roofs = Roofs.of(deployment.gpu, deployment.tflops, reached)
    prompts = load.prefill_tokens / parts
    found = _Pass(deployment, load, reached, roofs, decodes, prompts, float(rounds)).steps()
    return reached.refined(list(found), deployment, load)


@dataclass(frozen=True, slots=True)
class _Pass:
    """One micro-batch on one GPU.

    decodes, prompts: sequences that decode and prompt tokens of the GPU's attention group;
    rounds: times that a stage works in an iteration.
    """

    deployment: Deployment
    load: Load
    reached: Efficiency
    roofs: Roofs
    decodes: float
    prompts: float
    rounds: float

    def steps(self) -> Iterator[Step]:
        """All of them, in the order of a layer."""
        moe = self.deployment.stage_moe_layers
        dense = self.deployment.stage_layers - moe
        yield from self._attention(self.rounds * (moe + dense))
        if dense:
            yield from self._dense(self.rounds * dense)
        if moe:
            yield from self._experts(self.rounds * moe)
        yield from self._ends()

    @property
    def _tokens(self) -> float:
        return self.decodes + self.prompts

    @property
    def _stream_bytes(self) -> float:
        """Bytes of the residual stream of the group's tokens."""
        return self._tokens * self.deployment.llm.hidden * WIDE

    def _attention(self, times: float) -> Iterator[Step]:
        each, tp = self.deployment.sizes, self.deployment.engine.tp
        yield self._product("QKV projection", times, each.qkv / tp + each.latent)
        if self.decodes:
            yield self._decode_attention(times)
        if self.prompts:
            yield self._prefill_attention(times)
        yield self._product("output projection", times, each.out / tp)
        yield from self._all_reduce("all-reduce, attention", times)

    def _decode_attention(self, times: float) -> Step:
        """Each sequence reads its keys and values; MLA works on the latent vectors themselves."""
        llm = self.deployment.llm
        context = self.decodes * self._seen(self.load.context_tokens)
        latent = llm.attention == "mla"
        width = 2 * llm.kv_lora_rank + llm.rope_head_dim if latent else 2 * llm.head_dim
        flops = 2.0 * llm.heads / self.deployment.engine.tp * width * context
        moved = self.deployment.kv_layer_bytes * context
        return self.roofs.step("attention, decode", times, flops, moved, self.roofs.attention)

    def _prefill_attention(self, times: float) -> Step:
        """Every prompt token attends to those before it; its keys and values are written."""
        llm = self.deployment.llm
        pairs = self.prompts * self._seen(self.load.attended_tokens)
        key = llm.nope_head_dim + llm.rope_head_dim
        width = key + llm.v_head_dim if llm.attention == "mla" else 2 * llm.head_dim
        flops = 2.0 * llm.heads / self.deployment.engine.tp * width * pairs
        moved = self.deployment.kv_layer_bytes * self.prompts
        return self.roofs.step("attention, prefill", times, flops, moved, self.roofs.attention)

    def _seen(self, tokens: float) -> float:
        """Context that a layer attends to, averaged over layers with and without a window."""
        llm = self.deployment.llm
        if not llm.sliding_layers:
            return tokens
        windowed = min(tokens, llm.sliding_window) * llm.sliding_layers
        return (windowed + tokens * (llm.layers - llm.sliding_layers)) / llm.layers

    def _dense(self, times: float) -> Iterator[Step]:
        weights = self.deployment.sizes.dense_mlp / self.deployment.engine.tp
        yield self._product("MLP", times, weights, kernels=2)
        yield from self._all_reduce("all-reduce, MLP", times)

    def _experts(self, times: float) -> Iterator[Step]:
        """The experts that the tokens of all groups touch, spread evenly over the GPUs."""
        llm, each, engine = self.deployment.llm, self.deployment.sizes, self.deployment.engine
        tokens = self._tokens * engine.dp
        touched = touched_experts(llm.experts, llm.experts_per_token, tokens)
        expert = each.expert / engine.stage_gpus
        flops = 2.0 * tokens * llm.experts_per_token * expert
        moved = touched * expert * BYTES[engine.weights]
        routed = 2.0 * each.router * self._tokens
        yield self.roofs.step("router", times, routed, each.router * WIDE, self.roofs.wide)
        yield self.roofs.step("experts", times, flops, moved, self.roofs.narrow, kernels=2)
        if each.shared:
            yield self._product("shared experts", times, each.shared / engine.tp, kernels=2)
        if engine.dp > 1:
            yield self._dispatch(times)
        else:
            yield from self._all_reduce("all-reduce, experts", times)

    def _dispatch(self, times: float) -> Step:
        """Groups send each token to the GPUs of its experts, and get its sum back."""
        engine = self.deployment.engine
        copies = min(self.deployment.llm.experts_per_token, engine.ep)
        sent = self._stream_bytes * copies / engine.tp
        gpu, reached = self.deployment.gpu, self.reached
        seconds = 2.0 * all_to_all_seconds(sent, engine.stage_gpus, gpu, reached)
        return waiting("dispatch and combine", times, seconds)

    def _ends(self) -> Iterator[Step]:
        """The output head for the tokens that are sampled, hops between stages, and the host."""
        engine, roofs = self.deployment.engine, self.roofs
        weights = self.deployment.sizes.embedding / engine.tp
        flops = 2.0 * weights * max(1.0, self.decodes)
        yield roofs.step("output head", self.rounds, flops, weights * WIDE, roofs.wide)
        if engine.pp > 1:
            gpu, reached = self.deployment.gpu, self.reached
            seconds = hop_seconds(self._stream_bytes, engine.gpus, gpu, reached)
            yield waiting("hop to the next stage", self.rounds, seconds)
        yield waiting("host", 1.0, self.reached.iteration_s, "host")

    def _product(self, name: str, times: float, weights: float, kernels: int = 1) -> Step:
        """The product of the group's tokens with a matrix of `weights` numbers."""
        flops = 2.0 * weights * self._tokens
        moved = weights * BYTES[self.deployment.engine.weights]
        return self.roofs.step(name, times, flops, moved, self.roofs.narrow, kernels)

    def _all_reduce(self, name: str, times: float) -> Iterator[Step]:
        tp, gpu = self.deployment.engine.tp, self.deployment.gpu
        if tp > 1:
            seconds = all_reduce_seconds(self._stream_bytes, tp, gpu, self.reached)
            yield waiting(name, times, seconds)
