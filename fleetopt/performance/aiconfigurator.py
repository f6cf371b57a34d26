"""Profiles from AIConfigurator, which estimates iterations of an engine from measured kernels.

It says how long an iteration takes (NVIDIA, arXiv:2601.06288; Apache-2.0). The coefficients are
fitted to what it says, as they are to a roofline, and compared with its mixed iterations.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol

from fleetopt.catalog import Gpu
from fleetopt.errors import Fault, InputError
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.engines import coefficient_spec
from fleetopt.performance.memory import Memory, memory
from fleetopt.performance.roofline.coefficients import (
    BUDGET_SHARES,
    Coefficients,
    Point,
    batches,
    fitted,
)
from fleetopt.problem import CoefficientSpec, EngineConfig, LlmSpec

PACKAGE = "aiconfigurator-core"
INSTALL = "pip install 'fleetopt[aiconfigurator]'"
SOFTWARE = ("vllm", "sglang", "trtllm")
MODELS = {
    "llama-3.1-8b": "meta-llama/Meta-Llama-3.1-8B",
    "llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3.1-405b": "meta-llama/Meta-Llama-3.1-405B",
    "qwen3-8b": "Qwen/Qwen3-8B",
    "qwen3-32b": "Qwen/Qwen3-32B",
    "qwen3-30b-a3b": "Qwen/Qwen3-30B-A3B",
    "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B",
    "deepseek-v3": "deepseek-ai/DeepSeek-V3",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "kimi-k2.5": "moonshotai/Kimi-K2.5",
    "minimax-m2.5": "MiniMaxAI/MiniMax-M2.5",
    "glm-5": "zai-org/GLM-5",
    "qwen3.5-397b-a17b": "Qwen/Qwen3.5-397B-A17B",
}
"""Models of the catalogue that AIConfigurator knows, by its own names."""
GPUS = {
    "a100": "a100_sxm", "h100": "h100_sxm", "h200": "h200_sxm", "b200": "b200_sxm",
    "b300": "b300_sxm", "gb200": "gb200", "l40s": "l40s",
}  # fmt: skip
"""GPUs of the catalogue that it has measured kernels of, by its own names."""
_FORMATS = {"bf16": "bfloat16", "fp8": "fp8", "fp4": "nvfp4", "int4": "int4_wo"}
_EXPERT_FORMATS = {**_FORMATS, "fp8": "fp8_block"}
_MIXED_SHARES = (1 / 16, 1 / 4, 1.0)
_MIXED_BATCHES = (1, 8, 32, 128)


class Handle(Protocol):
    """What is asked of AIConfigurator's EngineHandle; all times are milliseconds."""

    def decode_step_latency(self, gen_tokens: int, isl: int, osl: int) -> float:
        """An iteration of sequences that each hold isl + osl / 2 tokens."""
        ...

    def predict_prefill_latency(self, bs: int, isl: int, prefix: int = 0) -> float:
        """An iteration that prefills bs prompts of isl tokens, `prefix` of which are cached."""
        ...

    def mixed_step_latency(self, ctx_tokens: int, gen_tokens: int, isl: int, osl: int) -> float:
        """An iteration with prompt tokens and decoding sequences."""
        ...

    def last_provenance(self) -> str | None:
        """How the last answer was estimated where no kernel was measured; None if all were."""
        ...


