"""`solve`: problem -> case -> tables -> program -> simulator -> plan. `verify`: a plan afresh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError
from fleetopt.extension import Extension, read_extension
from fleetopt.optimization.design import Design
from fleetopt.optimization.lazily import design_of
from fleetopt.optimization.solver import Holding
from fleetopt.plan import Alternative, Plan
from fleetopt.problem import FleetProblem, VerificationOptions
from fleetopt.study import assembly, comparisons
from fleetopt.study.excluded import without_fleet
from fleetopt.study.infeasible import unverifiable
from fleetopt.study.judging import judge_of, unverified, verified_once
from fleetopt.study.rate import at_most_rate
from fleetopt.study.saved import pools_of
from fleetopt.verification import AFRESH, Outcome, Verifier, accept
from fleetopt.workload.traces import Trace

Progress = Callable[[str], None]


def solve(
    problem: FleetProblem,
    *,
    beside: Path | None = None,
    allow_python: bool = False,
    extension: Extension | None = None,
    command: str = "",
    progress: Progress | None = None,
    executor: Executor | None = None,
    log: TextIO | None = None,
    on_program: Callable[[Any], None] | None = None,
) -> Plan:
    """The cheapest fleet that meets the SLO, or the best by its objective, verified by simulation.

    beside: folder in which relative files of the problem are looked up first.
    allow_python: run the problem's extension, if it names one that is not bundled.
    extension: the problem's, where it has been read already.
    executor: where replications run; threads of this process if absent.
    log: where the solver's own log goes; nowhere if absent.
    on_program: called with the `pyomo.ConcreteModel` as it was solved last, whether or not
        it has a fleet; rows that simulation refused are taken out by its `cuts`.
    Raises InputError for wrong input, InfeasibleError if no fleet meets the problem, and
    StoppedError if a limit stops the solver before it finds one.
    """
    show = progress or (lambda _: None)
    extension = extension or read_extension(problem, beside, allow_python=allow_python)
    case = Case.of(problem, beside, extension)
    if problem.objective == "rate":
        again = partial(
            solve, command=command, progress=progress, executor=executor, log=log,
            on_program=on_program,
        )  # fmt: skip
        show("looking for the rate")
        return at_most_rate(case, again)
    options = problem.verification
    cutting = options.enabled and case.problem.method == "fleetopt"
    show("tabulating pools")
    design = design_of(case, grey=cutting, log=log, whole=on_program is not None)
    with _shown_at_the_end(design, on_program):
        show("solving the program")
        first = design.optimum()
        if first.holding is Holding.NONE:
            raise without_fleet(design, first)
        if not options.enabled:
            outcome, others = unverified(first), comparisons.beside(design, first, None)
            return assembly.plan(design, outcome, others, command)
        with judge_of(case, options, show, executor) as judge:
            outcome = _accepted(design, judge) if cutting else verified_once(first, judge)
            others = comparisons.beside(design, outcome.solution, judge)
            return assembly.plan(design, outcome, others, command, judge.traffic)


def _accepted(design: Design, judge: Verifier) -> Outcome:
    try:
        return accept(design, judge)
    except InfeasibleError as error:
        if design.is_changed:
            raise  # by the table alone its constraints may ask for other rows
        raise unverifiable(design.case, error) from None


@contextmanager
def _shown_at_the_end(design: Design, on_program: Callable[[Any], None] | None) -> Iterator[None]:
    """Hand the program over once it is done with, or has turned out to have no fleet."""
    try:
        yield
    finally:
        if on_program is not None:
            on_program(design.program)


def verify(
    plan: Plan,
    options: VerificationOptions,
    *,
    trace: Trace | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Plan:
    """The plan with its verification done afresh; the fleet stays as it is.

    trace: what to verify on; if absent, the trace that the plan was designed for, or Poisson
        arrivals where there is none.
    Raises InputError if the plan's pools do not fit its problem, or the trace.
    """
    case = Case.of(plan.problem)
    with judge_of(case, options, progress or (lambda _: None), executor, trace) as judge:
        pools = pools_of(case, plan)
        together = judge.together(pools, AFRESH) if case.problem.slo_scope == "fleet" else None
        said = together.pools if together else [judge.verdict(pool, AFRESH) for pool in pools]
        phases = [pool.phase for pool in pools]
        done = assembly.verification(said, options, together, judge.traffic, phases)
    before = plan.verification.trace if plan.verification else None
    others = plan.alternatives if done.trace == before else tuple(map(_unjudged, plan.alternatives))
    return replace(plan, verification=done, alternatives=others)


def _unjudged(other: Alternative) -> Alternative:
    """A fleet whose verdict was on other traffic."""
    return replace(other, verdict="not verified")
