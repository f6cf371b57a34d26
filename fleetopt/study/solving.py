"""`solve`: problem -> case -> tables -> program -> simulator -> plan. `verify`: a plan afresh."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from fleetopt.case import Case
from fleetopt.optimization.lazily import design_of
from fleetopt.optimization.solver import Holding
from fleetopt.plan import Plan
from fleetopt.problem import FleetProblem, VerificationOptions
from fleetopt.study import assembly, comparisons
from fleetopt.study.infeasible import explained
from fleetopt.study.judging import judge_of, unverified, verified_once
from fleetopt.verification import accept

Progress = Callable[[str], None]


def solve(
    problem: FleetProblem,
    *,
    beside: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Plan:
    """The cheapest fleet that meets the SLO, verified by simulation.

    beside: folder in which relative files of the problem are looked up first.
    executor: where replications run; threads of this process if absent.
    Raises InputError for wrong input and InfeasibleError if no fleet meets the problem.
    """
    show = progress or (lambda _: None)
    case = Case.of(problem, beside)
    options = problem.verification
    cutting = options.enabled and case.problem.method == "fleetopt"
    show("tabulating pools")
    design = design_of(case, grey=cutting)
    show("solving the program")
    first = design.optimum()
    if first.holding is Holding.NONE:
        raise explained(design)
    if not options.enabled:
        outcome, others = unverified(first), comparisons.beside(design, first, None)
        return assembly.plan(design, outcome, others, command)
    with judge_of(case, options, show, executor) as judge:
        outcome = accept(design, judge) if cutting else verified_once(first, judge)
        others = comparisons.beside(design, outcome.solution, judge)
        return assembly.plan(design, outcome, others, command)


def verify(
    plan: Plan,
    options: VerificationOptions,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Plan:
    """The plan with its verification done afresh; the fleet stays as it is.

    Raises InputError if the plan's pools do not fit its problem.
    """
    case = Case.of(plan.problem)
    with judge_of(case, options, progress or (lambda _: None), executor) as judge:
        verdicts = [judge.afresh(pool) for pool in assembly.pools_of(case, plan)]
    return replace(plan, verification=assembly.verification(verdicts, options))
