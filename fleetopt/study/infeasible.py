"""What to say when no fleet meets a problem: which bound, what binds, and what could be met."""

from __future__ import annotations

import math
from collections.abc import Callable

from fleetopt.errors import InfeasibleError
from fleetopt.optimization.design import Design, solve_options
from fleetopt.optimization.elastic import MIN_REPLICAS, SLO, Relaxation, conflict
from fleetopt.problem import FleetProblem, LatencyBound
from fleetopt.queueing.table import PoolTable

Arc = tuple[int, int]
Judged = tuple[float, PoolTable]
"""A value of a path of pools, and the pool that it comes from."""


def explained(design: Design) -> InfeasibleError:
    """The error for a design without a fleet."""
    lines = ["no fleet meets the problem"]
    if not _covers(design):
        context = design.case.breakpoints[-1]
        names = ", ".join(profile.name for profile in design.case.profiles)
        return InfeasibleError(f"{lines[0]}: no replica of {names} holds {context:,} tokens")
    together = design.case.problem.slo_scope == "fleet"
    for bound in design.case.problem.slo:
        lines += _together(design, bound) if together else _apart(design, bound)
    if len(lines) == 1:
        lines += _limits(design)
    if len(lines) == 1:
        lines.append("each bound could be met alone, but not all of them by one fleet")
    return InfeasibleError("\n".join(lines))


def _apart(design: Design, bound: LatencyBound) -> list[str]:
    """What is said of a bound that no fleet can meet in every pool."""
    least, table = _least_possible(design, bound)
    if least <= bound.limit_s:
        return []
    most = f"a fleet of at most {design.case.problem.max_pools} pools can meet"
    return [
        f"{bound.label} <= {bound.limit_ms:g} ms: the least that {most} is "
        f"{_rounded_up(1000.0 * least)} ms; what binds is the {_cause(bound, table)}"
    ]


def _together(design: Design, bound: LatencyBound) -> list[str]:
    """What is said of a bound that the requests of no fleet can meet together."""
    miss, table = _least_miss(design, bound)
    if miss <= bound.allowed_miss:
        return []
    most = f"a fleet of at most {design.case.problem.max_pools} pools"
    least = 1000.0 * bound.limit_s * _least_stretch(design, bound)
    return [
        f"{bound.label} <= {bound.limit_ms:g} ms: of all requests together, {most} keeps at best "
        f"{_percent(1.0 - miss)} % within it; the least that it can meet is {_rounded_up(least)} "
        f"ms; what binds is the {_cause(bound, table)}"
    ]


def _limits(design: Design) -> list[str]:
    """Which limits exclude each other, and what each would have to be."""
    problem = design.case.problem
    found = conflict(design.with_least, problem.min_replicas, solve_options(problem))
    if found is None:
        return []
    if found.together:
        needed = " and ".join(_said(limit, limit.needed, problem) for limit in found.together)
        stated = " and ".join(_said(limit, limit.stated, problem) for limit in found.together)
        return [f"no limit is enough alone; instead of {stated}", f"these would do: {needed}"]
    only = len(found.alone) == 1
    lines = ["this limit cannot be kept:" if only else "these limits exclude each other:"]
    return lines + [
        f"  {_said(limit, limit.stated, problem)}; {_needed(limit, only, problem)}"
        for limit in found.alone
    ]


def _said(limit: Relaxation, value: float | None, problem: FleetProblem) -> str:
    """A limit with a value that is stated or needed."""
    if limit.key.startswith(f"{SLO}."):
        bound = _bound_of(limit, problem)
        within = f"of all requests within {bound.metric.upper()} {bound.limit_ms:g} ms"
        return f"{_figure(limit, value, problem)} % {within}"
    if value == limit.stated:
        return f"{limit.key} = {value:,.12g}"
    return f"{limit.key} = {_figure(limit, value, problem)}"


def _needed(limit: Relaxation, only: bool, problem: FleetProblem) -> str:
    others = "" if only else ", with the others as they are"
    if limit.needed is None:
        return "no value is enough alone"
    falls = limit.key == MIN_REPLICAS or limit.key.startswith(f"{SLO}.")
    bound = "at most" if falls else "at least"
    return f"it would have to be {bound} {_figure(limit, limit.needed, problem)}{others}"


