"""The fleets beside the plan: simpler ones, the next cheaper, the next best, paged KV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fleetopt.optimization.candidates import count_pools
from fleetopt.optimization.design import Chosen, Design
from fleetopt.optimization.lazily import design_of
from fleetopt.optimization.solver import Holding, Solution
from fleetopt.plan import (
    HOURS_PER_YEAR,
    MIXED,
    ONE_POOL_OF,
    TWO_POOLS_OF,
    Alternative,
    Fleet,
    Verdict,
)
from fleetopt.study.assembly import fleet_of
from fleetopt.verification import Verifier, judged_pools, overall

THE_PLAN = "it is the plan itself"
"""Why a fleet of a simpler kind is no other choice."""


def beside(design: Design, solution: Solution, judge: Verifier | None) -> tuple[Alternative, ...]:
    """Every comparison that the problem allows, in the order of the report."""
    found = [
        _compared(design, "one pool", design.best_of_one_pool(), solution),
        _compared(design, "one GPU type", design.best_of_one_type(), solution),
        *_by_type(design, solution),
        next_cheaper(design, solution, judge),
        *_next_best(design, solution, judge),
        None if judge is not None and judge.traffic else paged(design, solution),
    ]
    return tuple(alternative for alternative in found if alternative is not None)


def _by_type(design: Design, solution: Solution) -> Iterator[Alternative | None]:
    """The cheapest one pool and two pools of each GPU type, and the cheapest mixture of types.

    None where a limit stopped the solver: it would stop each of these as well.
    """
    if len(design.gpu_types) < 2 or solution.holding is not Holding.OPTIMAL:
        return
    most = design.case.problem.max_pools
    for gpu in design.gpu_types:
        for count, kind in ((1, ONE_POOL_OF), (2, TWO_POOLS_OF)):
            if count <= most:
                found = design.best_of_type(gpu, count)
                yield _compared(design, f"{kind} {gpu}", found, solution)
    if most > 1:
        yield _compared(design, MIXED, design.best_mixed(), solution)


def _compared(design: Design, kind: str, other: Solution, solution: Solution) -> Alternative | None:
    """A fleet of a simpler kind, by the table; None if there is none."""
    if other.holding is Holding.NONE:
        return None
    if other.chosen == solution.chosen:
        return _alternative(design, kind, other.chosen, "not verified", THE_PLAN)
    return _alternative(design, kind, other.chosen, "not verified", "")


def next_cheaper(design: Design, solution: Solution, judge: Verifier | None) -> Alternative | None:
    """The dearest fleet that is cheaper by one replica of one pool, and why it is not the plan."""
    cheaper = []
    for i, (candidate, row) in enumerate(solution.chosen):
        if row.replicas > 1:
            fewer = (candidate, design.row(candidate, row.replicas - 1))
            chosen = (*solution.chosen[:i], fewer, *solution.chosen[i + 1 :])
            cheaper.append((design.usd_per_hour(chosen), i, chosen))
    cheaper = [option for option in cheaper if option[0] < solution.usd_per_hour]
    cheaper.sort(key=lambda option: -option[0])
    permitted = (c for c in cheaper if not design.is_changed or _is_permitted(design, c[2], c[1]))
    dearest = next(permitted, None)
    if dearest is None:
        return None
    _, i, chosen = dearest
    if design.case.problem.slo_scope == "fleet":
        place = f"pool ({chosen[i][0].lo_tokens}, {chosen[i][0].hi_tokens}]"
        why = f"{place}: {design.binding(solution.chosen, i)}"
        return _alternative(design, "next cheaper", chosen, "not verified", why)
    verdict, why = _why_not(design, chosen, i, judge)
    return _alternative(design, "next cheaper", chosen, verdict, why)


def _is_permitted(design: Design, chosen: Sequence[Chosen], changed: int) -> bool:
    """Whether a fleet keeps what a user added; not known of a pool that cannot keep up."""
    candidate, row = chosen[changed]
    stable = design.table(candidate).row(row.replicas).utilization < 1.0
    return stable and design.permits(chosen)


def _why_not(
    design: Design, chosen: Sequence[Chosen], index: int, judge: Verifier | None
) -> tuple[Verdict, str]:
    candidate, fewer = chosen[index]
    place = f"pool ({candidate.lo_tokens}, {candidate.hi_tokens}]"
    place += f", {candidate.phase}" if candidate.phase else ""
    said = judge.known(judged_pools(design.case, chosen)[index]) if judge else None
    if said is not None and said.verdict != "pass":
        share = said.slo_attainment.estimate or 0.0
        return said.verdict, f"{place}: simulation refused it, attainment {100 * share:.2f} %"
    return "not verified", f"{place}: {design.table(candidate).binding(fewer.replicas + 1)}"


def _next_best(design: Design, solution: Solution, judge: Verifier | None) -> list[Alternative]:
    """The next best fleets: as many as the problem asks for, the first of them simulated."""
    problem = design.case.problem
    simulated = problem.verification.top - 1 if judge else 0
    wanted = max(simulated, problem.alternatives or 0)
    if wanted == 0:
        return []
    others = [other for other in design.best(wanted + 1) if other.chosen != solution.chosen]
    return [
        _alternative(
            design,
            "next best",
            other.chosen,
            _verdict_on(other, judge) if judge and i < simulated else "not verified",
            trade(design, solution.chosen, other.chosen),
        )
        for i, other in enumerate(others[:wanted])
    ]


def _verdict_on(other: Solution, judge: Verifier) -> Verdict:
    pools = judged_pools(judge.case, other.chosen)
    if judge.case.problem.slo_scope == "fleet":
        return judge.together(pools).verdict
    return overall([judge.verdict(pool) for pool in pools])


def trade(design: Design, chosen: Sequence[Chosen], other: Sequence[Chosen]) -> str:
    """What another fleet gains and gives up beside a fleet, by the table."""
    ours, theirs = _traits(design, chosen), _traits(design, other)
    gains: list[str] = []
    losses: list[str] = []
    for (name, mine), (_, its) in zip(ours, theirs, strict=True):
        if its != mine:
            text = f"{name} {mine:,.0f} -> {its:,.0f}"
            (gains if its < mine else losses).append(text)
    parts = [f"gains {', '.join(gains)}" if gains else "", f"gives up {', '.join(losses)}"]
    return "; ".join(part for part in parts if part and part != "gives up ")


def _traits(design: Design, chosen: Sequence[Chosen]) -> list[tuple[str, float]]:
    """What fleets are compared by, less being better; latencies to the millisecond."""
    worst = max(design.table(c).row(row.replicas).percentile_s("ttft", 99.0) or 0.0
                for c, row in chosen)  # fmt: skip
    return [
        ("pools", float(count_pools(c for c, _ in chosen))),
        ("GPU types", float(len({c.gpu for c, _ in chosen}))),
        ("GPUs", float(sum(c.gpus(row) for c, row in chosen))),
        ("worst P99 TTFT in ms", round(1000.0 * worst)),
    ]


def paged(design: Design, solution: Solution) -> Alternative | None:
    """The cheapest fleet with paged KV, if it is cheaper than the plan's reserved slots.

    Left out under an objective of the user's own, which is not the cost.
    """
    problem = design.case.problem
    if (
        problem.admission == "paged"
        or problem.method == "published"
        or design.own_objective() is not None
    ):
        return None
    stated = problem.model_copy(update={"admission": "paged"})
    extra_rows = None if design.is_changed else 0
    other = design_of(replace(design.case, problem=stated), grey=False, extra_rows=extra_rows)
    best = other.optimum()
    saved = 1.0 - best.usd_per_hour / solution.usd_per_hour
    if best.holding is Holding.NONE or saved <= 0:
        return None
    why = f"paged KV would save {100 * saved:.0f} %, by the table"
    return _alternative(other, "paged", best.chosen, "not verified", why)


def _alternative(
    design: Design, kind: str, chosen: Sequence[Chosen], verdict: Verdict, why: str
) -> Alternative:
    fleet: Fleet = fleet_of(design, chosen)
    hourly = design.usd_per_hour(chosen)
    return Alternative(kind, hourly * HOURS_PER_YEAR, fleet, verdict, why)
