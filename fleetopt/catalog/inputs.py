"""Everything that a problem names, read and judged together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fleetopt.catalog.files import SourceFile, read_json
from fleetopt.catalog.folders import data_folder
from fleetopt.catalog.lengths import read_lengths
from fleetopt.errors import Fault, InputError, near
from fleetopt.problem import (
    AnyProfileSpec,
    CoefficientSpec,
    FleetProblem,
    FleetSimulation,
    LengthCdf,
    ProfileSpec,
    Workload,
    validate,
)

Spec = TypeVar("Spec", ProfileSpec, CoefficientSpec)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a problem names, read and checked.

    profiles: one for each of the problem's `gpus`, in their order; with a model, those of its
        own alone.
    max_context: largest context of the fleet, in tokens.
    arrival_rate: requests per second; the workload file's if the problem states none.
    sources: the files behind the lengths and the profiles.
    notes: what to say of the profiles.
    """

    lengths: LengthCdf
    profiles: tuple[AnyProfileSpec, ...]
    max_context: int
    arrival_rate: float
    sources: tuple[SourceFile, ...]
    notes: tuple[str, ...] = ()


def read_inputs(problem: FleetProblem, beside: Path | None = None) -> Inputs:
    """Read what a problem names; a relative file is looked up beside `beside` first.

    Raises InputError with every fault; a fault of the problem has its key as place.
    """
    faults: list[Fault] = []
    lengths, sources = _stated_lengths(problem, beside, faults)
    known = profiles_of(problem)
    if problem.model is not None:
        known = {spec.name: spec for spec in problem.profiles}
    for i, name in enumerate(problem.gpus):
        if name not in known and problem.model is None:
            faults.append(Fault(f"gpus[{i}]", f"unknown GPU {name!r}", near(name, known)))
    faults += _side_faults(problem, known)
    max_context = problem.max_context or (lengths.max_tokens if lengths else None)
    if max_context is not None:
        faults += _threshold_faults(problem, max_context)
    if faults or lengths is None or max_context is None:
        raise InputError(faults)
    profiles = tuple(known[name] for name in problem.gpus if name in known)
    rate = problem.arrival_rate
    if isinstance(lengths, Workload):
        if lengths.arrivals is not None and "arrival_rate" not in problem.model_fields_set:
            rate = lengths.arrivals.rate
        lengths = lengths.lengths()
    return Inputs(lengths, profiles, max_context, rate, sources)


def profiles_of(stated: FleetProblem | FleetSimulation) -> dict[str, AnyProfileSpec]:
    """The bundled profiles by name, extended or replaced by the statement's own."""
    return {**bundled_profiles(), **{spec.name: spec for spec in stated.profiles}}


def bundled_profiles() -> dict[str, AnyProfileSpec]:
    """Every bundled profile by name, calibrated or fitted."""
    return {**read_profiles(), **read_measured_profiles()}


def read_profiles() -> dict[str, ProfileSpec]:
    """The bundled calibrated profiles by name."""
    return _read_profiles("profiles.json", ProfileSpec)


def read_measured_profiles() -> dict[str, CoefficientSpec]:
    """The bundled profiles that were fitted to published measurements, by name."""
    return _read_profiles("measured_profiles.json", CoefficientSpec)


def _read_profiles(file: str, kind: type[Spec]) -> dict[str, Spec]:
    path = data_folder() / file
    data, _ = read_json(path)
    specs = [
        validate(kind, item, f"{path}, profiles[{i}]") for i, item in enumerate(data["profiles"])
    ]
    return {spec.name: spec for spec in specs}


def _stated_lengths(
    problem: FleetProblem, beside: Path | None, faults: list[Fault]
) -> tuple[LengthCdf | None, tuple[SourceFile, ...]]:
    if isinstance(problem.cdf, LengthCdf):
        return problem.cdf, ()
    try:
        lengths, source = read_lengths(problem.cdf, beside)
    except InputError as error:
        faults += error.faults
        return None, ()
    return lengths, (source,)


def _side_faults(problem: FleetProblem, known: Mapping[str, AnyProfileSpec]) -> list[Fault]:
    """Faults of side constraints that name GPU types, or need what a profile does not tell."""
    types = {spec.gpu for spec in known.values()}
    if problem.model is not None:  # the others are GPUs of the catalogue
        types |= {name for name in problem.gpus if name not in known}
    faults = [
        Fault(f"inventory.{gpu}", f"unknown GPU type {gpu!r}", near(gpu, types))
        for gpu in problem.inventory
        if gpu not in types
    ]
    dark = [name for name in problem.gpus if name in known and known[name].power is None]
    if dark:
        stated = ["power_kw"] if problem.power_kw is not None else []
        text = f"the profile {dark[0]!r} has no power curve"
        hint = "give it one, or leave the profile or the cap out"
        limits = [key for key in problem.draw_keys if key != "objective"]
        faults += [Fault(key, text, hint) for key in (*stated, *limits)]
    return faults


def _threshold_faults(problem: FleetProblem, max_context: int) -> list[Fault]:
    return [
        Fault(f"thresholds[{i}]", f"must be below the largest context {max_context}, got {tokens}")
        for i, tokens in enumerate(problem.thresholds or ())
        if tokens >= max_context
    ]
