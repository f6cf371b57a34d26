"""HiGHS, kept loaded between solves."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import Any, TextIO

import highspy
import numpy as np
import pyomo.core as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.contrib.appsi.base import TerminationCondition
from pyomo.contrib.appsi.solvers.highs import Highs

from fleetopt.optimization.solution import SolveOptions, Stop, Termination

HIGHS_OPTIONS = {"presolve": "off", "mip_heuristic_run_feasibility_jump": False}
"""The path program is integral almost everywhere: one LP solves it, and presolve, which
looks for dominated columns, takes twenty times as long as that LP."""

INTEGRALITY = 1e-6
"""Distance from a whole number that counts as none; HiGHS' own tolerance."""

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]

_TERMINATION = {
    TerminationCondition.optimal: Termination.OPTIMAL,
    TerminationCondition.maxTimeLimit: Termination.TIME_LIMIT,
    TerminationCondition.maxIterations: Termination.NODE_LIMIT,
    TerminationCondition.infeasible: Termination.INFEASIBLE,
    TerminationCondition.unbounded: Termination.UNBOUNDED,
    TerminationCondition.infeasibleOrUnbounded: Termination.INFEASIBLE_OR_UNBOUNDED,
}


class _Loaded(Highs):  # type: ignore[misc]  # Pyomo has no types
    """Appsi's HiGHS, with the variables in the order of its columns.

    Asking for each variable by itself takes as long as solving does.
    """

    def columns(self) -> list[Any]:
        """The variables of the model."""
        column = self._pyomo_var_to_solver_var_map
        held = ((column[key], entry[0]) for key, entry in self._vars.items())
        return [variable for _, variable in sorted(held, key=lambda pair: pair[0])]

    def values(self) -> FloatArray:
        """What was found, column by column."""
        return np.array(self._sol.col_value)

    def _warm_start(self) -> None:
        start = highspy.HighsSolution()
        start.col_value = np.array([variable.value or 0.0 for variable in self.columns()])
        self._solver_model.setSolution(start)


class HighsEngine:
    """A model in HiGHS; only what changes is handed over again.

    The relaxation is solved first, from the basis of the one before: it takes a fraction of
    a search, and a program of pools alone mostly has a whole number in every variable there.
    """

    def __init__(self, model: pyo.ConcreteModel, options: SolveOptions) -> None:
        self._model = model
        self._highs = _highs(options)
        with PauseGC():
            self._highs.set_instance(model)
        self._variables = self._highs.columns()
        self._whole = np.array([not v.is_continuous() for v in self._variables], dtype=bool)

    def add(self, constraint: Any) -> None:
        """Take note of a constraint that was added to the model."""
        self._highs.add_constraints([constraint])

    def remove(self, constraint: Any) -> None:
        """Take note of a constraint that is about to leave the model."""
        self._highs.remove_constraints([constraint])

    def solve(self, *, warm: bool, search: bool) -> Stop:
        """Solve, and leave the values that were found in the variables of the model."""
        highspy.Highs.resetGlobalScheduler(True)  # another solver may have set other threads
        stop = self._run(relaxed=False, warm=warm) if search else self._relaxed_first(warm)
        if stop.objective is not None:
            for variable, value in zip(self._variables, self._highs.values().tolist(), strict=True):
                variable.set_value(value, skip_validation=True)
        return stop

    def _relaxed_first(self, warm: bool) -> Stop:
        relaxed = self._run(relaxed=True, warm=False)
        if relaxed.termination is Termination.INFEASIBLE:
            return relaxed
        found = self._highs.values()[self._whole] if relaxed.objective is not None else None
        if found is not None and relaxed.termination is Termination.OPTIMAL:
            if np.all(np.abs(found - np.round(found)) <= INTEGRALITY):
                return relaxed
            stop = self._run(relaxed=False, warm=warm)
            told = stop.bound is not None and math.isfinite(stop.bound)
            return stop if told else replace(stop, bound=relaxed.objective)
        return self._run(relaxed=False, warm=warm)

    def _run(self, *, relaxed: bool, warm: bool) -> Stop:
        self._highs.config.warmstart = warm
        self._highs.highs_options["solve_relaxation"] = relaxed
        results = self._highs.solve(self._model)
        objective = results.best_feasible_objective
        found = objective is not None and math.isfinite(objective)
        return Stop(
            _TERMINATION.get(results.termination_condition, Termination.ERROR),
            objective if found else None,
            results.best_objective_bound,
        )


def _highs(options: SolveOptions) -> _Loaded:
    highs = _Loaded()
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
    if options.node_limit is not None:
        highs.highs_options["mip_max_nodes"] = options.node_limit
    if options.log is not None:
        highs.config.log_level = logging.INFO
        highs.config.solver_output_logger = _logger(options.log)
    return highs


def _logger(log: TextIO) -> logging.Logger:
    """A logger of its own that writes bare lines; it belongs to no other."""
    logger = logging.Logger("HiGHS")  # not from getLogger: each log has its own stream
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    return logger
