"""Solvers of the user's own, by the names that Pyomo knows them under.

The model is handed over whole for each solve, so every solve takes longer than with HiGHS.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyomo.core as pyo
import pyomo.environ  # noqa: F401  registers the plug-ins
from pyomo.common.errors import ApplicationError
from pyomo.common.fileutils import Executable
from pyomo.common.log import LoggingIntercept
from pyomo.common.tee import capture_output
from pyomo.opt import SolverFactory, SolverResults, TerminationCondition

from fleetopt.errors import Fault, InputError, SolverError
from fleetopt.optimization.solution import HIGHS, SolveOptions, Stop, Termination


@dataclass(frozen=True, slots=True)
class OptionNames:
    """What a solver calls its options; empty if it has no such option."""

    relative_gap: str = ""
    threads: str = ""
    seed: str = ""
    node_limit: str = ""


OPTION_NAMES: Mapping[str, OptionNames] = {
    "cbc": OptionNames("ratioGap", "threads", "randomCbcSeed", "maxNodes"),
    "glpk": OptionNames("mipgap"),
    "scip": OptionNames("limits/gap", "lp/threads", "randomization/randomseedshift",
                        "limits/nodes"),
    "gurobi": OptionNames("MIPGap", "Threads", "Seed", "NodeLimit"),
    "cplex": OptionNames("mip_tolerances_mipgap", "threads", "randomseed", "mip_limits_nodes"),
    "xpress": OptionNames("miprelstop", "threads", "randomseed", "maxnode"),
}  # fmt: skip
"""The solvers that fleetopt can hand its options to."""
_GLPK = "glpk"
"""It takes whole seconds, and no gap of 0, which is its own default."""

_TERMINATION = {
    TerminationCondition.optimal: Termination.OPTIMAL,
    TerminationCondition.globallyOptimal: Termination.OPTIMAL,
    TerminationCondition.maxTimeLimit: Termination.TIME_LIMIT,
    TerminationCondition.maxIterations: Termination.NODE_LIMIT,
    TerminationCondition.maxEvaluations: Termination.NODE_LIMIT,
    TerminationCondition.infeasible: Termination.INFEASIBLE,
    TerminationCondition.unbounded: Termination.UNBOUNDED,
    TerminationCondition.infeasibleOrUnbounded: Termination.INFEASIBLE_OR_UNBOUNDED,
}
_NOTHING_FOUND = (
    Termination.INFEASIBLE,
    Termination.UNBOUNDED,
    Termination.INFEASIBLE_OR_UNBOUNDED,
)
_TINY = 1e-5
"""Relative violation of a constraint that is no more than rounding."""


class OtherEngine:
    """A model and a Pyomo solver; raises InputError for one that cannot be run here."""

    def __init__(self, model: pyo.ConcreteModel, options: SolveOptions) -> None:
        self._model = model
        self._options = options
        self._solver = _found(options.name)
        self._solver_options = _solver_options(options)

    def add(self, constraint: Any) -> None:
        """Nothing to do: the model is handed over whole."""

    def remove(self, constraint: Any) -> None:
        """Nothing to do: the model is handed over whole."""

    def solve(self, *, warm: bool, search: bool) -> Stop:
        """Solve from the start; raises SolverError if the solver cannot be run."""
        began = time.perf_counter()
        try:
            with _log_of(self._options):
                results = self._solver.solve(
                    self._model,
                    load_solutions=False,
                    tee=self._options.log is not None,
                    timelimit=_seconds(self._options),
                    options=self._solver_options,
                )
        except (ApplicationError, RuntimeError, ValueError) as error:
            raise SolverError(f"{self._options.name}: {error}") from None
        return self._stop(results, time.perf_counter() - began)

    def _stop(self, results: SolverResults, seconds: float) -> Stop:
        termination = self._termination(results.solver.termination_condition, seconds)
        bound = self._bound(results)
        if termination in _NOTHING_FOUND or not self._load(results):
            return Stop(termination, None, bound)
        objective = pyo.value(self._objective)
        if termination is Termination.OPTIMAL and (bound is None or not self._may_leave_a_gap):
            kept = self._options.relative_gap * abs(objective)
            bound = objective - kept if self._objective.sense == pyo.minimize else objective + kept
        return Stop(termination, objective, bound)

    def _termination(self, condition: TerminationCondition, seconds: float) -> Termination:
        """Some plug-ins say no more than that there is a solution, or that there is none."""
        if condition in _TERMINATION:
            return _TERMINATION[condition]
        if seconds >= self._options.time_limit_s:
            return Termination.TIME_LIMIT
        told = condition is TerminationCondition.feasible and self._may_leave_a_gap
        return Termination.OPTIMAL if told else Termination.ERROR

    def _load(self, results: SolverResults) -> bool:
        """Whether there is a solution; its values are in the variables then.

        A plug-in that was stopped may hand over the relaxation's, so they are checked.
        """
        if len(results.solution) == 0:
            return False
        with LoggingIntercept(None, "pyomo.core", logging.WARNING):  # it was stopped, we know
            self._model.solutions.load_from(results, default_variable_value=0.0)
        variables = self._model.component_data_objects(pyo.Var, active=True)
        stated = self._model.component_data_objects(pyo.Constraint, active=True)
        whole = all(v.is_continuous() or abs(v.value - round(v.value)) < _TINY for v in variables)
        return whole and all(part.slack() > -_TINY * _scale(part) for part in stated)

    def _bound(self, results: SolverResults) -> float | None:
        minimize, problem = self._objective.sense == pyo.minimize, results.problem
        stated = problem.lower_bound if minimize else problem.upper_bound
        known = isinstance(stated, int | float) and math.isfinite(stated)
        return float(stated) if known else None

    @property
    def _may_leave_a_gap(self) -> bool:
        return self._options.relative_gap > 0.0

    @property
    def _objective(self) -> Any:
        return next(self._model.component_data_objects(pyo.Objective, active=True))


def available() -> list[str]:
    """Names of the solvers that can be run here, of those that fleetopt knows."""
    Executable.rehash()
    return [HIGHS, *(name for name in OPTION_NAMES if _runs(SolverFactory(name)))]


def _found(name: str) -> Any:
    Executable.rehash()  # Pyomo remembers programs that it has not found
    with LoggingIntercept(None, "pyomo", logging.WARNING):
        solver = SolverFactory(name)
        if not name.startswith("appsi_") and _runs(solver):  # those hand back no solution
            return solver
        text = f"the solver {name!r} is not installed, or not known to Pyomo"
        raise InputError.single("solver.name", text, "available: " + ", ".join(available()))


def _runs(solver: Any) -> bool:
    try:
        return bool(solver.available(exception_flag=False))
    except (ApplicationError, RuntimeError, ImportError):
        return False


def _solver_options(options: SolveOptions) -> dict[str, Any]:
    """The options under the solver's own names; raises InputError for one that it lacks."""
    names, default = OPTION_NAMES.get(options.name, OptionNames()), SolveOptions()
    wanted = {
        "relative_gap": (names.relative_gap, options.relative_gap, default.relative_gap),
        "threads": (names.threads, options.threads, default.threads),
        "seed": (names.seed, options.seed, default.seed),
        "node_limit": (names.node_limit, options.node_limit, default.node_limit),
    }
    faults = [
        Fault(f"solver.{key}", f"fleetopt cannot hand this to {options.name!r}", "leave it out")
        for key, (name, value, usual) in wanted.items()
        if not name and value != usual
    ]
    if faults:
        raise InputError(faults)
    own = {name: value for name, value, _ in wanted.values() if name and value is not None}
    return {name: value for name, value in own.items() if value or options.name != _GLPK}


def _scale(constraint: Any) -> float:
    """Magnitude of a constraint's sides."""
    sides = (pyo.value(constraint.lower), pyo.value(constraint.upper))
    return max([1.0, *(abs(float(side)) for side in sides if side is not None)])


def _seconds(options: SolveOptions) -> float:
    return math.ceil(options.time_limit_s) if options.name == _GLPK else options.time_limit_s


@contextmanager
def _log_of(options: SolveOptions) -> Iterator[None]:
    """What the solver prints goes to the log, never to standard output."""
    with capture_output(options.log), LoggingIntercept(options.log, "pyomo", logging.WARNING):
        yield
