"""A plan as readable text: the answer first, then why it is the answer."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.plan import MIXED, ONE_POOL_OF, TWO_POOLS_OF, Alternative, Plan
from fleetopt.report import wording
from fleetopt.report.attainment import shares_table
from fleetopt.report.console import line, section
from fleetopt.report.engines import engine_lines
from fleetopt.report.layout import Group, Layout
from fleetopt.report.phases import phase_lines
from fleetopt.report.plan_answer import answer_lines
from fleetopt.report.plan_energy import energy_lines
from fleetopt.report.plan_tables import (
    alternatives_table,
    fleet_table,
    refused_fleets_table,
    refused_rows_table,
)

_SIMPLEST = ("one pool", "one GPU type")


def plan_report(plan: Plan, width: int) -> Group:
    """The whole report of a plan for a width in columns."""
    return Group(*_sections(plan, width))


def _sections(plan: Plan, width: int) -> Iterator[Layout]:
    yield fleet_table(plan, width)
    yield section("Answer", *(line(text, width, style) for text, style in answer_lines(plan)))
    if plan.problem.slo_scope == "fleet":
        yield section("Whom the SLO is kept for", shares_table(plan))
    said = [line(text, width) for text in phase_lines(plan)]
    if said:
        yield section("Phases apart", *said)
    said = [line(text, width) for text in energy_lines(plan)]
    if said:
        yield section("Energy, by the tables", *said)
    if plan.status.refused_rows:
        yield section("Refused by simulation", refused_rows_table(plan.status.refused_rows))
    if plan.status.refused_fleets:
        yield section("Fleets refused by simulation", refused_fleets_table(plan))
    compared = _compared(plan)
    if compared:
        yield section("Compared with", alternatives_table(compared, plan))
    engines = list(engine_lines(plan))
    if engines:
        yield section("Engines", *(line(text, width) for text in engines))
    binding = [*_binding_lines(plan), *_next_cheaper_lines(plan)]
    yield section("What binds", *(line(text, width) for text in binding))
    best = [other for other in plan.alternatives if other.kind == "next best"]
    if best:
        trades = (f"{i}: {other.why}." for i, other in enumerate(best, 1) if other.why)
        told = (line(trade, width) for trade in trades)
        yield section("Next best fleets", alternatives_table(best, plan), *told)
    notes = [*_paged_lines(plan), *plan.notes]
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _compared(plan: Plan) -> list[Alternative]:
    """The best fleets of each kind; those of each GPU type stand for the best of them."""
    by_type = [other for other in plan.alternatives if _is_by_type(other)]
    seen = [other.fleet for other in by_type]
    simplest = [other for other in plan.alternatives if other.kind in _SIMPLEST]
    return [*(other for other in simplest if other.fleet not in seen), *by_type]


def _is_by_type(other: Alternative) -> bool:
    return other.kind == MIXED or other.kind.startswith((ONE_POOL_OF, TWO_POOLS_OF))


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
