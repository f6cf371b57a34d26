"""The most requests per second that the limits allow, and the cheapest fleet that carries them.

Whether some fleet carries a rate within the limits is decided by the program, exactly; a fleet
that carries a rate carries every lower one, so the most is found by bisection. Simulation may
refuse every fleet at that rate; then the rate is lowered step by step until it accepts one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.objective import Objective
from fleetopt.optimization.lazily import design_of
from fleetopt.optimization.solution import raise_unless_told
from fleetopt.optimization.solver import Holding
from fleetopt.plan import Plan
from fleetopt.problem import FleetProblem
from fleetopt.study.infeasible import explained

RATE_TOLERANCE = 1e-3
"""Relative distance from the rate that is found to one that no fleet carries."""
STEP_DOWN = 0.98
"""By how much the rate is lowered where simulation refuses every fleet that carries it."""
_MOST_STEPS = 25
_LARGEST, _SMALLEST = 1e7, 1e-6


def at_most_rate(case: Case, solved: Callable[[FleetProblem], Plan]) -> Plan:
    """The plan at the largest arrival rate that a fleet within the limits carries.

    solved: the cheapest plan of a problem at a given rate, verified if the problem says so.
    The answer's objective has the rate, the least rate that is known to be too much, and the
    rate by the tables alone. Raises InputError if no limit bounds the rate, and InfeasibleError
    if no fleet carries any.
    """
    low, high = _bracket(case)
    while high > low * (1.0 + RATE_TOLERANCE):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _carried(case, middle) else (low, middle)
    rate, plan = _accepted(case, low, solved)
    objective = Objective("rate", "requests per second", "most", rate, high, low)
    return replace(
        plan,
        problem=_at(plan.problem, rate).model_copy(update={"objective": "rate"}),
        objective=objective,
        notes=(*plan.notes, *_binding(case, high)),
    )


def _at(problem: FleetProblem, rate: float) -> FleetProblem:
    return problem.model_copy(update={"arrival_rate": rate, "objective": "cost"})


def _carried(case: Case, rate: float) -> bool:
    """Whether a fleet within the limits carries a rate, by the tables."""
    solution = design_of(Case.of(_at(case.problem, rate)), grey=False).optimum()
    raise_unless_told(solution)
    return solution.holding is not Holding.NONE


def _bracket(case: Case) -> tuple[float, float]:
    """A rate that a fleet carries, and twice that which none does, from the stated rate on."""
    low = high = case.problem.arrival_rate
    if _carried(case, low):
        while _carried(case, high := 2.0 * low):
            low = high
            if high > _LARGEST:
                text = "rate has no bound: no limit holds every fleet back"
                raise InputError.single("objective", text, "state power_kw or a budget")
        return low, high
    while not _carried(case, low := high / 2.0):
        high = low
        if low < _SMALLEST:
            raise explained(design_of(Case.of(_at(case.problem, low)), grey=False))
    return low, high


def _accepted(
    case: Case, rate: float, solved: Callable[[FleetProblem], Plan]
) -> tuple[float, Plan]:
    """The plan at a rate, or at the next lower one that simulation accepts."""
    for _ in range(_MOST_STEPS):
        plan = _plan_or_none(_at(case.problem, rate), solved)
        if plan is not None:
            return rate, plan
        rate *= STEP_DOWN
    return rate, solved(_at(case.problem, rate))


def _plan_or_none(problem: FleetProblem, solved: Callable[[FleetProblem], Plan]) -> Plan | None:
    try:
        return solved(problem)
    except InfeasibleError:
        return None


def _binding(case: Case, rate: float) -> list[str]:
    """Which limits stand in the way of a rate, and what each would have to be."""
    said = explained(design_of(Case.of(_at(case.problem, rate)), grey=False))
    limits = said.refusal.relaxation.alone
    if not limits:
        return [f"what binds at {rate:,.4g} requests per second: the bounds of the SLO"]
    return [
        f"{limit.key} = {limit.stated:,.6g} binds: {rate:,.4g} requests per second need "
        + ("more than that alone" if limit.needed is None else f"{limit.needed:,.6g}")
        for limit in limits
    ]
