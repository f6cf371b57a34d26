"""Whom the SLO holds for, and what share of the requests is within each of its bounds."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.plan import Interval, Plan, Pool
from fleetopt.problem import LatencyBound
from fleetopt.report import wording
from fleetopt.report.console import columns
from fleetopt.report.layout import Table

_SCOPES = {
    "pool": "each pool keeps every bound by itself",
    "fleet": "the requests of all pools together keep every bound",
}
_PERCENT = f"{wording.NO_BREAK}%"


def scope_lines(plan: Plan) -> Iterator[str]:
    """The scope, and each bound with what is attained of it."""
    scope = plan.problem.slo_scope
    yield f"Scope: {scope}; {_SCOPES[scope]}."
    for b, bound in enumerate(plan.problem.slo):
        yield f"  {_within(bound)}: {_attained(plan, b)}; {bound.percentile:g}{_PERCENT} needed."


def shares_table(plan: Plan) -> Table:
    """In scope fleet: of each pool's requests, the share within each bound."""
    bounds = plan.problem.slo
    headings = [f"within {b.metric.upper()}\n{b.limit_ms:,g}{wording.NO_BREAK}ms" for b in bounds]
    table = columns("pool", "lengths\ntokens", "share of all\nrequests", *headings, left=2)
    for i, pool in enumerate(plan.fleet.pools):
        table.add_row(
            pool.name,
            wording.lengths(pool.lo_tokens, pool.hi_tokens),
            wording.share(pool.arrival_rate / _rate(plan), 2),
            *(wording.share(_estimate(plan, i, b), 2) for b in range(len(bounds))),
        )
    return table


def _within(bound: LatencyBound) -> str:
    no_break = wording.NO_BREAK
    return f"{bound.metric.upper()}{no_break}{bound.limit_ms:,g}{no_break}ms"


def _attained(plan: Plan, b: int) -> str:
    """Share within a bound: of all requests, or in the pool where it is nearest to failing."""
    if plan.problem.slo_scope == "fleet":
        table = 1.0 - sum(
            pool.arrival_rate / _rate(plan) * predicted.bounds[b].miss_probability
            for pool, predicted in zip(plan.fleet.pools, plan.prediction.pools, strict=True)
        )
        by_table = wording.share(table, 2)
        if plan.verification is None or not plan.verification.attained:
            return f"{by_table} of all requests by the table"
        simulated = wording.attainment(plan.verification.attained[b])
        return f"{simulated} of all requests, {by_table} by the table"
    held = [i for i, pool in enumerate(plan.fleet.pools) if _is_held(pool, plan.problem.slo[b])]
    worst = min(held, key=lambda i: _estimate(plan, i, b))
    name = plan.fleet.pools[worst].name
    return f"{_share(plan, worst, b)} in {name}" + (
        ", the least of all pools" if len(held) > 1 else ""
    )


def _is_held(pool: Pool, bound: LatencyBound) -> bool:
    """Whether a pool is held to a bound; one phase has bounds of its own."""
    return pool.phase is None or (pool.phase == "prefill") == (bound.metric == "ttft")


def _share(plan: Plan, i: int, b: int) -> str:
    """Share of a pool's requests within a bound, as simulated or else by the table."""
    seen = _simulated(plan, i, b)
    if seen is not None:
        return wording.attainment(seen)
    return f"{wording.share(_estimate(plan, i, b), 2)} by the table"


def _estimate(plan: Plan, i: int, b: int) -> float:
    seen = _simulated(plan, i, b)
    if seen is not None and seen.estimate is not None:
        return seen.estimate
    bound = plan.problem.slo[b]
    of_pool = plan.prediction.pools[i].bounds
    own = (p for p in of_pool if (p.metric, p.percentile) == (bound.metric, bound.percentile))
    return 1.0 - next(own).miss_probability


def _simulated(plan: Plan, i: int, b: int) -> Interval | None:
    if plan.verification is None or not plan.verification.pools[i].attained:
        return None
    return plan.verification.pools[i].attained[b]


def _rate(plan: Plan) -> float:
    return sum(pool.arrival_rate for pool in plan.fleet.pools)