@dataclass(frozen=True, slots=True)
class Mixed:
    """An iteration that decodes and prefills: AIConfigurator's seconds, and the coefficients'."""

    sequences: int
    prompt_tokens: int
    seconds: float
    fitted_s: float

    @property
    def error(self) -> float:
        """Relative error of the coefficients."""
        return self.fitted_s / self.seconds - 1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What AIConfigurator says of a deployment, and the coefficients nearest to it.

    memory: what the GPUs hold, as in a roofline. mixed: iterations that were not fitted to.
    release: of AIConfigurator; software, version: the engine that it estimates.
    unmeasured: how it estimated kernels that it has no measurements of, if there are any.
    """

    deployment: Deployment
    memory: Memory
    fitted: Coefficients
    mixed: tuple[Mixed, ...]
    release: str
    software: str
    version: str
    unmeasured: tuple[str, ...]

    @property
    def source(self) -> str:
        """Where the figures come from."""
        return (
            f"fit to iterations that AIConfigurator {self.release} estimates for {self.software} "
            f"{self.version} on {GPUS[self.deployment.gpu.spec.name]} from measured kernels "
            f"(NVIDIA, Apache-2.0, arXiv:2601.06288); memory computed from data sheets"
        )

    def spec(self, name: str) -> CoefficientSpec:
        """The profile as a problem states it."""
        return coefficient_spec(
            self.deployment, self.memory, self.fitted.iteration, name, self.source
        )


def estimate(llm: LlmSpec, gpu: Gpu, engine: EngineConfig, software: str) -> Estimate:
    """The coefficients of a model on a GPU with an engine, from AIConfigurator's estimates.

    software: one of SOFTWARE. Raises InputError if the package is missing, if it does not know
    the deployment, or if the model does not fit.
    """
    deployment = Deployment.of(llm, gpu, engine)
    _check(deployment, software)
    held = memory(deployment)
    with _quiet():
        handle, version = _handle(deployment, software)
        return _estimate(deployment, held, handle, software, version)


def _check(deployment: Deployment, software: str) -> None:
    """Refuse what it does not know by name. Raises InputError with every fault."""
    asked = (
        ("name", software, SOFTWARE),
        ("model", deployment.llm.name, MODELS),
        ("gpu", deployment.gpu.spec.name, GPUS),
    )
    faults = [
        Fault(place, f"AIConfigurator does not know {name!r}", f"it knows {', '.join(known)}")
        for place, name, known in asked
        if name not in known
    ]
    if deployment.engine.pp > 1:
        text = "a pipeline's iteration in AIConfigurator is not one of fleetopt"
        faults.append(Fault("pp", text, "leave this out, and use --tp"))
    if faults:
        raise InputError(faults)


def _handle(deployment: Deployment, software: str) -> tuple[Handle, str]:
    """Its engine, and the version that is estimated. Raises InputError."""
    try:
        from aiconfigurator_core.sdk import EngineHandle
        from aiconfigurator_core.sdk.perf_database import get_version_slots
    except ImportError:
        raise InputError.single("AIConfigurator", "it is not installed", INSTALL) from None
    system, engine = GPUS[deployment.gpu.spec.name], deployment.engine
    slots: dict[str, str] = get_version_slots(system, software) or {}
    if not slots.get("current"):
        text = f"AIConfigurator has no kernels of {software} on {deployment.gpu.spec.name}"
        raise InputError.single("name", text, f"one of {', '.join(SOFTWARE)}")
    with _as_input_error():
        handle: Handle = EngineHandle.compile(
            MODELS[deployment.llm.name],
            system,
            software,
            tp_size=engine.tp,
            attention_dp_size=engine.dp,
            moe_tp_size=engine.moe_tp,
            moe_ep_size=engine.ep,
            **_formats(deployment),
        )
    return handle, slots["current"]


def _formats(deployment: Deployment) -> dict[str, str | None]:
    """Its names of the number formats; the release of gpt-oss says its own.

    Attention is in BF16, as in a roofline.
    """
    llm, engine = deployment.llm, deployment.engine
    kv = {"kvcache_quant_mode": _FORMATS[engine.kv], "fmha_quant_mode": "bfloat16"}
    if llm.name.startswith("gpt-oss") and engine.weights == "fp4":
        return {**kv, "gemm_quant_mode": None, "moe_quant_mode": None}
    dense = (_EXPERT_FORMATS if llm.experts else _FORMATS)[engine.weights]
    return {**kv, "gemm_quant_mode": dense, "moe_quant_mode": _EXPERT_FORMATS[engine.weights]}


def _estimate(
    deployment: Deployment, held: Memory, handle: Handle, software: str, version: str
) -> Estimate:
    engine, unmeasured = deployment.engine, set[str | None]()
    most = max(2, min(engine.max_num_seqs, held.kv_tokens // engine.mean_context_tokens))

    def asked(milliseconds: float) -> float:
        unmeasured.add(handle.last_provenance())
        return milliseconds / 1e3

    with _as_input_error():
        found = fitted(
            engine,
            [(float(n), asked(_decode_ms(handle, engine, n))) for n in _shared(most, engine.dp)],
            [_prefill(handle, engine, share, asked) for share in BUDGET_SHARES],
        )
        mixed = tuple(_mixed(handle, engine, found, most, asked))
    told = tuple(sorted(name for name in unmeasured if name))
    release = metadata.version(PACKAGE)
    return Estimate(deployment, held, found, mixed, release, software, version, told)


def _shared(most: int, groups: int) -> list[int]:
    """Batches that attention groups share evenly."""
    return [groups * n for n in batches(max(1, most // groups))]


def _decode_ms(handle: Handle, engine: EngineConfig, sequences: int) -> float:
    return handle.decode_step_latency(sequences // engine.dp, engine.mean_context_tokens, 0)


def _prefill(handle: Handle, engine: EngineConfig, share: float, asked: Any) -> Point:
    """Whole prompts of the mean context, or a chunk from the middle of one.

    Either way a token attends to half the mean context on average.
    """
    context = engine.mean_context_tokens
    tokens = max(1, round(share * engine.token_budget / engine.dp))
    prompts = max(1, round(tokens / context))
    each = tokens // prompts
    cached = max(0, context - each) // 2
    milliseconds = handle.predict_prefill_latency(prompts, cached + each, cached)
    return float(engine.dp * prompts * each), asked(milliseconds)


def _mixed(
    handle: Handle, engine: EngineConfig, found: Coefficients, most: int, asked: Any
) -> Iterator[Mixed]:
    context, groups = engine.mean_context_tokens, engine.dp
    for n in (groups * n for n in _MIXED_BATCHES if groups * n <= most):
        for share in _MIXED_SHARES:
            tokens = max(1, round(share * engine.token_budget / groups))
            seconds = asked(handle.mixed_step_latency(tokens, n // groups, context, 2))
            fitted_s = found.iteration.seconds(n * context, groups * tokens)
            yield Mixed(n, groups * tokens, seconds, fitted_s)


@contextmanager
def _as_input_error() -> Iterator[None]:
    """What it refuses or has no data for is wrong input."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        text = str(error).partition(" at /")[0]
        hint = "other weights, kv, tp or engine may be measured"
        raise InputError.single("AIConfigurator", f"cannot estimate this: {text}", hint) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without its remarks on the files that it reads."""
    log = logging.getLogger("aiconfigurator_core")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
