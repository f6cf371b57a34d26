"""How far the pools of a design lie outside of the measurements behind their profiles."""

from __future__ import annotations

from collections.abc import Sequence

from fleetopt.optimization.design import Chosen, Design
from fleetopt.performance.calibration.bundled import bundled
from fleetopt.problem import CoefficientSpec, EngineChoices, EngineName
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.workload.compression import Served


def beyond(design: Design, chosen: Sequence[Chosen]) -> list[str]:
    """A note for each pool on a calibrated profile that lies outside; none on other profiles."""
    problem = design.case.problem
    name = (problem.engine or EngineChoices()).name
    if problem.model is None or name == "none":
        return []
    specs = {spec.name: spec for spec in problem.profiles}
    told = []
    for i, (candidate, row) in enumerate(chosen, start=1):
        spec = specs[candidate.profile]
        if not isinstance(spec, CoefficientSpec) or spec.engine is None:
            continue
        found = bundled()[1].beyond(name, tp=spec.engine.tp, **_clients(design, (candidate, row)))
        gammas = (candidate.gamma_lo, candidate.gamma_hi)
        what = design.case.serves(candidate.lo_tokens, candidate.hi_tokens, *gammas)
        told += [f"pool-{i}: {text}" for text in [*found, *_prompts(design, name, what)]]
    return told


def _clients(design: Design, one: Chosen) -> dict[str, float]:
    """Mean sequences of a replica; nothing where the table knows no occupancy."""
    candidate, row = one
    table = design.table(candidate)
    if not isinstance(table, OccupancyTable):
        return {}
    mean: float = table.row(row.replicas).occupancy.mean() / row.replicas
    return {"clients": max(1.0, mean)}


def _prompts(design: Design, name: EngineName, what: Served) -> list[str]:
    """The share of a pool's own prompts that is longer or shorter than the measured ones."""
    lengths, record = design.case.lengths, bundled()[1]
    first, last = lengths.index(what.lo_tokens), lengths.index(what.hi_tokens)
    prompts, weights = lengths.prompt_tokens[first:last], lengths.weights[first:last]
    if not weights.sum() > 0:
        return []
    low, high = record.span(name, "prompt_tokens")
    told = []
    ends = {"longer": (prompts > high, prompts.max()), "shorter": (prompts < low, prompts.min())}
    for word, (outside, worst) in ends.items():
        share = float(weights[outside].sum() / weights.sum())
        if share > 0:
            far = record.beyond(name, prompt_tokens=float(worst))
            told += [f"{share:.1%} of its prompts are {word} than measured; {text}".replace(
                "%", " %", 1) for text in far]  # fmt: skip
    return told
