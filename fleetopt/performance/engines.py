"""Profiles of one language model: every GPU with every engine configuration that it can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from fleetopt.catalog import Gpu
from fleetopt.errors import Fault, InputError
from fleetopt.performance.calibration.bundled import Reached, caveats, reached_with
from fleetopt.performance.deployment import Deployment, kv_bytes_per_token
from fleetopt.performance.memory import Memory, least_gpus, memory_of
from fleetopt.performance.profile import IterationTime
from fleetopt.performance.roofline import RooflineProfile
from fleetopt.problem import CoefficientSpec, EngineChoices, EngineConfig, LlmSpec, PowerCurve

TOO_LARGE = "does not fit"


@dataclass(frozen=True, slots=True)
class Engines:
    """What can run of the configurations that a problem chooses from.

    specs: a profile for each, by GPU and then by its number of GPUs.
    left_out: (GPU, reason, number of configurations) of the others.
    caveats: how far to trust the profiles.
    """

    specs: tuple[CoefficientSpec, ...]
    left_out: tuple[tuple[str, str, int], ...]
    caveats: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """How many configurations there are, how far to trust them, and what was left out."""
        asked = len(self.specs) + sum(count for _, _, count in self.left_out)
        ran = (
            f"{len(self.specs):,} of {asked:,} engine configurations of "
            f"{self.specs[0].serves} can run"
        )
        first = [f"their profiles are {self.caveats[0]}"] if self.caveats else []
        said = ["; ".join([ran, *first]), *self.caveats[1:]]
        said += [f"left out: {count:,} of {gpu}, {why}" for gpu, why, count in self.left_out]
        return tuple(said)


@lru_cache(maxsize=4)
def engines(
    llm: LlmSpec,
    gpus: tuple[Gpu, ...],
    choices: EngineChoices,
    max_num_seqs: int,
    mean_context_tokens: int,
    node_size: int = 1,
    reached: Reached | None = None,
) -> Engines:
    """Profiles of a model for every GPU and configuration, those that cannot run left out.

    max_num_seqs: most sequences where the choices say nothing of them.
    mean_context_tokens: context around which the coefficients are fitted.
    node_size: GPUs of a node; tensor parallelism divides it, or takes whole nodes.
    reached: the constants behind the profiles; the bundled ones of the engine if absent.
    Raises InputError if a GPU runs none of them, with the least GPUs that would hold the model.
    """
    specs, left_out = list[CoefficientSpec](), Counter[tuple[str, str]]()
    faults, nothing = list[Fault](), list[Fault]()
    configs = list(choices.configs(max_num_seqs, mean_context_tokens))
    constants = reached or reached_with(choices.name)
    for gpu in gpus:
        before, refused = len(specs), Counter[str]()
        if gpu.price is None:
            text = f"the price of {gpu.spec.name} is not known"
            faults.append(Fault("gpus", text, "a catalogue of your own may state it"))
            continue
        for engine in configs:
            try:
                specs += _specs(llm, gpu, engine, choices, node_size, constants)
            except InputError as error:
                refused[_reason(error, engine)] += 1
        if len(specs) == before:
            nothing.append(_nothing_runs(llm, gpu, configs, refused))
        held = {why: _with_least(why, llm, gpu, configs) for why in refused}
        left_out.update({(gpu.spec.name, held[why]): count for why, count in refused.items()})
    if faults or not specs:
        raise InputError([*faults, *nothing])
    counted = tuple((gpu, why, count) for (gpu, why), count in left_out.items())
    used = {spec.gpu for spec in specs}
    said = caveats(choices.name, llm, [gpu for gpu in gpus if gpu.spec.name in used])
    return Engines(tuple(specs), counted, () if reached else said)


def _specs(
    llm: LlmSpec,
    gpu: Gpu,
    engine: EngineConfig,
    choices: EngineChoices,
    node_size: int,
    reached: Reached,
) -> list[CoefficientSpec]:
    """The profiles of a configuration, one for each admission. Raises InputError."""
    if node_size % engine.tp and engine.tp % node_size:
        text = f"{engine.tp} GPUs neither divide nodes of {node_size} nor take whole ones"
        raise InputError.single("tp", text)
    deployment = Deployment.of(llm, gpu, engine)
    if memory_of(deployment).slots(1) < 1:
        raise InputError.single("model", TOO_LARGE)
    profile = RooflineProfile.of(llm, gpu, engine, reached(llm, gpu, engine))
    return [
        spec_of(profile, engine_name(gpu, engine, choices, admission), admission)
        for admission in choices.admission or (None,)
    ]


def spec_of(profile: RooflineProfile, name: str, admission: str | None = None) -> CoefficientSpec:
    """A computed profile as a plan holds it: its coefficients and where they come from."""
    source = f"computed from data sheets; {profile.reached.source}"
    return coefficient_spec(
        profile.deployment, profile.memory, profile.iteration, name, source, admission
    )


def coefficient_spec(
    deployment: Deployment,
    held: Memory,
    time: IterationTime,
    name: str,
    source: str,
    admission: str | None = None,
) -> CoefficientSpec:
    """A profile as a problem states it, of what a deployment's memory holds."""
    gpu, engine = deployment.gpu, deployment.engine
    return CoefficientSpec.model_construct(
        name=name,
        gpu=gpu.spec.name,
        hardware=gpu.spec.hardware,
        serves=deployment.llm.name,
        source=source,
        engine=engine,
        gpus_per_replica=engine.gpus,
        base_s=time.base_s,
        per_context_token_s=time.per_context_token_s,
        prefill_base_s=time.prefill_base_s,
        prefill_per_token_s=time.prefill_per_token_s,
        first_token_s=time.first_token_s,
        context=time.context,
        chunk_tokens=time.chunk_tokens,
        token_budget=time.token_budget,
        block_tokens=engine.block_tokens,
        kv_tokens=held.kv_tokens,
        kv_bytes_per_token=kv_bytes_per_token(deployment.llm, engine.kv),
        kv_groups=held.groups,
        windowed_share=_windowed_share(held),
        window_tokens=held.window_tokens,
        max_num_seqs=engine.max_num_seqs,
        admission=admission,
        usd_per_hour=gpu.usd_per_hour,
        power=_power(gpu.spec.tdp_w),
    )