def _figure(limit: Relaxation, value: float | None, problem: FleetProblem) -> str:
    """A value: whole numbers exactly, others rounded to the safe side at six digits."""
    value = value or 0.0
    if limit.key.startswith(f"{SLO}."):
        return _percent(1.0 - value * _bound_of(limit, problem).allowed_miss)
    if limit.key not in ("power_kw", "budget_usd_per_year"):
        return f"{round(value):,}"
    unit = 10.0 ** (math.ceil(math.log10(value)) - 6) if value > 0 else 1.0
    return f"{math.ceil(value / unit - 1e-6) * unit:,.12g}"


def _bound_of(limit: Relaxation, problem: FleetProblem) -> LatencyBound:
    return problem.slo[int(limit.key.removeprefix(f"{SLO}."))]


def _percent(share: float) -> str:
    """A share as a percentage, rounded down at the fourth decimal."""
    return f"{math.floor(1e6 * share + 1e-6) / 1e4:.12g}"


def _cause(bound: LatencyBound, table: PoolTable) -> str:
    cause = {
        "ttft": "prefill of long prompts",
        "tpot": "iteration time of a single sequence",
        "e2e": "decode of long outputs",
    }[bound.metric]
    return f"{cause} of ({table.lo_tokens:,}, {table.hi_tokens:,}] tokens on {table.profile.name}"


def _rounded_up(value_ms: float) -> str:
    digits = 3 - math.ceil(math.log10(value_ms))
    return f"{math.ceil(value_ms * 10.0**digits) / 10.0**digits:g}"


def _covers(design: Design) -> bool:
    """Whether some profile has a slot for the whole of the lengths."""
    last = design.case.breakpoints[-1]
    return any(table.hi_tokens == last for table in design.tables)


def _least_possible(design: Design, bound: LatencyBound) -> Judged:
    """The least percentile of any fleet, in seconds, and the pool that it comes from.

    The best path of arcs by its worst pool, each pool on idle replicas of its fastest profile.
    """
    return _best_path(
        design,
        lambda table: table.fastest_s(bound),
        lambda first, second: max(first, second, key=lambda pair: pair[0]),
    )


def _least_miss(design: Design, bound: LatencyBound, stretch: float = 1.0) -> Judged:
    """The least share of all requests beyond a bound in any fleet, and the pool with the most.

    The best path of arcs by the sum over its pools, as in `_least_possible`.
    """
    rate = design.case.arrival_rate
    return _best_path(
        design,
        lambda table: _missed(table, bound, stretch) / rate,
        lambda first, second: (
            first[0] + second[0],
            max(first, second, key=lambda pair: _missed(pair[1], bound, stretch))[1],
        ),
    )


def _missed(table: PoolTable, bound: LatencyBound, stretch: float) -> float:
    """Requests per second beyond a bound on idle replicas."""
    return table.arrival_rate * table.least_miss(bound, stretch)


def _least_stretch(design: Design, bound: LatencyBound) -> float:
    """By how much a bound would have to be longer to be met by all requests together."""
    low, high = 1.0, 2.0
    while _least_miss(design, bound, high)[0] > bound.allowed_miss:
        low, high = high, 2.0 * high
    while high - low > 1e-4 * high:
        middle = 0.5 * (low + high)
        if _least_miss(design, bound, middle)[0] > bound.allowed_miss:
            low = middle
        else:
            high = middle
    return high


def _best_path(
    design: Design,
    value_of: Callable[[PoolTable], float],
    joined: Callable[[Judged, Judged], Judged],
) -> Judged:
    """The least value of a path of at most max_pools arcs, the best profile on each."""
    best: dict[Arc, Judged] = {}
    for table in design.tables:
        arc, value = (table.lo_tokens, table.hi_tokens), value_of(table)
        if arc not in best or value < best[arc][0]:
            best[arc] = (value, table)
    points = design.case.breakpoints
    reached = {hi: pool for (lo, hi), pool in best.items() if lo == points[0]}
    answers = []
    for _ in range(design.case.problem.max_pools):
        if points[-1] in reached:
            answers.append(reached[points[-1]])
        step: dict[int, Judged] = {}
        for (lo, hi), pool in best.items():
            if lo in reached:
                path = joined(reached[lo], pool)
                step[hi] = min(step.get(hi, path), path, key=lambda pair: pair[0])
        reached = step
    return min(answers, key=lambda pair: pair[0])
