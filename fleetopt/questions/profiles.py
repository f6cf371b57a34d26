"""What a GPU does with a model: how a profile comes about, and what fits at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleetopt.catalog import Gpu
from fleetopt.errors import InputError
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.memory import Memory, memory_of
from fleetopt.performance.roofline import Load, RooflineProfile, Step, steps
from fleetopt.problem import EngineConfig, LlmSpec

CONTEXTS = (2048, 8192, 32768, 131072)


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a profile comes about.

    batch: sequences of the decode iteration that is shown, at the engine's mean context;
    decode, prefill: steps of that iteration, and of one that prefills a whole token budget.
    slots: (context, largest concurrency) when every sequence holds that context.
    caveats: how far to trust it.
    """

    profile: RooflineProfile
    batch: int
    decode: tuple[Step, ...]
    prefill: tuple[Step, ...]
    slots: tuple[tuple[int, int], ...]
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a model fits on some GPUs of a type.

    memory: None if it cannot be split so; `reason` says why.
    slots: (context, largest concurrency), as in a Derivation.
    """

    gpu: Gpu
    engine: EngineConfig
    memory: Memory | None
    slots: tuple[tuple[int, int], ...]
    reason: str

    @property
    def fits(self) -> bool:
        """Whether a sequence finds room beside the model."""
        return not self.reason


def derivation(
    profile: RooflineProfile, batch: int = 32, caveats: tuple[str, ...] = ()
) -> Derivation:
    """Every step of a decode iteration of `batch` sequences and of a prefill iteration."""
    deployment, engine = profile.deployment, profile.deployment.engine
    decode = Load(sequences=batch, context_tokens=engine.mean_context_tokens)
    prefill = Load(
        prefill_tokens=engine.token_budget, attended_tokens=engine.mean_context_tokens / 2
    )
    return Derivation(
        profile=profile,
        batch=batch,
        decode=tuple(steps(deployment, decode, profile.reached)),
        prefill=tuple(steps(deployment, prefill, profile.reached)),
        slots=slots_by_context(deployment.llm, profile.memory),
        caveats=caveats,
    )


def fits(llm: LlmSpec, gpus: Iterable[Gpu], engines: Sequence[EngineConfig]) -> tuple[Fit, ...]:
    """What each GPU type holds of a model, for each way to run it."""
    return tuple(_fit(llm, gpu, engine) for gpu in gpus for engine in engines)


def slots_by_context(llm: LlmSpec, held: Memory) -> tuple[tuple[int, int], ...]:
    """Largest concurrency at a few contexts up to the model's longest."""
    contexts = sorted({*(c for c in CONTEXTS if c < llm.max_position), llm.max_position})
    return tuple((context, held.slots(context)) for context in contexts)


def _fit(llm: LlmSpec, gpu: Gpu, engine: EngineConfig) -> Fit:
    try:
        held = memory_of(Deployment.of(llm, gpu, engine))
    except InputError as error:
        return Fit(gpu, engine, None, (), "; ".join(str(fault) for fault in error.faults))
    reason = "" if held.slots(1) else "too large"
    return Fit(gpu, engine, held, slots_by_context(llm, held), reason)
