r"""Every non-dominated fleet for two objectives, by the epsilon-constraint method.

The first objective is minimized with the second at most epsilon, then the second with the
first at its optimum, so that no weakly dominated fleet is kept; epsilon moves just below
the value found, and so on until no fleet is left:

.. math::

    \min f_1 \quad \text{s.t.} \quad f_2 \le \varepsilon, \qquad \text{then} \qquad
    \min f_2 \quad \text{s.t.} \quad f_1 \le f_1^*, \; f_2 \le \varepsilon

Cost, GPUs and power are sums over pools. TTFT and TPOT are those of the worst pool: a bound
on them takes away the rows above it. Rows are only evaluated when a fleet is built with them.
See Haimes, Lasdon and Wismer (1971) and, for the second stage, Mavrotas (2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pyomo.core as pyo

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.cuts import Index
from fleetopt.optimization.limits import NONE, SideConstraints, spare_gpus
from fleetopt.optimization.program import build
from fleetopt.optimization.solver import ProgramSolver, Solution, SolveOptions
from fleetopt.plan import HOURS_PER_YEAR

Objective = Literal["cost", "ttft", "tpot", "gpus", "power"]
Sum = Literal["cost", "gpus", "power"]
Worst = Literal["ttft", "tpot"]
Chosen = tuple[tuple[Candidate, Row], ...]
Limits = Mapping[Objective, float]
"""The most that an objective may be, in its own unit."""
ValueOf = Callable[[Worst, Candidate, Row], float]
"""A latency of one row, in milliseconds."""

SUMS: tuple[Sum, ...] = ("cost", "gpus", "power")
WORST: tuple[Worst, ...] = ("ttft", "tpot")
LATENCY_RESOLUTION = 2e-5
"""Relative distance below which latencies are the same: twice the width of a percentile."""
SUM_RESOLUTION = 1e-6
_LEAST_STEP: dict[Objective, float] = {"cost": 0.1, "gpus": 0.5, "power": 1e-5}
"""Distances below which sums are the same, in USD a year, GPUs and kW."""
_NARROW = 1.01
"""Ratio of a bracket for the least latency below which it is searched fleet by fleet."""


@dataclass(frozen=True, slots=True)
class Point:
    """A non-dominated fleet.

    values: of both objectives, in USD a year, GPUs, kW or ms.
    epsilon: the most that the second objective was allowed; infinite for the first point.
    solution: of the solve that found it, with its gap and why the solver stopped.
    """

    values: tuple[float, float]
    epsilon: float
    solution: Solution


class ParetoProgram:
    """The fleets of some candidates, asked for the least of one objective under limits.

    value_of: latency of a row in milliseconds; asked once for each row that matters.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        num_breakpoints: int,
        max_pools: int,
        value_of: ValueOf,
        side: SideConstraints = NONE,
        options: SolveOptions | None = None,
    ) -> None:
        self._candidates = candidates
        self._shape = (num_breakpoints, max_pools, side)
        self._value_of = value_of
        self._options = options
        self._node_size = side.node_size
        self._latency: dict[Worst, dict[Index, float]] = {name: {} for name in WORST}
        self._solvers: dict[Sum, tuple[pyo.ConcreteModel, ProgramSolver]] = {}
        self._answers: dict[tuple[Sum, tuple[tuple[Objective, float], ...]], Solution] = {}
        self.solves = 0

    def value(self, objective: Objective, solution: Solution) -> float:
        """An objective of a fleet that was found."""
        chosen = solution.chosen
        if objective == "cost":
            return solution.usd_per_hour * HOURS_PER_YEAR
        if objective == "gpus":
            spare = sum(spare_gpus(chosen, self._node_size).values())
            return float(sum(c.gpus(row) for c, row in chosen) + spare)
        if objective == "power":
            return sum(c.kilowatts(row) for c, row in chosen)
        return max(self._row_value(objective, c, c.rows.index(row)) for c, row in chosen)

    def least(self, objective: Objective, limits: Limits, beside: Sum = "cost") -> Solution:
        """A fleet with the least of an objective under limits; an empty one if there is none.

        beside: what is minimized on the way to the least latency. A limit on it is kept by
            its minimum, so it needs no constraint.
        """
        if objective in SUMS:
            return self._cheapest(objective, limits)
        return self._fastest(objective, limits, beside)

    def _fastest(self, worst: Objective, limits: Limits, beside: Sum) -> Solution:
        """The least latency: just below the one that is held, then by halves while that works."""
        most = limits.get(beside, math.inf)
        others = {name: limit for name, limit in limits.items() if name != beside}
        held = self._cheapest(beside, others)
        if not held.chosen:
            return held
        value, unreachable = self.value(worst, held), 0.0
        tried = just_below(worst, value)
        while True:
            found = self._cheapest(beside, {**others, worst: tried})
            if found.chosen and self.value(beside, found) <= most:
                held, value = found, self.value(worst, found)
            elif tried == just_below(worst, value):
                return held
            else:
                unreachable = tried
            wide = value > _NARROW * unreachable
            tried = 0.5 * (unreachable + value) if wide else just_below(worst, value)

    def _cheapest(self, objective: Any, limits: Limits) -> Solution:
        key = (objective, tuple(sorted(limits.items())))
        if key not in self._answers:
            self._answers[key] = self._solve(objective, limits)
        return self._answers[key]

    def _solve(self, objective: Sum, limits: Limits) -> Solution:
        """The least sum; rows that prove too slow are taken away, and it is solved again.

        Of each candidate only the first row that keeps the limits is open: those with more
        replicas have no smaller sum.
        """
        model, solver = self._solver(objective)
        sums = [(name, limits[name]) for name in SUMS if name in limits]
        worst = {name: limits[name] for name in WORST if name in limits}
        with _all_within(model, solver, sums):
            while True:
                solver.allow(self._open(worst))
                solution = solver.solve()
                self.solves += 1
                if not solution.chosen or self._keeps(worst, solution):
                    return solution

    def _keeps(self, limits: Mapping[Worst, float], solution: Solution) -> bool:
        return all(self.value(name, solution) <= most for name, most in limits.items())

    def _open(self, limits: Mapping[Worst, float]) -> frozenset[Index]:
        """The first row of each candidate that is not known to break a limit."""
        known = [(self._latency[name], most) for name, most in limits.items()]
        found = []
        for candidate in self._candidates:
            for k in range(len(candidate.rows)):
                index = (candidate.index, k)
                if all(values.get(index, 0.0) <= most for values, most in known):
                    found.append(index)
                    break
        return frozenset(found)

    def _row_value(self, worst: Worst, candidate: Candidate, k: int) -> float:
        values = self._latency[worst]
        index = (candidate.index, k)
        if index not in values:
            values[index] = self._value_of(worst, candidate, candidate.rows[k])
        return values[index]

    def _solver(self, objective: Sum) -> tuple[pyo.ConcreteModel, ProgramSolver]:
        if objective not in self._solvers:
            model = build(self._candidates, *self._shape)
            if objective != "cost":
                model.least_cost.deactivate()
                model.least = pyo.Objective(expr=_expression(model, objective))
            self._solvers[objective] = model, ProgramSolver(model, self._options)
        return self._solvers[objective]


