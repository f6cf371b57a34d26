"""What to say when no fleet meets a problem: which bound, what binds, and what could be met."""

from __future__ import annotations

import math

from fleetopt.errors import InfeasibleError
from fleetopt.optimization.design import Design, solve_options
from fleetopt.optimization.elastic import MIN_REPLICAS, Relaxation, conflict
from fleetopt.problem import LatencyBound
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Node

Arc = tuple[Node, Node]


def explained(design: Design) -> InfeasibleError:
    """The error for a design without a fleet."""
    lines = ["no fleet meets the problem"]
    if not _covers(design):
        context = design.case.breakpoints[-1]
        names = ", ".join(profile.name for profile in design.case.profiles)
        return InfeasibleError(f"{lines[0]}: no replica of {names} holds {context:,} tokens")
    for bound in design.case.problem.slo:
        least, table = _least_possible(design, bound)
        if least > bound.limit_s:
            lines.append(_said(bound, least, table, design.case.problem.max_pools))
    if len(lines) == 1:
        lines += _limits(design)
    if len(lines) == 1:
        lines.append("each bound could be met alone, but not all of them by one fleet")
    return InfeasibleError("\n".join(lines))


def _limits(design: Design) -> list[str]:
    """Which limits exclude each other, and what each would have to be."""
    problem = design.case.problem
    found = conflict(design.with_least, problem.min_replicas, solve_options(problem))
    if found is None:
        return []
    if found.together:
        needed = " and ".join(f"{limit.key} = {_figure(limit)}" for limit in found.together)
        stated = " and ".join(map(_given, found.together))
        return [f"no limit is enough alone; instead of {stated}", f"these would do: {needed}"]
    only = len(found.alone) == 1
    lines = ["this limit cannot be kept:" if only else "these limits exclude each other:"]
    return lines + [f"  {_given(limit)}; {_needed(limit, only)}" for limit in found.alone]


def _given(limit: Relaxation) -> str:
    return f"{limit.key} = {limit.stated:,.12g}"


def _needed(limit: Relaxation, only: bool) -> str:
    others = "" if only else ", with the others as they are"
    if limit.needed is None:
        return "no value is enough alone"
    bound = "at most" if limit.key == MIN_REPLICAS else "at least"
    return f"it would have to be {bound} {_figure(limit)}{others}"


def _figure(limit: Relaxation) -> str:
    """The needed value: whole numbers exactly, others rounded up to six digits."""
    value = limit.needed or 0.0
    if limit.key not in ("power_kw", "budget_usd_per_year"):
        return f"{round(value):,}"
    unit = 10.0 ** (math.ceil(math.log10(value)) - 6) if value > 0 else 1.0
    return f"{math.ceil(value / unit - 1e-6) * unit:,.12g}"


def _said(bound: LatencyBound, least_s: float, table: PoolTable, max_pools: int) -> str:
    cause = {
        "ttft": "prefill of long prompts",
        "tpot": "iteration time of a single sequence",
        "e2e": "decode of long outputs",
    }[bound.metric]
    return (
        f"{bound.label} <= {bound.limit_ms:g} ms: the least that a fleet of at most {max_pools} "
        f"pools can meet is {_rounded_up(1000.0 * least_s)} ms; what binds is the {cause} of "
        f"({table.lo_tokens:,}, {table.hi_tokens:,}] tokens on {table.profile.name}"
    )


def _rounded_up(value_ms: float) -> str:
    digits = 3 - math.ceil(math.log10(value_ms))
    return f"{math.ceil(value_ms * 10.0**digits) / 10.0**digits:g}"


def _covers(design: Design) -> bool:
    """Whether some profile has a slot for the whole of the lengths."""
    last = design.case.breakpoints[-1]
    return any(table.hi_tokens == last for table in design.tables)


def _least_possible(design: Design, bound: LatencyBound) -> tuple[float, PoolTable]:
    """The least percentile of any fleet, in seconds, and the pool that it comes from.

    The best path of arcs by its worst pool, each pool on idle replicas of its fastest profile.
    """
    fastest: dict[Arc, tuple[float, PoolTable]] = {}
    for table in design.tables:
        gamma_lo, gamma_hi = table.gammas
        arc = ((table.lo_tokens, gamma_lo), (table.hi_tokens, gamma_hi))
        value = table.fastest_s(bound)
        if arc not in fastest or value < fastest[arc][0]:
            fastest[arc] = (value, table)
    points = design.case.nodes
    reached = {hi: pool for (lo, hi), pool in fastest.items() if lo == points[0]}
    answers = []
    for _ in range(design.case.problem.max_pools):
        if points[-1] in reached:
            answers.append(reached[points[-1]])
        step: dict[Node, tuple[float, PoolTable]] = {}
        for (lo, hi), pool in fastest.items():
            if lo in reached:
                worst = max(reached[lo], pool, key=lambda pair: pair[0])
                step[hi] = min(step.get(hi, worst), worst, key=lambda pair: pair[0])
        reached = step
    return min(answers, key=lambda pair: pair[0])
