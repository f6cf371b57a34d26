"""A plan as readable text: the answer first, then why it is the answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from fleetopt.catalog import profiles_of
from fleetopt.objective import Objective
from fleetopt.plan import (
    HOURS_PER_YEAR,
    MIXED,
    ONE_POOL_OF,
    TWO_POOLS_OF,
    Alternative,
    Plan,
    PoolVerification,
    RecordedTraffic,
    RefusedRow,
)
from fleetopt.report import wording
from fleetopt.report.attainment import scope_lines, shares_table
from fleetopt.report.availability import spare_lines
from fleetopt.report.console import columns, first_fitting, line, section
from fleetopt.report.engines import engine_lines
from fleetopt.report.layout import Group, Layout, Table
from fleetopt.report.phases import phase_lines
from fleetopt.report.plan_energy import energy_lines

_SIMPLEST = ("one pool", "one GPU type")
_STYLES = {"pass": "green", "not verified": "yellow"}


def plan_report(plan: Plan, width: int) -> Group:
    """The whole report of a plan for a width in columns."""
    return Group(*_sections(plan, width))


def _sections(plan: Plan, width: int) -> Iterator[Layout]:
    yield fleet_table(plan, width)
    yield section("Answer", *(line(text, width, style) for text, style in _answer_lines(plan)))
    if plan.problem.slo_scope == "fleet":
        yield section("Whom the SLO is kept for", shares_table(plan))
    said = [line(text, width) for text in phase_lines(plan)]
    if said:
        yield section("Phases apart", *said)
    said = [line(text, width) for text in energy_lines(plan)]
    if said:
        yield section("Energy, by the tables", *said)
    if plan.status.refused_rows:
        yield section("Refused by simulation", _refused_table(plan.status.refused_rows))
    if plan.status.refused_fleets:
        yield section("Fleets refused by simulation", _refused_fleets(plan))
    compared = _compared(plan)
    if compared:
        yield section("Compared with", _alternatives(compared, plan))
    engines = list(engine_lines(plan))
    if engines:
        yield section("Engines", *(line(text, width) for text in engines))
    binding = [*_binding_lines(plan), *_next_cheaper_lines(plan)]
    yield section("What binds", *(line(text, width) for text in binding))
    best = [other for other in plan.alternatives if other.kind == "next best"]
    if best:
        trades = (f"{i}: {other.why}." for i, other in enumerate(best, 1) if other.why)
        told = (line(trade, width) for trade in trades)
        yield section("Next best fleets", _alternatives(best, plan), *told)
    notes = [*_paged_lines(plan), *plan.notes]
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def fleet_table(plan: Plan, width: int) -> Table:
    """One row for each pool: what it is, what is predicted, what was simulated, its price."""
    return first_fitting(
        width,
        _wide_table(plan, close=False),
        _wide_table(plan, close=True),
        _narrow_table(plan, dash="–"),
        _narrow_table(plan, dash="–\n"),
    )


def _wide_table(plan: Plan, *, close: bool) -> Table:
    table = columns(
        "pool", "lengths\ntokens", "GPU", "replicas", "slots", "utili-\nzation",
        "P99 TTFT\ntable, ms", "P99 TTFT\nsimulated, ms", "P99 TPOT\nms", "$/yr",
        left=3, close=close,
    )  # fmt: skip
    for i, (pool, cost) in enumerate(zip(plan.fleet.pools, _pool_costs(plan), strict=True)):
        lengths = wording.lengths(pool.lo_tokens, pool.hi_tokens)
        machines = (wording.gpus_of_replica(pool), wording.replicas(pool))
        table.add_row(pool.name, lengths, *machines, *_figures(plan, i), cost)
    return table


def _narrow_table(plan: Plan, *, dash: str) -> Table:
    table = columns(
        "pool", "lengths\ntokens", "replicas", "slots", "used", "P99 TTFT\ntable",
        "simulated\nms", "P99\nTPOT", "$/yr", left=2, close=True,
    )  # fmt: skip
    for i, (pool, cost) in enumerate(zip(plan.fleet.pools, _pool_costs(plan), strict=True)):
        lengths = wording.lengths(pool.lo_tokens, pool.hi_tokens).replace("–", dash)
        figures = [cell.replace(f"{wording.NO_BREAK}[", "\n[") for cell in _figures(plan, i)]
        table.add_row(pool.name, lengths, wording.machines(pool), *figures, cost)
    return table


def _figures(plan: Plan, index: int) -> tuple[str, ...]:
    """Slots, utilization, P99 TTFT of table and simulation, P99 TPOT of one pool."""
    predicted = plan.prediction.pools[index]
    return (
        f"{plan.fleet.pools[index].slots:,}",
        wording.share(predicted.utilization),
        wording.milliseconds(predicted.p99_ttft_ms),
        _simulated(plan, index),
        wording.milliseconds(predicted.p99_tpot_ms),
    )


def _simulated(plan: Plan, index: int) -> str:
    if plan.verification is None:
        return wording.NOTHING
    return _interval_unless_troubled(plan.verification.pools[index])


def _interval_unless_troubled(row: PoolVerification | RefusedRow) -> str:
    """The simulated P99 TTFT; the verdict where a percentile means nothing."""
    if row.verdict in ("unstable", "too short"):
        return row.verdict
    return wording.interval(row.p99_ttft_ms)


def _pool_costs(plan: Plan) -> list[str]:
    profiles = profiles_of(plan.problem)
    return [
        wording.money(profiles[pool.profile].usd_per_hour * pool.gpus * HOURS_PER_YEAR)
        if pool.profile in profiles
        else wording.NOTHING
        for pool in plan.fleet.pools
    ]


def _answer_lines(plan: Plan) -> Iterator[tuple[str, str]]:
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


def _trouble(pool: PoolVerification) -> str:
    """Why a pool did not pass, in words."""
    text: str = pool.verdict
    if pool.backlog_per_s is not None:
        text += f", its backlog grows by {pool.backlog_per_s:.3g} requests per second"
    attained = pool.slo_attainment
    if attained.estimate is not None and pool.verdict in ("fail", "inconclusive"):
        text += f", {wording.attainment(attained)} of the requests meet the SLO"
    return f"{text}; {pool.reason.rstrip('.')}" if pool.reason else text


def _refused_table(rows: Sequence[RefusedRow]) -> Table:
    needs = ["trace\nneeds"] if any(row.needs for row in rows) else []
    phased = any(row.phase for row in rows)
    table = columns(
        "lengths\ntokens", *(["phase"] if phased else []), "profile", "verdict", "replicas", *needs,
        "P99 TTFT\ntable, ms", "simulated\nms", "SLO\nattainment", left=3 + phased, close=True,
    )  # fmt: skip
    for row in rows:
        table.add_row(
            wording.lengths(row.lo_tokens, row.hi_tokens),
            *([row.phase or "both"] if phased else []),
            row.profile,
            row.verdict,
            f"{row.replicas:,}",
            *(f"{row.needs:,}" if row.needs else wording.NOTHING for _ in needs),
            wording.milliseconds(None if row.phase == "decode" else row.predicted_ms),
            _interval_unless_troubled(row),
            wording.share(row.slo_attainment.estimate, 2),
        )
    return table


def _refused_fleets(plan: Plan) -> Table:
    bounds = [f"{b.label}\nattained" for b in plan.problem.slo]
    table = columns("fleet", "verdict", "$/yr", *bounds, left=2, wrapped="fleet", close=True)
    for refused in plan.status.refused_fleets:
        table.add_row(
            wording.fleet(refused.fleet),
            refused.verdict,
            wording.money(refused.usd_per_year),
            *(wording.share(attained.estimate, 2) for attained in refused.attained),
        )
    return table


def _compared(plan: Plan) -> list[Alternative]:
    """The best fleets of each kind; those of each GPU type stand for the best of them."""
    by_type = [other for other in plan.alternatives if _is_by_type(other)]
    seen = [other.fleet for other in by_type]
    simplest = [other for other in plan.alternatives if other.kind in _SIMPLEST]
    return [*(other for other in simplest if other.fleet not in seen), *by_type]


def _is_by_type(other: Alternative) -> bool:
    return other.kind == MIXED or other.kind.startswith((ONE_POOL_OF, TWO_POOLS_OF))


def _alternatives(others: Sequence[Alternative], plan: Plan) -> Table:
    named = any(other.kind != "next best" for other in others)
    headings = ("best with" if named else "", "fleet", "verdict", "$/yr", "difference")
    table = columns(*headings, left=len(headings) - 2, wrapped="fleet", close=True)
    for i, other in enumerate(others, 1):
        extra = other.usd_per_year - plan.cost.usd_per_year
        more = extra / plan.cost.usd_per_year if plan.cost.usd_per_year > 0 else None
        table.add_row(
            other.kind if named else str(i),
            "the plan itself" if other.fleet == plan.fleet else wording.fleet(other.fleet),
            _verdict(other, plan),
            wording.money(other.usd_per_year),
            f"{'+' if extra >= 0 else ''}{wording.share(more)}",
        )
    return table


def _verdict(other: Alternative, plan: Plan) -> str:
    if other.fleet == plan.fleet and plan.verification is not None:
        return plan.verification.verdict
    return other.verdict


def _paged_lines(plan: Plan) -> Iterator[str]:
    for other in plan.alternatives:
        if other.kind == "paged":
            yield (
                f"{other.why}: {wording.fleet(other.fleet)}, {wording.money(other.usd_per_year)} "
                "a year; --admission paged designs and verifies it"
            )


def _binding_lines(plan: Plan) -> Iterator[str]:
    for pool, predicted in zip(plan.fleet.pools, plan.prediction.pools, strict=True):
        parts = [predicted.binds or "nothing"]
        parts += [
            f"P{bound.percentile:g} {bound.metric.upper()} "
            f"{wording.milliseconds(bound.value_ms)} of {bound.limit_ms:,g}{wording.NO_BREAK}ms"
            for bound in predicted.bounds
        ]
        if predicted.method != "occupancy":
            parts.append(f"predicted by the {predicted.method} model")
        if predicted.grey:
            parts.append("the table alone refuses this row, simulation decided")
        yield f"{pool.name}: {'; '.join(parts)}."


def _next_cheaper_lines(plan: Plan) -> Iterator[str]:
    if all(pool.replicas == 1 for pool in plan.fleet.pools):
        yield "Next cheaper: none by one replica fewer; every pool has just one."
    for other in plan.alternatives:
        if other.kind == "next cheaper":
            yield (
                f"Next cheaper: {wording.fleet(other.fleet)} at "
                f"{wording.money(other.usd_per_year)} a year. {other.why}"
            )
