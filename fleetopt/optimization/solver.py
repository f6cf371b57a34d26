"""The seam to the solver: HiGHS, kept loaded between solves.

A result has two sides that are never mixed: why the solver stopped, and what is held.
An infeasible program is a result, not an error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import highspy
import pyomo.core as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.contrib.appsi.base import TerminationCondition
from pyomo.contrib.appsi.solvers.highs import Highs
from pyomo.core.expr import LinearExpression

from fleetopt.errors import InputError
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.cuts import Cut, Fleet, Index, warm_start
from fleetopt.optimization.limits import spare_gpus

GAP_TOLERANCE = 1e-9
"""Relative gap below which an answer counts as optimal."""

HIGHS_OPTIONS = {"presolve": "off", "mip_heuristic_run_feasibility_jump": False}
"""The path program is integral almost everywhere: one LP solves it, and presolve, which
looks for dominated columns, takes twenty times as long as that LP."""


class Termination(StrEnum):
    """Why the solver stopped."""

    OPTIMAL = "optimal"
    GAP = "gap"
    TIME_LIMIT = "time_limit"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INFEASIBLE_OR_UNBOUNDED = "infeasible_or_unbounded"
    ERROR = "error"


class Holding(StrEnum):
    """What is held after the solve."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    NONE = "none"


_TERMINATION = {
    TerminationCondition.maxTimeLimit: Termination.TIME_LIMIT,
    TerminationCondition.infeasible: Termination.INFEASIBLE,
    TerminationCondition.unbounded: Termination.UNBOUNDED,
    TerminationCondition.infeasibleOrUnbounded: Termination.INFEASIBLE_OR_UNBOUNDED,
}


@dataclass(frozen=True, slots=True)
class SolveOptions:
    """When HiGHS may stop, and what makes its run repeatable.

    relative_gap: stop once (objective - bound) / objective is at most this.
    threads: threads of HiGHS; 0 leaves the number to it.
    """

    time_limit_s: float = 60.0
    relative_gap: float = 0.0
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Solution:
    """What a solve found.

    objective, bound: in the units of the objective; without a fleet the objective is
        infinite, and so is the bound of a program that is proved infeasible.
    gap: |objective - bound| / |objective|.
    chosen: the pools in order of their arcs, each with its row.
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
    def usd_per_hour(self) -> float:
        """Cost of the fleet, whatever the objective was; infinite without a fleet."""
        if self.holding is Holding.NONE:
            return math.inf
        pools = sum(candidate.cost(row) for candidate, row in self.chosen)
        return pools + self.spare_usd_per_hour


class ProgramSolver:
    """A program loaded into HiGHS, with cuts that come and go between solves.

    The cuts stand in the model as `cuts`. The model must not be changed from outside while
    a ProgramSolver holds it; a new ProgramSolver starts without cuts.
    """

    def __init__(self, model: pyo.ConcreteModel, options: SolveOptions | None = None) -> None:
        self._model = model
        self._highs = _highs(options or SolveOptions())
        model.del_component("cuts")  # of a solver that held the model before
        with PauseGC():
            self._highs.set_instance(model)
        self._cuts: list[Cut] = []
        self._exclusions: list[Cut] = []
        self._z = dict(model.z.items())
        self._loaded: Fleet = frozenset()  # rows whose z has the value 1
        self._known: set[Fleet] = set()
        self._held: Solution | None = None
        model.cuts = pyo.ConstraintList(doc="refused rows, restrictions and excluded fleets")

    def solve(self) -> Solution:
        """The best fleet under the present cuts. Never raises on an infeasible program."""
        began = time.perf_counter()
        highspy.Highs.resetGlobalScheduler(True)  # another solver may have set other threads
        start = warm_start(self._known, self._cuts, self._model.candidate)
        self._highs.config.warmstart = start is not None
        self._load(start or frozenset())
        results = self._highs.solve(self._model)
        self._held = self._read(results, began)
        self._known.update([_fleet(self._held)] if self._held.chosen else [])
        return self._held

    def refuse(self, candidate: Candidate, replicas: int) -> int:
        """Take away the candidate's rows with at most `replicas`; returns how many are left."""
        refused = [k for k, row in enumerate(candidate.rows) if row.replicas <= replicas]
        self._cut(((candidate.index, k) for k in refused), most=0)
        return len(candidate.rows) - len(refused)

    @contextmanager
    def restricted(self, keep: Callable[[Candidate, Row], bool]) -> Iterator[None]:
        """Within the context only rows that `keep` accepts may be built."""
        candidate, rows = self._model.candidate, self._model.row
        closed = (index for index, row in rows.items() if not keep(candidate[index[0]], row))
        cut = self._cut(closed, most=0)
        try:
            yield
        finally:
            self._lift(cut)

    def next_best(self) -> Solution:
        """The best fleet other than those found since the last `release`."""
        if self._held is not None and self._held.chosen:
            chosen = _fleet(self._held)
            self._exclusions.append(self._cut(chosen, most=len(chosen) - 1))
        return self.solve()

    def release(self) -> None:
        """Readmit every fleet that `next_best` has excluded."""
        for cut in self._exclusions:
            self._lift(cut)
        self._exclusions = []
        self._held = None

    def best(self, count: int) -> tuple[Solution, ...]:
        """The `count` best fleets in ascending order, fewer if there are no more."""
        found = [self.solve()]
        try:
            while len(found) < count and found[-1].chosen:
                found.append(self.next_best())
        finally:
            self.release()
        return tuple(solution for solution in found if solution.chosen)

    def _cut(self, indices: Iterable[Index], most: int) -> Cut:
        built = frozenset(indices)
        variables = [self._z[index] for index in sorted(built)]
        body = LinearExpression(linear_coefs=[1] * len(variables), linear_vars=variables)
        cut = Cut(built, most, self._model.cuts.add(body <= most))
        self._highs.add_constraints([cut.constraint])
        self._cuts.append(cut)
        return cut

    def _lift(self, cut: Cut) -> None:
        self._highs.remove_constraints([cut.constraint])
        del self._model.cuts[cut.constraint.index()]
        self._cuts.remove(cut)

    def _load(self, fleet: Fleet) -> None:
        changed = (index for index in self._loaded | fleet if not self._z[index].fixed)
        for index in changed:
            self._z[index].set_value(1 if index in fleet else 0, skip_validation=True)
        self._loaded = fleet

    def _read(self, results: Any, began: float) -> Solution:
        objective, bound = results.best_feasible_objective, results.best_objective_bound
        found = objective is not None and math.isfinite(objective)
        objective = objective if found else math.inf
        bound = -math.inf if bound is None else bound
        gap = _relative_gap(objective, bound)
        termination = _termination(results.termination_condition, gap)
        if not self._model.row:
            termination = Termination.INFEASIBLE  # HiGHS says nothing of a model without columns
        chosen = self._chosen() if found else ()
        return Solution(
            termination=termination,
            holding=_holding(found, termination),
            objective=objective,
            bound=math.inf if termination is Termination.INFEASIBLE else bound,
            gap=gap,
            chosen=chosen,
            seconds=time.perf_counter() - began,
            spare_usd_per_hour=self._spare(chosen),
        )

    def usd_per_hour(self, chosen: Sequence[tuple[Candidate, Row]]) -> float:
        """Cost of a fleet of this program, with the GPUs that nodes have to spare."""
        pools = sum(candidate.cost(row) for candidate, row in chosen)
        return pools + self._spare(chosen)

    def _spare(self, chosen: Iterable[tuple[Candidate, Row]]) -> float:
        """USD per hour of the GPUs that nodes have to spare."""
        spare = spare_gpus(chosen, self._model.node_size)
        prices: dict[str, float] = self._model.spare_price
        return sum(prices[gpu] * count for gpu, count in spare.items())

    def _chosen(self) -> tuple[tuple[Candidate, Row], ...]:
        """Load the solution into the model and read the pools in order of their arcs."""
        self._highs.load_vars()
        model = self._model
        self._loaded = frozenset(index for index, z in self._z.items() if z.value > 0.5)
        pools = [(model.candidate[c], model.row[c, k]) for c, k in self._loaded]
        return tuple(sorted(pools, key=lambda pool: pool[0].start))


