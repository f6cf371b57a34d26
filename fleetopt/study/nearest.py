"""The nearest fleet of a problem without one: what has to give, and what it would buy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from fleetopt.case import Case
from fleetopt.errors import InputError
from fleetopt.optimization.design import Design, solve_options
from fleetopt.optimization.elastic import SLO, Relaxation
from fleetopt.optimization.nearest import nearest
from fleetopt.optimization.solver import Holding, Solution
from fleetopt.plan import Cost
from fleetopt.problem import DRAW_LIMITS, FleetProblem, LatencyBound
from fleetopt.study.assembly import fleet_of
from fleetopt.study.refusal import NearestFleet, Relaxed

PERCENTILE = ".percentile"
"""How the keys of percentiles end."""
_MEASURED = ("power_kw", "budget_usd_per_year", *DRAW_LIMITS)
"""Keys of limits that are no whole numbers."""
ABOVE_THE_LEAST = 1.01
"""A bound of the nearest fleet over the least that can be met, which idle replicas alone do."""


def within_limits(design: Design, given: Sequence[Relaxed] = ()) -> NearestFleet | None:
    """The fleet that exceeds the limits least; with what was relaxed before, if anything."""
    problem = design.case.problem
    best = design.optimum()
    if best.holding is not Holding.NONE:
        return _fleet(design, best, given)
    found = nearest(design.with_fewer(), problem.min_replicas, solve_options(problem))
    if found is None:
        return None
    needed = (in_users_units(limit, problem.slo) for limit in found.relaxation)
    limits = [Relaxed(limit.key, limit.stated, figure(limit)) for limit in needed]
    return _fleet(design, found.solution, (*given, *limits))


def with_longer_bounds(design: Design, needed_ms: Sequence[float]) -> NearestFleet | None:
    """The nearest fleet within these limits of the SLO's bounds, where they are longer."""
    slo = design.case.problem.slo
    longer = [max(b.limit_ms, rounded_up(ABOVE_THE_LEAST * ms)) if ms > b.limit_ms else b.limit_ms
              for b, ms in zip(slo, needed_ms, strict=True)]  # fmt: skip
    given = [
        Relaxed(f"slo[{i}].limit_ms", bound.limit_ms, limit)
        for i, (bound, limit) in enumerate(zip(slo, longer, strict=True))
        if limit > bound.limit_ms
    ]
    bounds = tuple(_bound(bound, limit) for bound, limit in zip(slo, longer, strict=True))
    return within_limits(_changed(design, {"slo": bounds}), given)


def with_room(design: Design) -> tuple[list[str], NearestFleet | None]:
    """What would hold the longest requests: paged admission, or else a smaller context."""
    case = design.case
    problem, context = case.problem, case.breakpoints[-1]
    if problem.admission == "reserved" and any(
        profile.paged(context, problem.max_num_seqs).slots >= 1 for profile in case.profiles
    ):
        given = [Relaxed("admission", "reserved", "paged")]
        found = within_limits(_changed(design, {"admission": "paged"}), given)
        return ["paged admission would hold them"], found
    largest = _largest_context(case)
    if largest < 1:
        return [], None
    said = [f"the largest context that one holds is {largest:,} tokens"]
    return said, _with_context(problem, context, largest)


def _with_context(problem: FleetProblem, stated: int, largest: int) -> NearestFleet | None:
    given = [Relaxed("max_context", stated, largest)]
    update = {"max_context": largest}
    for more in ({}, {"overlong": "clip"}):
        try:
            case = Case.of(problem.model_copy(update={**update, **more}))
        except InputError:  # many requests are longer, or a threshold is
            continue
        clipped = [Relaxed("overlong", problem.overlong, word) for word in more.values()]
        return within_limits(Design(case, grey=False, extra_rows=0), [*given, *clipped])
    return None


def _largest_context(case: Case) -> int:
    """The most tokens for which some profile has a slot; 0 if none has any."""

    def holds(tokens: int) -> bool:
        return any(case.capacity(profile, tokens).slots >= 1 for profile in case.profiles)

    low, high = 0, case.breakpoints[-1]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _changed(design: Design, update: dict[str, object]) -> Design:
    case = replace(design.case, problem=design.case.problem.model_copy(update=update))
    return Design(case, grey=False, extra_rows=0)


def _bound(bound: LatencyBound, limit_ms: float) -> LatencyBound:
    return bound.model_copy(update={"limit_ms": limit_ms})


def _fleet(design: Design, solution: Solution, relaxed: Sequence[Relaxed]) -> NearestFleet:
    return NearestFleet(
        fleet=fleet_of(design, solution.chosen),
        cost=Cost.hourly(solution.usd_per_hour),
        excess=sum(map(_excess, relaxed)),
        relaxation=tuple(relaxed),
    )


def _excess(limit: Relaxed) -> float:
    """Relative change of a number; 0 for a word."""
    if not isinstance(limit.needed, int | float) or not isinstance(limit.stated, int | float):
        return 0.0
    return abs(limit.needed - limit.stated) / (limit.stated or 1.0)


def in_users_units(limit: Relaxation, slo: Sequence[LatencyBound]) -> Relaxation:
    """A share of allowed misses as the percentile of its bound; any other limit as it is."""
    if not limit.key.startswith(f"{SLO}."):
        return limit
    index = int(limit.key.removeprefix(f"{SLO}."))
    bound = slo[index]
    needed = None if limit.needed is None else 100.0 * (1.0 - limit.needed * bound.allowed_miss)
    return Relaxation(f"{SLO}[{index}]{PERCENTILE}", bound.percentile, needed)


def figure(limit: Relaxation) -> float | None:
    """The needed value: whole numbers exactly, others to six digits on the safe side."""
    if limit.needed is None:
        return None
    if limit.key.endswith(PERCENTILE):
        return percent(limit.needed / 100.0)
    if limit.key not in _MEASURED:
        return round(limit.needed)
    return rounded_up(limit.needed * (1.0 - 1e-12), digits=6)


def percent(share: float) -> float:
    """A share as a percentage, rounded down at the fourth decimal."""
    return math.floor(1e6 * share + 1e-6) / 1e4


def rounded_up(value: float, digits: int = 3) -> float:
    """The least number of so many digits that is not below a positive value."""
    places = digits - math.ceil(math.log10(value))
    return float(f"{math.ceil(value * 10.0**places - 1e-6) * 10.0**-places:.12g}")
