"""Solvers of the user's own, by the names that Pyomo knows them under.

The model is handed over whole for each solve, so every solve takes longer than with HiGHS.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyomo.core as pyo
import pyomo.environ  # noqa: F401  registers the plug-ins
from pyomo.common.errors import ApplicationError
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
    "appsi_highs": OptionNames("mip_rel_gap", "threads", "random_seed", "mip_max_nodes"),
}  # fmt: skip
"""The solvers that fleetopt can hand its options to."""

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


class OtherEngine:
    """A model and a Pyomo solver; raises InputError for one that cannot be run here."""

    def __init__(self, model: pyo.ConcreteModel, options: SolveOptions) -> None:
        self._model = model
        self._options = options
        self._solver = _found(options.name)
        self._solver_options = _solver_options(options)
        self._results: Any = None

    def add(self, constraint: Any) -> None:
        """Nothing to do: the model is handed over whole."""

    def remove(self, constraint: Any) -> None:
        """Nothing to do: the model is handed over whole."""

    def solve(self, *, warm: bool) -> Stop:
        """Solve. Raises SolverError if the solver cannot be run."""
        try:
            with _log_of(self._options):
                self._results = self._solver.solve(
                    self._model,
                    load_solutions=False,
                    tee=self._options.log is not None,
                    timelimit=self._options.time_limit_s,
                    options=self._solver_options,
                )
        except (ApplicationError, RuntimeError, ValueError) as error:
            raise SolverError(f"{self._options.name}: {error}") from None
        return self._stop(self._results)

    def load(self) -> None:
        """Give the variables of the model the values that were found."""
        with LoggingIntercept(None, "pyomo.core", logging.WARNING):  # it was stopped, we know
            self._model.solutions.load_from(self._results)

    def _stop(self, results: SolverResults) -> Stop:
        condition = results.solver.termination_condition
        termination = _TERMINATION.get(condition, Termination.ERROR)
        if len(results.solution) == 0:
            return Stop(termination, None, self._bound(results))
        self.load()
        objective = pyo.value(next(self._model.component_data_objects(pyo.Objective, active=True)))
        bound = self._bound(results)
        if termination is Termination.OPTIMAL and self._options.relative_gap == 0.0:
            bound = objective
        return Stop(termination, objective, bound)

    def _bound(self, results: SolverResults) -> float | None:
        sense = next(self._model.component_data_objects(pyo.Objective, active=True)).sense
        problem = results.problem
        stated = problem.lower_bound if sense == pyo.minimize else problem.upper_bound
        return float(stated) if isinstance(stated, int | float) else None


def available() -> list[str]:
    """Names of the solvers that can be run here, of those that fleetopt knows."""
    return [HIGHS, *(name for name in OPTION_NAMES if _runs(SolverFactory(name)))]


def _found(name: str) -> Any:
    with LoggingIntercept(None, "pyomo", logging.WARNING):
        solver = SolverFactory(name)
        if _runs(solver):
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
    return {name: value for name, value, _ in wanted.values() if name and value is not None}


@contextmanager
def _log_of(options: SolveOptions) -> Iterator[None]:
    """What the solver prints goes to the log, never to standard output."""
    with capture_output(options.log), LoggingIntercept(options.log, "pyomo", logging.WARNING):
        yield
