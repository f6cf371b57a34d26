"""What to say when no fleet meets a problem: which bound, what binds, and what could be met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError
from fleetopt.optimization.conflict import Conflict, conflict
from fleetopt.optimization.design import Design, solve_options
from fleetopt.optimization.elastic import MIN_REPLICAS, Relaxation
from fleetopt.optimization.lazily import design_of
from fleetopt.optimization.solver import Termination
from fleetopt.problem import LatencyBound
from fleetopt.queueing.phases import PrefillPhaseTable
from fleetopt.queueing.table import PoolTable
from fleetopt.study.nearest import (
    PERCENTILE,
    figure,
    in_users_units,
    percent,
    rounded_up,
    with_longer_bounds,
    with_room,
    within_limits,
)
from fleetopt.study.reach import best_path, least_limit_ms, least_miss
from fleetopt.study.refusal import Refusal, RefusalError, Relaxations, Relaxed

HEADLINE = "no fleet meets the problem"


def explained(design: Design) -> RefusalError:
    """The error for a design without a fleet."""
    if not _covers(design):
        return _without_room(design)
    if design.case.problem.slo_scope == "fleet":
        return _together(design)
    slo = design.case.problem.slo
    least = [_least_possible(design, _fastest(bound)) for bound in slo]
    needed_ms = [max(b.limit_ms, 1000.0 * s) for b, (s, _) in zip(slo, least, strict=True)]
    lines = [
        _said(bound, value, table, design.case.problem.max_pools)
        for bound, (value, table) in zip(slo, least, strict=True)
        if value > bound.limit_s
    ]
    stretch = _least_stretch(design, needed_ms)
    if stretch > 1.0:
        lines.append(_not_together(stretch, beyond=bool(lines)))
        needed_ms = [stretch * ms for ms in needed_ms]
    if lines:
        nearest = with_longer_bounds(design, needed_ms)
        return RefusalError(Refusal(False, (HEADLINE, *lines), nearest=nearest))
    return _limited(design)


def unverifiable(case: Case, refused: InfeasibleError) -> InfeasibleError:
    """The error where simulation refused every fleet; what the table alone would ask for."""
    sure = design_of(case, grey=False, extra_rows=0)
    solution = sure.optimum()
    if solution.termination is not Termination.INFEASIBLE:
        return refused
    told = explained(sure).refusal
    return RefusalError(replace(told, reasons=(str(refused), *told.reasons[1:])))


def _together(design: Design) -> RefusalError:
    """The bounds that no fleet keeps for all requests together, or else the limits."""
    slo = design.case.problem.slo
    reached = [least_miss(design, bound) for bound in slo]
    beyond = [
        (bound, *found)
        for bound, found in zip(slo, reached, strict=True)
        if found[0] > bound.allowed_miss
    ]
    if not beyond:
        return _limited(design)
    needed_ms = [least_limit_ms(design, bound) for bound in slo]
    lines = [
        f"{_bound(bound)}: a fleet of at most {design.case.problem.max_pools} pools keeps at best "
        f"{percent(1.0 - miss):.12g} % of all requests within it; the least that it can meet is "
        f"{rounded_up(needed_ms[slo.index(bound)]):g} ms; what binds is {_cause(bound, table)}"
        for bound, miss, table in beyond
    ]
    nearest = with_longer_bounds(design, needed_ms)
    return RefusalError(Refusal(False, (HEADLINE, *lines), nearest=nearest))


def _without_room(design: Design) -> RefusalError:
    """No profile has a slot for the longest requests."""
    names = ", ".join(profile.name for profile in design.case.profiles)
    context = design.case.breakpoints[-1]
    rule = design.case.problem.admission
    line = f"{HEADLINE}: no replica of {names} holds {context:,} tokens with {rule} admission"
    said, nearest = with_room(design)
    return RefusalError(Refusal(False, (line, *said), nearest=nearest))


def _limited(design: Design) -> RefusalError:
    """The limits are what stands in the way, or nothing that is known."""
    problem = design.case.problem
    found = conflict(design.with_least, problem.min_replicas, solve_options(problem))
    if found is None:
        text = "the table admits no number of replicas for some lengths, whatever the limits"
        return RefusalError(Refusal(False, (HEADLINE, text)))
    found = Conflict(
        tuple(in_users_units(limit, problem.slo) for limit in found.alone),
        tuple(in_users_units(limit, problem.slo) for limit in found.together),
    )
    refusal = Refusal(
        feasible=False,
        reasons=(HEADLINE, *_limits(found), *_spare_counted(design)),
        relaxation=Relaxations(
            tuple(map(_relaxed, found.alone)), tuple(map(_relaxed, found.together))
        ),
        nearest=within_limits(design),
    )
    return RefusalError(refusal)


def _relaxed(limit: Relaxation) -> Relaxed:
    return Relaxed(limit.key, limit.stated, figure(limit))


def _limits(found: Conflict) -> list[str]:
    """Which limits exclude each other, and what each would have to be."""
    if found.together:
        needed = " and ".join(f"{limit.key} = {_figure(limit)}" for limit in found.together)
        stated = " and ".join(map(_given, found.together))
        return [f"no limit is enough alone; instead of {stated}", f"these would do: {needed}"]
    only = len(found.alone) == 1
    lines = ["this limit cannot be kept:" if only else "these limits exclude each other:"]
    return lines + [f"  {_given(limit)}; {_needed(limit, only)}" for limit in found.alone]


def _spare_counted(design: Design) -> list[str]:
    """That limits have to hold spare replicas too; an availability is a fact and cannot give."""
    problem = design.case.problem
    if problem.share_up == 1.0:
        return []
    stated = f"availability = {problem.availability:g}"
    if problem.failures is not None:
        stated = f"failures = {problem.failures.text}"
    return [f"spare replicas for {stated} are counted"]


def _given(limit: Relaxation) -> str:
    return f"{limit.key} = {limit.stated:,.12g}"


def _needed(limit: Relaxation, only: bool) -> str:
    others = "" if only else ", with the others as they are"
    if limit.needed is None:
        return "no value is enough alone"
    falls = limit.key == MIN_REPLICAS or limit.key.endswith(PERCENTILE)
    bound = "at most" if falls else "at least"
    return f"it would have to be {bound} {_figure(limit)}{others}"


def _figure(limit: Relaxation) -> str:
    return f"{figure(limit):,.12g}"


def _said(bound: LatencyBound, least_s: float, table: PoolTable, max_pools: int) -> str:
    return (
        f"{_bound(bound)}: the least that a fleet of at most {max_pools} pools can meet is "
        f"{rounded_up(1000.0 * least_s):g} ms; what binds is {_cause(bound, table)}"
    )


def _bound(bound: LatencyBound) -> str:
    return f"{bound.label} <= {bound.limit_ms:g} ms"


def _cause(bound: LatencyBound, table: PoolTable) -> str:
    cause = {
        "ttft": "prefill of long prompts",
        "tpot": "iteration time of a single sequence",
        "e2e": "decode of long outputs",
    }[bound.metric]
    lengths = f"({table.lo_tokens:,}, {table.hi_tokens:,}] tokens"
    if isinstance(table, PrefillPhaseTable):
        cause = "prefill and transfer of long prompts"
    return f"the {cause} of {lengths} on {table.profile.name}"


def _not_together(stretch: float, *, beyond: bool) -> str:
    those = "even so, these bounds" if beyond else "each bound could be met alone, but they"
    return (
        f"{those} are not met by one fleet unless all are {rounded_up(stretch, 4):g} times as long"
    )


def _least_stretch(design: Design, limits_ms: Sequence[float]) -> float:
    """The least factor on all these limits at which some fleet meets every bound."""

    def of(table: PoolTable) -> float:
        slo = design.case.problem.slo
        return max(1000.0 * table.fastest_s(b) / ms for b, ms in zip(slo, limits_ms, strict=True))

    return max(1.0, _least_possible(design, of)[0] * (1.0 - 1e-12))


def _covers(design: Design) -> bool:
    """Whether some profile has a slot for the whole of the lengths."""
    last = design.case.breakpoints[-1]
    return any(offer.table.hi_tokens == last for offer in design.offered)


def _fastest(bound: LatencyBound) -> Callable[[PoolTable], float]:
    return lambda table: table.fastest_s(bound)


def _least_possible(
    design: Design, value_of: Callable[[PoolTable], float]
) -> tuple[float, PoolTable]:
    """The least value of the worst pool of any fleet, and the pool that it comes from.

    The best path of arcs by its worst pool, each pool on the profile of the least value.
    """
    return best_path(design, value_of, lambda *pair: max(pair, key=lambda reached: reached[0]))
