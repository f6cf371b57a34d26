"""The nearest fleet where no fleet keeps every limit: the one of the least relaxation."""

from __future__ import annotations

from dataclasses import dataclass

import pyomo.core as pyo

from fleetopt.optimization.elastic import MIN_REPLICAS, Elastic, Relaxation
from fleetopt.optimization.solver import Holding, Solution, SolveOptions


@dataclass(frozen=True, slots=True)
class Nearest:
    """The fleet that needs the least of every limit together.

    excess: sum over the limits of what the fleet uses beyond each, relative to what is
        stated; a limit of 0 counts every unit as 1.
    relaxation: the limits that it does not keep, each with what it needs.
    """

    solution: Solution
    excess: float
    relaxation: tuple[Relaxation, ...]


def nearest(
    model: pyo.ConcreteModel, min_replicas: int, options: SolveOptions | None = None
) -> Nearest | None:
    """The nearest fleet of a program whose limits exclude each other.

    model: with rows of fewer than `min_replicas` replicas too; it is changed.
    None if no limit is in the way of having a fleet.
    """
    elastic = Elastic(model, options, min_replicas)
    solution = elastic.nearest()
    if solution.holding is Holding.NONE:
        return None
    relaxation = elastic.exceeded()
    fewest = min(row.replicas for _, row in solution.chosen)
    if fewest < min_replicas:
        relaxation.append(Relaxation(MIN_REPLICAS, min_replicas, fewest))
    excess = sum(limit.excess for limit in relaxation)
    return Nearest(solution, excess, tuple(relaxation))
