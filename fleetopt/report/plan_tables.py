"""The tables of a plan's report."""

from __future__ import annotations

from collections.abc import Sequence

from fleetopt.catalog import profiles_of
from fleetopt.plan import HOURS_PER_YEAR, Alternative, Plan, PoolVerification, RefusedRow
from fleetopt.report import wording
from fleetopt.report.console import columns, first_fitting
from fleetopt.report.layout import Table


def fleet_table(plan: Plan, width: int) -> Table:
    """One row for each pool: what it is, what is predicted, what was simulated, its price."""
    return first_fitting(
        width,
        _wide_table(plan, close=False),
        _wide_table(plan, close=True),
        _narrow_table(plan, dash="–"),
        _narrow_table(plan, dash="–\n"),
    )


def refused_rows_table(rows: Sequence[RefusedRow]) -> Table:
    """Rows that the table promised and the simulator refused."""
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


def refused_fleets_table(plan: Plan) -> Table:
    """Fleets that missed the SLO over all requests together, and what they attained."""
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


def alternatives_table(others: Sequence[Alternative], plan: Plan) -> Table:
    """Other fleets by what they are best with, or by rank, beside the plan's own cost."""
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


def _verdict(other: Alternative, plan: Plan) -> str:
    if other.fleet == plan.fleet and plan.verification is not None:
        return plan.verification.verdict
    return other.verdict
