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
    mean = table.occupancy(row.replicas).mean() / row.replicas
    return {"clients": max(1.0, mean)}


def _prompts(design: Design, name: EngineName, what: Served) -> list[str]:
    """The shares of a pool's own prompts that are shorter and longer than the measured ones."""
    lengths = design.case.lengths
    first, last = lengths.index(what.lo_tokens), lengths.index(what.hi_tokens)
    prompts, weights = lengths.prompt_tokens[first:last], lengths.weights[first:last]
    low, high = bundled()[1].span(name, "prompt_tokens")
    sides = {
        f"shorter, by up to {low / prompts.min():,.1f} times": prompts < low,
        f"longer, by up to {prompts.max() / high:,.1f} times": prompts > high,
    }
    told = [
        f"{100 * weights[outside].sum() / weights.sum():.2g} % are {word}"
        for word, outside in sides.items()
        if weights[outside].sum() > 0
    ]
    if not told:
        return []
    return [f"its prompts go beyond the measured {low:,g} to {high:,g} tokens: {'; '.join(told)}"]
