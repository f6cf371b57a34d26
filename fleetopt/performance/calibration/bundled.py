"""The bundled constants for a model on a GPU with an engine, and how far to trust them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from fleetopt.catalog import Gpu
from fleetopt.catalog.calibration import bundled_calibration
from fleetopt.performance.calibration.calibrated import Calibrated
from fleetopt.performance.calibration.constants import Constants
from fleetopt.performance.calibration.equation import first_token_names, level_names
from fleetopt.performance.calibration.record import Record
from fleetopt.performance.roofline import UNCALIBRATED, Efficiency
from fleetopt.problem import EngineConfig, EngineName, LlmSpec

FILE = "data/calibration.json"
_LONGER = 1.05
"""Factor of the simulated TTFT above which a note says so; no profile has it."""
Reached = Callable[[LlmSpec, Gpu, EngineConfig], Efficiency]
"""The constants for a model on a GPU with an engine configuration."""


@lru_cache(maxsize=1)
def bundled() -> tuple[Constants, Record]:
    """The constants of data/calibration.json and their record."""
    content = bundled_calibration()
    return Constants.from_dict(content), Record.from_dict(content)


@lru_cache(maxsize=8)
def reached_with(engine: EngineName) -> Reached:
    """The constants of an engine; those of data sheets for 'none'."""
    if engine == "none":
        return lambda llm, gpu, config: UNCALIBRATED
    known = dict[tuple[str, str, bool, int], Calibrated]()

    def reached(llm: LlmSpec, gpu: Gpu, config: EngineConfig) -> Efficiency:
        key = (llm.name, gpu.spec.name, bool(llm.experts), config.dp)
        if key not in known:
            known[key] = _calibrated(engine, llm, gpu, config.dp)
        return known[key]

    return reached


def caveats(engine: EngineName, llm: LlmSpec, gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """How far to trust profiles with an engine, and what of them was not measured."""
    if engine == "none":
        return (
            "computed from data sheets and not calibrated: real engines are slower, so measure "
            "before you buy",
        )
    constants, record = bundled()
    said = [
        f"computed from data sheets and calibrated by measured runs of {_engine(engine)}: "
        f"{record.expected(kind_of(llm))}; {_outside(engine, llm, constants)}"
        f"measure before you buy"
    ]
    names = [gpu.spec.name for gpu in gpus if gpu.spec.name not in measured(engine)]
    if names:
        said.append(
            f"not measured with {_engine(engine)}: {', '.join(names)}; constants are those of "
            f"the engine on other GPUs, and errors may be larger than stated"
        )
    return tuple(said)


def measured(engine: EngineName) -> set[str]:
    """GPUs that were measured with an engine."""
    constants, _ = bundled()
    parts = [group.split(" ", 2) for group in constants.groups]
    return {gpu for gpu, backend, _ in parts if engine in ("any", backend)}


def kind_of(llm: LlmSpec) -> str:
    """'moe' for a model with experts, else 'dense'."""
    return "moe" if llm.experts else "dense"


def _calibrated(engine: EngineName, llm: LlmSpec, gpu: Gpu, groups: int) -> Calibrated:
    """The constants of an engine; GPUs and models that nobody measured fall back to the rest."""
    constants, _ = bundled()
    kind, name = kind_of(llm), gpu.spec.name
    levels = level_names(engine, kind, llm.name, name)
    group = levels[-1].removeprefix("group ")
    fitted = "" if group in constants.groups else f", not on {name} with {llm.name}"
    if name not in measured(engine):
        fitted = f", none on {name}"
    said = bundled()[1].expected(kind)
    source = f"calibrated by measured runs of {_engine(engine)}{fitted} ({FILE}): {said}"
    first = constants.first_token_of(first_token_names(engine, kind, llm.name, name, groups))
    return Calibrated.by(constants.seconds(levels), source, first)


def _outside(engine: EngineName, llm: LlmSpec, constants: Constants) -> str:
    """What clients wait for a first token outside of the replica, if the engine is known."""
    names = first_token_names(engine, kind_of(llm), llm.name, "")
    if not set(names[1:]) & set(constants.first_token.logs):
        return ""
    waited = constants.first_token_of(names)
    slower = (
        f", and measured prefill is {waited.factor - 1.0:.0%} longer still".replace("%", " %")
        if waited.factor > _LONGER
        else ""
    )
    return (
        f"TTFT has the {1e3 * waited.outside_s:.0f} ms, {waited.iterations:.0f} iterations and "
        f"{1e6 * waited.per_token_s:.0f} us for each prompt token that clients wait outside of a "
        f"replica{slower}; "
    ).replace(" 1 iterations", " one iteration")


def _engine(engine: EngineName) -> str:
    return "three engines" if engine == "any" else engine