def frontier(program: ParetoProgram, first: Objective, second: Objective) -> Iterator[Point]:
    """Every non-dominated fleet, the first objective ascending and the second descending.

    A latency is bounded and a sum minimized if there is one of each, so a sum comes first.
    """
    beside: Any = first if first in SUMS else "cost"
    epsilon = math.inf
    while True:
        within: dict[Objective, float] = {second: epsilon} if math.isfinite(epsilon) else {}
        best = program.least(first, within, beside)
        if not best.chosen:
            return
        most = no_more(first, program.value(first, best))
        held = program.least(second, {**within, first: most}, beside)
        values = program.value(first, held), program.value(second, held)
        yield Point(values, epsilon, held)
        epsilon = just_below(second, values[1])


def just_below(objective: Objective, value: float) -> float:
    """The largest value that counts as less."""
    if objective in WORST:
        return value * (1.0 - LATENCY_RESOLUTION)
    return value - max(SUM_RESOLUTION * value, _LEAST_STEP[objective])


def no_more(objective: Objective, value: float) -> float:
    """The largest value that counts as the same."""
    if objective in WORST:
        return value
    return value + 0.5 * max(SUM_RESOLUTION * value, _LEAST_STEP[objective])


@contextmanager
def _all_within(
    model: pyo.ConcreteModel, solver: ProgramSolver, limits: Sequence[tuple[Sum, float]]
) -> Iterator[None]:
    """Within the context these sums are limited."""
    with ExitStack() as stack:
        for name, most in limits:
            per = HOURS_PER_YEAR if name == "cost" else 1.0
            stack.enter_context(solver.within(_expression(model, name), most / per))
        yield


def _expression(model: pyo.ConcreteModel, objective: Sum) -> Any:
    parts = {"cost": "cost", "gpus": "total_gpus", "power": "power"}
    return getattr(model, parts[objective]).expr
