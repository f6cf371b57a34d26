"""Feasibility-table rows as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fleetopt.report import wording
from fleetopt.report.console import columns, line
from fleetopt.report.layout import Group

if TYPE_CHECKING:
    from fleetopt.problem import FleetProblem
    from fleetopt.study import TableRow

SCHEMA = "fleetopt.table/1"


def rows_report(
    rows: Sequence[TableRow], problem: FleetProblem, lo: int, hi: int, width: int
) -> Group:
    """The rows of one pool, the admissible ones marked."""
    table = columns(
        "replicas", "utili-\nzation", "P99 TTFT\nms", "P99 TPOT\nms", "P99 E2E\nms",
        "missing\nthe SLO", "most\nreq/s", "meets\nthe SLO", "method", left=0, close=width < 100,
    )  # fmt: skip
    for row in rows:
        table.add_row(
            f"{row.replicas:,}",
            wording.share(row.utilization),
            wording.milliseconds(row.p99_ttft_ms),
            wording.milliseconds(row.p99_tpot_ms),
            wording.milliseconds(row.p99_e2e_ms),
            wording.share(row.miss_probability, 2),
            wording.rate(row.max_arrival_rate),
            "yes" if row.admissible else "no",
            row.method,
            style="green" if row.admissible else "",
        )
    title = (
        f"{problem.gpus[0]}, lengths {wording.lengths(lo, hi)} tokens, "
        f"{problem.arrival_rate:,g}{wording.NO_BREAK}req/s, {problem.admission} admission"
    )
    return Group(line(title, width, "bold"), table)


def rows_to_dict(
    rows: Sequence[TableRow], problem: FleetProblem, lo: int, hi: int
) -> dict[str, Any]:
    """The JSON form: the pool and its rows."""
    pool = {
        "gpu": problem.gpus[0],
        "lo_tokens": lo,
        "hi_tokens": hi,
        "arrival_rate": problem.arrival_rate,
        "admission": problem.admission,
        "slo": [bound.model_dump(mode="json") for bound in problem.slo],
    }
    return {"schema": SCHEMA, "pool": pool, "rows": table_rows(rows)}


def table_rows(rows: Sequence[TableRow]) -> list[dict[str, Any]]:
    """The rows with their fields as keys."""
    return [asdict(row) for row in rows]
