"""The difference of two plans as a table, as JSON and as rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from fleetopt.plan import Plan
from fleetopt.questions.difference import Difference, Step
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout

SCHEMA = "fleetopt.difference/1"


def difference_report(difference: Difference, width: int) -> Group:
    """The answer first: what it costs, then which change it comes from."""
    return Group(*_sections(difference, width))


def difference_to_dict(difference: Difference) -> dict[str, Any]:
    """The JSON form."""
    return {
        "schema": SCHEMA,
        "first_usd_per_year": difference.first.cost.usd_per_year,
        "second_usd_per_year": difference.second.cost.usd_per_year,
        "base_usd_per_year": _finite(difference.base_usd_per_year),
        "extensions": difference.extensions,
        "rows": difference_rows(difference),
    }


def difference_rows(difference: Difference) -> list[dict[str, Any]]:
    """One flat row for each differing key."""
    return [
        {
            "key": step.key,
            "first": step.before,
            "second": step.after,
            "alone_usd_per_year": _finite(step.alone_usd_per_year),
            "so_far_usd_per_year": _finite(step.so_far_usd_per_year),
            "fleet": wording.fleet(step.fleet) if step.fleet else None,
        }
        for step in difference.steps
    ]


def _sections(difference: Difference, width: int) -> Iterator[Layout]:
    first, second = difference.first, difference.second
    more = second.cost.usd_per_year - first.cost.usd_per_year
    word = "more" if more > 0 else "less"
    share = wording.share(abs(more) / first.cost.usd_per_year if first.cost.usd_per_year else None)
    yield line(f"A: {_plan(first)}", width)
    yield line(f"B: {_plan(second)}", width)
    answer = f"B costs {wording.money(abs(more))} a year {word} ({share})."
    yield line(answer if more else "They cost the same.", width, "bold")
    if difference.extensions:
        yield line(f"Note: {difference.extensions}.", width)
    if not difference.steps:
        yield section("Why", line(_same_problem(difference), width))
        return
    table = columns("from A to B", "A", "B", "alone\n$/yr", "so far\n$/yr", "fleet so far", left=3,
                    wrapped="fleet so far", close=True)  # fmt: skip
    table.columns[-1].justify = "left"
    table.add_row("", "", "", "", wording.money(difference.base_usd_per_year), "A, by the table")
    for step in difference.steps:
        table.add_row(step.key, step.before, step.after, *_costs(step))
    yield section("Why: one difference at a time, by the tables", table)


def _plan(plan: Plan) -> str:
    verdict = plan.verification.verdict if plan.verification else "not verified"
    return f"{wording.fleet(plan.fleet)}, {wording.money(plan.cost.usd_per_year)} a year, {verdict}"


def _same_problem(difference: Difference) -> str:
    first, second = difference.first, difference.second
    if not difference.same_extension:
        return "The problems are the same but for what their extensions add."
    if first.fleet == second.fleet:
        return "The problems and the fleets are the same."
    refused = len(first.status.refused_rows), len(second.status.refused_rows)
    return (
        "The problems are the same; the fleets differ because simulation refused "
        f"{refused[0]} rows for A and {refused[1]} for B, or because they cost the same."
    )


def _costs(step: Step) -> tuple[str, str, str]:
    return (
        _money(step.alone_usd_per_year),
        _money(step.so_far_usd_per_year),
        wording.fleet(step.fleet) if step.fleet else "none meets the problem",
    )


def _money(usd: float) -> str:
    return wording.money(usd) if math.isfinite(usd) else wording.NOTHING


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
