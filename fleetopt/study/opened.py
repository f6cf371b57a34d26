"""`build_program` and `solve_program`: the program in a user's hands, and the plan it gives."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from fleetopt.case import Case
from fleetopt.extension import read_extension
from fleetopt.optimization.design import USERS_ROWS, Design
from fleetopt.optimization.solver import Holding
from fleetopt.plan import Plan
from fleetopt.problem import FleetProblem
from fleetopt.study import assembly
from fleetopt.study.excluded import without_fleet
from fleetopt.study.judging import judge_of, unverified, verified_once
from fleetopt.study.solving import Progress
from fleetopt.verification import accept


def build_program(
    problem: FleetProblem, *, beside: Path | None = None, allow_python: bool = False
) -> Any:
    """The program of a problem as a `pyomo.ConcreteModel`, to extend and hand to `solve_program`.

    beside: folder in which relative files of the problem are looked up first.
    allow_python: run the problem's extension, if it names one that is not bundled.
    `fleetopt.optimization.interface.parts` lists its sets, variables and expressions. Every
    row that the table admits is in it, nothing is filtered, and rows that only simulation
    could admit are left out. The problem's extension has changed it already. Raises
    InputError, also for an extension that is not permitted.
    """
    extension = read_extension(problem, beside, allow_python=allow_python)
    design = Design(Case.of(problem, beside, extension), grey=False, extra_rows=USERS_ROWS)
    return design.opened()


def solve_program(
    model: Any,
    *,
    verify: bool = False,
    command: str = "",
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Plan:
    """The best fleet of a program from `build_program`, with all that was added to it.

    verify: simulate it, and take pools that fail out until a fleet passes; the model keeps
        these cuts as `cuts` until it is solved again. A fleet of the published method is
        simulated and stays what it is.
    Raises InputError for a model that cannot be solved, InfeasibleError if it has no fleet,
    and StoppedError if a limit stopped the solver before it found one.
    """
    show = progress or (lambda _: None)
    design = Design.of_program(model)
    show("solving the program")
    solution = design.optimum()
    if solution.holding is Holding.NONE:
        raise without_fleet(design, solution)
    if not verify:
        return assembly.plan(design, unverified(solution), (), command)
    problem = design.case.problem
    with judge_of(design.case, problem.verification, show, executor) as judge:
        if problem.method == "published":
            outcome = verified_once(solution, judge)
        else:
            outcome = accept(design, judge)
        return assembly.plan(design, outcome, (), command)
