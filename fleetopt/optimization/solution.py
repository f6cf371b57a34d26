"""What a solve is asked for and what it gives: two sides of a result that are never mixed.

Why the solver stopped is one thing, what is held afterwards is another. An infeasible
program is a result, not an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TextIO

from fleetopt.errors import SolverError, StoppedError
from fleetopt.optimization.candidates import Candidate, Row, count_pools
from fleetopt.problem import FleetProblem

GAP_TOLERANCE = 1e-9
"""Relative gap below which an answer counts as optimal."""
HIGHS = "highs"
"""The solver that fleetopt brings along."""


class Termination(StrEnum):
    """Why the solver stopped."""

    OPTIMAL = "optimal"
    GAP = "gap"
    TIME_LIMIT = "time_limit"
    NODE_LIMIT = "node_limit"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INFEASIBLE_OR_UNBOUNDED = "infeasible_or_unbounded"
    ERROR = "error"

    @property
    def meaning(self) -> str:
        """In words."""
        return _TERMINATION_MEANINGS[self]

    @property
    def at_limit(self) -> bool:
        """Whether the solver was stopped before it could tell."""
        return self in (Termination.TIME_LIMIT, Termination.NODE_LIMIT)


_TERMINATION_MEANINGS = {
    Termination.OPTIMAL: "no fleet of the program is better",
    Termination.GAP: "the answer is as near to the bound as `relative_gap` asks",
    Termination.TIME_LIMIT: "`time_limit_s` was reached",
    Termination.NODE_LIMIT: "`node_limit` was reached",
    Termination.INFEASIBLE: "no fleet keeps every constraint",
    Termination.UNBOUNDED: "the objective has no bound, which only your own can lack",
    Termination.INFEASIBLE_OR_UNBOUNDED: "one of the two, the solver did not say which",
    Termination.ERROR: "the solver failed",
}


class Holding(StrEnum):
    """What is held after the solve."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    NONE = "none"

    @property
    def meaning(self) -> str:
        """In words."""
        return _HOLDING_MEANINGS[self]


_HOLDING_MEANINGS = {
    Holding.OPTIMAL: "the cheapest fleet",
    Holding.FEASIBLE: "a fleet that may not be the cheapest; the bound says how far it can be",
    Holding.NONE: "no fleet",
}


@dataclass(frozen=True, slots=True)
class SolveOptions:
    """Which solver, when it may stop, and what makes its run repeatable.

    relative_gap: stop once (objective - bound) / objective is at most this.
    node_limit: stop after so many nodes of the search tree; no limit if absent.
    threads: threads of the solver; 0 leaves the number to it.
    name: "highs", or another solver by its name in Pyomo.
    log: where the solver's own log goes; nowhere if absent.
    """

    time_limit_s: float = 60.0
    relative_gap: float = 0.0
    threads: int = 1
    seed: int = 0
    node_limit: int | None = None
    name: str = HIGHS
    log: TextIO | None = field(default=None, compare=False)


def solve_options(problem: FleetProblem, log: TextIO | None = None) -> SolveOptions:
    """Which solver a problem asks for, and when it may stop."""
    stated = problem.solver
    return SolveOptions(
        time_limit_s=stated.time_limit_s,
        relative_gap=stated.relative_gap,
        threads=stated.threads,
        seed=stated.seed,
        node_limit=stated.node_limit,
        name=stated.name,
        log=log,
    )


@dataclass(frozen=True, slots=True)
class Stop:
    """How a solver stopped: why, and the objective and bound that it has by then.

    objective: None if it has found nothing; bound: None if it does not tell.
    """

    termination: Termination
    objective: float | None
    bound: float | None


class Engine(Protocol):
    """A solver that holds a model whose constraints come and go."""

    def add(self, constraint: Any) -> None:
        """Take note of a constraint that was added to the model."""

    def remove(self, constraint: Any) -> None:
        """Take note of a constraint that is about to leave the model."""

    def solve(self, *, warm: bool, search: bool) -> Stop:
        """Solve, and leave the values that were found in the variables of the model.

        warm: the present values of the variables are a start.
        search: the relaxation will not do, so there is no use in trying it first.
        """


@dataclass(frozen=True, slots=True)
class Solution:
    """What a solve found.

    objective, bound: in the units of the objective; without a fleet the objective is
        infinite, and so is the bound of a program that is proved infeasible.
    gap: |objective - bound| / |objective|.
    chosen: the pools in order of their arcs, each with its row; where phases are apart, one
        that prefills is followed by its partner.
    spare_usd_per_hour: price of the GPUs that whole nodes have to spare.
    """

    termination: Termination
    holding: Holding
    objective: float
    bound: float
    gap: float
    chosen: tuple[tuple[Candidate, Row], ...]
    seconds: float
    spare_usd_per_hour: float = 0.0

    @property
    def pools(self) -> int:
        """Pools of the fleet, two phases that are apart counted as one."""
        return count_pools(candidate for candidate, _ in self.chosen)

    @property
    def usd_per_hour(self) -> float:
        """Cost of the fleet, whatever the objective was; infinite without a fleet."""
        if self.holding is Holding.NONE:
            return math.inf
        pools = sum(candidate.cost(row) for candidate, row in self.chosen)
        return pools + self.spare_usd_per_hour


def raise_unless_told(solution: Solution) -> None:
    """Raise StoppedError or SolverError if it is open whether the program has a fleet."""
    stopped = solution.termination
    if solution.holding is not Holding.NONE or stopped is Termination.INFEASIBLE:
        return
    if stopped.at_limit:
        limit = "time_limit_s" if stopped is Termination.TIME_LIMIT else "node_limit"
        known = math.isfinite(solution.bound) and solution.bound > 0
        bound = f"its bound on the objective is {solution.bound:,.6g}; " if known else ""
        text = (
            f"the solver reached its {stopped.value.replace('_', ' ')} before it found a fleet; "
            f"{bound}a higher solver.{limit} may help"
        )
        raise StoppedError(text, stopped.value, solution.bound)
    raise SolverError(f"the solver stopped without a fleet: {stopped.value}")


def relative_gap(objective: float, bound: float) -> float:
    """|objective - bound| / |objective|; infinite where either is."""
    if not math.isfinite(objective):
        return math.inf
    return 0.0 if objective == bound else abs(objective - bound) / max(abs(objective), 1e-12)
