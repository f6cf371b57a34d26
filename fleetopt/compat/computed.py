"""Profiles from data sheets under their published names, over fleetopt's roofline."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.catalog import Gpu, read_machines
from fleetopt.compat.profiles import ManualProfile
from fleetopt.errors import InputError
from fleetopt.performance.roofline import Load, RooflineProfile, Step, iteration_seconds, steps
from fleetopt.problem import EngineConfig, LlmSpec, validate

_FORMATS = {2.0: ("bf16", "bf16"), 1.0: ("fp8", "fp8"), 0.5: ("fp4", "fp8")}
"""Formats of weights and KV for each number of bytes; there is no KV cache in FP4."""
_PHASES = ("aggregated", "prefill", "decode")
_CALIBRATION_CONTEXT = 8192


@dataclass(frozen=True)
class ServingConfig:
    """How a model is served, as the published tool states it.

    tp, ep: tensor and expert parallelism; a replica has `tp` GPUs. dtype_bytes: bytes of a
    weight and of a number in the KV cache: 2, 1 or 0.5. chunk: tokens of one iteration.
    blk_size: tokens of a KV block. max_slots: most sequences. phase: what the replica is for;
    it changes nothing, for the coefficients are those of both phases. mean_ctx_tokens: context
    around which they are fitted. gpu_memory_utilization: share of the memory.
    """

    tp: int = 1
    ep: int = 1
    dtype_bytes: float = 2
    chunk: int = 512
    blk_size: int = 16
    max_slots: int = 256
    phase: str = "aggregated"
    mean_ctx_tokens: int = 2048
    gpu_memory_utilization: float = 0.90

    @property
    def engine(self) -> EngineConfig:
        """The same as fleetopt states it. Raises InputError."""
        formats = _FORMATS.get(self.dtype_bytes)
        if formats is None:
            text = f"expected 2, 1 or 0.5, got {self.dtype_bytes!r}"
            raise InputError.single("ServingConfig, dtype_bytes", text)
        if self.phase not in _PHASES:
            text = f"expected {', '.join(_PHASES)}, got {self.phase!r}"
            raise InputError.single("ServingConfig, phase", text)
        stated = {
            "tp": self.tp,
            "ep": self.ep,
            "weights": formats[0],
            "kv": formats[1],
            "token_budget": self.chunk,
            "block_tokens": self.blk_size,
            "max_num_seqs": self.max_slots,
            "mean_context_tokens": self.mean_ctx_tokens,
            "memory_fraction": self.gpu_memory_utilization,
        }
        return validate(EngineConfig, stated, "ServingConfig")


@dataclass(frozen=True)
class DecodeEfficiency:
    """What one decode iteration of a replica does, all its GPUs together.

    kv_frac: share of the bytes that are keys and values; roofline_bound: "memory" or
    "compute", whichever binds for the longer time.
    """

    n_active: float
    mean_ctx: float
    iter_latency_s: float
    tokens_per_s: float
    mem_bytes_per_iter: float
    kv_frac: float
    flops_per_iter: float
    arithmetic_intensity: float
    roofline_bound: str
    power_w: float
    tokens_per_watt: float

    def show(self) -> None:
        """Print it."""
        print(
            f"{self.n_active:g} sequences of {self.mean_ctx:,.0f} tokens\n"
            f"  iteration   {1e3 * self.iter_latency_s:.2f} ms, {self.tokens_per_s:,.0f} tokens/s\n"
            f"  memory      {self.mem_bytes_per_iter / 1e9:.1f} GB, {self.kv_frac:.0%} of it KV\n"
            f"  intensity   {self.arithmetic_intensity:.1f} FLOP/B, {self.roofline_bound} binds\n"
            f"  power       {self.power_w:,.0f} W, {self.tokens_per_watt:.2f} tokens/s/W"
        )


@dataclass(frozen=True)
class ComputedProfile(ManualProfile):
    """A computed profile: a ManualProfile of the whole replica with its derivation.

    Its power and its price are those of all GPUs of the replica.
    """

    roofline: RooflineProfile | None = None

    def decode_efficiency(self, n_active: float, mean_ctx: float | None = None) -> DecodeEfficiency:
        """A decode iteration of n sequences, of the fitted context if none is given."""
        made = self._derived()
        engine = made.deployment.engine
        context = float(engine.mean_context_tokens if mean_ctx is None else mean_ctx)
        load = Load(sequences=n_active, context_tokens=context)
        done = steps(made.deployment, load, made.reached)
        seconds = iteration_seconds(made.deployment, load, made.reached)
        moved = engine.gpus * sum(step.times * step.bytes for step in done)
        keys = engine.gpus * sum(s.times * s.bytes for s in done if s.name == "attention, decode")
        flops = engine.gpus * sum(step.times * step.flops for step in done)
        watts = self.power_at_concurrency(n_active)
        return DecodeEfficiency(
            n_active=n_active,
            mean_ctx=context,
            iter_latency_s=seconds,
            tokens_per_s=n_active / seconds,
            mem_bytes_per_iter=moved,
            kv_frac=keys / moved,
            flops_per_iter=flops,
            arithmetic_intensity=flops / moved,
            roofline_bound=_binding(done),
            power_w=watts,
            tokens_per_watt=n_active / seconds / watts,
        )

    def _derived(self) -> RooflineProfile:
        if self.roofline is None:
            raise ValueError("a computed profile comes from ProfileBuilder().build(...)")
        return self.roofline


class ProfileBuilder:
    """Computes profiles from a GPU, a model and a serving configuration."""

    def build(self, hw: Gpu, model: LlmSpec, cfg: ServingConfig) -> ComputedProfile:
        """The profile of one replica. Raises InputError if it cannot run."""
        made = RooflineProfile.of(model, hw, cfg.engine)
        time, gpus, power = made.iteration, made.gpus_per_replica, made.power
        return ComputedProfile(
            name=made.name,
            W=time.base_s,
            H=time.per_context_token_s * _CALIBRATION_CONTEXT,
            chunk=cfg.chunk,
            blk_size=cfg.blk_size,
            total_kv_blks=made.kv_tokens // cfg.blk_size,
            max_slots=max(1, min(cfg.max_slots, made.memory.slots(_CALIBRATION_CONTEXT))),
            cost_per_hr=made.usd_per_hour,
            calibration_ctx=_CALIBRATION_CONTEXT,
            power_idle_w=gpus * power.idle_w,
            power_nominal_w=gpus * power.nominal_w,
            power_logistic_k=power.steepness,
            power_logistic_x0=power.midpoint_log2,
            roofline=made,
        )


def _binding(done: list[Step]) -> str:
    by_roof = {
        roof: sum(step.total_s for step in done if step.bound == roof)
        for roof in ("memory", "compute")
    }
    return max(by_roof, key=lambda roof: by_roof[roof])


_MACHINES = read_machines()
A100_SXM = _MACHINES.gpus["a100"]
H100_SXM = _MACHINES.gpus["h100"]
H200_SXM = _MACHINES.gpus["h200"]
B200_SXM = _MACHINES.gpus["b200"]
L40S = _MACHINES.gpus["l40s"]
LLAMA_3_1_8B = _MACHINES.llms["llama-3.1-8b"]
LLAMA_3_1_70B = _MACHINES.llms["llama-3.1-70b"]
LLAMA_3_1_405B = _MACHINES.llms["llama-3.1-405b"]
MISTRAL_7B = _MACHINES.llms["mistral-7b"]
MIXTRAL_8X7B = _MACHINES.llms["mixtral-8x7b"]
QWEN3_8B = _MACHINES.llms["qwen3-8b"]
QWEN3_32B = _MACHINES.llms["qwen3-32b"]
QWEN3_30B_A3B = _MACHINES.llms["qwen3-30b-a3b"]
QWEN3_235B_A22B = _MACHINES.llms["qwen3-235b-a22b"]
DEEPSEEK_V3 = _MACHINES.llms["deepseek-v3"]