def engine_name(
    gpu: Gpu, engine: EngineConfig, choices: EngineChoices, admission: str | None = None
) -> str:
    """A name such as 'h100-tp2-fp8': what is split, and what is not the default or the only one."""
    ways = ((key, getattr(engine, key)) for key in ("pp", "ep", "dp"))
    parts = [gpu.spec.name, f"tp{engine.tp}", *(f"{key}{n}" for key, n in ways if n > 1)]
    if engine.weights != "bf16":
        parts.append(engine.weights)
    if engine.kv != "bf16":
        parts.append(f"kv-{engine.kv}")
    if len(choices.max_num_seqs or ()) > 1:
        parts.append(f"seqs{engine.max_num_seqs}")
    if len(choices.token_budget) > 1:
        parts.append(f"budget{engine.token_budget}")
    return "-".join([*parts, *([admission] if admission else [])])


def _windowed_share(held: Memory) -> float:
    return held.window_layers * held.layer_token / held.token


@lru_cache(maxsize=64)
def _power(tdp_w: float) -> PowerCurve:
    from fleetopt.performance.power import projected_power

    curve = projected_power(tdp_w)
    return PowerCurve(
        idle_w=curve.idle_w,
        nominal_w=curve.nominal_w,
        steepness=curve.steepness,
        midpoint_log2=curve.midpoint_log2,
        quality="LOW",
        source=curve.source,
    )


def _reason(error: InputError, engine: EngineConfig) -> str:
    """Why a configuration cannot run, in the words of its first fault."""
    fault = error.faults[0]
    if fault.place == "model":
        return f"{TOO_LARGE} with {engine.weights} weights"
    return f"{fault.place}: {fault.expected}"


def _with_least(why: str, llm: LlmSpec, gpu: Gpu, configs: Sequence[EngineConfig]) -> str:
    """The reason, with the least GPUs that would hold the model where it does not fit."""
    for engine in _formats(configs):
        if why == f"{TOO_LARGE} with {engine.weights} weights":
            least = least_gpus(llm, gpu, engine)
            return why if least is None else f"{why}, which takes {least.gpus} GPUs at least"
    return why


def _nothing_runs(
    llm: LlmSpec, gpu: Gpu, configs: Sequence[EngineConfig], refused: Counter[str]
) -> Fault:
    """That no configuration of a GPU can run, and what would."""
    name = gpu.spec.name
    if not any(why.startswith(TOO_LARGE) for why in refused):
        reasons = "; ".join(refused)
        return Fault("engine", f"no configuration of {llm.name} runs on {name}: {reasons}")
    text = f"{llm.name} does not fit on {name} in any configuration that was asked for"
    found = (least_gpus(llm, gpu, engine) for engine in _formats(configs))
    held = [engine for engine in found if engine is not None]
    if not held:
        return Fault("engine", text, f"no number of {name} up to 1024 holds it")
    least = min(held, key=lambda engine: engine.gpus)
    spread = f"tp {least.tp}" + (f", pp {least.pp}" if least.pp > 1 else "")
    needed = f"it takes at least {least.gpus} of them ({spread}, {least.weights} weights)"
    return Fault("engine", text, needed)


def _formats(configs: Sequence[EngineConfig]) -> list[EngineConfig]:
    """One configuration for each format of the weights."""
    return list({engine.weights: engine for engine in configs}.values())
