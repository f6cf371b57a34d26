"""`advise`: every question of the published summary, answered from solves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fleetopt.case import Case
from fleetopt.errors import Fault, InputError
from fleetopt.problem import FleetProblem
from fleetopt.questions.advice.answer import Advice
from fleetopt.questions.advice.fleets import Fleets
from fleetopt.questions.advice.machines import Machines
from fleetopt.questions.advice.margin import margin
from fleetopt.questions.advice.phases import disaggregate
from fleetopt.questions.advice.ruling import PUBLISHED_SPLIT, Traits
from fleetopt.questions.advice.side import of_plan
from fleetopt.questions.advice.splitting import Splits
from fleetopt.questions.advice.trusting import simulate
from fleetopt.study import solve
from fleetopt.study.judging import judge_of
from fleetopt.verification import Verifier

Progress = Callable[[str], None]
LIMITS = ("inventory", "max_gpus", "power_kw", "budget_usd_per_year", "node_size")
"""Limits of the whole fleet, which say nothing of a pool by itself."""


def advise(
    problem: FleetProblem,
    *,
    beside: Path | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Advice:
    """Split? Where? Which GPU? Mix? Long contexts? Phases apart? Simulate? Margin?

    The plan is verified and the fleets beside it are simulated unless the problem's
    verification is off. One fixed threshold is where the published rules split; the plan may
    split anywhere. Raises InputError for wrong input, and InfeasibleError without a plan.
    """
    _raise_unfit(problem)
    show = progress or (lambda _: None)
    threshold = (problem.thresholds or (PUBLISHED_SPLIT,))[0]
    quick = problem.verification.model_copy(update={"top": 1})
    stated = problem.model_copy(update={"thresholds": None, "verification": quick})
    case = Case.of(stated, beside)
    case = replace(case, lengths=case.lengths.split_at([threshold]))
    plan = solve(case.problem, progress=show, executor=executor)
    with _judge(case, show, executor) as judge:
        fleets = Fleets(case, judge, show)
        chosen, traits = of_plan("the plan", plan), Traits.of(case, threshold)
        fleets.know(chosen)
        splits, machines = Splits(fleets, chosen, traits), Machines(fleets, chosen, traits)
        answers = (
            splits.whether(),
            splits.where(),
            machines.which(),
            machines.mix(),
            machines.long_context(),
            disaggregate(fleets, chosen),
            simulate(fleets, plan, chosen, traits),
            margin(fleets, chosen),
        )
    return Advice(case.problem, case.arrival_rate, chosen, traits, answers, plan.notes)


@contextmanager
def _judge(case: Case, show: Progress, executor: Executor | None) -> Iterator[Verifier | None]:
    """The simulator, unless verification is off."""
    if not case.problem.verification.enabled:
        yield None
        return
    with judge_of(case, case.problem.verification, show, executor) as judge:
        yield judge


def _raise_unfit(problem: FleetProblem) -> None:
    """What advice cannot be given on. Raises InputError with every fault."""
    faults = []
    if problem.method != "fleetopt":
        hint = "leave it out; the published method's fleet is among the answers"
        faults.append(Fault("method", "advice comes from fleetopt's own tables", hint))
    if problem.slo_scope != "pool":
        hint = "`fleetopt solve --slo-scope fleet` designs for all requests together"
        faults.append(Fault("slo_scope", "advice holds each pool to the SLO", hint))
    if len(problem.thresholds or ()) > 1:
        text = "expected one threshold, that of the published rules"
        faults.append(Fault("thresholds", text, "leave it out for 4096"))
    for key in LIMITS:
        if getattr(problem, key) not in ({}, None, 1):
            hint = "`fleetopt solve` keeps limits"
            faults.append(Fault(key, "advice compares fleets without limits", hint))
    if faults:
        raise InputError(faults)
