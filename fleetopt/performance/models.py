"""The model that a problem designs on: what it names, and the profiles derived from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetopt.catalog import SourceFile, find_file
from fleetopt.errors import Fault, InputError, near
from fleetopt.problem import EngineChoices, FleetProblem
from fleetopt.workload.lengths import LengthDistribution

if TYPE_CHECKING:
    from fleetopt.catalog import Gpu
    from fleetopt.performance.engines import Engines
    from fleetopt.problem import LlmSpec


@dataclass(frozen=True, slots=True)
class Named:
    """The model and the GPUs that a problem names, read.

    sources: the catalogues that they come from.
    """

    llm: LlmSpec
    gpus: tuple[Gpu, ...]
    sources: tuple[SourceFile, ...]


def is_open(problem: FleetProblem) -> bool:
    """Whether profiles are still to be derived for some of the problem's GPUs."""
    own = {spec.name for spec in problem.profiles}
    return problem.model is not None and not own.issuperset(problem.gpus)


def read_named(problem: FleetProblem, beside: Path | None = None) -> Named:
    """Read the model and the GPUs of a problem. Raises InputError with every fault."""
    from fleetopt.catalog import read_llm, read_machines

    faults = list[Fault]()
    files, llm = [], None
    for i, name in enumerate(problem.catalogs or ()):
        try:
            files.append(str(find_file(name, beside)))
        except InputError as error:
            faults += [Fault(f"catalogs[{i}]", f"{name!r}: {f.expected}") for f in error.faults]
    machines = read_machines(*files)
    try:
        llm = read_llm(_located(problem.model or "", beside), machines)
    except InputError as error:
        faults += [
            fault if fault.place == "model" else Fault("model", str(fault))
            for fault in error.faults
        ]
    own = {spec.name for spec in problem.profiles}
    for i, name in enumerate(problem.gpus):
        if name not in machines.gpus and name not in own:
            hint = near(name, [*machines.gpus, *own])
            faults.append(Fault(f"gpus[{i}]", f"unknown GPU {name!r}", hint))
    if faults or llm is None:
        raise InputError(faults)
    gpus = tuple(machines.gpus[name] for name in problem.gpus if name not in own)
    return Named(llm, gpus, machines.sources)


def derived(
    problem: FleetProblem, named: Named, lengths: LengthDistribution, max_context: int
) -> Engines:
    """Profiles of the model for everything that a problem chooses from. Raises InputError."""
    from fleetopt.performance.engines import engines

    if max_context > named.llm.max_position:
        text = f"{named.llm.name} reads at most {named.llm.max_position:,} tokens"
        hint = "--long-max-ctx cuts longer requests"
        raise InputError.single("max_context", f"{text}, the fleet {max_context:,}", hint)
    return engines(
        named.llm,
        named.gpus,
        problem.engine or EngineChoices(),
        problem.max_num_seqs,
        min(mean_context_tokens(lengths), max_context),
        problem.node_size,
    )


def mean_context_tokens(lengths: LengthDistribution) -> int:
    """Mean context of a sequence that decodes: E[o (p + o / 2)] / E[o], rounded up."""
    held = lengths.prompt_tokens + lengths.output_tokens / 2
    output = lengths.output_tokens
    return math.ceil(lengths.mean(output * held) / lengths.mean(output))


def _located(model: str, beside: Path | None) -> str:
    """A file of the model beside the problem, if there is one; else the name as it is."""
    if model.endswith(".json") and beside is not None and (beside / model).exists():
        return str(beside / model)
    return model
