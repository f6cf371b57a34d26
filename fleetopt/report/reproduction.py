"""The published scenarios computed again, as blocks, JSON and CSV."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fleetopt.plan import Interval
from fleetopt.questions.reproduce.answer import Reproduced, Reproduction
from fleetopt.questions.reproduce.figure import Figure, Value
from fleetopt.questions.reproduce.finding import Finding
from fleetopt.report.blocks import Block, Grid, Heading, Paragraph

SCHEMA = "fleetopt.reproduction/1"
TITLE = "The published scenarios, computed again"
_UNITS = {
    "usd_per_year": "USD/year", "alpha": "share short", "n_short": "GPUs, short",
    "n_long": "GPUs, long", "gpus": "GPUs", "saving_pct": "saving, %",
    "p99_short_ms": "P99 TTFT short, ms", "p99_long_ms": "P99 TTFT long, ms",
    "p99_ms": "P99 TTFT, ms", "slo_met": "SLO met", "slo_pct": "within the SLO, %",
    "add_before_lam": "add before, requests/s", "cost_delta_pct": "cost, %",
    "ttft_ms": "TTFT, ms", "tpot_ms": "TPOT, ms", "n_prefill": "GPUs, prefill",
    "n_decode": "GPUs, decode", "usd_per_hour": "USD/hour", "n_max": "batch cap",
    "w_per_gpu": "W per GPU", "fleet_kw": "kW, fleet", "p99_analytic_ms": "P99 TTFT, ms",
    "p99_des_ms": "P99 TTFT, simulated, ms", "rho": "utilization", "n_active": "mean batch",
    "tok_per_w": "tokens per joule", "usd_per_mtok": "USD per million tokens",
    "at_0_987": "GPUs at A = 0.987", "at_0_95": "GPUs at A = 0.95",
}  # fmt: skip
_HEADINGS = (
    "row", "figure", "published", "published method, exact", "table", "simulated [95 %]",
    "verdict", "why",
)  # fmt: skip


def reproduction_blocks(found: Reproduction) -> list[Block]:
    """The whole report: what holds, what differs and why, then every table."""
    return [Heading(TITLE, 1), *_summary(found), *_findings(found.findings), *_tables(found)]


def reproduction_to_dict(found: Reproduction) -> dict[str, Any]:
    """The JSON form."""
    return {
        "schema": SCHEMA,
        "verdicts": dict(Counter(figure.verdict for figure in found.figures)),
        "rows": reproduction_rows(found),
        "findings": [asdict(finding) for finding in found.findings],
    }


def reproduction_rows(found: Reproduction) -> list[dict[str, Any]]:
    """One flat row for each figure."""
    return [_row(figure) for figure in found.figures]


def _row(figure: Figure) -> dict[str, Any]:
    simulated = figure.simulated
    interval = simulated if isinstance(simulated, Interval) else Interval(None, None, None)
    return {
        "scenario": figure.scenario,
        "row": figure.row,
        "quantity": figure.quantity,
        "published": figure.published,
        "method": figure.method,
        "method_low": figure.seeds[0] if figure.seeds else None,
        "method_high": figure.seeds[1] if figure.seeds else None,
        "table": figure.table,
        "simulated": simulated if isinstance(simulated, str) else interval.estimate,
        "simulated_low": interval.low,
        "simulated_high": interval.high,
        "verdict": figure.verdict,
        "why": _why(figure),
    }


def _summary(found: Reproduction) -> Iterator[Block]:
    counts = Counter(figure.verdict for figure in found.figures)
    yield Paragraph(
        f"Of {len(found.figures) - counts['not published']} published figures, "
        f"{counts['reproduced']} are reproduced, "
        f"{counts['reproduced, but not so']} are what the published method gives and not what "
        f"the simulator sees, and {counts['differs']} differ from the published method in exact "
        f"arithmetic."
    )
    yield Paragraph(
        "A figure is reproduced if the published method gives it within one GPU, or 6 %. Where "
        "the published figure comes from one of its own simulators, the middle of several seeds "
        "stands under the method, with the least and the most. Simulated figures are those of "
        "the published fleet in fleetopt's simulator."
    )


def _findings(findings: tuple[Finding, ...]) -> Iterator[Block]:
    if not findings:
        return
    yield Heading("What differs, measured")
    for finding in findings:
        yield Heading(finding.key[:1].upper() + finding.key[1:], 3)
        yield Paragraph(f"Published: {finding.published}. Measured: {finding.said}.")
        rows = tuple((name, _shown(value)) for name, value in finding.measured.items())
        yield Grid(("figure", "measured"), rows, ("figure",))


def _tables(found: Reproduction) -> Iterator[Block]:
    for table in found.tables:
        yield Heading(f"{table.scenario.question} ({table.scenario.key})")
        if table.scenario.command:
            yield Paragraph(table.scenario.command, code=True)
        yield _grid(table)


def _grid(table: Reproduced) -> Grid:
    rows, last = [], ""
    for figure in table.figures:
        label = "" if figure.row == last else figure.row
        last = figure.row
        rows.append((label, *_cells(figure)))
    return Grid(_HEADINGS, tuple(rows), ("row", "figure", "verdict", "why"), wrapped="why")


def _cells(figure: Figure) -> tuple[str, ...]:
    method = _figure(figure.method, figure)
    if figure.seeds is not None:
        low, high = (_figure(value, figure) for value in figure.seeds)
        method += "" if low == high else f" [{low}, {high}]"
    return (
        _UNITS.get(figure.quantity, figure.quantity),
        _figure(figure.published, figure),
        method,
        _figure(figure.table, figure),
        _simulated(figure),
        figure.verdict,
        _why(figure),
    )


def _why(figure: Figure) -> str:
    return "" if figure.verdict == "reproduced" else figure.why


def _simulated(figure: Figure) -> str:
    simulated = figure.simulated
    if not isinstance(simulated, Interval):
        return simulated or ""
    if simulated.estimate is None:
        return "unstable"
    middle, low, high = (
        _figure(value, figure) for value in (simulated.estimate, simulated.low, simulated.high)
    )
    return f"{middle} [{low}, {high}]"


def _figure(value: Value, figure: Figure) -> str:
    """A value with the decimals of its kind."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not math.isfinite(value):
        return "unstable"
    decimals = {"percent": 1, "share": 3, "ratio": 2, "rate": 1}.get(figure.kind, 0)
    if figure.quantity == "slo_pct":
        decimals = 2
    return f"{value:,.{decimals}f}"


def _shown(value: float | Interval | str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Interval):
        if value.estimate is None:
            return "unstable"
        return f"{value.estimate:,.4g} [{value.low:,.4g}, {value.high:,.4g}]"
    return f"{value:,.4g}"
