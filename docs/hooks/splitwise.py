"""The recorded fleets of Splitwise's Azure cases, as Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).resolve().parents[1] / "measured" / "splitwise_azure.json"
_WHOLE = 16_384
Row = dict[str, Any]


def fleets() -> str:
    """A table for each trace and each way of counting."""
    rows = json.loads(RECORDED.read_text())
    parts = []
    for case in ("coding", "conversation"):
        for counting in ("simulator", "measured"):
            mine = [r for r in rows if (r["case"], r["counting"]) == (case, counting)]
            parts += [f"**{case.capitalize()}, {counting}**", _table(mine)]
    return "\n\n".join(parts)


def findings() -> str:
    """What the recorded rows say of costs."""
    rows = json.loads(RECORDED.read_text())
    lines = []
    for case, published in (("coding", "29 machines"), ("conversation", "17 + 15 machines")):
        for counting in ("simulator", "measured"):
            passed = [
                r for r in rows
                if (r["case"], r["counting"], r["verdict"]) == (case, counting, "pass")
            ]  # fmt: skip
            best = min(passed, key=lambda r: r["usd_per_hour"])
            change = 100 * (best["beside_published"] - 1)
            lines.append(
                f"- {case.capitalize()}, {counting}: {_machines(best)} pass at "
                f"${best['usd_per_hour']:,.0f} an hour, {abs(change):.1f} % "
                f"{'more' if change > 0 else 'less'} than the published {published}."
            )
    return "\n".join(lines)


def _table(rows: list[Row]) -> str:
    head = (
        "| fleet | machines | $/h | verdict | TTFT P50, P90, P99 | tokens | E2E |\n"
        "| --- | --- | ---: | --- | --- | --- | --- |"
    )
    return "\n".join([head, *map(_line, rows)])


def _line(row: Row) -> str:
    cells = [_slowdowns(row, metric) for metric in ("TTFT", "TBT", "E2E")]
    return (
        f"| {row['kind']} | {_machines(row)} | {row['usd_per_hour']:,.0f} | {row['verdict']} | "
        f"{' | '.join(cells)} |"
    )


def _machines(row: Row) -> str:
    return " + ".join(
        ", ".join(_group(group) for group in row[phase]) for phase in ("prefill", "decode")
        if row[phase]
    )  # fmt: skip


def _group(group: Row) -> str:
    lengths = f" <= {group['longest']}" if group["longest"] < _WHOLE else ""
    return f"{group['machines']} {group['gpu'].upper()}{lengths}"


def _slowdowns(row: Row, metric: str) -> str:
    found = [row["slowdowns"][f"P{p} {metric}"][0] for p in (50, 90, 99)]
    return ", ".join("-" if x is None else f"{x:.2f}" if x < 100 else f"{x:,.0f}" for x in found)
