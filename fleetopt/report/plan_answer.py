"""The answer of a plan in words: its objective, its cost and what the simulator says of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fleetopt.objective import Objective
from fleetopt.plan import Plan, PoolVerification, RecordedTraffic
from fleetopt.report import wording
from fleetopt.report.attainment import scope_lines
from fleetopt.report.availability import spare_lines

_STYLES = {"pass": "green", "not verified": "yellow"}


def answer_lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Lines and their styles: the objective, the cost, the solver and the verdict."""
    if plan.objective is not None:
        yield _objective_line(plan, plan.objective), "bold"
    yield _cost_line(plan), "bold"
    yield from ((text, "") for text in spare_lines(plan))
    status = plan.status
    reason = status.termination.replace("_", " ")
    held = "" if status.holding == "optimal" else "; a cheaper fleet may exist"
    yield f"Solver: {reason}, gap {wording.share(status.gap, 2)}{held}.", ""
    if plan.verification is None:
        yield "Verdict: not verified; the table alone vouches for this plan.", "yellow"
        yield from ((text, "") for text in scope_lines(plan))
        return
    done = plan.verification
    effort = (
        f"{wording.counted(done.requests, 'request')}, "
        f"{wording.counted(done.replications, 'replication')}, seed{wording.NO_BREAK}{done.seed}"
    )
    if done.trace is not None:
        effort = f"{_recorded(done.trace)}, with their own times"
    yield f"Verdict: {done.verdict} ({effort}).", _STYLES.get(done.verdict, "red")
    for pool, verified in zip(plan.fleet.pools, done.pools, strict=True):
        if verified.verdict != "pass" and _decides(verified, plan):
            yield f"{pool.name}: {_trouble(verified)}.", "red"
        elif done.trace is not None and verified.reason:
            yield f"{pool.name}: {verified.reason}.", "yellow"
    yield from ((text, "") for text in (*_burst_lines(plan), *scope_lines(plan)))


def _objective_line(plan: Plan, objective: Objective) -> str:
    meaning = f" ({objective.meaning})" if objective.meaning else ""
    text = f"Objective: {objective.sense} {objective.name}{meaning}: {objective.value:,.6g}; "
    text += f"bound {objective.bound:,.6g}"
    if not plan.status.refused_rows:
        return f"{text}."
    refused = wording.counted(len(plan.status.refused_rows), "row")
    return f"{text}; {objective.first:,.6g} before simulation refused {refused}."


def _cost_line(plan: Plan) -> str:
    cost, bound = plan.cost.usd_per_year, plan.status.bound_usd_per_year
    if plan.objective is not None:
        return f"Cost: {wording.money(cost)} a year, which is not the objective."
    text = f"Cost: {wording.money(cost)} a year; bound {wording.money(bound)}"
    rows, fleets = len(plan.status.refused_rows), len(plan.status.refused_fleets)
    if not (rows or fleets) or bound <= 0:
        return f"{text}."
    counts = ((rows, "row"), (fleets, "fleet"))
    refused = " and ".join(wording.counted(*count) for count in counts if count[0])
    source = "the first optimum" if plan.status.holding == "optimal" else "proved by the solver"
    return (
        f"{text}, {source}, before simulation refused {refused}. The verified plan costs "
        f"{wording.money(cost - bound)} a year more ({wording.share(cost / bound - 1)})."
    )


def _recorded(trace: RecordedTraffic) -> str:
    """A trace in words, with what was not served as it was."""
    name = os.path.basename(trace.path)
    text = f"the {wording.counted(trace.requests, 'request')} of {name}"
    changed = ((trace.clipped, "clipped"), (trace.rejected, "turned away"))
    return text + "".join(f", {count:,} of them {word}" for count, word in changed if count)


def _burst_lines(plan: Plan) -> Iterator[str]:
    """What the trace asks for beyond Poisson arrivals, for pools that were refused with less."""
    rows = {(r.lo_tokens, r.hi_tokens, r.profile): r for r in plan.status.refused_rows if r.needs}
    for pool in plan.fleet.pools:
        row = rows.get((pool.lo_tokens, pool.hi_tokens, pool.profile))
        if row is not None:
            yield (
                f"{pool.name}: at Poisson arrivals the table asks for "
                f"{wording.counted(row.replicas, 'replica')}, this trace needs {row.needs:,}."
            )


def _decides(pool: PoolVerification, plan: Plan) -> bool:
    """Whether a pool's verdict is the fleet's too; in scope fleet its attainment is not."""
    return plan.problem.slo_scope == "pool" or pool.verdict in ("unstable", "too short")


def _trouble(pool: PoolVerification) -> str:
    """Why a pool did not pass, in words."""
    text: str = pool.verdict
    if pool.backlog_per_s is not None:
        text += f", its backlog grows by {pool.backlog_per_s:.3g} requests per second"
    attained = pool.slo_attainment
    if attained.estimate is not None and pool.verdict in ("fail", "inconclusive"):
        text += f", {wording.attainment(attained)} of the requests meet the SLO"
    return f"{text}; {pool.reason.rstrip('.')}" if pool.reason else text
