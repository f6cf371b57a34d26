"""The seam to the solver: a program that is held, with cuts that come and go between solves.

A result has two sides that are never mixed: why the solver stopped, and what is held; see
`fleetopt.optimization.solution`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyomo.core as pyo
from pyomo.core.expr import LinearExpression

from fleetopt.errors import InputError
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.cuts import Cut, Fleet, Index, warm_start
from fleetopt.optimization.highs import HighsEngine
from fleetopt.optimization.limits import spare_gpus
from fleetopt.optimization.solution import GAP_TOLERANCE, HIGHS, Engine, Stop, relative_gap
from fleetopt.optimization.solution import Holding as Holding
from fleetopt.optimization.solution import Solution as Solution
from fleetopt.optimization.solution import SolveOptions as SolveOptions
from fleetopt.optimization.solution import Termination as Termination


class ProgramSolver:
    """A program in the hands of a solver, with cuts that come and go between solves.

    The cuts stand in the model as `cuts`. The model must not be changed from outside while
    a ProgramSolver holds it; a new ProgramSolver starts without cuts.
    """

    def __init__(self, model: pyo.ConcreteModel, options: SolveOptions | None = None) -> None:
        self._model = model
        model.del_component("cuts")  # of a solver that held the model before
        self._engine = _engine(model, options or SolveOptions())
        self._cuts: list[Cut] = []
        self._exclusions: list[Cut] = []
        self._z = dict(model.z.items())
        self._loaded: Fleet = frozenset()  # rows whose z has the value 1
        self._known: set[Fleet] = set()
        self._held: Solution | None = None
        self._limits = 0
        model.cuts = pyo.ConstraintList(doc="refused rows, restrictions and excluded fleets")

    @property
    def model(self) -> pyo.ConcreteModel:
        """The model with its present cuts; it must not be changed."""
        return self._model

    def solve(self) -> Solution:
        """The best fleet under the present cuts. Never raises on an infeasible program."""
        began = time.perf_counter()
        start = None
        if self._limits == 0:  # a fleet that is known may break them
            start = warm_start(self._known, self._cuts, self._model.candidate)
        self._load(start or frozenset())
        return self._hold(self._read(self._stop(warm=start is not None), began))

    def simplest(self) -> Solution:
        """The best fleet, and of equally good ones one that has the fewest pools."""
        best = self.solve()
        while best.holding is Holding.OPTIMAL and (pools := best.pools) > 1:
            values = [(variable, variable.value) for variable in self._variables()]
            with self.limited(self._model.pools <= pools - 1):
                other = self._read(self._stop(warm=False), time.perf_counter())
            if relative_gap(best.objective, other.objective) > GAP_TOLERANCE:
                for variable, value in values:
                    variable.set_value(value, skip_validation=True)
                self._loaded = _fleet(best)
                return self._hold(best)
            spare = other.spare_usd_per_hour
            best = replace(best, chosen=other.chosen, spare_usd_per_hour=spare)
        return self._hold(best)

    def refuse(self, candidate: Candidate, replicas: int) -> int:
        """Take away the candidate's rows with at most `replicas`; returns how many are left."""
        refused = [k for k, row in enumerate(candidate.rows) if row.replicas <= replicas]
        self._cut(((candidate.index, k) for k in refused), most=0)
        return len(candidate.rows) - len(refused)

    def exclude(self, chosen: Iterable[tuple[Candidate, Row]]) -> None:
        """Take away the fleet of these pools, and those with fewer replicas in each of them."""
        pools = tuple(chosen)
        rows = (
            (candidate.index, k)
            for candidate, most in pools
            for k, row in enumerate(self._model.candidate[candidate.index].rows)
            if row.replicas <= most.replicas
        )
        self._cut(rows, most=len(pools) - 1)

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

    def next_best(self, *, other_pools: bool = False) -> Solution:
        """The best fleet other than those found since the last `release`.

        other_pools: it differs from each of them in more than numbers of replicas.
        """
        if self._held is not None and self._held.chosen:
            chosen, most = _fleet(self._held), len(self._held.chosen) - 1
            if other_pools:
                chosen = frozenset(index for c, _ in chosen for index in self._model.rows_of[c])
            self._exclusions.append(self._cut(chosen, most))
        return self.solve()

    def release(self) -> None:
        """Readmit every fleet that `next_best` has excluded."""
        for cut in self._exclusions:
            self._lift(cut)
        self._exclusions = []
        self._held = None

    def best(self, count: int, *, other_pools: bool = False) -> tuple[Solution, ...]:
        """The `count` best fleets in ascending order, fewer if there are no more."""
        found = [self.solve()]
        try:
            while len(found) < count and found[-1].chosen:
                found.append(self.next_best(other_pools=other_pools))
        finally:
            self.release()
        return tuple(solution for solution in found if solution.chosen)

    def _variables(self) -> Iterable[Any]:
        variables: Iterable[Any] = self._model.component_data_objects(pyo.Var)
        return variables

    def _hold(self, solution: Solution) -> Solution:
        self._held = solution
        self._known.update([_fleet(solution)] if solution.chosen else [])
        return solution

    @contextmanager
    def limited(self, relation: Any) -> Iterator[None]:
        """Within the context the program has one constraint more, on the model's variables."""
        constraint = self._model.cuts.add(relation)
        self._engine.add(constraint)
        self._limits += 1
        try:
            yield
        finally:
            self._limits -= 1
            self._engine.remove(constraint)
            del self._model.cuts[constraint.index()]

    def _cut(self, indices: Iterable[Index], most: int) -> Cut:
        built = frozenset(indices)
        variables = [self._z[index] for index in sorted(built)]
        body = LinearExpression(linear_coefs=[1] * len(variables), linear_vars=variables)
        cut = Cut(built, most, self._model.cuts.add(body <= most))
        self._engine.add(cut.constraint)
        self._cuts.append(cut)
        return cut

    def _lift(self, cut: Cut) -> None:
        self._engine.remove(cut.constraint)
        del self._model.cuts[cut.constraint.index()]
        self._cuts.remove(cut)

    def _load(self, fleet: Fleet) -> None:
        changed = (index for index in self._loaded | fleet if not self._z[index].fixed)
        for index in changed:
            self._z[index].set_value(1 if index in fleet else 0, skip_validation=True)
        self._loaded = fleet

    def _stop(self, *, warm: bool) -> Stop:
        if not self._model.row:  # solvers say nothing of a model without columns
            return Stop(Termination.INFEASIBLE, None, None)
        return self._engine.solve(warm=warm, search=bool(self._exclusions))

    def _read(self, stop: Stop, began: float) -> Solution:
        found = stop.objective is not None
        objective = math.inf if stop.objective is None else stop.objective
        bound = -math.inf if stop.bound is None else stop.bound
        if stop.termination is Termination.INFEASIBLE:
            bound = math.inf
        gap = relative_gap(objective, bound)
        optimal = stop.termination is Termination.OPTIMAL
        termination = Termination.GAP if optimal and gap > GAP_TOLERANCE else stop.termination
        chosen = self._chosen() if found else ()
        return Solution(
            termination=termination,
            holding=_holding(found, termination),
            objective=objective,
            bound=bound,
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
        """The pools that the variables say, in order of their arcs."""
        model = self._model
        self._loaded = frozenset(index for index, z in self._z.items() if z.value > 0.5)
        pools = [(model.candidate[c], model.row[c, k]) for c, k in self._loaded]
        return tuple(sorted(pools, key=lambda pool: (pool[0].start, pool[0].is_decode)))


def checked(model: pyo.ConcreteModel) -> pyo.ConcreteModel:
    """A model that a user may have changed, if it is linear; raises InputError."""
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


def _engine(model: pyo.ConcreteModel, options: SolveOptions) -> Engine:
    if options.name == HIGHS:
        return HighsEngine(model, options)
    from fleetopt.optimization.other import OtherEngine  # Pyomo's plug-ins take a while to load

    return OtherEngine(model, options)


def _holding(found: bool, termination: Termination) -> Holding:
    if not found:
        return Holding.NONE
    return Holding.OPTIMAL if termination is Termination.OPTIMAL else Holding.FEASIBLE
