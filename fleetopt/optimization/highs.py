"""HiGHS, kept loaded between solves."""

from __future__ import annotations

import logging
import math
from typing import Any, TextIO

import highspy
import pyomo.core as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.contrib.appsi.base import TerminationCondition
from pyomo.contrib.appsi.solvers.highs import Highs

from fleetopt.optimization.solution import SolveOptions, Stop, Termination

HIGHS_OPTIONS = {"presolve": "off", "mip_heuristic_run_feasibility_jump": False}
"""The path program is integral almost everywhere: one LP solves it, and presolve, which
looks for dominated columns, takes twenty times as long as that LP."""

_TERMINATION = {
    TerminationCondition.optimal: Termination.OPTIMAL,
    TerminationCondition.maxTimeLimit: Termination.TIME_LIMIT,
    TerminationCondition.maxIterations: Termination.NODE_LIMIT,
    TerminationCondition.infeasible: Termination.INFEASIBLE,
    TerminationCondition.unbounded: Termination.UNBOUNDED,
    TerminationCondition.infeasibleOrUnbounded: Termination.INFEASIBLE_OR_UNBOUNDED,
}


class HighsEngine:
    """A model in HiGHS; only what changes is handed over again."""

    def __init__(self, model: pyo.ConcreteModel, options: SolveOptions) -> None:
        self._model = model
        self._highs = _highs(options)
        with PauseGC():
            self._highs.set_instance(model)

    def add(self, constraint: Any) -> None:
        """Take note of a constraint that was added to the model."""
        self._highs.add_constraints([constraint])

    def remove(self, constraint: Any) -> None:
        """Take note of a constraint that is about to leave the model."""
        self._highs.remove_constraints([constraint])

    def solve(self, *, warm: bool) -> Stop:
        """Solve; `warm` if the values of the variables are a start."""
        highspy.Highs.resetGlobalScheduler(True)  # another solver may have set other threads
        self._highs.config.warmstart = warm
        results = self._highs.solve(self._model)
        termination = _TERMINATION.get(results.termination_condition, Termination.ERROR)
        objective = _finite(results.best_feasible_objective)
        if objective is not None:
            self._highs.load_vars()
        return Stop(termination, objective, results.best_objective_bound)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


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