def checked(model: pyo.ConcreteModel) -> pyo.ConcreteModel:
    """A model that a user may have changed, if HiGHS can solve it; raises InputError."""
    objectives = list(model.component_data_objects(pyo.Objective, active=True))
    if len(objectives) != 1:
        raise InputError.single(
            "model",
            f"expected one active objective, got {len(objectives)}",
            "deactivate model.least_cost before adding your own" if objectives else "",
        )
    stated = model.component_data_objects(pyo.Constraint, active=True)
    for part in (*objectives, *stated):
        body = part.expr if part is objectives[0] else part.body
        if body.polynomial_degree() not in (0, 1):
            raise InputError.single(f"model.{part.name}", "must be linear in the variables")
    return model


def _fleet(solution: Solution) -> Fleet:
    return frozenset((c.index, c.rows.index(row)) for c, row in solution.chosen)


def _highs(options: SolveOptions) -> Highs:
    highs = Highs()
    for switch in list(highs.update_config):
        highs.update_config[switch] = False  # ProgramSolver reports its changes itself
    highs.config.load_solution = False
    highs.config.time_limit = options.time_limit_s
    highs.config.mip_gap = options.relative_gap
    highs.highs_options = {
        **HIGHS_OPTIONS,
        "threads": options.threads,
        "random_seed": options.seed,
    }
    return highs


def _termination(condition: TerminationCondition, gap: float) -> Termination:
    if condition is TerminationCondition.optimal:
        return Termination.OPTIMAL if gap <= GAP_TOLERANCE else Termination.GAP
    return _TERMINATION.get(condition, Termination.ERROR)


def _holding(found: bool, termination: Termination) -> Holding:
    if not found:
        return Holding.NONE
    return Holding.OPTIMAL if termination is Termination.OPTIMAL else Holding.FEASIBLE


def _relative_gap(objective: float, bound: float) -> float:
    if not math.isfinite(objective):
        return math.inf
    return 0.0 if objective == bound else abs(objective - bound) / max(abs(objective), 1e-12)
